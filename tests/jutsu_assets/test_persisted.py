"""No secret is in what Dagster keeps, in what its API answers, or in what is said when a run fails.

Every secret that Jutsu takes is set to a text of its own, a run is made that fails, and everything that was
written or answered is searched for each: the databases cell by cell, compressed snapshots unpacked.
"""

import base64
import gzip
import json
import logging
import sqlite3
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import quote, quote_plus

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster_graphql.test.utils import execute_dagster_graphql

from jutsu_assets import clock
from jutsu_assets.definitions import defs
from jutsu_assets.graph.jobs import daily_update
from jutsu_assets.graph.partitions import RANGE_END, RANGE_START

SECRETS = {
    "password": "PASSW0RD/+@MARK",
    "sslpassword": "SSLPASSW0RD:MARK",
    "reader": "READER0PASSW0RD/+@MARK",
    "cache": "CACHE0PASSW0RD/+@MARK",
    "key": "APIKEY0MARK",
    "secret": "APPSECRET0MARK",
    "access": "ACCESS0MARK",
    "refresh": "REFRESH0MARK",
}
IN_THE_OPEN = "SERVER0MARK"
"""Is to be found: else nothing would be proved by finding nothing."""
ASKED = (
    """{ repositoriesOrError { ... on RepositoryConnection { nodes { allTopLevelResourceDetails {
        name description resourceType configFields { name description defaultValueAsJson }
        configuredValues { key value type } nestedResources { name type resource { name description
        configuredValues { key value type } } } } displayMetadata { key value } } } } }""",
    """{ workspaceOrError { ... on Workspace { locationEntries { displayMetadata { key value } locationOrLoadError {
        ... on PythonError { message stack } ... on RepositoryLocation { environmentPath
        dagsterLibraryVersions { name version } repositories { jobs { name runConfigSchema: modes { resources {
        name description configField { name description defaultValueAsJson } } } } } } } } } } }""",
    """{ runsOrError { ... on Runs { results { runConfigYaml tags { key value } eventConnection { events {
        ... on MessageEvent { message } ... on ErrorEvent { error { message stack className
        errorChain { error { message stack } } } } } } } } } }""",
    "{ instance { info runLauncher { name } daemonHealth { allDaemonStatuses { daemonType } } } }",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("persisted")


@pytest.fixture(scope="module")
def environment(home: Path) -> Iterator[None]:
    """Every secret in its place; the server of the database refuses connections."""
    token = {"access_token": SECRETS["access"], "refresh_token": SECRETS["refresh"], "expires_at": 2_000_000_000}
    (home / "token.json").write_text(json.dumps({"creation_timestamp": 1_790_000_000, "token": token}))
    (home / "token.json").chmod(0o600)
    login = f"jutsu:{quote(SECRETS['password'], safe='')}@127.0.0.1:1/{IN_THE_OPEN}"
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(home)
        for name, value in {
            "JUTSU_HOME": str(home / "var"),
            "JUTSU_UNIVERSE": str(home / "universe.yaml"),
            "JUTSU_DATABASE_URL": f"postgresql://{login}?sslpassword={quote_plus(SECRETS['sslpassword'])}",
            "JUTSU_DATABASE_READ_URL": f"postgresql://reader:{quote(SECRETS['reader'], safe='')}@127.0.0.1:1/jutsu",
            "JUTSU_CACHE_URL": f"redis://jutsu:{quote(SECRETS['cache'], safe='')}@127.0.0.1:1/0",
            "SCHWAB_API_KEY": SECRETS["key"],
            "SCHWAB_APP_SECRET": SECRETS["secret"],
            "SCHWAB_TOKEN_PATH": str(home / "token.json"),
        }.items():
            patched.setenv(name, value)
        patched.delenv("SCHWAB_BASE_URL", raising=False)
        patched.setattr(clock.SystemSleeper, "sleep", lambda *_: None)
        (home / "universe.yaml").write_text("symbols: [AAPL]\nhistory_start: 2013-01-02\n")
        yield


@pytest.fixture(scope="module")
def written(home: Path, environment: None) -> dict[str, str]:
    """What was answered, logged and raised, after a run that failed; what was kept lies below ``home``."""
    del environment
    shown: dict[str, str] = {}
    (home / "dagster").mkdir()
    records: list[logging.LogRecord] = []

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    listening = Listening()
    logging.getLogger().addHandler(listening)
    try:
        with dg.DagsterInstance.local_temp(str(home / "dagster")) as instance:
            job = defs().resolve_job_def(daily_update.name)
            tags = {RANGE_START: "AAPL", RANGE_END: "AAPL"}
            result = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
            assert not result.success
            shown["events"] = "\n".join(map(str, instance.all_logs(result.run_id)))
            shown |= _answers(instance)
    finally:
        logging.getLogger().removeHandler(listening)
    shown["log"] = "\n".join(f"{record.getMessage()} {record.exc_info} {record.args}" for record in records)
    return shown


def _answers(instance: dg.DagsterInstance) -> dict[str, str]:
    target = LoadableTargetOrigin(module_name="jutsu_assets.definitions", attribute="defs")
    origin = InProcessCodeLocationOrigin(loadable_target_origin=target, location_name="jutsu")
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore")  # Dagster's own, of what it does itself
        process = stack.enter_context(WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origin)))
        context = process.create_request_context()
        answers = {}
        for number, query in enumerate(ASKED):
            result = execute_dagster_graphql(context, query)
            assert not result.errors, result.errors
            answers[f"answer {number}"] = json.dumps(result.data)
        return answers


def _forms(secret: str) -> set[bytes]:
    """Return how ``secret`` may stand somewhere."""
    plain = {
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
    }
    coded = {base64.b64encode(secret.encode())[: len(secret) // 3 * 4]}
    return {text.encode() for text in plain} | coded


def _unpacked(raw: bytes) -> bytes:
    """Return ``raw`` with what it is the packing of."""
    for unpack in (zlib.decompress, gzip.decompress, base64.b64decode):
        try:
            inner = unpack(raw)
        except (ValueError, OSError, EOFError, zlib.error):
            continue
        return raw + b"\n" + _unpacked(inner) if inner else raw
    return raw


def _cells(path: Path) -> Iterator[tuple[str, bytes]]:
    with closing(sqlite3.connect(path)) as connection:
        for (table,) in connection.execute("select name from sqlite_master where type = 'table'").fetchall():
            for row in connection.execute(f'select * from "{table}"'):  # noqa: S608
                for cell in row:
                    if isinstance(cell, str | bytes):
                        yield f"{path.name}: {table}", cell.encode() if isinstance(cell, str) else cell


@pytest.fixture(scope="module")
def everything(home: Path, written: dict[str, str]) -> list[tuple[str, bytes]]:
    """All that was kept and shown, unpacked, with where it is."""
    found = [(place, text.encode()) for place, text in written.items()]
    for path in sorted(home.rglob("*")):
        if not path.is_file() or path.name == "token.json":
            continue
        raw = path.read_bytes()
        found.append((str(path), _unpacked(raw)))
        if raw.startswith(b"SQLite format 3"):
            found += [(place, _unpacked(cell)) for place, cell in _cells(path)]
    return found


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_is_kept_or_shown(everything: list[tuple[str, bytes]], name: str) -> None:
    forms = _forms(SECRETS[name])
    assert [place for place, raw in everything if any(form in raw for form in forms)] == []


@pytest.mark.parametrize(
    "is_there",
    [
        lambda place: place == "answer 0",
        lambda place: place == "answer 2",
        lambda place: place == "events",
        lambda place: place.endswith("snapshots"),
        lambda place: place.endswith("event_logs"),
    ],
    ids=["resources", "runs", "events", "snapshots", "event log"],
)
def test_what_is_no_secret_is_found_everywhere(
    everything: list[tuple[str, bytes]], is_there: Callable[[str], bool]
) -> None:
    assert [place for place, raw in everything if is_there(place) and IN_THE_OPEN.encode() in raw]


def test_what_is_packed_is_searched() -> None:
    packed = gzip.compress(base64.b64encode(zlib.compress(b"x" + SECRETS["key"].encode())))
    assert SECRETS["key"].encode() in _unpacked(packed)
