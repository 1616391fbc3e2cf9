"""Settings: what the environment says, and what it must not say."""

import os
import re
from pathlib import Path

import pytest

from jutsu_assets.settings import Settings, read_environment
from jutsu_assets.universe import load_universe
from jutsu_core.errors import ConfigurationError

KEYS = {"SCHWAB_API_KEY": "key", "SCHWAB_APP_SECRET": "hush"}


def test_an_empty_environment_means_sample_data_with_a_home_of_their_own(tmp_path: Path) -> None:
    settings = Settings.from_environment({}, folder=tmp_path)
    assert settings.source == "simulator"
    assert settings.is_sample
    assert settings.credentials is None
    assert settings.home == tmp_path / "var" / "sample"
    assert settings.database_url == f"sqlite:///{tmp_path}/var/sample/jutsu.db"
    assert settings.follows_packaged_universe


def test_a_replica_is_read_by_nobody_unless_it_is_named(tmp_path: Path) -> None:
    assert Settings.from_environment({}, folder=tmp_path).read_url is None
    named = {
        "JUTSU_DATABASE_URL": "postgresql://host/name",
        "JUTSU_DATABASE_READ_URL": "postgresql://me:hush@replica/n",
    }
    settings = Settings.from_environment({**KEYS, **named}, folder=tmp_path)
    assert settings.read_url == "postgresql://me:hush@replica/n"
    assert "hush" not in repr(settings)
    assert settings.as_sample().read_url is None
    cached = Settings.from_environment({**KEYS, **named, "JUTSU_CACHE_URL": "redis://me:hush@cache/0"}, folder=tmp_path)
    assert cached.cache_url == "redis://me:hush@cache/0"
    assert "hush" not in repr(cached)
    assert cached.as_sample().cache_url is None


@pytest.mark.parametrize(("text", "connections"), [("", 5), ("1", 1), ("7", 7), ("007", 7), ("50", 50)])
def test_a_process_holds_as_many_connections_as_it_is_told(text: str, connections: int, tmp_path: Path) -> None:
    assert Settings.from_environment({"JUTSU_DATABASE_POOL": text}, folder=tmp_path).connections == connections


@pytest.mark.parametrize("text", ["0", "51", "-1", "5.0", "five", "5 ", "\u0665", "000", "9" * 5000, "0" * 5000])
def test_another_number_of_connections_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match="JUTSU_DATABASE_POOL must be a whole number from 1 to 50, was '"
    ) as said:
        Settings.from_environment({"JUTSU_DATABASE_POOL": text}, folder=tmp_path)
    assert len(str(said.value)) < 200


@pytest.mark.parametrize(("text", "partitions"), [("", None), ("1", 1), ("50", 50), ("10000", 10_000)])
def test_a_run_of_a_backfill_takes_as_many_partitions_as_it_is_told(
    text: str, partitions: int | None, tmp_path: Path
) -> None:
    settings = Settings.from_environment({"JUTSU_PARTITIONS_PER_RUN": text}, folder=tmp_path)
    assert settings.partitions_per_run == partitions


@pytest.mark.parametrize("text", ["0", "10001", "-1", "many"])
def test_another_number_of_partitions_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"JUTSU_PARTITIONS_PER_RUN must be .*leave it out for one run of all"):
        Settings.from_environment({"JUTSU_PARTITIONS_PER_RUN": text}, folder=tmp_path)


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


PATHS = ("JUTSU_HOME", "JUTSU_UNIVERSE", "SCHWAB_TOKEN_PATH")
OPTIONAL = (
    *PATHS,
    "JUTSU_DATABASE_URL",
    "JUTSU_DATABASE_READ_URL",
    "JUTSU_DATABASE_POOL",
    "JUTSU_CACHE_URL",
    "SCHWAB_BASE_URL",
    "SCHWAB_CALLBACK_URL",
)


def test_empty_variables_count_as_unset(tmp_path: Path) -> None:
    """A CI passes a secret that does not exist as an empty variable."""
    assert Settings.from_environment(
        {**KEYS, **dict.fromkeys(OPTIONAL, "")}, folder=tmp_path
    ) == Settings.from_environment(KEYS, folder=tmp_path)
    nothing = dict.fromkeys((*OPTIONAL, *KEYS), "")
    assert Settings.from_environment(nothing, folder=tmp_path) == Settings.from_environment({}, folder=tmp_path)


def test_a_tilde_is_the_home_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    environment = {**KEYS, "JUTSU_HOME": "~/jutsu", "JUTSU_UNIVERSE": "~/u.yaml", "SCHWAB_TOKEN_PATH": "~/t.json"}
    settings = Settings.from_environment(environment, folder=tmp_path)
    assert settings.home == tmp_path / "me" / "jutsu" / "live"
    assert settings.universe_path == tmp_path / "me" / "u.yaml"
    assert settings.credentials is not None
    assert settings.credentials.token_path == tmp_path / "me" / "t.json"


@pytest.mark.parametrize("name", PATHS)
def test_the_home_of_nobody_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be a path"):
        Settings.from_environment({**KEYS, name: "~nobody-of-this-name/x"}, folder=tmp_path)


@pytest.mark.parametrize("url", ["http://127.0.0.1", "127.0.0.1:8182", "https://", "https://[", "yes"])
def test_a_callback_that_is_no_https_url_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="SCHWAB_CALLBACK_URL must be the https URL") as refusal:
        Settings.from_environment({**KEYS, "SCHWAB_CALLBACK_URL": url}, folder=tmp_path)
    assert repr(url) in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8081",
        "http://localhost:8081/",
        "https://127.0.0.1",
        "http://[::1]:8081",
        "http://127.0.0.1:1",
        "http://127.0.0.1:65535",
        "https://api.schwabapi.com/",
    ],
)
def test_an_address_of_this_machine_or_of_schwab_is_a_base_url(url: str, tmp_path: Path) -> None:
    settings = Settings.from_environment({**KEYS, "SCHWAB_BASE_URL": url}, folder=tmp_path)
    assert settings.base_url == url.rstrip("/")


NO_BASE_URLS = {
    "http://127.0.0.1:8081/marketdata": "a path",
    "https://api.schwabapi.com/v1": "a path",
    "http://127.0.0.1:8081/?key=very-hush": "a query",
    "http://127.0.0.1:8081?key=very-hush": "a query",
    "http://127.0.0.1:8081?": "a query",
    "http://127.0.0.1:8081#very-hush": "a fragment",
    "http://127.0.0.1:8081/#": "a fragment",
    "http://me:very-hush@127.0.0.1:8081": "a user name or a password",
    "https://me:very-hush@api.schwabapi.com": "a user name or a password",
    "http://very-hush@127.0.0.1:8081": "a user name or a password",
    "http://@127.0.0.1:8081": "a user name or a password",
    "http://me:very-hush@evil.example@127.0.0.1:8081": "a user name or a password",
    "http://me:very-hush@127.0.0.1:8081/?a=b@c": "a user name or a password",
    "http://127.0.0.1:8081@evil.example": "a user name or a password",
    "http://me:very/hush@127.0.0.1:8081": "a part that cannot be read",
    "http://me:very#hush@127.0.0.1:8081": "a part that cannot be read",
    "http://127.0.0.1:0": "a port that is none",
    "http://127.0.0.1:": "a port that is none",
    "http://127.0.0.1:65536": "a part that cannot be read",
    "http://127.0.0.1:-1": "a part that cannot be read",
    "http://127.0.0.1:very-hush": "a part that cannot be read",
    "http://127.0.0.1:8081x": "a part that cannot be read",
    "http://me:very-hush": "a part that cannot be read",
    "http://127.0.0.1:\u0668\u0660": "a space or another sign",
    "http://127.0.0.1:8081 ": "a space",
    "http://127.0.0.1:80\n81": "a space",
    "http://127.0.0.1\\@evil.example": "a space",
    "http://evil.example\\@127.0.0.1": "a space",
    "http://127.0.0.1.evil.example": "",
    "http://127.0.0.1%2eevil.example": "",
    "https://api.schwabapi.com.evil.example": "",
    "http://2130706433:8081": "",
    "//127.0.0.1:8081": "",
}


@pytest.mark.parametrize("url", NO_BASE_URLS)
def test_what_is_no_plain_address_is_refused_without_repeating_a_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="SCHWAB_BASE_URL must be https://") as refusal:
        Settings.from_environment({**KEYS, "SCHWAB_BASE_URL": url}, folder=tmp_path)
    fault, said = NO_BASE_URLS[url], str(refusal.value)
    assert f" with {fault}" in said if fault else " with " not in said
    for secret in ("very", "hush"):
        assert secret not in said
    assert said.isprintable()


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:99999", "https://127.0.0.1:x", "https://me:very-hush@127.0.0.1:8182"]
)
def test_a_callback_with_what_no_address_has_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"SCHWAB_CALLBACK_URL must be the https URL .* with a ") as refusal:
        Settings.from_environment({**KEYS, "SCHWAB_CALLBACK_URL": url}, folder=tmp_path)
    assert "very-hush" not in str(refusal.value)


@pytest.mark.parametrize("name", KEYS)
def test_a_credential_that_no_header_can_carry_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be printable ASCII") as refusal:
        Settings.from_environment({**KEYS, name: "very\u2019hush"}, folder=tmp_path)
    assert "hush" not in str(refusal.value)


def test_the_token_of_a_simulator_is_not_kept_where_the_live_one_is(tmp_path: Path) -> None:
    live = Settings.from_environment(KEYS, folder=tmp_path).credentials
    rehearsed = Settings.from_environment(
        {**KEYS, "SCHWAB_BASE_URL": "http://127.0.0.1:8081"}, folder=tmp_path
    ).credentials
    assert live is not None
    assert rehearsed is not None
    assert live.token_path == tmp_path / "var" / "schwab_token.json"
    assert rehearsed.token_path == tmp_path / "var" / "sample" / "schwab_token.json"


def test_a_base_url_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="SCHWAB_BASE_URL must be https://"):
        Settings.from_environment({"SCHWAB_BASE_URL": "http://["}, folder=tmp_path)


def test_sample_settings_of_live_ones_touch_nothing_live(tmp_path: Path) -> None:
    live = Settings.from_environment({**KEYS, "JUTSU_DATABASE_URL": "postgresql://host/live"}, folder=tmp_path)
    assert live.as_sample() == Settings.from_environment({}, folder=tmp_path)


def test_sample_settings_stay_what_they_are(tmp_path: Path) -> None:
    for environment in ({}, {**KEYS, "SCHWAB_BASE_URL": "http://127.0.0.1:8081"}):
        settings = Settings.from_environment(environment, folder=tmp_path)
        assert settings.as_sample() is settings


def test_a_file_env_completes_the_environment_which_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("SCHWAB_API_KEY=file\nSCHWAB_APP_SECRET='hush'\nBARE\n", encoding="utf-8")
    monkeypatch.setenv("SCHWAB_API_KEY", "environment")
    monkeypatch.delenv("SCHWAB_APP_SECRET", raising=False)
    environment = read_environment(tmp_path)
    assert environment["SCHWAB_API_KEY"] == "environment"
    assert environment["SCHWAB_APP_SECRET"] == KEYS["SCHWAB_APP_SECRET"]
    assert "BARE" not in environment


def test_without_a_file_env_there_is_the_environment_alone(tmp_path: Path) -> None:
    assert read_environment(tmp_path) == dict(os.environ)


def test_a_file_env_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"\.env must be readable"):
        read_environment(tmp_path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("# of ours\n\nSCHWAB_APP_SECRET: hush\n", 3),
        ("JUTSU_HOME=var\nSCHWAB_APP_SECRET hush\n", 2),
        ("SCHWAB_APP_SECRET='hush\nJUTSU_HOME=var\n", 1),
        ("=hush\n", 1),
    ],
)
def test_a_line_of_env_that_cannot_be_read_is_refused_and_not_shown(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=rf"\.env, line {line}, must be NAME=value") as refusal:
        read_environment(tmp_path)
    assert "hush" not in str(refusal.value)


@pytest.mark.parametrize("name", [".env", "universe.yaml"])
def test_a_link_that_leads_nowhere_is_not_the_absence_of_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(tmp_path / "gone")
    with pytest.raises(ConfigurationError, match=re.escape(name)):
        load_universe(Settings.from_environment(read_environment(tmp_path), folder=tmp_path).universe_path)


def test_a_home_whose_name_a_database_url_cannot_hold_is_refused(tmp_path: Path) -> None:
    """What follows a question mark in a URL is no path: the store would be another folder's."""
    with pytest.raises(
        ConfigurationError, match=r"JUTSU_HOME must be a path without a question mark, was .*ques\?tion"
    ):
        Settings.from_environment({"JUTSU_HOME": str(tmp_path / "ques?tion")}, folder=tmp_path)
    other = {"JUTSU_HOME": str(tmp_path / "ques?tion"), "JUTSU_DATABASE_URL": "postgresql+psycopg://host/name"}
    assert Settings.from_environment(other, folder=tmp_path).database_url == "postgresql+psycopg://host/name"


def test_a_universe_file_that_is_there_or_named_is_followed(tmp_path: Path) -> None:
    named = Settings.from_environment({"JUTSU_UNIVERSE": "mine.yaml"}, folder=tmp_path)
    assert named.universe_path == tmp_path / "mine.yaml"
    assert not named.follows_packaged_universe
    (tmp_path / "universe.yaml").write_text("symbols: [IBM]\nhistory_start: 2011-01-03\n", encoding="utf-8")
    assert Settings.from_environment({}, folder=tmp_path).universe_path == tmp_path / "universe.yaml"


def test_the_packaged_universe_is_for_sample_bars_only(tmp_path: Path) -> None:
    live = Settings.from_environment(KEYS, folder=tmp_path)
    assert live.universe_path == tmp_path / "universe.yaml"
    with pytest.raises(ConfigurationError, match=r"must exist; `jutsu init` writes one"):
        load_universe(live.universe_path)
    assert load_universe(live.as_sample().universe_path).symbols == ("AAPL", "FB", "GOOG", "IBM", "MSFT")
    named = Settings.from_environment({**KEYS, "JUTSU_UNIVERSE": "mine.yaml"}, folder=tmp_path)
    assert named.as_sample().universe_path == tmp_path / "mine.yaml"


@pytest.mark.parametrize("text", ["1", "true", "on"])
def test_where_live_bars_are_required_sample_bars_are_refused(text: str, tmp_path: Path) -> None:
    required = {"JUTSU_REQUIRE_LIVE": text}
    assert Settings.from_environment({**KEYS, **required}, folder=tmp_path).require_live
    with pytest.raises(ConfigurationError, match=r"SCHWAB_API_KEY and SCHWAB_APP_SECRET are not set.*`jutsu login`"):
        Settings.from_environment(required, folder=tmp_path)
    with pytest.raises(ConfigurationError, match="SCHWAB_BASE_URL is a simulator"):
        Settings.from_environment({**KEYS, **required, "SCHWAB_BASE_URL": "http://127.0.0.1:1"}, folder=tmp_path)


@pytest.mark.parametrize("text", ["", "0", "false", "off"])
def test_live_bars_are_not_required_otherwise(text: str, tmp_path: Path) -> None:
    assert not Settings.from_environment({"JUTSU_REQUIRE_LIVE": text}, folder=tmp_path).require_live


def test_what_is_neither_on_nor_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="JUTSU_REQUIRE_LIVE must be on or off, was 'perhaps'"):
        Settings.from_environment({"JUTSU_REQUIRE_LIVE": "perhaps"}, folder=tmp_path)
