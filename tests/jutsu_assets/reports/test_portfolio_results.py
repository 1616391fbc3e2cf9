"""What a page of a portfolio is made of is checked once, where it is handed over."""

from typing import Any

import pandas as pd
import pytest

from jutsu_core.errors import InvalidInputError
from tests.jutsu_assets.reports.portfolio import DAYS, portfolio_results

FLAT = pd.Series(1.0, index=DAYS)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": None}, "name must be a text, was None"),
        ({"equity": FLAT * 0}, "row 0 of equity .* must be above 0 at the start, was 0.0"),
        ({"equity": FLAT.where(FLAT.index != DAYS[5])}, "row 5 of equity .* must be finite, was nan"),
        ({"equity": FLAT[::-1]}, "equity must be .*"),
        ({"equity": FLAT.tz_localize(None)}, "the index of equity must be timezone-aware"),
        ({"growth": FLAT[1:]}, "the index of growth must be that of equity"),
        ({"benchmark": FLAT - 1}, "row 0 of benchmark .* must be above 0"),
        ({"benchmark": FLAT.reset_index(drop=True)}, "the index of benchmark must be a DatetimeIndex"),
        ({"exposure": FLAT[:-1]}, "the index of exposure must be that of equity"),
        ({"exposure": [1.0]}, "exposure must be a Series, or a DataFrame of lines, was list"),
        ({"exposure": pd.DataFrame({"long": FLAT * float("nan")})}, "row 0 of exposure 'long' .* must be finite"),
        ({"fills": ["AAPL"]}, r"fills\[0\] must be a FillEvent"),
        ({"round_trips": "AAPL"}, "round_trips must be a list"),
    ],
)
def test_what_is_no_result_is_refused_by_its_name(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        portfolio_results(**changes)


def test_a_single_line_of_exposure_is_as_good_as_many() -> None:
    assert portfolio_results(exposure=FLAT).exposure is FLAT
