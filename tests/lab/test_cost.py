"""The cost model against operations that were counted, weights that were made, and tensors that were kept."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForMaskedLM

from benchmarks.machine import peak_extra_bytes
from fairkd.arms import Arm, named_arm
from fairkd.batches import MaskedBatches, Setting
from fairkd.engine.fused_losses import CHUNK
from fairkd.engine.recipe import Recipe
from fairkd.engine.training import Learner
from fairkd.gender import PairTable, appendix_c
from fairkd.lab.cost import BatchSize, Shape, activation_bytes, memory_bytes, step_flops
from fairkd.mixup import Mixup
from fairkd.objective import arm_losses, supervise
from fairkd.students import student_from_teacher

CPU = torch.device("cpu")
ARMS = ("full", "no-cos", "no-ce", "mlm-only", "mixup-h", "mixup-xy")


def teacher_of(vocab, hidden=64, layers=4):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=vocab, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=4,
        intermediate_size=4 * hidden, attn_implementation="eager",
    )  # fmt: skip
    return BertForMaskedLM(config).eval()


def counts_of(batch):
    swapped = 0.0 if batch.mixing is None else batch.mixing.swapped.numel() / batch.corrupted.numel()
    return BatchSize(
        tokens=batch.corrupted.numel(), length=batch.corrupted.shape[1], ce_rows=len(batch.ce_rows),
        mlm_rows=len(batch.mlm_rows), head_rows=len(batch.head_rows), swapped=swapped,
    )  # fmt: skip


@pytest.fixture(params=[1.0, 0.4])
def batch(world, request):
    recipe = Recipe(batch_size=8, ce_token_fraction=request.param)
    pairs = PairTable(appendix_c(), world.tokenizer)
    return recipe, MaskedBatches(Setting(world.corpus, recipe, 0, world.store, CPU), world.tokenizer, Mixup(pairs))[1]


@pytest.mark.parametrize("names", [(name,) for name in ARMS] + [ARMS], ids="+".join)
def test_flops_are_those_that_a_step_does(world, batch, names):
    recipe, batch = batch
    teacher, arms = teacher_of(len(world.tokenizer)), [named_arm(name, student_layers=2) for name in names]
    students = [student_from_teacher(teacher, 2).train() for _ in arms]
    for student in students:
        student.distilbert.config._attn_implementation = "eager"
    with FlopCounterMode(display=False) as counter:
        supervision = supervise({"original": teacher}, batch, arms, recipe, CPU)
        for arm, student in zip(arms, students, strict=True):
            arm_losses(student, supervision, arm, recipe)[0].backward()
    expected = step_flops(Shape.of(teacher.config), arms, counts_of(batch))
    assert counter.get_total_flops() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("layers", [1, 3])
def test_parameters_are_those_of_a_student(layers):
    teacher = teacher_of(100)
    student = student_from_teacher(teacher, layers)
    assert Shape.of(teacher.config).at_depth(layers).parameters == sum(p.numel() for p in student.parameters())


def test_activations_are_those_that_autograd_keeps(world, batch):
    """Distinct storages that the body keeps for its backward pass, the weights not among them."""
    _, batch = batch
    teacher = teacher_of(len(world.tokenizer), hidden=128)
    student = student_from_teacher(teacher, 4).train()
    weights = {p.untyped_storage().data_ptr() for p in student.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        hidden = student.distilbert(input_ids=batch.corrupted, attention_mask=batch.attention_mask).last_hidden_state
    assert hidden.requires_grad
    expected = activation_bytes(Shape.of(student.config), batch.corrupted.numel(), batch.corrupted.shape[1])
    assert sum(kept.values()) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("passes", [1, 2])
@pytest.mark.parametrize("names", [("full",), ARMS], ids="+".join)
def test_memory_is_what_a_step_holds_at_its_peak(world, names, passes):
    """Weights and moments as they are, and beyond them the most that one update holds (allocations counted)."""
    recipe = Recipe(batch_size=16, gradient_accumulation_steps=passes)
    mixup = Mixup(PairTable(appendix_c(), world.tokenizer))
    batch = MaskedBatches(Setting(world.corpus, recipe, 0, world.store, CPU), world.tokenizer, mixup)[1]
    teacher = teacher_of(30522, hidden=128)
    arms = [named_arm(name, student_layers=4) for name in names]
    learners = [
        Learner(
            name=arm.name, model=student_from_teacher(teacher, 4).train(), recipe=recipe, folder=Path(),
            losses=lambda model, supervision, arm=arm: arm_losses(model, supervision, arm, recipe),
        )
        for arm in arms
    ]  # fmt: skip

    def step():
        for number in range(passes):
            supervision = supervise({"original": teacher}, batch, arms, recipe, CPU)
            for learner in learners:
                learner.backward(supervision, 0, CPU)
                if number == passes - 1:
                    learner.step(100)

    step()  # makes the moments
    kept = sum(p.nbytes for model in (teacher, *(learner.model for learner in learners)) for p in model.parameters())
    moments = sum(
        t.nbytes for learner in learners for state in learner.optimizer.state.values() for t in state.values()
    )
    measured = kept + moments + peak_extra_bytes(step, CPU)
    expected = memory_bytes(Shape.of(teacher.config), arms, counts_of(batch), chunk=CHUNK["cpu"], passes=passes)
    assert expected == pytest.approx(measured, rel=0.15)


def test_memory_counts_what_stays_once_an_arm_and_what_passes_once():
    shape = Shape(12, 768, 3072, 30522)
    batch = BatchSize(tokens=1024, length=128, ce_rows=1024, mlm_rows=154, head_rows=1024)
    one, two, three = (
        memory_bytes(shape, [Arm(name=f"arm-{n}", layers=6) for n in range(many)], batch, chunk=256)
        for many in (1, 2, 3)
    )
    assert three - two == pytest.approx(two - one) == pytest.approx(3 * 4 * shape.at_depth(6).parameters)
