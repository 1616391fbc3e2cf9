"""Arithmetic that never rounds unless it says so, whatever decimal context the caller has set.

Amounts have at most 12 decimals and stay below 10¹⁵, prices are whole micros: so the products and sums of a
run have tens of digits, and :data:`EXACT` holds thousands. Only costs are rounded, to the micro, half to even.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation

from jutsu_core.arguments import refuse, shown

_PRECISION = 10_000  # costs nothing: a result takes the digits that it has

EXACT = Context(prec=_PRECISION, rounding=ROUND_HALF_EVEN, traps=[Inexact, InvalidOperation])
"""Raises where a result would have to be rounded."""

ZERO = Decimal(0)

_MICRO = Decimal("0.000001")
_DECIMALS = 12
_DIGITS = 15
_LIMIT = Decimal(10) ** _DIGITS
_ROUNDED = Context(prec=_PRECISION, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])
_PRICES = Context(prec=_DIGITS + 6, traps=[Inexact, InvalidOperation])


def require_amount(name: str, value: object, *, at_least: int | None = None, at_most: int | None = None) -> Decimal:
    """Return ``value``.

    Raises:
        InvalidInputError: It is no finite ``Decimal``, is outside the bounds, has more than 12 decimals or
            more than 15 digits before them.

    Examples:
        >>> require_amount("rate", Decimal(2), at_least=0, at_most=1)
        Traceback (most recent call last):
        jutsu_core.errors.InvalidInputError: rate must be a finite Decimal of at least 0 and at most 1, was Decimal('2')
    """
    if isinstance(value, Decimal) and value.is_finite() and _is_kept(value):
        is_inside = (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
        if is_inside:
            return value
    least = "" if at_least is None else f" of at least {at_least}"
    most = "" if at_most is None else f" and at most {at_most}"
    if not isinstance(value, Decimal):
        refuse(name, f"a finite Decimal{least}{most}", shown(value), 'write it in quotes: Decimal("1.5")')
    size = "" if not value.is_finite() or _is_kept(value) else f" below 10^{_DIGITS} with at most {_DECIMALS} decimals"
    return refuse(name, f"a finite Decimal{least}{most}{size}", shown(value))


def require_price(name: str, price: Decimal) -> Decimal:
    """Return ``price``, of an event that has made sure that it is above 0.

    Raises:
        InvalidInputError: It is no whole number of micros, or is 10¹⁵ or more.
    """
    try:
        _PRICES.quantize(price, _MICRO)
    except (Inexact, InvalidOperation):
        refuse(name, f"below 10^{_DIGITS} with at most 6 decimals", shown(price))
    return price


def to_micro(amount: Decimal) -> Decimal:
    """Return ``amount`` rounded to the micro, half to even.

    Examples:
        >>> to_micro(Decimal("0.0000025")), to_micro(Decimal("0.0000035"))
        (Decimal('0.000002'), Decimal('0.000004'))
    """
    return _ROUNDED.quantize(amount, _MICRO)


def _is_kept(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -_DECIMALS and value.copy_abs() < _LIMIT
