"""Replies of Schwab's that nobody has measured, or that differ between observers: chosen here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Switches:
    """Replies of Schwab's that nobody has measured, or that differ between observers.

    Attributes:
        unknown_symbol_is_404: Answer an unknown symbol with 404 instead of no candles.
        inclusive_end: Serve the daily bar stamped exactly at ``endDate``.
        refuse_seconds: Refuse bounds that look like seconds.
        missing_header_is_401: Answer a missing ``Authorization`` with 401 instead of 400.
        unauthorized_detail: Put ``detail`` into a 401.
        unknown_route_is_text: Answer an unknown path with the gateway's text instead of JSON.
        market_data_product: Whether the application may read market data at all.
        missing_product_is_empty: Without the product there is no data, instead of a 401.
        rotate_refresh_tokens: Every refresh replaces the refresh token.
        user_refuses: The user says no at login.
        weekly_stamp: ``monday`` or ``first_session``.
        requests_per_second: More than this in any second, of all clients, are answered 429.
        limit_retry_after: The ``Retry-After`` of those 429s; None leaves the header out.
        refusals_before_block: More 429s than this within a minute get the address blocked.
        token_calls_in_20_seconds: More than this get the address blocked.
        block_seconds: How long the address is blocked then.
        most_candles: More than this in one reply are too big for the gateway: 502.
        minute_depth: Minutes reach back only so many days, by the clock.
        minute_tail: Minutes begin with the last ones of the day before what was asked for.
        most_served: Of more candles than this only the newest are served, without a hint.
        slow_seconds: How late comes what is late; longer than clients wait.
        drip_seconds: The time between one byte and the next of a head or body that drips, or one 100 and the next.
    """

    unknown_symbol_is_404: bool = False
    inclusive_end: bool = True
    refuse_seconds: bool = False
    missing_header_is_401: bool = False
    unauthorized_detail: bool = True
    unknown_route_is_text: bool = False
    market_data_product: bool = True
    missing_product_is_empty: bool = False
    rotate_refresh_tokens: bool = False
    user_refuses: bool = False
    weekly_stamp: str = "monday"
    requests_per_second: int | None = None
    limit_retry_after: str | None = "3"
    refusals_before_block: int | None = None
    token_calls_in_20_seconds: int | None = None
    block_seconds: float = 60.0
    most_candles: int | None = None
    minute_depth: bool = True
    minute_tail: bool = False
    most_served: int | None = None
    slow_seconds: float = 60.0
    drip_seconds: float = 1.0
