"""Reports of portfolios as files: JSON that holds what it was made of, written whole or not at all.

A file ends in a digest of what stands in it: one that was cut or edited is known, and written again.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jutsu_assets.whole_files import write_whole
from jutsu_core.errors import StoreUnavailableError
from jutsu_core.metrics.stored_report import as_bytes

REPORT_SUFFIX, ATTRIBUTION_SUFFIX = ".json", ".attribution.json"
_MADE_OF, _DIGEST = "made_of", "digest"


class ReportFiles:
    """The reports of one kind in a folder, one a portfolio.

    Args:
        root: The folder.
        suffix: What the names of files end in, such as ``.json``.
    """

    def __init__(self, root: Path, suffix: str) -> None:
        self._root, self._suffix = root, suffix

    def path(self, name: str) -> Path:
        """Return where the report of the portfolio ``name`` is."""
        return self._root / f"portfolio@{quote(name, safe='')}{self._suffix}"

    def current(self, name: str, made_of: str) -> dict[str, Any] | None:
        """Return the report of ``name`` if it was made of the same and is what was written, or None."""
        try:
            raw = self.path(name).read_bytes()
            told = json.loads(raw)
        except (OSError, ValueError):
            return None
        if not isinstance(told, dict) or told.get(_MADE_OF) != made_of or _DIGEST not in told or was_edited(told):
            return None
        del told[_DIGEST]
        return told

    def stored(self, name: str) -> dict[str, Any] | None:
        """Return the report of ``name``, whatever it was made of; None where there is none that can be read."""
        try:
            told = json.loads(self.path(name).read_bytes())
        except (OSError, ValueError):
            return None
        return told if isinstance(told, dict) else None

    def write(self, name: str, report: Mapping[str, Any], *, made_of: str) -> Path:
        """Write the report of ``name`` and return where it is.

        Raises:
            StoreUnavailableError: The folder cannot be written; the former report is kept.
        """
        told = {**report, _MADE_OF: made_of}
        path = self.path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, as_bytes({**told, _DIGEST: _digest(told)}))
        except OSError as error:
            message = f"the report folder {self._root} must be writable: {error}; the former report is kept"
            raise StoreUnavailableError(message) from error
        return path


def was_edited(told: Mapping[str, Any]) -> bool:
    """Return whether the digest of a report, if it has one, is of something else than what stands in it."""
    return _DIGEST in told and told[_DIGEST] != _digest({key: value for key, value in told.items() if key != _DIGEST})


def _digest(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(as_bytes(told)).hexdigest()
