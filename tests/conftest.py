"""What holds for every test."""

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is.
settings.register_profile("jutsu", deadline=None)
settings.load_profile("jutsu")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the proofs that take minutes, so that none of them is left alone at the end."""
    items.sort(key=lambda item: "proofs" not in item.path.parts)
