"""A job of a study as a scheduler runs it: one ``fairkd`` command in a process of its own, stopped and begun again.

What submitit keeps of a job, in files of its own, is a :class:`JobStep`: words, numbers and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, Timeout

from fairkd.engine.locks import is_held, lock_of
from fairkd.engine.processes import die_with_parent
from fairkd.engine.stopping import ENDS
from fairkd.engine.store import OWN_DIGEST, read_checked, read_json, write_checked
from fairkd.errors import InputError, LostError
from fairkd.lab.results import code_digest
from fairkd.profile import Profile, project_root

POLL_SECONDS = 0.2
LOST_SECONDS = 60.0
"""After which a job that nothing holds and that left no word counts as lost; it may be about to begin again."""
NOTICE_SECONDS = 60.0
"""How long a job whose command was stopped waits for its scheduler's word, before it asks to be queued again itself.

Slurm announces a preemption by SIGTERM alone. A job that somebody cancels gets it too, and is killed half a minute
later.
"""


@dataclass
class JobStep:
    """One command of a study.

    Attributes:
        name: of the job, such as "train-0".
        arguments: of ``fairkd``.
        values: digest of the profile's values (:func:`values_digest`) with which the study was submitted.
        settings: what the profile is: its name or file, and "name=value" for each change.
        folder: of the study's jobs.
        waits: whether it waits for others itself, as nobody does on one machine.
        after: names of the jobs that must have succeeded then.
        after_any: names of those that must have ended.
        places: names of the places of which it takes one then, with the GPUs of each as CUDA_VISIBLE_DEVICES has them.
    """

    name: str
    arguments: list[str]
    values: str
    settings: list[str]
    folder: str
    waits: bool = False
    after: list[str] = field(default_factory=list)
    after_any: list[str] = field(default_factory=list)
    places: list[tuple[str, str]] = field(default_factory=list)
    _process: Any = field(default=None, repr=False)

    def __call__(self) -> int:
        """Does it, and leaves word of how it ended for the jobs that wait for it.

        Raises:
            InputError: the profile has changed since the study was submitted.
            LostError: the command, or a job that it needs, failed.
        """
        folder, word = Path(self.folder), {"values": self.values, "code": code_digest()}
        left = folder / f"{self.name}.end.json"
        with lock_of(folder / f"{self.name}.lock") if self.waits else nullcontext():
            left.unlink(missing_ok=True)
            try:
                for name in (*self.after, *self.after_any):
                    self._wait_for(name)
                with self._place() as environment:
                    self._run(environment)
            except Exception as error:
                write_checked(left, {"state": "failed", "detail": str(error), **word})
                raise
            write_checked(left, {"state": "done", "detail": "", **word})
        return 0

    def checkpoint(self) -> Any:
        """What submitit calls before it gives the job back: the command is stopped, and has saved what it did."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGUSR2)
            with suppress(ChildProcessError):  # not Popen.wait, within which the signal may have come
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        self._process = None
        return DelayedSubmission(self)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_process": None}

    def _run(self, environment: dict[str, str]) -> None:
        if values_digest(self.settings) != self.values:
            raise InputError(
                f"{self.name}: the values of profile {self.settings[0]!r} have changed since this was submitted; "
                "submit it again"
            )
        process = self._process = subprocess.Popen(
            [sys.executable, "-m", "fairkd", *self.arguments],
            cwd=project_root(),
            env=os.environ | environment,
            preexec_fn=die_with_parent,
        )
        try:
            while (status := process.poll()) is None:
                time.sleep(POLL_SECONDS)  # where a signal finds this process
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
        if status in {128 + number for number in ENDS} or -status in ENDS:
            self._ask_again()
        if status:
            raise LostError(
                f"{self.name}: fairkd {' '.join(self.arguments)} ended with status {status}; its log is in "
                f"{self.folder}/logs"
            )

    @staticmethod
    def _ask_again() -> None:
        """The command was told to end, and saved what it did: so is this job, or it asks to be queued again."""
        time.sleep(NOTICE_SECONDS)
        if signal.getsignal(signal.SIGUSR2) not in (signal.SIG_DFL, signal.SIG_IGN, None):
            os.kill(os.getpid(), signal.SIGUSR2)
            time.sleep(POLL_SECONDS)

    def _wait_for(self, name: str) -> None:
        lock, left, free_since = Path(self.folder) / f"{name}.lock", Path(self.folder) / f"{name}.end.json", None
        while True:
            ended = end_of(left)
            if ended is not None and (ended["state"] == "done" or name in self.after_any):
                return
            if ended is not None:
                raise LostError(f"{self.name} needs {name}, which failed: {ended['detail']}")
            free_since = None if is_held(lock) else free_since or time.monotonic()
            if free_since is not None and time.monotonic() - free_since > LOST_SECONDS:
                raise LostError(f"{self.name} needs {name}, which is gone; submit again")
            time.sleep(POLL_SECONDS)

    @contextmanager
    def _place(self) -> Iterator[dict[str, str]]:
        """One of the places at which steps work, and the environment that it means."""
        if not self.places:
            yield {}
            return
        locks = [lock_of(Path(self.folder) / f"place-{name}.lock") for name, _ in self.places]
        number = self._take(locks)
        try:
            yield {"CUDA_VISIBLE_DEVICES": self.places[number][1]}
        finally:
            locks[number].release()

    @staticmethod
    def _take(locks: Sequence[BaseFileLock]) -> int:
        while True:
            for number, lock in enumerate(locks):
                with suppress(Timeout):
                    lock.acquire(timeout=0)
                    return number
            time.sleep(POLL_SECONDS)


def values_digest(settings: Sequence[str]) -> str:
    """Of the values of a profile, given by its name or file and "name=value" for each change."""
    from fairkd.run.arguments import with_parameters

    values = with_parameters(Profile.load(settings[0]), list(settings[1:])).values()
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def end_of(path: Path) -> dict[str, Any] | None:
    """What a step left when it ended; None if it has not.

    Raises:
        InputError: it was changed since.
    """
    return job_record(path) if path.is_file() else None


def job_record(path: Path) -> dict[str, Any]:
    """What was noted of a job: when it was handed over, or how it ended.

    Raises:
        InputError: it was changed since; those of before records had digests are taken as they are.
    """
    value = read_json(path)
    if isinstance(value, dict) and OWN_DIGEST not in value:
        return value
    try:
        return read_checked(path)
    except InputError as error:
        raise InputError(
            f"{path} was changed after it was written, so that nobody can say what became of that job: once it is not "
            "in the queue any more, remove the file and submit again"
        ) from error
