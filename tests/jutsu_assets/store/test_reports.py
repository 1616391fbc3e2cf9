"""Performance reports in SQL: what is saved is read back, and replaced whole."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from jutsu_assets.store import schema
from jutsu_assets.store.engine import Database
from jutsu_assets.store.manifest import input_hash_of, is_made_of
from jutsu_assets.store.reports import PerformanceReports, StoredReport
from jutsu_core.bars import to_epoch
from jutsu_core.errors import StoreUnavailableError
from tests.support.builders import NOON, RecordingSleeper, SettableClock

REPORT: dict[str, Any] = {
    "title": "Ünïcode 'quoted' \"and\" 100% 📈",
    "total_return": 0.1 + 0.2,
    "tiny": 5e-324,
    "volume": 2**63,
    "undefined": None,
    "is_complete": True,
    "years": [{"year": 2012, "return": -0.25}, {"year": 2013, "return": None}],
    "empty": {},
}
HASH = "a" * 64
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.fixture
def reports(database: Database, clock: SettableClock) -> PerformanceReports:
    return PerformanceReports(database, clock)


def test_nothing_is_found_where_nothing_was_saved(reports: PerformanceReports) -> None:
    assert reports.current("AAPL") is None
    assert reports.all_current() == {}


def test_a_saved_report_is_read_back_with_its_input_hash(reports: PerformanceReports) -> None:
    reports.save("AAPL", StoredReport("bars-1", REPORT))
    assert reports.current("AAPL") == StoredReport("bars-1", REPORT)
    assert reports.current("aapl") is None


@given(report=st.dictionaries(st.text(), VALUES, max_size=5))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_report_of_plain_values_is_read_back_exactly(reports: PerformanceReports, report: dict[str, Any]) -> None:
    reports.save("AAPL", StoredReport("bars-1", report))
    stored = reports.current("AAPL")
    assert stored is not None
    assert stored.report == report


def test_a_later_report_takes_the_place_of_the_former(
    reports: PerformanceReports, database: Database, clock: SettableClock
) -> None:
    reports.save("AAPL", StoredReport("bars-1", REPORT))
    clock.moment = NOON.replace(hour=20)
    reports.save("AAPL", StoredReport("bars-2", {"title": "new"}))
    assert reports.current("AAPL") == StoredReport("bars-2", {"title": "new"})
    with database.reading() as connection:
        assert list(connection.scalars(select(schema.performance_reports.c.recorded_at))) == [to_epoch(clock.moment)]


def test_all_reports_come_ordered_by_subject_and_are_apart(reports: PerformanceReports) -> None:
    for number, subject in enumerate(["MSFT", "$SPX", "BRK/B", "AAPL"]):
        reports.save(subject, StoredReport("bars", {"number": number}))
    reports.save("MSFT", StoredReport("bars", {"number": 9}))
    found = reports.all_current()
    assert list(found) == ["$SPX", "AAPL", "BRK/B", "MSFT"]
    assert [report["number"] for report in found.values()] == [1, 3, 2, 9]


def test_a_report_that_is_changed_after_it_was_saved_stays_as_it_was_saved(reports: PerformanceReports) -> None:
    mine: dict[str, Any] = {"years": [2012]}
    reports.save("AAPL", StoredReport("bars", mine))
    mine["years"].append(2013)
    stored = reports.current("AAPL")
    assert stored is not None
    assert stored.report == {"years": [2012]}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, Decimal("1.5"), {1, 2}])
def test_what_is_no_json_is_refused_and_the_former_report_stays(reports: PerformanceReports, value: object) -> None:
    """What is undefined is saved as None; a NaN in it would be read by nobody else."""
    reports.save("AAPL", StoredReport("bars-1", REPORT))
    with pytest.raises((ValueError, TypeError), match="JSON"):
        reports.save("AAPL", StoredReport("bars-2", {"years": [{"return": value}]}))
    assert reports.current("AAPL") == StoredReport("bars-1", REPORT)


def test_a_report_that_the_database_refuses_leaves_the_former_one(reports: PerformanceReports) -> None:
    reports.save("AAPL", StoredReport("bars-1", REPORT))
    with pytest.raises(StoreUnavailableError, match="nothing was half written"):
        reports.save("AAPL", StoredReport(None, {}))  # type: ignore[arg-type]
    assert reports.current("AAPL") == StoredReport("bars-1", REPORT)


def test_another_process_sees_what_was_saved(reports: PerformanceReports, url: str) -> None:
    other = Database(url, RecordingSleeper())
    reader = PerformanceReports(other, SettableClock())
    for number in range(3):
        reports.save("AAPL", StoredReport(f"bars-{number}", {"number": number}))
        assert reader.current("AAPL") == StoredReport(f"bars-{number}", {"number": number})
    other.close()


def test_threads_that_save_one_subject_leave_one_whole_report(reports: PerformanceReports) -> None:
    saved = [StoredReport(f"bars-{n}", {"number": n}) for n in range(40)]
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda stored: reports.save("AAPL", stored), saved))
    assert reports.current("AAPL") in saved
    assert len(reports.all_current()) == 1


def test_summaries_of_every_report_come_as_json(reports: PerformanceReports) -> None:
    """Also where a report lacks a part; and they are those of the newest."""
    reports.save("MSFT", StoredReport("1", {"closes": 6}))
    reports.save("MSFT", StoredReport("1", {"since_inception": {"cagr": 0.1 + 0.2, "peak": None}, "closes": 7}))
    reports.save("AAPL", StoredReport("1", {"since_inception": {"name": "Ü \"quoted\" '📈'"}, "last_close": 5e-324}))
    assert [(subject, json.loads(parts)) for subject, parts in reports.summaries()] == [
        ("AAPL", [{"name": "Ü \"quoted\" '📈'"}, None, None, None, None, 5e-324]),
        ("MSFT", [{"cagr": 0.1 + 0.2, "peak": None}, None, None, 7, None, None]),
    ]


def test_what_it_was_made_of_fits_its_column_in_every_database(reports: PerformanceReports) -> None:
    made_of = input_hash_of(HASH, HASH)
    reports.save("AAPL", StoredReport(made_of, REPORT))
    assert reports.input_hash("AAPL") == made_of
    assert is_made_of(made_of, HASH)
    assert len(made_of) == schema.performance_reports.c.input_hash.type.length  # type: ignore[attr-defined]
