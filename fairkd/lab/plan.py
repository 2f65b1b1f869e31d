"""What a profile needs, and what of it is there already."""

from __future__ import annotations

import math
import time
from typing import Any

import pandas as pd
import torch

from fairkd.engine.loading import load_config, resolve
from fairkd.engine.setup import setup
from fairkd.engine.store import Store
from fairkd.engine.training import precision
from fairkd.frames import STUDENTS
from fairkd.lab.cost import Shape
from fairkd.lab.estimate import UTILISATION, TextSize, disk_of, expected_cost, reads
from fairkd.lab.materials import Materials
from fairkd.profile import Profile
from fairkd.teachers import checkpoints as teachers
from fairkd.wording import duration


def plan(profile: Profile) -> pd.DataFrame:
    """What a profile needs and what the store has of it; trains, downloads and writes nothing.

    Columns: :data:`fairkd.frames.STUDENTS`. The state is "in store",
    "unfinished, N steps" or "to train", with the reason where keys are not known because teacher or corpus are not here
    yet.

    Raises:
        InputError: an arm is deeper than the teacher, or no update would change a weight.
    """
    materials = Materials(profile)
    missing = {own.teacher_seed: own.missing() for own in materials.family}
    if "checkpoint" in materials.__dict__:
        materials.check(profile.all_arms())
    rows = []
    for arm in profile.all_arms():
        for seed in profile.student_seeds:
            of = profile.teacher_of(seed)
            absent = missing[of]
            if not absent and arm.teacher == "debiased" and not materials.of(of).is_debiased():
                absent = "teacher not debiased yet"
            key = "" if absent else materials.student_key(arm, seed)
            state = f"to train; {absent}" if absent else _state(materials.store, key)
            row = {"arm": arm.name, "layers": arm.layers, "losses": "+".join(arm.losses)}
            row |= {"mix": "".join(arm.levels), "teacher": arm.teacher if arm.needs_teacher else ""}
            rows.append(row | {"seed": seed, "state": state, "key": key})
    return pd.DataFrame(rows, columns=STUDENTS)


def _state(store: Store, key: str) -> str:
    if store.find(key):
        return "in store"
    steps = sorted(store.unfinished(key).glob("step-*"))
    return f"unfinished, {int(steps[-1].name.removeprefix('step-'))} steps" if steps else "to train"


def cost(profile: Profile) -> list[tuple[str, str]]:
    """What a profile's training costs, from the cost model and this machine's own matrix products.

    Trains and writes nothing; of a teacher on the hub it reads the configuration. Where the corpus has not been
    tokenised, sequences are taken to be ``max_length`` long, and totals are known only if ``max_steps`` is given.

    Returns:
        Quantity and value, in words.

    Raises:
        InputError: the teacher's configuration cannot be read, or an arm is deeper than the teacher.
    """
    materials = Materials(profile, progress=False)
    missing = materials.missing()
    corpus = None if missing else materials.corpus
    text = TextSize(len(corpus.train), int(corpus.train.lengths.sum())) if corpus else None
    found = expected_cost(profile, Shape.of(_config(materials)), text, device=materials.device.type)
    peak = matmul_rate(materials.device)
    unknown = "not known before the corpus is tokenised (fairkd train begins with it)"
    trainings = "one training, of the one seed" if found.trainings == 1 else f"{found.trainings} trainings, one a seed"
    rows = [
        ("corpus", "in store" if corpus else missing),
        ("tokens of a sequence", f"{found.length:.0f}" + ("" if corpus else " at most")),
        ("students", f"{found.arms} at once in {trainings}"),
        ("tokens an update", f"{found.tokens:,.0f}"),
        ("FLOPs an update, all students", f"{found.update_flops:.3g}"),
        ("FLOPs of the teacher's adaptation, if it is needed", f"{found.adapting_flops:.3g}"),
        ("updates a training", unknown if found.updates is None else f"{found.updates:,}"),
    ]
    if found.updates is not None and found.flops is not None:
        rows.append(("a student reads", reads(profile, found, text)))
        rows.append(("FLOPs of all trainings", f"{found.flops:.3g}"))
        rate = f"at {UTILISATION:.0%} of {peak / 1e9:,.0f} GFLOP/s"
        rows.append((f"time on this device {rate}", duration(found.flops / (UTILISATION * peak))))
    return [*rows, ("peak memory", f"{found.memory / 1e9:.1f} GB"), ("disk", disk_of(found.disk, found.checkpoints))]


def matmul_rate(device: torch.device, size: int = 2048) -> float:
    """FLOP/s of a square matrix product in the precision of training; best of three."""
    setup()
    dtype = torch.bfloat16 if precision(device) == "bf16" else torch.float32
    a = torch.ones(size, size, device=device, dtype=dtype)
    best = math.inf
    for _ in range(4):
        started = time.perf_counter()
        float((a @ a)[0, 0])  # waits for a GPU
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def _config(materials: Materials) -> Any:
    """The teacher's configuration; its weights are not downloaded for it."""
    profile = materials.profile
    if teachers.is_here(profile.teacher.source, profile.path(profile.teacher.source)):
        materials.check(profile.all_arms())
        return materials.checkpoint.model.config
    return load_config(resolve(profile.teacher.source))
