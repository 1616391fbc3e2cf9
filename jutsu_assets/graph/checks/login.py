"""The check of the login: a truth that a person has to keep true, every seven days."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import dagster as dg

from jutsu_assets.schwab.tokens import LoginLife, TokenStore, login_life
from jutsu_core.ports import Clock

LOGIN_IS_ALIVE = "login_is_alive"
_SAMPLE = "sample bars need no login"


class LoginVerdict(NamedTuple):
    """What the check says, in Dagster's words."""

    passed: bool
    severity: dg.AssetCheckSeverity
    description: str
    metadata: Mapping[str, Any]


def judge_login(tokens: TokenStore | None, clock: Clock) -> LoginVerdict:
    """Return what is to be said of the login; ``tokens`` is None where none is needed.

    It warns with less than two days left, and fails when the login is dead or absent.
    """
    if tokens is None:
        return LoginVerdict(passed=True, severity=dg.AssetCheckSeverity.WARN, description=_SAMPLE, metadata={})
    life = login_life(tokens, clock.now())
    dead = life.standing == "dead"
    return LoginVerdict(
        passed=life.standing == "sound",
        severity=dg.AssetCheckSeverity.ERROR if dead else dg.AssetCheckSeverity.WARN,
        description=life.message,
        metadata=_metadata(life),
    )


def _metadata(life: LoginLife) -> dict[str, Any]:
    metadata: dict[str, Any] = {"days_left": round(life.days_left, 2)}
    if life.ends_at is not None:
        metadata["ends_at"] = dg.MetadataValue.timestamp(life.ends_at)
    return metadata


class LoginCheck:
    """The check that the login with which bars are fetched is alive, judged in the run that needs it.

    It is no step of its own: one that came after a failed fetch would be skipped, just when it matters.

    Args:
        tokens: The login; None where none is needed.
        clock: Tells how long it lasts from now.
    """

    name = LOGIN_IS_ALIVE

    def __init__(self, tokens: TokenStore | None, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock

    def spec(self, asset: str) -> dg.AssetCheckSpec:
        """Return what Dagster knows of the check on ``asset``."""
        return dg.AssetCheckSpec(
            self.name,
            asset=asset,
            description=(
                "The Schwab login lives for two more days at least; it lasts seven, and only `jutsu login` makes a"
                " new one."
            ),
        )

    def verdict(self) -> LoginVerdict:
        """Return what is to be said of the login now."""
        return judge_login(self._tokens, self._clock)

    def evaluation(self, asset: str) -> dg.AssetCheckEvaluation:
        """Return the same as what Dagster records of ``asset``."""
        verdict = self.verdict()
        return dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(asset),
            check_name=self.name,
            passed=verdict.passed,
            severity=verdict.severity,
            description=verdict.description,
            metadata=dict(verdict.metadata),
        )

    @property
    def is_needed(self) -> bool:
        """Return whether bars are fetched with a login at all."""
        return self._tokens is not None
