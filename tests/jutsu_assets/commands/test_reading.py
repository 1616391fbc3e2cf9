"""``jutsu report``, ``jutsu sql`` and ``jutsu simulator``: what they show, refuse and leave alone."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from jutsu_assets.clock import SystemClock, SystemSleeper
from jutsu_assets.commands.cli import main
from jutsu_assets.lake.files import Lake
from jutsu_assets.schwab.tokens import FileTokenStore
from jutsu_assets.simulator.app import SchwabSimulator
from jutsu_assets.simulator.catalog import FAULTS, SETTINGS
from jutsu_assets.simulator.server import SimulatorServer, serve
from jutsu_assets.store.engine import Database
from jutsu_assets.store.manifest import SeriesManifest
from jutsu_assets.store.reports import PerformanceReports, StoredReport
from jutsu_core.metrics.periods import symbol_performance


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with a universe of two symbols, without store or credentials."""
    (tmp_path / "universe.yaml").write_text("symbols: [IBM, MSFT]\nhistory_start: 2011-01-03\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with mock.patch.dict(os.environ):
        for name in [name for name in os.environ if name.startswith(("SCHWAB_", "JUTSU_"))]:
            del os.environ[name]
        yield tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def fill(home: Path, *symbols: str) -> Path:
    """Store a report and a series of each symbol; return the folder of the sample data."""
    sample = home / "var" / "sample"
    days = pd.bdate_range("2011-01-03", periods=300, tz="UTC")
    closes = pd.Series(np.linspace(10.0, 20.0, 300), index=days)
    report = symbol_performance(closes, periods_per_year=252, risk_free_rate=0.0)
    database, clock = Database(f"sqlite:///{sample / 'jutsu.db'}", SystemSleeper()), SystemClock()
    lake = Lake(sample / "lake", SeriesManifest(database, clock), clock)
    for symbol in symbols:
        PerformanceReports(database, clock).save(symbol, StoredReport("1", report))
        frame = pd.DataFrame({"symbol": symbol, "timestamp": days, "close": closes.to_numpy()})
        lake.publish("daily_indicators", symbol, frame, input_hash="1")
    database.close()
    return sample


@pytest.mark.parametrize("command", [["report"], ["sql", "select 1"]])
def test_an_empty_store_says_what_to_do_and_is_not_created(home: Path, command: list[str]) -> None:
    before = sorted(home.rglob("*"))
    result = run(*command)
    assert result.exit_code == 1
    assert re.match(r"Error: nothing is stored in \S+/var/sample/jutsu\.db yet; materialize first: ", result.output)
    assert sorted(home.rglob("*")) == before
    fill(home)
    Database(f"sqlite:///{home / 'var' / 'sample' / 'jutsu.db'}", SystemSleeper()).close()
    assert run(*command).output == result.output


def test_the_report_is_of_the_universe_and_names_what_is_no_longer_followed(home: Path) -> None:
    fill(home, "IBM", "GOOG")
    result = run("report")
    assert result.exit_code == 0, result.output
    rows = re.findall(r"\u2502 (\w+) +\u2502 (\S+) ", result.output)
    assert rows == [("IBM", "2011*"), ("IBM", "2012*"), ("IBM", "all")]
    assert "Stored, but no longer in the universe: GOOG" in result.output
    assert "Without a report yet: MSFT" in result.output
    assert "SAMPLE DATA" in result.output
    assert f"Report:  {home / 'var' / 'sample' / 'reports' / 'index.html'}" in result.output


def test_the_report_does_not_load_dagster(home: Path) -> None:
    fill(home, "IBM")
    code = "import sys; from jutsu_assets.commands.cli import main; main(['report'], standalone_mode=False)"
    code += "; sys.exit('dagster' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("query", ["", "  ", ";", "/* nothing */"])
def test_an_empty_query_is_refused(home: Path, query: str) -> None:
    fill(home, "IBM")
    result = run("sql", query)
    assert result.exit_code == 2
    assert "QUERY must be a SQL statement" in result.output


def test_a_result_without_rows_is_shown_as_one(home: Path) -> None:
    fill(home, "IBM")
    assert "close" in run("sql", "select close from daily_indicators where close < 0").output
    assert run("sql", "--unsafe", "set threads = 1").exit_code == 0
    assert "daily_indicators" in run("sql", "show tables").output


@pytest.mark.parametrize(
    ("options", "said"),
    [(["select * from nowhere"], "nowhere"), (["--unsafe", "select * from read_parquet('gone.parquet')"], "gone")],
)
def test_an_unknown_view_or_file_is_one_line(home: Path, options: list[str], said: str) -> None:
    fill(home, "IBM")
    result = run("sql", *options)
    assert result.exit_code == 1
    assert said in result.output
    assert result.output.count("\n") == 1


READING = (
    "select count(*) from daily_indicators",
    "from daily_indicators limit 1",
    "with one as (select 1 as x) select x from one",
    "select 1; select count(*) from daily_indicators",
    "describe daily_indicators",
    "summarize daily_indicators",
    "show tables",
    "explain select * from daily_indicators",
    "explain analyze select * from daily_indicators",
    "pivot daily_indicators on symbol using max(close)",
    'with t as (select 1 as query, 2 as "copy") select t.query, "copy" from t where query in (1)',
    "select 'copy \u00e9', \"symbol\" from daily_indicators where symbol = 'COPY' or symbol in ('query') -- copy",
)
WRITING = (
    "copy daily_indicators to '{file}' (format parquet, use_tmp_file false)",
    "COPY (select 1) TO '{outside}/x.csv'",
    "select 1; copy daily_indicators to '{outside}/x.csv'",
    "with a as (copy (select 1) to '{file}' (format parquet, use_tmp_file false)) select 1",
    "explain analyze copy (select 1) to '{file}' (format parquet, use_tmp_file false)",
    "prepare p as copy (select 1) to '{outside}/x.csv'; execute p",
    "from json_execute_serialized_sql(json_serialize_sql('with a as (copy (select 1) to ''{file}'') select 1'))",
    "from \"query\"('select * from json_execute_serialized_sql(json_serialize_sql(''select 1''))')",
    "from QUERY /* a remark */ ('select 1')",
    "from main . \"Query\" -- another\n ('select 1')",
    "copy daily_indicators from '{outside}/kept.csv'",
    "export database '{outside}/e'",
    "import database '{outside}'",
    "attach '{outside}/x.db'",
    "attach ':memory:' as other",
    "install httpfs",
    "load httpfs",
    "update extensions",
    "create table t as select 1",
    "create persistent secret (type s3)",
    "create view v as select * from read_csv('{outside}/kept.csv')",
    "drop view daily_indicators",
    "set enable_external_access = true",
    "reset lock_configuration",
    "set variable x = 1",
    "pragma profiling_output = '{outside}/x.json'",
    "pragma enable_profiling",
    "call enable_logging(storage = 'file', storage_path = '{outside}/log')",
    "checkpoint",
)
OUTSIDE = (
    "select * from read_csv('{outside}/kept.csv')",
    "select * from read_text('{outside}/kept.csv')",
    "select * from read_blob('{outside}/kept.csv')",
    "select * from sniff_csv('{outside}/kept.csv')",
    "select * from '{outside}/kept.csv'",
    "select * from glob('{outside}/*')",
    "select * from glob('/etc/*')",
    "select * from read_parquet('{folder}/*.parquet')",
    "select * from read_parquet('https://example.com/x.parquet')",
    "select * from duckdb_secrets()",
    "select * from enable_logging(storage = 'file', storage_path = '{outside}/log')",
)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a series of IBM, and a folder ``outside`` with a file; no query may change either."""
    folder = tmp_path_factory.mktemp("sql")
    fill(folder, "IBM")
    (folder / "outside").mkdir()
    (folder / "outside" / "kept.csv").write_text("a,b\n1,2\n")
    return folder


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.suffix in {".parquet", ".csv"}}


@pytest.fixture
def ask(stored: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    del home
    monkeypatch.setenv("JUTSU_HOME", str(stored / "var"))
    (file,) = stored.rglob("*.parquet")

    def make(query: str, *options: str) -> Result:
        return run("sql", *options, query.format(file=file, folder=file.parent, outside=stored / "outside"))

    return make


@pytest.mark.parametrize("query", READING)
def test_a_query_may_read(ask: Callable[..., Result], query: str) -> None:
    result = ask(query)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("query", [*WRITING, *OUTSIDE])
def test_a_query_reads_the_lake_alone_and_writes_nothing(ask: Callable[..., Result], stored: Path, query: str) -> None:
    before, entries = contents(stored), sorted(stored.rglob("*"))
    result = ask(query)
    assert result.exit_code == 1, result.output
    assert "Error: " in result.output
    assert "jutsu sql --unsafe" in result.output
    assert "Traceback" not in result.output
    assert contents(stored) == before
    assert sorted(stored.rglob("*")) == entries


def test_a_query_sees_no_secret_of_the_environment_and_no_variable_of_the_program(
    ask: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHWAB_APP_SECRET", "S3CRET")
    for query in ("select getenv('SCHWAB_APP_SECRET')", "select * from settings", "select * from relation"):
        result = ask(query)
        assert result.exit_code == 1
        assert "S3CRET" not in result.output


def test_what_is_unsafe_is_to_be_had(ask: Callable[..., Result], tmp_path: Path) -> None:
    target = tmp_path / "mine.csv"
    assert ask(f"copy (select 1 as x) to '{target}'", "--unsafe").exit_code == 0
    assert target.read_text() == "x\n1\n"
    assert "1" in ask("select * from read_csv('{outside}/kept.csv')", "--unsafe").output


def test_a_syntax_error_shows_where_it_is(home: Path) -> None:
    fill(home, "IBM")
    result = run("sql", "selec 1")
    assert result.exit_code == 1
    assert "syntax error" in result.output
    assert "Traceback" not in result.output


def test_a_lake_without_a_sound_file_is_one_line(home: Path) -> None:
    next(fill(home, "IBM").rglob("*.parquet")).unlink()
    result = run("sql", "select * from daily_indicators")
    assert result.exit_code == 1
    assert "is missing; materialize daily_indicators of IBM again" in result.output
    assert result.output.count("\n") == 1


@pytest.mark.parametrize("options", [[], ["--unsafe"]])
def test_a_file_that_is_not_what_was_written_costs_its_own_symbol(home: Path, options: list[str]) -> None:
    path = next(fill(home, "IBM", "MSFT").rglob("IBM-*.parquet"))
    path.write_bytes(path.read_bytes()[:100])
    result = run("sql", *options, "select distinct symbol from daily_indicators")
    assert result.exit_code == 0
    assert "MSFT" in result.stdout
    assert "IBM" not in result.stdout
    assert result.stderr.startswith("Warning: left out, because it is not what was written: daily_indicators of IBM: ")
    assert result.stderr.endswith("; materialize daily_indicators of IBM again\n")
    assert result.stderr.count("\n") == 1


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[SimulatorServer]:
    """The servers that a command started; each ends at once instead of waiting."""
    pytest.importorskip("bokeh_sampledata", reason="the sample data are not installed")
    servers: list[SimulatorServer] = []
    monkeypatch.setattr(SimulatorServer, "wait", lambda server: servers.append(server))  # noqa: PLW0108 - to be bound
    return servers


def exports(output: str) -> dict[str, str]:
    return dict(re.findall(r"^  export (\w+)=(.*)$", output, flags=re.MULTILINE))


def test_the_simulator_prints_what_keeps_it_away_from_everything_else(
    home: Path, served: list[SimulatorServer]
) -> None:
    result = run("simulator", "--port", "0")
    assert result.exit_code == 0, result.output
    said = exports(result.output)
    assert said["SCHWAB_BASE_URL"] == served[0].url
    assert said["JUTSU_HOME"] == str(home / "var" / "simulator")
    assert said["JUTSU_DATABASE_URL"] == ""
    assert FileTokenStore(Path(said["SCHWAB_TOKEN_PATH"])).read()
    assert served[0].simulator.faults.faults == ()
    assert "its clock stands at 2013-03-02 01:00 UTC" in result.output
    assert ".env" not in result.output


def test_the_simulator_warns_of_a_file_env(home: Path, served: list[SimulatorServer]) -> None:
    (home / ".env").touch()
    assert "Take the file .env away" in run("simulator", "--port", "0").output
    assert len(served) == 1


def test_the_simulator_takes_faults_and_a_day(home: Path, served: list[SimulatorServer]) -> None:
    options = ["--port", "0", "--fault", "server_error:2", "--fault", "restated", "--today", "2012-06-01"]
    result = run("simulator", *options)
    assert result.exit_code == 0, result.output
    (server,) = served
    assert [(fault.name, fault.count) for fault in server.simulator.faults.faults] == [
        ("500", 2),
        ("restated bar", None),
    ]
    assert server.simulator.now().isoformat() == "2012-06-02T00:00:00+00:00"
    token: dict[str, Any] = FileTokenStore(home / "var" / "simulator" / "token.json").read()["token"]
    assert token["expires_at"] > 1


def test_a_fault_of_tokens_comes_at_the_first_request(home: Path, served: list[SimulatorServer]) -> None:
    assert run("simulator", "--port", "0", "--fault", "token_refused").exit_code == 0
    assert len(served) == 1
    assert FileTokenStore(home / "var" / "simulator" / "token.json").read()["token"]["expires_at"] == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "99999"], "0<=x<=65535"),
        (["--port", "-1"], "0<=x<=65535"),
        (["--fault", "nonsense"], "a fault must be a name such as server_error or R5-soon"),
        (["--today", "soon"], "does not match the format"),
        (["--today", "1999-01-01"], "today must be a day on which there are bars"),
    ],
)
def test_the_simulator_refuses_what_it_cannot_do(
    home: Path, served: list[SimulatorServer], options: list[str], said: str
) -> None:
    result = run("simulator", *options)
    assert result.exit_code in {1, 2}
    assert said in result.output
    assert "Traceback" not in result.output
    assert served == []
    assert not (home / "var").exists()


def test_the_help_lists_every_fault() -> None:
    words = set(run("simulator", "--help").output.split())
    assert {*FAULTS, *SETTINGS} <= words


def test_the_simulator_plays_a_script_over_a_folder_of_bars(home: Path, served: list[SimulatorServer]) -> None:
    """The clock runs from where the script puts it, and the script's faults stand before those of the command."""
    (home / "bars").mkdir()
    (home / "bars" / "BRK%2FB.csv").write_text(
        "Date,Open,High,Low,Close,Volume\n2020-03-02,10,12,9,11,100\n2020-03-03,11,12,10,11.5,200\n", encoding="utf-8"
    )
    (home / "faults.yaml").write_text(
        "clock: {now: 2020-03-03T21:00:00Z, rate: 60}\nfaults: [{fault: R3, times: 2}]\n", encoding="utf-8"
    )
    options = ["--port", "0", "--data", "bars", "--faults", "faults.yaml", "--fault", "R7:1", "--fault", "O10"]
    result = run("simulator", *options)
    assert result.exit_code == 0, result.output
    (server,) = served
    app = server.simulator
    assert app.history.symbols == ("BRK/B",)
    assert app.now() >= datetime(2020, 3, 3, 21, tzinfo=UTC)
    assert [fault.count for fault in app.faults.faults] == [2, 1]
    assert app.switches.rotate_refresh_tokens
    token: dict[str, Any] = FileTokenStore(home / "var" / "simulator" / "token.json").read()["token"]
    assert token["expires_at"] == 1


def test_a_folder_without_bars_is_named(home: Path) -> None:
    (home / "bars").mkdir()
    result = run("simulator", "--port", "0", "--data", "bars")
    assert result.exit_code == 1
    assert re.search(r"the folder \S*bars must hold files of bars .\.csv, .*holds none", result.output)


def test_a_second_simulator_on_a_taken_port_leaves_the_first_ones_token_alone(home: Path) -> None:
    simulator, path = SchwabSimulator(), home / "var" / "simulator" / "token.json"
    FileTokenStore(path).write(simulator.issue_login())
    before = path.read_bytes()
    with serve(simulator, port=0) as first:
        result = run("simulator", "--port", str(first.port))
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{first.port}" in result.output
    assert path.read_bytes() == before


def test_a_report_of_some_symbols_shows_those_alone(home: Path) -> None:
    fill(home, "IBM", "MSFT", "GONE")
    result = run("report", "MSFT", "GONE")
    assert result.exit_code == 0, result.output
    assert [symbol for symbol in ("IBM", "MSFT", "GONE") if f" {symbol} " in result.output] == ["MSFT", "GONE"]
    assert "\x1b" not in result.output
    assert "Without a report" not in result.output


def test_a_symbol_without_a_report_is_named(home: Path) -> None:
    fill(home, "IBM")
    result = run("report", "IBM", "NOSUCH")
    assert result.exit_code == 1
    assert "Error: NOSUCH must have a stored report, has none; there are reports of IBM" in result.output


def test_the_universe_of_the_package_is_named_where_it_is_followed(home: Path) -> None:
    fill(home, "IBM")
    (home / "universe.yaml").unlink()
    result = run("report")
    assert "No universe.yaml here" in result.stderr
    assert "Without a report yet: AAPL" in result.stdout
