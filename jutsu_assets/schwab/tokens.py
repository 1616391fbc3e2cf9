"""Tokens at rest: the file that a login leaves behind, read and written safely.

The file has schwab-py's own form, ``{"creation_timestamp": …, "token": {…}}``, so that a
login made by schwab-py's tools can be used as it is. Writes are atomic and private (0600);
one lock file keeps refreshes of several processes apart.
"""

import json
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

from filelock import FileLock, Timeout

from jutsu_core.errors import AuthenticationError

REFRESH_TOKEN_LIFE = timedelta(days=7)
_LOCK_TIMEOUT_SECONDS = 60.0
_REMEDY = "log in again with `jutsu login`"

_DAY = timedelta(days=1)
LOGIN_ENDS_SOON = 2 * _DAY

WrappedToken = dict[str, Any]
Standing = Literal["sound", "ending", "dead"]


class LoginLife(NamedTuple):
    """How long a login still lives.

    Attributes:
        standing: ``sound``; ``ending`` with less than two days left; or ``dead``.
        days_left: Days until it dies; 0 where there is none.
        ends_at: When it dies; None where there is none.
        message: For people, with what to do.
    """

    standing: Standing
    days_left: float
    ends_at: datetime | None
    message: str


class TokenStore(ABC):
    """Keeps one login's token in schwab-py's wrapped form."""

    @abstractmethod
    def read(self) -> WrappedToken:
        """Return the wrapped token.

        Raises:
            AuthenticationError: There is none, or it cannot be used; the message names the remedy.
        """

    @abstractmethod
    def write(self, wrapped: Mapping[str, Any]) -> None:
        """Keep ``wrapped``, whole or not at all.

        Raises:
            AuthenticationError: ``wrapped`` lacks an access or a refresh token.
        """

    @abstractmethod
    def locked(self) -> AbstractContextManager[None]:
        """Return a context manager that one process at a time can be inside."""

    def expires_at(self) -> datetime:
        """Return when the login dies: seven days after it was made, whatever was refreshed since."""
        created = int(self.read()["creation_timestamp"])
        return datetime.fromtimestamp(created, tz=UTC) + REFRESH_TOKEN_LIFE


class MemoryTokenStore(TokenStore):
    """Keeps a token for the life of one process, for the simulator inside it."""

    def __init__(self, wrapped: Mapping[str, Any]) -> None:
        self._wrapped = dict(_sound(wrapped, "the simulator's token"))

    def read(self) -> WrappedToken:
        """Return the wrapped token."""
        return dict(self._wrapped)

    def write(self, wrapped: Mapping[str, Any]) -> None:
        """Keep ``wrapped``."""
        self._wrapped = dict(_sound(wrapped, "the simulator's token"))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Enter at once: no other process can see this token."""
        yield


class FileTokenStore(TokenStore):
    """Keeps a token in a file that several processes share.

    Args:
        path: The token file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> WrappedToken:
        """Return the wrapped token of the file.

        Raises:
            AuthenticationError: The file is missing, unreadable or not a token file.
        """
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            message = f"the Schwab token file {self._path} must exist; {_REMEDY}"
            raise AuthenticationError(message) from None
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            message = f"the Schwab token file {self._path} must be readable JSON ({type(error).__name__}); {_REMEDY}"
            raise AuthenticationError(message) from None
        return dict(_sound(content, f"the Schwab token file {self._path}"))

    def write(self, wrapped: Mapping[str, Any]) -> None:
        """Replace the file by one that holds ``wrapped``: whole or not at all, readable by its owner only."""
        _sound(wrapped, f"the token to be written to {self._path}")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(wrapped, file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock file beside the token file.

        Raises:
            AuthenticationError: Another process held it for a minute.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{self._path}.lock", timeout=_LOCK_TIMEOUT_SECONDS)
        try:
            lock.acquire()
        except Timeout:
            message = (
                f"the lock {lock.lock_file} must be free within {_LOCK_TIMEOUT_SECONDS:.0f} s, another process"
                " holds it; end that process and run again"
            )
            raise AuthenticationError(message) from None
        try:
            yield
        finally:
            lock.release()


def login_life(tokens: TokenStore, now: datetime) -> LoginLife:
    """Return how long the login of ``tokens`` still lives at ``now``.

    Only its age is known: Schwab ends a login early after a password reset or a newer login.
    """
    try:
        ends_at = tokens.expires_at()
    except AuthenticationError as error:
        return LoginLife("dead", 0.0, None, str(error))
    left = ends_at - now
    until = f"{ends_at:%Y-%m-%d %H:%M} UTC"
    if left <= timedelta(0):
        message = f"the Schwab login is dead since {until}: run `jutsu login`; a login lasts seven days"
        return LoginLife("dead", 0.0, ends_at, message)
    days_left = left / _DAY
    if left < LOGIN_ENDS_SOON:
        message = f"the Schwab login dies at {until}, in {days_left:.1f} days: run `jutsu login` before; it lasts seven"
        return LoginLife("ending", days_left, ends_at, message)
    return LoginLife("sound", days_left, ends_at, f"the Schwab login is good until {until}, {days_left:.1f} days")


def _sound(content: object, what: str) -> Mapping[str, Any]:
    if isinstance(content, Mapping) and isinstance(content.get("creation_timestamp"), int):
        token = content.get("token")
        if isinstance(token, Mapping) and token.get("access_token") and token.get("refresh_token"):
            return content
    message = f"{what} must hold creation_timestamp, access_token and refresh_token; {_REMEDY}"
    raise AuthenticationError(message)
