"""What processes ask of the operating system: cores, memory, an end with their parent."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path


def die_with_parent() -> None:
    """In the child: be killed when the parent is, so that no orphan works on beside the next run (Linux)."""
    if sys.platform != "linux":
        return
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says what a container may use at most."""


def physical_memory() -> int:
    """Bytes of the machine, or of what a container or a job of Slurm may use; very many where nobody says."""
    found = [2**60]
    with suppress(AttributeError, ValueError, OSError):  # Windows has no such call
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in LIMITS:
        with suppress(OSError, ValueError):  # "max" is no number
            found.append(int(path.read_text()))
    with suppress(KeyError, ValueError):
        found.append(int(os.environ["SLURM_MEM_PER_NODE"]) * 2**20 or 2**60)  # 0 is all of the node
    return min(found)


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
