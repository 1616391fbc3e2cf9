"""The universe file: which symbols are followed, since when, on which exchange.

What does not belong here: where data are kept and how the broker is reached
(``jutsu_assets.settings``).
"""

import re
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import exchange_calendars
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from jutsu_assets.indicator_sets import REFUSED, STANDARD, as_indicator, as_set, chosen_set, refusal
from jutsu_assets.plain_yaml import Document, as_written, nearest, read_document, shown
from jutsu_core.errors import ConfigurationError
from jutsu_core.indicators.catalog import IndicatorSpec
from jutsu_core.ports import Clock

EARLIEST_START = date(1985, 1, 1)
_WHAT = "universe file"
_MISSING = "`jutsu init` writes one here, or point JUTSU_UNIVERSE at yours"
_LONGEST_SYMBOL = 16
# Fullmatch: a dollar sign would let a line end pass.
_SYMBOL = re.compile(rf"\$?(?=.{{1,{_LONGEST_SYMBOL}}}\Z)[A-Z0-9]+(?:[./\-][A-Z0-9]+)*")
_OTHER_FORMS = (
    (r".*\.\.+.*", "list every ticker of the range; a range is what `--partition-range` takes"),
    (
        r"([A-Z]{1,5})(?:[. ](?=[A-Z]{1,2}$)|-(?=[A-C]$))([A-Z]{1,2})",
        r"Schwab writes a share class with a slash: \1/\2",
    ),
    (r"\^([A-Z0-9]+)", r"Schwab writes an index with a dollar sign: $\1"),
    (r"(\$[A-Z0-9]+)\.X", r"Schwab writes an index without what follows the dot: \1"),
)
"""How tickers are written elsewhere, and what to write instead."""
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOST_FINDINGS = 8
_TICKER: Final = "ticker"
_DAY: Final = "day"
_REPEATED: Final = "repeated"
_MUST_BE = {
    "symbols": "a list of tickers such as [AAPL, MSFT] with at least one ticker",
    "history_start": "a date such as 2000-01-03",
    "calendar": "a code that exchange_calendars knows, such as XNYS",
    "newest_session_from_quotes": "true or false",
    "benchmark": "one of the symbols above, such as SPY, or none",
    "performance": "a group of keys such as risk_free_rate: 0.0",
    "performance.risk_free_rate": "a number above -1 and below 1 (0.02 is two per cent a year)",
    "performance.periods_per_year": "a whole number from 200 to 366, such as 252",
    "schedules": "a group of keys such as repair_requests: 200",
    "schedules.repair_requests": "a whole number from 1 to 5000: symbols that the nightly repair asks for at most",
    "schedules.verification_weeks": "a whole number from 1 to 52: in so many weeks each history is compared once",
    "indicator_sets": "a group of sets such as swing: [rsi, {sma: {period: 20}}]",
    "indicators": "a group of timeframes and their sets such as 1d: swing",
    "indicators.1d": "the name of a set, such as standard",
}
NO_BENCHMARK: Final = "none"
"""What the universe file says where nothing is to be compared with anything."""
_BROAD_FUNDS = frozenset({"SPY", "IVV", "VOO", "VTI", "ITOT", "SCHB", "QQQ", "DIA", "IWM", "IWB", "VT", "ACWI"})
"""Funds that follow the whole market or much of it, as exchanges list them."""
_OF_FEAR = re.compile(r"\$(?:VI|VX|RVX|OVX|GVZ|SKEW|TNX|TYX|FVX|IRX)[A-Z0-9]*")
"""Indexes of volatility and of yields: what they do is no return that anybody earns."""
_SET_MUST_BE = "a list of indicators such as [rsi, {sma: {period: 20}}] with at least one"


class PerformanceSettings(BaseModel):
    """How performance is measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    risk_free_rate: Annotated[float, Field(strict=True, gt=-1, lt=1, allow_inf_nan=False)] = 0.0
    periods_per_year: Annotated[int, Field(strict=True, ge=200, le=366)] = 252


class ScheduleSettings(BaseModel):
    """How much the graph asks for by itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    repair_requests: Annotated[int, Field(strict=True, ge=1, le=5000)] = 200
    verification_weeks: Annotated[int, Field(strict=True, ge=1, le=52)] = 8


class IndicatorSettings(BaseModel):
    """Which set of indicators each timeframe gets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    daily: Annotated[str, Field(alias="1d", strict=True)] = STANDARD


IndicatorSet = Annotated[
    tuple[Annotated[IndicatorSpec, PlainValidator(as_indicator)], ...], Field(min_length=1), AfterValidator(as_set)
]


def _ticker(symbol: str) -> str:
    if not _SYMBOL.fullmatch(symbol) or _of_another_form(symbol):
        raise PydanticCustomError(_TICKER, "no ticker", {"remedy": _as_spelled(symbol)})
    return symbol


def _day(value: object) -> object:
    # What pydantic takes for a date beside one: an instant at midnight, and seconds since 1970.
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    elif isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise PydanticCustomError(_DAY, "no date")


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
        benchmark: What performance, and indicators that compare, are compared with: a symbol, ``none``, or None
            for the first index or broad fund among the symbols.
        indicator_sets: Sets of indicators by name, besides the one named ``standard``.
        indicators: Which set each timeframe gets.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    symbols: Annotated[tuple[Annotated[str, AfterValidator(_ticker)], ...], Field(min_length=1)]
    history_start: Annotated[date, BeforeValidator(_day)]
    calendar: str = "XNYS"
    performance: PerformanceSettings = PerformanceSettings()
    schedules: ScheduleSettings = ScheduleSettings()
    newest_session_from_quotes: Annotated[bool, Field(strict=True)] = False
    benchmark: Annotated[str | None, Field(strict=True)] = None
    indicator_sets: dict[str, IndicatorSet] = Field(default_factory=dict)
    indicators: IndicatorSettings = IndicatorSettings()

    @property
    def daily_indicators(self) -> tuple[IndicatorSpec, ...]:
        """Return the indicators of daily bars."""
        return chosen_set(self.indicators.daily, self.indicator_sets)

    @property
    def benchmark_symbol(self) -> str | None:
        """Return the symbol that others are compared with, or None where there is none."""
        return _benchmark_among(self.symbols, self.benchmark)

    @field_validator("benchmark")
    @classmethod
    def _benchmark_is_followed(cls, benchmark: str | None, info: ValidationInfo) -> str:
        # Symbols that are wrong themselves are missing here; they have their own findings.
        known = [*info.data.get("symbols", [benchmark]), NO_BENCHMARK]
        if benchmark not in known:
            message = f"must be one of the symbols (add it there), or none{nearest(benchmark or '', known)}"
            raise ValueError(message)
        return str(benchmark)

    @field_validator("indicator_sets")
    @classmethod
    def _standard_is_built_in(cls, sets: dict[str, IndicatorSet]) -> dict[str, IndicatorSet]:
        if STANDARD in sets:
            said = f"the set {STANDARD} is built in; give yours another name"
            raise refusal(said, [STANDARD])
        return sets

    @field_validator("indicators")
    @classmethod
    def _set_is_known(cls, chosen: IndicatorSettings, info: ValidationInfo) -> IndicatorSettings:
        # Sets that are wrong themselves are missing here; they have their own findings.
        names = [STANDARD, *info.data.get("indicator_sets", [chosen.daily])]
        if chosen.daily not in names:
            known = f"must be one of {', '.join(names)}, was {shown(chosen.daily)}{nearest(chosen.daily, names)}"
            said = f"{known}; choose one, or add it to indicator_sets"
            raise refusal(said, ["1d"])
        return chosen

    @field_validator("indicators")
    @classmethod
    def _what_compares_has_a_benchmark(cls, chosen: IndicatorSettings, info: ValidationInfo) -> IndicatorSettings:
        # What is wrong itself is missing here; it has its own findings.
        if not {"symbols", "benchmark", "indicator_sets"} <= info.data.keys():
            return chosen
        specs = chosen_set(chosen.daily, info.data["indicator_sets"])
        comparing = next((spec.name for spec in specs if spec.definition.compares), None)
        if comparing is not None and _benchmark_among(info.data["symbols"], info.data["benchmark"]) is None:
            said = (
                f"{comparing} of this set compares with a benchmark, and there is none; say which of the symbols it is,"
                f" such as `benchmark: {info.data['symbols'][0]}`, or leave {comparing} out"
            )
            raise refusal(said, ["1d"])
        return chosen

    @field_validator("symbols")
    @classmethod
    def _symbols_occur_once(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        first: dict[str, int] = {}
        again = {symbol: n for n, symbol in enumerate(symbols) if first.setdefault(symbol, n) != n}
        if again:
            raise PydanticCustomError(_REPEATED, "not once", {"first": first, "again": again})
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
        names = exchange_calendars.get_calendar_names()
        if calendar not in names:
            message = f"must be {_MUST_BE['calendar']}{nearest(calendar, names)}"
            raise ValueError(message)
        return calendar


def _benchmark_among(symbols: Sequence[str], said: str | None) -> str | None:
    if said is not None:
        return None if said == NO_BENCHMARK else said
    return next((symbol for symbol in symbols if is_market(symbol)), None)


def is_market(symbol: str) -> bool:
    """Return whether ``symbol`` is an index or a fund that stands for a market.

    Examples:
        >>> [symbol for symbol in ("AAPL", "$VIX", "$SPX", "SPY") if is_market(symbol)]
        ['$SPX', 'SPY']
    """
    return symbol in _BROAD_FUNDS or (symbol.startswith("$") and _OF_FEAR.fullmatch(symbol) is None)


def load_universe(path: Path, clock: Clock | None = None) -> Universe:
    """Return the universe that the file at ``path`` describes.

    Args:
        path: The file.
        clock: Tells which day it is, so that a history which is to begin later is refused; none
            is refused for that if None.

    Raises:
        ConfigurationError: The file is missing, is not plain YAML, or holds a wrong value; the
            message is one line, and names the file, the line, the key, the value and the remedy.
    """
    document = read_document(path, _WHAT, _MISSING)
    if not isinstance(document.content, dict):
        line = f", line {document.lines[()]}," if document.lines else ""
        message = (
            f"{_WHAT} {path}{line} must hold keys such as symbols and history_start, was {shown(document.content)};"
            " write `symbols: [AAPL, MSFT]` and `history_start: 2000-01-03`"
        )
        raise ConfigurationError(message)
    try:
        universe = Universe.model_validate(document.content)
    except ValidationError as error:
        raise ConfigurationError(_describe(path, document, error)) from None
    today = None if clock is None else clock.now().date()
    if today is not None and universe.history_start > today:
        finding = (
            f"line {document.lines['history_start',]}: key 'history_start' must not be after today, which is {today},"
            f" was {universe.history_start}"
        )
        raise ConfigurationError(_refusal(path, [finding]))
    return universe


def _describe(path: Path, document: Document, error: ValidationError) -> str:
    # A list that holds nothing sound counts as too short too; that is no second finding.
    items: list[dict[str, Any]] = [
        dict(item) for item in error.errors() if item["type"] != "too_short" or not item["input"]
    ]
    items.sort(key=lambda item: document.lines.get(tuple(item["loc"]), 0))
    findings = [_finding(item, document) for item in items[:_MOST_FINDINGS]]
    more = len(items) - len(findings)
    return _refusal(path, findings + ([f"and {more:,} more"] if more else []))


def _refusal(path: Path, findings: list[str]) -> str:
    return f"{_WHAT} {path}: {'; '.join(findings)}. Mend the file and load again; nothing was changed"


def _finding(item: dict[str, Any], document: Document) -> str:
    """Return in plain words what the library that reads the values found: line, key, value, what it must be, remedy."""
    place = (*item["loc"], *(item["ctx"]["under"] if item["type"] == REFUSED else ()))
    line = document.lines.get(place)
    said = (_refused if item["type"] == REFUSED else _complaint)(item, place, document)
    return said if line is None else f"line {line}: {said}"


def _complaint(item: dict[str, Any], place: tuple[str | int, ...], document: Document) -> str:
    key = ".".join(str(part) for part in place)
    value = item["input"]
    was = as_written(value, document.written.get(place))
    if item["type"] == "extra_forbidden":
        known = [name.rpartition(".")[2] for name in _MUST_BE if name.count(".") == len(place) - 1]
        return f"key {key!r} is not known (value {was}){nearest(str(place[-1]), known)}; take it out or correct it"
    if item["type"] == "missing":
        return f"key {key!r} is missing; add it: {_MUST_BE[key]}"
    if item["type"] == "value_error":
        return f"key {key!r} {item['ctx']['error']}, was {was}"
    if item["type"] == _REPEATED:
        return _repeated(item["ctx"]["first"], item["ctx"]["again"], document)
    if place[0] == "symbols" and len(place) > 1:
        remedy = item["ctx"]["remedy"] if item["type"] == _TICKER else _as_ticker(document.written.get(place))
        return f"key 'symbols' must hold tickers in capitals, but no. {int(place[1]) + 1} was {was}; {remedy}"
    must_be = _SET_MUST_BE if place[0] == "indicator_sets" and len(place) > 1 else _MUST_BE[key]
    return f"key {key!r} must be {must_be}, was {was}"


def _refused(item: dict[str, Any], place: tuple[str | int, ...], document: Document) -> str:
    held = as_written(_value_at(document, place), document.written.get(place))
    return f"key '{'.'.join(map(str, place))}' holds {held}: {item['ctx']['said']}"


def _value_at(document: Document, place: tuple[str | int, ...]) -> object:
    value = document.content
    for part in place:
        value = value[part]
    return value


def _repeated(first: dict[str, int], again: dict[str, int], document: Document) -> str:
    named = [
        f"{symbol} (lines {document.lines['symbols', first[symbol]]} and {document.lines['symbols', n]})"
        for symbol, n in list(again.items())[:_MOST_FINDINGS]
    ]
    more = f" and {len(again) - len(named):,} more" if len(again) > len(named) else ""
    return f"key 'symbols' must hold tickers that occur once, but twice there is {', '.join(named)}{more}; keep one"


def _as_ticker(written: str | None) -> str:
    quoted = "" if written is None else written.upper()
    if _SYMBOL.fullmatch(quoted):
        return f'put it in quotes, such as "{quoted}"'
    return "write one ticker a line, or take the line out"


def _as_spelled(symbol: str) -> str:
    """Return how a text that is no ticker becomes one."""
    bare = symbol.strip()
    if remedy := _of_another_form(bare.upper()):
        return remedy
    if _SYMBOL.fullmatch(bare.upper()):
        return f"write {bare.upper()}"
    if len(bare.replace(",", " ").split()) > 1:
        return "write one ticker an entry, with a comma between two or each on a line of its own"
    if len(bare) > _LONGEST_SYMBOL:
        return f"a ticker has at most {_LONGEST_SYMBOL} characters"
    return "write it as Schwab does: letters A to Z and digits, as in AAPL, BRK/B or $SPX"


def _of_another_form(symbol: str) -> str | None:
    """Return what to write instead of what is a ticker elsewhere."""
    forms = ((re.fullmatch(form, symbol, re.DOTALL), remedy) for form, remedy in _OTHER_FORMS)
    return next((found.expand(remedy) for found, remedy in forms if found), None)
