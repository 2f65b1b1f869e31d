"""A real browser, where there is one: Playwright drives the system's Chromium, or the one that it installed itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium (a Playwright ``Browser``); tests that need it are skipped where there is none."""
    if not os.environ.get("FAIRKD_BROWSER"):
        pytest.skip("FAIRKD_BROWSER=1 runs the tests in a real browser")
    api = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install playwright")
    with api.sync_playwright() as playwright:
        found = [path for path in map(shutil.which, NAMES) if path]
        own = playwright.chromium.executable_path
        if not found and not Path(own).exists():
            pytest.skip(f"no Chromium: none of {', '.join(NAMES)} is on the path, and Playwright has installed none")
        with playwright.chromium.launch(executable_path=found[0] if found else own) as started:
            yield started
