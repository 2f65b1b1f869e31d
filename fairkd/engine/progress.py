"""One line that says how far a piece of work is and how long it still takes.

In a terminal the line is rewritten. In a notebook that somebody looks at it is one output that is updated, and stays
with the time that the work took. In a log, which papermill writes too, there is another line every half minute.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from fairkd.wording import duration

LOG_SECONDS, LOOK_SECONDS = 30.0, 0.5
"""Between two lines of a log, and between two looks of somebody who watches."""
_SERVERS = ("JPY_SESSION_NAME", "VSCODE_PID")
"""Variables that a front end gives to its kernels; papermill and nbconvert, behind which nobody watches, do not."""


class Progress:
    """A context in which work is counted and shown; nothing is shown of what is over before the first line is due.

    Args:
        label: what is done, as in "teacher"; nothing is shown if it is empty.
        total: how much of it there is, if that is known.
        done: of that, before this began (of a training that goes on).
        unit: what is counted.

    Attributes:
        done: how much is done.
        note: stands at the end of the line, if there is any.
    """

    def __init__(self, label: str, total: int | None = None, *, done: int = 0, unit: str = "updates") -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done, self.note = done, ""
        self._before, self._started = done, time.monotonic()
        self._over, self._failed = threading.Event(), False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self.label:
            self._thread = threading.Thread(target=self._watch, args=(_place(),), daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._failed = kind is not None
        self._over.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def add(self, count: int = 1) -> None:
        """So much more is done."""
        self.done += count

    def skip(self, count: int) -> None:
        """So much had been done before, which says nothing about the time that the rest takes."""
        self.done += count
        self._before += count

    def text(self) -> str:
        """The line.

        >>> Progress("teacher", 100, done=40).text()
        'teacher: 40 of 100 updates'
        """
        new, left = self.done - self._before, ""
        if self.total is not None and new > 0:
            left = f", {duration(self._passed / new * max(0, self.total - self.done))} left"
        return f"{self._state}{left}{f' ({self.note})' if self.note else ''}"

    @property
    def _state(self) -> str:
        of = f" of {self.total:,}" if self.total is not None else ""
        return f"{self.label}: {self.done:,}{of} {self.unit}"

    @property
    def _passed(self) -> float:
        return time.monotonic() - self._started

    def _watch(self, place: _Place) -> None:
        shown = False
        while not self._over.wait(place.seconds):
            place.show(self.text())
            shown = True
        if shown:
            place.end("" if self._failed else f"{self.label}: {self.done:,} {self.unit} in {duration(self._passed)}")


class _Place:
    """Where lines go, and how often; the last is empty where the work has failed or was stopped."""

    def __init__(self, seconds: float, show: Callable[[str], None], end: Callable[[str], None]) -> None:
        self.seconds, self.show, self.end = seconds, show, end


def _place() -> _Place:
    if _in_kernel():
        if any(os.environ.get(name) for name in _SERVERS):
            line = _Display()
            return _Place(LOOK_SECONDS, line.show, line.show)
        return _Place(LOG_SECONDS, _print, _print)
    if sys.stderr.isatty():
        return _Place(LOOK_SECONDS, _rewrite, lambda _: _rewrite(""))
    return _Place(LOG_SECONDS, _log, _log)


def _in_kernel() -> bool:
    module = sys.modules.get("IPython")
    return module is not None and getattr(module.get_ipython(), "kernel", None) is not None


def _print(text: str) -> None:
    if text:
        print(text, flush=True)


def _log(text: str) -> None:
    if text:
        print(text, file=sys.stderr, flush=True)


def _rewrite(text: str) -> None:
    """Over the line that is there; cut to the terminal's width, as a longer one would leave its beginning behind."""
    width = os.get_terminal_size(sys.stderr.fileno()).columns
    print(f"\r\x1b[K{text[: max(10, width - 1)]}", end="", file=sys.stderr, flush=True)


class _Display:
    """One output of a notebook's cell, as text, which is updated."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, text: str) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display({"text/plain": text}, raw=True, display_id=True)
        else:
            self._handle.update({"text/plain": text}, raw=True)
