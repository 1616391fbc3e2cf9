"""Performance reports in the system of record, as JSON."""

import json
from typing import Any, NamedTuple

from sqlalchemy import delete, insert, select

from jutsu_assets.store import schema
from jutsu_assets.store.engine import Database
from jutsu_assets.store.rows import run
from jutsu_core.bars import to_epoch
from jutsu_core.ports import Clock

_REPORTS = schema.performance_reports
_PARTS = {
    "sqlite": ("json_extract(report, {})", "'$.{}'"),
    "postgresql": ("json_build_array({})::text", "report::json -> '{}'"),
}
"""How each database takes parts out of a JSON text, two at least, as one JSON array."""


class StoredReport(NamedTuple):
    """A report and what it was computed from."""

    input_hash: str
    report: dict[str, Any]


class PerformanceReports:
    """Reads and replaces the current report of each subject.

    Args:
        database: The system of record.
        clock: Tells when a report was recorded.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def current(self, subject: str) -> StoredReport | None:
        """Return the report of ``subject``, or None while there is none."""
        query = select(_REPORTS.c.input_hash, _REPORTS.c.report).where(_REPORTS.c.subject == subject)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else StoredReport(row[0], json.loads(row[1]))

    def input_hash(self, subject: str) -> str | None:
        """Return what the report of ``subject`` was computed from, or None while there is none."""
        query = select(_REPORTS.c.input_hash).where(_REPORTS.c.subject == subject)
        with self._database.reading() as connection:
            return connection.execute(query).scalar_one_or_none()

    def all_current(self) -> dict[str, dict[str, Any]]:
        """Return every report by subject, ordered by subject."""
        query = select(_REPORTS.c.subject, _REPORTS.c.report).order_by(_REPORTS.c.subject)
        with self._database.reading() as connection:
            return {subject: json.loads(report) for subject, report in connection.execute(query)}

    def parts(self, first: str, second: str, *others: str) -> list[tuple[str, str]]:
        """Return of every report the subject, and what stands under these names as one JSON array; by subject.

        A report is large, and the database takes out of it what is asked for: a tenth of the time.
        """
        with self._database.reading() as connection:
            whole, part = _PARTS[connection.dialect.name]
            wanted = whole.format(", ".join(part.format(name) for name in (first, second, *others)))
            sql = f"select subject, {wanted} from performance_reports order by subject"  # noqa: S608 - our own names
            rows: list[tuple[str, str]] = run(connection, sql).fetchall()
        return rows

    def save(self, subject: str, stored: StoredReport) -> None:
        """Make ``stored`` the report of ``subject``."""
        text = json.dumps(stored.report, allow_nan=False, sort_keys=True)
        with self._database.writing() as connection:
            self._database.take_turn(connection, f"performance_reports/{subject}")
            connection.execute(delete(_REPORTS).where(_REPORTS.c.subject == subject))
            connection.execute(
                insert(_REPORTS),
                {
                    "subject": subject,
                    "input_hash": stored.input_hash,
                    "report": text,
                    "recorded_at": to_epoch(self._clock.now()),
                },
            )
