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


class PerformanceSettings(BaseModel):
    """How performance is measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    risk_free_rate: Annotated[float, Field(gt=-1, lt=1, allow_inf_nan=False)] = 0.0
    periods_per_year: Annotated[int, Field(ge=200, le=366)] = 252


class Universe(BaseModel):
    """What is followed.

    Attributes:
        symbols: Tickers as the source spells them; their order is the order of partitions.
        history_start: First session date wanted for every symbol.
        calendar: Code of the exchange calendar.
        performance: How performance is measured.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    symbols: Annotated[tuple[str, ...], Field(min_length=1)]
    history_start: date
    calendar: str = "XNYS"
    performance: PerformanceSettings = PerformanceSettings()

    @field_validator("symbols")
    @classmethod
    def _symbols_are_tickers(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        for symbol in symbols:
            if not _SYMBOL.match(symbol):
                message = f"every symbol must be a ticker in capitals such as AAPL, BRK/B or $SPX, was {symbol!r}"
                raise ValueError(message)
        repeated = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
        if repeated:
            message = f"every symbol must occur once, but {', '.join(repeated)} occurs more often"
            raise ValueError(message)
        return symbols

    @field_validator("history_start")
    @classmethod
    def _start_is_within_reach(cls, start: date) -> date:
        if start < EARLIEST_START:
            message = f"must be on or after {EARLIEST_START}, where Schwab's daily history begins, was {start}"
            raise ValueError(message)
        return start

    @field_validator("calendar")
    @classmethod
    def _calendar_is_known(cls, calendar: str) -> str:
        if calendar not in exchange_calendars.get_calendar_names():
            message = f"must be a code that exchange_calendars knows, such as XNYS, was {calendar!r}"
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
        message = f"universe file {path} must exist; create it, or point JUTSU_UNIVERSE at yours"
        raise ConfigurationError(message) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        message = f"universe file {path} must be readable YAML: {error}; mend the line named above"
        raise ConfigurationError(message) from error
    if not isinstance(content, dict):
        message = f"universe file {path} must hold keys such as symbols and history_start, was {content!r}"
        raise ConfigurationError(message)
    try:
        return Universe.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(_describe(path, error)) from error


def _describe(path: Path, error: ValidationError) -> str:
    findings = "; ".join(_finding(dict(item)) for item in error.errors())
    return f"universe file {path}: {findings}. Mend the file and load again; nothing was changed"


def _finding(item: dict[str, Any]) -> str:
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"key {key!r} is not known (value {item['input']!r}); take it out or correct its spelling"
    return f"key {key!r}: {item['msg']} (value {item['input']!r})"
