"""The manifest of the lake: which file is the current one of each partition of a derived series."""

from dataclasses import dataclass, field, replace

from sqlalchemy import delete, insert, select

from jutsu_assets.store import schema
from jutsu_assets.store.engine import Database
from jutsu_assets.store.rows import run
from jutsu_core.bars import to_epoch
from jutsu_core.ports import Clock

_FILES = schema.lake_files
_COLUMNS = "asset, partition_key, path, input_hash, content_hash, series_rows, recorded_at"
_HASH_CHARACTERS = 32
INPUT_HASH_CHARACTERS = 64
"""What a hash of inputs has at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesFile:
    """The current file of one partition.

    Attributes:
        asset: Name of the asset, and of its view in DuckDB.
        partition_key: The partition.
        path: Where the file is, relative to the lake.
        input_hash: Identifies what the file was computed from, and by which definitions.
        content_hash: Identifies what the file holds.
        rows: Number of rows.
        recorded_at: When it became the current one, microseconds since 1970 UTC; 0 before that. What a file is does
            not depend on it.
    """

    asset: str
    partition_key: str
    path: str
    input_hash: str
    content_hash: str
    rows: int
    recorded_at: int = field(default=0, compare=False)

    def is_made_of(self, content_hash: str) -> bool:
        """Return whether it was computed from the bars whose content hash is ``content_hash``."""
        return is_made_of(self.input_hash, content_hash)


def input_hash_of(content_hash: str, definitions: str) -> str:
    """Return what identifies something that is made of the bars ``content_hash`` by ``definitions``.

    It is as long as its column at most, which PostgreSQL enforces and SQLite does not.
    """
    return f"{content_hash[:_HASH_CHARACTERS]}-{definitions}"[:INPUT_HASH_CHARACTERS]


def is_made_of(input_hash: str, content_hash: str) -> bool:
    """Return whether what ``input_hash`` identifies was made of the bars whose content hash is ``content_hash``."""
    return input_hash.startswith(input_hash_of(content_hash, ""))


class SeriesManifest:
    """Reads and changes the manifest; one row a partition, replaced in one transaction.

    Args:
        database: The system of record.
        clock: Tells when a file became current.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def current(self, asset: str, partition_key: str) -> SeriesFile | None:
        """Return the current file of a partition, or None while there is none."""
        found = self._select("where asset = ? and partition_key = ?", asset, partition_key)
        return found[0] if found else None

    def all_current(self) -> list[SeriesFile]:
        """Return every current file, ordered by asset and partition."""
        return self._select()

    def paths(self, asset: str) -> list[str]:
        """Return where every current file of ``asset`` is, relative to the lake."""
        with self._database.reading() as connection:
            return list(connection.scalars(select(_FILES.c.path).where(_FILES.c.asset == asset)))

    def publish(self, file: SeriesFile) -> SeriesFile:
        """Make ``file`` the current one of its partition, and return it with when that was recorded."""
        key = (_FILES.c.asset == file.asset) & (_FILES.c.partition_key == file.partition_key)
        with self._database.writing() as connection:
            self._database.take_turn(connection, f"lake_files/{file.asset}/{file.partition_key}")
            connection.execute(delete(_FILES).where(key))
            current = replace(file, recorded_at=to_epoch(self._clock.now()))
            connection.execute(
                insert(_FILES),
                {
                    "asset": file.asset,
                    "partition_key": file.partition_key,
                    "path": file.path,
                    "input_hash": file.input_hash,
                    "content_hash": file.content_hash,
                    "series_rows": file.rows,
                    "recorded_at": current.recorded_at,
                },
            )
        return current

    def _select(self, condition: str = "", *parameters: str) -> list[SeriesFile]:
        # On the driver's cursor: a run asks for every partition, and a reader for all of them.
        sql = f"select {_COLUMNS} from lake_files {condition} order by asset, partition_key"  # noqa: S608 - our own
        with self._database.reading() as connection:
            rows = run(connection, sql, parameters).fetchall()
        return [
            SeriesFile(
                asset=asset,
                partition_key=key,
                path=path,
                input_hash=input_hash,
                content_hash=content_hash,
                rows=count,
                recorded_at=recorded_at,
            )
            for asset, key, path, input_hash, content_hash, count, recorded_at in rows
        ]
