"""The views over the lake: floats for calculating, exact prices, and errors that are one clear line."""

import json
import os
import re
import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from jutsu_assets import lake
from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.lake.files import Lake
from jutsu_assets.settings import Settings
from jutsu_assets.store.engine import Database
from jutsu_assets.store.manifest import SeriesFile, SeriesManifest
from jutsu_core.errors import InvalidInputError, NoDataError, StoreUnavailableError

ROOT = Path(__file__).resolve().parents[3]
Publish = Callable[..., SeriesFile]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An environment whose home is empty."""
    for name in ("JUTSU_DATABASE_URL", "JUTSU_UNIVERSE", "SCHWAB_API_KEY", "SCHWAB_APP_SECRET", "SCHWAB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUTSU_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return Settings.from_environment({"JUTSU_HOME": str(tmp_path / "home")})


@pytest.fixture
def filled(settings: Settings) -> Settings:
    """The same with a series of AAPL."""
    days = pd.bdate_range("2012-01-03", periods=40, tz="UTC")
    frame = pd.DataFrame({"symbol": "AAPL", "timestamp": days, "close": 100.25 + pd.Series(range(40)) / 100})
    frame["volume"] = range(40)
    frame["sma_200"] = frame["close"].rolling(20).mean()
    database = Database(settings.database_url, SystemSleeper())
    clock = SystemClock()
    Lake(settings.lake_path, SeriesManifest(database, clock), clock).publish(
        "daily_indicators", "AAPL", frame, input_hash="1"
    )
    database.close()
    return settings


def test_a_frame_has_prices_to_calculate_with_and_warns_of_nothing(filled: Settings) -> None:
    del filled
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = lake.frame("select * from daily_indicators order by timestamp")
        distance = frame["close"] - frame["sma_200"]
    assert distance.dtype == "float64"
    assert distance.notna().sum() == 21
    assert frame["timestamp"].iloc[0] == pd.Timestamp("2012-01-03", tz="UTC")
    assert frame["volume"].dtype == "int64"
    assert frame["close"].iloc[1] == 100.26


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("sum(volume)", 780.0),
        ("sum(close)", 4017.8),
        ("max(volume)::uhugeint", 39.0),
        ("list(close order by timestamp)[1:2]", [100.25, 100.26]),
        ("{'low': min(close), 'days': count(*)}", {"low": 100.25, "days": 40}),
        ("{'\"DECIMAL(1,2)\"': [min(close)]}", {'"DECIMAL(1,2)"': [100.25]}),
        ("map(['first'], [min(close)])", [("first", 100.25)]),
    ],
)
def test_what_is_made_of_prices_and_volumes_is_to_calculate_with_too(
    filled: Settings, expression: str, found: object
) -> None:
    """A sum of whole numbers is a wider one, which would be a Decimal; and a price may stand in a list."""
    del filled
    value = lake.frame(f"select {expression} as value from daily_indicators")["value"].to_numpy()[0]  # noqa: S608
    plain = json.loads(json.dumps(value, default=list))  # refuses what is a Decimal
    assert plain == json.loads(json.dumps(found))


def test_a_span_between_bars_is_to_calculate_with(filled: Settings) -> None:
    """DuckDB's own intervals would come as offsets of a calendar, which are not more or less than another."""
    del filled
    gaps = (
        "select timestamp - lag(timestamp) over (order by timestamp) as gap, * from daily_indicators order by timestamp"
    )
    frame = lake.frame(gaps)
    pd.testing.assert_series_equal(frame["gap"], frame["timestamp"].diff(), check_names=False)
    assert (frame["gap"] > pd.Timedelta(days=1)).sum() == 8
    assert frame["gap"].dtype == "timedelta64[us]"


def test_two_columns_of_one_name_are_both_there(filled: Settings) -> None:
    del filled
    frame = lake.frame('select close, close, close + 1 as "a ""b""" from daily_indicators')
    assert frame.shape == (40, 3)
    assert set(map(str, frame.dtypes)) == {"float64"}


def test_exact_prices_are_to_be_had(filled: Settings) -> None:
    del filled
    with lake.connect() as connection:
        row = connection.execute("select close from daily_indicators order by timestamp").fetchone()
    assert row == (Decimal("100.250000"),)


def test_the_recipes_of_the_readme_work(filled: Settings) -> None:
    del filled
    recipes = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    recipe = next(text for text in recipes if "lake" in text)
    names: dict[str, object] = {}
    exec(recipe, names)  # noqa: S102 - what a reader would paste
    frame = names["frame"]
    assert isinstance(frame, pd.DataFrame)
    assert len(frame) == 40
    assert names["exact"] == Decimal("100.640000")


def test_a_file_env_says_where_the_lake_is(filled: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUTSU_HOME")
    Path(".env").write_text(f"JUTSU_HOME={filled.home.parent}\n", encoding="utf-8")
    assert len(lake.frame("select * from daily_indicators")) == 40


def test_where_nothing_is_stored_nothing_is_created(settings: Settings) -> None:
    with pytest.raises(NoDataError, match=r"nothing is stored in .*jutsu\.db yet; materialize first: `jutsu demo`"):
        lake.connect()
    assert not settings.home.parent.exists()


def test_a_store_without_series_says_so_too(settings: Settings) -> None:
    database = Database(settings.database_url, SystemSleeper())
    with database.reading():
        pass
    database.close()
    with pytest.raises(NoDataError, match="nothing is stored"):
        lake.connect()


@pytest.mark.parametrize(("damage", "said"), [(Path.unlink, "is missing"), (Path.touch, None), (os.truncate, "is cut")])
def test_a_lake_without_one_sound_file_is_an_error_that_names_it(
    filled: Settings, damage: Callable[..., object], said: str | None
) -> None:
    path = next(filled.lake_path.rglob("*.parquet"))
    damage(path, *([100] if damage is os.truncate else []))
    if said is None:
        assert len(lake.frame("select * from daily_indicators")) == 40
        return
    with pytest.raises(StoreUnavailableError, match=f"the file {re.escape(str(path))} {said}") as caught:
        lake.connect()
    assert str(caught.value).endswith("; materialize daily_indicators of AAPL again")


@pytest.mark.parametrize("read", [lake.connect, lambda: lake.frame("select * from daily_indicators")])
def test_who_reads_is_warned_of_what_is_left_out(
    app_settings: Settings, publish: Publish, monkeypatch: pytest.MonkeyPatch, read: Callable[[], object]
) -> None:
    publish("daily_indicators", symbol="AAPL")
    missing = app_settings.lake_path / publish("daily_indicators", symbol="MSFT").path
    missing.unlink()
    monkeypatch.setenv("JUTSU_HOME", str(app_settings.home.parent))
    with pytest.warns(
        UserWarning, match=f"daily_indicators of MSFT: the file {missing} is missing; materialize"
    ) as said:
        read()
    assert [Path(warning.filename).name for warning in said] == [Path(__file__).name]


@pytest.mark.parametrize("query", ["", "  ", "-- nothing"])
def test_a_query_without_rows_is_refused(filled: Settings, query: str) -> None:
    del filled
    with pytest.raises(InvalidInputError, match="query must be one that returns rows"):
        lake.frame(query)


def test_a_wrong_query_is_the_error_of_duckdb(filled: Settings) -> None:
    del filled
    with pytest.raises(duckdb.Error, match="nowhere"):
        lake.frame("select * from nowhere")


@pytest.mark.parametrize("query", [None, 3, b"select 1", ["select 1"]])
def test_what_is_no_text_is_no_query(query: object) -> None:
    with pytest.raises(InvalidInputError, match=r"^query must be a text of SQL, was .*; such as 'select \* from"):
        lake.frame(query)  # type: ignore[arg-type]  # on purpose
