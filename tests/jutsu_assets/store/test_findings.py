"""The ledger of findings: what it replaces, what it keeps, and what an acknowledgement covers."""

from collections.abc import Sequence
from datetime import date, timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy import Connection

from jutsu_assets.store import findings as ledgers
from jutsu_assets.store.engine import Database
from jutsu_assets.store.findings import FindingsLedger
from jutsu_assets.store.rows import run
from jutsu_core.bars import Timeframe
from jutsu_core.errors import InvalidInputError, JutsuError, NoDataError
from jutsu_core.quality.findings import Acknowledgement, Finding, KeptFinding, Verdict
from tests.support.builders import NOON, RecordingSleeper, SettableClock, days

D1 = Timeframe.D1
MONDAY, TUESDAY = days(date(2013, 2, 25), 2)
HOLE = Finding("no_session_is_missing", MONDAY, "no bar")
OTHER_HOLE = HOLE._replace(session=TUESDAY)
SPIKE = Finding("no_price_is_a_spike", MONDAY, "low 0.01 is far below 99, the nearest around it")
NOWHERE = Finding("bars_are_stored", None, "no bar is stored")


@pytest.fixture
def ledger(database: Database, clock: SettableClock) -> FindingsLedger:
    return FindingsLedger(database, clock)


def record(ledger: FindingsLedger, symbol: str, *findings: Finding, basis: str = "b1") -> Verdict:
    return ledger.record(symbol, D1, basis=basis, findings=findings)


def keep(ledger: FindingsLedger, finding: Finding, symbol: str = "AAPL") -> list[Finding]:
    return ledger.acknowledge(symbol, D1, finding.rule, finding.session, reason="a known hole", by="ada")


def listed(ledger: FindingsLedger, symbol: str = "AAPL") -> list[tuple[Finding, bool]]:
    return [(known.finding, known.acknowledgement is not None) for known in ledger.findings(D1, [symbol])]


def test_what_was_never_judged_has_no_verdict(ledger: FindingsLedger) -> None:
    assert ledger.verdict("AAPL", D1) is None
    assert ledger.verdicts(D1) == ledger.verdicts(D1, ["AAPL"]) == {}
    assert ledger.findings(D1) == []


def test_a_verdict_counts_what_was_found_by_rule(ledger: FindingsLedger) -> None:
    expected = Verdict(
        symbol="AAPL",
        basis="b1",
        judged_at=NOON,
        counts={"no_session_is_missing": 2, "no_price_is_a_spike": 1, "bars_are_stored": 1},
    )
    assert record(ledger, "AAPL", HOLE, OTHER_HOLE, SPIKE, NOWHERE) == expected
    assert ledger.verdict("AAPL", D1) == expected
    assert not expected.is_sound


def test_findings_are_listed_by_symbol_rule_and_time(ledger: FindingsLedger) -> None:
    record(ledger, "MSFT", SPIKE)
    record(ledger, "AAPL", OTHER_HOLE, SPIKE, HOLE, NOWHERE)
    everything = [("AAPL", NOWHERE), ("AAPL", SPIKE), ("AAPL", HOLE), ("AAPL", OTHER_HOLE), ("MSFT", SPIKE)]
    assert ledger.findings(D1) == [KeptFinding(symbol, finding, None) for symbol, finding in everything]
    assert ledger.findings(D1, limit=2) == ledger.findings(D1)[:2]
    assert [known.symbol for known in ledger.findings(D1, rule=SPIKE.rule)] == ["AAPL", "MSFT"]
    assert ledger.findings(D1, ["MSFT"], HOLE.rule) == []
    assert ledger.findings(D1, []) == []
    assert ledger.findings(Timeframe.W1) == []


def test_a_new_record_replaces_the_former_one(ledger: FindingsLedger, clock: SettableClock) -> None:
    record(ledger, "AAPL", HOLE, SPIKE)
    record(ledger, "MSFT", SPIKE)
    clock.advance(timedelta(days=1))
    sound = record(ledger, "AAPL", basis="b2")
    assert sound == Verdict(symbol="AAPL", basis="b2", judged_at=NOON + timedelta(days=1))
    assert sound.is_sound
    assert listed(ledger) == []
    assert listed(ledger, "MSFT") == [(SPIKE, False)]


def test_a_record_that_fails_leaves_the_former_one(ledger: FindingsLedger) -> None:
    record(ledger, "AAPL", HOLE)
    with pytest.raises(JutsuError):
        record(ledger, "AAPL", SPIKE, SPIKE, basis="b2")  # the same row twice: the database refuses
    assert listed(ledger) == [(HOLE, False)]
    verdict = ledger.verdict("AAPL", D1)
    assert verdict is not None
    assert verdict.basis == "b1"


def test_timeframes_do_not_mix(ledger: FindingsLedger) -> None:
    record(ledger, "AAPL", HOLE)
    ledger.record("AAPL", Timeframe.W1, basis="w", findings=[HOLE, SPIKE])
    keep(ledger, HOLE)
    assert ledger.verdicts(D1)["AAPL"].is_sound
    assert ledger.verdicts(Timeframe.W1)["AAPL"].counts == {HOLE.rule: 1, SPIKE.rule: 1}


@pytest.mark.parametrize("finding", [HOLE, NOWHERE], ids=["of a session", "of none"])
def test_what_is_acknowledged_stays_listed_and_fails_nothing(
    ledger: FindingsLedger, clock: SettableClock, finding: Finding
) -> None:
    record(ledger, "AAPL", finding)
    clock.advance(timedelta(hours=1))
    assert keep(ledger, finding) == [finding]
    acknowledgement = Acknowledgement("a known hole", "ada", NOON + timedelta(hours=1))
    assert ledger.findings(D1) == [KeptFinding("AAPL", finding, acknowledgement)]
    verdict = ledger.verdict("AAPL", D1)
    assert verdict is not None
    assert (verdict.is_sound, verdict.counts, verdict.acknowledged) == (True, {}, {finding.rule: 1})


def test_an_acknowledgement_holds_when_the_same_is_found_again(ledger: FindingsLedger) -> None:
    record(ledger, "AAPL", HOLE)
    keep(ledger, HOLE)
    assert record(ledger, "AAPL", basis="b2").is_sound, "the hole was filled"
    again = record(ledger, "AAPL", HOLE, OTHER_HOLE, basis="b3")
    assert (again.counts, again.acknowledged) == ({HOLE.rule: 1}, {HOLE.rule: 1})
    assert listed(ledger) == [(HOLE, True), (OTHER_HOLE, False)]


@pytest.mark.parametrize(
    "other",
    [SPIKE._replace(text="high 9,999 is far above 102"), SPIKE._replace(session=TUESDAY), SPIKE._replace(rule="x")],
    ids=["another fault of the session", "another session", "another rule"],
)
def test_an_acknowledgement_hides_no_other_fault(ledger: FindingsLedger, other: Finding) -> None:
    record(ledger, "AAPL", SPIKE)
    keep(ledger, SPIKE)
    assert not record(ledger, "AAPL", other, basis="b2").is_sound
    assert not record(ledger, "MSFT", SPIKE).is_sound
    both = record(ledger, "AAPL", other, SPIKE, basis="b3")
    assert sum(both.counts.values()) == sum(both.acknowledged.values()) == 1


def test_a_whole_rule_is_acknowledged_at_once(ledger: FindingsLedger) -> None:
    record(ledger, "AAPL", HOLE, OTHER_HOLE, SPIKE)
    keep(ledger, OTHER_HOLE)
    assert ledger.acknowledge("AAPL", D1, HOLE.rule, None, reason="not listed then", by="bob") == [HOLE]
    assert [
        known.acknowledgement.by for known in ledger.findings(D1, ["AAPL"], HOLE.rule) if known.acknowledgement
    ] == ["bob", "ada"]
    verdict = ledger.verdict("AAPL", D1)
    assert verdict is not None
    assert verdict.counts == {SPIKE.rule: 1}


def test_only_what_is_open_can_be_acknowledged(ledger: FindingsLedger) -> None:
    record(ledger, "AAPL", HOLE)
    record(ledger, "MSFT", SPIKE)
    keep(ledger, HOLE)
    before = ledger.findings(D1)
    for symbol, finding in (("AAPL", HOLE), ("AAPL", OTHER_HOLE), ("AAPL", SPIKE), ("IBM", HOLE)):
        with pytest.raises(NoDataError, match=rf"{symbol} must have an open finding of {finding.rule} on 2013-02-2\d"):
            keep(ledger, finding, symbol)
    assert ledger.findings(D1) == before


@pytest.mark.parametrize(("reason", "by", "message"), [(" ", "ada", "reason must say"), ("why", "", "by must say")])
def test_an_acknowledgement_says_why_and_whose_it_is(
    ledger: FindingsLedger, reason: str, by: str, message: str
) -> None:
    record(ledger, "AAPL", HOLE)
    with pytest.raises(InvalidInputError, match=message):
        ledger.acknowledge("AAPL", D1, HOLE.rule, None, reason=reason, by=by)
    assert listed(ledger) == [(HOLE, False)]


def test_what_no_database_keeps_is_no_reason_to_fail(ledger: FindingsLedger) -> None:
    record(ledger, "AAPL", HOLE)
    ledger.acknowledge("AAPL", D1, HOLE.rule, None, reason="\x00a\ud800\nb ", by="ada\x00")
    [known] = ledger.findings(D1)
    assert known.acknowledgement == Acknowledgement(" a  b", "ada ", NOON)


def test_an_acknowledgement_is_withdrawn(ledger: FindingsLedger) -> None:
    record(ledger, "AAPL", HOLE, OTHER_HOLE, SPIKE)
    record(ledger, "MSFT", HOLE)
    for finding in (HOLE, OTHER_HOLE, SPIKE):
        keep(ledger, finding)
    keep(ledger, HOLE, "MSFT")
    assert ledger.withdraw("AAPL", D1, HOLE.rule, MONDAY) == 1
    assert listed(ledger) == [(SPIKE, True), (HOLE, False), (OTHER_HOLE, True)]
    keep(ledger, HOLE)
    assert ledger.withdraw("AAPL", D1, HOLE.rule, None) == 2
    assert listed(ledger) == [(SPIKE, True), (HOLE, False), (OTHER_HOLE, False)]
    assert listed(ledger, "MSFT") == [(HOLE, True)]
    with pytest.raises(NoDataError, match=r"must have an acknowledged finding of no_session_is_missing on 2013-02-25"):
        ledger.withdraw("AAPL", D1, HOLE.rule, MONDAY)


def test_verdicts_of_any_number_of_symbols_take_one_question(
    ledger: FindingsLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for symbol in ("MSFT", "AAPL", "IBM"):
        record(ledger, symbol, HOLE, SPIKE)
        keep(ledger, HOLE, symbol)
    questions = []

    def counted(connection: Connection, sql: str, parameters: Sequence[object] = ()) -> object:
        questions.append(sql)
        return run(connection, sql, parameters)

    monkeypatch.setattr(ledgers, "run", counted)
    verdicts = ledger.verdicts(D1, ["IBM", "AAPL", "NOSUCH"])
    assert len(questions) == 1
    assert {symbol: (verdict.counts, verdict.acknowledged) for symbol, verdict in verdicts.items()} == {
        symbol: ({SPIKE.rule: 1}, {HOLE.rule: 1}) for symbol in ("AAPL", "IBM")
    }
    assert list(ledger.verdicts(D1)) == ["AAPL", "IBM", "MSFT"]
    assert ledger.verdicts(D1, ["AAPL"]) == {"AAPL": verdicts["AAPL"]}


class TestManyFindings:
    """More than are listed: none gets out of reach, and all are counted."""

    HOLES = tuple(HOLE._replace(session=day) for day in days(date(2012, 1, 1), 7))

    @pytest.fixture(autouse=True)
    def few_are_listed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ledgers, "MOST_LISTED", 3)

    def test_the_newest_are_listed_and_all_are_counted(self, ledger: FindingsLedger) -> None:
        verdict = record(ledger, "AAPL", *self.HOLES, SPIKE)
        assert verdict.counts == {HOLE.rule: 7, SPIKE.rule: 1}
        assert listed(ledger) == [(SPIKE, False), *((hole, False) for hole in self.HOLES[4:])]

    def test_those_beyond_are_listed_once_the_others_are_acknowledged(self, ledger: FindingsLedger) -> None:
        record(ledger, "AAPL", *self.HOLES)
        for still_open in (4, 1, 0):
            ledger.acknowledge("AAPL", D1, HOLE.rule, None, reason="not listed then", by="ada")
            verdict = ledger.verdict("AAPL", D1)
            assert verdict is not None
            assert verdict.counts.get(HOLE.rule, 0) == still_open
            assert (verdict.basis == "") == bool(still_open), "who inspects next judges anew, and lists the rest"
            record(ledger, "AAPL", *self.HOLES)
        assert listed(ledger) == [(hole, True) for hole in self.HOLES]


def test_two_who_acknowledge_at_once_keep_it_once(url: str, clock: SettableClock) -> None:
    databases = [Database(url, RecordingSleeper()) for _ in range(2)]
    holes = [HOLE._replace(session=day) for day in days(date(2012, 1, 1), 40)]
    both = [FindingsLedger(database, clock) for database in databases]
    record(both[0], "AAPL", *holes)
    barrier, said = Barrier(2), []

    def work(ledger: FindingsLedger) -> None:
        barrier.wait()
        try:
            said.append(len(ledger.acknowledge("AAPL", D1, HOLE.rule, None, reason="why", by="ada")))
        except NoDataError:
            said.append(0)

    threads = [Thread(target=work, args=(ledger,)) for ledger in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said) == [0, 40]
    assert both[0].verdicts(D1)["AAPL"].is_sound
    for database in databases:
        database.close()
