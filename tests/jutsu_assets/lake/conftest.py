"""A lake of the test's own, with its manifest, in a home that settings name."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from jutsu_assets.lake.files import Lake
from jutsu_assets.settings import Settings
from jutsu_assets.store.engine import Database
from jutsu_assets.store.manifest import SeriesFile, SeriesManifest
from jutsu_core.bars import bars_to_frame
from tests.support.builders import RecordingSleeper, SettableClock, bar, days

Series = Callable[..., pd.DataFrame]
Publish = Callable[..., SeriesFile]


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def home() -> str:
    """The value of JUTSU_HOME, relative to the test's own folder."""
    return "var"


@pytest.fixture
def app_settings(tmp_path: Path, home: str) -> Settings:
    # A database by default lies in the home, and its URL would end at a question mark.
    elsewhere = {"JUTSU_DATABASE_URL": f"sqlite:///{tmp_path / 'jutsu.db'}"} if "?" in home else {}
    return Settings.from_environment({"JUTSU_HOME": home} | elsewhere, folder=tmp_path)


@pytest.fixture
def database(app_settings: Settings) -> Iterator[Database]:
    opened = Database(app_settings.database_url, RecordingSleeper())
    yield opened
    opened.close()


@pytest.fixture
def lake(app_settings: Settings, database: Database, clock: SettableClock) -> Lake:
    return Lake(app_settings.lake_path, SeriesManifest(database, clock), clock)


@pytest.fixture
def series() -> Series:
    """Make three bars of a symbol, all of one close, and further columns."""

    def make(symbol: str = "AAPL", close: str = "100.1799", *, rows: int = 3, **columns: object) -> pd.DataFrame:
        bars = [bar(day, close) for day in days(date(2013, 3, 1), rows)]
        return bars_to_frame(symbol, bars).assign(**columns)  # type: ignore[arg-type]

    return make


@pytest.fixture
def publish(lake: Lake, series: Series) -> Publish:
    """Publish such a series."""

    def make(asset: str = "daily", symbol: str = "AAPL", close: str = "100.1799", **columns: object) -> SeriesFile:
        return lake.publish(asset, symbol, series(symbol, close, **columns), input_hash=f"bars at {close}")

    return make
