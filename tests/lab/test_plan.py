"""What a profile costs, before anything is trained."""

import pytest

from fairkd import Profile
from fairkd.arms import Arm
from fairkd.lab.cost import Shape, step_flops
from fairkd.lab.materials import Materials
from fairkd.lab.plan import batch_of, cost


@pytest.fixture
def profile(tmp_path, monkeypatch) -> Profile:
    monkeypatch.setattr("fairkd.lab.plan.matmul_rate", lambda device: 2e9)
    arms = {"depths": [2, 3], "student_layers": 2, "arms": ["full", "no-ce"]}
    places = {"runs_dir": str(tmp_path / "runs"), "store_dir": str(tmp_path / "store")}
    return Profile.load("tiny").changed(
        **arms, **places, seeds=[0, 1], max_steps=5, batch_size=8, gradient_accumulation_steps=1
    )


def test_costs_are_those_of_the_model_and_nothing_is_written(profile, tmp_path):
    rows = dict(cost(profile))
    assert not list(tmp_path.rglob("*.safetensors"))
    assert not list(tmp_path.rglob("*.arrow"))
    materials = Materials(profile)
    batch = batch_of(profile.recipe, 8, float(profile.corpus.max_length))
    arms = [Arm(name="a", layers=2), Arm(name="b", layers=3), Arm(name="c", layers=2, losses=("mlm", "cos"))]
    shape = Shape.of(materials.checkpoint.model.config)
    update = step_flops(shape, arms, batch)
    assert rows["students"] == "3 at once in 2 trainings, one a seed"  # "capacity-2" is "full"
    assert float(rows["FLOPs an update, all students"]) == pytest.approx(update, rel=0.01)
    assert float(rows["FLOPs of all trainings"]) == pytest.approx(2 * 5 * update, rel=0.01)
    time, unit = rows["time on this device at 50% of 2 GFLOP/s"].split()
    assert float(time) * {"seconds": 1, "minutes": 60, "hours": 3600}[unit] == pytest.approx(
        10 * update / 1e9, rel=0.05
    )
    assert rows["updates a training"] == "5"
    assert (
        rows["a student reads"] == "about 40 sequences, 2,560 tokens at most"
    )  # of 64 tokens, before there is a corpus


def test_one_seed_is_one_training(profile):
    assert dict(cost(profile.changed(seeds=[3])))["students"] == "3 at once in one training, of the one seed"


def test_totals_wait_for_the_corpus_where_the_number_of_updates_does(profile):
    rows = dict(cost(profile.changed(max_steps=None)))
    assert "not known" in rows["updates a training"]
    assert not {"FLOPs of all trainings", "a student reads"} & rows.keys()


def test_with_a_corpus_the_plan_says_what_a_student_reads_and_what_a_pass_is(profile):
    train = Materials(profile, progress=False).corpus.train
    Materials(profile, progress=False).teacher  # noqa: B018
    said = dict(cost(profile.changed(gradient_accumulation_steps=3)))["a student reads"]
    tokens = round(120 * float(train.lengths.mean()))
    assert said == (
        f"about 120 sequences, {tokens:,} tokens; one pass over the training text is {len(train):,} sequences, "
        f"{train.lengths.sum():,} tokens"
    )


def test_gradient_accumulation_costs_as_many_steps(profile):
    one, four = (
        dict(cost(profile.changed(gradient_accumulation_steps=n)))["FLOPs an update, all students"] for n in (1, 4)
    )
    assert float(four) == pytest.approx(4 * float(one), rel=0.01)


def test_an_arm_deeper_than_the_teacher_is_an_error_before_any_work(profile):
    from fairkd import InputError

    with pytest.raises(InputError, match="layers"):
        cost(profile.changed(depths=[2, 9]))
