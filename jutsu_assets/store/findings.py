"""The ledger of findings: what the rules said of each partition, and what a person keeps of it."""

import json
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select

from jutsu_assets.store import schema
from jutsu_assets.store.engine import Database
from jutsu_core.bars import Timeframe, from_epoch, to_epoch
from jutsu_core.errors import NoDataError
from jutsu_core.ports import Clock
from jutsu_core.quality.findings import Acknowledgement, Finding, KeptFinding, Verdict, tallied

MOST_KEPT = 500
"""So many findings of one rule in one partition are kept, the newest; all are counted."""

_VERDICTS, _FINDINGS, _KEPT = schema.bar_verdicts, schema.bar_findings, schema.acknowledgements
_IS_KEPT = and_(
    _KEPT.c.symbol == _FINDINGS.c.symbol,
    _KEPT.c.timeframe == _FINDINGS.c.timeframe,
    _KEPT.c.rule == _FINDINGS.c.rule,
    _KEPT.c.session == _FINDINGS.c.session,
    _KEPT.c.finding_hash == _FINDINGS.c.finding_hash,
)


class FindingsLedger:
    """Keeps verdicts, findings and acknowledgements.

    Args:
        database: The system of record.
        clock: Tells when something was judged or acknowledged.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def verdict(self, symbol: str, timeframe: Timeframe) -> Verdict | None:
        """Return the newest verdict on a partition, or None while it was never judged."""
        return self.verdicts(timeframe, [symbol]).get(symbol)

    def verdicts(self, timeframe: Timeframe, symbols: Sequence[str] | None = None) -> dict[str, Verdict]:
        """Return the newest verdicts by symbol; of all that were judged, if ``symbols`` is None."""
        with self._database.reading() as connection:
            return self._read(connection, timeframe, symbols)

    def record(self, symbol: str, timeframe: Timeframe, *, basis: str, findings: Sequence[Finding]) -> Verdict:
        """Replace what is known of a partition, in one transaction, and return the verdict.

        What was acknowledged stays so where the same fault is found again.

        Raises:
            StoreUnavailableError: It could not be written; what was known stays.
        """
        partition = {"symbol": symbol, "timeframe": timeframe.value}
        rows = [{**partition, **_row(finding)} for finding in _newest(findings)]
        verdict = {
            **partition,
            "basis": basis,
            "judged_at": to_epoch(self._clock.now()),
            "counts": json.dumps(tallied(findings), sort_keys=True),
        }
        with self._database.writing() as connection:
            self._database.take_turn(connection, f"bar_verdicts/{symbol}/{timeframe.value}")
            for table in (_VERDICTS, _FINDINGS):
                connection.execute(delete(table).where(_of(table, symbol, timeframe)))
            connection.execute(insert(_VERDICTS), verdict)
            if rows:
                connection.execute(insert(_FINDINGS), rows)
            return self._read(connection, timeframe, [symbol])[symbol]

    def findings(
        self, timeframe: Timeframe, symbols: Sequence[str] | None = None, rule: str | None = None
    ) -> list[KeptFinding]:
        """Return what is known, by symbol, rule and time; of all symbols and rules, where none is named."""
        query = (
            select(_FINDINGS, _KEPT.c.reason, _KEPT.c.acknowledged_by, _KEPT.c.acknowledged_at)
            .select_from(_FINDINGS.outerjoin(_KEPT, _IS_KEPT))
            .where(_FINDINGS.c.timeframe == timeframe.value)
            .order_by(_FINDINGS.c.symbol, _FINDINGS.c.rule, _FINDINGS.c.session, _FINDINGS.c.finding_hash)
        )
        if symbols is not None:
            query = query.where(_FINDINGS.c.symbol.in_(symbols))
        if rule is not None:
            query = query.where(_FINDINGS.c.rule == rule)
        with self._database.reading() as connection:
            return [_kept(row) for row in connection.execute(query)]

    def acknowledge(
        self, symbol: str, timeframe: Timeframe, rule: str, session: date | None, *, reason: str, by: str
    ) -> list[Finding]:
        """Keep what is found of a rule in a session, or in the whole partition, and return what was kept.

        Raises:
            NoDataError: There is nothing open of that rule there; nothing was written.
        """
        chosen = [
            kept.finding
            for kept in self.findings(timeframe, [symbol], rule)
            if kept.acknowledgement is None and (session is None or kept.finding.session == session)
        ]
        if not chosen:
            where = "" if session is None else f" on {session}"
            message = (
                f"{symbol} must have an open finding of {rule}{where} to acknowledge, has none;"
                f" `jutsu quality list {symbol}` shows what there is"
            )
            raise NoDataError(message)
        now = to_epoch(self._clock.now())
        rows = [
            {
                "symbol": symbol,
                "timeframe": timeframe.value,
                "rule": rule,
                "session": row["session"],
                "finding_hash": row["finding_hash"],
                "reason": reason,
                "acknowledged_by": by,
                "acknowledged_at": now,
            }
            for row in map(_row, chosen)
        ]
        with self._database.writing() as connection:
            self._database.take_turn(connection, f"bar_verdicts/{symbol}/{timeframe.value}")
            connection.execute(insert(_KEPT), rows)
        return chosen

    def withdraw(self, symbol: str, timeframe: Timeframe, rule: str, session: date | None) -> int:
        """Take acknowledgements back, of a session or of the whole partition, and return how many there were.

        Raises:
            NoDataError: There is none; nothing was written.
        """
        of_rule = _of(_KEPT, symbol, timeframe) & (_KEPT.c.rule == rule)
        if session is not None:
            of_rule &= _KEPT.c.session == session.isoformat()
        with self._database.writing() as connection:
            self._database.take_turn(connection, f"bar_verdicts/{symbol}/{timeframe.value}")
            count = int(connection.execute(delete(_KEPT).where(of_rule)).rowcount)
        if not count:
            message = (
                f"{symbol} must have an acknowledged finding of {rule} to withdraw, has none;"
                f" `jutsu quality list {symbol}` shows what there is"
            )
            raise NoDataError(message)
        return count

    def _read(self, connection: Connection, timeframe: Timeframe, symbols: Sequence[str] | None) -> dict[str, Verdict]:
        judged = select(_VERDICTS.c.symbol, _VERDICTS.c.basis, _VERDICTS.c.judged_at, _VERDICTS.c.counts).where(
            _VERDICTS.c.timeframe == timeframe.value
        )
        kept = (
            select(_FINDINGS.c.symbol, _FINDINGS.c.rule, func.count())
            .select_from(_FINDINGS.join(_KEPT, _IS_KEPT))
            .where(_FINDINGS.c.timeframe == timeframe.value)
            .group_by(_FINDINGS.c.symbol, _FINDINGS.c.rule)
        )
        if symbols is not None and len(symbols) == 1:
            judged = judged.where(_VERDICTS.c.symbol == symbols[0])
            kept = kept.where(_FINDINGS.c.symbol == symbols[0])
        wanted = None if symbols is None else set(symbols)
        acknowledged: dict[str, dict[str, int]] = {}
        for symbol, rule, count in connection.execute(kept):
            acknowledged.setdefault(symbol, {})[rule] = count
        return {
            symbol: _verdict(symbol, basis, judged_at, json.loads(counts), acknowledged.get(symbol, {}))
            for symbol, basis, judged_at, counts in connection.execute(judged)
            if wanted is None or symbol in wanted
        }


def _verdict(symbol: str, basis: str, judged_at: int, found: dict[str, int], kept: dict[str, int]) -> Verdict:
    still_open = {rule: count - kept.get(rule, 0) for rule, count in found.items()}
    return Verdict(
        symbol=symbol,
        basis=basis,
        judged_at=from_epoch(judged_at),
        counts={rule: count for rule, count in still_open.items() if count},
        acknowledged=kept,
    )


def _newest(findings: Iterable[Finding]) -> list[Finding]:
    """Return the last findings of each rule."""
    by_rule: dict[str, list[Finding]] = {}
    for finding in findings:
        by_rule.setdefault(finding.rule, []).append(finding)
    return [finding for found in by_rule.values() for finding in found[-MOST_KEPT:]]


def _row(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "session": "" if finding.session is None else finding.session.isoformat(),
        "finding": finding.text,
        "finding_hash": finding.fingerprint,
    }


def _kept(row: Any) -> KeptFinding:  # noqa: ANN401 - a row of the ledger
    session = date.fromisoformat(row.session) if row.session else None
    return KeptFinding(
        symbol=row.symbol,
        finding=Finding(row.rule, session, row.finding),
        acknowledgement=None
        if row.reason is None
        else Acknowledgement(row.reason, row.acknowledged_by, from_epoch(row.acknowledged_at)),
    )


def _of(table: Any, symbol: str, timeframe: Timeframe) -> Any:  # noqa: ANN401 - SQLAlchemy's expression types
    return (table.c.symbol == symbol) & (table.c.timeframe == timeframe.value)
