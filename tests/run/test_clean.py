"""What nobody needs of a store is found, of every kind, and what somebody needs is not."""

import shutil

import pytest
import torch

from fairkd.engine.store import REVISIONS, Store, seal, write_json
from fairkd.lab import training
from fairkd.lab.glue_runs import BASELINES, baseline_key, shape_key
from fairkd.lab.training import prepare_profile, train_profile
from fairkd.lab.variants import keep, output_dir
from fairkd.profile import Profile
from fairkd.run.clean import Unneeded, remove, unneeded

DRAWN = ("generated text", "planted text")
"""Kinds of text, which are part of other keys, and no entries."""


@pytest.fixture
def profile(tmp_path) -> Profile:
    return Profile.load("tiny").changed(
        profile="mine", runs_dir=str(tmp_path), store_dir=str(tmp_path / "store"), arms=["full"], depths=[1],
        student_layers=1, seeds=[0], max_steps=2, adapt_steps=2, glue_source=None, debias_without_seat_words=False,
    )  # fmt: skip


@pytest.fixture
def trained(profile) -> Profile:
    train_profile(profile)
    assert found(profile) == []
    return profile


def found(profile: Profile) -> list[Unneeded]:
    """As in a process of its own: what this one looked for before is not what profiles ask for."""
    Store._used.clear()
    Store._asked.clear()
    return unneeded(profile)


def whys(profile: Profile) -> dict[str, str]:
    return {one.path.name: one.why for one in found(profile)}


def entry(store: Store, kind: str, key: str | None = None, **about) -> str:
    """An entry with what the manifests of its kind say."""
    key = key or Store.key(kind, {"made": "by a test", **about})
    with store.write(key, {"kind": kind, **about}) as folder:
        write_json(folder / "known.json", {"digest": "random"})
    return key


ABOUT = {
    "student": {"revision": REVISIONS["student"], "arm": None, "seed": 0, "weights_digest": "gone"},
    "teacher": {}, "debiased teacher": {}, "corpus": {"tokenizer": "other"}, "checkpoint": {}, "words of a text": {},
    "seat": {"weights": "other"}, "seat of mixed stimuli": {"weights": "other"}, "projections": {"weights": "other"},
    "reading of a sentence": {"weights": "other"}, "rulers": {"weights": "other"}, "words met": {"corpus": "other"},
    "pairs": {"corpus_digest": "other"}, "pair table": {"tokenizer": "other"}, "glue tokens": {"tokenizer": "other"},
    "glue": {"encoder": "gone", "data": "d"}, "glue baseline": {}, "shape": {},
}  # fmt: skip


def test_an_entry_of_every_kind_that_nobody_needs_is_found(trained):
    store = trained.store()
    assert {*ABOUT, *DRAWN} >= REVISIONS.keys()  # a kind that is new is cleaned, too
    made = {entry(store, kind, **about): kind for kind, about in ABOUT.items()}
    gone = whys(trained)
    assert {made[key] for key in gone} == ABOUT.keys()
    assert all(kind in gone[key] for key, kind in made.items() if kind != "checkpoint")
    before = {path.name for path in store.entries()}
    freed = remove(found(trained), store)
    assert freed > 0
    assert {path.name for path in store.entries()} == before - made.keys()
    assert found(trained) == []


def test_what_was_measured_of_needed_models_and_texts_stays(trained):
    store = trained.store()
    manifests = [Store.manifest(folder) for folder in store.entries()]
    student = next(one for one in manifests if one["kind"] == "student")
    corpus = next(one for one in manifests if one["kind"] == "corpus")
    kept = [
        entry(store, "shape", shape_key(student)),
        entry(store, "glue", encoder="random", data="a"),  # of random weights, which the shape says
        entry(store, "glue", encoder=student["weights_digest"], data="b"),
        entry(store, "glue", encoder=student["teacher_digest"], data="c"),
        *(entry(store, "glue baseline", baseline_key(name, data)) for name in BASELINES for data in "abc"),
        *(entry(store, kind, tokenizer=corpus["tokenizer"]) for kind in ("pair table", "glue tokens")),
    ]
    kept.append(entry(store, "glue", encoder="asked for by name", data="a"))  # fairkd glue MODEL
    gone = [
        entry(store, "student", **ABOUT["student"]),
        entry(store, "glue", encoder="gone", data="z"),
        entry(store, "glue baseline", baseline_key("majority", "z")),
    ]
    assert sorted(whys(trained)) == sorted(gone)
    assert not {*kept} & whys(trained).keys()


def test_what_is_no_entry_goes_too(trained):
    store = trained.store()
    lost, unknown, partly = (f"{number}" * 20 for number in (1, 2, 3))
    for name in (lost, f"unfinished/{unknown}", f".removing-{partly}", f"damaged-{partly}"):
        (store.root / name).mkdir(parents=True)
        (store.root / name / "a").write_text("a")
    assert whys(trained) == {
        lost: "an entry without its manifest",
        unknown: "checkpoints of what no profile here trains",
        f".removing-{partly}": "removed in part before",
        f"damaged-{partly}": "damaged, and made again since",
    }
    assert remove(found(trained), store) == 4
    assert found(trained) == []


class Killed(BaseException):
    """In the place of a process's death."""


@pytest.mark.parametrize("command", [train_profile, lambda own: list(prepare_profile(own))], ids=["train", "prepare"])
def test_a_teacher_that_an_interrupted_command_made_is_needed(profile, monkeypatch, command):
    """Of two profiles of one store, the one that was interrupted before its second teacher was there."""
    other = profile.changed(profile="another")
    train_profile(other)
    two = profile.changed(corpus=["planted:0.4"], teacher_seeds=[0, 1])
    made, whole = [], training.Materials.make_teachers

    def make(self, **what):
        if made:
            raise Killed
        whole(self, **what)
        made.append(self.teacher.digest)

    monkeypatch.setattr(training.Materials, "make_teachers", make)
    with pytest.raises(Killed):
        command(two)
    monkeypatch.undo()
    assert found(other) == []
    shutil.rmtree(two.path(two.runs_dir) / "mine")  # with it nobody needs what was made
    assert "teacher of no profile that is known here" in whys(other).values()


def test_checkpoints_of_an_interrupted_training_are_needed(profile, trained):
    store, other = trained.store(), trained.changed(profile="another", temperature=3.0)
    keep(other)
    key = training.training_jobs(other)[0][0].student_key(other.all_arms()[0], 0)
    (store.unfinished(key) / "step-000000001").mkdir(parents=True)
    assert found(trained) == []
    keep(trained.changed(profile="third", corpus=["planted:0.4"]))  # has begun, and nobody knows its students' keys
    (store.unfinished("4" * 20) / "step-000000001").mkdir(parents=True)
    assert found(trained) == []


def test_a_teacher_debiased_without_seats_words_is_needed_before_the_other_one_is_there(profile, monkeypatch):
    """It is made first; whoever stops the command then does without the other."""
    both = profile.changed(arms=["full", "debiased-teacher"], debias_without_seat_words=True)
    train_profile(both)
    store = both.store()
    debiased = {folder for folder in store.entries() if Store.manifest(folder)["kind"] == "debiased teacher"}
    students = [folder for folder in store.entries() if Store.manifest(folder)["kind"] == "student"]
    teachers = {Store.manifest(folder)["teacher_digest"] for folder in students}
    (of_students,) = [one for one in debiased if Store.manifest(one)["weights_digest"] in teachers]
    assert len(debiased) == 2
    for folder in (of_students, *students):
        store.remove(folder)
    assert found(both) == []


def test_what_was_made_between_judgement_and_removal_stays(trained):
    """As by a training beside it, whose students were no entries a moment before."""
    store, key = trained.store(), "5" * 20
    for name in (key, f"unfinished/{key}"):
        (store.root / name).mkdir(parents=True)
        (store.root / name / "a").write_text("a")
    judged = found(trained)
    assert {one.path.name for one in judged} == {key}
    shutil.rmtree(store.root / key)
    entry(store, "student", key, **ABOUT["student"])
    (store.root / "unfinished" / key / "b").write_text("b")
    assert remove(judged, store) == 0
    assert store.find(key) is not None
    assert (store.root / "unfinished" / key / "a").is_file()


@pytest.mark.parametrize("runs", ["there", "not mounted", "its folder removed"])
def test_students_of_a_shared_store_are_needed_wherever_their_products_lie(profile, tmp_path, runs):
    """Of a shipped profile, whose training leaves nothing else beside the store."""
    own = profile.changed(runs_dir=str(tmp_path / "mine"))
    names = ("store_dir", "arms", "depths", "student_layers", "seeds", "max_steps", "adapt_steps", "glue_source")
    shared = Profile.load("tiny").changed(
        **{name: own.values()[name] for name in names}, debias_without_seat_words=False, temperature=3.0,
        runs_dir=str(tmp_path / "theirs"),
    )  # fmt: skip
    train_profile(shared)
    assert output_dir(shared).is_dir()
    if runs == "not mounted":
        shutil.rmtree(tmp_path / "theirs")
    if runs == "its folder removed":
        shutil.rmtree(tmp_path / "theirs" / "tiny")
    kinds = {why.partition(" of ")[0] for why in whys(own).values()}
    assert kinds >= {"student"} if runs == "its folder removed" else kinds == set()


def test_checkpoints_of_another_device_are_not_judged_here(trained):
    store = trained.store()
    for key, device in (("6" * 20, "cpu"), ("7" * 20, "NVIDIA H200")):
        step = store.unfinished(key) / "step-000000001"
        step.mkdir(parents=True)
        (step / "state.safetensors").write_text("state")
        seal(step, {"kind": "checkpoint", "of": key, "update": 1, "stretches": [{"device": device}]})
    expected = "cpu" if not torch.cuda.device_count() else ""
    assert whys(trained) == ({"6" * 20: "checkpoints of what no profile here trains"} if expected else {})


def test_where_the_teachers_checkpoint_is_not_at_hand_no_model_is_judged(trained, tmp_path, monkeypatch):
    """As on a machine whose cache of the hub lacks it: keys follow from its weights."""
    store, hub = (
        trained.store(),
        trained.changed(profile="hub", teacher="somebody/bert", teacher_layers=None, teacher_hidden=None),
    )
    keep(hub)
    entry(store, "teacher", weights_digest="of somebody/bert", corpus_digest="c")
    assert whys(trained) == {}
    shutil.rmtree(hub.path(hub.runs_dir) / "hub")
    assert list(whys(trained).values()) == ["teacher of no profile that is known here"]
