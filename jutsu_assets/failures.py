"""Success and failure of single partitions inside one run.

A run over many symbols does what it can: each symbol that succeeds is recorded, and one
failure at the end names the rest, so that the UI shows exactly what is there. What would
fail for every symbol (a dead login, a broken store) or keeps failing (the broker is down)
stops the run early, without hammering the broker.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from jutsu_core.errors import AuthenticationError, ConfigurationError, JutsuError, StoreError, TransientSourceError

Metadata = Mapping[str, Any]

CONSECUTIVE_OUTAGES = 3
_NO_RETRY_TAG = "dagster/retry_on_asset_or_op_failure"
_HOPELESS = (AuthenticationError, ConfigurationError, StoreError)


@dataclass
class _Outcome:
    done: dict[str, Metadata] = field(default_factory=dict)
    failed: dict[str, JutsuError] = field(default_factory=dict)
    untried: list[str] = field(default_factory=list)
    outages: int = 0

    def must_stop(self, error: JutsuError) -> bool:
        self.outages = self.outages + 1 if isinstance(error, TransientSourceError) else 0
        return isinstance(error, _HOPELESS) or self.outages >= CONSECUTIVE_OUTAGES


def work_through(
    context: dg.AssetExecutionContext, work: Callable[[str], Metadata], *, describe: Callable[[Metadata], str]
) -> None:
    """Do ``work`` for every partition of the run, with progress, and attach its metadata.

    Args:
        context: The running asset.
        work: Brings one partition up to date and returns its metadata; raises a JutsuError
            when it cannot.
        describe: Puts the metadata into words for the log.

    Raises:
        dagster.Failure: Some partitions failed; those that did not are recorded as materialized.
    """
    outcome = _Outcome()
    keys = list(context.partition_keys)
    began = time.perf_counter()
    for position, key in enumerate(keys, start=1):
        try:
            metadata = work(key)
        except JutsuError as error:
            outcome.failed[key] = error
            context.log.error("%s: %s", key, error)  # noqa: TRY400 - the message is made to be read alone
            if outcome.must_stop(error):
                outcome.untried = keys[position:]
                break
        else:
            outcome.done[key] = metadata
            outcome.outages = 0
            elapsed = time.perf_counter() - began
            left = elapsed / position * (len(keys) - position)
            context.log.info("%s: %s (%d/%d, %.0f s left)", key, describe(metadata), position, len(keys), left)
    if outcome.failed:
        _fail(context, outcome)
    for key, metadata in outcome.done.items():
        context.add_asset_metadata(metadata, partition_key=key)


def _fail(context: dg.AssetExecutionContext, outcome: _Outcome) -> None:
    for key, metadata in outcome.done.items():
        context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata))
    may_retry = all(isinstance(error, TransientSourceError) for error in outcome.failed.values())
    if not may_retry:
        context.instance.add_run_tags(context.run.run_id, {_NO_RETRY_TAG: "false"})
    reasons = "; ".join(f"{key}: {error}" for key, error in outcome.failed.items())
    untried = f" Not tried after that: {', '.join(outcome.untried)}." if outcome.untried else ""
    done = f" Up to date: {', '.join(outcome.done)}." if outcome.done else ""
    count = f"{len(outcome.failed)} of {len(context.partition_keys)} partitions failed."
    raise dg.Failure(
        description=f"{count} {reasons}.{untried}{done}",
        metadata={
            "failed": list(outcome.failed),
            "not_tried": outcome.untried,
            "up_to_date": list(outcome.done),
            "errors": {key: f"{type(error).__name__}: {error}" for key, error in outcome.failed.items()},
        },
        allow_retries=may_retry,
    )
