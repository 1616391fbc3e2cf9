"""The system of record as a Dagster resource."""

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.errors import DagsterResourceFunctionError

from jutsu_assets.graph.resources.database import DatabaseResource
from jutsu_assets.graph.resources.lake import LakeResource
from jutsu_assets.store import engine as engine_module
from jutsu_assets.store.market import MarketDatabase
from jutsu_assets.store.shared_bars import SharedBars
from jutsu_core.bars import Timeframe
from jutsu_core.errors import ConfigurationError, MixedSourceError, StoreUnavailableError
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


def test_another_resource_receives_it_open(url: str, tmp_path: Path) -> None:
    hold_sample_bars(url)
    database = DatabaseResource(url=url, source="simulator")
    lake = LakeResource(database=database, root=str(tmp_path / "lake"))
    with dg.build_resources({"database": database, "lake": lake}) as resources:
        assert resources.lake.manifest.all_current() == []


def test_where_it_is_stands_in_its_description_and_a_secret_nowhere() -> None:
    resource = DatabaseResource("postgresql://me:S3CRET@host/db?sslpassword=S3CRET", "schwab")
    assert "postgresql+psycopg://me:***@host/db" in str(resource.description)
    assert "S3CRET" not in f"{resource.description}{resource.resource_fn!r}{resource!r}{vars(resource)}"


def test_a_run_holds_as_many_connections_as_it_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engine_module._POOL, "pool_timeout", 0.1)
    with (
        dg.build_resources({"database": DatabaseResource(url, "simulator", connections=1)}) as resources,
        resources.database.database.reading(),
        pytest.raises(StoreUnavailableError, match="at most 1 transactions"),
        resources.database.database.reading(),
    ):
        pytest.fail("there is one connection")


def test_a_run_withdraws_from_redis_what_it_replaces(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    withdrawn: list[tuple[str, str]] = []
    monkeypatch.setattr(SharedBars, "withdraw", lambda _, __, *partition: withdrawn.append(partition[:2]))
    database = DatabaseResource(postgres_url, "simulator", cache_url="redis://cache.example/0")
    with dg.build_resources({"database": database}) as resources:
        for close in ("100", "100", "101"):
            resources.database.bars.write("AAPL", Timeframe.D1, fetched(bar(date(2013, 3, 1), close)))
    assert withdrawn == [("AAPL", "1d")] * 2


def test_redis_beside_a_file_is_refused_when_definitions_load(url: str) -> None:
    with pytest.raises(ConfigurationError, match="JUTSU_CACHE_URL must be unset where the store is SQLite") as refusal:
        DatabaseResource(url, "simulator", cache_url="redis://me:S3CRET@cache.example/0")
    assert "S3CRET" not in str(refusal.value)


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


def test_bounds_are_read_on_the_clocks_of_the_universe_s_exchange(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jutsu.db'}"
    with dg.build_resources({"database": DatabaseResource(url, "simulator", "XTKS")}) as resources:
        database = resources.database
        database.bars.write("7203", Timeframe.D1, fetched(bar(date(2013, 3, 1))))
        tokyo = [datetime(2013, 3, day, tzinfo=ZoneInfo("Asia/Tokyo")) for day in (1, 2)]
        (event,) = database.get_bars_range("7203", *tokyo)
        assert event.timestamp.date() == date(2013, 3, 1)


@pytest.mark.slow
def test_where_machines_share_a_store_a_run_needs_the_folder_that_they_share(postgres_url: str, tmp_path: Path) -> None:
    hold_sample_bars(postgres_url)
    with dg.build_resources(_shared(postgres_url, tmp_path / "lake")) as resources:
        frame = resources.database.get_frame("AAPL")
        resources.lake.publish("daily_indicators", "AAPL", frame, input_hash="x")
    with (
        pytest.raises(DagsterResourceFunctionError) as refusal,
        dg.build_resources(_shared(postgres_url, tmp_path / "of another machine")),
    ):
        pass
    assert isinstance(refusal.value.__cause__, StoreUnavailableError)
    assert "mount the folder that the machines share" in str(refusal.value.__cause__)
    assert not (tmp_path / "of another machine").exists()


def _shared(url: str, folder: Path) -> dict[str, object]:
    database = DatabaseResource(url=url, source="simulator")
    return {"database": database, "lake": LakeResource(database=database, root=str(folder))}
