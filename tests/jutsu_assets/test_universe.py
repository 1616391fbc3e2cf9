"""The universe file: what it may say, and errors that name file, key, value and remedy."""

import errno
import os
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from jutsu_assets.universe import load_universe
from jutsu_core.errors import ConfigurationError
from jutsu_core.indicators.catalog import DEFAULT_INDICATORS, indicator
from tests.support.builders import SettableClock

ROOT = Path(__file__).resolve().parents[2]


def write(folder: Path, text: str) -> Path:
    path = folder / "universe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_file_that_ships_is_sound() -> None:
    universe = load_universe(ROOT / "universe.yaml")
    assert universe.symbols == ("AAPL", "FB", "GOOG", "IBM", "MSFT")
    assert universe.history_start == date(2000, 3, 1)
    assert universe.calendar == "XNYS"
    assert universe.performance.periods_per_year == 252
    assert universe.daily_indicators[: len(DEFAULT_INDICATORS)] == DEFAULT_INDICATORS
    assert [spec.name for spec in universe.daily_indicators[len(DEFAULT_INDICATORS) :]] == ["adx", "stochastic"]


def test_share_classes_and_indexes_are_symbols(tmp_path: Path) -> None:
    universe = load_universe(write(tmp_path, "symbols: [BRK/B, $SPX, 'ON']\nhistory_start: 2000-01-03\n"))
    assert universe.symbols == ("BRK/B", "$SPX", "ON")


def test_a_set_of_indicators_is_chosen_by_timeframe(tmp_path: Path) -> None:
    text = SOUND + FOLLOWED + "indicator_sets:\n  swing: [rsi, {sma: {period: 20}}, macd: ]\nindicators: {1d: swing}\n"
    universe = load_universe(write(tmp_path, text))
    assert universe.daily_indicators == (indicator("rsi"), indicator("sma", period=20), indicator("macd"))


def test_the_standard_set_is_used_where_none_is_chosen(tmp_path: Path) -> None:
    assert load_universe(write(tmp_path, SOUND + FOLLOWED)).daily_indicators == DEFAULT_INDICATORS


SETS = "indicator_sets:\n  swing:\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            SETS + "  - foo",
            "line 5: key 'indicator_sets.swing.0' holds 'foo': name of the indicator must be one of sma, ",
        ),
        (
            SETS + "  - {boo: {}}",
            "line 5: key 'indicator_sets.swing.0.boo' holds {}: name of the indicator must be one",
        ),
        (
            SETS + "  - sma:\n      period: 0",
            "line 6: key 'indicator_sets.swing.0.sma.period' holds 0: period must be an integer from 1 to 100000, was",
        ),
        (SETS + "  - sma: {period: yes}", "holds yes, which YAML reads as true: period must be an integer from 1 to"),
        (SETS + "  - sma: {period: 2.5}", "holds 2.5: period must be an integer from 1 to 100000, was 2.5"),
        (
            SETS + "  - sma",
            "line 5: key 'indicator_sets.swing.0' holds 'sma': period of sma must be given, was missing",
        ),
        (
            SETS + "  - rsi\n  - rsi: {span: 3}",
            "line 6: key 'indicator_sets.swing.1.rsi.span' holds 3: parameters of rsi",
        ),
        (SETS + "  - macd: {fast: 26}", "swing.0.macd' holds {fast: 26}: slow must be greater than fast (26), was 26"),
        (SETS + "  - bollinger_bands: {deviations: 0}", "deviations must be a number above 0 and at most 100, was 0"),
        (SETS + "  - [rsi]", "holds ['rsi']: an entry must be the name of an indicator, such as rsi, or one name with"),
        (
            SETS + "  - rsi\n  - atr\n  - rsi: {period: 14}",
            "line 7: key 'indicator_sets.swing.2' holds {rsi: {period: 14}}: ",
        ),
        (
            SETS + "  - rsi\n  - rolling_beta\nindicators: {1d: swing}",
            "line 7: key 'indicators.1d' holds 'swing': rolling_beta of this set compares with a benchmark, and there",
        ),
        (
            SETS + "  - relative_strength\nbenchmark: none\nindicators: {1d: swing}",
            "is none; say which of the symbols it is, such as `benchmark: AAPL`, or leave relative_strength out",
        ),
        (SETS + "  - rsi\n  - rsi", "must fill different columns, was rsi_14 twice, in no. 1 too"),
        ("indicator_sets: {swing: []}", "key 'indicator_sets.swing' must be a list of indicators such as [rsi, "),
        ("indicator_sets: {swing: rsi}", "key 'indicator_sets.swing' must be a list of indicators such as [rsi, "),
        ("indicator_sets: [rsi]", "line 3: key 'indicator_sets' must be a group of sets such as swing: [rsi, "),
        ("indicator_sets: {standard: [rsi]}", "the set standard is built in; give yours another name"),
        ("indicators: {1d: swing}", "key 'indicators.1d' holds 'swing': must be one of standard, was 'swing'; choose"),
        ("indicators: {1d: Standart}", "must be one of standard, was 'Standart' (did you mean standard?); choose one"),
        ("indicators: {1d: 5}", "line 3: key 'indicators.1d' must be the name of a set, such as standard, was 5"),
        ("indicators: {5m: standard}", "key 'indicators.5m' is not known (value 'standard')"),
        ("indicators: swing", "key 'indicators' must be a group of timeframes and their sets such as 1d: swing"),
    ],
)
def test_a_set_that_cannot_be_is_refused_in_the_catalogue_s_words(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, SOUND + FOLLOWED + text + "\n")
    message = refused(path)
    assert message.startswith(f"universe file {path}: ")
    assert said in message
    assert "\n" not in message
    assert message.count("line ") == 1


SOUND = "history_start: 2000-01-03\n"
FOLLOWED = "symbols: [AAPL]\n"
TODAY = SettableClock(datetime(2013, 3, 1, 12, tzinfo=UTC))
LAUGHS = "a: &a [lol, lol]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise("abcdefghijklmnopqrstuvwxyz"))


def refused(path: Path) -> str:
    with pytest.raises(ConfigurationError) as refusal:
        load_universe(path, TODAY)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (SOUND + "symbols: [AAPL, aapl]\n", ["line 2", "'symbols'", "tickers in capitals", "'aapl'", "write AAPL"]),
        (SOUND + "symbols:\n- AAPL\n- IBM\n- AAPL\n", ["'symbols'", "occur once", "AAPL (lines 3 and 5)"]),
        (SOUND + "symbols: []\n", ["line 2", "'symbols'", "at least one ticker", "was []"]),
        (SOUND + "symbols: [IBM, ON, NO]\n", ["'symbols'", "no. 2", "was ON, which", "true", 'quotes, such as "ON"']),
        (SOUND + "symbols:\n- NO\n", ["line 3", "no. 1", "was NO, which YAML reads as false", 'quotes, such as "NO"']),
        (SOUND + "symbols: [NULL]\n", ["'symbols'", "was NULL, which YAML reads as nothing", 'quotes, such as "NULL"']),
        (SOUND + "symbols: [~]\n", ["'symbols'", "was ~, which YAML reads as nothing", "take the line out"]),
        (SOUND + "symbols: [700]\n", ["'symbols'", "no. 1", "was 700", 'put it in quotes, such as "700"']),
        (SOUND + "symbols: [1E5]\n", ["'symbols'", "no. 1", "was 100000.0", 'put it in quotes, such as "1E5"']),
        (SOUND + "symbols: [0700]\n", ["line 2", "in 'symbols'", "'0700'", "number 448", "text in quotes"]),
        (SOUND + "symbols: [2020-01-03]\n", ["'symbols'", "no. 1", "was 2020-01-03", "put it in quotes"]),
        (SOUND + "symbols: [[IBM]]\n", ["'symbols'", "no. 1", "was ['IBM']", "one ticker a line"]),
        (SOUND + "symbols: [BRK.B]\n", ["line 2", "'symbols'", "was 'BRK.B'", "share class with a slash: BRK/B"]),
        (SOUND + "symbols: [bf-b]\n", ["was 'bf-b'", "share class with a slash: BF/B"]),
        (SOUND + "symbols: [^SPX]\n", ["was '^SPX'", "an index with a dollar sign: $SPX"]),
        (SOUND + "symbols: [$VIX.X]\n", ["was '$VIX.X'", "without what follows the dot: $VIX"]),
        (SOUND + 'symbols: ["AAPL\\n"]\n', ["was 'AAPL\\n'", "write AAPL"]),
        (SOUND + "symbols: [AAPL...MSFT]\n", ["was 'AAPL...MSFT'", "list every ticker", "--partition-range"]),
        (SOUND + "symbols:\n- AAPL MSFT\n", ["line 3", "was 'AAPL MSFT'", "one ticker an entry"]),
        (SOUND + "symbols: [\u0410APL]\n", ["was '\\u0410APL'", "letters A to Z"]),
        (SOUND + "symbols: ['']\n", ["was ''", "letters A to Z"]),
        *(
            (SOUND + f"symbols: [{text}]\n", [f"was '{text}'", "letters A to Z"])
            for text in ("A//B", "A/", "A-/B", "A.-")
        ),
        (SOUND + "symbols: [ABCDEFGHIJKLMNOPQ]\n", ["was 'ABCDEFGHIJKLMNOPQ'", "at most 16 characters"]),
        (SOUND + "symbols: [IBM, ]\n- \n", ["readable YAML", "line 3"]),
        (SOUND + "symbols:\n  - IBM\n  -\n", ["line 4", "'symbols'", "no. 2", "was empty"]),
        (SOUND + "symbols: AAPL\n", ["'symbols'", "list of tickers such as [AAPL, MSFT]", "was 'AAPL'"]),
        (SOUND + "symbols:\n", ["'symbols'", "list of tickers", "was empty"]),
        (FOLLOWED, ["'history_start'", "is missing", "add it", "a date such as 2000-01-03"]),
        (FOLLOWED + "history_start: 1980-01-01\n", ["line 2", "'history_start'", "1985-01-01", "was 1980-01-01"]),
        (FOLLOWED + "history_start: 1899-12-31\n", ["'history_start'", "1985-01-01", "was 1899-12-31"]),
        (
            FOLLOWED + "history_start: 2013-03-02\n",
            ["line 2", "not be after today, which is 2013-03-01", "was 2013-03-02"],
        ),
        (
            FOLLOWED + "history_start: 2001-01-01T00:00:00Z\n",
            ["'history_start'", "a date such as", "was 2001-01-01 00:"],
        ),
        (FOLLOWED + "history_start: 946684800\n", ["'history_start'", "a date such as", "was 946684800"]),
        (FOLLOWED + "history_start: soon\n", ["'history_start'", "a date such as", "was 'soon'"]),
        (FOLLOWED + "history_start: 20000103\n", ["'history_start'", "a date such as", "was 20000103"]),
        (FOLLOWED + "history_start: 2000-13-45\n", ["line 2", "'history_start'", "month must be in 1..12"]),
        (SOUND + FOLLOWED + "calendar: NYSE!\n", ["line 3", "'calendar'", "XNYS", "was 'NYSE!'"]),
        (SOUND + FOLLOWED + "calendar: XNY\n", ["'calendar'", "did you mean XNYS?", "was 'XNY'"]),
        (SOUND + FOLLOWED + "calendar: [XNYS]\n", ["'calendar'", "XNYS", "was ['XNYS']"]),
        (SOUND + FOLLOWED + "symbol: MSFT\n", ["line 3", "'symbol'", "not known", "'MSFT'", "did you mean symbols?"]),
        (SOUND + FOLLOWED + "ON: MSFT\n", ["key 'ON'", "not known", "take it out"]),
        (SOUND + FOLLOWED + "performance: 5\n", ["'performance'", "risk_free_rate", "was 5"]),
        (
            SOUND + FOLLOWED + "performance: {risk_free_rate: 5}\n",
            ["'performance.risk_free_rate'", "above -1 and below 1", "was 5", "0.02 is two per cent"],
        ),
        (
            SOUND + FOLLOWED + "performance: {periods_per_year: a lot}\n",
            ["'performance.periods_per_year'", "from 200 to 366", "was 'a lot'"],
        ),
        (SOUND + FOLLOWED + "performance: {periods_per_year: 4:12}\n", ["'4:12'", "the number 252", "decimal digits"]),
        (SOUND + FOLLOWED + "performance: {periods_per_year: 0374}\n", ["'0374'", "the number 252", "decimal digits"]),
        (SOUND + FOLLOWED + "performance: {risk_free_rate: off}\n", ["was off, which YAML reads as false"]),
        (SOUND + FOLLOWED + "schedules: {repair_requests: yes}\n", ["'schedules.repair_requests'", "was yes, which"]),
        (
            SOUND + FOLLOWED + "performance: {risk_rate: 5}\n",
            ["'performance.risk_rate'", "not known", "mean risk_free_rate?"],
        ),
        (
            SOUND + FOLLOWED + "symbols: [IBM]\n",
            ["line 3", "key 'symbols' again", "['IBM']", "line 2 already", "keep one"],
        ),
        (
            SOUND + FOLLOWED + "performance:\n  risk_free_rate: 0.01\n  'risk_free_rate': 0.02\n",
            ["line 5", "key 'risk_free_rate' again", "'0.02'", "line 4 already"],
        ),
        (
            SOUND + "symbols: *all\n",
            ["line 2", "'symbols: *all'", "stands for one", "write each value where it belongs"],
        ),
        (SOUND + "symbols: &all [AAPL]\n", ["line 2", "'&all'", "gives a value a name"]),
        ("a: &a [*a]\n", ["line 1", "'&a'"]),
        (LAUGHS, ["line 1", "'&a'", "write each value where it belongs"]),
        (SOUND + FOLLOWED + "<<: {calendar: XNYS}\n", ["line 3", "'<<'", "write the keys out"]),
        (SOUND + "symbols: " + "[" * 9_000, ["line 2", "nested deeper than 8 levels", "take the surplus brackets out"]),
        (SOUND + "symbols: !!python/tuple [A]\n", ["line 2", "the tag '!!python/tuple'", "leave it out"]),
        (SOUND + "symbols: [!!str ON]\n", ["line 2", "the tag '!!str'", "text stands in quotes"]),
        (SOUND + FOLLOWED + "---\n" + SOUND, ["line 3", "a second document", "keep one"]),
        (SOUND + "\tsymbols: [AAPL]\n", ["line 2", "tab does not indent: use spaces"]),
        (SOUND + FOLLOWED + "? [a]\n: b\n", ["line 3", "as a key", "one word"]),
        ("symbols: [AAPL\n", ["readable YAML", "line 2", "begins in line 1", "mend that line"]),
        ("- AAPL\n", ["line 1", "must hold keys", "['AAPL']"]),
        ("42\n", ["line 1", "must hold keys", "was 42"]),
        ("", ["must hold keys", "was empty"]),
        ("# nothing\n", ["must hold keys", "was empty"]),
    ],
)
def test_a_corrupt_file_is_refused_with_file_key_value_and_remedy(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = write(tmp_path, text)
    said = refused(path)
    for part in [str(path), *parts]:
        assert part in said
    for jargon in ("Value error", "Input should", "datetime.", "tuple(", "pydantic", "unicode string", "\n"):
        assert jargon not in said


def test_a_thousand_wrong_tickers_are_a_line_that_can_be_read(tmp_path: Path) -> None:
    said = refused(write(tmp_path, SOUND + "symbols: [" + ", ".join(f"a{n}" for n in range(1_000)) + "]\n"))
    assert "and 992 more" in said
    assert len(said) < 1_500


def test_a_history_may_begin_today(tmp_path: Path) -> None:
    assert load_universe(write(tmp_path, FOLLOWED + "history_start: 2013-03-01\n"), TODAY).symbols == ("AAPL",)


@pytest.mark.parametrize("mark", ["\ufeff", "---\n", "%YAML 1.1\n---\n", "# of ours\r\n"])
def test_what_changes_no_value_is_no_fault(tmp_path: Path, mark: str) -> None:
    text = f"{mark}{SOUND}symbols: ['AAPL', \"NO\", Y]\nperformance: {{risk_free_rate: 2e-2}}\n"
    universe = load_universe(write(tmp_path, text))
    assert universe.symbols == ("AAPL", "NO", "Y")
    assert universe.performance.risk_free_rate == 0.02


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        (b"\xff\xfe\x00", ["is UTF-16", "save it as UTF-8"]),
        ("\ufeffsymbols: [A]\n".encode("utf-16-be"), ["is UTF-16", "save it as UTF-8"]),
        (b"symbols: [A]\n# caf\xe9\n", ["line 2", "byte 0xE9", "save the file as UTF-8"]),
        (b"symbols: [A]\nx: \x1b[0m\n", ["line 2", "character '\\x1b'", "take it out"]),
        (b"symbols: [A]\n" + b"#" * 2**20, ["smaller than 1,048,576 bytes"]),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, raw: bytes, parts: list[str]) -> None:
    path = tmp_path / "universe.yaml"
    path.write_bytes(raw)
    said = refused(path)
    for part in [str(path), *parts]:
        assert part in said
    assert "\n" not in said


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "must be a file, and is a folder; `jutsu init` writes one here" in refused(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_nobody_waits_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "universe.yaml")
    assert "must be a file, and is a device or a pipe" in refused(tmp_path / "universe.yaml")


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, SOUND + FOLLOWED)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "open", refuse)
    assert f"universe file {path} must be readable, and is not: Permission denied; grant its reading" in refused(path)


def test_every_wrong_key_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load_universe(write(tmp_path, "symbols: []\nhistory_start: soon\n"))
    assert "'symbols'" in str(refusal.value)
    assert "'history_start'" in str(refusal.value)


def test_a_missing_file_says_how_to_point_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"must exist; `jutsu init` writes one here, or point"):
        load_universe(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("symbols", "chosen", "expected"),
    [
        ("[AAPL, IBM]", "", None),
        ("[AAPL, SPY, QQQ]", "", "SPY"),
        ("[AAPL, $VIX, $SPX, SPY]", "", "$SPX"),
        ("[AAPL, SPY, IBM]", "benchmark: IBM\n", "IBM"),
        ("[AAPL, SPY]", "benchmark: none\n", None),
    ],
)
def test_the_benchmark_is_the_one_that_is_named_or_the_first_market(
    tmp_path: Path, symbols: str, chosen: str, expected: str | None
) -> None:
    universe = load_universe(write(tmp_path, f"symbols: {symbols}\nhistory_start: 2000-01-03\n{chosen}"))
    assert universe.benchmark_symbol == expected


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ("SPX", "line 3: key 'benchmark' must be one of the symbols (add it there), or none, was 'SPX'"),
        ("ibn", "key 'benchmark' must be one of the symbols (add it there), or none (did you mean IBM?), was 'ibn'"),
        ("", "key 'benchmark' must be one of the symbols (add it there), or none, was empty"),
        ("[IBM]", "key 'benchmark' must be one of the symbols above, such as SPY, or none, was ['IBM']"),
        ("NO", "key 'benchmark' must be one of the symbols above, such as SPY, or none, was NO, which YAML reads as"),
    ],
)
def test_a_benchmark_that_is_not_followed_is_refused(tmp_path: Path, chosen: str, said: str) -> None:
    path = write(tmp_path, f"symbols: [AAPL, IBM]\nhistory_start: 2000-01-03\nbenchmark: {chosen}\n")
    with pytest.raises(ConfigurationError) as error:
        load_universe(path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("chosen", ["benchmark: IBM\n", "symbols: [AAPL, IBM, SPY]\n"])
def test_a_set_that_compares_is_taken_beside_a_benchmark(tmp_path: Path, chosen: str) -> None:
    """One that is named, or a market among the symbols; a set that is not chosen needs none."""
    symbols = "" if chosen.startswith("symbols") else "symbols: [AAPL, IBM]\n"
    sets = "indicator_sets:\n  beside:\n  - rolling_beta: {period: 9}\n"
    text = f"{symbols}history_start: 2000-01-03\n{chosen}{sets}"
    universe = load_universe(write(tmp_path, f"{text}indicators: {{1d: beside}}\n"))
    assert [spec.column_names for spec in universe.daily_indicators] == [("rolling_beta_9",)]
    unused = load_universe(write(tmp_path, f"symbols: [AAPL]\nhistory_start: 2000-01-03\n{sets}"))
    assert "beside" in unused.indicator_sets


def test_a_set_that_is_wrong_itself_is_not_asked_whether_it_compares(tmp_path: Path) -> None:
    text = "symbols: [AAPL]\nhistory_start: 2000-01-03\nindicator_sets: {a: [rolling_bet]}\nindicators: {1d: a}\n"
    with pytest.raises(ConfigurationError, match="did you mean rolling_beta") as error:
        load_universe(write(tmp_path, text))
    assert "compares" not in str(error.value)
