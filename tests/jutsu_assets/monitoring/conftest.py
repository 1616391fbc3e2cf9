"""An installation of the test's own, looked at with a clock of the test's own."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from jutsu_assets.monitoring.observed import Observed, Place
from jutsu_assets.settings import Settings
from jutsu_assets.store.market import MarketDatabase
from jutsu_core.bars import Timeframe
from tests.jutsu_assets.instance.histories import write_home
from tests.support.builders import SettableClock, bar, fetched

NOW = datetime(2013, 3, 4, 22, tzinfo=UTC)
"""A Monday evening: its session closed at 21:00, and its bars are not final yet."""
SYMBOLS = ("AAPL", "IBM", "MSFT")
LIVE = {"SCHWAB_API_KEY": "key", "SCHWAB_APP_SECRET": "very-secret"}


class Installation:
    """A folder with a universe, a store with a bar of Friday for each symbol, and a run history."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.folder, self.clock = folder, SettableClock(NOW)
        (folder / "universe.yaml").write_text(
            f"symbols: [{', '.join(SYMBOLS)}]\nhistory_start: 2013-01-02\n", encoding="utf-8"
        )
        self.home = write_home(folder / "dagster")
        self.environment = {"JUTSU_HOME": str(folder / "home"), "DAGSTER_HOME": str(self.home), **variables}
        self.settings = Settings.from_environment(self.environment, folder=folder)
        self.market = MarketDatabase(self.settings.database_url, source=self.settings.source, clock=self.clock)

    @property
    def place(self) -> Place:
        return Place(self.settings, self.environment, self.folder)

    def write(self, *symbols: str, day: date = date(2013, 3, 1)) -> None:
        for symbol in symbols or SYMBOLS:
            asked_at = self.clock.now() - timedelta(hours=1)
            self.market.bars.write(symbol, Timeframe.D1, fetched(bar(day), asked_at=asked_at))

    def look(self, *, is_deep: bool = False) -> AbstractContextManager[Observed]:
        return Observed.opened(self.place, self.clock, is_deep=is_deep)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path, {})
    made.write()
    yield made
    made.market.database.close()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path, LIVE)
    made.write()
    yield made
    made.market.database.close()
