"""Sensors: what is looked at between runs."""

import dagster as dg

from jutsu_assets.graph.assets.bars import DAILY_BARS
from jutsu_assets.graph.checks.login import LOGIN_IS_ALIVE, judge_login
from jutsu_assets.schwab.tokens import TokenStore
from jutsu_core.ports import Clock

_SECONDS_BETWEEN_LOOKS = 3600


def build_login_sensor(tokens: TokenStore | None, clock: Clock) -> dg.SensorDefinition:
    """Return the sensor that looks at the login every hour, whether or not anything runs.

    It records the check ``login_is_alive`` when its verdict changes, and once a day while the
    login is ending or dead: alerts on that check fire before the login dies.
    """

    @dg.sensor(
        name="login_expiry",
        minimum_interval_seconds=_SECONDS_BETWEEN_LOOKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Records {LOGIN_IS_ALIVE} of {DAILY_BARS} before the Schwab login dies.",
    )
    def login_expiry(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        verdict = judge_login(tokens, clock)
        if tokens is None:
            return dg.SkipReason(verdict.description)
        today = "" if verdict.passed else str(clock.now().date())
        seen = f"{verdict.passed} {verdict.severity.value} {today}"
        if seen == context.cursor:
            return dg.SkipReason(verdict.description)
        evaluation = dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(DAILY_BARS),
            check_name=LOGIN_IS_ALIVE,
            passed=verdict.passed,
            severity=verdict.severity,
            description=verdict.description,
            metadata=verdict.metadata,
        )
        return dg.SensorResult(asset_events=[evaluation], cursor=seen)

    return login_expiry
