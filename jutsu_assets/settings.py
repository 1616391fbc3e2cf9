"""Settings by environment, read once, when definitions are loaded or a command starts.

``JUTSU_HOME`` holds everything that Jutsu writes. Live and sample data never share a place:
without Schwab credentials, or with ``SCHWAB_BASE_URL`` pointing at a simulator, everything
goes below ``<JUTSU_HOME>/sample``, otherwise below ``<JUTSU_HOME>/live``.
"""

import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from jutsu_assets.starter import UNIVERSE, packaged
from jutsu_core.errors import ConfigurationError

SCHWAB_ORIGIN = "https://api.schwabapi.com"
LIVE_SOURCE = "schwab"
SAMPLE_SOURCE = "simulator"
DAILY_REQUESTS = 20_000
"""More than a universe of thousands of symbols asks for in a day, and less than a loop gone wild."""
_MOST_DAILY_REQUESTS = 2 * 24 * 3600
_MOST_PARTITIONS = 10_000
CONNECTIONS = 5
"""How many connections to a database a process holds at most, unless it is told otherwise."""
MOST_CONNECTIONS = 50
"""More than one process can use, and half of what a server of PostgreSQL gives to all by default."""
_LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
_SAMPLE_FOLDER = "sample"
_LONGEST_SHOWN = 40
_LIVE_IS_REQUIRED = (
    "JUTSU_REQUIRE_LIVE is set, so bars must come from Schwab, but SCHWAB_API_KEY and SCHWAB_APP_SECRET are not set,"
    " or SCHWAB_BASE_URL is a simulator; set the two, leave SCHWAB_BASE_URL out, and log in with `jutsu login`;"
    " or unset JUTSU_REQUIRE_LIVE for sample bars"
)
_SWITCH = {"on": True, "1": True, "true": True, "yes": True, "off": False, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What Schwab needs to know an application.

    Attributes:
        api_key: The app key of the developer portal.
        app_secret: The app secret of the developer portal.
        callback_url: The callback URL registered there, character for character.
        token_path: The token file of a login.
    """

    api_key: str
    app_secret: str
    callback_url: str
    token_path: Path

    def __repr__(self) -> str:
        return f"Credentials(token_path={str(self.token_path)!r}, key and secret hidden)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where things are, and where bars come from.

    Attributes:
        home: The folder of this source's data.
        database_url: SQLAlchemy URL of the system of record.
        read_url: SQLAlchemy URL of its read replica; None where there is none.
        connections: How many connections to a database a process holds at most.
        cache_url: Where the Redis is that keeps newest bars for readers; None where there is none.
        universe_path: The universe file.
        source: ``schwab`` for live bars, ``simulator`` for sample bars.
        base_url: Origin that Schwab's requests go to; None for the simulator inside the process.
        credentials: None where there are none: then the simulator is used.
        daily_requests: How many requests all processes together may send in a day, UTC.
        runs_by_itself: Whether schedules and automation run from the start.
        require_live: Whether sample bars are refused.
        names_universe: Whether ``JUTSU_UNIVERSE`` names the universe file.
        partitions_per_run: How many symbols a run of a backfill takes at most, so that workers share it; None for all.
    """

    home: Path
    database_url: str = field(repr=False)
    universe_path: Path
    source: str
    base_url: str | None
    credentials: Credentials | None
    read_url: str | None = field(default=None, repr=False)
    connections: int = CONNECTIONS
    cache_url: str | None = field(default=None, repr=False)
    daily_requests: int = DAILY_REQUESTS
    runs_by_itself: bool = False
    require_live: bool = False
    names_universe: bool = False
    partitions_per_run: int | None = None

    @property
    def simulator_url(self) -> str | None:
        """Return the address of the simulator on this machine, or None where there is none."""
        return self.base_url if self.base_url != SCHWAB_ORIGIN else None

    @property
    def is_sample(self) -> bool:
        """Whether bars are sample bars of the simulator, not live ones."""
        return self.source == SAMPLE_SOURCE

    @property
    def follows_packaged_universe(self) -> bool:
        """Whether there is no universe file, so that the one of the package is followed: for sample bars only."""
        return self.universe_path == packaged(UNIVERSE)

    @property
    def lake_path(self) -> Path:
        """Return the folder of derived series."""
        return self.home / "lake"

    @property
    def reports_path(self) -> Path:
        """Return the folder of HTML reports."""
        return self.home / "reports"

    def as_sample(self) -> "Settings":
        """Return these settings if they are of sample bars, else others without credentials.

        The others have nothing in common with the live ones but the universe: a database that
        was meant for live bars must not be the first to see sample bars.
        """
        if self.is_sample:
            return self
        home = self.home.with_name(_SAMPLE_FOLDER)
        url = _database_in(home)
        return replace(
            self,
            home=home,
            database_url=url,
            read_url=None,
            cache_url=None,
            universe_path=_sample_universe(self.universe_path, is_named=self.names_universe),
            source=SAMPLE_SOURCE,
            base_url=None,
            credentials=None,
            require_live=False,
        )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], *, folder: Path | None = None) -> "Settings":
        """Return the settings that ``environment`` describes; an empty variable counts as unset.

        Args:
            environment: Usually ``os.environ``.
            folder: What relative paths start from; the working directory if None.

        Raises:
            ConfigurationError: Credentials are incomplete, a path or URL cannot be understood,
                ``SCHWAB_BASE_URL`` is neither Schwab nor on this machine, or live bars are required
                and cannot be had.
        """
        base = (folder or Path.cwd()).resolve()
        root = home_root(environment, folder=base)
        base_url = _base_url(environment)
        # The token of a simulator must not replace that of a live login.
        kept_in = root if base_url == SCHWAB_ORIGIN else root / _SAMPLE_FOLDER
        credentials = _credentials(environment, base, kept_in)
        source = LIVE_SOURCE if credentials and base_url == SCHWAB_ORIGIN else SAMPLE_SOURCE
        is_live, require_live = source == LIVE_SOURCE, _switch(environment, "JUTSU_REQUIRE_LIVE")
        if require_live and not is_live:
            raise ConfigurationError(_LIVE_IS_REQUIRED)
        home = root / ("live" if is_live else _SAMPLE_FOLDER)
        universe = _path(environment, "JUTSU_UNIVERSE", base, UNIVERSE)
        names_universe = bool(environment.get("JUTSU_UNIVERSE"))
        return cls(
            home=home,
            database_url=environment.get("JUTSU_DATABASE_URL") or _database_in(home),
            universe_path=universe if is_live else _sample_universe(universe, is_named=names_universe),
            source=source,
            base_url=base_url if credentials else None,
            credentials=credentials,
            read_url=environment.get("JUTSU_DATABASE_READ_URL") or None,
            connections=_connections(environment),
            cache_url=environment.get("JUTSU_CACHE_URL") or None,
            daily_requests=_daily_requests(environment),
            runs_by_itself=_switch(environment, "JUTSU_AUTOMATION"),
            require_live=require_live,
            names_universe=names_universe,
            partitions_per_run=_partitions_per_run(environment),
        )


def home_root(environment: Mapping[str, str], *, folder: Path | None = None) -> Path:
    """Return the folder of everything that Jutsu writes: ``JUTSU_HOME``, or ``var``.

    Args:
        environment: Usually ``os.environ``.
        folder: What a relative path starts from; the working directory if None.

    Raises:
        ConfigurationError: The path cannot be understood.
    """
    return _path(environment, "JUTSU_HOME", (folder or Path.cwd()).resolve(), "var")


def read_environment(folder: Path | None = None) -> dict[str, str]:
    """Return the environment, completed by the file ``.env`` of ``folder``; where both speak, the environment wins.

    Args:
        folder: Where ``.env`` is looked for; the working directory if None.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    path = (folder or Path.cwd()) / ".env"
    try:
        # A link that leads nowhere was meant to lead to settings.
        written = _written_in(path) if path.is_file() or path.is_symlink() else {}
    except (OSError, UnicodeDecodeError) as error:
        message = f"the file {path} must be readable UTF-8 text: {error}; mend it or take it away"
        raise ConfigurationError(message) from error
    return written | dict(os.environ)


def _written_in(path: Path) -> dict[str, str]:
    """Return what a file of settings says; a line that nobody can read is refused, and not shown."""
    text = path.read_text("utf-8-sig")
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            said = binding.original.string
            blank = said[: len(said) - len(said.lstrip())].count("\n")
            message = (
                f"the file {path}, line {binding.original.line + blank}, must be NAME=value, or a comment after #, was"
                " neither; write an equals sign between name and value, and end every quote"
            )
            raise ConfigurationError(message)
    return {name: value for name, value in dotenv_values(stream=io.StringIO(text)).items() if value is not None}


def _sample_universe(path: Path, *, is_named: bool) -> Path:
    """Return ``path``, or the package's own universe where there is no file and none was named."""
    # A link that leads nowhere was meant to lead to a universe.
    return path if is_named or path.exists() or path.is_symlink() else packaged(UNIVERSE)


def _database_in(home: Path) -> str:
    if "?" in str(home):
        message = (
            f"JUTSU_HOME must be a path without a question mark, was {str(home.parent)!r}: the URL of its database"
            " would end there; choose another folder, or set JUTSU_DATABASE_URL"
        )
        raise ConfigurationError(message)
    return f"sqlite:///{home / 'jutsu.db'}"


def _path(environment: Mapping[str, str], name: str, base: Path, default: str) -> Path:
    value = environment.get(name) or default
    try:
        return base / Path(value).expanduser()
    except RuntimeError:
        message = f"{name} must be a path, but {value!r} begins with the home of a user who does not exist; correct it"
        raise ConfigurationError(message) from None


def _parts(url: str) -> tuple[SplitResult | None, str]:
    """Return the parts of ``url``, and what keeps it from being a plain address; the parts are None beyond reading."""
    if not (url.isascii() and url.isprintable()) or " " in url or "\\" in url:
        return None, "a space or another sign that no address has"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None, "a part that cannot be read, such as a port that is none"
    netloc = parts.netloc.rpartition("@")[2]
    faults = {
        "a user name or a password": "@" in parts.netloc,
        "a port that is none": port == 0 or netloc.endswith(":"),
        "a fragment": "#" in url,
    }
    return parts, next((fault for fault, is_there in faults.items() if is_there), "")


def _hidden(url: str) -> str:
    """Return ``url`` for messages: without what may be a user's name, a password or a key."""
    shown = url.rpartition("@")[2]
    plain = re.split(r"[?#]", shown, maxsplit=1)[0]
    plain = re.sub(r":(?!//)(?!\d+(?:/|$))[^/\]]*(?=/|$)", ":…", plain)
    return repr(f"{'…@' if '@' in url else ''}{plain}{'…' if plain != shown else ''}")


def _base_url(environment: Mapping[str, str]) -> str:
    url = (environment.get("SCHWAB_BASE_URL") or SCHWAB_ORIGIN).rstrip("/")
    parts, fault = _parts(url)
    if parts is not None:
        is_loopback = parts.scheme in {"http", "https"} and parts.hostname in _LOOPBACK_HOSTS
        fault = fault or ("a query" if "?" in url else "a path" if parts.path else "")
        if not fault and (url == SCHWAB_ORIGIN or is_loopback):
            return url
    message = (
        f"SCHWAB_BASE_URL must be {SCHWAB_ORIGIN} or a simulator on this machine such as http://127.0.0.1:8081, was"
        f" {_hidden(url)}{f' with {fault}' if fault else ''}; credentials are not sent anywhere else"
    )
    raise ConfigurationError(message)


def _daily_requests(environment: Mapping[str, str]) -> int:
    why = ", which two a second make in a day"
    return _whole_number(environment, "JUTSU_DAILY_REQUESTS", DAILY_REQUESTS, _MOST_DAILY_REQUESTS, why)


def _connections(environment: Mapping[str, str]) -> int:
    return _whole_number(environment, "JUTSU_DATABASE_POOL", CONNECTIONS, MOST_CONNECTIONS)


def _whole_number(environment: Mapping[str, str], name: str, default: int | str, most: int, why: str = "") -> int:
    text = environment.get(name) or str(default)
    digits = text.lstrip("0")  # Python refuses to read a very long number
    is_one = text.isascii() and text.isdecimal() and 1 <= len(digits) <= len(str(most))
    if not is_one or int(digits) > most:
        shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
        message = f"{name} must be a whole number from 1 to {most}{why}, was {shown!r}; leave it out for {default}"
        raise ConfigurationError(message)
    return int(digits)


def _partitions_per_run(environment: Mapping[str, str]) -> int | None:
    name = "JUTSU_PARTITIONS_PER_RUN"
    return _whole_number(environment, name, "one run of all", _MOST_PARTITIONS) if environment.get(name) else None


def _switch(environment: Mapping[str, str], name: str) -> bool:
    """Return whether the variable ``name`` says on; unset says off."""
    text = environment.get(name) or "off"
    if text.lower() not in _SWITCH:
        message = f"{name} must be on or off, was {text!r}; leave it out for off"
        raise ConfigurationError(message)
    return _SWITCH[text.lower()]


def _callback_url(environment: Mapping[str, str]) -> str:
    url = environment.get("SCHWAB_CALLBACK_URL") or "https://127.0.0.1"
    parts, fault = _parts(url)
    if parts is None or parts.scheme != "https" or not parts.hostname or fault:
        message = (
            "SCHWAB_CALLBACK_URL must be the https URL that is registered for the app, such as"
            f" https://127.0.0.1:8182, was {_hidden(url)}{f' with {fault}' if fault else ''}; copy it from"
            " developer.schwab.com"
        )
        raise ConfigurationError(message)
    return url


def _credentials(environment: Mapping[str, str], base: Path, kept_in: Path) -> Credentials | None:
    names = ("SCHWAB_API_KEY", "SCHWAB_APP_SECRET")
    given = [name for name in names if environment.get(name)]
    if not given:
        return None
    if len(given) < len(names):
        absent = next(name for name in names if name not in given)
        message = f"{absent} must be set because {given[0]} is; set both for live bars, or neither for sample bars"
        raise ConfigurationError(message)
    for name in names:
        if not (environment[name].isascii() and environment[name].isprintable()):
            message = f"{name} must be printable ASCII, held another sign; copy it anew from developer.schwab.com"
            raise ConfigurationError(message)
    return Credentials(
        api_key=environment["SCHWAB_API_KEY"],
        app_secret=environment["SCHWAB_APP_SECRET"],
        callback_url=_callback_url(environment),
        token_path=_path(environment, "SCHWAB_TOKEN_PATH", base, str(kept_in / "schwab_token.json")),
    )
