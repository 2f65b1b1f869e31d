"""What the store's manifests say of a profile's corpus and students, read in a moment, without torch or a model.

A student's key follows from the weights of its teacher and from its tokenizer, which take seconds to load; its manifest
says what it was trained with. So a student counts here whose manifest names the same arm, seed and values, and whose
files are all there; what they hold is not checked. :func:`fairkd.lab.plan.plan` looks each student up by its key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from fairkd.arms import Arm
from fairkd.engine.store import MANIFEST, REVISIONS, checked_manifest, parse_json
from fairkd.errors import InputError
from fairkd.lab.estimate import TextSize
from fairkd.losses import targets_of
from fairkd.profile import Profile
from fairkd.text.sources import fingerprint

FIRST_RECORDED = 4
"""Revision of students whose manifest does not say it yet."""
BEFORE: dict[str, Any] = {"corpus_join": {}}
"""Values of the students of before there was such a parameter."""


@dataclass(frozen=True)
class Recorded:
    """What the manifests of a store say of a profile.

    Attributes:
        wanted: students of the profile: arms, equal ones once, times seeds.
        missing: arm and seed of those of which no manifest speaks.
        seconds: that their trainings took, the students of a seed together; on the machine that made them.
        text: size of the training text, None where no corpus of these sources and settings is there.
        unfinished: trainings in the store, of whatever profile, that were begun and not ended.
    """

    wanted: int
    missing: list[tuple[str, int]] = field(default_factory=list)
    seconds: float = 0.0
    text: TextSize | None = None
    unfinished: int = 0


def recorded(profile: Profile) -> Recorded:
    """Reads every manifest of the profile's store; changes nothing.

    Raises:
        InputError: a source of the corpus cannot be used.
    """
    root, corpus, text = profile.store().root, _corpus_of(profile), None
    wanted: dict[tuple[str, int], Arm] = {}
    for arm in profile.all_arms():
        for seed in profile.student_seeds:
            wanted.setdefault((arm_content(arm), seed), arm)
    found: dict[tuple[str, int], Any] = {}
    for manifest in _manifests(root):
        if manifest["kind"] == "corpus" and {name: manifest.get(name) for name in corpus} == corpus:
            text = _text_size(manifest) or text
        key = arm_and_seed(manifest)
        if key in wanted and _is_student(manifest, wanted[key], key[1], profile):
            found[key] = manifest.get("wall_seconds_of_the_pass")
    passes = {(seed, seconds) for (_, seed), seconds in found.items() if isinstance(seconds, float)}
    return Recorded(
        wanted=len(wanted),
        missing=[(arm.name, key[1]) for key, arm in wanted.items() if key not in found],
        seconds=sum(seconds for _, seconds in passes),
        text=text,
        unfinished=sum(any(one.glob("step-*")) for one in (root / "unfinished").glob("*")),
    )


def _manifests(root: Path) -> Iterator[dict[str, Any]]:
    """The manifests of a store's corpora and students whose files are all there; not one that was changed."""
    for path in sorted(root.glob(f"*/{MANIFEST}")):
        with suppress(OSError, InputError):
            data = path.read_bytes()
            if b'"kind": "student"' not in data and b'"kind": "corpus"' not in data:
                continue  # most are of other kinds, and long
            manifest = checked_manifest(parse_json(data, where=str(path)), path)
            files = manifest["files"]
            if isinstance(files, dict) and files and all((path.parent / name).is_file() for name in files):
                yield manifest


def _corpus_of(profile: Profile) -> dict[str, Any]:
    """What the manifest of the profile's corpus says, but for its tokenizer."""
    corpus = profile.corpus
    sources = [fingerprint(source, join=rows) for source, rows in profile.rows_a_line.items()]
    return {
        "format": REVISIONS["corpus"],
        "sources": json.loads(json.dumps(sources)),
        "column": corpus.column,
        "fraction": corpus.fraction,
        "seed": corpus.seed,
        "heldout_fraction": corpus.heldout_fraction,
        "max_length": corpus.max_length,
    }


def _text_size(manifest: dict[str, Any]) -> TextSize | None:
    with suppress(KeyError, TypeError):
        train = manifest["splits"]["train"]
        if int(train["sequences"]) > 0:
            return TextSize(int(train["sequences"]), int(train["tokens"]))
    return None


def arm_content(arm: Arm) -> str:
    """What makes arms of equal content one student, as text."""
    return json.dumps(arm.content(), sort_keys=True)


def arm_and_seed(manifest: dict[str, Any]) -> tuple[str, int]:
    """Of a student's manifest; ("", -1) where it names none that could be."""
    seed = manifest.get("seed")
    if manifest["kind"] == "student" and type(seed) is int:
        with suppress(ValueError):
            return arm_content(Arm.model_validate_json(json.dumps(manifest.get("arm")))), seed
    return "", -1


def is_student_of(manifest: dict[str, Any], profile: Profile) -> bool:
    """Whether a manifest of the store is that of a student which the profile would train, as far as it says."""
    content, seed = arm_and_seed(manifest)
    arms = [arm for arm in profile.all_arms() if arm_content(arm) == content]
    return any(seed in profile.student_seeds and _is_student(manifest, arm, seed, profile) for arm in arms)


def _is_student(manifest: dict[str, Any], arm: Arm, seed: int, profile: Profile) -> bool:
    """Whether the manifest of an equal arm's student of this seed says that it was trained with the profile's values.

    Values that came after it are taken to be the profile's, or as in :data:`BEFORE`: those that change a student raise
    the revision.
    """
    kind, recorded = profile.device.partition(":")[0], manifest.get("parameters")
    if manifest.get("revision", FIRST_RECORDED) != REVISIONS["student"] or not isinstance(recorded, dict):
        return False
    if kind not in ("auto", str(manifest.get("device")).partition(":")[0]):
        return False
    try:
        then = _profile_of(json.dumps(profile.values() | BEFORE | recorded, sort_keys=True))
    except InputError:  # of a version with other parameters, or of files that are gone
        return False
    return (
        then.teacher_of(seed) == profile.teacher_of(seed)
        and (then.teacher, then.corpus) == (profile.teacher, profile.corpus)
        and _recipe(arm, then) == _recipe(arm, profile)
        and (not arm.levels or then.mixup == profile.mixup)
        and (arm.teacher == "original" or _debiasing(then) == _debiasing(profile))
    )


@lru_cache(maxsize=64)
def _profile_of(values: str) -> Profile:
    """The profile that a student was trained with; a training's students all name the same."""
    return Profile.check(json.loads(values))


def _recipe(arm: Arm, profile: Profile) -> dict[str, Any]:
    """What of a recipe determines an arm's student."""
    recipe = profile.recipe
    values = recipe.content() | {"loss_weights": {name: recipe.weights[name] for name in arm.losses}}
    unused = () if "logits" in targets_of(arm.losses) else ("temperature", "ce_token_fraction")
    return {name: value for name, value in values.items() if name not in unused}


def _debiasing(profile: Profile) -> tuple[Any, str]:
    return profile.debias, profile.debias_words
