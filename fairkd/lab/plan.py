"""What a profile needs, and what of it is there already."""

from __future__ import annotations

import math
import time
from typing import Any

import pandas as pd
import torch

from fairkd.engine.fused_losses import CHUNK
from fairkd.engine.loading import load_config, resolve
from fairkd.engine.setup import setup
from fairkd.engine.store import Store
from fairkd.engine.training import precision
from fairkd.frames import STUDENTS
from fairkd.lab.cost import BYTES, BatchSize, Shape, body_flops, head_flops, memory_bytes, step_flops
from fairkd.lab.materials import Materials
from fairkd.profile import Profile
from fairkd.teachers import checkpoints as teachers
from fairkd.text.corpus import Corpus

UTILISATION = 0.5
"""Share of the measured matmul peak that the estimated times assume; ``python -m benchmarks`` measures it."""
SWAPPED = 0.5
"""Share of the tokens in sequences with a gender word that the estimates assume."""


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
    teacher, recipe = Shape.of(_config(materials)), profile.recipe
    arms = list({str(arm.content()): arm for arm in profile.all_arms()}.values())  # equal content is trained once
    corpus = None if missing else materials.corpus
    length = float(corpus.train.lengths.mean()) if corpus else float(profile.corpus.max_length)
    schedule = recipe.schedule(len(corpus.train)) if corpus else None
    updates = schedule.updates if schedule else recipe.max_steps
    batch = batch_of(recipe, recipe.batch_size, length)
    step = step_flops(teacher, arms, batch)
    update = recipe.gradient_accumulation_steps * step
    adapting = (
        len(profile.teacher_seeds)
        * profile.teacher.adapt_steps
        * adaptation_flops(teacher, profile.teacher.adapt_batch_size, length, recipe.mlm_mask_prop)
    )
    peak = matmul_rate(materials.device)
    memory = memory_bytes(teacher, arms, batch, chunk=CHUNK[materials.device.type])
    disk = BYTES * len(profile.student_seeds) * sum(teacher.at_depth(arm.layers).parameters for arm in arms)
    unknown = "not known before the corpus is tokenised (fairkd train begins with it)"
    seeds = len(profile.student_seeds)
    trainings = "one training, of the one seed" if seeds == 1 else f"{seeds} trainings, one a seed"
    rows = [
        ("corpus", "in store" if corpus else missing),
        ("tokens of a sequence", f"{length:.0f}" + ("" if corpus else " at most")),
        ("students", f"{len(arms)} at once in {trainings}"),
        ("tokens an update", f"{batch.tokens * recipe.gradient_accumulation_steps:,.0f}"),
        ("FLOPs an update, all students", f"{update:.3g}"),
        ("FLOPs of the teacher's adaptation, if it is needed", f"{adapting:.3g}"),
        ("updates a training", unknown if updates is None else f"{updates:,}"),
    ]
    if updates is not None:
        total = len(profile.student_seeds) * (schedule.batches_read * step if schedule else updates * update)
        rows.append(("a student reads", _reads(profile, updates, length, corpus)))
        rows.append(("FLOPs of all trainings", f"{total:.3g}"))
        rate = f"at {UTILISATION:.0%} of {peak / 1e9:,.0f} GFLOP/s"
        rows.append((f"time on this device {rate}", _duration(total / (UTILISATION * peak))))
    return [*rows, ("peak memory", f"{memory / 1e9:.1f} GB"), ("disk for students", f"{disk / 1e9:.1f} GB")]


def _reads(profile: Profile, updates: int, length: float, corpus: Corpus | None) -> str:
    """How much a student reads in its updates, estimated from the mean length, and what share of the text that is."""
    recipe = profile.recipe
    sequences = updates * recipe.gradient_accumulation_steps * recipe.batch_size
    text = f"about {sequences:,} sequences, {sequences * length:,.0f} tokens" + ("" if corpus else " at most")
    if corpus is None:
        return text
    whole = int(corpus.train.lengths.sum())
    return f"{text}; one pass over the training text is {len(corpus.train):,} sequences, {whole:,} tokens"


def batch_of(recipe: Any, sequences: int, length: float) -> BatchSize:
    """The expected batch of so many sequences of a mean length: rows of each loss, gender words in half of them."""
    tokens = sequences * length
    ce, mlm = recipe.ce_token_fraction * tokens, recipe.mlm_mask_prop * tokens
    return BatchSize(tokens, length, ce, mlm, ce + (1 - recipe.ce_token_fraction) * mlm, SWAPPED)


def adaptation_flops(teacher: Shape, sequences: int, length: float, mask_prop: float) -> float:
    """An update of the teacher's adaptation: forward and backward pass, the head at the labelled tokens."""
    tokens = sequences * length
    return 3 * (body_flops(teacher, tokens, length) + head_flops(teacher, mask_prop * tokens))


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


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.1f} seconds"


def _config(materials: Materials) -> Any:
    """The teacher's configuration; its weights are not downloaded for it."""
    profile = materials.profile
    if teachers.is_here(profile.teacher.source, profile.path(profile.teacher.source)):
        materials.check(profile.all_arms())
        return materials.checkpoint.model.config
    return load_config(resolve(profile.teacher.source))
