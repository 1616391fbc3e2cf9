"""Which folder is the Dagster home, where its history lies, and that the settings we ship are sound."""

from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config, dagster_instance_config_schema

from jutsu_assets.instance.beginning import DATABASES
from jutsu_assets.instance.event_log import KeptEventLog
from jutsu_assets.instance.home import HistoryPlace, dagster_home, history_place, prepared_home
from jutsu_assets.instance.launcher import WatchfulLauncher
from jutsu_assets.starter import INSTANCE, packaged
from jutsu_core.errors import ConfigurationError


def test_the_home_is_what_is_named_or_the_folder_with_settings_or_our_own(tmp_path: Path) -> None:
    assert dagster_home({}, tmp_path) == tmp_path / "var" / "dagster"
    assert dagster_home({"JUTSU_HOME": "data"}, tmp_path) == tmp_path / "data" / "dagster"
    (tmp_path / INSTANCE).touch()
    assert dagster_home({}, tmp_path) == tmp_path
    assert dagster_home({"DAGSTER_HOME": str(tmp_path / "named")}, tmp_path) == tmp_path / "named"
    assert dagster_home({"DAGSTER_HOME": "named"}, tmp_path) == tmp_path / "named"


def test_our_own_home_is_given_our_settings_and_others_are_left_alone(tmp_path: Path) -> None:
    own = prepared_home({}, tmp_path)
    assert (own / INSTANCE).read_bytes() == packaged(INSTANCE).read_bytes()
    (own / INSTANCE).write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    assert prepared_home({}, tmp_path) == own
    assert "storage" not in (own / INSTANCE).read_text(encoding="utf-8")
    named = prepared_home({"DAGSTER_HOME": str(tmp_path / "named")}, tmp_path)
    assert list(named.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "folder"),
    [
        ("", "home"),
        ("storage: {sqlite: {base_dir: /elsewhere}}", "/elsewhere"),
        ("storage: {custom: {module: jutsu_assets.instance.history, class: RunHistory, config: {}}}", "jutsu/dagster"),
        ("storage: {custom: {module: m, class: RunHistory, config: {base_dir: /there}}}", "/there"),
        ("storage: {postgres: {postgres_url: 'postgresql+psycopg2://host/name'}}", None),
        ("run_storage: {module: m, class: C, config: {}}", None),
    ],
)
def test_the_history_lies_where_the_settings_say(tmp_path: Path, settings: str, folder: str | None) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / INSTANCE).write_text(settings, encoding="utf-8")
    found = history_place(home, {"JUTSU_HOME": str(tmp_path / "jutsu")})
    assert found == HistoryPlace(home=home, folder=None if folder is None else tmp_path / folder)


@pytest.mark.parametrize(
    ("config", "written"),
    [("{}", ""), ("{url: 'postgresql://h/d'}", "postgresql://h/d"), ("{url: {env: HERE}}", "there"), ("", "")],
)
def test_a_history_on_our_server_is_where_the_settings_or_the_environment_say(
    tmp_path: Path, config: str, written: str
) -> None:
    settings = f"storage: {{custom: {{module: m, class: PostgresHistory, config: {config}}}}}"
    (tmp_path / INSTANCE).write_text(settings, encoding="utf-8")
    found = history_place(tmp_path, {"HERE": "there"})
    assert found == HistoryPlace(home=tmp_path, written_url=written)
    assert found.is_on_our_server


@pytest.mark.parametrize("settings", ["storage: [", "- a list", "storage: 7", "storage: {custom: {module: m}}"])
def test_settings_that_cannot_be_read_are_named(tmp_path: Path, settings: str) -> None:
    (tmp_path / INSTANCE).write_text(settings, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"dagster\.yaml must be readable"):
        history_place(tmp_path, {})


def test_the_settings_we_ship_are_known_to_dagster_and_say_what_they_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUTSU_HOME", "data")
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    home = prepared_home({}, tmp_path)
    dagster_instance_config(str(home))  # raises where a key or a value is unknown
    written = yaml.safe_load(packaged(INSTANCE).read_text(encoding="utf-8"))
    assert set(written) <= set(dagster_instance_config_schema())
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert isinstance(instance.event_log_storage, KeptEventLog)
        assert isinstance(instance.run_launcher, WatchfulLauncher)
        assert not instance.telemetry_enabled
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert instance.storage_directory().startswith(str(tmp_path / "data" / "dagster"))
        assert Path(instance.compute_log_manager._base_dir) == tmp_path / "data" / "dagster" / "compute_logs"  # type: ignore[attr-defined]
        reloaded = dg.DagsterInstance.from_ref(instance.get_ref())
        assert isinstance(reloaded.event_log_storage, KeptEventLog)
        reloaded.dispose()
    assert all((tmp_path / "data" / "dagster" / name).is_file() for name in DATABASES)
