"""Sensors: what is looked at between runs."""

import dagster as dg

from jutsu_assets.graph.assets.bars import DAILY_BARS
from jutsu_assets.graph.checks.login import LOGIN_IS_ALIVE, LoginCheck
from jutsu_assets.logs import logs_of_run
from jutsu_assets.monitoring.alerts import look_and_tell
from jutsu_assets.monitoring.notifiers import notifiers_of
from jutsu_assets.monitoring.observed import Observed, Place
from jutsu_assets.settings import Settings
from jutsu_core.errors import JutsuError
from jutsu_core.ports import Clock

_SECONDS_BETWEEN_LOOKS = 3600
_SECONDS_BETWEEN_TICKS = 60
_SECONDS_BETWEEN_ALERTS = 300


def build_login_sensor(login: LoginCheck, clock: Clock) -> dg.SensorDefinition:
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
        verdict = login.verdict()
        if not login.is_needed:
            return dg.SkipReason(verdict.description)
        today = "" if verdict.passed else str(clock.now().date())
        seen = f"{verdict.passed} {verdict.severity.value} {today}"
        if seen == context.cursor:
            return dg.SkipReason(verdict.description)
        return dg.SensorResult(asset_events=[login.evaluation(DAILY_BARS)], cursor=seen)

    return login_expiry


def build_alert_sensor(settings: Settings, clock: Clock, *, is_on: bool) -> dg.SensorDefinition:
    """Return the sensor that tells a person what the quick checks of ``jutsu doctor`` find, each once, and its end.

    Args:
        settings: Which installation is looked at.
        clock: Tells what is now.
        is_on: Whether it runs from the start.
    """

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=_SECONDS_BETWEEN_ALERTS,
        default_status=dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED,
        description="Tells the targets of JUTSU_NOTIFY what is wrong, and when it is over, each once.",
    )
    def alerts(_: dg.SensorEvaluationContext) -> dg.SkipReason:
        place = Place.here(settings)
        try:
            notifiers = notifiers_of(place.environment)
            with logs_of_run(place.environment), Observed.opened(place, clock) as observed:
                told = look_and_tell(observed, notifiers, clock)
        except JutsuError as error:
            return dg.SkipReason(f"not told: {error}")
        said = [f"raised: {', '.join(told.raised)}"] * bool(told.raised)
        said += [f"over: {', '.join(told.over)}"] * bool(told.over)
        return dg.SkipReason("; ".join([*said, *told.troubles]) or "nothing changed")

    return alerts


def build_automation_sensor(*, is_on: bool) -> dg.AutomationConditionSensorDefinition:
    """Return the sensor by which derived assets follow their inputs; running from the start where ``is_on``."""
    return dg.AutomationConditionSensorDefinition(
        "derived_assets_follow",
        target=dg.AssetSelection.all(),
        default_status=dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED,
        minimum_interval_seconds=_SECONDS_BETWEEN_TICKS,
        description="Makes indicators and performance again where bars or definitions changed without them.",
    )
