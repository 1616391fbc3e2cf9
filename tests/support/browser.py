"""A Chromium for proofs, driven by Playwright.

Neither is a dependency of Jutsu: ``pip install "jutsu[browser]"``, and a Chromium from the system or from
``playwright install chromium``. Where one is missing the test is skipped, and says so.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield a browser without a window; it is closed at the end."""
    playwright: Any = pytest.importorskip(
        "playwright.sync_api", reason='Playwright is not installed: pip install "jutsu[browser]"'
    )
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    with playwright.sync_playwright() as started:
        try:
            browser = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"there is no Chromium that starts: {error}")
        yield browser
        browser.close()
