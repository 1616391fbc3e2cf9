"""A week on a fast clock: Thanksgiving, a half day, a symbol that never comes, a killed run, a login that dies."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from jutsu_assets.graph.checks.login import LoginCheck
from jutsu_assets.graph.recording import Recorder
from jutsu_assets.graph.schedules import NIGHTLY_REPAIR, UPDATE_AFTER_CLOSE
from jutsu_assets.graph.sensors import build_login_sensor
from jutsu_assets.instance.runs import end_dead_runs
from jutsu_assets.schwab.tokens import MemoryTokenStore
from jutsu_core.bars import Timeframe, to_micros
from tests.jutsu_assets.instance.histories import instance_of, write_home
from tests.support.builders import SettableClock
from tests.support.graph import Graph, open_graph
from tests.support.processes import started

pytest.importorskip("bokeh_sampledata", reason="the sample data are not installed")

NEW_YORK = ZoneInfo("America/New_York")
MONDAY, SUNDAY = date(2012, 11, 19), date(2012, 11, 25)
KILLED_ON = date(2012, 11, 20)
START = date(2012, 11, 1)
FOLLOWED = ("AAPL", "APPL", "FB", "IBM")
GOOD = ("AAPL", "FB", "IBM")
LOOKS = {NIGHTLY_REPAIR: [(2, 30)], UPDATE_AFTER_CLOSE: [(14, 35), (17, 35)]}
DAY = timedelta(days=1)


class Week:
    """Turns the clock, looks at schedules and sensor as the daemon does, and runs what was launched.

    Attributes:
        said: What each look said, by moment and schedule.
        alerts: Every verdict on the login that was recorded, by moment.
        dead: Runs that were found dead and ended, by moment.
    """

    def __init__(self, folder: Path, graph: Graph, clock: SettableClock) -> None:
        self.folder = folder
        self.graph = graph
        self.clock = clock
        self.said: dict[tuple[datetime, str], str] = {}
        self.alerts: list[tuple[datetime, bool]] = []
        self.dead: list[tuple[datetime, str]] = []
        login = {**graph.tokens.read(), "creation_timestamp": int((at(MONDAY, (12, 0)) - 2 * DAY).timestamp())}
        self.login = MemoryTokenStore(login)
        self._sensor = build_login_sensor(LoginCheck(self.login, clock), clock)
        self._cursor: str | None = None
        self._done: set[str] = set()

    def live(self) -> None:
        """Let the week pass, hour by hour, and the night after it."""
        looks = sorted(
            (at(MONDAY + day * DAY, time), name) for day in range(8) for name, times in LOOKS.items() for time in times
        )
        moment = at(MONDAY, (0, 0))
        while moment < at(SUNDAY + DAY, (4, 0)):
            self._hour(moment)
            for due, name in [look for look in looks if moment <= look[0] < moment + timedelta(hours=1)]:
                self.clock.moment = due.astimezone(UTC)
                self._look(name, due)
            moment = (moment.astimezone(UTC) + timedelta(hours=1)).astimezone(NEW_YORK)

    def _hour(self, moment: datetime) -> None:
        self.clock.moment = moment.astimezone(UTC)
        self.dead += [(moment, dead.run.run_id) for dead in end_dead_runs(self.graph.instance)]
        if moment == at(date(2012, 11, 24), (12, 0)):  # seven days after the login: Schwab ends it
            self.graph.simulator.expire_access_tokens()
            self.graph.simulator.revoke_refresh_tokens()
        if moment == at(SUNDAY, (20, 0)):  # the one thing that a person has to do
            renewed = self.graph.simulator.issue_login()
            self.graph.tokens.write(renewed)
            self.login.write({**renewed, "creation_timestamp": int(self.clock.now().timestamp())})
        result = self._sensor(dg.build_sensor_context(cursor=self._cursor))
        if isinstance(result, dg.SensorResult):
            (event,) = result.asset_events or []
            assert isinstance(event, dg.AssetCheckEvaluation)
            self.alerts.append((moment, event.passed))
            self._cursor = result.cursor

    def _look(self, name: str, due: datetime) -> None:
        context = dg.build_schedule_context(
            instance=self.graph.instance,
            scheduled_execution_time=due,
            repository_def=self.graph.definitions.get_repository_def(),
            resources={"database": self.graph.database},
        )
        self.said[due, name] = str(
            self.graph.definitions.resolve_schedule_def(name).evaluate_tick(context).skip_message
        )
        for backfill in self.graph.instance.get_backfills():
            if backfill.backfill_id not in self._done:
                self._done.add(backfill.backfill_id)
                assert backfill.asset_backfill_data is not None
                target = backfill.asset_backfill_data.target_subset.get_partitions_subset(dg.AssetKey("daily_bars"))
                self._run(set(target.get_partition_keys()), is_killed=due.date() == KILLED_ON and due.hour > 12)

    def _run(self, partitions: set[str], *, is_killed: bool) -> None:
        chosen = [symbol for symbol in FOLLOWED if symbol in partitions]
        if is_killed:
            with started(run_to_the_first, self.folder, self.clock.moment, chosen[-1]) as worker:
                worker.hear()
                worker.kill()
            return
        while chosen:  # a run for each part without a gap, as of a backfill
            here = FOLLOWED.index(chosen[0])
            part = [symbol for symbol, known in zip(chosen, FOLLOWED[here:], strict=False) if symbol == known]
            self.graph.run(part[0], part[-1])
            chosen = chosen[len(part) :]


def run_to_the_first(reports: Connection, folder: Path, moment: datetime, last: str) -> None:
    """In a child: run up to ``last``, and wait to be killed when the first symbol is made."""

    def wait(*_: object, **_named: object) -> None:
        reports.send("the first is made")
        Event().wait()

    Recorder.progress = wait  # type: ignore[method-assign]
    clock = SettableClock(moment)
    with (
        open_graph(folder, symbols=FOLLOWED, start=START, clock=clock) as graph,
        instance_of(folder / "dagster") as instance,
    ):
        graph.instance = instance
        graph.run(FOLLOWED[0], last)


def at(day: date, time: tuple[int, int]) -> datetime:
    return datetime(day.year, day.month, day.day, *time, tzinfo=NEW_YORK)


@contextmanager
def lived(folder: Path) -> Iterator[Week]:
    clock = SettableClock(at(MONDAY, (0, 0)).astimezone(UTC))
    home = write_home(folder / "dagster")
    with (
        open_graph(folder, symbols=FOLLOWED, start=START, clock=clock) as graph,
        instance_of(home) as instance,
    ):
        graph.instance = instance
        for symbol in GOOD:
            assert graph.run(symbol).success
        week = Week(folder, graph, clock)
        week.live()
        yield week


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    with lived(tmp_path_factory.mktemp("week")) as whole:
        yield whole


def test_every_expected_bar_is_stored_once_and_says_what_the_source_says(week: Week) -> None:
    sessions = week.graph.schwab.calendar.sessions(START, date(2012, 11, 23))
    for symbol in GOOD:
        source = week.graph.simulator.history.daily(symbol, as_of=date(2012, 11, 23))
        served = [
            (bar.session, *(to_micros(price) for price in (bar.open, bar.high, bar.low, bar.close)), bar.volume)
            for bar in source
            if bar.session >= START
        ]
        assert [session for session, *_ in served] == sessions
        held = week.graph.database.bars.read(symbol, Timeframe.D1)
        assert [(bar.timestamp.date(), bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in held] == served


def test_what_follows_from_the_bars_is_made_of_the_newest(week: Week) -> None:
    for asset in ("daily_indicators", "symbol_performance"):
        assert week.graph.materialized(asset) == sorted(GOOD)
        for symbol in GOOD:
            bars, derived = (
                week.graph.instance.get_latest_data_version_record(dg.AssetKey(key), partition_key=symbol)
                for key in ("daily_bars", asset)
            )
            assert bars is not None
            assert derived is not None
            made_of = (derived.event_log_entry.tags or {})["dagster/input_data_version/daily_bars"]
            assert made_of == (bars.event_log_entry.tags or {})["dagster/data_version"]


def test_the_killed_run_was_found_dead_within_the_hour_and_ended(week: Week) -> None:
    ((moment, run_id),) = week.dead
    assert moment == at(KILLED_ON, (18, 0))
    run = week.graph.instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status is dg.DagsterRunStatus.FAILURE


def test_each_session_was_updated_once_and_every_skip_has_its_reason(week: Week) -> None:
    told = {
        (due.date().isoformat(), due.hour): said
        for (due, name), said in week.said.items()
        if name == UPDATE_AFTER_CLOSE
    }
    for day in ("2012-11-19", "2012-11-20", "2012-11-21"):
        assert "a later look updates" in told[day, 14]
        assert "was launched" in told[day, 17]
    assert "was launched" in told["2012-11-23", 14], "the half day, early"
    assert "is there already" in told["2012-11-23", 17], "and not twice"
    for day, why in (("2012-11-22", "Thanksgiving"), ("2012-11-24", "Saturday"), ("2012-11-25", "Sunday")):
        assert {told[day, hour] for hour in (14, 17)} == {f"{day} is no session of XNYS: {why}"}


def test_the_night_repaired_what_the_killed_run_left(week: Week) -> None:
    night = at(KILLED_ON + DAY, (2, 30))
    assert "of 3 partitions was launched" in week.said[night, NIGHTLY_REPAIR], "APPL, FB and IBM; AAPL was done"


def test_the_symbol_that_never_comes_is_named_and_stopped_nothing(week: Week) -> None:
    standing = week.graph.database.failures.all_standing()
    assert {failure.partition for failure in standing} == {"APPL"}
    assert "check the spelling" in standing[0].reason
    verdict = week.graph.database.findings.verdict("APPL", Timeframe.D1)
    assert verdict is not None
    assert verdict.counts["bars_are_stored"] == 1


def test_the_login_alerts_once_a_day_and_is_cleared_once(week: Week) -> None:
    bad = [moment.date() for moment, passed in week.alerts if not passed]
    good = [moment for moment, passed in week.alerts if passed]
    assert bad[0] == date(2012, 11, 22), "two days before"
    per_day = {day: bad.count(day) for day in bad}
    assert max(per_day.values()) <= 2, "when the verdict changes, and at most once a day while it is bad"
    assert good == [at(MONDAY, (0, 0)), at(SUNDAY, (20, 0))]
