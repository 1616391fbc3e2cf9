"""Where the run history of a folder lies: below ``JUTSU_HOME``, beside everything else that Jutsu writes.

Dagster's own classes take a folder that is written down in ``dagster.yaml``; these resolve it as
Jutsu's settings do, from the environment and the file ``.env``, and so move with ``JUTSU_HOME``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import dagster as dg
from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._serdes import ConfigurableClassData

from jutsu_assets.settings import home_root, read_environment

BASE_DIR: UserConfigSchema = {"base_dir": dg.Field(dg.StringSource, is_required=False)}
"""The one setting: another folder than that of ``JUTSU_HOME``."""


def history_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of the run history."""
    return home_root(environment) / "dagster"


def base_dir_of(config: Mapping[str, Any], *within: str) -> str:
    """Return the folder that ``config`` names, or else the one ``within`` the run history's."""
    return str(config.get("base_dir") or history_folder(read_environment()).joinpath(*within))


class ArtifactFolder(LocalArtifactStorage):
    """What ops leave behind in files, within the run history's folder."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Return which settings it takes."""
        return BASE_DIR

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Return it as ``dagster.yaml`` describes it."""
        return cls(base_dir_of(config_value), inst_data)


class ComputeLogs(LocalComputeLogManager):
    """What runs print, within the run history's folder."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Return which settings it takes."""
        return BASE_DIR

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Return it as ``dagster.yaml`` describes it."""
        return cls(base_dir_of(config_value, "compute_logs"), inst_data=inst_data)
