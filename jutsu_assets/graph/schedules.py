"""What the graph does by itself, when: each a partition backfill, by the exchange's own sessions and clock.

- ``update_after_close``: every symbol, as soon as the session's bars are final.
- ``nightly_repair``: the symbols that lack a session, whose last run failed, or of whose bars
  nothing was made yet, within a budget.
- ``rolling_verification``: those whose whole history was asked for longest ago, so that each is
  compared with the source once in some weeks.

All are off until the one switch turns them on.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from math import ceil
from zoneinfo import ZoneInfo

import dagster as dg

from jutsu_assets.graph.assets.daily import DAILY
from jutsu_assets.graph.assets.indicators import DAILY_INDICATORS
from jutsu_assets.graph.backfills import Wanted, launch
from jutsu_assets.graph.jobs import DAILY_ASSETS
from jutsu_assets.store.market import MarketDatabase
from jutsu_assets.universe import Universe
from jutsu_core.bars import Timeframe, session_timestamp
from jutsu_core.calendar import SETTLING_TIME, TradingCalendar, closing_times, day_off, exchange_zone
from jutsu_core.ports import Clock

UPDATE_AFTER_CLOSE = "update_after_close"
NIGHTLY_REPAIR = "nightly_repair"
ROLLING_VERIFICATION = "rolling_verification"

_AFTER_SETTLING = timedelta(minutes=5)
_MARGIN = timedelta(days=400)
_LEAST_AGE = timedelta(days=7)
"""What was compared within a week is not compared again, however small the universe."""
_NIGHT_CRON = "30 2 * * *"
_SMALL_HOURS_CRON = "30 4 * * *"

Plan = Callable[[MarketDatabase, datetime], Wanted | dg.SkipReason]


def build_schedules(universe: Universe, clock: Clock, *, is_on: bool) -> list[dg.ScheduleDefinition]:
    """Return the schedules of ``universe``; running from the start where ``is_on``."""
    year = clock.now().year
    zone = exchange_zone(universe.calendar, year)
    plans: dict[str, tuple[list[str], Plan]] = {
        UPDATE_AFTER_CLOSE: (_closing_crons(universe.calendar, year), _update(universe, zone)),
        NIGHTLY_REPAIR: ([_NIGHT_CRON], _repair(universe)),
        ROLLING_VERIFICATION: ([_SMALL_HOURS_CRON], _verification(universe)),
    }
    return [_schedule(name, crons, plan, zone, clock, is_on=is_on) for name, (crons, plan) in plans.items()]


_DESCRIPTIONS = {
    UPDATE_AFTER_CLOSE: "Brings every symbol up to date when the session's bars are final; early closes included.",
    NIGHTLY_REPAIR: "Asks again for what is missing or failed, worst first, within a budget of requests.",
    ROLLING_VERIFICATION: "Compares whole histories with the source, the longest unasked first, within a budget.",
}


def _schedule(
    name: str, crons: Sequence[str], plan: Plan, zone: ZoneInfo, clock: Clock, *, is_on: bool
) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=name,
        cron_schedule=list(crons),
        execution_timezone=zone.key,
        target=dg.AssetSelection.assets(*DAILY_ASSETS),
        default_status=dg.DefaultScheduleStatus.RUNNING if is_on else dg.DefaultScheduleStatus.STOPPED,
        description=_DESCRIPTIONS[name],
    )
    def evaluate(context: dg.ScheduleEvaluationContext, database: dg.ResourceParam[MarketDatabase]) -> dg.SkipReason:
        wanted = plan(database, context.scheduled_execution_time)
        if isinstance(wanted, dg.SkipReason):
            return wanted
        return launch(context, wanted, DAILY_ASSETS, by=name, clock=clock)

    return evaluate


def _closing_crons(calendar: str, year: int) -> list[str]:
    """Return a cron line for each time of day at which the exchange's bars may have become final."""
    some_day = date(year, 1, 3)
    moments = {
        (datetime.combine(some_day, closing) + SETTLING_TIME + _AFTER_SETTLING).time()
        for closing in closing_times(calendar, year)
    }
    return [f"{moment.minute} {moment.hour} * * *" for moment in sorted(moments)]


def _update(universe: Universe, zone: ZoneInfo) -> Plan:
    def plan(_database: MarketDatabase, now: datetime) -> Wanted | dg.SkipReason:
        day = now.astimezone(zone).date()
        calendar = TradingCalendar(universe.calendar, day - timedelta(days=7), day + timedelta(days=7))
        if not calendar.sessions(day, day):
            return dg.SkipReason(f"{day} is no session of {universe.calendar}: {day_off(universe.calendar, day)}")
        final = calendar.close(day) + SETTLING_TIME
        closing = calendar.close(day).astimezone(zone)
        if now < final:
            return dg.SkipReason(
                f"{day} closes at {closing:%H:%M} {zone.key} and its bars are final at"
                f" {final.astimezone(zone):%H:%M}: a later look updates"
            )
        return Wanted(
            identity=f"{UPDATE_AFTER_CLOSE}-{day}",
            title=f"Update after the close of {day}",
            description=f"Every symbol; {universe.calendar} closed at {closing:%H:%M} {zone.key}.",
            partitions=universe.symbols,
            run_config={},
        )

    return plan


def _repair(universe: Universe) -> Plan:
    def plan(database: MarketDatabase, now: datetime) -> Wanted | dg.SkipReason:
        lacking = _lacking(database, universe, now)
        failed = {failure.partition for failure in database.failures.all_standing()} & set(universe.symbols)
        unfinished = _unfinished(database, universe)
        ranked = sorted(lacking.keys() | failed | unfinished, key=lambda symbol: (-lacking.get(symbol, 0), symbol))
        chosen = set(ranked[: universe.schedules.repair_requests])
        if not chosen:
            return dg.SkipReason("no symbol lacks a session, and no partition's last run failed")
        return Wanted(
            identity=f"{NIGHTLY_REPAIR}-{now:%Y-%m-%d}",
            title=f"Nightly repair of {now:%Y-%m-%d}",
            description=(
                f"{len(lacking)} symbols lack bars, the last run of {len(failed)} failed, of the newest bars of"
                f" {len(unfinished)} nothing was made; of {len(ranked)}, {len(chosen)} are within"
                " schedules.repair_requests."
            ),
            partitions=[symbol for symbol in universe.symbols if symbol in chosen],
            run_config={},
        )

    return plan


def _verification(universe: Universe) -> Plan:
    def plan(database: MarketDatabase, now: datetime) -> Wanted | dg.SkipReason:
        weeks = universe.schedules.verification_weeks
        asked = database.bars.last_whole_answers(Timeframe.D1, session_timestamp(universe.history_start) + _MARGIN)
        due = {
            symbol: when for symbol, when in asked.items() if symbol in universe.symbols and now - when >= _LEAST_AGE
        }
        a_night = ceil(len(universe.symbols) / (7 * weeks))
        chosen = set(sorted(due, key=due.__getitem__)[:a_night])
        if not chosen:
            return dg.SkipReason(f"every history was compared with the source within {_LEAST_AGE.days} days")
        return Wanted(
            identity=f"{ROLLING_VERIFICATION}-{now:%Y-%m-%d}",
            title=f"Rolling verification of {now:%Y-%m-%d}",
            description=f"{a_night} symbols a night: each of {len(universe.symbols):,} once in {weeks} weeks.",
            partitions=[symbol for symbol in universe.symbols if symbol in chosen],
            run_config={"ops": {DAILY: {"config": {"verify": True}}}},
        )

    return plan


def _lacking(database: MarketDatabase, universe: Universe, now: datetime) -> Mapping[str, int]:
    """Return how many sessions each symbol lacks, as far as is known.

    The newest verdict tells of holes. A symbol whose last bar is older than the newest complete
    session was perhaps never judged since: a killed run, a machine that was off.
    """
    verdicts = database.findings.verdicts(Timeframe.D1, universe.symbols)
    held = database.bars.versions(Timeframe.D1)
    day = now.astimezone(UTC).date()
    calendar = TradingCalendar(universe.calendar, day - timedelta(days=14), day)
    newest = calendar.last_complete_session(now)
    lacking = {}
    for symbol in universe.symbols:
        counts = verdicts[symbol].counts if symbol in verdicts else {}
        is_behind = newest is not None and (symbol not in held or held[symbol].last.date() < newest)
        lacking[symbol] = counts.get("no_session_is_missing", 0) + is_behind
    return {symbol: count for symbol, count in lacking.items() if count}


def _unfinished(database: MarketDatabase, universe: Universe) -> set[str]:
    """Return the symbols whose indicators were made of other bars than are stored.

    A run asks ahead: one that is killed leaves bars that it stored and said nothing of.
    """
    files = {file.partition_key: file for file in database.manifest.all_current() if file.asset == DAILY_INDICATORS}
    held = database.bars.versions(Timeframe.D1)
    return {
        symbol
        for symbol in universe.symbols
        if symbol in held and (symbol not in files or not files[symbol].is_made_of(held[symbol].content_hash))
    }
