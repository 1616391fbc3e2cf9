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
        (SOUND + "symbols: [AAPL, aapl]\n", ["'symbols'", "ticker in capitals", "'aapl'"]),
        (SOUND + "symbols: [AAPL, AAPL]\n", ["'symbols'", "occur once", "AAPL"]),
        (SOUND + "symbols: []\n", ["'symbols'", "[]"]),
        (SOUND + "symbols: [ON]\n", ["'symbols.0'", "string", "True"]),
        (SOUND + "symbols: AAPL\n", ["'symbols'", "'AAPL'"]),
        ("symbols: [AAPL]\n", ["'history_start'", "required"]),
        ("symbols: [AAPL]\nhistory_start: 1970-01-01\n", ["'history_start'", "1985-01-01", "1970-01-01"]),
        ("symbols: [AAPL]\nhistory_start: soon\n", ["'history_start'", "'soon'"]),
        (SOUND + "symbols: [AAPL]\ncalendar: NYSE!\n", ["'calendar'", "XNYS", "'NYSE!'"]),
        (SOUND + "symbols: [AAPL]\nsymbol: MSFT\n", ["'symbol'", "not known", "'MSFT'", "take it out"]),
        (SOUND + "symbols: [AAPL]\nperformance: {risk_free_rate: 5}\n", ["'performance.risk_free_rate'", "5"]),
        ("symbols: [AAPL\n", ["readable YAML", "mend the line"]),
        ("- AAPL\n", ["must hold keys", "['AAPL']"]),
        ("", ["must hold keys", "None"]),
    ],
)
def test_a_corrupt_file_is_refused_with_file_key_value_and_remedy(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigurationError) as refusal:
        load_universe(path)
    for part in [str(path), *parts]:
        assert part in str(refusal.value)


def test_a_missing_file_says_how_to_point_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"must exist; create it, or point JUTSU_UNIVERSE at yours"):
        load_universe(tmp_path / "none.yaml")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "universe.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="readable YAML"):
        load_universe(path)
