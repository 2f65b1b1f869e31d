"""Many small pieces of work side by side: on the CPU a process each, with one thread, as many as there are cores.

At the shapes of a laptop two processes with one thread each do more than one with two threads, whose threads wait for
each other. A piece always has one thread, so its result has the same bits here, beside others, and on any number of
cores. On a GPU pieces follow one another in this process.
"""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Self

import torch

from fairkd.engine import products
from fairkd.engine.processes import (
    begin_tracker,
    cores,
    die_with_parent,
    look_for_garbage_seldom,
    physical_memory,
    release_freed_memory,
)
from fairkd.engine.progress import Progress
from fairkd.engine.setup import setup
from fairkd.engine.stopping import STOPPING, Stopped, ordered_to_stop, take_orders, works

MOST = 8
"""Processes at most: each holds models and PyTorch."""
STOPPING_SECONDS = 120
"""How long an interrupted training may take to its next update, which it saves."""
_to_parent: Any = None
"""In a worker: the queue of finished updates: how many, and whether an earlier run did them."""


@contextmanager
def one_thread() -> Iterator[None]:
    """One CPU thread for the block: how many there are changes the last bits, and small models gain little by them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class ProcessLostError(RuntimeError):
    """A process that did a piece of work was killed from outside, with others and again alone."""

    def __init__(self) -> None:
        super().__init__(
            "its process was killed, beside others and again alone; most likely there is too little memory "
            f"({physical_memory() / 2**30:.0f} GiB in all)"
        )


def tell_of_lost() -> None:
    """Says that lost pieces of work are tried again."""
    text = "A process was killed, perhaps for want of memory; what was lost is tried once more, a piece at a time."
    print(text, file=sys.stderr, flush=True)


class Pool(ProcessPoolExecutor):
    """Ends where one of its processes is killed while a call is submitted, which the executor of Python 3.11 need not.

    There the thread that ends a broken pool takes no lock: what is submitted meanwhile may begin a process that nobody
    ends, for which a shutdown waits for ever, fail to begin one, or add a call that nobody answers.
    """

    def submit(self, function: Callable[..., Any], /, *args: Any, **values: Any) -> Future[Any]:
        """A call of a broken pool fails as those do that were lost with it: its future raises."""
        try:
            future = super().submit(function, *args, **values)
        except (BrokenProcessPool, OSError):  # the latter: what it would read from is closed
            if not self._broken:
                raise
        else:
            if not self._broken:
                return future
        lost: Future[Any] = Future()
        lost.set_exception(BrokenProcessPool("a process was killed before this call was submitted"))
        return lost

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As the executor's; of a broken pool no process is left that one would wait for."""
        if self._broken:
            end_at_once(self)
        super().shutdown(wait, cancel_futures=cancel_futures)


def pool(queue: Any = None, order: Any = None, *, processes: int | None = None) -> Pool:
    """Processes with one thread each, which end with this one, and multiply matrices as it does.

    Args:
        queue: takes what they tell of their updates.
        order: an event of processes, which tells them to stop.
        processes: how many; as many as :func:`workers` says without it.
    """
    release_freed_memory()  # this one will only wait
    begin_tracker()
    # Not a fork: PyTorch's threads do not survive one.
    context = multiprocessing.get_context("spawn")
    setup()
    begin = queue, order, products.in_use()
    return Pool(processes or workers(), mp_context=context, initializer=_begin, initargs=begin)


def workers() -> int:
    """How many processes a pool has."""
    return min(MOST, cores())


def _begin(queue: Any, order: Any, library: str) -> None:
    global _to_parent
    setup()
    products.use_pytorch() if library == "PyTorch" else products.use_onednn()
    _to_parent = queue
    look_for_garbage_seldom()
    take_orders(order)
    die_with_parent()
    torch.set_num_threads(1)


def side_by_side(
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    *,
    here: bool,
    label: str = "",
    updates: int = 0,
    processes: int | None = None,
) -> list[Any]:
    """Calls a function with each of these arguments; returns the results in order, or the error in place of one.

    Args:
        function: of a module, as its name is all that a process is told.
        calls: arguments, which must be plain values or small objects.
        here: one after the other in this process, which shares what it has loaded; for little work, and on a GPU.
        label: of the line of progress; none if empty.
        updates: of all calls together, as :func:`counting` counts them: the calls are trainings, which an interrupt
            ends with what they have saved. Without it the line counts calls.
        processes: how many at once; as many as :func:`workers` says without it.

    A process that is killed takes the others' work with it: what was lost is done once more, one piece at a time, and
    for one that is killed again stands a :class:`ProcessLostError`.

    Raises:
        Stopped: it was interrupted, and every training that was at work is saved.
    """
    if here:
        with one_thread():
            return [_outcome(function, call) for call in calls]
    results = _in_processes(function, calls, most=processes or workers(), label=label, updates=updates)
    lost = [number for number, result in enumerate(results) if isinstance(result, BrokenProcessPool)]
    if lost:
        tell_of_lost()
    for number in lost:
        (again,) = _in_processes(function, [calls[number]], most=1, label=label, updates=updates)
        results[number] = ProcessLostError() if isinstance(again, BrokenProcessPool) else again
    return results


def _in_processes(
    function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], *, most: int, label: str, updates: int
) -> list[Any]:
    """:func:`side_by_side` in so many processes; a BrokenProcessPool in place of each result that was lost."""
    begin_tracker()
    context = multiprocessing.get_context("spawn")
    queue, order = context.SimpleQueue(), context.Event()
    unit, saved = "updates" if updates else "pieces", False
    with Progress(label, updates or len(calls), unit=unit) as shown, pool(queue, order, processes=most) as processes:
        reader = threading.Thread(target=_show, args=(queue, shown if updates else None), daemon=True)
        reader.start()
        futures = [processes.submit(_unless_stopped, function, call) for call in calls]
        try:
            for _ in as_completed(futures):
                if not updates:
                    shown.add()
        except BaseException as error:
            saved = isinstance(error, KeyboardInterrupt) and updates > 0 and _all_saved(futures, order, shown)
            end_at_once(processes)
            if not saved:
                raise
        finally:
            # By a thread, and with an end: a process that was killed may hold the queue's lock.
            threading.Thread(target=queue.put, args=(None,), daemon=True).start()
            reader.join(timeout=5)
    if saved:
        raise Stopped.at(label or "training", shown.done, updates)
    return [_result(future) for future in futures]


def _all_saved(futures: Sequence[Future[Any]], order: Any, shown: Progress) -> bool:
    """Tells the trainings to stop; whether each has ended, at its end or where it was saved."""
    shown.note = STOPPING
    order.set()
    for future in futures:
        future.cancel()
    try:
        _, at_work = wait(futures, timeout=STOPPING_SECONDS)
    except KeyboardInterrupt:
        return False
    ended = [future.exception() for future in futures if future.done() and not future.cancelled()]
    return not at_work and all(error is None or isinstance(error, Stopped) for error in ended)


def end_at_once(processes: ProcessPoolExecutor) -> None:
    """Ends what is at work, and what waits. A shutdown alone would let the processes go on with what is waiting."""
    for process in list((processes._processes or {}).values()):
        process.kill()  # a training takes any other signal for an order to save


def _unless_stopped(function: Callable[..., Any], call: tuple[Any, ...]) -> Any:
    if ordered_to_stop():
        raise Stopped("stopped before it began")
    with works():
        return function(*call)


def counting(label: str, total: int, *, done: int = 0) -> Any:
    """A context that counts the updates of a training (``add``) and shows them; in a worker, its parent is told."""
    return _Counted(label, total, done=done) if _to_parent is None else _Told(done)


class _Counted(Progress):
    def stopping(self) -> None:
        """The line says that the training is about to stop."""
        self.note = STOPPING


class _Told:
    """In a worker, what :class:`_Counted` is here."""

    def __init__(self, done: int) -> None:
        self._done = done

    def __enter__(self) -> Self:
        if self._done:
            _to_parent.put((self._done, True))
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def add(self) -> None:
        _to_parent.put((1, False))

    def stopping(self) -> None:
        pass


def _show(queue: Any, shown: Progress | None) -> None:
    while (told := queue.get()) is not None:
        count, before = told
        if shown is not None:
            (shown.skip if before else shown.add)(count)


def _outcome(function: Callable[..., Any], call: tuple[Any, ...]) -> Any:
    try:
        return function(*call)
    except Exception as error:  # the other pieces are done all the same
        return error


def _result(future: Future[Any]) -> Any:
    return future.exception() or future.result()
