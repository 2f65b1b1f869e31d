"""Saved results: whoever wrote them, they count while what determines them is the same; whatever lies there is told."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from damaged import JSON_OR_NOT, VALUES
from hypothesis import given
from hypothesis import strategies as st

from fairkd.engine.store import file_digest
from fairkd.errors import InputError
from fairkd.lab import results
from fairkd.lab.results import Manifest, Results, inputs, read_state, write_state
from fairkd.lab.variants import output_dir
from fairkd.profile import PARAMETERS, Profile, project_root

FRAME = pd.DataFrame({"x": [1.5, 2.5], "y": ["a", "b"]})


@pytest.fixture
def profile(tmp_path) -> Profile:
    return Profile.load("tiny").changed(runs_dir=str(tmp_path / "runs"))


def saved(profile: Profile, notebook: str = "01_capacity") -> Results:
    """Results as a notebook leaves them."""
    own = Results(notebook, profile)
    own.save("numbers", FRAME)
    own.finish({"seeds": [0]})
    return own


def test_results_are_read_whoever_wrote_them_last(profile, monkeypatch):
    monkeypatch.setenv("FAIRKD_RUN_TOKEN", "a")
    first = saved(profile).path.read_bytes()
    monkeypatch.delenv("FAIRKD_RUN_TOKEN")
    assert saved(profile).path.read_bytes() != first
    pd.testing.assert_frame_equal(Results("01_capacity", profile).read()["numbers"], FRAME)
    assert Results("01_capacity", profile).why_missing() == ""


def test_the_reason_for_missing_results_is_the_true_one(profile, monkeypatch):
    own = Results("01_capacity", profile)

    def why(profile=profile) -> str:
        found = Results("01_capacity", profile)
        assert (found.read() is None) == bool(found.why_missing())
        return found.why_missing()

    assert why() == "01_capacity has not finished"
    own.save("numbers", FRAME)
    assert why() == "01_capacity has not finished"
    own.finish({})
    assert why() == ""
    variant = profile.changed(seat_bootstrap=100)
    assert why(variant) == (
        f"01_capacity finished with other parameters: seat_bootstrap 200 instead of 100 (in {output_dir(profile)})"
    )
    saved(variant)
    assert why(variant) == why() == ""
    shutil.rmtree(own.folder)
    reason = "01_capacity finished with other parameters: seat_bootstrap 100 instead of 200"
    assert why() == f"{reason} (in {output_dir(variant)})"
    saved(profile)
    with monkeypatch.context() as patched:
        patched.setattr(results, "code_digest", lambda: "other")
        assert why() == "01_capacity finished with other code of fairkd than there is now"
    file = own.folder / "numbers.parquet"
    file.write_bytes(b"half")
    assert why() == "numbers.parquet, which 01_capacity saved, is missing or has been changed since"
    file.unlink()
    assert why() == "numbers.parquet, which 01_capacity saved, is missing or has been changed since"


def test_an_edited_profile_makes_results_those_of_other_parameters(tmp_path, monkeypatch):
    (tmp_path / PARAMETERS).mkdir()
    values = Profile.load("tiny").values() | {"profile": "mine"}
    monkeypatch.chdir(tmp_path)
    file = tmp_path / PARAMETERS / "mine.yaml"
    file.write_text(yaml.safe_dump(values))
    saved(Profile.load("mine"))
    file.write_text(yaml.safe_dump(values | {"seat_bootstrap": 2000}))
    reason = "01_capacity finished with other parameters: seat_bootstrap 200 instead of 2000"
    assert Results("01_capacity", Profile.load("mine")).why_missing() == reason
    assert project_root() == tmp_path


def test_what_the_parameters_name_counts_with_its_content(profile, tmp_path):
    corpus, pairs, teacher = tmp_path / "corpus", tmp_path / "pairs.csv", tmp_path / "teacher"
    corpus.mkdir()
    teacher.mkdir()
    (corpus / "a.txt").write_text("a text")
    (teacher / "config.json").write_text("{}")
    pairs.write_text("queen,king\n")
    own = profile.changed(corpus=[str(corpus)], gender_pairs=str(pairs), teacher=str(teacher), adapt="always")
    saved(own)
    assert Results("01_capacity", own).read() is not None
    for parameter, file in {"corpus": corpus / "b.txt", "gender_pairs": pairs, "teacher": teacher / "x.bin"}.items():
        before, there = inputs(own), file.read_text() if file.exists() else None
        file.write_text("another text\n")
        assert {name for name, digest in inputs(own).items() if before[name] != digest} == {parameter}
        assert Results("01_capacity", own).why_missing() == f"01_capacity finished before {parameter} changed"
        saved(own)
        if there is None:
            file.unlink()
            saved(own)
    assert set(inputs(profile)) == {"corpus"}
    assert inputs(profile) != inputs(profile.changed(corpus=["embedded"]))


def test_a_variant_says_where_it_lies_and_the_profile_says_nothing(profile):
    assert Results("01_capacity", profile).place() == ""
    variant = Results("01_capacity", profile.changed(seat_bootstrap=100))
    assert variant.place().split("\n") == [
        "A variant of the profile 'tiny': seat_bootstrap 100 instead of 200.",
        f"Its results lie in {variant.folder.parent}; those of the profile stay as they are.",
    ]
    assert variant.finish({})["variant"] == {"seat_bootstrap": 100}
    assert (variant.folder.parent / "profile.yaml").is_file()


# --- whatever lies there ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Finished results of which each example spoils a file; the code stays the same, and is not looked at each time."""
    with pytest.MonkeyPatch.context() as patched:
        code = results.code_digest()
        patched.setattr(results, "code_digest", lambda: code)
        own = saved(Profile.load("tiny").changed(runs_dir=str(tmp_path_factory.mktemp("files"))))
        yield SimpleNamespace(results=own, path=own.path, folder=own.folder, manifest=json.loads(own.path.read_text()))


def reads_or_tells(own: Results) -> bool:
    """Reads anew; whether there was something."""
    again = Results(own.notebook, own.profile)
    found, why = again.read(), again.why_missing()
    assert (found is None) == bool(why)
    assert "\n" not in why
    why.encode()  # whoever prints it can
    return found is not None


OTHERS = {
    b"": "is empty",
    b"[]": "must hold names and values, not list",
    b'"text"': "must hold names and values, not str",
    b"\xff\xfe\xff": "is not JSON",
    b"[" * 100_000: "nested more than 100 deep",
    b"{}": "parameters: missing",
    b'{"parameters": [], "saved": {}, "failures": [], "token": null}': "parameters: ",
    b'{"parameters": {}, "saved": [], "failures": [], "token": null}': "saved: ",
    b'{"parameters": {}, "saved": {"../x": "y"}, "failures": [], "token": null}': "saved.../x: ",
    b'{"parameters": {}, "saved": {"/x": "y"}, "failures": [], "token": null}': "is no file below the folder",
    b'{"parameters": {}, "saved": {"x": 3}, "failures": [], "token": null}': "saved.x: ",
    b'{"parameters": {}, "saved": {}, "failures": "x", "token": null}': "failures: ",
    b'{"parameters": {}, "saved": {}, "failures": [], "token": 7}': "token: ",
    b'{"parameters": {}, "saved": {}, "failures": [], "token": null}': "finished with other parameters",
}


@pytest.mark.parametrize("content", OTHERS, ids=lambda content: content[:70].decode("latin-1"))
def test_a_manifest_of_another_shape_is_told_in_a_sentence(profile, content):
    own = saved(profile)
    try:
        write_state(own.path, json.loads(content))
    except (ValueError, RecursionError, AttributeError):  # neither names nor values
        own.path.write_bytes(content)
    assert OTHERS[content] in Results("01_capacity", profile).why_missing()
    assert not reads_or_tells(own)


@given(data=JSON_OR_NOT)
def test_any_bytes_are_a_manifest_or_an_input_error(world, data):
    world.path.write_bytes(data)
    try:
        assert isinstance(read_state(world.path, Manifest), Manifest)
    except InputError as error:
        str(error).encode()
    reads_or_tells(world.results)


@given(name=st.sampled_from(["parameters", "saved", "failures", "token", "code", "inputs"]), value=VALUES)
def test_any_value_in_the_place_of_a_manifests_field_is_read_or_told(world, name, value):
    write_state(world.path, world.manifest)
    assert reads_or_tells(world.results)
    write_state(world.path, world.manifest | {name: value})
    reads_or_tells(world.results)


def with_table(world: SimpleNamespace, data: bytes) -> Path:
    """The manifest says that these bytes are its table."""
    file = world.folder / "other.parquet"
    file.write_bytes(data)
    write_state(world.path, world.manifest | {"saved": {file.name: file_digest(file)}})
    return file


@given(data=st.binary(max_size=100) | st.binary(max_size=100).map(lambda inside: b"PAR1" + inside + b"PAR1"))
def test_any_bytes_are_no_table_and_told(world, data):
    file = with_table(world, data)
    assert not reads_or_tells(world.results)
    assert f"{file} cannot be read as a table" in Results("01_capacity", world.results.profile).why_missing()


@given(start=st.integers(0, 10_000), length=st.integers(0, 10), new=st.binary(max_size=3))
def test_any_damage_to_a_table_is_read_or_told(world, start, length, new):
    data = (world.folder / "numbers.parquet").read_bytes()
    at = start % len(data)
    with_table(world, data[:at] + new + data[at + length :])
    reads_or_tells(world.results)


PIECE = {"data": {"text/html": "<p>ours</p>", "text/plain": "ours"}, "metadata": {"text/html": {}}}


def with_piece(profile: Profile) -> Results:
    own = Results("01_capacity", profile)
    own.save("numbers", FRAME)
    own.save_piece("figure-1", PIECE)
    own.finish({})
    return own


def test_a_piece_comes_back_as_it_was_shown_and_is_no_table(profile):
    own = Results("01_capacity", profile)
    own.save_piece("figure-1", PIECE)
    with pytest.raises(InputError, match="has not finished"):  # shown, but the notebook has not ended
        Results("01_capacity", profile).piece("figure-1")
    own = with_piece(profile)
    found = Results("01_capacity", profile)
    assert found.piece("figure-1") == PIECE
    assert list(found.load()) == ["numbers"]
    assert set(found.manifest().saved) == {"numbers.parquet", "01_capacity.figure-1.piece.json"}
    with pytest.raises(InputError, match=r"showed nothing called 'figure-2'\. Did you mean 'figure-1'"):
        found.piece("figure-2")
    for name in ("", "../x", "a.b", "a b"):
        with pytest.raises(InputError, match="allowed are letters"):
            own.save_piece(name, PIECE)


@pytest.mark.parametrize("damage", ["changed", "missing", "parameters", "code"])
def test_a_piece_that_is_damaged_or_stale_is_refused(profile, monkeypatch, damage):
    own = with_piece(profile)
    path, found = own.folder / "01_capacity.figure-1.piece.json", Results("01_capacity", profile)
    if damage == "changed":
        path.write_text(path.read_text().replace("ours", "hers"))
    elif damage == "missing":
        path.unlink()
    elif damage == "parameters":
        manifest = json.loads(own.path.read_text())
        manifest["parameters"]["seat_bootstrap"] += 1
        write_state(own.path, manifest)
    else:
        monkeypatch.setattr(results, "code_digest", lambda: "other")
    with pytest.raises(InputError, match=r"changed since|other parameters|other code|missing"):
        found.piece("figure-1")
    assert found.read() is None
