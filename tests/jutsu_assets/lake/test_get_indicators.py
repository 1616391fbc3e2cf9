"""Indicators by symbol, name and date: from the files, and as they were known at an instant."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jutsu_assets import lake as lake_room
from jutsu_assets.indicator_sets import made_by
from jutsu_assets.lake.files import Lake
from jutsu_assets.settings import Settings
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.engine import Database
from jutsu_assets.store.manifest import SeriesFile
from jutsu_core.bars import Bar, Timeframe, columns_to_frame
from jutsu_core.bounds import Bound
from jutsu_core.errors import ConfigurationError, InvalidInputError, NoDataError, StoreUnavailableError
from jutsu_core.indicators.catalog import compute_indicators, indicator
from jutsu_core.indicators.definitions import CATALOG
from tests.support.builders import SettableClock, bar, days, fetched

D1 = Timeframe.D1
SET = (indicator("sma", period=2), indicator("bollinger_bands", period=3, deviations=2.0), indicator("rsi", period=2))
UNIVERSE = """
symbols: [AAPL, BRK/B]
history_start: 2013-01-02
indicators: {1d: swing}
indicator_sets:
  swing: [{sma: {period: 2}}, {bollinger_bands: {period: 3, deviations: 2}}, {rsi: {period: 2}}]
"""
SESSIONS = days(date(2013, 3, 1), 9)
Restate = Callable[[str, float], SeriesFile]


def walk(symbol: str, factor: float) -> list[Bar]:
    shift = len(symbol) * 7
    return [bar(day, f"{(100 + shift + n * (-1) ** n) * factor:.4f}", volume=n) for n, day in enumerate(SESSIONS)]


@pytest.fixture(autouse=True)
def universe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A universe that chooses a set of its own, and an environment that names the home of these tests."""
    path = tmp_path / "universe.yaml"
    path.write_text(UNIVERSE, "utf-8")
    for name in ("JUTSU_DATABASE_URL", "SCHWAB_API_KEY", "SCHWAB_APP_SECRET", "SCHWAB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUTSU_HOME", str(tmp_path / "var"))
    monkeypatch.setenv("JUTSU_UNIVERSE", str(path))
    monkeypatch.chdir(tmp_path)
    return path


@pytest.fixture
def bars(app_settings: Settings, database: Database, clock: SettableClock) -> SqlBarStore:
    return SqlBarStore(database, app_settings.source, clock)


@pytest.fixture
def restate(bars: SqlBarStore, lake: Lake, clock: SettableClock) -> Restate:
    """Store the bars of a symbol at a scale, and publish what the set makes of them."""

    def write(symbol: str, factor: float) -> SeriesFile:
        bars.write(symbol, D1, fetched(*walk(symbol, factor), asked_at=clock.now()))
        series = compute_indicators(columns_to_frame(symbol, bars.columns(symbol, D1)), SET)
        return lake.publish("daily_indicators", symbol, series, input_hash=f"{factor}")

    return write


def expected(symbols: list[str], factor: float = 1.0) -> pd.DataFrame:
    """Return the series of ``symbols`` over each other, computed by the core alone."""
    frames = []
    for symbol in symbols:
        frame = pd.DataFrame(walk(symbol, factor))
        frame[["open", "high", "low", "close"]] /= 1_000_000
        frames.append(compute_indicators(frame.assign(symbol=pd.array([symbol] * len(frame), dtype="str")), SET))
    whole = pd.concat(frames, ignore_index=True)
    names = ["symbol", "timestamp"]
    return whole[names + [name for name in whole if name not in names]].astype({"timestamp": "datetime64[us, UTC]"})


def test_all_of_a_symbol_is_what_was_computed_of_it_to_the_last_bit(restate: Restate) -> None:
    restate("AAPL", 1.0)
    pd.testing.assert_frame_equal(lake_room.get_indicators("AAPL"), expected(["AAPL"]), check_exact=True)


def test_symbols_come_as_asked_and_all_where_none_is(restate: Restate) -> None:
    for symbol in ("BRK/B", "AAPL"):
        restate(symbol, 1.0)
    found = lake_room.get_indicators(["BRK/B", "AAPL", "BRK/B"])
    pd.testing.assert_frame_equal(found, expected(["BRK/B", "AAPL"]), check_exact=True)
    pd.testing.assert_frame_equal(lake_room.get_indicators(), expected(["AAPL", "BRK/B"]), check_exact=True)
    assert lake_room.get_indicators([]).empty


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        ("rsi_2", ["rsi_2"]),
        ("rsi", ["rsi_2"]),
        (["close", "bollinger_bands", "close"], ["close", "bollinger_upper", "bollinger_middle", "bollinger_lower"]),
        (["symbol", "sma"], ["sma_2"]),
        ([], []),
    ],
    ids=["a column", "an indicator", "several", "the key", "none"],
)
def test_names_are_columns_or_indicators(restate: Restate, names: str | list[str], columns: list[str]) -> None:
    restate("AAPL", 1.0)
    found = lake_room.get_indicators("AAPL", names)
    wanted = [f"{name}_3_2" if "boll" in name else name for name in columns]
    pd.testing.assert_frame_equal(found, expected(["AAPL"])[["symbol", "timestamp", *wanted]], check_exact=True)


@pytest.mark.parametrize(
    ("bounds", "rows"),
    [
        (("2013-03-03", "2013-03-05"), slice(2, 4)),
        ((None, date(2013, 3, 3)), slice(0, 2)),
        ((datetime(2013, 3, 3, tzinfo=UTC), None), slice(2, None)),
        (("2012-01-01", "2012-02-01"), slice(0, 0)),
        (("9999-12-31", None), slice(0, 0)),
        ((datetime.max.replace(tzinfo=UTC), None), slice(0, 0)),
        ((None, datetime.max.replace(tzinfo=UTC)), slice(None)),
    ],
)
@pytest.mark.parametrize("is_as_of", [False, True])
def test_bounds_mean_sessions(
    restate: Restate, clock: SettableClock, bounds: tuple[Bound, Bound], rows: slice, *, is_as_of: bool
) -> None:
    """What lies before the range is computed with: a value does not depend on how much of it is shown."""
    restate("AAPL", 1.0)
    start, end = bounds
    found = lake_room.get_indicators("AAPL", None, start, end, clock.now() if is_as_of else None)
    pd.testing.assert_frame_equal(found, expected(["AAPL"])[rows].reset_index(drop=True), check_exact=True)


def test_as_of_an_instant_it_is_what_the_bars_said_then(restate: Restate, clock: SettableClock) -> None:
    restate("AAPL", 1.0)
    then = clock.now()
    clock.advance(timedelta(days=1))
    restate("AAPL", 0.5)
    restate("BRK/B", 1.0)
    now = lake_room.get_indicators("AAPL", as_of=clock.now())
    pd.testing.assert_frame_equal(now, lake_room.get_indicators("AAPL"), check_exact=True)
    pd.testing.assert_frame_equal(now, expected(["AAPL"], 0.5), check_exact=True)
    former = lake_room.get_indicators("AAPL", as_of=then)
    pd.testing.assert_frame_equal(former, expected(["AAPL"]), check_exact=True)
    pd.testing.assert_frame_equal(lake_room.get_indicators(as_of=then), former)
    with pytest.raises(NoDataError, match=r"symbol 'BRK/B' must have stored 1d bars.* as known at"):
        lake_room.get_indicators("BRK/B", as_of=then)


def test_as_of_an_instant_what_compares_does_so_with_the_benchmark_of_then(
    restate: Restate, universe: Path, clock: SettableClock
) -> None:
    """One that had no bars yet compares with nothing."""
    universe.write_text(UNIVERSE.replace("swing: [", "swing: [relative_strength, ") + "benchmark: BRK/B\n", "utf-8")
    restate("AAPL", 1.0)
    instants = [clock.now()]
    for factor in (1.0, 0.5):
        clock.advance(timedelta(days=1))
        restate("BRK/B", factor)
        instants.append(clock.now())
    without, former, now = (
        lake_room.get_indicators("AAPL", "relative_strength", as_of=instant)["relative_strength"]
        for instant in instants
    )
    assert without.isna().all()
    own, other = (np.array([float(bar.close) for bar in walk(symbol, 1.0)]) for symbol in ("AAPL", "BRK/B"))
    np.testing.assert_array_equal(former, own / other)
    np.testing.assert_allclose(now, 2 * own / other, rtol=1e-5)


@pytest.fixture
def beside_brk(bars: SqlBarStore, lake: Lake, clock: SettableClock, universe: Path) -> Path:
    """A series that compares with BRK/B, in a universe that says so."""
    text = UNIVERSE.replace("swing: [", "swing: [relative_strength, ") + "benchmark: BRK/B\n"
    universe.write_text(text, "utf-8")
    bars.write("AAPL", D1, fetched(*walk("AAPL", 1.0), asked_at=clock.now()))
    specs = (indicator("relative_strength"), *SET)
    frame = columns_to_frame("AAPL", bars.columns("AAPL", D1))
    series = compute_indicators(frame, specs, benchmark=frame.set_index("timestamp")["close"])
    lake.publish("daily_indicators", "AAPL", series, input_hash="1", made_by=made_by(specs, "BRK/B"))
    return universe


def test_what_was_compared_with_another_benchmark_is_not_given_for_it(beside_brk: Path) -> None:
    assert len(lake_room.get_indicators("AAPL")) == len(SESSIONS)
    beside_brk.write_text(beside_brk.read_text("utf-8").replace("benchmark: BRK/B", "benchmark: AAPL"), "utf-8")
    said = (
        "daily_indicators of AAPL must have relative_strength as the universe file says, was made by another definition"
        " or beside another benchmark; materialize daily_indicators of AAPL again"
    )
    for names in (None, "relative_strength"):
        with pytest.raises(StoreUnavailableError, match=said):
            lake_room.get_indicators("AAPL", names)
    assert len(lake_room.get_indicators("AAPL", ["close", "rsi"])) == len(SESSIONS)


def test_what_was_made_by_a_former_definition_is_not_given_for_the_present_one(
    beside_brk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del beside_brk
    revised = {**CATALOG, "rsi": replace(CATALOG["rsi"], revision=CATALOG["rsi"].revision + 1)}
    monkeypatch.setattr("jutsu_core.indicators.definitions.CATALOG", revised)
    with pytest.raises(StoreUnavailableError, match="must have rsi_2 as the universe file says, was made by another"):
        lake_room.get_indicators("AAPL")
    assert len(lake_room.get_indicators("AAPL", ["sma", "relative_strength"])) == len(SESSIONS)


def test_as_of_an_instant_what_needs_volume_is_missing_of_an_index(
    bars: SqlBarStore, restate: Restate, clock: SettableClock, universe: Path
) -> None:
    restate("AAPL", 1.0)
    index = [held._replace(volume=0) for held in walk("$SPX", 1.0)]
    bars.write("$SPX", D1, fetched(*index, asked_at=clock.now()))
    universe.write_text(UNIVERSE.replace("BRK/B", "$SPX").replace("swing: [", "swing: [obv, "), "utf-8")
    found = lake_room.get_indicators(None, ["obv", "rsi"], as_of=clock.now()).set_index("symbol")
    assert found.loc["$SPX", "obv"].isna().all()
    assert found.loc["AAPL", "obv"].notna().all()
    assert found.loc["$SPX", "rsi_2"].notna().sum() == len(SESSIONS) - 2


@pytest.mark.parametrize("is_as_of", [False, True])
def test_a_symbol_that_was_never_stored_is_refused(restate: Restate, clock: SettableClock, *, is_as_of: bool) -> None:
    restate("AAPL", 1.0)
    with pytest.raises(NoDataError, match=r"symbol 'APPL' must have stored .* \(the nearest that has: 'AAPL'\)"):
        lake_room.get_indicators("APPL", as_of=clock.now() if is_as_of else None)


@pytest.mark.parametrize("name", ["rsi_14", "macd", " rsi "])
def test_a_name_that_is_not_in_the_set_is_refused_with_what_to_do(restate: Restate, name: str) -> None:
    restate("AAPL", 1.0)
    remedy = rf"was '{name}'; choose it in the universe file \(indicator_sets\) and materialize daily_indicators, or"
    with pytest.raises(InvalidInputError, match=rf"^names must be among the columns .*(rsi|sma).*, {remedy}"):
        lake_room.get_indicators("AAPL", ["close", name])


@pytest.mark.parametrize(("name", "meant"), [("SMA", "sma"), ("RSI_2", "rsi_2"), ("Close", "close")])
def test_a_name_in_other_letters_is_refused_with_the_one_that_is_meant(restate: Restate, name: str, meant: str) -> None:
    restate("AAPL", 1.0)
    with pytest.raises(InvalidInputError, match=f"of the chosen set, such as {meant}[, ].*was '{name}'; "):
        lake_room.get_indicators("AAPL", name)


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ({"symbols": 7}, "symbols must be a list"),
        ({"names": [7]}, r"names\[0\] must be a text"),
        ({"start": "March"}, "start must be a date"),
        ({"start": datetime(2013, 3, 1)}, "start must be timezone-aware"),  # noqa: DTZ001 - the point
        ({"as_of": datetime(2013, 3, 1)}, "as_of must be timezone-aware"),  # noqa: DTZ001 - the point
        ({"into": "excel"}, "into must be 'pandas', 'arrow' or 'polars', was 'excel'"),
    ],
)
def test_what_cannot_be_meant_is_refused(restate: Restate, bad: dict[str, object], problem: str) -> None:
    restate("AAPL", 1.0)
    with pytest.raises(InvalidInputError, match=problem):
        lake_room.get_indicators(**{"symbols": "AAPL", **bad})  # type: ignore[arg-type]


def test_where_nothing_is_stored_it_is_said_what_to_do(app_settings: Settings) -> None:
    for as_of in (None, datetime(2013, 3, 1, tzinfo=UTC)):
        with pytest.raises(NoDataError, match=r"nothing is stored in .* yet; materialize first"):
            lake_room.get_indicators("AAPL", as_of=as_of)
    assert not app_settings.home.exists()


@pytest.mark.parametrize("symbols", [None, "AAPL"])
def test_bars_without_indicators_are_not_said_to_be_nothing(
    bars: SqlBarStore, clock: SettableClock, symbols: str | None
) -> None:
    bars.write("AAPL", D1, fetched(*walk("AAPL", 1.0), asked_at=clock.now()))
    said = "^symbol 'AAPL' must have stored indicators, has none in .*; materialize daily_indicators$"
    with pytest.raises(NoDataError, match=said):
        lake_room.get_indicators(symbols)
    assert len(lake_room.get_indicators(symbols, as_of=clock.now())) == len(SESSIONS)


def test_a_file_of_another_set_is_refused_where_it_lacks_what_is_asked(restate: Restate, universe: Path) -> None:
    restate("AAPL", 1.0)
    universe.write_text(universe.read_text("utf-8").replace("{rsi: {period: 2}}", "atr"), "utf-8")
    assert len(lake_room.get_indicators("AAPL", "sma")) == len(SESSIONS)
    with pytest.raises(
        StoreUnavailableError, match=r"of AAPL must have atr_14, .*; materialize daily_indicators of AAPL"
    ):
        lake_room.get_indicators("AAPL", "atr")


@pytest.fixture
def one_of_another_set(restate: Restate, universe: Path, lake: Lake, bars: SqlBarStore) -> None:
    """Files of AAPL and BRK/B, where the set was changed and a run has made that of BRK/B again."""
    restate("AAPL", 1.0)
    restate("BRK/B", 1.0)
    universe.write_text(universe.read_text("utf-8").replace("{rsi: {period: 2}}", "{ema: {period: 2}}"), "utf-8")
    frame = compute_indicators(columns_to_frame("BRK/B", bars.columns("BRK/B", D1)), (indicator("ema", period=2),))
    lake.publish("daily_indicators", "BRK/B", frame, input_hash="2")


@pytest.mark.usefixtures("one_of_another_set")
def test_who_asks_for_all_gets_what_was_made_of_the_set_and_is_told_of_the_rest() -> None:
    said = (
        "left out: daily_indicators of AAPL must have ema_2, was made when another set was chosen; materialize"
        " daily_indicators of AAPL again"
    )
    with pytest.warns(UserWarning, match=f"^{said}$"):
        found = lake_room.get_indicators(None, "ema")
    assert found["symbol"].unique().tolist() == ["BRK/B"]
    with pytest.raises(StoreUnavailableError, match=said.removeprefix("left out: ")):
        lake_room.get_indicators(["AAPL", "BRK/B"], "ema")


@pytest.mark.usefixtures("one_of_another_set")
def test_where_every_file_lacks_something_each_is_named() -> None:
    with pytest.raises(StoreUnavailableError) as caught:
        lake_room.get_indicators(None, ["ema", "sma"])
    of_aapl, to_do, of_brk, _ = str(caught.value).split("; ")
    assert of_aapl.startswith("daily_indicators of AAPL must have ema_2, was made when another set")
    assert to_do == "materialize daily_indicators of AAPL again"
    assert of_brk.startswith("daily_indicators of BRK/B must have sma_2, was")


def test_a_file_that_looks_as_it_did_and_is_no_parquet_is_to_be_deleted(
    app_settings: Settings, restate: Restate
) -> None:
    path = app_settings.lake_path / restate("AAPL", 1.0).path
    was = path.stat()
    path.write_bytes(b"x" * was.st_size)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    restate("BRK/B", 1.0)
    said = f"daily_indicators of AAPL must be readable, the file {path} is not: .*; delete it, and materialize daily"
    with pytest.raises(StoreUnavailableError, match=f"^{said}"):
        lake_room.get_indicators("AAPL")
    with pytest.warns(UserWarning, match=f"^left out: {said}"):
        assert set(lake_room.get_indicators()["symbol"]) == {"BRK/B"}


@pytest.mark.parametrize("symbols", [None, "AAPL", ["AAPL", "BRK/B"]])
def test_where_no_file_is_left_it_is_an_error_and_no_empty_table(
    app_settings: Settings, restate: Restate, symbols: list[str] | None
) -> None:
    for symbol in ("AAPL", "BRK/B"):
        (app_settings.lake_path / restate(symbol, 1.0).path).unlink()
    with pytest.raises(StoreUnavailableError, match=r"^the lake must hold what was written: daily_indicators of AAPL"):
        lake_room.get_indicators(symbols)


def test_a_file_that_is_not_what_was_written_costs_its_own_symbol(app_settings: Settings, restate: Restate) -> None:
    (app_settings.lake_path / restate("AAPL", 1.0).path).write_bytes(b"")
    restate("BRK/B", 1.0)
    with pytest.warns(UserWarning, match="left out, .*daily_indicators of AAPL: .* is empty; materialize") as said:
        found = lake_room.get_indicators()
    assert [Path(warning.filename).name for warning in said] == [Path(__file__).name]
    pd.testing.assert_frame_equal(found, expected(["BRK/B"]), check_exact=True)


def test_as_arrow_it_is_the_same_table(restate: Restate) -> None:
    restate("AAPL", 1.0)
    table = lake_room.get_indicators("AAPL", ["close", "volume", "rsi"], into="arrow")
    assert {field.name: str(field.type) for field in table.schema} == {
        "symbol": "string",
        "timestamp": "timestamp[us, tz=UTC]",
        "close": "double",
        "volume": "int64",
        "rsi_2": "double",
    }
    assert table["rsi_2"].null_count == 2
    pd.testing.assert_frame_equal(table.to_pandas(), lake_room.get_indicators("AAPL", ["close", "volume", "rsi"]))


def test_polars_is_asked_for_where_it_is_wanted_alone(restate: Restate, monkeypatch: pytest.MonkeyPatch) -> None:
    restate("AAPL", 1.0)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ConfigurationError, match="Polars must be installed for into='polars', is not; install it"):
        lake_room.get_indicators("AAPL", into="polars")
    monkeypatch.undo()


def test_a_frame_of_polars_holds_what_the_table_of_arrow_does(restate: Restate) -> None:
    polars = pytest.importorskip("polars", reason="Polars is not installed")
    restate("AAPL", 1.0)
    frame = lake_room.get_indicators("AAPL", into="polars")
    assert isinstance(frame, polars.DataFrame)
    assert frame.to_arrow().to_pylist() == lake_room.get_indicators("AAPL", into="arrow").to_pylist()


def test_no_kernel_is_asked_for_what_was_computed_already(restate: Restate, monkeypatch: pytest.MonkeyPatch) -> None:
    """TA-Lib takes longer to load than a file takes to be read."""
    restate("AAPL", 1.0)
    monkeypatch.setattr("jutsu_core.indicators.kernels._library", lambda: pytest.fail("TA-Lib was asked for"))
    monkeypatch.setattr("jutsu_core.indicators.catalog._warm_up_bars", lambda _: pytest.fail("a kernel was asked"))
    assert len(lake_room.get_indicators("AAPL")) == len(SESSIONS)


def test_prices_are_the_nearest_floats(restate: Restate) -> None:
    restate("AAPL", 1.0007)
    found = lake_room.get_indicators("AAPL", "close")["close"].to_numpy()
    assert np.array_equal(found, [one.close / 1_000_000 for one in walk("AAPL", 1.0007)])
