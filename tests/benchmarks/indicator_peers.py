"""The default set of indicators beside its peers: ``python -m tests.benchmarks.indicator_peers``.

Peers take turns, symbol by symbol, and the best time of each counts, so that what else the machine does falls on
all of them or on none. Polars and polars-talib are no dependencies of Jutsu: where they are not installed, the
table says so.
"""

import argparse
import gc
import importlib
import os
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import talib

from jutsu_core.bars import bars_to_frame
from jutsu_core.indicators.catalog import compute_arrays, compute_indicators, indicator
from jutsu_core.indicators.inputs import FloatArray
from tests.benchmarks.test_calculations import inputs_of, random_bars

Columns = Mapping[str, Any]
Call = Callable[[], object]
DAYS = 5_040
NAMES = ("sma_20", "sma_50", "sma_200", "ema_12", "ema_26", "rsi_14", "upper", "lower", "macd", "signal", "atr_14")
"""What every peer computes, in one order; our set has the middle band and the histogram besides."""

SINGLES: dict[str, Callable[..., object]] = {
    "sma": talib.SMA,
    "ema": talib.EMA,
    "wma": talib.WMA,
    "rsi": talib.RSI,
    "macd": talib.MACD,
    "bollinger_bands": talib.BBANDS,
    "atr": talib.ATR,
    "adx": talib.ADX,
    "roc": talib.ROC,
    "cci": talib.CCI,
    "williams_r": talib.WILLR,
    "stochastic": talib.STOCH,
    "mfi": talib.MFI,
    "obv": talib.OBV,
    "parabolic_sar": talib.SAR,
    "kama": talib.KAMA,
}


def by_talib(inputs: Columns) -> list[Any]:
    """Return the bare loop's columns, nothing checked."""
    high, low, close = inputs["high"], inputs["low"], inputs["close"]
    averages = [talib.SMA(close, period) for period in (20, 50, 200)] + [talib.EMA(close, p) for p in (12, 26)]
    upper, _, lower = talib.BBANDS(close, 20)
    line, signal, _ = talib.MACD(close)
    return [*averages, talib.RSI(close, 14), upper, lower, line, signal, talib.ATR(high, low, close, 14)]


def by_pandas(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the columns, as pandas' own averages have them."""
    close, high, low = frame["close"], frame["high"], frame["low"]
    change, previous = close.diff(), close.shift()
    fast, slow = close.ewm(span=12, adjust=False).mean(), close.ewm(span=26, adjust=False).mean()
    middle, deviation = close.rolling(20).mean(), close.rolling(20).std(ddof=0)
    gain = change.clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
    loss = (-change).clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
    ranges = pd.concat([high - low, (high - previous).abs(), (low - previous).abs()], axis=1).max(axis=1)
    columns = [
        *(close.rolling(period).mean() for period in (20, 50, 200)),
        fast,
        slow,
        100 - 100 / (1 + gain / loss),
        middle + 2 * deviation,
        middle - 2 * deviation,
        fast - slow,
        (fast - slow).ewm(span=9, adjust=False).mean(),
        ranges.ewm(alpha=1 / 14, adjust=False).mean(),
    ]
    return frame.assign(**dict(zip(NAMES, columns, strict=True)))


def by_polars(polars: Any) -> Callable[[Any], Any]:
    """Return what computes the columns with Polars' expressions."""
    close, high, low = (polars.col(name) for name in ("close", "high", "low"))
    change, previous = close.diff(), close.shift()
    fast, slow = close.ewm_mean(span=12, adjust=False), close.ewm_mean(span=26, adjust=False)
    middle, deviation = close.rolling_mean(20), close.rolling_std(20, ddof=0)
    gain, loss = (moved.clip(lower_bound=0).ewm_mean(alpha=1 / 14, adjust=False) for moved in (change, change * -1.0))
    ranges = polars.max_horizontal(high - low, (high - previous).abs(), (low - previous).abs())
    expressions = [
        *(close.rolling_mean(period) for period in (20, 50, 200)),
        fast,
        slow,
        100 - 100 / (1 + gain / loss),
        middle + 2 * deviation,
        middle - 2 * deviation,
        fast - slow,
        (fast - slow).ewm_mean(span=9, adjust=False),
        ranges.ewm_mean(alpha=1 / 14, adjust=False),
    ]
    named = [expression.alias(name) for name, expression in zip(NAMES, expressions, strict=True)]
    return lambda frame: frame.with_columns(named)


def by_polars_talib(polars: Any, kernels: Any) -> Callable[[Any], Any]:
    """Return what computes the columns with TA-Lib inside Polars."""
    close = polars.col("close")
    bands, lines = kernels.bbands(close, timeperiod=20), kernels.macd(close)
    expressions = [
        *(kernels.sma(close, timeperiod=period) for period in (20, 50, 200)),
        *(kernels.ema(close, timeperiod=period) for period in (12, 26)),
        kernels.rsi(close, timeperiod=14),
        bands.struct.field("upperband"),
        bands.struct.field("lowerband"),
        lines.struct.field("macd"),
        lines.struct.field("macdsignal"),
        kernels.atr(polars.col("high"), polars.col("low"), close, timeperiod=14),
    ]
    named = [expression.alias(name) for name, expression in zip(NAMES, expressions, strict=True)]
    return lambda frame: frame.with_columns(named)


def runs(symbols: int, days: int) -> tuple[dict[str, list[Call]], list[str]]:
    """Return by name the calls that compute the set, one a symbol, and which peers are not installed."""
    histories = [random_bars(days, seed=seed) for seed in range(symbols)]
    frames = [bars_to_frame(f"S{place}", bars) for place, bars in enumerate(histories)]
    arrays = [inputs_of(bars) for bars in histories]

    def over(what: Callable[[Any], object], given: Sequence[object]) -> list[Call]:
        return [partial(what, one) for one in given]

    found = {
        "TA-Lib, a bare loop on arrays": over(by_talib, arrays),
        "Jutsu on arrays (`compute_arrays`)": over(compute_arrays, arrays),
        "Jutsu, frames in and out (`compute_indicators`)": over(compute_indicators, frames),
        "pandas": over(by_pandas, frames),
    }
    try:
        polars = importlib.import_module("polars")
    except ModuleNotFoundError:
        return found, ["Polars", "polars-talib"]
    tables = [polars.DataFrame(columns) for columns in arrays]
    found["Polars"] = over(by_polars(polars), tables)
    try:
        kernels = importlib.import_module("polars_talib")
    except ModuleNotFoundError:
        return found, ["polars-talib"]
    found["polars-talib"] = over(by_polars_talib(polars, kernels), tables)
    return found, []


def best_seconds(calls: Mapping[str, Sequence[Call]], rounds: int) -> dict[str, float]:
    """Return by name what the calls take together, each in its best round."""
    best = {name: [float("inf")] * len(those) for name, those in calls.items()}
    gc.collect()
    for _ in range(rounds):
        for place in range(len(next(iter(calls.values())))):
            for name, those in calls.items():
                began = time.perf_counter()
                kept = those[place]()
                best[name][place] = min(best[name][place], time.perf_counter() - began)
                del kept
    return {name: sum(times) for name, times in best.items()}


def single_calls(rows: int) -> dict[str, tuple[Call, Call]]:
    """Return, for each indicator that TA-Lib has, our function over ``rows`` bars and TA-Lib's."""
    inputs = inputs_of(random_bars(rows))
    found: dict[str, tuple[Call, Call]] = {}
    for name, kernel in SINGLES.items():
        spec = indicator(name, **({"period": 20} if name in {"sma", "ema"} else {}))
        series: list[FloatArray] = [inputs[one] for one in spec.definition.inputs]
        found[name] = partial(spec.definition.function, *series, **spec.parameters), partial(kernel, *series)
    return found


def peak_over_result(rows: int) -> float:
    """Return how much of the results' own size ``compute_arrays`` takes at most."""
    inputs = inputs_of(random_bars(rows))
    compute_arrays(inputs)
    tracemalloc.start()
    results = compute_arrays(inputs)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / sum(column.nbytes for column in results.values())


def table(symbols: int, days: int, rounds: int) -> list[str]:
    """Return the report, in Markdown."""
    measured, missing = runs(symbols, days)
    seconds = best_seconds(measured, rounds)
    bare = next(iter(seconds.values()))
    lines = [
        f"| the default set over {symbols} times {days:,} bars | ms | times TA-Lib's loop |",
        "| --- | --- | --- |",
    ]
    lines += [f"| {name} | {took * 1e3:,.1f} | {took / bare:.2f} |" for name, took in seconds.items()]
    lines += [f"| {name} | not installed | |" for name in missing]
    lines += ["", "| one indicator of 1,000 bars | µs | TA-Lib's own call, µs | more |", "| --- | --- | --- | --- |"]
    for name, (ours, kernel) in single_calls(1_000).items():
        took = best_seconds({"ours": [ours], "kernel": [kernel]}, rounds * 100)
        own, other = took["ours"] * 1e6, took["kernel"] * 1e6
        lines.append(f"| `{name}` | {own:.0f} | {other:.0f} | {own - other:.0f} |")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    peak = peak_over_result(days)
    return [*lines, "", f"Peak memory on arrays: {peak:.2f} times the results. Load of the machine: {load:.1f}."]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args()
    sys.stdout.write("\n".join(table(chosen.symbols, DAYS, chosen.rounds)) + "\n")


if __name__ == "__main__":
    main()
