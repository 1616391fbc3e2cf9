"""Which folder is the Dagster home of a working directory; nothing here loads Dagster."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from jutsu_assets.settings import home_root
from jutsu_assets.starter import INSTANCE, packaged
from jutsu_core.errors import ConfigurationError


def dagster_home(environment: Mapping[str, str], folder: Path) -> Path:
    """Return the Dagster home: ``DAGSTER_HOME``, or ``folder`` where it holds a ``dagster.yaml``, or else our own.

    Ours is the folder of the run history below ``JUTSU_HOME``.
    """
    named = environment.get("DAGSTER_HOME")
    if named:
        return (folder / Path(named).expanduser()).resolve()
    if (folder / INSTANCE).is_file():
        return folder.resolve()
    return home_root(environment, folder=folder) / "dagster"


def prepared_home(environment: Mapping[str, str], folder: Path) -> Path:
    """Return the Dagster home, made where it is our own: a folder with the ``dagster.yaml`` of the package."""
    home = dagster_home(environment, folder)
    home.mkdir(parents=True, exist_ok=True)
    if not environment.get("DAGSTER_HOME") and not (home / INSTANCE).is_file():
        (home / INSTANCE).write_bytes(packaged(INSTANCE).read_bytes())
    return home


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPlace:
    """Where a run history is: in SQLite, in our PostgreSQL, or, if neither, where Dagster alone knows.

    Attributes:
        home: The Dagster home.
        folder: Folder of SQLite's files.
        written_url: What ``dagster.yaml`` says of PostgreSQL: a URL, or nothing where the environment names it.
    """

    home: Path
    folder: Path | None = None
    written_url: str | None = None

    @property
    def is_on_our_server(self) -> bool:
        """Whether it is in a PostgreSQL that ``dagster.yaml`` or ``JUTSU_DAGSTER_URL`` names."""
        return self.written_url is not None


def history_place(home: Path, environment: Mapping[str, str]) -> HistoryPlace:
    """Return where the run history is that the ``dagster.yaml`` of ``home`` names.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    path = home / INSTANCE
    try:
        content: dict[str, Any] = (yaml.safe_load(path.read_text("utf-8")) or {}) if path.is_file() else {}
        (kind, named), *others = (content.get("storage") or {"sqlite": {"base_dir": str(home)}}).items()
        if others or any(name in content for name in ("run_storage", "event_log_storage", "schedule_storage")):
            return HistoryPlace(home=home)
        if kind == "sqlite":
            return HistoryPlace(home=home, folder=Path(named["base_dir"]))
        config = named.get("config") or {}
        if kind == "custom" and named["class"] == "RunHistory":
            return HistoryPlace(home=home, folder=Path(config.get("base_dir") or home_root(environment) / "dagster"))
        if kind == "custom" and named["class"] == "PostgresHistory":
            return HistoryPlace(home=home, written_url=_text(config.get("url"), environment))
        return HistoryPlace(home=home)
    except (OSError, ValueError, TypeError, AttributeError, KeyError, yaml.YAMLError) as error:
        message = f"{path} must be readable as a Dagster instance's settings: {error}; mend it, or see `jutsu init`"
        raise ConfigurationError(message) from error


def _text(value: str | Mapping[str, str] | None, environment: Mapping[str, str]) -> str:
    """Return a text as Dagster's settings write it: itself, or the name of its variable."""
    return str(environment.get(value["env"], "") if isinstance(value, Mapping) else value or "")
