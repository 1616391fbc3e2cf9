"""A DuckDB that reads the lake and nothing else, writes nothing, and stays so.

Two locks, because one is not enough: the engine may open none but the files of the views, and is not to be
told otherwise; and as that would let a statement write over these very files, only statements that read are
let through.
"""

import duckdb

_READING = (
    duckdb.StatementType.SELECT,  # DESCRIBE, SHOW, SUMMARIZE, VALUES and FROM are kinds of it
    duckdb.StatementType.EXPLAIN,
    duckdb.StatementType.MULTI,  # PIVOT
)
_NAMES = (duckdb.token_type.keyword, duckdb.token_type.identifier)
_WRITES = "copy"
"""A word that makes a statement out of one that reads, after WITH and EXPLAIN. In quotes it is a name."""
_RUN_A_TEXT = ("query", "json_execute_serialized_sql")
"""Functions that run a text, in quotes or not. Columns may be called so."""


def close_off(connection: duckdb.DuckDBPyConnection, paths: list[str]) -> None:
    """Let ``connection`` open the files at ``paths`` and no others, for good."""
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    for setting in (
        f"allowed_paths = [{listed}]",
        "temp_directory = ''",
        "python_enable_replacements = false",  # else a name may mean a variable of this program
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")


def writing_in(query: str) -> str | None:
    """Return what in ``query`` may do more than read, or None.

    Raises:
        duckdb.ParserException: It is no SQL.
    """
    for statement in duckdb.extract_statements(query):
        try:
            kind = statement.type
        except ValueError:  # one that Python's side has no name for
            return "a statement that does not read"
        if kind not in _READING:
            return kind.name.replace("_", " ")
    return _writing_word(query)


def _writing_word(query: str) -> str | None:
    tokens = [token for token in _tokens(query) if token[1] is not duckdb.token_type.comment]
    for (word, kind), (after, _) in zip(tokens, [*tokens[1:], ("", None)], strict=True):
        name = word.strip('"').lower()
        is_statement = name == _WRITES and kind is duckdb.token_type.keyword
        is_call = name in _RUN_A_TEXT and kind in _NAMES and after.startswith("(")
        if is_statement or is_call:
            return name.upper()
    return None


def _tokens(query: str) -> list[tuple[str, duckdb.token_type]]:
    raw = query.encode()
    tokens = duckdb.tokenize(query)
    ends = [start for start, _ in tokens[1:]] + [len(raw)]
    return [
        (raw[start:end].decode(errors="replace").strip(), kind) for (start, kind), end in zip(tokens, ends, strict=True)
    ]
