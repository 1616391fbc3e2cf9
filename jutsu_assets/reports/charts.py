"""Charts: small PNGs for run metadata, SVGs for pages; bytes and text in, no files.

Figures are drawn with matplotlib's object-oriented interface, so nothing is shared between threads
but the few settings that exist only as global ones; those are set under a lock, for one drawing.
Matplotlib is imported when the first chart is drawn: it costs half a second that a process which
draws nothing should not pay.

An SVG is the same bytes for the same input. Its colours are CSS variables with a fallback
(``var(--jutsu-line, #2563eb)``), so that a page decides whether it is light or dark.
"""

import base64
import io
import re
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jutsu_core.errors import InvalidInputError
from jutsu_core.metrics.drawdown import drawdown_series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 100
_LINE, _SECOND, _THIRD = "#2563eb", "#d97706", "#7c3aed"
_GAIN, _LOSS, _GRID, _INK = "#15803d", "#c2410c", "#d8dee8", "#55617a"
_VARIABLES = {
    _LINE: "--jutsu-line",
    _GAIN: "--jutsu-gain",
    _LOSS: "--jutsu-loss",
    _GRID: "--jutsu-grid",
    _INK: "--jutsu-ink",
}
_SVG_LOCK = threading.Lock()
_NO_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}
_LOG_SCALE_FROM = 3.0
_MANY_YEARS = 14
_COLOURS = 48
_SMALL_MARGINS = {"left": 0.1, "right": 0.985, "top": 0.89, "bottom": 0.13}
_TALL_MARGINS = {"left": 0.1, "right": 0.985, "top": 0.93, "bottom": 0.09, "hspace": 0.22}
_PAGE_WIDTH = 960
_PAGE_MARGINS = {"left": 66, "right": 18, "top": 8, "bottom": 24}


def price_chart_png(frame: pd.DataFrame, *, symbol: str = "") -> bytes:
    """Return a small line chart of the closes.

    Args:
        frame: Bars, oldest first, with the columns ``timestamp`` and ``close``.
        symbol: Printed in the corner, if any.

    Returns:
        A PNG of 480 x 160 pixels.

    Raises:
        InvalidInputError: ``frame`` is empty or lacks a column.
    """
    times, closes = _column(frame, "timestamp"), _column(frame, "close")
    figure, (axes,) = _figure(480, 160, margins=_SMALL_MARGINS)
    axes.plot(times, closes, color=_LINE, linewidth=1.1)
    axes.fill_between(times, closes, float(np.min(closes)), color=_LINE, alpha=0.10, linewidth=0)
    _title(axes, f"{symbol}  {closes[-1]:,.2f}".strip())
    return _png(figure)


def indicator_chart_png(
    frame: pd.DataFrame,
    *,
    symbol: str = "",
    overlays: Sequence[str] = ("sma_20", "sma_50"),
    oscillator: str | None = "rsi_14",
) -> bytes:
    """Return the closes with their averages above, and an oscillator from 0 to 100 below.

    Args:
        frame: Bars and indicators, oldest first; columns ``timestamp``, ``close`` and those named.
        symbol: Printed in the corner, if any.
        overlays: Columns in the unit of the price, at most two; NaN where warming up.
        oscillator: Column from 0 to 100 with guides at 30 and 70, or ``None`` for no lower panel.

    Returns:
        A PNG of 480 x 240 pixels.

    Raises:
        InvalidInputError: ``frame`` is empty or lacks a column, or there are more overlays.
    """
    colours = (_SECOND, _THIRD)
    if len(overlays) > len(colours):
        message = f"overlays must be at most {len(colours)} columns, was {list(overlays)}"
        raise InvalidInputError(message)
    times, closes = _column(frame, "timestamp"), _column(frame, "close")
    figure, panels = _figure(480, 240, ratios=(2, 1) if oscillator else (1,), margins=_TALL_MARGINS)
    panels[0].plot(times, closes, color=_LINE, linewidth=1.1, label="close")
    for name, colour in zip(overlays, colours, strict=False):
        panels[0].plot(times, _column(frame, name), color=colour, linewidth=0.9, label=name)
    panels[0].legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 0.98),
        borderaxespad=0,
        fontsize=7,
        frameon=False,
        ncols=3,
        handlelength=1.2,
    )
    _title(panels[0], symbol)
    if oscillator:
        panels[1].plot(times, _column(frame, oscillator), color=_LINE, linewidth=0.9)
        for level in (30, 70):
            panels[1].axhline(level, color=_LOSS, linewidth=0.6, linestyle=(0, (4, 3)))
        panels[1].set(ylim=(0, 100), yticks=(30, 70))
        _title(panels[1], oscillator)
    return _png(figure)


def equity_chart_svg(values: "pd.Series[float]", *, title: str = "Price") -> str:
    """Return the course of prices or equity; logarithmic once the highest is 3 times the lowest.

    Args:
        values: Values above 0 with timestamps, oldest first.
        title: The accessible name of the chart.

    Returns:
        One ``<svg>`` element, fit to stand in a page.

    Raises:
        InvalidInputError: ``values`` is empty.
    """
    array = _values(values)
    figure, (axes,) = _page_figure(280)
    low, high = float(np.min(array)), float(np.max(array))
    if is_logarithmic(values):
        axes.set_yscale("log")
        _plain_log_ticks(axes, low, high)
    axes.plot(_times(values), array, color=_LINE, linewidth=1.3)
    axes.fill_between(_times(values), array, low, color=_LINE, alpha=0.08, linewidth=0)
    return _svg(figure, title)


def is_logarithmic(values: "pd.Series[float]") -> bool:
    """Whether :func:`equity_chart_svg` draws ``values`` on a logarithmic axis, which its reader must be told.

    Examples:
        >>> is_logarithmic(pd.Series([10.0, 29.0])), is_logarithmic(pd.Series([10.0, 30.0]))
        (False, True)
    """
    array = _values(values)
    low, high = float(np.min(array)), float(np.max(array))
    return low > 0 and high / low >= _LOG_SCALE_FROM


def drawdown_chart_svg(values: "pd.Series[float]", *, title: str = "Drawdown") -> str:
    """Return how far the values stood below their highest so far, in per cent.

    Args:
        values: Values above 0 with timestamps, oldest first.
        title: The accessible name of the chart.

    Returns:
        One ``<svg>`` element, fit to stand in a page.

    Raises:
        InvalidInputError: ``values`` is empty or breaks the contract of ``drawdown_series``.
    """
    falls = drawdown_series(values).to_numpy() * 100
    figure, (axes,) = _page_figure(190)
    axes.fill_between(_times(values), falls, 0, color=_LOSS, alpha=0.22, linewidth=0)
    axes.plot(_times(values), falls, color=_LOSS, linewidth=0.9)
    axes.yaxis.set_major_formatter(lambda value, _position: f"{value:.0f} %".replace("-", "\N{MINUS SIGN}"))
    axes.set_ylim(top=0)
    return _svg(figure, title)


def annual_returns_chart_svg(returns: Mapping[int, float | None], *, title: str = "Annual returns") -> str:
    """Return a bar for every year's return, in per cent; a year without one leaves a gap.

    Args:
        returns: Fractions by calendar year.
        title: The accessible name of the chart.

    Returns:
        One ``<svg>`` element, fit to stand in a page.

    Raises:
        InvalidInputError: ``returns`` is empty.
    """
    if not returns:
        message = "returns must be at least one year long, was empty"
        raise InvalidInputError(message)
    years = sorted(returns)
    known = [year for year in years if returns[year] is not None]
    bars = [100 * (returns[year] or 0.0) for year in known]
    figure, (axes,) = _page_figure(210)
    axes.bar(known, bars, color=[_GAIN if bar >= 0 else _LOSS for bar in bars], width=0.68)
    axes.axhline(0, color=_INK, linewidth=0.8)
    step = 1 if len(years) <= _MANY_YEARS else 1 + len(years) // _MANY_YEARS
    axes.set_xticks(years[::step], [str(year) for year in years[::step]])
    axes.set_xlim(years[0] - 0.7, years[-1] + 0.7)
    axes.yaxis.set_major_formatter(lambda value, _position: f"{value:.0f} %".replace("-", "\N{MINUS SIGN}"))
    return _svg(figure, title)


def png_data_uri(png: bytes) -> str:
    """Return ``png`` as a data URI; ``![close](<uri>)`` shows it in Markdown.

    Raises:
        InvalidInputError: ``png`` does not begin with the PNG signature.

    Examples:
        >>> png_data_uri(bytes.fromhex("89504e470d0a1a0a"))
        'data:image/png;base64,iVBORw0KGgo='
    """
    if not png.startswith(b"\x89PNG\r\n\x1a\n"):
        message = f"png must be a PNG image, was {png[:8]!r}"
        raise InvalidInputError(message)
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _column(frame: pd.DataFrame, name: str) -> Any:  # noqa: ANN401 - matplotlib takes any array
    if name not in frame.columns:
        message = f"frame must be one with the column {name!r}, was one with {list(frame.columns)}"
        raise InvalidInputError(message)
    if frame.empty:
        message = "frame must be at least one row long, was empty"
        raise InvalidInputError(message)
    column = frame[name]
    return _naive_utc(pd.DatetimeIndex(column)) if name == "timestamp" else column.to_numpy(np.float64)


def _values(values: "pd.Series[float]") -> Any:  # noqa: ANN401 - matplotlib takes any array
    if values.empty:
        message = "values must be at least one row long, was empty"
        raise InvalidInputError(message)
    return values.to_numpy(np.float64)


def _times(values: "pd.Series[float]") -> Any:  # noqa: ANN401 - matplotlib takes any array
    return _naive_utc(pd.DatetimeIndex(values.index))


def _naive_utc(index: pd.DatetimeIndex) -> Any:  # noqa: ANN401 - matplotlib takes any array
    utc = index if index.tz is None else index.tz_convert("UTC").tz_localize(None)
    return utc.to_numpy()


def _page_figure(height: int) -> "tuple[Figure, list[Axes]]":
    """Return a figure for a page: charts below each other have their axes at the same place."""
    left, right = _PAGE_MARGINS["left"] / _PAGE_WIDTH, 1 - _PAGE_MARGINS["right"] / _PAGE_WIDTH
    bottom, top = _PAGE_MARGINS["bottom"] / height, 1 - _PAGE_MARGINS["top"] / height
    return _figure(_PAGE_WIDTH, height, margins={"left": left, "right": right, "top": top, "bottom": bottom})


def _figure(
    width: int, height: int, *, margins: Mapping[str, float], ratios: Sequence[int] = (1,)
) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure  # noqa: PLC0415 - imported by those who draw

    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    # Finding the room that labels need would cost a second drawing, and move every chart's axes elsewhere.
    figure.subplots_adjust(**margins)
    grid = figure.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios)
    panels = [row[0] for row in grid]
    for axes in panels:
        axes.spines[:].set_visible(False)
        axes.grid(visible=True, axis="y", color=_GRID, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.margins(x=0.01)
        axes.tick_params(which="both", colors=_INK, labelsize=7 if width < 2 * _DPI * 4 else 9, length=0)
    _concise_dates(panels[-1])
    return figure, panels


def _concise_dates(axes: "Axes") -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415

    locator = AutoDateLocator(minticks=4, maxticks=10)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator, show_offset=False)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)


def _plain_log_ticks(axes: "Axes", low: float, high: float) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter  # noqa: PLC0415

    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    steps = (1, 2, 5) if len(decades) <= 5 else (1,)  # noqa: PLR2004 - more would not fit the height
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    axes.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axes.yaxis.set_major_formatter(lambda value, _position: f"{value:,g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _title(axes: "Axes", text: str) -> None:
    # A dollar sign would otherwise begin mathematical notation.
    axes.set_title(text.replace("$", r"\$"), loc="left", fontsize=8, color=_INK, pad=2)


def _png(figure: "Figure") -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415 - comes with matplotlib, which draws its PNGs with it

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    picture = Image.fromarray(pixels).convert("RGB")
    buffer = io.BytesIO()
    # A palette makes the file a third of the size, and run metadata is kept in a database.
    palette = picture.quantize(_COLOURS, dither=Image.Dither.NONE)
    palette.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _svg(figure: "Figure", title: str) -> str:
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415

    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    buffer = io.StringIO()
    with _SVG_LOCK, mpl.rc_context({"svg.hashsalt": title, "svg.fonttype": "none"}):
        canvas = FigureCanvasSVG(figure)
        canvas.print_svg(buffer, metadata=_NO_METADATA)  # type: ignore[no-untyped-call]
    return _for_a_page(buffer.getvalue(), title)


def _for_a_page(svg: str, title: str) -> str:
    """Return the bare element, scaled to its container and coloured by the page."""
    svg = svg[svg.index("<svg") :].strip()
    svg = svg.replace("xlink:href", "href").replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "")
    # Two charts in one page must not share an id, and nothing refers to those of the groups.
    svg = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r' d="[^"]+"', _shorter_path, svg)
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable}, {colour})")
    name = re.sub(r"[<>&\"]", " ", title)
    return svg.replace("<svg", f'<svg role="img" aria-label="{name}"', 1)


def _shorter_path(match: re.Match[str]) -> str:
    """Return the path with a tenth of a pixel as its finest step: less than half the text."""
    path = " ".join(match.group().split())
    return " " + re.sub(r"-?\d+\.\d+", lambda number: f"{float(number.group()):.1f}", path.strip())
