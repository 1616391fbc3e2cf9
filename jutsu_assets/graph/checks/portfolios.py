"""The check of a portfolio: whether its history is what its fills make."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from jutsu_assets.graph.metadata import table

RECONCILES = "portfolio_reconciles_with_its_fills"
_RULES = (
    "total_is_cash_and_positions",
    "cash_follows_fills",
    "positions_follow_fills",
    "no_jump_without_a_reason",
    "fills_within_history",
)
"""Of ``jutsu_core.metrics.reconciliation``: what history and fills say that cannot both be."""


def reconciles_spec(asset: str, partitions: dg.PartitionsDefinition[str]) -> dg.AssetCheckSpec:
    """Return what Dagster knows of the check on ``asset``."""
    return dg.AssetCheckSpec(
        RECONCILES,
        asset=asset,
        partitions_def=partitions,
        description=(
            "Cash and positions add up to the total, follow the fills, and nothing jumps without a reason. A finding"
            " is named with its row; mend the files, or give what was paid in and out as cash_flow."
        ),
    )


def judged(asset: str, name: str, findings: Sequence[Mapping[str, Any]] | str) -> dg.AssetCheckEvaluation:
    """Return what the UI shows of the portfolio ``name``.

    Args:
        asset: The asset that is checked.
        name: The portfolio.
        findings: What its report found; a text says why there is none.
    """
    if isinstance(findings, str):
        return dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(asset),
            check_name=RECONCILES,
            partition=name,
            passed=False,
            severity=dg.AssetCheckSeverity.ERROR,
            description=f"Not measured: {findings}",
        )
    found = [finding for finding in findings if finding["rule"] in _RULES]
    rows = [{"rule": str(one["rule"]), "first": str(one["at"] or ""), "finding": str(one["text"])} for one in found]
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset),
        check_name=RECONCILES,
        partition=name,
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"findings": len(found), **({"exceptions": table(rows)} if rows else {})},
    )
