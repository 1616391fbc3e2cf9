"""What goes wrong on the wire, for which request, and how often.

A ``Fault`` says what happens and to which requests; a ``FaultPlan`` is an ordered list of
them. Every fault counts the requests that match its path kind and symbol, from 1, and
strikes the ones that its ``first`` and ``count`` cover. The first fault that strikes with a
whole reply wins; alterations of bodies and candles add up in the order of the plan.

The wrong *candles* are named in ``anomalies``.
"""

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from jutsu_assets.schwab.simulator import replies
from jutsu_assets.schwab.simulator.pricehistory import Candle, Window
from jutsu_assets.schwab.simulator.replies import Reply

PathKind = Literal["token", "pricehistory", "authorize", "other"]
TransportErrorName = Literal["ReadTimeout", "ConnectError", "ReadError", "RemoteProtocolError"]

CandleChange = Callable[[list[Candle], Window], list[Candle]]
EnvelopeChange = Callable[[dict[str, object]], dict[str, object]]
BodyChange = Callable[[bytes], bytes]


class TransportFaultError(Exception):
    """No reply: the connection breaks in the way that ``kind`` names."""

    def __init__(self, kind: TransportErrorName) -> None:
        super().__init__(f"the simulator was told to break the connection: {kind}")
        self.kind: TransportErrorName = kind


@dataclass(frozen=True)
class Incoming:
    """One request as the application sees it."""

    kind: str
    method: str
    path: str
    params: dict[str, str]
    authorization: str = field(repr=False)


ReplyMaker = Callable[[Incoming], Reply]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong, and the requests that it strikes.

    Attributes:
        name: How the fault is called in messages.
        on: The kind of path it strikes; None strikes every path.
        symbol: The symbol it strikes; None strikes every symbol.
        first: The first matching request that it strikes, counted from 1.
        count: How many it strikes from there on; None for all.
        share: The share of those that it strikes, drawn from the plan's seed.
        reply: Makes the reply that is sent instead.
        transport: The connection breaks instead of a reply.
        processed: Whether the request is carried out before the connection breaks.
        body: Alters the bytes of the reply.
        candles: Alters the candles.
        envelope: Alters the whole content of a price-history reply.
    """

    name: str
    on: PathKind | None = "pricehistory"
    symbol: str | None = None
    first: int = 1
    count: int | None = 1
    share: float = 1.0
    reply: ReplyMaker | None = None
    transport: TransportErrorName | None = None
    processed: bool = False
    body: BodyChange | None = None
    candles: CandleChange | None = None
    envelope: EnvelopeChange | None = None

    def on_path(self, kind: PathKind | None) -> "Fault":
        """Return the fault for another kind of path; None strikes every path."""
        return replace(self, on=kind)

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
        detail = {"errorcode": "protocol.http.TooBigBody"}
        content = {"fault": {"faultstring": "Body buffer overflow", "detail": detail}}
        return cls.replying("502", lambda _: replies.json_reply(502, content))

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
    def broken_gzip(cls) -> "Fault":
        """200 that claims gzip and is none."""
        header = ("Content-Encoding", "gzip")
        return cls.replying("200 broken gzip", lambda _: Reply(200, b"no gzip", headers=(header,)))

    @classmethod
    def truncated(cls, keep: float = 0.5) -> "Fault":
        """200 whose JSON stops early, at a valid ``Content-Length``."""
        return cls(name="200 truncated", body=lambda body: body[: int(len(body) * keep)])

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

        def alter(body: bytes) -> bytes:
            content = json.loads(body)
            content.pop(name, None)
            return replies.dumps(content)

        return cls(name=f"token without {name}", on="token", body=alter)

    @classmethod
    def connection(cls, kind: TransportErrorName, *, processed: bool = False) -> "Fault":
        """The connection breaks: before the request is read, or after it was carried out."""
        return cls(name=kind, transport=kind, processed=processed)

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
    bodies: list[BodyChange] = field(default_factory=list)
    candles: list[CandleChange] = field(default_factory=list)
    envelopes: list[EnvelopeChange] = field(default_factory=list)


class FaultPlan:
    """An ordered list of faults, and how many requests each has seen.

    Args:
        faults: The faults, first to last.
        seed: Where the draws of ``at_random`` faults start; the same seed and the same
            requests give the same faults.
    """

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 0) -> None:
        self.faults = tuple(faults)
        self._seen = [0] * len(self.faults)
        self._draw = random.Random(seed)  # noqa: S311 - repeatable, nothing to protect

    def judge(self, incoming: Incoming) -> Verdict:
        """Count the request and return what is to happen to it. The caller serialises the calls.

        Raises:
            TransportFaultError: The connection breaks before the request is carried out.
        """
        verdict = Verdict()
        # Every fault counts before any strikes, so that "the nth request" means the nth
        # arrival whatever stands earlier in the plan.
        for fault in [fault for index, fault in enumerate(self.faults) if self._strikes(index, incoming)]:
            if verdict.instead is not None:
                break
            if fault.transport is not None and not fault.processed:
                raise TransportFaultError(fault.transport)
            _add(verdict, fault)
        return verdict

    def _strikes(self, index: int, incoming: Incoming) -> bool:
        fault = self.faults[index]
        if fault.on is not None and fault.on != incoming.kind:
            return False
        if fault.symbol is not None and fault.symbol != incoming.params.get("symbol"):
            return False
        self._seen[index] += 1
        past = self._seen[index] - fault.first
        covered = past >= 0 and (fault.count is None or past < fault.count)
        return covered and (fault.share >= 1 or self._draw.random() < fault.share)


def _add(verdict: Verdict, fault: Fault) -> None:
    verdict.instead = fault.reply
    verdict.afterwards = verdict.afterwards or fault.transport
    for change, changes in (
        (fault.body, verdict.bodies),
        (fault.candles, verdict.candles),
        (fault.envelope, verdict.envelopes),
    ):
        if change is not None:
            changes.append(change)  # type: ignore[arg-type] # each pair holds one type
