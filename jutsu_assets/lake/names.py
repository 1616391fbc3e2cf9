"""What the name of a file of the lake says: whose series it is, what columns, and what the file must be.

A name is the partition's key and a mark: ``AAPL-s0a1b2c3d…``. The mark is put together of

- ``s`` where the key is the symbol of every row, so that who asks for one symbol opens one file, else ``p``;
- a hash of the columns and their types, so that who reads many files opens one of each kind to know them;
- the outline, a hash of what the manifest says and of the file's length, which a look at the folder checks;
- the seal, a hash of what the manifest says and of every byte of the file.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.compute as pc

from jutsu_assets.store.manifest import SeriesFile

INDICATORS = "daily_indicators"
"""The asset whose series have the indicators, and its view."""
_SHORT, _LONG = 8, 32
_MARK = re.compile(rf"-([sp])([0-9a-f]{{{_SHORT}}})([0-9a-f]{{{_SHORT}}})([0-9a-f]{{{_LONG}}})\.parquet")
MARK_LENGTH = len("-s") + 2 * _SHORT + _LONG + len(".parquet")
"""How many characters of a name follow the key."""


class Mark(NamedTuple):
    """What the name of a file says besides the key.

    Attributes:
        is_by_symbol: Whether the key is the symbol of every row.
        kind: Identifies the columns and their types.
        outline: What :func:`outline` gave when the file was written.
        seal: What :func:`seal` gave then.
    """

    is_by_symbol: bool
    kind: str
    outline: str
    seal: str


def name_of(partition_key: str, table: pa.Table, raw: bytes, content: str) -> str:
    """Return the name of the file that holds ``raw``, which is ``table``.

    Args:
        partition_key: The partition.
        table: What the file holds.
        raw: Its bytes.
        content: Identifies the values of ``table``.
    """
    kind = hashlib.sha256(str(list(zip(table.schema.names, table.schema.types, strict=True))).encode()).hexdigest()
    rows = table.num_rows
    mark = f"{kind[:_SHORT]}{outline(content, rows, len(raw))}{seal(raw, content, rows)}"
    letter = "s" if _is_of_symbol(partition_key, table) else "p"
    return f"{quote(partition_key, safe='')}-{letter}{mark}.parquet"


def mark_in(path: str) -> Mark | None:
    """Return what the name at the end of ``path`` says; None of the file of an earlier version, which says less."""
    found = _MARK.fullmatch(path, max(0, len(path) - MARK_LENGTH))
    if found is None:
        return None
    letter, kind, outlined, sealed = found.groups()
    return Mark(letter == "s", kind, outlined, sealed)


def path_of(root: Path, file: SeriesFile) -> str:
    """Return where ``file`` of the lake at ``root`` is; ``Path`` would take ten times as long for many."""
    return f"{root}{os.sep}{file.path}"


def key_in(path: str) -> str:
    """Return the key that the name at the end of ``path`` begins with.

    Examples:
        >>> key_in("daily/BRK%2FB" + "." * MARK_LENGTH)
        'BRK/B'
    """
    return unquote(path.rpartition("/")[2][:-MARK_LENGTH])


def outline(content: str, rows: int, size: int) -> str:
    """Return what identifies a file of ``size`` bytes, where the manifest says ``content`` and ``rows``."""
    return hashlib.sha256(f"{content} {rows} {size}\n".encode()).hexdigest()[:_SHORT]


def seal(raw: bytes, content: str, rows: int) -> str:
    """Return what identifies a file that holds ``raw``, where the manifest says ``content`` and ``rows``."""
    digest = hashlib.sha256(f"{content} {rows}\n".encode())
    digest.update(raw)
    return digest.hexdigest()[:_LONG]


def _is_of_symbol(partition_key: str, table: pa.Table) -> bool:
    if "symbol" not in table.schema.names:
        return False
    symbols = pc.unique(table["symbol"]).to_pylist()
    return symbols in ([], [partition_key])
