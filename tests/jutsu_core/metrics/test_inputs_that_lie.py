"""What an input says that cannot be: rows of another period, deposits, holes, and books that do not add up."""

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_core.errors import InvalidInputError
from jutsu_core.events import FillEvent
from jutsu_core.metrics.analyzer import PerformanceAnalyzer
from jutsu_core.metrics.many import many_figures
from jutsu_core.metrics.periods import symbol_performance
from jutsu_core.metrics.rhythm import change_in

START = datetime(2024, 1, 2, tzinfo=UTC)
Rows = list[dict[str, Any]]


def rows_at(stamps: Any, values: Any = None, **columns: list[Any]) -> Rows:
    """Return rows at these times; without values, those of a walk."""
    told = 100 * np.cumprod(1 + np.random.default_rng(0).normal(0.001, 0.01, len(stamps))) if values is None else values
    rows: Rows = [
        {"timestamp": stamp, "total_value": value} for stamp, value in zip(stamps, map(float, told), strict=True)
    ]
    for key, amounts in columns.items():
        for row, amount in zip(rows, amounts, strict=True):
            row[key] = amount
    return rows


def days(count: int) -> list[datetime]:
    return [START + timedelta(days=day) for day in range(count)]


def fill(day: float, direction: Literal["BUY", "SELL"], quantity: int, price: str, symbol: str = "AAPL") -> FillEvent:
    return FillEvent(
        symbol=symbol,
        timestamp=START + timedelta(days=day),
        direction=direction,
        quantity=Decimal(quantity),
        fill_price=Decimal(price),
    )


def measured(rows: Rows, fills: list[FillEvent] | None = None, **options: Any) -> dict[str, Any]:
    return PerformanceAnalyzer(**options).calculate_metrics(fills or [], rows)


def rules(report: dict[str, Any]) -> list[str]:
    return [finding["rule"] for finding in report["findings"]]


RHYTHMS = [
    ("YS", 5, 1),
    ("YS", 12, 1),
    ("QS", 20, 4),
    ("MS", 60, 12),
    ("W-FRI", 120, 52),
    ("B", 300, 252),
    ("D", 400, 365),
]


@pytest.mark.parametrize(("frequency", "count", "right"), RHYTHMS)
@pytest.mark.parametrize("said", [1, 4, 12, 52, 252, 1_638])
def test_rows_of_another_period_are_refused_and_what_is_right_is_named(
    frequency: str, count: int, right: int, said: int
) -> None:
    rows = rows_at(pd.date_range("2010-01-01", periods=count, freq=frequency, tz="UTC"))
    if said == right or {said, right} == {252, 365}:
        assert measured(rows, periods_per_year=said)["sharpe_ratio"] is not None
        return
    with pytest.raises(InvalidInputError, match=r"^periods_per_year must be what the rows are: about \d+, was"):
        measured(rows, periods_per_year=said)
    assert measured(rows, periods_per_year=said, accept_other_periods=True)["findings"][0]["rule"] == (
        "rows_are_of_the_period"
    )


def test_a_daily_book_annualised_by_sessions_is_named() -> None:
    report = measured(rows_at(days(400)))
    assert rules(report) == ["rows_are_of_the_period"]
    assert "about 365 a year and were measured with periods_per_year=252" in report["notes"][0]
    assert "off by 20%" in report["notes"][0]
    assert measured(rows_at(days(400)), periods_per_year=365)["notes"] == []


def test_hours_of_sessions_are_no_daily_rows() -> None:
    stamps = [
        day + timedelta(hours=hour) for day in pd.bdate_range("2024-01-02", periods=30, tz="UTC") for hour in range(7)
    ]
    assert measured(rows_at(stamps), periods_per_year=252 * 7)["notes"] == []
    with pytest.raises(InvalidInputError, match="periods_per_year"):
        measured(rows_at(stamps))


def test_few_rows_and_short_times_say_nothing() -> None:
    minutes = [START + timedelta(minutes=minute) for minute in range(300)]
    assert measured(rows_at(minutes), periods_per_year=98_280)["notes"] == []
    with pytest.raises(InvalidInputError, match="periods_per_year"):
        measured(rows_at(minutes))
    assert measured(rows_at([START, START + timedelta(days=366)], [1, 2]))["notes"] == []


def test_closes_of_months_are_no_sessions() -> None:
    months = pd.date_range("2010-01-01", periods=60, freq="MS", tz="UTC")
    with pytest.raises(InvalidInputError, match="periods_per_year must be what the rows are: about 12, was 252"):
        symbol_performance(pd.Series(np.linspace(1.0, 2.0, 60), index=months), periods_per_year=252, risk_free_rate=0.0)


def test_a_sharpe_ratio_of_months_is_no_daily_one() -> None:
    months = pd.Series(
        np.random.default_rng(0).normal(0.01, 0.03, 60), index=pd.date_range("2010-01-01", periods=60, freq="MS")
    )
    with pytest.raises(InvalidInputError, match="periods_per_year must be what the rows are: about 12, was 252"):
        PerformanceAnalyzer().calculate_sharpe_ratio(months)
    right = months.mean() / months.std() * 12**0.5
    assert PerformanceAnalyzer(periods_per_year=12).calculate_sharpe_ratio(months) == pytest.approx(right)
    # without dates, nothing says how far apart they are
    plain = PerformanceAnalyzer().calculate_sharpe_ratio(months.reset_index(drop=True))
    accepted = PerformanceAnalyzer(accept_other_periods=True).calculate_sharpe_ratio(months)
    assert plain == accepted == pytest.approx(right * 21**0.5)


def test_a_deposit_is_no_return() -> None:
    rows = rows_at(days(4), [100, 101, 1101, 1111], cash_flow=[None, 0, 1000.0, Decimal(0)])
    report = measured(rows)
    assert report["total_return"] == pytest.approx(1.01 * 1.0 * 1111 / 1101 - 1, abs=1e-15)
    assert report["best_day"] == pytest.approx(0.01)
    flows = report["cash_flows"]
    assert (flows["flows"], flows["net"]) == (1, 1000.0)
    rate = 1 + flows["money_weighted_return"]  # 100 for three days and 1000 for one
    assert 100 * rate + 1000 * rate ** (1 / 3) == pytest.approx(1111, rel=1e-12)
    assert report["notes"] == []
    untold = measured(rows_at(days(4), [100, 101, 1101, 1111]))
    assert rules(untold) == ["no_jump_without_a_reason"]
    assert "jumps from 101.00 to 1,101.00, which no fill explains" in untold["notes"][0]


def test_a_flow_of_the_start_worked_all_its_period() -> None:
    rows = rows_at(days(2), [100, 220], cash_flow=[0, 100])
    assert measured(rows)["total_return"] == pytest.approx(0.2)  # (220 - 100) / 100
    assert measured(rows, flows_at="start")["total_return"] == pytest.approx(0.1)  # 220 / 200


def test_all_that_there_was_may_be_paid_out_but_not_before_it_earned() -> None:
    rows = rows_at(days(2), [100, 10], cash_flow=[0, -100])
    assert measured(rows)["total_return"] == pytest.approx(0.1)
    with pytest.raises(InvalidInputError, match=r"cash_flow in row 1 .* must be less than all that there was, 100"):
        measured(rows, flows_at="start")


@given(
    growth=st.lists(st.floats(min_value=0.5, max_value=2.0), min_size=1, max_size=12),
    flow=st.floats(min_value=-20, max_value=1000),
    at=st.integers(min_value=0, max_value=11),
)
def test_no_flow_changes_the_time_weighted_return(growth: list[float], flow: float, at: int) -> None:
    value, values, flows = 100.0, [100.0], [0.0]
    for row, factor in enumerate(growth):
        paid = flow if row == at and value * factor + flow > 1 else 0.0
        value = value * factor + paid
        values.append(value)
        flows.append(paid)
    report = measured(rows_at(days(len(values)), values, cash_flow=flows))
    assert report["total_return"] == pytest.approx(math.prod(growth) - 1, rel=1e-9, abs=1e-9)


def test_without_a_flow_both_returns_are_one() -> None:
    report = measured(rows_at(days(3), [100, 90, 150]))
    assert report["cash_flows"]["money_weighted_return"] == pytest.approx(report["total_return"], rel=1e-12)


def test_money_paid_in_and_out_in_turn_has_no_rate() -> None:
    # -1 + 5g - 6g^2 in growth g over two periods: two rates explain it.
    rows = rows_at(days(3), [1, 1, 6], cash_flow=[0, -5, 12])
    assert measured(rows)["cash_flows"]["money_weighted_return"] is None


def test_a_jump_without_a_position_is_named_and_one_with_is_not() -> None:
    flat = [fill(0.5, "BUY", 1, "10"), fill(1.5, "SELL", 1, "10")]
    report = measured(rows_at(days(5), [100, 100, 100, 103, 103]), flat)
    assert [(finding["rule"], finding["at"]) for finding in report["findings"]] == [
        ("no_jump_without_a_reason", "2024-01-05T00:00:00+00:00")
    ]
    open_ = [fill(0.5, "BUY", 10, "10")]
    assert measured(rows_at(days(5), [100, 100, 101, 150, 151]), open_)["notes"] == []


def test_a_hole_in_the_history_is_named_and_no_return() -> None:
    stamps = [*days(20), *(day + timedelta(days=900) for day in days(20))]
    values = [*(100 + day % 2 for day in range(20)), *(300 + day % 2 for day in range(20))]
    report = measured(rows_at(stamps, values), periods_per_year=365)
    assert rules(report)[0] == "no_hole"
    assert report["best_day"] == pytest.approx(0.01)
    assert report["sessions"] == 38
    assert report["total_return"] == pytest.approx(2.01)


def test_a_hole_makes_no_best_day_and_no_last_year() -> None:
    first, second = (
        pd.bdate_range(*span, tz="UTC") for span in (("2003-01-01", "2004-11-30"), ("2011-03-23", "2011-06-30"))
    )
    closes = pd.Series(
        [*(10 + row % 2 for row in range(len(first))), *(50 + row % 2 for row in range(len(second)))],
        index=first.append(second),
        dtype=float,
    )
    report = symbol_performance(closes, periods_per_year=252, risk_free_rate=0.0)
    assert report["trailing"]["1y"] is None
    assert report["trailing_unavailable"]["1y"] == (
        "needs a close on or shortly before 2010-06-30; the last one then is of 2004-11-30"
    )
    assert report["holes"] == [{"after": "2004-11-30", "until": "2011-03-23", "days": 2304}]
    assert report["notes"] == ["no close from 2004-11-30 until 2011-03-23, 2304 days"]
    whole = report["since_inception"]
    assert whole["best_day"] == pytest.approx(0.1)
    assert whole["total_return"] == pytest.approx(closes.iloc[-1] / 10 - 1)
    last = report["calendar_years"][-1]
    assert (last["year"], last["base_date"], last["is_partial"]) == (2011, "2011-03-23", True)
    assert last["total_return"] == pytest.approx(closes.iloc[-1] / 50 - 1)


def test_a_week_without_sessions_is_no_hole() -> None:
    sessions = pd.bdate_range("2001-01-01", "2002-12-31", tz="UTC")
    closes = pd.Series(np.arange(1.0, len(sessions) + 1), index=sessions)
    closes = closes.drop(closes["2001-09-11":"2001-09-16"].index)
    assert symbol_performance(closes, periods_per_year=252, risk_free_rate=0.0)["holes"] == []


FILLS = [fill(1.6, "BUY", 2, "10"), fill(2.6, "SELL", 1, "11"), fill(3.6, "SELL", 1, "14")]


def book(**changes: list[Any]) -> Rows:
    told: dict[str, list[Any]] = {
        "cash": [100, 80, 91, 105],
        "positions": [{}, {"AAPL": 20}, {"AAPL": 11}, {}],
        "values": [100, 100, 102, 105],
        **changes,
    }
    return rows_at(days(4), told["values"], cash=told["cash"], positions=told["positions"])


def test_a_book_that_adds_up_has_no_finding() -> None:
    assert measured(book(), FILLS)["findings"] == []
    assert measured(book(positions=[0, 20, 11.0, 0]), FILLS)["findings"] == []
    priced = {"AAPL": {"quantity": 1, "price": Decimal(11)}}
    assert measured(book(positions=[{}, {"AAPL": {"market_value": 20}}, priced, {}]), FILLS)["findings"] == []


@pytest.mark.parametrize(
    ("changes", "found", "text"),
    [
        (
            {"values": [100, 100, 112, 105]},
            ["total_is_cash_and_positions"],
            "2024-01-04T00:00:00+00:00: total_value is +10.00 beside cash and positions",
        ),
        (
            {"cash": [100, 80, 191, 205], "values": [100, 100, 202, 205]},
            ["cash_follows_fills"],
            "2024-01-04T00:00:00+00:00: cash changed by +100.00 beside fills and cash flows",
        ),
        (
            {"positions": [{}, {"MSFT": 20}, {"MSFT": 11}, {}]},
            ["positions_follow_fills"],
            "AAPL is worth 0.00 in the history, and the fills leave 2 shares of it",
        ),
        (
            {"positions": [{}, {"AAPL": -20}, {"AAPL": 11}, {}], "values": [100, 60, 102, 105]},
            ["positions_follow_fills"],
            "AAPL is worth -20.00 in the history",
        ),
    ],
)
def test_a_book_that_does_not_add_up_is_named(changes: dict[str, Any], found: list[str], text: str) -> None:
    report = measured(book(**changes), FILLS)
    assert [rule for rule in rules(report) if rule != "no_jump_without_a_reason"] == found
    assert any(text in note for note in report["notes"])


def test_positions_may_be_numbers_of_shares() -> None:
    """As the house's own event loop has them."""
    shares: list[Any] = [{}, {"AAPL": Decimal(2)}, {"AAPL": Decimal(1)}, {}]
    assert measured(book(positions=shares), FILLS)["findings"] == []
    wrong: list[Any] = [{}, {"AAPL": 2}, {"AAPL": 3}, {}]
    report = measured(book(positions=wrong), FILLS)
    assert rules(report) == ["positions_follow_fills"]
    assert "AAPL has 3.00 in the history, and the fills leave 1 shares of it" in report["notes"][0]


def test_cash_that_was_paid_in_is_explained_by_its_flow() -> None:
    rows = book(cash=[100, 80, 1091, 1105], values=[100, 100, 1102, 1105])
    assert "cash_follows_fills" in rules(measured(rows, FILLS))
    rows[2]["cash_flow"] = 1000
    assert measured(rows, FILLS)["findings"] == []


def test_a_rounded_cent_is_no_finding() -> None:
    assert measured(book(values=[100, 100.004, 102, 105]), FILLS)["findings"] == []


def test_fills_after_the_last_row_are_named() -> None:
    report = measured(rows_at(days(2), [100, 100]), [fill(0.5, "BUY", 1, "10"), fill(7, "SELL", 1, "10")])
    assert rules(report) == ["fills_within_history"]
    assert "1 of 2 fills are after the last row" in report["notes"][0]


@pytest.mark.parametrize("key", ["cash_flow", "cash"])
@pytest.mark.parametrize("bad", ["1", True, math.nan, math.inf, Decimal("NaN"), [1.0], {}, 1j])
def test_amounts_that_are_no_numbers_are_refused(key: str, bad: object) -> None:
    rows = rows_at(days(2), [1, 2])
    rows[1][key] = bad
    with pytest.raises(InvalidInputError, match=f"{key} in row 1 of portfolio_history must be a finite number, was"):
        measured(rows)


@pytest.mark.parametrize(
    "bad", ["AAPL", [1.0], {"AAPL": None}, {"AAPL": "1"}, {1: 2.0}, {"AAPL": {"quantity": 1}}, math.nan, True]
)
def test_positions_that_are_no_amounts_are_refused(bad: object) -> None:
    rows = rows_at(days(2), [1, 2])
    rows[1]["positions"] = bad
    with pytest.raises(InvalidInputError, match=r"positions in row 1 of portfolio_history.* must be .*, was"):
        measured(rows)


def test_a_price_below_zero_is_refused() -> None:
    rows = rows_at(days(1), [1])
    rows[0]["positions"] = {"AAPL": {"quantity": -1, "price": -2}}
    with pytest.raises(InvalidInputError, match=r"price of AAPL .* must be at least 0, was -2.0"):
        measured(rows)


@pytest.mark.parametrize("bad", [None, 1, "middle", ["end"]])
def test_only_the_two_ends_of_a_period_are_known(bad: Any) -> None:
    with pytest.raises(InvalidInputError, match="flows_at must be 'end' or 'start', was"):
        PerformanceAnalyzer(flows_at=bad)


def test_an_account_that_was_emptied_lost_nothing() -> None:
    emptied = measured(rows_at(days(5), [100, 110, 0, 0, 0], cash_flow=[0, 0, -110, 0, 0]))
    assert emptied["total_return"] == pytest.approx(0.1)
    assert (emptied["best_day"], emptied["worst_day"]) == (pytest.approx(0.1), 0.0)
    assert rules(emptied) == ["account_is_not_empty"]
    assert "all had been paid out in 2 periods, the first until 2024-01-05" in emptied["notes"][0]
    begun_again = rows_at(days(6), [100, 110, 0, 0, 50, 55], cash_flow=[0, 0, -110, 0, 50, 0])
    assert measured(begun_again)["total_return"] == pytest.approx(1.1 * 1.1 - 1)
    assert measured(rows_at(days(3), [0.3, 0.1 + 0.2 - 0.3, 0], cash_flow=[0, -0.3, 0]))["total_return"] == (
        pytest.approx(0, abs=1e-12)
    )


def test_an_account_begun_again_at_the_start_of_a_period_worked_all_of_it() -> None:
    rows = rows_at(days(5), [100, 110, 0, 55, 55], cash_flow=[0, 0, 0, 0, 0])
    rows[2]["cash_flow"], rows[3]["cash_flow"] = -110, 50
    with pytest.raises(
        InvalidInputError, match=r"cash_flow in row 3 .* all that there was at its end, 55, since there"
    ):
        measured(rows)
    started = rows_at(days(4), [100, 100, 60, 60], cash_flow=[0, 0, 0, 0])
    started[2]["cash_flow"] = -100
    with pytest.raises(InvalidInputError, match="less than all that there was, 100"):
        measured(started, flows_at="start")


def test_an_account_that_was_lost_stays_lost() -> None:
    rows = rows_at(days(4), [100, 0, 50, 60], cash_flow=[0, 0, 50, 0])
    report = measured(rows)
    assert (report["total_return"], report["max_drawdown"]) == (-1.0, -1.0)
    assert "equity_is_above_zero" in rules(report)


def test_a_payment_with_its_sign_turned_round_is_named() -> None:
    report = measured(rows_at(days(5), [1000, 1001, 801, 802, 803], cash_flow=[0, 0, 200, 0, 0]))
    assert rules(report) == ["no_jump_without_a_reason"]
    assert "the cash_flow of +200.00 explain; what is paid in is above 0" in report["notes"][0]


def test_a_small_payment_into_a_quiet_account_is_named() -> None:
    report = measured(rows_at(days(6), [1000, 1001, 1081, 1082, 1081, 1082]))
    assert rules(report) == ["no_jump_without_a_reason"]
    mostly_idle = measured(rows_at(days(6), [1000, 1000, 1000, 1080, 1080, 1080]))
    assert mostly_idle["notes"] == []


CHANGES = [
    (("ME", 60, "2010-01-01"), ("B", 252, "2015-01-02"), 12, 261),
    (("B", 1000, "2010-01-01"), ("ME", 24, "2013-12-01"), 261, 12),
    (("W-FRI", 104, "2010-01-01"), ("B", 504, "2012-01-02"), 52, 261),
    (("B", 504, "2010-01-01"), ("h", 200, "2011-12-09"), 261, 8766),
    (("5min", 2000, "2010-01-01"), ("min", 2000, "2010-01-07 22:40"), 105192, 525960),
    (("QE", 40, "2000-01-01"), ("YE", 20, "2010-03-02"), 4, 1),
]


@pytest.mark.parametrize(("first", "then", "before", "after"), CHANGES)
def test_rows_that_change_their_period_are_named(
    first: tuple[str, int, str], then: tuple[str, int, str], before: int, after: int
) -> None:
    older, newer = (pd.date_range(start, periods=count, freq=step, tz="UTC") for step, count, start in (first, then))
    rows = rows_at(older.append(newer))
    report = measured(rows, accept_other_periods=True)
    assert rules(report).count("rows_are_of_the_period") == 1
    text = report["findings"][0]["text"]
    told = [int(word) for word in text.replace(",", "").replace(":", "").split() if word.isdigit()]
    assert told == [pytest.approx(before, rel=0.1), pytest.approx(after, rel=0.1)]
    assert abs(pd.Timestamp(report["findings"][0]["at"]) - newer[0]) < 13 * max(
        older[-1] - older[-2], newer[1] - newer[0]
    )
    # what is usual in the longer of the two periods is no hole
    assert "no_hole" not in rules(report)


def test_what_no_periods_per_year_fits_is_refused_with_both() -> None:
    stamps = pd.date_range("2010-01-01", periods=104, freq="W-FRI", tz="UTC").append(
        pd.bdate_range("2012-01-02", periods=504, tz="UTC")
    )
    with pytest.raises(
        InvalidInputError, match=r"about 52 a year, and later about 26\d, was 252; .* rows of one period"
    ):
        measured(rows_at(stamps))


@pytest.mark.parametrize("frequency", ["min", "5min", "h", "4h", "D", "B", "W-FRI", "MS", "QS", "YS"])
def test_rows_of_one_period_do_not_change_it(frequency: str) -> None:
    stamps = pd.date_range("1900-01-01", periods=400, freq=frequency, tz="UTC")
    assert change_in(stamps.as_unit("us").asi8) is None
    assert change_in(stamps.delete(list(range(150, 200))).as_unit("us").asi8) is None


@pytest.mark.parametrize("step", [1, 5, 30, 65, 130, 195])
def test_nights_and_weekends_are_no_change(step: int) -> None:
    opens = pd.bdate_range("2015-01-05", periods=40, tz="UTC").as_unit("us").asi8
    stamps = opens[:, None] + np.arange(14 * 60 + 30, 21 * 60, step) * 60_000_000
    assert change_in(stamps.ravel()) is None


@pytest.mark.parametrize("seed", range(4))
def test_rows_without_any_period_change_none(seed: int) -> None:
    gaps = np.random.default_rng(seed).lognormal(0, 1.5, 600)
    assert change_in((np.cumsum(gaps) * 86_400e6).astype(np.int64)) is None


def test_a_hole_among_few_rows_is_no_return() -> None:
    stamps = [datetime(2003, 1, day, tzinfo=UTC) for day in (2, 3, 6)] + [datetime(2011, 1, 3, tzinfo=UTC)]
    report = measured(rows_at(stamps, [100, 101, 102, 150]))
    assert (report["sessions"], report["best_day"]) == (2, pytest.approx(0.01))
    assert report["total_return"] == pytest.approx(0.5)
    assert "no_hole" in rules(report)
    closes = pd.Series([100.0, 101.0, 102.0, 150.0], index=pd.DatetimeIndex(stamps))
    assert symbol_performance(closes, periods_per_year=252, risk_free_rate=0.0)["since_inception"]["best_day"] == (
        pytest.approx(0.01)
    )


def test_few_rows_of_years_are_named() -> None:
    stamps = [datetime(year, 12, 31, tzinfo=UTC) for year in (2010, 2011, 2012)]
    assert rules(measured(rows_at(stamps, [100, 110, 105]))) == ["rows_are_of_the_period"]
    assert measured(rows_at(stamps, [100, 110, 105]), periods_per_year=1)["findings"] == []


@pytest.mark.parametrize(
    "index",
    [
        pd.date_range("2010-01-31", periods=60, freq="ME"),
        pd.date_range("2010-01-31", periods=60, freq="ME", tz="America/New_York"),
        pd.period_range("2010-01", periods=60, freq="M"),
        pd.Index([stamp.date() for stamp in pd.date_range("2010-01-31", periods=60, freq="ME")]),
        pd.Index([str(stamp.date()) for stamp in pd.date_range("2010-01-31", periods=60, freq="ME")]),
        pd.CategoricalIndex(pd.date_range("2010-01-31", periods=60, freq="ME")),
        pd.Index(pd.date_range("2010-01-31", periods=60, freq="ME"), dtype="timestamp[us][pyarrow]"),
    ],
    ids=["naive", "aware", "period", "date", "text", "category", "arrow"],
)
def test_a_sharpe_ratio_of_months_is_refused_however_they_are_labelled(index: pd.Index) -> None:
    months = pd.Series(np.random.default_rng(0).normal(0.01, 0.03, 60), index=index)
    with pytest.raises(InvalidInputError, match="periods_per_year must be what the rows are: about 12, was 252"):
        PerformanceAnalyzer().calculate_sharpe_ratio(months)
    assert PerformanceAnalyzer(periods_per_year=12).calculate_sharpe_ratio(months) == pytest.approx(
        months.mean() / months.std() * 12**0.5
    )


@pytest.mark.parametrize("bad", [np.array([1.0, 2.0]), np.zeros(2, dtype=[("timestamp", "i8"), ("total_value", "f8")])])
def test_rows_that_are_no_mappings_are_refused(bad: Any) -> None:
    with pytest.raises(InvalidInputError, match="row 0 of portfolio_history must be a mapping"):
        PerformanceAnalyzer().calculate_metrics([], bad)


@pytest.mark.parametrize("bad", [{}, pd.DataFrame(), set(), frozenset(), pd.DataFrame({"symbol": ["AAPL"]})])
def test_what_has_no_order_or_only_names_is_no_list_of_fills(bad: Any) -> None:
    with pytest.raises(InvalidInputError, match="trades must be a list of FillEvent, was"):
        PerformanceAnalyzer().calculate_metrics(bad, rows_at(days(3)))


def test_a_benchmark_that_ended_or_has_few_values_is_named() -> None:
    rows = rows_at(pd.bdate_range("2010-01-04", periods=300, tz="UTC"))
    days_ = pd.DatetimeIndex([row["timestamp"] for row in rows])
    whole = pd.Series(np.linspace(1.0, 2.0, 300), index=days_)
    assert measured(rows, benchmark=whole)["notes"] == []
    assert measured(rows, benchmark=whole[:290])["notes"] == []
    ended = measured(rows, benchmark=whole[:200])
    assert rules(ended) == ["benchmark_is_current"]
    assert "it stands still in 90 rows" in ended["notes"][0]
    monthly = measured(rows, benchmark=whole[::21])
    assert rules(monthly) == ["benchmark_is_current"]
    assert "about 12 values a year" in monthly["notes"][0]
    assert rules(measured(rows, benchmark=whole[:1])) == ["benchmark_is_current"]


def test_bars_with_a_column_twice_and_risk_free_losses_of_all_are_refused() -> None:
    bars = pd.DataFrame(
        [["A", START, 2.0, 2.0, 1.0, 1.0]], columns=["symbol", "timestamp", "high", "high", "low", "close"]
    )
    with pytest.raises(InvalidInputError, match="bars must be of columns that differ, was with 'high' twice"):
        PerformanceAnalyzer(bars=bars)
    with pytest.raises(InvalidInputError, match="row 0 of risk_free_returns must be above -1"):
        PerformanceAnalyzer(risk_free_returns=pd.Series([-2.0], index=pd.DatetimeIndex([START])))


class Foreign:
    """What another library calls a DataFrame, as far as one can see."""

    columns = ("timestamp", "total_value")

    def to_pandas(self) -> pd.DataFrame:
        return pd.DataFrame({"A": [1.0, 2.0]})


@pytest.mark.parametrize("name", ["DataFrame", "Series"])
def test_frames_of_other_libraries_are_refused_with_the_way_to_turn_them_into_ours(name: str) -> None:
    foreign: Any = type(name, (Foreign,), {"__module__": "polars.dataframe.frame"})()
    with pytest.raises(InvalidInputError, match=rf"a list of rows .*, was polars's {name}; .*frame.to_dicts\(\)"):
        measured(foreign)
    with pytest.raises(
        InvalidInputError, match=rf"must be a pandas DataFrame, was polars's {name}; values.to_pandas\(\)"
    ):
        many_figures(foreign, periods_per_year=252, risk_free_rate=0.0)
    with pytest.raises(InvalidInputError, match=rf"a pandas Series, was polars's {name}; returns.to_pandas\(\)"):
        PerformanceAnalyzer().calculate_sharpe_ratio(foreign)
    with pytest.raises(
        InvalidInputError, match=rf"bars must be a pandas DataFrame .*, was polars's {name}; bars.to_pandas"
    ):
        PerformanceAnalyzer(bars=foreign)


def test_rows_that_lack_for_days_are_named_though_they_are_no_hole() -> None:
    sessions = pd.bdate_range("2010-01-04", periods=300, tz="UTC")
    report = measured(rows_at(sessions.delete([100, 101, 102, 103, 104, 105])))
    assert rules(report) == ["no_hole"]
    said = "no row from 2010-05-21T00:00:00+00:00 until 2010-06-01T00:00:00+00:00: measured as one period"
    assert [note.partition(", as nights")[0] for note in report["notes"]] == [said]
    assert report["sessions"] == 293
    twice = measured(rows_at(sessions.delete([100, 101, 102, 103, 104, 200, 201, 202, 203, 204])))
    assert "and 1 times more" in twice["notes"][0]
    minutes = pd.DatetimeIndex(
        np.concatenate([pd.date_range(day, periods=390, freq="min") for day in sessions[:40].tz_localize(None)])
    )
    stamps = minutes.tz_localize("UTC")
    stamps = stamps[(stamps < sessions[10]) | (stamps >= sessions[15])]
    assert rules(measured(rows_at(stamps), periods_per_year=98_280)) == ["no_hole"]
    assert measured(rows_at(sessions.delete([100, 101, 102, 103])))["notes"] == []  # Monday to Monday, as in 2001
    assert measured(rows_at(sessions[::5]), periods_per_year=52)["notes"] == []


def test_what_a_frame_leaves_open_and_times_without_a_zone_are_refused_with_what_to_do() -> None:
    frame = pd.DataFrame({"timestamp": days(2), "total_value": [1.0, 2.0], "cash_flow": [math.nan, 1.0]})
    rows: Any = frame.to_dict("records")
    with pytest.raises(InvalidInputError, match=r"cash_flow in row 0 .*, was nan; leave the key out, or give None"):
        measured(rows)
    assert measured([{"timestamp": START, "total_value": 1, "cash_flow": None}])["notes"] == []
    with pytest.raises(
        InvalidInputError, match=r"timestamp in row 0 .*; say where it is meant: \.replace\(tzinfo=UTC\)"
    ):
        measured([{"timestamp": START.replace(tzinfo=None), "total_value": 1}])
    with pytest.raises(InvalidInputError, match=r"timestamp in row 0 .*, was '2024-01-02'; such as datetime"):
        measured([{"timestamp": "2024-01-02", "total_value": 1}])
