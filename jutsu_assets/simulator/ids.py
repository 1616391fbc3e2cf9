"""The behaviours of the simulator's acceptance list by their ids: what goes wrong, or what is set.

An id alone is the first of what its row lists; the others carry a suffix, as in ``R5-soon``.
``FAULT_IDS`` strike requests, ``SETTING_IDS`` are states of the simulator: values of its
switches, by field name. A row that says how the simulator answers anyway sets nothing.

Faults strike price history unless their row is about another path, or a fault script names
one. A fault that is about one bar is about that of the session it is made for.
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from email.utils import format_datetime
from types import MappingProxyType
from typing import Any

from jutsu_assets.simulator import anomalies, oauth, replies
from jutsu_assets.simulator.faults import Fault, Incoming
from jutsu_assets.simulator.oauth import TokenOffice
from jutsu_assets.simulator.replies import Reply

_SHORT_HISTORY = 461
_RETRY_AFTER = timedelta(seconds=3)
_TOO_FAR = 200 * 365 * 86_400_000
_TOO_EARLY = 60 * 365 * 86_400_000
_OFF_THE_MINUTE = 17_123
_OUTAGE_SHARE = 0.2


def saturday_before(session: date) -> date:
    """Return the last Saturday before a session."""
    return session - timedelta(days=(session.weekday() + 2) % 7)


def _monday_after(session: date) -> date:
    return session + timedelta(days=7 - session.weekday())


def _session_before(session: date) -> date:
    return session - timedelta(days=3 if session.weekday() == 0 else 1)


def _few(session: date) -> tuple[date, ...]:
    return session, _session_before(session), _session_before(_session_before(session))


def _retry_after_a_date(incoming: Incoming) -> Reply:
    # A client measures the pause from the reply's own date, so the two go out together.
    until, date_header = (format_datetime(at, usegmt=True) for at in (incoming.at + _RETRY_AFTER, incoming.at))
    return replies.error_reply(429, "Too Many Requests", ("Retry-After", until), ("Date", date_header))


def _refusing_all_that_was_said(incoming: Incoming) -> Reply:
    said = " ".join((incoming.authorization, *incoming.params.values()))
    return replies.oauth_error(400, f"\x1b[31mno\n{said}", said)


def _fixed(name: str, make: Callable[[], Reply], on: str = "pricehistory") -> Callable[[date], Fault]:
    return lambda _: Fault.replying(name, lambda _: make()).on_path(on)


def _same(fault: Fault, on: str | None = None) -> Callable[[date], Fault]:
    return lambda _: fault if on is None else fault.on_path(on)


def _value(name: str, value: object) -> Callable[[date], Fault]:
    return lambda session: anomalies.bad_value(session, name, value)


def _restamped(other: Callable[[int], int]) -> Callable[[date], Fault]:
    return lambda session: anomalies.restamped(session, other)


_OAUTH: dict[str, Callable[[date], Fault]] = {
    "O2": _fixed("callback denied", replies.access_denied, "authorize"),
    "O3": _same(Fault.server_error_page(), "authorize"),
    "O6": _fixed("bad code", oauth.bad_code, "token"),
    "O7": _same(Fault.acting("login elsewhere", TokenOffice.log_in), "data"),
    "O11": _same(Fault.token_without("refresh_token")),
    "O11-expires_in": _same(Fault.token_without("expires_in")),
    "O12": _fixed("wrong credentials", oauth.invalid_client, "token"),
    "O13": _same(Fault.acting("password reset", TokenOffice.revoke_refresh_tokens), "token"),
    "O14": _same(Fault.token_refused()),
    "O15": _same(Fault.token_object_without_error(429)),
    "O15-401": _same(Fault.token_object_without_error(401)),
    "O16": _same(Fault.edge_block(), "token"),
    "O17": _same(Fault.gateway_timeout(500), "token"),
    "O17-502": _same(Fault.gateway_timeout(502), "token"),
    "O17-503": _same(Fault.gateway_timeout(503), "token"),
    "O17-504": _same(Fault.gateway_timeout(504), "token"),
    "O18": _same(Fault.page(), "token"),
    "O18-list": _same(Fault.json_list(), "token"),
    "O18-empty": _same(Fault.empty_body(), "token"),
    "O18-bomb": _fixed("token bomb", lambda: replies.bomb("gzip"), "token"),
    "O18-babble": lambda _: Fault.replying("token babble", _refusing_all_that_was_said).on_path("token"),
    "O19": _same(Fault.slow("status"), "token"),
    "O19-continue": _same(Fault.slow("continue"), "token"),
    "O19-header": _same(Fault.slow("header"), "token"),
    "O19-dropped": _same(Fault.connection("RemoteProtocolError", processed=True), "token"),
    "O19-lost": _same(Fault.connection("ReadTimeout"), "token"),
}

_AUTHORIZATION: dict[str, Callable[[date], Fault]] = {
    "D2": _same(Fault.acting("access token revoked", TokenOffice.expire_access_tokens), "data"),
    "D3": _fixed("401 without detail", lambda: replies.unauthorized(with_detail=False), "data"),
    "D5": _same(Fault.acting("access token revoked", TokenOffice.expire_access_tokens).from_request(2), "data"),
}

_ANOMALIES: dict[str, Callable[[date], Fault]] = {
    "X1": _same(anomalies.forming_bar()),
    "X2": anomalies.missing_sessions,
    "X2-noon": _same(anomalies.late_bar()),
    "X3": lambda session: anomalies.phantom_bar(_monday_after(session)),
    "X4": _same(anomalies.holiday_bars()),
    "X4-saturday": lambda session: anomalies.phantom_bar(saturday_before(session)),
    "X5": lambda session: anomalies.broken_ohlc(*_few(session)),
    "X5-low": lambda session: anomalies.broken_ohlc(*_few(session), shape="low"),
    "X5-crossed": lambda session: anomalies.broken_ohlc(*_few(session), shape="crossed"),
    "X6": _same(anomalies.short_history(_SHORT_HISTORY)),
    "X7": lambda session: anomalies.restated(session, volume=1).from_request(2),
    "X7-withdrawn": lambda session: anomalies.missing_sessions(session).from_request(2),
    "X7-split": _same(anomalies.rescaled(2).from_request(2)),
    "X8": lambda session: anomalies.missing_sessions(_session_before(session)),
    "X8-minutes": _same(anomalies.missing_minutes()),
    "X8-short": _same(anomalies.one_session_short()),
    "X9": anomalies.duplicated,
    "X9-conflicting": lambda session: anomalies.duplicated(session, volume=1),
    "X9-unsorted": _same(anomalies.unsorted_candles()),
    "X10": _value("close", None),
    "X10-nan": _value("close", float("nan")),
    "X10-nan-text": _value("close", "NaN"),
    "X10-negative": _value("low", Decimal("-1.5")),
    "X10-zero": _value("open", 0),
    "X10-text": _value("high", "55.25"),
    "X10-decimals": _value("close", Decimal("52.12345678")),
    "X10-volume-negative": _value("volume", -1),
    "X10-volume-huge": _value("volume", 10**19),
    "X10-volume-fractional": _value("volume", Decimal("0.5")),
    "X10-volume-absent": lambda session: anomalies.missing_key(session, "volume"),
    "X10-close-absent": lambda session: anomalies.missing_key(session, "close"),
    "X10-datetime-absent": lambda session: anomalies.missing_key(session, "datetime"),
    "X11": _restamped(lambda stamp: stamp + _TOO_FAR),
    "X11-outside": _restamped(lambda stamp: stamp - _TOO_EARLY),
    "X11-minute": _restamped(lambda stamp: stamp + _OFF_THE_MINUTE),
    "X11-seconds": _restamped(lambda stamp: stamp // 1000),
    "X12": _same(anomalies.other_symbol("OTHER")),
    "X12-empty": _same(anomalies.contradictory_empty()),
    "X12-null": _same(anomalies.candles_are(None)),
    "X12-absent": _same(anomalies.candles_absent()),
    "X12-keys": _same(anomalies.extra_keys()),
}

_WIRE: dict[str, Callable[[date], Fault]] = {
    "R2": _same(Fault.too_many_requests(3)),
    "R3": _same(Fault.too_many_requests()),
    "R4": _same(Fault.replying("429 date", _retry_after_a_date)),
    "R5": _same(Fault.too_many_requests(0)),
    "R5-86400": _same(Fault.too_many_requests(86400)),
    "R5-soon": _same(Fault.too_many_requests("soon")),
    "R5-text": _fixed("429 text", lambda: replies.text_reply(429, "Too Many Requests", ("Retry-After", "0"))),
    "R7": _same(Fault.server_error()),
    "R8": _same(Fault.server_error_page()),
    "R9": _same(Fault.reply_too_big()),
    "R10": _same(Fault.unavailable()),
    "R10-retry": _same(Fault.unavailable(3)),
    "R10-504": _same(Fault.gateway_timeout()),
    "R11": _same(Fault.redirect()),
    "R12": _same(Fault.connection("ConnectError")),
    "R12-reset": _same(Fault.connection("ReadError")),
    "R12-closed": _same(Fault.connection("RemoteProtocolError")),
    "R13": _same(Fault.cut_body()),
    "R14": _same(Fault.slow("status")),
    "R14-continue": _same(Fault.slow("continue")),
    "R14-header": _same(Fault.slow("header")),
    "R14-body": _same(Fault.slow("body")),
    "R14-drip": _same(Fault.slow("drip")),
    "R15": _same(Fault.empty_body()),
    "R15-page": _same(Fault.page()),
    "R15-cut": _same(Fault.truncated()),
    "R15-list": _same(Fault.json_list()),
    "R15-type": _same(Fault.mistyped()),
    "R15-gzip": _same(Fault.broken_gzip()),
    "R15-big": _fixed("200 endless", replies.endless),
    "R15-bomb": _fixed("200 gzip bomb", lambda: replies.bomb("gzip")),
    "R15-bomb-deflate": _fixed("200 deflate bomb", lambda: replies.bomb("deflate")),
    "R15-bomb-nested": _fixed("200 bomb in a bomb", lambda: replies.bomb("gzip", "gzip")),
    "R15-babble": lambda _: Fault.replying("400 babble", lambda incoming: replies.babble(incoming.authorization)),
    "R16": _same(
        Fault.mixed(
            _OUTAGE_SHARE,
            (3, Fault.server_error()),
            (3, Fault.unavailable()),
            (2, Fault.gateway_timeout()),
            (1, Fault.too_many_requests(1)),
            (1, Fault.connection("ReadError")),
        )
    ),
}

FAULT_IDS: MappingProxyType[str, Callable[[date], Fault]] = MappingProxyType(
    _OAUTH | _AUTHORIZATION | _ANOMALIES | _WIRE
)

SETTING_IDS: MappingProxyType[str, Mapping[str, Any]] = MappingProxyType(
    {
        "O1": {},
        "O4": {"user_refuses": True},
        "O5": {},
        "O8": {},
        "O9": {"rotate_refresh_tokens": False},
        "O10": {"rotate_refresh_tokens": True},
        "O20": {"rotate_refresh_tokens": False},
        "O20-rotating": {"rotate_refresh_tokens": True},
        "O21": {"token_calls_in_20_seconds": 10},
        "D1": {"missing_header_is_401": False},
        "D1-401": {"missing_header_is_401": True},
        "D3-always": {"unauthorized_detail": False},
        "D4": {"market_data_product": False},
        "D4-empty": {"market_data_product": False, "missing_product_is_empty": True},
        "F7-text": {"unknown_route_is_text": True},
        "R1": {"requests_per_second": 2},
        "R1-counted": {"requests_per_second": None},
        "R6": {"requests_per_second": 2, "refusals_before_block": 5},
        "R9-above": {"most_candles": 1000},
    }
)
