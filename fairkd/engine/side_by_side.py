"""Many small pieces of work side by side: on the CPU a process each, with one thread, as many as there are cores.

At the shapes of a laptop two processes with one thread each do more than one with two threads, whose threads wait for
each other. A piece always has one thread, so its result has the same bits here, beside others, and on any number of
cores. On a GPU pieces follow one another in this process.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

import torch
from tqdm import tqdm

from fairkd.engine.processes import cores, die_with_parent

MOST = 8
"""Processes at most: each holds models and PyTorch."""
_to_parent: Any = None
"""In a worker: the queue of finished updates."""


@contextmanager
def one_thread() -> Iterator[None]:
    """One CPU thread for the block: how many there are changes the last bits, and small models gain little by them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def pool(queue: Any = None) -> ProcessPoolExecutor:
    """Processes with one thread each, which end with this one; ``queue`` takes what they tell of their updates."""
    # Not a fork: PyTorch's threads do not survive one.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers(), mp_context=context, initializer=_begin, initargs=(queue,))


def workers() -> int:
    """How many processes a pool has."""
    return min(MOST, cores())


def _begin(queue: Any) -> None:
    global _to_parent
    _to_parent = queue
    die_with_parent()
    torch.set_num_threads(1)


def side_by_side(
    function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], *, here: bool, label: str = "", updates: int = 0
) -> list[Any]:
    """Calls a function with each of these arguments; returns the results in order, or the error in place of one.

    Args:
        function: of a module, as its name is all that a process is told.
        calls: arguments, which must be plain values or small objects.
        here: one after the other in this process, which shares what it has loaded; for little work, and on a GPU.
        label: of the progress bar; none if empty.
        updates: of all calls together, as :func:`counted` counts them; without it the bar counts calls.
    """
    if here:
        with one_thread():
            return [_outcome(function, call) for call in calls]
    queue = multiprocessing.get_context("spawn").SimpleQueue()
    bar = tqdm(total=updates or len(calls), desc=label, disable=not label, leave=False)
    reader = threading.Thread(target=_show, args=(queue, bar if updates else None), daemon=True)
    with pool(queue) as processes:
        reader.start()
        try:
            futures = [processes.submit(function, *call) for call in calls]
            for _ in as_completed(futures):
                if not updates:
                    bar.update()
        except BaseException:  # an interrupt: a shutdown alone would let the processes go on with what is waiting
            for process in list((processes._processes or {}).values()):
                process.terminate()
            raise
        finally:
            # By a thread, and with an end: a process that was killed may hold the queue's lock.
            threading.Thread(target=queue.put, args=(None,), daemon=True).start()
            reader.join(timeout=5)
            bar.close()
    return [_result(future) for future in futures]


def counted(numbers: range, *, total: int, label: str) -> Iterable[int]:
    """The updates of a training, with a progress bar if there is a label; in a worker, its parent is told of each."""
    if _to_parent is None:
        return tqdm(numbers, initial=numbers.start, total=total, desc=label, disable=not label, leave=False)
    return _told(numbers)


def _told(numbers: range) -> Iterator[int]:
    for number in numbers:
        yield number
        _to_parent.put(1)


def _show(queue: Any, bar: Any) -> None:
    while (done := queue.get()) is not None:
        if bar is not None:
            bar.update(done)


def _outcome(function: Callable[..., Any], call: tuple[Any, ...]) -> Any:
    try:
        return function(*call)
    except Exception as error:  # the other pieces are done all the same
        return error


def _result(future: Future[Any]) -> Any:
    return future.exception() or future.result()
