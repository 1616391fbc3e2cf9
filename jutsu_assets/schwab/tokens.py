"""Tokens at rest: the file that a login leaves behind, read and written safely.

The file has schwab-py's own form, ``{"creation_timestamp": …, "token": {…}}``, so that a
login made by schwab-py's tools can be used as it is. Writes are atomic and private (0600);
one lock file keeps refreshes of several processes apart. A symbolic link is followed: what it
leads to is read, locked and replaced, the link stays.
"""

import json
import logging
import os
import stat
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

from filelock import FileLock, Timeout

from jutsu_assets.clock import SystemClock
from jutsu_assets.schwab.wrapped import LOG_IN_AGAIN, WrappedToken, parsed_token, require_past, sound_token
from jutsu_core.errors import AuthenticationError
from jutsu_core.ports import Clock

REFRESH_TOKEN_LIFE = timedelta(days=7)
_LOCK_TIMEOUT_SECONDS = 60.0
_PRIVATE = 0o600
_LARGEST_FILE_BYTES = 2**20

_DAY = timedelta(days=1)
LOGIN_ENDS_SOON = 2 * _DAY

Standing = Literal["sound", "ending", "dead"]

_logger = logging.getLogger("jutsu.schwab.tokens")


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
            AuthenticationError: ``wrapped`` lacks an access or a refresh token, or it cannot be
                written; this process reads what it wrote all the same.
        """

    @abstractmethod
    def locked(self) -> AbstractContextManager[None]:
        """Return a context manager that one process at a time can be inside."""

    def expires_at(self) -> datetime:
        """Return when the login dies: seven days after it was made, whatever was refreshed since."""
        created = self.read()["creation_timestamp"]
        return datetime.fromtimestamp(created, tz=UTC) + REFRESH_TOKEN_LIFE


class MemoryTokenStore(TokenStore):
    """Keeps a token for the life of one process, for the simulator inside it."""

    def __init__(self, wrapped: Mapping[str, Any]) -> None:
        self._wrapped = dict(sound_token(wrapped, "the simulator's token"))

    def read(self) -> WrappedToken:
        """Return the wrapped token."""
        return dict(self._wrapped)

    def write(self, wrapped: Mapping[str, Any]) -> None:
        """Keep ``wrapped``."""
        self._wrapped = dict(sound_token(wrapped, "the simulator's token"))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Enter at once: no other process can see this token."""
        yield


class _Unsaved(NamedTuple):
    """A token that could not be written, and what the file holds instead of it."""

    wrapped: WrappedToken
    instead_of: bytes | None


class _OneFile:
    """What this process knows of one token file, whoever opens it."""

    def __init__(self) -> None:
        self.guard = threading.RLock()
        self.unsaved: _Unsaved | None = None
        self.mode_told: int | None = None


_files: dict[Path, _OneFile] = {}
_files_guard = threading.Lock()


class FileTokenStore(TokenStore):
    """Keeps a token in a file that several processes share.

    A token that could not be written is kept in memory, for every store of the same file in this
    process, until it can be, or until the file holds another one.

    Args:
        path: The token file, or a symbolic link to it.
        clock: Tells whether a login is said to be made in the future; the machine's if None.
    """

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self._path = path
        self._clock = clock or SystemClock()

    def read(self) -> WrappedToken:
        """Return the wrapped token of the file, or the newer one that could not be written to it.

        Raises:
            AuthenticationError: The file is missing, unreadable or not a token file.
        """
        file, what = self._file(), f"the Schwab token file {self._path}"
        with file.guard:
            if file.unsaved is not None and file.unsaved.instead_of == self._content():
                return dict(file.unsaved.wrapped)
            file.unsaved = None
        raw = self._readable()
        self._make_private()
        wrapped = sound_token(parsed_token(raw, what), what)
        require_past(datetime.fromtimestamp(wrapped["creation_timestamp"], tz=UTC), self._clock.now(), what)
        return wrapped

    def write(self, wrapped: Mapping[str, Any]) -> None:
        """Replace the file by one that holds ``wrapped``: whole or not at all, readable by its owner only.

        Raises:
            AuthenticationError: ``wrapped`` is no sound token, or the file cannot be written;
                this process uses it all the same.
        """
        sound = sound_token(wrapped, f"the token to be written to {self._path}")
        file = self._file()
        with file.guard:
            try:
                self._replace(wrapped)
            except OSError as error:
                file.unsaved = _Unsaved(sound, self._content())
                message = (
                    f"{self._unwritable(error)}; what it was to hold is used by this process alone, until it ends: make"
                    " room, or set the rights of the file and its folder right, and run again; if the login is dead by"
                    f" then, {LOG_IN_AGAIN}"
                )
                raise AuthenticationError(message) from error
            file.unsaved = None

    def require_writable(self) -> None:
        """Make sure that a token could be written, before a person makes the effort of a login.

        Raises:
            AuthenticationError: It could not.
        """
        try:
            target = self._target()
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            os.close(handle)
            Path(name).unlink()
        except OSError as error:
            message = (
                f"{self._unwritable(error)}; make room, set the rights of the file and its folder right, or set"
                " SCHWAB_TOKEN_PATH, before you log in"
            )
            raise AuthenticationError(message) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock file beside the token file.

        Where none can be made, as in a folder that is read-only, other processes are not kept
        out: they could not learn what this one gets either.

        Raises:
            AuthenticationError: Another process held it for a minute.
        """
        lock = self._lock()
        try:
            self._save_what_was_not()
            yield
        finally:
            if lock is not None:
                lock.release()

    def _lock(self) -> FileLock | None:
        try:
            target = self._target()
            target.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(f"{target}.lock", timeout=_LOCK_TIMEOUT_SECONDS)
            lock.acquire()
        except Timeout:
            message = (
                f"the lock {self._target()}.lock must be free within {_LOCK_TIMEOUT_SECONDS:.0f} s, another process"
                " holds it; end that process and run again"
            )
            raise AuthenticationError(message) from None
        except (OSError, NotImplementedError):
            return None
        return lock

    def _save_what_was_not(self) -> None:
        """Write what could not be written before, if the file is still the one that it was to replace."""
        file = self._file()
        with file.guard, suppress(OSError):
            if file.unsaved is not None and file.unsaved.instead_of == self._content():
                self._replace(file.unsaved.wrapped)
                file.unsaved = None

    def _file(self) -> _OneFile:
        with _files_guard:
            return _files.setdefault(Path(os.path.realpath(self._path)), _OneFile())

    def _target(self) -> Path:
        """Return the file itself, where the path is a link to it.

        Raises:
            OSError: The links lead round in a circle, or to what is no file and must not be replaced by one.
        """
        target = Path(os.path.realpath(self._path))
        if target.is_symlink():
            raise OSError(None, "Too many levels of symbolic links")
        if target.exists() and not target.is_file():
            raise OSError(None, "Is a directory" if target.is_dir() else "Is a device or a pipe")
        return target

    def _replace(self, wrapped: Mapping[str, Any]) -> None:
        target = self._target()
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(wrapped, file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _unwritable(self, error: OSError) -> str:
        return f"the Schwab token file {self._path} must be writable, but {error.strerror or type(error).__name__}"

    def _readable(self) -> bytes:
        """Return what the file holds.

        Raises:
            AuthenticationError: It is not there, cannot be read, or is no file at all.
        """
        what = f"the Schwab token file {self._path}"
        try:
            status = self._path.stat()
            if stat.S_ISDIR(status.st_mode):
                message = (
                    f"{what} must be a file, is a folder (IsADirectoryError); set SCHWAB_TOKEN_PATH, or {LOG_IN_AGAIN}"
                )
                raise AuthenticationError(message)
            if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_FILE_BYTES:
                message = f"{what} must be a file of at most {_LARGEST_FILE_BYTES:,} bytes; {LOG_IN_AGAIN}"
                raise AuthenticationError(message)
            return self._path.read_bytes()
        except FileNotFoundError:
            message = f"{what} must exist; {LOG_IN_AGAIN}"
            raise AuthenticationError(message) from None
        except OSError as error:
            message = (
                f"{what} must be readable, but {error.strerror or type(error).__name__}; make it readable by you, or"
                f" {LOG_IN_AGAIN}"
            )
            raise AuthenticationError(message) from None

    def _content(self) -> bytes | None:
        try:
            return self._readable()
        except AuthenticationError:
            return None

    def _make_private(self) -> None:
        """Set the rights of the file right if others can read it, and say so; where it is not ours, say that."""
        if os.name != "posix":
            return
        try:
            status = self._path.stat()
        except OSError:
            return  # gone since it was read
        mode, file = stat.S_IMODE(status.st_mode), self._file()
        if mode in (_PRIVATE, file.mode_told):
            return
        file.mode_told = mode
        was = f"the Schwab token file {self._path} must be its owner's alone (mode 0600), was {mode:04o}"
        try:
            if status.st_uid != os.geteuid():
                raise PermissionError(None, "it belongs to somebody else")
            self._path.chmod(_PRIVATE)
        except OSError as error:
            _logger.warning("%s, and cannot be changed (%s): let its owner run chmod 600", was, error.strerror)
        else:
            file.mode_told = None
            _logger.warning("%s: it is now; if others may have read it, %s", was, LOG_IN_AGAIN)


def login_life(tokens: TokenStore, now: datetime) -> LoginLife:
    """Return how long the login of ``tokens`` still lives at ``now``.

    Only its age is known: Schwab ends a login early after a password reset or a newer login.
    """
    try:
        ends_at = tokens.expires_at()
        require_past(ends_at - REFRESH_TOKEN_LIFE, now, "the Schwab token")
        ends_at = min(ends_at, now + REFRESH_TOKEN_LIFE)
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
