"""A YAML file of plain values: one document, read without what makes YAML surprising, every value with its line.

YAML lets a later key silence an earlier one, lets values stand for others until they fill the memory, and
reads ``ON``, ``010`` and ``4:12`` as something else than they look like. A file that a person writes by hand
and that decides what is asked of a broker has none of that: it is refused, with the line and what to do.
"""

import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from jutsu_core.errors import ConfigurationError

_MOST_BYTES = 2**20
"""More than a hundred thousand symbols need."""
_DEEPEST = 8
"""Deeper than any file of ours."""
_SHOWN_CHARACTERS = 60
_STANDARD = "tag:yaml.org,2002:"
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")
_NO_TEXT = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"))

Place = tuple[str | int, ...]
"""Where a value stands: the keys, and the numbers in lists, that lead to it."""


@dataclass(frozen=True)
class Document:
    """What a file says; not to be changed, since the next who reads the same text gets it too.

    Attributes:
        content: Mappings with text as keys, lists, text, numbers, booleans, dates, and None.
        lines: The line of each value, counted from 1.
        written: Each single value as it is written, without quotes.
    """

    content: Any
    lines: Mapping[Place, int] = field(default_factory=dict)
    written: Mapping[Place, str] = field(default_factory=dict)


class _Refusal(Exception):  # noqa: N818 - it is no error before the file is named in it
    """What is wrong, and what to do."""

    def __init__(self, line: int, found: str, remedy: str) -> None:
        super().__init__(found)
        self.line, self.found, self.remedy = line, found, remedy


def read_document(path: Path, what: str, missing: str) -> Document:
    """Return what the file at ``path`` says.

    Args:
        path: The file.
        what: What it is called in messages, such as ``universe file``.
        missing: What to do where there is none.

    Raises:
        ConfigurationError: The file is missing or unreadable, is not one YAML document, or holds what is not
            plain; the message is one line, and names the file, the line and the remedy.
    """
    text = _text(path, what, missing)
    try:
        return _document(text)
    except yaml.MarkedYAMLError as error:
        message = f"{what} {path} must be readable YAML, but {_problem(error, text)}; mend that line"
        raise ConfigurationError(message) from None
    except yaml.reader.ReaderError as error:
        number, character = text.count("\n", 0, error.position) + 1, chr(error.character)
        message = (
            f"{what} {path} must be readable YAML, but line {number} holds the character {character!a}, which no text"
            " has; take it out, or save the file as UTF-8"
        )
        raise ConfigurationError(message) from None
    except _Refusal as error:
        line = f"line {error.line}{_quoted_line(text, error.line)}"
        message = f"{what} {path} must be plainly readable YAML, but {line} {error.found}; {error.remedy}"
        raise ConfigurationError(message) from None


def shown(value: object) -> str:
    """Return ``value`` in one short line."""
    text = _in_one_line(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def as_written(value: object, written: str | None) -> str:
    """Return ``value`` as it stands in a file, and as YAML reads it where that is something else."""
    if isinstance(value, bool) or (value is None and written):
        return f"{written}, which YAML reads as {'nothing' if value is None else shown(value)}"
    return shown(value)


def nearest(name: str, known: Sequence[str]) -> str:
    """Return which of ``known`` may be meant by ``name``, in brackets after a blank; nothing where none is like it."""
    near = get_close_matches(name.lower(), [one.lower() for one in known], n=1)
    return "" if not near else f" (did you mean {next(one for one in known if one.lower() == near[0])}?)"


def _in_one_line(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(_in_one_line(item) for item in value[:_SHOWN_CHARACTERS])}]"
    if isinstance(value, dict):
        items = list(value.items())[:_SHOWN_CHARACTERS]
        return "{" + ", ".join(f"{key}: {_in_one_line(item)}" for key, item in items) + "}"
    # Letters that only look like those of the alphabet must not.
    return ascii(value) if isinstance(value, str) else str(value)


def _text(path: Path, what: str, missing: str) -> str:
    try:
        # A pipe would keep its reader waiting for a writer.
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - one look, whatever it is
            kind = "a folder" if path.is_dir() else "a device or a pipe"
            message = f"{what} {path} must be a file, and is {kind}; {missing}"
            raise ConfigurationError(message)
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        message = f"{what} {path} must exist; {missing}"
        raise ConfigurationError(message) from None
    except OSError as error:
        message = f"{what} {path} must be readable, and is not: {error.strerror}; grant its reading, or {missing}"
        raise ConfigurationError(message) from None
    if len(raw) > _MOST_BYTES:
        message = f"{what} {path} must be smaller than {_MOST_BYTES:,} bytes; take out what is none of its keys"
        raise ConfigurationError(message)
    try:
        for mark, encoding in _NO_TEXT:
            if raw.startswith(mark):
                message = f"{what} {path} must be readable YAML in UTF-8, and is {encoding}; save it as UTF-8"
                raise ConfigurationError(message)
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = (
            f"{what} {path} must be readable YAML in UTF-8, but line {line} holds the byte 0x{raw[error.start]:02X},"
            " which is none; save the file as UTF-8"
        )
        raise ConfigurationError(message) from None


def _problem(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark or error.context_mark
    number = 1 if mark is None else mark.line + 1
    said = " ".join(str(error.problem or error.context).split())
    if "'\\t'" in said:
        said += " (a tab does not indent: use spaces)"
    begun = error.context_mark
    since = (
        "" if begun is None or begun.line + 1 == number else f", {error.context} that begins in line {begun.line + 1}"
    )
    return f"line {number}{_quoted_line(text, number)} is not: {said}{since}"


def _quoted_line(text: str, number: int) -> str:
    lines = text.splitlines()
    return f" ({shown(lines[number - 1].strip(' '))})" if number <= len(lines) else ""


@lru_cache(maxsize=8)  # who reads in a loop reads the same file; to compose 500 lines takes 20 ms, to read them 0.1
def _document(text: str) -> Document:
    return _Composer(text).document()


class _Composer(yaml.SafeLoader):
    """Makes values of a text, and notes their lines; refuses what is not plain."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._lines: dict[Place, int] = {}
        self._written: dict[Place, str] = {}

    def document(self) -> Document:
        """Return what the text says; an empty one says None."""
        try:
            self._next()  # the beginning of the stream
            if self.check_event(yaml.StreamEndEvent):
                return Document(None)
            node = self.compose_document()
            if not self.check_event(yaml.StreamEndEvent):
                line = _line(self._peeked())
                raise _Refusal(line, "begins a second document", "keep one, without a line --- or ... between")
            return Document(None if node is None else self._value(node, ()), self._lines, self._written)
        finally:
            self.dispose()

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - PyYAML's own
        """Return the next node; refuse names of values, tags and depth before they cost anything."""
        event = self._peeked()
        if (name := getattr(event, "anchor", None)) is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            found = f"holds {shown(sign + name)}: {sign} gives a value a name, or stands for one"
            raise _Refusal(
                _line(event), found, "write each value where it belongs, and text with such a sign in quotes"
            )
        if (tag := getattr(event, "tag", None)) is not None:
            said = shown(tag.replace(_STANDARD, "!!"))
            raise _Refusal(_line(event), f"holds the tag {said}", "leave it out; text stands in quotes")
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _Refusal(_line(event), f"is nested deeper than {_DEEPEST} levels", "take the surplus brackets out")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _next(self) -> yaml.Event:
        event: yaml.Event = self.get_event()  # type: ignore[no-untyped-call]
        return event

    def _peeked(self) -> yaml.Event:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        return event

    def _value(self, node: yaml.Node, place: Place) -> Any:  # noqa: ANN401 - whatever the file says
        self._lines[place] = _line(node)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*place, number)) for number, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        self._written[place] = node.value
        is_quoted = isinstance(node, yaml.ScalarNode) and node.style is not None
        return node.value if is_quoted else self._unquoted(node, place)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            line = _line(key)
            if not isinstance(key, yaml.ScalarNode):
                raise _Refusal(line, "has a list or a group of keys as a key", "a key is one word")
            name = key.value
            if key.tag == f"{_STANDARD}merge":
                raise _Refusal(line, "holds the key '<<', which merges others", "write the keys out")
            if name in found:
                former = self._lines[*place, name]
                what = f"holds the key {shown(name)} again (value {self._shown(value, (*place, name))})"
                raise _Refusal(line, what, f"it stands in line {former} already: keep one of the two")
            found[name] = self._value(value, (*place, name))
            self._lines[*place, name] = line
        return found

    def _shown(self, node: yaml.Node, place: Place) -> str:
        return shown(node.value) if isinstance(node, yaml.ScalarNode) else shown(self._value(node, place))

    def _unquoted(self, node: yaml.Node, place: Place) -> Any:  # noqa: ANN401 - whatever the file says
        text, kind = node.value, node.tag.removeprefix(_STANDARD)
        if kind in {"null", "bool"}:
            return self.construct_object(node)
        if _WHOLE.fullmatch(text) and kind == "int":
            return self._converted(int, node, place)
        if _DECIMAL.fullmatch(text):
            return self._converted(float, node, place)
        if kind in {"int", "float"}:
            found = f"holds {self._named(place)} {shown(text)}, which YAML reads as the number {self._number(node)}"
            raise _Refusal(_line(node), found, "write a number in decimal digits, and text in quotes")
        return self._converted(lambda _: self.construct_object(node), node, place) if kind == "timestamp" else text

    def _converted(self, convert: Any, node: yaml.Node, place: Place) -> Any:  # noqa: ANN401 - whatever the file says
        try:
            return convert(node.value)
        except (ValueError, OverflowError) as error:
            what = f"holds {self._named(place)} {shown(node.value)}, which is no number and no date: {error}"
            raise _Refusal(_line(node), what, "correct it; text stands in quotes") from None

    def _number(self, node: yaml.Node) -> object:
        try:
            return shown(self.construct_object(node))
        except (ValueError, OverflowError):
            return "that it cannot be"

    @staticmethod
    def _named(place: Place) -> str:
        names = [part for part in place if isinstance(part, str)]
        return f"in {shown('.'.join(names))} the value" if names else "the value"


def _line(where: yaml.Node | yaml.Event) -> int:
    mark = where.start_mark
    return 1 if mark is None else int(mark.line) + 1
