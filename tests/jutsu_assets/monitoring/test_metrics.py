"""Metrics: what they say is true over all processes, and Prometheus can read it."""

import itertools
import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from jutsu_assets.clock import SystemClock
from jutsu_assets.commands.cli import main
from jutsu_assets.monitoring.checks import problems_of
from jutsu_assets.monitoring.metrics import METRICS, MetricsPage, exposition, write_textfile
from jutsu_assets.store.market import MarketDatabase
from jutsu_core.access import Limits, after_failure
from jutsu_core.bars import Timeframe
from jutsu_core.errors import ConfigurationError
from jutsu_core.quality.findings import Finding
from tests.jutsu_assets.instance.histories import instance_of
from tests.jutsu_assets.monitoring.conftest import Installation
from tests.jutsu_assets.monitoring.test_checks import publish, stale_series
from tests.support.builders import bar, fetched

LIMITS = Limits(requests=9, window=timedelta(seconds=1), daily_budget=99)


def metrics_of(text: str) -> dict[str, float]:
    """Return every sample by its name and labels."""
    return {
        sample.name + "".join(f"{{{name}={value}}}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def looked(at: Installation) -> dict[str, float]:
    with at.look() as observed:
        return metrics_of(exposition(observed))


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_follow_the_conventions(metric: object) -> None:
    name, kind, said = metric.name, metric.kind, metric.help  # type: ignore[attr-defined]
    assert re.fullmatch(r"jutsu_[a-z]+(_[a-z]+)*", name)
    assert name.endswith("_total") == (kind == "counter")
    assert said.endswith(".")
    for unit in ("second", "byte", "milli", "minutes", "hours", "days"):
        assert not re.search(rf"_{unit}(_|$)", name), "units are plural base units"


def test_a_page_holds_every_metric_that_there_is_something_to_say_of(installation: Installation) -> None:
    publish(installation, "AAPL")
    installation.market.failures.record(["IBM"], ["daily_bars"], "Schwab answered 404")
    with instance_of(installation.home) as instance:
        import dagster as dg  # noqa: PLC0415 - one run of this test's own

        instance.add_run(dg.DagsterRun(job_name="job", status=dg.DagsterRunStatus.FAILURE))
    with installation.look() as observed:
        families = {family.name: family for family in text_string_to_metric_families(exposition(observed))}
    absent = {"jutsu_login_remaining_seconds", "jutsu_run_ended_timestamp_seconds", "jutsu_replica_lag_seconds"}
    expected = {metric.name.removesuffix("_total") for metric in METRICS} - absent
    assert families.keys() == expected
    assert all(family.documentation for family in families.values())


def test_what_two_processes_did_is_counted_together(installation: Installation) -> None:
    other = MarketDatabase(installation.settings.database_url, source="simulator", clock=installation.clock)
    installation.market.ledger.claim(LIMITS, "one")
    claim = other.ledger.claim(LIMITS, "two")
    before = looked(installation)
    assert before["jutsu_requests_today"] == before["jutsu_requests_reserved_total"] == 2
    other.ledger.cancel(claim)
    other.ledger.change(lambda state, now: after_failure(state, now, "two", "Schwab answered 503"))
    other.database.close()
    after = looked(installation)
    assert after["jutsu_requests_today"] == 1
    assert after["jutsu_requests_reserved_total"] == 2
    assert after["jutsu_requests_released_total"] == after["jutsu_request_failures_total"] == 1
    assert after["jutsu_breaker_open"] == 0


def test_no_counter_ever_falls(installation: Installation) -> None:
    counters = [metric.name for metric in METRICS if metric.kind == "counter"]
    seen = [looked(installation)]
    for day in range(3):
        installation.clock.advance(timedelta(days=day))
        claim = installation.market.ledger.claim(LIMITS, "me")
        seen.append(looked(installation))
        installation.market.ledger.cancel(claim)
        seen.append(looked(installation))
    assert all(earlier[name] <= later[name] for earlier, later in itertools.pairwise(seen) for name in counters)


def test_bars_gaps_findings_and_what_is_stale(installation: Installation) -> None:
    stale_series(installation)
    rules = ("no_session_is_missing", "no_session_is_missing", "no_bar_is_stale")
    findings = [Finding(rule, date(2013, 2, 1 + n), "found") for n, rule in enumerate(rules)]
    installation.market.findings.record("IBM", Timeframe.D1, basis="x", findings=findings)
    installation.clock.advance(timedelta(days=1))
    installation.market.bars.write(
        "AAPL", Timeframe.D1, fetched(bar(date(2013, 3, 1), "1"), asked_at=installation.clock.now())
    )
    found = looked(installation)
    assert found["jutsu_bars"] == 4
    assert found["jutsu_bar_revisions"] == 1
    assert found["jutsu_sessions_missing"] == 2
    assert found["jutsu_findings_open{rule=no_bar_is_stale}{severity=warn}"] == 1
    assert found["jutsu_partitions_stale{asset=daily_indicators}"] == 3
    assert found["jutsu_bars_recorded_timestamp_seconds"] == installation.clock.now().timestamp()
    assert found["jutsu_problems{check=series_follow_their_bars}{gravity=warning}"] == 1


def test_a_login_counts_down(live: Installation) -> None:
    assert looked(live)["jutsu_login_remaining_seconds"] == 0
    assert looked(live)["jutsu_problems{check=the_login_is_alive}{gravity=error}"] == 1


def test_without_a_store_the_page_says_so(installation: Installation) -> None:
    installation.market.database.close()
    (installation.settings.home / "jutsu.db").unlink()
    found = looked(installation)
    assert found["jutsu_problems{check=there_is_a_store}{gravity=error}"] == 1
    assert "jutsu_bars" not in found
    assert found["jutsu_disk_free_bytes"] > 0


def test_a_page_is_looked_up_once_in_some_seconds(installation: Installation) -> None:
    now = [0.0]
    page = MetricsPage(installation.place, installation.clock, stopwatch=lambda: now[0])
    first = page.text()
    installation.market.ledger.claim(LIMITS, "me")
    assert page.text() == first
    now[0] = 5.0
    assert metrics_of(page.text())["jutsu_requests_today"] == 1


def test_the_command_prints_the_page_or_writes_it_whole(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(installation.folder)
    for name, value in installation.environment.items():
        monkeypatch.setenv(name, value)
    printed = CliRunner().invoke(main, ["metrics"])
    assert printed.exit_code == 0, printed.output
    assert metrics_of(printed.stdout)["jutsu_bars"] == 3
    target = tmp_path / "jutsu.prom"
    target.write_text("half", encoding="utf-8")
    assert CliRunner().invoke(main, ["metrics", "--textfile", str(target)]).exit_code == 0
    assert metrics_of(target.read_text("utf-8"))["jutsu_bars"] == 3
    assert target.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.glob("*.prom*")] == ["jutsu.prom"]


@pytest.mark.parametrize(
    ("name", "said"), [("jutsu.txt", r"must be named \*\.prom"), ("no/jutsu.prom", "must be writable: No such file")]
)
def test_a_textfile_that_nobody_would_read_is_refused(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        write_textfile(tmp_path / name, "x")
    assert not list(tmp_path.iterdir())


def test_every_figure_is_read_on_both_databases(tmp_path: Path, url: str) -> None:
    at = Installation(tmp_path, {"JUTSU_DATABASE_URL": url})
    # The server's clock is the machine's.
    at.clock.moment = SystemClock().now()
    at.write()
    stale_series(at)
    at.market.ledger.claim(LIMITS, "me")
    found = looked(at)
    with at.look() as observed:
        problems = [problem.check for problem in problems_of(observed)]
        ahead = observed.clock_ahead_seconds
    at.market.database.close()
    assert found["jutsu_bars"] == 4
    assert found["jutsu_requests_today"] == found["jutsu_requests_reserved_total"] == 1
    assert found["jutsu_partitions_stale{asset=daily_indicators}"] == 2
    assert problems == ["series_follow_their_bars"]
    assert abs(ahead) < 5
