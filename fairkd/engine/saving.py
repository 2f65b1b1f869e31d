"""Checkpoints of a training: what they hold, whole or not at all, and a thread that writes them while it goes on."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from fairkd.engine.processes import physical_memory
from fairkd.engine.store import check_seal, disk_errors, flush, seal
from fairkd.errors import InputError

KEPT = 2
"""Checkpoints of a model: if the newest is damaged, the one before it counts."""
STATE, METRICS = "state.safetensors", "metrics.json"
HOST_SHARE = 0.25
"""Of the machine's memory, for checkpoints that wait to be written."""


@dataclass(frozen=True)
class Snapshot:
    """A model in training after an update.

    Attributes:
        update: after which (from 1).
        tensors: weights and moments by name, on the CPU.
        metrics: a row an update so far.
        stretches: from which update on it was trained how.
    """

    update: int
    tensors: dict[str, Tensor]
    metrics: list[dict[str, float]]
    stretches: list[dict[str, Any]]

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(tensor.nbytes for tensor in self.tensors.values())


def write_snapshot(folder: Path, snapshot: Snapshot) -> None:
    """Writes a checkpoint, then removes all but it and the last; it appears whole or not at all.

    Raises:
        OSError: the disk is full, or cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder, prefix=".writing-"))
    with disk_errors():
        save_file({name: tensor.contiguous() for name, tensor in snapshot.tensors.items()}, temporary / STATE)
    (temporary / METRICS).write_text(json.dumps(snapshot.metrics))
    for name in (STATE, METRICS):
        with (temporary / name).open("rb+") as file:
            flush(file)
    about = {"kind": "checkpoint", "of": folder.name, "update": snapshot.update, "stretches": snapshot.stretches}
    seal(temporary, about)
    final = folder / f"step-{snapshot.update:09d}"
    shutil.rmtree(final, ignore_errors=True)
    os.replace(temporary, final)
    kept = sorted(folder.glob("step-*"))[-KEPT:]
    for other in folder.iterdir():
        if other not in kept:
            shutil.rmtree(other, ignore_errors=True)


def newest_snapshot(folder: Path, *, name: str) -> Snapshot | None:
    """The newest checkpoint that is as it was written; None if there is none. ``name`` is the model's, for messages."""
    for place in sorted(folder.glob("step-*"), reverse=True):
        try:
            sealed = check_seal(place)
            if sealed.get("of", folder.name) != folder.name:  # those of before did not say it
                raise InputError(f"{place} is of another training, {sealed['of']}")
            metrics = json.loads((place / METRICS).read_text())
            return Snapshot(sealed["update"], load_file(place / STATE), metrics, sealed.get("stretches", []))
        except (InputError, OSError, ValueError, SafetensorError) as error:
            print(f"{name}: a checkpoint cannot be used, going back further: {error}", file=sys.stderr)
    return None


class Writer:
    """Writes checkpoints one after the other: at once, or ``behind`` the training's back, in a thread.

    What waits there takes no more than :data:`HOST_SHARE` of the memory; a checkpoint that would take more waits.
    """

    def __init__(self, *, behind: bool) -> None:
        self.behind = behind
        self._thread = ThreadPoolExecutor(1) if behind else None
        self._waiting: list[tuple[int, Future[None]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._thread is not None:
            self._thread.shutdown()

    def take(self, size: int, write: Callable[[], Any]) -> None:
        """Sees to it that a checkpoint of so many bytes is written.

        Raises:
            OSError: this one, or one before it, could not be.
        """
        if self._thread is None:
            write()
            return
        while self._waiting and (self._waiting[0][1].done() or self._bytes() + size > HOST_SHARE * physical_memory()):
            self._waiting.pop(0)[1].result()
        self._waiting.append((size, self._thread.submit(write)))

    def wait(self) -> None:
        """Until all are written.

        Raises:
            OSError: one could not be.
        """
        while self._waiting:
            self._waiting.pop(0)[1].result()

    def _bytes(self) -> int:
        return sum(size for size, _ in self._waiting)
