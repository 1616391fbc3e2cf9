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
        user_refuses: The user says no at login.
        weekly_stamp: ``monday`` or ``first_session``.
        requests_per_second: More than this in any second are answered 429.
    """

    unknown_symbol_is_404: bool = False
    inclusive_end: bool = True
    refuse_seconds: bool = False
    missing_header_is_401: bool = False
    unauthorized_detail: bool = True
    unknown_route_is_text: bool = False
    market_data_product: bool = True
    user_refuses: bool = False
    weekly_stamp: str = "monday"
    requests_per_second: int | None = None
