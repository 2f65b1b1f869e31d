"""What the figures are held against: this machine's own matrix products, a clock and a meter of memory."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from fairkd.engine import products
from fairkd.lab.plan import matmul_rate

WARM_UP = 2
"""Calls that are not timed."""
HELD_OUT = 0.05
"""Share of the documents: of a smaller one none of the embedded corpus's 97 may be held out, which is an error."""


def matmul_peak(device: torch.device, *, quick: bool = False) -> float:
    """Best rate of square matrix products, in FLOP/s, in the precision of training."""
    return max(matmul_rate(device, size) for size in ((256,) if quick else (1024, 2048, 4096)))


def seconds(work: Callable[[], Any], device: torch.device) -> float:
    """Time of one call: on CUDA between two events, so that the host's head start is not taken for speed."""
    if device.type == "cuda":
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        work()
        last.record()
        torch.cuda.synchronize(device)
        return float(first.elapsed_time(last)) / 1000
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@contextmanager
def plain_products() -> Iterator[None]:
    """The block's matrix products are PyTorch's own, as in a program without :mod:`fairkd.engine.products`."""
    products.use_pytorch()
    try:
        yield
    finally:
        products.use_fastest()


def give_freed_memory_back() -> None:
    """Undoes :func:`fairkd.engine.processes.keep_freed_memory`: like a process that once freed a block of 32 MB.

    The heap keeps its size, which favours whoever runs after this.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        m_mmap_max, m_mmap_threshold = -4, -3
        mallopt(m_mmap_max, 65536)
        mallopt(m_mmap_threshold, 32 * 2**20)


def peak_extra_bytes(work: Callable[[], Any], device: torch.device) -> int:
    """Most bytes of tensors that ``work`` holds at a time, beyond those that existed before."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return int(torch.cuda.max_memory_allocated(device) - before)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        work()
    results: Any = profile.profiler
    events = [event for event in results.kineto_results.events() if event.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most
