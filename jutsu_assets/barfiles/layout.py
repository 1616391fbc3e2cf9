"""What the header of a file of bars means: which vendor's columns stand where."""

import csv
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from jutsu_core.errors import InvalidInputError

_SPELLINGS = {
    "timestamp": "date datetime window_start begins_at t datum fecha data",
    "symbol": "ticker stock sym",
    "open": "o opening first ouverture apertura eröffnung eröffn öffnen abertura",
    "high": "h hoch haut máximo maximo max máx",
    "low": "l tief bas mínimo minimo min mín",
    "close": "c close/last closing schluss schlusskurs clôture cierre fechamento",
    "volume": "v vol volumen volumes real_volume",
    "tickvol": "tick_volume",
}
_ROLES = MappingProxyType({word: role for role, words in _SPELLINGS.items() for word in words.split()})
"""What vendors call the columns, in small letters."""

_SUBSTITUTES = (
    ("timestamp", ("time", "__index_level_0__", "")),
    ("volume", ("tickvol",)),
    ("close", ("latest", "last", "price", "zuletzt", "dernier", "último")),
)
"""What stands for a column that is needed, where nothing else does."""
_NEEDED = ("timestamp", "open", "high", "low", "close")
_SOLE = (*_NEEDED, "volume", "time", "symbol")
_MONTH_FIRST = ("close/last", "latest", "last")
"""How Nasdaq.com and Barchart, who write the month first, call the close."""
_LEVELS = ("price", "ticker")  # how yfinance begins its first two lines, in either order
_DELIMITERS = ",;\t|"
_decoration = re.compile(r"^<|^\d+\. |>$|\.$|[ _]price$")
_SAID_AS = {"time": "timestamp"}


class Layout(NamedTuple):
    """What a header says.

    Attributes:
        delimiter: Between the cells.
        names: The columns as the file spells them.
        at: Which column holds ``timestamp``, ``open``, ``volume`` and so on, by index.
        month_first: Whether the vendor is one who writes 03/04/2013 for the 4th of March.
        symbol: The symbol that the header names, if it does.
    """

    delimiter: str
    names: tuple[str, ...]
    at: Mapping[str, int]
    month_first: bool
    symbol: str | None = None


def read_layout(next_line: Callable[[], str], columns: Mapping[str, str] = MappingProxyType({})) -> Layout:
    r"""Return the layout that the header describes; it is one line, or yfinance's three.

    Names count without case, angle brackets, a leading number and a final dot; columns that mean nothing
    here (``Adj Close``, ``<PER>``, a frame's index) are ignored. ``<TICKVOL>`` is the volume and ``Last``,
    ``Latest`` or ``Price`` the close where nothing else is.

    Args:
        next_line: Returns the next line of the file.
        columns: What the file calls a column, where that is not what vendors usually do.

    Raises:
        InvalidInputError: A needed column is missing, or two columns mean the same.

    Examples:
        >>> lines = iter(["Date,Open,High,Low,Close,Adj Close,Volume\n"])
        >>> read_layout(lines.__next__).at["close"]
        4
        >>> lines = iter(["Price,Close,High,Low,Open,Volume\n", "Ticker,IBM,IBM,IBM,IBM,IBM\n", "Date,,,,,\n"])
        >>> read_layout(lines.__next__).symbol
        'IBM'
    """
    text = next_line()
    delimiter = max(_DELIMITERS, key=text.count)
    names = tuple(name.strip() for name in cells_of(text, delimiter))
    symbol = None
    # A file may as well have an ordinary first column of symbols that it calls Ticker.
    plain = [name.lower() for name in names]
    if plain[0] == "price" or (plain[0] == "ticker" and "open" not in plain):
        names, symbol = _of_two_levels(names, delimiter, next_line)
    said = {name.strip().lower(): _SAID_AS.get(role, role) for role, name in columns.items()}
    found: dict[str, int] = {}
    for index, name in enumerate(names):
        role = said.get(name.lower()) or _role(name)
        if role in said.values() and name.lower() not in said:
            continue
        if role in found and role in _SOLE:
            message = f"column {name}: must be the only {role}, was beside {names[found[role]]}; remove one of them"
            raise InvalidInputError(message)
        found[role] = index
    for role, substitutes in _SUBSTITUTES:
        substitute = next((name for name in substitutes if name in found and len(names) > 1), None)
        if role not in found and substitute is not None:
            found[role] = found.pop(substitute)
    for role in _NEEDED:
        if role not in found:
            message = f"column {role}: must be in the header, was not in {text[:90].strip()!r}; name the columns there"
            raise InvalidInputError(message)
    month_first = names[found["close"]].lower() in _MONTH_FIRST
    return Layout(delimiter, names, found, month_first=month_first, symbol=symbol)


def cells_of(text: str, delimiter: str) -> list[str]:
    """Return the cells of a line.

    Raises:
        InvalidInputError: Its quotes do not come in pairs.
    """
    # Without a quote there is nothing that splitting could get wrong, and it takes a sixth of the time.
    if '"' not in text:
        return text.rstrip("\r\n").split(delimiter)
    try:
        return next(csv.reader((text,), delimiter=delimiter, strict=True))
    except csv.Error as error:
        message = f"column any: must be a line with its quotes in pairs, was not ({error}); mend the quotes"
        raise InvalidInputError(message) from None


def _role(name: str) -> str:
    plain = name.lower()
    while (bare := _decoration.sub("", plain)) != plain:
        plain = bare
    return _ROLES.get(plain, plain)


def _of_two_levels(first: tuple[str, ...], delimiter: str, next_line: Callable[[], str]) -> tuple[tuple[str, ...], str]:
    second, third = (tuple(name.strip() for name in cells_of(next_line(), delimiter)) for _ in range(2))
    levels = {row[0].lower(): row[1:] for row in (first, second)}
    if set(levels) != set(_LEVELS):
        message = (
            f"column {first[0]}: must be followed by a line that begins with {' or '.join(_LEVELS)}, as in yfinance's"
            f" files, was by one that begins with {second[0]!r}; name the columns in one line"
        )
        raise InvalidInputError(message)
    symbols = sorted(set(levels["ticker"]))
    if len(symbols) != 1:
        message = (
            f"column {symbols[0]}: must be of the only symbol in the file, was beside {symbols[1]}; save each symbol"
            " to a file of its own"
        )
        raise InvalidInputError(message)
    return (third[0], *levels["price"]), symbols[0]
