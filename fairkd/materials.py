"""Corpus, teacher, students and scores of a profile: from the store, or made when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from fairkd import corpus as corpora
from fairkd import seat, teachers
from fairkd.adapt import adaptation_recipe, needs_adaptation, prepare, teacher_key
from fairkd.arms import Arm
from fairkd.distill import check_arms, distill, student_key
from fairkd.encoders import load_encoder
from fairkd.errors import DivergedError, InputError
from fairkd.profile import Profile
from fairkd.recipe import Recipe
from fairkd.store import Store

SEAT_CACHE = 1
"""Part of the key of every stored measurement; raised when a change of the code changes its numbers."""


def resolve_device(name: str) -> torch.device:
    """The device of a profile: "auto" is the first GPU, else the CPU.

    Raises:
        InputError: CUDA, or that GPU, is not there.
    """
    count = torch.cuda.device_count()
    if name == "auto":
        return torch.device("cuda", 0) if count else torch.device("cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= count:
        raise InputError(f"device: {name!r} is not available; there are {count} CUDA devices, allowed is 'cpu'")
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


def recipe_of(profile: Profile) -> Recipe:
    """The training recipe of a profile."""
    same = {name: getattr(profile, name) for name in Recipe.__dataclass_fields__ if name != "loss_weights"}
    return Recipe(**same, loss_weights=profile.weights)


class Materials:
    """Corpus and teacher of a profile, loaded or made at first use."""

    def __init__(self, profile: Profile, *, progress: bool = True) -> None:
        self.profile, self.progress = profile, progress
        self.store = profile.store()
        self.device = resolve_device(profile.device)
        self.recipe = recipe_of(profile)
        self.adaptation = adaptation_recipe(
            self.recipe,
            steps=profile.adapt_steps,
            batch_size=profile.adapt_batch_size,
            learning_rate=profile.adapt_learning_rate,
        )

    @property
    def sources(self) -> list[str]:
        """The corpus sources, with paths made absolute."""
        named = ("embedded", "generated")
        return [s if s in named or s.startswith("hub:") else str(self.profile.path(s)) for s in self.profile.corpus]

    @cached_property
    def checkpoint(self) -> teachers.Checkpoint:
        """The teacher's checkpoint before any training."""
        profile = self.profile
        if profile.teacher != "scratch":
            checkpoint = teachers.load(profile.teacher, folder=profile.path(profile.teacher))
            longest = checkpoint.model.config.max_position_embeddings
            if profile.max_length > longest:
                raise InputError(
                    f"max_length: {profile.max_length}, but teacher {profile.teacher!r} reads {longest} tokens at most"
                )
            return checkpoint
        texts = [t for source in self.sources for t in corpora.documents(source, column=profile.corpus_column)]
        tokenizer = teachers.small_tokenizer(texts)
        model = teachers.from_scratch(
            tokenizer,
            layers=profile.teacher_layers or 1,
            hidden=profile.teacher_hidden or 16,
            max_length=profile.max_length,
            initializer_range=profile.initializer_range,
            seed=0,
        )
        return teachers.Checkpoint(model, tokenizer, has_mlm_head=False, source="scratch")

    @property
    def corpus_options(self) -> dict[str, Any]:
        """What :func:`fairkd.corpus.build` takes from the profile."""
        profile = self.profile
        return {
            "column": profile.corpus_column,
            "fraction": profile.corpus_fraction,
            "seed": profile.corpus_seed,
            "heldout_fraction": profile.heldout_fraction,
            "max_length": profile.max_length,
        }

    @cached_property
    def corpus(self) -> corpora.Corpus:
        """The tokenised corpus."""
        tokenizer = self.checkpoint.tokenizer
        return corpora.build(self.sources, tokenizer, store=self.store, progress=self.progress, **self.corpus_options)

    @cached_property
    def teacher(self) -> teachers.Teacher:
        """The teacher, adapted if the profile or its checkpoint asks for it."""
        return prepare(
            self.checkpoint,
            self.corpus,
            adapt=self.profile.adapt,
            recipe=self.adaptation,
            store=self.store,
            device=self.device,
            progress=self.progress,
        )

    def look_up(self) -> str:
        """Takes corpus and teacher from the store if it has them, making nothing; returns "" or what is missing."""
        if {"corpus", "teacher"} <= self.__dict__.keys():
            return ""
        profile = self.profile
        if not teachers.is_here(profile.teacher, profile.path(profile.teacher)):
            return "teacher not downloaded yet"
        checkpoint = self.checkpoint
        corpus = corpora.find(self.sources, checkpoint.tokenizer, store=self.store, **self.corpus_options)
        if corpus is None:
            return "corpus not tokenised yet"
        adapted = needs_adaptation(checkpoint, profile.adapt)
        if (
            self.store.find(teacher_key(checkpoint, corpus, self.adaptation, adapted=adapted, device=self.device))
            is None
        ):
            return "teacher not prepared yet"
        self.corpus = corpus
        _ = self.teacher  # loads what is there
        return ""

    def student_key(self, arm: Arm, seed: int) -> str:
        """Key of a student in the store."""
        return student_key(
            arm, teacher=self.teacher, corpus=self.corpus, recipe=self.recipe, seed=seed, device=self.device
        )

    def student(self, arm: Arm, seed: int) -> Path:
        """Folder of a finished student; raises InputError if it has not been trained."""
        folder = self.store.find(self.student_key(arm, seed))
        if folder is None:
            raise InputError(
                f"arm {arm.name!r}, seed {seed}: not in the store; it has not been trained, or its training failed"
            )
        return folder

    def train(self, arms: Sequence[Arm]) -> None:
        """Trains the arms that the store lacks, one pass over the corpus a seed."""
        check_arms(arms, self.checkpoint.model)  # before corpus and teacher are made
        diverged = []
        for seed in self.profile.seeds:
            try:
                self._train(arms, seed)
            except DivergedError as error:  # the other seeds are trained all the same
                diverged.append(str(error))
        if diverged:
            raise DivergedError(" ".join(diverged))

    def _train(self, arms: Sequence[Arm], seed: int) -> None:
        distill(
            arms,
            teacher=self.teacher,
            corpus=self.corpus,
            recipe=self.recipe,
            seed=seed,
            store=self.store,
            device=self.device,
            parameters=self.profile.values(),
            progress=self.progress,
        )

    def measure(self, folder: Path | None) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
        """SEAT of a student's folder, or of the teacher (None): table, and replicates (B, 6) by pooling; cached."""
        profile = self.profile
        weights = self.teacher.digest if folder is None else Store.manifest(folder)["weights_digest"]
        options = {"n_samples": profile.seat_permutations, "n_bootstrap": profile.seat_bootstrap, "seed": 0}
        spec = {"version": SEAT_CACHE, "weights": weights, "poolings": list(profile.seat_poolings), **options}
        spec["tokenizer"] = corpora.tokenizer_digest(self.checkpoint.tokenizer)
        key = Store.key("seat", spec)
        if self.store.find(key) is None:
            with self.store.lock(key):
                if self.store.find(key) is None:
                    self._measure(key, spec, folder, options)
        found = self.store.root / key
        replicates = {str(p): np.load(found / f"{p}.npy", allow_pickle=False) for p in profile.seat_poolings}
        return pd.read_parquet(found / "table.parquet"), replicates

    def _measure(self, key: str, spec: dict[str, Any], folder: Path | None, options: dict[str, Any]) -> None:
        encoder = (self.teacher.model, self.teacher.tokenizer) if folder is None else load_encoder(folder)
        measured = seat.measure_each(*encoder, self.profile.seat_poolings, **options, device=self.device)
        with self.store.write(key, {"kind": "seat", **spec}) as new:
            pd.concat([m.table for m in measured.values()], ignore_index=True).to_parquet(new / "table.parquet")
            for pooling, m in measured.items():
                np.save(new / f"{pooling}.npy", m.replicates, allow_pickle=False)


def train_profile(profile: Profile) -> None:
    """Trains every arm of a profile that the store lacks, one pass a seed."""
    Materials(profile).train(profile.all_arms())


def plan(profile: Profile) -> pd.DataFrame:
    """What a profile needs and what the store has of it; trains, downloads and writes nothing.

    Columns: arm, layers, losses, seed, state, key. The state is "in store", "unfinished, N steps" or "to train",
    with the reason where keys are not known because teacher or corpus are not here yet.

    Raises:
        InputError: an arm is deeper than the teacher.
    """
    materials = Materials(profile)
    missing = materials.look_up()
    if "checkpoint" in materials.__dict__:
        check_arms(profile.all_arms(), materials.checkpoint.model)
    rows = []
    for arm in profile.all_arms():
        for seed in profile.seeds:
            key = "" if missing else materials.student_key(arm, seed)
            state = f"to train; {missing}" if missing else _state(materials.store, key)
            row = {"arm": arm.name, "layers": arm.layers, "losses": "+".join(arm.losses), "seed": seed}
            rows.append(row | {"state": state, "key": key})
    return pd.DataFrame(rows)


def _state(store: Store, key: str) -> str:
    if store.find(key):
        return "in store"
    steps = sorted(store.unfinished(key).glob("step-*"))
    return f"unfinished, {int(steps[-1].name.removeprefix('step-'))} steps" if steps else "to train"
