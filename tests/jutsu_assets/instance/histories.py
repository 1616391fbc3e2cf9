"""Dagster instances over a history of a test's own, and children that use one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any

import dagster as dg
import yaml


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
