"""A small market, a settable clock and a bare HTTP client for the simulator's tests."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.endpoints import PRICE_HISTORY, TOKEN
from jutsu_assets.simulator.faults import Fault, FaultPlan
from jutsu_assets.simulator.market import DailyBar, MarketHistory, Split
from jutsu_assets.simulator.transport import ORIGIN, mount

REFERENCE = Path(__file__).resolve().parents[3].parent / "shared" / "reference" / "schwab"

FRIDAY = date(2013, 2, 22)
MONDAY = date(2013, 2, 25)
TUESDAY = date(2013, 2, 26)
WEDNESDAY = date(2013, 2, 27)
THURSDAY = date(2013, 2, 28)
SESSIONS = (FRIDAY, MONDAY, TUESDAY, WEDNESDAY, THURSDAY)
EVENING = datetime(2013, 3, 1, 1, 0, tzinfo=UTC)
"""Thursday evening in New York: its bar is final."""
SPLIT = Split("JTS", WEDNESDAY, 2)


def small_market() -> MarketHistory:
    """Five sessions of JTS, which was split 2:1 on the Wednesday, and of BRK/B."""
    rows = [
        DailyBar(day, Decimal(100 + n), Decimal("110.5") + n, Decimal(90 + n), Decimal("105.25") + n, 1001 + n)
        for n, day in enumerate(SESSIONS)
    ]
    return MarketHistory.from_bars({"JTS": rows, "BRK/B": rows}, [SPLIT])


class SettableClock:
    """A clock that stands where it is put."""

    def __init__(self, seconds: float = 1_700_000_000.0) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds


def small_simulator(*faults: Fault, now: datetime = EVENING, **options: Any) -> SchwabSimulator:
    return SchwabSimulator(small_market(), now=lambda: now, faults=FaultPlan(faults), **options)


class Wire:
    """Speaks to a simulator as a client with a good token does."""

    def __init__(self, simulator: SchwabSimulator) -> None:
        self.simulator = simulator
        self.http = httpx.Client(base_url=ORIGIN, mounts={ORIGIN: mount(simulator)})
        self.token: dict[str, Any] = simulator.issue_login()["token"]

    def history(self, symbol: str | None = "JTS", **params: Any) -> httpx.Response:
        """Ask for price history; daily bars of the last year unless told otherwise."""
        asked = {"periodType": "year", "frequencyType": "daily"} | params
        if symbol is not None:
            asked["symbol"] = symbol
        query = {name: str(value) for name, value in asked.items() if value is not None}
        return self.http.get(PRICE_HISTORY, params=query, headers=self.bearer())

    def candles(self, symbol: str = "JTS", **params: Any) -> list[dict[str, Any]]:
        response = self.history(symbol, **({"startDate": 0, "endDate": stamp(date(2030, 1, 1))} | params))
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()["candles"]
        return found

    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token['access_token']}"}

    def refresh(self, refresh_token: str | None = None) -> httpx.Response:
        sent = refresh_token or self.token["refresh_token"]
        return self.grant(grant_type="refresh_token", refresh_token=sent)

    def grant(self, **form: str) -> httpx.Response:
        return self.http.post(TOKEN, data=form, auth=(self.simulator.key, self.simulator.secret))

    def authorize(self, **changes: str) -> httpx.Response:
        params = {
            "response_type": "code",
            "client_id": self.simulator.key,
            "redirect_uri": self.simulator.callback_url,
            "state": "S1",
        } | changes
        return self.http.get("/v1/oauth/authorize", params=params)

    def code(self) -> str:
        """Log in by browser as far as the code, decoded."""
        return parse_qs(urlsplit(self.authorize().headers["Location"]).query)["code"][0]

    def exchange(self, code: str) -> httpx.Response:
        return self.grant(
            grant_type="authorization_code",
            redirect_uri=self.simulator.callback_url,
            client_id=self.simulator.key,
            code=code,
        )


def stamp(day: date, hour: int = 6) -> int:
    """Return ``hour`` o'clock UTC of a day in epoch milliseconds; 6 is midnight in wintry Chicago."""
    return int(datetime(day.year, day.month, day.day, hour, tzinfo=UTC).timestamp()) * 1000


def days(candles: Iterable[dict[str, Any]]) -> list[date]:
    return [datetime.fromtimestamp(item["datetime"] / 1000, tz=UTC).date() for item in candles]


def reference(name: str) -> Path:
    path = REFERENCE / name
    if not path.exists():
        pytest.skip(f"the reference file {name} is not on this machine")
    return path
