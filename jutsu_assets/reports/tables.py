"""Tables that pages of symbols and of portfolios share: months by year, and the worst falls."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from jutsu_assets.reports.wording import DASH, number, percent

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# The return at which the colour of a year and of a month is at its fullest.
FULL_YEAR, FULL_MONTH = 0.6, 0.15
_LEVELS = 9


class Heat(NamedTuple):
    """A return in per cent, and the class of its colour: ``g1`` to ``g9`` or ``l1`` to ``l9``, empty for none."""

    text: str
    level: str


def heat(value: float | None, *, full: float = FULL_YEAR, digits: int = 0) -> Heat:
    """Return a return as it stands in a heat map.

    Args:
        value: A fraction.
        full: At which it is coloured most.
        digits: Of the number of per cent.

    Examples:
        >>> heat(0.123), heat(-0.6).level, heat(None)
        (Heat(text='+12', level='g4'), 'l9', Heat(text='', level=''))
        >>> heat(-0.001).text
        '0'
    """
    if value is None:
        return Heat("", "")
    share = min(abs(value) / full, 1.0) ** 0.7
    level = f"{'g' if value > 0 else 'l'}{1 + round(share * (_LEVELS - 1))}" if value else ""
    return Heat(number(100 * value, digits, signed=True), level)


def months_by_year(months: Sequence[Mapping[str, Any]], years: Sequence[Mapping[str, Any]]) -> list[tuple[str, Markup]]:
    """Return the rows of the heat map, the latest first: the year, and the cells of its months and its return.

    Args:
        months: ``period`` (``2013-03``) and ``return`` of each.
        years: ``period`` (``2013``) and ``return`` of each.
    """
    found = {row["period"]: row["return"] for row in months}
    whole = {row["period"]: row["return"] for row in years}
    rows = []
    for year in sorted({period[:4] for period in found} | whole.keys(), reverse=True):
        cells = [_shown(heat(found.get(f"{year}-{month:02d}"), full=FULL_MONTH, digits=1)) for month in range(1, 13)]
        cells.append(_shown(heat(whole.get(year), digits=1)))
        rows.append((year, Markup("".join(cells))))  # noqa: S704 - numbers alone
    return rows


def _shown(cell: Heat) -> str:
    return f'<td class="{cell.level}">{cell.text}</td>' if cell.level else f"<td>{cell.text}</td>"


def worst_falls(drawdowns: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return the rows of the table of drawdowns: depth, peak, trough, recovery, days to the trough and in all."""
    return [
        [
            percent(row["depth"]),
            *(DASH if row[key] is None else row[key][:10] for key in ("peak", "trough", "recovery")),
            f"{row['days_to_trough']:,.0f}",
            f"{row['days']:,.0f}" + ("" if row["recovery"] else " so far"),
        ]
        for row in drawdowns
    ]
