"""One authorised client of Schwab's API: schwab-py over a session that refreshes safely.

Importing schwab-py and authlib costs half a second and warns, so both are imported when the
first session is opened.
"""

import json
import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from types import MappingProxyType
from typing import Any

import httpx

from jutsu_assets.schwab.server_text import keep_secret, shown
from jutsu_assets.schwab.tokens import REFRESH_TOKEN_LIFE, TokenStore
from jutsu_assets.schwab.wrapped import is_token
from jutsu_assets.settings import SCHWAB_ORIGIN
from jutsu_core.errors import (
    AddressBlockedError,
    AuthenticationError,
    ConfigurationError,
    MalformedResponseError,
    RateLimitedError,
    ReplyTooLargeError,
    RequestRefusedError,
    SourceError,
    SourceUnavailableError,
)

_logger = logging.getLogger("jutsu.schwab.session")
TIMEOUT_SECONDS = 30.0
LEEWAY_SECONDS = 300
_LOGIN_AGAIN = "log in again with `jutsu login`; a login lasts seven days"
_DEAD = f"the Schwab login is dead ({{code}}); {_LOGIN_AGAIN}"
_REFUSED_REFRESH: Mapping[str, str] = MappingProxyType(
    {
        "unsupported_token_type": _DEAD,
        "invalid_grant": _DEAD,
        "invalid_client": (
            "Schwab refused the app key, the app secret or the login ({code}); check SCHWAB_API_KEY and"
            f" SCHWAB_APP_SECRET, then {_LOGIN_AGAIN}"
        ),
        "": f"Schwab did not refresh the token ({{code}}); try again later, and if that does not help, {_LOGIN_AGAIN}",
    }
)
_FINAL_REFUSALS = frozenset(_REFUSED_REFRESH) - {""}
_REFUSED_LOGIN: Mapping[str, str] = MappingProxyType(
    {
        "invalid_client": (
            "Schwab refused the app key or the app secret ({code}); check SCHWAB_API_KEY and SCHWAB_APP_SECRET, then"
            " run `jutsu login` again"
        ),
        "": (
            "Schwab refused the code that the browser brought ({code}), which works once and for 30 seconds; run"
            " `jutsu login` again"
        ),
    }
)
_SECRET_TEXTS = ("access_token", "refresh_token", "id_token")
_TOKEN_TEXTS = (*_SECRET_TEXTS, "scope")
_LONGEST_CODE, _MOST_DETAILS = 60, 10
_REFUSALS: Mapping[int, tuple[type[SourceError], str]] = MappingProxyType(
    {
        401: (AuthenticationError, f"{_LOGIN_AGAIN}, and check that the app has the Market Data product"),
        403: (
            AddressBlockedError,
            "the network in front of Schwab blocks this address, as after too many requests: wait an hour",
        ),
    }
)


def open_client(
    api_key: str,
    app_secret: str,
    tokens: TokenStore,
    transport: httpx.BaseTransport,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Any:  # noqa: ANN401 - schwab-py is untyped
    """Return a schwab-py client whose every request goes through ``transport``.

    Args:
        api_key: App key.
        app_secret: App secret.
        tokens: Where the login's token is kept.
        transport: Carries data requests and token refreshes alike.
        timeout_seconds: How long to wait for a connection, and for every byte.

    Raises:
        AuthenticationError: There is no usable token.
        ConfigurationError: The installed authlib does not use httpx.
    """
    keep_secret(api_key, app_secret, f"{api_key}:{app_secret}")
    with _quiet_imports():
        from schwab import auth  # noqa: PLC0415
        from schwab.client import Client  # noqa: PLC0415
    _quieten_loggers()
    session_class = _session_class()
    wrapped = tokens.read()
    metadata = auth.TokenMetadata.from_loaded_token(wrapped, lambda token, **_: tokens.write(token))
    session = session_class(
        api_key,
        client_secret=app_secret,
        token=metadata.token,
        token_endpoint=auth.TOKEN_ENDPOINT,
        update_token=metadata.wrapped_token_write_func(),
        leeway=LEEWAY_SECONDS,
        transport=transport,
        timeout=timeout_seconds,
    )
    session.prepare(tokens, metadata)
    client = Client(api_key, session, token_metadata=metadata)
    client.set_timeout(timeout_seconds)
    return client


def call(
    request: Callable[[], httpx.Response], *, what: str, refusals: Mapping[str, str] = _REFUSED_REFRESH
) -> httpx.Response:
    """Return the successful response of ``request``, or raise what went wrong as one of our errors.

    Args:
        request: Sends one request through a client of :func:`open_client`.
        what: What is asked, for the message.
        refusals: What the token endpoint's codes mean, with the remedy; the empty one is of all others.

    Raises:
        SourceUnavailableError: Timeout, connection fault or 5xx.
        RateLimitedError: 429.
        AuthenticationError: The token is dead or refused.
        RequestRefusedError: Any other 3xx or 4xx.
        MalformedResponseError: A reply that is broken in transit beyond reading.
    """
    base_errors = _oauth_errors()
    try:
        response = request()
    except httpx.TransportError as error:
        message = f"{what}: Schwab must answer, in time and whole, but {_named(error)}; try again later"
        raise SourceUnavailableError(message) from None
    except httpx.DecodingError as error:
        message = f"{what}: Schwab's reply must be readable, but {_named(error)}; try again later"
        raise SourceUnavailableError(message) from None
    except base_errors as error:
        raise _oauth_error(error, what, refusals) from None
    if not response.is_success:
        raise _status_error(response, what)
    return response


@contextmanager
def _quiet_imports() -> Iterator[None]:
    # authlib turns its own deprecation warnings on when its deprecate module is first imported,
    # so that module has to be imported before they can be silenced.
    from authlib import deprecate  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", deprecate.AuthlibDeprecationWarning)
        yield


class LoginSession:
    """The two halves of a login that a person makes: a URL goes out, a token comes back.

    Args:
        api_key: App key.
        app_secret: App secret.
        callback_url: Callback URL of the app, character for character.
        transport: Carries the token request.
        origin: Whose page the browser opens: Schwab's, or a simulator's on this machine.

    Attributes:
        authorization_url: What to open in a browser.
        state: What the address that the browser lands on must carry, so that it belongs to this login.
    """

    def __init__(
        self, api_key: str, app_secret: str, callback_url: str, transport: httpx.BaseTransport, *, origin: str
    ) -> None:
        keep_secret(api_key, app_secret, f"{api_key}:{app_secret}")
        self._app = (api_key, app_secret)
        self._session = _oauth_client_class()(
            api_key, redirect_uri=callback_url, transport=transport, timeout=TIMEOUT_SECONDS
        )
        self._session.register_compliance_hook("access_token_response", partial(_checked_reply, what="logging in"))
        url, state = self._session.create_authorization_url(f"{origin}/v1/oauth/authorize")
        self.authorization_url, self.state = str(url), str(state)

    def fetch_token(self, code: str) -> dict[str, Any]:
        """Return the token that ``code`` is worth.

        Raises:
            SourceError: Schwab refused the code, or could not be read.
        """
        keep_secret(code)
        token: dict[str, Any] = {}

        def exchange() -> httpx.Response:
            fetched = self._session.fetch_token(
                f"{SCHWAB_ORIGIN}/v1/oauth/token",
                grant_type="authorization_code",
                code=code,
                client_id=self._app[0],
                auth=self._app,
            )
            token.update(fetched)
            return httpx.Response(httpx.codes.OK)

        call(exchange, what="logging in", refusals=_REFUSED_LOGIN)
        return token

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _oauth_client_class() -> Any:  # noqa: ANN401 - authlib is untyped
    with _quiet_imports():
        from authlib.integrations.httpx_client import OAuth2Client  # noqa: PLC0415
    if not issubclass(OAuth2Client, httpx.Client):
        message = "authlib must use httpx, but it chose httpx2; uninstall httpx2 (schwab-py does not support it)"
        raise ConfigurationError(message)
    return OAuth2Client


def _session_class() -> Any:  # noqa: ANN401 - made from an untyped class
    base: Any = _oauth_client_class()

    class SingleFlightSession(base):  # type: ignore[misc]
        """Refreshes once for all threads and processes that share a token store."""

        def prepare(self, tokens: TokenStore, metadata: Any) -> None:  # noqa: ANN401
            self._tokens = tokens
            self._metadata = metadata
            self._refresh_lock = threading.RLock()
            self._refused_login: tuple[int, str] | None = None
            self._refusal = ""
            hook = partial(_checked_reply, what="refreshing the token")
            self.register_compliance_hook("refresh_token_response", hook)

        def ensure_active_token(self, token: Any = None) -> bool:  # noqa: ANN401
            if not _is_stale(token or self.token):
                return True
            self.renew(str((token or self.token)["access_token"]))
            return True

        def renew(self, stale_access_token: str) -> None:
            """Replace the access token unless somebody else already did.

            A login that Schwab called dead is not presented again: who keeps asking is blocked.
            """
            keep_secret(self.client_id, self.client_secret, f"{self.client_id}:{self.client_secret}")
            with self._refresh_lock, self._tokens.locked():
                wrapped = self._tokens.read()
                kept = wrapped["token"]
                self._metadata.creation_timestamp = wrapped["creation_timestamp"]
                if kept["access_token"] != stale_access_token and not _is_stale(kept):
                    self.token = kept
                    _logger.info("access token: another process refreshed it; that one is used")
                    return
                login = (wrapped["creation_timestamp"], kept["refresh_token"])
                if login == self._refused_login:
                    raise _oauth_errors()(self._refusal)
                try:
                    self.refresh_token(self.metadata["token_endpoint"], refresh_token=kept["refresh_token"])
                except _oauth_errors() as error:
                    if getattr(error, "error", None) in _FINAL_REFUSALS:
                        self._refused_login, self._refusal = login, error.error  # type: ignore[attr-defined]
                        _logger.warning(
                            "access token: refresh refused (%s); it is not asked again", shown(self._refusal)
                        )
                    raise
                _logger.info("access token: refreshed; the login behind it lives as long as before")

    return SingleFlightSession


def _is_stale(token: Mapping[str, Any]) -> bool:
    # The token's life is wall-clock time on the broker's side: no test clock can stand in for it.
    return float(token.get("expires_at", 0)) - LEEWAY_SECONDS < time.time()  # noqa: TID251


def _checked_reply(response: httpx.Response, *, what: str) -> httpx.Response:
    """Return what authlib may believe of a reply of the token endpoint: a token, or the code of a refusal.

    authlib stores over the good token whatever is an object, and takes numbers and times as they come.
    """
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
        raise _status_error(response, what)
    body = _json(response)
    if not isinstance(body, dict):
        if response.is_success:
            message = f"{what}: Schwab must answer with a JSON object; the old token is kept"
            raise SourceUnavailableError(message)
        raise _status_error(response, what)
    texts = {name: body[name] for name in _TOKEN_TEXTS if isinstance(body.get(name), str)}
    keep_secret(*(texts[name] for name in _SECRET_TEXTS if is_token(texts.get(name))))
    if "error" in body:
        return httpx.Response(response.status_code, json={"error": shown(body["error"], _LONGEST_CODE)})
    if "access_token" not in body:
        raise _status_error(response, what)
    if not all(is_token(texts.get(name)) for name in ("access_token", "refresh_token") if name in body):
        message = f"{what}: Schwab must answer with tokens, which are printable ASCII; the old ones are kept"
        raise AuthenticationError(message)
    seconds: Any = body.get("expires_in")
    is_life = type(seconds) in (int, float) and 0 < seconds <= REFRESH_TOKEN_LIFE.total_seconds()
    life = {"expires_in": int(seconds)} if is_life else {}
    return httpx.Response(response.status_code, json={"token_type": "Bearer"} | texts | life)


def _status_error(response: httpx.Response, what: str) -> SourceError:
    status = response.status_code
    answered = f"{what}: Schwab answered {status}{_detail(response)}"
    if "protocol.http.TooBigBody" in response.text:
        return ReplyTooLargeError(f"{answered}: the reply would be too large; ask for less at once")
    if response.is_server_error:
        return SourceUnavailableError(f"{answered}; try again later", retry_after_seconds=_retry_after(response))
    if status == httpx.codes.TOO_MANY_REQUESTS:
        message = f"{answered}, too many requests; wait before running again"
        return RateLimitedError(message, retry_after_seconds=_retry_after(response))
    if response.is_success:
        return MalformedResponseError(f"{answered} without what was asked for; try again later")
    kind, remedy = _REFUSALS.get(status, (RequestRefusedError, "correct the request"))
    return kind(f"{answered}; {remedy}")


def _retry_after(response: httpx.Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    if value.isascii() and value.isdecimal():
        return float(value)
    until, said_at = http_date(value), http_date(response.headers.get("Date", ""))
    if until is None or said_at is None:
        return None
    # A date is measured from the reply's own: its clock need not agree with ours.
    return max(0.0, (until - said_at).total_seconds())


def http_date(text: str) -> datetime | None:
    """Return the moment that a header names, UTC; None where it names none."""
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _json(response: httpx.Response) -> object:
    """Return what the body says, or None where it is no JSON that Python can hold."""
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None


def _detail(response: httpx.Response) -> str:
    try:
        errors = _json(response)["errors"]  # type: ignore[index] # caught
        texts = [str(item.get("detail") or item["title"]) for item in errors[:_MOST_DETAILS]]
    except (KeyError, TypeError, AttributeError, RecursionError):
        return ""
    said = shown("; ".join(texts))
    return f" ({said})" if said else ""


def _oauth_errors() -> type[Exception]:
    from authlib.common.errors import AuthlibBaseError  # noqa: PLC0415

    return AuthlibBaseError  # type: ignore[no-any-return]


def _oauth_error(error: Exception, what: str, refusals: Mapping[str, str]) -> SourceError:
    # The description of a dead token carries a digest of it: it stays out of the message.
    code = shown(getattr(error, "error", None) or type(error).__name__, _LONGEST_CODE)
    return AuthenticationError(f"{what}: {refusals.get(code, refusals['']).format(code=code)}")


def _named(error: Exception) -> str:
    text = shown(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _quieten_loggers() -> None:
    # schwab-py logs whole bodies at DEBUG and httpx every URL at INFO.
    for name in ("schwab", "httpx", "httpcore", "authlib"):
        logger = logging.getLogger(name)
        if logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)
