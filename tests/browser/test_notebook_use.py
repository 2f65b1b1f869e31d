"""A notebook in JupyterLab as a researcher uses it: progress, an interrupt, and a variant of a profile.

One JupyterLab, one kernel: the tests run in order on one notebook.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from in_jupyterlab import jupyterlab, notebook_with, opened, run_all

from fairkd.profile import Profile

RUNNING = 240
"""Seconds to wait at most for cells."""
PROGRESS = r"^1 student, seed 0: [1-9][\d,]* of 4,000 updates, .* left"
STOPPED = r"1 student, seed 0: stopped at update ([\d,]+) of 4,000, saved; run again to go on"


@pytest.fixture(scope="module")
def lab(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """01_capacity with the profile tiny, one student and more updates than anybody waits for."""
    folder = tmp_path_factory.mktemp("lab")
    places = {"runs_dir": str(folder / "runs"), "store_dir": str(folder / "store")}
    run = places | {"arms": ["full"], "student_layers": 1}
    cell = {
        "profile": "tiny", "seeds": [0], "depths": [1], "max_steps": 4000, "run_settings": run,
        "recipe_settings": {"n_epoch": 10**6, "checkpoint_every": 10**6}, "seat_settings": {"seat_permutations": 2},
    }  # fmt: skip
    notebook_with("01_capacity", folder, **cell)
    with jupyterlab(folder) as address:
        tab = opened(browser, address.format("01_capacity.ipynb"))
        yield SimpleNamespace(tab=tab, folder=folder)
        tab.close()


def output(tab: Any, pattern: str) -> Any:
    return tab.locator(".jp-OutputArea-output").get_by_text(re.compile(pattern, re.MULTILINE)).first


def checkpoints(folder: Path) -> list[int]:
    found = (folder / "store" / "unfinished").glob("*/step-*")
    return sorted(int(path.name.removeprefix("step-")) for path in found)


def test_training_shows_one_line_that_moves_and_an_interrupt_ends_in_one_line(lab):
    tab = lab.tab
    run_all(tab)
    line = output(tab, PROGRESS)
    line.wait_for(timeout=1000 * RUNNING)
    before = line.inner_text()
    tab.wait_for_function(
        "([text, pattern]) => [...document.querySelectorAll('.jp-OutputArea-output')]"
        ".some((one) => new RegExp(pattern, 'm').test(one.innerText) && one.innerText.trim() !== text.trim())",
        arg=[before, PROGRESS],
    )
    assert tab.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0  # no red strip
    tab.get_by_role("menuitem", name="Kernel", exact=True).click()
    tab.get_by_role("menuitem", name=re.compile("^Interrupt Kernel")).click()
    error = output(tab, STOPPED)
    error.wait_for()
    whole = error.locator("xpath=ancestor-or-self::*[contains(@class, 'jp-OutputArea-output')]").inner_text().strip()
    at = int(re.fullmatch(STOPPED, whole)[1].replace(",", ""))
    assert checkpoints(lab.folder) == [at]
    assert tab.get_by_text("Traceback").count() == 0


def test_another_value_makes_a_variant_that_runs_to_its_end(lab):
    tab = lab.tab
    tab.evaluate(
        "() => { const cells = window.jupyterapp.shell.currentWidget.content.model.cells;"
        " for (const cell of cells) if ((cell.getMetadata('tags') || []).includes('parameters'))"
        " cell.sharedModel.setSource(cell.sharedModel.source + '\\nmax_steps = 12\\nseat_bootstrap = 100'); }"
    )
    run_all(tab)
    output(tab, "Manifest of 01_capacity").wait_for(state="attached", timeout=1000 * RUNNING)  # folded
    variant = output(tab, "A variant of the profile 'tiny': arms ")
    where = re.search(r"Its results lie in (\S+); those of the profile stay as they are", variant.inner_text())[1]
    assert (Path(where) / "results" / "01_capacity.json").is_file()
    values = Profile.load(Path(where) / "profile.yaml")
    assert (values.recipe.max_steps, values.seat.bootstrap, values.seeds) == (12, 100, (0,))
    assert Path(where).parent == lab.folder / "runs" / "tiny" / "variants"
    assert not (lab.folder / "runs" / "tiny" / "results").exists()
    assert tab.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
