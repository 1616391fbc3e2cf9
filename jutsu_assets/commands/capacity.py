"""The command that says what a universe takes, before it is followed."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from json import dumps
from typing import Any

import click
from rich.table import Table

from jutsu_assets.clock import SystemClock
from jutsu_assets.commands.terminal import console, say_which_universe
from jutsu_assets.monitoring.capacity import COSTS, Capacity, capacity_of
from jutsu_assets.settings import Settings
from jutsu_assets.universe import load_universe
from jutsu_core.bars import Timeframe
from jutsu_core.indicators.catalog import indicator_columns

_DAYS_A_YEAR = 365.25
_MOST_YEARS = 40
"""Longer histories begin before Schwab's, and before the times that a request can name."""
_MEGA = 1e6


class _Years(click.FloatRange):
    """A number of years: "nan" is a number to Python, and within every range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401
        years = float(super().convert(value, param, ctx))
        if math.isnan(years):
            self.fail(f"{value} is no number of years; leave it out for those of the universe.", param, ctx)
        return years


@click.command()
@click.option("--symbols", type=click.IntRange(1), help="How many symbols; those of the universe if left out.")
@click.option("--years", type=_Years(0.1, _MOST_YEARS), help="Of how many years; since the universe's history_start.")
@click.option(
    "--timeframe",
    "timeframes",
    multiple=True,
    type=click.Choice([timeframe.value for timeframe in Timeframe]),
    default=[Timeframe.D1.value],
    show_default=True,
    help="Which bars; may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def capacity(
    settings_of: Callable[[], Settings],
    symbols: int | None,
    years: float | None,
    timeframes: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Say what a universe takes: requests, minutes, rows, events and disk, from measured costs."""
    settings, clock = settings_of(), SystemClock()
    say_which_universe(settings)
    universe, today = load_universe(settings.universe_path, clock), clock.now().date()
    first = universe.history_start if years is None else today - timedelta(days=round(years * _DAYS_A_YEAR))
    columns = len(indicator_columns(universe.daily_indicators))
    found = [
        capacity_of(
            Timeframe.parse(timeframe),
            symbols or len(universe.symbols),
            universe.calendar,
            first,
            today,
            indicator_columns=columns,
        )
        for timeframe in timeframes
    ]
    if as_json:
        click.echo(dumps([asdict(one) | {"disk_bytes": one.disk_bytes} for one in found], indent=2))
        return
    console().print(_table(found))
    for cost in COSTS.values():
        click.echo(f"{cost.value:,g} {cost.unit}: {cost.source}")


def _table(found: Sequence[Capacity]) -> Table:
    table = Table("", *(one.timeframe.value for one in found), title="What it takes")
    for number in range(1, len(found) + 1):
        table.columns[number].justify = "right"
    rows: dict[str, Callable[[Capacity], str]] = {
        "symbols": lambda one: f"{one.symbols:,}",
        "stored bars": lambda one: f"{one.rows:,}",
        "first load, requests": lambda one: f"{one.load_requests:,}",
        "first load, minutes": lambda one: f"{one.load_minutes:,.1f}",
        "each day, requests": lambda one: f"{one.daily_requests:,}",
        "each day, minutes": lambda one: f"{one.daily_minutes:,.1f}",
        "each day, events": lambda one: f"{one.daily_events:,}",
        "store, MB": lambda one: f"{one.store_bytes / _MEGA:,.0f}",
        "lake, MB": lambda one: f"{one.lake_bytes / _MEGA:,.0f}",
        "reports, MB": lambda one: f"{one.report_bytes / _MEGA:,.0f}",
        "run history, MB a year": lambda one: f"{one.history_bytes_a_year / _MEGA:,.0f}",
        "disk after a year, MB": lambda one: f"{one.disk_bytes / _MEGA:,.0f}",
    }
    for name, shown in rows.items():
        table.add_row(name, *map(shown, found))
    return table
