"""The price-history endpoint: which question is legal, which bars answer it, how they are stamped."""

import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from jutsu_assets.simulator.market import DailyBar, MarketHistory
from jutsu_assets.simulator.replies import Reply, bad_request

CHICAGO = ZoneInfo("America/Chicago")
NEW_YORK = ZoneInfo("America/New_York")
SETTLED_AT = time(17, 0)
"""When a session's daily bar becomes final, New York time; half days are not modelled."""

Candle = dict[str, Any]

_PERIODS = {
    "day": ((1, 2, 3, 4, 5, 10), 10),
    "month": ((1, 2, 3, 6), 1),
    "year": ((1, 2, 3, 5, 10, 15, 20), 1),
    "ytd": ((1,), 1),
}
_FREQUENCY_TYPES = {
    "day": ("minute",),
    "month": ("weekly", "daily"),
    "year": ("monthly", "daily", "weekly"),
    "ytd": ("weekly", "daily"),
}
_FREQUENCIES = {"minute": (1, 5, 10, 15, 30), "daily": (1,), "weekly": (1,), "monthly": (1,)}
_EARLIEST_MILLISECONDS = 10**11
"""Smaller bounds than this (March 1973) are seconds in disguise, or mean "from the beginning"."""


class RefusedError(Exception):
    """The question is not legal; carries the reply that says so."""

    def __init__(self, parameter: str, detail: str) -> None:
        super().__init__(f"{parameter}: {detail}")
        self.reply: Reply = bad_request(parameter, detail)


@dataclass(frozen=True)
class Question:
    """One legal price-history request, defaults filled in but for the bounds."""

    symbol: str
    period_type: str
    period: int
    frequency_type: str
    frequency: int
    start: int | None
    end: int | None
    previous_close: bool
    extended_hours: bool


@dataclass(frozen=True)
class Window:
    """What a reply was cut to: bounds in epoch milliseconds, and the simulator's today."""

    symbol: str
    start: int
    end: int
    now: datetime
    history: MarketHistory


def parse(params: Mapping[str, str], *, refuse_seconds: bool = False) -> Question:
    """Return what ``params`` ask for.

    Raises:
        RefusedError: Schwab answers these parameters with a 400.
    """
    symbol = params.get("symbol", "")
    if not symbol:
        parameter, detail = "symbol", "Missing parameter"
        raise RefusedError(parameter, detail)
    period_type = _one_of("periodType", params.get("periodType", "day"), _PERIODS)
    allowed = _FREQUENCY_TYPES[period_type]
    frequency_type = _one_of("frequencyType", params.get("frequencyType", allowed[0]), _FREQUENCIES)
    if frequency_type not in allowed:
        parameter = "frequencyType"
        detail = f"Invalid frequencyType {frequency_type.upper()} for periodType {period_type.upper()}"
        raise RefusedError(parameter, detail)
    periods, default = _PERIODS[period_type]
    period = _one_number("period", params.get("period", str(default)), periods)
    frequency = _one_number("frequency", params.get("frequency", "1"), _FREQUENCIES[frequency_type])
    start = _bound(params.get("startDate"), refuse_seconds=refuse_seconds)
    end = _bound(params.get("endDate"), refuse_seconds=refuse_seconds)
    if start is not None and end is not None and start >= end:
        parameter, detail = "startDate", "Invalid date range"
        raise RefusedError(parameter, detail)
    previous_close = params.get("needPreviousClose") == "true"
    extended_hours = params.get("needExtendedHoursData") != "false"
    return Question(symbol, period_type, period, frequency_type, frequency, start, end, previous_close, extended_hours)


def window(question: Question, history: MarketHistory, now: datetime) -> Window:
    """Return the bounds of the answer: the asked ones, or Schwab's defaults."""
    today = now.astimezone(NEW_YORK).date()
    # Without an end the answer stops at the previous session's close: nothing of today, whose
    # forming bar is stamped midnight New York.
    end = new_york_midnight(today) - 1 if question.end is None else question.end
    start = question.start
    if start is None:
        last = min(today, datetime.fromtimestamp(end / 1000, tz=UTC).astimezone(CHICAGO).date())
        start = chicago_midnight(_back(last, question.period_type, question.period))
    return Window(question.symbol, start, end, now, history)


def answer(
    question: Question, cut: Window, *, inclusive_end: bool = True, weekly_stamp: str = "monday"
) -> dict[str, Any]:
    """Return the reply's content, candles oldest first."""
    bars = settled(cut.history, question.symbol, cut.now)
    groups = _groups(bars, question.frequency_type, weekly_stamp)
    last = cut.end if inclusive_end else cut.end - 1
    chosen = [group for group in groups if cut.start <= group[0] <= last]
    candles = [candle(stamp, members) for stamp, members in chosen]
    content: dict[str, Any] = {"candles": candles, "symbol": question.symbol, "empty": not candles}
    if question.previous_close and chosen:
        before = bisect.bisect_left(bars, chosen[0][1][0])
        if before:
            content["previousClose"] = bars[before - 1].close
            content["previousCloseDate"] = chicago_midnight(bars[before - 1].session)
    return content


def settled(history: MarketHistory, symbol: str, now: datetime) -> list[DailyBar]:
    """Return the bars that are final at ``now``, adjusted as of the New York date of ``now``."""
    local = now.astimezone(NEW_YORK)
    bars = history.daily(symbol, as_of=local.date())
    if bars and bars[-1].session == local.date() and local.time() < SETTLED_AT:
        return bars[:-1]
    return bars


def candle(stamp: int, bars: Sequence[DailyBar]) -> Candle:
    """Return the one candle that ``bars`` make together."""
    return {
        "open": bars[0].open,
        "high": max(bar.high for bar in bars),
        "low": min(bar.low for bar in bars),
        "close": bars[-1].close,
        "volume": sum(bar.volume for bar in bars),
        "datetime": stamp,
    }


@lru_cache(maxsize=65536)
def chicago_midnight(day: date) -> int:
    """Return the stamp of a final daily bar: midnight in Chicago, epoch milliseconds.

    Examples:
        >>> chicago_midnight(date(2025, 6, 18))
        1750222800000
    """
    return _midnight(day, CHICAGO)


def new_york_midnight(day: date) -> int:
    """Return the stamp of today's forming bar: midnight in New York, epoch milliseconds."""
    return _midnight(day, NEW_YORK)


def _midnight(day: date, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, time(), tzinfo=zone).timestamp()) * 1000


def _groups(bars: Sequence[DailyBar], frequency_type: str, weekly_stamp: str) -> list[tuple[int, list[DailyBar]]]:
    if frequency_type == "daily":
        return [(chicago_midnight(bar.session), [bar]) for bar in bars]
    first_day = _monday if frequency_type == "weekly" else _first_of_month
    named: list[tuple[int, list[DailyBar]]] = []
    for day, found in groupby(bars, key=_by_session(first_day)):
        members = list(found)
        by_session = frequency_type == "weekly" and weekly_stamp == "first_session"
        named.append((chicago_midnight(members[0].session if by_session else day), members))
    return named


def _by_session(first_day: Callable[[date], date]) -> Callable[[DailyBar], date]:
    return lambda bar: first_day(bar.session)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _first_of_month(day: date) -> date:
    return day.replace(day=1)


def _back(last: date, period_type: str, period: int) -> date:
    if period_type == "ytd":
        return date(last.year, 1, 1)
    if period_type == "day":
        return last - timedelta(days=period)
    months = last.year * 12 + last.month - 1 - period * (12 if period_type == "year" else 1)
    first = date(months // 12, months % 12 + 1, 1)
    following = (first + timedelta(days=31)).replace(day=1)
    return min(first + timedelta(days=last.day - 1), following - timedelta(days=1))


def _one_of(parameter: str, text: str, known: Mapping[str, object]) -> str:
    if text not in known:
        detail = "Invalid value"
        raise RefusedError(parameter, detail)
    return text


def _one_number(parameter: str, text: str, known: Sequence[int]) -> int:
    if not text.isdecimal() or int(text) not in known:
        detail = "Invalid value"
        raise RefusedError(parameter, detail)
    return int(text)


def _bound(text: str | None, *, refuse_seconds: bool) -> int | None:
    if text is None:
        return None
    digits = text.isascii() and text.isdecimal()
    if not digits or (refuse_seconds and 0 < int(text) < _EARLIEST_MILLISECONDS):
        parameter, detail = "startDate", "StartDate must be miliseconds from epoch"
        raise RefusedError(parameter, detail)
    return int(text)
