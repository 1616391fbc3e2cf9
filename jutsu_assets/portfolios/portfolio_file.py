"""A portfolio file: where the fills and the history of a portfolio are, and how they are meant."""

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

from jutsu_assets.portfolios.formats import FORMATS, Reading
from jutsu_assets.portfolios.groups import GROUPS, Grouping
from jutsu_assets.portfolios.keys import Key, Value, amount, choice, flag, read_keys, text
from jutsu_assets.portfolios.rows import content_of
from jutsu_core.events import FillEvent
from jutsu_core.metrics.account import FlowsAt
from jutsu_core.metrics.trades import Matching

_WHAT = "portfolio file"
_MISSING = "write one, see docs/portfolios.md"
_MOST_PERIODS = 525_600


def _zone(value: Value) -> ZoneInfo:
    try:
        return ZoneInfo(text(value))
    except (OSError, ValueError, KeyError) as error:
        raise ValueError from error


def _periods(value: Value) -> int:
    if isinstance(value.value, bool) or not isinstance(value.value, int) or not 1 <= value.value <= _MOST_PERIODS:
        raise ValueError
    return value.value


_KEYS = {
    "history": Key("a file beside this one, such as history.csv", text),
    "fills": Key("a file beside this one, such as fills.csv", text, None),
    "format": Key(f"one of {', '.join(FORMATS)}", choice(FORMATS), "jutsu"),
    "timezone": Key("a time zone such as America/New_York", _zone, None),
    "symbol": Key("a ticker such as AAPL", text, None),
    "benchmark": Key("a ticker such as SPY, or none", text, None),
    "groups": GROUPS,
    "matching": Key(f"one of {', '.join(get_args(Matching))}", choice(get_args(Matching)), "fifo"),
    "flows_at": Key(f"one of {', '.join(get_args(FlowsAt))}", choice(get_args(FlowsAt)), "end"),
    "periods_per_year": Key("a whole number of at least 1, such as 252", _periods, None),
    "risk_free_rate": Key("a number above -1 and below 1", amount(above=-1, below=1), None),
    "annualize_partial_years": Key("true or false", flag, False),  # noqa: FBT003 - a default
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioFile:
    """What a portfolio file says.

    Attributes:
        name: Of the file, without its suffix.
        path: Where it is.
        history: The file of values.
        fills: The file of executed orders; None where there are none.
        format: Which program wrote them.
        reading: How they are meant.
        benchmark: What it is compared with: a symbol, ``none``, or None for the universe's.
        groups: What its symbols are of.
        matching: What one round trip is.
        flows_at: When in its period a cash flow came.
        periods_per_year: Rows a year; None for the universe's.
        risk_free_rate: Annual rate; None for the universe's.
        annualize_partial_years: Whether less than a year is annualised.
    """

    name: str
    path: Path
    history: Path
    fills: Path | None
    format: str
    reading: Reading
    benchmark: str | None
    groups: Grouping
    matching: str
    flows_at: str
    periods_per_year: int | None
    risk_free_rate: Decimal | None
    annualize_partial_years: bool

    def read(self) -> tuple[list[FillEvent], list[dict[str, Any]]]:
        """Return fills and history.

        Raises:
            ConfigurationError: A file is not what it should be; the message names file, row, column and remedy.
        """
        form = FORMATS[self.format]
        fills = [] if self.fills is None else form.fills(self.fills, self.reading)
        return fills, form.history(self.history, self.reading)

    def fingerprint(self) -> str:
        """Return what tells the portfolio file, and the files that it names, from any others.

        Raises:
            ConfigurationError: One of them cannot be read.
        """
        digest = hashlib.sha256()
        for path in (self.path, self.history, self.fills):
            digest.update(b"-" if path is None else hashlib.sha256(content_of(path)).digest())
        return digest.hexdigest()


def load_portfolio_file(path: Path) -> PortfolioFile:
    """Return what the portfolio file at ``path`` says.

    Raises:
        ConfigurationError: It is missing, no plain YAML, or holds what it must not; the message is one line, and
            names the file, the line, the key, the value and the remedy.
    """
    said = read_keys(path, _WHAT, _MISSING, _KEYS)
    reading = Reading(zone=said.pop("timezone"), symbol=said.pop("symbol"))
    history, fills = (None if said[key] is None else path.parent / said[key] for key in ("history", "fills"))
    return PortfolioFile(name=path.stem, path=path, reading=reading, **(said | {"history": history, "fills": fills}))
