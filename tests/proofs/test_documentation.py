"""Every command, program and piece of configuration in README and docs, as a reader would type it."""

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.proofs.installed import ROOT, Installed
from tests.proofs.test_installed import MATERIALIZE

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^ *```(console|python|yaml)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"\s+# .*$")
_SECONDS = 120

BY_MAKE = "the demo and the tests of a fresh clone run it"
BY_HAND = "it needs a person, or an account"
SHELL = "it changes the reader's shell alone; what it sets is set here"
SERVER = "it needs a PostgreSQL server; the tests of the store run it over one"
BROKER = "it needs a broker; the proof of the workers runs it over one"
CONTAINERS = "it needs a container engine; the tests of deploy/ hold its services together"
NOT_RUN = {
    "make demo": BY_MAKE,
    "make dev": BY_MAKE,
    "source .venv/bin/activate": SHELL,
    'export DAGSTER_HOME="$PWD"': SHELL,
    "echo JUTSU_AUTOMATION=on >> .env": SHELL,
    "export SCHWAB_API_KEY=... SCHWAB_APP_SECRET=... SCHWAB_CALLBACK_URL=https://127.0.0.1:8182": SHELL,
    "jutsu login": BY_HAND,
    "jutsu login --manual": BY_HAND,
    "jutsu copy postgresql+psycopg://jutsu@db.example/jutsu": SERVER,
    "export JUTSU_DATABASE_URL=postgresql+psycopg://jutsu@db.example/jutsu": SHELL,
    "export JUTSU_DATABASE_READ_URL=postgresql+psycopg://reader@replica.example/jutsu": SHELL,
    "export JUTSU_CACHE_URL=redis://cache.example:6379/0": SHELL,
    "jutsu instance move postgresql://jutsu@db.example/jutsu": SERVER,
    "celery -A dagster_celery.app worker -n jutsu-1@%h": BROKER,
    "export JUTSU_DAGSTER_URL=postgresql://jutsu@db.example/jutsu": SHELL,
    "docker compose -f deploy/compose.yaml up --detach --build --wait": CONTAINERS,
    "docker compose -f deploy/compose.yaml exec jutsu jutsu login --manual": CONTAINERS,
    "docker compose -f deploy/compose.yaml exec jutsu jutsu doctor": CONTAINERS,
    "docker compose -f deploy/compose.yaml logs --follow worker": CONTAINERS,
}


@dataclass(frozen=True)
class Said:
    """What a command of the docs is to say.

    Attributes:
        text: A part of it.
        status: Its exit status; None of one that goes on until it is stopped.
    """

    text: str
    status: int | None = 0


_ALL = '--select "daily_bars,daily_indicators,symbol_performance"'
EXPECTED = {
    "jutsu ui": Said("Dagster UI:", None),
    "jutsu update": Said("5 of 5"),
    "jutsu update AAPL MSFT": Said("2 of 2"),
    "jutsu update --require-live": Said("bars must come from Schwab", 2),
    "jutsu portfolios": Said("Tear sheet:"),
    "jutsu portfolios moving_average_cross": Said("moving_average_cross"),
    "jutsu verify-report var/sample/reports/portfolio@moving_average_cross.json": Said("every figure is what its data"),
    "jutsu quality list": Said("no_bar_is_stale"),
    'jutsu quality acknowledge AAPL no_bar_is_stale --session 2003-01-29 --reason "so in the source"': Said("acknowl"),
    f"dagster asset materialize -m jutsu_assets.definitions {_ALL} --partition NVDA": Said("NVDA", 1),
    f'dagster asset materialize -m jutsu_assets.definitions {_ALL} --partition-range "AAPL...MSFT"': Said("SUCCESS"),
    'dg launch --assets "daily_bars,daily_indicators,symbol_performance" --partition-range "AAPL...MSFT"': Said(""),
    'jutsu sql "select symbol, count(*), max(close) from daily_indicators where rsi_14 > 80 group by symbol"': Said(
        "AAPL"
    ),
    "jutsu report": Said("index.html"),
    "jutsu doctor": Said("Nothing to mend."),
    "jutsu doctor --mend": Said("Nothing to mend."),
    "jutsu doctor --json": Said('"is_sound": true'),
    "jutsu doctor --strict": Said("Nothing to mend."),
    "jutsu doctor --notify": Said("Nothing to mend."),
    "jutsu metrics": Said("jutsu_bars 12154.0"),
    "jutsu metrics --textfile jutsu.prom": Said(""),
    "jutsu capacity": Said("first load, requests"),
    "jutsu capacity --symbols 500 --years 20": Said("500"),
    "jutsu doctor --deep": Said("every bar"),
    "jutsu revisions AAPL": Said("AAPL"),
    "jutsu backup jutsu.bak": Said("jutsu.bak"),
    "jutsu restore --yes jutsu.bak": Said("of 5 symbols now"),
    "jutsu simulator": Said("export SCHWAB_BASE_URL", None),
    "jutsu simulator --data bars/ --today 2020-03-03": Said("export SCHWAB_BASE_URL", None),
    "jutsu simulator --fault R7:2 --fault X7-split": Said("export SCHWAB_BASE_URL", None),
    "jutsu simulator --fault server_error:2 --fault restated --today 2013-02-28": Said("export SCHWAB_BASE_URL", None),
    "jutsu simulator --faults faults.yaml": Said("export SCHWAB_BASE_URL", None),
    "jutsu simulator --help": Said("--fault"),
    "jutsu demo": Said("0 bars inserted, 0 changed"),
}


def blocks(language: str) -> list[tuple[Path, str]]:
    """Return the blocks of ``language`` in README and docs."""
    return [
        (page, body) for page in PAGES for kind, body in _BLOCK.findall(page.read_text("utf-8")) if kind == language
    ]


def commands() -> list[str]:
    """Return every command that a reader is told to type, without its comment."""
    found = []
    for _, body in blocks("console"):
        whole = re.sub(r"\\\n\s*", "", body)
        lines = [line.strip()[2:] for line in whole.splitlines() if line.strip().startswith("$ ")]
        found += [_COMMENT.sub("", line).strip() for line in lines]
    return found


@pytest.fixture(scope="module")
def place(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was begun, and in which the demo ran."""
    folder = tmp_path_factory.mktemp("reader")
    for command in (("jutsu", "init"), ("jutsu", "demo")):
        done = installed.run(folder, *command)
        assert done.returncode == 0, done.stdout + done.stderr
    bars = installed.run(folder, "python", "-c", _WRITE_BARS)
    assert bars.returncode == 0, bars.stderr
    (script,) = [body for page, body in blocks("yaml") if page.name == "simulator.md"]
    (folder / "faults.yaml").write_text(script, encoding="utf-8")
    return folder


_WRITE_BARS = """
from datetime import UTC, datetime
from pathlib import Path
from jutsu_assets.store.handlers import DatabaseDataHandler
with DatabaseDataHandler("sqlite:///var/sample/jutsu.db") as bars:
    frame = bars.get_frame(["IBM"], datetime(2012, 1, 1, tzinfo=UTC), datetime(2013, 1, 1, tzinfo=UTC))
Path("bars").mkdir()
frame.to_csv("bars/IBM.csv", index=False)
"""


def test_every_command_of_the_docs_is_run_here_or_it_is_said_why_not() -> None:
    assert sorted(set(commands())) == sorted(EXPECTED.keys() | NOT_RUN.keys())


@pytest.mark.parametrize("command", [one for one in dict.fromkeys(commands()) if one in EXPECTED])
def test_a_command_does_what_the_docs_say(installed: Installed, place: Path, command: str) -> None:
    expected, words = EXPECTED[command], shlex.split(command)
    if words[0] == "dg":
        installed, folder = Installed(Path(sys.executable).parent), ROOT  # the extra, and a clone
        variables = {"JUTSU_HOME": str(place / "var"), "DAGSTER_HOME": str(place)}
    else:
        folder, variables = place, {"DAGSTER_HOME": str(place)}
    if expected.status is None:
        with installed.start(folder, *words, *(["--port", "0"] if words[1] == "ui" else []), **variables) as process:
            said = until(process, expected.text)
        assert expected.text in said
        return
    done = installed.run(folder, *words, **variables)
    assert done.returncode == expected.status, done.stdout + done.stderr
    assert expected.text in done.stdout + done.stderr


def until(process: "subprocess.Popen[str]", text: str) -> str:
    """Return what ``process`` says until it says ``text``, and stop it."""
    said: list[str] = []
    assert process.stdout is not None
    try:
        for line in process.stdout:
            said.append(line)
            if text in line:
                break
    finally:
        process.terminate()
        process.wait(_SECONDS)
    return "".join(said)


@pytest.mark.parametrize(("page", "program"), blocks("python"), ids=lambda value: getattr(value, "name", ""))
def test_a_program_of_the_docs_runs(installed: Installed, place: Path, page: Path, program: str) -> None:
    done = installed.run(place, "python", "-c", program, DAGSTER_HOME=str(place))
    assert done.returncode == 0, f"{page.name}: {done.stderr}"


@pytest.mark.parametrize(
    "keys", [body for page, body in blocks("yaml") if page.name == "README.md" and "ops:" not in body]
)
def test_keys_of_the_universe_file_are_understood(installed: Installed, place: Path, keys: str) -> None:
    universe = place / "other.yaml"
    plain = yaml.safe_load((place / "universe.yaml").read_text("utf-8"))
    universe.write_text(yaml.safe_dump(plain | yaml.safe_load(keys)), encoding="utf-8")
    done = installed.run(place, "jutsu", "report", JUTSU_UNIVERSE=str(universe))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_run_config_of_the_readme_fetches_a_part_again(installed: Installed, place: Path) -> None:
    config = next(body for page, body in blocks("yaml") if page.name == "README.md" and "ops:" in body)
    (place / "again.yaml").write_text(config, encoding="utf-8")
    command = (*MATERIALIZE, "--partition", "IBM", "--config", "again.yaml")
    done = installed.run(place, *command, DAGSTER_HOME=str(place))
    assert done.returncode == 0, done.stderr[-3000:]
