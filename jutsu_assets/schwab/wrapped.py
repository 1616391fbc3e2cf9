"""What a token must be to be believed: the content of a token file, and the tokens in it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from jutsu_assets.schwab.server_text import keep_secret, shown_value
from jutsu_core.errors import AuthenticationError

CLOCKS_DIFFER = timedelta(days=1)
"""How far ahead of the clock a login may have been made: on another machine, whose clock shows its local time."""
LOG_IN_AGAIN = "log in again with `jutsu login`"
_LONGEST_TOKEN = 16_384
_LATEST = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())
_LONG_EXPIRED = 1
_KIND = "Bearer"

WrappedToken = dict[str, Any]
"""A token in schwab-py's form, ``{"creation_timestamp": …, "token": {…}}``."""


def require_past(made_at: datetime, now: datetime, what: str) -> None:
    """Make sure that a login was made before ``now``.

    Raises:
        AuthenticationError: It is said to be made in the future.
    """
    if made_at > now + CLOCKS_DIFFER:
        message = (
            f"{what}: creation_timestamp must not lie in the future, was {made_at:%Y-%m-%d %H:%M} UTC, and it is"
            f" {now:%Y-%m-%d %H:%M} UTC; set the clock of this machine right, or {LOG_IN_AGAIN}"
        )
        raise AuthenticationError(message)


def is_token(text: object) -> bool:
    """Return whether ``text`` can be a token: printable ASCII, which a header can carry."""
    return isinstance(text, str) and 0 < len(text) <= _LONGEST_TOKEN and text.isascii() and text.isprintable()


def parsed_token(raw: bytes, what: str) -> object:
    """Return the JSON of a token file.

    Raises:
        AuthenticationError: It is none; the message says how it differs.
    """
    fault = "is empty" if not raw.strip() else ""
    try:
        text = raw.decode()
        if text.startswith("\ufeff"):
            fault = "begins with a byte order mark"
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        fault = fault or f"is not ({type(error).__name__})"
    message = f"{what} must be readable JSON in UTF-8, {fault}; {LOG_IN_AGAIN}"
    raise AuthenticationError(message)


def sound_token(content: object, what: str) -> WrappedToken:
    """Return ``content`` if it is a wrapped token; what is wrong beside the tokens themselves is put right.

    A time of expiry that is none has passed long ago, so that the token is refreshed.

    Raises:
        AuthenticationError: It is none.
    """
    token = content.get("token") if isinstance(content, Mapping) else None
    if not (
        isinstance(content, Mapping)
        and isinstance(token, Mapping)
        and all(is_token(token.get(name)) for name in ("access_token", "refresh_token"))
    ):
        message = f"{what} must hold creation_timestamp, access_token and refresh_token; {LOG_IN_AGAIN}"
        raise AuthenticationError(message)
    made_at = content.get("creation_timestamp")
    if type(made_at) is not int or not 0 <= made_at < _LATEST:
        message = (
            f"{what}: creation_timestamp must be when the login was made, in whole seconds since 1970, was"
            f" {shown_value(made_at, 40)}; {LOG_IN_AGAIN}"
        )
        raise AuthenticationError(message)
    keep_secret(*(token.get(name) for name in ("access_token", "refresh_token", "id_token")))
    expires_at, kind = token.get("expires_at", _LONG_EXPIRED), token.get("token_type", _KIND)
    mended: WrappedToken = {}
    if type(expires_at) not in (int, float) or not 0 <= expires_at < _LATEST:
        mended["expires_at"] = _LONG_EXPIRED
    if not isinstance(kind, str) or kind.lower() != _KIND.lower():
        mended["token_type"] = _KIND
    return {**content, "token": {**token, **mended}} if mended else dict(content)
