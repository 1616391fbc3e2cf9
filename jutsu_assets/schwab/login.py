"""Logging in: a URL goes out, the address that the browser lands on comes back.

A person does this in a terminal; no job ever does. The address is heard by
:class:`jutsu_assets.schwab.callback.CallbackServer`, or pasted.
"""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from jutsu_assets.schwab.session import LoginSession, call
from jutsu_assets.schwab.throttle import Throttle, ThrottledTransport
from jutsu_assets.schwab.tokens import TokenStore
from jutsu_core.errors import AuthenticationError


class Login:
    """One login, from the URL to the token file.

    Args:
        api_key: App key.
        app_secret: App secret.
        callback_url: Callback URL of the app, character for character.
        transport: Carries the token request.
        throttle: The request takes its turn among those of all processes.
        tokens: Where the token is kept.

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
    ) -> None:
        self._session = LoginSession(api_key, app_secret, callback_url, ThrottledTransport(transport, throttle))
        self._tokens = tokens
        self.url = self._session.authorization_url

    def finish(self, received_url: str, *, now_seconds: int) -> None:
        """Exchange the code in ``received_url`` for a token, and keep it.

        Args:
            received_url: The whole address of the page that the browser landed on.
            now_seconds: When the login happened, in seconds since 1970; the seven days count from it.

        Raises:
            AuthenticationError: The address carries no code, belongs to another login, or
                Schwab refused it; the former token is kept.
        """
        query = parse_qs(urlsplit(received_url.strip()).query)
        if "code" not in query:
            message = (
                "the address that the browser lands on must contain code=..., as it does after you allowed access;"
                f" it said {', '.join(query.get('error', ['nothing']))}: start the login again"
            )
            raise AuthenticationError(message)
        token: dict[str, Any] = {}

        def exchange() -> httpx.Response:
            token.update(self._session.fetch_token(received_url.strip()))
            return httpx.Response(httpx.codes.OK)

        call(exchange, what="logging in")
        with self._tokens.locked():
            self._tokens.write({"creation_timestamp": now_seconds, "token": token})
        self._session.close()
