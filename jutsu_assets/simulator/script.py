"""Fault scripts: files that say what goes wrong in the simulator, when, and by which clock.

A script is YAML; every key may be left out::

    seed: 7                            # what all draws follow from
    switches: {block_seconds: 5}       # fields of switches.Switches
    clock: {now: 2013-03-01T14:30:00Z, rate: 60, skew: -30}
    faults:
      - fault: R2                      # a name of catalog.FAULTS or catalog.SETTINGS
        path: any                      # pricehistory, token, ..., data, any, or one path
        symbol: AAPL
        from_request: 3                # counted from 1 among the requests that match
        times: 2                       # then normal; always, if left out
        share: 0.5
        after_seconds: 10              # since the simulator began
        until_seconds: 20
        session: 2013-02-28            # the bar that it is about; the newest, if left out
      - mix: {R7: 3, R10-504: 1}       # one of these, drawn by their weights
        share: 0.1

A fault strikes price history unless it is about another path or ``path`` names one.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from jutsu_assets.plain_yaml import read_document
from jutsu_assets.simulator.catalog import FAULTS, SETTINGS, named_fault, named_plan
from jutsu_assets.simulator.clock import FASTEST, MOST_SKEW, ClockSetting, SimulatorClock
from jutsu_assets.simulator.faults import Fault, FaultPlan, PathKind
from jutsu_assets.simulator.switches import Switches
from jutsu_core.errors import ConfigurationError

_PATHS = (*get_args(PathKind), "data", "any")
_SECONDS = "a number of seconds from 0"
_MUST_BE = MappingProxyType(
    {
        "seed": "a whole number",
        "switches": "a group of keys such as block_seconds: 5",
        "clock": "a group of the keys now, rate and skew",
        "now": "a moment with its offset such as 2013-03-01T14:30:00Z",
        "rate": f"a number from 0, which stops the clock, to {FASTEST}",
        "skew": f"a number of seconds from -{MOST_SKEW} to {MOST_SKEW}",
        "faults": "a list of faults such as - fault: R2",
        "fault": "a name that jutsu simulator --help lists",
        "mix": "names of faults with their weights such as {R7: 3, R2: 1}",
        "symbol": "text such as AAPL",
        "from_request": "a whole number from 1",
        "times": "a whole number from 1",
        "share": "a number above 0, at most 1",
        "after_seconds": _SECONDS,
        "until_seconds": _SECONDS,
        "session": "a date such as 2013-02-28",
    }
)

_Count = Annotated[int, Field(ge=1, strict=True)]
_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Entry(BaseModel):
    """One fault of a script, or one setting; the module says what its keys mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fault: str | None = None
    mix: Mapping[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = {}
    path: str | None = None
    symbol: str | None = None
    from_request: _Count | None = None
    times: _Count | None = None
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    after_seconds: _Seconds = 0.0
    until_seconds: _Seconds | None = None
    session: date | None = None

    @field_validator("fault")
    @classmethod
    def _fault_is_known(cls, name: str) -> str:
        if name not in FAULTS and name not in SETTINGS:
            raise ValueError(_MUST_BE["fault"])
        return name

    @field_validator("mix")
    @classmethod
    def _mix_is_of_faults(cls, mix: Mapping[str, float]) -> Mapping[str, float]:
        if not mix or not set(mix) <= set(FAULTS):
            raise ValueError(_MUST_BE["mix"])
        return mix

    @field_validator("path")
    @classmethod
    def _path_is_known(cls, path: str) -> str:
        if path not in _PATHS and not path.startswith("/"):
            message = f"one of {', '.join(_PATHS)}, or a path that begins with /"
            raise ValueError(message)
        return path

    @model_validator(mode="after")
    def _keys_go_together(self) -> Self:
        given = self.model_fields_set
        if ("fault" in given) == ("mix" in given):
            message = "an entry with either the key fault or the key mix"
            raise ValueError(message)
        if self.fault in SETTINGS and given != {"fault"}:
            message = f"an entry without other keys, because {self.fault} is a setting, which always holds"
            raise ValueError(message)
        if self.until_seconds is not None and self.until_seconds <= self.after_seconds:
            message = "an entry whose until_seconds is above its after_seconds"
            raise ValueError(message)
        return self

    def made(self, session: date) -> Fault:
        """Return the fault, for the session that it is about unless the entry names one."""
        about = self.session or session
        if self.fault is None:
            fault = Fault.mixed(1.0, *((weight, named_fault(name, about)) for name, weight in self.mix.items()))
        else:
            fault = named_fault(self.fault, about)
        until = math.inf if self.until_seconds is None else self.until_seconds
        fault = replace(fault, symbol=self.symbol, share=fault.share * self.share).between(self.after_seconds, until)
        if self.path is not None:
            fault = fault.on_path(None if self.path == "any" else self.path)
        if self.from_request is not None:
            fault = fault.from_request(self.from_request)
        return fault if self.times is None else fault.times(self.times)


class Script(BaseModel):
    """What goes wrong, when, and by which clock.

    Attributes:
        seed: What all draws follow from.
        switches: Values of the simulator's switches, by field name.
        clock: Where the clock begins, and how it runs.
        faults: The faults and settings, first to last.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: Annotated[int, Field(strict=True)] = 0
    switches: Mapping[str, Any] = {}
    clock: ClockSetting = ClockSetting()
    faults: tuple[Entry, ...] = ()

    @field_validator("switches")
    @classmethod
    def _switches_are_known(cls, switches: Mapping[str, Any]) -> Mapping[str, Any]:
        known = {field.name: field.type for field in fields(Switches)}
        for name, value in switches.items():
            if name not in known:
                message = f"a group of switches, but {name!r} is none; they are {', '.join(known)}"
                raise ValueError(message)
            _checked_switch(name, value, known[name])
        return switches

    def plan(self, session: date, names: Iterable[str] = ()) -> FaultPlan:
        """Return the script's plan.

        Args:
            session: The newest session; what is about one bar is about this one.
            names: Further faults and settings, as ``catalog.named_plan`` takes them.

        Raises:
            InvalidInputError: One of ``names`` is not known.
        """
        further = named_plan(names, session)
        settings = dict(self.switches)
        for entry in self.faults:
            settings |= SETTINGS.get(entry.fault or "", {})
        made = [entry.made(session) for entry in self.faults if entry.fault not in SETTINGS]
        return FaultPlan([*made, *further.faults], seed=self.seed, settings=settings | dict(further.settings))

    def started_clock(self, start: datetime) -> SimulatorClock:
        """Return the script's clock; it begins at ``start`` and stands, unless the script says otherwise."""
        return SimulatorClock(self.clock.now or start, rate=self.clock.rate or 0.0, skew=self.clock.skew or 0.0)


def read_script(path: Path) -> Script:
    """Return the fault script in the file at ``path``.

    Raises:
        ConfigurationError: The file is missing, is not YAML, or holds a wrong value; the
            message names the file, the entry, and what it must be.
    """
    content = read_document(path, "fault script", "create it, or name another").content
    if not isinstance(content, dict):
        message = f"fault script {path} must hold keys such as faults, was {content!r}"
        raise ConfigurationError(message)
    try:
        return Script.model_validate(content)
    except ValidationError as error:
        message = f"fault script {path}: {findings(error)}"
        raise ConfigurationError(message) from None


def findings(error: ValidationError) -> str:
    """Return in plain words what is wrong: where, what it must be, what it was."""
    return "; ".join(_finding(dict(item)) for item in error.errors())


def _finding(item: dict[str, Any]) -> str:
    names = [part for part in item["loc"] if isinstance(part, str)]
    where = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in item["loc"]).removeprefix(".")
    if item["type"] in ("extra_forbidden", "invalid_key"):
        return f"key {where} is not known; take it out or correct its spelling"
    if item["type"] == "value_error":
        return f"{where} must be {item['ctx']['error']}, was {item['input']!r}"
    known = next((name for name in reversed(names) if name in _MUST_BE), None)
    return f"{where or 'it'} must be {_MUST_BE[known] if known else 'a group of keys'}, was {item['input']!r}"


def _checked_switch(name: str, value: object, kind: Any) -> None:  # noqa: ANN401 - whatever the field says
    try:
        TypeAdapter(kind, config=ConfigDict(strict=True)).validate_python(value)
    except ValidationError:
        wanted = getattr(kind, "__name__", str(kind))
        message = f"a group of switches, but {name} must be {wanted}"
        raise ValueError(message) from None
