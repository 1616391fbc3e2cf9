"""What every attempt teaches all processes about Schwab: the circuit breaker and the retry quota.

The arithmetic is in :mod:`jutsu_core.access`; a request is refused where its place is claimed.
Here is how an attempt ends: as a success (Schwab answered, were it with a refusal), as a
failure (no answer, 429, 5xx, a block, or something unreadable), or as neither (nothing was sent).
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from jutsu_assets.schwab.throttle import Throttle
from jutsu_core.access import LONGEST_REST, AccessLedger, AccessState, after_failure, after_retry, after_success
from jutsu_core.errors import (
    AddressBlockedError,
    CircuitOpenError,
    MalformedResponseError,
    RequestBudgetError,
    SourceError,
    TransientSourceError,
)

BLOCK_REST = timedelta(minutes=15)
"""How long a blocked address rests: blocks of more than an hour were seen, and asking prolongs them."""

_FAILURES = (TransientSourceError, MalformedResponseError, AddressBlockedError)
_NOTHING_SENT = (CircuitOpenError, RequestBudgetError)
_logger = logging.getLogger("jutsu.schwab.breaker")


class Breaker:
    """Reports attempts to the ledger that all processes share.

    Args:
        ledger: What the processes share.
        throttle: Counts what was sent.
    """

    def __init__(self, ledger: AccessLedger, throttle: Throttle) -> None:
        self.ledger = ledger
        self._throttle = throttle

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Report how the attempt inside ends, if it sent anything."""
        self._throttle.begin_attempt()
        try:
            yield
        except _NOTHING_SENT:
            raise
        except _FAILURES as error:
            self._failed(error)
            raise
        except SourceError:
            self._succeeded()
            raise
        else:
            self._succeeded()

    def pay_for_retry(self) -> bool:
        """Take one retry out of the quota; return False where it is spent."""
        return self.ledger.change(after_retry)

    def _succeeded(self) -> None:
        claim = self._throttle.last_claim
        # Looking is free where the claim saw nothing to mend.
        if claim is not None and not claim.state.is_sound:
            holder = self._throttle.holder
            self._change(lambda state, _: after_success(state, holder))

    def _failed(self, error: SourceError) -> None:
        if self._throttle.last_claim is None:
            return
        asked = getattr(error, "retry_after_seconds", None) or 0
        rest = timedelta(seconds=min(asked, LONGEST_REST.total_seconds()))
        if isinstance(error, AddressBlockedError):
            rest = BLOCK_REST
        holder = self._throttle.holder
        self._change(lambda state, now: after_failure(state, now, holder, _first_line(error), rest=rest))

    def _change(self, change: Callable[[AccessState, datetime], AccessState]) -> None:
        """Change what all processes know; then say what that did, which one of them alone can have seen."""
        seen: list[tuple[AccessState, AccessState]] = []

        def noted(state: AccessState, now: datetime) -> AccessState:
            became = change(state, now)
            seen.append((state, became))
            return became

        self.ledger.change(noted)
        _tell(*seen[-1])


def _tell(was: AccessState, now: AccessState) -> None:
    if now.is_open and (not was.is_open or now.probe_at != was.probe_at):
        _logger.warning(
            "breaker %s: nothing is asked until %s UTC, after %d failures in a row; the last: %s",
            "stays open" if was.is_open else "opened",
            f"{now.probe_at:%Y-%m-%d %H:%M:%S}",
            now.failures,
            now.last_failure,
        )
    elif was.is_open and not now.is_open:
        _logger.warning("breaker closed: the probe was answered")
    elif now.paused_until is not None and now.paused_until != was.paused_until:
        _logger.warning("all processes wait until %s UTC, as asked", f"{now.paused_until:%Y-%m-%d %H:%M:%S}")


def _first_line(error: SourceError) -> str:
    return str(error).partition("\n")[0][:300]
