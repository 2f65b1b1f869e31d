"""How long a profile's students take on this device: a few batches of their own shapes, timed.

What is timed is what training does (:mod:`fairkd.engine.training`), with the same number of processes and threads.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import torch

from fairkd.arms import Arm
from fairkd.batches import MaskedBatches, Setting
from fairkd.engine.processes import keep_freed_memory
from fairkd.engine.recipe import Schedule
from fairkd.engine.saving import Writer
from fairkd.engine.scratch import scratch
from fairkd.engine.side_by_side import side_by_side, workers
from fairkd.engine.training import Learner
from fairkd.errors import InputError
from fairkd.lab.estimate import TextSize
from fairkd.lab.materials import Materials
from fairkd.lab.training import distinct, shared_out, training_jobs
from fairkd.micro_batches import read, shares_of
from fairkd.objective import arm_losses, supervise
from fairkd.profile import Profile
from fairkd.students import student_from_teacher
from fairkd.teachers.checkpoints import is_here
from fairkd.text.random_text import RandomText

TIMED_SECONDS, FEWEST = 8.0, 3
"""For so long batches are timed, and at least so many, after one that is not."""


@dataclass(frozen=True)
class Timed:
    """What the students of one piece of a training took.

    Attributes:
        token: seconds of a token of a batch, all students and their teachers' readings.
        update: seconds of the end of an update, where it has several batches; 0 where it is in ``token``.
        start: seconds until a process that does nothing else has begun, and imported the libraries.
        setup: seconds that a piece takes to begin.
        save: seconds in which a checkpoint of every student is written.
    """

    token: float
    update: float
    start: float = 0.0
    setup: float = 0.0
    save: float = 0.0


def measured_seconds(profile: Profile, text: TextSize) -> float:
    """Seconds in which this device would train all students of a profile, from a few batches of each piece.

    With the start of processes, checkpoints, and writing to the store.

    Args:
        profile: its parameters; its teacher must be here.
        text: size of the training text.

    Raises:
        InputError: the teacher has not been downloaded, or an arm cannot be trained.
    """
    jobs = training_jobs(profile)
    for materials, arms in jobs:
        if not is_here(profile.teacher.source, profile.path(profile.teacher.source)):
            raise InputError(
                f"--measure: the teacher {profile.teacher.source!r} is not here yet; fairkd prepare fetches it"
            )
        materials.check(arms)
    wanted = [(own, seed, distinct(arms)) for own, arms in jobs for seed in own.profile.student_seeds]
    several = len(profile.student_seeds) > 1
    apart = several and jobs[0][0].device.type == "cpu" and workers() > 1
    pieces, at_once = shared_out(wanted) if apart else (wanted, 1)
    kinds = {_names(arms): (own.profile, arms, text) for own, _, arms in pieces}
    calls = [*itertools.islice(itertools.cycle(kinds.values()), -(-len(kinds) // at_once) * at_once)]
    found = (
        side_by_side(_timed, calls, here=not apart, processes=at_once) if several else [_timed(*call) for call in calls]
    )
    for one in found:
        if isinstance(one, BaseException):
            raise one
    timed = dict(zip(kinds, found, strict=False))
    start = min(one.start for one in found) if apart else 0.0  # a process that timed several is older each time
    return start + sum(_seconds(own, seed, timed[_names(arms)], text) for own, seed, arms in pieces) / at_once


def _seconds(materials: Materials, seed: int, timed: Timed, text: TextSize) -> float:
    """Of one piece, whose arms were timed: to begin, to train, to write checkpoints and students."""
    recipe, on_gpu = materials.profile.recipe, materials.device.type == "cuda"
    own = materials.of(materials.profile.teacher_of(seed))
    if own.corpus_here() is None:
        schedule = recipe.schedule(text.sequences)
        tokens = schedule.batches_read * recipe.batch_size * text.tokens / text.sequences
    else:  # of a small study the batches are few, and longer or shorter than the mean
        schedule, tokens = own.setting(seed).schedule(), own.text_read(seed).tokens
    checkpoints = 1 if on_gpu else math.ceil(schedule.updates / recipe.checkpoint_every)  # a GPU goes on meanwhile
    written = checkpoints + 1 / 3  # a student has no moments
    return timed.setup + tokens * timed.token + schedule.updates * timed.update + written * timed.save


def _names(arms: Sequence[Arm]) -> tuple[str, ...]:
    return tuple(arm.name for arm in arms)


def _timed(profile: Profile, arms: Sequence[Arm], text: TextSize) -> Timed:
    """Trains new students of these arms for some seconds."""
    _ = Materials(profile, progress=False).checkpoint.model  # imports the libraries
    start, begun = time.time() - psutil.Process().create_time(), time.perf_counter()
    materials, learners, batches, schedule = _begun(profile, arms, text)
    setup, device, several = time.perf_counter() - begun, materials.device, schedule.window > 1
    teacher: Any = materials.checkpoint.model
    if device.type == "cpu":
        keep_freed_memory()

    def trained_on(group: Sequence[int]) -> int:
        batch = read(batches, group)
        shared = supervise({"original": teacher, "debiased": teacher}, batch, arms, profile.recipe, device)
        for learner in learners:
            learner.backward(shared, group[0], device, batches=len(group))
            if not several:
                learner.step(1000)
        return batch.tokens

    def stepped() -> float:
        begun = _now(device)
        for learner in learners if several else ():
            learner.step(1000)
        return _now(device) - begun if several else 0.0

    passes = _passes(batches, schedule)
    trained_on(next(passes))
    stepped()  # both once before: they make the moments, and the libraries' plans
    spent, tokens, count = 0.0, 0, 0
    while spent < TIMED_SECONDS or count < FEWEST:
        group, begun = next(passes), _now(device)
        tokens += trained_on(group)
        spent, count = spent + _now(device) - begun, count + 1
    return Timed(spent / tokens, stepped(), start, setup, _saving(materials, learners))


def _passes(batches: MaskedBatches, schedule: Schedule) -> Iterator[list[int]]:
    """The batches that one pass reads, of one update after the other, as training has them; over and over."""
    for update in itertools.cycle(range(schedule.updates)):
        yield from shares_of(batches, schedule.batches(update))


def _saving(materials: Materials, learners: Sequence[Learner]) -> float:
    """Seconds of a checkpoint of every student, from that of the first: they go by what is written.

    Where the students would lie, if that folder is there; 0 where it cannot be written.
    """
    sizes = [sum(weight.numel() for weight in one.parameters.values()) for one in learners]
    root = materials.store.root
    try:
        with (
            scratch(root, "timing") if root.is_dir() else TemporaryDirectory() as folder,
            Writer(behind=False) as writer,
        ):
            learners[0].folder, begun = Path(folder), time.perf_counter()
            learners[0].save(writer)
            return (time.perf_counter() - begun) * sum(sizes) / sizes[0]
    except OSError:
        return 0.0


def _begun(
    profile: Profile, arms: Sequence[Arm], text: TextSize
) -> tuple[Materials, list[Learner], MaskedBatches, Schedule]:
    """What a piece needs before its first batch: teacher, new students, batches of its text and their order."""
    materials, recipe = Materials(profile, progress=False), profile.recipe
    teacher: Any = materials.checkpoint.model.to(materials.device).eval()
    mixup = materials.mixup if any(arm.levels for arm in arms) else None
    setting = _setting(materials, text)
    batches = MaskedBatches(setting, materials.checkpoint.tokenizer, mixup)
    options: dict[str, Any] = {"dropout": recipe.dropout, "freeze_positions": recipe.freeze_positions}
    learners = [
        Learner(
            name=arm.name,
            model=student_from_teacher(teacher, arm.layers, **options).to(materials.device).train(),
            recipe=recipe,
            folder=Path(),
            losses=partial(_losses, arm=arm, recipe=recipe),
        )
        for arm in arms
    ]
    return materials, learners, batches, setting.schedule()


def _losses(model: Any, shared: Any, *, arm: Arm, recipe: Any) -> Any:
    return arm_losses(model, shared, arm, recipe)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _setting(materials: Materials, text: TextSize) -> Setting:
    """As the students', with random text of that size where the corpus has not been tokenised."""
    corpus: Any = materials.corpus_here() or _random(materials, text)
    recipe = materials.profile.recipe
    return Setting(corpus, recipe, 0, materials.store, materials.device, materials.at_once)


def _random(materials: Materials, text: TextSize) -> Any:
    """As much of a corpus as a training looks at."""
    tokenizer, recipe = materials.checkpoint.tokenizer, materials.profile.recipe
    words = [word for pair in materials.pair_list for word in (pair.female, pair.male)]
    random = RandomText(
        tokenizer,
        recipe.batch_size * max(64, 4 * recipe.gradient_accumulation_steps),  # enough for some updates
        mean=text.tokens / text.sequences,
        longest=materials.profile.corpus.max_length,
        words=tokenizer.convert_tokens_to_ids([word.lower() for word in words]),
    )
    counts = np.bincount(np.concatenate(random.ids), minlength=len(tokenizer))
    return SimpleNamespace(train=random, token_counts=counts, digest="random text")
