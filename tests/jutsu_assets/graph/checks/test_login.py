"""The login's check and the sensor that looks at it between runs: warn with two days left, fail at none."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from jutsu_assets.definitions import build_defs
from jutsu_assets.graph.checks.login import LoginCheck
from jutsu_assets.graph.sensors import build_login_sensor
from jutsu_assets.schwab.tokens import FileTokenStore, MemoryTokenStore, TokenStore
from jutsu_assets.settings import Settings
from jutsu_assets.universe import Universe
from tests.support.builders import SettableClock

LOGGED_IN = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


def login() -> TokenStore:
    token = {"access_token": "ACCESS", "refresh_token": "REFRESH"}
    return MemoryTokenStore({"creation_timestamp": int(LOGGED_IN.timestamp()), "token": token})


def evaluated(tokens: TokenStore | None, age: timedelta) -> dg.AssetCheckEvaluation:
    return LoginCheck(tokens, SettableClock(LOGGED_IN + age)).evaluation("daily_bars")


@pytest.mark.parametrize(
    ("age", "passed", "severity", "said"),
    [
        (0 * DAY, True, WARN, "good until 2026-03-09 12:00 UTC, 7.0 days"),
        (5 * DAY, True, WARN, "2.0 days"),
        (5 * DAY + timedelta(seconds=1), False, WARN, "dies at 2026-03-09 12:00 UTC, in 2.0 days: run `jutsu login`"),
        (7 * DAY - timedelta(seconds=1), False, WARN, "in 0.0 days: run `jutsu login`"),
        (7 * DAY, False, ERROR, "dead since 2026-03-09 12:00 UTC: run `jutsu login`"),
        (400 * DAY, False, ERROR, "dead since"),
    ],
)
def test_it_warns_with_less_than_two_days_left_and_fails_at_none(
    age: timedelta,
    passed: bool,  # noqa: FBT001 - a table
    severity: dg.AssetCheckSeverity,
    said: str,
) -> None:
    evaluation = evaluated(login(), age)
    assert (evaluation.passed, evaluation.severity) == (passed, severity)
    assert said in str(evaluation.description)
    assert evaluation.metadata["days_left"].value == pytest.approx(max(0.0, 7 - age / DAY), abs=0.01)
    assert "ACCESS" not in str(evaluation)
    assert "REFRESH" not in str(evaluation)


def test_no_login_at_all_is_an_error_that_names_the_remedy(tmp_path: Path) -> None:
    evaluation = evaluated(FileTokenStore(tmp_path / "none.json"), 0 * DAY)
    assert (evaluation.passed, evaluation.severity) == (False, ERROR)
    assert "must exist; log in again with `jutsu login`" in str(evaluation.description)


@pytest.mark.parametrize("made_at", [1_764_125_000_000, "1764125000", None, -1, True, float("nan"), 4_000_000_000])
def test_a_time_that_cannot_be_is_an_error_in_one_line(tmp_path: Path, made_at: object) -> None:
    """Milliseconds, a text, the far future: never days that nobody has."""
    path = tmp_path / "token.json"
    token = {"access_token": "ACCESS", "refresh_token": "REFRESH"}
    path.write_text(json.dumps({"creation_timestamp": made_at, "token": token}), encoding="utf-8")
    evaluation = evaluated(FileTokenStore(path), 0 * DAY)
    assert (evaluation.passed, evaluation.severity) == (False, ERROR)
    assert f"{path}: creation_timestamp must " in str(evaluation.description)
    assert "\n" not in str(evaluation.description)
    assert {name: value.value for name, value in evaluation.metadata.items()} == {"days_left": 0.0}


def test_sample_bars_need_no_login() -> None:
    evaluation = evaluated(None, 0 * DAY)
    assert evaluation.passed
    assert evaluation.description == "sample bars need no login"


def looks(clock: SettableClock, hours: int, *, tokens: TokenStore | None = None) -> list[Any]:
    """Look every hour; return what was recorded, by hour since the login."""
    sensor = build_login_sensor(LoginCheck(tokens or login(), clock), clock)
    cursor, recorded = None, []
    for _ in range(hours):
        result = sensor(dg.build_sensor_context(cursor=cursor))
        if isinstance(result, dg.SensorResult):
            (event,) = result.asset_events or []
            assert isinstance(event, dg.AssetCheckEvaluation)
            recorded.append((round((clock.now() - LOGGED_IN) / timedelta(hours=1)), event.passed, event.severity))
            cursor = result.cursor
        clock.advance(timedelta(hours=1))
    return recorded


def test_the_sensor_speaks_when_the_verdict_changes_and_daily_while_it_is_bad() -> None:
    recorded = looks(SettableClock(LOGGED_IN), 8 * 24)
    assert recorded[0] == (0, True, WARN)
    assert [entry for entry in recorded[1:] if entry[1]] == []
    warned = [hour for hour, _, severity in recorded[1:] if severity is WARN]
    failed = [hour for hour, _, severity in recorded if severity is ERROR]
    assert warned == [121, 132, 156], "as soon as less than two days are left, then at each midnight"
    assert failed == [168, 180]


def test_the_sensor_has_nothing_to_look_at_for_sample_bars() -> None:
    clock = SettableClock(LOGGED_IN)
    sensor = build_login_sensor(LoginCheck(None, clock), clock)
    result = sensor(dg.build_sensor_context())
    assert isinstance(result, dg.SkipReason)
    assert result.skip_message == "sample bars need no login"


def test_a_new_login_is_recorded_as_sound() -> None:
    tokens, clock = login(), SettableClock(LOGGED_IN + 6 * DAY)
    sensor = build_login_sensor(LoginCheck(tokens, clock), clock)
    first = sensor(dg.build_sensor_context())
    assert isinstance(first, dg.SensorResult)
    tokens.write({**tokens.read(), "creation_timestamp": int(clock.now().timestamp())})
    second = sensor(dg.build_sensor_context(cursor=first.cursor))
    assert isinstance(second, dg.SensorResult)
    (event,) = second.asset_events or []
    assert isinstance(event, dg.AssetCheckEvaluation)
    assert event.passed


def test_the_graph_has_both_and_they_read_the_login_of_the_settings(tmp_path: Path) -> None:
    FileTokenStore(tmp_path / "token.json").write(login().read())
    environment = {
        "JUTSU_HOME": str(tmp_path),
        "SCHWAB_API_KEY": "KEY",
        "SCHWAB_APP_SECRET": "SECRET",
        "SCHWAB_TOKEN_PATH": str(tmp_path / "token.json"),
    }
    settings = Settings.from_environment(environment, folder=tmp_path)
    definitions = build_defs(settings, universe=Universe(symbols=("AAPL",), history_start=LOGGED_IN.date()))
    sensor = definitions.resolve_sensor_def("login_expiry")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    result = sensor(dg.build_sensor_context())
    assert isinstance(result, dg.SensorResult)
    (event,) = result.asset_events or []
    assert isinstance(event, dg.AssetCheckEvaluation)
    assert event.asset_check_key in definitions.resolve_asset_graph().asset_check_keys
