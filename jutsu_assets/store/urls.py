"""What a database URL says: which database, by which driver, in which file; and how it is shown."""

import re
from pathlib import Path
from urllib.parse import quote, unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from jutsu_core.errors import ConfigurationError

_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
DATABASE_URL, READ_URL = "JUTSU_DATABASE_URL", "JUTSU_DATABASE_READ_URL"
"""The variables that name the system of record, and its read replica."""
_FORMS = "sqlite:////data/jutsu.db or postgresql+psycopg://user@host/name"
_SECRET = re.compile(r"pass(?!file)|pwd|secret|token|credential|scram_\w+_key", re.IGNORECASE)
"""Names of what a query may hold and nobody is to see; ``sslkey`` and ``passfile`` name files."""
_MAY_BE_SHOWN = re.compile(r"([\w+]+:)?[\w~ -]*[./\\][\w./\\~ -]*")
"""What cannot be understood as a URL is shown where it is a path, in which no secret has a place."""


def database_url(text: str, setting: str = DATABASE_URL) -> URL:
    """Return the URL that ``text`` spells; ``postgres://`` and ``postgresql://`` mean psycopg.

    Args:
        text: The URL.
        setting: What errors call it.

    Raises:
        ConfigurationError: It cannot be understood, names a database or a driver that is not
            supported, or a database in memory, which processes cannot share.

    Examples:
        >>> database_url("postgresql://me@host/name").drivername
        'postgresql+psycopg'
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        shown = repr(text) if _MAY_BE_SHOWN.fullmatch(text) else "one that may hold a password, and is not shown"
        message = f"{setting} must be a SQLAlchemy URL such as {_FORMS}, was {shown}"
        raise ConfigurationError(message) from None
    if not url.drivername.startswith("sqlite") and "@" in f"{url.host}{url.database}":
        # A part of the password was taken for the server's name, and would be shown as that.
        message = (
            f"{setting} must hold one @, before the server's name; write @ : / ? # % within a user's name or"
            " password as %40 %3A %2F %3F %23 %25"
        )
        raise ConfigurationError(message)
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        message = f"{setting} must be SQLite or PostgreSQL by psycopg ({_FORMS}), was {shown_url(url)!r}"
        raise ConfigurationError(message)
    if driver == "sqlite" and (not url.database or ":memory:" in url.database):
        message = f"the database must be a file or a server that processes can share, was {shown_url(url)!r}"
        raise ConfigurationError(message)
    return url.set(drivername=driver)


def replica_url(text: str, primary: URL) -> URL:
    """Return the URL of a read replica that ``text`` spells.

    Args:
        text: The URL.
        primary: Of the system of record.

    Raises:
        ConfigurationError: It cannot be understood, or one of both is no PostgreSQL, which alone has replicas.
    """
    url = database_url(text, READ_URL)
    for setting, of in ((READ_URL, url), (DATABASE_URL, primary)):
        if of.get_backend_name() == "sqlite":
            message = (
                f"{setting} must be PostgreSQL where {READ_URL} is set, since a replica is a second server that follows"
                f" the first, was {shown_url(of)!r}; set {DATABASE_URL} to that first server, or unset {READ_URL}"
            )
            raise ConfigurationError(message)
    return url


def shown_url(url: URL) -> str:
    """Return ``url`` without a password or another secret, wherever it stands.

    Examples:
        >>> shown_url(make_url("postgresql+psycopg://me:secret@host/db?password=secret&sslpassword=secret"))
        'postgresql+psycopg://me:***@host/db'
    """
    secret = [name for name in url.query if _SECRET.search(name)]
    return url.difference_update_query(secret).render_as_string(hide_password=True)


def sqlite_file(url: URL) -> Path:
    """Return the file of a SQLite URL, also where that is a URI of SQLite's own.

    Examples:
        >>> sqlite_file(make_url("sqlite:///file:/data/jutsu.db?mode=ro&uri=true")).name
        'jutsu.db'
    """
    name = str(url.database)
    is_uri = name.startswith("file:") and "uri" in url.query
    return Path(unquote(name.removeprefix("file:"))) if is_uri else Path(name)


def sqlite_url(file: Path) -> str:
    """Return the URL of a SQLite database in ``file``, whatever its path holds.

    Examples:
        >>> sqlite_url(Path("/data/what?/alerts.db"))
        'sqlite:///file:/data/what%3F/alerts.db?uri=true'
    """
    return f"sqlite:///file:{quote(str(file.absolute()))}?uri=true"
