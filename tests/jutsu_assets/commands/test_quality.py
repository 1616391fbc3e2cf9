"""``jutsu quality``, as a user types it, and its lines for the doctor."""

import getpass
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jutsu_assets.commands import quality as commands
from jutsu_assets.commands.cli import main
from jutsu_assets.commands.quality import quality_findings
from jutsu_assets.store.findings import FindingsLedger
from jutsu_assets.store.market import MarketDatabase
from jutsu_core.bars import Timeframe
from jutsu_core.quality.catalog import RULES
from jutsu_core.quality.findings import Finding
from tests.support.builders import SettableClock, days

D1 = Timeframe.D1
MONDAY, TUESDAY = days(date(2013, 2, 25), 2)
HOLE = Finding("no_session_is_missing", MONDAY, "no bar")
SPIKE = Finding("no_price_is_a_spike", TUESDAY, "low 0.01 is far below [bold]99[/bold], the nearest around it")
NOWHERE = Finding("bars_are_stored", None, "no bar is stored")


@pytest.fixture
def market(home: Path) -> Iterator[MarketDatabase]:
    """A store in which AAPL has two findings, NOSUCH one, and MSFT none."""
    opened = MarketDatabase(f"sqlite:///{home / 'sample' / 'jutsu.db'}", source="simulator", clock=SettableClock())
    for symbol, findings in {"AAPL": [HOLE, SPIKE], "MSFT": [], "NOSUCH": [NOWHERE]}.items():
        opened.findings.record(symbol, D1, basis="b", findings=findings)
    yield opened
    opened.database.close()


@pytest.fixture
def ledger(market: MarketDatabase) -> FindingsLedger:
    return market.findings


def jutsu(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["quality", *arguments])


def rows(result: Result) -> list[list[str]]:
    """Return the cells of the table that was shown."""
    assert result.exit_code == 0, result.output
    lines = [line for line in result.output.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def acknowledged(ledger: FindingsLedger) -> list[tuple[str, Finding]]:
    return [(known.symbol, known.finding) for known in ledger.findings(D1) if known.acknowledgement is not None]


AAPL_SPIKE = ["AAPL", "2013-02-26", SPIKE.rule, SPIKE.text]
AAPL_HOLE = ["AAPL", "2013-02-25", HOLE.rule, "no bar"]
ALL_NOWHERE = ["NOSUCH", "", NOWHERE.rule, "no bar is stored"]


@pytest.mark.usefixtures("market")
def test_what_is_open_is_listed_by_symbol_and_rule() -> None:
    result = jutsu("list")
    assert rows(result) == [AAPL_SPIKE, AAPL_HOLE, ALL_NOWHERE]
    assert "3 symbols judged: 3 findings open, 0 acknowledged." in result.output
    assert "not shown" not in result.output


@pytest.mark.usefixtures("market")
def test_the_list_is_of_the_symbols_and_the_rule_that_are_named() -> None:
    assert rows(jutsu("list", "NOSUCH", "MSFT")) == [ALL_NOWHERE]
    assert rows(jutsu("list", "--rule", HOLE.rule)) == [AAPL_HOLE]
    sound = jutsu("list", "MSFT")
    assert rows(sound) == []
    assert "1 symbols judged: 0 findings open, 0 acknowledged." in sound.output


def test_what_was_acknowledged_is_listed_when_all_is_asked_for(ledger: FindingsLedger) -> None:
    ledger.acknowledge("AAPL", D1, HOLE.rule, MONDAY, reason="the exchange was closed", by="ada")
    assert rows(jutsu("list", "AAPL")) == [AAPL_SPIKE]
    result = jutsu("list", "AAPL", "--all")
    assert rows(result) == [[*AAPL_SPIKE, ""], [*AAPL_HOLE, "2013-03-04 by ada: the exchange was closed"]]
    assert "1 symbols judged: 1 findings open, 1 acknowledged." in result.output


@pytest.mark.usefixtures("market")
def test_a_long_list_says_how_much_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "MOST_SHOWN", 2)
    result = jutsu("list")
    assert rows(result) == [AAPL_SPIKE, AAPL_HOLE]
    assert "1 more are not shown: name a SYMBOL or a --rule" in result.output


def test_a_finding_is_acknowledged_and_taken_back(ledger: FindingsLedger) -> None:
    result = jutsu("acknowledge", "AAPL", SPIKE.rule, "--session", "2013-02-26", "--reason", "traded", "--by", "bob")
    assert result.exit_code == 0, result.output
    assert result.output == f"1 of {SPIKE.rule} in AAPL acknowledged by bob; the next run's checks count it so.\n"
    assert acknowledged(ledger) == [("AAPL", SPIKE)]
    result = jutsu("withdraw", "AAPL", SPIKE.rule, "--session", "2013-02-26")
    assert result.exit_code == 0, result.output
    assert acknowledged(ledger) == []


def test_without_a_session_the_whole_rule_is_acknowledged(ledger: FindingsLedger) -> None:
    ledger.record("AAPL", D1, basis="b", findings=[HOLE, HOLE._replace(session=TUESDAY), SPIKE])
    assert "2 of no_session_is_missing in AAPL" in jutsu("acknowledge", "AAPL", HOLE.rule, "--reason", "x").output
    assert "1 of bars_are_stored" in jutsu("acknowledge", "NOSUCH", NOWHERE.rule, "--reason", "delisted").output
    assert len(acknowledged(ledger)) == 3
    assert "2 of no_session_is_missing in AAPL withdrawn" in jutsu("withdraw", "AAPL", HOLE.rule).output
    assert acknowledged(ledger) == [("NOSUCH", NOWHERE)]


def test_who_acknowledges_is_the_user_of_the_machine_if_nobody_is_named(
    ledger: FindingsLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "grace")
    jutsu("acknowledge", "AAPL", HOLE.rule, "--reason", "x")
    [kept] = [known.acknowledgement for known in ledger.findings(D1) if known.acknowledgement is not None]
    assert (kept.by, kept.reason) == ("grace", "x")


def test_where_the_machine_has_no_user_one_must_be_named(
    ledger: FindingsLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise KeyError(1001)

    monkeypatch.setattr(getpass, "getuser", nobody)
    result = jutsu("acknowledge", "AAPL", HOLE.rule, "--reason", "x")
    assert result.exit_code == 1
    assert "give --by NAME" in result.output
    assert acknowledged(ledger) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("list", "--rule", "no_such_rule"), "rule must be one of bars_are_stored, ohlc_is_consistent, "),
        (("list", "TYPO"), "the bars of TYPO must have been judged, were not in"),
        (("acknowledge", "TYPO", HOLE.rule, "--reason", "x"), "the bars of TYPO must have been judged"),
        (("acknowledge", "AAPL", "no_such_rule", "--reason", "x"), "was 'no_such_rule'"),
        (
            ("acknowledge", "MSFT", HOLE.rule, "--reason", "x"),
            "MSFT must have an open finding of no_session_is_missing",
        ),
        (("acknowledge", "AAPL", HOLE.rule, "--session", "2013-02-26", "--reason", "x"), "on 2013-02-26 to acknowl"),
        (("acknowledge", "AAPL", HOLE.rule, "--session", "26.2.", "--reason", "x"), "session must be a date such as"),
        (("acknowledge", "AAPL", HOLE.rule, "--reason", " "), "reason must say something"),
        (("withdraw", "AAPL", HOLE.rule), "AAPL must have an acknowledged finding of no_session_is_missing to"),
        (("withdraw", "AAPL", "no_such_rule"), "rule must be one of"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    ledger: FindingsLedger, arguments: tuple[str, ...], message: str
) -> None:
    before = (ledger.findings(D1), ledger.verdicts(D1))
    result = jutsu(*arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert (ledger.findings(D1), ledger.verdicts(D1)) == before


def test_an_acknowledgement_needs_a_reason(ledger: FindingsLedger) -> None:
    result = jutsu("acknowledge", "AAPL", HOLE.rule)
    assert result.exit_code == 2
    assert "--reason" in result.output
    assert acknowledged(ledger) == []


def test_before_anything_was_judged_it_says_what_to_run(home: Path) -> None:
    nothing = jutsu("list")
    assert nothing.exit_code == 1
    assert "nothing is stored in" in nothing.output
    assert not home.exists()
    market = MarketDatabase(f"sqlite:///{home / 'sample' / 'jutsu.db'}", source="simulator")
    assert market.findings.verdicts(D1) == {}
    market.database.close()
    result = jutsu("list")
    assert result.exit_code == 1
    assert "must have been judged, were not in" in result.output
    assert "run `jutsu update`" in result.output


# For the doctor


def test_the_doctor_gets_a_line_a_rule_with_the_worst_symbols_and_the_remedy(market: MarketDatabase) -> None:
    for number in range(7):
        holes = [HOLE._replace(session=MONDAY + timedelta(days=day)) for day in range(number + 1)]
        market.findings.record(f"S{number}", D1, basis="b", findings=holes)
    followed = ["AAPL", "MSFT", *(f"S{number}" for number in range(7))]
    missing, spiked = quality_findings(market.database, followed)
    assert missing.startswith(
        "no_session_is_missing: 29 open (S6 7, S5 6, S4 5, S3 4, S2 3 and 3 more symbols);"
        " see `jutsu quality list --rule no_session_is_missing`. Every session"
    )
    assert missing.endswith("Materialize the symbol to ask again.")
    assert spiked.startswith("no_price_is_a_spike: 1 open (AAPL 1); see `jutsu quality list")


def test_the_doctor_gets_ten_lines_at_most(market: MarketDatabase) -> None:
    findings = [Finding(rule.name, MONDAY, "wrong") for rule in RULES]
    for number in range(50):
        market.findings.record(f"S{number}", D1, basis="b", findings=findings)
    assert len(quality_findings(market.database, [f"S{number}" for number in range(50)])) == len(RULES) <= 10


def test_the_doctor_hears_nothing_of_what_is_kept_or_not_followed(market: MarketDatabase) -> None:
    assert quality_findings(market.database, ["MSFT", "UNKNOWN"]) == []
    assert quality_findings(market.database, []) == []
    market.findings.acknowledge("NOSUCH", D1, NOWHERE.rule, None, reason="delisted", by="ada")
    assert quality_findings(market.database, ["NOSUCH"]) == []
