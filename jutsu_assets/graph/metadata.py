"""What a user sees of an asset in the Dagster UI: schemas, tables and small charts.

Everything here sits in the event log once a partition and run: keep it small.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from jutsu_assets.reports.charts import png_data_uri
from jutsu_core.indicators.catalog import IndicatorColumn

OWNERS = ("team:jutsu",)

BAR_SCHEMA = (
    ("symbol", "string", "Ticker as Schwab spells it"),
    ("timestamp", "timestamp[us, UTC]", "Start of the bar; a daily bar: 00:00 UTC of its session date"),
    ("open", "decimal(18,6)", "First price, quote currency, split-adjusted"),
    ("high", "decimal(18,6)", "Highest price, quote currency, split-adjusted"),
    ("low", "decimal(18,6)", "Lowest price, quote currency, split-adjusted"),
    ("close", "decimal(18,6)", "Last price, quote currency, split-adjusted"),
    ("volume", "int64", "Shares traded, split-adjusted"),
)


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


def image(png: bytes, alt: str) -> dg.MarkdownMetadataValue:
    """Return ``png`` as metadata that the UI shows as a picture."""
    return dg.MetadataValue.md(f"![{alt}]({png_data_uri(png)})")


def table(rows: Sequence[Mapping[str, Any]]) -> dg.MetadataValue:
    """Return ``rows`` as metadata that the UI shows as a table; no rows become a word instead."""
    if not rows:
        return dg.MetadataValue.text("none")
    return dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows])


def coverage_by_year(
    expected: Iterable[date], present: Iterable[date], missing: Iterable[date]
) -> list[dict[str, int | str]]:
    """Return one row a year: how many sessions there were, how many have a bar, and why the rest have none.

    Args:
        expected: The exchange's sessions.
        present: Sessions with a bar.
        missing: Sessions that should have a bar and have none; what is left was not listed.
    """
    have, lost = set(present), set(missing)
    years: dict[int, list[date]] = {}
    for session in expected:
        years.setdefault(session.year, []).append(session)
    return [_coverage_row(year, sessions, have, lost) for year, sessions in sorted(years.items())]


def _coverage_row(year: int, sessions: list[date], have: set[date], lost: set[date]) -> dict[str, int | str]:
    bars = sum(session in have for session in sessions)
    missing = sum(session in lost for session in sessions)
    return {
        "year": str(year),
        "sessions": len(sessions),
        "bars": bars,
        "missing": missing,
        "known_empty": len(sessions) - bars - missing,
    }


def _schema(columns: Iterable[tuple[str, str, str]]) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[dg.TableColumn(name, kind, description=description) for name, kind, description in columns]
    )
