"""What tests in a real browser share: a browser with the network off, and the accessibility checker."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairkd.profile import project_root

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
AXE = project_root() / "node_modules" / "axe-core" / "axe.min.js"
SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map((entry) => entry.value)))
  .observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium (a Playwright ``Browser``); tests that need it are skipped where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install playwright")
    with api.sync_playwright() as playwright:
        found = [path for path in map(shutil.which, NAMES) if path]
        own = playwright.chromium.executable_path
        if not found and not Path(own).exists():
            pytest.skip(f"no Chromium: none of {', '.join(NAMES)} is on the path, and Playwright has installed none")
        with playwright.chromium.launch(executable_path=found[0] if found else own) as started:
            yield started


@pytest.fixture
def visit(browser):
    """Opens a file with the network off; the tab keeps its console errors and requests as ``seen``."""
    contexts = []

    def call(path: Path, *, width: int = 1280, scheme: str = "light"):
        size = {"width": width, "height": 844}
        context = browser.new_context(viewport=size, color_scheme=scheme, offline=True)
        contexts.append(context)
        context.add_init_script(SHIFTS)
        tab = context.new_page()
        tab.seen = []
        tab.on("console", lambda message: tab.seen.append(message.text))
        tab.on("pageerror", lambda error: tab.seen.append(str(error)))
        tab.on("request", lambda request: tab.seen.append(request.url) if request.url != path.as_uri() else None)
        tab.goto(path.as_uri())
        return tab

    yield call
    for context in contexts:
        context.close()


def without_data(seen: list[str]) -> list[str]:
    """Images and icons inside the page are no requests to anyone."""
    return [text for text in seen if not text.startswith("data:")]


def violations(tab: Any, *, folds_open: bool) -> list[tuple[str, str]]:
    """What axe-core, which is no part of this project, finds wrong, of any kind, with all folds open or as they are."""
    if not AXE.is_file():
        pytest.skip(f"no axe-core at {AXE}: 'make test' fetches it where there is npm")
    if folds_open:
        tab.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    tab.evaluate(AXE.read_text())  # not a script of the page: its policy would refuse it
    found = tab.evaluate("axe.run().then((result) => result.violations)")
    return [(v["id"], v["nodes"][0]["html"][:200]) for v in found]
