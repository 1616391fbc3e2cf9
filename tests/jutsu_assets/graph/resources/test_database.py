"""The system of record as a Dagster resource."""

from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from jutsu_assets.graph.resources.database import DatabaseResource
from jutsu_assets.store.market import MarketDatabase
from jutsu_core.bars import Timeframe
from jutsu_core.errors import MixedSourceError
from jutsu_core.ports import DataHandler
from tests.support.builders import bar, fetched


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'jutsu.db'}"


def hold_sample_bars(url: str) -> None:
    database = MarketDatabase(url, source="simulator")
    database.bars.write("AAPL", Timeframe.D1, fetched(bar(date(2013, 3, 1))))
    database.database.close()


def test_an_asset_receives_a_data_handler(url: str) -> None:
    hold_sample_bars(url)
    with dg.build_resources({"database": DatabaseResource(url=url, source="simulator")}) as resources:
        assert isinstance(resources.database, DataHandler)
        assert resources.database.get_latest_bar("AAPL").close == 100


def test_nothing_is_made_of_bars_of_another_source(url: str) -> None:
    """Sample bars must not become live indicators through a shared address."""
    hold_sample_bars(url)
    with (
        pytest.raises(dg.DagsterResourceFunctionError) as caught,
        dg.build_resources({"database": DatabaseResource(url=url, source="schwab")}),
    ):
        pytest.fail("the resource must not open")
    assert isinstance(caught.value.__cause__, MixedSourceError)
    assert "it holds bars of 'simulator', and these come from 'schwab'" in str(caught.value.__cause__)
