"""A study as jobs of a scheduler: what they are, in which order, and which of them are done.

The jobs need nothing of one another but the store (:mod:`fairkd.lab.stages`): corpora and teachers, then a training a
seed, then measuring and fine-tuning, then the notebooks, then the report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fairkd.lab.results import REPORT, code_digest
from fairkd.lab.stages import Part, missing_parts, parts
from fairkd.profile import Profile
from fairkd.run.ledger import notebooks, state
from fairkd.run.steps import end_of

STAGES = ("prepare", "train", "measure", "finetune", "notebook", "report")
MUST_SUCCEED = {
    "train": ("prepare",),
    "measure": ("prepare", "train"),
    "finetune": ("prepare", "train"),
    "notebook": ("prepare", "train", "measure"),
    "report": ("prepare", "train", "measure"),
}
"""By stage, those without whose results it can do nothing."""
MUST_END = {"notebook": ("finetune",), "report": ("finetune", "notebook")}
"""Those whose failures it tells of: a run of GLUE that failed is a gap in a table."""


@dataclass(frozen=True)
class StudyJob:
    """A job of a study.

    Attributes:
        name: such as "train-0".
        stage: one of :data:`STAGES`.
        arguments: of ``fairkd``.
        gpus: that it uses.
    """

    name: str
    stage: str
    arguments: tuple[str, ...]
    gpus: int


def study(profile: Profile, settings: Sequence[str], *, gpus: int = 0) -> list[StudyJob]:
    """The jobs of a profile's study, those before that others need.

    Args:
        profile: its parameters.
        settings: how the command line names it: a name or file, and "name=value" for each change.
        gpus: of a training; all other jobs use one, or none.
    """
    one, given = min(gpus, 1), [settings[0], *(word for change in settings[1:] for word in ("-p", change))]
    found = []
    for part in parts(profile):
        words = [part.stage, *given]
        words += [] if part.seed is None else ["--seed", str(part.seed)]
        words += [] if part.task is None else ["--task", part.task]
        words += ["--processes", str(gpus)] if part.stage == "train" and gpus > 1 else []
        found.append(StudyJob(_name(part), part.stage, tuple(words), gpus if part.stage == "train" else one))
    with_profile = ["--profile", settings[0], *given[1:]]
    for name in notebooks(profile):
        if name != REPORT:
            found.append(StudyJob(name, "notebook", ("run", name, *with_profile), one))
    return [*found, StudyJob("report", "report", ("reproduce", *given), one)]


def done_jobs(jobs: Sequence[StudyJob], profile: Profile, folder: Path, values: str, *, same_device: bool) -> set[str]:
    """Names of the jobs that need not be submitted.

    Args:
        jobs: of the study.
        profile: its parameters.
        folder: of the jobs.
        values: digest of the profile's values, with which a job must have been done.
        same_device: whether the jobs have the kind of device of this process; if not, their students are not those that
            would be looked for here, and the word that the jobs left counts.
    """
    if not same_device:
        word = {"state": "done", "values": values, "code": code_digest()}
        left = {job.name: end_of(folder / f"{job.name}.end.json") or {} for job in jobs}
        return {name for name, end in left.items() if word.items() <= end.items()}
    lacks = {_name(part) for part in missing_parts(profile)}
    if lacks:
        return {job.name for job in jobs if job.stage not in ("notebook", "report")} - lacks
    return {
        job.name
        for job in jobs
        if job.stage not in ("notebook", "report")
        or state(REPORT if job.stage == "report" else job.name, profile)[0] == "done"
    }


def _name(part: Part) -> str:
    words = (part.stage, part.seed, part.task)
    return "-".join(str(word) for word in words if word is not None)
