"""Minute candles: which sessions a question covers, how far back they reach, what is still forming."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any

from jutsu_assets.simulator.market import DailyBar, MarketHistory, MinuteRow
from jutsu_assets.simulator.minutes import MS_PER_MINUTE, derived_minutes, together
from jutsu_assets.simulator.pricehistory import NEW_YORK, Candle, Question, Window, chicago_midnight
from jutsu_assets.simulator.switches import Switches
from jutsu_core.calendar import TradingCalendar

DEPTH_DAYS = MappingProxyType({1: 47, 5: 203, 10: 260, 15: 260, 30: 260})
"""How many days back minutes reach, by their length; observers differ by a day or two."""
EXCHANGE = "XNYS"
_TAIL_MINUTES = 30


def answer_minutes(question: Question, cut: Window, switches: Switches) -> dict[str, Any]:
    """Return the reply's content: whole sessions that the bounds touch, oldest candle first."""
    now = _ms(cut.now)
    candles: list[Candle] = []
    sessions = _sessions(question, cut, switches)
    for session in sessions:
        minutes = [bar for bar in _wanted(question, cut, session) if bar.start <= now]
        candles += [_candle(bar) for bar in together(_formed(minutes, now), question.frequency)]
    if switches.minute_tail and sessions:
        candles = [*_tail(question, cut, sessions[0]), *candles]
    if switches.most_served is not None:
        candles = candles[-switches.most_served :]
    content: dict[str, Any] = {"candles": candles, "symbol": question.symbol, "empty": not candles}
    if question.previous_close and candles:
        first = datetime.fromtimestamp(candles[0]["datetime"] / 1000, tz=NEW_YORK).date()
        before = [bar for bar in _days(cut) if bar.session < first][-1:]
        for bar in before:
            content |= {"previousClose": bar.close, "previousCloseDate": chicago_midnight(bar.session)}
    return content


def session_minutes(history: MarketHistory, bar: DailyBar, symbol: str, now: datetime) -> list[MinuteRow]:
    """Return the minutes of the session of ``bar`` up to ``now``, extended hours included, the last one forming."""
    opens, closes = regular_hours(bar.session)
    real = history.real_minutes(symbol, bar.session, as_of=now.astimezone(NEW_YORK).date())
    rows = derived_minutes(symbol, bar, opens, closes) if real is None else real
    return list(_formed([row for row in rows if row.start <= _ms(now)], _ms(now)))


def regular_hours(session: date) -> tuple[int, int]:
    """Return when ``session`` opens and closes, milliseconds since 1970."""
    calendar = TradingCalendar(EXCHANGE, session, session)
    return _ms(calendar.open(session)), _ms(calendar.close(session))


def _sessions(question: Question, cut: Window, switches: Switches) -> list[date]:
    today = cut.now.astimezone(NEW_YORK).date()
    last = min(today, datetime.fromtimestamp(cut.end / 1000, tz=NEW_YORK).date())
    wall = today - timedelta(days=DEPTH_DAYS[question.frequency]) if switches.minute_depth else date(1, 1, 1)
    if question.start is None:
        known = [bar.session for bar in _days(cut) if wall <= bar.session <= last]
        return known[-question.period :]
    first = max(wall, datetime.fromtimestamp(cut.start / 1000, tz=NEW_YORK).date())
    return [bar.session for bar in _days(cut) if first <= bar.session <= last]


def _days(cut: Window) -> list[DailyBar]:
    return cut.history.daily(cut.symbol, as_of=cut.now.astimezone(NEW_YORK).date())


def _wanted(question: Question, cut: Window, session: date) -> list[MinuteRow]:
    bar = next(bar for bar in _days(cut) if bar.session == session)
    opens, closes = regular_hours(session)
    real = cut.history.real_minutes(cut.symbol, session, as_of=cut.now.astimezone(NEW_YORK).date())
    rows = derived_minutes(cut.symbol, bar, opens, closes) if real is None else real
    return [row for row in rows if question.extended_hours or opens <= row.start < closes]


def _formed(minutes: list[MinuteRow], now: int) -> Iterator[MinuteRow]:
    """Yield ``minutes`` with the last one as far as it has come by ``now``."""
    for row in minutes:
        done = now - row.start
        if done >= MS_PER_MINUTE:
            yield row
        else:
            yield MinuteRow.flat(row.start, row.open, row.volume * done // MS_PER_MINUTE)


def _tail(question: Question, cut: Window, session: date) -> list[Candle]:
    before = [bar.session for bar in _days(cut) if bar.session < session][-1:]
    rows = [row for day in before for row in _wanted(question, cut, day)][-_TAIL_MINUTES:]
    return [_candle(bar) for bar in together(rows, question.frequency)]


def _candle(bar: MinuteRow) -> Candle:
    return {
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "volume": bar.volume,
        "datetime": bar.start,
    }


def _ms(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
