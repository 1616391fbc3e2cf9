"""``backtests``: what each strategy file would have traded, kept as fills and a history in the lake."""

import hashlib
import json
import time
import warnings
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from jutsu_assets.graph.assets.bars import DAILY_BARS
from jutsu_assets.graph.assets.making import make_each
from jutsu_assets.graph.automation import follows_its_inputs
from jutsu_assets.graph.partitions import GROUP, OWNERS, requested_partitions
from jutsu_assets.graph.recording import Made, Recorder
from jutsu_assets.lake.files import Lake
from jutsu_assets.portfolios.strategy_file import StrategyFile, load_strategy_file
from jutsu_assets.reports.sparkline import markdown_image, sparkline_svg
from jutsu_assets.store.manifest import SeriesFile
from jutsu_assets.store.market import MarketDatabase
from jutsu_assets.universe import Universe
from jutsu_core.backtest.loop import BacktestResult, EventLoop
from jutsu_core.backtest.window import Window
from jutsu_core.bars import Timeframe, session_timestamp
from jutsu_core.errors import ConfigurationError, JutsuError, NoDataError
from jutsu_core.ports import BEGINNING, END_OF_TIME

BACKTESTS = "backtests"
FILLS, HISTORY = "backtest_fills", "backtest_history"
"""The views of the lake that hold them."""
CODE_VERSION = "1"
"""Raise it when the event loop fills otherwise: backtests are run again where it differs."""


def build_backtests(
    universe: Universe, files: Mapping[str, Path], partitions: dg.PartitionsDefinition[str]
) -> dg.AssetsDefinition:
    """Return the asset ``backtests``, partitioned by strategy file."""
    traded = {name: _traded_symbols(path, universe) for name, path in files.items()}
    mapping = dg.StaticPartitionMapping(
        {
            symbol: names
            for symbol in universe.symbols
            if (names := [name for name, symbols in traded.items() if symbol in symbols])
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)

        @dg.multi_asset(
            name=BACKTESTS,
            specs=[
                dg.AssetSpec(
                    BACKTESTS,
                    deps=[dg.AssetDep(DAILY_BARS, partition_mapping=mapping)],
                    kinds={"python", "parquet"},
                    code_version=CODE_VERSION,
                    partitions_def=partitions,
                    owners=list(OWNERS),
                    group_name=GROUP,
                    automation_condition=follows_its_inputs(BACKTESTS),
                    description=(
                        "What each file in the folder strategies would have traded over the stored daily bars: fills"
                        f" and a portfolio history, in the lake as {FILLS} and {HISTORY}. Run again only when a bar,"
                        " the file or the strategy's code changed."
                    ),
                )
            ],
            can_subset=True,  # so that Dagster records nothing of its own beside what is recorded here
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def backtests(
            context: dg.AssetExecutionContext,
            database: dg.ResourceParam[MarketDatabase],
            lake: dg.ResourceParam[Lake],
        ) -> Iterator[dg.AssetCheckResult]:
            names = requested_partitions(context)
            recorder = Recorder(context, names, lambda _, name: sorted(traded[name]))
            make_each(context, recorder, database, names, {BACKTESTS: BacktestUpdate(files, database, lake)})
            yield from ()  # every event is written by itself

    return backtests


def _traded_symbols(path: Path, universe: Universe) -> set[str]:
    """Return the followed symbols that a strategy file names; none of one that is wrong, which its run will say."""
    try:
        return set(load_strategy_file(path).symbols) & set(universe.symbols)
    except ConfigurationError:
        return set()


class BacktestUpdate:
    """Brings one backtest after another up to its bars, its file and its strategy.

    Args:
        files: Strategy files by name.
        database: What bars are read from.
        lake: Where fills and histories are kept.
    """

    def __init__(self, files: Mapping[str, Path], database: MarketDatabase, lake: Lake) -> None:
        self._files, self._database, self._lake = files, database, lake

    def make(self, name: str) -> Made:
        """Run the backtest ``name``, unless its stored fills and history were made of the same and are whole.

        Raises:
            ConfigurationError: Its file or its strategy is wrong.
            NoDataError: A symbol that it trades has no stored bars.
            StoreError: The lake could not be written; what was there is kept.
        """
        file = load_strategy_file(self._files[name])
        loaded = file.load()
        input_hash = self._identity(file, loaded.fingerprint)
        began = time.perf_counter()
        standing = [self._lake.standing(asset, name, input_hash).file for asset in (FILLS, HISTORY)]
        metadata: dict[str, Any] = {"was_rewritten": None in standing, "source": self._database.source}
        if None not in standing:
            kept = [one for one in standing if one is not None]
            return Made(_version(kept), metadata, f"{kept[0].rows:,} fills, unchanged", is_changed=False)
        for symbol in file.symbols:
            self._database.bars.refuse_untrue(symbol, Timeframe.D1)
        window = Window(
            self._database,
            file.symbols,
            BEGINNING if file.first is None else session_timestamp(file.first),
            END_OF_TIME if file.last is None else session_timestamp(file.last) + timedelta(days=1),
        )
        loop = EventLoop(
            window,
            loaded.strategy,
            cash=file.cash,
            costs=file.costs,
            lot=file.lot,
            allows_short=file.allows_short,
        )
        result = _run(file, loop)
        frames = {FILLS: fills_frame(name, result), HISTORY: history_frame(name, result)}
        written = [self._lake.publish(asset, name, frame, input_hash=input_hash) for asset, frame in frames.items()]
        metadata |= _told(name, file, result) | {"compute_seconds": round(time.perf_counter() - began, 3)}
        return Made(_version(written), metadata, f"{len(result.fills):,} fills, written", is_changed=True)

    def _identity(self, file: StrategyFile, fingerprint: str) -> str:
        versions = {}
        for symbol in file.symbols:
            version = self._database.bars.version(symbol, Timeframe.D1)
            if version is None:
                message = (
                    f"symbol {symbol!r} of the strategy file {file.path} must have stored daily bars, has none; add it"
                    " to the universe and materialize daily_bars for it, or take it out of the strategy, or take the"
                    " file away"
                )
                raise NoDataError(message)
            versions[symbol] = version.content_hash
        said = {name: str(getattr(file, name)) for name in ("strategy", "symbols", "cash", "lot", "first", "last")}
        said |= {"costs": repr(file.costs), "short": str(file.allows_short), "code": fingerprint}
        parameters = {key: repr(value) for key, value in file.parameters.items()}
        content = json.dumps([said, parameters, versions, CODE_VERSION], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def _run(file: StrategyFile, loop: EventLoop) -> BacktestResult:
    try:
        return loop.run()
    except JutsuError:
        raise
    except Exception as error:
        # A strategy of the user's own may raise anything; the others go on.
        message = (
            f"strategy file {file.path}: the strategy {file.strategy} must decide without an error, but it raised"
            f" {type(error).__name__}: {error}; mend it and run it again"
        )
        raise ConfigurationError(message) from error


def _version(files: list[SeriesFile]) -> str:
    return hashlib.sha256("".join(file.content_hash for file in files).encode()).hexdigest()


def fills_frame(name: str, result: BacktestResult) -> pd.DataFrame:
    """Return the fills of a backtest as the lake keeps them, one row a fill."""
    columns = ("symbol", "timestamp", "direction", "quantity", "fill_price", "commission", "slippage")
    found = {column: [getattr(fill, column) for fill in result.fills] for column in columns}
    return _with_times(name, found)


def history_frame(name: str, result: BacktestResult) -> pd.DataFrame:
    """Return the history of a backtest as the lake keeps it: positions as JSON, quantities by symbol as texts."""
    found: dict[str, list[Any]] = {
        key: [row[key] for row in result.history] for key in ("timestamp", "total_value", "cash")
    }
    found["positions"] = [
        json.dumps({symbol: _plain(held) for symbol, held in row["positions"].items()}, sort_keys=True)
        for row in result.history
    ]
    return _with_times(name, found)


def _with_times(name: str, columns: dict[str, list[Any]]) -> pd.DataFrame:
    times = pd.DatetimeIndex(columns["timestamp"], dtype="datetime64[us, UTC]")
    frame = pd.DataFrame({key: pd.Series(values, dtype=object) for key, values in columns.items()})
    frame["timestamp"] = times
    frame.insert(0, "backtest", pd.Series([name] * len(frame), dtype=object))
    return frame


def _plain(amount: Decimal) -> str:
    return format(amount.normalize(), "f")


def _told(name: str, file: StrategyFile, result: BacktestResult) -> dict[str, Any]:
    values = np.array([float(row["total_value"]) for row in result.history])
    told: dict[str, Any] = {
        "dagster/partition_row_count": len(result.fills),
        "fills": len(result.fills),
        "unfilled_orders": len(result.unfilled),
        "sessions": len(values),
        "final_value": round(float(values[-1]), 2),
        "last_session": str(result.history[-1]["timestamp"].date()),
        "strategy": file.strategy,
        "symbols": ", ".join(file.symbols),
        "strategy_file": dg.MetadataValue.path(str(file.path.resolve())),
    }
    chart = sparkline_svg(values, is_log=bool((values > 0).all()))
    return {"chart": dg.MetadataValue.md(markdown_image(chart, f"equity of {name}")), **told}
