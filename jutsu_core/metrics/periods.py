"""A symbol's performance by calendar year, over the last years and since inception.

**Base.** A calendar year starts from the last close before it, in the year before it; one that has
none, as the first year of the data and a year after a hole, starts from its first close. The last n
years start from the last close on or before the same date n years earlier; where a hole lies there,
there are no last n years.

**Partial years.** A year is whole when its base lies in the calendar year before it, and either a
later year has a session too or its last session is on or after its last weekday (Monday to
Friday). All else is partial: the first year always, since the return of its first session is
unknown.
"""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jutsu_core.arguments import require_integer
from jutsu_core.bars import from_epoch, session_timestamp, to_epoch
from jutsu_core.metrics.answer import measured
from jutsu_core.metrics.benchmark import beside, relative_years
from jutsu_core.metrics.catalog import ANNUALISATION, BENCHMARK_METRICS, PERIOD_METRICS, RISK_FREE, definitions_of
from jutsu_core.metrics.figures import Scale, figures_of
from jutsu_core.metrics.kernels import period_returns
from jutsu_core.metrics.returns import is_a_year
from jutsu_core.metrics.rhythm import HOLES, Rhythm, change_in, disagreement, holes_in, rhythm_of
from jutsu_core.metrics.series import FloatArray, IntArray, checked_stamps, checked_values, risk_free_per_period

TRAILING_YEARS = (1, 3, 5, 10)

_SATURDAY = 5
_EPOCH_YEAR = 1970
_FEWEST_CLOSES = 2
# An illiquid symbol has no bar on many sessions; bars of weeks are a factor of 4.8.
_REFUSED_FROM = 3.0


def symbol_performance(
    closes: "pd.Series[float]",
    *,
    periods_per_year: int,
    risk_free_rate: float,
    benchmark: "pd.Series[float] | None" = None,
) -> dict[str, Any]:
    """Return the performance report of one symbol.

    Args:
        closes: Closes above 0, oldest first, labelled with 00:00 UTC of their session date.
        periods_per_year: Sessions in a year; no default, because 252 is only right for US days.
        risk_free_rate: Annual effective rate as a fraction.
        benchmark: Closes of a benchmark, labelled alike; both are compared over the sessions that both have.

    Returns:
        JSON-ready: ``since_inception`` (figures of the whole history), ``benchmark`` (the family of that name in
        the catalogue, with ``name``, ``first_session``, ``last_session``, ``years`` and ``undefined``, the
        reasons; ``None`` without one), ``trailing`` ("1y", "3y",
        "5y", "10y": figures or ``None``), ``trailing_unavailable`` (the reason for each
        ``None``), ``calendar_years`` (figures with ``year`` and ``is_partial``, oldest first),
        ``holes`` (``after``, ``until``, ``days``), ``notes`` (what a reader must know first) and
        ``definitions``. Deviations have ddof 1; rates are annual; undefined is ``None``.

    Raises:
        InvalidInputError: ``closes`` or ``benchmark`` is empty, unsorted, naive, not at 00:00 UTC, not finite or
            not above 0, a parameter breaks its constraint, or the closes are of another period
            than ``periods_per_year`` says (by a factor of 3: a symbol may lack sessions).

    Examples:
        >>> days = pd.DatetimeIndex(["2011-12-30", "2012-06-29", "2012-12-31"], tz="UTC")
        >>> report = symbol_performance(
        ...     pd.Series([10.0, 9.0, 12.0], days), periods_per_year=2, risk_free_rate=0.0
        ... )
        >>> [(row["year"], row["is_partial"], row["total_return"]) for row in report["calendar_years"]]
        [(2011, True, None), (2012, False, 0.19999999999999996)]
    """
    values = checked_values("closes", closes, positive="all")
    stamps = checked_stamps("closes", closes, daily=True)
    scale = Scale(periods_per_year=periods_per_year, risk_free_rate=risk_free_rate)
    other = None if benchmark is None else _checked_benchmark(benchmark)
    rhythm = rhythm_of(stamps)
    change = change_in(stamps)
    note = disagreement("closes", rhythm, periods_per_year, refused_from=_REFUSED_FROM, change=change)
    holes = [_hole(stamps, row) for row in holes_in(stamps, rhythm, change)]
    trailing, unavailable = _trailing(values, stamps, scale, rhythm)
    return {
        "first_session": _day(stamps, 0).isoformat(),
        "last_session": _day(stamps, -1).isoformat(),
        "closes": len(values),
        "first_close": float(values[0]),
        "last_close": float(values[-1]),
        "since_inception": _row(values, stamps, scale, rhythm),
        "benchmark": None if other is None else _compared(values, stamps, other, scale),
        "trailing": trailing,
        "trailing_unavailable": unavailable,
        "calendar_years": _calendar_years(values, stamps, scale, rhythm),
        "holes": holes,
        "notes": [
            *([] if note is None else [note]),
            *(f"no close from {hole['after']} until {hole['until']}, {hole['days']} days" for hole in holes),
        ],
        "definitions": _definitions(periods_per_year, risk_free_rate, has_benchmark=other is not None),
    }


class _Benchmark(NamedTuple):
    """A benchmark that was checked."""

    name: str | None
    stamps: IntArray
    closes: FloatArray


def _checked_benchmark(benchmark: "pd.Series[float]") -> _Benchmark:
    values = checked_values("benchmark", benchmark, positive="all")
    stamps = checked_stamps("benchmark", benchmark, daily=True)
    return _Benchmark(None if benchmark.name is None else str(benchmark.name), stamps, values)


def _compared(values: FloatArray, stamps: IntArray, other: _Benchmark, scale: Scale) -> dict[str, Any]:
    """Return what the closes did beside those of the benchmark, over the sessions that both have."""
    both, own_places, other_places = np.intersect1d(stamps, other.stamps, assume_unique=True, return_indices=True)
    rhythm = rhythm_of(both)
    kept = np.flatnonzero(np.diff(both) <= rhythm.longest) if rhythm.longest else np.arange(max(len(both) - 1, 0))
    own, others = values[own_places], other.closes[other_places]
    moved, market = (period_returns(series)[kept] if len(series) > 1 else np.empty(0) for series in (own, others))
    days = _day(both, -1) - _day(both, 0) if len(both) else timedelta(0)
    found = beside(
        moved,
        market,
        risk_free_per_period(scale.risk_free_rate, periods_per_year=scale.periods_per_year),
        scale.periods_per_year,
        is_annualised=scale.annualize_partial_years or is_a_year(days.days),
    )
    # What both did over a hole is no period's return, and yet counts for the whole.
    whole = {} if len(both) < _FEWEST_CLOSES else {"relative_return": own[-1] / own[0] / (others[-1] / others[0]) - 1}
    figures, reasons = measured(found | {name: float(value) for name, value in whole.items()})
    return {
        "name": other.name,
        "first_session": _day(both, 0).isoformat() if len(both) else None,
        "last_session": _day(both, -1).isoformat() if len(both) else None,
        "sessions": len(kept),
        **figures,
        "undefined": reasons,
        "years": relative_years(own, others, both, rhythm) if len(both) else [],
    }


def last_weekday(year: int) -> date:
    """Return the last Monday-to-Friday date of ``year``.

    Raises:
        InvalidInputError: ``year`` is no year from 1 to 9999.

    Examples:
        >>> last_weekday(2005), last_weekday(2012)
        (datetime.date(2005, 12, 30), datetime.date(2012, 12, 31))
    """
    day = date(require_integer("year", year, minimum=date.min.year, maximum=date.max.year), 12, 31)
    return day - timedelta(days=max(0, day.weekday() - _SATURDAY + 1))


def _day(stamps: IntArray, row: int) -> date:
    return from_epoch(int(stamps[row])).date()


def _hole(stamps: IntArray, row: int) -> dict[str, Any]:
    after, until = _day(stamps, row - 1), _day(stamps, row)
    return {"after": after.isoformat(), "until": until.isoformat(), "days": (until - after).days}


def _row(values: FloatArray, stamps: IntArray, scale: Scale, rhythm: Rhythm) -> dict[str, Any]:
    """Return the figures under the names a symbol's report uses: its win rate is one of days."""
    figures = figures_of("closes", values, stamps, scale, rhythm)
    figures["win_rate"] = figures.pop("positive_days")
    return figures


def _calendar_years(values: FloatArray, stamps: IntArray, scale: Scale, rhythm: Rhythm) -> list[dict[str, Any]]:
    years = stamps.astype("datetime64[us]").astype("datetime64[Y]").astype(np.int64) + _EPOCH_YEAR
    begins = [0, *(np.flatnonzero(np.diff(years)) + 1).tolist(), len(years)]
    rows = []
    for first, after in pairwise(begins):
        year = int(years[first])
        before = max(first - 1, 0)
        has_base = int(years[before]) == year - 1 and not rhythm.is_hole(int(stamps[first] - stamps[before]))
        base = before if has_base else first
        is_over = after < len(stamps) or _day(stamps, -1) >= last_weekday(year)
        figures = _row(values[base:after], stamps[base:after], scale, rhythm)
        rows.append({"year": year, "is_partial": not (has_base and is_over), **figures})
    return rows


def _trailing(
    values: FloatArray, stamps: IntArray, scale: Scale, rhythm: Rhythm
) -> tuple[dict[str, Any], dict[str, str]]:
    rows: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    first, last = _day(stamps, 0), _day(stamps, -1)
    for count in TRAILING_YEARS:
        name = f"{count}y"
        start = _years_before(last, count)
        begin = to_epoch(session_timestamp(start))
        base = int(stamps.searchsorted(begin, side="right")) - 1
        rows[name] = None
        if base < 0:
            reasons[name] = f"needs a close on or before {start}; the first is {first}"
        elif rhythm.is_hole(begin - int(stamps[base])):
            reasons[name] = f"needs a close on or shortly before {start}; the last one then is of {_day(stamps, base)}"
        else:
            rows[name] = _row(values[base:], stamps[base:], scale, rhythm)
    return rows, reasons


def _years_before(day: date, count: int) -> date:
    year = max(day.year - count, date.min.year)
    try:
        return day.replace(year=year)
    except ValueError:  # 29 February
        return day.replace(year=year, day=28)


def _definitions(periods_per_year: int, risk_free_rate: float, *, has_benchmark: bool) -> dict[str, Any]:
    metrics = definitions_of(PERIOD_METRICS + (BENCHMARK_METRICS if has_benchmark else ()))
    return {
        "periods_per_year": int(periods_per_year),
        "risk_free_rate": float(risk_free_rate),
        "ddof": 1,
        "returns": "Price return of split-adjusted closes; dividends are not included.",
        "risk_free": RISK_FREE,
        "annualisation": ANNUALISATION,
        "base": "A calendar year starts from the last close of the year before it, a year without one from its first "
        "close; the last n years from the last close on or before the same date n years earlier.",
        "holes": HOLES,
        "partial_years": "A year is partial when its base is not in the year before it, or when it is the "
        "last one and its last session is before its last weekday.",
        "benchmark": "Over the sessions that both have." if has_benchmark else "No benchmark was given.",
        "drawdown": "Closes only; each period starts afresh from its base, a recovery after its end is not seen.",
        "undefined": "No value: too few values, no variation, no drawdown, or less than a year.",
        "metrics": metrics | {"win_rate": metrics.pop("positive_days")},
    }
