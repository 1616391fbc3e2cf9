"""Which strategies and portfolios there are: the names of files beside the universe file, not what is in them.

Definitions are made of the names alone, so that a file that is wrong fails when it is used, and stops no other.
"""

import re
from pathlib import Path
from typing import NamedTuple

from jutsu_assets.portfolios.strategy_file import SUFFIX
from jutsu_core.errors import ConfigurationError

STRATEGIES = "strategies"
PORTFOLIOS = "portfolios"
_LONGEST_NAME = 64
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{_LONGEST_NAME - 1}}}")


class Listed(NamedTuple):
    """What there is to measure.

    Attributes:
        strategies: Strategy files by name, in order of the name.
        portfolios: Portfolio files by name, in order of the name.
    """

    strategies: dict[str, Path]
    portfolios: dict[str, Path]

    @property
    def names(self) -> list[str]:
        """Return the names of all portfolios: a backtest is one too."""
        return [*self.strategies, *self.portfolios]


def listed(folder: Path) -> Listed:
    """Return what the folders ``strategies`` and ``portfolios`` of ``folder`` hold; nothing where they are absent.

    Raises:
        ConfigurationError: A file's name is no name of a partition, or two have the same.
    """
    strategies, portfolios = (_files(folder / name) for name in (STRATEGIES, PORTFOLIOS))
    for name in strategies.keys() & portfolios.keys():
        message = (
            f"a portfolio must have a name of its own, but {strategies[name]} and {portfolios[name]} share {name!r};"
            " rename one"
        )
        raise ConfigurationError(message)
    return Listed(strategies, portfolios)


def _files(folder: Path) -> dict[str, Path]:
    found = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stem) if folder.is_dir() else []
    for path in found:
        if not _NAME.fullmatch(path.stem):
            message = (
                f"{path} must be named with letters, digits, - and _ alone, {_LONGEST_NAME} at most, before {SUFFIX}:"
                " the name is that of a partition; rename it"
            )
            raise ConfigurationError(message)
    return {path.stem: path for path in found}
