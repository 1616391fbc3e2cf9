"""Small builders of bars and events, and fakes of what the core asks the world for."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from jutsu_core.bars import Bar, RejectedBar, Timeframe, session_timestamp, to_micros
from jutsu_core.events import MarketDataEvent
from jutsu_core.ports import BarSource, FetchedBars

NOON = datetime(2013, 3, 4, 12, tzinfo=UTC)
"""When a settable clock starts: a Monday."""


def bar(day: date | datetime, close: str | Decimal = "100", *, volume: int = 1_000) -> Bar:
    """Return a sound bar that closes at ``close``; a date stands for its daily bar."""
    stamp = day if isinstance(day, datetime) else session_timestamp(day)
    micros = to_micros(Decimal(close))
    return Bar(stamp, micros, micros + 500_000, micros - 500_000, micros, volume)


def days(first: date, count: int) -> list[date]:
    """Return ``count`` dates from ``first``, weekends included."""
    return [first + timedelta(days=n) for n in range(count)]


def fetched(
    *bars: Bar,
    start: datetime | None = None,
    end: datetime | None = None,
    asked_at: datetime = NOON,
    rejected: Iterable[RejectedBar] = (),
) -> FetchedBars:
    """Return an answer that holds ``bars``; its window is just wide enough unless it is given."""
    stamps = sorted(one.timestamp for one in bars)
    return FetchedBars(
        start=start or (stamps[0] if stamps else asked_at - timedelta(days=1)),
        end=end or (stamps[-1] + timedelta(days=1) if stamps else asked_at),
        asked_at=asked_at,
        bars=tuple(bars),
        rejected=tuple(rejected),
    )


def event(**changes: Any) -> MarketDataEvent:
    """Return a sound daily bar of AAPL, with ``changes``."""
    fields: dict[str, Any] = {
        "symbol": "AAPL",
        "timestamp": datetime(2013, 3, 1, tzinfo=UTC),
        "open": Decimal("438.00"),
        "high": Decimal("438.1799"),
        "low": Decimal("429.98"),
        "close": Decimal("430.47"),
        "volume": 19_730_300,
    }
    return MarketDataEvent(**(fields | changes))


class SettableClock:
    """Stands still until it is told otherwise."""

    def __init__(self, moment: datetime = NOON) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def advance(self, duration: timedelta) -> None:
        self.moment += duration


class RecordingSleeper:
    """Remembers what it was asked to wait, and does not."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


class ScriptedSource(BarSource):
    """Answers from what a test gave it, and remembers the questions.

    Args:
        clock: Stamps the answers.
        bars: What the source holds of every symbol; a test may change it at any time.

    Attributes:
        questions: The first and the last date of each question, both included.
        failure: Raised instead of an answer while it is set.
        rejected: What every answer brings besides, broken.
    """

    def __init__(self, clock: SettableClock, bars: Iterable[Bar] = ()) -> None:
        self._clock = clock
        self.bars = {one.timestamp: one for one in bars}
        self.questions: list[tuple[date, date]] = []
        self.failure: Callable[[], Exception] | None = None
        self.rejected: tuple[RejectedBar, ...] = ()

    @property
    def name(self) -> str:
        return "scripted"

    def hold(self, *bars: Bar) -> None:
        """Add ``bars``, in place of those with the same timestamps."""
        self.bars |= {one.timestamp: one for one in bars}

    def drop(self, *sessions: date) -> None:
        """Forget the daily bars of ``sessions``."""
        for session in sessions:
            del self.bars[session_timestamp(session)]

    def fetch(self, symbol: str, timeframe: Timeframe, start: datetime, end: datetime) -> FetchedBars:
        del symbol, timeframe
        self.questions.append((start.date(), (end - timedelta(microseconds=1)).date()))
        if self.failure is not None:
            raise self.failure()
        inside = sorted(one for one in self.bars.values() if start <= one.timestamp < end)
        return FetchedBars(start=start, end=end, asked_at=self._clock.now(), bars=tuple(inside), rejected=self.rejected)
