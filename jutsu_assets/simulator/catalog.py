"""Every fault and every setting of the simulator by name: plain names, and the ids of ``ids``.

A fault that is about one bar is about the newest one, unless it says otherwise.
"""

from collections.abc import Callable, Iterable
from datetime import date
from difflib import get_close_matches
from fractions import Fraction
from types import MappingProxyType

from jutsu_assets.simulator import anomalies
from jutsu_assets.simulator.faults import Fault, FaultPlan
from jutsu_assets.simulator.ids import FAULT_IDS, SETTING_IDS, saturday_before
from jutsu_assets.simulator.market import MarketHistory
from jutsu_assets.simulator.pricehistory import new_york_midnight
from jutsu_core.errors import InvalidInputError

_SHORT = 100

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
        "mistyped": lambda _: Fault.mistyped(),
        "broken_gzip": lambda _: Fault.broken_gzip(),
        "truncated": lambda _: Fault.truncated(),
        "cut_body": lambda _: Fault.cut_body(),
        "slow": lambda _: Fault.slow(),
        "connection": lambda _: Fault.connection("ReadError"),
        "token_object_without_error": lambda _: Fault.token_object_without_error(),
        "token_refused": lambda _: Fault.token_refused(),
        "token_without": lambda _: Fault.token_without("refresh_token"),
        "forming_bar": lambda _: anomalies.forming_bar(Fraction(1, 2)),
        "phantom_bar": lambda session: anomalies.phantom_bar(saturday_before(session)),
        "holiday_bars": lambda _: anomalies.holiday_bars(),
        "broken_ohlc": anomalies.broken_ohlc,
        "short_history": lambda _: anomalies.short_history(_SHORT),
        "restated": lambda session: anomalies.restated(session, volume=1),
        "rescaled": lambda _: anomalies.rescaled(2),
        "missing_sessions": anomalies.missing_sessions,
        "late_bar": lambda _: anomalies.late_bar(),
        "one_session_short": lambda _: anomalies.one_session_short(),
        "missing_minutes": lambda _: anomalies.missing_minutes(),
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
        **FAULT_IDS,
    }
)
"""What strikes requests, made for the session that it is about."""

SETTINGS = SETTING_IDS
"""What sets the simulator up instead, as values of its switches."""


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


def named_fault(name: str, session: date) -> Fault:
    """Return the fault of that name, striking always; what happens to tokens happens once.

    Raises:
        InvalidInputError: The name is not in ``FAULTS``.
    """
    if name not in FAULTS:
        near = get_close_matches(name, [*FAULTS, *SETTINGS]) or ("server_error", "R5-soon")
        message = f"a fault must be a name such as {' or '.join(near)}, was {name!r}; jutsu simulator --help lists all"
        raise InvalidInputError(message)
    fault = FAULTS[name](session)
    return fault if fault.act else fault.always()


def named_plan(names: Iterable[str], session: date) -> FaultPlan:
    """Return a plan of the named faults and settings.

    Args:
        names: ``NAME`` strikes every request that it is about, ``NAME:3`` the first three; a
            setting takes no count.
        session: The newest session.

    Raises:
        InvalidInputError: A name is neither in ``FAULTS`` nor in ``SETTINGS``, or a count is
            not a number from 1.
    """
    asked = list(names)
    settings: dict[str, object] = {}
    for name in asked:
        settings |= SETTINGS.get(name, {})
    return FaultPlan([_counted(name, session) for name in asked if name not in SETTINGS], settings=settings)


def _counted(text: str, session: date) -> Fault:
    name, colon, count = text.partition(":")
    if colon and name in SETTINGS:
        message = f"{name} is a setting, not a fault: it holds all the time and takes no count, was {text!r}"
        raise InvalidInputError(message)
    fault = named_fault(name, session)
    if not colon:
        return fault
    if not count.isdecimal() or int(count) < 1:
        message = f"the count of a fault must be a number from 1, such as {name}:3, was {text!r}"
        raise InvalidInputError(message)
    return fault.times(int(count))
