"""What mixup costs: a co-distillation step of students that mix over the same step of students that do not.

    python benchmarks/mixup_cost.py [--steps 6] [--students 4]

Both kinds of step run in turn in one process, on the quick profile's teacher (unadapted) and corpus: a step is the
teacher's reading, and forward and backward passes of every student. The ratio is what counts, not the seconds.
"""

from __future__ import annotations

import statistics
import tempfile
import time

import torch
import typer

from benchmarks.machine import HELD_OUT
from fairkd.arms import Arm
from fairkd.batches import MaskedBatches, Setting
from fairkd.engine.processes import keep_freed_memory
from fairkd.engine.recipe import Recipe
from fairkd.engine.store import Store
from fairkd.gender import PairTable, appendix_c
from fairkd.mixup import Mixup
from fairkd.objective import arm_losses, supervise
from fairkd.students import student_from_teacher
from fairkd.teachers.checkpoints import load_checkpoint
from fairkd.text import corpus as corpora

CPU = torch.device("cpu")
LEVELS = (("x", "y"), ("h",), ("x",), ("x", "y", "h"), ("y", "h"), ("y",), ("x", "h"))


def main(steps: int = 6, students: int = 4) -> None:
    """Prints the ratio of a step with mixup to one without, and the second reading as a share of the first."""
    keep_freed_memory()
    teacher = load_checkpoint("embedded")
    recipe = Recipe(batch_size=12, ce_token_fraction=0.15)
    with tempfile.TemporaryDirectory() as folder:
        corpus = corpora.build(
            ["embedded"],
            teacher.tokenizer,
            store=Store(folder),
            heldout_fraction=HELD_OUT,
            max_length=128,
            progress=False,
        )
        mixup = Mixup(PairTable(appendix_c(), teacher.tokenizer))
        batches = MaskedBatches(Setting(corpus, recipe, 0, Store(folder), CPU), teacher.tokenizer, mixup)
        plain = [Arm(name=f"plain-{n}", layers=3) for n in range(students)]
        mixing = [Arm(name=f"mix-{n}", layers=3, mix=LEVELS[n % len(LEVELS)]) for n in range(students)]
        models = [student_from_teacher(teacher.model, 3).train() for _ in range(students)]
        measure(teacher.model, models, batches, plain, mixing, recipe, steps)


def measure(teacher, models, batches, plain, mixing, recipe, steps) -> None:  # type: ignore[no-untyped-def]
    """Times both kinds of step on the same batches, in turn."""
    seconds: dict[str, list[float]] = {"plain": [], "mixing": [], "one reading": [], "both readings": []}
    for number in range(steps + 1):
        batch = batches[number]
        for name, reading, arms in (("plain", "one reading", plain), ("mixing", "both readings", mixing)):
            started = time.perf_counter()
            supervision = supervise({"original": teacher}, batch, arms, recipe, CPU)
            read = time.perf_counter()
            for model, arm in zip(models, arms, strict=True):
                arm_losses(model, supervision, arm, recipe)[0].backward()
            if number:  # the first step warms up
                seconds[reading].append(read - started)
                seconds[name].append(time.perf_counter() - started)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    rows = sum(len(batches[n].mixing.swapped) for n in range(1, steps + 1)) / steps
    print(f"students {len(models)}, sequences with a gender word a batch {rows:.1f} of {recipe.batch_size}")
    print(f"teacher: both readings / one reading = {median['both readings'] / median['one reading']:.2f}")
    print(f"step: with mixup / without = {median['mixing'] / median['plain']:.3f}")
    extra = (median["mixing"] - median["plain"]) / median["one reading"]
    print(f"what mixup adds to a step, in teacher readings = {extra:.2f}")


if __name__ == "__main__":
    typer.run(main)
