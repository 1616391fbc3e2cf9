"""The simulator's clock: it can be set, stopped, run fast, and disagree with the client's."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

FASTEST = 1_000_000
"""The largest rate of a clock."""
MOST_SKEW = 10 * 365 * 86400
"""The largest skew of a clock, either way, in seconds."""


def system_seconds() -> float:
    """Return the system's time in epoch seconds: what clients compare the life of a token with."""
    return time.time()  # noqa: TID251 - the one default; tests inject their own


class ClockSetting(BaseModel):
    """How a clock is to be set; what is None stays as it is.

    Attributes:
        now: What it is to show, skew included.
        rate: How many seconds are to pass in one; 0 stops it.
        skew: How many seconds it is to be ahead of what the client takes for right.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    now: AwareDatetime | None = None
    rate: Annotated[float, Field(ge=0, le=FASTEST)] | None = None
    skew: Annotated[float, Field(ge=-MOST_SKEW, le=MOST_SKEW)] | None = None


class SimulatorClock:
    """One clock with two dials: where the market stands, and how old the tokens are.

    Both dials move together: setting the clock a day ahead makes every token a day older,
    stopping it keeps all alive, and running it 60 times as fast lets an access token die
    after 30 seconds. They show different times because a client compares the expiry of its
    token with its own clock: the market may stand in 2013, the tokens begin at the client's
    present. A client goes on to believe in the 1800 seconds that it was promised, so under a
    clock that runs ahead it learns of a token's death from a 401, as after a revocation.

    Safe to use from several threads.

    Args:
        start: What it shows at first, skew included.
        rate: How many seconds pass in one; 0 stops the clock.
        skew: How many seconds it is ahead of what the client takes for right.
        monotonic: Seconds that really pass.
        epoch: The client's clock, epoch seconds; read once.
    """

    def __init__(
        self,
        start: datetime,
        *,
        rate: float = 1.0,
        skew: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
        epoch: Callable[[], float] = system_seconds,
    ) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._shown = start.astimezone(UTC) - timedelta(seconds=skew)
        self._since = monotonic()
        self._ahead = epoch() - self._shown.timestamp()
        self._rate = rate
        self._skew = skew

    @property
    def rate(self) -> float:
        """How many seconds pass in one; 0 while the clock stands."""
        return self._rate

    @property
    def skew(self) -> float:
        """How many seconds the clock is ahead of what the client takes for right."""
        return self._skew

    def now(self) -> datetime:
        """Return where the market stands, UTC."""
        with self._lock:
            return self._unskewed() + timedelta(seconds=self._skew)

    def token_seconds(self) -> float:
        """Return the time that the lives of tokens are counted in, epoch seconds."""
        return self.now().timestamp() + self._ahead

    def change(self, setting: ClockSetting) -> None:
        """Set the clock, its rate or its skew."""
        with self._lock:
            self._shown, self._since = self._unskewed(), self._monotonic()
            self._rate = self._rate if setting.rate is None else setting.rate
            self._skew = self._skew if setting.skew is None else setting.skew
            if setting.now is not None:
                self._shown = setting.now.astimezone(UTC) - timedelta(seconds=self._skew)

    def advance(self, by: timedelta) -> None:
        """Put the clock ahead, or back."""
        with self._lock:
            self._shown += by

    def _unskewed(self) -> datetime:
        return self._shown + timedelta(seconds=(self._monotonic() - self._since) * self._rate)
