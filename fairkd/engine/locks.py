"""Locks between processes: ``flock`` where the file system has it, else a file that is the lock."""

from __future__ import annotations

import errno
import fcntl
import tempfile
from functools import lru_cache
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

WITHOUT = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
"""What a file system answers that has no ``flock``, such as NFS whose lock service does not run."""
SOFT_SUFFIX = ".soft"
"""Added to the name of a file that is a lock: one that ``flock`` locks stays when nobody holds it."""


def lock_of(path: Path) -> BaseFileLock:
    """The lock that is this file, or one beside it; its folder is made.

    With ``flock`` a lock ends with its process, however that ends. A file that is the lock names its owner: one that
    was killed on this machine counts no more, and one of another machine is to be removed by hand.

    Raises:
        OSError: nothing can be locked or written in that folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path) if has_flock(path.parent) else SoftFileLock(path.with_name(path.name + SOFT_SUFFIX))


def is_held(path: Path) -> bool:
    """Whether a process holds the lock that is this file; who asks at the same time does not count."""
    if not has_flock(path.parent):
        try:
            with lock_of(path).acquire(timeout=0):
                return False
        except Timeout:
            return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def has_flock(folder: Path) -> bool:
    """Whether the folder's file system knows ``flock``; where nothing can be written, the lock itself will say so."""
    return _asked(folder.absolute(), folder.stat().st_dev)


@lru_cache(maxsize=256)
def _asked(folder: Path, device: int) -> bool:
    try:
        with tempfile.TemporaryFile(
            dir=folder
        ) as file:  # not the folder, which some systems lock for this machine only
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in WITHOUT
    return True
