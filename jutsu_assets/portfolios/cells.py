"""What a cell means: a time, an amount, a symbol. What could be meant in two ways is refused."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from jutsu_assets.portfolios.rows import Row
from jutsu_assets.zones import instants_of

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?(?:nan|inf(?:inity)?)", re.ASCII | re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
# How zipline and pyfolio show an asset: Equity(8554 [SPY]).
_ASSET = re.compile(r"\w+\(\d+ \[([^\]]+)\]\)")
_LARGEST = Decimal(10) ** 15
_EPOCH_DIGITS = 10


def found(row: Row, names: Sequence[str]) -> str | None:
    """Return which of ``names`` is a column of ``row``, the first of several; None if none is."""
    return next((name for name in names if name in row.cells), None)


def column(row: Row, names: Sequence[str]) -> str:
    """Return the same.

    Raises:
        ConfigurationError: None is.
    """
    name = found(row, names)
    if name is None:
        there = ", ".join(map(repr, row.cells)) or "none"
        row.refuse(names[0], "a column", f"not among {there}", "add it, or say another format in the portfolio file")
    return name


def is_empty(value: object) -> bool:
    """Return whether a cell holds nothing."""
    return value is None or value == "" or (isinstance(value, float) and value != value)  # noqa: PLR0124 - NaN


def amount(
    row: Row, name: str, *, above: int | None = None, at_least: int | None = None, default: Decimal | None = None
) -> Decimal:
    """Return the amount in column ``name``, exactly as it is written; ``default`` where the cell is empty.

    Raises:
        ConfigurationError: It is none, or outside the bounds.
    """
    value = row.cells.get(name)
    if is_empty(value) and default is not None:
        return default
    bounds = "" if above is None else f" above {above}"
    bounds += "" if at_least is None else f" of at least {at_least}"
    must_be = f"an amount{bounds}, such as 12.5"
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        row.refuse(name, must_be, value)
    try:
        if isinstance(value, str) and not _NUMBER.fullmatch(value):
            raise InvalidOperation  # noqa: TRY301 - a Decimal would take 1_000, and digits of every script
        number = Decimal(value if isinstance(value, str | int | Decimal) else repr(value))
    except InvalidOperation:
        row.refuse(name, must_be, value, "write it with a point and without separators")
    is_number = number.is_finite() and abs(number) < _LARGEST
    if not is_number or (above is not None and number <= above) or (at_least is not None and number < at_least):
        row.refuse(name, must_be, value)
    return number


def moment(row: Row, name: str, zone: ZoneInfo | None) -> datetime:
    """Return the time in column ``name``, UTC: a date is 00:00 UTC of that session.

    Args:
        row: The row.
        name: The column.
        zone: Where times without an offset are meant; None where that was not said.

    Raises:
        ConfigurationError: It is no time, or one without an offset where ``zone`` is None, or has none such or two.
    """
    value = row.cells.get(name)
    must_be = "a time such as 2013-03-01 or 2013-03-01T15:30:00-05:00"
    told = _as_datetime(value)
    if told is None:
        row.refuse(name, must_be, value)
    if told.tzinfo is not None:
        try:
            return told.astimezone(UTC)
        except OverflowError:
            row.refuse(name, "a time in the years 1 to 9999, UTC", value)
    if told.time() == time(0):
        return told.replace(tzinfo=UTC)
    if zone is None:
        row.refuse(
            name,
            "a time with its offset",
            value,
            "or say in the portfolio file where it is: timezone: America/New_York",
        )
    instants = instants_of(told, zone)
    if len(instants) != 1:
        # Clocks are put back or forward then.
        row.refuse(name, f"a time that {zone.key} has exactly once", value, "write it with its UTC offset")
    return instants[0]


def symbol(row: Row, name: str) -> str:
    """Return the symbol in column ``name``; of an asset as zipline shows it, the one in brackets.

    Raises:
        ConfigurationError: It is none.
    """
    value = row.cells.get(name)
    if isinstance(value, str) and value.strip():
        return plain_symbol(value.strip())
    return row.refuse(name, "a symbol such as AAPL", value)


def plain_symbol(text: str) -> str:
    """Return the symbol of an asset as zipline shows it, or the text itself.

    Examples:
        >>> plain_symbol("Equity(8554 [SPY])"), plain_symbol("SPY")
        ('SPY', 'SPY')
    """
    shown = _ASSET.fullmatch(text)
    return shown[1] if shown else text


def _as_datetime(value: Any) -> datetime | None:  # noqa: ANN401 - whatever a file holds
    if isinstance(value, datetime):  # pandas' own is one, and its NaT too
        return None if value != value else _plain(value)  # noqa: PLR0124 - NaT
    if isinstance(value, date):
        return datetime.combine(value, time(0))
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return _of_epoch(int(value))
    if not isinstance(value, str):
        return None
    try:
        return datetime.combine(date.fromisoformat(value), time(0)) if _DATE.fullmatch(value) else _of_text(value)
    except ValueError:
        return None


def _of_text(value: str) -> datetime | None:
    return datetime.fromisoformat(value) if _DATE.match(value) else None


def _of_epoch(value: int) -> datetime | None:
    """Return the instant of seconds, or milliseconds, since 1970; what has another size is no time."""
    seconds = {_EPOCH_DIGITS - 1: 1, _EPOCH_DIGITS: 1, _EPOCH_DIGITS + 2: 1000, _EPOCH_DIGITS + 3: 1000}.get(
        len(str(abs(value)))
    )
    return None if seconds is None else datetime.fromtimestamp(value / seconds, UTC)


def _plain(value: datetime) -> datetime:
    convert = getattr(value, "to_pydatetime", None)
    made: datetime = value if convert is None else convert(warn=False)
    return made
