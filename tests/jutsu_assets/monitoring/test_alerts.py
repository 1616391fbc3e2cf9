"""Alerts are told once, their end once, whoever looks and however often; a dead server costs a bounded time."""

import json
import logging
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest
from click.testing import CliRunner

from jutsu_assets.commands.cli import main
from jutsu_assets.graph.sensors import build_alert_sensor
from jutsu_assets.monitoring import notifiers as notifiers_module
from jutsu_assets.monitoring.alerts import Told, look_and_tell
from jutsu_assets.monitoring.notifiers import Notifier, notifiers_of
from jutsu_assets.store.alerts import LEASE, Alert, Alerts
from jutsu_assets.store.engine import Database
from jutsu_core.errors import ConfigurationError
from tests.jutsu_assets.monitoring.conftest import Installation
from tests.support.builders import SettableClock

WRONG = {"a": "a is wrong"}


class Target:
    """Remembers what it was told, or refuses it."""

    def __init__(self, key: str = "target") -> None:
        self.heard: list[tuple[str, bool]] = []
        self.is_dead = False
        self.notifier = Notifier(key, key, self.send)

    def send(self, alerts: object) -> None:
        if self.is_dead:
            raise ConnectionRefusedError
        self.heard += [(alert.name, alert.is_over) for alert in alerts]  # type: ignore[attr-defined]


def tell(at: Installation, *targets: Target) -> Told:
    with at.look() as observed:
        return look_and_tell(observed, [target.notifier for target in targets], at.clock)


def fail(at: Installation, symbol: str = "IBM") -> None:
    at.market.failures.record([symbol], ["daily_bars"], "Schwab answered 404")


def test_a_problem_is_told_once_and_its_end_once(installation: Installation) -> None:
    target = Target()
    assert tell(installation, target) == Told((), (), ())
    fail(installation)
    assert tell(installation, target).raised == ("partitions_are_made",)
    fail(installation, "AAPL")
    for _ in range(3):
        installation.clock.advance(timedelta(hours=1))
        assert tell(installation, target) == Told((), (), ())
    for symbol in ("IBM", "AAPL"):
        installation.market.failures.clear("daily_bars", symbol)
    assert tell(installation, target).over == ("partitions_are_made",)
    assert tell(installation, target) == Told((), (), ())
    fail(installation)
    tell(installation, target)
    assert [over for _, over in target.heard] == [False, True, False]


def test_a_target_that_is_dead_is_told_later_and_the_other_only_once(installation: Installation) -> None:
    dead, alive = Target("dead"), Target("alive")
    dead.is_dead = True
    fail(installation)
    told = tell(installation, dead, alive)
    assert told.raised == ("partitions_are_made",)
    assert told.troubles == ("dead must take alerts, and did not: ConnectionRefusedError",)
    dead.is_dead = False
    tell(installation, dead, alive)
    installation.market.failures.clear("daily_bars", "IBM")
    dead.is_dead = True
    tell(installation, dead, alive)
    dead.is_dead = False
    tell(installation, dead, alive)
    assert dead.heard == alive.heard == [("partitions_are_made", False), ("partitions_are_made", True)]


def test_what_was_never_told_ends_in_silence(installation: Installation) -> None:
    target = Target()
    target.is_dead = True
    fail(installation)
    tell(installation, target)
    installation.market.failures.clear("daily_bars", "IBM")
    target.is_dead = False
    assert tell(installation, target) == Told((), (), ())


@pytest.mark.slow
def test_a_store_that_cannot_be_reached_is_told_once_and_its_return_once(installation: Installation) -> None:
    """It stands beside the store meanwhile; what was told before is not told again when it is back."""
    target, home = Target(), installation.settings.home
    fail(installation)
    tell(installation, target)
    store, away = home / "jutsu.db", home / "away.db"
    for _ in range(2):
        installation.market.database.close()
        store.rename(away)
        store.write_bytes(b"no database, though a file is there" * 200)
        for _ in range(2):
            installation.clock.advance(timedelta(minutes=5))
            tell(installation, target)
        assert (home / "alerts.db").exists()
        away.replace(store)
        for _ in range(2):
            tell(installation, target)
        assert not (home / "alerts.db").exists()
    outage = [("there_is_a_store", False), ("there_is_a_store", True)]
    assert target.heard == [("partitions_are_made", False), *outage, *outage]


def test_a_target_that_was_dead_hears_later_that_the_store_was_away(installation: Installation) -> None:
    dead, alive, home = Target("dead"), Target("alive"), installation.settings.home
    store, away = home / "jutsu.db", home / "away.db"
    installation.market.database.close()
    store.rename(away)
    store.write_bytes(b"no database, though a file is there" * 200)
    tell(installation, dead, alive)
    away.replace(store)
    dead.is_dead = True
    assert tell(installation, dead, alive).over == ("there_is_a_store",)
    dead.is_dead = False
    assert tell(installation, dead, alive).over == ("there_is_a_store",)
    assert dead.heard == alive.heard == [("there_is_a_store", False), ("there_is_a_store", True)]


def test_two_processes_tell_an_alert_once(database: Database, clock: SettableClock) -> None:
    """On SQLite and on PostgreSQL; who was killed while it told is taken over when its lease is over."""
    one, other = (Alerts(database, clock, "target") for _ in range(2))
    (claimed,) = one.settle(WRONG, ["a", "b"])
    assert claimed == Alert("a", "a is wrong", clock.now(), is_over=False)
    assert other.settle(WRONG, ["a"]) == []
    assert other.settle({}, ["a"]) == []
    clock.advance(LEASE + timedelta(seconds=1))
    assert other.settle(WRONG, ["a"]) == [claimed]
    other.told([claimed], was_told=True)
    assert one.settle(WRONG, ["a"]) == []
    (over,) = one.settle({}, ["a"])
    assert over.is_over
    assert other.settle({}, ["a"]) == []
    one.told([over], was_told=False)
    assert other.settle({}, ["a"]) == [over]
    other.told([over], was_told=False)
    assert one.settle(WRONG, ["a"]) == [], "what comes back before its end was told has not ended"
    (over,) = one.settle({}, ["a"])
    one.told([over], was_told=True)
    assert other.settle({}, ["a"]) == []


def test_what_was_not_looked_at_stays_and_targets_are_apart(database: Database, clock: SettableClock) -> None:
    alerts = Alerts(database, clock, "target")
    alerts.told(alerts.settle(WRONG, ["a"]), was_told=True)
    assert alerts.settle({}, ["b"]) == []
    assert [alert.name for alert in Alerts(database, clock, "another").settle(WRONG, ["a"])] == ["a"]
    assert [alert.name for alert in alerts.settle({}, ["a", "b"])] == ["a"]


ALERTS = (
    Alert("a", "a is wrong; mend it\n.", SettableClock().now(), is_over=False),
    Alert("b", "b was wrong", SettableClock().now(), is_over=True),
)


@contextmanager
def served(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(("status", "trouble"), [(204, None), (302, "HTTPError 302"), (500, "HTTPError 500")])
def test_a_webhook_gets_one_post_that_names_each(status: int, trouble: str | None) -> None:
    got: list[dict[str, object]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with served(HTTPServer(("127.0.0.1", 0), Hook)) as port:
        (notifier,) = notifiers_of({"JUTSU_NOTIFY": f"http://127.0.0.1:{port}/secret-path"})
        said = notifier.tell(ALERTS)
    assert (said is None) == (trouble is None)
    if trouble is not None:
        assert said == f"the webhook at 127.0.0.1 must take alerts, and did not: {trouble}"
    (body,) = got
    assert body["text"].startswith("Jutsu: 1 raised, 1 over: a, b\nRaised: a, since")  # type: ignore[attr-defined]
    assert [entry["status"] for entry in body["alerts"]] == ["firing", "resolved"]  # type: ignore[attr-defined]


class Smtp(socketserver.StreamRequestHandler):
    """As much of SMTP as a mail needs."""

    got: list[str]

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            word = line.split()[0].upper()
            self.got.append(line.decode().strip())
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                while (part := self.rfile.readline()) != b".\r\n":
                    self.got.append(part.decode().strip())
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")


def test_a_mail_is_one_for_all() -> None:
    got: list[str] = []
    handler = type("Handler", (Smtp,), {"got": got})
    with served(socketserver.TCPServer(("127.0.0.1", 0), handler)) as port:
        variables = {
            "JUTSU_NOTIFY": "mailto:ops@example.com",
            "JUTSU_SMTP_URL": f"smtp://127.0.0.1:{port}?from=j@x.org",
        }
        (notifier,) = notifiers_of(variables)
        assert notifier.tell(ALERTS) is None
    assert "Subject: Jutsu: 1 raised, 1 over: a, b" in got
    assert any(line.lower().startswith("mail from:<j@x.org>") for line in got)
    assert any(line.lower().startswith("rcpt to:<ops@example.com>") for line in got)
    assert any(line.startswith("Raised: a, since") for line in got)


@pytest.mark.parametrize("target", ["http://127.0.0.1:{port}/x", "mailto:ops@example.com"])
def test_a_server_that_never_answers_costs_a_bounded_time(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifiers_module, "LONGEST_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        variables = {"JUTSU_NOTIFY": target.format(port=port), "JUTSU_SMTP_URL": f"smtp://127.0.0.1:{port}"}
        (notifier,) = notifiers_of(variables)
        said = notifier.tell(ALERTS)
    assert said is not None
    assert "127.0.0.1 must" in said


def test_the_log_gets_a_line_each(caplog: pytest.LogCaptureFixture) -> None:
    (notifier,) = notifiers_of({})
    with caplog.at_level(logging.INFO, logger="jutsu"):
        assert notifier.tell(ALERTS) is None
    assert [(record.levelname, record.name) for record in caplog.records] == [
        ("WARNING", "jutsu.alerts"),
        ("INFO", "jutsu.alerts"),
    ]


@pytest.mark.parametrize(
    "variables",
    [
        {"JUTSU_NOTIFY": "ftp://me:secret-word@x.org"},
        {"JUTSU_NOTIFY": "log http://[secret-word"},
        {"JUTSU_NOTIFY": "mailto:secret-word"},
        {"JUTSU_NOTIFY": "mailto:a@b.c", "JUTSU_SMTP_URL": "http://me:secret-word@x.org"},
        {"JUTSU_NOTIFY": "mailto:a@b.c", "JUTSU_SMTP_URL": "smtp://me:secret-word@x.org:port"},
    ],
)
def test_a_target_that_cannot_be_understood_is_refused_without_its_secret(variables: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"JUTSU_(NOTIFY|SMTP_URL) must .*; correct it") as refused:
        notifiers_of(variables)
    assert "secret-word" not in str(refused.value)


def test_the_sensor_tells_and_says_in_its_tick_what(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(installation.folder)
    for name, value in installation.environment.items():
        monkeypatch.setenv(name, value)
    sensor = build_alert_sensor(installation.settings, installation.clock, is_on=False)
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    fail(installation)
    said = []
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            result = sensor(dg.build_sensor_context(instance))
            assert isinstance(result, dg.SkipReason)
            said.append(result.skip_message)
        monkeypatch.setenv("JUTSU_NOTIFY", "nowhere")
        wrong = sensor(dg.build_sensor_context(instance))
    assert said == ["raised: partitions_are_made", "nothing changed"]
    assert isinstance(wrong, dg.SkipReason)
    assert str(wrong.skip_message).startswith("not told: JUTSU_NOTIFY must")
    assert [record.name for record in caplog.records if record.name.startswith("jutsu")] == ["jutsu.alerts"]


def test_the_doctor_tells_cron_s_user_too(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(installation.folder)
    for name, value in installation.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("JUTSU_NOTIFY", "http://127.0.0.1:1/")
    fail(installation)
    result = CliRunner().invoke(main, ["doctor", "--notify"])
    assert result.exit_code == 1
    assert "not told: the webhook at 127.0.0.1 must take alerts, and did not: ConnectionRefusedError" in result.output
    monkeypatch.setenv("JUTSU_NOTIFY", "nowhere")
    assert CliRunner().invoke(main, ["doctor", "--notify"]).exit_code == 2
