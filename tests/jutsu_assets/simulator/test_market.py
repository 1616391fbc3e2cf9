"""The bars behind the simulator: exact text, splits, rounding."""

import csv
import gzip
import sys
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import bokeh_sampledata
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jutsu_assets.simulator.market import SAMPLE_SPLITS, DailyBar, MarketHistory, Split, rounded
from jutsu_core.errors import ConfigurationError, InvalidInputError
from tests.jutsu_assets.simulator.wire import FRIDAY, MONDAY, WEDNESDAY, small_market

PRICES = st.decimals(min_value="0.0001", max_value="100000", places=4)


@pytest.fixture(scope="module")
def sample() -> MarketHistory:
    return MarketHistory.from_sample()


def raw_rows() -> list[dict[str, str]]:
    path = bokeh_sampledata.package_path("stocks.csv.gz")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_sample_holds_the_five_symbols(sample: MarketHistory) -> None:
    assert sample.symbols == ("AAPL", "FB", "GOOG", "IBM", "MSFT")
    assert sample.last_session == date(2013, 3, 1)
    assert sum(len(sample.daily(s, as_of=date(2013, 3, 1))) for s in sample.symbols) == 12154


def test_adjustment_equals_an_independent_computation_over_every_bar(sample: MarketHistory) -> None:
    served = {s: iter(sample.daily(s, as_of=date(2013, 3, 1))) for s in sample.symbols}
    for row in raw_rows():
        halvings = sum(
            row["Date"] < ex_date
            for symbol, ex_date in [("AAPL", "2000-06-21"), ("AAPL", "2005-02-28"), ("MSFT", "2003-02-18")]
            if symbol == row["Ticker"]
        )
        bar = next(served[row["Ticker"]])
        assert bar.session.isoformat() == row["Date"]
        assert bar.volume == int(row["Volume"]) * 2**halvings
        for name in ("Open", "High", "Low", "Close"):
            exact = Decimal(row[name]) / 2**halvings
            assert getattr(bar, name.lower()) == exact.quantize(Decimal("0.0001"), ROUND_HALF_EVEN)


def test_sample_bars_are_continuous_across_every_split(sample: MarketHistory) -> None:
    for split in SAMPLE_SPLITS:
        bars = sample.daily(split.symbol, as_of=date(2013, 3, 1))
        at = [bar.session for bar in bars].index(split.ex_date)
        assert Decimal("0.8") < bars[at].close / bars[at - 1].close < Decimal("1.2")


def test_sample_bars_keep_their_order_after_rounding(sample: MarketHistory) -> None:
    for symbol in sample.symbols:
        for bar in sample.daily(symbol, as_of=date(2013, 3, 1)):
            assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high


def test_a_split_after_today_is_not_applied(sample: MarketHistory) -> None:
    first_raw = Decimal("130.31")
    closes = [
        sample.daily("AAPL", as_of=day)[0].close
        for day in (date(2000, 6, 20), date(2000, 6, 21), date(2005, 2, 25), date(2005, 2, 28))
    ]
    assert closes == [first_raw, first_raw / 2, first_raw / 2, first_raw / 4]


def test_bars_after_today_are_not_served() -> None:
    assert [bar.session for bar in small_market().daily("JTS", as_of=MONDAY)] == [FRIDAY, MONDAY]


def test_asking_again_gives_a_list_of_its_own() -> None:
    market = small_market()
    market.daily("JTS", as_of=WEDNESDAY).clear()
    assert len(market.daily("JTS", as_of=WEDNESDAY)) == 4


def test_unknown_symbol_has_no_bars() -> None:
    assert small_market().daily("NONE", as_of=WEDNESDAY) == []


def test_two_bars_of_one_session_are_refused() -> None:
    bar = DailyBar(FRIDAY, *([Decimal(1)] * 4), 1)  # type: ignore[arg-type,call-arg]
    with pytest.raises(InvalidInputError, match="one bar a session"):
        MarketHistory.from_bars({"JTS": [bar, bar]})


@pytest.mark.parametrize("ratio", [0, -2, Fraction(-1, 2)])
def test_a_split_without_sense_is_refused(ratio: Fraction | int) -> None:
    with pytest.raises(InvalidInputError, match="ratio"):
        Split("JTS", FRIDAY, ratio)


def test_missing_sample_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bokeh_sampledata", None)
    with pytest.raises(ConfigurationError, match=r'pip install "jutsu\[sample\]"'):
        MarketHistory.from_sample()


@given(
    prices=st.lists(PRICES, min_size=4, max_size=4).map(sorted),
    ratio=st.fractions(min_value=Fraction(1, 30), max_value=30, max_denominator=30),
    volume=st.integers(min_value=0, max_value=10**12),
)
def test_any_split_keeps_the_order_of_prices_and_whole_volumes(
    prices: list[Decimal], ratio: Fraction, volume: int
) -> None:
    low, opened, close, high = prices
    market = MarketHistory.from_bars(
        {"JTS": [(FRIDAY, opened, high, low, close, volume)]}, [Split("JTS", MONDAY, ratio)]
    )
    (bar,) = market.daily("JTS", as_of=MONDAY)
    assert bar.low <= bar.open <= bar.close <= bar.high
    assert isinstance(bar.volume, int)
    assert abs(bar.volume - volume * ratio) <= Fraction(1, 2)


@given(PRICES)
def test_rounding_leaves_four_decimals_alone(price: Decimal) -> None:
    assert rounded(Fraction(price)) == price
