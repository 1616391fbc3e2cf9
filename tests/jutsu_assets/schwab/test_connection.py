"""The way to Schwab under trouble: the breaker and the quota, as its callers meet them."""

from datetime import timedelta

import httpx
import pytest

from jutsu_assets.schwab.breaker import BLOCK_REST
from jutsu_assets.schwab.connection import ATTEMPTS
from jutsu_assets.schwab.tokens import MemoryTokenStore
from jutsu_assets.schwab.wrapped import WrappedToken
from jutsu_assets.simulator.faults import Fault
from jutsu_assets.simulator.transport import mount
from jutsu_core.access import FAILURES_TO_OPEN, FIRST_COOL_DOWN, MOST_CREDITS, RETRY_COST
from jutsu_core.errors import (
    AddressBlockedError,
    AuthenticationError,
    CircuitOpenError,
    MalformedResponseError,
    RequestRefusedError,
    SourceUnavailableError,
)
from tests.support.schwab import WEEK_END, WEEK_START, Desk, FixedClock, desk, fetcher_of


def opened(*faults: Fault) -> Desk:
    """Return a desk whose breaker a lasting outage has just opened."""
    table = desk(*(faults or (Fault.unavailable().times(FAILURES_TO_OPEN),)))
    with pytest.raises(SourceUnavailableError):
        table.fetch()
    with pytest.raises(CircuitOpenError, match=r"the last: 1d history of JTS: Schwab answered 503"):
        table.fetch()
    assert table.history_calls == FAILURES_TO_OPEN
    return table


def test_an_outage_is_asked_five_times_and_then_left_alone() -> None:
    table = opened()
    for _ in range(10):
        with pytest.raises(CircuitOpenError):
            table.fetch()
    assert table.history_calls == table.ledger.claims == FAILURES_TO_OPEN
    assert len(table.sleeper.pauses) == FAILURES_TO_OPEN - 1, "while it is open nothing is waited for"


def test_after_the_cool_down_one_probe_finds_that_all_is_well_again() -> None:
    table = opened()
    table.clock.advance(FIRST_COOL_DOWN)
    assert len(table.fetch()) == 5
    assert not table.ledger.state().is_open
    assert len(table.fetch()) == 5


def test_a_probe_that_fails_is_one_request_and_opens_it_for_longer() -> None:
    table = opened(Fault.unavailable().always())
    table.clock.advance(FIRST_COOL_DOWN)
    with pytest.raises(CircuitOpenError):
        table.fetch()
    assert table.history_calls == FAILURES_TO_OPEN + 1
    assert table.ledger.state().cool_down == 2 * FIRST_COOL_DOWN


def test_a_probe_may_refresh_its_token_first() -> None:
    table = opened()
    table.simulator.expire_access_tokens()
    table.clock.advance(FIRST_COOL_DOWN)
    assert len(table.fetch()) == 5
    assert table.token_calls == 1
    assert not table.ledger.state().is_open


def test_failures_of_several_fetchers_count_together() -> None:
    table = desk(Fault.unavailable().always())
    tokens = MemoryTokenStore(table.simulator.issue_login())
    other = fetcher_of(table.simulator, tokens, ledger=table.ledger, sleeper=table.sleeper)
    with pytest.raises(SourceUnavailableError):
        table.fetch()
    with pytest.raises(CircuitOpenError):
        other.fetch_bars("JTS", "1d", WEEK_START, WEEK_END)
    assert table.history_calls == FAILURES_TO_OPEN


@pytest.mark.parametrize(
    "fault",
    [Fault.bad_request().always(), Fault.redirect().always(), Fault.unauthorized().always()],
    ids=["400", "302", "401"],
)
def test_a_refusal_is_an_answer_and_never_opens_it(fault: Fault) -> None:
    table = desk(fault)
    for _ in range(2 * FAILURES_TO_OPEN):
        with pytest.raises((RequestRefusedError, AuthenticationError)):
            table.fetch()
    assert table.ledger.state().failures == 0


def test_what_cannot_be_read_counts_as_failure() -> None:
    table = desk(Fault.page().always())
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(MalformedResponseError):
            table.fetch()
    with pytest.raises(CircuitOpenError, match="must be JSON"):
        table.fetch()
    assert table.history_calls == FAILURES_TO_OPEN


def test_a_block_of_the_address_is_never_asked_again_for_a_quarter_of_an_hour() -> None:
    table = desk(Fault.edge_block())
    with pytest.raises(AddressBlockedError, match="wait an hour"):
        table.fetch()
    table.clock.advance(BLOCK_REST - timedelta(seconds=1))
    with pytest.raises(CircuitOpenError):
        table.fetch()
    assert (table.history_calls, table.token_calls) == (1, 0)
    table.clock.advance(timedelta(seconds=1))
    assert len(table.fetch()) == 5


def test_a_block_met_at_the_token_endpoint_counts_too() -> None:
    table = desk(Fault.edge_block().on_path("token"), expired=True)
    with pytest.raises(AddressBlockedError):
        table.fetch()
    with pytest.raises(CircuitOpenError):
        table.fetch()
    assert (table.history_calls, table.token_calls) == (0, 1)


def test_a_dead_login_is_no_outage_and_is_presented_once() -> None:
    table = desk(expired=True)
    table.simulator.revoke_refresh_tokens()
    for _ in range(2 * FAILURES_TO_OPEN):
        with pytest.raises(AuthenticationError, match="jutsu login"):
            table.fetch()
    assert table.token_calls == 1
    assert not table.ledger.state().is_open


class _NoLogin(MemoryTokenStore):
    """A login whose file somebody took away."""

    def read(self) -> WrappedToken:
        message = "the token file must exist"
        raise AuthenticationError(message)


def test_without_a_login_nothing_is_sent_and_nothing_learned() -> None:
    """A success would be a lie: four failures stay four."""
    table = desk(Fault.unavailable().always())
    with pytest.raises(SourceUnavailableError):
        table.fetch()
    failures = table.ledger.state().failures
    fetcher = fetcher_of(table.simulator, _NoLogin(table.tokens.read()), ledger=table.ledger)
    with pytest.raises(AuthenticationError):
        fetcher.fetch_bars("JTS", "1d", WEEK_START, WEEK_END)
    assert table.ledger.state().failures == failures == ATTEMPTS


def test_retries_end_when_the_quota_is_spent() -> None:
    """Single failures that one retry mends: after ten of them the eleventh is not tried again."""
    table = desk(*[Fault.unavailable().from_request(1 + 2 * number) for number in range(11)])
    for _ in range(10):
        assert len(table.fetch()) == 5
    left = table.ledger.state().retry_credits
    assert left == MOST_CREDITS - 10 * RETRY_COST + 10
    table.ledger.change(lambda state, _: type(state)(retry_credits=RETRY_COST - 1))
    with pytest.raises(SourceUnavailableError):
        table.fetch()
    assert table.history_calls == 21
    assert len(table.fetch()) == 5
    assert table.ledger.state().retry_credits == RETRY_COST


def test_a_reply_that_says_it_is_earlier_is_believed_about_what_is_final() -> None:
    """Our clock is ahead by a day: today's bar would look final."""
    table = desk()

    class Dated(httpx.BaseTransport):
        def __init__(self, transport: httpx.BaseTransport) -> None:
            self._transport = transport

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            response = self._transport.handle_request(request)
            response.headers["Date"] = "Thu, 28 Feb 2013 20:00:00 GMT"
            return response

    tokens = MemoryTokenStore(table.simulator.issue_login())
    fetcher = fetcher_of(table.simulator, tokens, transport=Dated(mount(table.simulator)), clock=FixedClock(WEEK_END))
    bars = fetcher.fetch_bars("JTS", "1d", WEEK_START, WEEK_END)
    assert [bar["timestamp"].day for bar in bars] == [22, 25, 26, 27]
