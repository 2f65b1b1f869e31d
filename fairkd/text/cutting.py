"""Tokenising in several processes: a large corpus' blocks are cut elsewhere and come back in order."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Self

from fairkd.engine.side_by_side import Pool, end_at_once, pool, tell_of_lost
from fairkd.text.sequences import Block, Cutter

WORTH_PROCESSES = 64
"""Blocks (of a million characters) that are cut here before other processes begin, which takes seconds."""


class Cutting:
    """Cuts blocks, the first ones here, those of a large corpus in other processes.

    Args:
        cutter: that does it here.
        file: where the others find its tokenizer.
        processes: how many of them; 1 for none.
    """

    def __init__(self, cutter: Cutter, file: Path, processes: int) -> None:
        self._cutter, self._file, self._processes = cutter, file, processes
        self._blocks = 0
        self._pool: Pool | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        if self._pool is not None:
            if kind is not None:
                end_at_once(self._pool)
            self._pool.shutdown()

    def cut(self, lines: list[str], documents: list[int]) -> Callable[[], Block]:
        """What gives the lines' :class:`Block`; here it is made at once."""
        self._blocks += 1
        if self._processes == 1 or self._blocks <= WORTH_PROCESSES:
            block = self._cutter.cut(lines, documents)
            return lambda: block
        if self._pool is None:
            self._file.write_text(self._cutter.backend.to_str(), encoding="utf-8")
            self._pool = pool(processes=self._processes)
        given = str(self._file), replace(self._cutter, backend=None), lines, documents
        return partial(self._wait, self._pool.submit(_cut, *given), lines, documents)

    def _wait(self, future: Future[Block], lines: list[str], documents: list[int]) -> Block:
        try:
            return future.result()
        except BrokenProcessPool:
            if self._processes > 1:
                tell_of_lost()
            self._processes = 1
            return self._cutter.cut(lines, documents)


def _cut(file: str, cutter: Cutter, lines: list[str], documents: list[int]) -> Block:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # a process a core: threads of each would take turns
    return replace(cutter, backend=_backend(file)).cut(lines, documents)


@lru_cache(maxsize=1)
def _backend(file: str) -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(file)
