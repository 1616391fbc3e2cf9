"""``daily_indicators``: each symbol's indicator series over its whole stored history."""

import time
from collections.abc import Sequence
from typing import Any

import dagster as dg
import numpy as np
from numpy.typing import NDArray

from jutsu_assets.graph.assets.bars import DAILY_BARS
from jutsu_assets.graph.assets.subject import Subject
from jutsu_assets.graph.metadata import indicator_lineage, indicator_schema
from jutsu_assets.graph.recording import Made
from jutsu_assets.lake.files import Lake
from jutsu_assets.lake.tables import series_table
from jutsu_assets.store.manifest import input_hash_of
from jutsu_core.bars import MICROS_PER_UNIT, PRICE_COLUMNS, BarColumns
from jutsu_core.indicators.catalog import (
    IndicatorSpec,
    catalog_fingerprint,
    compute_arrays,
    indicator_columns,
)

DAILY_INDICATORS = "daily_indicators"


def indicators_spec(indicators: Sequence[IndicatorSpec], **shared: Any) -> dg.AssetSpec:  # noqa: ANN401 - Dagster's
    """Return what Dagster knows of ``daily_indicators`` that carry ``indicators``."""
    columns = indicator_columns(indicators)
    return dg.AssetSpec(
        DAILY_INDICATORS,
        deps=[DAILY_BARS],
        kinds={"talib", "parquet"},
        code_version=catalog_fingerprint(indicators),
        metadata={
            "dagster/column_schema": indicator_schema(columns),
            "dagster/column_lineage": indicator_lineage(DAILY_BARS, indicators),
        },
        description=(
            "Indicators of each symbol's daily bars, computed over the whole stored history and kept as one"
            " Parquet file a symbol. Rewritten only when a bar or a definition changed."
        ),
        **shared,
    )


class IndicatorsUpdate:
    """Brings the indicator series of one symbol after another up to its bars.

    Args:
        lake: Where series are kept.
        source: Where the bars come from.
        indicators: What a series carries.
    """

    def __init__(self, lake: Lake, source: str, indicators: Sequence[IndicatorSpec]) -> None:
        self._lake = lake
        self._source = source
        self._indicators = indicators
        self._fingerprint = catalog_fingerprint(indicators)

    def make(self, subject: Subject) -> Made:
        """Compute and publish the series of ``subject``, unless its current file was made of the same and is whole.

        Raises:
            NoDataError: The symbol has no stored bars.
            StoreError: The lake or its manifest could not be written; the former file stays current.
        """
        version = subject.held()
        input_hash = input_hash_of(version.content_hash, self._fingerprint)
        former = self._lake.manifest.current(DAILY_INDICATORS, subject.symbol)
        began = time.perf_counter()
        file, fault = self._lake.standing(DAILY_INDICATORS, subject.symbol, input_hash)
        is_current = file is not None
        if file is None:
            bars = subject.true_columns
            series = series_table(subject.symbol, bars, self._computed(subject.symbol, bars))
            file = self._lake.publish(DAILY_INDICATORS, subject.symbol, series, input_hash=input_hash)
        metadata: dict[str, Any] = {
            "was_rewritten": not is_current,
            "source": self._source,
        }
        if not is_current:
            metadata |= {
                "dagster/partition_row_count": file.rows,
                "last_session": str(version.last.date()),
                "path": dg.MetadataValue.path(str(self._lake.root / file.path)),
                "compute_seconds": round(time.perf_counter() - began, 3),
            }
        said = "unchanged" if is_current else "written"
        if former is not None and former.is_made_of(version.content_hash) and former.input_hash != input_hash:
            metadata["recomputed"] = said = "written, because the indicators or their definitions changed"
        if fault is not None:
            metadata["mended"] = f"the former file {fault}"
            said = f"written again, because the file {fault}"
        return Made(
            data_version=file.content_hash,
            metadata=metadata,
            said=f"{file.rows:,} rows, {said}",
            is_changed=not is_current,
        )

    def _computed(self, symbol: str, bars: BarColumns) -> dict[str, NDArray[np.float64]]:
        """Compute on arrays: that stored bars are in order and finite is what the store holds, and not asked again."""
        inputs = {name: getattr(bars, name) / MICROS_PER_UNIT for name in PRICE_COLUMNS}
        inputs["volume"] = bars.volume.astype(np.float64)
        for spec in self._indicators:
            spec.definition.require_inputs(inputs, lambda name, row: f"{name} of {symbol} on {bars.sessions[row]}")
        return compute_arrays(inputs, self._indicators)
