"""The run store: finished work under ``<root>/<key>/``, where the key is a hash of everything that determines it.

A folder appears under its key in one atomic rename, with a ``manifest.json`` that lists the SHA-256 of every
other file, and of itself. Whatever lacks a valid manifest was never finished and is never read as a result.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, ClassVar, TypeVar

from filelock import Timeout
from safetensors import SafetensorError

from fairkd.engine.locks import lock_of
from fairkd.engine.processes import cores
from fairkd.engine.versions import git_commit, processor, versions
from fairkd.errors import InputError

MANIFEST = "manifest.json"
OWN_DIGEST = "manifest_digest"
"""What a manifest calls the SHA-256 of all that it says beside it."""
NOTES = "compared"
"""Folder of a store with a note for each entry whose files were compared with their digests: their :func:`file_state`.

Reading all of a large store takes seconds in every process. Nothing that writes to a file leaves its state alone, and
nobody can set the time of an inode's last change; of a disk that forgets it says nothing, and ``fairkd verify`` reads
everything.
"""
KNOWN = "known.json"
"""File of an entry that says what is known of a model, so that who asks that need not make it."""
REMOVING = ".removing-"
"""Begins the names of folders that are on their way out."""
_Made = TypeVar("_Made")
_KEY = re.compile("[0-9a-f]{20}")
REVISIONS = {
    "student": 4,
    "teacher": 4,
    "debiased teacher": 3,
    "corpus": 4,
    "checkpoint": 1,
    "generated text": 2,
    "planted text": 1,
    "seat": 3,
    "seat of mixed stimuli": 3,
    "reading of a sentence": 1,
    "projections": 1,
    "words met": 1,
    "pair table": 1,
    "words of a text": 1,
    "rulers": 1,
    "glue": 2,
    "glue baseline": 1,
    "glue tokens": 1,
    "shape": 1,
}
"""Part of the key of each kind of entry; raised when a change of the code changes what is made or recorded."""


def file_digest(path: Path) -> str:
    """SHA-256 of one file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


FRESH_NS = 2_000_000_000
"""So long after its last change a file may change again without another time: file systems count time in steps."""


def digest_once(path: Path) -> str:
    """SHA-256 of one file as hex, which is read once in the life of a process unless something about it changes.

    Size and time alone do not tell files apart: both can be set. The time of an inode's last change cannot.

    Raises:
        InputError: it changed while it was read.
    """
    state = file_state(path)
    fresh = time.time_ns() - state[-1] < FRESH_NS
    return _digest_of.__wrapped__(path, state) if fresh else _digest_of(path.absolute(), state)


@lru_cache(maxsize=4096)
def _manifest_of(path: Path, state: tuple[int, ...]) -> dict[str, Any]:
    """A manifest that was checked; a page asks for those of its students a hundred times."""
    return read_checked(path)


def file_state(path: Path) -> tuple[int, ...]:
    """What anything that is written to a file changes: its device, inode, size and times, that of the inode last."""
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


@lru_cache(maxsize=4096)
def _digest_of(path: Path, state: tuple[int, ...]) -> str:
    digest = file_digest(path)
    if file_state(path) != state:
        raise InputError(f"{path} changed while it was read; begin again when it is whole")
    return digest


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


def write_document(path: Path, text: str) -> None:
    """Writes what a user asked for, at once or not at all; a link stays one, and a pipe or a device is written to."""
    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_text(text, encoding="utf-8")
        return
    path = path.resolve()
    temporary = path.with_name(f".{path.name}-{_unique()}")
    try:
        with temporary.open("x", encoding="utf-8") as file:
            file.write(text)
            flush(file)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def disk_errors() -> Iterator[None]:
    """In the block safetensors' own error for a full disk and the like is the OSError that it stands for."""
    try:
        yield
    except SafetensorError as error:
        found = re.search(r"os error (\d+)", str(error))
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1]))) from error


def flush(file: IO[Any]) -> None:
    """Waits until what was written to an open file is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def _unique() -> str:
    return f"{os.getpid()}-{secrets.token_hex(4)}"


_AGAIN = "Remove the folder {}; what belongs there is made again."


def _again(path: Path) -> str:
    """What to do about a damaged file: the whole entry goes with its manifest, any other file alone."""
    return _AGAIN.format(path.parent) if path.name == MANIFEST else "Remove it; it is written again."


class _Manifest(dict[str, Any]):
    def __init__(self, values: dict[str, Any], *, path: Path) -> None:
        super().__init__(values)
        self.path = path

    def __missing__(self, name: str) -> Any:
        raise InputError(f"{self.path} lacks {name!r}. {_again(self.path)}")


def checked_manifest(value: Any, path: Path) -> dict[str, Any]:
    """What a manifest's file holds, if it is what was written; what it lacks is an InputError where it is asked for.

    Entries of before manifests said their key are taken for what their folder is called.

    Raises:
        InputError: it is no manifest, was changed, or is of another entry than the folder that it lies in.
    """
    if not isinstance(value, dict):
        raise InputError(f"{path} is no {'manifest' if path.name == MANIFEST else 'record'}. {_again(path)}")
    manifest = _Manifest(value, path=path)
    if manifest[OWN_DIGEST] != _own_digest(value):
        raise InputError(f"{path} was changed after it was made. {_again(path)}")
    key, folder = value.get("key"), path.parent.name  # a copy of an entry may have any name that is no key
    if key is not None and key != folder and _KEY.fullmatch(folder):
        raise InputError(
            f"{path} is of the entry {key}: folders of the store were swapped. {_AGAIN.format(path.parent)}"
        )
    return manifest


def write_checked(path: Path, values: dict[str, Any]) -> None:
    """Writes what a file is to say and a digest of it, by which :func:`read_checked` notices a change."""
    plain = json.loads(json.dumps(values, default=str))
    write_json(path, {**plain, OWN_DIGEST: _own_digest(plain)})


def read_checked(path: Path) -> dict[str, Any]:
    """What :func:`write_checked` wrote.

    Raises:
        InputError: it cannot be read, or was changed; what it lacks is one where it is asked for.
    """
    return checked_manifest(read_json(path), path)


def _own_digest(manifest: dict[str, Any]) -> str:
    """Of what a reader of the file sees: plain values, in the order of their names."""
    rest = {name: value for name, value in manifest.items() if name != OWN_DIGEST}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


class Store:
    """Folders keyed by content; see the module docstring.

    Args:
        root: folder of the store; made when the first entry is written.
    """

    _used: ClassVar[dict[Path, set[str]]] = {}
    _asked: ClassVar[dict[Path, set[str]]] = {}

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self._checked: set[str] = set()

    def used(self) -> dict[str, str]:
        """The entries that this process has found here or made, with a digest of their files (see :func:`contents`)."""
        keys = sorted(self._used.get(self.root.absolute(), ()))
        return {key: contents(Store.manifest(self.root / key)) for key in keys if (self.root / key).is_dir()}

    def asked(self) -> set[str]:
        """The keys that this process has looked for here, found or not."""
        return set(self._asked.get(self.root.absolute(), ()))

    @staticmethod
    def key(kind: str, spec: dict[str, Any]) -> str:
        """Hash (20 hex digits) of a kind ("corpus", "teacher", "student", …) and all that determines the entry."""
        text = json.dumps({"kind": kind, "spec": spec}, sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def find(self, key: str) -> Path | None:
        """The folder of a finished entry, its files checked against the manifest; changes no entry.

        None where there is no entry, or a damaged one (a file missing or changed). The files of an entry are read
        once for that, unless something about them changes: :data:`NOTES`.
        """
        folder = self.root / key
        if key in self._checked:
            return folder
        self._asked.setdefault(self.root.absolute(), set()).add(key)
        if not folder.is_dir() or not self._intact(folder):
            return None
        self._checked.add(key)
        self._use(key)
        return folder

    def _use(self, key: str) -> None:
        self._used.setdefault(self.root.absolute(), set()).add(key)

    def find_all(self, keys: Iterable[str]) -> dict[str, Path | None]:
        """:meth:`find` of many entries, as many at once as there are cores: reading them takes most of a second."""
        wanted = list(dict.fromkeys(keys))
        with ThreadPoolExecutor(cores()) as threads:
            return dict(zip(wanted, threads.map(self.find, wanted), strict=True))

    def folders(self) -> list[Path]:
        """All folders that are called as entries are."""
        return sorted(path for path in self.root.glob("*") if _KEY.fullmatch(path.name) and path.is_dir())

    def entries(self) -> list[Path]:
        """The folders of all entries, sound or not; those without a manifest are none."""
        return [path for path in self.folders() if (path / MANIFEST).is_file()]

    def _intact(self, folder: Path) -> bool:
        """Any failure to read but those that a changed file explains is no sign of damage, and is raised."""
        try:
            states = self._states(folder)
            if states != self._noted(folder):
                check_seal(folder)
                self._note(folder, states)
        except (FileNotFoundError, InputError):
            return False
        return True

    def _states(self, folder: Path) -> dict[str, list[int]]:
        """What the file system says of an entry's files, its manifest among them."""
        return {name: list(file_state(folder / name)) for name in _names(folder)}

    def _noted(self, folder: Path) -> Any:
        """What it said when the files were last compared with their digests; None if nobody knows."""
        try:
            return read_json(self.root / NOTES / f"{folder.name}.json")
        except InputError:  # missing or damaged: it says nothing
            return None

    def _note(self, folder: Path, states: dict[str, list[int]]) -> None:
        """Nothing of files that are so young that they may change again without another time."""
        young = any(time.time_ns() - state[-1] < FRESH_NS for state in states.values())
        if not young and states == self._states(folder):
            with suppress(OSError):  # a disk that cannot be written
                write_json(self.root / NOTES / f"{folder.name}.json", states)

    @staticmethod
    def manifest(folder: Path) -> dict[str, Any]:
        """The manifest of a finished entry; what it lacks is an :class:`InputError` where it is asked for.

        Raises:
            InputError: it cannot be read, or was changed since it was written.
        """
        path = folder / MANIFEST
        try:
            state = file_state(path)
        except OSError:
            return _manifest_of.__wrapped__(path, ())  # says what is wrong
        if time.time_ns() - state[-1] < FRESH_NS:
            return _manifest_of.__wrapped__(path, state)
        return _Manifest(_manifest_of(path, state), path=path)  # the state says which file, wherever one stands

    def once(self, key: str, make: Callable[[], None]) -> Path:
        """The folder of an entry, which ``make`` writes where it is missing; two processes do not both make it."""
        if self.find(key) is None:
            with self.lock(key):
                if self.find(key) is None:
                    make()
        return self.root / key

    def kept(
        self,
        kind: str,
        spec: dict[str, Any],
        make: Callable[[], _Made],
        *,
        write: Callable[[_Made, Path], Any],
        read: Callable[[Path], _Made],
        about: dict[str, Any],
    ) -> _Made:
        """What a quick measurement found, from its entry; made where there is none, and kept there.

        Where the disk cannot be written it is made each time.

        Args:
            kind: of the entry, one of :data:`REVISIONS`.
            spec: all that determines it, beside the revision of its kind.
            make: returns it.
            write: takes it and the entry's folder.
            read: takes the folder.
            about: what its manifest says, beside the kind.
        """
        key, made = self.key(kind, {"version": REVISIONS[kind], **spec}), []

        def entry() -> None:
            made.append(make())
            with self.write(key, {"kind": kind, "version": REVISIONS[kind], **about}) as folder:
                write(made[0], folder)

        try:
            return read(self.once(key, entry))
        except OSError:
            return made[0] if made else make()

    @contextmanager
    def write(self, key: str, manifest: dict[str, Any]) -> Iterator[Path]:
        """Yields an empty folder to fill; it becomes the entry ``key`` when the block ends without an error.

        ``manifest`` is written last, with the digests of all files added under "files", and with the key and the
        commit, versions and processor that made it; the block may still add to it. A damaged entry of that key is moved
        aside to ``damaged-<key>``. Call it with the key's lock held.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        for left_by_a_killed_process in self.root.glob(f".writing-{key}-*"):
            shutil.rmtree(left_by_a_killed_process)
        folder = self.root / f".writing-{key}-{_unique()}"
        folder.mkdir()
        try:
            with disk_errors():
                yield folder
            made_by = {"git_commit": git_commit(), "versions": dict(versions()), "processor": processor()}
            seal(folder, made_by | manifest | {"key": key})
            if (self.root / key).exists():
                aside = self.root / f"damaged-{key}"
                shutil.rmtree(aside, ignore_errors=True)
                os.replace(self.root / key, aside)
            os.replace(folder, self.root / key)
            self._use(key)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Keeps other processes from making the entry ``key``: a second says that it waits, and finds it made."""
        lock = lock_of(self.root / "locks" / f"{key}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"Waiting for another process, which is making {key}.", file=sys.stderr, flush=True)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def remove(self, folder: Path) -> None:
        """Removes a folder of the store: an entry is gone as a whole before its files are. With its key's lock held."""
        going = self.root / f"{REMOVING}{folder.name}"
        shutil.rmtree(going, ignore_errors=True)
        os.replace(folder, going)
        shutil.rmtree(going)
        (self.root / NOTES / f"{folder.name}.json").unlink(missing_ok=True)

    def remove_left(self) -> None:
        """Removes what killed processes left of entries that they were writing: of those whose lock nobody holds."""
        for folder in self.root.glob(".writing-*"):
            lock = self.root / "locks" / f"{folder.name.split('-')[1]}.lock"
            with suppress(Timeout), lock_of(lock).acquire(timeout=0):
                shutil.rmtree(folder, ignore_errors=True)

    def unfinished(self, key: str) -> Path:
        """Folder for the checkpoints of an entry that is still being made."""
        return self.root / "unfinished" / key

    def clear_unfinished(self, key: str) -> None:
        """Removes the checkpoints of an entry, once it is finished."""
        shutil.rmtree(self.unfinished(key), ignore_errors=True)


def seal(folder: Path, manifest: dict[str, Any]) -> None:
    """Writes the manifest of a folder that is filled: what is given, digests of all files, and one of itself."""
    whole = manifest | {"files": {name: file_digest(folder / name) for name in _names(folder)}}
    write_checked(folder / MANIFEST, whole)
    for name in whole["files"]:  # safetensors writes what its owner alone may read
        shutil.copymode(folder / MANIFEST, folder / name)


def _names(folder: Path) -> list[str]:
    """Of all files in a folder, and in those within it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def check_seal(folder: Path) -> dict[str, Any]:
    """The manifest that :func:`seal` wrote, after it and every file that it names were compared with their digests.

    Raises:
        InputError: one is missing or was changed since, or there is another, which a reader might find; names it.
        OSError: the manifest or a file cannot be read.
    """
    path = folder / MANIFEST
    manifest = checked_manifest(parse_json(path.read_bytes(), where=str(path)), path)
    for name, digest in manifest["files"].items():
        if not (folder / name).is_file():
            raise InputError(f"{folder / name} is missing. {_AGAIN.format(folder)}")
        if file_digest(folder / name) != digest:
            raise InputError(f"{folder / name} was changed after it was made. {_AGAIN.format(folder)}")
    for added in sorted({*_names(folder)} - {MANIFEST, *manifest["files"]}):
        raise InputError(f"{folder / added} was added after {folder} was made: remove it")
    return manifest


def contents(manifest: dict[str, Any]) -> str:
    """16 hex digits of what a sealed folder holds: the same for files made twice, whenever and wherever that was."""
    return hashlib.sha256(json.dumps(manifest["files"], sort_keys=True).encode()).hexdigest()[:16]


def check_entry(folder: Path) -> None:
    """:func:`check_seal` of a folder that is an entry of a store, wherever it lies now; any other may hold anything.

    Raises:
        InputError: it was changed since it was made.
    """
    path = folder / MANIFEST
    if path.is_file():
        value = read_json(path)
        if isinstance(value, dict) and {"kind", "files"} & value.keys():
            check_seal(folder)
            return
    if _KEY.fullmatch(folder.resolve().name) and (folder.resolve().parent / "locks").is_dir():
        what = "does not say what was made here" if path.is_file() else "is missing"
        raise InputError(f"{path} {what}. {_AGAIN.format(folder)}")
