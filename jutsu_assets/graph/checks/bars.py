"""Checks of daily bars: what the rules of ``jutsu_core.quality`` found, as truths.

One check has a light a symbol: it says of each whether its bars are sound, and what is not. Beside
it each rule has one light for the whole universe, which names the worst symbols; it is read from
the ledger of findings, so that it costs the same however many symbols a run was about, and cannot
turn green because a sound symbol was materialized after a broken one.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from jutsu_assets.graph.metadata import table
from jutsu_assets.store.findings import FindingsLedger
from jutsu_core.bars import Timeframe
from jutsu_core.quality.catalog import RULES, Rule
from jutsu_core.quality.findings import Severity, Verdict

BARS_ARE_SOUND = "bars_are_sound"
LISTED_SYMBOLS = 10
LISTED_FINDINGS = 20
_REMEDY = "`jutsu quality list` shows every finding; `jutsu quality acknowledge` keeps one that a person looked at."
_RULES: Mapping[str, Rule] = {rule.name: rule for rule in RULES}


def check_specs(asset: str, partitions: dg.PartitionsDefinition[str]) -> list[dg.AssetCheckSpec]:
    """Return the specifications of all checks of ``asset``: one by symbol, and one of each rule for all."""
    return [
        dg.AssetCheckSpec(
            BARS_ARE_SOUND,
            asset=asset,
            partitions_def=partitions,
            description=f"No rule finds anything in the symbol's bars that nobody acknowledged. {_REMEDY}",
        ),
        *(dg.AssetCheckSpec(rule.name, asset=asset, description=rule.description) for rule in RULES),
    ]


def symbol_evaluation(asset: str, verdict: Verdict) -> dg.AssetCheckEvaluation:
    """Return what the UI shows of one symbol: sound, or what is not."""
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset),
        check_name=BARS_ARE_SOUND,
        partition=verdict.symbol,
        passed=verdict.is_sound,
        severity=_worst(verdict.counts),
        metadata=dict(verdict.counts),
    )


def rule_results(
    asset: str, ledger: FindingsLedger, symbols: Sequence[str], wanted: Collection[str]
) -> Iterator[dg.AssetCheckResult]:
    """Yield, for each of the ``wanted`` rules, what the ledger knows of all ``symbols``, the worst first."""
    rules = [rule for rule in RULES if rule.name in wanted]
    if not rules:
        return
    verdicts = ledger.verdicts(Timeframe.D1, symbols)
    for rule in rules:
        still_open = {symbol: verdict.counts.get(rule.name, 0) for symbol, verdict in verdicts.items()}
        yield dg.AssetCheckResult(
            asset_key=asset,
            check_name=rule.name,
            passed=not any(still_open.values()),
            severity=dg.AssetCheckSeverity(rule.severity.value),
            metadata=_summary(ledger, rule, still_open, verdicts),
        )


def _summary(
    ledger: FindingsLedger, rule: Rule, still_open: Mapping[str, int], verdicts: Mapping[str, Verdict]
) -> dict[str, Any]:
    worst = sorted(
        (symbol for symbol, count in still_open.items() if count), key=lambda name: (-still_open[name], name)
    )
    metadata: dict[str, Any] = {
        "symbols": len(verdicts),
        "symbols_with_findings": len(worst),
        "findings": sum(still_open.values()),
        "acknowledged": sum(verdict.acknowledged.get(rule.name, 0) for verdict in verdicts.values()),
    }
    if worst:
        listed = worst[:LISTED_SYMBOLS]
        metadata["worst_symbols"] = ", ".join(f"{symbol}: {still_open[symbol]:,}" for symbol in listed)
        metadata["exceptions"] = table(_exceptions(ledger, rule, listed))
    return metadata


def _exceptions(ledger: FindingsLedger, rule: Rule, symbols: Sequence[str]) -> list[dict[str, str]]:
    """Return some findings of each of ``symbols``: one that has many must not hide the others."""
    of_each = max(1, LISTED_FINDINGS // len(symbols))
    rows: list[dict[str, str]] = []
    for symbol in symbols:
        kept = [
            known.finding for known in ledger.findings(Timeframe.D1, [symbol], rule.name) if not known.acknowledgement
        ]
        rows += [
            {
                "symbol": symbol,
                "session": "" if finding.session is None else str(finding.session),
                "finding": finding.text,
            }
            for finding in kept[:of_each]
        ]
    return rows


def _worst(counts: Mapping[str, int]) -> dg.AssetCheckSeverity:
    is_error = any(_RULES[rule].severity is Severity.ERROR for rule in counts if rule in _RULES)
    return dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN
