"""What Jutsu says while it works: loggers below ``jutsu``, as text or as JSON.

Each event is said once, by whoever made it happen: a retry, a long wait, a change of the breaker, a
refresh, a restatement, a quarantine, a claim of a source. Nothing is said a bar or a request. In a
run the lines stand in Dagster's own log of it, because ``dagster.yaml`` names the logger.
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from jutsu_core.errors import ConfigurationError

ROOT = "jutsu"
"""The logger above all of ours."""
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
FORMATS = ("text", "json")


class TextLines(logging.Formatter):
    """A line for a person: when, how grave, where, what."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return f"{_moment(record)} {record.levelname.lower()} {record.name}: {_said(self, record)}"


class JsonLines(logging.Formatter):
    """A line for a program: one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry = {"at": _moment(record), "level": record.levelname.lower(), "logger": record.name}
        return json.dumps(entry | {"message": _said(self, record)}, ensure_ascii=False)


_FORMATTERS: Mapping[str, type[logging.Formatter]] = {"text": TextLines, "json": JsonLines}


class _Stderr(logging.Handler):
    """Writes to what is the standard error stream at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(f"{self.format(record)}\n")
        except Exception:  # noqa: BLE001 - what cannot be logged must not end what was to be logged
            self.handleError(record)


def configure_logs(environment: Mapping[str, str], *, of_dagster: bool = False) -> None:
    """Set how loud Jutsu's loggers are, and have them write to the standard error stream.

    Args:
        environment: ``JUTSU_LOG_LEVEL`` is ``debug``, ``info``, ``warning`` or ``error``; a command
            without it writes warnings and what is worse, and a run's log holds what is ``info``, too.
            ``JUTSU_LOG_FORMAT`` is ``text`` or ``json``.
        of_dagster: Whether this is a process of Dagster, which shows what is said in a run itself:
            there is nothing to write but JSON, if that is asked for.

    Raises:
        ConfigurationError: A variable has another value.
    """
    level = _one_of(environment, "JUTSU_LOG_LEVEL", tuple(LEVELS))
    chosen = _one_of(environment, "JUTSU_LOG_FORMAT", FORMATS)
    logger = logging.getLogger(ROOT)
    logger.setLevel(LEVELS[level or "info"])
    logger.handlers = [handler for handler in logger.handlers if not isinstance(handler, _Stderr)]
    if of_dagster and chosen != "json":
        return
    handler = _Stderr(LEVELS[level or ("info" if of_dagster else "warning")])
    handler.setFormatter(_FORMATTERS[chosen or "text"]())
    logger.addHandler(handler)


@contextmanager
def logs_as_they_were() -> Iterator[None]:
    """Give back the loggers as they were: a command or a run may be one of many in a process."""
    logger = logging.getLogger(ROOT)
    level, handlers = logger.level, list(logger.handlers)
    try:
        yield
    finally:
        logger.setLevel(level)
        # What came meanwhile and is not ours belongs to others.
        ours = [handler for handler in handlers if isinstance(handler, _Stderr)]
        logger.handlers = ours + [handler for handler in logger.handlers if not isinstance(handler, _Stderr)]


@contextmanager
def logs_of_run(environment: Mapping[str, str]) -> Iterator[None]:
    """Have the loggers say what ``environment`` asks for while a run of Dagster's goes on.

    Raises:
        ConfigurationError: A variable has another value than it may.
    """
    with logs_as_they_were():
        configure_logs(environment, of_dagster=True)
        yield


def _one_of(environment: Mapping[str, str], name: str, known: tuple[str, ...]) -> str | None:
    value = environment.get(name, "").lower() or None
    if value is not None and value not in known:
        message = f"{name} must be one of {', '.join(known)}, was {environment[name]!r}; leave it out for the default"
        raise ConfigurationError(message)
    return value


def _moment(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _said(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    message = record.getMessage()
    if record.exc_info:
        message += f"\n{formatter.formatException(record.exc_info)}"
    return message
