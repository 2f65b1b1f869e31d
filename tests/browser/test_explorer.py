"""The explorer in JupyterLab, in a real browser: sliders by mouse and keyboard, and what wrong input says.

One JupyterLab, one kernel: the tests run in order on the notebook that the first of them has run.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairkd.profile import Profile, project_root
from fairkd.run import parameters_cells as notebooks

STARTING, RUNNING, ANSWERING = 120, 240, 30
"""Seconds to wait at most: for JupyterLab, for the notebook's cells, for an answer to a control."""


def notebook(folder: Path) -> Path:
    """00_explore with the tiny profile's values in its parameters cell, and folders of its own."""
    values = Profile.load("tiny").values() | {
        "runs_dir": str(folder / "runs"), "store_dir": str(folder / "store"), "seeds": [0], "depths": [1],
        "arms": ["full", "mixup-xy"], "seat_permutations": 2, "seat_bootstrap": 100,
    }  # fmt: skip
    source = notebooks.read_notebook(project_root() / "notebooks" / "00_explore.ipynb")
    (cell,) = notebooks.parameters_cells(source)
    cell["source"] = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    path = folder / "00_explore.ipynb"
    path.write_text(json.dumps(source))
    return path


@pytest.fixture(scope="module")
def lab(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the notebook in a JupyterLab that nobody else uses, with no settings of this account's."""
    folder = tmp_path_factory.mktemp("lab")
    notebook(folder)
    settings = folder / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # Cells outside the window are drawn too, so that a test need not scroll.
    (settings / "tracker.jupyterlab-settings").write_text(json.dumps({"windowingMode": "none"}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(8)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(project_root()), os.environ.get("PYTHONPATH", "")]),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "IPYTHONDIR": str(folder / "ipython"),
        "HF_HUB_OFFLINE": "1",
    }
    options = ["--no-browser", "--ip=127.0.0.1", f"--port={port}", f"--IdentityProvider.token={token}", "--allow-root"]
    options += [f"--ServerApp.root_dir={folder}", "--ServerApp.port_retries=0", "--LabApp.news_url=None"]
    options += ["--LabApp.expose_app_in_browser=True"]
    log = (folder / "lab.log").open("w")
    server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *options], env=environment, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/api?token={token}", server, folder / "lab.log")
        yield f"http://127.0.0.1:{port}/lab/tree/00_explore.ipynb?token={token}"
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + STARTING
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
    pytest.fail(f"JupyterLab did not start: {log.read_text()}")


@pytest.fixture(scope="module")
def page(browser: Any, lab: str) -> Iterator[Any]:
    """The notebook, all its cells run."""
    opened = browser.new_page(viewport={"width": 1280, "height": 1000})
    opened.set_default_timeout(1000 * ANSWERING)
    opened.goto(lab, timeout=1000 * STARTING)
    opened.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=1000 * STARTING)
    run_all(opened)
    ended = opened.locator(".jp-OutputArea-output").get_by_text(re.compile("Manifest of 00_explore|Error"))
    ended.first.wait_for(timeout=1000 * RUNNING)
    yield opened
    opened.close()


READY = """async () => {
  const notebook = window.jupyterapp.shell.currentWidget;
  await notebook.sessionContext.ready;
  await notebook.sessionContext.session.kernel.info;
}"""
"""The kernel has answered; what is sent before is lost."""


def run_all(page: Any) -> None:
    page.wait_for_function("window.jupyterapp?.shell?.currentWidget?.sessionContext", timeout=1000 * STARTING)
    page.evaluate(READY)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def panel(page: Any, number: int) -> Any:
    """The panels in order: α, sentence, SEAT, comparison."""
    return page.locator(".jp-OutputArea-output > .jupyter-widgets.widget-vbox").nth(number)


def slider(within: Any, label: str) -> tuple[Any, Any]:
    """The handle of a slider and the number beside it."""
    whole = within.locator(".widget-slider", has=within.page.get_by_text(label, exact=True))
    return whole.locator(".noUi-handle"), whole.locator(".widget-readout")


def drawn(within: Any) -> str:
    """What the pictures are made of, and what is written below them."""
    shapes = within.locator("svg").evaluate_all("all => all.map(one => one.innerHTML).join()")
    return f"{shapes} {' '.join(within.locator('figure p').all_inner_texts())}"


def changed(within: Any, before: str) -> str:
    """What is drawn, once it is another picture."""
    end = time.monotonic() + ANSWERING
    while drawn(within) == before or not drawn(within).strip():
        assert time.monotonic() < end, f"nothing changed; message: {within.inner_text()}"
        time.sleep(0.05)
    return drawn(within)


def says(within: Any, pattern: str) -> None:
    """Waits until the panel has such a text."""
    within.get_by_text(re.compile(pattern)).first.wait_for()


def pull(page: Any, handle: Any, across: int) -> None:
    """Drags a handle with the mouse."""
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + across, y, steps=8)
    page.mouse.up()


def test_every_cell_runs_and_shows_four_panels(page):
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
    assert page.locator(".jp-OutputArea-output > .jupyter-widgets.widget-vbox").count() == 4
    assert page.locator("figure.explorer").count() == 0  # those are for the exported page
    assert panel(page, 3).locator("img[alt*='Effect sizes']").count() == 1


@pytest.mark.parametrize(("number", "label"), [(0, "α"), (1, "λ"), (2, "λ")])
def test_a_slider_moves_the_picture_by_keyboard_and_by_mouse(page, number, label):
    within = panel(page, number)
    handle, readout = slider(within, label)
    before, value = drawn(within), float(readout.inner_text())
    key, way = ("ArrowRight", 1) if value < 0.9 else ("ArrowLeft", -1)
    handle.focus()
    page.keyboard.press(key)
    by_key = changed(within, before)
    stepped = float(readout.inner_text())
    assert stepped == pytest.approx(value + way * 0.05)
    says(within, rf"{label} = {stepped:g}\b")
    pull(page, handle, way * 60)
    changed(within, by_key)
    pulled = float(readout.inner_text())
    assert (pulled - stepped) * way > 0.05
    says(within, rf"{label} = {pulled:g}\b")


def test_dragging_ends_with_the_picture_of_the_last_value(page):
    within = panel(page, 1)
    handle, _ = slider(within, "λ")
    handle.focus()
    for _ in range(25):
        page.keyboard.press("ArrowLeft")
    says(within, "λ = 0: ")
    for _ in range(25):
        page.keyboard.press("ArrowRight")
    says(within, "λ = 1: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "the sentence is empty"), ("nobody is here", "no gender word in"), ("he " * 90, "the sentence is too long")],
)
def test_wrong_input_says_why_beside_the_controls(page, text, message):
    within = panel(page, 1)
    box = within.get_by_label("sentence", exact=True)
    box.fill(text)
    alert = within.get_by_role("alert")
    alert.get_by_text(message).wait_for()
    assert within.locator("svg").count() == 0
    box.fill("the nurse said that she was late .")
    says(within, "in the place of she/he")
    assert alert.count() == 0


def test_a_folder_that_is_none_says_what_there_is(page):
    within = panel(page, 2)
    within.get_by_label("model", exact=True).select_option("another encoder")
    folder = within.get_by_label("its folder", exact=True)
    folder.fill("no/such/folder")
    within.get_by_role("alert").get_by_text(re.compile("no such folder, and the store has .*teacher")).wait_for()
    within.get_by_label("model", exact=True).select_option("teacher")
    says(within, "on teacher with its gender words mixed")


def test_another_test_is_drawn_for_both_models(page):
    within = panel(page, 3)
    before = within.locator("img").last.get_attribute("alt")
    within.get_by_label("test", exact=True).select_option(index=0)
    within.locator("img[alt*='Sentences of test C6 ']").wait_for()
    assert within.locator("img").last.get_attribute("alt") != before
