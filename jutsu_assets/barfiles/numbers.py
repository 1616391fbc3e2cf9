"""How files of bars spell prices and volumes.

A number is read with a decimal point, or with a decimal comma if the user says so. ``12,345`` could be
meant either way: it is read only where another number of its row shows what the separators mean.
"""

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from types import MappingProxyType

from jutsu_assets.barfiles.reading import DecimalMark
from jutsu_core.bars import MAX_VOLUME, to_micros
from jutsu_core.errors import InvalidInputError

EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)  # whatever the caller's own context has
MISSING = frozenset(
    {"", "-", "--", "---", "\u2013", "\u2014", "null", "nil", "none", "nan", "na", "n/a", "n.a.", "#n/a", "."}
)
"""What stands for a number that is not there, in small letters."""

_MICRO = Decimal("0.000001")
_VOLUME_DIGITS = 18
_SHORTHAND = MappingProxyType({"K": 3, "M": 6, "B": 9, "T": 12})
_CURRENCIES = "$€£¥"
_MARKS: dict[DecimalMark, DecimalMark] = {".": ",", ",": "."}


def _numbers(decimal: DecimalMark) -> re.Pattern[str]:
    mark, group = re.escape(decimal), f"[{re.escape(_MARKS[decimal])} '\u2019\u00a0\u202f]"
    whole = rf"(?:\d+|[1-9]\d{{0,2}}(?P<group>{group})\d{{3}}(?:(?P=group)\d{{3}})*)"
    return re.compile(rf"[-+]?(?:{whole}(?:{mark}\d*)?|{mark}\d+)(?:[eE][-+]?\d{{1,4}})?", re.ASCII)


_SPELLED = MappingProxyType({mark: _numbers(mark).fullmatch for mark in _MARKS})
_not_of_a_number = re.compile(r"[ '\u2019\u00a0\u202f]")


class NumbersOfRow:
    """Reads the numbers of one row.

    Args:
        cells: The row's prices and its volume, as they are written.
        decimal: What its decimals come after; None if nobody said.
        delimiter: Between the cells. A point in a file with semicolons may part thousands.
    """

    def __init__(self, cells: Sequence[str], decimal: DecimalMark | None, delimiter: str) -> None:
        self._cells, self._decimal, self._delimiter = cells, decimal, delimiter

    def read(self, cell: str) -> Decimal | str:
        """Return the number that ``cell`` spells, or else what it must be and what to do about it."""
        text = _bare(cell)
        scale = _SHORTHAND.get(text[-1:].upper(), 0)
        spelled = text[:-1].rstrip() if scale else text
        mark: DecimalMark = self._decimal or "."
        if not _SPELLED[mark](spelled):
            other = _SPELLED[_MARKS[mark]](spelled)
            remedy = f"say decimal={_MARKS[mark]!r} if it has such decimals" if other else "correct or remove the row"
            example = '1234.5 or "1,234.5"' if mark == "." else '1234,5 or "1.234,5"'
            return f"a number such as {example}, was {cell!r}; {remedy}"
        if self._decimal is None and self._is_doubtful(spelled) and not any(map(self._is_proof, self._cells)):
            return (
                f"a number whose separators have one meaning, was {cell!r}, and no other of its row tells;"
                " say decimal='.' or decimal=','"
            )
        plain = _not_of_a_number.sub("", spelled).replace(_MARKS[mark], "").replace(mark, ".")
        return EXACT.scaleb(EXACT.create_decimal(plain), scale) if scale else Decimal(plain)

    def _is_doubtful(self, text: str) -> bool:
        suspicious = "," in text or ("." in text and self._delimiter == ";")
        return suspicious and _SPELLED[","](text) is not None

    @staticmethod
    def _is_proof(cell: str) -> bool:
        text = _bare(cell)
        text = text[:-1] if text[-1:].upper() in _SHORTHAND else text
        return ("." in text or "," in text) and bool(_SPELLED["."](text)) and not _SPELLED[","](text)


def is_missing(cell: str) -> bool:
    """Return whether ``cell`` says that there is no number.

    Examples:
        >>> is_missing(" -- "), is_missing("0")
        (True, False)
    """
    return cell.strip().lower() in MISSING


def micros_of(price: Decimal, *, rounds: bool) -> int:
    """Return ``price`` in micros.

    Raises:
        InvalidInputError: It is more exact, or larger, than a price can be; the message begins with ``price``.
    """
    if rounds and price.is_finite() and price.adjusted() < _VOLUME_DIGITS:
        price = price.quantize(_MICRO, context=EXACT)
    try:
        return to_micros(price)
    except InvalidInputError as error:
        message = f"{error}; round it in the file, or with round_to_scale=True"
        raise InvalidInputError(message) from None


def volume_of(number: Decimal, *, rounds: bool) -> int | None:
    """Return ``number`` as a volume, None if it is none."""
    if number and number.adjusted() > _VOLUME_DIGITS:
        return None
    if rounds:
        number = number.to_integral_value(context=EXACT)
    is_whole = number == number.to_integral_value(context=EXACT)
    return int(number) if is_whole and 0 <= number <= MAX_VOLUME else None


def _bare(cell: str) -> str:
    return cell.strip().strip(_CURRENCIES).strip()
