"""What a number looks like on a page: one way for each unit, with signs that stand apart from hyphens."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from markupsafe import Markup

from jutsu_core.metrics.catalog import CATALOG

SYMBOL_COLUMNS = (
    "total_return",
    "cagr",
    "volatility",
    "sharpe_ratio",
    "sortino_ratio",
    "calmar_ratio",
    "max_drawdown",
    "best_day",
    "worst_day",
    "win_rate",
)
"""The figures of a symbol, as its page and the overview have them beside each other."""
SYMBOL_TITLES = {"win_rate": "Days up"}
"""What is called otherwise than in the catalogue: a symbol's win rate is one of days, not of trades."""
# A year's growth a year is its return, but for a few days: side by side the two would only mislead.
_LONGEST_YEAR_DAYS = 375

_digit_above_0 = re.compile("[1-9]").search
_instant = re.compile(r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2})(:\d{2}(?:\.\d+)?)?\+00:00").sub

DASH = "\N{EM DASH}"
MINUS = "\N{MINUS SIGN}"
# What may be above or below 0 is written with its sign and in a colour.
SIGNED = frozenset(
    {
        "total_return",
        "cagr",
        "max_drawdown",
        "best_day",
        "worst_day",
        "alpha",
        "relative_return",
        "information_ratio",
        "net_profit",
        "expectancy",
        "average_win",
        "average_loss",
        "largest_win",
        "largest_loss",
    }
)
# A fall is below 0 by its name.
_PLAIN = frozenset({"max_drawdown"})
# Of a single day: one decimal would leave nothing of them.
_SMALL = frozenset(
    {
        "mean_return",
        "geometric_mean_return",
        "average_up",
        "average_down",
        "var_historical",
        "var_gaussian",
        "var_cornish_fisher",
        "cvar_historical",
        "cvar_gaussian",
        "cvar_cornish_fisher",
    }
)


def plain_times(text: str) -> str:
    """Return a text with its times as one reads them: dates alone where they are sessions.

    Examples:
        >>> plain_times("no row from 2010-04-23T00:00:00+00:00 until 2010-06-28T14:30:00+00:00")
        'no row from 2010-04-23 until 2010-06-28 14:30 UTC'
    """

    def plain(found: re.Match[str]) -> str:
        seconds = "" if found[3] in (None, ":00") else found[3]
        return found[1] if found[2] == "00:00" and not seconds else f"{found[1]} {found[2]}{seconds} UTC"

    return _instant(plain, text)


def told(name: str, row: Mapping[str, Any]) -> float | None:
    """Return the figure ``name`` of ``row`` as a page tells it: no growth a year of a single one."""
    is_told = name != "cagr" or row["elapsed_days"] > _LONGEST_YEAR_DAYS
    value: float | None = row[name] if is_told else None
    return value


class Cell(NamedTuple):
    """A figure on a page.

    Attributes:
        title: What it is called.
        text: What is written.
        tone: The class of its colour; empty for none.
    """

    title: str
    text: str
    tone: str


def number(value: float, digits: int, *, signed: bool = False) -> str:
    """Return a number with so many decimals; one that is rounded to 0 has no sign.

    Examples:
        >>> number(1234.5, 1, signed=True), number(-0.001, 2), number(-0.5, 0)
        ('+1,234.5', '0.00', '0')
    """
    text = f"{value:+,.{digits}f}" if signed else f"{value:,.{digits}f}"
    return text.replace("-", MINUS) if text.strip("+-0.") else text.lstrip("+-")


def percent(value: float | None, *, signed: bool = False, digits: int = 1) -> str:
    """Return a fraction as per cent, with one decimal and a no-break space, a dash for ``None``.

    Examples:
        >>> percent(0.1234, signed=True).split(), percent(None), percent(0.00042, digits=2).split()
        (['+12.3', '%'], '—', ['0.04', '%'])
    """
    return DASH if value is None else f"{number(100 * value, digits, signed=signed)}\N{NO-BREAK SPACE}%"


def ratio(value: float | None) -> str:
    """Return a ratio with two decimals, a dash for ``None``.

    Examples:
        >>> ratio(1.005), ratio(-0.001), ratio(None)
        ('1.00', '0.00', '—')
    """
    return DASH if value is None else number(value, 2)


def money(value: float | None, *, signed: bool = False) -> str:
    """Return an amount with two decimals, a dash for ``None``.

    Examples:
        >>> money(1234.5, signed=True), money(-0.001), money(None)
        ('+1,234.50', '0.00', '—')
    """
    return DASH if value is None else number(value, 2, signed=signed)


def tone(value: float | None, shown: str = "") -> str:
    """Return the class of the colour of a gain, a loss or nothing; what is ``shown`` as 0 is nothing.

    Examples:
        >>> tone(0.1), tone(-0.1), tone(0.0), tone(None), tone(-1e-9, "0.00")
        ('gain', 'loss', '', 'none', '')
    """
    if value is None:
        return "none"
    if shown and not _digit_above_0(shown):
        return ""
    return "gain" if value > 0 else "loss" if value < 0 else ""


def cell(name: str, value: Any, title: str | None = None) -> Cell:  # noqa: ANN401 - of any metric
    """Return the figure of the catalogue that is called ``name`` as it is shown.

    Examples:
        >>> cell("sharpe_ratio", 1.5)
        Cell(title='Sharpe', text='1.50', tone='')
    """
    metric, is_signed = CATALOG[name], name in SIGNED
    if metric.unit == "fraction":
        text = percent(value, signed=is_signed and name not in _PLAIN, digits=2 if name in _SMALL else 1)
    elif metric.unit == "money":
        text = money(value, signed=is_signed)
    elif metric.unit == "count":
        text = DASH if value is None else f"{value:,.0f}"
    elif metric.unit == "days":
        text = DASH if value is None else f"{value:,.1f}\N{NO-BREAK SPACE}days"
    elif metric.unit == "date":
        text = DASH if value is None else str(value)[:10]
    else:
        text = ratio(value)
    colour = tone(value, text) if value is None or is_signed else ""
    return Cell(title or metric.title, text, colour)


def cells(values: Mapping[str, Any], names: Iterable[str], titles: Mapping[str, str]) -> list[Cell]:
    """Return the named figures of ``values``, called by ``titles`` where those say so."""
    return [cell(name, values[name], titles.get(name)) for name in names]


def row_of(figures: Iterable[Cell]) -> Markup:
    """Return figures, which are numbers and dates, as the cells of a row.

    Put together here: a page has hundreds of them, and a template would escape each text and class by itself.

    Examples:
        >>> row_of([Cell("Sharpe", "1.50", ""), Cell("CAGR", "+2.0", "gain")])
        Markup('<td>1.50</td><td class="gain">+2.0</td>')
    """
    told = [f'<td class="{tone}">{text}</td>' if tone else f"<td>{text}</td>" for _, text, tone in figures]
    return Markup("".join(told))  # noqa: S704 - numbers and dates alone
