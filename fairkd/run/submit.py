"""``fairkd submit``: a study as independent jobs, by submitit: to Slurm, or side by side on this machine.

The scheduler waits where it can (:mod:`fairkd.run.scheduler`); what the jobs are is in :mod:`fairkd.run.study`.
Submitted again, only what is neither done nor in the queue goes there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fairkd.engine.locks import is_held, lock_of
from fairkd.engine.processes import cores
from fairkd.errors import InputError, one_of
from fairkd.lab.training import check_processes
from fairkd.lab.variants import output_dir
from fairkd.profile import Profile
from fairkd.run.scheduler import EXECUTORS, devices, executor_for, places_here, queued, start
from fairkd.run.steps import JobStep, values_digest
from fairkd.run.study import MUST_END, MUST_SUCCEED, STAGES, done_jobs, study


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
    return max(1, len(devices()) // gpus) if gpus else min(2, cores())


def submit(
    profile: Profile,
    settings: Sequence[str],
    *,
    executor: str = "slurm",
    gpus: int = 0,
    at_once: int | None = None,
    parameters: dict[str, Any] | None = None,
) -> Iterator[Submitted]:
    """Submits what is neither done nor in the queue; what becomes of each job, in the order of :func:`study`.

    Args:
        profile, settings, gpus: as for :func:`study`.
        executor: one of :data:`EXECUTORS`; "debug" does each job here and now.
        at_once: jobs that work at once: of this machine, or of each array of Slurm; as many as fit without it.
        parameters: further ones of submitit, such as ``slurm_partition``.

    Raises:
        InputError: submitit is not installed, or cannot take these parameters; or the training could not be shared so;
            or another process is submitting this study, or some of it is in the queue with other values.
    """
    one_of(executor, EXECUTORS, "--executor")
    _check(profile, executor, gpus, at_once)
    jobs, given = study(profile, settings, gpus=gpus), dict(parameters or {})
    if executor == "slurm" and at_once is not None:
        given["slurm_array_parallelism"] = at_once
    with tempfile.TemporaryDirectory() as nowhere:
        executor_for(executor, Path(nowhere), given, gpus=jobs[0].gpus)
    folder, values = output_dir(profile) / "jobs", values_digest(settings)
    if folder.is_dir() and is_held(folder / "submit.lock"):
        raise InputError(f"{profile.name!r} is being submitted by another process; try again when it has finished")
    same_here = _kind_here(profile) == ("cuda" if gpus else "cpu")
    done = done_jobs(jobs, profile, folder, values, same_device=same_here)
    places = [] if executor != "local" else places_here(gpus, at_once or default_at_once(gpus))
    with lock_of(folder / "submit.lock"):
        queue = {} if executor == "debug" else queued(folder, [job for job in jobs if job.name not in done], values)
        for stage in STAGES:
            own = [job for job in jobs if job.stage == stage]
            needs = {
                kind: [job.name for job in jobs if job.stage in table.get(stage, ()) and job.name in queue]
                for kind, table in (("after", MUST_SUCCEED), ("after_any", MUST_END))
            }
            new = [job for job in own if job.name not in done | queue.keys()]
            steps = [JobStep(job.name, list(job.arguments), values, list(settings), str(folder)) for job in new]
            for step, job in zip(steps, new, strict=True):
                if executor == "local":
                    step.waits, step.after, step.after_any = True, needs["after"], needs["after_any"]
                    step.places = [(name, ",".join(own_gpus[: job.gpus])) for name, own_gpus in places]
            told = [job.name for job in own if job.name in queue]
            before = {kind: {name: queue[name] for name in names} for kind, names in needs.items()}
            queue |= start(steps, new, executor, folder, before, given)
            for job in own:
                what = "done" if job.name in done else "in the queue" if job.name in told else "submitted"
                yield Submitted(job.name, what, queue.get(job.name, ""))


def _check(profile: Profile, executor: str, gpus: int, at_once: int | None) -> None:
    """Raises InputError for what could not be submitted."""
    if profile.prepare_only:
        raise InputError("prepare_only: this command trains; leave it out to submit the study")
    if gpus < 0 or (at_once is not None and at_once < 1):
        raise InputError(f"--gpus-per-job {gpus}, --at-once {at_once}: allowed are 0 or more, and 1 or more")
    if executor == "local" and gpus * (at_once or 1) > len(devices()):
        raise InputError(
            f"--gpus-per-job {gpus} of --at-once {at_once or 1} jobs, but this machine has {len(devices())} GPUs"
        )
    check_processes(profile, max(gpus, 1), here=executor != "slurm")


def _kind_here(profile: Profile) -> str:
    """The kind of device on which this process would look for the students, whose keys tell of it."""
    kind = "cuda" if torch.cuda.device_count() else "cpu"
    wanted = profile.device.partition(":")[0]
    return kind if wanted == "auto" else wanted if wanted == kind else "none"
