"""Real notebooks in JupyterLab's way, by papermill and by the runner: they agree on what is done and where it lies.

JupyterLab runs the cells of a notebook one by one, in a kernel whose folder is the notebook's; so does nbclient here.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbclient
import nbformat
import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell

from fairkd.engine.store import file_digest
from fairkd.lab.results import Results
from fairkd.lab.variants import output_dir
from fairkd.profile import Profile, project_root
from fairkd.run import ledger
from fairkd.run.parameters_cells import parameters_cells
from fairkd.show.pages.export import write_html
from fairkd.show.pages.notebook import read_notebook
from fairkd.wording import interval

ROOT = project_root()


def in_jupyterlab(
    name: str, values: dict, *, cells: int | None = None, more: tuple[str, ...] = ()
) -> nbformat.NotebookNode:
    """The notebook after its cells (the first ``cells``, then ``more``) ran with these values as its parameters."""
    notebook = read_notebook(ROOT / "notebooks" / f"{name}.ipynb")
    (cell,) = parameters_cells(notebook)
    cell.source = "\n".join(f"{key} = {value!r}" for key, value in values.items())
    notebook.cells = [*notebook.cells[:cells], *map(new_code_cell, more)]
    nbclient.NotebookClient(
        notebook, timeout=600, allow_errors=bool(more), resources={"metadata": {"path": str(ROOT / "notebooks")}}
    ).execute()
    return notebook


def by_papermill(name: str, file: Path, *parameters: str) -> Path:
    """The notebook that plain papermill wrote."""
    out = file.parent / f"{name}.out.ipynb"
    source = ROOT / "notebooks" / f"{name}.ipynb"
    command = [
        sys.executable,
        "-m",
        "papermill",
        str(source),
        str(out),
        "-f",
        str(file),
        *parameters,
        "--cwd",
        str(ROOT),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def said(notebook: nbformat.NotebookNode) -> list[str]:
    """What each code cell printed, or its error."""
    texts = [
        "".join(output.get("text", "") + output.get("evalue", "") for output in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    return texts


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> SimpleNamespace:
    """01_capacity of the profile tiny, as ``fairkd run`` made it, in folders of its own."""
    folder = tmp_path_factory.mktemp("variants")
    values = Profile.load("tiny").values() | {"runs_dir": str(folder / "runs"), "store_dir": str(folder / "store")}
    file = folder / "tiny.yaml"
    file.write_text(yaml.safe_dump(values))
    command = [sys.executable, "-m", "fairkd", "run", "01_capacity", "--profile", str(file)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return SimpleNamespace(file=file, profile=Profile.load(file), folder=folder / "runs" / "tiny")


def contents(folder: Path) -> dict[str, str]:
    """Digests of the products that lie in a profile's own folder."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: file_digest(path) for name, path in found.items() if not name.startswith("variants")}


def test_a_finished_notebook_run_unchanged_in_jupyterlab_stays_done(done):
    before, manifest = contents(done.folder), done.folder / "results" / "01_capacity.json"
    token = json.loads(manifest.read_text())["token"]
    assert token
    notebook = in_jupyterlab("01_capacity", done.profile.values())
    assert json.loads(manifest.read_text())["token"] is None  # JupyterLab wrote last
    assert "variant" not in said(notebook)[1]
    assert ledger.state("01_capacity", done.profile) == ("done", "")
    after = contents(done.folder)
    assert {name for name in after if after[name] != before.get(name)} == {"results/01_capacity.json"}


def test_changed_parameters_leave_the_profiles_results_alone_in_jupyterlab_and_papermill(done):
    before = contents(done.folder)
    variant = done.profile.changed(seat_bootstrap=100)
    notebook = in_jupyterlab("01_capacity", variant.values())
    own = output_dir(variant)
    assert own.parent == done.folder / "variants"
    assert (
        f"A variant of the profile 'tiny': seat_bootstrap 100 instead of 200.\nIts results lie in {own}"
        in said(notebook)[1]
    )
    assert ledger.state("01_capacity", variant) == (
        "not run",
        "it has results, of JupyterLab or papermill, but no page",
    )
    in_lab = contents(own)
    (own / "results" / "01_capacity.json").unlink()
    by_papermill("01_capacity", done.file, "-p", "seat_bootstrap", "100")
    assert contents(own).keys() == in_lab.keys()
    assert contents(done.folder) == before
    assert ledger.state("01_capacity", done.profile) == ("done", "")
    ours, theirs = (Results("01_capacity", one).read()["capacity_averages"] for one in (done.profile, variant))
    pd.testing.assert_series_equal(ours.average, theirs.average)  # the same students
    assert (ours.high != theirs.high).all()


def page_text(notebook: Path) -> str:
    page = write_html(notebook, notebook.with_suffix(".html"))
    return " ".join(BeautifulSoup(page.read_text(), "html.parser").get_text().split())


def test_the_report_reads_the_profiles_results_though_a_variant_wrote_last(done):
    variant = done.profile.changed(seat_bootstrap=100)
    if not Results("01_capacity", variant).path.is_file():
        by_papermill("01_capacity", done.file, "-p", "seat_bootstrap", "100")
    text = page_text(by_papermill("05_report", done.file))
    ours, theirs = (Results("01_capacity", one).read()["capacity_averages"].iloc[0] for one in (done.profile, variant))
    intervals = [interval(row.low, row.high) for row in (ours, theirs)]
    assert intervals[0] != intervals[1]
    assert intervals[0] in text
    assert intervals[1] not in text
    assert "Table 1: not available: 02_ablation has not finished." in text
    report = in_jupyterlab("05_report", variant.values())
    nbformat.write(report, done.file.parent / "variant.ipynb")
    text = page_text(done.file.parent / "variant.ipynb")
    assert intervals[0] not in text
    assert intervals[1] in text


def test_the_reports_reason_names_the_other_parameters(done):
    file = done.file.parent / "other.yaml"
    other = done.profile.changed(runs_dir=str(done.file.parent / "other"))
    file.write_text(yaml.safe_dump(other.values()))
    by_papermill("01_capacity", file, "-p", "seat_bootstrap", "100", "-p", "seeds", "[0]")
    text = page_text(by_papermill("05_report", file))
    reason = (
        "01_capacity finished with other parameters: seeds [0] instead of [0, 1], seat_bootstrap 100 instead of 200"
    )
    assert f"Figure 1: not available: {reason} (in {output_dir(other)}/variants/seeds+seat_bootstrap-" in text
    assert ledger.state("01_capacity", other)[1].startswith(reason)


def test_a_name_over_the_values_of_another_profile_is_refused_and_both_ways_out_work(tmp_path):
    places = {"runs_dir": str(tmp_path / "runs"), "store_dir": str(tmp_path / "store")}
    values = Profile.load("quick").values() | places | {"profile": "tiny"}
    begin = "exp = Experiment.begin('01_capacity', globals())"
    load = "from fairkd import Profile; globals().update(Profile.load('tiny').values())"
    more = (load, begin, f"globals().update({values!r})\nprofile = 'quick'", begin)
    printed = said(in_jupyterlab("01_capacity", values, cells=3, more=more))
    refused = re.sub(r"\s+", " ", printed[1])
    assert "profile: 'tiny', but 27 values are not those of 'tiny', and all are those of 'quick'" in refused
    assert load in refused
    assert "profile = 'quick'" in refused
    assert "01_capacity · profile 'tiny' · seeds [0, 1]" in printed[3]
    assert "01_capacity · profile 'quick' · seeds [0]" in printed[5]
    assert "teacher 'scratch'" in printed[3]
    assert "teacher 'embedded'" in printed[5]
    assert not (tmp_path / "runs").exists()
