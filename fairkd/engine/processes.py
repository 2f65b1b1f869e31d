"""What processes ask of the operating system: cores, memory, an end with their parent."""

from __future__ import annotations

import atexit
import ctypes
import gc
import itertools
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path

from fairkd.engine.stopping import ENDS


def die_with_parent() -> None:
    """In the child: be killed when the parent is, so that no orphan works on beside the next run (Linux)."""
    if sys.platform != "linux":
        return
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def begin_tracker() -> None:
    """Starts the process in which Python tracks what processes share, deaf to signals for a whole group.

    Python makes it so for SIGINT and SIGTERM; a SIGHUP would end it, and its end be told in tracebacks.
    """
    if not hasattr(signal, "pthread_sigmask"):
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
    try:
        resource_tracker.ensure_running()  # it inherits what is blocked; for this process signals wait a moment
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


SELDOM, _USUAL = 20_000, gc.get_threshold()
"""New objects after which Python looks for garbage in cycles, where :func:`look_for_garbage_seldom` was called."""


def look_for_garbage_seldom() -> None:
    """For a process of our own, which imports PyTorch and makes pages: objects by the hundred thousand that stay.

    To look through them after every 700 new ones takes a quarter of that time, and once more at its end half a second.
    """
    gc.set_threshold(SELDOM, *_USUAL[1:])
    atexit.register(gc.freeze)  # the memory goes back to the system as a whole


def look_for_garbage_as_usual() -> None:
    """Before a model is trained: a cycle may hold the one before, with its moments."""
    gc.set_threshold(*_USUAL)


@contextmanager
def garbage_of_its_own() -> Iterator[None]:
    """Of a function that trains: what it leaves is removed at its end, and what was there before is not looked through.

    Trainer has all objects looked through in each run, those of PyTorch too: a quarter of a second.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()  # before the next run keeps it from being found
        gc.unfreeze()


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


LIMITS = (Path("/sys/fs/cgroup"), "memory.max"), (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes")
"""Where Linux says what a group of processes, such as a container or a job of Slurm, may use at most."""
OWN_GROUP = Path("/proc/self/cgroup")


def physical_memory() -> int:
    """Bytes of the machine, or of what a container or a job of Slurm may use; very many where nobody says."""
    found = [2**60]
    with suppress(AttributeError, ValueError, OSError):  # Windows has no such call
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    found += _group_limits()
    with suppress(KeyError, ValueError):
        found.append(int(os.environ["SLURM_MEM_PER_NODE"]) * 2**20)
    with suppress(KeyError, ValueError):
        found.append(int(os.environ["SLURM_MEM_PER_CPU"]) * int(os.environ["SLURM_CPUS_ON_NODE"]) * 2**20)
    return min(size for size in found if size > 0)  # Slurm says 0 of a whole node


def _group_limits() -> Iterator[int]:
    """Of this process's group and of those around it, as far as they can be seen."""
    groups = [Path()]
    with suppress(OSError, ValueError):
        for line in OWN_GROUP.read_text().splitlines():
            own = Path(line.rpartition(":")[2].lstrip("/"))
            groups += [own, *own.parents]
    for (root, name), group in itertools.product(LIMITS, dict.fromkeys(groups)):
        with suppress(OSError, ValueError):  # "max" is no number
            yield int((root / group / name).read_text())


def keep_freed_memory() -> None:
    """Lets glibc keep large freed blocks for the next tensor, for the rest of the process.

    By default each logits-sized tensor is mapped anew, and the kernel fills its pages with zeros first: a fifth of a
    training step on two cores. Other C libraries are left alone.
    """
    if sys.platform != "linux":
        return
    m_mmap_max, m_trim_threshold, largest = -4, -1, 2**31 - 1
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(m_mmap_max, 0)
        mallopt(m_trim_threshold, largest)


def release_freed_memory() -> None:
    """Gives back what glibc keeps since :func:`keep_freed_memory`: other processes are about to need it."""
    gc.collect()
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if malloc_trim is not None:
        malloc_trim(0)
