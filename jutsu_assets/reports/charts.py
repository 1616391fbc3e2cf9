"""Charts of run metadata as small PNGs; the sparkline takes their place.

Figures are drawn with matplotlib's object-oriented interface, so nothing is shared between threads. Matplotlib
is imported when the first chart is drawn: it costs half a second that a process which draws nothing should not pay.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jutsu_core.errors import InvalidInputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 100
_LINE, _SECOND, _THIRD = "#2563eb", "#d97706", "#7c3aed"
_LOSS, _GRID, _INK = "#c2410c", "#d8dee8", "#55617a"
_COLOURS = 48
_SMALL_MARGINS = {"left": 0.1, "right": 0.985, "top": 0.89, "bottom": 0.13}
_TALL_MARGINS = {"left": 0.1, "right": 0.985, "top": 0.93, "bottom": 0.09, "hspace": 0.22}


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


def _naive_utc(index: pd.DatetimeIndex) -> Any:  # noqa: ANN401 - matplotlib takes any array
    utc = index if index.tz is None else index.tz_convert("UTC").tz_localize(None)
    return utc.to_numpy()


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
