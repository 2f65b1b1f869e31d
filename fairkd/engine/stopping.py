"""Signals that ask for an end (Ctrl-C, a notebook's stop button, a scheduler's notice) during a training.

It ends after an update, which is saved. The first signal is noted, the second one ends the work at once. Processes that
work for another take their orders from that one: a signal that reaches all of them means the one that started them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

AGAIN = "run again to go on"
NOT_BEGUN = f"stopped; {AGAIN}"
"""Of a command that had not begun its work, or keeps nothing."""
STAGE = "FAIRKD_STAGE"
"""In the environment of a command that is a stage of another, which says that it was stopped."""
TOLD = "FAIRKD_TOLD"
"""In the environment of a command that another began: the file that is there once it has told that it was stopped."""
STOPPING = "stopping after this update; once more: at once"
ENDS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)
]
"""Schedulers of clusters send one of the last four before they take the machine away."""
TOGETHER_SECONDS = 1.0
"""Signals so close are one: a terminal sends it to a whole group, and a command passes on what it gets."""
LATER_SECONDS = 0.1
"""After which a signal that came where nothing can be raised comes once more."""
CHILD_SECONDS = 120
"""How long a child that was told to end may take for it."""

_told_at: list[float] = []
_number: int = signal.SIGINT
_children: set[subprocess.Popen[Any]] = set()


class Stopped(KeyboardInterrupt):
    """Work that was interrupted where it can go on; the message says so in one line, in a notebook too."""

    @classmethod
    def at(cls, label: str, update: int, total: int) -> Stopped:
        """After an update (from 1), which is saved.

        >>> str(Stopped.at("teacher", 40, 100)), str(Stopped.at("teacher", 0, 100))
        ('teacher: stopped at update 40 of 100, saved; run again to go on', 'teacher: stopped before its first update')
        """
        if not update:
            return cls(f"{label}: stopped before its first update")
        return cls(f"{label}: stopped at update {update:,} of {total:,}, saved; {AGAIN}")

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Told(Stopped):
    """Work that was interrupted in another process, which has said so itself."""


class Ended(KeyboardInterrupt):
    """A signal asked for an end. Python ends ``python -m`` as by SIGINT once it has seen a plain KeyboardInterrupt."""


def heed_signals() -> None:
    """For a command: each of ``ENDS`` is passed on to its children and raises KeyboardInterrupt.

    What the process was started to ignore, such as SIGHUP below nohup, stays ignored.
    """
    for number in ENDS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def ignore_signals() -> None:
    """For a process that is about to end, and has something to save and to say first."""
    if threading.current_thread() is threading.main_thread():
        for number in ENDS:
            signal.signal(number, signal.SIG_IGN)


def tell(said: str) -> None:
    """Says on standard error that this command was stopped, where nobody else does; notes that it was said.

    Of processes that train together the first says it, and a command that began a stage says it for one that has
    nothing to add. What a stage has said its command does not say again: see :class:`Told`.
    """
    if os.environ.get("RANK", "0") != "0" or (said == NOT_BEGUN and STAGE in os.environ):
        return
    print(f"fairkd: {said}", file=sys.stderr, flush=True)
    if note := os.environ.get(TOLD):
        with suppress(OSError):
            Path(note).touch()


def exit_status() -> int:
    """Of a command that a signal ended, as shells have it: 130 for an interrupt, 143 for SIGTERM."""
    return 128 + _number


def _end(number: int, frame: Any) -> None:
    if _in_destructor(frame):  # an exception would be told and swallowed there
        threading.Timer(LATER_SECONDS, os.kill, (os.getpid(), number)).start()
        return
    again = _again(number)
    for child in list(_children):
        with suppress(ProcessLookupError):
            child.send_signal(number)
    if not again:
        raise Ended


def _in_destructor(frame: Any) -> bool:
    """Whether a frame is of a ``__del__``, or was called by one."""
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None


def _again(number: int) -> bool:
    """Whether a signal is the same one as the last, come by another way."""
    global _number
    now = time.monotonic()
    if _told_at and now - _told_at[-1] < TOGETHER_SECONDS:
        return True
    _told_at.append(now)
    _number = number
    return False


@contextmanager
def child(process: subprocess.Popen[Any]) -> Iterator[None]:
    """In the block a process gets the signals of :func:`heed_signals`; if one ends the block, it may end in peace."""
    _children.add(process)
    try:
        yield
    except KeyboardInterrupt:
        end_children()
        raise
    finally:
        _children.discard(process)


def end_children() -> None:
    """Waits until all children that were told to end have; ends those that take too long."""
    until = time.monotonic() + CHILD_SECONDS
    for process in list(_children):
        try:
            process.wait(timeout=max(0.0, until - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            process.kill()


_order: Any = None
"""In a worker: its parent's event, set when it should stop."""
_at_work = False
_ended = False


def take_orders(order: Any) -> None:
    """In a worker: interrupts are left to the parent, which sets ``order`` (an event of processes).

    So are the other signals while it :func:`works`, as a scheduler sends them to every process of a job; a worker that
    waits ends at once.
    """
    global _order
    _order = order
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in ENDS[1:] if order is not None else ():
        signal.signal(number, _end_worker)


def _end_worker(number: int, _frame: Any) -> None:
    global _ended
    if not _at_work:
        os._exit(128 + number)
    _ended = True


@contextmanager
def works() -> Iterator[None]:
    """In a worker: the block is a piece of work, which ends where it is saved."""
    global _at_work
    _at_work = True
    try:
        yield
    finally:
        _at_work = False
        if _ended:  # once its parent has had time to hear what became of the piece
            threading.Timer(10.0, os._exit, [128 + signal.SIGTERM]).start()


def ordered_to_stop() -> bool:
    """In a worker: whether its parent, or a signal, has told it to stop."""
    return _ended or (_order is not None and bool(_order.is_set()))


@contextmanager
def interrupts_noted(told: Callable[[], None] = lambda: None) -> Iterator[Callable[[], bool]]:
    """In the block a first signal ends nothing; what the block is given says whether there was one.

    A second one raises KeyboardInterrupt. In a worker, and where interrupts are ignored or go to another thread, this
    does nothing. Signals that nothing handles outside of the block keep their effect: they end the process.

    Args:
        told: is called at the first signal.
    """
    before = {number: signal.getsignal(number) for number in ENDS}
    handled = [number for number in ENDS if callable(before[number])]
    if _order is not None or threading.current_thread() is not threading.main_thread() or not handled:
        yield ordered_to_stop
        return
    noted: list[int] = []

    def note(number: int, _frame: Any) -> None:
        if _again(number):
            return
        if noted:
            raise KeyboardInterrupt
        noted.append(number)
        told()

    for number in handled:
        signal.signal(number, note)
    try:
        yield lambda: bool(noted)
    finally:
        for number in handled:
            signal.signal(number, before[number])


@contextmanager
def one_line(what: str) -> Iterator[None]:
    """An interrupt of the block ends in one line; for work of which finished pieces are kept.

    >>> try:
    ...     with one_line("measuring"):
    ...         raise KeyboardInterrupt
    ... except Stopped as stopped:
    ...     print(stopped)
    measuring: stopped; what is finished is saved; run again to go on
    """
    try:
        yield
    except Stopped:
        raise
    except KeyboardInterrupt:
        raise Stopped(f"{what}: stopped; what is finished is saved; {AGAIN}") from None
