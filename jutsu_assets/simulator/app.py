"""The simulator itself: one WSGI application that answers as Schwab's API does."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from jutsu_assets.simulator import arrivals, endpoints, replies
from jutsu_assets.simulator.arrivals import Arrival, ArrivalLog
from jutsu_assets.simulator.clock import SimulatorClock, system_seconds
from jutsu_assets.simulator.edge import Edge
from jutsu_assets.simulator.endpoints import MarketView
from jutsu_assets.simulator.faults import FaultPlan, Incoming, TransportFaultError, Verdict
from jutsu_assets.simulator.market import MarketHistory
from jutsu_assets.simulator.oauth import TokenOffice
from jutsu_assets.simulator.replies import Reply
from jutsu_assets.simulator.switches import Switches

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

DEFAULT_NOW = datetime(2013, 3, 2, 1, 0, tzinfo=UTC)
"""After the close of the last session of the sample bars, still 2013-03-01 in New York."""
DEFAULT_KEY = "SIMULATORKEY0000000000000000KEY0"
DEFAULT_SECRET = "SIMULATORSECRET0"  # noqa: S105 - opens nothing but the simulator
DEFAULT_CALLBACK_URLS = "https://127.0.0.1,https://127.0.0.1:8182"
"""Both that a login may be rehearsed with: one whose address is pasted, one that ``jutsu login`` hears."""

PROCESS_HEADER = "X-Process"
"""The header in which a client may say who it is, for the arrival log."""

_LONGEST_PROCESS = 64


def _default_now() -> datetime:
    return DEFAULT_NOW


class SchwabSimulator:
    """A WSGI application that speaks Schwab's token and price-history protocol.

    Safe to call from several threads; they wait for each other while the state of the
    tokens, the limits and the faults is looked at, not while a reply is made or sent.

    Args:
        history: What there is to serve; the sample package's bars when absent.
        clock: Where the market stands and how old the tokens are.
        now: Where the market stands, if no clock says so; a fixed moment after the sample's
            last close when absent.
        token_clock: Epoch seconds for token lifetimes, if no clock says so; the system's when
            absent, because the client compares them with that.
        monotonic: Seconds that really pass; limits, blocks and spans of faults follow it.
        key: The registered application's key.
        secret: Its secret.
        callback_url: Its redirect addresses, between commas as Schwab's portal has them.
        rotate_refresh_tokens: Whether a refresh replaces the refresh token.
        faults: What goes wrong, and when; its settings win over ``switches``.
        switches: Choices between replies that are not known for certain.

    Raises:
        ConfigurationError: ``history`` is absent and the sample package is not installed.
    """

    def __init__(
        self,
        history: MarketHistory | None = None,
        *,
        clock: SimulatorClock | None = None,
        now: Callable[[], datetime] | None = None,
        token_clock: Callable[[], float] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        key: str = DEFAULT_KEY,
        secret: str = DEFAULT_SECRET,
        callback_url: str = DEFAULT_CALLBACK_URLS,
        rotate_refresh_tokens: bool = False,
        faults: FaultPlan | None = None,
        switches: Switches | None = None,
    ) -> None:
        self.history = history if history is not None else MarketHistory.from_sample()
        self.clock = clock
        self.now: Callable[[], datetime] = now or (clock.now if clock else _default_now)
        self.key = key
        self.secret = secret
        self.callback_url = callback_url.partition(",")[0]
        self.faults = faults or FaultPlan()
        self.switches: Switches = replace(switches or Switches(), **self.faults.settings)
        self._token_clock = token_clock or (clock.token_seconds if clock else system_seconds)
        self._monotonic = monotonic
        self._began = monotonic()
        self._office = TokenOffice(
            key=key,
            secret=secret,
            callback_url=callback_url,
            rotate=rotate_refresh_tokens or self.switches.rotate_refresh_tokens,
            clock=self._token_clock,
        )
        self._edge = Edge(self.switches)
        self._lock = threading.RLock()
        self._log = ArrivalLog()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one WSGI request, at once even where the reply is meant to come late.

        Raises:
            TransportFaultError: A fault asks for a broken connection.
        """
        reply = self.answer(environ)
        start_response(reply.reason, reply.wire_headers())
        return [reply.body]

    def answer(self, environ: "WSGIEnvironment") -> Reply:
        """Return the reply to one request, for those who can also deliver it late.

        Raises:
            TransportFaultError: A fault asks for a broken connection; the server or transport
                that called turns it into one.
        """
        arrived = self._monotonic()
        incoming = _incoming(environ, self.now(), arrived - self._began)
        number = self._log.open(incoming, arrived, _process(environ))
        reply = self._reply(incoming)
        self._log.close(number, reply.status)
        return reply.compressed() if _takes_gzip(environ.get("HTTP_ACCEPT_ENCODING", "")) else reply

    def issue_login(self) -> dict[str, Any]:
        """Log in without a browser and return the content of a token file.

        Kills the tokens of every older login, as a real login does.
        """
        with self._lock:
            # A client writes the file by its own clock.
            moment = int(self._token_clock() - (self.clock.skew if self.clock else 0))
            content = self._office.log_in()
        return {
            "creation_timestamp": moment,
            "token": content | {"expires_at": moment + content["expires_in"]},
        }

    def expire_access_tokens(self) -> None:
        """Kill every access token now; a refresh still works."""
        with self._lock:
            self._office.expire_access_tokens()

    def revoke_refresh_tokens(self) -> None:
        """Kill the refresh token now, as a password reset does."""
        with self._lock:
            self._office.revoke_refresh_tokens()

    @property
    def requests(self) -> list[Arrival]:
        """All requests so far, in the order of their arrival."""
        return self._log.all()

    def busiest_second(self) -> int:
        """Return the largest number of requests that arrived within any one second."""
        return arrivals.busiest_second(self.requests)

    def write_arrivals(self, path: Path) -> None:
        """Write the arrival log to ``path``, one line of JSON a request."""
        path.write_text("".join(f"{arrival.line()}\n" for arrival in self.requests), encoding="utf-8")

    def _reply(self, incoming: Incoming) -> Reply:
        with self._lock:
            barred = self._edge.refusal(incoming)
            if barred is not None:
                return barred
            verdict = self.faults.judge(incoming)
            for act in verdict.acts:
                act(self._office)
            answered = None if verdict.instead else self._at_the_door(incoming)
        if verdict.instead is not None:
            return verdict.instead(incoming)
        reply = answered or self._data(incoming, verdict)
        for alter in verdict.alterations:
            reply = alter(reply)
        if verdict.afterwards is not None:
            raise TransportFaultError(verdict.afterwards)
        return reply

    def _at_the_door(self, incoming: Incoming) -> Reply | None:
        """Return the reply of everything that is no market data, or that is not let in to it."""
        if incoming.kind == "authorize":
            return self._office.authorize(incoming.params, user_refuses=self.switches.user_refuses)
        if incoming.kind == "token":
            return self._office.token(incoming.params, incoming.authorization)
        if incoming.kind == "other":
            if self.switches.unknown_route_is_text:
                return replies.text_reply(404, replies.UNKNOWN_ROUTE_TEXT)
            return replies.not_found()
        return self._refusal(incoming)

    def _data(self, incoming: Incoming, verdict: Verdict) -> Reply:
        view = MarketView(self.history, incoming.at, self.switches)
        if not self.switches.market_data_product:
            nothing = replace(self.switches, unknown_symbol_is_404=False)
            view = replace(view, history=MarketHistory.from_bars({}), switches=nothing)
        reply = endpoints.answer(incoming, view, verdict)
        most = self.switches.most_candles
        if most is not None and reply.body.count(b'"datetime":') > most:
            return replies.reply_too_big()
        return reply

    def _refusal(self, incoming: Incoming) -> Reply | None:
        detail = self.switches.unauthorized_detail
        if not incoming.authorization:
            if self.switches.missing_header_is_401:
                return replies.unauthorized(with_detail=detail)
            return replies.missing_authorization()
        barred = not self.switches.market_data_product and not self.switches.missing_product_is_empty
        if barred or not self._office.accepts(incoming.authorization):
            return replies.unauthorized(with_detail=detail)
        return None


def _incoming(environ: "WSGIEnvironment", at: datetime, elapsed: float) -> Incoming:
    method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
    text = environ.get("QUERY_STRING", "")
    if method == "POST":
        length = int(environ.get("CONTENT_LENGTH") or 0)
        text = environ["wsgi.input"].read(length).decode("utf-8", "replace")
    return Incoming(
        kind=endpoints.kind_of(method, path),
        method=method,
        path=path,
        params=dict(parse_qsl(text, keep_blank_values=True)),
        authorization=environ.get("HTTP_AUTHORIZATION", ""),
        at=at,
        elapsed=elapsed,
    )


def _process(environ: "WSGIEnvironment") -> str:
    named = environ.get(f"HTTP_{PROCESS_HEADER.upper().replace('-', '_')}")
    address = ":".join(filter(None, (environ.get("REMOTE_ADDR"), environ.get("REMOTE_PORT"))))
    return (named or address)[:_LONGEST_PROCESS]


def _takes_gzip(accepted: str) -> bool:
    for coding in accepted.lower().replace(" ", "").split(","):
        name, _, quality = coding.partition(";q=")
        if name == "gzip":
            return not quality or quality.strip("0.") != ""
    return False
