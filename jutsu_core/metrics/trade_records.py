"""Records of what closed round trips say."""

from jutsu_core.metrics.metric import Metric

_NONE = "no closed round trip"
_NO_WIN = "no round trip won"
_NO_LOSS = "no round trip lost"
_JUTSU = "Jutsu"
_SWEENEY = "Sweeney (1996), Maximum Adverse Excursion"
_ESMA = "ESMA, gross method of Delegated Regulation (EU) 231/2013"
_THARP = "Tharp (2008), Definitive Guide to Position Sizing"

# The figures that a backtest's report has had from the start, at its top.
TOP_TRADE_RECORDS = (
    Metric(
        "win_rate",
        "Win rate",
        "fraction",
        "Share of closed round trips (FIFO, long and short) with a profit above 0 after costs.",
        "count(p > 0) / n",
        _NONE,
        _JUTSU,
    ),
    Metric(
        "profit_factor",
        "Profit factor",
        "ratio",
        "Sum of the net profits over the size of the sum of the net losses.",
        "sum(p > 0) / |sum(p < 0)|",
        _NO_LOSS,
        _JUTSU,
    ),
    Metric(
        "average_win",
        "Average win",
        "money",
        "Mean net profit of the round trips that won.",
        "mean(p > 0)",
        _NO_WIN,
        _JUTSU,
    ),
    Metric(
        "average_loss",
        "Average loss",
        "money",
        "Mean net loss of the round trips that lost; below 0.",
        "mean(p < 0)",
        _NO_LOSS,
        _JUTSU,
    ),
    Metric("expectancy", "Expectancy", "money", "Mean net profit of all closed round trips.", "mean(p)", _NONE, _THARP),
    Metric("round_trips", "Round trips", "count", "Number of closed round trips.", "n", "never", _JUTSU),
    Metric(
        "net_profit",
        "Net profit",
        "money",
        "Sum of the net profits of all closed round trips.",
        "sum(p)",
        _NONE,
        _JUTSU,
    ),
)

TRADE_RECORDS = (
    Metric(
        "average_win_share",
        "Average win, of entry",
        "fraction",
        "Mean of net profit over what was paid or received at entry, of the round trips that won.",
        "mean(p / (entry_price * quantity) where p > 0)",
        _NO_WIN,
        _JUTSU,
    ),
    Metric(
        "average_loss_share",
        "Average loss, of entry",
        "fraction",
        "The same of the round trips that lost; below 0.",
        "mean(p / (entry_price * quantity) where p < 0)",
        _NO_LOSS,
        _JUTSU,
    ),
    Metric(
        "expectancy_share",
        "Expectancy, of entry",
        "fraction",
        "The same of all round trips.",
        "mean(p / (entry_price * quantity))",
        _NONE,
        _JUTSU,
    ),
    Metric(
        "largest_win",
        "Largest win",
        "money",
        "Highest net profit of a round trip that won.",
        "max(p > 0)",
        _NO_WIN,
        _JUTSU,
    ),
    Metric(
        "largest_loss",
        "Largest loss",
        "money",
        "Lowest net loss of a round trip that lost.",
        "min(p < 0)",
        _NO_LOSS,
        _JUTSU,
    ),
    Metric(
        "payoff_ratio",
        "Payoff",
        "ratio",
        "Average win over the size of the average loss.",
        "mean(p > 0) / |mean(p < 0)|",
        f"{_NO_WIN}, or none lost",
        _JUTSU,
    ),
    Metric(
        "system_quality",
        "SQN",
        "ratio",
        "Root of the number of round trips times their mean net profit over its standard deviation (ddof 1).",
        "sqrt(n) * mean(p) / std(p)",
        "fewer than two round trips, or profits that do not vary",
        _THARP,
        ddof=1,
    ),
    Metric(
        "trade_kelly_fraction",
        "Kelly, of trades",
        "fraction",
        "Share of the capital that grows fastest, from the win rate W among the trips that are not 0 and the payoff.",
        "W - (1 - W) / payoff_ratio",
        f"{_NO_WIN}, or none lost",
        "Kelly (1956), A New Interpretation of Information Rate",
    ),
    Metric(
        "average_holding_days",
        "Average holding",
        "days",
        "Mean time from entry to exit, in days of 24 hours.",
        "mean(exit - entry)",
        _NONE,
        _JUTSU,
    ),
    Metric(
        "longest_holding_days", "Longest holding", "days", "The longest of them.", "max(exit - entry)", _NONE, _JUTSU
    ),
    Metric(
        "longest_winning_streak",
        "Winning streak",
        "count",
        "Most round trips in a row that won, in the order in which they were closed.",
        "longest run of p > 0",
        _NONE,
        _JUTSU,
    ),
    Metric(
        "longest_losing_streak",
        "Losing streak",
        "count",
        "Most round trips in a row that lost, in the same order.",
        "longest run of p < 0",
        _NONE,
        _JUTSU,
    ),
    Metric(
        "total_costs",
        "Costs",
        "money",
        "Commission and slippage of all closed round trips.",
        "sum(costs)",
        _NONE,
        _JUTSU,
    ),
    Metric("long_trips", "Long", "count", "Number of closed long round trips.", "count(long)", "never", _JUTSU),
    Metric("short_trips", "Short", "count", "Number of closed short round trips.", "count(short)", "never", _JUTSU),
)

ACTIVITY_RECORDS = (
    Metric(
        "turnover",
        "Turnover",
        "ratio",
        "Half of what was bought and sold, over the mean value of the portfolio, a year.",
        "sum(quantity * price) / 2 / mean(v) / years",
        "no time has passed",
        "SEC, Form N-1A; there the lesser of bought and sold",
        annualisation="times",
    ),
    Metric(
        "exposure",
        "Exposure",
        "fraction",
        "Share of the time from the first row to the last in which a position was open.",
        "time with a position / time",
        "no time has passed",
        _JUTSU,
    ),
)

_NO_BARS = "no bars were given, or none of a symbol when it was held"

MARKET_RECORDS = (
    Metric(
        "average_adverse_excursion",
        "Average adverse excursion",
        "fraction",
        "Mean of how far each round trip went against it at worst, of its entry price; at most 0.",
        "mean(lowest / entry - 1 of a long trip, 1 - highest / entry of a short one)",
        f"{_NONE}, or {_NO_BARS}",
        _SWEENEY,
    ),
    Metric(
        "largest_adverse_excursion",
        "Largest adverse excursion",
        "fraction",
        "The farthest that a round trip went against it.",
        "min(lowest / entry - 1 of a long trip, 1 - highest / entry of a short one)",
        f"{_NONE}, or {_NO_BARS}",
        _SWEENEY,
    ),
    Metric(
        "average_favourable_excursion",
        "Average favourable excursion",
        "fraction",
        "Mean of how far each round trip went for it at best, of its entry price; at least 0.",
        "mean(highest / entry - 1 of a long trip, 1 - lowest / entry of a short one)",
        f"{_NONE}, or {_NO_BARS}",
        _SWEENEY,
    ),
    Metric(
        "largest_favourable_excursion",
        "Largest favourable excursion",
        "fraction",
        "The farthest that a round trip went for it.",
        "max(highest / entry - 1 of a long trip, 1 - lowest / entry of a short one)",
        f"{_NONE}, or {_NO_BARS}",
        _SWEENEY,
    ),
    Metric(
        "average_leverage",
        "Average leverage",
        "ratio",
        "Mean over the rows of what all positions are worth, long and short alike, over the value of the portfolio.",
        "mean(sum(|shares| * close) / v)",
        f"no fills, a value of 0 or below, or {_NO_BARS}",
        _ESMA,
    ),
    Metric(
        "largest_leverage",
        "Largest leverage",
        "ratio",
        "The highest of them.",
        "max(sum(|shares| * close) / v)",
        f"no fills, a value of 0 or below, or {_NO_BARS}",
        _ESMA,
    ),
)
