"""Letting a ``dagster.yaml`` name PostgreSQL: its storage alone, all else and every comment as they are."""

from pathlib import Path

import yaml

from jutsu_assets.starter import INSTANCE
from jutsu_assets.whole_files import write_whole
from jutsu_core.errors import ConfigurationError

KEPT_AS = f"{INSTANCE}.sqlite"
"""Beside the settings: what they were."""
STORAGE = """\
storage:
  custom:
    module: jutsu_assets.instance.postgresql # at JUTSU_DAGSTER_URL, in the environment or in .env
    class: PostgresHistory
    config: {}
"""
"""What names PostgreSQL."""


def on_postgresql(settings: str) -> str:
    """Return the text of ``settings`` with its storage, which may be missing, in PostgreSQL.

    Raises:
        ConfigurationError: The storage is written in a form in which it cannot be told from the rest.
    """
    lines = settings.splitlines(keepends=True)
    begins = next((at for at, line in enumerate(lines) if line.startswith("storage:")), len(lines))
    ends = next((at for at, line in enumerate(lines) if at > begins and not line.startswith(" ")), len(lines))
    before = "".join(lines[:begins])
    if begins == len(lines) and before and not before.endswith("\n"):
        before += "\n"
    text = before + STORAGE + "".join(lines[ends:])
    former = _read(settings)
    is_told = former is not None and ("storage" in former) == (begins < len(lines))
    if not is_told or _read(text) != {**(former or {}), **yaml.safe_load(STORAGE)}:
        message = (
            f"`storage` of {INSTANCE} must be a block of its own to be replaced, is not; put this in its place by"
            f" hand:\n{STORAGE}"
        )
        raise ConfigurationError(message)
    return text


def switch_home(home: Path) -> Path:
    """Let ``dagster.yaml`` of ``home`` name PostgreSQL; return where its former text is kept.

    Raises:
        ConfigurationError: It cannot be changed, and was not.
    """
    path, kept = home / INSTANCE, home / KEPT_AS
    try:
        former = path.read_text("utf-8") if path.is_file() else ""
        written = on_postgresql(former)
        write_whole(kept, former.encode())
        write_whole(path, written.encode())
    except OSError as error:
        message = f"{path} must be writable, is not: {error.strerror}; put this in the place of its storage:\n{STORAGE}"
        raise ConfigurationError(message) from error
    return kept


def _read(text: str) -> dict[str, object] | None:
    """Return what ``text`` says, None where it is not understood."""
    try:
        return dict(yaml.safe_load(text) or {})
    except (yaml.YAMLError, TypeError, ValueError):
        return None
