"""Training of everything that a profile needs: its teachers, then students of every seed, as many as there are cores.

One teacher, or the students of one seed, have all threads of this process. Several are made side by side, each in a
process with one thread (:mod:`fairkd.engine.side_by_side`), so that the bits do not depend on the number of cores.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch

from fairkd.arms import Arm
from fairkd.distill import added_formulas
from fairkd.engine.processes import physical_memory
from fairkd.engine.side_by_side import side_by_side, workers
from fairkd.engine.stopping import one_line
from fairkd.engine.world import ONE_PROCESS, World, together
from fairkd.errors import DivergedError, InputError
from fairkd.glue.data import check_source, is_hub, load_task
from fairkd.glue.tasks import find_tasks
from fairkd.lab.cost import Shape
from fairkd.lab.estimate import training_memory
from fairkd.lab.materials import Materials
from fairkd.lab.variants import kept
from fairkd.profile import Profile
from fairkd.wording import how_many

MEMORY_SHARE = 0.42
"""Of the machine's, for the students of all processes together; with the process that waits for them it is half, and
what else runs has the rest."""
FLOPS_WORTH_A_PROCESS = 3e11
"""Floating-point operations, about the time in which a process starts: less than this in all is done here."""

DOSES = (
    ("mixup-xy", "alpha", (0.1, 0.4, 4.0)),
    ("full", "temperature", (1.0, 4.0)),
    ("full", "ce_token_fraction", (0.25,)),
)
"""Arms, parameters and their values that the controlled experiment compares."""


TrainingJob = tuple[Materials, Sequence[Arm]]
"""Arms to be trained with a profile's teachers, corpus and seeds."""
SeedOfArms = tuple[Materials, int, Sequence[Arm]]
"""Arms of one seed of a profile."""


def train_profile(profile: Profile, *, seeds: Sequence[int] | None = None) -> None:
    """Trains what the store lacks of :func:`training_jobs`.

    In a process that torchrun started, with the others that it started.

    Args:
        profile: its parameters.
        seeds: of :attr:`Profile.student_seeds`, only these; a student has the same bits whichever are trained with it.

    Raises:
        InputError: as :func:`train`, or the profile has no such seed.
    """
    profile.store().remove_left()
    with together() as everyone:
        train(training_jobs(profile), known_as=profile, everyone=everyone, seeds=profile.chosen_seeds(seeds))


def check_processes(profile: Profile, processes: int, *, here: bool = True) -> None:
    """Raises InputError where :func:`train_profile` could not work in so many processes, before they are started.

    ``here`` is False where they will work on another machine, whose GPUs nobody knows.
    """
    if processes < 1:
        raise InputError(f"--processes: {processes} must be 1 or more")
    window = profile.recipe.gradient_accumulation_steps
    if processes > window:
        raise InputError(
            f"--processes: {processes}, but an update of profile {profile.name!r} has {window} batches to deal out "
            f"(gradient_accumulation_steps); allowed: at most {window}"
        )
    if not here:
        return
    if profile.device.startswith("cuda:"):
        raise InputError(f"--processes: {processes} on {profile.device}, which is one GPU; write device cuda or auto")
    gpus = torch.cuda.device_count()
    if gpus and profile.device != "cpu" and processes > gpus:
        raise InputError(f"--processes: {processes}, but there are {gpus} GPUs; allowed: at most {gpus}, or device cpu")
    for materials, arms in training_jobs(profile):
        materials.check(arms)


def prepare_profile(profile: Profile, *, fetch_only: bool = False) -> Iterator[str]:
    """Makes what comes before the students that the store lacks: corpora, teachers, debiased teachers; a line for each.

    Args:
        profile: its parameters.
        fetch_only: only what may need the network is done: GLUE, the corpora, and the teacher's checkpoint.

    Raises:
        InputError: something cannot be made, or an arm could not be trained.
        Stopped: it was interrupted; what is finished is saved.
    """
    if profile.glue.source is not None:
        tasks, folder = find_tasks(profile.glue.tasks), profile.path(profile.glue.source)
        check_source(profile.glue.source, tasks, folder)
        for task in tasks if is_hub(profile.glue.source) else ():  # fine-tuning may have no network, days later
            data = load_task(task, profile.glue.source, folder=folder)
            yield f"GLUE {task.name}: {data.splits['train'].num_rows:,} examples"
    profile.store().remove_left()
    jobs = training_jobs(profile)
    for materials, arms in jobs:
        materials.check(arms)
    said: set[str] = set()  # jobs may have the same teachers
    with kept(profile):
        for line in _prepared(jobs, fetch_only):
            if line not in said:
                yield line
            said.add(line)


def _prepared(jobs: Sequence[TrainingJob], fetch_only: bool) -> Iterator[str]:
    for materials, arms in jobs:
        with one_line("preparing"):
            for own in materials.family:
                yield f"corpus {own.corpus.digest[:12]}: {int(own.corpus.train.lengths.sum()):,} tokens to train on"
            if fetch_only:
                yield f"checkpoint {materials.checkpoint.weights_digest[:12]} of {materials.checkpoint.source}"
                continue
            _prepare([(own, _debiased(arms)) for own in materials.family])
            for own in materials.family:
                yield f"teacher {own.teacher.digest[:12]}" + (
                    f", debiased {own.debiased.digest[:12]}" if _debiased(arms) else ""
                )


def is_prepared(profile: Profile) -> bool:
    """Whether :func:`prepare_profile` has nothing to make; makes nothing."""
    jobs = training_jobs(profile)
    return all(own.has_teachers(debiased=_debiased(arms)) for materials, arms in jobs for own in materials.family)


def training_jobs(profile: Profile) -> list[TrainingJob]:
    """What a profile trains: its arms, "full" for each of its planted strengths, and what its notebooks vary.

    Those are the :data:`DOSES` of a controlled experiment, and, where there are several teachers, "full" at
    :func:`twice_the_temperature`, of which others' claims speak. A value that the profile has itself is no other job.
    """
    jobs, names = [(profile, profile.all_arms())], {arm.name for arm in profile.all_arms()}
    others = [("full", world) for world in profile.worlds().values()]
    if len(profile.teacher_seeds) > 1:
        others.append(("full", twice_the_temperature(profile)))
    if profile.planted_strengths:
        one = first_students(profile)
        others += [(arm, one.changed(**{name: value})) for arm, name, values in DOSES for value in values]
    for name, other in others:
        whole = other.changed(seeds=list(profile.seeds))
        if {name, "full"} <= names and whole not in [own for own, _ in jobs]:
            jobs.append((other, [arm for arm in other.all_arms() if arm.name == name]))
    return [(Materials(own), arms) for own, arms in jobs]


def first_students(profile: Profile) -> Profile:
    """The profile with the first student of each teacher, on whom :data:`DOSES` are compared; all of a lone teacher."""
    return profile.changed(seeds=[profile.seeds[0]]) if len(profile.teacher_seeds) > 1 else profile


def twice_the_temperature(profile: Profile) -> Profile:
    """The profile at twice its temperature."""
    return profile.changed(temperature=2 * profile.recipe.temperature)


def train(
    jobs: Sequence[TrainingJob],
    *,
    known_as: Profile | None = None,
    everyone: World = ONE_PROCESS,
    seeds: Sequence[int] | None = None,
) -> None:
    """Trains the arms that the store lacks, with every teacher and seed; those of a seed share batches and teacher.

    Args:
        jobs: arms and with what they are trained.
        seeds: of the students, only these.
        known_as: the profile that needs them, which is kept beside its results before anything is made, so that
            ``fairkd clean`` knows it; a notebook's own manifest says what it used.
        everyone: processes that do it together, each with the same jobs; the first alone makes corpora and teachers.

    Raises:
        InputError: an arm cannot be trained.
        DivergedError: a loss became NaN or infinite; all other students are trained.
        Stopped: it was interrupted; what has been done is saved.
    """
    for materials, arms in jobs:
        materials.check(arms)
    with one_line("training"):
        if everyone.writes:
            with nullcontext() if known_as is None else kept(known_as):
                _prepare([(own, _debiased(arms)) for materials, arms in jobs for own in materials.family])
            for materials, _ in jobs:
                for own in materials.family:
                    own.remember()
        wanted = [
            (materials, seed, arms)
            for materials, arms in jobs
            for seed in materials.profile.student_seeds
            if seeds is None or seed in seeds
        ]
        if everyone.size > 1:
            _raise_first(_train_together(wanted, everyone))
            return
        single = [one for one in wanted if len(one[0].profile.student_seeds) == 1]
        outcomes = [_outcome(*one) for one in _lacking(single)]
        outcomes += _train_several([one for one in wanted if one not in single])
    _raise_first(outcomes)


def _train_together(wanted: Sequence[SeedOfArms], everyone: World) -> list[Any]:
    """Trains seed after seed, each in all processes; returns the divergences."""
    everyone.wait()  # until the first one has made corpora and teachers
    errors = []
    for materials, seed, arms in wanted:
        try:
            materials.train_seed(arms, seed, everyone=everyone)
        except DivergedError as error:
            errors.append(error)
    return errors


def _lacking(wanted: Sequence[SeedOfArms]) -> list[SeedOfArms]:
    """Those of which the store lacks a student; what killed processes left of the others goes."""
    lacking = []
    for materials, seed, arms in wanted:
        if materials.lacks(arms, seed):
            lacking.append((materials, seed, arms))
        else:
            materials.clear_unfinished(arms, seed)
    return lacking


def _outcome(materials: Materials, seed: int, arms: Sequence[Arm]) -> BaseException | None:
    """Trains the arms of a profile's only seed, with all threads; the error if it diverges, so that others go on."""
    try:
        materials.train_seed(arms, seed)
    except DivergedError as error:
        return error
    return None


def _train_several(wanted: Sequence[SeedOfArms]) -> list[Any]:
    """Trains the arms of several seeds, with one thread each; what became of each piece."""
    lacking = _lacking(wanted)
    if not lacking:
        return []
    first = lacking[0][0]
    here = any(_formulas(own, arms) for own, _, arms in wanted) or _little(first, sum(_flops(*one) for one in lacking))
    pieces, processes = (lacking, 1) if here else shared_out(lacking)
    updates = sum(own.setting(seed).schedule().updates for own, seed, _ in pieces)
    label = f"students of {how_many(len(lacking), 'seed')}" if first.progress else ""
    calls = [(own.profile, seed, arms, own if here else None) for own, seed, arms in pieces]
    return side_by_side(_train_seed, calls, here=here, label=label, updates=updates, processes=processes)


def _debiased(arms: Sequence[Arm]) -> bool:
    return any(arm.teacher == "debiased" for arm in arms)


def _prepare(teachers: Sequence[tuple[Materials, bool]]) -> None:
    """Makes the teachers, and the debiased ones, before any student: if one cannot be made, that is said first."""
    lacking = [(own, debiased) for own, debiased in teachers if not own.has_teachers(debiased=debiased)]
    for own, debiased in lacking:
        if len(own.profile.teacher_seeds) == 1:  # with all threads
            own.make_teachers(debiased=debiased)
    while several := [one for one in lacking if len(one[0].profile.teacher_seeds) > 1]:
        once: dict[str, tuple[Materials, bool]] = {}
        for own, debiased in several:  # jobs that differ in what only students know have the same teachers
            if debiased or _of_teacher(own) not in once:
                once[_of_teacher(own)] = own, debiased
        _make_several(list(once.values()))
        rest = [one for one in several if one not in once.values()]
        lacking = [(own, debiased) for own, debiased in rest if not own.has_teachers(debiased=debiased)]


def _of_teacher(materials: Materials) -> str:
    return repr((materials.profile.corpus, materials.profile.teacher, materials.teacher_seed))


def _make_several(teachers: Sequence[tuple[Materials, bool]]) -> None:
    """Makes these side by side, each with one thread.

    Those that are debiased are so while the last teachers are trained, so that none of an odd number is alone then;
    the last ones are debiased when they are made, since nobody should wait for them.
    """
    first, early = teachers[0][0], max(len(teachers) - workers(), 0)
    each = [(own, debiased and place >= early) for place, (own, debiased) in enumerate(teachers)]
    each += [(own, True) for own, debiased in teachers[:early] if debiased]
    here = _little(first, sum(_adaptation_flops(own) for own, _ in teachers))
    calls = [
        (own.profile, own.teacher_seed, debiased, place >= len(teachers), own if here else None)
        for place, (own, debiased) in enumerate(each)
    ]
    updates = sum(own.profile.teacher.adapt_steps for own, _ in teachers)
    label = f"{len(teachers)} teachers" if first.progress else ""
    _raise_first(side_by_side(_make_teachers, calls, here=here, label=label, updates=updates))


def _make_teachers(
    profile: Profile, teacher_seed: int, debiased: bool, only_debiased: bool, own: Materials | None
) -> None:
    own = own or Materials(profile, progress=False, teacher_seed=teacher_seed)
    if only_debiased and own.missing():  # the call that was to make it says why it did not
        return
    own.make_teachers(debiased=debiased)


def _train_seed(profile: Profile, seed: int, arms: Sequence[Arm], materials: Materials | None) -> None:
    own = materials or Materials(profile, progress=False, teacher_seed=profile.teacher_of(seed))
    own.train_seed(arms, seed)


def shared_out(lacking: Sequence[SeedOfArms]) -> tuple[list[SeedOfArms], int]:
    """Cut so that no process waits at the end, of three seeds on two cores half of the arms; and how many processes.

    Smaller, and by fewer processes than there are cores, where all together would need too much memory. Arms of equal
    content are one student, in one piece.
    """
    for processes in range(workers(), 0, -1):
        parts = 1 if len(lacking) >= 4 * processes else processes // math.gcd(len(lacking), processes)
        room = MEMORY_SHARE * physical_memory() / processes
        cut = [(own, seed, _fitting(own, arms, parts, room)) for own, seed, arms in lacking]
        if all(groups for *_, groups in cut):
            return [(own, seed, group) for own, seed, groups in cut for group in groups], processes
    return [(own, seed, [arm]) for own, seed, arms in lacking for arm in distinct(arms)], 1


def _fitting(materials: Materials, arms: Sequence[Arm], parts: int, room: float) -> list[list[Arm]]:
    """Arms in as many parts, at least these, as it takes for each to fit into so many bytes; none if none does."""
    profile, teacher = materials.profile, Shape.of(materials.checkpoint.model.config)
    memory = partial(
        training_memory, longest=profile.corpus.max_length, device=materials.device.type, recipe=profile.recipe
    )
    for count in range(parts, max(parts, len(arms)) + 1):
        groups = _split(arms, count)
        if max(memory(teacher, group) for group in groups) <= room:
            return groups
    return []


def distinct(arms: Sequence[Arm]) -> list[Arm]:
    """Arms of equal content are one student."""
    return list({str(arm.content()): arm for arm in arms}.values())


def _split(arms: Sequence[Arm], parts: int) -> list[list[Arm]]:
    """Into groups of about the same cost, the deepest arms first."""
    groups: list[list[Arm]] = [[] for _ in range(parts)]
    for arm in sorted(distinct(arms), key=lambda arm: -arm.layers):
        min(groups, key=lambda group: sum(1 + one.layers for one in group)).append(arm)
    return [group for group in groups if group]


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


def _flops(materials: Materials, seed: int, arms: Sequence[Arm]) -> float:
    """Roughly, of the students of a seed."""
    weights = sum(p.numel() for p in materials.checkpoint.model.parameters())
    return 6.0 * len(arms) * materials.text_read(seed).tokens * weights


def _raise_first(outcomes: Sequence[Any]) -> None:
    """Of several divergences one error that names all; any other error goes first."""
    errors = [error for error in outcomes if isinstance(error, BaseException)]
    for error in errors:
        if not isinstance(error, DivergedError):
            raise error
    if errors:
        raise DivergedError(" ".join(map(str, errors)))
