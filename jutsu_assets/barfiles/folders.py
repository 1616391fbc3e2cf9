"""Which files of a folder are files of bars, and what they are about.

A file without a column of symbols is about what it is named after: ``BRK%2FB.csv`` about ``BRK/B``,
``BRK.B.csv.gz`` about ``BRK.B``. One with such a column may be called anything in small letters.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import unquote

from jutsu_assets.barfiles.bar_file import BarFile
from jutsu_assets.barfiles.reading import LeftOutRow, Reading
from jutsu_core.errors import InvalidInputError

TEXT_SUFFIXES = (".csv", ".csv.gz")
SUFFIXES = (*TEXT_SUFFIXES, ".parquet")
_KNOWN_SUFFIXES = (".csv.gz", ".csv", ".txt.gz", ".txt", ".tsv", ".parquet")


def name_of(path: Path) -> str:
    """Return the symbol that a file is named after.

    Examples:
        >>> name_of(Path("bars/BRK%2FB.csv.gz")), name_of(Path("BRK.B.csv")), name_of(Path("BRK.B"))
        ('BRK/B', 'BRK.B', 'BRK.B')
    """
    lowered = path.name.lower()
    suffix = next((suffix for suffix in _KNOWN_SUFFIXES if lowered.endswith(suffix)), "")
    return unquote(path.name[: len(path.name) - len(suffix)])


def files_in(folder: Path, suffixes: tuple[str, ...], wanted: Collection[str] | None = None) -> Iterator[Path]:
    """Yield the files of bars in a folder, by name; hidden ones are none.

    Args:
        folder: The folder.
        suffixes: How files of bars are called.
        wanted: The symbols that somebody asks for; all if None.

    Raises:
        InvalidInputError: Two files are named after one symbol that is wanted.
    """
    named: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if not path.name.lower().endswith(suffixes) or path.name.startswith(".") or not path.is_file():
            continue
        name = name_of(path)
        if name in named and (wanted is None or name in wanted):
            message = f"{path} must be the only file of {name}, was beside {named[name].name}; remove one"
            raise InvalidInputError(message)
        named[name] = path
        yield path


def bar_file(path: Path, reading: Reading, *, is_in_folder: bool = False) -> BarFile:
    """Return the file of bars at ``path``.

    Args:
        path: The file.
        reading: How to read it.
        is_in_folder: Whether its name is to be believed: if it is that of a symbol, in capitals, the file
            may not be about another one alone.

    Raises:
        InvalidInputError: The file cannot be read, or its name says otherwise than its rows.
    """
    file = BarFile(path, reading, name_of(path))
    if is_in_folder:
        require_own_name(file)
    return file


def require_own_name(file: BarFile) -> None:
    """Check that a file named after a symbol, in capitals, is not about another one alone.

    Raises:
        InvalidInputError: It is.
    """
    name = name_of(file.path)
    claims = name == name.upper() and (file.has_symbols or file.header_symbol is not None)
    if claims and len(file.symbols) == 1 and name not in file.symbols:
        (symbol,) = file.symbols
        problem = f"column symbol: must be {name}, was {symbol!r}; rename the file to {symbol}.csv, or correct it"
        raise file.first_row_fault(problem)


def left_out_as_a_whole(path: Path, fault: InvalidInputError) -> LeftOutRow:
    """Return how a file is remembered that cannot be read as bars."""
    return LeftOutRow(path, 0, str(fault).removeprefix(str(path)).lstrip(",: "), "")
