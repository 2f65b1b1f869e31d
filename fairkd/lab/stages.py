"""A study in parts that need nothing of one another but what the store holds: for jobs of a cluster, or by hand.

First corpora and teachers, then the students of each seed, then what is measured of them and fine-tuned from them.
A part that is done is found in the store, whoever did it, and done again it is a matter of seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fairkd.arms import Arm
from fairkd.bias.ruler import Ruler
from fairkd.bias.rulers import RULERS, SHIPPED
from fairkd.errors import InputError
from fairkd.glue.tasks import find_tasks
from fairkd.lab.glue_runs import GlueRuns
from fairkd.lab.materials import Materials
from fairkd.lab.measuring import Model, for_each_model, name_of
from fairkd.lab.quality import Quality
from fairkd.lab.rulers import Rulers
from fairkd.lab.training import is_prepared, training_jobs
from fairkd.profile import Profile
from fairkd.teachers.checkpoints import Teacher

Stage = Literal["prepare", "train", "measure", "finetune"]


@dataclass(frozen=True)
class Part:
    """A part of a profile's study.

    Attributes:
        stage: the command that does it.
        seed: of the students; None for all.
        task: of GLUE; None for all.
    """

    stage: Stage
    seed: int | None = None
    task: str | None = None


def parts(profile: Profile) -> list[Part]:
    """The parts of a profile's study, those before that others need.

    >>> [part.stage for part in parts(Profile.load("quick").changed(seeds=[0, 1], glue_source=None))]
    ['prepare', 'train', 'train', 'measure', 'measure']
    """
    seeds = profile.student_seeds
    tasks = find_tasks(profile.glue.tasks) if profile.glue.source else []
    return [
        Part("prepare"),
        *(Part("train", seed) for seed in seeds),
        *(Part("measure", seed) for seed in seeds),
        *(Part("finetune", seed, task.name) for seed in profile.finetuned_seeds for task in tasks),
    ]


def missing_parts(profile: Profile) -> list[Part]:
    """Those of :func:`parts` that the store lacks; makes nothing."""
    wanted = parts(profile)
    if not is_prepared(profile):
        return wanted
    jobs = training_jobs(profile)
    untrained = {seed for own, arms in jobs for seed in own.profile.student_seeds if own.lacks(arms, seed)}

    def lacks(part: Part) -> bool:
        if part.stage == "prepare":
            return False
        if part.stage == "train" or part.seed in untrained:
            return part.seed in untrained
        assert part.seed is not None
        if part.stage == "measure":
            return any(True for _ in _unmeasured(profile, [part.seed]))
        assert part.task is not None
        return any(runs.lacks(Quality(runs.materials).arms()) for runs in _glue(profile, [part.seed], [part.task]))

    return [part for part in wanted if lacks(part)]


def measure_profile(profile: Profile, *, seeds: Sequence[int] | None = None) -> int:
    """Measures SEAT and every ruler of the students of these seeds, and of their teachers; returns of how many models.

    What the store has is not measured again.

    Raises:
        InputError: the profile has no such seed, or a student has not been trained.
    """
    chosen = profile.chosen_seeds(seeds)
    _check_prepared(profile)
    models = list({name_of(model): (own, model) for own, model in _unmeasured(profile, chosen)}.values())
    foreign = any(ruler not in SHIPPED for ruler in RULERS.values())
    for_each_model(_measure, models, here=foreign)
    return len(models)


def finetune_profile(
    profile: Profile, *, seeds: Sequence[int] | None = None, tasks: Sequence[str] | None = None
) -> dict[str, str]:
    """Fine-tunes the students of these seeds on these tasks, where the store lacks it.

    Returns:
        Why a run failed, by "student, task".

    Raises:
        InputError: the profile fine-tunes no such seed or has no such task, or a student has not been trained.
    """
    failures: dict[str, str] = {}
    for runs in _glue(profile, profile.chosen_seeds(seeds) if seeds else None, tasks):
        _check_prepared(profile)
        arms = Quality(runs.materials).arms()
        runs.run(arms, untrained=arms[0] if _has_first(runs) else None)
        failures |= {", ".join(filter(None, place)): why for place, why in runs.failures.items()}
    return failures


def _check_prepared(profile: Profile) -> None:
    """Raises InputError where a student could only be looked for after a teacher had been trained."""
    if not is_prepared(profile):
        raise InputError(
            f"profile {profile.name!r} has no students yet, and not all teachers: fairkd prepare makes these, and "
            "fairkd train both"
        )


def _unmeasured(profile: Profile, seeds: Sequence[int]) -> Iterator[Model]:
    for materials, arms in training_jobs(profile):
        for seed in (one for one in seeds if one in materials.profile.student_seeds):
            own = materials.of(profile.teacher_of(seed))
            first = next(one for one in profile.student_seeds if profile.teacher_of(one) == own.teacher_seed)
            models: list[Path | Teacher] = [*_teachers(own, arms)] if seed == first else []  # once, with its first
            models += [materials.student(arm, seed) for arm in arms]
            for model in models:
                if not own.is_measured(model) or not all(Rulers(own).has(model, r) for r in _rulers(own, model)):
                    yield own, model


def _teachers(materials: Materials, arms: Sequence[Arm]) -> Iterable[Teacher]:
    """The teacher, and if an arm of these has the debiased one, all that are debiased."""
    return materials.every_teacher() if any(arm.teacher == "debiased" for arm in arms) else [materials.teacher]


def _rulers(materials: Materials, model: Path | Teacher) -> Iterable[Ruler]:
    """Those that are asked of a model: of a debiased teacher by the claims of others, which need several teachers."""
    if isinstance(model, Path) or model.digest == materials.teacher.digest:
        return RULERS.values()
    claimed = len(materials.profile.teacher_seeds) > 1 and model.digest == materials.debiased.digest
    return RULERS.values() if claimed else ()


def _measure(materials: Materials, model: Path | Teacher) -> None:
    materials.measure(model)
    for ruler in _rulers(materials, model):
        Rulers(materials).items(model, ruler)


def _glue(profile: Profile, seeds: Sequence[int] | None, tasks: Sequence[str] | None) -> Iterator[GlueRuns]:
    """Of all examples, and of each point of the learning curve."""
    materials = Materials(profile)
    for seed in seeds or ():
        if seed not in profile.finetuned_seeds:
            raise InputError(
                f"seed {seed}: profile {profile.name!r} fine-tunes the students of {list(profile.finetuned_seeds)}"
            )
    for size in (None, *(profile.glue.learning_curve or ())):
        yield GlueRuns(materials, train_examples=size, seeds=seeds, tasks=tasks)


def _has_first(runs: GlueRuns) -> bool:
    """Whether the baseline of random weights goes with these: it is one model, and has no learning curve."""
    return runs.seeds[0] == runs.profile.finetuned_seeds[0] and runs.recipe == runs.profile.glue_recipe
