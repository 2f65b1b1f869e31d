"""An interrupt (Ctrl-C, a notebook's stop button) during a training: it ends after an update, which is saved.

The first interrupt is noted, the second one ends the work at once. Processes that work for another take their orders
from that one: an interrupt of a terminal or a notebook reaches all of them, and means the one that started them.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

AGAIN = "run again to go on"
STOPPING = "stopping after this update; once more: at once"


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


_order: Any = None
"""In a worker: its parent's event, set when it should stop."""


def take_orders(order: Any) -> None:
    """In a worker: interrupts are left to the parent, which sets ``order`` (an event of processes)."""
    global _order
    _order = order
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def ordered_to_stop() -> bool:
    """In a worker: whether its parent has told it to stop."""
    return _order is not None and bool(_order.is_set())


@contextmanager
def interrupts_noted(told: Callable[[], None] = lambda: None) -> Iterator[Callable[[], bool]]:
    """In the block a first interrupt ends nothing; what the block is given says whether there was one.

    A second one raises KeyboardInterrupt. In a worker, and where interrupts are ignored or go to another thread, this
    does nothing.

    Args:
        told: is called at the first interrupt.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before in (signal.SIG_IGN, None):
        yield ordered_to_stop
        return
    noted: list[int] = []

    def note(number: int, _frame: Any) -> None:
        if noted:
            raise KeyboardInterrupt
        noted.append(number)
        told()

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(noted)
    finally:
        signal.signal(signal.SIGINT, before)


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
