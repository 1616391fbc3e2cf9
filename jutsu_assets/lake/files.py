"""Writing a derived series as Parquet: a new name, fsync, rename; never over a file that a reader may hold.

What makes a file the current one is its row in the manifest (``jutsu_assets.store.manifest``).
"""

import contextlib
import os
import uuid
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from jutsu_assets.lake.names import name_of
from jutsu_assets.lake.tables import as_table, content_hash, from_parquet, to_parquet
from jutsu_assets.lake.verification import fault_of, is_sealed, is_untouched, maker_of
from jutsu_assets.store.manifest import SeriesFile, SeriesManifest
from jutsu_assets.whole_files import write_whole
from jutsu_core.errors import StoreUnavailableError
from jutsu_core.ports import Clock

SWEEP_GRACE = timedelta(minutes=10)


class Standing(NamedTuple):
    """How a partition stands before it is made.

    Attributes:
        file: Its current file, where that was made of the same and is what was written; else None.
        fault: What is wrong with the file that was made of the same, in words that follow its name.
    """

    file: SeriesFile | None
    fault: str | None


class Lake:
    """The folder of derived series, with the manifest that says which files are current.

    Args:
        root: The folder.
        manifest: The current files.
        clock: Tells when replaced files are old enough to be swept.
    """

    def __init__(self, root: Path, manifest: SeriesManifest, clock: Clock) -> None:
        self.root = root
        self.manifest = manifest
        self._clock = clock
        self._known: dict[str, set[str]] = defaultdict(set)
        self._not_before: dict[str, float] = {}

    def require_folder(self) -> None:
        """Make sure that the folder is there, unless there is nothing that it should hold.

        Raises:
            StoreUnavailableError: The manifest names files, and there is no folder: it is another machine's.
        """
        if self.root.is_dir() or not (files := self.manifest.all_current()):
            return
        message = (
            f"the lake {self.root} must be the folder of the {len(files):,} files that the store names, is not there:"
            " mount the folder that the machines share, or point JUTSU_HOME at it; if it is lost, make an empty one in"
            " its place, and all of it is computed again"
        )
        raise StoreUnavailableError(message)

    def standing(self, asset: str, partition_key: str, input_hash: str) -> Standing:
        """Return whether the partition's current file was computed from ``input_hash``, and is what was written.

        Bytes are read where the file does not look as it did; where they are right, it does so from now on.
        """
        file = self.manifest.current(asset, partition_key)
        if file is None or file.input_hash != input_hash:
            return Standing(None, None)
        if is_sealed(file) and is_untouched(self.root, file):
            return Standing(file, None)
        fault = fault_of(self.root, file)
        if fault is None:
            self._give_time(file)
        # A file without a seal, of an earlier version, gets one.
        return Standing(file if fault is None and is_sealed(file) else None, fault)

    def frame(self, file: SeriesFile) -> pd.DataFrame:
        """Return what ``file`` holds, amounts and prices exact (``Decimal``).

        Raises:
            StoreUnavailableError: It is not what was written.
        """
        fault = fault_of(self.root, file)
        if fault is not None:
            message = (
                f"{file.asset} of {file.partition_key}: the file {self.root / file.path} {fault}; materialize"
                f" {maker_of(file.asset)} of {file.partition_key} again"
            )
            raise StoreUnavailableError(message)
        frame: pd.DataFrame = from_parquet((self.root / file.path).read_bytes()).to_pandas()
        return frame

    def publish(
        self,
        asset: str,
        partition_key: str,
        frame: pd.DataFrame | pa.Table,
        *,
        input_hash: str,
        made_by: Mapping[str, str] | None = None,
    ) -> SeriesFile:
        """Write ``frame`` to a new file and make it the current one of the partition.

        A reader sees the old file or the new one, whole; a killed writer leaves a stray file
        at most, which a later call sweeps.

        Args:
            asset: Name of the asset, and of its view.
            partition_key: The partition.
            frame: ``timestamp``, OHLCV and one column per result, as a frame (see
                :func:`jutsu_assets.lake.tables.as_table`) or as the table that is made of one.
            input_hash: Identifies what the frame was computed from.
            made_by: What identifies how a column was made, by its name, for who reads the file.

        Raises:
            StoreUnavailableError: The file cannot be written; the old one stays current.
        """
        table = as_table(frame) if isinstance(frame, pd.DataFrame) else frame
        raw, content = to_parquet(table, made_by), content_hash(table)
        path = Path(asset) / name_of(partition_key, table, raw, content)
        try:
            _put(self.root / path, raw)
        except OSError as error:
            message = f"the lake {self.root} must be writable: {error}; the former series stays current"
            raise StoreUnavailableError(message) from error
        file = SeriesFile(
            asset=asset,
            partition_key=partition_key,
            path=path.as_posix(),
            input_hash=input_hash,
            content_hash=content,
            rows=table.num_rows,
        )
        self._begin_grace_of_former(file)
        file = self.manifest.publish(file)
        self._give_time(file)
        self._sweep(file)
        return file

    def _give_time(self, file: SeriesFile) -> None:
        """Let ``file`` bear the time at which its row was recorded, by which it is known to be untouched."""
        stamp = file.recorded_at * 1_000
        with contextlib.suppress(OSError):  # bytes tell as well, and take longer
            os.utime(self.root / file.path, ns=(stamp, stamp))

    def _begin_grace_of_former(self, file: SeriesFile) -> None:
        # The grace of a file counts from its replacement: a reader may have learned its name just now.
        former = self.manifest.current(file.asset, file.partition_key)
        if former is not None and former.path != file.path:
            replaced_at = self._clock.now().timestamp()
            self._known[file.asset].discard(Path(former.path).name)
            with contextlib.suppress(OSError):
                os.utime(self.root / former.path, (replaced_at, replaced_at))

    def _sweep(self, published: SeriesFile) -> None:
        # A publication looks at names alone, unless one is new to it: what it costs must not grow
        # with the number of files that did not change.
        asset, now = published.asset, self._clock.now().timestamp()
        known, not_before = self._known[asset], self._not_before
        known.add(Path(published.path).name)
        folder = self.root / asset
        names = (path.name for path in folder.iterdir())
        strange = [name for name in names if name not in known and now >= not_before.get(name, 0.0)]
        if not strange:
            return
        known.clear()
        known.update(Path(path).name for path in self.manifest.paths(asset))
        for name in strange:
            if name not in known:
                not_before[name] = _sweep_stray(folder / name, now)


def _put(target: Path, raw: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():  # nothing takes the place of a folder: it is put aside, with what it may hold
        target.rename(target.with_name(f".{target.name}.{uuid.uuid4().hex}"))
    write_whole(target, raw, is_durable=True)


def _sweep_stray(path: Path, now: float) -> float:
    """Remove the file at ``path`` if its grace is over, and return when to look at it again."""
    grace = SWEEP_GRACE.total_seconds()
    # Another process may move or sweep the file meanwhile; what cannot be swept now is swept later.
    with contextlib.suppress(OSError):
        over = path.stat().st_mtime + grace
        if now <= over:
            return over
        path.unlink()
    return now + grace
