"""One authorised client of Schwab's API: schwab-py over a session that refreshes safely.

Importing schwab-py and authlib costs half a second and warns, so both are imported when the
first session is opened.
"""

import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any

import httpx

from jutsu_assets.schwab.tokens import TokenStore
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

TIMEOUT_SECONDS = 30.0
LEEWAY_SECONDS = 300
_ORIGIN = "https://api.schwabapi.com"
_FINAL_REFUSALS = ("unsupported_token_type", "invalid_client", "invalid_grant")
_LOGIN_AGAIN = "log in again with `jutsu login`; a login lasts seven days"
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
        mounts={_ORIGIN: transport},
        timeout=timeout_seconds,
    )
    session.prepare(tokens, metadata)
    client = Client(api_key, session, token_metadata=metadata)
    client.set_timeout(timeout_seconds)
    return client


def call(request: Callable[[], httpx.Response], *, what: str) -> httpx.Response:
    """Return the successful response of ``request``, or raise what went wrong as one of our errors.

    Args:
        request: Sends one request through a client of :func:`open_client`.
        what: What is asked, for the message.

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
    except (httpx.TimeoutException, httpx.TransportError) as error:
        message = f"{what}: Schwab must answer, in time and whole, but {_named(error)}; try again later"
        raise SourceUnavailableError(message) from error
    except httpx.DecodingError as error:
        message = f"{what}: Schwab's reply must be readable, but {_named(error)}"
        raise SourceUnavailableError(message) from error
    except httpx.HTTPStatusError as error:
        raise _status_error(error.response, f"{what}: refreshing the token") from error
    except base_errors as error:
        raise _oauth_error(error, what) from None
    except ValueError as error:
        message = f"{what}: the token endpoint must answer with JSON, but {type(error).__name__}; try again later"
        raise SourceUnavailableError(message) from error
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

    Attributes:
        authorization_url: What to open in a browser.
    """

    def __init__(self, api_key: str, app_secret: str, callback_url: str, transport: httpx.BaseTransport) -> None:
        self._app = (api_key, app_secret)
        self._session = _oauth_client_class()(
            api_key, redirect_uri=callback_url, mounts={_ORIGIN: transport}, timeout=TIMEOUT_SECONDS
        )
        url, self._state = self._session.create_authorization_url(f"{_ORIGIN}/v1/oauth/authorize")
        self.authorization_url = str(url)

    def fetch_token(self, received_url: str) -> dict[str, Any]:
        """Return the token that the code in ``received_url`` is worth."""
        token = self._session.fetch_token(
            f"{_ORIGIN}/v1/oauth/token",
            authorization_response=received_url,
            client_id=self._app[0],
            auth=self._app,
            state=self._state,
        )
        return dict(token)

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
            self.register_compliance_hook("refresh_token_response", _refuse_junk)

        def ensure_active_token(self, token: Any = None) -> bool:  # noqa: ANN401
            if not _is_stale(token or self.token):
                return True
            self.renew(str((token or self.token)["access_token"]))
            return True

        def renew(self, stale_access_token: str) -> None:
            """Replace the access token unless somebody else already did.

            A login that Schwab called dead is not presented again: who keeps asking is blocked.
            """
            with self._refresh_lock, self._tokens.locked():
                wrapped = self._tokens.read()
                kept = wrapped["token"]
                self._metadata.creation_timestamp = wrapped["creation_timestamp"]
                if kept["access_token"] != stale_access_token and not _is_stale(kept):
                    self.token = kept
                    return
                login = (wrapped["creation_timestamp"], kept["refresh_token"])
                if login == self._refused_login:
                    raise _oauth_errors()(self._refusal)
                try:
                    self.refresh_token(self.metadata["token_endpoint"], refresh_token=kept["refresh_token"])
                except _oauth_errors() as error:
                    if getattr(error, "error", None) in _FINAL_REFUSALS:
                        self._refused_login, self._refusal = login, error.error  # type: ignore[attr-defined]
                    raise

    return SingleFlightSession


def _is_stale(token: Mapping[str, Any]) -> bool:
    # The token's life is wall-clock time on the broker's side: no test clock can stand in for it.
    return float(token.get("expires_at", 0)) - LEEWAY_SECONDS < time.time()  # noqa: TID251


def _refuse_junk(response: httpx.Response) -> httpx.Response:
    """Stop a reply that is neither a token nor an OAuth error before authlib stores it over the token."""
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
        raise _status_error(response, "refreshing the token")
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        if response.is_success:
            message = "refreshing the token: Schwab must answer with a JSON object; the old token is kept"
            raise SourceUnavailableError(message)
        raise _status_error(response, "refreshing the token")
    if "error" not in body and "access_token" not in body:
        raise _status_error(response, "refreshing the token")
    return response


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
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _detail(response: httpx.Response) -> str:
    try:
        errors = response.json()["errors"]
        texts = [str(item.get("detail") or item["title"]) for item in errors]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return f" ({'; '.join(texts)})"


def _oauth_errors() -> type[Exception]:
    from authlib.common.errors import AuthlibBaseError  # noqa: PLC0415

    return AuthlibBaseError  # type: ignore[no-any-return]


def _oauth_error(error: Exception, what: str) -> SourceError:
    # The description of a dead token carries a digest of it: it stays out of the message.
    code = getattr(error, "error", None) or type(error).__name__
    if code == "invalid_client":
        message = (
            f"{what}: Schwab refused the app key, the app secret or the login ({code}); check SCHWAB_API_KEY and"
            f" SCHWAB_APP_SECRET, then {_LOGIN_AGAIN}"
        )
    else:
        message = f"{what}: the Schwab login is dead ({code}); {_LOGIN_AGAIN}"
    return AuthenticationError(message)


def _named(error: Exception) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _quieten_loggers() -> None:
    # schwab-py logs whole bodies at DEBUG and httpx every URL at INFO.
    for name in ("schwab", "httpx", "httpcore", "authlib"):
        logger = logging.getLogger(name)
        if logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)
