"""The run store: finished work under ``<root>/<key>/``, where the key is a hash of everything that determines it.

A folder appears under its key in one atomic rename, with a ``manifest.json`` that lists the SHA-256 of every
other file. Whatever lacks a valid manifest was never finished and is never read as a result.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from fairkd.engine.processes import cores
from fairkd.errors import InputError

MANIFEST = "manifest.json"
REVISIONS = {
    "student": 4,
    "teacher": 4,
    "debiased teacher": 3,
    "corpus": 4,
    "checkpoint": 1,
    "generated text": 2,
    "planted text": 1,
    "seat": 3,
    "seat of mixed stimuli": 2,
    "words met": 1,
    "rulers": 1,
    "glue": 2,
    "glue baseline": 1,
}
"""Part of the key of each kind of entry; raised when a change of the code changes what is made or recorded."""


def file_digest(path: Path) -> str:
    """SHA-256 of one file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


DEEPEST = 100
"""Lists and objects within one another that :func:`parse_json` reads; what handles them later calls itself for each."""
_HALVES = re.compile("[\ud800-\udfff]")


def read_json(path: Path) -> Any:
    """The value of a JSON file, see :func:`parse_json`.

    Raises:
        InputError: the file cannot be read, or is not JSON; names it and says why.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    return parse_json(data, where=str(path))


def parse_json(data: bytes, *, where: str) -> Any:
    """The value of JSON, in UTF-8 with or without a byte-order mark (or UTF-16 or -32, as JSON allows).

    Half surrogates, which no file can hold, become U+FFFD.

    Raises:
        InputError: it is not JSON, an object has a name twice, or lists and objects lie more than :data:`DEEPEST` deep
            in one another.

    >>> parse_json(b'{"a": [1, null]}', where="a file")
    {'a': [1, None]}
    """
    try:
        return _whole(json.loads(data, object_pairs_hook=unique_keys), DEEPEST)
    except UnicodeDecodeError as error:
        raise InputError(f"{where} is not JSON: it is not {error.encoding} text (byte {error.start})") from None
    except RecursionError:
        raise InputError(f"{where} is nested more than {DEEPEST} deep") from None
    except ValueError as error:
        raise InputError(f"{where} is not JSON: {error}" if data.strip() else f"{where} is empty") from None


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON from its names and values, for the ``object_pairs_hook`` of :func:`json.loads`.

    Raises:
        ValueError: a name stands twice, so that nothing says which value is meant.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the name {next(name for name in names if names.count(name) > 1)!r} stands twice")
    return found


def _whole(value: Any, deepest: int) -> Any:
    """The value with whole characters only."""
    if isinstance(value, str):
        return _HALVES.sub("\N{REPLACEMENT CHARACTER}", value)
    if not isinstance(value, list | dict):
        return value
    if not deepest:
        raise RecursionError
    if isinstance(value, list):
        return [_whole(item, deepest - 1) for item in value]
    return {_whole(name, 1): _whole(item, deepest - 1) for name, item in value.items()}


def write_json(path: Path, value: Any) -> None:
    """Writes JSON so that a reader sees the old file or the new one, never a part (and survives a crash)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{_unique()}")
    try:
        with temporary.open("x") as file:
            json.dump(value, file, indent=1, sort_keys=True, default=str)
            flush(file)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def flush(file: IO[Any]) -> None:
    """Waits until what was written to an open file is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def _unique() -> str:
    return f"{os.getpid()}-{secrets.token_hex(4)}"


_AGAIN = "Remove the folder {}; what belongs there is made again."


class _Manifest(dict[str, Any]):
    def __init__(self, values: dict[str, Any], *, path: Path) -> None:
        super().__init__(values)
        self.path = path

    def __missing__(self, name: str) -> Any:
        raise InputError(f"{self.path} lacks {name!r}. {_AGAIN.format(self.path.parent)}")


class Store:
    """Folders keyed by content; see the module docstring.

    Args:
        root: folder of the store; made when the first entry is written.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self._checked: set[str] = set()

    @staticmethod
    def key(kind: str, spec: dict[str, Any]) -> str:
        """Hash (20 hex digits) of a kind ("corpus", "teacher", "student", …) and all that determines the entry."""
        text = json.dumps({"kind": kind, "spec": spec}, sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def find(self, key: str) -> Path | None:
        """The folder of a finished entry, its files checked against the manifest; changes nothing.

        None where there is no entry, or a damaged one (a file missing or changed). The files of an entry are read
        once for that in the life of a Store.
        """
        folder = self.root / key
        if key in self._checked:
            return folder
        if not folder.is_dir() or not self._intact(folder):
            return None
        self._checked.add(key)
        return folder

    def find_all(self, keys: Iterable[str]) -> dict[str, Path | None]:
        """:meth:`find` of many entries, as many at once as there are cores: reading them takes most of a second."""
        wanted = list(dict.fromkeys(keys))
        with ThreadPoolExecutor(cores()) as threads:
            return dict(zip(wanted, threads.map(self.find, wanted), strict=True))

    @staticmethod
    def _intact(folder: Path) -> bool:
        """Any failure to read but those that a changed file explains is no sign of damage, and is raised."""
        try:
            manifest = parse_json((folder / MANIFEST).read_bytes(), where=MANIFEST)
            files = manifest.get("files") if isinstance(manifest, dict) else None
            if not files or not isinstance(files, dict):
                return False
            there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
            return files.keys() <= there and all(file_digest(folder / name) == files[name] for name in files)
        except (FileNotFoundError, InputError):
            return False

    @staticmethod
    def manifest(folder: Path) -> dict[str, Any]:
        """The manifest of a finished entry; what it lacks is an :class:`InputError` where it is asked for."""
        path = folder / MANIFEST
        value = read_json(path)
        if not isinstance(value, dict):
            raise InputError(f"{path} is no manifest. {_AGAIN.format(folder)}")
        return _Manifest(value, path=path)

    def once(self, key: str, make: Callable[[], None]) -> Path:
        """The folder of an entry, which ``make`` writes where it is missing; two processes do not both make it."""
        if self.find(key) is None:
            with self.lock(key):
                if self.find(key) is None:
                    make()
        return self.root / key

    @contextmanager
    def write(self, key: str, manifest: dict[str, Any]) -> Iterator[Path]:
        """Yields an empty folder to fill; it becomes the entry ``key`` when the block ends without an error.

        ``manifest`` is written last, with the digests of all files added under "files"; the block may still add to
        it. A damaged entry of that key is moved aside to ``damaged-<key>``. Call it with the key's lock held.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        for left_by_a_killed_process in self.root.glob(f".writing-{key}-*"):
            shutil.rmtree(left_by_a_killed_process)
        folder = self.root / f".writing-{key}-{_unique()}"
        folder.mkdir()
        try:
            yield folder
            names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
            write_json(folder / MANIFEST, manifest | {"files": {n: file_digest(folder / n) for n in names}})
            if (self.root / key).exists():
                aside = self.root / f"damaged-{key}"
                shutil.rmtree(aside, ignore_errors=True)
                os.replace(self.root / key, aside)
            os.replace(folder, self.root / key)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Keeps other processes from making the entry ``key``: a second says that it waits, and finds it made."""
        locks = self.root / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(locks / f"{key}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"Waiting for another process, which is making {key}.", file=sys.stderr, flush=True)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def unfinished(self, key: str) -> Path:
        """Folder for the checkpoints of an entry that is still being made."""
        return self.root / "unfinished" / key

    def clear_unfinished(self, key: str) -> None:
        """Removes the checkpoints of an entry, once it is finished."""
        shutil.rmtree(self.unfinished(key), ignore_errors=True)
