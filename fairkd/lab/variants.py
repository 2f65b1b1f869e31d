"""Where results lie: a profile's in ``runs_dir/<profile>``, those of other values under its name apart from them.

A profile is what its file says: ``papermill_params/<profile>.yaml``, or a file that the command line was given. Where
there is none, the first values that wrote results under a name are that profile; ``profile.yaml`` beside them keeps
them. A notebook with other values under that name, changed in JupyterLab or with ``-p``, is a *variant*: it reads and
writes ``runs_dir/<profile>/variants/<what differs>-<hash of the values>/`` and leaves the profile's results alone.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from fairkd.engine.store import file_digest
from fairkd.errors import InputError
from fairkd.profile import PARAMETERS, Profile, project_root

VARIANTS, OWN_FILE = "variants", "profile.yaml"
OF_ANOTHER = 2
"""A name with so many times as many values of another profile as of its own is a mistake, and no variant."""
SHOWN = 5
"""Differences that a message names; it counts the others."""
_declared: dict[str, Profile] = {}
"""By name: profiles whose file lies elsewhere, and was given to this process."""


USERS = "profiles"
"""Folder of a store with the profiles that use it."""
_SEAL = "# SHA-256 of the lines above: {}\n"


def output_dir(profile: Profile) -> Path:
    """Folder of the products of a profile's values; see the module docstring. Makes nothing.

    Raises:
        InputError: nearly all values are those of another profile than the one whose name they have.
    """
    folder, changes = base_dir(profile), changed_values(profile)
    if not changes:
        return folder
    known = reference(profile)
    assert known is not None  # or nothing would differ
    if _shipped(profile).is_file():
        _check_name(profile, known, len(changes))
    values = json.dumps(Profile.effective(known.values() | changes), sort_keys=True)
    names = "+".join([*list(changes)[:2], *(["more"] if len(changes) > 2 else [])])
    return folder / VARIANTS / f"{names}-{hashlib.sha256(values.encode()).hexdigest()[:8]}"


def reference(profile: Profile) -> Profile | None:
    """The profile of the same name, as its file says it; None if no file does, and none has written results.

    Raises:
        InputError: its file in ``papermill_params`` cannot be read.
    """
    shipped, kept = _shipped(profile), base_dir(profile) / OWN_FILE
    if shipped.is_file() and (known := _load(shipped)).name == profile.name:
        return known
    if declared := _declared.get(profile.name):
        return declared
    try:
        return _load(kept) if kept.is_file() else None
    except InputError:  # of a version with other parameters: what it wrote is not read either
        return None


def declare(profile: Profile) -> None:
    """Takes values that a file holds for the profile of their name; a file in ``papermill_params`` goes first."""
    _declared[profile.name] = profile


@contextmanager
def kept(profile: Profile) -> Iterator[None]:
    """In the block a profile is known, see :func:`keep`; forgotten if bad input ends it before it made anything."""
    store = profile.store()
    before, new = store.entries(), keep(profile)
    try:
        yield
    except InputError:
        begun = store.entries() != before or any(store.root.glob("unfinished/*"))
        for path in () if begun else new:
            path.unlink(missing_ok=True)
        own = output_dir(profile)
        for folder in (store.root / USERS, store.root, own, own.parent, base_dir(profile), base_dir(profile).parent):
            with suppress(OSError):  # it is not there, or something is in it
                folder.rmdir()
        raise


def keep(profile: Profile) -> list[Path]:
    """Writes ``profile.yaml`` beside the products, and beside those of the profile itself, where no file says it.

    And in the store, so that ``fairkd clean`` knows there who needs something of it, wherever their products lie.

    Returns:
        The files that were not there.
    """
    known = (reference(profile) or profile).changed(runs_dir=profile.runs_dir)
    own = output_dir(profile)
    elsewhere = profile.changed(runs_dir=str(profile.path(profile.runs_dir).absolute()))
    copies = [copy_in_store(profile), own / OWN_FILE, base_dir(profile) / OWN_FILE]
    missing = [path for path in copies if not path.is_file()]
    try:
        write_copy(copies[0], elsewhere)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):  # nor can `clean` write there
            raise
    with suppress(OSError):  # a disk that cannot be written
        own.mkdir(parents=True, exist_ok=True)  # whoever removes it needs nothing any more
    if own != base_dir(profile):
        write_copy(own / OWN_FILE, profile)
    if not _shipped(profile).is_file():
        write_copy(base_dir(profile) / OWN_FILE, known)
    return [path for path in missing if path.is_file()]


def copy_in_store(profile: Profile) -> Path:
    """Where :func:`keep` writes a profile's values in its store; named for where its products lie."""
    user = hashlib.sha256(str(output_dir(profile).absolute()).encode()).hexdigest()[:16]
    return profile.store().root / USERS / f"{user}.yaml"


def write_copy(path: Path, profile: Profile) -> None:
    """Writes a profile's values to a file, with their digest, which :func:`changed_copy` looks at."""
    text = yaml.safe_dump(profile.grouped(), sort_keys=False, allow_unicode=True)
    text += _SEAL.format(_digest(text))
    if not path.is_file() or path.read_bytes() != text.encode():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}-{secrets.token_hex(4)}")  # jobs of several machines write it
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)


def changed_copy(path: Path) -> str:
    """That what :func:`write_copy` wrote is not what was written, in a sentence; "" if it is."""
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        return f"{path} cannot be read: {error}"
    body, mark, digest = text.partition(_SEAL.partition("{")[0])
    if mark and digest == f"{_digest(body)}\n":
        return ""
    return f"{path} was changed after it was written, or an earlier version wrote it"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def changed_values(profile: Profile) -> dict[str, Any]:
    """What makes it a variant: the parameters that differ from the profile of its name, with its own values."""
    known = reference(profile)
    return differing(profile.values(), known.values()) if known else {}


def differing(values: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with an effect on results that differ, with the first values; "auto" is the device that it means.

    >>> differing({"alpha": 0.4, "runs_dir": "runs"}, {"alpha": 1.0, "runs_dir": "here"})
    {'alpha': 0.4}
    """
    theirs = Profile.effective(dict(others))
    return {
        name: value
        for name, value in Profile.effective(dict(values)).items()
        if name not in theirs or not _same(name, value, theirs[name])
    }


def difference(values: Mapping[str, Any], others: Mapping[str, Any]) -> str:
    """:func:`differing` in words, "" if nothing does.

    >>> difference({"seat_bootstrap": 100, "seeds": [0]}, {"seat_bootstrap": 2000, "seeds": [0]})
    'seat_bootstrap 100 instead of 2000'
    """
    names = list(differing(values, others)) or list(differing(others, values))
    parts = [f"{_plain(name)} {_shown(name, values)} instead of {_shown(name, others)}" for name in names]
    more = f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    return ", ".join(parts[:SHOWN]) + more


def variants(profile: Profile) -> dict[Path, dict[str, Any]]:
    """The folders of the variants of a profile's name, and the values of each."""
    found = {}
    for path in sorted(base_dir(profile).glob(f"{VARIANTS}/*/{OWN_FILE}")):
        with suppress(InputError):  # of a version with other parameters: what it wrote is not read either
            found[path.parent] = _load(path).values()
    return found


def shown_path(path: Path) -> str:
    """A path as a message shows it: from the project's root where it lies in there."""
    root = project_root()
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def base_dir(profile: Profile) -> Path:
    """Folder of the products of the profile that has this name, whatever the values are."""
    return profile.path(profile.runs_dir) / profile.name


def _shipped(profile: Profile) -> Path:
    return project_root() / PARAMETERS / f"{profile.name}.yaml"


def _load(path: Path) -> Profile:
    return _loaded(path, file_digest(path))


@lru_cache(maxsize=64)
def _loaded(path: Path, digest: str) -> Profile:
    return Profile.load(path)


def _check_name(profile: Profile, known: Profile, differences: int) -> None:
    """Raises where the values are another profile's, as after a change of the name and little else."""
    others = [other for path in (project_root() / PARAMETERS).glob("*.yaml") if (other := _sound(path))]
    rests = {
        other.name: len(differing(profile.values(), other.values()).keys() - {"profile"})
        for other in others
        if other.name != known.name
    }
    near = min(sorted(rests), key=lambda name: rests[name], default="")
    if near and differences >= OF_ANOTHER * max(rests[near], 1):
        rest = f"all but {rests[near]}" if rests[near] else "all"
        raise InputError(
            f"profile: {known.name!r}, but {differences} values are not those of {known.name!r}, and {rest} are those "
            f"of {near!r}: a name does not change values that are given. To run {known.name!r}, take its values: "
            f"fairkd run NOTEBOOK --profile {known.name}, or papermill with -f {PARAMETERS}/{known.name}.yaml, or in "
            f"JupyterLab profile = {known.name!r} where the other parameters are ... or {{}}. "
            f"To run these values, write profile = {near!r}, or a name of your own"
        )


def _sound(path: Path) -> Profile | None:
    try:
        return _load(path)
    except InputError:  # whoever uses it will be told
        return None


def _same(name: str, value: Any, other: Any) -> bool:
    if name == "device" and value != other:
        return _device_kind(value) == _device_kind(other)
    return bool(value == other)


def _device_kind(name: Any) -> str:
    """Results depend on the kind of a device (its precision), not on which of a kind it is."""
    import torch  # here, as it takes seconds

    return str(name).partition(":")[0] if name != "auto" else "cuda" if torch.cuda.device_count() else "cpu"


def _plain(name: str) -> str:
    return name if name.isidentifier() else repr(name)


def _shown(name: str, values: Mapping[str, Any]) -> str:
    text = repr(values[name]) if name in values else "nothing"
    return text if len(text) <= 60 else f"{text[:57]}…"
