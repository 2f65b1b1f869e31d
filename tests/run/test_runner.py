"""Running notebooks: done means finished by itself; nothing else is ever taken for done; done work is not repeated."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_notebook

from fairkd.errors import InputError
from fairkd.lab import results
from fairkd.lab.results import Results
from fairkd.lab.variants import output_dir
from fairkd.profile import PARAMETERS, Profile, project_root
from fairkd.run import ledger, runner
from fairkd.run.parameters_cells import TAG, parameters_cell

ROOT = project_root()

FINISH = """
import pandas as pd
from fairkd.lab.results import Results
from fairkd.profile import Profile
from fairkd.settings import GROUPED
results = Results(name, Profile.based({key: globals()[key] for key in ('profile', *GROUPED)}))
results.save(name, pd.DataFrame({"text": [text]}))
results.finish({}, failures=failures)
"""
WITH_NAME = "name, text, failures = '01_capacity', 'x', ()"


def write_notebook(root: Path, name: str, *cells: str) -> None:
    parameters = new_code_cell(parameters_cell(name), metadata={"tags": [TAG]})
    notebook = new_notebook(cells=[parameters, *(new_code_cell(cell) for cell in cells)])
    (root / "notebooks").mkdir(exist_ok=True)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, root / "notebooks" / f"{name}.ipynb")


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project of its own with small notebooks, as working directory."""
    (tmp_path / PARAMETERS).mkdir()
    for name in ("tiny", "quick", "planted"):
        values = yaml.safe_load((ROOT / PARAMETERS / f"{name}.yaml").read_text())
        (tmp_path / PARAMETERS / f"{name}.yaml").write_text(yaml.safe_dump(values))
    monkeypatch.chdir(tmp_path)
    for name in {*runner.notebooks(Profile.load("planted")), *runner.notebooks(Profile.load("tiny"))}:
        write_notebook(tmp_path, name, f"name, text, failures = {name!r}, 'x', ()", FINISH)
    return tmp_path


@pytest.fixture
def without_kernels(monkeypatch):
    """papermill and training replaced by stand-ins; returns (the list of what was run, the set of what shall fail)."""
    calls: list[str] = []
    one_at_a_time = threading.Lock()

    def execute(source, files, profile, token, may_train):
        calls.append(files.notebook if may_train or profile.prepare_only else f"{files.notebook} without training")
        files.folder.mkdir(parents=True, exist_ok=True)
        files.of("running.ipynb").write_text(source.read_text())
        files.of("running.log").write_text("log")
        if files.notebook in broken:
            return "it broke"
        if profile.prepare_only:
            return ""
        saved = Results(files.notebook, profile)
        saved.save(files.notebook, pd.DataFrame({"seeds": [str(profile.seeds)]}))
        with one_at_a_time:  # notebooks run side by side, here in threads of one environment
            monkeypatch.setenv(runner.TOKEN, token)
            saved.finish({})
        return ""

    broken: set[str] = set()
    monkeypatch.setattr(runner, "_papermill", execute)
    monkeypatch.setattr(runner, "_stage", lambda command, profile: calls.append(command) or 0)
    return calls, broken


def test_finished_run_leaves_notebook_page_and_status_and_is_not_repeated(project):
    rate, seeds = "recipe_settings['learning_rate']", "run_settings['seeds']"
    cell = f"import sys; text = '\\n'.join([sys.executable, os.getcwd(), repr({rate}), repr({seeds})])"
    write_notebook(project, "01_capacity", "import os\nname, failures = '01_capacity', ()", cell, FINISH)
    profile = Profile.load("tiny").changed(learning_rate=5e-6, seeds=[3])
    outcome = runner.run("01_capacity", profile)
    assert (outcome.state, outcome.detail) == ("done", "")
    folder = output_dir(profile)
    assert folder.parent == project / "runs" / "tiny" / "variants"
    # The kernel is this Python, in the project's root, and got the profile's values as numbers.
    (text,) = pd.read_parquet(folder / "results" / "01_capacity.parquet").text
    assert text.split("\n") == [sys.executable, str(project), "5e-06", "[3]"]
    products = ["01_capacity.html", "01_capacity.ipynb", "profile.yaml", "results", "status"]
    assert sorted(p.name for p in folder.iterdir()) == products
    status = json.loads((folder / "status" / "01_capacity.json").read_text())
    assert set(status["files"]) == {"01_capacity.html", "01_capacity.ipynb", "results/01_capacity.parquet"}
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*") if path.suffix not in (".lock", ".json")}
    assert runner.run("01_capacity", profile).state == "skipped"
    assert {path: path.stat().st_mtime_ns for path in before} == before
    # Other values are another result.
    assert ledger.state("01_capacity", profile.changed(seeds=[4]))[0] == "not run"


def test_a_notebook_with_missing_parts_has_a_page_and_results_and_counts_as_failed(project, request):
    missing = "name, text, failures = '04_glue', 'x', ['RTE: empty']"
    write_notebook(project, "04_glue", missing, FINISH)
    profile = Profile.load("tiny")
    report_before = ledger.identity(runner.REPORT, profile)
    outcome = runner.run("04_glue", profile)
    folder = project / "runs" / "tiny"
    assert (outcome.state, outcome.detail) == ("failed", "RTE: empty")
    assert outcome.page == folder / "04_glue.html"
    assert outcome.page.exists()
    assert (folder / "04_glue.ipynb").exists()
    assert ledger.state("04_glue", profile) == ("failed", "RTE: empty")
    assert not (folder / "status" / "04_glue.json").exists()
    assert ledger.identity(runner.REPORT, profile) != report_before  # the report shows what there is
    calls, _ = request.getfixturevalue("without_kernels")
    assert runner.run("04_glue", profile).state == "done"  # nothing is missing any more
    assert calls == ["04_glue"]
    assert ledger.state("04_glue", profile) == ("done", "")


def test_killed_kernel_is_never_taken_for_done(project):
    write_notebook(project, "01_capacity", WITH_NAME, FINISH, "import os\nos.kill(os.getpid(), 9)", "1")
    # An earlier manifest, as a finished run left it, must not help.
    folder = project / "runs" / "tiny" / "results"
    folder.mkdir(parents=True)
    (folder / "01_capacity.json").write_text('{"token": "old", "saved": {}}')
    outcome = runner.run("01_capacity", Profile.load("tiny"))
    assert outcome.state == "failed"
    assert "kernel died" in outcome.detail
    assert not (project / "runs" / "tiny" / "status" / "01_capacity.json").exists()
    assert (project / "runs" / "tiny" / "01_capacity.failed.ipynb").exists()
    assert (project / "runs" / "tiny" / "01_capacity.failed.log").exists()
    assert ledger.state("01_capacity", Profile.load("tiny"))[0] == "failed"


def test_notebook_that_ends_without_its_manifest_is_failed(project):
    write_notebook(project, "02_ablation", "1 + 1")
    outcome = runner.run("02_ablation", Profile.load("tiny"))
    assert outcome.state == "failed"
    assert "without its last cell's manifest" in outcome.detail


@pytest.mark.parametrize(("code", "why"), [(1, "1"), (-9, "-9: killed, most likely for want of memory")])
def test_after_failed_training_no_notebook_trains_again(project, without_kernels, monkeypatch, code, why):
    calls, _ = without_kernels
    monkeypatch.setattr(runner, "_stage", lambda command, profile: code)
    said: list[str] = []
    runner.reproduce(Profile.load("tiny"), echo=said.append)
    expected = [f"{name} without training" for name in runner.notebooks(Profile.load("tiny"))]
    assert (sorted(calls), calls[-1]) == (sorted(expected), expected[-1])  # those before the report are run two at once
    assert f"train: FAILED (exit status {why}); going on with what there is" in said


def test_manifest_of_another_run_does_not_count(project, without_kernels, monkeypatch):
    execute = runner._papermill
    monkeypatch.setattr(
        runner, "_papermill", lambda source, files, profile, token, _: execute(source, files, profile, "x", True)
    )
    outcome = runner.run("01_capacity", Profile.load("tiny"))
    assert (outcome.state, outcome.detail) == ("failed", "01_capacity.json is from another run")
    assert ledger.state("01_capacity", Profile.load("tiny"))[0] == "failed"


def test_failed_cell_is_named_and_a_later_success_clears_it(project, without_kernels, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(project)
    write_notebook(project, "01_capacity", "1 / 0", FINISH)
    profile = Profile.load("tiny")
    outcome = runner.run("01_capacity", profile)
    assert outcome.detail == "ZeroDivisionError: division by zero (in the cell '1 / 0')"
    (row,) = (one for one in runner.status(profile) if one.notebook == "01_capacity")
    assert (row.state, row.detail) == ("failed", outcome.detail)
    write_notebook(project, "01_capacity", WITH_NAME, FINISH)
    assert runner.run("01_capacity", profile).state == "done"
    assert not list((project / "runs" / "tiny").glob("*failed*"))
    assert [one.state for one in runner.status(profile)] == ["not run", "done", *["not run"] * 5]


def test_reproduce_runs_all_in_order_and_has_nothing_to_do_the_second_time(project, without_kernels):
    calls, _ = without_kernels
    profile = Profile.load("tiny")
    assert [o.state for o in runner.reproduce(profile, echo=lambda _: None)] == ["done"] * 7
    assert (calls[:3], calls[-1]) == (["train", "measure", "finetune"], "05_report")
    between = ["00_method", "01_capacity", "02_ablation", "03_mixup", "04_glue", "07_rulers"]
    assert sorted(calls[3:-1]) == between  # two at once
    assert (project / "runs/tiny/report.html").read_text() == (project / "runs/tiny/05_report.html").read_text()
    calls.clear()
    assert [o.state for o in runner.reproduce(profile, echo=lambda _: None)] == ["skipped"] * 7
    assert calls == []


def test_failure_does_not_stop_the_following_and_the_report_is_made_again_when_it_is_mended(project, without_kernels):
    calls, broken = without_kernels
    broken.add("01_capacity")
    lines: list[str] = []
    outcomes = runner.reproduce(Profile.load("tiny"), echo=lines.append)
    assert [o.state for o in outcomes] == ["done", "failed", *["done"] * 5]
    assert any("01_capacity: FAILED: it broke" in line for line in lines)
    broken.clear()
    calls.clear()
    outcomes = runner.reproduce(Profile.load("tiny"), echo=lines.append)
    assert [o.state for o in outcomes] == ["skipped", "done", *["skipped"] * 4, "done"]
    assert calls == ["train", "measure", "01_capacity", "05_report"]  # of what is left nothing is fine-tuned


@pytest.mark.parametrize("file", ["results/01_capacity.parquet", "01_capacity.html", "01_capacity.ipynb"])
def test_changed_or_lost_product_makes_it_stale(project, without_kernels, file):
    profile = Profile.load("tiny")
    runner.run("01_capacity", profile)
    assert ledger.state("01_capacity", profile) == ("done", "")
    path = project / "runs" / "tiny" / file
    path.write_text("changed")
    assert ledger.state("01_capacity", profile) == ("stale", f"changed or missing: {file}")
    path.unlink()
    assert runner.run("01_capacity", profile).state == "done"


def test_status_that_is_not_finished_is_not_done(project, without_kernels):
    profile = Profile.load("tiny")
    runner.run("01_capacity", profile)
    status = project / "runs/tiny/status/01_capacity.json"
    status.write_text(status.read_text()[:40])  # as after a full disk
    assert ledger.state("01_capacity", profile)[0] == "stale"
    status.unlink()
    (status.parent / "01_capacity.running.json").write_text("{}")  # as after a runner was killed
    assert ledger.state("01_capacity", profile) == ("failed", "its runner was stopped before it finished")


def test_failed_export_is_a_failed_run(project, without_kernels, monkeypatch):
    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr("fairkd.show.pages.export.write_html", fail)
    outcome = runner.run("01_capacity", Profile.load("tiny"))
    assert (outcome.state, outcome.detail) == ("failed", "HTML export: OSError: disk full")
    assert not (project / "runs/tiny/status/01_capacity.json").exists()


def test_identity_changes_with_all_that_matters_and_with_nothing_else(project, without_kernels):
    profile = Profile.load("tiny")

    def who(profile=profile, name="01_capacity"):
        return ledger.identity(name, profile)

    first = who()
    assert who(profile.changed(runs_dir="elsewhere", store_dir="x", checkpoint_every=7)) == first
    assert who(profile.changed(learning_rate=1e-3)) != first
    path = project / "notebooks" / "01_capacity.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][1] |= {
        "execution_count": 3,
        "outputs": [{"output_type": "stream", "name": "stdout", "text": "x"}],
    }
    path.write_text(json.dumps(notebook))
    assert who() == first  # as after running it in JupyterLab
    report = who(name="05_report")
    runner.run("01_capacity", profile)
    assert who(name="05_report") != report
    notebook["cells"][1]["source"] = "1 + 1"
    path.write_text(json.dumps(notebook))
    assert who() != first


def test_a_change_in_any_room_of_the_package_makes_notebooks_stale(project, without_kernels, tmp_path, monkeypatch):
    copy = shutil.copytree(results.PACKAGE, tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(results, "PACKAGE", copy)
    profile = Profile.load("tiny")
    runner.run("01_capacity", profile)
    rooms: dict[Path, Path] = {path.parent: path for path in copy.rglob("*") if path.suffix in (".py", ".css", ".j2")}
    assert len(rooms) > 12
    for path in rooms.values():
        before = path.read_bytes()
        path.write_bytes(before + b"\n")
        assert ledger.state("01_capacity", profile)[0] == "stale", path
        path.write_bytes(before)
        assert ledger.state("01_capacity", profile)[0] == "done", path


def test_prepare_only_counts_for_nothing(project, without_kernels):
    calls, _ = without_kernels
    profile = Profile.load("tiny")
    runner.run("01_capacity", profile)
    calls.clear()
    outcomes = runner.reproduce(profile.changed(prepare_only=True), echo=lambda _: None)
    assert [o.state for o in outcomes] == ["planned"] * 7
    assert "train" not in calls
    assert [ledger.state(n, profile)[0] for n in runner.notebooks(profile)] == ["not run", "done", *["not run"] * 5]
    assert (project / "runs/tiny/02_ablation.plan.html").exists()


def test_second_runner_is_told_who_runs_it(project, without_kernels):
    hold = (
        "import sys\nfrom fairkd.lab.variants import output_dir\nfrom fairkd.run.ledger import Files, hold\n"
        "from fairkd.profile import Profile\n"
        "with hold(Files(output_dir(Profile.load('tiny')), '01_capacity')):\n    print('held', flush=True)\n"
        "    sys.stdin.read()"
    )
    other = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        assert ledger.state("01_capacity", Profile.load("tiny"))[0] == "running"
        with pytest.raises(InputError, match=f"01_capacity of 'tiny' is being run by process {other.pid}"):
            runner.run("01_capacity", Profile.load("tiny"))
    finally:
        other.communicate()
    assert runner.run("01_capacity", Profile.load("tiny")).state == "done"


def test_unknown_notebook_names_the_nearest(project):
    with pytest.raises(InputError, match="Did you mean '02_ablation'"):
        runner.run("02_abltion", Profile.load("tiny"))


def test_interrupted_run_leaves_no_result(project, without_kernels, monkeypatch):
    def interrupt(source, files, profile, token, may_train):
        files.of("running.log").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "_papermill", interrupt)
    with pytest.raises(KeyboardInterrupt):
        runner.run("01_capacity", Profile.load("tiny"))
    assert ledger.state("01_capacity", Profile.load("tiny")) == ("failed", "stopped")
    assert (project / "runs/tiny/01_capacity.failed.log").read_text() == "half"


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are killed by the kernel on Linux only")
def test_child_dies_with_a_killed_runner(project):
    """A runner killed outright cannot clean up; its child must not go on writing beside the next run."""
    (project / "sleeper.py").write_text(
        "import os, pathlib, time\npathlib.Path('child').write_text(str(os.getpid()))\ntime.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", "from fairkd.run.runner import _call; _call(['sleeper'])"])
    deadline = time.monotonic() + 30
    while not (project / "child").exists() or not (project / "child").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child = int((project / "child").read_text())
    parent.kill()
    parent.wait()
    while Path(f"/proc/{child}").exists() and _state(child) != "Z":
        assert time.monotonic() < deadline, "the child outlived its runner"
        time.sleep(0.05)


def _state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "Z"


def test_log_of_a_run_with_all_parameters_has_no_warning(project):
    """papermill only warns about a parameter that the notebook does not have."""
    write_notebook(project, "01_capacity", "1 / 0")
    runner.run("01_capacity", Profile.load("tiny"))
    log = (project / "runs/tiny/01_capacity.failed.log").read_text()
    assert "ZeroDivisionError" in log
    assert "unknown parameter" not in log
    assert os.environ.get("FAIRKD_RUN_TOKEN") is None
