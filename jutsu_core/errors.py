"""Every error that Jutsu raises on purpose.

::

    JutsuError
    ├── InvalidInputError (ValueError)      an argument breaks its contract
    │   └── ConfigurationError              a setting, a universe file or a credential is wrong
    ├── NoDataError (ValueError)            nothing is stored, or nothing exists, for what was asked
    │   └── UnknownSymbolError              the source has no bar at all for the symbol
    ├── SourceError                         the broker could not be read
    │   ├── TransientSourceError            may work later; retried by the client
    │   │   ├── RateLimitedError            429
    │   │   ├── SourceUnavailableError      timeout, connection fault, 5xx
    │   │   └── CircuitOpenError            not asked, because it failed again and again
    │   └── PermanentSourceError            no retry can help
    │       ├── AuthenticationError         the token or the credentials are refused
    │       ├── RequestRefusedError         the request itself is refused (400, 403, 404)
    │       │   ├── AddressBlockedError     403 of the network in front of the broker
    │       │   └── ReplyTooLargeError      the reply would be too large; ask for less
    │       ├── RequestBudgetError          the day's budget of requests is spent; nothing was asked
    │       └── MalformedResponseError      a reply that cannot be understood
    └── StoreError                          the system of record could not be used
        ├── StoreUnavailableError           cannot connect, read or write
        ├── MixedSourceError                bars of two sources would be mixed
        └── SchemaVersionError              the store was made by other code

A message names what was wrong, what it must be, and what to do.
"""

from datetime import datetime


class JutsuError(Exception):
    """Base of every error that Jutsu raises on purpose."""


class InvalidInputError(JutsuError, ValueError):
    """An argument breaks its contract."""


class ConfigurationError(InvalidInputError):
    """A setting, a universe file or a credential is missing or wrong."""


class NoDataError(JutsuError, ValueError):
    """Nothing is stored, or nothing exists, for what was asked."""


class UnknownSymbolError(NoDataError):
    """The source has no bar at all for the symbol."""


class SourceError(JutsuError):
    """The broker could not be read."""


class TransientSourceError(SourceError):
    """The broker could not be read now, and may be readable later.

    Attributes:
        retry_after_seconds: What the broker asked us to wait, if it said so.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class RateLimitedError(TransientSourceError):
    """The broker answered 429: too many requests."""


class SourceUnavailableError(TransientSourceError):
    """The broker timed out, dropped the connection or answered 5xx."""


class CircuitOpenError(TransientSourceError):
    """The broker was not asked, because it failed again and again.

    Attributes:
        probe_at: When the next request may go.
    """

    def __init__(self, message: str, *, probe_at: datetime) -> None:
        super().__init__(message)
        self.probe_at = probe_at


class PermanentSourceError(SourceError):
    """The broker refused in a way that no retry can help."""


class AuthenticationError(PermanentSourceError):
    """The broker refused the token or the credentials."""


class RequestRefusedError(PermanentSourceError):
    """The broker refused the request itself."""


class AddressBlockedError(RequestRefusedError):
    """The network in front of the broker blocks this address."""


class ReplyTooLargeError(RequestRefusedError):
    """The reply would be too large; a smaller question may be answered."""


class RequestBudgetError(PermanentSourceError):
    """The day's budget of requests is spent; nothing was asked."""


class MalformedResponseError(PermanentSourceError):
    """The broker sent a reply that cannot be understood."""


class StoreError(JutsuError):
    """The system of record could not be used."""


class StoreUnavailableError(StoreError):
    """The system of record cannot be reached, read or written."""


class MixedSourceError(StoreError):
    """Bars of two sources would be mixed in one store."""


class SchemaVersionError(StoreError):
    """The store was made by a version of Jutsu that this one does not know."""
