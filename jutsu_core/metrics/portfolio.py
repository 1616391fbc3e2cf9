"""The report of a portfolio: every block of it, from an account, its fills and how they are measured.

``PerformanceAnalyzer`` checks what it is given and asks here. The blocks are nested data that JSON can hold;
the same account, fills and options give the same bytes, and ``fingerprint`` says which those were.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np

from jutsu_core.arguments import refuse
from jutsu_core.bars import from_epoch, to_epoch
from jutsu_core.events import FillEvent
from jutsu_core.metrics import trades as trade_metrics
from jutsu_core.metrics.account import Account, grown
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
from jutsu_core.metrics.findings import findings_of, note_of
from jutsu_core.metrics.kernels import deepest_fall, period_returns, whole_return
from jutsu_core.metrics.market import Bars, market_measures
from jutsu_core.metrics.measures import Context, annual_of, measures_of
from jutsu_core.metrics.options import Options
from jutsu_core.metrics.portfolio_blocks import (
    activity,
    cash_flow_figures,
    drawdowns,
    period_table,
    realised,
    top_trade_figures,
)
from jutsu_core.metrics.return_records import RETURN_RECORDS
from jutsu_core.metrics.rhythm import HOLES, Rhythm, rhythm_of
from jutsu_core.metrics.series import FloatArray, IntArray, elapsed_days_between, require_finite, risk_free_per_period
from jutsu_core.metrics.splits import restated
from jutsu_core.metrics.trade_measures import trade_measures

FORMULAS = 3
"""Raise it when a figure changes without its record."""

_NO_BENCHMARK = "no benchmark was given"
_RUINED = "the equity is 0 or below on one of the rows"


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
    findings = findings_of(account, values, rhythm, fills, options)
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
        "notes": [note_of(finding) for finding in findings],
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
