"""The strategy file: what it may say, exactly as it is written, and what is refused in one line."""

from decimal import Decimal
from pathlib import Path

import pytest

from jutsu_assets.portfolios.folders import listed
from jutsu_assets.portfolios.strategy_file import StrategyFile, load_strategy_file
from jutsu_core.backtest.strategies import MovingAverageCross
from jutsu_core.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[3]
SOUND = """
strategy: jutsu_core.backtest.strategies:MovingAverageCross
symbols: [AAPL, IBM]
cash: 100000.10
"""
MINE = "from jutsu_core.backtest.strategies import MovingAverageCross\n\nclass Mine(MovingAverageCross):\n    pass\n"


def load(folder: Path, text: str) -> StrategyFile:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return load_strategy_file(path)


def test_the_file_that_ships_is_sound() -> None:
    file = load_strategy_file(ROOT / "strategies" / "moving_average_cross.yaml")
    assert isinstance(file.load().strategy, MovingAverageCross)
    assert file.costs.per_share == Decimal("0.005")


def test_amounts_are_read_as_they_are_written(tmp_path: Path) -> None:
    more = "costs: {per_share: 0.1, slippage_rate: 0.0005}\nlot: 0.001\nparameters: {fast: 3, slow: 7, weight: 0.1}\n"
    file = load(tmp_path, SOUND + more)
    assert file.cash == Decimal("100000.10")
    assert (file.costs.per_share, file.costs.slippage_rate, file.lot) == (
        Decimal("0.1"),
        Decimal("0.0005"),
        Decimal("0.001"),
    )
    assert file.parameters == {"fast": 3, "slow": 7, "weight": Decimal("0.1")}


def test_a_strategy_beside_the_file_is_loaded_and_known_by_its_code(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    file = load(tmp_path, SOUND.replace("jutsu_core.backtest.strategies:MovingAverageCross", "mine.py:Mine"))
    first, again = file.load(), file.load()
    assert type(first.strategy).__name__ == "Mine"
    assert first.fingerprint == again.fingerprint
    (tmp_path / "mine.py").write_text(MINE + "# changed\n", encoding="utf-8")
    assert file.load().fingerprint != first.fingerprint


REFUSED = {
    "cash of nothing": ("cash: 0", "line 4: key 'cash' must be an amount above 0, such as 100000, was 0"),
    "cash in words": ("cash: plenty", "key 'cash' must be an amount above 0, such as 100000, was 'plenty'"),
    "cash yes": (
        "cash: yes",
        "key 'cash' must be an amount above 0, such as 100000, was yes, which YAML reads as true",
    ),
    "cash nan": ("cash: nan", "key 'cash' must be an amount above 0, such as 100000, was 'nan'"),
    "unknown": ("money: 1", "line 4: key 'money' is not known (value 1); take it out or correct it"),
    "cost": ("costs: {per_stock: 1}", "key 'costs.per_stock' must be one of per_fill, per_share, commission_rate"),
    "cost below": ("costs: {per_share: -1}", "key 'costs.per_share' must be an amount of at least 0, such as 0.005"),
    "costs": ("costs: 1", "key 'costs' must be a group of amounts such as {per_share: 0.005}, of per_fill"),
    "flag": ("allows_short: 1", "key 'allows_short' must be true or false, was 1"),
    "day": ("first: 2005", "key 'first' must be a date such as 2005-01-03, was 2005"),
    "backwards": ("first: 2012-01-03\nlast: 2011-01-03", "key 'last' must be on or after first, 2012-01-03"),
    "parameters": ("parameters: [1]", "key 'parameters' must be a group of keys such as {fast: 20, slow: 50}"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_strategy_file_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    text, said = REFUSED[case]
    instead = text if text.startswith(("cash", "money")) else f"cash: 1\n{text}"
    body = SOUND.replace("cash: 100000.10", instead)
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path, body)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("named", ["MovingAverageCross", "strategies:", ":Cross", "strategies:Moving Average", "a"])
def test_a_strategy_is_named_by_its_module_and_its_class(tmp_path: Path, named: str) -> None:
    text = SOUND.replace("jutsu_core.backtest.strategies:MovingAverageCross", f"'{named}'")
    with pytest.raises(ConfigurationError, match=r"key 'strategy' must be module:Class or file.py:Class"):
        load(tmp_path, text)


@pytest.mark.parametrize("symbols", ["AAPL", "[]", "[AAPL, AAPL]", "[1]", "['']"])
def test_symbols_are_a_list_of_different_texts(tmp_path: Path, symbols: str) -> None:
    with pytest.raises(ConfigurationError, match=r"key 'symbols\S*' must be a list of different tickers"):
        load(tmp_path, SOUND.replace("[AAPL, IBM]", symbols))


@pytest.mark.parametrize(
    ("strategy", "code", "said"),
    [
        ("nosuch.module:Mine", "", "must name a module that can be loaded, nosuch.module cannot: ModuleNotFoundError"),
        ("other.py:Mine", "", "must name a module that can be loaded, other.py cannot: FileNotFoundError"),
        ("mine.py:Mine", "import nosuch", "mine.py cannot: ModuleNotFoundError: No module named 'nosuch'"),
        ("mine.py:Mine", "class Mine", "mine.py cannot: SyntaxError"),
        ("mine.py:Other", MINE, "must name a class that extends Strategy, but Other of mine.py is not there"),
        ("decimal:Decimal", "", "must name a class that extends Strategy, but Decimal of decimal is <class"),
        ("jutsu_core.backtest.strategy:Strategy", "", "key 'parameters' must be what Strategy"),
    ],
)
def test_a_strategy_that_cannot_be_made_says_why(tmp_path: Path, strategy: str, code: str, said: str) -> None:
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    file = load(tmp_path, SOUND.replace("jutsu_core.backtest.strategies:MovingAverageCross", strategy))
    with pytest.raises(ConfigurationError) as error:
        file.load()
    assert said in str(error.value)


@pytest.mark.parametrize("parameters", ["{pace: 1}", "{fast: 9, slow: 3}", "{fast: 1.5}", "{weight: 2.0}"])
def test_parameters_that_the_strategy_refuses_are_named(tmp_path: Path, parameters: str) -> None:
    file = load(tmp_path, f"{SOUND}parameters: {parameters}\n")
    with pytest.raises(ConfigurationError, match=r"key 'parameters' must be what MovingAverageCross\(.*takes, was"):
        file.load()


def test_names_are_those_of_partitions(tmp_path: Path) -> None:
    (tmp_path / "strategies").mkdir()
    for name in ("b.yaml", "a.yaml", "notes.txt", ".hidden.txt"):
        (tmp_path / "strategies" / name).touch()
    assert listed(tmp_path).names == ["a", "b"]
    (tmp_path / "strategies" / "a b.yaml").touch()
    with pytest.raises(ConfigurationError, match=r"a b.yaml must be named with letters, digits, - and _ alone"):
        listed(tmp_path)


def test_without_folders_there_is_nothing(tmp_path: Path) -> None:
    assert listed(tmp_path).names == []
