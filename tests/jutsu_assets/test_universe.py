"""The universe file: what it may say, and errors that name file, key, value and remedy."""

from datetime import date
from pathlib import Path

import pytest

from jutsu_assets.universe import load_universe
from jutsu_core.errors import ConfigurationError

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


def test_share_classes_and_indexes_are_symbols(tmp_path: Path) -> None:
    universe = load_universe(write(tmp_path, "symbols: [BRK/B, $SPX, 'ON']\nhistory_start: 2000-01-03\n"))
    assert universe.symbols == ("BRK/B", "$SPX", "ON")


SOUND = "history_start: 2000-01-03\n"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (SOUND + "symbols: [AAPL, aapl]\n", ["'symbols'", "tickers in capitals", "'aapl'"]),
        (SOUND + "symbols: [AAPL, AAPL]\n", ["'symbols'", "occur once", "AAPL"]),
        (SOUND + "symbols: []\n", ["'symbols'", "at least one ticker", "was []"]),
        (SOUND + "symbols: [IBM, ON, NO]\n", ["'symbols'", "no. 2", "was true", 'put it in quotes, such as "ON"']),
        (
            SOUND + "symbols: [NO]\n",
            ["'symbols'", "no. 1", "was false", "OFF", 'put it in quotes, such as "NO"'],
        ),
        (SOUND + "symbols: [700]\n", ["'symbols'", "no. 1", "was 700", 'put it in quotes, such as "700"']),
        (SOUND + "symbols: [IBM, ]\n- \n", ["readable YAML", "line 3"]),
        (SOUND + "symbols:\n  - IBM\n  -\n", ["'symbols'", "no. 2", "was empty"]),
        (SOUND + "symbols: AAPL\n", ["'symbols'", "list of tickers such as [AAPL, MSFT]", "was 'AAPL'"]),
        (SOUND + "symbols:\n", ["'symbols'", "list of tickers", "was empty"]),
        ("symbols: [AAPL]\n", ["'history_start'", "is missing", "add it", "a date such as 2000-01-03"]),
        ("symbols: [AAPL]\nhistory_start: 1980-01-01\n", ["'history_start'", "1985-01-01", "was 1980-01-01"]),
        ("symbols: [AAPL]\nhistory_start: soon\n", ["'history_start'", "a date such as", "was 'soon'"]),
        ("symbols: [AAPL]\nhistory_start: 20000103\n", ["'history_start'", "a date such as", "was 20000103"]),
        ("symbols: [AAPL]\nhistory_start: 2000-13-45\n", ["readable YAML", "month must be in 1..12"]),
        (SOUND + "symbols: [AAPL]\ncalendar: NYSE!\n", ["'calendar'", "XNYS", "was 'NYSE!'"]),
        (SOUND + "symbols: [AAPL]\ncalendar: [XNYS]\n", ["'calendar'", "XNYS", "was ['XNYS']"]),
        (SOUND + "symbols: [AAPL]\nsymbol: MSFT\n", ["'symbol'", "not known", "'MSFT'", "take it out"]),
        (SOUND + "symbols: [AAPL]\nON: MSFT\n", ["key true", "not known", "take it out"]),
        (SOUND + "symbols: [AAPL]\nperformance: 5\n", ["'performance'", "risk_free_rate", "was 5"]),
        (
            SOUND + "symbols: [AAPL]\nperformance: {risk_free_rate: 5}\n",
            ["'performance.risk_free_rate'", "above -1 and below 1", "was 5", "0.02 is two per cent"],
        ),
        (
            SOUND + "symbols: [AAPL]\nperformance: {periods_per_year: a lot}\n",
            ["'performance.periods_per_year'", "from 200 to 366", "was 'a lot'"],
        ),
        (SOUND + "symbols: [AAPL]\nperformance: {risk: 5}\n", ["'performance.risk'", "not known"]),
        ("symbols: [AAPL\n", ["readable YAML", "line 2", "mend that line"]),
        ("- AAPL\n", ["must hold keys", "['AAPL']"]),
        ("", ["must hold keys", "was empty"]),
    ],
)
def test_a_corrupt_file_is_refused_with_file_key_value_and_remedy(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigurationError) as refusal:
        load_universe(path)
    said = str(refusal.value)
    for part in [str(path), *parts]:
        assert part in said
    for jargon in ("Value error", "Input should", "datetime.", "tuple", "pydantic", "unicode string", "\n"):
        assert jargon not in said


def test_every_wrong_key_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load_universe(write(tmp_path, "symbols: []\nhistory_start: soon\n"))
    assert "'symbols'" in str(refusal.value)
    assert "'history_start'" in str(refusal.value)


def test_a_missing_file_says_how_to_point_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"must exist; `jutsu init` writes one here, or point"):
        load_universe(tmp_path / "none.yaml")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "universe.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="readable YAML"):
        load_universe(path)
