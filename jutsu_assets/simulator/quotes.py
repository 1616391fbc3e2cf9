"""Quotes: what each symbol did in its latest session up to now, as Schwab words it."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from jutsu_assets.simulator import replies
from jutsu_assets.simulator.intraday import regular_hours, session_minutes
from jutsu_assets.simulator.market import DailyBar, MarketHistory
from jutsu_assets.simulator.pricehistory import NEW_YORK
from jutsu_assets.simulator.replies import Reply

MOST_SYMBOLS = 500
_FIELDS = ("fundamental", "quote", "reference", "regular")
_KNOWN_FIELDS = ("all", *_FIELDS, "extended")
_YEAR = timedelta(days=365)


class _Day(NamedTuple):
    """A session up to now, and the close of the one before."""

    bar: DailyBar
    previous_close: Decimal
    traded_at: int


def answer_quotes(params: Mapping[str, str], history: MarketHistory, now: datetime) -> Reply:
    """Answer a question for the quotes of several symbols."""
    symbols = list(dict.fromkeys(symbol for symbol in params.get("symbols", "").split(",") if symbol))
    if not symbols:
        return _pointed("Search combination should have min of 1.")
    if len(symbols) > MOST_SYMBOLS:
        return _pointed(f"Search combination should not exceed {MOST_SYMBOLS}.")
    fields = _fields(params)
    if fields is None:
        return replies.bad_request(
            "fields", "valid fields should be any of all,fundamental,reference,extended,quote,regular or empty value"
        )
    quotes = {symbol: quote for symbol in symbols if (quote := _quote(symbol, history, now, fields)) is not None}
    unknown = [symbol for symbol in symbols if symbol not in quotes]
    return replies.json_reply(200, quotes | ({"errors": {"invalidSymbols": unknown}} if unknown else {}))


def answer_quote(symbol: str, params: Mapping[str, str], history: MarketHistory, now: datetime) -> Reply:
    """Answer a question for the quote of one symbol, named in the path."""
    quote = _quote(symbol, history, now, _fields(params) or _FIELDS)
    return replies.not_found() if quote is None else replies.json_reply(200, {symbol: quote})


def day_so_far(symbol: str, history: MarketHistory, now: datetime) -> _Day | None:
    """Return the latest session of ``symbol`` up to ``now``; None where there is none."""
    bars = history.daily(symbol, as_of=now.astimezone(NEW_YORK).date())
    if bars and regular_hours(bars[-1].session)[0] >= _ms(now):
        bars = bars[:-1]  # today has not opened yet
    if not bars:
        return None
    bar, previous = bars[-1], bars[-2].close if len(bars) > 1 else bars[-1].open
    opens, closes = regular_hours(bar.session)
    if _ms(now) >= closes:
        return _Day(bar, previous, closes)
    rows = [row for row in session_minutes(history, bar, symbol, now) if opens <= row.start < closes]
    if not rows:
        return None
    so_far = DailyBar(
        bar.session,
        rows[0].open,
        max(row.high for row in rows),
        min(row.low for row in rows),
        rows[-1].close,
        sum(row.volume for row in rows),
    )
    return _Day(so_far, previous, _ms(now))


def _fields(params: Mapping[str, str]) -> tuple[str, ...] | None:
    names = [name for name in params.get("fields", "").split(",") if name]
    if not set(names) <= set(_KNOWN_FIELDS):
        return None
    return _FIELDS if not names or "all" in names else tuple(name for name in _FIELDS if name in names)


def _quote(symbol: str, history: MarketHistory, now: datetime, fields: tuple[str, ...]) -> dict[str, Any] | None:
    day = day_so_far(symbol, history, now)
    if day is None:
        return None
    parts = {
        "fundamental": _fundamental(symbol, history, day.bar.session),
        "quote": _now(symbol, history, day),
        "reference": {
            "cusip": cusip(symbol),
            "description": description(symbol),
            "exchange": "Q",
            "exchangeName": "NASDAQ",
            "isHardToBorrow": False,
            "isShortable": True,
            "htbRate": 0.0,
        },
        "regular": {
            "regularMarketLastPrice": day.bar.close,
            "regularMarketLastSize": 100,
            "regularMarketNetChange": day.bar.close - day.previous_close,
            "regularMarketPercentChange": _percent(day),
            "regularMarketTradeTime": day.traded_at,
        },
    }
    return {
        "assetMainType": "EQUITY",
        "assetSubType": "COE",
        "quoteType": "NBBO",
        "realtime": True,
        "ssid": int(cusip(symbol)),
        "symbol": symbol,
        **{name: parts[name] for name in fields},
    }


def _now(symbol: str, history: MarketHistory, day: _Day) -> dict[str, Any]:
    year = _last_year(symbol, history, day.bar.session)
    close, previous = day.bar.close, day.previous_close
    change = {"Change": close - previous, "PercentChange": _percent(day)}
    return {
        "52WeekHigh": max([day.bar.high, *(bar.high for bar in year)]),
        "52WeekLow": min([day.bar.low, *(bar.low for bar in year)]),
        "askMICId": "ARCX",
        "askPrice": close,
        "askSize": 1,
        "askTime": day.traded_at,
        "bidMICId": "ARCX",
        "bidPrice": close,
        "bidSize": 1,
        "bidTime": day.traded_at,
        "closePrice": previous,
        "highPrice": day.bar.high,
        "lastMICId": "XADF",
        "lastPrice": close,
        "lastSize": 100,
        "lowPrice": day.bar.low,
        "mark": close,
        **{f"mark{name}": value for name, value in change.items()},
        **{f"net{name}": value for name, value in change.items()},
        "openPrice": day.bar.open,
        "postMarketChange": Decimal(0),
        "postMarketPercentChange": Decimal(0),
        "quoteTime": day.traded_at,
        "securityStatus": "Normal",
        "totalVolume": day.bar.volume,
        "tradeTime": day.traded_at,
    }


def _fundamental(symbol: str, history: MarketHistory, session: date) -> dict[str, Any]:
    year = _last_year(symbol, history, session) or history.daily(symbol, as_of=session)[-1:]
    average = [sum(bar.volume for bar in bars) / len(bars) for bars in (year[-10:], year)]
    return {
        "avg10DaysVolume": average[0],
        "avg1YearVolume": average[1],
        "divAmount": 0.0,
        "divFreq": 0,
        "divPayAmount": 0.0,
        "divYield": 0.0,
        "eps": 0.0,
        "fundLeverageFactor": 0.0,
        "peRatio": 0.0,
    }


def _last_year(symbol: str, history: MarketHistory, session: date) -> list[DailyBar]:
    return [bar for bar in history.daily(symbol, as_of=session) if session - _YEAR <= bar.session < session]


def cusip(symbol: str) -> str:
    """Return nine digits that stand for ``symbol``: made up, and always the same."""
    return f"{int.from_bytes(symbol.encode()[:12], 'big') % 10**9:09d}"


def description(symbol: str) -> str:
    """Return a company's name for ``symbol``: made up."""
    return f"{symbol} Inc"


def _percent(day: _Day) -> Decimal:
    change = (day.bar.close - day.previous_close) / day.previous_close * 100
    return change.quantize(Decimal("1e-8"))


def _pointed(detail: str) -> Reply:
    pointer = ["/data/attributes/symbols", "/data/attributes/cusips", "/data/attributes/ssids"]
    return replies.error_reply(400, "Bad Request", text_status=True, detail=detail, source={"pointer": pointer})


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
