"""Which folder is the Dagster home of a working directory; nothing here loads Dagster."""

from collections.abc import Mapping
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


def history_in(home: Path, environment: Mapping[str, str]) -> Path | None:
    """Return the folder of the run history that the ``dagster.yaml`` of ``home`` names; None if it is no SQLite's.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    path = home / INSTANCE
    try:
        content: dict[str, Any] = (yaml.safe_load(path.read_text("utf-8")) or {}) if path.is_file() else {}
        (kind, named), *others = (content.get("storage") or {"sqlite": {"base_dir": str(home)}}).items()
        if others or any(name in content for name in ("run_storage", "event_log_storage", "schedule_storage")):
            return None
        if kind == "custom" and named["class"] == "RunHistory":
            return Path((named.get("config") or {}).get("base_dir") or home_root(environment) / "dagster")
        return Path(named["base_dir"]) if kind == "sqlite" else None
    except (OSError, ValueError, TypeError, AttributeError, KeyError, yaml.YAMLError) as error:
        message = f"{path} must be readable as a Dagster instance's settings: {error}; mend it, or see `jutsu init`"
        raise ConfigurationError(message) from error
