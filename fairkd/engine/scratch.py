"""Folders for what nobody needs once a piece of work is over; what killed processes left there is removed."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import Timeout

from fairkd.engine.locks import lock_of

SCRATCH = ".scratch"
YOUNG_SECONDS = 60
"""So old is a lock at least whose owner is taken for gone: between making and holding it, it looks like one."""


@contextmanager
def scratch(parent: Path, kind: str) -> Iterator[Path]:
    """An empty folder for the block, ``.scratch/kind-process-…`` within ``parent``.

    Its owner holds a lock, which ends with the process however that ends; folders without an owner are removed here.

    Args:
        parent: is made if it is not there.
        kind: what the folder is for, as it is called.
    """
    root = parent / SCRATCH
    root.mkdir(parents=True, exist_ok=True)
    remove_left(root)
    folder = root / f"{kind}-{os.getpid()}-{secrets.token_hex(4)}"
    lock = folder.with_name(f"{folder.name}.lock")
    try:
        with lock_of(lock):
            folder.mkdir()
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.unlink(missing_ok=True)
        with suppress(OSError):  # others are at work there
            root.rmdir()


def remove_left(root: Path) -> None:
    """Removes the folders of processes that are gone."""
    for lock in root.glob("*.lock"):
        with suppress(FileNotFoundError, Timeout):
            if time.time() - lock.stat().st_mtime < YOUNG_SECONDS:
                continue
            with lock_of(lock).acquire(timeout=0):
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                lock.unlink()
