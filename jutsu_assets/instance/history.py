"""The run history of a folder: runs, events and ticks in SQLite, for several processes from the first start on.

``dagster.yaml`` names this class; without it everything works as Dagster ships it: slower, and
not to be begun by several processes at once.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.event_log.base import EventLogStorage
from dagster._core.storage.runs.base import RunStorage
from dagster._core.storage.schedules.base import ScheduleStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData

from jutsu_assets.instance.beginning import DATABASES, beginning, keep_newest, revisions
from jutsu_assets.instance.event_log import KeptEventLog, newest_revision
from jutsu_assets.instance.folders import BASE_DIR, base_dir_of
from jutsu_assets.instance.run_records import MarkedRuns


class RunHistory(DagsterStorage, ConfigurableClass):
    """Dagster's SQLite storage, begun by one process at a time, with a fast event log and runs that name their process.

    Files lie where Dagster's ``sqlite`` storage of the same ``base_dir`` has them.

    Args:
        base_dir: Folder of the history.
        inst_data: What ``dagster.yaml`` says.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        folder = Path(base_dir).absolute()
        with beginning(folder):
            for name in DATABASES:
                if len(revisions(folder / name)) > 1:
                    keep_newest(folder / name, newest_revision())
            self._runs = MarkedRuns.from_local(str(folder / "history"))
            self._events = KeptEventLog(str(folder / "history" / "runs"), folder)
            self._schedules = SqliteScheduleStorage.from_local(str(folder / "schedules"))
        self._inst_data = inst_data
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """Return what ``dagster.yaml`` says."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Return which settings it takes."""
        return BASE_DIR

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Return it as ``dagster.yaml`` describes it."""
        return cls(base_dir_of(config_value), inst_data)

    def register_instance(self, instance: Any) -> None:  # noqa: ANN401 - as inherited
        """Tell every part which instance it belongs to."""
        super().register_instance(instance)
        for part in (self._runs, self._events, self._schedules):
            if not part.has_instance:
                part.register_instance(instance)

    @property
    def run_storage(self) -> RunStorage:
        """Return the storage of runs."""
        return self._runs

    @property
    def event_log_storage(self) -> EventLogStorage:
        """Return the storage of events."""
        return self._events

    @property
    def schedule_storage(self) -> ScheduleStorage:
        """Return the storage of schedules and sensors."""
        return self._schedules

    @property
    def run_storage_data(self) -> ConfigurableClassData | None:
        """Return None: the parts are made by the whole alone."""
        return None

    @property
    def event_storage_data(self) -> ConfigurableClassData | None:
        """Return None: the parts are made by the whole alone."""
        return None

    @property
    def schedule_storage_data(self) -> ConfigurableClassData | None:
        """Return None: the parts are made by the whole alone."""
        return None

    def dispose(self) -> None:
        """Close what is open."""
        for part in (self._events, self._runs, self._schedules):
            part.dispose()
