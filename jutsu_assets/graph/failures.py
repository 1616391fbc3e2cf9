"""What failed in a run over many partitions, and whether to try again.

A run does what it can; one failure at its end names the rest. What would fail for every symbol
(a dead login, a broken store, a broker that is left alone for a while because it failed again
and again) stops the asking early.
"""

from dataclasses import dataclass, field

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

NO_RETRY_TAG = "dagster/retry_on_asset_or_op_failure"
NAMED_IN_FULL = 20
"""So many partitions are named in the message, and all in its metadata."""
_HOPELESS = (
    AddressBlockedError,
    AuthenticationError,
    CircuitOpenError,
    ConfigurationError,
    RequestBudgetError,
    StoreError,
)


def is_hopeless(error: Exception) -> bool:
    """Return whether ``error`` would meet every other partition too."""
    return isinstance(error, _HOPELESS)


@dataclass
class RunFailures:
    """The partitions of a run that are not up to date.

    Attributes:
        requested: All partitions of the run.
        errors: Why some failed.
        untried: Those that were not tried after one that was hopeless.
    """

    requested: list[str]
    errors: dict[str, JutsuError] = field(default_factory=dict)
    untried: list[str] = field(default_factory=list)

    def add(self, partition: str, error: JutsuError) -> None:
        """Note why ``partition`` failed; the first reason of several is the one that counts."""
        self.errors.setdefault(partition, error)

    def raise_if_any(self, context: dg.AssetExecutionContext) -> None:
        """End the run with one failure that names every partition that is not up to date.

        Raises:
            dagster.Failure: There is one; it may be retried where all that failed may pass.
        """
        if not self.errors and not self.untried:
            return
        # A run is retried at once: no use where the source is left alone for some time.
        may_retry = all(
            isinstance(error, TransientSourceError) and not isinstance(error, CircuitOpenError)
            for error in self.errors.values()
        )
        if not may_retry:
            context.instance.add_run_tags(context.run.run_id, {NO_RETRY_TAG: "false"})
        missed = self.errors.keys() | set(self.untried)
        done = [key for key in self.requested if key not in missed]
        reasons = [f"{key}: {error}" for key, error in self.errors.items()]
        raise dg.Failure(
            description=(
                f"{len(self.errors)} of {len(self.requested)} partitions failed. {_listed(reasons, '; ')}."
                + (f" Not tried after that: {_listed(self.untried, ', ')}." if self.untried else "")
                + (f" Up to date: {_listed(done, ', ')}." if done else "")
            ),
            metadata={
                "failed": list(self.errors),
                "not_tried": self.untried,
                "up_to_date": len(done),
                "errors": {key: f"{type(error).__name__}: {error}" for key, error in self.errors.items()},
            },
            allow_retries=may_retry,
        )


def _listed(items: list[str], separator: str) -> str:
    more = len(items) - NAMED_IN_FULL
    return separator.join(items[:NAMED_IN_FULL]) + (f"{separator}and {more} more" if more > 0 else "")
