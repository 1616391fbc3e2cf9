"""Writes the docs page of the indicators and its pictures: ``python -m tests.jutsu_core.indicators.docs_page``.

The pictures are of the sample bars of AAPL, beside those of MSFT where an indicator compares.
"""

from pathlib import Path

import numpy as np

from jutsu_assets.simulator.market import MarketHistory
from jutsu_core.indicators.definitions import CATALOG
from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.page import indicators_page
from jutsu_core.indicators.pictures import SHOWN_BARS, indicator_picture

DOCS = Path(__file__).parents[3] / "docs"
PAGE = DOCS / "indicators.md"
PICTURES = DOCS / "images" / "indicators"


def shown_bars() -> dict[str, FloatArray]:
    """Return what an indicator may read, of as many bars as are shown and 200 before them."""
    market = MarketHistory.from_sample()
    last = market.last_session
    assert last is not None
    own, other = (market.daily(symbol, as_of=last)[-SHOWN_BARS - 200 :] for symbol in ("AAPL", "MSFT"))
    assert [bar.session for bar in own] == [bar.session for bar in other]
    names = ("open", "high", "low", "close", "volume")
    bars = {name: np.array([float(getattr(bar, name)) for bar in own]) for name in names}
    return bars | {
        "session": np.array([float(bar.session.toordinal()) for bar in own]),
        "benchmark": np.array([float(bar.close) for bar in other]),
    }


def pictures() -> dict[str, str]:
    """Return the text of every picture, by the name of its file."""
    bars = shown_bars()
    return {f"{name}.svg": indicator_picture(definition, bars) for name, definition in CATALOG.items()}


def main() -> None:
    PAGE.write_text(indicators_page(), encoding="utf-8")
    PICTURES.mkdir(parents=True, exist_ok=True)
    for file in PICTURES.glob("*.svg"):
        file.unlink()
    for name, text in pictures().items():
        (PICTURES / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
