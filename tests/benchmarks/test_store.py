"""Speed of the store beside the straightforward ORM version of each operation, on both databases.

The ORM version is what one would write first: a mapped class with ``Numeric`` prices, a session
an operation, ``merge`` to write. No absolute time is asserted; ``make bench`` prints medians.
"""

import csv
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import BigInteger, DateTime, Engine, Numeric, String, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.store.bars import SqlBarStore
from jutsu_assets.store.engine import Database
from jutsu_assets.store.handlers import CSVDataHandler, DatabaseDataHandler
from jutsu_core.bars import Bar, Timeframe, bars_to_frame, from_micros, session_timestamp
from jutsu_core.events import MarketDataEvent
from jutsu_core.ports import FetchedBars
from tests.support.postgres import running_server

D1 = Timeframe.D1
FIRST = date(1990, 1, 1)
DATABASES = ["sqlite", "postgres"]


@pytest.fixture(scope="module")
def whole(request: pytest.FixtureRequest) -> int:
    """How many bars a partition has: twenty years, or few where nothing is timed."""
    return 300 if request.config.getoption("benchmark_disable") else 5_040


def bars(number: int, *, close: int = 100_000_000, start: int = 0) -> tuple[Bar, ...]:
    return tuple(
        Bar(session_timestamp(FIRST + timedelta(days=start + n)), mid, mid + 9, mid - 9, mid + 1, 1_000 + n)
        for n, mid in enumerate(range(close, close + number))
    )


def fetched(answer: tuple[Bar, ...]) -> FetchedBars:
    end = answer[-1].timestamp + timedelta(days=1)
    return FetchedBars(start=answer[0].timestamp, end=end, asked_at=end, bars=answer)


class Base(DeclarativeBase):
    pass


class OrmBar(Base):
    """A bar as the ORM's tutorial would have it."""

    __tablename__ = "orm_bars"
    symbol: Mapped[str] = mapped_column(String(32), primary_key=True)
    timeframe: Mapped[str] = mapped_column(String(8), primary_key=True)
    timestamp: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    open: Mapped[Decimal] = mapped_column(Numeric(18, 6))
    high: Mapped[Decimal] = mapped_column(Numeric(18, 6))
    low: Mapped[Decimal] = mapped_column(Numeric(18, 6))
    close: Mapped[Decimal] = mapped_column(Numeric(18, 6))
    volume: Mapped[int] = mapped_column(BigInteger)


class OrmStore:
    """Writes and reads with the ORM."""

    def __init__(self, url: str) -> None:
        self.engine: Engine = create_engine(url)
        Base.metadata.create_all(self.engine)

    def write(self, symbol: str, answer: tuple[Bar, ...]) -> None:
        with Session(self.engine) as session, session.begin():
            for stamp, *prices, volume in answer:
                exact = dict(zip(("open", "high", "low", "close"), map(from_micros, prices), strict=True))
                session.merge(OrmBar(symbol=symbol, timeframe="1d", timestamp=stamp, **exact, volume=volume))

    def latest(self, symbol: str) -> MarketDataEvent:
        newest = select(OrmBar).where(OrmBar.symbol == symbol).order_by(OrmBar.timestamp.desc()).limit(1)
        with Session(self.engine) as session:
            return self._event(session.scalars(newest).one())

    def between(self, symbol: str, start: datetime, end: datetime) -> list[MarketDataEvent]:
        inside = select(OrmBar).where(OrmBar.symbol == symbol, OrmBar.timestamp >= start, OrmBar.timestamp < end)
        with Session(self.engine) as session:
            return [self._event(row) for row in session.scalars(inside.order_by(OrmBar.timestamp))]

    @staticmethod
    def _event(row: OrmBar) -> MarketDataEvent:
        return MarketDataEvent(
            symbol=row.symbol,
            timestamp=row.timestamp.replace(tzinfo=UTC),
            open=row.open,
            high=row.high,
            low=row.low,
            close=row.close,
            volume=row.volume,
        )


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with running_server(tmp_path_factory.mktemp("pg")) as server, server.fresh_url() as postgres:
        yield {"sqlite": f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'jutsu.db'}", "postgres": postgres}


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, urls: dict[str, str]) -> str:
    return urls[request.param]


@pytest.fixture
def store(url: str, whole: int) -> Iterator[SqlBarStore]:
    database = Database(url, SystemSleeper())
    store = SqlBarStore(database, "simulator", SystemClock())
    store.write("IBM", D1, fetched(bars(whole)))
    yield store
    database.close()


@pytest.fixture
def handler(url: str, store: SqlBarStore) -> Iterator[DatabaseDataHandler]:
    assert store.version("IBM", D1)
    handler = DatabaseDataHandler(url, cache_size=0)
    yield handler
    handler.database.close()


@pytest.fixture
def orm(url: str, whole: int) -> Iterator[OrmStore]:
    store = OrmStore(url)
    if not store.between("IBM", *window(1)):
        store.write("IBM", bars(whole))
    yield store
    store.engine.dispose()


def window(number: int) -> tuple[datetime, datetime]:
    return session_timestamp(FIRST), session_timestamp(FIRST + timedelta(days=number))


_numbers = count()


def fresh_symbol() -> str:
    return f"S{next(_numbers)}"


@pytest.mark.benchmark(group="latest bar")
def test_latest_bar(benchmark: Any, handler: DatabaseDataHandler, whole: int) -> None:
    assert benchmark(handler.get_latest_bar, "IBM").volume == 999 + whole


@pytest.mark.benchmark(group="latest bar")
def test_latest_bar_orm(benchmark: Any, orm: OrmStore, whole: int) -> None:
    assert benchmark(orm.latest, "IBM").volume == 999 + whole


@pytest.mark.benchmark(group="1,000 bars as events")
def test_a_thousand_bars(benchmark: Any, handler: DatabaseDataHandler, whole: int) -> None:
    assert len(benchmark(handler.get_bars_range, "IBM", *window(1_000))) == min(whole, 1_000)


@pytest.mark.benchmark(group="1,000 bars as events")
def test_a_thousand_bars_orm(benchmark: Any, orm: OrmStore, whole: int) -> None:
    assert len(benchmark(orm.between, "IBM", *window(1_000))) == min(whole, 1_000)


@pytest.mark.benchmark(group="insert one")
def test_insert_one(benchmark: Any, store: SqlBarStore) -> None:
    symbol, days = fresh_symbol(), count()
    answers = {"setup": lambda: ((symbol, D1, fetched(bars(1, start=next(days)))), {}), "rounds": 200}
    assert benchmark.pedantic(store.write, **answers).inserted == 1


@pytest.mark.benchmark(group="insert one")
def test_insert_one_orm(benchmark: Any, orm: OrmStore) -> None:
    symbol, days = fresh_symbol(), count()
    benchmark.pedantic(orm.write, setup=lambda: ((symbol, bars(1, start=next(days))), {}), rounds=200)
    assert orm.latest(symbol).volume == 1_000


@pytest.mark.benchmark(group="insert 1,000")
def test_insert_a_thousand(benchmark: Any, store: SqlBarStore) -> None:
    answer = fetched(bars(1_000))
    result = benchmark.pedantic(store.write, setup=lambda: ((fresh_symbol(), D1, answer), {}), rounds=15)
    assert result.inserted == 1_000


@pytest.mark.benchmark(group="insert 1,000")
def test_insert_a_thousand_orm(benchmark: Any, orm: OrmStore, whole: int) -> None:
    symbols: list[str] = []

    def setup() -> tuple[tuple[str, tuple[Bar, ...]], dict[str, object]]:
        symbols.append(fresh_symbol())
        return (symbols[-1], bars(min(whole, 1_000))), {}

    benchmark.pedantic(orm.write, setup=setup, rounds=3)
    assert orm.latest(symbols[-1]).volume == 999 + min(whole, 1_000)


@pytest.mark.benchmark(group="replace 5,040")
def test_replace_a_partition(benchmark: Any, store: SqlBarStore, whole: int) -> None:
    symbol, closes = fresh_symbol(), count(1_000_000, 1_000)
    store.write(symbol, D1, fetched(bars(whole)))
    answers = {"setup": lambda: ((symbol, D1, fetched(bars(whole, close=next(closes)))), {}), "rounds": 15}
    assert benchmark.pedantic(store.write, **answers).changed == whole


@pytest.mark.benchmark(group="replace 5,040")
def test_replace_a_partition_orm(benchmark: Any, orm: OrmStore, whole: int) -> None:
    closes = count(1_000_000, 1_000)
    benchmark.pedantic(orm.write, setup=lambda: (("IBM2", bars(whole, close=next(closes))), {}), rounds=3)
    assert orm.latest("IBM2").volume == 999 + whole


@pytest.mark.benchmark(group="5,040 unchanged")
def test_an_unchanged_partition(benchmark: Any, store: SqlBarStore, whole: int) -> None:
    assert benchmark(store.write, "IBM", D1, fetched(bars(whole))).unchanged == whole


@pytest.mark.benchmark(group="5,040 unchanged")
def test_an_unchanged_partition_orm(benchmark: Any, orm: OrmStore, whole: int) -> None:
    benchmark.pedantic(orm.write, args=("IBM", bars(whole)), rounds=3)
    assert orm.latest("IBM").volume == 999 + whole


@pytest.mark.benchmark(group="panel of 2.5 M bars")
def test_a_panel(benchmark: Any, store: SqlBarStore, handler: DatabaseDataHandler, whole: int) -> None:
    symbols = [f"PANEL{number}" for number in range(500 if whole > 1_000 else 3)]
    answer = fetched(bars(whole))
    for symbol in symbols:
        store.write(symbol, D1, answer)
    frame = benchmark.pedantic(handler.get_frame, args=(symbols, *window(9_999)), rounds=3)
    assert len(frame) == len(symbols) * whole


@pytest.mark.benchmark(group="1,000 bars as a frame")
def test_a_frame_of_a_thousand_bars(benchmark: Any, handler: DatabaseDataHandler, whole: int) -> None:
    assert len(benchmark(handler.get_frame, ["IBM"], *window(1_000))) == min(whole, 1_000)


@pytest.mark.benchmark(group="1,000 bars as events")
@pytest.mark.parametrize("known", [True, False], ids=["known", "new"])
def test_a_thousand_bars_csv(benchmark: Any, tmp_path: Path, *, known: bool) -> None:
    """Of a file that the handler looked at before, and of one that it did not."""
    path = tmp_path / "IBM.csv"
    rows = (f"{one.timestamp:%Y-%m-%d},100.5,101.25,99.75,100.5,{one.volume}\n" for one in bars(1_000))
    path.write_text("Date,Open,High,Low,Close,Volume\n" + "".join(rows))
    handler = CSVDataHandler(path)
    read = handler.get_bars_range if known else lambda *asked: CSVDataHandler(path).get_bars_range(*asked)
    assert len(benchmark(read, "IBM", *window(1_000))) == 1_000


@pytest.mark.benchmark(group="1,000 bars as events")
def test_a_thousand_rows_csv_reader(benchmark: Any, tmp_path: Path) -> None:
    """What the standard library takes for the cells alone."""
    path = tmp_path / "IBM.csv"
    path.write_text("".join(f"{one.timestamp:%Y-%m-%d},100.5,101.25,99.75,100.5,{one.volume}\n" for one in bars(1_000)))

    def read() -> list[list[str]]:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))

    assert len(benchmark(read)) == 1_000


@pytest.fixture
def arctic(tmp_path: Path, whole: int) -> Any:
    arcticdb = pytest.importorskip("arcticdb", reason="ArcticDB does not install beside pandas 3")
    library = arcticdb.Arctic(f"lmdb://{tmp_path}").get_library("bars", create_if_missing=True)
    library.write("IBM", bars_to_frame("IBM", bars(whole)).set_index("timestamp"))
    return library


@pytest.mark.benchmark(group="latest bar")
def test_latest_bar_arcticdb(benchmark: Any, arctic: Any) -> None:
    assert len(benchmark(lambda: arctic.tail("IBM", 1).data)) == 1


@pytest.mark.benchmark(group="1,000 bars as a frame")
def test_a_frame_of_a_thousand_bars_arcticdb(benchmark: Any, arctic: Any, whole: int) -> None:
    first, after = window(1_000)
    assert len(benchmark(lambda: arctic.read("IBM", date_range=(first, after)).data)) == min(whole, 1_000)
