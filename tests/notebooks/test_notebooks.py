"""The notebooks: clean sources, parameters in step with the profile, and the values that they produce at ``tiny``."""

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import nbformat
import nbformat.sign
import numpy as np
import pandas as pd
import pytest
import yaml
from browsing import violations, without_data
from bs4 import BeautifulSoup

from fairkd.arms import GROUPS
from fairkd.bias.stimuli import TESTS
from fairkd.claims import paper
from fairkd.engine.store import Store, file_digest, read_json
from fairkd.engine.versions import processor
from fairkd.errors import InputError
from fairkd.glue.tasks import TASKS
from fairkd.lab.results import write_state
from fairkd.profile import PARAMETERS, Profile, project_root
from fairkd.run import parameters_cells as notebooks
from fairkd.run import runner
from fairkd.run.trace import chain, origins
from fairkd.run.verify import Check, verify_number, verify_page, verify_profile
from fairkd.settings import GROUPED
from fairkd.show.figures.style import PANE
from fairkd.show.html import exactly
from fairkd.show.pages.export import to_html
from fairkd.show.pages.seal import open_page, sealed
from fairkd.wording import number

SOURCES = notebooks.sources()
each_notebook = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)


def code_cells(path: Path) -> list[dict]:
    return [cell for cell in notebooks.read_notebook(path)["cells"] if cell["cell_type"] == "code"]


def source(cell: dict) -> str:
    return "".join(cell["source"])


# --- sources ---------------------------------------------------------------------------------------------------------


TINY, PLANTED = (runner.notebooks(Profile.load(name)) for name in ("tiny", "planted"))


def test_every_notebook_that_is_run_is_there():
    assert {path.stem for path in SOURCES} == {"00_explore", *TINY, *PLANTED}


@each_notebook
def test_source_is_valid_and_holds_no_outputs(path):
    nbformat.validate(nbformat.read(path, as_version=4))
    notebook = json.loads(path.read_text())  # not repaired
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


@each_notebook
def test_parameters_cell_is_in_step_short_and_changes_nothing(path):
    (cell,) = notebooks.parameters_cells(notebooks.read_notebook(path))
    assert source(cell) == notebooks.parameters_cell(path.stem), "run: make notebooks"
    lines = source(cell).splitlines()
    assert len(lines) <= notebooks.MOST_LINES
    assert all("  # " in line for line in lines)
    values: dict = {}
    exec(source(cell), values)
    given = {name: values[name] for name in values.keys() & {*Profile.parameters(), *GROUPED}}
    assert Profile.based(given) == Profile.load(notebooks.FIRST.get(path.stem, "quick"))
    assert Profile.based(given | {"profile": "paper"}) == Profile.load("paper")
    assert notebooks.read_notebook(path)["cells"][1]["metadata"]["tags"] == ["parameters"]


@each_notebook
def test_papermill_knows_every_name_of_every_profiles_file(path):
    """papermill only warns about a parameter that it cannot find, and it reads the cell line by line on its own."""
    from papermill import inspect_notebook

    found = inspect_notebook(str(path))
    assert set(found) == {"profile", "prepare_only", *notebooks.OWN[path.stem], *GROUPED}
    for file in (project_root() / PARAMETERS).glob("*.yaml"):
        assert set(yaml.safe_load(file.read_text())) <= set(found)
    for name in ("prepare_only", *notebooks.OWN[path.stem]):
        assert found[name]["help"].strip() == Profile.parameters()[name].description


@each_notebook
def test_cells_are_short_and_define_nothing(path):
    for cell in code_cells(path):
        if "parameters" in cell["metadata"].get("tags", []):
            continue
        text = source(cell)
        assert len(text.splitlines()) <= 15
        nodes = list(ast.walk(ast.parse(text)))
        assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda) for node in nodes)
        numbers = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, float)]
        assert numbers == [], "a notebook holds no results"


@each_notebook
def test_notebook_begins_and_ends_as_the_house_style_says(path):
    cells = notebooks.read_notebook(path)["cells"]
    assert source(cells[0]).startswith("# ")
    assert f'Experiment.begin("{path.stem}", globals())' in source(cells[2])
    if path.stem != runner.REPORT:  # which opens with its card
        for words in ("**The question.**", "**What it costs.**", "**What you will see.**"):
            assert words in source(cells[0])
        assert ".scale)" in source(cells[2]).splitlines()[-1]
    if path.stem == "00_explore":  # ends on its controls
        assert "widgets." in source(cells[-1])
        return
    finding, record = source(cells[-1]).splitlines()[-2:]
    assert finding.startswith('exp.show("finding", report.finding(')
    assert record == "tables.record(exp.finish())"


@each_notebook
def test_what_a_number_is_is_said_once_in_a_notebook(path):
    """Captions have a badge, which ``exp.show`` sets."""
    sources = [source(cell) for cell in code_cells(path)]
    assert sum(text.count(".scale") for text in sources) == 1
    assert not any("scale=" in text or "note=" in text for text in sources)


def test_the_report_takes_every_figure_and_table_of_the_paper_from_the_notebooks_that_made_them():
    """Each piece that it asks for is shown by a notebook under that name; it computes none of them again."""
    shown = {
        path.stem: set(re.findall(r'exp\.show\(\s*"([^"]+)"', "\n".join(map(source, code_cells(path)))))
        for path in SOURCES
    }
    shown["06_planted"] |= {"calibration_agreement", "calibration_agreement_within"}
    (report,) = (path for path in SOURCES if path.stem == runner.REPORT)
    text = "\n".join(map(source, code_cells(report)))
    asked = set(re.findall(r'exp\.piece\("(\w+)", "([^"]+)"\)', text))
    for names, notebook in re.findall(r'for name in \(([^)]*)\):\n    exp\.piece\("(\w+)", name\)', text):
        asked |= {(notebook, name) for name in re.findall(r'"([^"]+)"', names)}
    assert {name for _, name in asked} >= {"figure-1", "table-1", "table-2", "table-3", "ruler_verdicts", "calibration"}
    assert [(notebook, name) for notebook, name in sorted(asked) if name not in shown[notebook]] == []
    assert (
        re.findall(
            r"(?:figures|tables)\.(?!claims\(|behind_claims|notice|record|missing|paragraph|key_to_names|table3_printed)\w+",
            text,
        )
        == []
    )


@each_notebook
def test_text_needs_no_network_and_no_mathematics_script(path):
    """The page loads nothing: no images from hosts, and no formula is left for a script to draw."""
    texts = [source(cell) for cell in notebooks.read_notebook(path)["cells"] if cell["cell_type"] == "markdown"]
    assert not any(re.search(r"!\[|<img|<script", text) for text in texts)
    page = BeautifulSoup(to_html(path), "html.parser")
    assert not any("$" in cell.get_text() for cell in page.select(".text-cell"))
    formulas = sum(len(re.findall(r"\$\$.+?\$\$", text, re.DOTALL)) for text in texts)
    assert len(page.select('math[display="block"]')) == formulas
    assert (formulas > 10) == (path.stem == "00_method")


def test_update_repairs_the_parameters_and_leaves_the_rest(tmp_path):
    path = tmp_path / SOURCES[0].name
    notebook = notebooks.read_notebook(SOURCES[0])
    notebooks.parameters_cells(notebook)[0]["source"] = ["seeds = [7]"]
    path.write_text(json.dumps(notebook))
    assert notebooks.update(path)
    assert source(notebooks.parameters_cells(notebooks.read_notebook(path))[0]) == notebooks.parameters_cell(
        SOURCES[0].stem
    )
    assert notebooks.read_notebook(path)["cells"][2:] == notebook["cells"][2:]
    assert not notebooks.update(path)
    notebook["cells"] = notebook["cells"][:1]
    path.write_text(json.dumps(notebook))
    with pytest.raises(ValueError, match="0 cells with the tag"):
        notebooks.update(path)


# --- executed at tiny ------------------------------------------------------------------------------------------------


def fairkd(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "fairkd", *arguments]
    return subprocess.run(command, cwd=project_root(), capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> SimpleNamespace:
    """``fairkd reproduce`` at the tiny profile, in folders of its own."""
    folder = tmp_path_factory.mktemp("tiny")
    values = Profile.load("tiny").values() | {"runs_dir": str(folder / "runs"), "store_dir": str(folder / "store")}
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(values))
    done = fairkd("reproduce", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    results = folder / "runs" / "tiny" / "results"
    frames = {file.stem: pd.read_parquet(file) for file in results.glob("*.parquet")}
    return SimpleNamespace(file=path, profile=Profile.load(path), folder=folder / "runs" / "tiny", frames=frames)


def test_reproduce_leaves_every_product_and_no_other(tiny):
    pages = {f"{name}.{kind}" for name in TINY for kind in ("ipynb", "html")}
    assert {p.name for p in tiny.folder.iterdir()} == pages | {"report.html", "profile.yaml", "results", "status"}
    assert [one.state for one in runner.status(tiny.profile)] == ["done"] * len(TINY)


def test_jupyterlab_trusts_what_was_executed_here(tiny):
    """It draws SVG only in a notebook that is signed."""
    notary = nbformat.sign.NotebookNotary()
    executed = nbformat.read(tiny.folder / "01_capacity.ipynb", as_version=4)
    assert notary.check_signature(executed)
    executed.cells[-1].source += " "
    assert not notary.check_signature(executed)


def test_products_name_no_folder_of_this_machine(tiny):
    """But those of the parameters runs_dir and store_dir, which are what somebody wrote."""
    products = [*tiny.folder.glob("*.ipynb"), *tiny.folder.glob("*.html"), *(tiny.folder / "results").rglob("*.json")]
    assert len(products) > 2 * len(TINY)
    for path in products:
        assert str(project_root()) not in path.read_text(encoding="utf-8"), path.name
    about = [nbformat.read(path, as_version=4).metadata.papermill for path in tiny.folder.glob("*.ipynb")]
    assert {one.input_path for one in about} == {f"{name}.ipynb" for name in TINY}
    assert {"/" in one.output_path for one in about} == {False}


def test_what_was_made_is_verified(tiny):
    checks = list(verify_profile(tiny.profile))
    assert [check.problems for check in checks] == [()] * 6
    assert re.match(r"\d+ entries of the store, [\d,]+ files$", checks[0].what)
    assert re.match(rf"{len(TINY)} notebooks were computed from [1-9]\d\d entries", checks[2].what)
    assert f"{len(TINY)} pages" in checks[3].what
    assert re.match(r"[1-9],\d{3} cells and rows of 6 pages, traced to saved tables", checks[4].what)
    assert "1 of 30 students, measured again" in checks[5].what
    page = [check.what for check in verify_page(tiny.folder / "report.html")]
    assert page[0] == "report.html is as it was written"
    assert "05_report of the profile 'tiny', seeds [0, 1]; fairkd 0.1.0, commit " in page[1]
    assert [check.problems for check in verify_page(tiny.folder / "report.html")] == [()] * 5
    assert page[4].endswith("and all but when and by what it was made is as its notebook here gives it")


@contextmanager
def changed(path: Path, change: Callable[[bytes], bytes]) -> Iterator[None]:
    """In the block a file has other bytes."""
    before = path.read_bytes()
    path.write_bytes(change(before))
    try:
        yield
    finally:
        path.write_bytes(before)


def test_a_changed_digit_is_noticed_wherever_it_is(tiny, tmp_path):
    report, results = tiny.folder / "report.html", tiny.folder / "results"
    digit = re.search(rb">0\.\d{3}<", report.read_bytes()) or re.search(rb"\d\.\d\d\d", report.read_bytes())
    other = bytes(str(9 - int(digit[0][-2:-1])), "ascii")

    def flip(data: bytes) -> bytes:
        return data[: digit.end() - 2] + other + data[digit.end() - 1 :]

    with changed(report, flip):
        pages = list(verify_profile(tiny.profile, again=0))[3]
        assert any("was changed after it was written" in line for line in pages.problems)
        with pytest.raises(InputError, match="was changed after it was written"):
            list(verify_page(report))
    cut = tmp_path / "cut.html"
    cut.write_bytes(report.read_bytes()[:-100])
    with pytest.raises(InputError, match="cut or changed"):
        list(verify_page(cut))
    with changed(results / "report_claims.parquet", lambda data: data[:-1] + b"x"):
        told = list(verify_profile(tiny.profile))
        assert any("05_report" in line for line in told[1].problems)
    entry = next(path for path in tiny.profile.store().root.glob("*/model.safetensors"))
    with changed(entry, lambda data: data[:-1] + bytes([data[-1] ^ 1])):
        store = next(verify_profile(tiny.profile, again=0))
        assert f"{entry} was changed after it was made" in store.problems[0]
    assert [check.problems for check in verify_profile(tiny.profile, again=0)] == [()] * 6


@pytest.mark.parametrize("what", ["shown", "kept"])
def test_a_number_that_no_table_has_is_noticed_in_a_page_that_was_sealed_again(tiny, what):
    report = tiny.folder / "report.html"
    page, _ = open_page(report)
    cell = re.search(r' data-exact="(-?0\.\d{4})\d+[^"]*">(?:<strong>)?(−?0\.\d\d)(\d)', page)
    at = cell.end() - 1 if what == "shown" else cell.end(1) - 1
    other = f"{page[:at]}{(int(page[at]) + 4) % 10}{page[at + 1 :]}"
    with changed(report, lambda _: sealed(other[: other.rindex("<!-- fairkd page")]).encode()):
        numbers = list(verify_profile(tiny.profile, again=0))[4]
    told = {"shown": "the page shows ", "kept": "no saved table has "}[what]
    assert any(told in line for line in numbers.problems), numbers.problems


def forged(tiny, tmp_path: Path, name: str, change: Callable[[str], str]) -> list[Check]:
    """What is said of a page that somebody changed, sealed again and sent."""
    page, _ = open_page(tiny.folder / name)
    (tmp_path / name).write_text(sealed(change(page[: page.rindex("<!-- fairkd page")])), encoding="utf-8")
    return list(verify_page(tmp_path / name))


def test_a_forged_page_is_told_where_its_tables_lie(tiny, tmp_path):
    cell = re.compile(r' data-exact="-?0\.\d+([^"]*"[^>]*>(?:<strong>)?)−?0\.\d\d\d\b')

    def other_number(page: str) -> str:
        """In its text and in what it carries, as a forger would."""
        return cell.sub(r' data-exact="0.123456789\g<1>0.123', page, count=1)

    def six_times(page: str) -> str:
        """As tests of six stand for a share, but in a cell that says nothing of six."""
        found = re.search(r'data-exact="(0\.[1-9]\d+)[^"]*"[^>]*>(?:<strong>)?(0\.\d{3})\b', page)
        return f"{page[: found.start(2)]}{6 * float(found[1]):.3f}{page[found.end(2) :]}"

    for name in ("report.html", "02_ablation.html"):
        told = [line for check in forged(tiny, tmp_path, name, other_number) for line in check.problems]
        assert any("no saved table has 0.123456789" in line for line in told), told
    other = "it is not the page that its notebook here gives: its sentences, cells or figures are others"
    for change in (
        lambda page: page.replace("<p>", "<p>Proven: ", 1),
        lambda page: page.replace("<p>", "<p>Proven: ", 1).replace('"threads": ', '"threads": 1', 1),
        lambda page: cell.sub(r">9.99", page, count=1),  # it carries no number any more
        six_times,
    ):
        checks = forged(tiny, tmp_path, "01_capacity.html", change)
        assert other in checks[-1].problems or any(check.problems for check in checks[:-1]), checks


def test_a_page_of_another_run_that_found_the_same_is_sound(tiny, tmp_path):
    def of_another_run(page: str) -> str:
        page = re.sub(r"commit\s+[0-9a-f]{40}(\+changes)?", "commit 0123456789012345678901234567890123456789", page)
        return re.sub(r'"torch": "[^"]*"', '"torch": "9.9.9"', re.sub(r"torch \d[^,<]*", "torch 9.9.9", page))

    checks = forged(tiny, tmp_path, "01_capacity.html", of_another_run)
    assert not any(check.problems for check in checks), checks
    assert checks[-1].what.endswith("and all but when and by what it was made is as its notebook here gives it")
    checks = forged(tiny, tmp_path, "01_capacity.html", lambda page: re.sub(r'("code": ")\w', r"\1", page, count=1))
    assert checks[-1].what.endswith("its sentences were compared with nothing: other code wrote them")


def test_a_report_is_sound_whichever_pages_have_come_beside_it_since(tiny):
    assert b'href="02_ablation.html"' in (tiny.folder / "report.html").read_bytes()
    new = [tiny.folder / f"00_explore.{kind}" for kind in ("ipynb", "html")]
    for path in new:
        shutil.copy(tiny.folder / f"01_capacity{path.suffix}", path)
    gone = tiny.folder / "02_ablation.html"
    gone.rename(gone.with_suffix(".aside"))
    try:
        assert not any(check.problems for check in verify_page(tiny.folder / "report.html"))
    finally:
        gone.with_suffix(".aside").rename(gone)
        for path in new:
            path.unlink()


def test_a_sentence_that_its_notebook_does_not_give_is_noticed(tiny):
    page = tiny.folder / "03_mixup.html"
    whole = page.read_text(encoding="utf-8")
    other = whole[: whole.rindex("<!-- fairkd page")].replace("<p>", "<p>Proven: ", 1)
    status = tiny.folder / "status" / "03_mixup.json"
    record = read_json(status)
    with changed(page, lambda _: sealed(other).encode()), changed(status, bytes):
        write_state(status, record | {"files": record["files"] | {page.name: file_digest(page)}})
        (line,) = list(verify_profile(tiny.profile, again=0))[3].problems
    assert line == "03_mixup.html is not the page that 03_mixup.ipynb gives: its sentences or figures are others"


def test_a_number_leads_to_its_row_its_students_and_their_manifests(tiny):
    row = tiny.frames["ablation_averages"].query("arm == 'no-ce' and pooling == 'mean'").iloc[0]
    printed, exact = f"{row.average:.3f}".replace("-", "−"), exactly(row.average)
    checks = list(verify_number(printed, tiny.profile))
    (own,) = [check for check in checks if check.what.startswith(f"{exact}: ")]
    assert not any(check.problems for check in checks)
    assert {"02_ablation.html, table-1-2", "report.html, table-1"} <= set(own.what.partition(": ")[2].split("; "))
    begin = next(place for place, line in enumerate(own.about) if line.startswith("tiny/02_ablation: "))
    assert own.about[begin].endswith("row 3, average; arm no-ce, layers 2, seeds 2, pooling mean")
    lines = own.about[begin + 1 :]
    store, seen = tiny.profile.store(), []
    for line in lines[:2]:
        key = re.match(r"  student: (\w+), no-ce, seed [01]; ", line)[1]
        manifest = Store.manifest(store.root / key)
        seen.append((manifest["kind"], manifest["arm"]["name"], manifest["seed"]))
        assert f"weights {manifest['weights_digest'][:12]}, teacher {manifest['teacher_digest'][:12]}" in line
        assert f"commit {manifest['git_commit']}, processor {processor()}, fairkd 0.1.0 with torch " in line
    assert sorted(seen) == [("student", "no-ce", 0), ("student", "no-ce", 1)]
    kinds = {line.strip().partition(":")[0]: re.findall(r"\b[0-9a-f]{20}\b", line) for line in lines[2:6]}
    assert {"seat", "teacher", "corpus"} <= kinds.keys()
    for kind in ("seat", "teacher", "corpus"):
        assert {Store.manifest(store.root / key)["kind"] for key in kinds[kind]} == {kind}
    page = list(verify_number(exact, tiny.folder / "02_ablation.html"))
    assert page[0].problems != ()  # nothing is printed to twelve digits
    (same, *_) = [one for one in verify_number(printed, tiny.folder / "report.html") if one.what.startswith(exact)]
    assert same.about == own.about
    printed_there = {check.what.partition(":")[0]: check for check in verify_number("0.992", tiny.profile)}
    assert printed_there["0.992"].about[0] == "printed in the paper"
    (nothing,) = verify_number("123.456789", tiny.profile)
    assert nothing.problems == ("no table or figure shows 123.456789",)


def test_numbers_that_are_none_and_pages_whose_results_are_elsewhere_are_refused(tiny):
    for said in ("one", "0,5", "1,23", "−", "0.1.2", "", "nan", "inf"):
        with pytest.raises(InputError, match=r"--number: .* is no number"):
            list(verify_number(said, tiny.profile))
    assert not any("−5" in check.what or "-0.9" in check.what for check in verify_number("−5", tiny.profile))
    with pytest.raises(InputError, match="do not lie here"):
        list(verify_number("0.1", project_root() / "docs" / "reports" / "planted" / "report.html"))


def test_numbers_are_traced_to_tables_and_entries_to_commits(tiny):
    found = origins({"tiny/02_ablation": {"ablation_averages": tiny.frames["ablation_averages"]}})
    value = tiny.frames["ablation_averages"].average.iloc[0]
    assert found[exactly(value)] == "tiny/02_ablation: ablation_averages.parquet, average"
    assert found[exactly(0.992)] == "printed in the paper"
    manifest = json.loads((tiny.folder / "results" / "02_ablation.json").read_text())
    lines = chain(list(manifest["entries"]), tiny.profile.store())
    assert all(re.search(r" \(git commit [0-9a-f]{40}.*; by fairkd .* with torch ", line) for line in lines), lines
    assert any(line.startswith("10 × student") for line in lines)


def test_a_page_of_other_results_than_lie_here_is_sound_and_says_so(tiny, monkeypatch):
    monkeypatch.setattr("fairkd.run.verify.other_names", lambda *_: "claims.parquet")
    checks = list(verify_page(tiny.folder / "report.html"))
    assert not any(check.problems for check in checks)
    assert [line.endswith("makes them: claims.parquet") for check in checks for line in check.about] == [True]


def test_second_reproduce_has_nothing_to_do(tiny):
    before = {path: path.stat().st_mtime_ns for path in tiny.folder.rglob("*") if path.is_file()}
    done = fairkd("reproduce", str(tiny.file))
    assert done.returncode == 0
    assert done.stdout.count("done before") == len(TINY)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_scores_are_complete_and_averages_follow_from_them(tiny):
    profile = tiny.profile
    scores, averages = tiny.frames["capacity_scores"], tiny.frames["capacity_averages"]
    arms = [f"capacity-{depth}" for depth in profile.depths]
    assert len(scores) == (len(arms) * len(profile.seeds) + 1) * len(profile.seat.poolings) * len(TESTS)
    assert set(scores.arm) == {*arms, "teacher"}
    assert np.isfinite(scores[["effect_size", "p_value", "ci_low", "ci_high"]]).all(axis=None)
    assert scores.effect_size.abs().between(0, 2).all()
    for row in averages.itertuples():
        own = scores[(scores.arm == row.arm) & (scores.pooling == row.pooling)]
        assert row.average == pytest.approx(own.effect_size.abs().mean(), abs=1e-12)
        assert row.signed == pytest.approx(own.effect_size.mean(), abs=1e-12)
        assert row.low < row.high
        assert row.seeds == (1 if row.arm == "teacher" else len(profile.seeds))


def test_correlation_is_that_of_layers_and_averages(tiny):
    averages = tiny.frames["capacity_averages"]
    for row in tiny.frames["capacity_correlation"].itertuples():
        students = averages[(averages.arm != "teacher") & (averages.pooling == row.pooling)]
        assert row.r == pytest.approx(np.corrcoef(students.layers, students.average)[0, 1], abs=1e-9)
        assert -1 <= row.low <= row.high <= 1
        assert row.covers == "stimulus words and seeds"  # tiny has several


def test_full_is_the_student_of_figure_1_at_its_depth(tiny):
    """One student serves both: Table 1's full and Figure 1's point at student_layers have equal numbers."""
    keys = ["seed", "pooling", "test"]
    table, figure = tiny.frames["ablation_scores"], tiny.frames["capacity_scores"]
    full = table[table.arm == "full"].set_index(keys).effect_size
    same = figure[figure.arm == f"capacity-{tiny.profile.student_layers}"].set_index(keys).effect_size
    pd.testing.assert_series_equal(full, same, check_exact=True)
    other = table[table.arm == "no-ce"].set_index(keys).effect_size
    assert (other != full).all()


def test_stored_student_measured_anew_gives_the_saved_scores(tiny):
    from fairkd import seat
    from fairkd.engine.store import Store

    store = tiny.profile.store()
    folders = [path.parent for path in store.root.glob("*/manifest.json") if not path.parent.name.startswith(".")]
    saved = pd.concat([tiny.frames["ablation_scores"], tiny.frames["capacity_scores"]])
    saved = saved[saved.pooling == "mean"].drop_duplicates(["arm", "seed", "test"])  # an arm may stand in both
    names = {folder: Store.manifest(folder).get("arm", {}).get("name") for folder in folders}
    student = next(folder for folder, name in sorted(names.items()) if name in set(saved.arm))
    table = seat.evaluate(*seat.load_encoder(student), "mean", n_samples=100, n_bootstrap=0)
    matches = saved[saved.arm == names[student]].groupby("seed").effect_size.apply(list)
    assert sum(np.allclose(values, table.effect_size, atol=1e-5) for values in matches) == 1


@pytest.mark.parametrize("name", TINY)
def test_no_figure_is_wider_than_what_jupyterlab_leaves_it(tiny, name):
    outputs = [
        output for cell in nbformat.read(tiny.folder / f"{name}.ipynb", 4).cells for output in cell.get("outputs", ())
    ]
    drawings = [output["data"]["image/svg+xml"] for output in outputs if "image/svg+xml" in output.get("data", {})]
    assert all(float(ElementTree.fromstring(drawing).get("width")) < 96 * PANE + 1 for drawing in drawings)


def test_differences_are_those_of_the_averages(tiny):
    averages = tiny.frames["ablation_averages"].set_index(["arm", "pooling"]).average
    differences = tiny.frames["ablation_differences"]
    assert set(differences.arm) == {"no-cos", "no-ce", "mlm-only"}
    for row in differences.itertuples():
        expected = averages[row.arm, row.pooling] - averages["full", row.pooling]
        assert row.difference == pytest.approx(expected, abs=1e-12)
        assert row.low <= row.high


def test_training_metrics_have_the_losses_of_each_arm(tiny):
    metrics = tiny.frames["ablation_metrics"]
    assert set(metrics.seed) == set(tiny.profile.seeds)
    for arm, losses in {"full": {"ce", "mlm", "cos"}, "no-cos": {"ce", "mlm"}, "no-ce": {"mlm", "cos"}}.items():
        rows = metrics[metrics.arm == arm]
        assert {term for term in ("ce", "mlm", "cos") if term in rows and rows[term].notna().all()} == losses
        assert np.isfinite(rows.loss).all()


@pytest.mark.parametrize("name", TINY)
def test_manifest_holds_parameters_and_the_digests_of_what_was_saved(tiny, name):
    from fairkd.engine.store import file_digest

    manifest = json.loads((tiny.folder / "results" / f"{name}.json").read_text())
    assert manifest["parameters"] == tiny.profile.values()
    for file, digest in manifest["saved"].items():
        assert file_digest(tiny.folder / "results" / file) == digest
    assert manifest["facts"]["versions"]["torch"]


@pytest.mark.parametrize("name", TINY)
def test_page_has_its_figures_described_and_asks_no_host(tiny, name):
    text = (tiny.folder / f"{name}.html").read_text()
    soup = BeautifulSoup(text, "html.parser")
    plots = soup.select("figure.plot")
    own = {"01_capacity": 3, "02_ablation": 2, "03_mixup": 4, "04_glue": 2, "07_rulers": 2}
    expected = {"00_method": 0, "05_report": 11} | {name: count + 1 for name, count in own.items()}  # one stands twice
    assert len(plots) == expected[name]
    if name in own:  # the question, what was found and the figure that shows it, before all else
        text = soup.find("main").get_text(" ")
        finding = soup.select_one(".finding").get_text(" ")
        places = [
            text.index(one) for one in ("The question.", finding, plots[0].figcaption.get_text(" "), "What it costs")
        ]
        assert places == sorted(places)
    assert all(len(plot.select_one("[role=img]")["aria-label"]) > 40 and plot.find("svg") for plot in plots)
    assert all(plot.figcaption.get_text(strip=True) and plot.find("a", class_="here") for plot in plots)
    assert not soup.find_all("img")
    assert not soup.find_all(["link", "iframe"])
    assert len(soup.find_all("script", type=None)) == 1  # the page's own, which its policy names by digest
    assert not soup.find_all("pre", class_="error")
    explorers = soup.find_all("figure", class_="explorer")
    assert len(explorers) == {"03_mixup": 3, "05_report": 4}.get(name, 0)
    assert all(len(figure.svg["aria-label"]) > 40 and figure.find("a", download=True) for figure in explorers)
    assert len(text) < 5_000_000
    assert not re.search(r"(src|href)=[\"']?(https?:)?//|url\(\s*['\"]?(https?:)?//", text)
    assert "Demonstration" in soup.find(class_="notice").get_text()


def test_report_tells_the_values_of_the_tables(tiny):
    soup = BeautifulSoup((tiny.folder / "report.html").read_text(), "html.parser")
    text = " ".join(soup.get_text().split())
    headings = [link.get_text() for link in soup.select('#contents a[href^="#"]')]
    assert headings == [
        "The paper's claims",
        "Rulers and their calibration",
        "Figure 1: capacity",
        "Table 1: losses",
        "Table 2: mixup and the debiased teacher",
        "Table 3: GLUE",
        "Look and touch: α and λ",
        "Not in this run",
        "How it was made",
        "Limits",
        "Parameters and record",
        "Glossary",
    ]
    absent = [line.get_text() for line in soup.select("ul.absent li")]  # the controlled experiment alone
    assert [line.partition(":")[0] for line in absent] == ["Rulers where the bias is known"]
    assert absent[0].endswith("; fairkd reproduce planted")
    assert "Where the bias is known" not in {heading.get_text() for heading in soup.find_all(["h2", "h3"])}
    r = tiny.frames["capacity_correlation"].iloc[0].r
    assert f"r = {r:.2f}".replace("-", "−") in text
    assert "the paper prints r = −0.82" in text
    table = next(t for t in soup.find_all("table") if "ours" in t.thead.get_text())
    cells = table.get_text(" ")
    for arm, values in paper.TABLE1.items():
        assert all(f"{value:.3f}" in cells for value in values.values()), arm
    assert "(0.697 by its rows)" in cells
    own = tiny.frames["ablation_averages"].query("arm == 'full'").iloc[0].average
    assert f"{own:.3f}" in cells


def test_report_leads_to_the_pages_of_the_notebooks(tiny):
    soup = BeautifulSoup((tiny.folder / "report.html").read_text(), "html.parser")
    links = soup.select('#contents a:not([href^="#"])')
    assert [link["href"] for link in links] == [f"{name}.html" for name in TINY if name != runner.REPORT]
    for link in links:
        page = BeautifulSoup((tiny.folder / link["href"]).read_text(), "html.parser")
        assert page.h1.get_text() == link.get_text()


def test_method_ends_each_formula_with_an_equality_that_held(tiny):
    """Its checks are assertions: the page exists only because none failed; they stand there for the reader."""
    soup = BeautifulSoup((tiny.folder / "00_method.html").read_text(), "html.parser")
    assert len(re.findall(r"^Equal: ", "\n".join(pre.get_text() for pre in soup.select("pre.stdout")), re.M)) == 9
    assert all(fold.has_attr("open") for fold in soup.select("details.code") if "Equal: " in fold.get_text())


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_method_draws_its_formulas_from_disk_without_network(tiny, visit, width, scheme):
    tab = visit(tiny.folder / "00_method.html", width=width, scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    fraction = tab.locator("math mfrac").first
    above, below = (fraction.locator(f"> :nth-child({n})").bounding_box()["y"] for n in (1, 2))
    assert above < below  # drawn as a fraction, not as a row of letters
    ends = "e => [e.children[0], e.children[1].children[0]].map(n => n.getBoundingClientRect().bottom)"
    symbol, index = tab.locator("math[display=block] msub").first.evaluate(ends)
    assert index > symbol  # an index hangs below its symbol
    assert without_data(tab.seen) == []


@pytest.mark.parametrize("width", [1440, 1024, 900, 800, 390])
def test_claims_stand_still_while_their_rows_arrive(tiny, visit, width):
    """A busy machine draws the first rows before the others are read: the columns must not depend on those."""
    tab = visit(tiny.folder / "report.html", width=width)
    table = tab.locator("table.claims").first
    places = "t => [...t.rows[1].cells, ...t.tHead.rows[0].cells].map(c => c.getBoundingClientRect().toJSON())"
    whole = table.evaluate(places)
    assert table.evaluate("t => t.tBodies[0].rows.length") > 5
    table.evaluate("t => t.tBodies[0].replaceChildren(t.tBodies[0].rows[0])")
    assert table.evaluate(places) == whole
    assert tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


@pytest.mark.parametrize("width", [390, 1440])
def test_a_legend_of_a_sliders_picture_has_room(tiny, visit, width):
    """On a phone its letters are larger, in the units of the picture, than elsewhere."""
    tab = visit(tiny.folder / "report.html", width=width)
    tab.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    gaps = tab.evaluate("""[...document.querySelectorAll('.explorer svg.drawing')].flatMap((svg) => {
        const boxes = (tag) => [...svg.querySelectorAll(tag)].map((one) => one.getBoundingClientRect());
        const level = (one, other) => Math.min(one.bottom, other.bottom) > Math.max(one.top, other.top);
        const marks = [...boxes('path'), ...boxes('circle')].filter((mark) => mark.width < 20 && mark.height < 12);
        return boxes('text').filter((text) => text.height < 25).flatMap((text) =>
            marks.filter((mark) => level(mark, text) && mark.left > text.left).map((mark) => mark.left - text.right));
    })""")
    assert len(gaps) > 2
    assert min(gaps) > 3


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_report_works_from_disk_without_network_or_kernel(tiny, visit, width, scheme):
    """No request, no message in the console, nothing wider than the page, and every slider changes its picture."""
    tab = visit(tiny.folder / "report.html", width=width, scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    figures = tab.locator("figure.explorer").all()
    assert len(figures) == 4
    assert sum(tab.evaluate("window.shifts")) < 0.001
    for figure in figures:
        seen = {figure.locator("svg.drawing").inner_html()}
        figure.locator("input").focus()
        for key in ("Home", "ArrowRight", "End"):
            tab.keyboard.press(key)
            seen.add(figure.locator("svg.drawing").inner_html())
        assert len(seen) >= 3  # a slider may begin at an end
        box = figure.locator("input").bounding_box()
        tab.mouse.click(box["x"] + 0.4 * box["width"], box["y"] + box["height"] / 2)
        assert figure.locator("svg.drawing").inner_html() not in seen
    # What a slider moves counts too where the machine is so busy that the browser no longer sees why; 0.1 is "good".
    assert sum(tab.evaluate("window.shifts")) < 0.1
    assert without_data(tab.seen) == []


@pytest.mark.parametrize("name", ["report", "00_method"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_axe_finds_no_violation(tiny, visit, width, scheme, name):
    tab = visit(tiny.folder / f"{name}.html", width=width, scheme=scheme)
    assert violations(tab, folds_open=True) == []


def test_report_opens_with_the_card_and_the_verdicts_that_the_notebooks_reached(tiny):
    claims = tiny.frames["report_claims"].query("pooling == 'mean'")
    assert claims.claim.tolist() == [0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 6, 7, 7, 8, 9]
    judged = pd.concat([tiny.frames[f"{name}_claims"] for name in ("capacity", "ablation", "mixup", "glue")])
    judged = judged[judged.pooling.isin(["mean", ""])].drop_duplicates(["claim", "part"])
    judged = judged.set_index(["claim", "part"]).sort_index()
    assert len(judged) == len(claims)
    for row in claims.itertuples():
        assert row.verdict == judged.verdict[row.claim, row.part] != "not run"
    soup = BeautifulSoup((tiny.folder / "report.html").read_text(), "html.parser")
    order = [element.name for element in soup.main.find_all(["h1", "h2", "table"])]
    assert order[:3] == ["h1", "h2", "table"]
    assert soup.find(class_="card").find_previous("h1")
    assert not soup.find(class_="card").find_previous(["h2", "table", "img"])
    rows = soup.find("table", class_="claims").find("tbody").find_all("tr")
    for row, claim in zip(rows, claims.itertuples(), strict=True):
        assert claim.verdict in row.select_one(".verdict").get_text()
        assert row.summary.get_text().split(" ")[0] == str(claim.claim)
        assert claim.part in row.summary.get_text()
        values = row.find_all("td")[1].get_text()
        assert number(claim.estimate) in values or "of 6" in values
    distillation = soup.select(".card li")[1].get_text()
    assert rows[0].find_all("td")[1].get_text().strip() in distillation


def test_caveats_stand_once_on_the_page(tiny):
    """What is true of every number is said in the card, and after that a badge stands for it."""
    soup = BeautifulSoup((tiny.folder / "report.html").read_text(), "html.parser")
    text = " ".join(soup.get_text().split())
    for caveat in ("neither confirm nor refute", "One seed cannot tell", "is about GLUE, not about"):
        assert text.count(caveat) <= 1, caveat
    assert text.count("neither confirm nor refute") == 1
    captions = [caption for caption in soup.select("p.caption") if not caption.find_parent("figure")]
    plain = [caption.get_text() for caption in captions if not caption.select(".badge")]
    begins = [re.sub(r"^Table 5\.\d+ ", "", text)[:12] for text in plain]
    assert begins == ["Names of the", "Printed in t", "Manifest of "]  # no numbers of this run
    told = [caption.get_text() for caption in captions]
    assert len(told) == len(set(told))


def test_table_2_has_the_papers_rows_and_ours_and_differences_follow(tiny):
    averages = tiny.frames["mixup_averages"].query("pooling == 'mean'").set_index("arm").average
    assert list(averages.index) == ["teacher", *GROUPS["table-2"], "mixup-y", "mixup-xh"]
    differences = tiny.frames["mixup_differences"].query("pooling == 'mean'").set_index("arm")
    assert set(differences.index) == set(averages.index) - {"teacher", "full"}
    for arm, row in differences.iterrows():
        assert row.difference == pytest.approx(averages[arm] - averages["full"], abs=1e-12)
        assert 0 < row.p <= row.p_holm <= 1
    page = BeautifulSoup((tiny.folder / "03_mixup.html").read_text(), "html.parser").get_text(" ")
    for arm, cells in paper.TABLE2.items():
        assert all(f"{value:.3f}" in page for value in cells.values()), arm
        assert f"{averages[arm]:.3f}" in page
    # Every student is one of its own: none has the numbers of another.
    assert averages.round(9).is_unique
    counts = tiny.frames["mixup_pairs"]
    assert counts.positions.sum() > 100
    assert set(tiny.frames["mixup_teachers"].arm) == {"original", "debiased", "debiased without SEAT's words"}


def test_report_says_who_read_what_and_which_words_were_met(tiny):
    """The numbers of the manifests stand in the summary; the corpus in all is nobody's reading."""
    facts = json.loads((tiny.folder / "results" / "05_report.json").read_text())["facts"]
    text = " ".join(BeautifulSoup((tiny.folder / "report.html").read_text(), "html.parser").get_text(" ").split())
    students = [record["tokens_read"] for record in facts["students"].values()]
    assert len(students) == len(tiny.profile.seeds)
    assert f"with {min(students):,} to {max(students):,} tokens, " in text
    assert f"training text of {facts['corpus']['training_tokens']:,} tokens" in text
    for who in (facts["teacher"], facts["debiasing"]):
        assert f"{who['sequences_read']:,} sequences with {who['tokens_read']:,} tokens" in text
    training = tiny.frames["glue_training"]
    assert set(training.examples) == {96}
    assert "fine-tuned on 96 examples, each read 1 time" in text
    met = tiny.frames["mixup_words_met"]
    assert met.groupby("seed").size().tolist() == [10, 10]
    sums = met.drop(columns=["female", "male"]).groupby("seed").sum().mean()
    assert f"all pairs {sums.met_female:,.0f} {sums.met_male:,.0f} {sums.visible_female:,.0f}" in text
    assert "MaleTerms C6b, C7 6 of 8 male, man, boy, he, his, son 8 of 8" in text


def test_glue_scores_are_complete_and_one_run_serves_two_notebooks(tiny):
    tasks, averages = tiny.frames["glue_tasks"], tiny.frames["glue_averages"].set_index("arm")
    assert tasks.task.tolist() == [*TASKS] * 4
    assert averages.index.tolist() == ["full", "no-cos", "no-ce", "mixup-xy"]
    assert (tasks.error == "").all()
    for arm, own in tasks.groupby("arm"):
        assert averages.average[arm] == pytest.approx(own.score.mean())
    row = tiny.frames["ablation_glue"].set_index("arm")
    assert row.index.tolist() == ["full", "no-cos", "no-ce"]
    assert (row.average == averages.average[row.index]).all()
    assert set(tiny.frames["glue_baselines"].arm) == {"majority", "bag-of-words", "untrained"}


def test_synthetic_tasks_are_never_called_glue_nor_set_beside_printed_values(tiny):
    """It is another test: the table of our scores has no printed value, the printed table stands apart."""
    for name in ("04_glue", "05_report"):
        soup = BeautifulSoup((tiny.folder / f"{name}.html").read_text(), "html.parser")
        captions = {
            p.get_text(): soup.find("table", attrs={"aria-labelledby": p.select_one(".said")["id"]})
            for p in soup.select("p.caption")
        }
        ours = [table for caption, table in captions.items() if caption.startswith("Table 3 on mini-GLUE (synthetic)")]
        apart = [table for caption, table in captions.items() if "Not comparable" in caption]
        assert (len(ours), len(apart)) == (1, 1)
        assert "printed" not in ours[0].get_text()
        for values in paper.TABLE3.values():
            assert all(f"{value:.1f}" in apart[0].get_text() for value in values.values())
    table1 = BeautifulSoup((tiny.folder / "02_ablation.html").read_text(), "html.parser").get_text(" ")
    assert "mini-GLUE (synthetic)" in table1
    assert "76.7" not in table1


def test_plain_papermill_plans_and_trains_nothing(tmp_path):
    root, notebook, profile = project_root(), "02_ablation", "paper"
    arguments = [
        root / "notebooks" / f"{notebook}.ipynb",
        tmp_path / "o.ipynb",
        "-f",
        root / f"papermill_params/{profile}.yaml",
    ]
    arguments += ["-p", "prepare_only", "True", "-p", "seeds", "[0,1]"]
    arguments += ["-p", "recipe_settings", "{learning_rate: 2.0e-4}"]  # the others are as in the profile
    arguments += ["-y", f"run_settings: {{store_dir: {tmp_path / 'store'}, runs_dir: {tmp_path / 'runs'}}}"]
    command = [sys.executable, "-m", "papermill", *map(str, arguments)]
    there = root / "notebooks"  # where JupyterLab starts a notebook
    done = subprocess.run(command, cwd=there, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "unknown parameter" not in done.stderr
    outputs = [
        "".join(output.get("text", "")) for cell in code_cells(tmp_path / "o.ipynb") for output in cell["outputs"]
    ]
    plan = "\n".join(outputs)
    assert f"profile '{profile}'" in plan
    assert "to train" in plan
    assert "seeds [0, 1]" in plan
    assert (
        plan.count("Not run: prepare_only.") == len(code_cells(tmp_path / "o.ipynb")) - 3
    )  # 2 parameters cells, begin
    assert not list(tmp_path.glob("runs/*/results/*"))
    assert not list(tmp_path.glob("store/*/model.safetensors"))


@each_notebook
def test_a_sentence_stands_before_every_figure(path):
    cells = notebooks.read_notebook(path)["cells"]
    for before, cell in zip(cells, cells[1:]):
        shows = cell["cell_type"] == "code" and re.search(r"exp\.show\([^\n]*(panels|figures\.)", source(cell))
        if shows and "report.card(" not in source(cell):  # the card has the sentence
            assert before["cell_type"] == "markdown", source(cell)
            assert any(line and not line.startswith("#") for line in source(before).splitlines()), source(cell)
