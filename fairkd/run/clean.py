"""``fairkd clean``: what of a store nobody needs, and its removal.

Needed is what a profile that is known here would look for, what a notebook that has results here was computed from, and
what was measured of a needed model or corpus. Known are the profiles in ``papermill_params``, those that have written
below ``runs_dir`` or that the store itself names, and the one that the command names. What this version cannot judge is
kept; where something is damaged that says what is needed, nothing is judged.

Keys of models follow from a teacher and from the kind of device: where a known profile's teacher is not at hand, no
model is judged, and no checkpoint that another device wrote. What is young may be a running notebook's, and what was
judged is looked at again before it goes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import Timeout

from fairkd.engine.locks import lock_of
from fairkd.engine.provenance import environment
from fairkd.engine.store import KNOWN, MANIFEST, REMOVING, REVISIONS, Store, file_state, read_json
from fairkd.errors import InputError
from fairkd.lab.glue_runs import BASELINES, baseline_key, shape_key
from fairkd.lab.materials import Materials, resolve_device
from fairkd.lab.plan import plan
from fairkd.lab.records import is_student_of
from fairkd.lab.results import Manifest, read_state
from fairkd.lab.training import training_jobs
from fairkd.lab.variants import OWN_FILE, USERS, changed_copy, copy_in_store, output_dir
from fairkd.profile import PARAMETERS, Profile, project_root

VERSIONS = {
    "student": "revision",
    "glue": "engine",
    "glue tokens": "version",
    "corpus": "format",
    "checkpoint": "version",
    "seat": "version",
    "seat of mixed stimuli": "version",
    "reading of a sentence": "version",
    "projections": "version",
    "rulers": "version",
    "words met": "version",
    "shape": "version",
    "pair table": "version",
    "words of a text": "version",
}
"""Where manifests say of which revision of the code an entry is."""
MEASURED = ("seat", "seat of mixed stimuli", "reading of a sentence", "projections", "rulers", "words met", "pairs")
"""Kinds of entries that say something about a model or a corpus, which their manifests name."""
MADE = ("student", "teacher", "debiased teacher", "corpus")
"""Kinds that a profile asks for."""
READ = {"words of a text": "words of a text", "checkpoint": "what is known of a checkpoint"}
"""Kinds that a profile which is known here has read by now, if it needs them; in words."""
GRACE_SECONDS = 24 * 60 * 60
"""What a notebook in JupyterLab trains is named by its results once its last cell has run; so long it may take."""
OF_TOKENIZER = ("pair table", "glue tokens")
"""Kinds that say something about a tokenizer, which their manifests name."""


@dataclass(frozen=True)
class Unneeded:
    """A folder of the store that can go.

    Attributes:
        path: of the folder.
        why: in words.
        size: in bytes.
        state: of its files when it was judged.
        young: whether a notebook that has not ended may have made it, see :data:`GRACE_SECONDS`.
    """

    path: Path
    why: str
    size: int
    state: tuple[Any, ...]
    young: bool

    @classmethod
    def of(cls, path: Path, why: str) -> Unneeded:
        """As it is now."""
        files = [one for one in sorted(path.rglob("*")) if one.is_file()]
        changed = max([one.stat().st_mtime for one in files], default=path.stat().st_mtime)
        young = time.time() - changed < GRACE_SECONDS
        return cls(path, why, sum(one.stat().st_size for one in files), _state(path), young)


def _state(folder: Path) -> tuple[Any, ...]:
    return tuple((str(path), file_state(path)) for path in sorted(folder.rglob("*")) if path.is_file())


def unneeded(profile: Profile) -> list[Unneeded]:
    """What of a profile's store nothing here needs; removes nothing.

    Raises:
        InputError: a profile that is known here, or a manifest, cannot be read or was changed, so that nobody can say
            what is needed.
    """
    store, profiles = profile.store(), known_profiles(profile)
    manifests = dict(_manifests(store))
    asked = _asked_for(store, profiles, profile)
    keep = asked.found | _computed_from(profiles)
    keep |= {key for key, manifest in manifests.items() if asked.unsure and manifest["kind"] in MADE}
    keep |= {key for key, manifest in manifests.items() if any(is_student_of(manifest, one) for one in profiles)}
    needed = _Needed.of(keep, manifests, store)
    found = [
        Unneeded.of(store.root / key, why)
        for key, manifest in manifests.items()
        if key not in keep and (why := _why(key, manifest, needed))
    ]
    return found + list(_left(store, manifests, asked))


def remove(found: Sequence[Unneeded], store: Store) -> int:
    """Removes these folders but for those that somebody makes again or has made meanwhile; the bytes that are free."""
    freed = 0
    for one in found:
        name = one.path.name.removeprefix(REMOVING)
        with suppress(Timeout), lock_of(store.root / "locks" / f"{name}.lock").acquire(timeout=0):
            if _state(one.path) == one.state:
                store.remove(one.path)
                freed += one.size
    return freed


def known_profiles(profile: Profile) -> list[Profile]:
    """Those that may need something of the profile's store.

    Raises:
        InputError: one cannot be read.
    """
    files = sorted((project_root() / PARAMETERS).glob("*.yaml"))
    copies = sorted(profile.path(profile.runs_dir).glob(f"**/{OWN_FILE}"))
    copies += sorted(profile.store().root.glob(f"{USERS}/*.yaml"))
    found = [profile]
    for file in copies:
        if problem := changed_copy(file):
            raise InputError(f"{problem}; so nobody can say what is needed: train again, or remove it, then clean")
    for file in [*files, *copies]:
        try:
            one = Profile.load(file)
        except InputError as error:
            raise InputError(f"{error}; so nobody can say what it needs: mend or remove it, then clean") from error
        # Who has removed a profile's folder needs nothing of the store any more, whatever the store's copy says.
        # Where the folder of all products is not there either, a disk may be missing.
        gone = not output_dir(one).is_dir() and one.path(one.runs_dir).is_dir()
        if file not in copies or file.name == OWN_FILE or not gone:
            found.append(one)
    own = profile.store().root.resolve()
    return [one for one in found if one.store().root.resolve() == own]


@dataclass(frozen=True)
class _Asked:
    """What profiles find in the store.

    Attributes:
        found: keys of entries that they find.
        keys: of all that they look for.
        unsure: whether one that has begun lacks what keys follow from.
        more: whether, beyond that, keys of checkpoints that it may have begun are not known.
    """

    found: set[str]
    keys: set[str]
    unsure: bool
    more: bool


def _asked_for(store: Store, profiles: Sequence[Profile], named: Profile) -> _Asked:
    unsure = more = False
    for profile in profiles:
        begun = profile == named or output_dir(profile).is_dir()
        known, debiased = begun or copy_in_store(profile).is_file(), _debiases(profile)
        for world in (materials.profile for materials, _ in training_jobs(profile)):
            for own in Materials(world, progress=False).family:
                own.has_teachers(debiased=True)
                unsure |= known and not own.has_teachers(debiased=debiased)
            more |= known and bool((plan(world)["key"] == "").any())
    return _Asked(set(store.used()), store.asked(), unsure, more)


def _debiases(profile: Profile) -> bool:
    return any(arm.teacher == "debiased" for arm in profile.all_arms())


def _computed_from(profiles: Sequence[Profile]) -> set[str]:
    """Keys of what the notebooks with results below these profiles' ``runs_dir`` were computed from."""
    keys: set[str] = set()
    for folder in {profile.path(profile.runs_dir).resolve() for profile in profiles}:
        for path in folder.glob("**/results/*.json"):
            if not path.name.endswith(".piece.json"):
                keys |= read_state(path, Manifest).entries.keys()
    return keys


def _manifests(store: Store) -> Iterator[tuple[str, dict[str, Any]]]:
    for folder in store.entries():
        try:
            yield folder.name, Store.manifest(folder)
        except InputError as error:
            raise InputError(f"{error} Until then nobody can say what is needed, and nothing is removed.") from error


@dataclass(frozen=True)
class _Needed:
    """What entries that are kept speak of, and others may say something about.

    Attributes:
        models: digests of models and corpora.
        others: digests of models that are here and not needed, and of such students' random weights.
        tokenizers: their digests.
        keys: of what belongs to kept entries.
    """

    models: set[Any]
    others: set[Any]
    tokenizers: set[Any]
    keys: set[str]

    @classmethod
    def of(cls, keep: set[str], manifests: dict[str, dict[str, Any]], store: Store) -> _Needed:
        own = [manifests[key] for key in keep & manifests.keys()]
        names = ("weights_digest", "digest", "teacher_digest", "corpus_digest")
        models = {manifest.get(name) for manifest in own for name in names} - {None}
        shapes = {shape_key(manifest) for manifest in own if manifest["kind"] == "student"}
        models |= set(_random(shapes, manifests, store))
        others = {one.get("weights_digest") for one in manifests.values() if one["kind"] in MADE} - {None}
        others |= set(_random({key for key, one in manifests.items() if one["kind"] == "shape"}, manifests, store))
        tuned = [
            one for one in manifests.values() if one["kind"] == "glue" and one.get("encoder") not in others - models
        ]
        baselines = {baseline_key(name, one.get("data", "")) for one in tuned for name in BASELINES}
        return cls(models, others - models, {one.get("tokenizer") for one in own} - {None}, shapes | baselines)


def _random(shapes: set[str], manifests: dict[str, dict[str, Any]], store: Store) -> Iterator[str]:
    """Digests of the random weights of students of these shapes, as far as the store knows them."""
    for folder in filter(None, map(store.find, sorted(shapes & manifests.keys()))):
        yield read_json(folder / KNOWN)["digest"]


def _why(key: str, manifest: dict[str, Any], needed: _Needed) -> str:
    """Why an entry that nothing here asked for can go; "" if it cannot."""
    kind = manifest["kind"]
    version = manifest.get(VERSIONS.get(kind, ""))
    if version is not None and version != REVISIONS[kind]:
        return f"{kind} of an earlier version of this program"
    if kind in MADE:
        named = manifest.get("digest") or manifest.get("weights_digest")
        return "" if named in needed.models else f"{kind} of no profile that is known here"
    if kind in READ:
        return f"{READ[kind]} that no profile here reads, with this processor and these libraries"
    if kind in OF_TOKENIZER:
        return (
            "" if manifest.get("tokenizer") in needed.tokenizers else f"{kind} of a tokenizer that nothing here needs"
        )
    if kind == "glue":
        # Of a model that is no entry it was asked for by name, with fairkd glue.
        return "glue of a model that nothing here needs" if manifest.get("encoder") in needed.others else ""
    if kind in ("shape", "glue baseline"):
        return "" if key in needed.keys else f"{kind} that nothing here needs"
    about = manifest.get("weights") or manifest.get("corpus") or manifest.get("corpus_digest")
    known = kind not in MEASURED or about in needed.models
    return "" if known else f"{kind} of a model or corpus that nothing here needs"


def _left(store: Store, manifests: dict[str, Any], asked: _Asked) -> Iterator[Unneeded]:
    """What is no entry: damaged ones that were made again, what lost its manifest, checkpoints nobody goes on from."""
    for path in sorted(store.root.glob("damaged-*")):
        yield Unneeded.of(path, "damaged, and made again since")
    for path in sorted(store.root.glob(f"{REMOVING}*")):
        yield Unneeded.of(path, "removed in part before")
    for path in store.folders():
        if path.name not in manifests and not (path / MANIFEST).is_file():
            yield Unneeded.of(path, "an entry without its manifest")
    for path in sorted(store.root.glob("unfinished/*")):
        if path.name in manifests:
            yield Unneeded.of(path, "checkpoints of what is finished")
        elif path.name not in asked.keys and not (asked.unsure or asked.more) and _of_this_device(path):
            yield Unneeded.of(path, "checkpoints of what no profile here trains")


def _of_this_device(unfinished: Path) -> bool:
    """Whether checkpoints would be gone on from here: what a GPU trains has other keys than on a login node's CPU."""
    for path in sorted(unfinished.glob(f"step-*/{MANIFEST}")):
        stretches = read_json(path).get("stretches") or [{}]
        if stretches[-1].get("device") != environment(resolve_device("auto"))["device"]:
            return False
    return True
