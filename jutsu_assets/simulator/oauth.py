"""The simulator's OAuth side: logins, codes, tokens and how they die."""

import base64
import hmac
import math
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from jutsu_assets.simulator.replies import (
    Reply,
    access_denied,
    dead_refresh_token,
    json_reply,
    oauth_error,
)

ACCESS_SECONDS = 1800
REFRESH_SECONDS = 7 * 24 * 3600
CODE_SECONDS = 30
CLIENT_CREDENTIALS_SECONDS = 3600


@dataclass
class _Login:
    created: float
    refresh_token: str | None
    access_expiry: dict[str, float] = field(default_factory=dict)


class TokenOffice:
    """Issues, checks and kills the tokens of one registered application.

    A new login kills everything that older logins were given. A refresh never extends the
    seven days that count from the login. The caller serialises the calls.

    Args:
        key: The application's key.
        secret: The application's secret.
        callback_url: The redirect addresses that are allowed, between commas as Schwab's portal has
            them; each is compared exactly.
        rotate: Whether every refresh replaces the refresh token.
        clock: Epoch seconds; lifetimes follow it.
    """

    def __init__(self, *, key: str, secret: str, callback_url: str, rotate: bool, clock: Callable[[], float]) -> None:
        self._key = key
        self._callback_urls = callback_url.split(",")
        self._rotate = rotate
        self._clock = clock
        self._basic = "Basic " + base64.b64encode(f"{key}:{secret}".encode("latin-1")).decode()
        self._codes: dict[str, tuple[str, float]] = {}
        self._login: _Login | None = None

    def authorize(self, params: Mapping[str, str], *, user_refuses: bool) -> Reply:
        """Answer the browser: send it back to the application with a code."""
        callback_url = params.get("redirect_uri", "")
        if callback_url not in self._callback_urls:
            return access_denied()
        if params.get("client_id") != self._key:
            return invalid_client()
        state = f"&state={quote(params['state'], safe='')}" if params.get("state") else ""
        if user_refuses:
            query = f"error=access_denied{state}"
        else:
            code = f"C0.{secrets.token_urlsafe(24)}@"
            self._codes[code] = callback_url, self._clock()
            query = f"code={quote(code, safe='')}&session={uuid.uuid4()}{state}"
        return Reply(302, headers=(("Location", f"{callback_url}/?{query}"),))

    def token(self, form: Mapping[str, str], authorization: str) -> Reply:
        """Answer a POST to the token endpoint."""
        if not hmac.compare_digest(authorization.encode(), self._basic.encode()):
            return invalid_client()
        grant = form.get("grant_type", "")
        if grant == "authorization_code":
            return self._exchange(form)
        if grant == "refresh_token":
            return self._refresh(form.get("refresh_token", ""))
        if grant == "client_credentials":
            return self._client_credentials()
        return oauth_error(400, "unsupported_grant_type", f"Unsupported grant type {grant}")

    def log_in(self) -> dict[str, Any]:
        """Start a new login, kill all older ones and return the token reply's content."""
        self._login = _Login(self._clock(), refresh_token=None)
        return self._issue(self._login, rotate=True)

    def accepts(self, authorization: str) -> bool:
        """Return whether a data request with this header is let in."""
        scheme, _, access_token = authorization.partition(" ")
        expiry = self._login.access_expiry.get(access_token) if self._login else None
        return scheme == "Bearer" and expiry is not None and self._clock() < expiry

    def expire_access_tokens(self) -> None:
        """Kill every access token; refreshing still works."""
        if self._login:
            self._login.access_expiry.clear()

    def revoke_refresh_tokens(self) -> None:
        """Kill the refresh token, as a password reset does; access tokens live on."""
        if self._login:
            self._login.refresh_token = None

    def _exchange(self, form: Mapping[str, str]) -> Reply:
        callback_url, issued = self._codes.pop(form.get("code", ""), (None, -math.inf))
        if form.get("redirect_uri") != callback_url or self._clock() - issued > CODE_SECONDS:
            return bad_code()
        return json_reply(200, self.log_in())

    def _refresh(self, refresh_token: str) -> Reply:
        login = self._login
        if login is None or login.refresh_token is None or refresh_token != login.refresh_token:
            return dead_refresh_token()
        if self._clock() >= login.created + REFRESH_SECONDS:
            return dead_refresh_token()
        return json_reply(200, self._issue(login, rotate=self._rotate))

    def _client_credentials(self) -> Reply:
        login = self._login = self._login or _Login(self._clock(), refresh_token=None)
        access_token = self._access_token(login, CLIENT_CREDENTIALS_SECONDS)
        content = {"expires_in": CLIENT_CREDENTIALS_SECONDS, "token_type": "Bearer", "scope": "api"}
        return json_reply(200, content | {"access_token": access_token})

    def _issue(self, login: _Login, *, rotate: bool) -> dict[str, Any]:
        if rotate:
            login.refresh_token = secrets.token_urlsafe(48)
        return {
            "expires_in": ACCESS_SECONDS,
            "token_type": "Bearer",
            "scope": "api",
            "refresh_token": login.refresh_token,
            "access_token": self._access_token(login, ACCESS_SECONDS),
            "id_token": ".".join(secrets.token_urlsafe(16) for _ in range(3)),
        }

    def _access_token(self, login: _Login, seconds: int) -> str:
        access_token = f"I0.{secrets.token_urlsafe(24)}="
        login.access_expiry[access_token] = self._clock() + seconds
        return access_token


def invalid_client() -> Reply:
    """Return the refusal of a wrong key, secret or header."""
    return oauth_error(401, "invalid_client", "Unauthorized")


def bad_code() -> Reply:
    """Return the refusal of a code that was used, is too old, or was never issued."""
    return oauth_error(400, "invalid_grant", "Bad authorization code")
