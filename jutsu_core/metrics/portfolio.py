"""The report of a portfolio: every block of it, from an account, its fills and how they are measured.

``PerformanceAnalyzer`` checks what it is given and asks here. The blocks are nested data that JSON can hold;
the same account, fills and options give the same bytes, and ``fingerprint`` says which those were.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np

from jutsu_core.arguments import refuse
from jutsu_core.bars import from_epoch, to_epoch
from jutsu_core.events import FillEvent
from jutsu_core.metrics import trades as trade_metrics
from jutsu_core.metrics.account import Account, FlowsAt, grown, idle_rows
from jutsu_core.metrics.answer import Answer, Measured, measured
from jutsu_core.metrics.benchmark import beside, relative_years
from jutsu_core.metrics.benchmark_records import BENCHMARK_RECORDS
from jutsu_core.metrics.catalog import (
    ANNUALISATION,
    CATALOG,
    PERIOD_METRICS,
    RISK_FREE,
    TRADE_METRICS,
    definitions_of,
    records_of,
)
from jutsu_core.metrics.figures import Scale, figures_of, iso_time
from jutsu_core.metrics.kernels import deepest_fall, period_returns, whole_return
from jutsu_core.metrics.market import Bars, market_measures
from jutsu_core.metrics.measures import Context, Trials, annual_of, measures_of
from jutsu_core.metrics.portfolio_blocks import (
    activity,
    cash_flow_figures,
    drawdowns,
    period_table,
    realised,
    top_trade_figures,
)
from jutsu_core.metrics.reconciliation import Finding, disagreements
from jutsu_core.metrics.return_records import RETURN_RECORDS
from jutsu_core.metrics.rhythm import (
    HOLES,
    REFUSED_FROM,
    Rhythm,
    change_in,
    disagreement,
    holes_in,
    long_gaps_in,
    rhythm_of,
)
from jutsu_core.metrics.series import FloatArray, IntArray, elapsed_days_between, require_finite, risk_free_per_period
from jutsu_core.metrics.splits import Split, restated, split_suspects
from jutsu_core.metrics.trade_measures import trade_measures
from jutsu_core.metrics.trades import Matching

FORMULAS = 3
"""Raise it when a figure changes without its record."""

# Five yearly values are a history; a symbol of five bars is one that has hardly been stored yet.
_FEWEST_GAPS = 4
_NO_BENCHMARK = "no benchmark was given"
_RUINED = "the equity is 0 or below on one of the rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a portfolio is measured, checked.

    Attributes:
        scale: How figures are annualised and labelled.
        accepts_other_periods: Whether rows of another period than the scale's are measured all the same.
        flows_at: When in its period a cash flow came.
        matching: What one round trip is.
        splits: Splits between the fills.
        benchmark: Times and values of the benchmark.
        risk_free: Times and risk-free returns of single periods, instead of the scale's rate.
        trials: The trials of which the portfolio is the chosen one.
        bars: Those of the symbols, by which positions are followed.
    """

    scale: Scale
    accepts_other_periods: bool = False
    flows_at: FlowsAt = "end"
    matching: Matching = "fifo"
    splits: tuple[Split, ...] = ()
    benchmark: tuple[IntArray, FloatArray] | None = None
    risk_free: tuple[IntArray, FloatArray] | None = None
    trials: Trials | None = None
    bars: Bars | None = None


def report_of(account: Account, told: Sequence[FillEvent], options: Options) -> dict[str, Any]:
    """Return the report of an account with the fills that made it.

    Raises:
        InvalidInputError: The rows are of another period than was said, or benchmark or risk-free returns
            do not cover them.
    """
    # What is too large for a float is made undefined where it is looked at.
    with np.errstate(all="ignore"):
        return _report_of(account, told, options)


def _report_of(account: Account, told: Sequence[FillEvent], options: Options) -> dict[str, Any]:
    fills = restated(told, options.splits)
    rhythm = rhythm_of(account.stamps)
    values = grown(account, options.flows_at)
    risk_free = _risk_free_of(account, options)
    findings = _findings(account, values, rhythm, fills, options)
    figures = _equity_figures(account, values, rhythm, options.scale, risk_free)
    trips = trade_metrics.match_fills(fills, options.matching)
    top = figures | top_trade_figures(fills, trips)
    is_sound = bool((values > 0).all())
    kept = np.flatnonzero(np.diff(account.stamps) <= rhythm.longest) if rhythm.longest else np.arange(len(values) - 1)
    blocks = {
        "returns": _return_block(values, kept, figures, options, risk_free) if is_sound else _none(RETURN_RECORDS),
        "benchmark": _benchmark_block(account, values, kept, figures, options, risk_free)
        if is_sound
        else _none(BENCHMARK_RECORDS),
        "trades": trade_measures(trips),
        "activity": activity(account, fills),
        "market": market_measures(account, fills, trips, options.bars, options.scale.exchange_zone),
    }
    return {
        **top,
        **{name: block.values for name, block in blocks.items()},
        "relative_years": _relative_years(account, values, rhythm, options) if is_sound else [],
        "drawdowns": drawdowns(account, values),
        "periods": period_table(account, values, rhythm) if is_sound else {"months": [], "years": []},
        "cash_flows": cash_flow_figures(account, figures),
        "attribution": realised(trips),
        "undefined": {name: CATALOG[name].undefined for name in top if name in CATALOG and top[name] is None}
        | {name: reason for block in blocks.values() for name, reason in block.undefined.items()},
        "notes": [_note(finding) for finding in findings],
        "findings": [finding.as_row() for finding in findings],
        "fingerprint": _fingerprint(account, told, options),
        "definitions": _definitions(options),
    }


def _none(records: Sequence[Any]) -> Measured:
    return measured({record.name: _RUINED for record in records})


def _equity_figures(
    account: Account, values: FloatArray, rhythm: Rhythm, scale: Scale, risk_free: FloatArray | None
) -> dict[str, Any]:
    if (values > 0).all():
        return figures_of("total_value", values, account.stamps, scale, rhythm, risk_free)

    def at(row: int | None) -> str | None:
        return None if row is None else iso_time(account.at(row))

    # The first row alone tells which keys there are; what needs returns is undefined.
    keys = figures_of("total_value", values[:1], account.stamps[:1], scale, rhythm)
    fall = deepest_fall(values)
    return dict.fromkeys(keys) | {
        "base_date": at(0),
        "first_session": at(1),
        "last_session": at(-1),
        "sessions": len(values) - 1,
        "elapsed_days": elapsed_days_between(account.stamps, scale.exchange_zone),
        "is_annualised": False,
        "total_return": require_finite("total return", "total_value", whole_return(values)),
        "max_drawdown": require_finite("fall", "total_value", fall.depth),
        "max_drawdown_peak": at(fall.peak),
        "max_drawdown_trough": at(fall.trough),
        "max_drawdown_recovery": at(fall.recovery),
    }


def _findings(
    account: Account, values: FloatArray, rhythm: Rhythm, fills: Sequence[FillEvent], options: Options
) -> list[Finding]:
    """Return what a reader must know first.

    Raises:
        InvalidInputError: The rows are of another period than was said.
    """
    refused_from = math.inf if options.accepts_other_periods else REFUSED_FROM
    change = change_in(account.stamps)
    off = disagreement(
        "portfolio_history",
        rhythm,
        options.scale.periods_per_year,
        refused_from=refused_from,
        fewest_gaps=_FEWEST_GAPS,
        change=change,
    )
    changed = None if change is None else iso_time(account.at(change.row))
    found = [] if off is None else [Finding("rows_are_of_the_period", changed, off)]
    ruined = np.flatnonzero(values <= 0)
    if len(ruined):
        first = iso_time(account.at(int(ruined[0])))
        text = f"equity is 0 or below on {first}: returns are undefined from there on"
        found.append(Finding("equity_is_above_zero", first, text, len(ruined)))
    idle = idle_rows(account, options.flows_at)
    if idle:
        first = iso_time(account.at(idle[0]))
        text = f"all had been paid out in {len(idle)} periods, the first until {first}: each is a return of 0"
        found.append(Finding("account_is_not_empty", first, text, len(idle)))
    for row in holes_in(account.stamps, rhythm, change):
        first, last = iso_time(account.at(row - 1)), iso_time(account.at(row))
        found.append(Finding("no_hole", last, f"no row from {first} until {last}: no period's return"))
    lacking = long_gaps_in(account.stamps, rhythm, change)
    if lacking:
        first, last = (iso_time(account.at(row)) for row in (lacking[0] - 1, lacking[0]))
        more = f", and {len(lacking) - 1} times more" if len(lacking) > 1 else ""
        text = f"no row from {first} until {last}{more}: measured as one period, as nights and weekends are"
        found.append(Finding("no_hole", last, text, len(lacking)))
    found.extend(_stale_benchmark(account, rhythm, options.benchmark))
    found.extend(Finding("no_split_in_fills", None, text) for text in split_suspects(fills))
    return found + disagreements(account, fills, options.scale.exchange_zone)


def _stale_benchmark(account: Account, rhythm: Rhythm, benchmark: tuple[IntArray, FloatArray] | None) -> list[Finding]:
    """Return where the benchmark has no value of its own for so long that nothing is compared with anything."""
    if benchmark is None or not len(benchmark[0]):
        return []
    stamps = benchmark[0]
    own = rhythm_of(stamps)
    ages = account.stamps - stamps[np.maximum(stamps.searchsorted(account.stamps, side="right") - 1, 0)]
    longest = rhythm.longest if own.longest is None else own.longest
    old = np.flatnonzero(ages > longest) if longest else np.empty(0, np.int64)
    if len(old):
        first, last = (iso_time(from_epoch(int(account.stamps[old[0]] - age))) for age in (0, ages[old[0]]))
        text = f"the benchmark's last value on {first} is of {last}: it stands still in {len(old)} rows"
        return [Finding("benchmark_is_current", first, text, len(old))]
    if own.per_year is None or rhythm.per_year is None or rhythm.per_year < REFUSED_FROM * own.per_year:
        return []
    text = f"the benchmark has about {max(1, round(own.per_year))} values a year, and between two of them stands still"
    return [Finding("benchmark_is_current", None, f"{text}: beta and what else compares single periods means little")]


def _note(finding: Finding) -> str:
    is_dated = finding.at is None or finding.at in finding.text
    more = f" (and in {finding.times - 1} more rows)" if finding.times > 1 and not is_dated else ""
    return finding.text if is_dated else f"{finding.at}: {finding.text}{more}"


def _risk_free_of(account: Account, options: Options) -> FloatArray | None:
    """Return the risk-free return of each period, where they were given one by one."""
    if options.risk_free is None:
        return None
    stamps, returns = options.risk_free
    wanted = account.stamps[1:]
    places = np.minimum(stamps.searchsorted(wanted), len(stamps) - 1)
    missing = np.flatnonzero(stamps[places] != wanted) if len(stamps) else np.arange(len(wanted))
    if len(missing):
        first = iso_time(from_epoch(int(wanted[missing[0]])))
        was = f"without {len(missing)} of them"
        refuse("risk_free_returns", f"one for each row after the first, also for {first}", was)
    return returns[places]


def _return_block(
    values: FloatArray, kept: IntArray, figures: Mapping[str, Any], options: Options, each: FloatArray | None
) -> Measured:
    scale = options.scale
    risk_free: float | FloatArray
    if each is None:
        annual = float(scale.risk_free_rate)
        risk_free = risk_free_per_period(annual, periods_per_year=scale.periods_per_year)
    else:
        risk_free, annual = each[kept], annual_of(each, scale.periods_per_year)
    days = figures["elapsed_days"] if figures["is_annualised"] else None
    returns = period_returns(values)[kept]
    return measured(
        measures_of(Context(returns, values, risk_free, scale.periods_per_year, annual, days, options.trials))
    )


def _benchmark_of(account: Account, options: Options) -> FloatArray | None:
    """Return the benchmark's value at each row: its last one then."""
    if options.benchmark is None:
        return None
    stamps, values = options.benchmark
    places = stamps.searchsorted(account.stamps, side="right") - 1
    if not len(stamps) or places[0] < 0:
        first = iso_time(account.at(0))
        was = f"from {iso_time(from_epoch(int(stamps[0])))} on" if len(stamps) else "empty"
        refuse("benchmark", f"known at the first row, {first}, or before", was)
    return values[places]


def _benchmark_block(
    account: Account,
    values: FloatArray,
    kept: IntArray,
    figures: Mapping[str, Any],
    options: Options,
    each: FloatArray | None,
) -> Measured:
    other = _benchmark_of(account, options)
    if other is None:
        return measured({record.name: _NO_BENCHMARK for record in BENCHMARK_RECORDS})
    scale = options.scale
    risk_free: float | FloatArray = (
        risk_free_per_period(scale.risk_free_rate, periods_per_year=scale.periods_per_year)
        if each is None
        else each[kept]
    )
    own, others = (period_returns(series)[kept] for series in (values, other))
    found = beside(own, others, risk_free, scale.periods_per_year, is_annualised=bool(figures["is_annualised"]))
    # What both did over a hole is no period's return, and yet counts for the whole.
    whole: dict[str, Answer] = {}
    if len(values) > 1:
        whole = {"relative_return": float(values[-1] / values[0] / (other[-1] / other[0])) - 1}
    return measured(found | whole)


def _relative_years(account: Account, values: FloatArray, rhythm: Rhythm, options: Options) -> list[dict[str, Any]]:
    other = _benchmark_of(account, options)
    return [] if other is None else relative_years(values, other, account.stamps, rhythm)


def _fingerprint(account: Account, fills: Sequence[FillEvent], options: Options) -> dict[str, str]:
    """Return hashes of data, parameters and code: the same three give the same report."""
    data = hashlib.sha256()
    # What nothing in the report is made of is no part of it.
    is_reconciled = bool(fills) or (account.cash is not None and account.positions is not None)
    for array in (account.stamps, account.equity, account.flows, account.cash if is_reconciled else None):
        data.update(b"-" if array is None else array.astype(array.dtype.newbyteorder("<")).tobytes())
    if is_reconciled:
        # By symbol, whatever the order in which a row names them.
        held = [sorted(one.items()) if isinstance(one, Mapping) else one for one in account.positions or ()]
        data.update(repr(held).encode())
    told = [
        f"{fill.symbol!r} {to_epoch(fill.timestamp)} {fill.direction} {_plain(fill.quantity)}"
        f" {_plain(fill.fill_price)} {_plain(fill.commission)} {_plain(fill.slippage)}"
        for fill in fills
    ]
    data.update("\n".join(told).encode())
    scale = options.scale
    parameters = [
        int(scale.periods_per_year),
        float(scale.risk_free_rate),
        scale.annualize_partial_years,
        scale.exchange_zone,
        options.accepts_other_periods,
        options.flows_at,
        options.matching,
        [repr(split) for split in options.splits],
        *(
            None if series is None else [series[0].tolist(), series[1].tolist()]
            for series in (options.benchmark, options.risk_free)
        ),
        repr(options.trials),
        None if options.bars is None else _hash_of(options.bars),
    ]
    return {
        "data": data.hexdigest(),
        "parameters": hashlib.sha256(json.dumps(parameters).encode()).hexdigest(),
        "code": _code(),
    }


def _hash_of(bars: Bars) -> str:
    digest = hashlib.sha256()
    for symbol, arrays in sorted(bars.items()):
        digest.update(repr(symbol).encode())
        for array in arrays:
            digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def _plain(amount: Decimal) -> str:
    """Return an amount as one text, however many zeros it was written with."""
    return format(amount.normalize(), "f") if amount else "0"


@cache
def _code() -> str:
    code = json.dumps([FORMULAS, records_of(tuple(CATALOG))], sort_keys=True)
    return hashlib.sha256(code.encode()).hexdigest()


def _definitions(options: Options) -> dict[str, Any]:
    scale = options.scale
    return {
        "periods_per_year": int(scale.periods_per_year),
        "risk_free_rate": float(scale.risk_free_rate),
        "ddof": 1,
        "annualize_partial_years": scale.annualize_partial_years,
        "periods": "One period is one row of the portfolio history; the first row is the starting equity.",
        "risk_free": RISK_FREE if options.risk_free is None else "The returns of single periods that were given.",
        "annualisation": ANNUALISATION,
        "holes": HOLES,
        "flows": f"A cash flow came at the {options.flows_at} of its row's period; returns are time-weighted.",
        "matching": options.matching,
        "metrics": definitions_of(PERIOD_METRICS + TRADE_METRICS),
        "records": records_of(tuple(CATALOG)),
    }
