"""Dagster instances over a history of a test's own, and children that use one."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any

import dagster as dg
import yaml

KEYS = dg.StaticPartitionsDefinition(["A", "B", "C"])


def built_bars() -> dg.AssetsDefinition:
    """Return an asset by partition with a check by partition, as the graph has them."""

    @dg.multi_asset(
        specs=[dg.AssetSpec("bars", skippable=True)],
        check_specs=[dg.AssetCheckSpec("sound", asset="bars", partitions_def=KEYS)],
        partitions_def=KEYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=True,
    )
    def bars(context: dg.AssetExecutionContext) -> Iterator[Any]:
        for key in context.partition_keys:
            context.log_event(
                dg.AssetMaterialization("bars", partition=key, tags={"dagster/data_version": key.lower()})
            )
            context.log_event(
                dg.AssetCheckEvaluation(
                    asset_key=dg.AssetKey("bars"), check_name="sound", passed=key != "C", partition=key, metadata={}
                )
            )
        yield from ()

    return bars


def run_bars(instance: dg.DagsterInstance) -> str:
    """Materialize every partition; return the run's id."""
    tags = {"dagster/asset_partition_range_start": "A", "dagster/asset_partition_range_end": "C"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Dagster's, of what is preview or beta
        bars = built_bars()
    result = dg.materialize([bars], instance=instance, tags=tags, raise_on_error=False)
    assert result.success
    return result.run_id


def write_home(home: Path, storage: Mapping[str, Any] | None = None) -> Path:
    """Make ``home`` a folder whose ``dagster.yaml`` names ``storage``, our history within it if None; return it."""
    home.mkdir(parents=True, exist_ok=True)
    ours = {"module": "jutsu_assets.instance.history", "class": "RunHistory", "config": {"base_dir": str(home)}}
    written = {"storage": storage or {"custom": ours}, "telemetry": {"enabled": False}}
    (home / "dagster.yaml").write_text(yaml.safe_dump(written), encoding="utf-8")
    return home


@contextmanager
def instance_of(home: Path) -> Iterator[dg.DagsterInstance]:
    """Yield the instance of ``home``."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def begin_and_log(reports: Any, barrier: Barrier, home: Path, key: str) -> None:
    """In a child: open the history of ``home`` at the same time as others, and log one materialization of ``key``."""
    barrier.wait()
    try:
        with instance_of(home) as instance:
            instance.report_runless_asset_event(dg.AssetMaterialization(key))
        reports.send("done")
    except Exception as error:  # noqa: BLE001 - whatever it is, the test wants to read it
        reports.send(repr(error))


def log_for_ever(reports: Any, home: Path) -> None:
    """In a child: log materializations until killed, and report each."""
    with instance_of(home) as instance:
        while True:
            instance.report_runless_asset_event(dg.AssetMaterialization("bars"))
            reports.send("logged")
