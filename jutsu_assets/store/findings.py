"""The ledger of findings: what the rules said of each partition, and what a person keeps of it."""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select, update

from jutsu_assets.store import schema
from jutsu_assets.store.engine import Database
from jutsu_assets.store.rows import run
from jutsu_core.bars import Timeframe, from_epoch, to_epoch
from jutsu_core.errors import InvalidInputError, NoDataError
from jutsu_core.ports import Clock
from jutsu_core.quality.findings import Acknowledgement, Finding, KeptFinding, Verdict, cleaned, tallied

MOST_LISTED = 500
"""So many open findings of one rule in one partition are listed, the newest; all are counted."""

_VERDICTS, _FINDINGS, _KEPT = schema.bar_verdicts, schema.bar_findings, schema.acknowledgements
_IS_KEPT = and_(
    _KEPT.c.symbol == _FINDINGS.c.symbol,
    _KEPT.c.timeframe == _FINDINGS.c.timeframe,
    _KEPT.c.rule == _FINDINGS.c.rule,
    _KEPT.c.session == _FINDINGS.c.session,
    _KEPT.c.finding_hash == _FINDINGS.c.finding_hash,
)
# On the driver's own cursor: every run asks this of every symbol.
_VERDICT = """
select v.symbol, v.basis, v.judged_at, v.counts, k.rule, k.kept
from bar_verdicts v left join (
    select a.symbol, a.rule, count(*) as kept from acknowledgements a join bar_findings f
        on f.symbol = a.symbol and f.timeframe = a.timeframe and f.rule = a.rule and f.session = a.session
        and f.finding_hash = a.finding_hash
    where a.timeframe = ? {kept} group by a.symbol, a.rule
) k on k.symbol = v.symbol
where v.timeframe = ? {judged} order by v.symbol
"""


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
        verdict = {
            **partition,
            "basis": basis,
            "judged_at": to_epoch(self._clock.now()),
            "counts": json.dumps(tallied(findings), sort_keys=True),
        }
        kept = select(_KEPT.c.rule, _KEPT.c.session, _KEPT.c.finding_hash).where(_of(_KEPT, symbol, timeframe))
        with self._database.writing() as connection:
            self._take_turn(connection, symbol, timeframe)
            listed = _listed(map(_row, findings), {tuple(row) for row in connection.execute(kept)})
            for table in (_VERDICTS, _FINDINGS):
                connection.execute(delete(table).where(_of(table, symbol, timeframe)))
            connection.execute(insert(_VERDICTS), verdict)
            if listed:
                connection.execute(insert(_FINDINGS), [{**partition, **row} for row in listed])
            return self._read(connection, timeframe, [symbol])[symbol]

    def findings(
        self,
        timeframe: Timeframe,
        symbols: Sequence[str] | None = None,
        rule: str | None = None,
        *,
        limit: int | None = None,
    ) -> list[KeptFinding]:
        """Return what is known, by symbol, rule and time; of all symbols and rules, where none is named.

        Of each rule in each partition at most :data:`MOST_LISTED` open ones are known, the newest.
        """
        with self._database.reading() as connection:
            return self._listed(connection, timeframe, symbols, rule, limit)

    def acknowledge(
        self, symbol: str, timeframe: Timeframe, rule: str, session: date | None, *, reason: str, by: str
    ) -> list[Finding]:
        """Keep what is found of a rule in a session, or in the whole partition, and return what was kept.

        Kept is that fault: another one of the same session and rule is open.

        Raises:
            InvalidInputError: ``reason`` or ``by`` says nothing.
            NoDataError: There is nothing open of that rule there; nothing was written.
        """
        for name, text in (("reason", reason), ("by", by)):
            if not text.strip():
                message = f"{name} must say something to who reads it later, was {text!r}"
                raise InvalidInputError(message)
        with self._database.writing() as connection:
            self._take_turn(connection, symbol, timeframe)
            still_open = [
                known.finding
                for known in self._listed(connection, timeframe, [symbol], rule)
                if known.acknowledgement is None
            ]
            chosen = [finding for finding in still_open if session in {None, finding.session}]
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
                    "reason": cleaned(reason.strip()),
                    "acknowledged_by": cleaned(by.strip()),
                    "acknowledged_at": now,
                }
                for row in map(_row, chosen)
            ]
            connection.execute(insert(_KEPT), rows)
            counted = self._read(connection, timeframe, [symbol])[symbol].counts.get(rule, 0)
            if counted > len(still_open) - len(chosen):
                # What was not listed is to be listed now: who inspects next finds the verdict outdated.
                outdated = update(_VERDICTS).where(_of(_VERDICTS, symbol, timeframe)).values(basis="")
                connection.execute(outdated)
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
            self._take_turn(connection, symbol, timeframe)
            count = int(connection.execute(delete(_KEPT).where(of_rule)).rowcount)
        if not count:
            where = "" if session is None else f" on {session}"
            message = (
                f"{symbol} must have an acknowledged finding of {rule}{where} to withdraw, has none;"
                f" `jutsu quality list {symbol}` shows what there is"
            )
            raise NoDataError(message)
        return count

    def _take_turn(self, connection: Connection, symbol: str, timeframe: Timeframe) -> None:
        self._database.take_turn(connection, f"bar_verdicts/{symbol}/{timeframe.value}")

    def _listed(
        self,
        connection: Connection,
        timeframe: Timeframe,
        symbols: Sequence[str] | None,
        rule: str | None,
        limit: int | None = None,
    ) -> list[KeptFinding]:
        query = (
            select(_FINDINGS, _KEPT.c.reason, _KEPT.c.acknowledged_by, _KEPT.c.acknowledged_at)
            .select_from(_FINDINGS.outerjoin(_KEPT, _IS_KEPT))
            .where(_FINDINGS.c.timeframe == timeframe.value)
            .order_by(_FINDINGS.c.symbol, _FINDINGS.c.rule, _FINDINGS.c.session, _FINDINGS.c.finding_hash)
            .limit(limit)
        )
        if symbols is not None:
            query = query.where(_FINDINGS.c.symbol.in_(symbols))
        if rule is not None:
            query = query.where(_FINDINGS.c.rule == rule)
        return [_kept(row) for row in connection.execute(query)]

    @staticmethod
    def _read(connection: Connection, timeframe: Timeframe, symbols: Sequence[str] | None) -> dict[str, Verdict]:
        # One question, so that what is found and what is kept of it belong together.
        if symbols is not None and len(symbols) == 1:
            of_one = (timeframe.value, symbols[0])
            found = run(connection, _VERDICT.format(kept="and a.symbol = ?", judged="and v.symbol = ?"), of_one * 2)
        else:
            found = run(connection, _VERDICT.format(kept="", judged=""), (timeframe.value, timeframe.value))
        wanted = None if symbols is None else set(symbols)
        judged: dict[str, tuple[str, int, str]] = {}
        acknowledged: dict[str, dict[str, int]] = {}
        for symbol, basis, judged_at, counts, rule, kept in found.fetchall():
            if wanted is None or symbol in wanted:
                judged[symbol] = (basis, judged_at, counts)
                of_symbol = acknowledged.setdefault(symbol, {})
                if rule is not None:
                    of_symbol[rule] = kept
        return {symbol: _verdict(symbol, *said, acknowledged[symbol]) for symbol, said in judged.items()}


def _verdict(symbol: str, basis: str, judged_at: int, counts: str, kept: dict[str, int]) -> Verdict:
    still_open = {rule: count - kept.get(rule, 0) for rule, count in json.loads(counts).items()}
    return Verdict(
        symbol=symbol,
        basis=basis,
        judged_at=from_epoch(judged_at),
        counts={rule: count for rule, count in still_open.items() if count},
        acknowledged=kept,
    )


def _listed(rows: Iterable[dict[str, Any]], kept: Collection[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Return the rows of findings that a person keeps, and the last of each rule that nobody does."""
    listed: list[dict[str, Any]] = []
    still_open: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if (row["rule"], row["session"], row["finding_hash"]) in kept:
            listed.append(row)
        else:
            still_open.setdefault(row["rule"], []).append(row)
    return listed + [row for found in still_open.values() for row in found[-MOST_LISTED:]]


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
