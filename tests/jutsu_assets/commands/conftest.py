"""A home and a store for the commands that look after them."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from jutsu_assets.store.market import MarketDatabase
from jutsu_core.bars import Timeframe
from tests.support.builders import SettableClock, bar, fetched

D1 = Timeframe.D1
DAY = date(2013, 3, 1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home in the environment."""
    for name in ("JUTSU_DATABASE_URL", "SCHWAB_API_KEY", "SCHWAB_APP_SECRET", "SCHWAB_BASE_URL", "SCHWAB_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JUTSU_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "home"


@pytest.fixture
def url(home: Path) -> str:
    """A store with one bar that was restated and one that was withdrawn."""
    url = f"sqlite:///{home / 'sample' / 'jutsu.db'}"
    clock = SettableClock()
    database = MarketDatabase(url, source="simulator", clock=clock)
    first, after = datetime(2013, 2, 28, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC)
    database.bars.write("AAPL", D1, fetched(bar(date(2013, 2, 28), "88"), bar(DAY, "90")))
    clock.advance(timedelta(days=1))
    database.bars.write("AAPL", D1, fetched(bar(DAY, "45"), start=first, end=after), replace=True)
    database.database.close()
    return url
