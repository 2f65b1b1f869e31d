"""``python -m benchmarks.gpu [--quick] [--out FILE]``: does training work on this device, and how fast is it?

Made for a CUDA machine with little installed: torch, transformers, tokenizers, safetensors, NumPy, pandas and what
:mod:`fairkd.distill` imports; no file is read and nothing downloaded, the text is random. Part by part: the device's
losses, gradients, update and SEAT beside the CPU's, in fp32 and in the precision of training; a training that stops and
goes on, to the same bits; tokens a second, share of the device's own matmul peak, kernels and memory of one arm and of
the grid at BERT-base shapes, beside the published recipe taken literally (:mod:`benchmarks.baseline`) and the plan.

``--quick`` takes small shapes: it shows that everything runs. On a machine without CUDA it runs on the CPU.
"""

from __future__ import annotations

import copy
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.baseline import Baseline
from benchmarks.machine import matmul_peak, peak_extra_bytes, seconds
from fairkd import seat
from fairkd.arms import NAMED, Arm, capacity_arms, named_arm
from fairkd.batches import MaskedBatch, MaskedBatches, Setting
from fairkd.distill import distill
from fairkd.engine import training
from fairkd.engine.chunks import CHUNK
from fairkd.engine.digests import weights_digest
from fairkd.engine.provenance import environment
from fairkd.engine.recipe import Recipe
from fairkd.engine.saving import Writer
from fairkd.engine.store import Store
from fairkd.engine.training import Learner
from fairkd.gender import PairTable, appendix_c
from fairkd.lab.cost import BatchSize, Shape, memory_bytes, step_flops
from fairkd.lab.estimate import tokens_at_once
from fairkd.micro_batches import read, shares_of
from fairkd.mixup import Mixup
from fairkd.objective import arm_losses, supervise
from fairkd.students import student_from_teacher
from fairkd.teachers.checkpoints import Teacher, from_scratch, small_tokenizer
from fairkd.text.random_text import RandomText

CPU = torch.device("cpu")
EIGHT = ("full", "no-cos", "no-ce", "mixup-h", "mixup-x", "mixup-yh", "mixup-xyh", "mixup-xy")
"""The six-layer arms of Tables 1 and 2 that have the original teacher."""
DEPTHS = (1, 2, 3, 4, 6, 8, 10, 12)
"""Of Figure 1, as the profile ``paper`` has them; with the other arms, 18 of its 19, as one teacher is enough here."""
ALLOWED = {"fp32": 1e-3, "bf16": 0.1, "seat": 1e-2}
"""Relative difference of gradients from the CPU's by precision, and difference of an effect size."""
WINDOW = 64
"""Batches of an update in the parts on speed: enough for several passes."""
BATCH_SIZE, MEAN_LENGTH = 8, 71


@dataclass(frozen=True)
class Size:
    """Of teacher and students in one part."""

    layers: int
    hidden: int
    vocabulary: int
    student_layers: int


BASE, SMALL = Size(12, 768, 30522, 6), Size(2, 64, 500, 1)


class Scene:
    """A teacher with random weights, random text, and the batches of an update, on a device."""

    def __init__(self, size: Size, device: torch.device, *, longest: int, window: int, store: Store) -> None:
        self.size, self.device = size, device
        self.tokenizer = small_tokenizer([" ".join(f"w{number}" for number in range(size.vocabulary - 400))])
        self.teacher = from_scratch(
            self.tokenizer, layers=size.layers, hidden=size.hidden, max_length=longest, initializer_range=0.02, seed=0
        ).to(device)
        pairs = [word.lower() for pair in appendix_c() for word in (pair.female, pair.male)]
        words = self.tokenizer.convert_tokens_to_ids(pairs)
        text = RandomText(self.tokenizer, BATCH_SIZE * window, mean=MEAN_LENGTH, longest=longest, words=words)
        counts = np.bincount(np.concatenate(text.ids), minlength=len(self.tokenizer))
        self.corpus: Any = SimpleNamespace(train=text, token_counts=counts, digest="random text")
        self.recipe = Recipe(
            batch_size=BATCH_SIZE, gradient_accumulation_steps=window, n_epoch=1000, max_steps=1000, warmup_prop=0.0
        )
        self.mixup = Mixup(PairTable(appendix_c(), self.tokenizer))
        self.store = store

    def batches(self, at_once: int | None = None, device: torch.device | None = None) -> MaskedBatches:
        setting = Setting(self.corpus, self.recipe, 0, self.store, device or self.device, at_once)
        return MaskedBatches(setting, self.tokenizer, self.mixup)

    def learner(self, arm: Arm, *, dropout: float, teacher: Any = None) -> Learner:
        student = student_from_teacher(teacher or self.teacher, arm.layers, dropout=dropout)
        device = next((teacher or self.teacher).parameters()).device
        return Learner(
            name=arm.name, model=student.to(device).train(), recipe=self.recipe, folder=Path(),
            losses=lambda model, supervision: arm_losses(model, supervision, arm, self.recipe),
        )  # fmt: skip

    def arm(self, name: str) -> Arm:
        return named_arm(name, student_layers=self.size.student_layers)


@contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """The block trains in "fp32" or "bf16", whatever the device."""
    before, training.precision = training.precision, lambda device: precision
    try:
        yield
    finally:
        training.precision = before


def equality(scene: Scene) -> list[dict[str, Any]]:
    """Losses, gradients and weights after one update on the device, beside fp32 on the CPU; relative differences."""
    rows = []
    teacher_there = copy.deepcopy(scene.teacher).to(CPU)
    for name in ("full", "mixup-xy", "mixup-xyh"):
        arm, found = scene.arm(name), {}
        for place, device, precision in (
            ("cpu", CPU, "fp32"), ("fp32", scene.device, "fp32"), ("bf16", scene.device, "bf16"),
        ):  # fmt: skip
            teacher = teacher_there if device == CPU else scene.teacher
            learner = scene.learner(arm, dropout=0.0, teacher=teacher)
            with computing_in(precision):
                batch = read(scene.batches(device=device), [0, 1, 2])
                supervision = supervise({"original": teacher}, batch, [arm], scene.recipe, device)
                learner.backward(supervision, 0, device, batches=3)
            terms = {term: float(value) for term, value in learner._window[0][1].items()}
            gradients = _flat(p.grad for p in learner.parameters.values() if p.grad is not None)
            learner.step(1000)
            found[place] = (terms, gradients, _flat(learner.parameters.values()))
        own_terms, own_gradients, own_weights = found.pop("cpu")
        for place, (terms, gradients, weights) in found.items():
            row = {"arm": name, "computed_in": place, "gradient": _relative(gradients, own_gradients)}
            row |= {f"L_{term}": abs(terms[term] / own_terms[term] - 1) for term in own_terms}
            rows.append(row | {"weights_after_an_update": float((weights - own_weights).abs().max())})
    return rows


def measured_alike(scene: Scene) -> float:
    """The largest difference of a SEAT effect size of the teacher, device beside CPU."""
    options: dict[str, Any] = {"n_samples": 100, "n_bootstrap": 10, "seed": 0}
    frames = []
    for device in (CPU, scene.device):
        model = copy.deepcopy(scene.teacher).to(device)
        found = dict(seat.measure_each(model, scene.tokenizer, ("mean",), **options, device=device))
        frames.append(found["mean"].table.effect_size.to_numpy())
    return float(np.abs(frames[0] - frames[1]).max())


def resumes_to_the_same_bits(scene: Scene, folder: Path) -> bool:
    """Two arms, with dropout, four updates: in one go, and stopped after the second."""
    recipe = replace(scene.recipe, max_steps=4, gradient_accumulation_steps=4, checkpoint_every=2)
    teacher = Teacher(scene.teacher, scene.tokenizer, weights_digest(scene.teacher.cpu()), "random", {})
    arms, results = [scene.arm("full"), scene.arm("mixup-xy")], []
    for name, stops in (("whole", False), ("stopped", True)):
        setting = Setting(scene.corpus, recipe, 0, Store(folder / name), scene.device, 2000)
        train = partial(distill, arms, setting, teacher=teacher, mixup=scene.mixup, progress=False)
        if stops:
            _stopped_after(2, train)
        made = [Store.manifest(path) for path in train().values()]
        assert {one["resumed_from_step"] for one in made} == {2 if stops else 0}, (
            "it was not stopped where it should be"
        )
        results.append([one["weights_digest"] for one in made])
    scene.teacher.to(scene.device)
    return results[0] == results[1]


def _stopped_after(update: int, train: Callable[[], Any]) -> None:
    save, saved = Learner.save, []

    def saves(self: Learner, writer: Writer) -> None:
        save(self, writer)
        saved.append(self.name)
        if self.update == update and len(saved) == 2:  # both arms
            raise KeyboardInterrupt

    Learner.save = saves  # type: ignore[method-assign]
    try:
        train()
    except KeyboardInterrupt:
        pass
    finally:
        Learner.save = save  # type: ignore[method-assign]


def speed(scene: Scene, names: list[str], arms: list[Arm], peak: float, repeats: int) -> dict[str, Any]:
    """One update of these arms: tokens a second, share of the peak, kernels of a pass, memory beside the plan's."""
    shape, longest = Shape.of(scene.teacher.config), int(scene.corpus.train.lengths.max())
    memory = _memory_of(scene.device)
    at_once = tokens_at_once(shape, arms, scene.recipe, longest=longest, memory=memory, chunk=CHUNK[scene.device.type])
    batches, learners = scene.batches(at_once), [scene.learner(arm, dropout=0.1) for arm in arms]
    window, flops, tokens = scene.recipe.gradient_accumulation_steps, 0.0, 0
    groups = shares_of(batches, range(window))
    passes = [read(batches, group) for group in groups]
    for batch in passes:
        flops += step_flops(shape, arms, _counted(batch))
        tokens += batch.tokens

    def pass_of(number: int, group: list[int], batch: MaskedBatch) -> None:
        supervision = supervise({"original": scene.teacher}, batch, arms, scene.recipe, scene.device)
        for learner in learners:
            learner.backward(supervision, number, scene.device, batches=len(group))

    def update() -> None:
        for number, (group, batch) in enumerate(zip(groups, passes, strict=True)):
            pass_of(number, group, batch)
        for learner in learners:
            learner.step(1000)

    update()  # makes the moments, and the libraries' plans
    spent = sorted(seconds(update, scene.device) for _ in range(repeats))
    middle = spent[len(spent) // 2]
    kept = 4 * (3 * sum(p.numel() for one in learners for p in one.parameters.values()) + _numbers(scene.teacher))
    largest = max(passes, key=lambda batch: batch.tokens)
    planned = memory_bytes(shape, arms, _counted(largest), chunk=CHUNK[scene.device.type], passes=len(groups))
    return {
        "arms": names, "tokens_of_an_update": tokens, "tokens_at_once": at_once, "passes": len(groups),
        "seconds": spent, "tokens_per_second": tokens / middle, "flops": flops, "share_of_peak": flops / middle / peak,
        "kernels_of_a_pass": _kernels(lambda: pass_of(0, groups[0], passes[0]), scene.device),
        "memory_bytes": kept + peak_extra_bytes(update, scene.device), "planned_memory_bytes": planned,
    }  # fmt: skip


def literal(scene: Scene, name: str, repeats: int) -> float:
    """Tokens a second of the published recipe: a batch a pass, attention written out."""
    teacher, arm = copy.deepcopy(scene.teacher), scene.arm(name)
    student = student_from_teacher(teacher, arm.layers).to(scene.device).train()
    for model in (teacher, student):
        model.set_attn_implementation("eager")
    baseline = Baseline(teacher, student, arm, scene.recipe, scene.mixup.pairs)
    batches = [scene.batches()[number] for number in range(min(8, len(scene.batches())))]

    def work() -> None:
        for batch in batches:
            baseline.step(batch)

    work()
    spent = sorted(seconds(work, scene.device) for _ in range(repeats))
    return sum(batch.tokens for batch in batches) / spent[len(spent) // 2]


def _counted(batch: MaskedBatch) -> BatchSize:
    swapped = 0.0 if batch.mixing is None else float(batch.mixing.swapped_mask.sum()) / batch.tokens
    return BatchSize(
        tokens=batch.tokens, length=batch.tokens / len(batch.corrupted), ce_rows=len(batch.ce_rows),
        mlm_rows=len(batch.mlm_rows), head_rows=len(batch.head_rows), swapped=swapped,
    )  # fmt: skip


def _flat(tensors: Any) -> Tensor:
    return torch.cat([tensor.detach().cpu().flatten() for tensor in tensors])


def _relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def _numbers(model: Any) -> int:
    return sum(p.numel() for p in model.parameters())


def _memory_of(device: torch.device) -> float:
    return float(torch.cuda.get_device_properties(device).total_memory) if device.type == "cuda" else 4e9


def _kernels(work: Callable[[], None], device: torch.device) -> int:
    """How many kernels the device runs; on a CPU, how many operators."""
    on_gpu = device.type == "cuda"
    kind = torch.profiler.ProfilerActivity.CUDA if on_gpu else torch.profiler.ProfilerActivity.CPU
    with torch.profiler.profile(activities=[kind]) as profile:
        work()
    return sum(event.count for event in profile.key_averages())


def main(quick: bool, out: Path, device: torch.device, repeats: int) -> None:
    """Every part; the file is written after each, so that a part that fails leaves those before it."""
    started = time.perf_counter()
    found: dict[str, Any] = {"quick": quick, **environment(device)}

    def tell(name: str, work: Callable[[], Any]) -> None:
        found[name] = work()
        found["seconds_in_all"] = round(time.perf_counter() - started, 1)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(found, indent=1, default=str))
        print(f"{found['seconds_in_all']:6.0f} s  {name}: {json.dumps(found[name], default=str)[:300]}", flush=True)

    size = SMALL if quick else BASE
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "store")
        small = Scene(SMALL, device, longest=64, window=4, store=store)
        tell("equality", lambda: equality(small))
        tell("seat_difference", lambda: measured_alike(small))
        tell("resumes_to_the_same_bits", lambda: resumes_to_the_same_bits(small, Path(folder)))
        tell("matmul_peak", lambda: matmul_peak(device, quick=quick))
        scene = Scene(size, device, longest=64 if quick else 512, window=2 if quick else WINDOW, store=store)
        tell("literal_tokens_per_second", lambda: literal(scene, "full", repeats))
        eight = [scene.arm(name) for name in EIGHT]
        others = [scene.arm(name) for name in NAMED if name not in (*EIGHT, "debiased-teacher")]
        grid = [*eight, *others, *capacity_arms(depth for depth in DEPTHS if depth != size.student_layers)]
        parts = {"one_arm": eight[:1], "eight_arms": eight, "grid": grid}
        for label, arms in {"one_arm": eight[:1], "grid": eight[:2]}.items() if quick else parts.items():
            tell(label, lambda arms=arms: speed(scene, [arm.name for arm in arms], arms, found["matmul_peak"], repeats))
    one = found["one_arm"]["tokens_per_second"] / found["literal_tokens_per_second"]
    tell("against_the_literal_recipe", lambda: {"one_arm": one})
    wrong = [row for row in found["equality"] if not row["gradient"] < ALLOWED[row["computed_in"]]]
    if wrong or not found["resumes_to_the_same_bits"] or not found["seat_difference"] < ALLOWED["seat"]:
        raise SystemExit(f"this device does not compute as it should: {wrong or found['seat_difference']}")


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small shapes: only that it runs")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/gpu.json"))
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    main(given.quick, given.out, torch.device(given.device), given.repeats)
