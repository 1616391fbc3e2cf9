"""What a rule found, what was judged of a partition, and where both are kept."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from jutsu_core.bars import Timeframe

LONGEST_FINDING = 500
"""Characters of a finding: what a source sent may be long, and it is kept whole in the quarantine."""


class Severity(StrEnum):
    """How bad an exception to a rule is."""

    WARN = "WARN"
    ERROR = "ERROR"


class Finding(NamedTuple):
    """One exception to a rule.

    Attributes:
        rule: Name of the rule.
        session: Where it is; None where it is of no session alone.
        text: What is wrong.
    """

    rule: str
    session: date | None
    text: str

    @property
    def fingerprint(self) -> str:
        """Return what tells this fault of its session from another one."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:32]


class Acknowledgement(NamedTuple):
    """That a person looked at a finding and keeps it."""

    reason: str
    by: str
    at: datetime


class KeptFinding(NamedTuple):
    """A finding as the ledger has it; ``acknowledgement`` is None while nobody kept it."""

    symbol: str
    finding: Finding
    acknowledgement: Acknowledgement | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the rules say of one partition.

    Attributes:
        symbol: The partition.
        basis: Identifies what was judged, and by which rules.
        judged_at: When.
        counts: Findings that are open, by rule; a rule without any is absent.
        acknowledged: Findings that a person keeps, by rule.
    """

    symbol: str
    basis: str
    judged_at: datetime
    counts: Mapping[str, int] = field(default_factory=dict)
    acknowledged: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        """Return whether nothing is open."""
        return not self.counts


class Findings(Protocol):
    """Keeps verdicts and findings by partition."""

    def verdict(self, symbol: str, timeframe: Timeframe) -> Verdict | None:
        """Return the newest verdict on a partition, or None while it was never judged."""
        ...

    def record(self, symbol: str, timeframe: Timeframe, *, basis: str, findings: Sequence[Finding]) -> Verdict:
        """Replace what is known of a partition, and return the verdict; what was acknowledged stays so."""
        ...


def cleaned(text: str) -> str:
    r"""Return ``text`` in one line of at most :data:`LONGEST_FINDING` printable characters.

    Examples:
        >>> cleaned("a\nb")
        'a b'
    """
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain if len(plain) <= LONGEST_FINDING else f"{plain[: LONGEST_FINDING - 1]}…"


def tallied(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings there are of each rule."""
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding.rule] = counts.get(finding.rule, 0) + 1
    return counts
