"""Ways to tell a person: the log, e-mail, a webhook. A server that is dead costs a bounded time, and is told of.

``JUTSU_NOTIFY`` names them, separated by blanks: ``log``, ``mailto:ops@example.com``, ``https://…``.
Mail leaves through ``JUTSU_SMTP_URL``. Addresses may hold secrets: messages name their host alone.
"""

import hashlib
import json
import logging
import smtplib
import ssl
import threading
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from email.message import EmailMessage
from functools import partial
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from jutsu_assets.store.alerts import Alert
from jutsu_core.errors import ConfigurationError

LONGEST_SECONDS = 10.0
"""So long a target may take: looking its name up, connecting, and every byte."""
_logger = logging.getLogger("jutsu.alerts")
_SMTP_PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}
_FIRST_REFUSAL = 300

Send = Callable[[Sequence[Alert]], None]


class Notifier(NamedTuple):
    """One target.

    Attributes:
        name: What it is, without what is secret.
        key: Tells it from others; says nothing of the address.
        send: Tells it some alerts, or raises an OSError.
    """

    name: str
    key: str
    send: Send

    def tell(self, alerts: Sequence[Alert]) -> str | None:
        """Tell the target ``alerts``; return what went wrong, or None."""
        trouble: list[str | None] = [f"{self.name} must answer within {LONGEST_SECONDS:.0f} s, and did not"]

        def send() -> None:
            try:
                self.send(alerts)
                trouble[:] = [None]
            except Exception as error:  # noqa: BLE001 - what a server of somebody else's makes of us ends no run
                # What an exception says may hold the address, with what is secret in it.
                trouble[:] = [f"{self.name} must take alerts, and did not: {_kind(error)}"]

        # Looking a name up, and a server that sends a byte now and then, know no timeout of ours.
        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        thread.join(LONGEST_SECONDS)
        return trouble[0]


def notifiers_of(environment: Mapping[str, str]) -> list[Notifier]:
    """Return the targets that ``environment`` names; the log where it names none.

    Raises:
        ConfigurationError: A target cannot be understood, or mail has no server.
    """
    words = (environment.get("JUTSU_NOTIFY") or "log").split()
    return [_notifier(word, environment) for word in dict.fromkeys(words)]


def _notifier(word: str, environment: Mapping[str, str]) -> Notifier:
    key = hashlib.sha256(word.encode()).hexdigest()[:8]
    if word == "log":
        return Notifier("the log", key, _log)
    parts = _parts(word)
    if parts.scheme == "mailto" and "@" in parts.path:
        server = _server(environment)
        sender = parse_qs(server.query).get("from", ["jutsu@localhost"])[0]
        return Notifier(f"mail through {server.hostname}", key, partial(_mail, server, sender, unquote(parts.path)))
    if parts.scheme in {"http", "https"} and parts.hostname:
        return Notifier(f"the webhook at {parts.hostname}", key, partial(_post, word))
    message = (
        "JUTSU_NOTIFY must name targets such as log, mailto:ops@example.com or https://hooks.example.com/…, separated"
        f" by blanks; one of them is none ({parts.scheme or 'it has no scheme'}); correct it"
    )
    raise ConfigurationError(message)


def _parts(url: str) -> SplitResult:
    """Return the parts of ``url``; no scheme where it is beyond reading."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _server(environment: Mapping[str, str]) -> SplitResult:
    server = _parts(environment.get("JUTSU_SMTP_URL") or "smtp://localhost")
    try:
        is_sound = server.scheme in _SMTP_PORTS and bool(server.hostname) and (server.port or 1) > 0
    except ValueError:
        is_sound = False
    if not is_sound:
        message = (
            "JUTSU_SMTP_URL must be a URL such as smtp+starttls://user:password@mail.example.com:587?from=me@example.com,"
            f" with one of the schemes {', '.join(_SMTP_PORTS)}; correct it"
        )
        raise ConfigurationError(message)
    return server


def _log(alerts: Sequence[Alert]) -> None:
    for alert in alerts:
        if alert.is_over:
            _logger.info("over: %s: %s", alert.name, alert.message)
        else:
            _logger.warning("%s: %s", alert.name, alert.message)


def _mail(server: SplitResult, sender: str, recipient: str, alerts: Sequence[Alert]) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = _title(alerts), sender, recipient
    message.set_content("\n\n".join(map(_line, alerts)))
    context = ssl.create_default_context()
    port, host = server.port or _SMTP_PORTS[server.scheme], server.hostname or ""
    opened = (
        smtplib.SMTP_SSL(host, port, timeout=LONGEST_SECONDS, context=context)
        if server.scheme == "smtps"
        else smtplib.SMTP(host, port, timeout=LONGEST_SECONDS)
    )
    with opened as connection:
        if server.scheme == "smtp+starttls":
            connection.starttls(context=context)
        if server.username:
            connection.login(unquote(server.username), unquote(server.password or ""))
        connection.send_message(message)


def _post(url: str, alerts: Sequence[Alert]) -> None:
    body = {"text": "\n".join([_title(alerts), *map(_line, alerts)]), "alerts": [_as_json(alert) for alert in alerts]}
    request = urllib.request.Request(  # noqa: S310 - http and https alone come here
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json", "User-Agent": "jutsu"}
    )
    with urllib.request.build_opener(_NoRedirect).open(request, timeout=LONGEST_SECONDS) as reply:
        if reply.status >= _FIRST_REFUSAL:
            raise OSError(reply.status, "refused")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: an address with a secret in it is meant for one host."""

    def redirect_request(self, *_: object) -> None:
        """Return None: the redirect is an error."""


def _as_json(alert: Alert) -> dict[str, object]:
    return {
        "name": alert.name,
        "status": "resolved" if alert.is_over else "firing",
        "message": alert.message,
        "raised_at": alert.raised_at.isoformat(),
    }


def _title(alerts: Sequence[Alert]) -> str:
    over = sum(alert.is_over for alert in alerts)
    said = [f"{len(alerts) - over} raised"] * (len(alerts) > over) + [f"{over} over"] * (over > 0)
    return f"Jutsu: {', '.join(said)}: {', '.join(alert.name for alert in alerts)}"


def _line(alert: Alert) -> str:
    began = "Over" if alert.is_over else "Raised"
    return f"{began}: {alert.name}, since {alert.raised_at:%Y-%m-%d %H:%M} UTC: {alert.message}"


def _kind(error: Exception) -> str:
    status = getattr(error, "code", None) or getattr(error, "smtp_code", None)
    cause = getattr(error, "reason", None)
    name = type(cause if isinstance(cause, Exception) else error).__name__
    return f"{name} {status}" if status else name
