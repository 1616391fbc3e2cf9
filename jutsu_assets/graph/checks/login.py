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


def build_login_check(asset: str, tokens: TokenStore | None, clock: Clock) -> dg.AssetChecksDefinition:
    """Return the check that the login with which ``asset`` is fetched is alive."""

    @dg.asset_check(
        asset=asset,
        name=LOGIN_IS_ALIVE,
        description=(
            "The Schwab login lives for two more days at least; it lasts seven, and only `jutsu login` makes a new one."
        ),
    )
    def login_is_alive() -> dg.AssetCheckResult:
        verdict = judge_login(tokens, clock)
        return dg.AssetCheckResult(
            passed=verdict.passed,
            severity=verdict.severity,
            description=verdict.description,
            metadata=dict(verdict.metadata),
        )

    return login_is_alive
