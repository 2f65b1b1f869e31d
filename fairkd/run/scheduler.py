"""The schedulers that take a study's jobs, by submitit: Slurm, this machine, or here and now."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import psutil
import torch

from fairkd.engine.locks import is_held
from fairkd.engine.store import write_checked
from fairkd.errors import InputError, nearest
from fairkd.run.ledger import moment
from fairkd.run.steps import JobStep, job_record
from fairkd.run.study import StudyJob
from fairkd.wording import listed

EXECUTORS = ("slurm", "local", "debug")
STUDY_DECIDES = ("name", "job_name", "nodes", "tasks_per_node", "gpus_per_node", "num_gpus", "dependency", "time")
"""Parameters of submitit that the study itself decides; the time is ``timeout_min``."""
NO_LIMIT = 60 * 24 * 365
"""Minutes, for a job of this machine, which nobody else waits for."""
REQUEUED = 1000
"""How often a job may be begun again after its time was over."""
TO_NUMBER = "asked."
"""Begins the names of files that tell, until their numbers are known, for which jobs a scheduler was asked."""


def devices() -> list[str]:
    """The GPUs of this machine that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [*filter(None, visible.split(","))] if visible else [str(n) for n in range(torch.cuda.device_count())]


def places_here(gpus: int, at_once: int) -> list[tuple[str, list[str]]]:
    """The places of this machine at which jobs work: named for their GPUs, so that no two share one."""
    found = [devices()[n * gpus : (n + 1) * gpus] for n in range(at_once)]
    return [("-".join(own) if own else str(number), own) for number, own in enumerate(found)]


def queued(folder: Path, jobs: Sequence[StudyJob], values: str) -> dict[str, str]:
    """Numbers of the jobs that were submitted before and have not ended, by name.

    A job of Slurm that waits for one that is neither there nor done could never begin: it is taken from the queue.

    Raises:
        InputError: some were submitted with other values than these, whose digest this is: each would end at once.
    """
    if any(folder.glob(f"{TO_NUMBER}*.json")):
        _find_numbers(folder)
    paths = {job.name: folder / f"{job.name}.json" for job in jobs}
    records = {name: job_record(path) for name, path in paths.items() if path.is_file()}
    slurm = _slurm_queue() if any(one["executor"] == "slurm" for one in records.values()) else {}
    # At work, whatever a record says: the process that submitted it may have been killed before it could note it.
    found = {name: "" for name in paths if is_held(folder / f"{name}.lock")}
    for name, one in records.items():  # in the order of the study
        if name in found or (one["executor"] == "local" and _is_controller(int(one["number"]))):
            found[name] = one["number"]
        elif one["number"] in slurm:
            if all(found.get(need) == number or need not in paths for need, number in one["needs"].items()):
                found[name] = one["number"]
            else:
                subprocess.run(["scancel", one["number"]], check=False, capture_output=True)
    others = [name for name in found if name in records and records[name].get("values") != values]
    if others:
        cancel = "scancel" if records[others[0]]["executor"] == "slurm" else "kill -INT"
        raise InputError(
            f"{listed(others)} still in the queue with other values of the profile; end them with "
            f"{cancel} {' '.join(filter(None, map(found.get, others)))}, or wait until they have ended"
        )
    return found


def start(
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
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    stage, asked = jobs[0].stage, folder / f"{TO_NUMBER}{jobs[0].stage}.json"
    title = f"fairkd-{stage}-{uuid.uuid4().hex[:8]}"
    before = {**needs["after"], **needs["after_any"]}
    record = {"executor": executor, "needs": before, "values": steps[0].values, "at": moment()}
    waits = _dependency(needs["after"].values(), needs["after_any"].values())
    chosen = executor_for(executor, folder, parameters, gpus=jobs[0].gpus, title=title, dependency=waits)
    if executor == "slurm":
        write_checked(asked, record | {"title": title, "names": [step.name for step in steps]})
    try:
        with _apart() if executor == "local" else nullcontext(), chosen.batch():
            handed = [chosen.submit(step) for step in steps]
    except (FailedJobError, FailedSubmissionError) as error:
        asked.unlink(missing_ok=True)  # it has said no
        raise InputError(f"the scheduler does not take {stage}: {str(error).strip().splitlines()[-1]}") from error
    for step, job in zip(steps, handed, strict=True):
        write_checked(folder / f"{step.name}.json", record | {"number": str(job.job_id)})
    asked.unlink(missing_ok=True)
    return {step.name: str(job.job_id) for step, job in zip(steps, handed, strict=True)}


def _dependency(after: Iterable[str], after_any: Iterable[str]) -> str:
    """In Slurm's words: numbers of jobs that must have succeeded, and of those that must have ended.

    One without a number is at work somewhere, not in the queue: locks of the store make others wait for it.
    """
    words = {"afterok": [*filter(None, after)], "afterany": [*filter(None, after_any)]}
    return ",".join(f"{word}:{':'.join(numbers)}" for word, numbers in words.items() if numbers)


def executor_for(
    executor: str,
    folder: Path,
    parameters: Mapping[str, Any],
    *,
    gpus: int,
    title: str = "fairkd",
    dependency: str = "",
) -> Any:
    """submitit's, for the jobs of a stage.

    Args:
        executor: one of :data:`EXECUTORS`.
        folder: of the jobs.
        parameters: further ones of submitit.
        gpus: of each job.
        title: of all of them, in the scheduler's lists.
        dependency: what they wait for, in Slurm's words.

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
    settings: dict[str, Any] = {"name": title, "gpus_per_node": gpus, "stderr_to_stdout": True}
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


def _is_controller(number: int) -> bool:
    """Whether a process of this machine is submitit's for a job."""
    try:
        return "submitit.local._local" in psutil.Process(number).cmdline()
    except psutil.Error:
        return False


def _find_numbers(folder: Path) -> None:
    """Writes down the numbers of the jobs for which Slurm was asked by a process that was killed before it could.

    A job whose content submitit had not put in its place by then could not begin: it is taken from the queue.
    """
    slurm = _slurm_queue()
    for path in folder.glob(f"{TO_NUMBER}*.json"):
        asked = job_record(path)
        names, title = asked.pop("names"), asked.pop("title")
        for number in (number for number, own in slurm.items() if own == title):
            name = names[int(number.partition("_")[2] or 0)]  # an array has its jobs in their order
            if (folder / "logs" / f"{number}_submitted.pkl").is_file():
                write_checked(folder / f"{name}.json", asked | {"number": number})
            else:
                subprocess.run(["scancel", number], check=False, capture_output=True)
        path.unlink()


def _slurm_queue() -> dict[str, str]:
    """Titles of all jobs of Slurm that wait or run, each of an array by itself, by their numbers.

    Raises:
        InputError: Slurm does not answer: then nobody knows, and nothing is submitted twice.
    """
    command = ["squeue", "--noheader", "--array", "--format=%i %j"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()
        return {number: title for number, _, title in (line.partition(" ") for line in told)}
    except (OSError, subprocess.SubprocessError) as error:
        raise InputError(f"squeue does not say which jobs are in the queue: {error}") from error
