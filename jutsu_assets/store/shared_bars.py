"""The newest bars in Redis, for many readers of a distant server; a write withdraws what it replaces.

What is kept bears the time at which its partition was last written. Such times only grow, and nothing takes
the place of what is newer, so that a reader that was slow cannot bring back what a write has replaced:

1. A write, with its changes made and not yet committed, puts its own time there without a bar. From then on
   readers ask the database, and one that read the former bar meanwhile is refused.
2. Whoever reads the new bar from the database puts it there with that time.

A write that is rolled back after that costs readers a question to the database, until what it left expires.
What Redis forgets, or was never told because it did not answer, is bounded by time alone: a bar is good for a
minute. Redis never decides: whatever it does, the database answers.
"""

import importlib
import logging
import re
import struct
import threading
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from sqlalchemy import URL, Connection

from jutsu_assets.store.content import BarRow
from jutsu_assets.store.identity import identity_of
from jutsu_core.arguments import require_type
from jutsu_core.errors import ConfigurationError

CACHE_URL = "JUTSU_CACHE_URL"
GOOD_FOR_SECONDS = 60.0
"""So old a bar in Redis may be where a write could not withdraw it."""
_MARKED_FOR_SECONDS = 2 * GOOD_FOR_SECONDS
"""Longer than a reader may take from its question to the database to what it puts here."""
PATIENCE_SECONDS = 0.25
REST_SECONDS = 5.0
"""So long a Redis that did not answer is not asked."""

_FORMAT = struct.Struct(">7q")
_MARK = struct.Struct(">q")
_PUT_UNLESS_OLDER = """
local held = redis.call('get', KEYS[1])
if held and struct.unpack('>l', held) > struct.unpack('>l', ARGV[1]) then return 0 end
redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_logger = logging.getLogger("jutsu.store.shared_bars")


class KeptBar(NamedTuple):
    """A newest bar, and when its partition was last written, microseconds since 1970 UTC."""

    recorded_at: int
    row: BarRow


class SharedBars:
    """The newest bars of a store in PostgreSQL, kept in a Redis that many processes share.

    Nothing here raises because of Redis: one that does not answer within a quarter of a second is left alone for
    five, and everything is read from the database. Used by several threads; sent to another process it connects anew.

    Args:
        url: Where Redis is, such as ``redis://cache.example:6379/0``.
        stopwatch: Seconds of a clock that nobody sets.

    Raises:
        ConfigurationError: The URL is none of a Redis.
    """

    def __init__(self, url: str, *, stopwatch: Callable[[], float] = time.monotonic) -> None:
        self._url, self._shown = url, shown_cache_url(url)
        self._stopwatch = stopwatch
        self._lock = threading.Lock()
        self._rests_until = 0.0
        self._prefix: bytes | None = None

    def __repr__(self) -> str:
        return f"SharedBars({self._shown!r})"

    def __reduce__(self) -> tuple[Callable[..., "SharedBars"], tuple[str]]:
        """Return how another process reaches the same Redis."""
        return SharedBars, (self._url,)

    def now(self) -> float:
        """Return the time by which :meth:`keep` tells how long a reader took."""
        return self._stopwatch()

    def newest(self, symbol: str, timeframe: str) -> KeptBar | None:
        """Return the newest bar of a partition; None where it is to be read from the database."""
        if self._prefix is None:  # the first answer of the database says which store it is
            return None
        raw = self._asked(lambda redis: redis.get(self._key(symbol, timeframe)))
        if not isinstance(raw, bytes) or len(raw) != _FORMAT.size:
            return None
        recorded_at, ts, *values = _FORMAT.unpack(raw)
        first, second, third, fourth, volume = values
        return KeptBar(recorded_at, (ts, first, second, third, fourth, volume))

    def keep(self, connection: Connection, symbol: str, timeframe: str, bar: KeptBar, *, asked_at: float) -> None:
        """Put the newest bar of a partition there, as the database said.

        Args:
            connection: To the database.
            symbol: Ticker.
            timeframe: Which of its bars.
            bar: The bar.
            asked_at: When the database was asked, by :meth:`now`; one that was asked too long ago is not believed.
        """
        if self._stopwatch() - asked_at < GOOD_FOR_SECONDS:
            self._put(connection, symbol, timeframe, _FORMAT.pack(bar.recorded_at, *bar.row), GOOD_FOR_SECONDS)

    def withdraw(self, connection: Connection, symbol: str, timeframe: str, recorded_at: int) -> None:
        """Let nobody read a bar from before ``recorded_at``; to be called before the write is committed."""
        self._put(connection, symbol, timeframe, _MARK.pack(recorded_at), _MARKED_FOR_SECONDS)

    def fault(self) -> str | None:
        """Return what keeps Redis from answering, in one line; None where it does."""
        try:
            self._redis.ping()
        except self._errors as error:
            return f"the Redis {self._shown} must answer, does not: {_in_one_line(error)}"
        return None

    def close(self) -> None:
        """Close the connections; the next question opens new ones."""
        if "_redis" in self.__dict__:
            self.__dict__.pop("_redis").close()

    @cached_property
    def _module(self) -> Any:  # noqa: ANN401 - an optional library
        try:
            return importlib.import_module("redis")
        except ModuleNotFoundError as error:
            message = f'redis must be installed where {CACHE_URL} is set: {error}; pip install "jutsu[redis]"'
            raise ConfigurationError(message) from error

    @property
    def _errors(self) -> tuple[type[Exception], ...]:
        # The last is of a name that no server can have.
        return self._module.RedisError, OSError, UnicodeError

    @cached_property
    def _redis(self) -> Any:  # noqa: ANN401 - an optional library
        retries = importlib.import_module("redis.retry").Retry(importlib.import_module("redis.backoff").NoBackoff(), 0)
        waits = {"socket_timeout": PATIENCE_SECONDS, "socket_connect_timeout": PATIENCE_SECONDS}
        try:
            redis = self._module.Redis.from_url(self._url, retry=retries, **waits)
            redis.connection_pool.make_connection()  # which connects nowhere yet, and knows its parameters
        except (TypeError, ValueError) as error:
            message = (
                f"{CACHE_URL} must have parameters that redis-py knows, {self._shown} has others: {error}; correct them"
            )
            raise ConfigurationError(message) from error
        return redis

    def _put(self, connection: Connection, symbol: str, timeframe: str, value: bytes, seconds: float) -> None:
        if self._is_resting():
            return
        if self._prefix is None:
            # Readers and writers may know the server by different addresses.
            self._prefix = ":".join(map(str, ("jutsu", *identity_of(connection)))).encode()
        key, milliseconds = self._key(symbol, timeframe), int(1000 * seconds)
        self._asked(lambda redis: redis.eval(_PUT_UNLESS_OLDER, 1, key, value, milliseconds))

    def _key(self, symbol: str, timeframe: str) -> bytes:
        return b"%b:%b:%b" % (self._prefix or b"", timeframe.encode(), symbol.encode())

    def _asked(self, question: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - what Redis says
        if self._is_resting():
            return None
        try:
            return question(self._redis)
        except self._errors as error:
            with self._lock:
                is_new = not self._is_resting()
                self._rests_until = self._stopwatch() + REST_SECONDS
            if is_new:
                said = _in_one_line(error)
                _logger.warning("%r does not answer, and is not asked for %.0f s: %s", self, REST_SECONDS, said)
            return None

    def _is_resting(self) -> bool:
        return self._stopwatch() < self._rests_until


def shared_bars(store: URL, cache_url: str) -> SharedBars:
    """Return what is kept of the ``store`` in the Redis that ``cache_url`` names.

    Raises:
        ConfigurationError: It is none of a Redis, or the database is SQLite, which is faster than any Redis.
    """
    given = require_type("cache_url", cache_url, str, "a text such as 'redis://cache.example:6379/0'")
    if store.get_backend_name() == "sqlite":
        message = (
            f"{CACHE_URL} must be unset where the store is SQLite, was set: a file answers sooner than a Redis, which"
            " is for many readers of a PostgreSQL that is far away"
        )
        raise ConfigurationError(message)
    return SharedBars(given)


def shown_cache_url(url: str) -> str:
    """Return ``url`` without what is secret in it.

    Raises:
        ConfigurationError: It is none of a Redis.

    Examples:
        >>> shown_cache_url("rediss://me:secret@cache.example:6380/2")
        'rediss://***@cache.example:6380/2'
    """
    parts = _parts(url)
    if parts is None:
        message = (
            f"{CACHE_URL} must be the address of a Redis such as redis://cache.example:6379/0, was another text, which"
            " is not shown since it may hold a password; write @ : / ? # % within one as %40 %3A %2F %3F %23 %25"
        )
        raise ConfigurationError(message)
    user, _, place = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{'***@' if user else ''}{place}{parts.path}"


def _parts(url: str) -> SplitResult | None:
    """Return the parts of the URL of a Redis; None of another text."""
    try:
        parts = urlsplit(url)
        has_place = parts.scheme in {"redis", "rediss"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return None
    number = parts.path.removeprefix("/")
    is_plain = url.isascii() and url.isprintable() and not re.search(r"[ #\\]", url) and parts.netloc.count("@") <= 1
    return parts if has_place and is_plain and (not number or number.isdecimal()) else None


def _in_one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
