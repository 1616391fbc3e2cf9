"""The run history of a folder: runs, events and ticks in SQLite, for several processes from the first start on.

``dagster.yaml`` names this class; without it everything works as Dagster ships it: slower, and
not to be begun by several processes at once.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._serdes import ConfigurableClassData

from jutsu_assets.instance.beginning import DATABASES, beginning, keep_newest, revisions
from jutsu_assets.instance.event_log import KeptEventLog, newest_revision
from jutsu_assets.instance.folders import BASE_DIR, base_dir_of
from jutsu_assets.instance.joined import JoinedStorage
from jutsu_assets.instance.run_records import MarkedRuns


class RunHistory(JoinedStorage):
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
            runs = MarkedRuns.from_local(str(folder / "history"))
            events = KeptEventLog(str(folder / "history" / "runs"), folder)
            schedules = SqliteScheduleStorage.from_local(str(folder / "schedules"))
        super().__init__(runs, events, schedules, inst_data)

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Return which settings it takes."""
        return BASE_DIR

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Return it as ``dagster.yaml`` describes it."""
        return cls(base_dir_of(config_value), inst_data)
