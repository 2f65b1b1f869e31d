"""The ledger: what counts as done follows from what determines it, and no file of its folder is taken for granted."""

import json
import os
import sys
from types import SimpleNamespace

import nbformat
import pandas as pd
import pytest
import yaml
from damaged import JSON_OR_NOT, VALUES
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_markdown_cell, new_notebook

from fairkd.engine.store import file_digest
from fairkd.lab import results
from fairkd.lab.results import REPORT, Results, write_state
from fairkd.lab.variants import output_dir
from fairkd.profile import Profile
from fairkd.run import cli, ledger
from fairkd.run.ledger import Files

NAME = "01_capacity"
FRAME = pd.DataFrame({"x": [1.0]})


def finished(profile: Profile, notebook: str = NAME) -> Files:
    """What the runner leaves of a notebook that finished."""
    files = Files(output_dir(profile), notebook)
    saved = Results(notebook, profile)
    saved.save(f"table-{notebook}", FRAME)
    saved.finish({})
    nbformat.write(new_notebook(cells=[new_markdown_cell("# T")]), files.of("ipynb"))
    files.of("html").write_text("a page")
    products = (files.of("ipynb"), files.of("html"), saved.folder / f"table-{notebook}.parquet")
    digests = {str(path.relative_to(files.folder)): file_digest(path) for path in products}
    times = {"started": ledger.moment(0), "finished": ledger.moment(5), "seconds": 5.0}
    write_state(
        files.status, {"state": "done", "identity": ledger.identity(notebook, profile), "files": digests, **times}
    )
    return files


@pytest.fixture
def profile(tmp_path) -> Profile:
    return Profile.load("tiny").changed(runs_dir=str(tmp_path / "runs"))


def test_a_notebook_run_again_with_the_same_results_stays_done_whoever_ran_it(profile, monkeypatch):
    monkeypatch.setenv("FAIRKD_RUN_TOKEN", "a")
    files = finished(profile)
    before = files.manifest.read_bytes()
    monkeypatch.delenv("FAIRKD_RUN_TOKEN")
    again = Results(NAME, profile)
    again.save(f"table-{NAME}", FRAME)
    again.finish({"warnings": ["another machine"]})
    assert files.manifest.read_bytes() != before
    assert ledger.state(NAME, profile) == ("done", "")
    assert ledger.is_done(files, profile)


def test_the_reason_why_a_run_no_longer_counts_is_the_true_one(profile, monkeypatch, tmp_path):
    files = finished(profile)

    def reason() -> str:
        word, why = ledger.state(NAME, profile)
        assert (word == "stale") == bool(why)
        assert ledger.is_done(files, profile) == (word == "done")
        return why

    assert reason() == ""
    record = json.loads(files.status.read_text())
    values = record["identity"]["values"]
    other = {"values": values | {"seat_bootstrap": 100}, "notebook": "x", "code": "x", "inputs": {"corpus": "x"}}
    for part, why in {
        "values": "finished with other parameters: seat_bootstrap 100 instead of 200",
        "notebook": "the notebook has changed since",
        "code": "the code of fairkd has changed since",
        "inputs": "what these parameters name has changed since: corpus",
    }.items():
        write_state(files.status, record | {"identity": record["identity"] | {part: other[part]}})
        assert reason() == why
    write_state(files.status, record | {"identity": "0123"})  # as versions before this one wrote it
    assert reason() == "finished by an earlier version of fairkd"
    write_state(files.status, record)
    manifest = json.loads(files.manifest.read_text())
    write_state(files.manifest, manifest | {"parameters": manifest["parameters"] | {"seat_bootstrap": 100}})
    assert reason() == "finished with other parameters: seat_bootstrap 100 instead of 200"
    again = Results(NAME, profile)
    again.save(f"table-{NAME}", FRAME + 1)
    again.finish({})
    assert reason() == f"run again since, with other results: results/table-{NAME}.parquet"
    again.finish({}, failures=["RTE: empty"])
    assert reason() == "run again since, with parts missing: RTE: empty"
    files.manifest.unlink()
    assert reason() == f"changed or missing: results/{NAME}.json"


def test_a_report_is_as_fresh_as_what_it_read(profile, monkeypatch):
    monkeypatch.setattr(ledger, "controlled", lambda own: own.changed(profile="planted-beside"))
    files = finished(profile, REPORT)
    assert ledger.state(REPORT, profile) == ("done", "")
    saved = Results(NAME, profile)  # as JupyterLab runs it, without the runner
    saved.save("numbers", FRAME)
    saved.finish({})
    assert ledger.state(REPORT, profile) == ("stale", f"the results that it reads have changed since: {NAME}")
    finished(profile, REPORT)
    assert ledger.state(REPORT, profile) == ("done", "")
    saved.finish({"another": "token"})
    assert ledger.state(REPORT, profile) == ("done", "")
    saved.save("numbers", FRAME + 1)
    saved.finish({})
    assert ledger.state(REPORT, profile)[0] == "stale"
    finished(profile, REPORT)
    variant = Results(NAME, profile.changed(seat_bootstrap=100))
    variant.save("numbers", FRAME)
    variant.finish({})
    assert ledger.state(REPORT, profile) == ("done", "")
    finished(profile.changed(profile="planted-beside"), "06_planted")
    reason = "the results that it reads have changed since: 06_planted of the controlled experiment"
    assert ledger.state(REPORT, profile) == ("stale", reason)
    assert files.status.is_file()


def test_a_page_of_stale_results_says_why_at_its_top_and_open_says_it_too(profile, monkeypatch, tmp_path, fairkd):
    files, report = finished(profile), finished(profile, REPORT)
    notebooks = [one.of("ipynb") for one in (files, report)]
    assert [ledger.warnings_of(path) for path in notebooks] == [[], []]
    record, manifest = json.loads(files.status.read_text()), json.loads(files.manifest.read_text())
    for path, whole, change, why in (
        (files.manifest, manifest, {"code": "x"}, "the code of fairkd has changed since"),
        (files.manifest, manifest, {"inputs": {"corpus": "x"}}, "name has changed since: corpus"),
        (files.status, record, {"identity": record["identity"] | {"notebook": "x"}}, "the notebook has changed since"),
    ):
        write_state(path, whole | change)
        (said,) = ledger.warnings_of(notebooks[0])
        assert said.startswith("its results are stale: ")
        assert said.endswith(f"{why}; run this notebook again")
        write_state(path, whole)
    write_state(files.manifest, manifest | {"parameters": manifest["parameters"] | {"alpha": -1}})
    assert "those of this version cannot be said" in ledger.warnings_of(notebooks[0])[0]
    files.status.unlink()  # as papermill leaves it
    write_state(files.manifest, manifest)
    assert ledger.warnings_of(notebooks[0]) == []

    file, page = tmp_path / "mine.yaml", report.folder / "report.html"
    file.write_text(yaml.safe_dump(profile.values()))
    page.write_text("a page")
    assert fairkd("open", str(file), "--print") == (0, f"{page}\n", "")
    monkeypatch.setattr(ledger, "code_digest", lambda: "of now")
    status, out, err = fairkd("open", str(file), "--print")
    assert (status, out) == (0, f"{page}\n")
    assert err == (
        "fairkd: this report is stale (the code of fairkd has changed since); make it again with: "
        f"fairkd reproduce {file}\n"
    )


def test_what_has_results_and_no_page_says_so(profile):
    assert ledger.state(NAME, profile) == ("not run", "")
    Results(NAME, profile).finish({})
    assert ledger.state(NAME, profile) == ("not run", "it has results, of JupyterLab or papermill, but no page")


def test_status_shows_variants_and_where_they_lie(profile, tmp_path, monkeypatch, capsys):
    file = tmp_path / "profile.yaml"
    file.write_text(yaml.safe_dump(profile.values()))
    finished(profile)
    variant = profile.changed(seat_bootstrap=100)
    finished(variant)
    monkeypatch.setattr(sys, "argv", ["fairkd", "status", str(file), "--all"])
    monkeypatch.setattr(cli, "_each_student", lambda profile: [])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    printed = capsys.readouterr().out
    assert f"A variant with seat_bootstrap 100 instead of 200 lies in {output_dir(variant)}" in printed
    monkeypatch.setattr(sys, "argv", ["fairkd", "status", str(output_dir(variant) / "profile.yaml"), "--all"])
    with pytest.raises(SystemExit):
        cli.main()
    printed = " ".join(capsys.readouterr().out.split())
    assert "A variant of the profile 'tiny': seat_bootstrap 100 instead of 200." in printed


# --- whatever lies there ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A finished notebook of which each example spoils a file; the code is not looked at each time."""
    with pytest.MonkeyPatch.context() as patched:
        code = results.code_digest()
        for module in (results, ledger):
            patched.setattr(module, "code_digest", lambda: code)
        profile = Profile.load("tiny").changed(runs_dir=str(tmp_path_factory.mktemp("ledger")))
        files = finished(profile)
        kept = {path: path.read_bytes() for path in (files.status, files.manifest)}
        yield SimpleNamespace(profile=profile, files=files, kept=kept)


def restore(world) -> None:
    for path in world.files.status.parent.iterdir():
        if path.suffix == ".json":
            path.unlink()
    for path, content in world.kept.items():
        path.write_bytes(content)


def told(world) -> tuple[str, str]:
    """The state, and that status tells all of it in a table that can be printed."""
    (row,) = (one for one in ledger.status(world.profile) if one.notebook == NAME)
    assert row.state in ("done", "running", "failed", "stale", "not run")
    assert isinstance(row.finished, str)
    assert row.seconds is None or isinstance(row.seconds, float)
    f"{row.detail}{row.finished}".encode()
    return row.state, row.detail


@given(file=st.sampled_from(["status", "manifest"]), data=JSON_OR_NOT)
def test_any_bytes_in_a_state_file_are_a_state_with_a_reason(world, file, data):
    restore(world)
    assert told(world) == ("done", "")
    getattr(world.files, file).write_bytes(data)
    word, why = told(world)
    assert word == "stale"
    assert why


@given(data=JSON_OR_NOT, kind=st.sampled_from(["failed.json", "running.json", "holder.json"]))
def test_any_bytes_in_what_a_run_tells_of_itself_are_a_state(world, data, kind):
    restore(world)
    world.files.record(kind).write_bytes(data)
    assert told(world)[0] == ("done" if kind == "holder.json" else "failed")
    ledger._who(world.files).encode()


@given(name=st.sampled_from(["state", "identity", "files", "started", "finished", "seconds"]), value=VALUES)
def test_any_value_in_the_place_of_a_status_field_is_a_state(world, name, value):
    restore(world)
    write_state(world.files.status, json.loads(world.kept[world.files.status]) | {name: value})
    word, why = told(world)
    assert (word, bool(why)) in (("done", False), ("stale", True))
    assert word == "stale" or name in ("started", "finished", "seconds")


@given(part=st.sampled_from(["values", "notebook", "code", "inputs", "read", "planted"]), value=VALUES)
def test_any_value_in_the_place_of_a_part_of_an_identity_is_a_state(world, part, value):
    restore(world)
    record = json.loads(world.kept[world.files.status])
    record["identity"] |= {part: value}
    write_state(world.files.status, record)
    assert told(world)[0] in ("done", "stale")


def test_a_state_file_that_is_a_folder_or_may_not_be_read_is_a_state(world):
    for path in (world.files.status, world.files.manifest):
        restore(world)
        path.unlink()
        path.mkdir()
        assert told(world)[0] == "stale"
        path.rmdir()
        restore(world)
        if os.geteuid():  # root may read everything
            path.chmod(0)
            assert told(world)[0] == "stale"
            path.chmod(0o600)
