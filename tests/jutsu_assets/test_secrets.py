"""Secrets stay secret: no key, no token in the event log, the metadata or the store, whatever fails."""

import logging
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text

from jutsu_assets.simulator.catalog import named_plan
from tests.support.graph import open_graph
from tests.support.schwab import secrets_of

AT_THE_TOKEN = (
    "O11",
    "O12",
    "O13",
    "O14",
    "O15",
    "O15-401",
    "O16",
    "O17",
    "O18",
    "O18-list",
    "O18-babble",
    "O18-bomb",
    "O19-dropped",
)
ON_DATA = (
    "D2",
    "D3",
    "D4",
    "O7",
    "X10-text",
    "X12",
    "R2",
    "R5-86400",
    "R7",
    "R8",
    "R11",
    "R12",
    "R15",
    "R15-page",
    "R15-babble",
    "R15-bomb",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", *AT_THE_TOKEN, *ON_DATA])
def test_after_every_fault_no_secret_is_anywhere(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    faults = named_plan([name] if name else [], date(2013, 3, 1))
    options = {"symbols": ("FB",), "start": date(2013, 2, 1), "is_stale": name.startswith("O")}
    with open_graph(tmp_path, faults=faults, **options) as graph, caplog.at_level(logging.DEBUG):  # type: ignore[arg-type]
        before = graph.tokens.read()
        result = graph.run("FB")
        secrets = secrets_of(before, graph.tokens.read())
        shown = [str(event) for event in graph.instance.all_logs(result.run_id)]
        shown += [str(run) for run in graph.instance.get_runs()]
        shown += [caplog.text, *capfd.readouterr()]
        with graph.database.database.reading() as connection:
            for table in ("api_access", "quarantined_bars", "coverage", "store_facts"):
                shown += [str(row) for row in connection.execute(text(f"select * from {table}"))]  # noqa: S608 - ours
    assert len(secrets) >= 5
    assert sum(map(len, shown)) > 1000
    for secret in secrets:
        assert not [part[:200] for part in shown if secret in part]
