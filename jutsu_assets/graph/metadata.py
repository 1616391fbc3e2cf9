"""What a user sees of an asset in the Dagster UI: schemas, lineage, tables and a few words.

Everything here sits in the event log once a partition and run: keep it small.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
import numpy as np
from numpy.typing import NDArray

from jutsu_core.indicators.catalog import IndicatorColumn, IndicatorSpec, indicator_columns

BAR_SCHEMA = (
    ("symbol", "string", "Ticker as Schwab spells it"),
    ("timestamp", "timestamp[us, UTC]", "Start of the bar; a daily bar: 00:00 UTC of its session date"),
    ("open", "decimal(18,6)", "First price, quote currency, split-adjusted"),
    ("high", "decimal(18,6)", "Highest price, quote currency, split-adjusted"),
    ("low", "decimal(18,6)", "Lowest price, quote currency, split-adjusted"),
    ("close", "decimal(18,6)", "Last price, quote currency, split-adjusted"),
    ("volume", "int64", "Shares traded, split-adjusted"),
)
_READ_AS = {"session": "timestamp", "benchmark": "close"}
"""Inputs of indicators that are not called as the column of bars that they are taken from."""


def bar_schema() -> dg.TableSchema:
    """Return the columns of bars."""
    return _schema(BAR_SCHEMA)


def indicator_schema(columns: Iterable[IndicatorColumn]) -> dg.TableSchema:
    """Return the columns of bars, then those of ``columns``."""
    computed = (
        (column.name, "float64", f"{column.description} ({column.unit}; from bar {column.warm_up_bars + 1} on)")
        for column in columns
    )
    return _schema((*BAR_SCHEMA, *computed))


def indicator_lineage(bars: str, indicators: Iterable[IndicatorSpec]) -> dg.TableColumnLineage:
    """Return which columns of the asset ``bars`` each column of indicators is computed from."""
    upstream = dg.AssetKey(bars)
    carried = {name: [name] for name, _, _ in BAR_SCHEMA}
    computed = {
        column.name: list(dict.fromkeys(_READ_AS.get(name, name) for name in spec.definition.inputs))
        for spec in indicators
        for column in indicator_columns([spec])
    }
    return dg.TableColumnLineage(
        {
            name: [dg.TableColumnDep(asset_key=upstream, column_name=source) for source in sources]
            for name, sources in (carried | computed).items()
        }
    )


def table(rows: Sequence[Mapping[str, Any]]) -> dg.MetadataValue:
    """Return ``rows`` as metadata that the UI shows as a table; no rows become a word instead."""
    if not rows:
        return dg.MetadataValue.text("none")
    return dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows])


def coverage(expected: NDArray[np.datetime64], present: NDArray[np.datetime64]) -> str:
    """Return in a few words how much of the expected history is there: in all, and the years that are not whole.

    Args:
        expected: The exchange's sessions, ascending.
        present: Sessions with a bar.

    Examples:
        >>> days = np.array(["2012-12-31", "2013-01-02", "2013-01-03"], dtype="datetime64[D]")
        >>> coverage(days, np.array(["2012-12-31", "2013-01-03"], dtype="datetime64[D]"))
        '2 of 3 sessions; not whole: 2013 1/2'
    """
    is_there = np.isin(expected, present)
    years, of_session = np.unique(expected.astype("datetime64[Y]"), return_inverse=True)
    wanted = np.bincount(of_session, minlength=len(years))
    there = np.bincount(of_session, weights=is_there, minlength=len(years)).astype(np.int64)
    partial = [f"{years[k]} {there[k]}/{wanted[k]}" for k in np.flatnonzero(there < wanted)]
    return f"{int(is_there.sum()):,} of {len(expected):,} sessions" + (
        f"; not whole: {', '.join(partial)}" if partial else ""
    )


def _schema(columns: Iterable[tuple[str, str, str]]) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[dg.TableColumn(name, kind, description=description) for name, kind, description in columns]
    )
