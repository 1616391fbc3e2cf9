"""The simulator itself: one WSGI application that answers as Schwab's API does."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from jutsu_assets.schwab.simulator import endpoints, replies
from jutsu_assets.schwab.simulator.endpoints import MarketView
from jutsu_assets.schwab.simulator.faults import FaultPlan, Incoming, TransportFaultError, Verdict
from jutsu_assets.schwab.simulator.market import MarketHistory
from jutsu_assets.schwab.simulator.oauth import TokenOffice
from jutsu_assets.schwab.simulator.replies import Reply
from jutsu_assets.schwab.simulator.switches import Switches

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

DEFAULT_NOW = datetime(2013, 3, 2, 1, 0, tzinfo=UTC)
"""After the close of the last session of the sample bars, still 2013-03-01 in New York."""
DEFAULT_KEY = "SIMULATORKEY0000000000000000KEY0"
DEFAULT_SECRET = "SIMULATORSECRET0"  # noqa: S105 - opens nothing but the simulator

_LOGGED_FORM_FIELDS = ("grant_type", "redirect_uri", "response_type")


@dataclass(frozen=True)
class Arrival:
    """One request as it arrived, without secrets; ``status`` is None where no reply was sent."""

    monotonic: float
    method: str
    path: str
    params: tuple[tuple[str, str], ...]
    status: int | None

    def param(self, name: str) -> str | None:
        """Return one parameter, or None."""
        return dict(self.params).get(name)


def _default_now() -> datetime:
    return DEFAULT_NOW


def _system_seconds() -> float:
    # authlib compares expiry with the system clock, so by default the tokens live by it too.
    return time.time()  # noqa: TID251 - the one default; tests inject token_clock


class SchwabSimulator:
    """A WSGI application that speaks Schwab's token and price-history protocol.

    Safe to call from several threads. Two clocks: the market's today follows ``now``, the
    lifetimes of tokens follow ``token_clock``, because the client compares those with the
    real time.

    Args:
        history: What there is to serve; the sample package's bars when absent.
        now: Where the market stands; a fixed moment after the sample's last close when absent.
        token_clock: Epoch seconds for token lifetimes; the system's when absent.
        key: The registered application's key.
        secret: Its secret.
        callback_url: Its redirect address.
        rotate_refresh_tokens: Whether a refresh replaces the refresh token.
        faults: What goes wrong, and when.
        switches: Choices between replies that are not known for certain.

    Raises:
        ConfigurationError: ``history`` is absent and the sample package is not installed.
    """

    def __init__(
        self,
        history: MarketHistory | None = None,
        *,
        now: Callable[[], datetime] | None = None,
        token_clock: Callable[[], float] | None = None,
        key: str = DEFAULT_KEY,
        secret: str = DEFAULT_SECRET,
        callback_url: str = "https://127.0.0.1",
        rotate_refresh_tokens: bool = False,
        faults: FaultPlan | None = None,
        switches: Switches | None = None,
    ) -> None:
        self.history = history if history is not None else MarketHistory.from_sample()
        self.now: Callable[[], datetime] = now or _default_now
        self.key = key
        self.secret = secret
        self.callback_url = callback_url
        self.faults = faults or FaultPlan()
        self.switches = switches or Switches()
        self._token_clock = token_clock or _system_seconds
        self._office = TokenOffice(
            key=key,
            secret=secret,
            callback_url=callback_url,
            rotate=rotate_refresh_tokens,
            clock=self._token_clock,
        )
        self._lock = threading.RLock()
        self._arrivals: list[Arrival] = []

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one WSGI request.

        Raises:
            TransportFaultError: A fault asks for a broken connection; the server or transport
                that called turns it into one.
        """
        arrived = time.monotonic()
        incoming = _incoming(environ)
        with self._lock:
            try:
                reply = self._reply(incoming, arrived)
            except TransportFaultError:
                self._record(incoming, arrived, None)
                raise
            self._record(incoming, arrived, reply.status)
        if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
            reply = reply.compressed()
        start_response(reply.reason, reply.wire_headers())
        return [reply.body]

    def issue_login(self) -> dict[str, Any]:
        """Log in without a browser and return the content of a token file.

        Kills the tokens of every older login, as a real login does.
        """
        with self._lock:
            moment = int(self._token_clock())
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
        with self._lock:
            return sorted(self._arrivals, key=lambda arrival: arrival.monotonic)

    def busiest_second(self) -> int:
        """Return the largest number of requests that arrived within any one second."""
        times = [arrival.monotonic for arrival in self.requests]
        return max((sum(start <= t < start + 1 for t in times) for start in times), default=0)

    def _record(self, incoming: Incoming, arrived: float, status: int | None) -> None:
        logged = tuple(
            (name, value)
            for name, value in incoming.params.items()
            if incoming.kind not in ("token", "authorize") or name in _LOGGED_FORM_FIELDS
        )
        self._arrivals.append(Arrival(arrived, incoming.method, incoming.path, logged, status))

    def _reply(self, incoming: Incoming, arrived: float) -> Reply:
        limit = self.switches.requests_per_second
        if limit is not None and self._in_second_before(arrived) >= limit:
            return replies.too_many_requests()
        verdict = self.faults.judge(incoming)
        if verdict.instead is not None:
            return verdict.instead(incoming)
        reply = self._routed(incoming, verdict)
        for alter in verdict.bodies:
            reply = replace(reply, body=alter(reply.body))
        if verdict.afterwards is not None:
            raise TransportFaultError(verdict.afterwards)
        return reply

    def _in_second_before(self, arrived: float) -> int:
        return sum(arrived - 1 < arrival.monotonic for arrival in self._arrivals)

    def _routed(self, incoming: Incoming, verdict: Verdict) -> Reply:
        if incoming.kind == "authorize":
            return self._office.authorize(incoming.params, user_refuses=self.switches.user_refuses)
        if incoming.kind == "token":
            return self._office.token(incoming.params, incoming.authorization)
        if incoming.kind == "other":
            if self.switches.unknown_route_is_text:
                return replies.text_reply(404, replies.UNKNOWN_ROUTE_TEXT)
            return replies.not_found()
        view = MarketView(self.history, self.now(), self.switches)
        return self._refusal(incoming) or endpoints.answer(incoming, view, verdict)

    def _refusal(self, incoming: Incoming) -> Reply | None:
        detail = self.switches.unauthorized_detail
        if not incoming.authorization:
            if self.switches.missing_header_is_401:
                return replies.unauthorized(with_detail=detail)
            return replies.missing_authorization()
        if not self.switches.market_data_product or not self._office.accepts(incoming.authorization):
            return replies.unauthorized(with_detail=detail)
        return None


def _incoming(environ: "WSGIEnvironment") -> Incoming:
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
    )
