"""The endpoints: which path is of which kind, and what answers a data request that was let in."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from jutsu_assets.simulator import pricehistory, replies
from jutsu_assets.simulator.faults import Incoming, PathKind, Verdict
from jutsu_assets.simulator.hours import answer_hours
from jutsu_assets.simulator.instruments import answer_instrument, answer_instruments, answer_movers
from jutsu_assets.simulator.intraday import answer_minutes
from jutsu_assets.simulator.market import MarketHistory
from jutsu_assets.simulator.quotes import answer_quote, answer_quotes
from jutsu_assets.simulator.replies import Reply
from jutsu_assets.simulator.switches import Switches

AUTHORIZE = "/v1/oauth/authorize"
TOKEN = "/v1/oauth/token"  # noqa: S105 - a path
PRICE_HISTORY = "/marketdata/v1/pricehistory"

_KINDS: MappingProxyType[tuple[str, str], PathKind] = MappingProxyType(
    {("GET", AUTHORIZE): "authorize", ("POST", TOKEN): "token", ("GET", PRICE_HISTORY): "pricehistory"}
)


_DATA, _QUOTES = "/marketdata/v1/", "/quotes"
# A symbol is one segment of a path: BRK/B has no quote of its own there.
_PATTERNS: MappingProxyType[PathKind, re.Pattern[str]] = MappingProxyType(
    {
        "quotes": re.compile(f"{_DATA}quotes"),
        "quote": re.compile(f"{_DATA}[^/]+{_QUOTES}"),
        "markets": re.compile(f"{_DATA}markets(/[a-z]+)?"),
        "instruments": re.compile(f"{_DATA}instruments(/[0-9A-Z]{{9}})?"),
        "movers": re.compile(f"{_DATA}movers/[^/]+"),
    }
)


@dataclass(frozen=True)
class MarketView:
    """What there is to serve at one moment.

    Attributes:
        history: The bars.
        now: Where the market stands.
        switches: Choices between replies that are not known for certain.
    """

    history: MarketHistory
    now: datetime
    switches: Switches


def kind_of(method: str, path: str) -> PathKind:
    """Return what kind of request this is."""
    if known := _KINDS.get((method, path)):
        return known
    if method == "GET":
        for kind, pattern in _PATTERNS.items():
            if pattern.fullmatch(path):
                return kind
    return "other"


def answer(incoming: Incoming, view: MarketView, verdict: Verdict) -> Reply:
    """Answer a data request that was let in."""
    return _ANSWERS[incoming.kind](incoming, view, verdict)


def _price_history(incoming: Incoming, view: MarketView, verdict: Verdict) -> Reply:
    switches = view.switches
    try:
        question = pricehistory.parse(incoming.params, refuse_seconds=switches.refuse_seconds)
    except pricehistory.RefusedError as refused:
        return refused.reply
    if switches.unknown_symbol_is_404 and question.symbol not in view.history.symbols:
        return replies.not_found()
    cut = pricehistory.window(question, view.history, view.now)
    if question.frequency_type == "minute":
        content = answer_minutes(question, cut, switches)
    else:
        content = pricehistory.answer(
            question, cut, inclusive_end=switches.inclusive_end, weekly_stamp=switches.weekly_stamp
        )
    for change in verdict.candles:
        content["candles"] = change(content["candles"], cut)
        content["empty"] = not content["candles"]
    for alter in verdict.envelopes:
        content = alter(content)
    # Schwab declares no header of its own on this reply.
    return Reply(200, replies.dumps(content))


def _quotes(incoming: Incoming, view: MarketView, _: Verdict) -> Reply:
    return answer_quotes(incoming.params, view.history, view.now)


def _quote(incoming: Incoming, view: MarketView, _: Verdict) -> Reply:
    symbol = incoming.path.removeprefix(_DATA).removesuffix(_QUOTES)
    return answer_quote(symbol, incoming.params, view.history, view.now)


def _markets(incoming: Incoming, view: MarketView, _: Verdict) -> Reply:
    one = incoming.path.removeprefix(f"{_DATA}markets").strip("/")
    return answer_hours({**incoming.params, "markets": one} if one else incoming.params, view.now)


def _instruments(incoming: Incoming, view: MarketView, _: Verdict) -> Reply:
    number = incoming.path.removeprefix(f"{_DATA}instruments").strip("/")
    return answer_instrument(number, view.history) if number else answer_instruments(incoming.params, view.history)


def _movers(_: Incoming, view: MarketView, __: Verdict) -> Reply:
    return answer_movers(view.history, view.now)


_ANSWERS: MappingProxyType[str, Callable[[Incoming, MarketView, Verdict], Reply]] = MappingProxyType(
    {
        "pricehistory": _price_history,
        "quotes": _quotes,
        "quote": _quote,
        "markets": _markets,
        "instruments": _instruments,
        "movers": _movers,
    }
)
