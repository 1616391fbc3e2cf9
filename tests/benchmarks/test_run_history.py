"""What it costs to store an event, beside Dagster's own storage."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.jutsu_assets.instance.histories import instance_of, write_home


@pytest.fixture(params=["ours", "dagster"])
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    home = tmp_path / "home"
    storage = None if request.param == "ours" else {"sqlite": {"base_dir": str(home)}}
    with instance_of(write_home(home, storage)) as opened:
        yield opened


@pytest.mark.benchmark(group="an event of a run")
def test_a_materialization(benchmark: Any, instance: dg.DagsterInstance) -> None:
    event = dg.AssetMaterialization("bars", partition="A", tags={"dagster/data_version": "1"}, metadata={"rows": 5000})
    benchmark(instance.report_runless_asset_event, event)
    assert instance.get_materialized_partitions(dg.AssetKey("bars")) == {"A"}


@pytest.mark.benchmark(group="an event of a run")
def test_a_check(benchmark: Any, instance: dg.DagsterInstance) -> None:
    key = dg.AssetKey("bars")
    event = dg.AssetCheckEvaluation(asset_key=key, check_name="sound", passed=True, metadata={"rows": 5})
    benchmark(instance.report_runless_asset_event, event)
    history = instance.event_log_storage.get_asset_check_execution_history(dg.AssetCheckKey(key, "sound"), limit=1)
    assert [record.status.value for record in history] == ["SUCCEEDED"]
