"""Many small fine-tuning runs side by side: on the CPU a process each, with one thread, as many as there are cores.

A small model in small batches does not keep several threads busy, but it keeps one. A run always has one thread, so it
has the same bits alone and beside others. On a GPU runs follow one another in this process.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import torch

from fairkd.classifiers import Encoder
from fairkd.finetune import GlueRecipe, find_run, finetune
from fairkd.glue_data import TaskData
from fairkd.processes import die_with_parent
from fairkd.store import Store

MOST = 8
"""Processes at most: each holds a model, its data and PyTorch."""


@dataclass(frozen=True)
class Job:
    """The arguments of :func:`fairkd.finetune.finetune`."""

    encoder: Encoder
    data: TaskData
    recipe: GlueRecipe
    seed: int
    store: Store
    device: torch.device
    keep_weights: bool


class Workers:
    """A context in which runs are started, and waited for one by one; its processes begin with the first run."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def start(self, job: Job) -> Callable[[], Path]:
        """Starts a run, unless the store has it; the returned function waits for its folder, or raises its error."""
        found = find_run(
            job.encoder,
            job.data,
            job.recipe,
            seed=job.seed,
            store=job.store,
            device=job.device,
            keep_weights=job.keep_weights,
        )
        if found is not None:
            return lambda: found
        if self._device.type != "cpu":
            return partial(_run, job)
        if self._pool is None:
            # Not a fork: PyTorch's threads do not survive one.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(min(MOST, _cores()), mp_context=context, initializer=die_with_parent)
        return self._pool.submit(_run, job).result


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run(job: Job) -> Path:
    return finetune(
        job.encoder,
        job.data,
        job.recipe,
        seed=job.seed,
        store=job.store,
        device=job.device,
        keep_weights=job.keep_weights,
    )
