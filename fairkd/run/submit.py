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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from fairkd.engine.locks import is_held, lock_of
from fairkd.engine.processes import cores
from fairkd.engine.store import read_json, write_json
from fairkd.errors import InputError, nearest, one_of
from fairkd.lab.results import REPORT, code_digest
from fairkd.lab.stages import Part, missing_parts, parts
from fairkd.lab.training import check_processes
from fairkd.lab.variants import output_dir
from fairkd.profile import Profile
from fairkd.run.ledger import moment, notebooks, state
from fairkd.run.steps import JobStep, end_of, values_digest

EXECUTORS = ("slurm", "local", "debug")
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
STUDY_DECIDES = ("name", "job_name", "nodes", "tasks_per_node", "gpus_per_node", "num_gpus", "dependency", "time")
"""Parameters of submitit that the study itself decides; the time is ``timeout_min``."""
NO_LIMIT = 60 * 24 * 365
"""Minutes, for a job of this machine, which nobody else waits for."""
REQUEUED = 1000
"""How often a job may be begun again after its time was over."""


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
            or another process is submitting this study.
    """
    one_of(executor, EXECUTORS, "--executor")
    _check(profile, executor, gpus, at_once)
    jobs, given = study(profile, settings, gpus=gpus), dict(parameters or {})
    if executor == "slurm" and at_once is not None:
        given["slurm_array_parallelism"] = at_once
    with tempfile.TemporaryDirectory() as nowhere:
        _executor(executor, Path(nowhere), jobs[0], "", given)
    folder, values = output_dir(profile) / "jobs", values_digest(settings)
    if folder.is_dir() and is_held(folder / "submit.lock"):
        raise InputError(f"{profile.name!r} is being submitted by another process; try again when it has finished")
    same_here = _kind_here(profile) == ("cuda" if gpus else "cpu")
    done = _done(jobs, profile, missing_parts(profile) if same_here else None, folder, values)
    places = [] if executor != "local" else _places(gpus, at_once or default_at_once(gpus))
    with lock_of(folder / "submit.lock"):
        queue = {} if executor == "debug" else _queue(folder, [job for job in jobs if job.name not in done])
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
            queue |= _start(steps, new, executor, folder, before, given)
            for job in own:
                what = "done" if job.name in done else "in the queue" if job.name in told else "submitted"
                yield Submitted(job.name, what, queue.get(job.name, ""))


def _check(profile: Profile, executor: str, gpus: int, at_once: int | None) -> None:
    """Raises InputError for what could not be submitted."""
    if profile.prepare_only:
        raise InputError("prepare_only: this command trains; leave it out to submit the study")
    if gpus < 0 or (at_once is not None and at_once < 1):
        raise InputError(f"--gpus-per-job {gpus}, --at-once {at_once}: allowed are 0 or more, and 1 or more")
    if executor == "local" and gpus * (at_once or 1) > len(_devices()):
        raise InputError(
            f"--gpus-per-job {gpus} of --at-once {at_once or 1} jobs, but this machine has {len(_devices())} GPUs"
        )
    check_processes(profile, max(gpus, 1), here=executor != "slurm")


def _name(part: Part) -> str:
    words = (part.stage, part.seed, part.task)
    return "-".join(str(word) for word in words if word is not None)


def _kind_here(profile: Profile) -> str:
    """The kind of device on which this process would look for the students, whose keys tell of it."""
    kind = "cuda" if torch.cuda.device_count() else "cpu"
    wanted = profile.device.partition(":")[0]
    return kind if wanted == "auto" else wanted if wanted == kind else "none"


def _done(
    jobs: Sequence[StudyJob], profile: Profile, lacking: Sequence[Part] | None, folder: Path, values: str
) -> set[str]:
    """Names of the jobs that need not be submitted.

    Args:
        jobs: of the study.
        profile: its parameters.
        lacking: parts that the store lacks; None where the jobs have another kind of device than this process, so that
            their students are not those that would be looked for here, and the word that the jobs left counts.
        folder: of the jobs.
        values: digest of the profile's values, with which a job must have been done.
    """
    if lacking is None:
        word = {"state": "done", "values": values, "code": code_digest()}
        left = {job.name: end_of(folder / f"{job.name}.end.json") or {} for job in jobs}
        return {name for name, end in left.items() if word.items() <= end.items()}
    lacks = {_name(part) for part in lacking}
    if lacks:
        return {job.name for job in jobs if job.stage not in ("notebook", "report")} - lacks
    return {
        job.name
        for job in jobs
        if job.stage not in ("notebook", "report")
        or state(REPORT if job.stage == "report" else job.name, profile)[0] == "done"
    }


def _devices() -> list[str]:
    """The GPUs of this machine that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [*filter(None, visible.split(","))] if visible else [str(n) for n in range(torch.cuda.device_count())]


def _places(gpus: int, at_once: int) -> list[tuple[str, list[str]]]:
    """The places of this machine at which jobs work: named for their GPUs, so that no two share one."""
    devices = [_devices()[n * gpus : (n + 1) * gpus] for n in range(at_once)]
    return [("-".join(own) if own else str(number), own) for number, own in enumerate(devices)]


def _queue(folder: Path, jobs: Sequence[StudyJob]) -> dict[str, str]:
    """Numbers of the jobs that were submitted before and have not ended, by name.

    A job of Slurm that waits for one that is neither there nor done could never begin: it is taken from the queue.
    """
    paths = {job.name: folder / f"{job.name}.json" for job in jobs}
    records = {name: read_json(path) for name, path in paths.items() if path.is_file()}
    slurm = _slurm_queue() if any(one["executor"] == "slurm" for one in records.values()) else set()
    found: dict[str, str] = {}
    for name, one in records.items():  # in the order of the study
        if one["executor"] == "local" and (is_held(folder / f"{name}.lock") or _is_controller(int(one["number"]))):
            found[name] = one["number"]
        elif one["number"] in slurm:
            if all(found.get(need) == number or need not in paths for need, number in one["needs"].items()):
                found[name] = one["number"]
            else:
                subprocess.run(["scancel", one["number"]], check=False, capture_output=True)
    return found


def _is_controller(number: int) -> bool:
    """Whether a process of this machine is submitit's for a job."""
    try:
        return "submitit.local._local" in psutil.Process(number).cmdline()
    except psutil.Error:
        return False


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
    needs: Mapping[str, Mapping[str, str]],
    parameters: dict[str, Any],
) -> dict[str, str]:
    """Hands the steps of a stage over; their numbers in the queue, by name.

    Raises:
        InputError: the scheduler does not take them.
    """
    if executor == "debug":
        for step in steps:
            step()
        return {}
    if not steps:
        return {}
    for step in steps:
        (folder / f"{step.name}.end.json").unlink(missing_ok=True)
    words = {"afterok": needs["after"].values(), "afterany": needs["after_any"].values()}
    dependency = ",".join(f"{word}:{':'.join(numbers)}" for word, numbers in words.items() if numbers)
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    chosen = _executor(executor, folder, jobs[0], dependency, parameters)
    try:
        with _apart() if executor == "local" else nullcontext(), chosen.batch():
            handed = [chosen.submit(step) for step in steps]
    except (FailedJobError, FailedSubmissionError) as error:
        raise InputError(
            f"the scheduler does not take {jobs[0].stage}: {str(error).strip().splitlines()[-1]}"
        ) from error
    before = {**needs["after"], **needs["after_any"]}
    for step, job in zip(steps, handed, strict=True):
        record = {"executor": executor, "number": str(job.job_id), "needs": before, "at": moment()}
        write_json(folder / f"{step.name}.json", record | {"arguments": step.arguments})
    return {step.name: str(job.job_id) for step, job in zip(steps, handed, strict=True)}


@contextmanager
def _apart() -> Iterator[None]:
    """Processes that are started in the block do not end with the terminal, nor hold what this one writes to."""
    before, kept = signal.getsignal(signal.SIGHUP), [os.dup(number) for number in range(3)]
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what is ignored stays so in them
        for number in range(3):
            os.dup2(nothing, number)
        yield
    finally:
        for number, own in enumerate(kept):
            os.dup2(own, number)
            os.close(own)
        os.close(nothing)
        signal.signal(signal.SIGHUP, before)


def _executor(executor: str, folder: Path, job: StudyJob, dependency: str, parameters: dict[str, Any]) -> Any:
    """submitit's, for the jobs of a stage.

    Raises:
        InputError: it is not installed, finds no Slurm, or knows a parameter not.
    """
    try:
        from submitit import AutoExecutor
    except ImportError as error:
        raise InputError("fairkd submit needs the package submitit: pip install 'submitit>=1.5'") from error
    given = {name: _truth(value) for name, value in parameters.items()}
    if ours := [name for name in given if name.removeprefix("slurm_").removeprefix("local_") in STUDY_DECIDES]:
        raise InputError(f"{ours[0]}: the study decides this itself; see --gpus-per-job, --at-once and timeout_min")
    settings: dict[str, Any] = {"name": f"fairkd-{job.stage}", "gpus_per_node": job.gpus, "stderr_to_stdout": True}
    if executor == "slurm":
        extra = {"kill-on-invalid-dep": "yes", "requeue": True}  # a job whose need has failed does not wait for ever
        settings |= {"nodes": 1, "tasks_per_node": 1, "timeout_min": 24 * 60, "slurm_signal_delay_s": 300}
        settings |= {"slurm_dependency": dependency} if dependency else {}
        extra |= given.pop("slurm_additional_parameters", {})
        settings |= {"slurm_additional_parameters": extra, **given}
    else:
        settings |= {"timeout_min": NO_LIMIT, **given}
    try:
        chosen = AutoExecutor(folder / "logs", cluster=executor, slurm_max_num_timeout=REQUEUED)
        chosen.update_parameters(**settings)
    except (RuntimeError, NameError, ValueError, TypeError, AssertionError) as error:
        known = sorted(AutoExecutor._typed_parameters())
        hint = "" if set(given) <= set(known) else nearest(next(iter(given), ""), known)
        raise InputError(f"submitit cannot submit to {executor!r}: {str(error).splitlines()[0]}{hint}") from error
    return chosen


def _truth(value: Any) -> Any:
    """A parameter's value; the words true and false of a command line are truth values."""
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value
