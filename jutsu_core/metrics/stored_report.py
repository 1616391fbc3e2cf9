"""A report with all that it was made of, so that anybody can derive it again and see what differs.

The data are what JSON can hold: amounts that were ``Decimal`` are texts, those that were floats are numbers, so
that both come back as they were. The same input gives the same bytes.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import pandas as pd

from jutsu_core.arguments import refuse, shown
from jutsu_core.events import FillEvent
from jutsu_core.metrics.analyzer import PerformanceAnalyzer
from jutsu_core.metrics.market import checked_bars
from jutsu_core.metrics.series import checked_stamps
from jutsu_core.metrics.trades import checked_fills

KIND = "jutsu portfolio report"

_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "periods_per_year": int,
    "risk_free_rate": (int, float),
    "annualize_partial_years": bool,
    "exchange_zone": str,
    "accept_other_periods": bool,
    "flows_at": str,
    "matching": str,
}
_AMOUNTS = ("quantity", "fill_price", "commission", "slippage")
_PRICES = ("high", "low", "close")
_ROW_KEYS = ("timestamp", "total_value", "cash_flow", "cash", "positions")


class Difference(NamedTuple):
    """A figure that is not what is derived.

    Attributes:
        place: The keys that lead to it, with points between.
        told: What the report says; ``None`` where it says nothing.
        derived: What comes out of the data.
    """

    place: str
    told: Any
    derived: Any


def stored_report(
    trades: list[FillEvent],
    portfolio_history: list[dict[str, Any]],
    *,
    options: Mapping[str, Any] | None = None,
    benchmark: "pd.Series[float] | None" = None,
    bars: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Return the report of a portfolio under ``report``, and under ``given`` all that it was made of.

    Args:
        trades: Fills, oldest first.
        portfolio_history: One row a period, as ``PerformanceAnalyzer.calculate_metrics`` takes it; what it does
            not look at is left out.
        options: Arguments of :class:`~jutsu_core.metrics.analyzer.PerformanceAnalyzer` that are single values.
        benchmark: Values of a benchmark by aware times.
        bars: Bars of the symbols, as the analyzer takes them.

    Raises:
        InvalidInputError: The analyzer refuses them, or an option is none of those.

    Examples:
        >>> from datetime import UTC
        >>> history = [{"timestamp": datetime(2013, 3, day, tzinfo=UTC), "total_value": Decimal(day)} for day in (1, 2)]
        >>> differences(stored_report([], history))
        []
    """
    if options is not None and not isinstance(options, Mapping):
        refuse("options", "arguments of the analyzer by name", shown(options))
    chosen = dict(options or {})
    report = _analyzer(chosen, benchmark, bars).calculate_metrics(trades, portfolio_history)
    return {
        "kind": KIND,
        "given": {
            "options": chosen,
            "benchmark": None if benchmark is None else _series(benchmark),
            "bars": None if bars is None else _bars(bars),
            "trades": [_fill(fill) for fill in trades],
            "portfolio_history": [
                {key: _plain(row[key]) for key in _ROW_KEYS if row.get(key) is not None} for row in portfolio_history
            ],
        },
        "report": report,
    }


def as_bytes(stored: Mapping[str, Any]) -> bytes:
    """Return a stored report as a file holds it: the same report gives the same bytes.

    Raises:
        InvalidInputError: It holds what JSON cannot.
    """
    try:
        return (json.dumps(stored, allow_nan=False, sort_keys=True, separators=(",", ":")) + "\n").encode()
    except (TypeError, ValueError) as error:
        return refuse("stored", "what JSON can hold", str(error))


def differences(stored: object) -> list[Difference]:
    """Derive a stored report again from what it was made of, and return what differs, in the report's order.

    Numbers are compared to the last bit.

    Raises:
        InvalidInputError: ``stored`` is no stored report, or what it was made of is refused.
    """
    if not isinstance(stored, Mapping) or stored.get("kind") != KIND:
        refuse("stored", f"a report of the kind {KIND!r}, with what it was made of", shown(stored), "see its asset")
    given, told = (_mapping(stored, key) for key in ("given", "report"))
    options = _mapping(given, "options")
    fills = [_fill_of(item, row) for row, item in enumerate(_list(given, "trades"))]
    history = [_row_of(item, row) for row, item in enumerate(_list(given, "portfolio_history"))]
    analyzer = _analyzer(options, _benchmark_of(given.get("benchmark")), _bars_of(given.get("bars")))
    derived = analyzer.calculate_metrics(fills, history)
    return list(_differing(told, json.loads(json.dumps(derived)), ""))


def _analyzer(
    options: Mapping[str, Any], benchmark: "pd.Series[float] | None", bars: pd.DataFrame | None
) -> PerformanceAnalyzer:
    for name, value in options.items():
        kinds = _KINDS.get(name)
        if kinds is None:
            refuse("options", f"of {', '.join(_KINDS)}", repr(name))
        if not isinstance(value, kinds):
            refuse(f"option {name}", "what the analyzer takes", shown(value))
    return PerformanceAnalyzer(**options, benchmark=benchmark, bars=bars)


def _series(series: "pd.Series[float]") -> dict[str, Any]:
    stamps = checked_stamps("benchmark", series)
    name = None if series.name is None else str(series.name)
    return {"name": name, "times": stamps.tolist(), "values": [float(value) for value in series]}


def _benchmark_of(told: object) -> "pd.Series[float] | None":
    if told is None:
        return None
    found = told if isinstance(told, Mapping) else {}
    times, values = _list(found, "times"), _list(found, "values")
    try:
        return pd.Series(values, index=_times(times), name=found.get("name"), dtype="float64")
    except (TypeError, ValueError, OverflowError) as error:
        return refuse("benchmark of the stored report", "times and as many numbers", str(error))


def _bars(bars: pd.DataFrame) -> dict[str, Any]:
    return {
        symbol: {
            "times": arrays.stamps.tolist(),
            **{name: getattr(arrays, name).tolist() for name in _PRICES},
        }
        for symbol, arrays in checked_bars(bars).items()
    }


def _bars_of(told: object) -> pd.DataFrame | None:
    if told is None:
        return None
    frames = [pd.DataFrame(columns=["symbol", "timestamp", *_PRICES])]
    for symbol, of_symbol in told.items() if isinstance(told, Mapping) else [("bars", told)]:
        found = of_symbol if isinstance(of_symbol, Mapping) else {}
        times, prices = _list(found, "times"), {name: _list(found, name) for name in _PRICES}
        try:
            frame = pd.DataFrame({"symbol": symbol, "timestamp": _times(times), **prices})
            frames.append(frame.astype(dict.fromkeys(_PRICES, "float64")))
        except (TypeError, ValueError, OverflowError) as error:
            refuse(f"bars of {symbol} of the stored report", "times and as many prices", str(error))
    return pd.concat(frames[1:] or frames, ignore_index=True)


def _times(times: Sequence[Any]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(pd.Index(times, dtype="int64").to_numpy().astype("datetime64[us]"), tz="UTC")


def _fill(fill: FillEvent) -> dict[str, Any]:
    amounts = {name: _plain(getattr(fill, name)) for name in _AMOUNTS}
    return {"symbol": fill.symbol, "timestamp": fill.timestamp.isoformat(), "direction": fill.direction, **amounts}


def _fill_of(item: object, row: int) -> FillEvent:
    what = f"trade {row} of the stored report"
    found = item if isinstance(item, Mapping) else {}
    try:
        fill = FillEvent(
            symbol=found["symbol"],
            timestamp=datetime.fromisoformat(found["timestamp"]),
            direction=found["direction"],
            **{name: Decimal(found[name]) for name in _AMOUNTS},
        )
    except (KeyError, TypeError, InvalidOperation, ValueError) as error:
        return refuse(what, "a fill, its amounts as texts", f"{shown(item)} ({error})")
    return checked_fills(what, [fill])[0]


def _row_of(item: object, row: int) -> dict[str, Any]:
    what = f"row {row} of the stored history"
    if not isinstance(item, Mapping):
        refuse(what, "a group of keys", shown(item))
    try:
        found = {key: _amount_of(value) for key, value in item.items() if key != "timestamp"}
        return {"timestamp": datetime.fromisoformat(item["timestamp"]), **found}
    except (KeyError, TypeError, InvalidOperation, ValueError) as error:
        return refuse(what, "a time as ISO text, and amounts as texts or numbers", f"{shown(item)} ({error})")


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a row of a history holds
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value if isinstance(value, int | float) else float(value)


def _amount_of(value: Any) -> Any:  # noqa: ANN401 - whatever a row of a history holds
    if isinstance(value, str):
        return Decimal(value)
    if isinstance(value, Mapping):
        return {key: _amount_of(item) for key, item in value.items()}
    return value


def _mapping(told: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = told.get(key)
    if not isinstance(found, Mapping):
        refuse(f"{key!r} of the stored report", "a group of keys", shown(found))
    return found


def _list(told: Mapping[str, Any], key: str) -> Sequence[Any]:
    found = told.get(key)
    if not isinstance(found, list):
        refuse(f"{key!r} of the stored report", "a list", shown(found))
    return found


def _differing(told: object, derived: object, place: str) -> Iterator[Difference]:
    if isinstance(told, Mapping) and isinstance(derived, Mapping):
        for key in [*told, *(key for key in derived if key not in told)]:
            yield from _differing(told.get(key), derived.get(key), f"{place}.{key}" if place else str(key))
    elif isinstance(told, list) and isinstance(derived, list):
        for row in range(max(len(told), len(derived))):
            one, other = (series[row] if row < len(series) else None for series in (told, derived))
            yield from _differing(one, other, f"{place}.{row}")
    elif not _is_same(told, derived):
        yield Difference(place, told, derived)


def _is_same(told: object, derived: object) -> bool:
    if isinstance(told, bool) or isinstance(derived, bool):
        return told is derived
    if isinstance(told, int | float) and isinstance(derived, int | float):
        return told == derived or (math.isnan(told) and math.isnan(derived))
    return told == derived


def places(found: Iterable[Difference], most: int) -> list[str]:
    """Return the first ``most`` differences in words.

    Examples:
        >>> places([Difference("cagr", 0.1, 0.2)], 5)
        ['cagr: the report says 0.1, its data give 0.2']
    """
    listed = list(found)
    lines = [f"{place}: the report says {told!r}, its data give {derived!r}" for place, told, derived in listed[:most]]
    return lines + ([f"and {len(listed) - most:,} more"] if len(listed) > most else [])
