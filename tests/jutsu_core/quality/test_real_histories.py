"""The rules on real histories as they were published: what they find there is there, and little else."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jutsu_core.bars import BarColumns
from jutsu_core.quality.rules import inconsistent
from jutsu_core.quality.series import duplicated, rescaled, spikes, stale

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "daily"
PRICES = ("open", "high", "low", "close")

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the folder of real histories is not here")


def frames(name: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the symbols of a file and their rows, ascending, with columns in lower case."""
    read = pd.read_csv(FOLDER / name)
    read.columns = pd.Index([column.strip().lower() for column in read.columns])
    read = read.rename(columns={"datetime": "date", "stock": "ticker"})
    read["date"] = pd.to_datetime(read["date"])
    read = read.dropna(subset=PRICES).sort_values("date")
    if "ticker" in read:
        yield from ((str(symbol), rows) for symbol, rows in read.groupby("ticker"))
    else:
        yield name, read


def columns(rows: pd.DataFrame) -> BarColumns:
    values = np.empty((len(rows), 6), dtype=np.int64)
    values[:, 0] = rows["date"].to_numpy().astype("datetime64[us]").astype(np.int64)
    values[:, 1:5] = np.round(rows[list(PRICES)].to_numpy(np.float64) * 1_000_000)
    values[:, 5] = rows["volume"].fillna(0).to_numpy(np.int64)
    return BarColumns(values)


def sessions(bars: BarColumns, places: list[int]) -> list[str]:
    return [str(session) for session in bars.sessions[places]]


WIKI_BESIDE_ITS_OWN_RECORD = {"AAPL": set(), "MSFT": set(), "KO": {"1965-02-19", "1968-06-03"}}


@pytest.mark.parametrize("symbol", sorted(WIKI_BESIDE_ITS_OWN_RECORD))
def test_every_split_of_a_raw_history_is_found_and_nothing_else(symbol: str) -> None:
    """The file says itself where a stock was split, but for two splits of the sixties that it forgot."""
    [(_, rows)] = frames(f"WIKI-{symbol}.csv")
    bars = columns(rows)
    recorded = rows.loc[rows["split ratio"] != 1, "date"].dt.date.astype(str)
    found = sessions(bars, [place for place, _ in rescaled(bars)])
    assert len(recorded) >= 4
    assert set(found) == set(recorded) | WIKI_BESIDE_ITS_OWN_RECORD[symbol]
    assert len(found) == len(set(found))


def test_the_crash_of_apple_was_news_and_its_splits_were_not() -> None:
    """On 2000-09-29 it lost 52 % at 22 times the usual volume."""
    of = dict(frames("bokeh_sampledata-2026.1_stocks.csv.gz"))
    found = {
        symbol: sessions(bars, [place for place, _ in rescaled(bars)])
        for symbol, bars in ((symbol, columns(rows)) for symbol, rows in of.items())
    }
    splits = {"AAPL": ["2000-06-21", "2005-02-28"], "MSFT": ["2003-02-18"]}
    assert found == {"FB": [], "GOOG": [], "IBM": []} | splits


@pytest.mark.parametrize(
    "name",
    [
        "SPY_D.csv",
        "arch-8.0.0_sp500.csv.gz",
        "plotly_dash-stock-ticker-demo.csv",
        "eqker_SPY_daily.csv",
        "eqker_AAPL_daily.csv",
    ],
)
def test_in_a_clean_history_nothing_is_found(name: str) -> None:
    """Through 2000, 2001, 2008, the flash crashes of 2010 and 2015, and 2020."""
    for symbol, rows in frames(name):
        for rule in (inconsistent, duplicated, rescaled, spikes, stale):
            assert list(rule(columns(rows))) == [], (symbol, rule.__name__)


def test_a_price_of_a_tenth_is_the_only_spike_in_a_hundred_years_of_stocks() -> None:
    """Black Monday and the flash crash are none; KO did not trade at 5.18 on 2003-12-23."""
    found = {}
    for symbol in WIKI_BESIDE_ITS_OWN_RECORD:
        [(_, rows)] = frames(f"WIKI-{symbol}.csv")
        bars = columns(rows)
        found[symbol] = sessions(bars, [place for place, _ in spikes(bars)])
    assert found == {"AAPL": [], "MSFT": [], "KO": ["2003-12-23"]}


def test_what_a_vendor_repeated_is_stale_and_chance_in_eighths_is_not() -> None:
    """41 bars repeat all four prices of the day before; on 2003-01-29 two stocks at once."""
    found, repeated = {}, 0
    for symbol in WIKI_BESIDE_ITS_OWN_RECORD:
        [(_, rows)] = frames(f"WIKI-{symbol}.csv")
        bars = columns(rows)
        found[symbol] = sessions(bars, [place for place, _ in stale(bars)])
        prices = np.column_stack([bars.open, bars.high, bars.low, bars.close])
        repeated += int((prices[1:] == prices[:-1]).all(axis=1).sum())
    assert repeated > 40
    assert found == {"AAPL": ["2003-01-29"], "MSFT": [], "KO": ["2003-01-29", "2014-08-04"]}
