"""What can be looked at: the teacher and students that a profile's store has, and any encoder's folder."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from fairkd import seat
from fairkd.arms import Arm
from fairkd.bias.encoding import load_encoder
from fairkd.engine.digests import tokenizer_digest, weights_digest
from fairkd.engine.late import Late
from fairkd.engine.loading import quiet, refused, resolve
from fairkd.engine.store import MANIFEST, Store
from fairkd.errors import InputError, nearest
from fairkd.gender import PairTable
from fairkd.lab.materials import Materials
from fairkd.names import TEACHER, arm_title, student_title
from fairkd.wording import listed


@dataclass(frozen=True)
class Loaded:
    """A model to look at, in evaluation mode.

    Attributes:
        name: what it is called in lists and figures.
        model: with its MLM head where it has one, else the bare encoder.
        tokenizer: its tokenizer.
        digest: of its weights.
        has_head: whether it has a trained MLM head, so that it says something about words.
    """

    name: str
    model: Any
    tokenizer: Any
    digest: str
    has_head: bool

    @cached_property
    def tokenizer_digest(self) -> str:
        """What identifies its tokenizer."""
        return tokenizer_digest(self.tokenizer)


class LateLoaded(Late, Loaded):
    """A model of the store, which is loaded when somebody asks for more than what it is."""


class Models:
    """The models of a profile by name, each loaded once.

    Args:
        materials: of the profile. The teacher is prepared at first use if the store lacks it; students are taken
            from the store only.
    """

    def __init__(self, materials: Materials) -> None:
        self.materials = materials
        self._loaded: dict[str, Loaded] = {}
        self._measured: dict[str, pd.DataFrame] = {}
        self._pairs: dict[str, PairTable] = {}

    def students(self) -> dict[str, Path]:
        """Folders of the students that the store has, by title ("original, seed 0"), in the profile's order.

        Those of the first teacher, which stands beside them.
        """
        return {student_title(arm, seed): folder for arm, seed, folder in self._stored()}

    def _stored(self) -> Iterator[tuple[str, int, Path]]:
        profile = self.materials.profile
        own = [seed for seed in profile.student_seeds if profile.teacher_of(seed) == self.materials.teacher_seed]
        for arm, seed in itertools.product(profile.all_arms(), own):
            folder = self._folder(arm, seed)
            if folder is not None:
                yield arm.name, seed, folder

    def _folder(self, arm: Arm, seed: int) -> Path | None:
        """Where a student lies, whose files are checked when it is loaded: a list of many would take seconds."""
        if arm.teacher == "debiased" and not self.materials.is_debiased():
            return None  # its key needs the debiased teacher, which nobody has made
        folder = self.materials.store.root / self.materials.student_key(arm, seed)
        return folder if (folder / MANIFEST).is_file() else None

    def names(self) -> list[str]:
        """What can be chosen by name: the teacher and the students."""
        return [TEACHER, *self.students()]

    def summary(self) -> list[str]:
        """What can be chosen, in few words: arms that have students of the same seeds stand together."""
        seeds: dict[str, list[int]] = {}
        for arm, seed, _ in self._stored():
            seeds.setdefault(arm_title(arm), []).append(seed)
        alike: dict[tuple[int, ...], list[str]] = {}
        for title, own in seeds.items():
            alike.setdefault(tuple(own), []).append(title)
        said = {own: f"seed{'s' * (len(own) > 1)} {listed([*map(str, own)])}" for own in alike}
        return [TEACHER, *(f"{', '.join(titles)} ({said[own]})" for own, titles in alike.items())]

    def stored(self, *arms: str) -> str:
        """The first of the store's students that is of one of these arms, in their order; else the last name."""
        students = [(arm, seed) for arm, seed, _ in self._stored()]
        found = [student_title(*student) for arm in arms for student in students if student[0] == arm]
        return found[0] if found else self.names()[-1]

    def load(self, name: str) -> Loaded:
        """A model by its name in :meth:`names`, or the folder of any BERT-like encoder.

        Raises:
            InputError: neither; names what there is. Or the folder holds no encoder that can be loaded.
        """
        key = name.strip()
        if key not in self._loaded:
            self._loaded[key] = self._load(key)
        return self._loaded[key]

    def _load(self, name: str) -> Loaded:
        if not name:
            raise InputError(f"no model: choose one of {self.names()}, or give the folder of an encoder")
        if name == TEACHER:
            teacher = self.materials.teacher
            late = {"model": lambda: _on_cpu(teacher.model), "tokenizer": lambda: teacher.tokenizer}
            known = {"digest": teacher.digest, "tokenizer_digest": teacher.tokenizer_digest}
            return LateLoaded(late, name=name, has_head=True, **known)
        students = self.students()
        if name in students:
            found = self.materials.store.find(students[name].name)  # so that the notebook's manifest names it
            digest = Store.manifest(students[name])["weights_digest"]
            if found is None:  # damaged: what is wrong is said now
                return from_folder(students[name], name, digest)
            whole = lru_cache(partial(from_folder, found, name, digest))
            late = {"model": lambda: whole().model, "tokenizer": lambda: whole().tokenizer}
            known = {"digest": digest, "tokenizer_digest": self.materials.checkpoint.tokenizer_digest}
            return LateLoaded(late, name=name, has_head=True, **known)
        if Path(name).expanduser().is_dir() or name == "embedded":
            return from_folder(Path(resolve(name)), name)
        names = [TEACHER, *students]
        raise InputError(f"model {name!r}: there is no such folder, and the store has {names}.{nearest(name, names)}")

    def pairs(self, loaded: Loaded) -> PairTable:
        """The profile's gender pairs in a model's vocabulary; raises InputError for a word that it cannot exchange."""
        if isinstance(loaded, LateLoaded):  # it has the teacher's vocabulary
            return self.materials.pairs
        if loaded.name not in self._pairs:
            self._pairs[loaded.name] = PairTable(self.materials.pair_list, loaded.tokenizer)
        return self._pairs[loaded.name]

    def effects(self, name: str) -> pd.DataFrame:
        """SEAT of a model, a row a test and pooling, see :func:`fairkd.seat.measure`; cached.

        A model of the store is measured as every notebook measures it, and its measurement kept in the store.
        """
        if name not in self._measured:
            students = self.students()
            if name == TEACHER or name in students:
                model = self.materials.teacher if name == TEACHER else students[name]
                self._measured[name] = self.materials.measure(model)[0]
            else:
                profile, loaded = self.materials.profile, self.load(name)
                each = seat.measure_each(
                    loaded.model,
                    loaded.tokenizer,
                    profile.seat.poolings,
                    n_samples=profile.seat.permutations,
                    n_bootstrap=profile.seat.bootstrap,
                )
                self._measured[name] = pd.concat([m.table for m in each.values()], ignore_index=True)
        return self._measured[name]


def _on_cpu(model: Any) -> Any:
    """The model, or a copy of it: single sentences need no GPU."""
    return model if next(model.parameters()).device.type == "cpu" else copy.deepcopy(model).cpu()


def from_folder(folder: Path, name: str, digest: str | None = None) -> Loaded:
    """The model of a folder, with its MLM head if the folder holds a trained one.

    Raises:
        InputError: as :func:`fairkd.bias.encoding.load_encoder`.
    """
    encoder, tokenizer = load_encoder(folder)  # checked there: safetensors, no weight missing, a tokenizer
    model = _with_head(folder)
    has_head = model is not None
    model = model if has_head else encoder
    return Loaded(name, model, tokenizer, digest or weights_digest(model), has_head)


def _with_head(folder: Path) -> Any | None:
    """The masked language model of a folder; None if its head is missing, and would be random."""
    from transformers import AutoModelForMaskedLM

    with quiet(), refused(f"cannot load the MLM head of {str(folder)!r}"):
        try:
            model, info = AutoModelForMaskedLM.from_pretrained(
                folder,
                dtype=torch.float32,  # as the encoder beside it
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except ValueError:  # transformers has no masked language model of this kind
            return None
    return None if info["missing_keys"] or info["mismatched_keys"] else model.eval()
