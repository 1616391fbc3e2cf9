"""Logging in: a URL goes out, the address that the browser lands on comes back.

A person does this in a terminal; no job ever does. The address is heard by
:class:`jutsu_assets.schwab.callback.CallbackServer`, or pasted.
"""

import hmac
import logging
from typing import Self
from urllib.parse import parse_qs, urlsplit

import httpx

from jutsu_assets.schwab.server_text import shown
from jutsu_assets.schwab.session import LoginSession
from jutsu_assets.schwab.throttle import Throttle, ThrottledTransport
from jutsu_assets.schwab.tokens import TokenStore
from jutsu_assets.schwab.transport import BoundedTransport
from jutsu_assets.settings import SCHWAB_ORIGIN
from jutsu_core.errors import AuthenticationError

_ANSWERS = ("code", "error")
_logger = logging.getLogger("jutsu.schwab.login")


class Login:
    """One login, from the URL to the token file; leaving the context closes its connections.

    Args:
        api_key: App key.
        app_secret: App secret.
        callback_url: Callback URL of the app, character for character.
        transport: Carries the token request.
        throttle: The request takes its turn among those of all processes.
        tokens: Where the token is kept.
        origin: Whose page the browser opens: Schwab's, or a simulator's on this machine.

    Attributes:
        url: What to open in a browser.
    """

    def __init__(
        self,
        *,
        api_key: str,
        app_secret: str,
        callback_url: str,
        transport: httpx.BaseTransport,
        throttle: Throttle,
        tokens: TokenStore,
        origin: str = SCHWAB_ORIGIN,
    ) -> None:
        carrier = ThrottledTransport(BoundedTransport(transport), throttle)
        self._session = LoginSession(api_key, app_secret, callback_url, carrier, origin=origin)
        self._tokens = tokens
        self.url = self._session.authorization_url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def is_answered_by(self, query: str) -> bool:
        """Return whether an address with this ``query`` is where this login ends: allowed or refused, with its state.

        Anybody can send a browser, or a request, to the callback URL; only who saw this login's
        own URL knows its state.
        """
        asked = parse_qs(query)
        states = asked.get("state", [""])
        is_ours = len(states) == 1 and hmac.compare_digest(states[0].encode(), self._session.state.encode())
        return is_ours and any(name in asked for name in _ANSWERS)

    def finish(self, received_url: str, *, now_seconds: int) -> None:
        """Exchange the code in ``received_url`` for a token, and keep it.

        Args:
            received_url: The whole address of the page that the browser landed on.
            now_seconds: When the login happened, in seconds since 1970; the seven days count from it.

        Raises:
            AuthenticationError: The address carries no code, belongs to another login, or
                Schwab refused it, and the former token is kept; or the token could not be written.
        """
        query = _query(received_url)
        asked = parse_qs(query)
        if "code" not in asked:
            said = shown(", ".join(asked.get("error", ["nothing"])))
            message = (
                "the address that the browser lands on must contain code=..., as it does after you allowed access;"
                f" it said {said}: start the login again"
            )
            raise AuthenticationError(message)
        if not self.is_answered_by(query):
            message = (
                "the address that the browser lands on must be of this login, was of another one (its state differs);"
                " run `jutsu login` again, and open the address that it prints"
            )
            raise AuthenticationError(message)
        token = self._session.fetch_token(asked["code"][0])
        with self._tokens.locked():
            self._tokens.write({"creation_timestamp": now_seconds, "token": token})
        _logger.info("login: a new one is kept; it lasts seven days")


def _query(url: str) -> str:
    try:
        return urlsplit(url.strip()).query
    except ValueError:
        return ""
