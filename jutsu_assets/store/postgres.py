"""What a connection to PostgreSQL is taught: to take columns of numbers. The only module that needs psycopg."""

import logging
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg.adapt import Dumper
from psycopg.pq import Format

_BIGINT, _BIGINT_ARRAY = 20, 1016  # PostgreSQL's own numbers of these types


class _BigintArrayDumper(Dumper):
    """Sends a one-dimensional array as ``bigint[]``: psycopg itself takes lists, an object a number."""

    format = Format.BINARY
    oid = _BIGINT_ARRAY

    def dump(self, obj: NDArray[np.int64]) -> bytes:
        """Return ``obj`` as the server reads it: a header, then every number behind its length, big-endian."""
        items = np.empty(len(obj), dtype=[("length", ">i4"), ("value", ">i8")])
        items["length"], items["value"] = 8, obj
        has_dimension, has_nulls, first_index = int(len(obj) > 0), 0, 1
        header = struct.pack(">iiI", has_dimension, has_nulls, _BIGINT)
        return header + (struct.pack(">ii", len(obj), first_index) + items.tobytes() if has_dimension else b"")


def prepare_postgres(dbapi_connection: Any, _record: object = None) -> None:  # noqa: ANN401 - the driver's own type
    """Make a new connection to PostgreSQL as every connection of a store is."""
    # A connection that breaks inside a pipeline is reported twice otherwise: by our error, and on stderr.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    dbapi_connection.adapters.register_dumper(np.ndarray, _BigintArrayDumper)
