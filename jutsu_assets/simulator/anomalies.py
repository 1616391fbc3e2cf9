"""Named faults of the candles themselves: what Schwab was seen to serve, and worse.

Each function returns a ``Fault`` that strikes every price-history reply until it is narrowed
with ``for_symbol``, ``times`` or ``from_request``. A change of a session that is not in the
reply leaves the reply alone.
"""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from jutsu_assets.simulator.faults import Fault
from jutsu_assets.simulator.market import DailyBar, rounded
from jutsu_assets.simulator.pricehistory import (
    NEW_YORK,
    SETTLED_AT,
    Candle,
    Window,
    candle,
    new_york_midnight,
)

_CENT = Decimal("0.01")
_OPENING = time(9, 30)
_CLOSING = time(16, 0)
_NEVER_WHOLE = Fraction(49, 50)
_NOON = time(12, 0)
_WEEK = timedelta(days=7)
_SATURDAY = 5


def forming_bar(progress: Fraction | None = None) -> Fault:
    """Today's bar is served unfinished, stamped midnight New York (X1).

    Args:
        progress: How much of the session is in the bar. By default what the simulator's
            clock says, never all of it, and only until the bar is final.
    """

    def change(candles: list[Candle], cut: Window) -> list[Candle]:
        local = cut.now.astimezone(NEW_YORK)
        stamp = new_york_midnight(local.date())
        bars = cut.history.daily(cut.symbol, as_of=local.date())
        done = _elapsed(local) if progress is None else progress
        is_final = progress is None and local.time() >= SETTLED_AT
        if is_final or not bars or bars[-1].session != local.date() or done <= 0 or not cut.start <= stamp <= cut.end:
            return candles
        rest = [item for item in candles if session_of(item) != local.date()]
        return [*rest, candle(stamp, [_partial(bars[-1], done)])]

    return Fault.wrong_candles("forming bar", change)


def phantom_bar(on: date) -> Fault:
    """The newest bar before ``on`` is served again as the bar of ``on``, which had no session (X3, X4).

    A reply that ends more than a week before ``on`` is left alone.
    """

    def change(candles: list[Candle], _: Window) -> list[Candle]:
        before = [item for item in candles if session_of(item) < on]
        after = candles[len(before) :]
        if not before or on - session_of(before[-1]) > _WEEK:
            return candles
        return [*before, before[-1] | {"datetime": new_york_midnight(on)}, *after]

    return Fault.wrong_candles("phantom bar", change)


def holiday_bars() -> Fault:
    """Weekdays without a session between two bars have a bar too: the one before, again (X4)."""

    def change(candles: list[Candle], _: Window) -> list[Candle]:
        filled = candles[:1]
        for item in candles[1:]:
            previous, day = filled[-1], session_of(filled[-1]) + timedelta(days=1)
            while day < session_of(item):
                if day.weekday() < _SATURDAY:
                    filled.append(previous | {"datetime": new_york_midnight(day)})
                day += timedelta(days=1)
            filled.append(item)
        return filled

    return Fault.wrong_candles("holiday bars", change)


def broken_ohlc(*sessions: date, shape: Literal["high", "low", "crossed"] = "high") -> Fault:
    """The same few bars are broken in every reply (X5).

    Args:
        sessions: The bars to break.
        shape: ``high`` is below open or close, ``low`` is above them, or ``crossed``: high
            below low.
    """

    def broken(item: Candle) -> Candle:
        if shape == "crossed":
            return item | {"high": item["low"] - _CENT}
        if shape == "low":
            return item | {"low": min(item["open"], item["close"]) + _CENT}
        return item | {"high": max(item["open"], item["close"]) - _CENT}

    return _each("broken OHLC", sessions, broken)


def short_history(newest: int) -> Fault:
    """Only the newest few bars are served (X6)."""
    return Fault.wrong_candles("short history", lambda candles, _: candles[-newest:])


def restated(session: date, **values: object) -> Fault:
    """One bar says something else than it did (X7), for example ``close=Decimal("1.5")``."""
    return _each("restated bar", (session,), lambda item: item | values)


def rescaled(ratio: Fraction | int) -> Fault:
    """All prices are divided by ``ratio`` and the volumes multiplied, as by an unknown split (X7)."""

    def scaled(item: Candle) -> Candle:
        prices = {name: rounded(Fraction(item[name]) / ratio) for name in ("open", "high", "low", "close")}
        return item | prices | {"volume": round(item["volume"] * ratio)}

    return Fault.wrong_candles("rescaled", lambda candles, _: [scaled(item) for item in candles])


def missing_sessions(*sessions: date) -> Fault:
    """Some bars are not served (X2, X7 withdrawn, X8)."""
    return Fault.wrong_candles(
        "missing sessions", lambda candles, _: [c for c in candles if session_of(c) not in sessions]
    )


def late_bar(until: time = _NOON) -> Fault:
    """The bar of the last session before today is missing until this time of the day in New York (X2)."""

    def change(candles: list[Candle], cut: Window) -> list[Candle]:
        local = cut.now.astimezone(NEW_YORK)
        bars = cut.history.daily(cut.symbol, as_of=local.date() - timedelta(days=1))
        if local.time() >= until or not bars:
            return candles
        return [item for item in candles if session_of(item) != bars[-1].session]

    return Fault.wrong_candles("late bar", change)


def one_session_short() -> Fault:
    """The newest session of every window is missing (X8)."""
    return Fault.wrong_candles(
        "one session short", lambda candles, _: [c for c in candles if session_of(c) != session_of(candles[-1])]
    )


def missing_minutes(first: time = time(10, 0), last: time = time(10, 9)) -> Fault:
    """Minutes are missing in every session (X8); daily bars stay."""

    def is_missing(item: Candle) -> bool:
        return first <= datetime.fromtimestamp(item["datetime"] / 1000, tz=NEW_YORK).time() <= last

    return Fault.wrong_candles("missing minutes", lambda candles, _: [item for item in candles if not is_missing(item)])


def duplicated(session: date, **conflicting: object) -> Fault:
    """One bar is served twice, equal or with conflicting values (X9)."""

    def change(candles: list[Candle], _: Window) -> list[Candle]:
        twice: list[Candle] = []
        for item in candles:
            twice.append(item)
            if session_of(item) == session:
                twice.append(item | conflicting)
        return twice

    return Fault.wrong_candles("duplicated bar", change)


def unsorted_candles() -> Fault:
    """The candles come newest first (X9)."""
    return Fault.wrong_candles("unsorted", lambda candles, _: candles[::-1])


def bad_value(session: date, name: str, value: object) -> Fault:
    """One field holds something that it must not (X10).

    Args:
        session: The bar.
        name: The field, for example ``close`` or ``volume``.
        value: What it holds: None, a text, a number; ``float("nan")`` is written ``NaN``.
    """
    return _each(f"bad {name}", (session,), lambda item: item | {name: value})


def missing_key(session: date, name: str) -> Fault:
    """One bar lacks a field (X10)."""
    return _each(f"missing {name}", (session,), lambda item: {k: v for k, v in item.items() if k != name})


def restamped(session: date, stamp: int | Callable[[int], int]) -> Fault:
    """One bar carries another stamp: the far future, outside the window, in seconds (X11).

    Args:
        session: The bar, or the minutes of that session.
        stamp: The other stamp, or what makes it of the right one.
    """
    other = stamp if callable(stamp) else lambda _: stamp
    return _each("restamped bar", (session,), lambda item: item | {"datetime": other(item["datetime"])})


def candles_are(value: object) -> Fault:
    """``candles`` holds something else than a list, for example None (X12)."""
    return Fault.wrong_envelope("wrong candles", lambda content: content | {"candles": value})


def candles_absent() -> Fault:
    """The reply has no ``candles`` at all (X12)."""
    return Fault.wrong_envelope("no candles", lambda content: {k: v for k, v in content.items() if k != "candles"})


def other_symbol(symbol: str) -> Fault:
    """The reply says that it is about another symbol (X12)."""
    return Fault.wrong_envelope("other symbol", lambda content: content | {"symbol": symbol})


def contradictory_empty() -> Fault:
    """``empty`` says the opposite of ``candles`` (X12)."""
    return Fault.wrong_envelope("contradictory empty", lambda content: content | {"empty": not content["empty"]})


def extra_keys() -> Fault:
    """Every candle also has ``datetimeISO8601``, and the reply a key that nobody knows (X12)."""

    def change(content: dict[str, Any]) -> dict[str, Any]:
        candles = [c | {"datetimeISO8601": session_of(c).isoformat()} for c in content["candles"]]
        return content | {"candles": candles, "unheardOf": {"of": True}}

    return Fault.wrong_envelope("extra keys", change)


def session_of(item: Candle) -> date:
    """Return the trading date of a candle: the date in New York of its stamp, whatever its frequency."""
    return datetime.fromtimestamp(item["datetime"] / 1000, tz=NEW_YORK).date()


def _each(name: str, sessions: tuple[date, ...], change: Callable[[Candle], Candle]) -> Fault:
    return Fault.wrong_candles(
        name, lambda candles, _: [change(c) if session_of(c) in sessions else c for c in candles]
    )


def _elapsed(local: datetime) -> Fraction:
    opening = datetime.combine(local.date(), _OPENING, tzinfo=NEW_YORK)
    closing = datetime.combine(local.date(), _CLOSING, tzinfo=NEW_YORK)
    return Fraction((local - opening) // timedelta(seconds=1), (closing - opening) // timedelta(seconds=1))


def _partial(bar: DailyBar, progress: Fraction) -> DailyBar:
    done = min(progress, _NEVER_WHOLE)
    start = Fraction(bar.open)
    high, low, close = (rounded(start + (Fraction(end) - start) * done) for end in bar[2:5])
    return DailyBar(bar.session, bar.open, high, low, close, int(bar.volume * done))
