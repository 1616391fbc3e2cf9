"""Settings: what the environment says, and what it must not say."""

from pathlib import Path

import pytest

from jutsu_assets.settings import Settings
from jutsu_core.errors import ConfigurationError

KEYS = {"SCHWAB_API_KEY": "key", "SCHWAB_APP_SECRET": "hush"}


def test_an_empty_environment_means_sample_data_with_a_home_of_their_own(tmp_path: Path) -> None:
    settings = Settings.from_environment({}, folder=tmp_path)
    assert settings.source == "simulator"
    assert settings.is_sample
    assert settings.credentials is None
    assert settings.home == tmp_path / "var" / "sample"
    assert settings.database_url == f"sqlite:///{tmp_path}/var/sample/jutsu.db"
    assert settings.universe_path == tmp_path / "universe.yaml"


def test_credentials_mean_live_data_elsewhere(tmp_path: Path) -> None:
    settings = Settings.from_environment(KEYS, folder=tmp_path)
    assert settings.source == "schwab"
    assert settings.home == tmp_path / "var" / "live"
    assert settings.base_url == "https://api.schwabapi.com"
    assert settings.credentials is not None
    assert settings.credentials.token_path == tmp_path / "var" / "schwab_token.json"


def test_a_simulator_on_this_machine_is_sample_data_even_with_credentials(tmp_path: Path) -> None:
    settings = Settings.from_environment({**KEYS, "SCHWAB_BASE_URL": "http://127.0.0.1:8081/"}, folder=tmp_path)
    assert settings.is_sample
    assert settings.base_url == "http://127.0.0.1:8081"


@pytest.mark.parametrize("url", ["http://api.schwabapi.com", "https://example.com", "ftp://127.0.0.1", "127.0.0.1"])
def test_credentials_go_nowhere_else(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="SCHWAB_BASE_URL must be https://"):
        Settings.from_environment({**KEYS, "SCHWAB_BASE_URL": url}, folder=tmp_path)


@pytest.mark.parametrize("given", sorted(KEYS))
def test_half_of_the_credentials_is_refused(given: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"must be set because {given} is"):
        Settings.from_environment({given: KEYS[given]}, folder=tmp_path)


def test_neither_key_nor_secret_is_shown(tmp_path: Path) -> None:
    shown = repr(Settings.from_environment({**KEYS, "SCHWAB_API_KEY": "very-secret-key"}, folder=tmp_path))
    assert "very-secret-key" not in shown
    assert "hush" not in shown


def test_everything_can_be_put_elsewhere(tmp_path: Path) -> None:
    environment = {
        **KEYS,
        "JUTSU_HOME": str(tmp_path / "elsewhere"),
        "JUTSU_DATABASE_URL": "postgresql+psycopg://host/name",
        "JUTSU_UNIVERSE": "mine.yaml",
        "SCHWAB_TOKEN_PATH": "token.json",
    }
    settings = Settings.from_environment(environment, folder=tmp_path)
    assert settings.home == tmp_path / "elsewhere" / "live"
    assert settings.database_url == "postgresql+psycopg://host/name"
    assert settings.universe_path == tmp_path / "mine.yaml"
    assert settings.credentials is not None
    assert settings.credentials.token_path == tmp_path / "token.json"
