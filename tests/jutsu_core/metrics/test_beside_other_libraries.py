"""The figures that other libraries give for the same returns; where they differ, ``docs/metrics.md`` says why.

Computed once with empyrical-reloaded 0.7.1 (e) and quantstats 0.0.86 (q), in an environment of their own, from
the returns below: no file, no random numbers.
"""

from typing import Any

import pandas as pd
import pytest

from jutsu_core.metrics.benchmark import benchmark_measures
from jutsu_core.metrics.measures import return_measures

OWN = [((place * 7919) % 401 - 195) / 10_000 for place in range(300)]
OTHER = [((place * 104_729) % 307 - 150) / 10_000 + 0.4 * OWN[place] for place in range(300)]
THEIRS = {
    "var_historical": -0.01731,  # e.value_at_risk
    "cvar_historical": -0.01852,  # e.conditional_value_at_risk
    "var_gaussian": -0.018255213257358675,  # q.var
    "skewness": -0.010451759771643834,  # q.skew
    "excess_kurtosis": -1.191211106888951,  # q.kurtosis
    "tail_ratio": 1.0979202772963605,  # e.tail_ratio
    "stability": 0.3403054526544069,  # e.stability_of_timeseries
    "omega_ratio": 1.1964194745651702,  # e.omega_ratio
    "downside_deviation": 0.12208618103618442,  # e.downside_risk
    "gain_to_pain": 0.19641947456516995,  # q.gain_to_pain_ratio
    "kelly_fraction": 0.0851062747682868,  # q.kelly_criterion
    "geometric_mean_return": 0.0008321350613642586,  # q.geometric_mean
    "longest_up": 3,  # q.consecutive_wins
    "longest_down": 2,  # q.consecutive_losses
    "average_up": 0.010606451612903226,  # q.avg_win
    "average_down": -0.009542361111111113,  # q.avg_loss
    "beta": 0.5195712165644037,  # e.beta
    "alpha": 0.13604126259912677,  # q.greeks
    "r_squared": 0.19500703191403956,  # q.r_squared
    "information_ratio": 0.2864352589267736,  # e.excess_sharpe, times sqrt(252)
}


@pytest.mark.parametrize("name", THEIRS)
def test_a_figure_is_that_of_another_library(name: str) -> None:
    own, other = (pd.Series(values, index=pd.bdate_range("2012-01-02", periods=300)) for values in (OWN, OTHER))
    options: dict[str, Any] = {"risk_free_rate": 0.0, "periods_per_year": 252, "elapsed_days": 418}
    found = return_measures(own, **options)[0] | benchmark_measures(own, other, **options)[0]
    assert found[name] == pytest.approx(THEIRS[name], rel=1e-9)
