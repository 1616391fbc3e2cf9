"""What a run says of each partition, when it is done: materialized, judged, or failed and why.

Events are written one by one while the run goes on, so that an interrupted run has recorded what
it did and the UI fills meanwhile. What one writes oneself lacks the tags by which Dagster tells
what a partition was made of and by which code; they are added here, so that nothing that is up to
date is called unsynced, and nothing that is not is called synced.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import dagster as dg

from jutsu_assets.graph.failures import RunFailures
from jutsu_core.errors import JutsuError

_DATA_VERSION = "dagster/data_version"
_CODE_VERSION = "dagster/code_version"
_INPUT_VERSION = "dagster/input_data_version"
_INPUT_POINTER = "dagster/input_event_pointer"
_SECONDS_BETWEEN_LINES = 5.0
_FEW_PARTITIONS = 20


class Made(NamedTuple):
    """What is to be recorded of one partition.

    Attributes:
        data_version: Changes when, and only when, its content does.
        metadata: What the UI shows of it; small, because it is kept for every run.
        said: The same in a few words, for the log.
        is_changed: Whether this run changed it.
    """

    data_version: str
    metadata: Mapping[str, Any]
    said: str
    is_changed: bool


class Recorder:
    """Records the partitions of one run.

    Args:
        context: The running op.
        requested: The partitions of the run.
        made_of: Returns which partitions of a parent a partition is made of; the same one if None.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        requested: Sequence[str],
        made_of: Callable[[str, str], Sequence[str]] | None = None,
    ) -> None:
        self._context = context
        self._selected = [key.to_user_string() for key in _in_order(context)]
        self._parents = {
            key.to_user_string(): sorted(parent.to_user_string() for parent in context.assets_def.asset_deps[key])
            for key in context.selected_asset_keys
        }
        self._versions = {key.to_user_string(): version for key, version in _code_versions(context).items()}
        self._made_of = made_of or (lambda _, partition: [partition])
        self._inputs: dict[tuple[str, str], tuple[str, str]] = {}
        self._failures = RunFailures(list(requested))
        self._began = self._spoke = time.perf_counter()

    @property
    def selected(self) -> Sequence[str]:
        """Return the assets that this run is to materialize, upstream first."""
        return self._selected

    def materialized(self, asset: str, partition: str, made: Made) -> None:
        """Record that a partition of ``asset`` is up to date."""
        tags = {_DATA_VERSION: made.data_version, _CODE_VERSION: self._versions[asset]}
        for parent in self._parents[asset]:
            pointer, version = self._input(parent, partition)
            tags |= {f"{_INPUT_VERSION}/{parent}": version, f"{_INPUT_POINTER}/{parent}": pointer}
        self._context.log_event(dg.AssetMaterialization(asset, partition=partition, metadata=made.metadata, tags=tags))

    def failed(self, partition: str, error: JutsuError, assets: Collection[str]) -> None:
        """Record that a partition of each of ``assets`` is not up to date, and why."""
        self._failures.add(partition, error)
        self._context.log.error("%s: %s", partition, error)
        for asset in assets:
            self._context.log_event(
                dg.AssetObservation(
                    asset,
                    partition=partition,
                    description=f"Failed: {error}",
                    metadata={"failed": str(error), "error": type(error).__name__},
                )
            )

    def judged(self, evaluation: dg.AssetCheckEvaluation) -> None:
        """Record a verdict."""
        self._context.log_event(evaluation)

    def progress(self, partition: str, said: Mapping[str, Made], *, done: int) -> None:
        """Say in the log how far the run is: of every partition that changed, of others now and then."""
        now, total = time.perf_counter(), len(self._failures.requested)
        is_news = any(made.is_changed for made in said.values())
        is_due = total <= _FEW_PARTITIONS or done == total or now - self._spoke >= _SECONDS_BETWEEN_LINES
        if is_news or is_due:
            self._spoke = now
            left = (now - self._began) / done * (total - done)
            words = "; ".join(f"{asset}: {made.said}" for asset, made in said.items())
            self._context.log.info("%s: %s (%d/%d, %.0f s left)", partition, words, done, total, left)

    def stop_before(self, partitions: Sequence[str]) -> None:
        """Record that ``partitions`` were not tried, because it would have been in vain."""
        self._failures.untried.extend(partitions)

    def finish(self) -> None:
        """End the run.

        Raises:
            dagster.Failure: Some partitions are not up to date; it names them, and why.
        """
        self._failures.raise_if_any(self._context)

    def _input(self, parent: str, partition: str) -> tuple[str, str]:
        """Return where the input's newest event is, and the data version that it has; asked for once a partition."""
        of = (parent, partition)
        if of not in self._inputs:
            self._inputs = {of: self._newest(parent, partition)}
        return self._inputs[of]

    def _newest(self, parent: str, partition: str) -> tuple[str, str]:
        asset, instance = dg.AssetKey(parent), self._context.instance
        records = [
            instance.get_latest_data_version_record(asset, partition_key=one)
            for one in self._made_of(parent, partition)
        ]
        found = [record for record in records if record is not None]
        if not found:
            return "NULL", "INITIAL"
        # What is newer than the newest of all that it was made of is what makes it out of date.
        newest = max(found, key=lambda record: record.storage_id)
        tags = newest.event_log_entry.tags or {}
        return str(newest.storage_id), tags.get(_DATA_VERSION, "INITIAL")


def _in_order(context: dg.AssetExecutionContext) -> list[dg.AssetKey]:
    return [key for key in context.assets_def.keys_by_output_name.values() if key in context.selected_asset_keys]


def _code_versions(context: dg.AssetExecutionContext) -> dict[dg.AssetKey, str]:
    return {spec.key: spec.code_version or "" for spec in context.assets_def.specs}
