"""What the simulator puts on the wire: statuses, headers and the exact error bodies."""

import gzip
import json
import uuid
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from http import HTTPStatus
from typing import Any, Literal

JSON = "application/json"
HTML = "text/html"
TEXT = "text/plain"

WHITELABEL_PAGE = (
    "<html><body><h1>Whitelabel Error Page</h1>"
    "<p>This application has no configured error view, so you are seeing this as a fallback.</p>"
    "<div>There was an unexpected error (type=Internal Server Error, status=500).</div></body></html>"
)
UNKNOWN_ROUTE_TEXT = "404 Not Found: Requested route ('traderapi-accounts.apigx-origin.schwab.com') does not exist.\n"
_BABBLE_TIMES = 20_000
BIG_BYTES = 50_000_000
"""How long the body of a reply is that is meant to be far too long."""

Slowness = Literal["status", "continue", "header", "body", "drip"]
"""What comes late: the status, the status after one ``100 Continue`` after another, every single byte of the
headers, the body after its headers, or every single byte of the body."""


@dataclass(frozen=True)
class Reply:
    """One reply, before compression.

    Attributes:
        status: Its status.
        body: Its body.
        content_type: The content type that it claims.
        headers: Further headers; one that is derived otherwise may be named here.
        slow: What comes late, if anything does.
    """

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    slow: Slowness | None = None

    @property
    def reason(self) -> str:
        """The status line without its protocol, for example ``200 OK``."""
        return f"{self.status} {HTTPStatus(self.status).phrase}"

    def wire_headers(self) -> list[tuple[str, str]]:
        """Return all headers; a header that the reply names itself wins over the derived one."""
        named = {name.lower() for name, _ in self.headers}
        derived = [("Content-Type", self.content_type), ("Content-Length", str(len(self.body)))]
        return [pair for pair in derived if pair[0].lower() not in named] + list(self.headers)

    def compressed(self) -> "Reply":
        """Return the reply with a gzip body, unless it is empty or already encoded."""
        if not self.body or any(name.lower() == "content-encoding" for name, _ in self.headers):
            return self
        # The fastest level: the time of the tests matters here, the size does not.
        body = gzip.compress(self.body, compresslevel=1, mtime=0)
        return replace(self, body=body, headers=(*self.headers, ("Content-Encoding", "gzip")))


def dumps(value: object) -> bytes:
    """Return ``value`` as compact JSON; whole prices lose their point, as at Schwab.

    Examples:
        >>> dumps({"open": Decimal("190.0000"), "close": Decimal("190.0375")})
        b'{"open":190,"close":190.0375}'
    """
    return json.dumps(value, separators=(",", ":"), default=_number).encode()


def _number(value: object) -> int | float:
    if not isinstance(value, Decimal):
        message = f"cannot write {type(value).__name__} as JSON"
        raise TypeError(message)
    # Up to 15 digits the shortest text of the nearest float is the decimal's own text.
    return int(value) if value == value.to_integral_value() else float(value)


_PACKED: Mapping[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


def json_reply(status: int, value: object, *headers: tuple[str, str]) -> Reply:
    """Return a JSON reply with the headers that Schwab puts on every reply but price history."""
    extra = [("Schwab-Client-CorrelId", str(uuid.uuid4()))]
    if status >= HTTPStatus.BAD_REQUEST:
        extra.append(("Schwab-Resource-Version", "1"))
    return Reply(status, dumps(value), JSON, (*extra, *headers))


def html_reply(status: int, page: str) -> Reply:
    """Return an HTML page."""
    return Reply(status, page.encode(), HTML)


def text_reply(status: int, text: str, *headers: tuple[str, str]) -> Reply:
    """Return plain text."""
    return Reply(status, text.encode(), TEXT, headers)


def error_reply(
    status: int,
    title: str,
    *headers: tuple[str, str],
    text_status: bool = False,
    detail: str | None = None,
    source: Mapping[str, Any] | None = None,
) -> Reply:
    """Return Schwab's error envelope; its ``status`` is text in some replies and a number in others."""
    error: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "status": str(status) if text_status else status,
        "title": title,
    }
    if detail is not None:
        error["detail"] = detail
    if source is not None:
        error["source"] = source
    return json_reply(status, {"errors": [error]}, *headers)


def bad_request(parameter: str, detail: str) -> Reply:
    """Return the refusal of one query parameter."""
    return error_reply(400, "Bad Request", text_status=True, detail=detail, source={"parameter": parameter})


def missing_authorization() -> Reply:
    """Return the refusal of a request without an ``Authorization`` header (E-HDR)."""
    return error_reply(
        400, "Bad Request", text_status=True, detail="Missing header", source={"header": "Authorization"}
    )


def unauthorized(*, with_detail: bool = True) -> Reply:
    """Return the refusal of an access token (E-401)."""
    return error_reply(401, "Unauthorized", detail="Client not authorized" if with_detail else None)


def not_found() -> Reply:
    """Return E-404."""
    return error_reply(404, "Not Found", text_status=True)


def too_many_requests(retry_after: str | None = None) -> Reply:
    """Return 429, with a ``Retry-After`` of any text or without one."""
    headers = [] if retry_after is None else [("Retry-After", retry_after)]
    return error_reply(429, "Too Many Requests", *headers)


def reply_too_big() -> Reply:
    """Return E-BIG: the gateway could not hold the reply."""
    detail = {"errorcode": "protocol.http.TooBigBody"}
    return json_reply(502, {"fault": {"faultstring": "Body buffer overflow", "detail": detail}})


def endless() -> Reply:
    """Return a legal reply that is far too long; the spaces spare the reader, the length does not."""
    return Reply(200, b'{"candles":[' + b" " * BIG_BYTES + b'],"symbol":"","empty":true}')


@cache
def bomb(*codings: str) -> Reply:
    """Return a small reply that becomes a far too long one when its codings, one inside the other, are undone."""
    body = b'{"candles":[' + b" " * BIG_BYTES + b'],"symbol":"","empty":true}'
    for coding in codings:
        body = _PACKED[coding](body)
    return Reply(200, body, headers=(("Content-Encoding", ", ".join(codings)),))


def babble(said: str) -> Reply:
    """Return a refusal whose detail is long, has escape sequences and line breaks, and repeats what was said to it."""
    detail = f"\x1b[2J\x1b[31mREFUSED\r\n\tat {said}\r\n" + "\u202egibberish\x07 " * _BABBLE_TIMES + said
    return error_reply(400, "Bad Request", text_status=True, detail=detail)


def access_denied() -> Reply:
    """Return the page of a login whose redirect address is not the registered one."""
    return html_reply(403, "<HTML><HEAD>\n<TITLE>Access Denied</TITLE>\n</HEAD><BODY>Access Denied</BODY></HTML>\n")


def oauth_error(status: int, error: str, description: str) -> Reply:
    """Return a refusal of the token endpoint."""
    return json_reply(status, {"error": error, "error_description": description})


def dead_refresh_token() -> Reply:
    """Return E-DEAD: the refresh token is unknown, expired, replaced or revoked."""
    digest = uuid.uuid4().hex
    cause = (
        f"Exception while authenticating refresh token [tokenDigest={digest}, "
        f"Exception=Failed refresh token authentication [tokenDigest={digest}]]"
    )
    nested = f'{{"error_description":"{cause}","error":"refresh_token_authentication_error"}}'
    return oauth_error(400, "unsupported_token_type", f'400 Bad Request: "{nested}"')


def edge_block(path: str, status: int = 403) -> Reply:
    """Return the page of the network in front of Schwab that blocks an address (E-EDGE)."""
    address = f"http://api.schwabapi.com{path}"
    for sign in ":/.":
        address = address.replace(sign, f"&#{ord(sign)};")
    reference = f"18.{uuid.uuid4().hex[:8]}.1.{uuid.uuid4().hex[:8]}"
    page = (
        "<HTML><HEAD>\n<TITLE>Access Denied</TITLE>\n</HEAD><BODY>\n<H1>Access Denied</H1>\n \n"
        f'You don\'t have permission to access "{address}" on this server.<P>\n'
        f"Reference #{reference}\n<P>\nhttps://errors.edgesuite.net/{reference}\n</P>\n</BODY>\n</HTML>\n"
    )
    return html_reply(status, page)
