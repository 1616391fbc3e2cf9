"""``daily_indicators``: each symbol's indicator series over its whole stored history."""

import hashlib
import json
import time
from collections.abc import Sequence
from typing import Any

import dagster as dg
import numpy as np

from jutsu_assets.graph.assets.bars import DAILY_BARS
from jutsu_assets.graph.assets.benchmark import BenchmarkCloses
from jutsu_assets.graph.assets.subject import Subject
from jutsu_assets.graph.metadata import indicator_lineage, indicator_schema
from jutsu_assets.graph.recording import Made
from jutsu_assets.indicator_sets import made_by
from jutsu_assets.lake.files import Lake
from jutsu_assets.lake.tables import series_table
from jutsu_assets.store.manifest import SeriesFile, input_hash_of
from jutsu_core.bars import MICROS_PER_UNIT, PRICE_COLUMNS
from jutsu_core.indicators.catalog import (
    IndicatorSpec,
    catalog_fingerprint,
    compute_arrays,
    indicator_columns,
)
from jutsu_core.ports import PartitionVersion

DAILY_INDICATORS = "daily_indicators"


def indicators_spec(
    indicators: Sequence[IndicatorSpec],
    benchmark: str | None,
    **shared: Any,  # noqa: ANN401 - Dagster's
) -> dg.AssetSpec:
    """Return what Dagster knows of ``daily_indicators`` that carry ``indicators``, compared with ``benchmark``."""
    columns = indicator_columns(indicators)
    return dg.AssetSpec(
        DAILY_INDICATORS,
        deps=[DAILY_BARS],
        kinds={"talib", "parquet"},
        code_version=_identity(catalog_fingerprint(indicators), [benchmark or ""] if _compares(indicators) else None),
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
        benchmark: What indicators that compare do so with.
    """

    def __init__(
        self, lake: Lake, source: str, indicators: Sequence[IndicatorSpec], benchmark: BenchmarkCloses
    ) -> None:
        self._lake = lake
        self._source = source
        self._indicators = indicators
        self._benchmark = benchmark
        self._fingerprint = catalog_fingerprint(indicators)
        self._compares = _compares(indicators)
        self._columns_made_by = made_by(indicators, benchmark.symbol)

    def make(self, subject: Subject) -> Made:
        """Compute and publish the series of ``subject``, unless its current file was made of the same and is whole.

        Raises:
            NoDataError: The symbol has no stored bars.
            StoreError: The lake or its manifest could not be written, or the benchmark's bars are not what is
                recorded of them; the former file stays current.
        """
        version = subject.held()
        input_hash = input_hash_of(version.content_hash, _identity(self._fingerprint, self._beside(subject, version)))
        former = self._lake.manifest.current(DAILY_INDICATORS, subject.symbol)
        began = time.perf_counter()
        file, fault = self._lake.standing(DAILY_INDICATORS, subject.symbol, input_hash)
        is_current = file is not None
        metadata: dict[str, Any] = {
            "was_rewritten": not is_current,
            "source": self._source,
        }
        if file is None:
            file, told = self._write(subject, input_hash)
            metadata |= {
                "dagster/partition_row_count": file.rows,
                "last_session": str(version.last.date()),
                "path": dg.MetadataValue.path(str(self._lake.root / file.path)),
                **told,
                "compute_seconds": round(time.perf_counter() - began, 3),
            }
        said = "unchanged" if is_current else "written"
        if former is not None and former.is_made_of(version.content_hash) and former.input_hash != input_hash:
            what = "the indicators, their definitions or the benchmark"
            because = what if self._compares else "the indicators or their definitions"
            metadata["recomputed"] = said = f"written, because {because} changed"
        if fault is not None:
            metadata["mended"] = f"the former file {fault}"
            said = f"written again, because the file {fault}"
        return Made(
            data_version=file.content_hash,
            metadata=metadata,
            said=f"{file.rows:,} rows, {said}",
            is_changed=not is_current,
        )

    def _beside(self, subject: Subject, version: PartitionVersion) -> list[str] | None:
        """Return what a series is made of besides the symbol's own bars, None where that is nothing."""
        if not self._compares:
            return None
        if subject.symbol == self._benchmark.symbol:
            return [subject.symbol]
        return self._benchmark.identity(version.first, version.last)

    def _write(self, subject: Subject, input_hash: str) -> tuple[SeriesFile, dict[str, Any]]:
        """Publish the series of ``subject``; return its file, and what it is compared with or lacks."""
        bars = subject.true_columns
        inputs = {name: getattr(bars, name) / MICROS_PER_UNIT for name in PRICE_COLUMNS}
        inputs["volume"] = bars.volume.astype(np.float64)
        inputs["session"] = bars.sessions.astype(np.float64)
        told: dict[str, Any] = {}
        if self._compares:
            beside = inputs["benchmark"] = self._benchmark.at(bars.timestamps)
            told |= {
                "benchmark": self._benchmark.symbol or "none",
                "bars_without_benchmark": int(np.count_nonzero(np.isnan(beside))),
            }
            if self._benchmark.trouble is not None:
                told["not_compared"] = self._benchmark.trouble
        needing = [spec for spec in self._indicators if spec.definition.needs_volume]
        if needing and not bars.volume.any():
            told["missing_without_volume"] = ", ".join(name for spec in needing for name in spec.column_names)
        # That stored bars are in order, finite and above 0 is what the store holds, and not asked again.
        series = series_table(subject.symbol, bars, compute_arrays(inputs, self._indicators))
        file = self._lake.publish(
            DAILY_INDICATORS, subject.symbol, series, input_hash=input_hash, made_by=self._columns_made_by
        )
        return file, told


def _compares(indicators: Sequence[IndicatorSpec]) -> bool:
    return any(spec.definition.compares for spec in indicators)


def _identity(fingerprint: str, beside: list[str] | None) -> str:
    """Return by what a series is made of its own bars: by definitions alone, or ``beside`` something."""
    if beside is None:
        return fingerprint
    return hashlib.sha256(json.dumps([fingerprint, beside]).encode()).hexdigest()[:32]
