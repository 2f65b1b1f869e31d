"""Co-distillation: alone = together, stopped = uninterrupted, and only what an arm needs is computed."""

import dataclasses
import multiprocessing
import sys

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from fairkd.arms import Arm
from fairkd.batches import MaskedBatches, Setting
from fairkd.distill import distill, student_key
from fairkd.engine.heads import last_hidden
from fairkd.engine.recipe import Recipe
from fairkd.engine.store import Store
from fairkd.errors import DivergedError, InputError
from fairkd.losses import distillation_losses
from fairkd.objective import Supervision, arm_losses, supervise
from fairkd.students import student_from_teacher

CPU = torch.device("cpu")
FULL = Arm(name="full", layers=2)
NO_COS = Arm(name="no-cos", layers=2, losses=("ce", "mlm"))
NO_CE = Arm(name="no-ce", layers=1, losses=("mlm", "cos"))
MLM_ONLY = Arm(name="mlm-only", layers=1, losses=("mlm",))
ARMS = [FULL, NO_COS, NO_CE, MLM_ONLY]


@pytest.fixture
def recipe(world) -> Recipe:
    """Two epochs of few large batches, accumulation 3: windows and epochs do not line up."""
    sequences = len(world.corpus.train)
    return Recipe(
        batch_size=-(-sequences // 8), n_epoch=2, gradient_accumulation_steps=3, checkpoint_every=2,
        ce_token_fraction=0.5, learning_rate=1e-2,
    )  # fmt: skip


def run(arms, world, recipe, store, seed=0):
    return distill(arms, Setting(world.corpus, recipe, seed, store, CPU), teacher=world.teacher, progress=False)


def weights(folder):
    return load_file(folder / "model.safetensors")


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("fraction", [1.0, 0.3])
def test_arm_losses_equal_the_reference_form(world, fraction):
    recipe = Recipe(batch_size=5, ce_token_fraction=fraction)
    batch = MaskedBatches(Setting(world.corpus, recipe, 0, world.store, CPU), world.tokenizer)[1]
    teacher = world.teacher.model
    student = student_from_teacher(teacher, 2).eval()
    with torch.no_grad():
        _, found = arm_losses(student, supervise({"original": teacher}, batch, [FULL], recipe, CPU), FULL, recipe)
        full = distillation_losses(
            student(input_ids=batch.corrupted, attention_mask=batch.attention_mask).logits,
            teacher(input_ids=batch.corrupted, attention_mask=batch.attention_mask).logits,
            last_hidden(student, batch.corrupted, batch.attention_mask),
            last_hidden(teacher, batch.corrupted, batch.attention_mask),
            batch.labels,
            batch.attention_mask,
        )
        chosen = torch.zeros_like(batch.attention_mask).flatten()
        chosen[batch.ce_rows] = 1
        subset = distillation_losses(
            student(input_ids=batch.corrupted, attention_mask=batch.attention_mask).logits,
            teacher(input_ids=batch.corrupted, attention_mask=batch.attention_mask).logits,
            last_hidden(student, batch.corrupted, batch.attention_mask),
            last_hidden(teacher, batch.corrupted, batch.attention_mask),
            batch.labels,
            chosen.view_as(batch.attention_mask),
        )
    expected = {"ce": subset["ce"], "mlm": full["mlm"], "cos": full["cos"]}
    assert {k: float(v) for k, v in found.items()} == pytest.approx(
        {k: float(v) for k, v in expected.items()}, rel=1e-5
    )
    assert min(float(v) for v in found.values()) > 1e-4


def test_arms_are_bit_identical_alone_and_together(world, recipe, tmp_path):
    together = run(ARMS, world, recipe, Store(tmp_path / "together"))
    for arm in ARMS:
        alone = run([arm], world, recipe, Store(tmp_path / arm.name))
        assert same(weights(together[arm.name]), weights(alone[arm.name])), arm.name
    assert not same(weights(together["full"]), weights(together["no-cos"]))


class Stopped(Exception):
    pass


@pytest.mark.parametrize(("stop_at", "resumed_at"), [(5, 0), (7, 6), (9, 6), (13, 6), (15, 14), (17, 14)])
def test_a_stopped_run_ends_with_the_same_bits(world, recipe, tmp_path, monkeypatch, stop_at, resumed_at):
    """8 batches an epoch, 3 a window: 6, 7, 14, 15 are left over, and 9 and 17 are read in the windows that take them.

    Checkpoints lie at every second update: before batches 6 and 14.
    """
    recipe = dataclasses.replace(recipe, n_epoch=3)
    uninterrupted = run([FULL, NO_CE], world, recipe, Store(tmp_path / "whole"))
    store = Store(tmp_path / "stopped")
    original, asked = MaskedBatches.__getitem__, []

    def stops(self, number):
        asked.append(number)
        if number == stop_at:
            raise Stopped
        return original(self, number)

    monkeypatch.setattr(MaskedBatches, "__getitem__", stops)
    with pytest.raises(Stopped):
        run([FULL, NO_CE], world, recipe, store)
    assert store.find(student_key(FULL, Setting(world.corpus, recipe, 0, store, CPU), teacher=world.teacher)) is None
    asked.clear()
    monkeypatch.setattr(MaskedBatches, "__getitem__", lambda self, n: (asked.append(n), original(self, n))[1])
    resumed = run([FULL, NO_CE], world, recipe, store)
    assert asked[0] == resumed_at
    assert asked[-1] == 21  # the last epoch's left-over batches, 22 and 23, make no update and are not read
    for name in ("full", "no-ce"):
        assert same(weights(uninterrupted[name]), weights(resumed[name]))
        ours, theirs = (pd.read_parquet(f[name] / "metrics.parquet") for f in (uninterrupted, resumed))
        pd.testing.assert_frame_equal(ours, theirs)
        digests = [Store.manifest(f[name])["files"]["metrics.parquet"] for f in (uninterrupted, resumed)]
        assert digests[0] == digests[1]
        assert all(Store.manifest(f[name])["tokens_per_second"] > 0 for f in (uninterrupted, resumed))


def _train_and_die(root, world, recipe):
    import os
    import signal

    original = MaskedBatches.__getitem__

    def dies(self, number):
        if number == 10:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, number)

    MaskedBatches.__getitem__ = dies
    run([FULL], world, recipe, Store(root))


@pytest.mark.skipif(sys.platform == "darwin", reason="forking a process with threads is not safe on macOS")
def test_a_killed_process_is_resumed_with_the_same_bits(world, recipe, tmp_path):
    process = multiprocessing.get_context("fork")  # it inherits the corpus and the teacher
    process = process.Process(target=_train_and_die, args=(tmp_path / "killed", world, recipe))
    process.start()
    process.join(60)
    assert process.exitcode == -9
    resumed = run([FULL], world, recipe, Store(tmp_path / "killed"))
    whole = run([FULL], world, recipe, Store(tmp_path / "whole"))
    assert same(weights(whole["full"]), weights(resumed["full"]))


def test_an_arm_that_joins_later_has_the_same_bits_as_from_the_start(world, recipe, tmp_path):
    """One arm stands at a checkpoint, the other begins: the pass starts at the later arm's first batch."""
    store = Store(tmp_path / "joined")
    key = student_key(FULL, Setting(world.corpus, recipe, 0, store, CPU), teacher=world.teacher)
    _interrupt(run, [FULL], world, recipe, store)
    assert [p.name for p in store.unfinished(key).iterdir()] == ["step-000000002"]
    both = run([NO_CE, FULL], world, recipe, store)
    whole = run([NO_CE, FULL], world, recipe, Store(tmp_path / "whole"))
    assert all(same(weights(both[name]), weights(whole[name])) for name in both)


def _interrupt(function, *args):
    original = MaskedBatches.__getitem__

    def stops(self, number):
        if number == 8:
            raise Stopped
        return original(self, number)

    MaskedBatches.__getitem__ = stops
    try:
        with pytest.raises(Stopped):
            function(*args)
    finally:
        MaskedBatches.__getitem__ = original


def test_finished_arms_are_loaded_not_trained(world, recipe, store, monkeypatch):
    first = run([FULL, NO_CE], world, recipe, store)
    monkeypatch.setattr(MaskedBatches, "__getitem__", lambda self, number: pytest.fail("trained again"))
    assert run([FULL, NO_CE], world, recipe, store) == first
    renamed = Arm(name="capacity-2", layers=2)
    assert run([renamed], world, recipe, store)["capacity-2"] == first["full"]


def test_a_students_key_holds_what_determines_it_and_nothing_else(world, recipe):
    def key(arm=FULL, teacher=world.teacher, corpus=world.corpus, recipe=recipe, seed=0, device=CPU):
        return student_key(arm, Setting(corpus, recipe, seed, world.store, device), teacher=teacher)

    def with_(**changes):
        return dataclasses.replace(recipe, **changes)

    ones = {"ce": 1.0, "mlm": 1.0, "cos": 1.0}
    changes = [
        {"learning_rate": 1.0}, {"temperature": 1.0}, {"loss_weights": ones}, {"max_steps": 3}, {"dropout": 0.0},
        {"freeze_positions": False}, {"ce_token_fraction": 1.0},
    ]  # fmt: skip
    keys = [key(recipe=with_(**change)) for change in changes]
    keys += [key(), key(arm=NO_COS), key(seed=1), key(device=torch.device("cuda", 0))]
    keys += [key(teacher=dataclasses.replace(world.teacher, digest="other"))]
    keys += [key(teacher=dataclasses.replace(world.teacher, tokenizer_digest="other"))]
    keys += [key(corpus=dataclasses.replace(world.corpus, digest="other"))]
    assert len(set(keys)) == len(keys)
    assert key(arm=Arm(name="other", layers=2)) == key()
    assert key(recipe=with_(checkpoint_every=1, initializer_range=0.5)) == key()
    for change in (
        {"temperature": 1.0},
        {"ce_token_fraction": 1.0},
        {"loss_weights": recipe.weights | {"ce": 9.0}},
    ):
        assert key(arm=NO_CE, recipe=with_(**change)) == key(arm=NO_CE)


def test_seeds_give_different_students(world, recipe, store):
    a, b = (run([FULL], world, recipe, store, seed)["full"] for seed in (0, 1))
    assert not same(weights(a), weights(b))


def test_arms_without_ce_do_not_pay_for_teacher_logits(world, recipe, store, monkeypatch):
    calls = {"hidden": 0, "logits": 0}
    teacher = world.teacher.model
    hooks = [
        teacher.bert.register_forward_hook(lambda *_: calls.__setitem__("hidden", calls["hidden"] + 1)),
        teacher.cls.predictions.transform.register_forward_hook(
            lambda *_: calls.__setitem__("logits", calls["logits"] + 1)
        ),
    ]
    batches = 14  # four windows of three, and two batches left over by the first epoch
    run([MLM_ONLY], world, recipe, store)
    assert calls == {"hidden": 0, "logits": 0}
    run([NO_CE], world, recipe, store)
    assert calls == {"hidden": batches, "logits": 0}
    run([FULL, NO_COS], world, recipe, store)
    assert calls == {"hidden": 2 * batches, "logits": batches}
    for hook in hooks:
        hook.remove()


def test_training_lowers_the_losses_that_it_minimises(world, recipe, store):
    """The teacher here is random, so agreement with it and masked words are learnt by separate arms."""
    recipe = dataclasses.replace(recipe, n_epoch=8)
    teacher_only = Arm(name="teacher-only", layers=2, losses=("ce", "cos"))
    for arm in (teacher_only, MLM_ONLY):
        metrics = pd.read_parquet(run([arm], world, recipe, store)[arm.name] / "metrics.parquet")
        first, last = metrics.iloc[:4].mean(), metrics.iloc[-4:].mean()
        for term in (*arm.losses, "loss"):
            assert last[term] < 0.97 * first[term], term


def test_the_loss_is_the_weighted_sum_of_its_terms(world, recipe, store):
    metrics = pd.read_parquet(run([FULL], world, recipe, store)["full"] / "metrics.parquet")
    weighted = 5 * metrics["ce"] + 2 * metrics["mlm"] + metrics["cos"]
    assert metrics["loss"].to_numpy() == pytest.approx(weighted.to_numpy(), rel=1e-5)


def test_the_manifest_says_what_made_the_student(world, recipe, store):
    manifest = Store.manifest(run([FULL], world, recipe, store)["full"])
    assert manifest["corpus_digest"] == world.corpus.digest
    assert manifest["teacher_digest"] == world.teacher.digest
    assert manifest["seed"] == 0
    assert manifest["steps"] == 4
    assert manifest["versions"]["torch"] == torch.__version__
    assert manifest["peak_memory_bytes"] > 1e7
    assert manifest["wall_seconds_of_the_pass"] > 0
    assert "model.safetensors" in manifest["files"]


def test_divergence_names_arm_step_and_term_and_the_other_arm_is_finished(world, recipe, store, monkeypatch):
    def broken(student, supervision: Supervision, arm, recipe):
        loss, terms = arm_losses(student, supervision, arm, recipe)
        if "cos" not in arm.losses:
            terms["ce"] = terms["ce"] * float("inf")
        return loss, terms

    monkeypatch.setattr("fairkd.distill.arm_losses", broken)
    with pytest.raises(DivergedError, match=r"no-cos: ce is not finite at step 1"):
        run([FULL, NO_COS], world, recipe, store)
    keys = [student_key(a, Setting(world.corpus, recipe, 0, store, CPU), teacher=world.teacher) for a in (FULL, NO_COS)]
    assert store.find(keys[0]) is not None
    assert store.find(keys[1]) is None


@pytest.mark.parametrize("values", [{"max_steps": 1}, {"gradient_accumulation_steps": 9}])
def test_a_run_that_changes_no_weight_is_refused_before_any_work(world, recipe, store, values):
    """8 batches an epoch: nothing is trained, and no copy of the teacher is stored as a student."""
    sequences = len(world.corpus.train)
    with pytest.raises(InputError, match=f"no weight would change: an epoch of {sequences} sequences has 8 batches"):
        run([FULL], world, dataclasses.replace(recipe, **values), store)
    assert not list(store.root.glob("*")) if store.root.exists() else True


def test_left_over_gradients_are_in_the_next_epochs_first_update(world, recipe, store, monkeypatch):
    """8 batches an epoch, 3 a window: the third update, which is the second epoch's first, learns from 5 batches."""
    original, read = MaskedBatches.__getitem__, []
    monkeypatch.setattr(MaskedBatches, "__getitem__", lambda self, n: (read.append(n), original(self, n))[1])
    folder = run([FULL], world, recipe, store)["full"]
    assert read == list(range(14))
    metrics = pd.read_parquet(folder / "metrics.parquet")
    assert list(metrics.step) == [1, 2, 3, 4]
    # The learning rate is planned for 16 / 3 updates: 5, with the warm-up's first at 0.
    assert metrics.learning_rate.to_numpy() == pytest.approx([0, 1e-2, 0.8e-2, 0.6e-2])


def test_an_arm_deeper_than_its_teacher_is_refused_before_any_training(world, recipe, store):
    with pytest.raises(InputError, match=r"arm 'deep': a student of 4 layers.*allowed are 1 to 3"):
        run([FULL, Arm(name="deep", layers=4)], world, recipe, store)
    assert not list(store.root.glob("*")) if store.root.exists() else True
