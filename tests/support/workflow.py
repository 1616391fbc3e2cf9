"""A workflow file of GitHub Actions, run on this machine: its own ``run:`` steps, in order, each in a shell of its own.

What an action of GitHub's would do is done by folders: a cache, the artifacts of each run, the checked-out repository.
Of its language there is what our file says; anything else is an error and no guess.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_SECONDS = 300
_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_TERM = re.compile(r"([\w.]+) (==|!=) '([^']*)'")
_OURS = ("JUTSU_", "SCHWAB_", "DAGSTER_", "PYTEST_", "PYTHON", "VIRTUAL_ENV")


@dataclass
class Ended:
    """What became of a run.

    Attributes:
        outcomes: What became of each step, by its name: ``success``, ``failure`` or ``skipped``.
        said: What each step wrote.
        conclusion: What became of the whole.
    """

    outcomes: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    @property
    def conclusion(self) -> str:
        return "failure" if "failure" in self.outcomes.values() else "success"


@dataclass(frozen=True)
class Runners:
    """Machines that run one workflow, each run in a folder of its own, and what is kept between runs.

    Attributes:
        workflow: The file.
        repository: What is checked out.
        kept: Where the cache and the artifacts are.
        commands: The folder of ``python`` and ``jutsu``.
        contexts: Values of the workflow's expressions, such as ``secrets.NAME``; what is missing is empty.
        variables: Of the environment of every step, whatever the workflow says.
    """

    workflow: Path
    repository: Path
    kept: Path
    commands: Path
    contexts: dict[str, str]
    variables: dict[str, str]

    def run(self, number: int, **inputs: str) -> Ended:
        """Run it once, as the run ``number``, in a folder where nothing is; return what became of it."""
        said = yaml.safe_load(self.workflow.read_text("utf-8"))
        (job,) = said["jobs"].values()
        run = _Run(self, number, inputs, said["env"])
        for step in job["steps"]:
            run.step(step)
        return run.ended

    def artifact(self, number: int, name: str) -> Path:
        """Return the folder of an artifact."""
        return self.kept / str(number) / name

    @property
    def cache(self) -> Path:
        """Return the folder of the cache: a folder a key."""
        return self.kept / "cache"


class _Run:
    """One run."""

    def __init__(self, runners: Runners, number: int, inputs: Mapping[str, str], said: Mapping[str, str]) -> None:
        self.ended = Ended()
        self._runners, self._number = runners, number
        place = runners.kept / f"machine-{number}"
        self._folder, self._temporary = place / "work", place / "temporary"
        self._temporary.mkdir(parents=True)
        self._contexts = (
            runners.contexts
            | {"github.run_id": str(number), "github.run_attempt": "1"}
            | {f"inputs.{name}": value for name, value in inputs.items()}
        )
        self._environment = {name: self._filled(value) for name, value in said.items()}
        self._contexts |= {f"env.{name}": value for name, value in self._environment.items()}

    def step(self, step: Mapping[str, Any]) -> None:
        """Do a step, where its condition holds."""
        name = step.get("name") or step["uses"]
        if not self._holds(step.get("if")):
            outcome = "skipped"
        elif "run" in step:
            outcome = self._shell(name, step)
        else:
            given = {key: self._filled(value) for key, value in step.get("with", {}).items()}
            outcome = "success" if _ACTIONS[step["uses"].partition("@")[0]](self, given) else "failure"
        self.ended.outcomes[name] = outcome
        if "id" in step:
            self._contexts[f"steps.{step['id']}.outcome"] = outcome

    def _holds(self, condition: str | None) -> bool:
        has_failed = self.ended.conclusion == "failure"
        if condition is None:
            return not has_failed
        text = found.group(1) if (found := _EXPRESSION.fullmatch(condition)) else condition
        terms = text.split(" && ")
        is_for_failures, terms = "!cancelled()" in terms, [term for term in terms if term != "!cancelled()"]
        return (is_for_failures or not has_failed) and all(map(self._term, terms))

    def _term(self, term: str) -> bool:
        found = _TERM.fullmatch(term)
        assert found, f"{term!r} is not understood here"
        name, sign, value = found.groups()
        return (self._contexts.get(name, "") == value) is (sign == "==")

    def _filled(self, value: object) -> str:
        return _EXPRESSION.sub(lambda found: self._contexts.get(found.group(1), ""), str(value))

    def _shell(self, name: str, step: Mapping[str, Any]) -> str:
        handed_on = self._temporary / "environment"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        environment = {
            **kept,
            **self._environment,
            **{key: self._filled(value) for key, value in step.get("env", {}).items()},
            "PATH": f"{self._runners.commands}{os.pathsep}{kept['PATH']}",
            "RUNNER_TEMP": str(self._temporary),
            "GITHUB_ENV": str(handed_on),
            **self._runners.variables,
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", self._filled(step["run"])],
            cwd=self._folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        self.ended.said[name] = done.stdout + done.stderr
        if handed_on.exists():
            lines = handed_on.read_text("utf-8").splitlines()
            self._environment |= dict(line.split("=", 1) for line in lines)
        return "failure" if done.returncode else "success"

    def check_out(self, _: Mapping[str, str]) -> bool:
        shutil.copytree(self._runners.repository, self._folder)
        return True

    def save(self, given: Mapping[str, str]) -> bool:
        target = self._runners.cache / given["key"]
        assert not target.exists(), "a key of a cache is written once"
        target.mkdir(parents=True)
        shutil.copy(self._folder / given["path"], target)
        return True

    def restore(self, given: Mapping[str, str]) -> bool:
        found = sorted(
            self._runners.cache.glob(f"{given['restore-keys']}*"), key=lambda folder: folder.stat().st_mtime_ns
        )
        if found:
            shutil.copy(found[-1] / given["path"], self._folder / given["path"])
        return True

    def upload(self, given: Mapping[str, str]) -> bool:
        target = self._runners.artifact(self._number, given["name"])
        for path in self._folder.glob(given["path"]):
            if path.is_dir():
                shutil.copytree(path, target)
            else:
                target.mkdir(parents=True)
                shutil.copy(path, target)
        return target.exists() or given.get("if-no-files-found") == "ignore"

    def download(self, given: Mapping[str, str]) -> bool:
        source = self._runners.artifact(int(given["run-id"]), given["name"])
        if source.exists():
            shutil.copytree(source, self._folder, dirs_exist_ok=True)
        return source.exists()


_ACTIONS: dict[str, Callable[[_Run, Mapping[str, str]], bool]] = {
    "actions/checkout": _Run.check_out,
    "actions/setup-python": lambda *_: True,
    "actions/cache/restore": _Run.restore,
    "actions/cache/save": _Run.save,
    "actions/upload-artifact": _Run.upload,
    "actions/download-artifact": _Run.download,
}
