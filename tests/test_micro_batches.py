"""Micro-batches: batches that are read at once give the losses, gradients and students of batches one by one."""

import dataclasses
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from fairkd.arms import Arm
from fairkd.batches import MaskedBatch, MaskedBatches, Setting, visible_at_once
from fairkd.distill import distill, student_key
from fairkd.engine import training
from fairkd.engine.recipe import Recipe
from fairkd.engine.store import Store
from fairkd.engine.world import World
from fairkd.gender import PairTable, appendix_c
from fairkd.losses import LOSSES, LossTerm
from fairkd.micro_batches import grouped, joined, read, shares_of
from fairkd.mixup import LEVELS, Mixup
from fairkd.objective import arm_losses, supervise
from fairkd.students import student_from_teacher
from fairkd.teachers.adapt import mlm_loss

CPU = torch.device("cpu")
SUBSETS = [tuple(level for level, bit in zip(LEVELS, f"{n:03b}") if bit == "1") for n in range(1, 8)]
ARMS = [
    Arm(name="full", layers=2),
    Arm(name="no-ce", layers=1, losses=("mlm", "cos")),
    Arm(name="no-mlm", layers=1, losses=("ce", "cos")),
    *(Arm(name="mixup-" + "".join(levels), layers=2, mix=levels) for levels in SUBSETS),
]
RECIPE = Recipe(batch_size=3, gradient_accumulation_steps=4, ce_token_fraction=0.4, dropout=0.0, max_steps=4, n_epoch=9)
NUMBERS = [0, 1, 5, 9]


def batches_of(world, recipe=RECIPE, *, at_once=None, **mixup) -> MaskedBatches:
    setting = Setting(world.corpus, recipe, 0, world.store, CPU, at_once)
    return MaskedBatches(setting, world.tokenizer, Mixup(PairTable(appendix_c(), world.tokenizer), **mixup))


def loss_and_gradients(student, teacher, batches, arm, weight):
    """Summed over the batches, each counting ``weight``."""
    student.zero_grad(set_to_none=True)
    terms: dict[str, float] = {}
    for batch in batches:
        total, found = arm_losses(student, supervise({"original": teacher}, batch, [arm], RECIPE, CPU), arm, RECIPE)
        (total * weight).backward()
        for name, value in {"loss": total.detach(), **found}.items():
            terms[name] = terms.get(name, 0.0) + weight * float(value)
    return terms, {name: p.grad for name, p in student.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
@pytest.mark.parametrize("mixup", [{}, {"scope": "occurrence"}, {"scope": "batch"}], ids=str)
def test_losses_and_gradients_are_those_of_the_batches_one_by_one(world, arm, mixup):
    batches, teacher = batches_of(world, **mixup), world.teacher.model
    separate = [batches[number] for number in NUMBERS]
    assert len({batch.input_ids.shape[1] for batch in separate}) > 1  # some are padded further
    assert sum(batch.mixing is not None for batch in separate) > 1  # several have gender words
    student = student_from_teacher(teacher, arm.layers, dropout=0.0).eval()
    expected, gradients = loss_and_gradients(student, teacher, separate, arm, 1 / len(NUMBERS))
    found, joint = loss_and_gradients(student, teacher, [read(batches, NUMBERS)], arm, 1.0)
    assert found == pytest.approx(expected, rel=1e-5, abs=2e-6)  # L_ce is a small difference of sums
    assert gradients.keys() == joint.keys()
    for name in gradients:
        torch.testing.assert_close(joint[name], gradients[name], rtol=1e-4, atol=1e-6)


def test_the_other_words_logits_from_one_reading(world):
    test_losses_and_gradients_are_those_of_the_batches_one_by_one(world, ARMS[4], {"counterpart": "vocabulary"})


def test_a_loss_of_ones_own_is_the_mean_over_the_batches_too(world, monkeypatch):
    monkeypatch.setitem(LOSSES, "mse", LossTerm("hidden", torch.nn.functional.mse_loss))
    test_losses_and_gradients_are_those_of_the_batches_one_by_one(world, Arm(name="a", layers=2, losses=("mse",)), {})


def test_a_teachers_adaptation_too(world):
    batches, model = batches_of(world), student_from_teacher(world.teacher.model, 2, dropout=0.0).eval()
    with torch.no_grad():
        alone = sum(float(mlm_loss(model, batches[number])[0]) for number in NUMBERS) / len(NUMBERS)
        assert float(mlm_loss(model, read(batches, NUMBERS))[0]) == pytest.approx(alone, rel=1e-5)


def test_what_stands_where_is_only_moved(world):
    """Ids, labels and λ of a joined batch are those of its batches, row after row, with padding at the end."""
    batches = batches_of(world)
    parts = [batches.on_host(number) for number in NUMBERS]
    whole, row = joined(parts, batches.pad_id), 0
    for part in parts:
        rows, width = slice(row, row + len(part.input_ids)), part.input_ids.shape[1]
        for name in ("input_ids", "corrupted", "labels", "attention_mask"):
            assert torch.equal(getattr(whole, name)[rows, :width], getattr(part, name))
        assert not whole.attention_mask[rows, width:].any()
        assert (whole.labels[rows, width:] == -100).all()
        row = rows.stop
    assert whole.tokens == sum(part.tokens for part in parts) == len(whole.token_rows)
    assert torch.equal(whole.attention_mask.flatten().nonzero().squeeze(1), whole.token_rows)
    for shares, rows in ((whole.ce_shares, whole.ce_rows), (whole.mlm_shares, whole.mlm_rows)):
        assert len(shares) == len(rows)
        assert float(shares.sum()) == pytest.approx(1)
    assert torch.equal(whole.mixing.own, whole.corrupted.flatten()[whole.mixing.at])
    assert torch.equal(whole.ce_rows[whole.mixing.ce_at], whole.mixing.at[whole.mixing.ce_of])
    assert torch.equal(whole.mixing.counterpart, whole.mixing.swapped.flatten()[whole.mixing.swapped_at])


@pytest.mark.parametrize("most", [1, 200, 10**6])
def test_students_are_the_same_however_much_is_read_at_once(world, tmp_path, most):
    mixup = Mixup(PairTable(appendix_c(), world.tokenizer))

    def students(at_once, place):
        setting = Setting(world.corpus, RECIPE, 0, Store(tmp_path / place), CPU, at_once)
        arms = [ARMS[0], ARMS[5]]
        return arms, distill(arms, setting, teacher=world.teacher, mixup=mixup, progress=False)

    arms, alone = students(None, "alone")
    _, found = students(most, "together")
    for arm in arms:
        assert alone[arm.name].name == found[arm.name].name  # one key
        before, after = (load_file(folder[arm.name] / "model.safetensors") for folder in (alone, found))
        for name in before:
            torch.testing.assert_close(after[name], before[name], rtol=1e-4, atol=1e-5)
        metrics = [pd.read_parquet(folder[arm.name] / "metrics.parquet") for folder in (alone, found)]
        pd.testing.assert_frame_equal(*metrics, rtol=1e-4)


@given(
    sizes=st.lists(st.tuples(st.integers(1, 8), st.integers(2, 64)), min_size=1, max_size=30),
    most=st.integers(1, 600),
)
def test_groups_hold_every_batch_once_and_no_more_tokens_than_allowed(sizes, most):
    numbers = list(range(100, 100 + len(sizes)))
    groups = grouped(numbers, sizes, most)
    assert sorted(number for group in groups for number in group) == numbers
    of = dict(zip(numbers, sizes, strict=True))
    for group in groups:
        padded = sum(of[n][0] for n in group) * max(of[n][1] for n in group)
        assert padded <= most or len(group) == 1


@pytest.mark.parametrize("at_once", [None, 300])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_every_batch_of_a_window_is_read_by_one_process(world, size, at_once):
    batches = batches_of(world, at_once=at_once)
    dealt = [shares_of(batches, range(8, 12), everyone=World(rank, size)) for rank in range(size)]
    assert all(dealt)  # none has nothing to do
    assert sorted(number for groups in dealt for group in groups for number in group) == [8, 9, 10, 11]


def test_a_window_that_begins_in_one_epoch_and_ends_in_the_next(world):
    batches = batches_of(world, at_once=10**6)
    numbers = range(len(batches) - 2, len(batches) + 2)
    sizes = [batches.size(number) for number in numbers]
    assert sizes == [(len(batches[n].input_ids), batches[n].input_ids.shape[1]) for n in numbers]
    assert sorted(shares_of(batches, numbers)[0]) == list(numbers)


@pytest.mark.parametrize("name", ["full", "mixup-xyh"])
def test_the_attentions_own_form_of_a_mask_gives_the_same_losses(world, monkeypatch, name):
    """What a GPU is given (MaskedBatch.visible), here on the CPU; with padding, and without any."""
    arm, batches = next(arm for arm in ARMS if arm.name == name), batches_of(world)
    student = student_from_teacher(world.teacher.model, arm.layers, dropout=0.0).eval()
    lengths = [batches.corpus.train.lengths[batches._rows(number)] for number in range(len(batches))]
    even = next(number for number, own in enumerate(lengths) if len(set(own)) == 1)
    for number in (even, 0):
        before, _ = loss_and_gradients(student, world.teacher.model, [batches[number]], arm, 1.0)
        with monkeypatch.context() as patch:
            padded = number != even
            patch.setattr(MaskedBatch, "visible", lambda self, mask, p=padded: visible_at_once(mask, padded=p))
            after, _ = loss_and_gradients(student, world.teacher.model, [batches[number]], arm, 1.0)
        assert after == pytest.approx(before, rel=1e-5, abs=2e-6)


def test_a_batch_that_is_prepared_ahead_changes_nothing(world, tmp_path, monkeypatch):
    """The thread that a GPU has beside it, here beside the CPU: the same bits."""
    folders, threads = [], []
    for ahead in (0, 1):
        monkeypatch.setitem(training.AHEAD, "cpu", ahead)
        prepare = MaskedBatches.on_host
        monkeypatch.setattr(
            MaskedBatches,
            "on_host",
            lambda self, number, of=prepare: (threads.append(threading.current_thread()), of(self, number))[1],
        )
        setting = Setting(world.corpus, RECIPE, 0, Store(tmp_path / str(ahead)), CPU, 300)
        folders.append(distill(ARMS[:2], setting, teacher=world.teacher, progress=False))
    before, after = ([load_file(path / "model.safetensors") for path in found.values()] for found in folders)
    assert all(torch.equal(one[name], other[name]) for one, other in zip(before, after) for name in one)
    assert len(set(threads)) == 2


def test_training_in_bf16_as_on_a_gpu(world, tmp_path, monkeypatch):
    """All kinds of arms with a GPU's switches, on the CPU: products in bf16, passes joined, batches prepared ahead."""
    arms = [*ARMS, Arm(name="debiased", layers=1, teacher="debiased")]
    settings = [Setting(world.corpus, RECIPE, 0, Store(tmp_path / name), CPU, 300) for name in ("fp32", "bf16")]
    plain = distill(arms, settings[0], teacher=world.teacher, debiased=world.teacher, progress=False)
    monkeypatch.setattr(training, "precision", lambda device: "bf16")
    monkeypatch.setitem(training.AHEAD, "cpu", 1)
    monkeypatch.setattr(MaskedBatch, "visible", lambda self, mask: visible_at_once(mask, padded=True))
    found = distill(arms, settings[1], teacher=world.teacher, debiased=world.teacher, progress=False)
    for name in found:
        metrics = [pd.read_parquet(folder[name] / "metrics.parquet") for folder in (plain, found)]
        assert not metrics[0].equals(metrics[1])  # it is another precision
        assert np.isfinite(metrics[1]).all(axis=None)
        pd.testing.assert_frame_equal(*metrics, rtol=0.03, atol=0.003)
        assert {tensor.dtype for tensor in load_file(found[name] / "model.safetensors").values()} == {torch.float32}


def test_how_much_is_read_at_once_is_no_part_of_a_key(world):
    setting = Setting(world.corpus, RECIPE, 0, world.store, CPU)
    recipe = dataclasses.replace(RECIPE, micro_batch_tokens=100)
    other = Setting(world.corpus, recipe, 0, world.store, CPU, 100)
    assert student_key(ARMS[0], setting, teacher=world.teacher) == student_key(ARMS[0], other, teacher=world.teacher)
