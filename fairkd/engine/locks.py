"""Locks between processes: ``flock`` where the file system has it, else the file itself is the lock."""

from __future__ import annotations

import errno
import fcntl
import os
from functools import lru_cache
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

WITHOUT = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
"""What a file system answers that has no ``flock``, such as NFS whose lock service does not run."""


def lock_of(path: Path) -> BaseFileLock:
    """The lock that is this file; its folder is made.

    With ``flock`` a lock ends with its process, however that ends. A file that is the lock names its owner: one that
    was killed on this machine counts no more, and one of another machine is to be removed by hand.

    Raises:
        OSError: nothing can be locked or written in that folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path) if has_flock(path.parent) else SoftFileLock(path)


def is_held(lock: BaseFileLock) -> bool:
    """Whether another process holds it."""
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True


def has_flock(folder: Path) -> bool:
    """Whether the folder's file system knows ``flock``."""
    return _asked(folder.absolute(), folder.stat().st_dev)


@lru_cache(maxsize=256)
def _asked(folder: Path, device: int) -> bool:
    place = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in WITHOUT
    finally:
        os.close(place)
    return True
