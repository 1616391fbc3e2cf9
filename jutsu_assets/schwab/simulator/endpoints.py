"""The endpoints: which path is of which kind, and what answers a data request that was let in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from jutsu_assets.schwab.simulator import pricehistory, replies
from jutsu_assets.schwab.simulator.faults import Incoming, PathKind, Verdict
from jutsu_assets.schwab.simulator.market import MarketHistory
from jutsu_assets.schwab.simulator.replies import Reply
from jutsu_assets.schwab.simulator.switches import Switches

AUTHORIZE = "/v1/oauth/authorize"
TOKEN = "/v1/oauth/token"  # noqa: S105 - a path
PRICE_HISTORY = "/marketdata/v1/pricehistory"

_KINDS: MappingProxyType[tuple[str, str], PathKind] = MappingProxyType(
    {("GET", AUTHORIZE): "authorize", ("POST", TOKEN): "token", ("GET", PRICE_HISTORY): "pricehistory"}
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
    return _KINDS.get((method, path), "other")


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


_ANSWERS: MappingProxyType[str, Callable[[Incoming, MarketView, Verdict], Reply]] = MappingProxyType(
    {"pricehistory": _price_history}
)
