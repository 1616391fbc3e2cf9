"""An order is cut to the most that can be borne, and to no less."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jutsu_core.backtest.portfolio import NO_COSTS, Portfolio, TradingCosts
from jutsu_core.errors import InvalidInputError
from tests.support.builders import NOON

FEE = TradingCosts(per_fill=Decimal(5))
WHOLE = st.integers(1, 60)
SIGNS = st.tuples(st.booleans(), st.booleans())
FEES = st.sampled_from([NO_COSTS, FEE])


def holding(quantity: int, price: str, *, cash: str = "1000", **account: object) -> Portfolio:
    """Return a portfolio that has traded ``quantity`` of A at ``price``."""
    portfolio = Portfolio(Decimal(cash), **account)  # type: ignore[arg-type]  # as given
    portfolio.mark("A", Decimal(price))
    if quantity:
        portfolio.fill("A", NOON, Decimal(quantity), Decimal(price))
    return portfolio


CUTS = {
    "a purchase is paid with its costs": (holding(0, "10", costs=FEE), 100, "10", 99, "cash"),
    "a purchase that is just paid": (holding(0, "10"), 100, "10", 100, None),
    "not even one": (holding(0, "10"), 5, "1001", 0, "cash"),
    "a sale of what is held": (holding(7, "10"), -7, "10", -7, None),
    "a sale of more": (holding(7, "10"), -8, "10", -7, "holding"),
    "a sale of nothing": (holding(0, "10"), -8, "10", 0, "holding"),
    "a sale whose costs take more than it brings": (holding(1, "10", cash="16", costs=FEE), -1, "4", -1, None),
    "and cannot": (holding(1, "10", cash="15", costs=FEE), -1, "4", 0, "cash"),
    "short as far as it is covered": (holding(0, "10", allows_short=True), -101, "10", -100, "cash"),
    "a short is closed whatever covers it": (holding(-100, "10", allows_short=True), 100, "19", 100, None),
    "as far as the cash goes": (holding(-100, "10", allows_short=True), 100, "21", 95, "cash"),
    "through zero to long": (holding(-50, "10", allows_short=True), 200, "10", 150, "cash"),
    "through zero to short": (holding(50, "10", allows_short=True), -200, "10", -150, "cash"),
}


@pytest.mark.parametrize("name", CUTS)
def test_an_order_is_cut_to_what_can_be_borne(name: str) -> None:
    portfolio, quantity, price, traded, limit = CUTS[name]
    portfolio.mark("A", Decimal(price))
    assert portfolio.bearable("A", Decimal(quantity), Decimal(price)) == (Decimal(traded), limit)


@settings(max_examples=150)
@given(
    held=WHOLE,
    wanted=WHOLE,
    price=WHOLE,
    signs=st.tuples(st.booleans(), st.booleans()),
    fee=st.sampled_from([NO_COSTS, FEE]),
)
def test_one_lot_more_would_not_be_borne(
    held: int, wanted: int, price: int, signs: tuple[bool, bool], fee: TradingCosts
) -> None:
    portfolio = holding(held * (1 if signs[0] else -1), "10", allows_short=True, costs=fee)
    portfolio.mark("A", Decimal(price))
    step = 1 if signs[1] else -1

    def is_borne(lots: int) -> bool:
        quantity = Decimal(lots * step)
        return portfolio.bearable("A", quantity, Decimal(price))[0] == quantity

    traded, limit = portfolio.bearable("A", Decimal(wanted * step), Decimal(price))
    lots = int(traded) * step
    assert is_borne(lots)
    assert (limit is None) == (lots == wanted)
    assert limit is None or not is_borne(lots + 1)


def test_another_short_needs_its_cover_too() -> None:
    portfolio = holding(-60, "10", allows_short=True)
    portfolio.mark("B", Decimal(1))
    assert portfolio.bearable("B", Decimal(500), Decimal(1)) == (Decimal(400), "cash")
    portfolio.mark("A", Decimal(12))
    assert portfolio.bearable("B", Decimal(500), Decimal(1)) == (Decimal(160), "cash")


def test_positions_cannot_be_changed_from_outside() -> None:
    with pytest.raises(TypeError):
        holding(1, "10").positions["A"] = Decimal(2)  # type: ignore[index]  # the point


def test_a_rate_is_a_fraction() -> None:
    with pytest.raises(InvalidInputError, match="slippage_rate must be a finite Decimal of at least 0 and at most 1"):
        TradingCosts(slippage_rate=Decimal(5))
