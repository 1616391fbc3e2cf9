"""One partition after another, each by itself: what a run does with assets that need no source."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import dagster as dg

from jutsu_assets.graph.failures import is_hopeless
from jutsu_assets.graph.recording import Made, Recorder
from jutsu_assets.store.market import MarketDatabase
from jutsu_core.errors import JutsuError, StoreError


class Maker(Protocol):
    """Brings one partition after another of an asset up to date."""

    def make(self, name: str) -> Made:
        """Bring the partition ``name`` up to date, and return what is to be recorded of it.

        Raises:
            JutsuError: It could not be; what was there is kept.
        """


def make_each(
    context: dg.AssetExecutionContext,
    recorder: Recorder,
    database: MarketDatabase,
    names: Sequence[str],
    makers: Mapping[str, Maker],
) -> None:
    """Make the partitions ``names`` of each asset of ``makers``; one that fails keeps nothing from the others.

    Raises:
        dagster.Failure: Some could not be made; it names them.
    """
    standing = {(failure.asset, failure.partition) for failure in database.failures.all_standing()}
    for done, name in enumerate(names, start=1):
        said: dict[str, Made] = {}
        hopeless: JutsuError | None = None
        for asset, maker in makers.items():
            try:
                said[asset] = maker.make(name)
                recorder.materialized(asset, name, said[asset])
                if (asset, name) in standing:
                    database.failures.clear(asset, name)
            except JutsuError as error:
                recorder.failed(name, error, [asset])
                _note(context, database, [name], [asset], str(error))
                hopeless = error if is_hopeless(error) and isinstance(error, StoreError) else hopeless
        if said:
            recorder.progress(name, said, done=done)
        if hopeless is not None:
            recorder.stop_before(names[done:])
            _note(context, database, names[done:], list(makers), f"not tried: {hopeless}")
            break
    recorder.finish()


def _note(
    context: dg.AssetExecutionContext,
    database: MarketDatabase,
    names: Sequence[str],
    assets: Sequence[str],
    reason: str,
) -> None:
    try:
        database.failures.record(names, assets, reason)
    except StoreError as error:
        # What failed may be the store itself; the run says so anyway.
        context.log.warning("failures are not noted for the doctor: %s", error)
