"""The overview: key figures of all symbols and portfolios, and their returns by year, in one self-contained file.

Pages of 500 symbols are small where the markup is: cells are not closed, which HTML allows, units stand in the
heads, and colours are classes of one or two letters. Without a script it is a table to read; with one, its rows
are sorted and filtered.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from jutsu_assets.reports.tables import heat
from jutsu_assets.reports.template import render
from jutsu_assets.reports.wording import DASH, SIGNED, SYMBOL_COLUMNS, SYMBOL_TITLES, number, told
from jutsu_core.metrics.catalog import CATALOG

_PORTFOLIO_COLUMNS = (
    "total_return",
    "cagr",
    "volatility",
    "sharpe_ratio",
    "sortino_ratio",
    "calmar_ratio",
    "max_drawdown",
    "win_rate",
    "profit_factor",
    "round_trips",
)
_MOST_YEARS = 15


def render_overview(
    reports: Mapping[str, Mapping[str, Any]],
    *,
    source: str,
    hrefs: Mapping[str, str] | None = None,
    portfolios: Mapping[str, Mapping[str, Any]] | None = None,
    portfolio_hrefs: Mapping[str, str] | None = None,
) -> str:
    """Return the index page: key figures of all symbols and portfolios, and the symbols' returns by year.

    Args:
        reports: What ``symbol_performance`` returned, by symbol; may be empty.
        source: Where the prices come from; ``simulator`` puts a warning on top of the page.
        hrefs: Link to each symbol's page; a symbol without one is not linked.
        portfolios: What ``calculate_metrics`` returned, by the names of portfolios.
        portfolio_hrefs: Link to each portfolio's page.

    Returns:
        A whole HTML document; the same text for the same input, symbols in alphabetical order.
    """
    symbols, links = sorted(reports), hrefs or {}
    funds, fund_links = portfolios or {}, portfolio_hrefs or {}
    annual = {symbol: {row["year"]: row for row in reports[symbol]["calendar_years"]} for symbol in symbols}
    every = sorted({year for rows in annual.values() for year in rows})
    years = every[-_MOST_YEARS:]
    doubtful = [symbol for symbol in symbols if reports[symbol]["notes"]]
    return render(
        "overview.html.jinja",
        source=source,
        count=len(symbols),
        portfolio_count=len(funds),
        doubtful=[Markup(_name(symbol, links.get(symbol))) for symbol in doubtful],  # noqa: S704 - escaped there
        heads=_heads(SYMBOL_COLUMNS, SYMBOL_TITLES),
        rows=Markup("".join([_symbol_row(symbol, links.get(symbol), reports[symbol]) for symbol in symbols])),  # noqa: S704
        portfolio_heads=_heads(_PORTFOLIO_COLUMNS, {}),
        portfolio_rows=Markup(  # noqa: S704 - names are escaped there, the rest is numbers
            "".join([_portfolio_row(name, fund_links.get(name), funds[name]) for name in sorted(funds)])
        ),
        years=years,
        left_out=every[: -len(years)] if len(every) > len(years) else [],
        heat=Markup("".join([_heat_row(symbol, annual[symbol], years) for symbol in symbols])),  # noqa: S704
    )


def _heads(names: Iterable[str], titles: Mapping[str, str]) -> list[str]:
    return [
        titles.get(name, CATALOG[name].title) + (", %" if CATALOG[name].unit == "fraction" else "") for name in names
    ]


def _symbol_row(symbol: str, href: str | None, report: Mapping[str, Any]) -> str:
    whole = report["since_inception"]
    ends = f"<td>{report['first_session']}<td>{report['last_session']}<td>{number(report['last_close'], 2)}"
    return f"<tr><th>{_name(symbol, href)}{ends}{_figures(whole, SYMBOL_COLUMNS)}\n"


def _portfolio_row(name: str, href: str | None, report: Mapping[str, Any]) -> str:
    first, last = (DASH if report[key] is None else report[key][:10] for key in ("base_date", "last_session"))
    return f"<tr><th>{_name(name, href)}<td>{first}<td>{last}{_figures(report, _PORTFOLIO_COLUMNS)}\n"


def _figures(row: Mapping[str, Any], names: Sequence[str]) -> str:
    return "".join([_cell(name, told(name, row)) for name in names])


def _cell(name: str, value: float | None) -> str:
    unit = CATALOG[name].unit
    if value is None:
        return f"<td>{DASH}"
    text = number(100 * value, 1) if unit == "fraction" else number(value, 0 if unit == "count" else 2)
    tone = (" class=g" if value > 0 else " class=l") if name in SIGNED and value else ""
    return f"<td{tone}>{text}"


def _heat_row(symbol: str, rows: Mapping[int, Mapping[str, Any]], years: Sequence[int]) -> str:
    cells = []
    for year in years:
        row = rows.get(year)
        shown = heat(None if row is None else row["total_return"])
        is_partial = row is not None and row["is_partial"] and shown.text
        kind = f"{shown.level} p" if is_partial else shown.level
        attribute = f' class="{kind}"' if " " in kind else f" class={kind}" if kind else ""
        cells.append(f"<td{attribute}>{shown.text}")
    return f"<tr><th>{escape(symbol)}{''.join(cells)}\n"


def _name(symbol: str, href: str | None) -> str:
    return str(escape(symbol)) if href is None else f'<a href="{escape(href)}">{escape(symbol)}</a>'
