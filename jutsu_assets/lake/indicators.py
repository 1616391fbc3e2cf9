"""Reading indicators by symbol, name and date: from the current files, or computed of the bars as they were.

A file is asked for the columns that are wanted alone, and no file is opened but those of the symbols.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jutsu_assets.clock import SystemClock
from jutsu_assets.indicator_sets import made_by
from jutsu_assets.lake.names import INDICATORS, path_of
from jutsu_assets.lake.tables import made_by_in
from jutsu_assets.lake.verification import listed, sound_files
from jutsu_assets.settings import Settings
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.engine import Database
from jutsu_assets.store.existing import nothing_stored, shown_database
from jutsu_assets.store.handlers import DatabaseDataHandler
from jutsu_assets.store.manifest import SeriesFile, SeriesManifest
from jutsu_assets.universe import Universe, load_universe
from jutsu_core.arguments import refuse, require_items, shown
from jutsu_core.bars import BAR_COLUMNS, MICROS_PER_UNIT, PRICE_COLUMNS, Timeframe
from jutsu_core.bounds import Bound
from jutsu_core.calendar import exchange_zone
from jutsu_core.errors import ConfigurationError, StoreUnavailableError
from jutsu_core.indicators.catalog import IndicatorSpec, compute_indicators
from jutsu_core.ports import checked_symbols, checked_window, never_stored

Into = Literal["pandas", "arrow", "polars"]
"""What a table is returned as."""

_KEY = BAR_COLUMNS[:2]
_READERS = 4
_D1 = Timeframe.D1


def read_indicators(
    settings: Settings,
    symbols: str | Sequence[str] | None,
    names: str | Sequence[str] | None,
    window: tuple[Bound, Bound],
    *,
    as_of: datetime | None,
    into: Into,
    warn: Callable[[str], object],
) -> Any:  # noqa: ANN401 - a frame of one of three libraries
    """Return what :func:`jutsu_assets.lake.get_indicators` does, of the lake that ``settings`` name.

    Args:
        settings: Where store and lake are, and which indicators are chosen.
        symbols: Which symbols.
        names: Which columns.
        window: The two bounds.
        as_of: When what is read was known.
        into: What is returned.
        warn: Is told which symbols are left out, and why.
    """
    finished = _finisher(into)
    wanted = None if symbols is None else checked_symbols(symbols)
    universe = load_universe(settings.universe_path)
    columns = _columns(names, universe.daily_indicators)
    zone = exchange_zone(universe.calendar, SystemClock().now().year).key
    start, end = checked_window(*window, _D1, exchange_zone=zone)
    if as_of is None:
        identities = made_by(universe.daily_indicators, universe.benchmark_symbol)
        pieces = _of_files(settings, wanted, {name: identities.get(name) for name in columns}, warn)
    else:
        pieces = _as_known(settings, wanted, columns, universe, as_of)
    schema = pa.schema({name: _type_of(name) for name in columns})
    inside = [_between(piece.select(columns).cast(schema), start, end) for piece in pieces]
    return finished(pa.concat_tables([schema.empty_table(), *inside]))


def _columns(names: str | Sequence[str] | None, chosen: Sequence[IndicatorSpec]) -> list[str]:
    """Return the columns that ``names`` mean, each once, after symbol and time."""
    # By name alone: how long a column warms up is asked of TA-Lib, which takes longer to load than a file to read.
    every = [*BAR_COLUMNS, *(column for spec in chosen for column in spec.column_names)]
    means = {name: [name] for name in every}
    for spec in chosen:
        if spec.name not in every:
            means.setdefault(spec.name, []).extend(spec.column_names)
    if names is None:
        return every
    asked = require_items("names", [names] if isinstance(names, str) else names, str, "a text such as 'rsi_14'")
    for name in asked:
        if name not in means:
            near = get_close_matches(name.strip().lower(), means, 3) or list(means)[len(BAR_COLUMNS) :]
            remedy = (
                f"choose it in the universe file (indicator_sets) and materialize {INDICATORS},"
                " or ask for one that there is"
            )
            must_be = f"among the columns and indicators of the chosen set, such as {', '.join(near)}"
            refuse("names", must_be, shown(name), remedy)
    return list(dict.fromkeys([*_KEY, *(column for name in asked for column in means[name])]))


def _of_files(
    settings: Settings,
    symbols: Sequence[str] | None,
    columns: Mapping[str, str | None],
    warn: Callable[[str], object],
) -> list[pa.Table]:
    """Return the series of ``symbols`` from their files: ``columns``, and what identifies how each was to be made.

    A file that does not have them costs its own symbol where all are asked for; who names it is told why.
    """
    is_named = symbols is not None
    with shown_database(settings) as database:
        every = SeriesManifest(database, SystemClock()).all_current()
        current = {file.partition_key: file for file in every if file.asset == INDICATORS}
        if symbols is None or not current:
            symbols = list(current) if current else _with_bars(settings, database, symbols)
        if missing := [symbol for symbol in symbols if symbol not in current]:
            raise never_stored(
                missing, current, "stored indicators", str(settings.lake_path), f"materialize {INDICATORS}"
            )
    root = settings.lake_path
    files = sound_files(root, [current[symbol] for symbol in symbols], warn)
    with ThreadPoolExecutor(_READERS) as pool:
        found = list(pool.map(lambda file: _read(root, file, columns), files))
    unfit: dict[_Unfit, list[str]] = {}
    for file, one in zip(files, found, strict=True):
        if isinstance(one, _Unfit):
            unfit.setdefault(one, []).append(file.partition_key)
    tables = [one for one in found if not isinstance(one, _Unfit)]
    if unfit:
        message = "; ".join(reason.of(f"{INDICATORS} of {listed(those)}") for reason, those in unfit.items())
        if is_named or not tables:
            raise StoreUnavailableError(message)
        warn(f"left out: {message}")
    return tables


def _with_bars(settings: Settings, database: Database, symbols: Sequence[str] | None) -> Sequence[str]:
    """Return ``symbols``, or all that have bars, where none has indicators.

    Raises:
        NoDataError: There are no bars either.
    """
    held = SqlBarStore(database, settings.source, SystemClock()).content_hashes(_D1)
    if not held:
        raise nothing_stored(settings, database)
    return list(held) if symbols is None else symbols


class _Unfit(NamedTuple):
    """Why a file cannot give what is asked for: what it must be or have, why it is not so, and what to do first."""

    must: str
    because: str
    first: str = ""

    def of(self, subject: str) -> str:
        """Return the sentence that says so of ``subject``."""
        return f"{subject} must {self.must}, {self.because}; {self.first}materialize {subject} again"


def _read(root: Path, file: SeriesFile, columns: Mapping[str, str | None]) -> pa.Table | _Unfit:
    path = path_of(root, file)
    try:
        # The files are read side by side; threads within one would only be in each other's way.
        opened = pq.ParquetFile(path, pre_buffer=False)
        if lacking := [name for name in columns if name not in opened.schema_arrow.names]:
            return _Unfit(f"have {', '.join(lacking)}", "was made when another set was chosen")
        said = made_by_in(opened.schema_arrow)
        if others := [name for name, identity in columns.items() if said.get(name, identity) != identity]:
            return _Unfit(
                f"have {', '.join(others)} as the universe file says",
                "was made by another definition or beside another benchmark",
            )
        # The symbol of every row is the key, and need not be read.
        table = opened.read(columns=[*columns][1:], use_threads=False)
    except (pa.ArrowException, OSError) as error:
        return _Unfit("be readable", f"the file {path} is not: {error}", "delete it, and ")
    symbols = pa.repeat(pa.scalar(file.partition_key, pa.string()), table.num_rows)
    return _with_floats(table).add_column(0, _KEY[0], symbols)


def _with_floats(table: pa.Table) -> pa.Table:
    """Return ``table`` with prices as the nearest floats: Arrow's own cast is off by one digit at the end."""
    for place, name in enumerate(table.column_names):
        if name in PRICE_COLUMNS:
            prices = table.column(place).combine_chunks()
            micros = np.frombuffer(prices.buffers()[1] or b"", dtype=np.int64)[prices.offset :][: len(prices)]
            table = table.set_column(place, name, pa.array(micros / MICROS_PER_UNIT))
    return table


def _as_known(
    settings: Settings,
    symbols: Sequence[str] | None,
    columns: Sequence[str],
    universe: Universe,
    as_of: datetime,
) -> list[pa.Table]:
    """Return the series of ``symbols``, computed of the bars as they were known then."""
    specs = [spec for spec in universe.daily_indicators if not set(spec.column_names).isdisjoint(columns)]
    with shown_database(settings):
        pass  # which says what to do where there is nothing
    with DatabaseDataHandler(
        settings.database_url, as_of=as_of, read_url=settings.read_url, connections=settings.connections
    ) as bars:
        frames = [bars.get_frame(symbol) for symbol in (bars.symbols().index if symbols is None else symbols)]
        # Of one that had no bar yet, none: what compares with it is missing then.
        beside = (
            bars.get_frame(str(universe.benchmark_symbol), missing="skip").set_index("timestamp")["close"]
            if any(spec.definition.compares for spec in specs)
            else None
        )
    tables = []
    for frame in frames:
        computed = (
            frame
            if frame.empty
            else compute_indicators(frame, specs, benchmark=beside, allow_benchmark_gaps=True, allow_no_volume=True)
        )
        table = pa.Table.from_pandas(computed.reindex(columns=list(columns)), preserve_index=False)
        tables.append(table.replace_schema_metadata(None))
    return tables


def _finisher(into: Into) -> Callable[[pa.Table], Any]:
    """Return what makes of a table what is to be returned."""
    if into == "pandas":
        return lambda table: table.to_pandas()
    if into == "arrow":
        return lambda table: table
    if into != "polars":
        refuse("into", "'pandas', 'arrow' or 'polars'", shown(into))
    try:
        finished: Callable[[pa.Table], Any] = importlib.import_module("polars").from_arrow
    except ImportError:
        message = (
            "Polars must be installed for into='polars', is not; install it: pip install polars, or leave into out"
        )
        raise ConfigurationError(message) from None
    return finished


def _type_of(column: str) -> pa.DataType:
    kinds = {"symbol": pa.string(), "timestamp": pa.timestamp("us", tz="UTC"), "volume": pa.int64()}
    return kinds.get(column, pa.float64())


def _between(table: pa.Table, start: datetime, end: datetime) -> pa.Table:
    if not table.num_rows:
        return table
    stamps = table["timestamp"].to_numpy().astype("datetime64[us]")
    first, after = np.searchsorted(stamps, np.array([start.replace(tzinfo=None), end.replace(tzinfo=None)], "M8[us]"))
    return table.slice(first, after - first)
