"""A strategy file: which strategy trades what, with which money. It becomes a backtest.

The strategy is named by ``module:Class``, or by ``file.py:Class`` of a file beside the strategy file. It is
loaded when the backtest runs, never when definitions are: one that cannot be loaded fails alone.
"""

import hashlib
import importlib
import importlib.util
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

from jutsu_assets.portfolios.groups import GROUPS, Grouping
from jutsu_assets.portfolios.keys import Key, amount, amounts, day, flag, group, read_keys, text, texts
from jutsu_core.backtest.portfolio import TradingCosts
from jutsu_core.backtest.strategy import Strategy
from jutsu_core.errors import ConfigurationError

SUFFIX = ".yaml"
_WHAT = "strategy file"
_MISSING = "write one, see docs/portfolios.md"
_COSTS = tuple(field.name for field in fields(TradingCosts))
_KEYS = {
    "strategy": Key("module:Class or file.py:Class, such as jutsu_core.backtest.strategies:MovingAverageCross", text),
    "symbols": Key("a list of different tickers in quotes or not, such as [AAPL, IBM]", texts),
    "cash": Key("an amount above 0, such as 100000", amount(above=0)),
    "parameters": Key("a group of keys such as {fast: 20, slow: 50}", group, {}),
    "costs": Key(f"a group of amounts such as {{per_share: 0.005}}, of {', '.join(_COSTS)}", amounts(_COSTS), {}),
    "lot": Key("an amount above 0, such as 1", amount(above=0), Decimal(1)),
    "allows_short": Key("true or false", flag, False),  # noqa: FBT003 - a default
    "first": Key("a date such as 2005-01-03", day, None),
    "last": Key("a date such as 2012-12-31", day, None),
    "benchmark": Key("a ticker such as SPY, or none", text, None),
    "groups": GROUPS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyFile:
    """What a strategy file says.

    Attributes:
        name: Of the file, without its suffix: the name of the backtest.
        path: Where it is.
        strategy: The class, as it is named.
        parameters: What it is made with.
        symbols: What it trades.
        cash: What it begins with.
        costs: What a fill costs.
        lot: Quantities are whole multiples of it.
        allows_short: Whether positions may fall below 0.
        first: First session; None for all there are.
        last: Last session; None for all there are.
        benchmark: What it is compared with: a symbol, ``none``, or None for the universe's.
        groups: What its symbols are of.
    """

    name: str
    path: Path
    strategy: str
    parameters: Mapping[str, Any]
    symbols: tuple[str, ...]
    cash: Decimal
    costs: TradingCosts
    lot: Decimal
    allows_short: bool
    first: date | None
    last: date | None
    benchmark: str | None
    groups: Grouping

    def load(self) -> "LoadedStrategy":
        """Return the strategy, made.

        Raises:
            ConfigurationError: There is no such class, or it does not take the parameters.
        """
        where, _, name = self.strategy.rpartition(":")
        module = _module(self, where)
        found = getattr(module, name, None)
        if not (isinstance(found, type) and issubclass(found, Strategy)):
            was = "is not there" if found is None else f"is {found!r}"
            message = (
                f"{_WHAT} {self.path}: key 'strategy' must name a class that extends Strategy, but {name} of {where}"
                f" {was}; correct the name, or write the class"
            )
            raise ConfigurationError(message)
        try:
            made = found(**self.parameters)
        except (TypeError, ValueError) as error:
            message = (
                f"{_WHAT} {self.path}: key 'parameters' must be what {name}{inspect.signature(found)} takes, was"
                f" {dict(self.parameters)}: {error}; correct it"
            )
            raise ConfigurationError(message) from error
        return LoadedStrategy(made, _fingerprint(module))


@dataclass(frozen=True, slots=True)
class LoadedStrategy:
    """A strategy, with what tells its code from any other.

    Attributes:
        strategy: It.
        fingerprint: A hash of the module that it is of.
    """

    strategy: Strategy
    fingerprint: str


def load_strategy_file(path: Path) -> StrategyFile:
    """Return what the strategy file at ``path`` says.

    Raises:
        ConfigurationError: It is missing, no plain YAML, or holds what it must not; the message is one line, and
            names the file, the line, the key, the value and the remedy.
    """
    said = read_keys(path, _WHAT, _MISSING, _KEYS)
    where, colon, name = said["strategy"].rpartition(":")
    if not (colon and where and name.isidentifier()):
        message = f"{_WHAT} {path}: key 'strategy' must be {_KEYS['strategy'].must_be}, was {said['strategy']!r}"
        raise ConfigurationError(message)
    if said["first"] and said["last"] and said["last"] < said["first"]:
        message = (
            f"{_WHAT} {path}: key 'last' must be on or after first, {said['first']}, was {said['last']}; exchange them"
        )
        raise ConfigurationError(message)
    return StrategyFile(name=path.stem, path=path, **(said | {"costs": TradingCosts(**said["costs"])}))


def _module(file: StrategyFile, where: str) -> ModuleType:
    try:
        if not where.endswith(".py"):
            return importlib.import_module(where)
        path = file.path.parent / where
        spec = importlib.util.spec_from_file_location(f"jutsu_strategy_{path.stem}", path)
        if spec is None or spec.loader is None:
            raise ImportError(where)  # noqa: TRY301 - told below, as every other reason
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except Exception as error:
        # A module of the user's own may raise anything.
        message = (
            f"{_WHAT} {file.path}: key 'strategy' must name a module that can be loaded, {where} cannot:"
            f" {type(error).__name__}: {error}; correct the name, or mend the module"
        )
        raise ConfigurationError(message) from error
    return module


def _fingerprint(module: ModuleType) -> str:
    try:
        source = inspect.getsource(module)
    except (OSError, TypeError):
        source = module.__name__
    return hashlib.sha256(source.encode()).hexdigest()
