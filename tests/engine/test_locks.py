"""Locks with flock, and on file systems that do not have it."""

import errno
import fcntl
import multiprocessing
import os
import signal
import stat
from contextlib import contextmanager

import pytest
from filelock import FileLock, SoftFileLock, Timeout

from fairkd.engine import locks
from fairkd.engine.locks import is_held, lock_of
from fairkd.engine.store import Store


@pytest.fixture(params=[None, errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def without(request, monkeypatch):
    """What the file system answers to flock; None: it has it."""
    locks._asked.cache_clear()

    honest = fcntl.flock

    def flock(file, *rest):
        if stat.S_ISDIR(os.fstat(file if isinstance(file, int) else file.fileno()).st_mode):
            return honest(file, *rest)  # as NFS does, for this machine only
        raise OSError(request.param, os.strerror(request.param))

    if request.param:
        monkeypatch.setattr(fcntl, "flock", flock)
    yield request.param
    locks._asked.cache_clear()


@contextmanager
def another(work, *arguments):
    """Another process, a fork, that does some work and waits."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()

    def process():
        work(*arguments)
        ready.set()
        signal.pause()

    child = context.Process(target=process)
    child.start()
    assert ready.wait(30)
    yield child
    child.kill()
    child.join()


KEPT = []


def held(path):
    KEPT.append(lock_of(path))  # one that nobody refers to is released
    KEPT[-1].acquire()


def test_of_two_processes_one_holds_it_until_it_is_gone(tmp_path, without):
    path = tmp_path / "new" / "a.lock"
    with another(held, path):
        assert is_held(path)
        with pytest.raises(Timeout):
            lock_of(path).acquire(timeout=0)
    assert not is_held(path)
    with lock_of(path).acquire(timeout=5):
        pass


def test_who_asks_does_not_count(tmp_path, without):
    path = tmp_path / "a.lock"
    with lock_of(path):
        pass
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_SH) if not without else None
        assert not is_held(path)
    assert not is_held(tmp_path / "b.lock")


def test_what_flock_left_holds_nobody_up_where_there_is_none(tmp_path, monkeypatch):
    with lock_of(tmp_path / "a.lock"):
        pass
    (tmp_path / "a.lock").touch()
    locks._asked.cache_clear()
    monkeypatch.setattr(locks, "has_flock", lambda folder: False)
    with lock_of(tmp_path / "a.lock").acquire(timeout=1):
        pass
    locks._asked.cache_clear()


def test_where_there_is_no_flock_the_file_is_the_lock(tmp_path, without):
    assert isinstance(lock_of(tmp_path / "a.lock"), SoftFileLock if without else FileLock)


def test_another_error_is_not_taken_for_a_lack(tmp_path, monkeypatch):
    locks._asked.cache_clear()

    def flock(*_):
        raise OSError(errno.EWOULDBLOCK, "busy")

    monkeypatch.setattr(fcntl, "flock", flock)
    assert isinstance(lock_of(tmp_path / "a.lock"), FileLock)
    locks._asked.cache_clear()


def test_an_entry_is_made_once_without_flock(tmp_path, without):
    store, made = Store(tmp_path), []

    def make():
        made.append(1)
        with store.write("0" * 20, {"kind": "corpus"}) as new:
            (new / "a").write_text("text")

    for _ in range(2):
        assert Store(tmp_path).once("0" * 20, make) == tmp_path / ("0" * 20)
    assert made == [1]
    (tmp_path / f".writing-{'0' * 20}-1-x").mkdir()
    store.remove_left()
    assert not list(tmp_path.glob(".writing-*"))
