"""A market out of a folder: CSV and Parquet files of daily or of minute bars, and their splits.

Each file holds one symbol, named by the file (``AAPL.csv``, ``BRK%2FB.parquet``), or a column of
symbols. Whether its bars are daily or minutes is seen from their times. ``splits.csv`` may name
``symbol``, ``ex_date`` and ``ratio`` of splits that happened within the bars, which are raw then.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote

import pandas as pd

from jutsu_assets.simulator.market import DailyBar, MarketHistory, MinuteRow, Split
from jutsu_assets.simulator.pricehistory import NEW_YORK
from jutsu_core.errors import ConfigurationError

_SPLITS = "splits.csv"
_SUFFIXES = (".csv", ".csv.gz", ".parquet")
_PRICES = ("open", "high", "low", "close")
_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "symbol": ("symbol", "ticker", "name"),
        "time": ("datetime", "timestamp", "date", "time", "begins_at", "unnamed: 0", "<date>"),
        **{name: (name, f"{name}_price", f"<{name}>", f"1. {name}") for name in _PRICES},
        "volume": ("volume", "vol", "<vol>", "5. volume", "6. volume"),
    }
)
"""What vendors call the columns, in small letters."""


def history_from_folder(folder: Path, columns: Mapping[str, str] | None = None) -> MarketHistory:
    """Return the market in ``folder``.

    Args:
        folder: Holds CSV (plain or ``.gz``) and Parquet files.
        columns: What a file calls ``symbol``, ``time``, ``open``, ``high``, ``low``, ``close`` and
            ``volume``, where that is not what vendors usually do.

    Raises:
        ConfigurationError: There are no bars, or a file cannot be understood; the message names it.
    """
    daily: dict[str, dict[date, DailyBar]] = {}
    minutes: dict[str, dict[date, list[MinuteRow]]] = {}
    for path in sorted(folder.iterdir()):
        if path.name == _SPLITS or not path.name.lower().endswith(_SUFFIXES) or not path.is_file():
            continue
        for symbol, frame in _frames(path, columns or {}):
            if _is_daily(frame["time"]):
                _add_days(daily.setdefault(symbol, {}), frame, path)
            else:
                _add_minutes(minutes.setdefault(symbol, {}), frame, path)
    if not daily and not minutes:
        message = f"the folder {folder} must hold files of bars ({', '.join(_SUFFIXES)}), holds none"
        raise ConfigurationError(message)
    for symbol, sessions in minutes.items():
        known = daily.setdefault(symbol, {})
        for session, rows in sessions.items():
            known.setdefault(session, _day_of(session, rows))
    return MarketHistory({symbol: bars.values() for symbol, bars in daily.items()}, _splits(folder), minutes)


def _frames(path: Path, columns: Mapping[str, str]) -> list[tuple[str, pd.DataFrame]]:
    try:
        # Text stays text: a float would change a price.
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, dtype=str)
    except (OSError, ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        message = f"{path} must be a readable file of bars: {error}"
        raise ConfigurationError(message) from error
    if "time" not in table.columns and isinstance(table.index, pd.DatetimeIndex):
        table = table.reset_index(names="time")
    named = {str(column).strip().lower(): column for column in table.columns}
    chosen = {}
    for name, usual in _NAMES.items():
        wanted = [columns[name].lower()] if name in columns else [name, *usual]
        chosen[name] = next((named[text] for text in wanted if text in named), None)
    missing = [name for name, column in chosen.items() if column is None and name != "symbol"]
    if missing:
        message = (
            f"{path} must have columns for {', '.join(missing)}, has {', '.join(map(str, table.columns))}; rename them"
        )
        raise ConfigurationError(message)
    frame = pd.DataFrame({name: table[column] for name, column in chosen.items() if column is not None})
    clock = named.get("time") if chosen["time"] != named.get("time") else None
    text = frame["time"].astype(str) + (" " + table[clock].astype(str) if clock is not None else "")
    frame["time"] = _moments(text, path)
    frame = frame.dropna(subset=list(_PRICES)).sort_values("time")
    if chosen["symbol"] is None:
        return [(unquote(path.name.partition(".")[0]), frame)]
    return [(str(symbol), part) for symbol, part in frame.groupby("symbol")]


def _moments(text: "pd.Series[str]", path: Path) -> "pd.Series[pd.Timestamp]":
    try:
        has_offset = text.str.contains(r"\d[+-]\d\d:?\d\d$|Z$", regex=True).any()
        if has_offset:
            return pd.to_datetime(text, utc=True, format="mixed").dt.tz_convert(NEW_YORK)
        return pd.to_datetime(text, format="mixed").dt.tz_localize(NEW_YORK, ambiguous="NaT", nonexistent="NaT")
    except (ValueError, OverflowError) as error:
        message = f"{path} must hold times such as 2013-03-01 or 2013-03-01 09:30: {error}"
        raise ConfigurationError(message) from error


def _is_daily(moments: "pd.Series[pd.Timestamp]") -> bool:
    return bool((moments.dt.normalize() == moments).all())


def _add_days(known: dict[date, DailyBar], frame: pd.DataFrame, path: Path) -> None:
    for moment, *values in frame[["time", *_PRICES, "volume"]].itertuples(index=False):
        opened, high, low, close, volume = _numbers(values, moment, path)
        known[moment.date()] = DailyBar(moment.date(), opened, high, low, close, int(volume))


def _add_minutes(known: dict[date, list[MinuteRow]], frame: pd.DataFrame, path: Path) -> None:
    for moment, *values in frame[["time", *_PRICES, "volume"]].itertuples(index=False):
        opened, high, low, close, volume = _numbers(values, moment, path)
        rows = known.setdefault(moment.date(), [])
        start = int(moment.timestamp()) * 1000
        if not rows or rows[-1].start < start:  # of a repeated minute the first counts
            rows.append(MinuteRow(start, opened, high, low, close, int(volume)))


def _numbers(values: list[object], moment: pd.Timestamp, path: Path) -> list[Decimal]:
    try:
        return [Decimal(str(value)) for value in values]
    except InvalidOperation:
        message = f"{path} must hold numbers at {moment}, holds {values}"
        raise ConfigurationError(message) from None


def _day_of(session: date, rows: list[MinuteRow]) -> DailyBar:
    return DailyBar(
        session,
        rows[0].open,
        max(row.high for row in rows),
        min(row.low for row in rows),
        rows[-1].close,
        sum(row.volume for row in rows),
    )


def _splits(folder: Path) -> list[Split]:
    path = folder / _SPLITS
    if not path.is_file():
        return []
    try:
        table = pd.read_csv(path, dtype=str)[["symbol", "ex_date", "ratio"]].astype(str)
        return [
            Split(symbol, date.fromisoformat(ex_date), Fraction(ratio))
            for symbol, ex_date, ratio in table.to_numpy().tolist()
        ]
    except (KeyError, ValueError) as error:
        message = f"{path} must have the columns symbol, ex_date and ratio, such as AAPL,2005-02-28,2: {error}"
        raise ConfigurationError(message) from error
