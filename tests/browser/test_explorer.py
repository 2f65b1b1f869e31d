"""The explorer in JupyterLab, in a real browser: sliders by mouse and keyboard, and what wrong input says.

One JupyterLab, one kernel: the tests run in order on the notebook that the first of them has run.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from in_jupyterlab import ANSWERING, jupyterlab, notebook_with, opened, run_all

RUNNING = 240
"""Seconds to wait at most for the notebook's cells."""


def notebook(folder: Path) -> Path:
    """00_explore with the tiny profile, and folders of its own."""
    places = {"runs_dir": str(folder / "runs"), "store_dir": str(folder / "store")}
    few = {"seeds": [0], "depths": [1], "arms": ["full", "mixup-xy"]}
    seat = {"seat_permutations": 2, "seat_bootstrap": 100}
    return notebook_with("00_explore", folder, profile="tiny", run_settings=places | few, seat_settings=seat)


@pytest.fixture(scope="module")
def lab(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the notebook."""
    folder = tmp_path_factory.mktemp("lab")
    notebook(folder)
    with jupyterlab(folder) as address:
        yield address.format("00_explore.ipynb")


@pytest.fixture(scope="module")
def page(browser: Any, lab: str) -> Iterator[Any]:
    """The notebook, all its cells run."""
    tab = opened(browser, lab)
    run_all(tab)
    last = tab.locator(".jp-CodeCell").last.locator(".jp-OutputArea-output")  # it ends on its controls
    last.or_(tab.locator(".jp-OutputArea-output").get_by_text(re.compile("Error"))).first.wait_for(
        timeout=1000 * RUNNING
    )
    yield tab
    tab.close()


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
    panel(page, 3).locator("img[alt*='Effect size of each']").wait_for()


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


def test_every_slider_has_a_name_for_screen_readers_and_alpha_reads_as_it_was_written(page):
    names = ["α", "λ", "λ"]
    assert [slider(panel(page, n), name)[0].get_attribute("aria-label") for n, name in enumerate(names)] == names
    for number, name in enumerate(names):
        panel(page, number).get_by_role("slider", name=name, exact=True).wait_for()
    within = panel(page, 0)
    handle, readout = slider(within, "α")
    handle.focus()
    for _ in range(200):  # whatever the other tests left it at
        if float(readout.inner_text()) == pytest.approx(0.4):
            break
        page.keyboard.press("ArrowRight" if float(readout.inner_text()) < 0.4 else "ArrowLeft")
    assert readout.inner_text() == "0.4"
    assert handle.get_attribute("aria-valuetext") == "0.4"
    says(within, r"α = 0\.4\b")
    handle.press("ArrowRight")
    assert within.get_by_role("slider", name="α", exact=True).count() == 1


OLD = """() => {
  const seen = { old: false, gone: false };
  const panel = document.querySelectorAll(".jp-OutputArea-output > .jupyter-widgets.widget-vbox")[1];
  new MutationObserver(() => {
    if (panel.querySelector("[aria-busy=true] svg")) seen.old = true;
    if (!panel.querySelector("svg")) seen.gone = true;
  }).observe(panel, { childList: true, subtree: true });
  window.seen = seen;
}"""


def test_the_old_picture_stays_and_is_marked_while_a_new_sentence_is_read(page):
    within = panel(page, 1)
    box = within.get_by_label("sentence", exact=True)
    before = drawn(within)
    page.evaluate(OLD)
    box.fill("the doctor and the nurse said that he was late for the " + "long " * 12 + "day .")
    changed(within, before)
    within.locator("[aria-busy=true]").wait_for(state="detached")
    assert page.evaluate("window.seen") == {"old": True, "gone": False}
    assert within.get_by_text("still that of the values before").count() == 0


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
    says(within, "on teacher, with its gender words mixed")


def test_another_test_is_drawn_for_both_models(page):
    within = panel(page, 3)
    before = within.locator("img").last.get_attribute("alt")
    within.get_by_label("test", exact=True).select_option(index=0)
    within.locator("img[alt*='sentence of test C6 ']").wait_for()
    assert within.locator("img").last.get_attribute("alt") != before
