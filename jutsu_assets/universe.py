"""The universe file: which symbols are followed, since when, on which exchange.

What does not belong here: where data are kept and how the broker is reached
(``jutsu_assets.settings``).
"""

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import exchange_calendars
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from jutsu_core.errors import ConfigurationError

EARLIEST_START = date(1985, 1, 1)
_SYMBOL = re.compile(r"^[$^]?[A-Z0-9][A-Z0-9./\-]{0,15}$")
_MUST_BE = {
    "symbols": "a list of tickers such as [AAPL, MSFT] with at least one ticker",
    "history_start": "a date such as 2000-01-03",
    "calendar": "a code that exchange_calendars knows, such as XNYS",
    "newest_session_from_quotes": "true or false",
    "performance": "a group of keys such as risk_free_rate: 0.0",
    "performance.risk_free_rate": "a number above -1 and below 1 (0.02 is two per cent a year)",
    "performance.periods_per_year": "a whole number from 200 to 366, such as 252",
    "schedules": "a group of keys such as repair_requests: 200",
    "schedules.repair_requests": "a whole number from 1 to 5000: symbols that the nightly repair asks for at most",
    "schedules.verification_weeks": "a whole number from 1 to 52: in so many weeks each history is compared once",
}
_BOOLEANS = {True: ("ON, YES and TRUE", "ON"), False: ("NO, OFF and FALSE", "NO")}


class PerformanceSettings(BaseModel):
    """How performance is measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    risk_free_rate: Annotated[float, Field(gt=-1, lt=1, allow_inf_nan=False)] = 0.0
    periods_per_year: Annotated[int, Field(ge=200, le=366)] = 252


class ScheduleSettings(BaseModel):
    """How much the graph asks for by itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    repair_requests: Annotated[int, Field(ge=1, le=5000)] = 200
    verification_weeks: Annotated[int, Field(ge=1, le=52)] = 8


class Universe(BaseModel):
    """What is followed.

    Attributes:
        symbols: Tickers as the source spells them; their order is the order of partitions.
        history_start: First session date wanted for every symbol.
        calendar: Code of the exchange calendar.
        performance: How performance is measured.
        schedules: How much the graph asks for by itself.
        newest_session_from_quotes: Whether the newest session of many symbols is taken from one
            request for quotes, where nothing else is missing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    symbols: Annotated[tuple[str, ...], Field(min_length=1)]
    history_start: date
    calendar: str = "XNYS"
    performance: PerformanceSettings = PerformanceSettings()
    schedules: ScheduleSettings = ScheduleSettings()
    newest_session_from_quotes: Annotated[bool, Field(strict=True)] = False

    @field_validator("symbols")
    @classmethod
    def _symbols_are_tickers(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        for symbol in symbols:
            if not _SYMBOL.match(symbol):
                message = f"must hold tickers in capitals such as AAPL, BRK/B or $SPX, was {symbol!r}"
                raise ValueError(message)
        repeated = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
        if repeated:
            message = f"must hold tickers that occur once, but {', '.join(repeated)} occurs more often"
            raise ValueError(message)
        return symbols

    @field_validator("history_start")
    @classmethod
    def _start_is_within_reach(cls, start: date) -> date:
        if start < EARLIEST_START:
            message = f"must be on or after {EARLIEST_START}, where Schwab's daily history begins"
            raise ValueError(message)
        return start

    @field_validator("calendar")
    @classmethod
    def _calendar_is_known(cls, calendar: str) -> str:
        if calendar not in exchange_calendars.get_calendar_names():
            message = f"must be {_MUST_BE['calendar']}"
            raise ValueError(message)
        return calendar


def load_universe(path: Path) -> Universe:
    """Return the universe that the file at ``path`` describes.

    Raises:
        ConfigurationError: The file is missing, is not YAML, or holds a wrong value; the
            message names the file, the key, the value and the remedy.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        message = f"universe file {path} must exist; `jutsu init` writes one here, or point JUTSU_UNIVERSE at yours"
        raise ConfigurationError(message) from None
    except yaml.MarkedYAMLError as error:
        line = 0 if error.problem_mark is None else error.problem_mark.line + 1
        message = f"universe file {path} must be readable YAML, but line {line} is not: {error.problem}; mend that line"
        raise ConfigurationError(message) from error
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: no text, or no date such as 2000-13-45
        said = " ".join(str(error).split())
        message = f"universe file {path} must be readable YAML: {said}; mend or replace the file"
        raise ConfigurationError(message) from error
    if not isinstance(content, dict):
        message = f"universe file {path} must hold keys such as symbols and history_start, was {_shown(content)}"
        raise ConfigurationError(message)
    try:
        return Universe.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(_describe(path, error)) from None


def _describe(path: Path, error: ValidationError) -> str:
    # A list that holds nothing sound counts as too short too; that is no second finding.
    items = [dict(item) for item in error.errors() if item["type"] != "too_short" or not item["input"]]
    findings = "; ".join(map(_finding, items))
    return f"universe file {path}: {findings}. Mend the file and load again; nothing was changed"


def _finding(item: dict[str, Any]) -> str:
    """Return in plain words what the library that reads the values found: key, value, what it must be, remedy."""
    *parents, last = item["loc"]
    key = ".".join(str(part) for part in item["loc"])
    value = item["input"]
    if item["type"] == "invalid_key":
        return f"key {_shown(value)} is not known; take it out or correct its spelling"
    if item["type"] == "extra_forbidden":
        return f"key {key!r} is not known (value {_shown(value)}); take it out or correct its spelling"
    if item["type"] == "missing":
        return f"key {key!r} is missing; add it: {_MUST_BE[key]}"
    if item["type"] == "value_error":
        was = "" if key == "symbols" else f", was {_shown(value)}"
        return f"key {key!r} {item['ctx']['error']}{was}"
    if parents == ["symbols"] and isinstance(last, int):
        return f"key 'symbols' must hold tickers as text, but no. {last + 1} was {_shown(value)}; {_as_ticker(value)}"
    return f"key {key!r} must be {_MUST_BE[key]}, was {_shown(value)}"


def _as_ticker(value: object) -> str:
    if isinstance(value, bool):
        words, ticker = _BOOLEANS[value]
        return f'YAML reads {words} as {_shown(value)}: put it in quotes, such as "{ticker}"'
    if isinstance(value, list | dict | None):
        return "write one ticker a line, or take the line out"
    return f'put it in quotes, such as "{value}"'


def _shown(value: object) -> str:
    """Return ``value`` as it stands in a YAML file, in one line."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(_shown(item) for item in value)}]"
    return str(value) if isinstance(value, date) else repr(value)
