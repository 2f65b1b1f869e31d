"""Measuring of many models side by side, before the tables that need them are made.

A model is measured with one thread, so its numbers have the same bits whoever measures it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from fairkd.arms import Arm
from fairkd.bias.encoding import added_poolings
from fairkd.engine.side_by_side import side_by_side, workers
from fairkd.engine.stopping import one_line
from fairkd.lab.materials import Materials
from fairkd.profile import Profile
from fairkd.teachers.checkpoints import Teacher

WEIGHTS_WORTH_A_PROCESS = 5e6
"""Weights of all models together: fewer than this are measured here."""
Model = tuple[Materials, Path | Teacher]
Job = tuple[Materials, Sequence[Arm | None]]
"""Arms of a profile; None for its teachers."""


def measure_seat(jobs: Iterable[Job]) -> None:
    """Measures SEAT of the models of these jobs that the store lacks."""
    lacking = [(own, model) for own, model in models_of(jobs) if not own.is_measured(model)]
    foreign = bool(lacking) and bool(added_poolings(lacking[0][0].profile.seat.poolings))
    for_each_model(_measure_seat, lacking, here=foreign)


def models_of(jobs: Iterable[Job]) -> list[Model]:
    """The students of the arms, and the teachers for None."""
    return [model for materials, arms in jobs for arm in arms for model in chain(*materials.groups(arm))]


def for_each_model(function: Any, models: Sequence[Model], *, here: bool) -> None:
    """Calls ``function(materials, model)`` for each model, in several processes if that is worth them."""
    if not models:
        return
    models = list({name_of(model): (own, model) for own, model in models}.values())  # arms of equal content share one
    first = models[0][0]
    size = len(models) * sum(p.numel() for p in first.checkpoint.model.parameters())
    if here or first.device.type != "cpu" or workers() == 1 or len(models) == 1 or size < WEIGHTS_WORTH_A_PROCESS:
        with one_line("measuring models"):
            for own, model in models:
                function(own, model)
        return
    calls = [
        (function, own.profile, own.teacher_seed, model if isinstance(model, Path) else model.digest)
        for own, model in models
    ]
    label = "measuring models" if first.progress else ""
    with one_line("measuring models"):
        outcomes = side_by_side(_elsewhere, calls, here=False, label=label)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


_loaded: dict[tuple[str, int], Materials] = {}
"""In a worker: what it has loaded for the models before."""


def _elsewhere(function: Any, profile: Profile, teacher_seed: int, model: Path | str) -> None:
    """``model`` is a student's folder, or the digest of a teacher."""
    place = repr(profile), teacher_seed
    if place not in _loaded:
        _loaded[place] = Materials(profile, progress=False, teacher_seed=teacher_seed)
    own = _loaded[place]
    function(own, model if isinstance(model, Path) else next(t for t in own.every_teacher() if t.digest == model))


def _measure_seat(materials: Materials, model: Path | Teacher) -> None:
    materials.measure(model)


def name_of(model: Path | Teacher) -> str:
    """The same for models of equal content."""
    return str(model) if isinstance(model, Path) else model.digest
