"""Every fault of ``faults`` and ``anomalies`` by name, for those who start the simulator by hand.

A fault that is about one bar is about the newest one, unless it says otherwise.
"""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from types import MappingProxyType

from jutsu_assets.schwab.simulator import anomalies
from jutsu_assets.schwab.simulator.faults import Fault, FaultPlan
from jutsu_assets.schwab.simulator.market import MarketHistory
from jutsu_assets.schwab.simulator.pricehistory import new_york_midnight
from jutsu_core.errors import InvalidInputError

_SHORT = 100


def _saturday_before(session: date) -> date:
    return session - timedelta(days=(session.weekday() + 2) % 7)


FAULTS: MappingProxyType[str, Callable[[date], Fault]] = MappingProxyType(
    {
        "too_many_requests": lambda _: Fault.too_many_requests(retry_after=1),
        "server_error": lambda _: Fault.server_error(),
        "server_error_page": lambda _: Fault.server_error_page(),
        "reply_too_big": lambda _: Fault.reply_too_big(),
        "unavailable": lambda _: Fault.unavailable(),
        "gateway_timeout": lambda _: Fault.gateway_timeout(),
        "edge_block": lambda _: Fault.edge_block(),
        "unauthorized": lambda _: Fault.unauthorized(),
        "bad_request": lambda _: Fault.bad_request(),
        "redirect": lambda _: Fault.redirect(),
        "page": lambda _: Fault.page(),
        "empty_body": lambda _: Fault.empty_body(),
        "json_list": lambda _: Fault.json_list(),
        "broken_gzip": lambda _: Fault.broken_gzip(),
        "truncated": lambda _: Fault.truncated(),
        "cut_body": lambda _: Fault.cut_body(),
        "connection": lambda _: Fault.connection("ReadError"),
        "token_object_without_error": lambda _: Fault.token_object_without_error(),
        "token_refused": lambda _: Fault.token_refused(),
        "token_without": lambda _: Fault.token_without("refresh_token"),
        "forming_bar": lambda _: anomalies.forming_bar(),
        "phantom_bar": lambda session: anomalies.phantom_bar(_saturday_before(session)),
        "broken_ohlc": anomalies.broken_ohlc,
        "short_history": lambda _: anomalies.short_history(_SHORT),
        "restated": lambda session: anomalies.restated(session, volume=1),
        "rescaled": lambda _: anomalies.rescaled(2),
        "missing_sessions": anomalies.missing_sessions,
        "duplicated": lambda session: anomalies.duplicated(session, volume=1),
        "unsorted_candles": lambda _: anomalies.unsorted_candles(),
        "bad_value": lambda session: anomalies.bad_value(session, "close", None),
        "missing_key": lambda session: anomalies.missing_key(session, "volume"),
        "restamped": lambda session: anomalies.restamped(session, new_york_midnight(session) // 1000),
        "candles_are": lambda _: anomalies.candles_are(None),
        "candles_absent": lambda _: anomalies.candles_absent(),
        "other_symbol": lambda _: anomalies.other_symbol("OTHER"),
        "contradictory_empty": lambda _: anomalies.contradictory_empty(),
        "extra_keys": lambda _: anomalies.extra_keys(),
    }
)


def newest_session(history: MarketHistory, today: date) -> date:
    """Return the newest session of ``history`` up to ``today``.

    Raises:
        InvalidInputError: There is none.
    """
    newest = [bars[-1].session for symbol in history.symbols if (bars := history.daily(symbol, as_of=today))]
    if not newest:
        message = f"today must be a day on which there are bars already, was {today}"
        raise InvalidInputError(message)
    return max(newest)


def named_plan(names: Iterable[str], session: date) -> FaultPlan:
    """Return a plan of the named faults.

    Args:
        names: ``NAME`` strikes every request that it is about, ``NAME:3`` the first three.
        session: The newest session.

    Raises:
        InvalidInputError: A name is not in ``FAULTS``, or a count is not a number from 1.
    """
    return FaultPlan([_named(name, session) for name in names])


def _named(text: str, session: date) -> Fault:
    name, colon, count = text.partition(":")
    if name not in FAULTS:
        message = f"a fault must be one of {', '.join(FAULTS)}, was {name!r}"
        raise InvalidInputError(message)
    fault = FAULTS[name](session)
    if not colon:
        return fault.always()
    if not count.isdecimal() or int(count) < 1:
        message = f"the count of a fault must be a number from 1, such as {name}:3, was {text!r}"
        raise InvalidInputError(message)
    return fault.times(int(count))
