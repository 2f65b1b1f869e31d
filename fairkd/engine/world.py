"""The processes that train together, one a device, started by torchrun: their sums, and who writes.

Data parallel without a wrapper of the model: each process reads its own batches of an update's window, and gradients
are summed once an update, as the window is long beside the sum. The process of rank 0 makes corpus, teachers and
entries of the store; the others wait for it, never below a lock of a file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from fairkd.engine.processes import die_with_parent
from fairkd.errors import LostError

LONGEST_WAIT = timedelta(days=7)
"""How long a process waits for another, which may be preparing a corpus; torchrun ends all when one of them dies."""


@dataclass(frozen=True)
class World:
    """Which of how many processes this is; of one process alone, nothing is summed and nobody waits.

    Attributes:
        rank: of this process, from 0.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def writes(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Puts the sum over all processes in place of each tensor; all processes give the same shapes.

        Raises:
            LostError: another process is gone.
        """
        if self.size == 1:
            return
        flat = torch.cat([tensor.detach().flatten() for tensor in tensors])
        self._reduce(flat)
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def any(self, here: bool) -> bool:
        """Whether it is so in any of the processes, all of which ask at the same place."""
        if self.size == 1:
            return here
        found = torch.tensor(float(here))
        self._reduce(found)
        return bool(found)

    def wait(self) -> None:
        """Until all processes have come to this place."""
        self.any(False)

    def told(self, value: Any) -> Any:
        """What the process of rank 0 says; the others' own value does not count. Plain JSON values.

        Raises:
            LostError: that process is gone.
        """
        if self.size == 1:
            return value
        data = list(json.dumps(value).encode()) if self.writes else []
        size = torch.tensor(float(len(data)), dtype=torch.float64)
        self._reduce(size)
        text = torch.zeros(int(size), dtype=torch.int32)
        text[: len(data)] = torch.tensor(data, dtype=torch.int32)
        self._reduce(text)
        return json.loads(bytes(text.tolist()))

    def _reduce(self, tensor: Tensor) -> None:
        try:
            dist.all_reduce(tensor)
        except RuntimeError as error:
            raise LostError(
                f"training in {self.size} processes: one of them was lost, so no update can be finished; what is saved "
                "is kept; run again to go on"
            ) from error


ONE_PROCESS = World()


def world() -> World:
    """The processes that this one trains with."""
    if not (dist.is_available() and dist.is_initialized()):
        return ONE_PROCESS
    return World(dist.get_rank(), dist.get_world_size())


def launched() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ and "WORLD_SIZE" in os.environ


def local_rank() -> int:
    """Which of the processes on this machine this is, and so which of its GPUs is its own."""
    return int(os.environ["LOCAL_RANK"]) if launched() else 0


@contextmanager
def together() -> Iterator[World]:
    """In the block, a process that torchrun started trains with the others; any other is alone."""
    if not launched():
        yield ONE_PROCESS
        return
    die_with_parent()  # torchrun gives each a session of its own, which a kill of the command does not reach
    # Numbers of the host go over gloo, those of a GPU over NCCL.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank())  # what names no GPU, such as a pinned copy, else opens the first one
    dist.init_process_group(backend, timeout=LONGEST_WAIT)
    yield world()
    dist.destroy_process_group()  # not after an error: the others may be waiting where this one would not come


def torchrun(processes: int, arguments: Sequence[str]) -> list[str]:
    """What follows ``python -m`` to run ``fairkd`` with these arguments in so many processes of this machine."""
    return ["fairkd.run.together", "--standalone", f"--nproc-per-node={processes}", "-m", "fairkd", *arguments]
