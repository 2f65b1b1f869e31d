"""Many small fine-tuning runs side by side: on the CPU a process each, with one thread, as many as there are cores.

A small model in small batches does not keep several threads busy, but it keeps one. A run always has one thread, so it
has the same bits alone and beside others. On a GPU runs follow one another in this process.

A task's examples are written to disk once, and every process maps them from there: what is sent with a run is a path.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from fairkd.engine.scratch import scratch
from fairkd.engine.side_by_side import Pool, ProcessLostError, end_at_once, pool, tell_of_lost
from fairkd.engine.store import Store
from fairkd.glue.data import TaskData
from fairkd.glue.finetune import Run, finetune

if TYPE_CHECKING:
    from concurrent.futures import Future

    from datasets import Dataset


class Workers:
    """A context in which runs are started, and waited for one by one; its processes begin with the first run.

    Args:
        store: where finished runs lie.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pool: Pool | None = None
        self._scratch = ExitStack()
        self._folder: Path | None = None
        self._on_disk: dict[tuple[str, str], TaskData] = {}
        self._lost = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self._pool is not None:
            if kind is not None and issubclass(kind, KeyboardInterrupt):
                end_at_once(self._pool)
            self._pool.shutdown(cancel_futures=True)
        self._on_disk.clear()
        self._scratch.close()

    def start(self, run: Run) -> Callable[[], Path]:
        """Starts a run, unless the store has it; the returned function waits for its folder, or raises its error."""
        found = self._store.find(run.key)
        if found is not None:
            return lambda: found
        if run.device.type != "cpu":
            return partial(finetune, run, self._store)
        if self._pool is None:
            self._pool = pool()
        mapped = replace(run, data=self._mapped(run.data))
        return partial(self._wait, self._pool.submit(finetune, mapped, self._store), mapped)

    def _wait(self, future: Future[Path], run: Run) -> Path:
        try:
            return future.result()
        except BrokenProcessPool:
            if not self._lost:
                tell_of_lost()
            self._lost = True
            return self._alone(run)

    def _alone(self, run: Run) -> Path:
        """A run whose process was killed, or that of another beside it: once more, with nothing beside it."""
        with pool(processes=1) as process:
            try:
                return process.submit(finetune, run, self._store).result()
            except BrokenProcessPool:
                raise ProcessLostError from None
            except KeyboardInterrupt:
                end_at_once(process)
                raise

    def _mapped(self, data: TaskData) -> TaskData:
        """The same examples, mapped from files; such a data set is pickled as their paths."""
        place = data.task.config, data.digest
        if place not in self._on_disk:
            self._folder = self._folder or self._scratch.enter_context(scratch(self._store.root, "examples"))
            folder = self._folder / str(len(self._on_disk))
            splits = {"train": data.train, **data.dev}
            mapped = {split: _mapped(rows, folder / split) for split, rows in splits.items()}
            self._on_disk[place] = replace(data, splits=mapped)
        return self._on_disk[place]


def _mapped(rows: Dataset, folder: Path) -> Dataset:
    from datasets import Dataset
    from datasets.arrow_writer import ArrowWriter

    folder.mkdir(parents=True)
    path = str(folder / "rows.arrow")
    with ArrowWriter(path=path, features=rows.features) as writer:
        writer.write_table(rows.with_format("arrow")[:])
        writer.finalize()
    return Dataset.from_file(path)
