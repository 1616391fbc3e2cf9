"""Whether the files of the lake are what was written.

The name of a file says how long it is and ends in its seal, a hash of its bytes, both together with what the
manifest says (``names``); and a file bears the time at which its row was recorded. So a file that was overwritten,
cut, emptied or exchanged for another is known by a look at the folder, and so is a row of the manifest that says
something else than it did. Where length or time is another one, every byte decides: a copy that lost the time is as
good as the file. What was overwritten at the same length, and given the former time, is found by looking deep alone.
"""

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jutsu_assets.lake.names import mark_in, outline, path_of, seal
from jutsu_assets.lake.tables import content_hash, from_parquet
from jutsu_assets.store.manifest import SeriesFile
from jutsu_core.errors import StoreUnavailableError

_NAMED = 5
_MADE_BY = {"backtest_fills": "backtests", "backtest_history": "backtests"}
"""The asset that makes a series, where it is not called as the series is."""
_READERS = 4
_UNREADABLE = "cannot be read"
_NO_PARQUET = "is cut short, or no Parquet at all"
_VALUES_DIFFER = "holds other values than the manifest says"

Faults = dict[SeriesFile, str]
"""What is wrong with each file that is not what was written, in words that follow its name."""


def maker_of(series: str) -> str:
    """Return the asset to materialize for ``series``."""
    return _MADE_BY.get(series, series)


def is_sealed(file: SeriesFile) -> bool:
    """Return whether the name of ``file`` says what it must be; files of earlier versions are named otherwise."""
    return mark_in(file.path) is not None


def is_untouched(root: Path, file: SeriesFile) -> bool:
    """Return whether ``file`` of the lake at ``root`` looks as it did when it was written; no byte of it is read."""
    mark, path = mark_in(file.path), path_of(root, file)
    try:
        found = os.stat(path)  # noqa: PTH116 - as fast as can be: it is done for every file of the lake
    except OSError:
        return False
    return (
        mark is not None
        and found.st_mtime_ns // 1_000 == file.recorded_at
        and mark.outline == outline(file.content_hash, file.rows, found.st_size)
        and stat.S_ISREG(found.st_mode)
        and os.access(path, os.R_OK)
    )


def fault_of(root: Path, file: SeriesFile) -> str | None:
    """Return what is wrong with the current ``file`` of the lake at ``root``, in words that follow its name.

    None says that it is what was written: it looks so, or every byte of it was read.
    """
    return None if is_untouched(root, file) else _fault(root, file, _seal_fault)


def deep_fault_of(root: Path, file: SeriesFile) -> str | None:
    """Return the same, after every byte and every value was read and compared with what the manifest says."""
    return _fault(root, file, lambda raw, file: _seal_fault(raw, file) or _content_fault(raw, file))


def faults_of(root: Path, files: Sequence[SeriesFile], *, deep: bool = False) -> Faults:
    """Return which of ``files`` are not what was written, and what is wrong with each."""
    look, suspects = (deep_fault_of, files) if deep else (fault_of, [f for f in files if not is_untouched(root, f)])
    with ThreadPoolExecutor(_READERS) as pool:
        found = pool.map(lambda file: look(root, file), suspects)
        return {file: fault for file, fault in zip(suspects, found, strict=True) if fault is not None}


def lake_findings(root: Path, files: Sequence[SeriesFile], *, deep: bool = False) -> list[str]:
    """Return what is to be mended in the lake, a line for each kind of fault, with the remedy.

    Args:
        root: The folder of the lake.
        files: What the manifest says is current (``SeriesManifest.all_current``).
        deep: Whether every value is read and compared, too.
    """
    if files and not root.is_dir():
        those = listed(dict.fromkeys(maker_of(file.asset) for file in files))
        message = (
            f"the lake {root} must hold {len(files):,} file{'s' * (len(files) > 1)}, and is no folder: bring it back,"
            f" or materialize {those} again, which computes them anew"
        )
        return [message]
    return _sentences(root, faults_of(root, files, deep=deep))


def sound_files(root: Path, files: Sequence[SeriesFile], warn: Callable[[str], object]) -> list[SeriesFile]:
    """Return those of ``files`` of the lake at ``root`` that are what was written; ``warn`` is told of the others.

    Raises:
        StoreUnavailableError: There are files, and not one of them is.
    """
    faults = faults_of(root, files)
    if files and len(faults) == len(files):
        message = f"the lake must hold what was written: {'; '.join(lake_findings(root, files))}"
        raise StoreUnavailableError(message)
    if faults:
        warn(f"left out, because it is not what was written: {'; '.join(_sentences(root, faults))}")
    return [file for file in files if file not in faults]


def listed(names: Iterable[str]) -> str:
    """Return the first of ``names``, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - _NAMED:,} more" if len(every) > _NAMED else ""
    return f"{', '.join(every[:_NAMED])}{more}"


def _sentences(root: Path, faults: Faults) -> list[str]:
    kinds: dict[tuple[str, str, bool], list[SeriesFile]] = {}
    for file, fault in faults.items():
        # A run sees neither values that were wrong from the beginning nor bytes behind the former length and time.
        is_hidden = fault == _VALUES_DIFFER or is_untouched(root, file)
        kinds.setdefault((file.asset, fault, is_hidden), []).append(file)
    lines = []
    for (asset, fault, is_hidden), files in kinds.items():
        partitions = listed(file.partition_key for file in files)
        subject, again = f"{asset} of {partitions}", f"{maker_of(asset)} of {partitions}"
        place = f"the file {root / files[0].path}" if len(files) == 1 else f"each file in {root / asset}"
        first = "delete it, and " if is_hidden else ""
        if fault.startswith(_UNREADABLE):
            first = "let this user read it, or "
        lines.append(f"{subject}: {place} {fault}; {first}materialize {again} again")
    return lines


def _fault(root: Path, file: SeriesFile, look: Callable[[bytes, SeriesFile], str | None]) -> str | None:
    path = root / file.path
    try:
        # A pipe would keep its reader waiting for a writer.
        mode = os.stat(path).st_mode  # noqa: PTH116 - one look, whatever it is
        if not stat.S_ISREG(mode):
            return "is a folder" if stat.S_ISDIR(mode) else "is no file"
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return "is missing"
    except OSError as error:
        return f"{_UNREADABLE} ({error.strerror})"
    return look(raw, file) if raw else "is empty"


def _seal_fault(raw: bytes, file: SeriesFile) -> str | None:
    mark = mark_in(file.path)
    if mark is None:
        return _footer_fault(raw, file)
    if seal(raw, file.content_hash, file.rows) == mark.seal:
        return None
    return _footer_fault(raw, file) or "is not what the manifest says"


def _footer_fault(raw: bytes, file: SeriesFile) -> str | None:
    try:
        rows = pq.read_metadata(pa.BufferReader(raw)).num_rows
    except (pa.ArrowException, OSError):
        return _NO_PARQUET
    return None if rows == file.rows else "has another number of rows than was written"


def _content_fault(raw: bytes, file: SeriesFile) -> str | None:
    try:
        found = content_hash(from_parquet(raw))
    except (pa.ArrowException, OSError):
        return _NO_PARQUET
    return None if found == file.content_hash else _VALUES_DIFFER
