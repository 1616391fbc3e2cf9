"""When derived assets follow their inputs by themselves.

One condition, named, for every derived asset. Each of its clauses prevents a failure that was seen.
"""

import dagster as dg

FOLLOWS_ITS_INPUTS = "follows_its_inputs"


def follows_its_inputs() -> dg.AutomationCondition:  # type: ignore[type-arg]
    """Return the condition that asks for exactly the partitions that are no longer what their inputs say.

    - The data version of an input changed. Not ``any_deps_updated``: an update that found nothing
      new is no reason to compute; and not ``eager()``, which loses an input's update that falls
      between two looks in which the asset itself was materialized.
    - Or the partition is newly missing, or the code of the asset changed.
    - Not while it is being made, and not before there is anything to make it of.
    """
    condition = dg.AutomationCondition
    return (
        (
            condition.any_deps_match(condition.data_version_changed())
            | condition.missing().newly_true()
            | condition.code_version_changed()
        )
        & ~condition.in_progress()
        & ~condition.any_deps_missing()
    ).with_label(FOLLOWS_ITS_INPUTS)
