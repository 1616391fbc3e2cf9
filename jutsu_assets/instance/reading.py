"""Asking a run history by SQL, past Dagster, which takes seconds to load: SQLite's files and a server alike."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, create_engine, inspect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from jutsu_assets.instance.beginning import DATABASES, opened, revisions
from jutsu_assets.instance.home import HistoryPlace
from jutsu_assets.instance.server import (
    URL_VARIABLE,
    history_unavailable,
    named_history_url,
    shown_history_url,
)
from jutsu_assets.store.health import write_refusal
from jutsu_core.errors import ConfigurationError, StoreUnavailableError

_RUNS, _EVENTS = DATABASES[0], DATABASES[1]
_PATIENCE_SECONDS = "5"
_WRITTEN = ("runs", "event_logs")


class AskedHistory(NamedTuple):
    """Connections to what a history consists of.

    Attributes:
        runs: To the database of runs; None where it is not begun.
        events: To the one of events; None where it is not begun.
        refusal: What keeps runs from being written; None if nothing does.
    """

    runs: Connection | None
    events: Connection | None
    refusal: str | None = None


@contextmanager
def asked(place: HistoryPlace, environment: Mapping[str, str]) -> Iterator[AskedHistory]:
    """Yield connections to the run history at ``place``, which is in SQLite or on a server of ours; nothing is changed.

    Raises:
        ConfigurationError: Nothing says where the server is, or its driver is not installed.
        StoreUnavailableError: It cannot be read.
    """
    with ExitStack() as stack:
        if place.folder is not None:
            runs, events = (stack.enter_context(_file(place.folder / name)) for name in (_RUNS, _EVENTS))
            yield AskedHistory(runs, events)
            return
        connection = stack.enter_context(_server(place, environment))
        if not inspect(connection).has_table("runs"):
            yield AskedHistory(None, None)
            return
        refusal = write_refusal(connection, _WRITTEN)
        said = None
        if refusal is not None:
            url = named_history_url(place.written_url, environment)
            said = (
                f"the run history at {shown_history_url(url)} must be writable, but the server {refusal}; name the one"
                f" that takes writes in {URL_VARIABLE}, or let its user write"
            )
        yield AskedHistory(connection, connection, said)


@contextmanager
def _file(database: Path) -> Iterator[Connection | None]:
    if not revisions(database):
        yield None
        return
    engine = create_engine("sqlite://", creator=partial(opened, database), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        message = f"{database} of the run history must be readable: {said}; see its rights, and the room on its disk"
        raise StoreUnavailableError(message) from error


@contextmanager
def _server(place: HistoryPlace, environment: Mapping[str, str]) -> Iterator[Connection]:
    url = named_history_url(place.written_url, environment)
    bounded = url if "connect_timeout" in url.query else url.update_query_dict({"connect_timeout": _PATIENCE_SECONDS})
    try:
        engine = create_engine(bounded, poolclass=NullPool, execution_options={"postgresql_readonly": True})
    except ModuleNotFoundError as error:
        message = f"{error.name} must be installed to read a history in PostgreSQL: pip install 'jutsu[postgres]'"
        raise ConfigurationError(message) from error
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise history_unavailable(url, error) from error
