"""``dagster.yaml`` is made to name PostgreSQL, and says all else as before."""

from pathlib import Path

import pytest
import yaml

from jutsu_assets.instance.switching import KEPT_AS, STORAGE, on_postgresql, switch_home
from jutsu_assets.starter import INSTANCE, packaged
from jutsu_core.errors import ConfigurationError


def test_the_settings_we_ship_keep_every_other_line() -> None:
    shipped = packaged(INSTANCE).read_text("utf-8")
    switched = on_postgresql(shipped)
    assert STORAGE in switched
    assert [line for line in shipped.splitlines() if line not in switched.splitlines()] == [
        line for line in shipped.splitlines() if "RunHistory" in line or "instance.history" in line
    ]
    assert {**yaml.safe_load(shipped), **yaml.safe_load(STORAGE)} == yaml.safe_load(switched)
    assert on_postgresql(switched) == switched


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", STORAGE),
        ("telemetry: {enabled: false}", f"telemetry: {{enabled: false}}\n{STORAGE}"),
        ("storage: {sqlite: {base_dir: /there}}\nnux: {enabled: false}\n", f"{STORAGE}nux: {{enabled: false}}\n"),
        ("# ours\nstorage:\n  sqlite:\n    base_dir: /there\n# more\n", f"# ours\n{STORAGE}# more\n"),
    ],
)
def test_the_storage_alone_is_replaced(before: str, after: str) -> None:
    assert on_postgresql(before) == after


@pytest.mark.parametrize(
    "written", ["{storage: {sqlite: {base_dir: /there}}}", '"storage":\n  sqlite: {base_dir: /there}\n', "storage: ["]
)
def test_a_form_in_which_storage_cannot_be_told_from_the_rest_is_left_to_who_wrote_it(written: str) -> None:
    with pytest.raises(ConfigurationError, match=r"(?s)put this in its place by hand:\nstorage:"):
        on_postgresql(written)


def test_what_the_settings_were_is_kept_beside_them(tmp_path: Path) -> None:
    (tmp_path / INSTANCE).write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    assert switch_home(tmp_path) == tmp_path / KEPT_AS
    assert (tmp_path / KEPT_AS).read_text("utf-8") == "telemetry: {enabled: false}\n"
    assert "PostgresHistory" in (tmp_path / INSTANCE).read_text("utf-8")


def test_a_home_without_settings_gets_some(tmp_path: Path) -> None:
    switch_home(tmp_path)
    assert (tmp_path / INSTANCE).read_text("utf-8") == STORAGE
