"""A market out of a folder: CSV and Parquet files of daily or of minute bars, and their splits.

The files are read as every file of bars is (``jutsu_assets.barfiles``). What is the simulator's own:
a candle whose prices contradict each other is served as it is, since brokers send such candles;
a file is of minutes if its times are, and days are made of the regular hours of minutes where there
are no daily bars. ``splits.csv`` may name ``symbol``, ``ex_date`` and ``ratio`` of splits that happened
within the bars, which are raw then.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from jutsu_assets.barfiles.bar_file import BarFile
from jutsu_assets.barfiles.folders import SUFFIXES, bar_file, files_in, left_out_as_a_whole
from jutsu_assets.barfiles.reading import LeftOutRow, Reading
from jutsu_assets.simulator.intraday import EXCHANGE
from jutsu_assets.simulator.market import DailyBar, MarketHistory, MinuteRow, Split
from jutsu_assets.simulator.pricehistory import NEW_YORK
from jutsu_core.bars import Bar, Timeframe, from_micros, to_epoch
from jutsu_core.calendar import TradingCalendar
from jutsu_core.errors import ConfigurationError, InvalidInputError

_SPLITS = "splits.csv"
_MICROSECONDS_PER_MS = 1_000
_Days = dict[date, DailyBar]
_Minutes = dict[date, list[MinuteRow]]


class BarFolder:
    """The files of bars of a folder, as a market.

    Args:
        folder: Holds CSV (plain or ``.gz``) and Parquet files.
        reading: How to read them; times without an offset are New York's if it does not say. Its timeframe
            is not used.

    Attributes:
        history: The market.
        left_out: The rows and files that ``on_bad_row="quarantine"`` leaves out.

    Raises:
        ConfigurationError: There are no bars, or a file cannot be understood; the message names it.
    """

    def __init__(self, folder: Path, reading: Reading) -> None:
        self._reading = reading if reading.timezone else replace(reading, timezone=NEW_YORK.key)
        self._daily: dict[str, _Days] = {}
        self._minutes: dict[str, _Minutes] = {}
        self._files: dict[tuple[str, date, Timeframe], Path] = {}
        left_out: list[LeftOutRow] = []
        try:
            for path in files_in(folder, SUFFIXES):
                if path.name != _SPLITS:
                    left_out += self._read(path)
        except ConfigurationError:
            raise
        except InvalidInputError as error:
            raise ConfigurationError(str(error)) from error
        self.left_out = tuple(left_out)
        if not self._daily and not self._minutes:
            message = f"the folder {folder} must hold files of bars ({', '.join(SUFFIXES)}), holds none"
            message = f"{message}; {left_out[0].path}: {left_out[0].reason}" if left_out else message
            raise ConfigurationError(message)
        for symbol, sessions in self._minutes.items():
            known = self._daily.setdefault(symbol, {})
            for session, rows in sessions.items():
                if regular := list(_regular(session, rows)):
                    known.setdefault(session, _day_of(session, regular))
        bars = {symbol: days.values() for symbol, days in self._daily.items()}
        self.history = MarketHistory(bars, _splits(folder), self._minutes)

    def _read(self, path: Path) -> list[LeftOutRow]:
        """Take the bars of a file; return what of it was left out, perhaps the whole of it."""
        try:
            file = self._file(path)
            left_out = list(file.left_out())
        except InvalidInputError as fault:
            if self._reading.on_bad_row == "error":
                raise
            return [left_out_as_a_whole(path, fault)]
        self._take(path, file)
        return left_out

    def _file(self, path: Path) -> BarFile:
        timeframe = bar_file(path, self._reading).timeframe()
        return bar_file(path, replace(self._reading, timeframe=timeframe), is_in_folder=True)

    def _take(self, path: Path, file: BarFile) -> None:
        for symbol, bar in file.rows():
            if file.reading.timeframe is Timeframe.D1:
                session = bar.timestamp.date()
                self._claim(symbol, session, Timeframe.D1, path)
                self._daily.setdefault(symbol, {})[session] = DailyBar(session, *_values(bar))
            else:
                session = bar.timestamp.astimezone(NEW_YORK).date()
                self._claim(symbol, session, Timeframe.M1, path)
                minutes = self._minutes.setdefault(symbol, {}).setdefault(session, [])
                minutes.append(MinuteRow(to_epoch(bar.timestamp) // _MICROSECONDS_PER_MS, *_values(bar)))

    def _claim(self, symbol: str, session: date, timeframe: Timeframe, path: Path) -> None:
        """Refuse bars of one symbol and session in two files."""
        other = self._files.setdefault((symbol, session, timeframe), path)
        if other != path:
            message = (
                f"{path} must be the only file with {timeframe.value} bars of {symbol} on {session}, was beside"
                f" {other.name}; remove one of them"
            )
            raise ConfigurationError(message)


def history_from_folder(
    folder: Path, columns: Mapping[str, str] | None = None, *, reading: Reading | None = None
) -> MarketHistory:
    """Return the market in ``folder``.

    Args:
        folder: Holds CSV (plain or ``.gz``) and Parquet files.
        columns: What a file calls ``symbol``, ``time``, ``open``, ``high``, ``low``, ``close`` and
            ``volume``, where that is not what vendors usually do.
        reading: How to read them otherwise; if None, with ``broken_bars="keep"``.

    Raises:
        ConfigurationError: There are no bars, or a file cannot be understood; the message names it.
    """
    said = reading or Reading(broken_bars="keep")
    return BarFolder(folder, replace(said, columns=dict(columns)) if columns else said).history


def _values(bar: Bar) -> tuple[Decimal, Decimal, Decimal, Decimal, int]:
    opened, high, low, close = map(from_micros, bar[1:5])
    return opened, high, low, close, bar.volume


def _regular(session: date, rows: list[MinuteRow]) -> Iterator[MinuteRow]:
    """Yield the minutes of the regular hours of a session; none on a day that is no session."""
    opens, closes = _hours(session)
    return (row for row in rows if opens <= row.start < closes)


@lru_cache(maxsize=2**13)
def _hours(session: date) -> tuple[int, int]:
    calendar = TradingCalendar(EXCHANGE, session, session)
    if not calendar.sessions(session, session):
        return 0, 0
    opens, closes = (to_epoch(moment) for moment in (calendar.open(session), calendar.close(session)))
    return opens // _MICROSECONDS_PER_MS, closes // _MICROSECONDS_PER_MS


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
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [
                Split(row["symbol"].strip(), date.fromisoformat(row["ex_date"].strip()), Fraction(row["ratio"].strip()))
                for row in csv.DictReader(file)
            ]
    except (KeyError, ValueError, AttributeError, ZeroDivisionError) as error:
        message = f"{path} must have the columns symbol, ex_date and ratio, such as AAPL,2005-02-28,2: {error}"
        raise ConfigurationError(message) from error
