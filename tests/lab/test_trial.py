"""``--max-steps`` bounds every stage, and what it makes is no result of the profile; ``prepare`` trains no student."""

import gc
import sys
from contextlib import suppress

import glue_files
import pytest
import yaml

from fairkd import InputError, Profile
from fairkd.engine.processes import SELDOM
from fairkd.engine.store import Store
from fairkd.lab.materials import Materials
from fairkd.lab.training import prepare_profile, train_profile
from fairkd.lab.trial import bounded
from fairkd.lab.variants import changed_values, output_dir
from fairkd.run import cli


@pytest.fixture
def tiny(tmp_path) -> Profile:
    places = {"runs_dir": str(tmp_path / "runs"), "store_dir": str(tmp_path / "store")}
    return Profile.load("tiny").changed(seeds=[0], arms=["full", "debiased-teacher"], depths=[1], **places)


def kinds(profile: Profile) -> list[str]:
    folders = [path.parent for path in profile.store().root.glob("*/manifest.json")]
    return sorted(Store.manifest(folder)["kind"] for folder in folders)


@pytest.mark.parametrize("name", ["tiny", "quick", "planted", "overnight", "small", "paper"])
def test_every_stage_of_every_profile_is_bounded(name):
    profile = Profile.load(name)
    short = bounded(profile, 3)
    assert short.recipe.max_steps == short.teacher.adapt_steps == 3
    assert short.recipe.gradient_accumulation_steps <= 3
    assert (short.debias.epochs, short.glue_recipe.epochs, short.glue.learning_curve) == (1, 1, None)
    assert short.debias.sequences <= max(20, 3 * short.debias.batch_size)
    assert short.glue_recipe.train_examples <= 3 * short.glue_recipe.batch_size
    assert short.seat.permutations == 300
    assert changed_values(short)
    assert output_dir(short) != output_dir(profile)
    same = ("teacher", "corpus", "batch_size", "max_length", "debias_batch_size", "glue_batch_size", "depths", "seeds")
    assert {name: short.values()[name] for name in same} == {name: profile.values()[name] for name in same}


def test_what_is_smaller_stays_and_no_step_is_none():
    few = Profile.load("tiny").changed(max_steps=4, seat_permutations=50)
    assert bounded(few, 1000).recipe.max_steps == 4
    assert bounded(few, 1000).seat.permutations == 50
    with pytest.raises(InputError, match="--max-steps: 0 must be 1 or more"):
        bounded(few, 0)
    with pytest.raises(InputError, match="learning rate 0 with which a warm-up begins"):
        bounded(few, 1)


def test_students_of_a_trial_took_so_many_updates_and_those_of_the_profile_are_others(tiny):
    assert gc.get_threshold()[0] == SELDOM
    train_profile(bounded(tiny, 2))
    assert gc.get_threshold()[0] < SELDOM  # a cycle may hold a model
    folders = [path.parent for path in tiny.store().root.glob("*/manifest.json")]
    students = [one for one in map(Store.manifest, folders) if one["kind"] == "student"]
    assert {one["steps"] for one in students} == {2}
    debiased = [one for one in map(Store.manifest, folders) if one["kind"] == "debiased teacher"]
    assert [one["record"]["updates"] <= 2 for one in debiased] == [True] * 2  # with and without SEAT's words
    (teacher,) = [one for one in map(Store.manifest, folders) if one["kind"] == "teacher"]
    assert teacher["record"]["adaptation_steps"] == 2
    train_profile(tiny)
    assert kinds(tiny).count("student") == 2 * len(students)


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_seeds_whose_students_are_there_are_not_begun_and_what_was_left_of_them_goes(tiny, monkeypatch, seeds):
    profile = bounded(tiny.changed(seeds=seeds), 2)
    train_profile(profile)
    store = profile.store()
    (key, *_) = [folder.name for folder in store.entries() if Store.manifest(folder)["kind"] == "student"]
    (store.unfinished(key) / "step-000000002").mkdir(parents=True)  # by a process that was killed as it finished
    monkeypatch.setattr(Materials, "train_seed", None)
    train_profile(profile)
    assert not store.unfinished(key).exists()


def test_prepare_makes_all_that_comes_before_the_students(tiny):
    lines = list(prepare_profile(tiny))
    assert [line.split()[0] for line in lines] == ["corpus", "teacher"]
    assert "debiased" in lines[1]
    made = kinds(tiny)
    assert "student" not in made
    assert {"corpus", "teacher", "debiased teacher"} <= set(made)
    train_profile(tiny)
    assert [kind for kind in kinds(tiny) if kind != "student"] == made  # nothing was made anew


def test_fetching_reads_glue_and_text_and_trains_nothing(tiny, tmp_path):
    source = f"hub:{glue_files.write_parquet(tmp_path / 'glue', rows=24)}"
    lines = list(prepare_profile(tiny.changed(glue_source=source, glue_tasks=["RTE", "CoLA"]), fetch_only=True))
    assert [line.split(":")[0].split()[:2] for line in lines[:2]] == [["GLUE", "CoLA"], ["GLUE", "RTE"]]
    assert [line.split()[0] for line in lines[2:]] == ["corpus", "checkpoint"]
    assert set(kinds(tiny)) <= {"corpus", "checkpoint", "words of a text"}


def test_preparing_notices_that_glue_cannot_be_had(tiny, tmp_path):
    """A job would learn it after days of training."""
    with pytest.raises(InputError, match="cannot be read"):
        list(prepare_profile(tiny.changed(glue_source="hub:nobody/no-glue", glue_tasks=["RTE"])))
    assert kinds(tiny) == []


def test_a_trial_of_a_file_is_not_taken_for_the_profile_of_its_name(tiny, tmp_path, monkeypatch):
    values = tiny.changed(name="mine") if "name" in tiny.values() else tiny
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({**values.values(), "profile": "mine"}))
    monkeypatch.setattr(sys, "argv", ["fairkd", "prepare", str(file), "--max-steps", "2", "--fetch"])
    with suppress(SystemExit):
        cli.main()
    profile = Profile.load(str(file))
    assert output_dir(profile) == tmp_path / "runs" / "mine"
    assert "variants" in output_dir(bounded(profile, 2)).parts
