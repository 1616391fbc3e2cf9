"""When derived assets follow their inputs by themselves.

One condition, named, for every derived asset. Each of its clauses prevents a failure that was seen.
"""

from collections.abc import Iterable

import dagster as dg

FOLLOWS_ITS_INPUTS = "follows_its_inputs"
_MAKES = "jutsu/makes/"


def follows_its_inputs(asset: str) -> dg.AutomationCondition:  # type: ignore[type-arg]
    """Return the condition that asks for exactly the partitions of ``asset`` that are no longer what their inputs say.

    - The data version of an input changed. Not ``any_deps_updated``: an update that found nothing
      new is no reason to compute; and not ``eager()``, which loses an input's update that falls
      between two looks in which the asset itself was materialized. What changed while the
      partition was being made is kept in mind until it is asked for.
    - But not where every run that brought something new made ``asset`` of it too, as updates do.
      Runs say by a tag what they make: Dagster's own ``executed_with_root_target`` looks at the
      partition alone that was materialized last, and not at runs of a whole job.
    - Or the partition is newly missing, or the code of the asset changed.
    - Not while it is being made, and not before there is anything to make it of.
    """
    condition = dg.AutomationCondition
    changed = condition.data_version_changed() & ~condition.all_new_updates_have_run_tags(
        tag_keys=set(makes_tags([asset]))
    )
    asked = condition.newly_requested()
    return (
        (
            condition.any_deps_match(changed).since(asked)
            | condition.missing().newly_true()
            | condition.code_version_changed().since(asked)
        )
        & ~condition.in_progress()
        & ~condition.any_deps_missing()
    ).with_label(FOLLOWS_ITS_INPUTS)


def makes_tags(assets: Iterable[str]) -> dict[str, str]:
    """Return the tags by which a run says that it makes ``assets`` of what it brings."""
    return {f"{_MAKES}{asset}": "true" for asset in assets}
