"""``fairkd submit``: a study as independent jobs, by submitit: to Slurm, or side by side on this machine.

The jobs need nothing of one another but the store (:mod:`fairkd.lab.stages`): corpora and teachers, then a training a
seed, then measuring and fine-tuning, then the notebooks, then the report. The scheduler waits where it can. Submitted
again, only what is neither done nor in the queue goes there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fairkd.engine.locks import is_held, lock_of
from fairkd.engine.processes import cores
from fairkd.engine.store import read_json, write_json
from fairkd.errors import InputError, nearest, one_of
from fairkd.lab.results import REPORT
from fairkd.lab.stages import Part, missing_parts, parts
from fairkd.lab.training import check_processes
from fairkd.lab.variants import output_dir
from fairkd.profile import Profile
from fairkd.run.ledger import moment, notebooks, state
from fairkd.run.steps import JobStep, end_of, values_digest

EXECUTORS = ("slurm", "local", "debug")
NEEDS = {
    "prepare": (),
    "train": ("prepare",),
    "measure": ("train",),
    "finetune": ("train",),
    "notebook": ("measure", "finetune"),
    "report": ("notebook",),
}
"""By stage, those that come before it."""
STUDY_DECIDES = ("nodes", "tasks_per_node", "gpus_per_node", "slurm_dependency", "slurm_array_parallelism", "name")
"""Parameters of submitit that the study itself decides."""
NO_LIMIT = 60 * 24 * 365
"""Minutes, for a job of this machine, which nobody else waits for."""
REQUEUED = 1000
"""How often a job may be begun again after its time was over."""


@dataclass(frozen=True)
class StudyJob:
    """A job of a study.

    Attributes:
        name: such as "train-0".
        stage: one of :data:`NEEDS`.
        arguments: of ``fairkd``.
        gpus: that it uses.
    """

    name: str
    stage: str
    arguments: tuple[str, ...]
    gpus: int


@dataclass(frozen=True)
class Submitted:
    """What became of a job: "done" before, "in the queue" already, or "submitted" now, with its number there."""

    name: str
    state: str
    number: str = ""


def default_gpus(profile: Profile, executor: str) -> int:
    """One a job, where the profile may use a GPU and the jobs' machine, this one or Slurm's, has one."""
    return int(profile.device != "cpu" and (executor == "slurm" or torch.cuda.device_count() > 0))


def default_at_once(gpus: int) -> int:
    """Jobs of this machine that work at once: as many as its GPUs allow, or on the CPU two."""
    return max(1, len(_devices()) // gpus) if gpus else min(2, cores())


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


def submit(
    profile: Profile,
    settings: Sequence[str],
    *,
    executor: str = "slurm",
    gpus: int = 0,
    at_once: int = 1,
    parameters: dict[str, Any] | None = None,
) -> Iterator[Submitted]:
    """Submits what is neither done nor in the queue; what becomes of each job, in the order of :func:`study`.

    Args:
        profile, settings, gpus: as for :func:`study`.
        executor: one of :data:`EXECUTORS`; "debug" does each job here and now.
        at_once: jobs of this machine that work at once.
        parameters: further ones of submitit, such as ``slurm_partition``.

    Raises:
        InputError: submitit is not installed, or cannot take these parameters; or the training could not be shared so.
    """
    one_of(executor, EXECUTORS, "--executor")
    if gpus < 0 or at_once < 1:
        raise InputError(f"--gpus-per-job {gpus}, --at-once {at_once}: allowed are 0 or more, and 1 or more")
    if executor == "local" and gpus * at_once > len(_devices()):
        raise InputError(
            f"--gpus-per-job {gpus} of --at-once {at_once} jobs, but there are {len(_devices())} GPUs on this machine"
        )
    check_processes(profile, max(gpus, 1))
    jobs, values = study(profile, settings, gpus=gpus), values_digest(settings)
    with tempfile.TemporaryDirectory() as nowhere:
        _executor(executor, Path(nowhere), jobs[0], [], parameters or {})
    folder = output_dir(profile) / "jobs"
    done = _done(
        jobs, profile, None if gpus and not torch.cuda.device_count() else missing_parts(profile), folder, values
    )
    queued = {} if executor == "debug" else _queued(folder, [job for job in jobs if job.name not in done], executor)
    numbers, devices = dict(queued), _devices()
    for stage in NEEDS:
        own = [job for job in jobs if job.stage == stage]
        before = {
            job.name: numbers[job.name] for job in jobs if job.stage in _all_before(stage) and job.name in numbers
        }
        new = [job for job in own if job.name not in done | queued.keys()]
        steps = [
            JobStep(
                job.name,
                list(job.arguments),
                values,
                list(settings),
                str(folder),
                after=list(before) if executor == "local" else [],
                places=at_once if executor == "local" else None,
                gpus=[devices[n * gpus : n * gpus + job.gpus] for n in range(at_once)] if gpus else [],
            )
            for job in new
        ]
        numbers |= _start(steps, new, executor, folder, list(before.values()), parameters or {})
        for job in own:
            state = "done" if job.name in done else "in the queue" if job.name in queued else "submitted"
            yield Submitted(job.name, state, numbers.get(job.name, ""))


def _name(part: Part) -> str:
    words = (part.stage, part.seed, part.task)
    return "-".join(str(word) for word in words if word is not None)


def _devices() -> list[str]:
    """The GPUs of this machine that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",") if visible else [str(number) for number in range(torch.cuda.device_count())]


def _all_before(stage: str) -> set[str]:
    """Stages that a stage needs, and those that these need: of them some may be all that is left."""
    return {one for need in NEEDS[stage] for one in (need, *_all_before(need))}


def _done(
    jobs: Sequence[StudyJob], profile: Profile, lacking: Sequence[Part] | None, folder: Path, values: str
) -> set[str]:
    """Names of the jobs that need not be submitted.

    Args:
        jobs: of the study.
        profile: its parameters.
        lacking: parts that the store lacks; None where this machine has no GPU as the jobs do, so that their students
            are not those that would be looked for here, and the word that the jobs left counts.
        folder: of the jobs.
        values: digest of the profile's values, with which a job must have been done.
    """
    if lacking is None:
        left = {job.name: end_of(folder / f"{job.name}.end.json") for job in jobs}
        return {name for name, end in left.items() if end and end["state"] == "done" and end.get("values") == values}
    lacks = {_name(part) for part in lacking}
    parts_done = {job.name for job in jobs if job.stage not in ("notebook", "report")} - lacks
    notebooks_of = {job.name: REPORT if job.stage == "report" else job.name for job in jobs if job.name not in lacks}
    if lacks:
        return parts_done
    return {name for name, own in notebooks_of.items() if name in parts_done or state(own, profile)[0] == "done"}


def _queued(folder: Path, jobs: Sequence[StudyJob], executor: str) -> dict[str, str]:
    """Numbers of the jobs that were submitted before and have not ended, by name."""
    known = {job.name: folder / f"{job.name}.json" for job in jobs}
    records = {name: read_json(path) for name, path in known.items() if path.is_file()}
    numbers = {name: str(one["number"]) for name, one in records.items() if one.get("executor") == executor}
    if executor == "local":
        return {name: number for name, number in numbers.items() if is_held(lock_of(folder / f"{name}.lock"))}
    queue = _slurm_queue() if numbers else set()
    return {name: number for name, number in numbers.items() if number in queue}


def _slurm_queue() -> set[str]:
    """Numbers of all jobs of Slurm that wait or run, each of an array by itself.

    Raises:
        InputError: Slurm does not answer: then nobody knows, and nothing is submitted twice.
    """
    command = ["squeue", "--noheader", "--array", "--format=%i"]
    try:
        return set(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.split())
    except (OSError, subprocess.SubprocessError) as error:
        raise InputError(f"squeue does not say which jobs are in the queue: {error}") from error


def _start(
    steps: Sequence[JobStep],
    jobs: Sequence[StudyJob],
    executor: str,
    folder: Path,
    before: Sequence[str],
    parameters: dict[str, Any],
) -> dict[str, str]:
    """Hands the steps of a stage over; their numbers in the queue, by name."""
    if not steps:
        return {}
    folder.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = _executor(executor, folder, jobs[0], before, parameters)
    for step in steps:
        (folder / f"{step.name}.end.json").unlink(missing_ok=True)
    if executor == "local":  # the end of the terminal is not the jobs' end: what is ignored stays so in them
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with chosen.batch():
        handed = [chosen.submit(step) for step in steps]
    for step, job in zip(steps, handed, strict=True):
        record = {"executor": executor, "number": job.job_id, "at": moment(), "arguments": step.arguments}
        write_json(folder / f"{step.name}.json", record)
        if executor == "debug":
            job.result()
    return {step.name: str(job.job_id) for step, job in zip(steps, handed, strict=True)}


def _executor(executor: str, folder: Path, job: StudyJob, before: Sequence[str], parameters: dict[str, Any]) -> Any:
    """submitit's, for the jobs of a stage.

    Raises:
        InputError: it is not installed, finds no Slurm, or knows a parameter not.
    """
    try:
        from submitit import AutoExecutor
    except ImportError as error:
        raise InputError("fairkd submit needs the package submitit: pip install 'submitit>=1.5'") from error
    if ours := [name for name in parameters if name in STUDY_DECIDES]:
        raise InputError(f"{ours[0]}: the study decides this itself; see --gpus-per-job and --at-once")
    settings: dict[str, Any] = {"name": f"fairkd-{job.stage}", "gpus_per_node": job.gpus, "stderr_to_stdout": True}
    if executor == "slurm":
        extra = {"kill-on-invalid-dep": "yes", "requeue": True}  # a job whose need has failed does not wait for ever
        settings |= {"nodes": 1, "tasks_per_node": 1, "timeout_min": 24 * 60, "slurm_signal_delay_s": 300}
        settings |= {"slurm_dependency": f"afterok:{':'.join(before)}"} if before else {}
        settings["slurm_additional_parameters"] = extra | parameters.get("slurm_additional_parameters", {})
        settings |= {name: value for name, value in parameters.items() if name != "slurm_additional_parameters"}
    else:
        settings |= {"timeout_min": NO_LIMIT, **parameters}
    try:
        chosen = AutoExecutor(folder / "logs", cluster=executor, slurm_max_num_timeout=REQUEUED)
        chosen.update_parameters(**settings)
    except (RuntimeError, NameError, ValueError, TypeError, AssertionError) as error:
        known = sorted(AutoExecutor._typed_parameters()) if hasattr(AutoExecutor, "_typed_parameters") else []
        hint = "" if set(parameters) <= set(known) else nearest(next(iter(parameters), ""), known)
        raise InputError(f"submitit cannot submit to {executor!r}: {str(error).splitlines()[0]}{hint}") from error
    return chosen
