"""What a universe takes: requests, minutes, rows, events and disk, computed from costs that were measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from jutsu_assets.schwab.pricehistory import questions
from jutsu_assets.schwab.throttle import LIMITS
from jutsu_core.bars import Timeframe
from jutsu_core.calendar import TradingCalendar
from jutsu_core.errors import InvalidInputError

_MARGIN = timedelta(days=7)
_BAR_COLUMNS = 7


class Cost(NamedTuple):
    """A cost that was measured.

    Attributes:
        value: How much.
        unit: Of what, for what.
        source: How it was measured.
    """

    value: float
    unit: str
    source: str


_TURN_SECONDS = (LIMITS.window + LIMITS.lateness).total_seconds() / LIMITS.requests
COSTS: Mapping[str, Cost] = MappingProxyType(
    {
        "turn": Cost(_TURN_SECONDS, "seconds a request", "the limit: two in a window of 1.005 s, 20 ms late at most"),
        "work": Cost(0.26, "seconds of one core a symbol and run", "jutsu demo, 5 symbols of 13 years, first load"),
        "bar": Cost(73.3, "bytes a bar in SQLite", "a store of 500 symbols and 20 years, 2,513,500 bars"),
        "value": Cost(5.8, "bytes a value in the lake", "jutsu demo: 12,154 rows of 25 columns"),
        "page": Cost(41_000, "bytes a report, page and JSON", "jutsu demo: the pages of 13 years"),
        "events": Cost(
            9, "events a symbol and run", "jutsu demo: 45 of 79 events of 5 symbols; the others are of the run"
        ),
        "history": Cost(21_000, "bytes of run history a symbol and run", "100 symbols that each got a bar"),
    }
)
"""All of them: docs/scale.md shows this table."""

_MINUTES = {Timeframe.M1: 1, Timeframe.M5: 5, Timeframe.M10: 10, Timeframe.M15: 15, Timeframe.M30: 30}
_SESSIONS_A_BAR = {Timeframe.D1: 1.0, Timeframe.W1: 5.0, Timeframe.MO1: 21.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What the bars of one timeframe take.

    Attributes:
        timeframe: Which bars.
        symbols: Of how many symbols.
        rows: Stored bars, after the first load.
        load_requests: Requests of the first load.
        load_minutes: How long those take at two a second, over all processes and machines.
        daily_requests: Requests of an update after each session.
        daily_minutes: How long those take, or the work of one core, whichever is more.
        daily_events: Events of that update.
        store_bytes: The system of record.
        lake_bytes: Series of indicators.
        report_bytes: Pages and reports.
        history_bytes_a_year: What the run history grows by in a year of daily updates.
    """

    timeframe: Timeframe
    symbols: int
    rows: int
    load_requests: int
    load_minutes: float
    daily_requests: int
    daily_minutes: float
    daily_events: int
    store_bytes: int
    lake_bytes: int
    report_bytes: int
    history_bytes_a_year: int

    @property
    def disk_bytes(self) -> int:
        """Return what all of it takes after a year of daily updates."""
        return self.store_bytes + self.lake_bytes + self.report_bytes + self.history_bytes_a_year


def capacity_of(
    timeframe: Timeframe, symbols: int, calendar: str, first: date, last: date, *, indicator_columns: int
) -> Capacity:
    """Return what ``symbols`` take whose history goes from ``first`` to ``last``.

    Args:
        timeframe: Which bars.
        symbols: How many symbols.
        calendar: Code of the exchange calendar.
        first: First session date of the history.
        last: Last session date.
        indicator_columns: How many columns of indicators a series carries.

    Raises:
        InvalidInputError: There is no symbol, or ``last`` is not after ``first``.
    """
    if symbols < 1 or last <= first:
        message = (
            f"there must be a symbol and a history that begins before it ends, were {symbols} symbols from {first} to"
            f" {last}; correct them"
        )
        raise InvalidInputError(message)
    trading = TradingCalendar(calendar, first - _MARGIN, last + _MARGIN)
    sessions = trading.sessions(first, last)
    bars = _bars(trading, sessions, timeframe)
    start, end = (datetime.combine(day, datetime.min.time(), UTC) for day in (first, last + timedelta(days=1)))
    load_requests = symbols * len(questions("AAPL", timeframe, start, end))
    rows, yearly = symbols * bars, 252
    return Capacity(
        timeframe=timeframe,
        symbols=symbols,
        rows=rows,
        load_requests=load_requests,
        load_minutes=_longer(load_requests, symbols),
        daily_requests=symbols,
        daily_minutes=_longer(symbols, symbols),
        daily_events=round(symbols * COSTS["events"].value),
        store_bytes=round(rows * COSTS["bar"].value),
        lake_bytes=round(rows * (_BAR_COLUMNS + indicator_columns) * COSTS["value"].value),
        report_bytes=round(symbols * COSTS["page"].value),
        history_bytes_a_year=round(symbols * yearly * COSTS["history"].value),
    )


def _bars(trading: TradingCalendar, sessions: list[date], timeframe: Timeframe) -> int:
    if timeframe in _SESSIONS_A_BAR:
        return round(len(sessions) / _SESSIONS_A_BAR[timeframe])
    open_minutes = sum((trading.close(day) - trading.open(day)).total_seconds() / 60 for day in sessions)
    return round(open_minutes / _MINUTES[timeframe])


def _longer(requests: int, symbols: int) -> float:
    """Return how many minutes it takes: while one symbol is computed the next is asked for."""
    return max(requests * COSTS["turn"].value, symbols * COSTS["work"].value) / 60
