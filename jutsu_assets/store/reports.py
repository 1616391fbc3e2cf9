"""Performance reports in the system of record, as JSON."""

import json
from typing import Any, NamedTuple

from sqlalchemy import delete, insert, inspect, select

from jutsu_assets.store import schema
from jutsu_assets.store.engine import Database
from jutsu_assets.store.rows import run
from jutsu_core.bars import to_epoch
from jutsu_core.ports import Clock

_REPORTS = schema.performance_reports
SUMMARY = ("since_inception", "first_session", "last_session", "closes", "first_close", "last_close")
"""What is kept of a report beside the whole of it, for who wants a little of all."""


class StoredReport(NamedTuple):
    """A report and what it was computed from, in the form of :func:`jutsu_assets.store.manifest.input_hash_of`."""

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

    def input_hashes(self) -> dict[str, str]:
        """Return by subject what each report was computed from."""
        with self._database.reading() as connection:
            rows = connection.execute(select(_REPORTS.c.subject, _REPORTS.c.input_hash)).all()
        return {row.subject: row.input_hash for row in rows}

    def all_current(self) -> dict[str, dict[str, Any]]:
        """Return every report by subject, ordered by subject."""
        query = select(_REPORTS.c.subject, _REPORTS.c.report).order_by(_REPORTS.c.subject)
        with self._database.reading() as connection:
            return {subject: json.loads(report) for subject, report in connection.execute(query)}

    def summaries(self) -> list[tuple[str, str]]:
        """Return of every report the subject, and what stands under the names of ``SUMMARY`` as one JSON array."""
        with self._database.reading() as connection:
            columns = inspect(connection).get_columns(_REPORTS.name)
            if any(column["name"] == _REPORTS.c.summary.name for column in columns):
                sql = "select subject, summary from performance_reports order by subject"
                rows: list[tuple[str, str]] = run(connection, sql).fetchall()
                return rows
        # A store that nobody has written to since its tables were others.
        return [(subject, _summary(report)) for subject, report in self.all_current().items()]

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
                    "summary": _summary(stored.report),
                    "recorded_at": to_epoch(self._clock.now()),
                },
            )


def _summary(report: dict[str, Any]) -> str:
    return json.dumps([report.get(name) for name in SUMMARY])
