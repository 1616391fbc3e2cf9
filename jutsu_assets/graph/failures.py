"""Success and failure of single partitions inside one run.

A run over many symbols does what it can: each symbol that succeeds is recorded, and one
failure at the end names the rest, so that the UI shows exactly what is there. What would
fail for every symbol (a dead login, a broken store, a broker that is left alone for a while
because it failed again and again) stops the run early.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from jutsu_core.errors import (
    AddressBlockedError,
    AuthenticationError,
    CircuitOpenError,
    ConfigurationError,
    JutsuError,
    RequestBudgetError,
    StoreError,
    TransientSourceError,
)

Metadata = Mapping[str, Any]

_NO_RETRY_TAG = "dagster/retry_on_asset_or_op_failure"
_HOPELESS = (
    AddressBlockedError,
    AuthenticationError,
    CircuitOpenError,
    ConfigurationError,
    RequestBudgetError,
    StoreError,
)


@dataclass
class _Outcome:
    done: dict[str, Metadata] = field(default_factory=dict)
    failed: dict[str, JutsuError] = field(default_factory=dict)
    untried: list[str] = field(default_factory=list)


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
            if isinstance(error, _HOPELESS):
                outcome.untried = keys[position:]
                break
        else:
            outcome.done[key] = metadata
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
    # A run is retried at once: no use where the source is left alone for some time.
    may_retry = all(
        isinstance(error, TransientSourceError) and not isinstance(error, CircuitOpenError)
        for error in outcome.failed.values()
    )
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
