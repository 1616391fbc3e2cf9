"""What a page of a portfolio is made of: plain results, however they came to be.

Whoever measured a portfolio hands these over; a page computes nothing that a report has already said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from jutsu_core.arguments import refuse, require_items, require_type
from jutsu_core.events import FillEvent
from jutsu_core.metrics.series import checked_stamps, checked_values
from jutsu_core.metrics.trades import RoundTrip


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioResults:
    """A portfolio that was measured.

    Attributes:
        name: What the portfolio is called; any text.
        report: What ``PerformanceAnalyzer.calculate_metrics`` returned; its findings stand on top of the page.
        equity: Total value by aware times, oldest first, the first above 0; with deposits in it, if there are.
        growth: The same without what was paid in and out (``jutsu_core.metrics.account.grown``); ``None`` where
            nothing was. Charts of return and risk are made of it.
        benchmark: Values of the benchmark, above 0, by aware times; its ``name`` is shown. It may begin earlier and
            have other times: each row is compared with the last value then.
        exposure: Share of the equity that is invested, by the times of ``equity``: a line, or a frame of lines with
            their titles (such as ``long``, ``short``).
        fills: Executed orders, oldest first.
        round_trips: Closed round trips, in the order in which they were closed.
        contributions: What made the return, by the title of a table (``By symbol``) and the names of its parts;
            fractions that add up to the total return.
        beyond_benchmark: What groups added to the return of a benchmark of the same groups, by effect (``allocation``)
            and group; fractions.

    Raises:
        InvalidInputError: A series is no series of finite numbers with aware times, oldest first, or has other
            times than ``equity`` where it must have the same.

    Examples:
        >>> days = pd.DatetimeIndex(["2013-03-01", "2013-03-04"], tz="UTC")
        >>> PortfolioResults(name="core", report={}, equity=pd.Series([100.0, 101.0], days)).benchmark is None
        True
    """

    name: str
    report: Mapping[str, Any]
    equity: "pd.Series[float]"
    growth: "pd.Series[float] | None" = None
    benchmark: "pd.Series[float] | None" = None
    exposure: "pd.Series[float] | pd.DataFrame | None" = None
    fills: Sequence[FillEvent] = ()
    round_trips: Sequence[RoundTrip] = ()
    contributions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    beyond_benchmark: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_type("name", self.name, str, "a text")
        checked_values("equity", self.equity, positive="first")
        checked_stamps("equity", self.equity)
        if self.growth is not None:
            checked_values("growth", self.growth, positive="first")
            self._require_same_times("growth", self.growth)
        if self.benchmark is not None:
            checked_values("benchmark", self.benchmark, positive="all")
            checked_stamps("benchmark", self.benchmark)
        if self.exposure is not None:
            lines = self.exposure.to_frame() if isinstance(self.exposure, pd.Series) else self.exposure
            for name in require_type("exposure", lines, pd.DataFrame, "a Series, or a DataFrame of lines"):
                checked_values(f"exposure {name!r}", lines[name], positive="none")
            self._require_same_times("exposure", lines)
        require_items("fills", self.fills, FillEvent, "a FillEvent")
        require_items("round_trips", self.round_trips, RoundTrip, "a RoundTrip")

    def _require_same_times(self, name: str, other: "pd.Series[float] | pd.DataFrame") -> None:
        if not other.index.equals(self.equity.index):
            refuse(f"the index of {name}", "that of equity", "another", f"{name}.reindex(equity.index)")
