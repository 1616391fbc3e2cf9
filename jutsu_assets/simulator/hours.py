"""Market hours: one day's sessions of the exchange, as Schwab words them; from today to a year ahead."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any

from jutsu_assets.simulator import replies
from jutsu_assets.simulator.intraday import EXCHANGE
from jutsu_assets.simulator.pricehistory import NEW_YORK
from jutsu_assets.simulator.replies import Reply
from jutsu_core.calendar import TradingCalendar

_PRE_MARKET, _POST_MARKET_END = time(7), time(20)
_FURTHEST = timedelta(days=365)
_PRODUCTS = MappingProxyType(
    {"equity": (("EQ", "equity"),), "option": (("EQO", "equity option"), ("IND", "index option"))}
)
_MARKETS = ("equity", "option", "bond", "future", "forex")
_INDEX_OPTIONS_LATER = timedelta(minutes=15)


def answer_hours(params: Mapping[str, str], now: datetime) -> Reply:
    """Answer a question for the hours of some markets on a day, today if none is named."""
    markets = [market for market in params.get("markets", "").split(",") if market]
    if not markets or not set(markets) <= set(_MARKETS):
        return replies.bad_request("markets", "Invalid value")
    today = now.astimezone(NEW_YORK).date()
    try:
        day = date.fromisoformat(params["date"]) if params.get("date") else today
    except ValueError:
        return replies.bad_request("date", "Invalid date")
    if not today <= day <= today + _FURTHEST:
        return replies.bad_request("date", "Invalid date")
    return replies.json_reply(200, {market: _market(market, day) for market in markets})


def _market(market: str, day: date) -> dict[str, Any]:
    calendar = TradingCalendar(EXCHANGE, day, day)
    closed = {"date": str(day), "marketType": market.upper(), "product": market, "isOpen": False}
    if market not in _PRODUCTS or not calendar.sessions(day, day):
        return {market: closed}
    opens, closes = (moment.astimezone(NEW_YORK) for moment in (calendar.open(day), calendar.close(day)))
    return {
        product: {
            **closed,
            "product": product,
            "productName": name,
            "isOpen": True,
            "sessionHours": _hours(product, opens, closes),
        }
        for product, name in _PRODUCTS[market]
    }


def _hours(product: str, opens: datetime, closes: datetime) -> dict[str, Any]:
    if product != "EQ":
        later = _INDEX_OPTIONS_LATER if product == "IND" else timedelta(0)
        return {"regularMarket": _span(opens, closes + later)}
    return {
        "preMarket": _span(datetime.combine(opens.date(), _PRE_MARKET, tzinfo=NEW_YORK), opens),
        "regularMarket": _span(opens, closes),
        "postMarket": _span(closes, datetime.combine(opens.date(), _POST_MARKET_END, tzinfo=NEW_YORK)),
    }


def _span(start: datetime, end: datetime) -> list[dict[str, str]]:
    return [{"start": start.isoformat(), "end": end.isoformat()}]
