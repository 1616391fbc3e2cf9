"""A YAML file as a table of keys: each read by its own rule, all that is wrong said in one line.

Amounts are read as they are written, so that 0.1 is a tenth and not the float beside it.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, NamedTuple

from jutsu_assets.plain_yaml import Document, Place, as_written, nearest, read_document, shown
from jutsu_core.errors import ConfigurationError

REQUIRED: Final = object()
"""In the place of a default: the key must be there."""
_MOST_FINDINGS = 8


@dataclass(frozen=True, slots=True)
class Value:
    """What stands under a key.

    Attributes:
        document: The file.
        place: The keys that lead to it.
        value: What it says.
    """

    document: Document
    place: Place
    value: Any

    @property
    def exact(self) -> Any:  # noqa: ANN401 - whatever the file says
        """Return it with every number that has a point as a ``Decimal``, in lists and groups too."""
        if isinstance(self.value, list):
            return [self.under(number, item).exact for number, item in enumerate(self.value)]
        if isinstance(self.value, dict):
            return {key: self.under(key, item).exact for key, item in self.value.items()}
        if isinstance(self.value, float):
            return Decimal(self.document.written[self.place])
        return self.value

    def under(self, part: str | int, value: object) -> "Value":
        """Return what stands in it under ``part``."""
        return Value(self.document, (*self.place, part), value)


Rule = Callable[[Value], Any]
"""Returns what a value means; raises ``ValueError`` where it means nothing, or ``Unfit`` to say more."""


class Unfit(ValueError):  # noqa: N818 - it is no error before the file is named in it
    """What is wrong deeper down, each in words with its line, key and value."""

    def __init__(self, *findings: str) -> None:
        super().__init__(*findings)
        self.findings = findings


class Key(NamedTuple):
    """What a file may say under a key.

    Attributes:
        must_be: In words, with an example.
        rule: Reads it.
        default: What is meant where the key is absent.
    """

    must_be: str
    rule: Rule
    default: Any = REQUIRED


def read_keys(path: Path, what: str, missing: str, keys: Mapping[str, Key]) -> dict[str, Any]:
    """Return what the file at ``path`` says under each of ``keys``.

    Args:
        path: The file.
        what: What it is called in messages, such as ``strategy file``.
        missing: What to do where there is none.
        keys: All that it may say.

    Raises:
        ConfigurationError: The file is missing or no plain YAML, a key is absent, unknown or holds what it must
            not; the message is one line, and names the file, the line, the key, the value and the remedy.
    """
    document = read_document(path, what, missing)
    if not isinstance(document.content, dict):
        message = f"{what} {path} must hold keys such as {', '.join(keys)}, was {shown(document.content)}; write them"
        raise ConfigurationError(message)
    try:
        return said_of(Value(document, (), document.content), keys)
    except Unfit as error:
        findings = error.findings
        more = f"; and {len(findings) - _MOST_FINDINGS} more" if len(findings) > _MOST_FINDINGS else ""
        message = f"{what} {path}: {'; '.join(findings[:_MOST_FINDINGS])}{more}. Mend the file and run it again"
        raise ConfigurationError(message) from None


def said_of(group: Value, keys: Mapping[str, Key]) -> dict[str, Any]:
    """Return what a group says under each of ``keys``.

    Args:
        group: A group of keys.
        keys: All that it may say.

    Raises:
        Unfit: A key is absent, unknown or holds what it must not.
    """
    findings: list[str] = []
    for name, item in group.value.items():
        if name not in keys:
            value = group.under(name, item)
            findings.append(
                f"{_line(value)}key {_name(value)} is not known (value {shown(item)}){nearest(name, list(keys))};"
                " take it out or correct it"
            )
    said: dict[str, Any] = {}
    for name, key in keys.items():
        value = group.under(name, group.value.get(name))
        if name not in group.value:
            said[name] = key.default
            if key.default is REQUIRED:
                findings.append(f"key {_name(value)} is missing; add it: {key.must_be}")
            continue
        try:
            said[name] = key.rule(value)
        except Unfit as error:
            findings.extend(error.findings)
        except ValueError:
            findings.append(finding(value, key.must_be))
    if findings:
        raise Unfit(*findings)
    return said


def finding(value: Value, must_be: str) -> str:
    """Return in words that a value must be something else."""
    was = as_written(value.value, value.document.written.get(value.place))
    return f"{_line(value)}key {_name(value)} must be {must_be}, was {was}"


def _line(value: Value) -> str:
    line = value.document.lines.get(value.place)
    return "" if line is None else f"line {line}: "


def _name(value: Value) -> str:
    return repr(".".join(map(str, value.place)))


def text(value: Value) -> str:
    """Return a text that is not blank."""
    if not isinstance(value.value, str) or not value.value.strip():
        raise ValueError
    return value.value


def flag(value: Value) -> bool:
    """Return a truth value."""
    if not isinstance(value.value, bool):
        raise ValueError  # noqa: TRY004 - the caller says what it must be
    return value.value


def day(value: Value) -> date:
    """Return a date."""
    if type(value.value) is not date:
        raise ValueError
    return value.value


def group(value: Value) -> dict[str, Any]:
    """Return a group of keys, numbers with a point exact."""
    if value.value is None:
        return {}
    if not isinstance(value.value, dict):
        raise ValueError  # noqa: TRY004 - the caller says what it must be
    return dict(value.exact)


def texts(value: Value) -> tuple[str, ...]:
    """Return a list of different texts, at least one."""
    if not isinstance(value.value, list) or not value.value:
        raise ValueError
    found = tuple(text(value.under(number, item)) for number, item in enumerate(value.value))
    if len(set(found)) < len(found):
        raise ValueError
    return found


def choice(options: Collection[str]) -> Rule:
    """Return the rule of a value that is one of ``options``."""

    def rule(value: Value) -> str:
        if not isinstance(value.value, str) or value.value not in options:
            raise ValueError
        return str(value.value)

    return rule


def amount(*, above: int | None = None, at_least: int | None = None, below: int | None = None) -> Rule:
    """Return the rule of an amount, exactly as it is written, within bounds."""

    def rule(value: Value) -> Decimal:
        written = value.document.written.get(value.place)
        if written is None or value.value is None or isinstance(value.value, bool | date):
            raise ValueError
        try:
            found = Decimal(written)
        except InvalidOperation:
            raise ValueError from None
        if not found.is_finite() or (above is not None and found <= above) or (below is not None and found >= below):
            raise ValueError
        if at_least is not None and found < at_least:
            raise ValueError
        return found

    return rule


def amounts(names: Collection[str]) -> Rule:
    """Return the rule of a group of amounts of at least 0, by ``names``."""

    def rule(value: Value) -> dict[str, Decimal]:
        if not isinstance(value.value, dict):
            raise ValueError  # noqa: TRY004 - the caller says what it must be
        found = {}
        for name, item in value.value.items():
            under = value.under(name, item)
            if name not in names:
                raise Unfit(finding(under, f"one of {', '.join(names)}"))
            try:
                found[name] = amount(at_least=0)(under)
            except ValueError:
                raise Unfit(finding(under, "an amount of at least 0, such as 0.005")) from None
        return found

    return rule
