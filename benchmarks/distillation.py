"""Goals a to d: steps of co-distillation against the published recipe taken literally (:mod:`benchmarks.baseline`).

Both read the same batches, in turn; only fairkd tells the allocator to keep freed memory, and has oneDNN multiply where
that pays (:mod:`fairkd.engine.products`).
"""

from __future__ import annotations

import copy
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertForMaskedLM

from benchmarks.baseline import Baseline
from benchmarks.machine import (
    HELD_OUT,
    WARM_UP,
    give_freed_memory_back,
    matmul_peak,
    peak_extra_bytes,
    plain_products,
    seconds,
)
from benchmarks.table import Row
from fairkd.arms import Arm, named_arm
from fairkd.batches import MaskedBatch, MaskedBatches, Setting
from fairkd.engine.heads import last_hidden
from fairkd.engine.processes import keep_freed_memory
from fairkd.engine.recipe import Recipe
from fairkd.engine.store import Store
from fairkd.engine.training import Learner
from fairkd.gender import PairTable, appendix_c
from fairkd.lab.cost import BatchSize, Shape, step_flops
from fairkd.mixup import Mixup
from fairkd.objective import arm_losses, supervise
from fairkd.students import student_from_teacher
from fairkd.teachers.checkpoints import load_checkpoint
from fairkd.text import corpus as corpora

EIGHT = ("full", "no-cos", "no-ce", "mixup-h", "mixup-x", "mixup-yh", "mixup-xyh", "mixup-xy")
"""The six-layer arms of Tables 1 and 2 that have the original teacher."""


@dataclass(frozen=True)
class Shapes:
    """Shapes of teacher and students, the length at which text is cut, tokens a batch (about), and the text."""

    layers: int = 12
    student_layers: int = 6
    hidden: int = 768
    max_length: int = 128
    tokens: int = 1024
    corpus: str = "embedded"


SMALL = Shapes(layers=2, student_layers=1, hidden=64, tokens=128, corpus="generated")
"""For ``--quick``."""


class Scene:
    """A teacher with random weights, a corpus, and masked batches."""

    def __init__(self, setting: Shapes, device: torch.device, folder: str) -> None:
        self.setting, self.device = setting, device
        tokenizer, length = load_checkpoint("embedded").tokenizer, setting.max_length
        options = {"store": Store(folder), "heldout_fraction": HELD_OUT, "max_length": length, "progress": False}
        self.corpus = corpora.build([setting.corpus], tokenizer, **options)
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(tokenizer), num_hidden_layers=setting.layers, hidden_size=setting.hidden,
            intermediate_size=4 * setting.hidden, num_attention_heads=max(1, setting.hidden // 64),
        )  # fmt: skip
        self.teacher = BertForMaskedLM(config).to(device).eval()
        self.recipe = Recipe(batch_size=max(1, round(setting.tokens / self.corpus.train.lengths.mean())))
        self.pairs = PairTable(appendix_c(), tokenizer)
        run = Setting(self.corpus, self.recipe, 0, Store(folder), device)
        batches = MaskedBatches(run, tokenizer, Mixup(self.pairs))
        near = sorted(range(min(64, len(batches))), key=lambda n: abs(batches[n].tokens - setting.tokens))
        self.batches: list[MaskedBatch] = [batches[n] for n in near]

    def student(self) -> Any:
        return student_from_teacher(self.teacher, self.setting.student_layers).to(self.device).train()

    def arm(self, name: str) -> Arm:
        return named_arm(name, student_layers=self.setting.student_layers)

    def flops(self, arms: list[Arm], batch: MaskedBatch) -> float:
        """Model FLOPs of one step, without padding."""
        swapped = 0.0 if batch.mixing is None else float(batch.mixing.swapped_mask.sum()) / batch.tokens
        counts = BatchSize(
            tokens=batch.tokens, length=batch.tokens / len(batch.corrupted), ce_rows=len(batch.ce_rows),
            mlm_rows=len(batch.mlm_rows), head_rows=len(batch.head_rows), swapped=swapped,
        )  # fmt: skip
        return step_flops(Shape.of(self.teacher.config), arms, counts)


class Passes:
    """Co-distillation as the training loop does it, one update a call."""

    def __init__(self, scene: Scene, names: tuple[str, ...]) -> None:
        self.scene, self.arms = scene, [scene.arm(name) for name in names]
        self.learners = [self._learner(arm) for arm in self.arms]

    def _learner(self, arm: Arm) -> Learner:
        recipe = self.scene.recipe
        return Learner(
            name=arm.name, model=self.scene.student(), recipe=recipe, folder=Path(),
            losses=lambda model, supervision: arm_losses(model, supervision, arm, recipe),
        )  # fmt: skip

    def step(self, number: int) -> None:
        """The update on the batch of this number."""
        scene, batch = self.scene, self.scene.batches[number]
        supervision = supervise({"original": scene.teacher}, batch, self.arms, scene.recipe, scene.device)
        for learner in self.learners:
            learner.backward(supervision, number, scene.device)
            learner.step(1000)


def run(quick: bool, device: torch.device, repeats: int = 3) -> list[Row]:
    """Rows a, b, c and d."""
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(SMALL if quick else Shapes(), device, folder)
        memory = _memory(scene)
        literal, one, eight, peak = _in_turn(scene, repeats, quick)
        arms = [scene.arm(name) for name in EIGHT]
        batches = scene.batches[WARM_UP : WARM_UP + repeats]
        rates = [scene.flops(arms, batch) / spent for batch, spent in zip(batches, eight, strict=True)]
    tokens = [batch.tokens for batch in batches]
    facts: dict[str, Any] = asdict(scene.setting) | {
        "vocabulary": scene.teacher.config.vocab_size, "tokens": tokens,
        "batches": [list(batch.corrupted.shape) for batch in batches],
    }  # fmt: skip
    ratio_a = [b / a for a, b in zip(one, literal["full"], strict=True)]
    all_literal = [sum(literal[name][n] for name in EIGHT) for n in range(repeats)]
    ratio_b = [b / a for a, b in zip(eight, all_literal, strict=True)]
    one_rate = {"tokens_per_second": [round(t / s, 1) for t, s in zip(tokens, one, strict=True)]}
    return [
        Row("a", "one arm, tokens/s against the baseline", 1.8, ratio_a, "×", facts | one_rate | {
            "seconds": one, "baseline_seconds": literal["full"]}),
        Row("b", "eight arms in one pass against eight baseline runs", 3.0, ratio_b, "×", facts | {
            "seconds": eight, "baseline_seconds": literal}),
        Row("c", "model FLOPs of b, share of the matmul peak", 0.6, [rate / peak for rate in rates], "", {
            "flops_per_second": rates, "matmul_peak": peak}),
        Row("d", "extra memory of the losses against the baseline's", 0.25, [memory[0] / memory[1]], "×", {
            "bytes": memory[0], "baseline_bytes": memory[1]}, at_most=True),
    ]  # fmt: skip


def _in_turn(scene: Scene, repeats: int, quick: bool) -> tuple[dict[str, list[float]], list[float], list[float], float]:
    """Seconds of the baseline's arms, of one arm and of eight, batch after batch, and the best matmul rate between.

    On every batch all three do their work, so that a neighbour on the machine slows all of them.
    """
    baseline, on_cpu = literal_baseline(scene), scene.device.type == "cpu"
    one, eight = Passes(scene, ("full",)), Passes(scene, EIGHT)
    spent: dict[str, list[float]] = {name: [] for name in (*EIGHT, "one", "eight")}
    peak = 0.0
    for number in range(WARM_UP + repeats):
        if on_cpu:
            give_freed_memory_back()
        with plain_products():
            for name in EIGHT:
                baseline.arm = scene.arm(name)
                spent[name].append(seconds(lambda n=number: baseline.step(scene.batches[n]), scene.device))
        if on_cpu:
            keep_freed_memory()
        for name, passes in (("one", one), ("eight", eight)):
            spent[name].append(seconds(lambda p=passes, n=number: p.step(n), scene.device))
        peak = max(peak, matmul_peak(scene.device, quick=quick))
    timed = {name: found[WARM_UP:] for name, found in spent.items()}
    return {name: timed[name] for name in EIGHT}, timed["one"], timed["eight"], peak


def literal_baseline(scene: Scene) -> Baseline:
    """The baseline with attention written out, as the published program had it: softmax, dropout, two products."""
    teacher, student = copy.deepcopy(scene.teacher), scene.student()
    for model in (teacher, student):
        model.set_attn_implementation("eager")
    return Baseline(teacher, student, scene.arm("full"), scene.recipe, scene.pairs)


def _memory(scene: Scene) -> tuple[int, int]:
    """Bytes that the losses of one step of the arm "full" need beyond the hidden states of both models: (ours, theirs).

    From hidden states to the gradients of hidden states and of the MLM head, L_cos left out.
    """
    from fairkd.engine.fused_losses import Targets, soft_targets, vocabulary_losses
    from fairkd.engine.heads import vocabulary_logits

    batch, student, recipe = scene.batches[1], scene.student(), scene.recipe
    weights, baseline = recipe.weights, Baseline(scene.teacher, student, scene.arm("full"), recipe, scene.pairs)
    with torch.no_grad():
        taught, found = (last_hidden(m, batch.corrupted, batch.attention_mask) for m in (scene.teacher, student))
    found.requires_grad_()

    def ours() -> None:
        with torch.no_grad():
            soft = soft_targets(scene.teacher, taught.flatten(0, 1)[batch.ce_rows], recipe.temperature)
        labels = batch.labels.flatten()[batch.mlm_rows]
        targets = Targets(soft, labels, recipe.temperature, weights["ce"], weights["mlm"])
        vocabulary_losses(student, found.flatten(0, 1)[batch.head_rows], targets)[0].backward()

    def theirs() -> None:
        with torch.no_grad():
            teacher_logits = vocabulary_logits(scene.teacher, taught)
        baseline.vocabulary_loss(vocabulary_logits(student, found), teacher_logits, batch).backward()

    sizes = []
    for work in (ours, theirs):
        student.zero_grad()
        found.grad = None
        sizes.append(peak_extra_bytes(work, scene.device))
    return sizes[0], sizes[1]
