"""Students counted by the manifests of the store, and costs known from records: as the keys and the models say."""

import json
import shutil

import pytest

from fairkd.arms import Arm
from fairkd.engine.store import MANIFEST, OWN_DIGEST, REVISIONS, _own_digest, read_json, write_json
from fairkd.errors import InputError
from fairkd.lab.cost import Shape
from fairkd.lab.estimate import TextSize, expected_cost, recorded_shape
from fairkd.lab.materials import Materials
from fairkd.lab.plan import plan
from fairkd.lab.records import recorded
from fairkd.lab.training import train_profile
from fairkd.profile import Profile

ARMS = ["full", "no-ce", "mlm-only", "mixup-xy", "debiased-teacher"]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Profile:
    """A profile whose students are trained: one of each kind that depends on other values."""
    folder = tmp_path_factory.mktemp("records")
    places = {"runs_dir": str(folder / "runs"), "store_dir": str(folder / "store")}
    small = {"depths": [1], "student_layers": 2, "arms": ARMS, "seeds": [0], "max_steps": 2, "adapt_steps": 2}
    profile = Profile.load("tiny").changed(**places, **small, debias_without_seat_words=False)
    train_profile(profile)
    return profile


@pytest.fixture
def profile(made, tmp_path) -> Profile:
    """The same with a copy of the store, to be spoilt."""
    shutil.copytree(made.store().root, tmp_path / "store")
    return made.changed(store_dir=str(tmp_path / "store"))


def missing(profile: Profile) -> list[str]:
    return [arm for arm, _ in recorded(profile).missing]


def test_records_count_what_the_keys_find(made):
    found, rows = recorded(made), plan(made)
    assert (found.missing, found.wanted) == ([], len(rows)) == ([], 6)
    assert set(rows.state) == {"in store"}
    assert found.seconds > 0
    train = Materials(made, progress=False).corpus.train
    assert found.text == TextSize(len(train), int(train.lengths.sum()))


def test_the_text_is_that_with_the_rows_joined_as_the_profile_says(made, tmp_path):
    rows = tmp_path / "rows.txt"
    rows.write_text("\n".join(f"a letter about the river and word number {n} of all" for n in range(300)))
    places = {"store_dir": str(tmp_path / "store"), "corpus": [str(rows)]}
    found = {}
    for join in ({}, {str(rows): 2}, {str(rows): 3}):
        own = made.changed(**places, corpus_join=join)
        assert recorded(own).text is None
        train = Materials(own, progress=False).corpus.train
        found[str(join)] = TextSize(len(train), int(train.lengths.sum()))
        assert recorded(own).text == found[str(join)]
    assert len({size.sequences for size in found.values()}) == 3


def test_a_student_of_before_there_was_corpus_join_is_one_without(profile):
    for path in profile.store().root.glob(f"*/{MANIFEST}"):
        parameters = read_json(path).get("parameters")
        if isinstance(parameters, dict):
            rewrite(path, parameters={name: value for name, value in parameters.items() if name != "corpus_join"})
    assert missing(profile) == []
    assert missing(profile.changed(corpus_join={"generated": 2})) == ["capacity-1", *ARMS]


@pytest.mark.parametrize(
    ("change", "arms"),
    [
        ({"seat_bootstrap": 100, "glue_epochs": 1, "checkpoint_every": 3, "arms": ["full"]}, []),
        ({"learning_rate": 2e-3}, ["capacity-1", *ARMS]),
        ({"corpus_seed": 5}, ["capacity-1", *ARMS]),
        ({"temperature": 3.0}, ["capacity-1", "full", "mixup-xy", "debiased-teacher"]),
        ({"alpha": 0.7}, ["mixup-xy"]),
        ({"debias_alpha": 0.7}, ["debiased-teacher"]),
        ({"loss_weights": {"ce": 9.0, "mlm": 2.0, "cos": 1.0}}, ["capacity-1", "full", "mixup-xy", "debiased-teacher"]),
        ({"seeds": [7]}, ["capacity-1", *ARMS]),
    ],
)
def test_what_a_student_depends_on_decides_and_the_keys_agree(made, change, arms):
    other = made.changed(**change)
    assert missing(other) == arms
    rows = plan(other)
    assert list(rows.arm[~rows.state.isin(["in store"])]) == arms


def rewrite(path, **changes):
    """A manifest with other values, as a program would have written them: with the digest that belongs to them."""
    values = read_json(path) | changes
    write_json(path, values | {OWN_DIGEST: _own_digest(values)})


def test_a_manifest_that_was_changed_by_hand_does_not_count(profile):
    path = next(p for p in profile.store().root.glob(f"*/{MANIFEST}") if read_json(p)["kind"] == "student")
    manifest = read_json(path)
    write_json(path, manifest | {"peak_memory_bytes": 1})
    assert missing(profile) == [manifest["arm"]["name"]]
    rewrite(path)
    assert missing(profile) == []


def test_a_student_without_one_of_its_files_or_of_an_older_revision_does_not_count(profile):
    folders = {
        manifest["arm"]["name"]: path.parent
        for path in profile.store().root.glob(f"*/{MANIFEST}")
        if (manifest := read_json(path))["kind"] == "student"
    }
    (folders["full"] / "model.safetensors").unlink()
    (folders["no-ce"] / MANIFEST).write_text("{")
    manifest = read_json(folders["mlm-only"] / MANIFEST)
    assert manifest["revision"] == REVISIONS["student"]
    rewrite(folders["mlm-only"] / MANIFEST, revision=REVISIONS["student"] - 1)
    assert missing(profile) == ["full", "no-ce", "mlm-only"]


@pytest.mark.parametrize("value", [None, 3, "x", [], {}, {"arm": 1}])
@pytest.mark.parametrize("name", ["arm", "seed", "parameters", "files", "wall_seconds_of_the_pass", "kind"])
def test_any_value_in_a_manifest_is_a_count(profile, name, value):
    for path in profile.store().root.glob(f"*/{MANIFEST}"):
        rewrite(path, **{name: value})
    found = recorded(profile)
    assert len(found.missing) in (0, 6)
    json.dumps(found.seconds, allow_nan=False)


def test_trainings_that_were_begun_are_counted(profile):
    (profile.store().root / "unfinished" / "abc" / "step-000002").mkdir(parents=True)
    (profile.store().root / "unfinished" / "locks-only").mkdir()
    assert recorded(profile).unfinished == 1


def test_the_shape_is_that_of_the_model_where_there_is_a_configuration(made, tmp_path):
    quick = Profile.load("quick")
    assert recorded_shape(quick) == Shape.of(Materials(quick, progress=False).checkpoint.model.config)
    assert recorded_shape(made) is None  # from scratch
    assert recorded_shape(quick.changed(teacher="nobody/nothing", adapt="auto")) is None
    (tmp_path / "config.json").write_text('{"hidden_size": 3}')
    with pytest.raises(InputError, match=r"config\.json is no configuration of a BERT"):
        recorded_shape(quick.changed(teacher=str(tmp_path)))


def test_a_student_deeper_than_its_teacher_is_refused():
    quick = Profile.load("quick").changed(arms=[Arm(name="deep", layers=7)])
    with pytest.raises(InputError, match="arm 'deep': a student of 7 layers from a teacher of 6: allowed"):
        expected_cost(quick, recorded_shape(quick), None, device="cpu")
