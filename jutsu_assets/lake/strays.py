"""Files of the lake that no row of the manifest names: what a replaced file or a killed writer left."""

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

GRACE = timedelta(days=1)
"""A run sweeps what it replaced after ten minutes; what is older than this, nobody sweeps any more."""


def stray_files(root: Path, assets: Collection[str], current: Collection[str], now: datetime) -> list[Path]:
    """Return the files that are in the folders of ``assets``, older than :data:`GRACE`, and not ``current``.

    Args:
        root: The folder of the lake.
        assets: Names of assets, each a folder in it.
        current: Where the current files are, relative to the lake.
        now: The current instant.
    """
    oldest, kept = (now - GRACE).timestamp(), {root / path for path in current}
    found = []
    for asset in sorted(assets):
        with suppress(OSError):
            found += [path for path in sorted((root / asset).iterdir()) if path not in kept and _is_old(path, oldest)]
    return found


def _is_old(path: Path, oldest: float) -> bool:
    try:
        return path.is_file() and path.stat().st_mtime < oldest
    except OSError:  # swept meanwhile
        return False
