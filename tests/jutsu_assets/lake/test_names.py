"""What a file of the lake says by its name."""

import pyarrow as pa
import pytest

from jutsu_assets.lake.names import key_in, mark_in, name_of, outline, seal

SERIES = pa.table({"symbol": ["AAPL", "AAPL"], "sma": [1.0, 2.0]})


@pytest.mark.parametrize("key", ["AAPL", "BRK/B", "$SPX", "a-b", "%41", "Ünie · €", "..", ""])
def test_a_name_says_its_key_whatever_that_is(key: str) -> None:
    name = name_of(key, SERIES, b"raw", "content")
    assert key_in(f"daily/{name}") == key
    assert "/" not in name


def test_a_mark_says_columns_length_and_bytes() -> None:
    mark = mark_in(name_of("AAPL", SERIES, b"raw", "content"))
    assert mark is not None
    assert (mark.outline, mark.seal) == (outline("content", 2, 3), seal(b"raw", "content", 2))
    other = mark_in(name_of("AAPL", SERIES.rename_columns(["symbol", "ema"]), b"raw", "content"))
    assert other is not None
    assert other.kind != mark.kind
    assert mark_in(name_of("AAPL", SERIES.slice(0, 1), b"raw", "content")) != mark


@pytest.mark.parametrize(
    ("key", "table", "expected"),
    [
        ("AAPL", SERIES, True),
        ("MSFT", SERIES, False),
        ("AAPL", pa.table({"symbol": ["AAPL", "MSFT"]}), False),
        ("AAPL", pa.table({"sma": [1.0]}), False),
        ("AAPL", SERIES.slice(0, 0), True),
    ],
    ids=["its rows", "other rows", "rows of two", "no symbols", "no rows"],
)
def test_a_name_tells_whether_the_key_is_the_symbol_of_every_row(key: str, table: pa.Table, *, expected: bool) -> None:
    mark = mark_in(name_of(key, table, b"raw", "content"))
    assert mark is not None
    assert mark.is_by_symbol is expected


@pytest.mark.parametrize("name", ["AAPL.parquet", f"AAPL-{'0' * 32}.parquet", f"AAPL-s{'0' * 48}.csv"])
def test_a_name_of_an_earlier_version_has_no_mark(name: str) -> None:
    assert mark_in(name) is None
