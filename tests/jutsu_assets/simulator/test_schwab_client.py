"""schwab-py itself against the simulator, in process and over a socket: F1."""

import importlib
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import bokeh_sampledata.stocks as raw
import httpx
import pytest

from jutsu_assets.simulator.app import DEFAULT_NOW, SchwabSimulator
from jutsu_assets.simulator.faults import Fault, FaultPlan, TransportErrorName
from jutsu_assets.simulator.market import MarketHistory
from jutsu_assets.simulator.server import serve
from jutsu_assets.simulator.transport import ORIGIN, mount
from jutsu_core.errors import ConfigurationError

with warnings.catch_warnings():
    # schwab-py imports a deprecated part of websockets, authlib announces its move to httpx2.
    warnings.simplefilter("ignore", DeprecationWarning)
    auth = importlib.import_module("schwab.auth")
    Client = importlib.import_module("schwab.client").Client
    authlib_client = importlib.import_module("authlib.integrations.httpx_client")
    OAuthError = importlib.import_module("authlib.integrations.base_client").OAuthError

SAMPLE = MarketHistory.from_sample()


class Redirect(httpx.HTTPTransport):
    """Sends what is meant for Schwab to a port of this machine."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self.origin = httpx.URL(origin)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme=self.origin.scheme, host=self.origin.host, port=self.origin.port)
        request.headers["Host"] = self.origin.netloc.decode()
        return super().handle_request(request)


class Session:
    """A schwab-py client, and every token file that it wrote."""

    def __init__(self, simulator: SchwabSimulator, transport: httpx.BaseTransport, *, stale: bool = True) -> None:
        self.simulator = simulator
        self.written: list[dict[str, Any]] = []
        self.login = simulator.issue_login()
        if stale:
            self.login["token"]["expires_at"] -= 3600
            simulator.expire_access_tokens()
        metadata = auth.TokenMetadata.from_loaded_token(self.login, lambda token, **_: self.written.append(token))
        self.session = authlib_client.OAuth2Client(
            simulator.key,
            client_secret=simulator.secret,
            token=metadata.token,
            token_endpoint=auth.TOKEN_ENDPOINT,
            update_token=metadata.wrapped_token_write_func(),
            leeway=300,
            mounts={ORIGIN: transport},
        )
        self.client = Client(simulator.key, self.session, token_metadata=metadata)

    def daily(self, symbol: str = "AAPL") -> list[dict[str, Any]]:
        response = self.client.get_price_history_every_day(
            symbol, start_datetime=datetime(1990, 1, 1, tzinfo=UTC), end_datetime=datetime(2030, 1, 1, tzinfo=UTC)
        )
        assert response.status_code == 200
        candles: list[dict[str, Any]] = response.json(parse_float=Decimal, parse_int=Decimal)["candles"]
        return candles


@pytest.fixture(params=["in process", "over a socket"])
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[[SchwabSimulator], Session]]:
    """Connect a client to a simulator, in both ways."""
    servers = []
    sessions = []

    def make(simulator: SchwabSimulator) -> Session:
        transport: httpx.BaseTransport = mount(simulator)
        if request.param == "over a socket":
            servers.append(serve(simulator, port=0))
            transport = Redirect(servers[-1].url)
        sessions.append(Session(simulator, transport))
        return sessions[-1]

    yield make
    for session in sessions:
        session.session.close()
    for server in servers:
        server.close()


def test_f1_the_client_refreshes_its_token_and_reads_all_of_aapl(
    connect: Callable[[SchwabSimulator], Session],
) -> None:
    simulator = SchwabSimulator(SAMPLE)
    session = connect(simulator)
    candles = session.daily()
    assert len(candles) == len(raw.AAPL["date"]) == 3270
    for at, item in enumerate(candles):
        session_date = raw.AAPL["date"][at]
        halvings = (session_date < "2000-06-21") + (session_date < "2005-02-28")
        exact = Decimal(repr(raw.AAPL["close"][at])) / 2**halvings
        assert item["close"] == exact.quantize(Decimal("0.0001"))
        assert item["volume"] == raw.AAPL["volume"][at] * 2**halvings
        moment = datetime.fromtimestamp(int(item["datetime"]) / 1000, tz=UTC)
        assert moment.date().isoformat() == session_date
        assert (moment.hour in (5, 6), moment.minute) == (True, 0)
    assert [(item.method, item.path, item.status) for item in simulator.requests] == [
        ("POST", "/v1/oauth/token", 200),
        ("GET", "/marketdata/v1/pricehistory", 200),
    ]
    (written,) = session.written
    assert written["creation_timestamp"] == session.login["creation_timestamp"]


def test_p19_rolling_today_back_before_a_split_restates_history(
    connect: Callable[[SchwabSimulator], Session],
) -> None:
    clock = [datetime(2005, 2, 26, 1, 0, tzinfo=UTC)]
    session = connect(SchwabSimulator(SAMPLE, now=lambda: clock[0]))
    before = session.daily()
    clock[0] = DEFAULT_NOW
    after = session.daily()[: len(before)]
    assert len(before) == sum(day <= "2005-02-25" for day in raw.AAPL["date"])
    for was, item in zip(before, after, strict=True):
        assert abs(was["close"] / 2 - item["close"]) <= Decimal("0.0001")
        assert item["volume"] == was["volume"] * 2


def test_o13_a_dead_refresh_token_is_what_schwab_py_expects(
    connect: Callable[[SchwabSimulator], Session],
) -> None:
    session = connect(SchwabSimulator(SAMPLE))
    session.simulator.revoke_refresh_tokens()
    with pytest.raises(OAuthError) as caught:
        session.daily()
    assert caught.value.error == "unsupported_token_type"
    assert "refresh_token_authentication_error" in caught.value.description
    assert session.written == []


KINDS: list[tuple[TransportErrorName, type[httpx.TransportError]]] = [
    ("ReadTimeout", httpx.ReadTimeout),
    ("ReadError", httpx.ReadError),
    ("RemoteProtocolError", httpx.RemoteProtocolError),
]


@pytest.mark.parametrize(("kind", "error"), KINDS)
def test_broken_connections_reach_the_client_as_its_own_errors(
    connect: Callable[[SchwabSimulator], Session], kind: TransportErrorName, error: type[httpx.TransportError]
) -> None:
    session = connect(SchwabSimulator(SAMPLE, faults=FaultPlan([Fault.connection(kind)])))
    session.client.set_timeout(0.5)
    with pytest.raises(error):
        session.daily()
    assert len(session.daily("FB")) == len(raw.FB["date"])


def test_a_cut_body_reaches_the_client_as_a_protocol_error(connect: Callable[[SchwabSimulator], Session]) -> None:
    session = connect(SchwabSimulator(SAMPLE, faults=FaultPlan([Fault.cut_body()])))
    with pytest.raises(httpx.RemoteProtocolError):
        session.daily("FB")


def test_o20_many_threads_share_one_simulator(connect: Callable[[SchwabSimulator], Session]) -> None:
    session = connect(SchwabSimulator(SAMPLE))
    session.daily("FB")
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda symbol: len(session.daily(symbol)), ["FB", "GOOG"] * 8))
    assert counts == [len(raw.FB["date"]), len(raw.GOOG["date"])] * 8
    assert len(session.simulator.requests) == 18


def test_f6_a_socket_connection_is_kept() -> None:
    simulator = SchwabSimulator(SAMPLE)
    with serve(simulator, port=0) as server, httpx.Client(base_url=server.url) as http:
        peers = set()
        for _ in range(3):
            response = http.get("/marketdata/v1/pricehistory")
            assert (response.status_code, response.http_version) == (400, "HTTP/1.1")
            peers.add(response.extensions["network_stream"].get_extra_info("client_addr"))
    assert len(peers) == 1


def test_a_server_that_is_closed_refuses_connections() -> None:
    with serve(SchwabSimulator(SAMPLE), port=0) as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)
    server.wait()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.com", ""])  # noqa: S104 - refused
def test_only_loopback_is_served(host: str) -> None:
    with pytest.raises(ConfigurationError, match="this machine only"):
        serve(SchwabSimulator(SAMPLE), host=host, port=0)


def test_a_taken_port_is_named() -> None:
    simulator = SchwabSimulator(SAMPLE)
    with serve(simulator, port=0) as first, pytest.raises(ConfigurationError, match="choose another port"):
        serve(simulator, port=first.port)


def test_by_default_tokens_live_by_the_systems_clock() -> None:
    login = SchwabSimulator(SAMPLE).issue_login()
    age = datetime.now(UTC) - datetime.fromtimestamp(login["creation_timestamp"], tz=UTC)  # noqa: TID251
    assert abs(age) < timedelta(minutes=1)
    assert date(2013, 3, 1) == SAMPLE.last_session
