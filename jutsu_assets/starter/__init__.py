"""The files that a folder of Jutsu begins with; those at the root of the repository are the same, byte for byte."""

from pathlib import Path

UNIVERSE = "universe.yaml"
INSTANCE = "dagster.yaml"
STRATEGY = "strategies/moving_average_cross.yaml"
# A wheel may leave out files whose names begin with a dot, so that one is kept under another name.
_KEPT_AS = {
    UNIVERSE: UNIVERSE,
    INSTANCE: INSTANCE,
    "workspace.yaml": "workspace.yaml",
    STRATEGY: STRATEGY,
    ".env.example": "env.example",
}
STARTER_FILES = tuple(_KEPT_AS)
"""Names of the files, in the order in which they are told of."""


def packaged(name: str) -> Path:
    """Return where the installed package keeps the starter file ``name``."""
    return Path(__file__).with_name("files") / _KEPT_AS[name]
