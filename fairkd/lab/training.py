"""Training of everything that a profile needs: its teachers, then students of every seed, as many as there are cores.

One teacher, or the students of one seed, have all threads of this process. Several are made side by side, each in a
process with one thread (:mod:`fairkd.engine.side_by_side`), so that the bits do not depend on the number of cores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from fairkd.arms import Arm
from fairkd.distill import added_formulas
from fairkd.engine.side_by_side import side_by_side, workers
from fairkd.errors import DivergedError
from fairkd.lab.materials import Materials
from fairkd.profile import Profile

FLOPS_WORTH_A_PROCESS = 3e11
"""Floating-point operations, about the time in which a process starts: less than this in all is done here."""


def train_profile(profile: Profile) -> None:
    """Trains every arm of a profile that the store lacks."""
    train(Materials(profile), profile.all_arms())


def train(materials: Materials, arms: Sequence[Arm]) -> None:
    """Trains the arms that the store lacks, with every teacher and seed; those of a seed share batches and teacher.

    Raises:
        InputError: an arm cannot be trained.
        DivergedError: a loss became NaN or infinite; all other students are trained.
    """
    materials.check(arms)
    _prepare(materials, debiased=any(arm.teacher == "debiased" for arm in arms))
    seeds = materials.profile.student_seeds
    if len(seeds) == 1:
        materials.train_seed(arms, seeds[0])
        return
    calls = [(materials.profile, seed, group) for seed, group in _pieces(materials, arms)]
    here = bool(_formulas(materials, arms)) or _little(materials, _training_flops(materials, arms, len(seeds)))
    label = f"{len(arms)} students, {len(seeds)} seeds" if materials.progress else ""
    updates = len(calls) * materials.setting(seeds[0]).schedule().updates
    own = materials if here else None
    outcomes = side_by_side(_train_seed, [(*call, own) for call in calls], here=here, label=label, updates=updates)
    _raise_first([error for error in outcomes if isinstance(error, BaseException)])


def _prepare(materials: Materials, *, debiased: bool) -> None:
    """Makes the teachers, and the debiased ones, before any student: if one cannot be made, that is said first."""
    lacking = [own for own in materials.family if not own.has_teachers(debiased=debiased)]
    if len(materials.family) == 1 or not lacking:
        for own in lacking:
            own.make_teachers(debiased=debiased)
        return
    here = _little(materials, len(lacking) * _adaptation_flops(materials))
    label = f"{len(lacking)} teachers" if materials.progress else ""
    calls = [(own.profile, own.teacher_seed, debiased, own if here else None) for own in lacking]
    updates = len(lacking) * materials.profile.teacher.adapt_steps
    outcomes = side_by_side(_make_teachers, calls, here=here, label=label, updates=updates)
    _raise_first([error for error in outcomes if isinstance(error, BaseException)])


def _make_teachers(profile: Profile, teacher_seed: int, debiased: bool, own: Materials | None) -> None:
    own = own or Materials(profile, progress=False, teacher_seed=teacher_seed)
    own.make_teachers(debiased=debiased)


def _train_seed(profile: Profile, seed: int, arms: Sequence[Arm], materials: Materials | None) -> None:
    own = materials or Materials(profile, progress=False, teacher_seed=profile.teacher_of(seed))
    own.train_seed(arms, seed)


def _pieces(materials: Materials, arms: Sequence[Arm]) -> list[tuple[int, list[Arm]]]:
    """A seed and arms each, so many that no process waits at the end: of three seeds on two cores, half of the arms.

    Arms of equal content are one student, and stand in one piece.
    """
    lacking = [seed for seed in materials.profile.student_seeds if materials.lacks(arms, seed)]
    parts = workers() // math.gcd(len(lacking), workers()) if lacking else 1
    groups: list[list[Arm]] = [[] for _ in range(parts)]
    for arm in sorted({str(arm.content()): arm for arm in arms}.values(), key=lambda arm: -arm.layers):
        min(groups, key=lambda group: sum(1 + one.layers for one in group)).append(arm)
    return [(seed, group) for seed in lacking for group in groups if group]


def _formulas(materials: Materials, arms: Sequence[Arm]) -> dict[str, str]:
    """Formulas that somebody added to the package's tables: another process does not have them."""
    found: dict[str, str] = {}
    for arm in arms:
        found |= added_formulas(arm, materials.mixup if arm.levels else None)
    return found


def _little(materials: Materials, flops: float) -> bool:
    return materials.device.type != "cpu" or flops < FLOPS_WORTH_A_PROCESS or workers() == 1


def _adaptation_flops(materials: Materials) -> float:
    """Roughly, of one teacher: six a weight and token."""
    teacher = materials.profile.teacher
    tokens = teacher.adapt_steps * teacher.adapt_batch_size * materials.profile.corpus.max_length
    return 6.0 * tokens * sum(p.numel() for p in materials.checkpoint.model.parameters())


def _training_flops(materials: Materials, arms: Sequence[Arm], seeds: int) -> float:
    """Roughly, of all students."""
    read = materials.text_read(materials.profile.student_seeds[0])
    return 6.0 * seeds * len(arms) * read.tokens * sum(p.numel() for p in materials.checkpoint.model.parameters())


def _raise_first(errors: Sequence[BaseException]) -> None:
    """Of several divergences one error that names all; any other error goes first."""
    for error in errors:
        if not isinstance(error, DivergedError):
            raise error
    if errors:
        raise DivergedError(" ".join(map(str, errors)))
