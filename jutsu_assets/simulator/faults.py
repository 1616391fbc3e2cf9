"""What goes wrong on the wire, for which request, and how often.

A ``Fault`` says what happens and to which requests; a ``FaultPlan`` is an ordered list of
them. Every fault counts the requests that match its path, symbol and span of time, from 1,
and strikes the ones that its ``first`` and ``count`` cover. The first fault that strikes with
a whole reply wins; alterations of replies and candles add up in the order of the plan.

The wrong *candles* are named in ``anomalies``, every fault by its name in ``catalog``.
"""

import json
import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal

from jutsu_assets.simulator import replies
from jutsu_assets.simulator.oauth import TokenOffice
from jutsu_assets.simulator.pricehistory import Candle, Window
from jutsu_assets.simulator.replies import Reply, Slowness

PathKind = Literal["authorize", "token", "pricehistory", "quotes", "quote", "markets", "instruments", "movers", "other"]
TransportErrorName = Literal["ReadTimeout", "ConnectError", "ReadError", "RemoteProtocolError"]

CandleChange = Callable[[list[Candle], Window], list[Candle]]
EnvelopeChange = Callable[[dict[str, object]], dict[str, object]]
ReplyChange = Callable[[Reply], Reply]
Act = Callable[[TokenOffice], object]

_NO_DATA_PATHS = ("authorize", "token", "other")
_START = datetime(1970, 1, 1, tzinfo=UTC)


class TransportFaultError(Exception):
    """No reply: the connection breaks in the way that ``kind`` names."""

    def __init__(self, kind: TransportErrorName) -> None:
        super().__init__(f"the simulator was told to break the connection: {kind}")
        self.kind: TransportErrorName = kind


@dataclass(frozen=True)
class Incoming:
    """One request as the application sees it.

    Attributes:
        kind: What kind of path it asks for.
        method: Its HTTP method.
        path: Its path, decoded.
        params: Its query, or its form.
        authorization: Its header of that name.
        at: What the simulator's clock said.
        elapsed: Seconds since the simulator began, by its monotonic clock.
    """

    kind: str
    method: str
    path: str
    params: dict[str, str]
    authorization: str = field(repr=False)
    at: datetime = _START
    elapsed: float = 0.0

    @property
    def asks_for_data(self) -> bool:
        """Whether it is about market data, not about tokens or nothing at all."""
        return self.kind not in _NO_DATA_PATHS


ReplyMaker = Callable[[Incoming], Reply]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong, and the requests that it strikes.

    Attributes:
        name: How the fault is called in messages.
        on: What it strikes: a kind of path, one path such as ``/v1/oauth/token``, ``data`` for
            every path of market data, or None for every path.
        symbol: The symbol it strikes; None strikes every symbol.
        first: The first matching request that it strikes, counted from 1.
        count: How many it strikes from there on; None for all.
        after: Seconds since the simulator began before which no request matches.
        until: Seconds since the simulator began from which on no request matches.
        share: The share of those that it strikes, drawn from the plan's seed.
        reply: Makes the reply that is sent instead.
        transport: The connection breaks instead of a reply.
        processed: Whether the request is carried out before the connection breaks.
        act: What happens to the tokens before the request is answered.
        alter: Alters the reply.
        candles: Alters the candles.
        envelope: Alters the whole content of a price-history reply.
        mix: Faults of which one is drawn for every request that is struck, with their weights.
    """

    name: str
    on: str | None = "pricehistory"
    symbol: str | None = None
    first: int = 1
    count: int | None = 1
    after: float = 0.0
    until: float = math.inf
    share: float = 1.0
    reply: ReplyMaker | None = None
    transport: TransportErrorName | None = None
    processed: bool = False
    act: Act | None = None
    alter: ReplyChange | None = None
    candles: CandleChange | None = None
    envelope: EnvelopeChange | None = None
    mix: tuple[tuple[float, "Fault"], ...] = ()

    def on_path(self, path: str | None) -> "Fault":
        """Return the fault for other paths: a kind, one path, ``data``, or None for every path."""
        return replace(self, on=path)

    def for_symbol(self, symbol: str) -> "Fault":
        """Return the fault for one symbol only."""
        return replace(self, symbol=symbol)

    def times(self, count: int) -> "Fault":
        """Return the fault for ``count`` matching requests, then normal."""
        return replace(self, count=count)

    def always(self) -> "Fault":
        """Return the fault for every matching request from its first on."""
        return replace(self, count=None)

    def from_request(self, first: int) -> "Fault":
        """Return the fault striking from the ``first`` matching request on, counted from 1."""
        return replace(self, first=first)

    def between(self, after: float = 0.0, until: float = math.inf) -> "Fault":
        """Return the fault for a span of time, in seconds since the simulator began."""
        return replace(self, after=after, until=until)

    def at_random(self, share: float) -> "Fault":
        """Return the fault striking only this share of the requests, by the plan's seed."""
        return replace(self, share=share, count=None)

    @classmethod
    def replying(cls, name: str, maker: ReplyMaker) -> "Fault":
        """Return a fault that sends whatever ``maker`` makes."""
        return cls(name=name, reply=maker)

    @classmethod
    def too_many_requests(cls, retry_after: str | int | None = None) -> "Fault":
        """429, with a ``Retry-After`` (seconds, a date, anything) or without one."""
        text = None if retry_after is None else str(retry_after)
        return cls.replying("429", lambda _: replies.too_many_requests(text))

    @classmethod
    def server_error(cls) -> "Fault":
        """500 with Schwab's error envelope."""
        return cls.replying("500", lambda _: replies.error_reply(500, "Internal Server Error"))

    @classmethod
    def server_error_page(cls) -> "Fault":
        """500 with the page that also an application not yet ready gets at login."""
        return cls.replying("500 page", lambda _: replies.html_reply(500, replies.WHITELABEL_PAGE))

    @classmethod
    def reply_too_big(cls) -> "Fault":
        """502: the gateway could not hold the reply."""
        return cls.replying("502", lambda _: replies.reply_too_big())

    @classmethod
    def unavailable(cls, retry_after: str | int | None = None) -> "Fault":
        """503, with or without ``Retry-After``."""
        headers = [] if retry_after is None else [("Retry-After", str(retry_after))]
        return cls.replying("503", lambda _: replies.text_reply(503, "Service Unavailable", *headers))

    @classmethod
    def gateway_timeout(cls, status: int = 504) -> "Fault":
        """504, or another status, with the gateway's text."""
        return cls.replying(f"{status} text", lambda _: replies.text_reply(status, "upstream request timeout"))

    @classmethod
    def edge_block(cls, status: int = 403) -> "Fault":
        """403 with the page of the network in front of Schwab."""
        return cls.replying("edge block", lambda incoming: replies.edge_block(incoming.path, status))

    @classmethod
    def unauthorized(cls) -> "Fault":
        """401 although the token is good."""
        return cls.replying("401", lambda _: replies.unauthorized())

    @classmethod
    def bad_request(cls, parameter: str = "symbol", detail: str = "Invalid value") -> "Fault":
        """400 for a request that is legal."""
        return cls.replying("400", lambda _: replies.bad_request(parameter, detail))

    @classmethod
    def redirect(cls) -> "Fault":
        """302 to nowhere."""
        header = ("Location", "https://api.schwabapi.com/elsewhere")
        return cls.replying("302", lambda _: Reply(302, headers=(header,)))

    @classmethod
    def page(cls) -> "Fault":
        """200 with an HTML page."""
        return cls.replying("200 page", lambda _: replies.html_reply(200, "<HTML></HTML>"))

    @classmethod
    def empty_body(cls) -> "Fault":
        """200 without a body."""
        return cls.replying("200 empty", lambda _: Reply(200))

    @classmethod
    def json_list(cls) -> "Fault":
        """200 with a JSON list."""
        return cls.replying("200 list", lambda _: Reply(200, b"[1]"))

    @classmethod
    def mistyped(cls) -> "Fault":
        """The right reply under a wrong content type."""
        return cls(name="200 mistyped", alter=lambda reply: replace(reply, content_type=replies.HTML))

    @classmethod
    def broken_gzip(cls) -> "Fault":
        """200 that claims gzip and is none."""
        header = ("Content-Encoding", "gzip")
        return cls.replying("200 broken gzip", lambda _: Reply(200, b"no gzip", headers=(header,)))

    @classmethod
    def truncated(cls, keep: float = 0.5) -> "Fault":
        """200 whose JSON stops early, at a valid ``Content-Length``."""
        return cls(
            name="200 truncated", alter=lambda reply: replace(reply, body=reply.body[: int(len(reply.body) * keep)])
        )

    @classmethod
    def cut_body(cls) -> "Fault":
        """200 whose connection closes in the middle of the body."""
        header = ("Content-Length", "1000000")
        return cls.replying("200 cut", lambda _: Reply(200, b'{"candles":[', headers=(header,)))

    @classmethod
    def token_object_without_error(cls, status: int = 429) -> "Fault":
        """A refusal of the token endpoint that lacks ``error``; it destroys a stock token file."""
        unauthorized = {
            "fault": {
                "faultstring": "Invalid Access Token",
                "detail": {"errorcode": "oauth.v2.InvalidAccessToken"},
            }
        }
        content = unauthorized if status == 401 else {"message": "Too many requests"}  # noqa: PLR2004
        fault = cls.replying(f"token {status}", lambda _: replies.json_reply(status, content))
        return fault.on_path("token")

    @classmethod
    def token_refused(cls) -> "Fault":
        """401 of the token endpoint in its other spelling: the refresh token is invalid."""
        fault = cls.replying("token 401", lambda _: replies.oauth_error(401, "invalid_client", "refresh token invalid"))
        return fault.on_path("token")

    @classmethod
    def token_without(cls, name: str) -> "Fault":
        """A good token reply that lacks one field, for example ``refresh_token``."""

        def alter(reply: Reply) -> Reply:
            content = json.loads(reply.body)
            content.pop(name, None)
            return replace(reply, body=replies.dumps(content))

        return cls(name=f"token without {name}", on="token", alter=alter)

    @classmethod
    def connection(cls, kind: TransportErrorName, *, processed: bool = False) -> "Fault":
        """The connection breaks: before the request is read, or after it was carried out."""
        return cls(name=kind, transport=kind, processed=processed)

    @classmethod
    def slow(cls, how: Slowness = "status") -> "Fault":
        """The reply is made and comes too late: its status, its body, or byte after byte."""
        return cls(name=f"slow {how}", alter=lambda reply: replace(reply, slow=how))

    @classmethod
    def acting(cls, name: str, act: Act) -> "Fault":
        """Something happens to the tokens just before the request is answered."""
        return cls(name=name, act=act)

    @classmethod
    def mixed(cls, share: float, *weighted: tuple[float, "Fault"]) -> "Fault":
        """A share of the requests is struck, each by one of some faults, drawn by their weights."""
        return cls(name="mix", mix=weighted).at_random(share)

    @classmethod
    def wrong_candles(cls, name: str, change: CandleChange) -> "Fault":
        """Every reply's candles pass through ``change``; see ``anomalies``."""
        return cls(name=name, candles=change, count=None)

    @classmethod
    def wrong_envelope(cls, name: str, change: EnvelopeChange) -> "Fault":
        """Every price-history reply's content passes through ``change``."""
        return cls(name=name, envelope=change, count=None)


@dataclass
class Verdict:
    """What the plan does to one request."""

    instead: ReplyMaker | None = None
    afterwards: TransportErrorName | None = None
    acts: list[Act] = field(default_factory=list)
    alterations: list[ReplyChange] = field(default_factory=list)
    candles: list[CandleChange] = field(default_factory=list)
    envelopes: list[EnvelopeChange] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Let ``fault`` strike too."""
        self.instead = fault.reply
        self.afterwards = self.afterwards or fault.transport
        for change, changes in (
            (fault.act, self.acts),
            (fault.alter, self.alterations),
            (fault.candles, self.candles),
            (fault.envelope, self.envelopes),
        ):
            if change is not None:
                changes.append(change)  # type: ignore[arg-type] # each pair holds one type


class FaultPlan:
    """An ordered list of faults, and how many requests each has seen.

    Every draw follows from the seed, the fault's place in the plan and the number of the
    request that matches it: the same seed and the same requests give the same run.

    Args:
        faults: The faults, first to last.
        seed: What the draws follow from.
        settings: Values of the simulator's switches that belong to the plan.
    """

    def __init__(
        self, faults: Iterable[Fault] = (), *, seed: int = 0, settings: Mapping[str, Any] | None = None
    ) -> None:
        self.faults = tuple(faults)
        self.settings = MappingProxyType(dict(settings or {}))
        self._seen = [0] * len(self.faults)
        self._seed = seed

    def judge(self, incoming: Incoming) -> Verdict:
        """Count the request and return what is to happen to it. The caller serialises the calls.

        Raises:
            TransportFaultError: The connection breaks before the request is carried out.
        """
        verdict = Verdict()
        # Every fault counts before any strikes, so that "the nth request" means the nth
        # arrival whatever stands earlier in the plan.
        for fault in [fault for index in range(len(self.faults)) if (fault := self._striking(index, incoming))]:
            if verdict.instead is not None:
                break
            if fault.transport is not None and not fault.processed:
                raise TransportFaultError(fault.transport)
            verdict.add(fault)
        return verdict

    def _striking(self, index: int, incoming: Incoming) -> Fault | None:
        fault = self.faults[index]
        if not _matches(fault, incoming):
            return None
        self._seen[index] += 1
        past = self._seen[index] - fault.first
        if past < 0 or (fault.count is not None and past >= fault.count):
            return None
        draw = random.Random(f"{self._seed} {index} {self._seen[index]}")  # noqa: S311 - repeatable, nothing to protect
        if fault.share < 1 and draw.random() >= fault.share:
            return None
        if fault.mix:
            return draw.choices([chosen for _, chosen in fault.mix], [weight for weight, _ in fault.mix])[0]
        return fault


def _matches(fault: Fault, incoming: Incoming) -> bool:
    on_path = fault.on in (None, incoming.kind, incoming.path) or (fault.on == "data" and incoming.asks_for_data)
    of_symbol = fault.symbol in (None, incoming.params.get("symbol"))
    return on_path and of_symbol and fault.after <= incoming.elapsed < fault.until
