"""What a database URL says: which database, by which driver, in which file; and how it is shown."""

from pathlib import Path
from urllib.parse import unquote

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
_FORMS = "sqlite:////data/jutsu.db or postgresql+psycopg://user@host/name"


def database_url(text: str) -> URL:
    """Return the URL that ``text`` spells; ``postgres://`` and ``postgresql://`` mean psycopg.

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
        # What stands before an @ may be a password.
        shown = f"…@{text.rpartition('@')[2]}" if "@" in text else text
        message = f"JUTSU_DATABASE_URL must be a SQLAlchemy URL such as {_FORMS}, was {shown!r}"
        raise ConfigurationError(message) from None
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        message = f"JUTSU_DATABASE_URL must be SQLite or PostgreSQL by psycopg ({_FORMS}), was {shown_url(url)!r}"
        raise ConfigurationError(message)
    if driver == "sqlite" and (not url.database or ":memory:" in url.database):
        message = f"the database must be a file or a server that processes can share, was {text!r}"
        raise ConfigurationError(message)
    return url.set(drivername=driver)


def shown_url(url: URL) -> str:
    """Return ``url`` without a password, wherever it stands.

    Examples:
        >>> shown_url(make_url("postgresql+psycopg://me:secret@host/db?password=secret"))
        'postgresql+psycopg://me:***@host/db'
    """
    return url.difference_update_query(["password"]).render_as_string(hide_password=True)


def sqlite_file(url: URL) -> Path:
    """Return the file of a SQLite URL, also where that is a URI of SQLite's own.

    Examples:
        >>> sqlite_file(make_url("sqlite:///file:/data/jutsu.db?mode=ro&uri=true")).name
        'jutsu.db'
    """
    name = str(url.database)
    is_uri = name.startswith("file:") and "uri" in url.query
    return Path(unquote(name.removeprefix("file:"))) if is_uri else Path(name)
