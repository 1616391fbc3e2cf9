"""A storage of Dagster that is put together of three: of runs, of events, and of schedules and sensors."""

from typing import Any

from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.event_log.base import EventLogStorage
from dagster._core.storage.runs.base import RunStorage
from dagster._core.storage.schedules.base import ScheduleStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData


class JoinedStorage(DagsterStorage, ConfigurableClass):
    """The whole of three parts, each made by it alone.

    Args:
        runs: The storage of runs.
        events: The storage of events.
        schedules: The storage of schedules and sensors.
        inst_data: What ``dagster.yaml`` says.
    """

    def __init__(
        self,
        runs: RunStorage,
        events: EventLogStorage,
        schedules: ScheduleStorage,
        inst_data: ConfigurableClassData | None,
    ) -> None:
        self._runs, self._events, self._schedules = runs, events, schedules
        self._inst_data = inst_data
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """Return what ``dagster.yaml`` says."""
        return self._inst_data

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
