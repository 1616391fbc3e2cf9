"""Where a run history in PostgreSQL is, and what its server says; nothing here loads Dagster."""

from collections.abc import Mapping

from sqlalchemy import URL

from jutsu_assets.store.urls import database_url, shown_url
from jutsu_core.errors import ConfigurationError, StoreUnavailableError

URL_VARIABLE = "JUTSU_DAGSTER_URL"
_DRIVER = "postgresql+psycopg2"
_SESSION = "-ctimezone=UTC -csynchronous_commit=off"
_REMEDY = f"start the server, or correct {URL_VARIABLE}"
_REMEDIES = {
    "25006": f"name the server that takes writes in {URL_VARIABLE}",  # of a transaction that may only read
    "42501": "let its user make and write the tables (grant, or make it their owner)",  # insufficient privilege
    "53100": "make room on the server's disk",
    "3F000": f"create the schema, or correct {URL_VARIABLE}",
}
"""What to do, by PostgreSQL's own codes of errors."""


def history_url(text: str) -> URL:
    """Return the URL of the run history that ``text`` spells, by the driver that Dagster uses.

    Times that the server fills in are UTC, whatever zone it is set to: Dagster reads them as that. And nobody waits for
    the server's disk: a killed process loses nothing, a server without power the newest events.

    Raises:
        ConfigurationError: It is no URL of PostgreSQL.

    Examples:
        >>> history_url("postgresql://me@host/dagster").drivername
        'postgresql+psycopg2'
    """
    url = database_url(text.replace(f"{_DRIVER}://", "postgresql://", 1), setting=URL_VARIABLE)
    if url.get_backend_name() != "postgresql":
        message = f"{URL_VARIABLE} must name PostgreSQL, such as {_DRIVER}://user@host/dagster, was {url.drivername}"
        raise ConfigurationError(message)
    options = url.query.get("options", "")
    said = options if isinstance(options, str) else " ".join(options)
    return url.set(drivername=_DRIVER).update_query_dict({"options": f"{said} {_SESSION}".strip()})


def named_history_url(written: str | None, environment: Mapping[str, str]) -> URL:
    """Return the URL of the run history: the one that is ``written`` in ``dagster.yaml``, or the environment's.

    Raises:
        ConfigurationError: Nothing says where it is, or it is no URL of PostgreSQL.
    """
    text = written or environment.get(URL_VARIABLE)
    if not text:
        message = (
            f"{URL_VARIABLE} must name the PostgreSQL that keeps Dagster's run history, as dagster.yaml asks for,"
            f" is not set; set it, such as {_DRIVER}://user@host/dagster, in the environment or in .env"
        )
        raise ConfigurationError(message)
    return history_url(text)


def shown_history_url(url: URL) -> str:
    """Return ``url`` as somebody wrote it, without a secret.

    Examples:
        >>> shown_history_url(history_url("postgresql://me:secret@host/dagster"))
        'postgresql://me:***@host/dagster'
    """
    options = str(url.query.get("options", "")).removesuffix(_SESSION).strip()
    plain = url.set(drivername="postgresql").difference_update_query(["options"])
    return shown_url(plain.update_query_dict({"options": options}) if options else plain)


def history_unavailable(url: URL, error: BaseException, nothing_lost: str = "") -> StoreUnavailableError:
    """Return our error for what the driver says of the history's server, with what to do.

    Args:
        url: Where the history is.
        error: The driver's error, or one of SQLAlchemy's around it.
        nothing_lost: What holds all the same, if anything is to be said of that.
    """
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "pgcode", None) or getattr(cause, "sqlstate", None) or ""
    in_short = getattr(getattr(cause, "diag", None), "message_primary", None)  # without the statement
    said = in_short or " ".join(str(cause).split())
    remedy = _REMEDIES.get(code, _REMEDY)
    kept = f"{nothing_lost}; " if nothing_lost else ""
    message = f"the run history must be reachable and writable at {shown_history_url(url)}: {said}; {kept}{remedy}"
    return StoreUnavailableError(message)
