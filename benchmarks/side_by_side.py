"""Seeds side by side: ``python -m benchmarks.side_by_side`` trains the same students in three ways, and beside others.

One process with all threads, one process with one thread, and a process a core with one thread each; alone, and while
other processes are busy on every core, as when JupyterLab and a batch share a laptop. Prints updates a second of all
seeds together; the figures of one run only may be compared with each other.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from fairkd.engine.processes import cores, die_with_parent
from fairkd.engine.side_by_side import one_thread, side_by_side
from fairkd.lab.materials import Materials
from fairkd.profile import Profile

BUSY = "import torch; torch.set_num_threads(1); a = torch.ones(700, 700)\nwhile True: a @ a"
SHAPES = {"planted": {"teacher_hidden": 64, "max_length": 48, "batch_size": 16}, "quick": {"teacher_hidden": 384}}


def main(
    updates: Annotated[int, typer.Option(min=2, help="Of each seed.")] = 40,
    quick: Annotated[bool, typer.Option(help="Small and short: only that it runs.")] = False,
) -> None:
    """Measures and prints a line a shape and way."""
    for name, shape in SHAPES.items():
        if quick:
            shape, updates = {"teacher_hidden": 16, "max_length": 32}, 2
        with tempfile.TemporaryDirectory() as folder:
            profile = Profile.load("planted" if name == "planted" else "quick").changed(
                teacher="scratch", teacher_layers=3, adapt_steps=2, max_steps=updates, arms=["full"], depths=[1],
                student_layers=2, seeds=list(range(2 * cores())), teacher_seeds=[0], planted_strengths=None,
                debias_without_seat_words=False, glue_source=None, device="cpu", **shape,
            )  # fmt: skip
            for busy in (0, cores() + 1):
                with others(busy):
                    print(json.dumps(measured(name, profile, Path(folder), busy)), flush=True)


def measured(name: str, profile: Profile, folder: Path, busy: int) -> dict[str, object]:
    """Updates a second of all seeds in each way, and how much faster a process a core is."""
    found = {}
    for way in ("all threads", "one thread", "a process a core"):
        own = profile.changed(store_dir=str(folder / f"{way} {busy}"))
        materials = Materials(own, progress=False)
        materials.make_teachers(debiased=False)
        started = time.perf_counter()
        calls = [(own, seed) for seed in own.seeds]
        if way == "a process a core":
            side_by_side(train_one, calls, here=False)
        else:
            with one_thread() if way == "one thread" else nullcontext():
                for call in calls:
                    train_one(*call)
        rate = len(calls) * own.recipe.max_steps / (time.perf_counter() - started)
        found[way] = round(rate, 2)
    return {"shape": name, "busy processes": busy, **found, "ratio": round(rate / found["all threads"], 2)}


def train_one(profile: Profile, seed: int) -> None:
    """The students of one seed, with the threads that this process has."""
    from fairkd.distill import distill

    materials = Materials(profile, progress=False)
    distill(profile.all_arms(), materials.setting(seed), teacher=materials.teacher, progress=False)


@contextmanager
def others(count: int) -> Iterator[None]:
    """So many processes that multiply matrices."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY], preexec_fn=die_with_parent) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


if __name__ == "__main__":
    typer.run(main)
