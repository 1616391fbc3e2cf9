"""The fetcher over the simulator: what comes back, what is tried again, and what is given up at once."""

import csv
import gzip
import logging
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import bokeh_sampledata
import httpx
import pytest

from jutsu_assets.schwab.connection import ATTEMPTS
from jutsu_assets.schwab.tokens import MemoryTokenStore
from jutsu_assets.simulator import anomalies
from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.endpoints import PRICE_HISTORY, TOKEN
from jutsu_assets.simulator.faults import Fault, TransportErrorName
from jutsu_assets.simulator.switches import Switches
from jutsu_assets.simulator.transport import mount
from jutsu_core.bars import Bar, Timeframe, session_timestamp
from jutsu_core.errors import (
    AuthenticationError,
    CircuitOpenError,
    InvalidInputError,
    JutsuError,
    MalformedResponseError,
    RateLimitedError,
    ReplyTooLargeError,
    RequestRefusedError,
    SourceError,
    SourceUnavailableError,
)
from jutsu_core.ports import BarSource
from tests.support.schwab import (
    EVENING,
    FRIDAY,
    MONDAY,
    SESSIONS,
    THURSDAY,
    TUESDAY,
    WEEK_END,
    WEEK_START,
    Desk,
    FixedClock,
    MemoryLedger,
    desk,
    fetcher_of,
    secrets_of,
    traceback_text,
)

HISTORY_START = datetime(2000, 3, 1, tzinfo=UTC)
HISTORY_END = datetime(2013, 3, 2, tzinfo=UTC)


def sample_rows(symbol: str, splits: dict[date, int]) -> list[dict[str, Any]]:
    """Return the sample package's bars, read here again, in terms of the last day's shares."""
    with gzip.open(bokeh_sampledata.package_path("stocks.csv.gz"), "rt", encoding="utf-8", newline="") as file:
        raw = [row for row in csv.DictReader(file) if row["Ticker"] == symbol]
    rows = []
    for row in raw:
        session = date.fromisoformat(row["Date"])
        shares = 1
        for ex_date, ratio in splits.items():
            shares *= ratio if session < ex_date else 1
        rows.append(
            {
                "symbol": symbol,
                "timestamp": datetime(session.year, session.month, session.day, tzinfo=UTC),
                **{
                    name.lower(): (Decimal(row[name]) / shares).quantize(Decimal("0.0001"), ROUND_HALF_EVEN)
                    for name in ("Open", "High", "Low", "Close")
                },
                "volume": int(row["Volume"]) * shares,
                "timeframe": "1d",
            }
        )
    return sorted(rows, key=lambda row: row["timestamp"])


@pytest.mark.parametrize(
    ("symbol", "splits"),
    [("AAPL", {date(2000, 6, 21): 2, date(2005, 2, 28): 2}), ("MSFT", {date(2003, 2, 18): 2}), ("IBM", {})],
)
def test_a_whole_history_is_what_the_sample_holds(symbol: str, splits: dict[date, int]) -> None:
    """Bar for bar, split-adjusted by an arithmetic that shares nothing with the simulator's."""
    simulator = SchwabSimulator()
    fetcher = fetcher_of(simulator, MemoryTokenStore(simulator.issue_login()), clock=FixedClock(HISTORY_END))
    expected = sample_rows(symbol, splits)
    got = fetcher.fetch_bars(symbol, "1d", HISTORY_START, HISTORY_END)
    assert len(got) == len(expected) > 3200
    assert got == expected
    assert fetcher.fetch(symbol, Timeframe.D1, HISTORY_START, HISTORY_END).rejected == ()


def test_fetch_bars_returns_what_it_promises() -> None:
    bars = desk().fetch()
    assert bars[0] == {
        "symbol": "JTS",
        "timestamp": datetime(2013, 2, 22, tzinfo=UTC),
        "open": Decimal(100),
        "high": Decimal("110.5"),
        "low": Decimal(90),
        "close": Decimal("105.0375"),
        "volume": 1001,
        "timeframe": "1d",
    }
    assert list(bars[0]) == ["symbol", "timestamp", "open", "high", "low", "close", "volume", "timeframe"]
    assert [bar["timestamp"].date() for bar in bars] == list(SESSIONS)
    assert {type(bar[name]) for bar in bars for name in ("open", "high", "low", "close")} == {Decimal}
    assert {type(bar["volume"]) for bar in bars} == {int}
    assert {bar["timestamp"].tzinfo for bar in bars} == {UTC}


def test_fetch_returns_bars_window_and_time() -> None:
    table = desk()
    fetched = table.fetcher.fetch("BRK/B", Timeframe.D1, WEEK_START, WEEK_END)
    assert (fetched.start, fetched.end, fetched.asked_at) == (WEEK_START, WEEK_END, EVENING)
    assert fetched.bars[0] == Bar(WEEK_START, 100_000_000, 110_500_000, 90_000_000, 105_037_500, 1001)
    assert (len(fetched.bars), fetched.rejected) == (5, ())
    assert isinstance(table.fetcher, BarSource)
    assert table.fetcher.name == "simulator"
    assert table.fetcher.connection.request_seconds > 0


def test_one_request_asks_for_the_window_and_a_margin() -> None:
    table = desk()
    table.fetch()
    (arrival,) = table.simulator.requests
    assert dict(arrival.params) == {
        "symbol": "JTS",
        "periodType": "year",
        "period": "20",
        "frequencyType": "daily",
        "frequency": "1",
        "startDate": str(int((WEEK_START - timedelta(days=1)).timestamp()) * 1000),
        "endDate": str(int((WEEK_END + timedelta(days=1)).timestamp()) * 1000),
        "needExtendedHoursData": "false",
    }


@pytest.mark.parametrize("inclusive_end", [True, False])
def test_the_window_is_half_open_whatever_schwab_makes_of_its_end(*, inclusive_end: bool) -> None:
    table = desk(switches=Switches(inclusive_end=inclusive_end))
    bars = table.fetcher.fetch_bars("JTS", "1d", session_timestamp(MONDAY), session_timestamp(THURSDAY))
    assert [bar["timestamp"].date() for bar in bars] == list(SESSIONS[1:4])


def test_a_window_in_another_zone_is_the_same_instants() -> None:
    zone = timezone(timedelta(hours=-5))
    bars = desk().fetcher.fetch_bars("JTS", "1d", WEEK_START.astimezone(zone), WEEK_END.astimezone(zone))
    assert [bar["timestamp"] for bar in bars] == [session_timestamp(day) for day in SESSIONS]


def test_a_symbol_without_bars_is_an_empty_list() -> None:
    assert desk().fetch("NONE") == []


def test_broken_candles_are_rejected_beside_the_sound_ones() -> None:
    table = desk(anomalies.broken_ohlc(MONDAY), anomalies.bad_value(TUESDAY, "close", None))
    fetched = table.fetcher.fetch("JTS", Timeframe.D1, WEEK_START, WEEK_END)
    assert [bar.timestamp.date() for bar in fetched.bars] == [FRIDAY, *SESSIONS[3:]]
    assert [rejected.timestamp.date() for rejected in fetched.rejected if rejected.timestamp] == [MONDAY, TUESDAY]


AWARE, NAIVE = WEEK_START, datetime(2013, 2, 22)  # noqa: DTZ001 - naive on purpose


@pytest.mark.parametrize(
    ("symbol", "timeframe", "start", "end", "message"),
    [
        ("JTS", "1d", NAIVE, WEEK_END, "start must be timezone-aware"),
        ("JTS", "1d", AWARE, NAIVE, "end must be timezone-aware"),
        ("JTS", "1d", "2013-02-22", WEEK_END, "start must be a timezone-aware datetime"),
        ("JTS", "1d", AWARE, date(2013, 2, 28), "end must be a timezone-aware datetime"),
        ("JTS", "2d", AWARE, WEEK_END, "timeframe must be one of"),
        ("", "1d", AWARE, WEEK_END, "symbol must be a ticker in capitals such as AAPL"),
        ("  ", "1d", AWARE, WEEK_END, "symbol must be a ticker in capitals such as AAPL"),
        ("aapl", "1m", AWARE, WEEK_END, "symbol must be a ticker in capitals such as AAPL"),
        ("A,B", "1w", AWARE, WEEK_END, "symbol must be a ticker in capitals such as AAPL"),
        ("JTS", "1d", datetime(1960, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC), "end must be after 1970"),
        ("JTS", "1d", AWARE, AWARE, "end must be after start"),
        ("JTS", "1d", WEEK_END, AWARE, "end must be after start"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_sent(
    symbol: str, timeframe: str, start: Any, end: Any, message: str
) -> None:
    table = desk()
    with pytest.raises(InvalidInputError, match=message):
        table.fetcher.fetch_bars(symbol, timeframe, start, end)
    assert table.simulator.requests == []
    assert table.ledger.claims == 0


TRANSPORT_KINDS: list[TransportErrorName] = ["ReadTimeout", "ConnectError", "ReadError", "RemoteProtocolError"]
TRANSIENT = [
    Fault.too_many_requests(),
    Fault.server_error(),
    Fault.server_error_page(),
    Fault.unavailable(),
    Fault.gateway_timeout(),
    Fault.cut_body(),
    Fault.broken_gzip(),
    *[Fault.connection(kind) for kind in TRANSPORT_KINDS],
]


def jittered(*pauses: float) -> list[object]:
    """Each pause, or up to half a second more."""
    return [pytest.approx(pause + 0.25, abs=0.25) for pause in pauses]


named = pytest.mark.parametrize("fault", TRANSIENT, ids=lambda fault: fault.name)


@named
def test_what_may_pass_is_tried_again(fault: Fault) -> None:
    """Twice struck, 1 and 2 seconds apart, the third attempt succeeds; every attempt takes its turn."""
    table = desk(fault.times(2))
    assert len(table.fetch()) == 5
    assert table.sleeper.pauses == jittered(1.0, 2.0)
    assert table.history_calls == table.ledger.claims == table.fetcher.connection.throttle.requests == 3


@named
def test_after_three_attempts_it_gives_up(fault: Fault) -> None:
    table = desk(fault.always())
    expected = RateLimitedError if fault.name == "429" else SourceUnavailableError
    with pytest.raises(expected, match="1d history of JTS"):
        table.fetch()
    assert table.history_calls == table.ledger.claims == ATTEMPTS == 3
    assert table.sleeper.pauses == jittered(1.0, 2.0)


@pytest.mark.parametrize(
    ("asked", "pause"),
    [
        (3, 3.0),
        (1, 1.0),
        (0, 1.0),
        (30, 30.0),
        ("soon", 1.0),
        ("-5", 1.0),
        ("1.5", 1.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 1.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_it_waits_as_long_as_it_is_asked_within_reason(asked: str | int, pause: float, status: int) -> None:
    fault = Fault.too_many_requests(asked) if status == 429 else Fault.unavailable(asked)
    table = desk(fault)
    assert len(table.fetch()) == 5
    assert table.sleeper.pauses == (jittered(pause) if pause == 1.0 else [pause])


@pytest.mark.parametrize(
    ("sent_at", "retry_at", "pause"),
    [
        ("Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:07 GMT", 7.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:27:00 GMT", 1.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:07", 7.0),
        ("yesterday", "Wed, 21 Oct 2026 07:28:07 GMT", 1.0),
        (None, "Wed, 21 Oct 2026 07:28:07 GMT", 1.0),
    ],
)
def test_a_date_to_retry_at_is_measured_by_the_clock_that_wrote_it(
    sent_at: str | None, retry_at: str, pause: float
) -> None:
    """The reply's own date counts: the two clocks need not agree."""
    headers = {"Retry-After": retry_at} | ({"Date": sent_at} if sent_at else {})
    table = desk(transport=lambda _: httpx.MockTransport(lambda _request: httpx.Response(429, headers=headers)))
    with pytest.raises(RateLimitedError):
        table.fetch()
    assert table.sleeper.pauses[:1] == (jittered(pause) if pause == 1.0 else [pause])


@pytest.mark.parametrize("asked", [31, 86400, "9" * 400])
def test_a_long_retry_after_is_honoured_by_asking_nothing_meanwhile(asked: str | int) -> None:
    table = desk(Fault.too_many_requests(asked))
    with pytest.raises(RateLimitedError):
        table.fetch()
    assert (table.history_calls, table.sleeper.pauses) == (1, [])
    rest = min(float(asked), 3600.0)
    with pytest.raises(CircuitOpenError, match="is left alone until") as caught:
        table.fetch()
    assert caught.value.probe_at == table.clock.now() + timedelta(seconds=rest)
    assert table.history_calls == 1
    table.clock.advance(timedelta(seconds=rest))
    assert len(table.fetch()) == 5
    assert not table.ledger.state().is_open


def test_a_retry_after_in_foreign_digits_is_no_number() -> None:
    """``"²".isdigit()`` is true, and it is no number all the same."""
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(429, headers=[(b"Retry-After", "²".encode("latin-1"))])

    table = desk(transport=lambda _: httpx.MockTransport(answer))
    with pytest.raises(RateLimitedError):
        table.fetch()
    assert len(sent) == 3
    assert table.sleeper.pauses == jittered(1.0, 2.0)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault.bad_request(), "answered 400 .Invalid value.; correct the request"),
        (Fault.edge_block(), "answered 403; the network in front of Schwab blocks this address.*wait an hour"),
        (Fault.redirect(), "answered 302"),
    ],
    ids=["400", "403", "302"],
)
def test_a_refusal_is_never_tried_again(fault: Fault, message: str) -> None:
    table = desk(fault.always())
    with pytest.raises(RequestRefusedError, match=message):
        table.fetch()
    assert (table.history_calls, table.token_calls, table.sleeper.pauses) == (1, 0, [])


def test_a_reply_that_would_be_too_large_is_asked_for_in_halves() -> None:
    table = desk(Fault.reply_too_big())
    assert [bar["timestamp"].date() for bar in table.fetch()] == list(SESSIONS)
    assert (table.history_calls, table.sleeper.pauses) == (3, [])


def test_what_stays_too_large_is_an_error_after_few_requests() -> None:
    table = desk(Fault.reply_too_big().always())
    with pytest.raises(ReplyTooLargeError, match="ask for less at once"):
        table.fetch()
    assert (table.history_calls, table.sleeper.pauses) == (2, [])


def test_an_unknown_symbol_answered_404_is_never_tried_again() -> None:
    table = desk(switches=Switches(unknown_symbol_is_404=True))
    with pytest.raises(RequestRefusedError, match="1d history of NONE: Schwab answered 404"):
        table.fetch("NONE")
    assert (table.history_calls, table.sleeper.pauses) == (1, [])


@pytest.mark.parametrize(
    "fault",
    [
        Fault.page(),
        Fault.truncated(),
        Fault.empty_body(),
        Fault.json_list(),
        anomalies.candles_are(None),
        anomalies.candles_absent(),
        anomalies.other_symbol("IBM"),
    ],
    ids=lambda fault: fault.name,
)
def test_a_reply_that_makes_no_sense_is_malformed_and_never_tried_again(fault: Fault) -> None:
    table = desk(fault.always())
    with pytest.raises(MalformedResponseError, match=r"^JTS: "):
        table.fetch()
    assert (table.history_calls, table.sleeper.pauses) == (1, [])


@pytest.mark.parametrize("fault", [anomalies.contradictory_empty(), anomalies.extra_keys()], ids=lambda f: f.name)
def test_a_reply_that_is_merely_odd_is_read(fault: Fault) -> None:
    assert len(desk(fault).fetch()) == 5


def test_a_401_is_one_refresh_and_one_more_request() -> None:
    """The file says that the token is fresh, Schwab says that it is not."""
    table = desk()
    table.simulator.expire_access_tokens()
    assert len(table.fetch()) == 5
    assert [(arrival.path, arrival.status) for arrival in table.simulator.requests] == [
        (PRICE_HISTORY, 401),
        (TOKEN, 200),
        (PRICE_HISTORY, 200),
    ]
    assert table.ledger.claims == 3
    assert table.sleeper.pauses == []


def test_a_token_that_dies_between_two_requests_is_replaced() -> None:
    table = desk(Fault.unauthorized().from_request(2))
    for _ in range(3):
        assert len(table.fetch()) == 5
    assert (table.history_calls, table.token_calls) == (4, 1)


@pytest.mark.parametrize("detail", [True, False])
def test_a_401_for_ever_is_an_authentication_error(*, detail: bool) -> None:
    """Nobody can tell a dead token from an application without the product, so it says both."""
    table = desk(switches=Switches(market_data_product=False, unauthorized_detail=detail))
    with pytest.raises(AuthenticationError, match=r"401.*jutsu login.*Market Data product"):
        table.fetch()
    assert (table.history_calls, table.token_calls, table.sleeper.pauses) == (2, 1, [])


def test_an_expired_token_is_refreshed_first_and_that_takes_a_turn_too() -> None:
    table = desk(expired=True)
    assert len(table.fetch()) == 5
    assert [arrival.path for arrival in table.simulator.requests] == [TOKEN, PRICE_HISTORY]
    assert table.ledger.claims == 2


def test_a_refused_login_is_not_tried_again_and_the_remedy_is_named() -> None:
    table = desk(expired=True)
    table.simulator.revoke_refresh_tokens()
    before = table.tokens.read()
    with pytest.raises(AuthenticationError, match=r"login is dead.*`jutsu login`"):
        table.fetch()
    assert [arrival.path for arrival in table.simulator.requests] == [TOKEN]
    assert table.tokens.read() == before
    assert table.sleeper.pauses == []


@pytest.mark.parametrize("fault", [Fault.server_error(), Fault.connection("ConnectError"), Fault.gateway_timeout()])
def test_a_token_endpoint_that_may_recover_is_asked_again(fault: Fault) -> None:
    table = desk(fault.on_path("token").times(2), expired=True)
    assert len(table.fetch()) == 5
    assert (table.token_calls, table.history_calls, table.ledger.claims) == (3, 1, 4)
    assert table.sleeper.pauses == jittered(1.0, 2.0)


def test_authenticating_refreshes_only_what_is_stale() -> None:
    fresh, expired = desk(), desk(expired=True)
    fresh.fetcher.authenticate()
    expired.fetcher.authenticate()
    expired.fetcher.authenticate()
    assert (fresh.token_calls, expired.token_calls, expired.history_calls) == (0, 1, 0)


def test_authenticating_tries_again_and_reports_a_dead_login() -> None:
    shaky = desk(Fault.unavailable(4).on_path("token"), expired=True)
    shaky.fetcher.authenticate()
    assert (shaky.token_calls, shaky.sleeper.pauses) == (2, [4.0])
    dead = desk(expired=True)
    dead.simulator.revoke_refresh_tokens()
    with pytest.raises(AuthenticationError, match=r"authenticating: .*jutsu login"):
        dead.fetcher.authenticate()


def test_handling_the_rate_limit_takes_one_turn_and_sends_nothing() -> None:
    table = desk()
    table.fetcher.handle_rate_limit()
    assert (table.ledger.claims, table.fetcher.connection.throttle.requests, table.simulator.requests) == (1, 1, [])


def test_a_closed_fetcher_opens_again() -> None:
    table = desk()
    table.fetcher.close()
    assert len(table.fetch()) == 5
    table.fetcher.close()
    table.fetcher.close()
    assert len(table.fetch()) == 5


DISASTERS: list[tuple[Fault, bool]] = [
    *[(fault.always(), False) for fault in TRANSIENT],
    (Fault.unauthorized().always(), False),
    (Fault.bad_request().always(), False),
    (Fault.edge_block().always(), False),
    (Fault.page().always(), False),
    (Fault.truncated().always(), False),
    (Fault.json_list().always(), False),
    (Fault.token_object_without_error(429).always(), True),
    (Fault.token_object_without_error(401).always(), True),
    (Fault.token_refused().always(), True),
    (Fault.token_without("access_token").always(), True),
    *[(fault.on_path("token").always(), True) for fault in TRANSIENT],
    *[
        (fault.on_path("token").always(), True)
        for fault in (Fault.edge_block(), Fault.page(), Fault.json_list(), Fault.empty_body(), Fault.truncated())
    ],
]


@pytest.mark.parametrize(
    ("fault", "expired"), DISASTERS, ids=lambda value: value.name if isinstance(value, Fault) else str(value)
)
def test_no_secret_is_in_an_error_its_traceback_or_a_log(
    *,
    fault: Fault,
    expired: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    table = desk(fault, expired=expired)
    before = table.tokens.read()
    with caplog.at_level(logging.DEBUG), pytest.raises(SourceError) as caught:
        table.fetch()
    shown = traceback_text(caught.value) + caplog.text + repr(caught.value) + repr(table.fetcher)
    assert "1d history of JTS" in shown or "refreshing the token" in shown or "JTS: " in shown
    assert [secret for secret in secrets_of(before, table.tokens.read()) if secret in shown] == []
    assert "tokenDigest" not in shown


def test_no_secret_is_in_a_log_when_all_goes_well(caplog: pytest.LogCaptureFixture) -> None:
    """The libraries beneath, which write bodies and addresses at DEBUG, say nothing at all."""
    table = desk(expired=True)
    before = table.tokens.read()
    libraries = ("schwab", "httpx", "httpcore", "authlib")
    with caplog.at_level(logging.DEBUG):
        for name in libraries:
            caplog.set_level(logging.DEBUG, logger=name)
        table.fetch()
    assert [record.name for record in caplog.records if record.name.split(".")[0] in libraries] == []
    secrets = secrets_of(before, table.tokens.read())
    assert len(secrets) > 4
    assert [secret for secret in secrets if secret in caplog.text] == []


def test_a_dead_login_shows_no_secret_and_no_digest_of_one(caplog: pytest.LogCaptureFixture) -> None:
    table = desk(expired=True)
    table.simulator.revoke_refresh_tokens()
    with caplog.at_level(logging.DEBUG), pytest.raises(AuthenticationError) as caught:
        table.fetch()
    shown = traceback_text(caught.value) + caplog.text
    assert [secret for secret in secrets_of(table.tokens.read()) if secret in shown] == []
    assert "tokenDigest" not in shown


@pytest.mark.parametrize("seed", range(3))
def test_under_a_random_outage_every_call_is_right_or_fails_as_ours(seed: int) -> None:
    """A third of all requests fail in turn; what returns is complete, what raises is one of our errors."""
    shaky = [Fault.server_error(), Fault.connection("ReadError"), Fault.too_many_requests(2), Fault.cut_body()]
    table = desk(*[fault.at_random(0.1) for fault in shaky], seed=seed)
    outcomes = [_outcome(table) for _ in range(30)]
    assert set(outcomes) <= {5, "RateLimitedError", "SourceUnavailableError", "CircuitOpenError"}
    assert outcomes.count(5) > 20
    refused = outcomes.count("CircuitOpenError")
    assert table.history_calls == table.ledger.claims
    assert table.history_calls <= 30 - refused + len(table.sleeper.pauses)


def _outcome(table: Desk) -> int | str:
    table.clock.advance(timedelta(seconds=20))
    try:
        return len(table.fetch())
    except JutsuError as error:
        return type(error).__name__


def test_two_fetchers_count_against_one_limit() -> None:
    simulator, ledger = SchwabSimulator(), MemoryLedger()
    tokens = MemoryTokenStore(simulator.issue_login())
    for _ in range(2):
        fetcher = fetcher_of(simulator, tokens, transport=mount(simulator), ledger=ledger)
        assert fetcher.fetch_bars("IBM", "1d", WEEK_START, WEEK_END)
    assert ledger.claims == len(simulator.requests) == 2
