"""How a portfolio is measured, as ``PerformanceAnalyzer`` was told and has checked."""

from dataclasses import dataclass

from jutsu_core.metrics.account import FlowsAt
from jutsu_core.metrics.figures import Scale
from jutsu_core.metrics.market import Bars
from jutsu_core.metrics.measures import Trials
from jutsu_core.metrics.series import FloatArray, IntArray
from jutsu_core.metrics.splits import Split
from jutsu_core.metrics.trades import Matching


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
