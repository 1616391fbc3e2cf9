"""What closed round trips say beyond win rate and profit: sizes, times, streaks and quality.

Each formula stands in the record of the same name (``jutsu_core.metrics.trade_records``).
"""

import math
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal, localcontext

import numpy as np

from jutsu_core.metrics.answer import Answer, Measured, measured
from jutsu_core.metrics.kernels import deviation
from jutsu_core.metrics.measures import kelly, longest_run
from jutsu_core.metrics.money import EXACT
from jutsu_core.metrics.trade_records import TRADE_RECORDS
from jutsu_core.metrics.trades import RoundTrip, checked_trips

_ZERO = Decimal(0)
_ONE_DAY = timedelta(days=1)


def trade_measures(trips: Sequence[RoundTrip]) -> Measured:
    """Return every measure of closed round trips, as the catalogue's family ``trades`` defines it.

    Args:
        trips: Round trips, in the order in which they were closed.

    Returns:
        All names of the family, money as float; ``None`` where undefined, with the reason.

    Raises:
        InvalidInputError: ``trips`` is no list of :class:`RoundTrip`.

    Examples:
        >>> trade_measures([]).undefined["largest_win"]
        'no closed round trip'
    """
    checked = checked_trips(trips)
    if not checked:
        names = [record.name for record in TRADE_RECORDS]
        counts: dict[str, Answer] = {"long_trips": 0.0, "short_trips": 0.0}
        return measured(dict.fromkeys(names, "no closed round trip") | counts)
    profits = np.array([float(trip.net_profit) for trip in checked])
    with localcontext(EXACT):
        shares = np.array([float(trip.net_profit / (trip.entry_price * trip.quantity)) for trip in checked])
        costs = float(sum((trip.costs for trip in checked), _ZERO))
    held = np.array([(trip.exit_time - trip.entry_time) / _ONE_DAY for trip in checked])
    won, lost = profits > 0, profits < 0
    no_win, no_loss = "no round trip won", "no round trip lost"
    win: Answer = float(profits[won].mean()) if won.any() else no_win
    loss: Answer = float(profits[lost].mean()) if lost.any() else no_loss
    # By the largest of them: what is rounding of one currency is money in another.
    sizes = profits / np.abs(profits).max() if profits.any() else profits
    spread = deviation(sizes) if len(sizes) > 1 else 0.0
    quality: Answer = "fewer than two round trips" if len(profits) == 1 else "the profits do not vary"
    if spread:
        quality = math.sqrt(len(sizes)) * float(sizes.mean()) / spread
    payoff: Answer = win if isinstance(win, str) else loss
    if not isinstance(win, str) and not isinstance(loss, str):
        payoff = win / -loss if loss else no_loss
    longs = sum(trip.side == "long" for trip in checked)
    return measured(
        {
            "average_win_share": float(shares[won].mean()) if won.any() else no_win,
            "average_loss_share": float(shares[lost].mean()) if lost.any() else no_loss,
            "expectancy_share": float(shares.mean()),
            "largest_win": float(profits.max()) if won.any() else no_win,
            "largest_loss": float(profits.min()) if lost.any() else no_loss,
            "payoff_ratio": payoff,
            "system_quality": quality,
            "trade_kelly_fraction": kelly(win, loss, int(won.sum()), int(lost.sum())),
            "average_holding_days": float(held.mean()),
            "longest_holding_days": float(held.max()),
            "longest_winning_streak": float(longest_run(won)),
            "longest_losing_streak": float(longest_run(lost)),
            "total_costs": costs,
            "long_trips": float(longs),
            "short_trips": float(len(checked) - longs),
        }
    )
