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
import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell

from fairkd.engine.store import file_digest
from fairkd.errors import InputError
from fairkd.experiment import Experiment
from fairkd.lab import variants
from fairkd.lab.results import Results
from fairkd.lab.variants import output_dir
from fairkd.profile import Profile, project_root
from fairkd.run import ledger
from fairkd.run.parameters_cells import parameters_cells
from fairkd.show.pages.export import write_html
from fairkd.show.pages.notebook import read_notebook

ROOT = project_root()
BEGIN = "from fairkd.experiment import Experiment; exp = Experiment.begin('01_capacity', globals())"


def in_jupyterlab(name: str, values: dict, *, then: str) -> list[str]:
    """What each code cell said when all ran with these values as parameters, then ``then``, then all below again."""
    notebook = read_notebook(ROOT / "notebooks" / f"{name}.ipynb")
    (cell,) = parameters_cells(notebook)
    cell.source = "\n".join(f"{key} = {value!r}" for key, value in values.items())
    again = [new_code_cell(cell.source) for cell in notebook.cells[2:] if cell.cell_type == "code"]
    notebook.cells += [new_code_cell(then), *again]
    place = {"metadata": {"path": str(ROOT / "notebooks")}}
    nbclient.NotebookClient(notebook, timeout=600, resources=place).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return ["".join(output.get("text", "") for output in cell.outputs) for cell in cells]


def by_papermill(name: str, file: Path, *parameters: str) -> Path:
    """The notebook that plain papermill wrote."""
    out = file.parent / f"{name}.out.ipynb"
    places = [str(ROOT / "notebooks" / f"{name}.ipynb"), str(out), "-f", str(file), "--cwd", str(ROOT)]
    command = [sys.executable, "-m", "papermill", *places, *parameters]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


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


def average(profile: Profile) -> pd.Series:
    """The first row of Figure 1, as the report reads it."""
    tables = Experiment("05_report", profile).results("01_capacity")
    assert tables is not None
    return tables["capacity_averages"].iloc[0]


def test_a_variant_leaves_the_profiles_results_alone_in_jupyterlab_and_papermill(done):
    before, manifest = contents(done.folder), done.folder / "results" / "01_capacity.json"
    assert json.loads(manifest.read_text())["token"]
    variant = done.profile.changed(seat_bootstrap=100)
    said = in_jupyterlab("01_capacity", done.profile.values(), then="seat_bootstrap = 100")
    # Run unchanged, JupyterLab wrote last, and nothing else than that is another.
    assert json.loads(manifest.read_text())["token"] is None
    now = contents(done.folder)
    assert {name for name in now if now[name] != before.get(name)} == {"results/01_capacity.json"}
    assert ledger.state("01_capacity", done.profile) == ("done", "")
    # Run changed, it wrote beside them, and said where.
    own, (first, second) = output_dir(variant), [text for text in said if "01_capacity · profile" in text]
    assert own.parent == done.folder / "variants"
    assert "variant" not in first
    where = f"A variant of the profile 'tiny': seat_bootstrap 100 instead of 200.\nIts results lie in {own}"
    assert where in second
    without_page = "it has results, of JupyterLab or papermill, but no page"
    assert ledger.state("01_capacity", variant) == ("not run", without_page)
    # papermill wrote the same files at the same place, and the profile's stayed.
    in_lab = contents(own)
    (own / "results" / "01_capacity.json").unlink()
    by_papermill("01_capacity", done.file, "-p", "seat_bootstrap", "100")
    assert contents(own).keys() == in_lab.keys()
    assert contents(done.folder) == now
    assert ledger.state("01_capacity", done.profile) == ("done", "")
    # A report reads what is its own, whoever wrote last.
    ours, theirs = average(done.profile), average(variant)
    assert ours.average == theirs.average  # the same students
    assert (ours.low, ours.high) != (theirs.low, theirs.high)


def test_a_report_without_the_other_notebooks_says_what_is_missing_and_what_finished_with_other_parameters(done):
    """The store has what is needed; of the results there are those of a variant only."""
    file = done.file.parent / "other.yaml"
    other = done.profile.changed(runs_dir=str(done.file.parent / "other"))
    file.write_text(yaml.safe_dump(other.values()))
    variant = Results("01_capacity", other.changed(seeds=[0], seat_bootstrap=100))
    variant.finish({})
    page = write_html(by_papermill("05_report", file), file.with_suffix(".html"))
    text = " ".join(BeautifulSoup(page.read_text(), "html.parser").get_text().split())
    differs = "seeds [0] instead of [0, 1], seat_bootstrap 100 instead of 200"
    reason = f"01_capacity finished with other parameters: {differs} (in {variant.folder.parent})"
    assert f"Figure 1: {reason}; fairkd run 01_capacity --profile" in text
    assert "Table 1: 02_ablation has not finished; fairkd run 02_ablation --profile" in text
    headings = {heading.get_text() for heading in BeautifulSoup(page.read_text(), "html.parser").find_all("h2")}
    assert "Not in this run" in headings
    assert not {heading for heading in headings if heading.startswith(("Figure", "Table", "Rulers"))}
    assert ledger.state("01_capacity", other)[1].startswith(reason)


def test_a_name_brings_its_values_and_over_those_of_another_profile_it_is_refused(tmp_path, capsys):
    places = {"runs_dir": str(tmp_path / "runs"), "store_dir": str(tmp_path / "store")}
    cell: dict = {"__name__": "__main__", "profile": "quick", "seeds": ..., "run_settings": places}
    for name, seeds, teacher in (("quick", [0, 1, 2], "embedded"), ("tiny", [0, 1], "scratch")):
        exec(BEGIN, cell | {"profile": name})
        said = capsys.readouterr().out
        assert f"01_capacity · profile {name!r} · seeds {seeds}" in said
        assert f"teacher {teacher!r}" in said
        assert "variant" not in said
    exec(BEGIN, cell | {"profile": "tiny", "seeds": [1]})
    assert "A variant of the profile 'tiny': seeds [1] instead of [0, 1]." in capsys.readouterr().out
    values = cell | Profile.load("quick").grouped() | {"profile": "tiny"}  # as with papermill -f quick.yaml -p profile
    with pytest.raises(InputError) as refused:
        exec(BEGIN, values)
    message = re.sub(r"\s+", " ", str(refused.value))
    assert "profile: 'tiny', but 27 values are not those of 'tiny', and all are those of 'quick'" in message
    assert "in JupyterLab profile = 'tiny' where the other parameters are ... or {}" in message
    assert "write profile = 'quick'" in message


def test_a_file_of_ones_own_is_the_profile_of_its_name_in_a_notebook_too(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(variants, "_declared", {})
    mine = Profile.load("tiny").changed(profile="mine", runs_dir=str(tmp_path / "runs"))
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mine.grouped()))
    cell: dict = {"__name__": "__main__", "profile": str(tmp_path / "mine.yaml"), "seeds": ...}
    exec(BEGIN, cell.copy())
    said = capsys.readouterr().out
    assert "profile 'mine' · seeds [0, 1]" in said
    assert "variant" not in said
    exec(BEGIN, cell | {"seeds": [1]})
    assert "A variant of the profile 'mine': seeds [1] instead of [0, 1]." in capsys.readouterr().out
    assert not (tmp_path / "runs").exists()
