"""Instruments and movers: who there is, and who moved most."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jutsu_assets.simulator import replies
from jutsu_assets.simulator.intraday import regular_hours
from jutsu_assets.simulator.market import MarketHistory
from jutsu_assets.simulator.quotes import cusip, day_so_far, description
from jutsu_assets.simulator.replies import Reply

_PROJECTIONS = ("symbol-search", "symbol-regex", "desc-search", "desc-regex", "search", "fundamental")
_MOST_MOVERS = 10


def answer_instruments(params: Mapping[str, str], history: MarketHistory) -> Reply:
    """Answer a search for instruments."""
    projection, wanted = params.get("projection", ""), params.get("symbol", "")
    if projection not in _PROJECTIONS:
        return replies.bad_request("projection", "Invalid value")
    if not wanted:
        return replies.bad_request("symbol", "Missing parameter")
    found = [_instrument(symbol) for symbol in history.symbols if _matches(projection, wanted, symbol)]
    if projection == "fundamental":
        found = [item | {"fundamental": {"symbol": item["symbol"]}} for item in found]
    return replies.json_reply(200, {"instruments": found})


def answer_instrument(number: str, history: MarketHistory) -> Reply:
    """Answer a question for the instrument with one CUSIP."""
    found = [_instrument(symbol) for symbol in history.symbols if cusip(symbol) == number]
    return replies.json_reply(200, {"instruments": found}) if found else replies.not_found()


def answer_movers(history: MarketHistory, now: datetime) -> Reply:
    """Answer a question for the movers: ten while the market is open, none otherwise."""
    movers: list[dict[str, Any]] = []
    for symbol in history.symbols:
        day = day_so_far(symbol, history, now)
        if day is None or int(now.timestamp() * 1000) >= regular_hours(day.bar.session)[1]:
            continue
        change = day.bar.close - day.previous_close
        movers.append(
            {
                "description": description(symbol),
                "volume": day.bar.volume,
                "lastPrice": day.bar.close,
                "netChange": change,
                "marketShare": 0.0,
                "totalVolume": day.bar.volume,
                "trades": max(day.bar.volume // 100, 1),
                "netPercentChange": float(round(change / day.previous_close, 4)),
                "symbol": symbol,
            }
        )
    movers.sort(key=lambda mover: -abs(mover["netPercentChange"]))
    return replies.json_reply(200, {"screeners": movers[:_MOST_MOVERS]})


def _instrument(symbol: str) -> dict[str, Any]:
    return {
        "cusip": cusip(symbol),
        "symbol": symbol,
        "description": description(symbol),
        "exchange": "NASDAQ",
        "assetType": "EQUITY",
    }


def _matches(projection: str, wanted: str, symbol: str) -> bool:
    text = description(symbol) if projection.startswith("desc") else symbol
    if projection.endswith("regex"):
        try:
            return re.fullmatch(wanted, text) is not None
        except re.error:
            return False
    if projection == "desc-search":
        return wanted.lower() in text.lower()
    if projection == "search":
        return wanted.lower() in f"{symbol} {description(symbol)}".lower()
    return text in wanted.split(",")
