"""What is said while Jutsu works: each event once, nothing a bar or a request, no secret."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest
import yaml
from click.testing import CliRunner

from jutsu_assets.commands.cli import main
from jutsu_assets.logs import JsonLines, TextLines, configure_logs
from jutsu_assets.schwab.throttle import Throttle
from jutsu_assets.schwab.tokens import MemoryTokenStore
from jutsu_assets.simulator.faults import Fault, FaultPlan
from jutsu_assets.simulator.transport import mount
from jutsu_assets.starter import INSTANCE, packaged
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.engine import Database
from jutsu_core.access import FAILURES_TO_OPEN, Claim, Limits
from jutsu_core.bars import RejectedBar, Timeframe
from jutsu_core.errors import ConfigurationError, SourceError
from tests.jutsu_assets.instance.histories import instance_of, write_home
from tests.support.builders import RecordingSleeper, SettableClock, bar, fetched
from tests.support.graph import open_graph
from tests.support.schwab import (
    EVENING,
    WEEK_END,
    WEEK_START,
    MemoryLedger,
    desk,
    fetcher_of,
    secrets_of,
    small_simulator,
)

D1 = Timeframe.D1
DAY = date(2013, 3, 1)


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """Give back the loggers as they were."""
    logger = logging.getLogger("jutsu")
    level, handlers = logger.level, list(logger.handlers)
    logger.setLevel(logging.DEBUG)
    yield
    logger.setLevel(level)
    logger.handlers = handlers


def said(caplog: pytest.LogCaptureFixture, where: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith(f"jutsu.{where}")]


def test_a_retry_is_one_line_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    desk(Fault.server_error().times(1)).fetch()
    (line,) = said(caplog, "schwab.connection")
    assert line.startswith("attempt 2 of 3 in 1.")
    assert "Schwab answered 50" in line


def test_a_clock_that_is_not_schwab_s_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    class Dated(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            response = carrier.handle_request(request)
            response.headers["Date"] = format_datetime(EVENING, usegmt=True)
            return response

    simulator = small_simulator()
    carrier = mount(simulator)
    clock = SettableClock(EVENING - timedelta(hours=1))
    fetcher = fetcher_of(simulator, MemoryTokenStore(simulator.issue_login()), clock=clock, transport=Dated())
    for _ in range(3):
        fetcher.fetch_bars("JTS", "1d", WEEK_START, WEEK_END)
    (line,) = said(caplog, "schwab.connection")
    assert line.startswith("this machine's clock is 3600 s behind Schwab's, and a bar counts as final")


def test_every_change_of_the_breaker_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    at = desk(Fault.server_error().times(FAILURES_TO_OPEN))
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(SourceError):
            at.fetch()
    (opened,) = said(caplog, "schwab.breaker")
    assert opened.startswith("breaker opened: nothing is asked until 2013-03-01 01:00:")
    caplog.clear()
    at.clock.advance(timedelta(minutes=11))
    at.fetch()
    assert said(caplog, "schwab.throttle") == ["breaker half open: this request probes, after 5 failures"]
    assert said(caplog, "schwab.breaker") == ["breaker closed: the probe was answered"]


def test_a_refresh_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    desk(expired=True).fetch()
    assert said(caplog, "schwab.session") == [
        "access token: refreshed; the login behind it lives as long as before",
    ]


def test_long_waits_are_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    class Distant(MemoryLedger):
        def claim(self, limits: Limits, holder: str, lead_seconds: float = 0.0) -> Claim:
            claim = super().claim(limits, holder, lead_seconds)
            return Claim(
                wait_seconds=2.0,
                taken_at=now[0],
                state=claim.state,
                sent_today=1,
                day=claim.day,
                reservation=1,
            )

    now = [0.0]

    class Waits:
        def sleep(self, seconds: float) -> None:
            now[0] += seconds

    throttle = Throttle(Distant(), Waits(), stopwatch=lambda: now[0])
    for _ in range(60):
        throttle.acquire()
    lines = said(caplog, "schwab.throttle")
    assert len(lines) == 2
    assert "2.0 s now; 1 over a second since the last line, 2 s in all" in lines[0]
    assert "over a second since the last line" in lines[1]
    assert throttle.requests == 60


def test_the_store_says_what_it_claims_restates_and_quarantines_and_nothing_of_what_is_usual(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    store = SqlBarStore(database, "scripted", SettableClock(datetime(2013, 3, 4, tzinfo=UTC)))
    store.write("AAPL", D1, fetched(bar(date(2013, 2, 28), "88"), bar(DAY, "90")))
    (claimed,) = said(caplog, "store.bars")
    assert "keeps the bars of 'scripted' from now on" in claimed
    caplog.clear()
    store.write("IBM", D1, fetched(bar(DAY, "90")))
    store.write("AAPL", D1, fetched(bar(date(2013, 2, 28), "88"), bar(DAY, "90")))
    assert said(caplog, "store") == []
    broken = RejectedBar(raw="{}", reason="high is below low", timestamp=None)
    store.write("AAPL", D1, fetched(bar(DAY, "45"), rejected=(broken, broken)))
    restated, quarantined = said(caplog, "store.bars")
    assert restated.startswith("AAPL 1d restated: 1 bars changed and 0 withdrawn, 2013-03-01")
    assert quarantined.startswith("AAPL 1d quarantined: 1 bars broke a rule; the first: high is below low")


def test_connecting_again_is_said_without_the_password(caplog: pytest.LogCaptureFixture) -> None:
    database = Database("postgresql+psycopg://me:secret-word@127.0.0.1:1/jutsu", RecordingSleeper())
    with pytest.raises(Exception, match="must be reachable"), database.reading():
        pass
    lines = said(caplog, "store.engine")
    assert len(lines) == 2
    assert not [line for line in lines if "secret-word" in line]


def test_a_run_shows_what_was_said_and_no_secret(tmp_path: Path) -> None:
    faults = FaultPlan([Fault.server_error().times(2)])
    home = write_home(tmp_path / "dagster")
    written = yaml.safe_load((home / "dagster.yaml").read_text("utf-8"))
    shipped = yaml.safe_load(packaged(INSTANCE).read_text("utf-8"))
    (home / "dagster.yaml").write_text(yaml.safe_dump(written | {"python_logs": shipped["python_logs"]}), "utf-8")
    options = {"symbols": ("FB",), "start": date(2013, 2, 1), "is_stale": True}
    with (
        open_graph(tmp_path, faults=faults, **options) as graph,  # type: ignore[arg-type]
        instance_of(home) as graph.instance,
    ):
        before = graph.tokens.read()
        result = graph.run("FB")
        lines = [entry.user_message for entry in graph.instance.all_logs(result.run_id) if not entry.dagster_event]
        secrets = secrets_of(before, graph.tokens.read())
    ours = [line for line in lines if any(word in line for word in ("attempt", "access token", "keeps the bars"))]
    assert len(ours) == 4, lines
    assert not [line for line in lines for secret in secrets if secret in line]


@pytest.mark.parametrize(
    ("variables", "heard"),
    [
        ({}, "Z warning jutsu.store: {'a': 1} is restated\n"),
        ({"JUTSU_LOG_LEVEL": "error"}, ""),
        ({"JUTSU_LOG_LEVEL": "INFO", "JUTSU_LOG_FORMAT": ""}, "Z info jutsu.store: hello\n"),
        ({"JUTSU_LOG_FORMAT": "json"}, '"message": "{\'a\': 1} is restated"}\n'),
    ],
)
def test_a_command_writes_what_its_settings_ask_for(
    variables: dict[str, str], heard: str, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logs(variables)
    configure_logs(variables)
    logger = logging.getLogger("jutsu.store")
    logger.info("hello")
    logger.warning("%s is restated", {"a": 1})
    written = capfd.readouterr().err
    assert heard in written
    assert written.count("restated") == (variables.get("JUTSU_LOG_LEVEL") != "error")


def test_in_a_run_only_json_is_written_besides(capfd: pytest.CaptureFixture[str]) -> None:
    for variables, lines in (({}, 0), ({"JUTSU_LOG_FORMAT": "json"}, 1)):
        configure_logs(variables, of_dagster=True)
        logging.getLogger("jutsu.store").info("hello")
        assert len(capfd.readouterr().err.splitlines()) == lines


@pytest.mark.parametrize("name", ["JUTSU_LOG_LEVEL", "JUTSU_LOG_FORMAT"])
def test_another_value_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name} must be one of .*, was 'loud'"):
        configure_logs({name: "loud"})


def test_a_line_is_one_object_whatever_was_said() -> None:
    record = logging.LogRecord("jutsu.store", logging.WARNING, __file__, 1, 'a "quoted"\nline', (), None)
    entry = json.loads(JsonLines().format(record))
    assert "\n" not in JsonLines().format(record)
    assert entry["message"] == 'a "quoted"\nline'
    assert entry["level"] == "warning"
    assert "warning jutsu.store" in TextLines().format(record)


def test_a_command_leaves_the_loggers_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUTSU_HOME", str(tmp_path))
    logger = logging.getLogger("jutsu")
    before = (logger.level, list(logger.handlers))
    assert CliRunner().invoke(main, ["doctor"]).exit_code == 1
    assert (logger.level, logger.handlers) == before
