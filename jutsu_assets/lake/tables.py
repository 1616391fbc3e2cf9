"""A derived series as an Arrow table with exact prices, and as the bytes of a Parquet file."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from jutsu_core.bars import PRICE_COLUMNS, BarColumns

_PRICE_TYPE = pa.decimal64(18, 6)
_AMOUNT_TYPE = pa.decimal128(38, 18)
_AMOUNTS = frozenset({"quantity", "fill_price", "commission", "slippage", "total_value", "cash"})
_MADE_BY = b"jutsu.made_by"
_TEXTS = frozenset({"backtest", "direction", "positions"})


def as_table(frame: pd.DataFrame) -> pa.Table:
    """Return ``frame`` as an Arrow table with exact prices.

    Prices become ``decimal64(18, 6)``, amounts of a portfolio ``decimal128(38, 18)``, times microseconds UTC;
    other columns keep their type.
    """
    columns: dict[str, Any] = {}
    for name in frame.columns:
        values = frame[name]
        if name in PRICE_COLUMNS:
            micros = (values.to_numpy() * 1_000_000).round().astype("int64")
            columns[name] = _whole(micros, _PRICE_TYPE)
        elif name == "timestamp":
            columns[name] = pa.array(values, type=pa.timestamp("us", tz="UTC"))
        elif name == "symbol":
            columns[name] = pa.array(values, type=pa.string()).dictionary_encode()
        elif name in _AMOUNTS:
            columns[name] = pa.array(list(values), type=_AMOUNT_TYPE)
        elif name in _TEXTS:
            columns[name] = pa.array(list(values), type=pa.string())
        elif values.dtype.kind == "f":
            columns[name] = _floats(values.to_numpy())
        else:
            columns[name] = pa.array(values.to_numpy())
    return pa.table(columns)


def series_table(symbol: str, bars: BarColumns, computed: Mapping[str, NDArray[np.float64]]) -> pa.Table:
    """Return ``bars`` with a column for each of ``computed``, as :func:`as_table` makes it of a frame of them.

    Args:
        symbol: Ticker.
        bars: One row each.
        computed: Results by column name, as long as ``bars``; NaN where there is none.
    """
    count = len(bars)
    columns: dict[str, Any] = {
        "symbol": pa.DictionaryArray.from_arrays(
            np.zeros(count, dtype=np.int32), pa.array([symbol][:count], pa.string())
        ),
        "timestamp": _whole(bars.timestamps, pa.timestamp("us", tz="UTC")),
    }
    columns |= {name: _whole(getattr(bars, name), _PRICE_TYPE) for name in PRICE_COLUMNS}
    columns["volume"] = _whole(bars.volume, pa.int64())
    return pa.table(columns | {name: _floats(values) for name, values in computed.items()})


def content_hash(table: pa.Table) -> str:
    """Return what identifies the values of ``table``, however they are kept."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()


def to_parquet(table: pa.Table, made_by: Mapping[str, str] | None = None) -> bytes:
    """Return ``table`` as the bytes of a Parquet file; the same values give the same bytes.

    Args:
        table: What the file holds.
        made_by: What identifies how a column was made, by its name; :func:`made_by_in` reads it.
    """
    if made_by:
        table = table.replace_schema_metadata({_MADE_BY: json.dumps(made_by)})
    floats = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=1,
        use_dictionary=["symbol"],
        column_encoding=dict.fromkeys(floats, "BYTE_STREAM_SPLIT") or None,
    )
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def from_parquet(raw: bytes) -> pa.Table:
    """Return the table that :func:`to_parquet` made ``raw`` of, with the same content hash.

    Raises:
        pyarrow.ArrowException: ``raw`` is no whole Parquet file.
    """
    table = pq.read_table(pa.BufferReader(raw))
    for place, column in enumerate(table.columns):
        if pa.types.is_floating(column.type):
            # What stands where there is no value is not kept.
            numbers = column.to_numpy()
            table = table.set_column(place, table.schema.field(place).name, _floats(numbers))
    return table.replace_schema_metadata(None)


def made_by_in(schema: pa.Schema) -> dict[str, str]:
    """Return what the ``schema`` of a file says of how its columns were made; nothing of one that does not say."""
    said: dict[str, str] = json.loads((schema.metadata or {}).get(_MADE_BY, b"{}"))
    return said


def _whole(numbers: NDArray[np.int64], kind: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(np.ascontiguousarray(numbers))])


def _floats(numbers: NDArray[np.float64]) -> pa.Array:
    is_missing = np.isnan(numbers)
    if not is_missing.any():
        return pa.array(numbers)
    # A NaN's sign depends on the processor; no reader sees it, and it must not show in the hash.
    return pa.array(np.where(is_missing, np.nan, numbers), from_pandas=True)
