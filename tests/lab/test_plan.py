"""What a profile costs, before anything is trained."""

import pytest

from fairkd import InputError, Profile
from fairkd.arms import Arm
from fairkd.lab.cost import Shape, step_flops
from fairkd.lab.estimate import batch_of
from fairkd.lab.materials import Materials
from fairkd.lab.plan import cost, plan
from fairkd.lab.training import train
from fairkd.wording import duration


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
    assert rows["time on this device at 50% of 2 GFLOP/s"] == duration(10 * update / 1e9)
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
    with pytest.raises(InputError, match="layers"):
        cost(profile.changed(depths=[2, 9]))


def test_costs_and_plan_count_the_batches_that_training_reads(profile):
    """Left-over batches are read by the next epoch's first update; those of the last epoch are not read."""
    few = profile.changed(n_epoch=3, max_steps=None, batch_size=100, gradient_accumulation_steps=3)
    materials = Materials(few, progress=False)
    sequences = len(materials.corpus.train)
    batches = -(-sequences // 100)
    assert batches % 3  # some are left over
    materials.teacher  # noqa: B018 - costs are known when it is there
    rows = dict(cost(few))
    assert rows["updates a training"] == str(3 * (batches // 3))
    step = float(rows["FLOPs an update, all students"]) / 3
    read = 2 * batches + batches // 3 * 3
    assert float(rows["FLOPs of all trainings"]) == pytest.approx(2 * read * step, rel=0.01)
    assert len(plan(few)) == 2 * len(few.all_arms())


def test_a_corpus_too_small_for_an_update_is_an_error_before_the_teacher_is_made(profile, monkeypatch):
    monkeypatch.setattr("fairkd.lab.materials.prepare", lambda *a, **k: pytest.fail("a teacher was made"))
    wide = profile.changed(gradient_accumulation_steps=5000, max_steps=None)
    materials = Materials(wide, progress=False)
    with pytest.raises(InputError, match=r"no weight would change: .*gradient_accumulation_steps 5000.*make no update"):
        train([(materials, wide.all_arms())])
    for asked in (cost, plan):  # the corpus is in the store now
        with pytest.raises(InputError, match=r"gradient_accumulation_steps 5000.*make no update.*allowed: "):
            asked(wide)
