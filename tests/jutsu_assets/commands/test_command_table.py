"""The list of commands loads none of them, and says of each what the command says itself."""

import importlib.util
import subprocess
import sys
from importlib.metadata import version

import click
import pytest
from click.testing import CliRunner

from jutsu_assets.commands.cli import COMMANDS, main

HEAVY = ("dagster", "pandas", "numpy", "sqlalchemy", "schwab", "duckdb", "rich", "exchange_calendars")


def test_the_list_of_commands_loads_none_of_them() -> None:
    code = f"""
import sys
from jutsu_assets.commands.cli import main
main(["--help"], standalone_mode=False)
loaded = [name for name in {HEAVY} if name in sys.modules]
assert not loaded, loaded
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert all(f"\n  {name} " in shown.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_table_says_of_a_command_what_it_says_itself(name: str) -> None:
    if importlib.util.find_spec(f"jutsu_assets.commands.{COMMANDS[name].module}") is None:
        pytest.skip(f"{name} is not there yet")
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name
    assert command.get_short_help_str(limit=200) == COMMANDS[name].help


def test_the_version_is_that_of_the_installed_package() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.output == f"jutsu, version {version('jutsu')}\n"


def test_a_command_that_does_not_exist_is_named() -> None:
    result = CliRunner().invoke(main, ["reprot"])
    assert result.exit_code == 2
    assert "No such command 'reprot'" in result.output
