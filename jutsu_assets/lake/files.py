"""Writing a derived series as Parquet: a new name, fsync, rename; never over a file that a reader may hold.

What makes a file the current one is its row in the manifest (``jutsu_assets.store.manifest``).
"""

import contextlib
import hashlib
import os
import uuid
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from jutsu_assets.store.manifest import SeriesFile, SeriesManifest
from jutsu_core.bars import PRICE_COLUMNS
from jutsu_core.errors import StoreUnavailableError
from jutsu_core.ports import Clock

SWEEP_GRACE = timedelta(minutes=10)
_PRICE_TYPE = pa.decimal64(18, 6)
_HASH_CHARACTERS = 16


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

    def is_current(self, asset: str, partition_key: str, input_hash: str) -> bool:
        """Whether the partition's current file was computed from ``input_hash`` and is still there."""
        file = self.manifest.current(asset, partition_key)
        return file is not None and file.input_hash == input_hash and (self.root / file.path).is_file()

    def publish(self, asset: str, partition_key: str, frame: pd.DataFrame, *, input_hash: str) -> SeriesFile:
        """Write ``frame`` to a new file and make it the current one of the partition.

        A reader sees the old file or the new one, whole; a killed writer leaves a stray file
        at most, which a later call sweeps.

        Args:
            asset: Name of the asset, and of its view.
            partition_key: The partition.
            frame: ``timestamp``, OHLCV and one column per result; see :func:`as_table`.
            input_hash: Identifies what the frame was computed from.

        Raises:
            StoreUnavailableError: The file cannot be written; the old one stays current.
        """
        table = as_table(frame)
        content_hash = _content_hash(table)
        name = f"{_file_safe(partition_key)}-{content_hash[:_HASH_CHARACTERS]}.parquet"
        path = Path(asset) / name
        target = self.root / path
        try:
            _write_whole(target, lambda temporary: _write_parquet(table, temporary))
        except OSError as error:
            message = f"the lake {self.root} must be writable: {error}; the former series stays current"
            raise StoreUnavailableError(message) from error
        file = SeriesFile(
            asset=asset,
            partition_key=partition_key,
            path=path.as_posix(),
            input_hash=input_hash,
            content_hash=content_hash,
            rows=table.num_rows,
        )
        self._begin_grace_of_former(file)
        self.manifest.publish(file)
        self._sweep(file)
        return file

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


def as_table(frame: pd.DataFrame) -> pa.Table:
    """Return ``frame`` as an Arrow table with exact prices.

    Prices become ``decimal64(18, 6)``, times microseconds UTC; other columns keep their type.
    """
    columns: dict[str, Any] = {}
    for name in frame.columns:
        values = frame[name]
        if name in PRICE_COLUMNS:
            micros = (values.to_numpy() * 1_000_000).round().astype("int64")
            columns[name] = pa.Array.from_buffers(_PRICE_TYPE, len(micros), [None, pa.py_buffer(micros)])
        elif name == "timestamp":
            columns[name] = pa.array(values, type=pa.timestamp("us", tz="UTC"))
        elif name == "symbol":
            columns[name] = pa.array(values, type=pa.string()).dictionary_encode()
        elif values.dtype.kind == "f":
            numbers = values.to_numpy()
            # A NaN's sign depends on the processor; no reader sees it, and it must not show in the hash.
            columns[name] = pa.array(np.where(np.isnan(numbers), np.nan, numbers), from_pandas=True)
        else:
            columns[name] = pa.array(values.to_numpy())
    return pa.table(columns)


def _content_hash(table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()


def _write_parquet(table: pa.Table, path: Path) -> None:
    floats = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=1,
        use_dictionary=["symbol"],
        column_encoding=dict.fromkeys(floats, "BYTE_STREAM_SPLIT") or None,
    )


def _write_whole(target: Path, write: Callable[[Path], None]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # A process id would not do: threads share one, and processes in two containers may have the same.
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        write(temporary)
        with temporary.open("r+b") as file:  # Windows refuses to flush a file opened for reading
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


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


def _file_safe(partition_key: str) -> str:
    return "".join(c if c.isalnum() or c in "._" else f"%{ord(c):02X}" for c in partition_key)
