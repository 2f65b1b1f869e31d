"""Corpus, teacher, students and scores of a profile: from the store, or made when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from fairkd import seat
from fairkd.arms import Arm
from fairkd.batches import MOST_COUNTED, Setting, TextRead, batches_taken, text_read, words_met
from fairkd.bias.encoding import added_poolings, load_encoder
from fairkd.debias import debias, debias_key
from fairkd.distill import check_arms, distill, student_key
from fairkd.engine.chunks import CHUNK
from fairkd.engine.setup import setup
from fairkd.engine.side_by_side import one_thread
from fairkd.engine.store import REVISIONS, Store
from fairkd.engine.world import ONE_PROCESS, World, local_rank
from fairkd.errors import InputError
from fairkd.gender import Pair, PairTable, count, load_pairs
from fairkd.lab.cost import Shape
from fairkd.lab.estimate import tokens_at_once
from fairkd.lab.known_pairs import open_pairs, remember_pairs
from fairkd.lab.known_words import open_words, remember_words
from fairkd.mixup import Mixup
from fairkd.profile import Profile
from fairkd.teachers import checkpoints as teachers
from fairkd.teachers.adapt import adaptation_recipe, needs_adaptation, prepare, teacher_key
from fairkd.teachers.wordlists import WordLists, load_words, without_seat_words
from fairkd.text import corpus as corpora
from fairkd.text.planted import PREFIX, strength


def resolve_device(name: str) -> torch.device:
    """The device of a profile: "auto" is the first GPU (below torchrun, the process's own), else the CPU.

    Raises:
        InputError: CUDA, or that GPU, is not there.
    """
    count = torch.cuda.device_count()
    if name == "auto":
        return torch.device("cuda", local_rank()) if count else torch.device("cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= count:
        raise InputError(f"device: {name!r} is not available; there are {count} CUDA devices, allowed is 'cpu'")
    if device.type == "cuda":
        return torch.device("cuda", local_rank() if device.index is None else device.index)
    return device


class Materials:
    """Corpus, one teacher and its students of a profile, loaded or made at first use.

    Args:
        profile: its parameters.
        progress: show lines of progress.
        teacher_seed: which of the profile's teachers; the first without it. :meth:`of` gives the others.
    """

    def __init__(self, profile: Profile, *, progress: bool = True, teacher_seed: int | None = None) -> None:
        setup()
        self.profile, self.progress = profile, progress
        self.teacher_seed = profile.teacher_seeds[0] if teacher_seed is None else teacher_seed
        self._family = {self.teacher_seed: self}
        self.store = profile.store()
        self.device = resolve_device(profile.device)
        self._measured: dict[str, tuple[pd.DataFrame, dict[str, np.ndarray]]] = {}
        teacher = profile.teacher
        self.adaptation = adaptation_recipe(
            profile.recipe,
            steps=teacher.adapt_steps,
            batch_size=teacher.adapt_batch_size,
            learning_rate=teacher.adapt_learning_rate,
        )

    def of(self, teacher_seed: int) -> Materials:
        """The same of another teacher of the profile."""
        if teacher_seed not in self._family:
            other = Materials(self.profile, progress=self.progress, teacher_seed=teacher_seed)
            other._family = self._family
            self._family[teacher_seed] = other
        return self._family[teacher_seed]

    @property
    def family(self) -> list[Materials]:
        """Of each teacher of the profile, in the order of its seeds."""
        return [self.of(seed) for seed in self.profile.teacher_seeds]

    @property
    def sources(self) -> list[str]:
        """The corpus sources, with paths made absolute; planted text in the draw of this teacher."""
        return [self._drawn(source) for source in self.profile.rows_a_line]

    @property
    def join(self) -> dict[str, int]:
        """Rows that make a line, by source, for those of :attr:`sources` that have a sentence a row."""
        return {self._drawn(source): rows for source, rows in self.profile.rows_a_line.items() if rows > 1}

    def _drawn(self, source: str) -> str:
        drawn = source.startswith(PREFIX) and self.teacher_seed
        return f"{PREFIX}{strength(source)}:{self.teacher_seed}" if drawn else source

    @cached_property
    def checkpoint(self) -> teachers.Checkpoint:
        """The teacher's checkpoint before any training."""
        profile, teacher, corpus = self.profile, self.profile.teacher, self.profile.corpus
        if teacher.source != "scratch":
            folder = profile.path(teacher.source)
            checkpoint = teachers.open_checkpoint(teacher.source, folder=folder, store=self.store)
            longest = checkpoint.longest
            if longest is not None and corpus.max_length > longest:
                raise InputError(
                    f"max_length: {corpus.max_length}, but teacher {teacher.source!r} reads {longest} tokens at most"
                )
            return checkpoint
        return teachers.open_scratch(self._words, store=self.store, **self._scratch)

    @property
    def _scratch(self) -> dict[str, Any]:
        """What a teacher that starts from nothing is made of, beside its words."""
        profile, teacher = self.profile, self.profile.teacher
        return {
            "layers": teacher.layers or 1,
            "hidden": teacher.hidden or 16,
            "max_length": profile.corpus.max_length,
            "initializer_range": profile.recipe.initializer_range,
            "seed": self.teacher_seed,
            "dropout": profile.recipe.dropout,
        }

    @cached_property
    def _words(self) -> list[str]:
        return open_words(self.sources, column=self.profile.corpus.column, join=self.join, store=self.store)

    @property
    def corpus_options(self) -> dict[str, Any]:
        """What :func:`fairkd.text.corpus.build` takes from the profile."""
        corpus = self.profile.corpus
        return {
            "column": corpus.column,
            "join": self.join,
            "fraction": corpus.fraction,
            "seed": corpus.seed,
            "heldout_fraction": corpus.heldout_fraction,
            "max_length": corpus.max_length,
        }

    @cached_property
    def corpus(self) -> corpora.Corpus:
        """The tokenised corpus."""
        options = {"store": self.store, "progress": self.progress, **self.corpus_options}
        found = self.corpus_here() or corpora.build(self.sources, self.checkpoint.tokenizer, **options)
        self.remember()
        return found

    def remember(self) -> None:
        """Keeps in the store what is asked of the checkpoint most; not as it is opened: who plans writes nothing."""
        with suppress(OSError):  # a disk that cannot be written: it is asked again
            if self.profile.teacher.source == "scratch":
                remember_words(self._words, self.sources, join=self.join, store=self.store)
                teachers.remember_scratch(self.checkpoint, self._words, store=self.store, **self._scratch)
            else:
                folder = self.profile.path(self.profile.teacher.source)
                teachers.remember(self.checkpoint, folder=folder, store=self.store)

    def corpus_here(self) -> corpora.Corpus | None:
        """The tokenised corpus, if the store has it; makes nothing."""
        return corpora.find(self.sources, self.checkpoint.tokenizer_digest, store=self.store, **self.corpus_options)

    def setting(self, seed: int) -> Setting:
        """What the students of one seed share.

        Raises:
            InputError: no update would change a student; the teacher is not made before this is known.
        """
        recipe = self.profile.recipe
        setting = Setting(self.corpus, recipe, seed, self.store, self.device, self.at_once)
        setting.schedule()
        return setting

    @cached_property
    def at_once(self) -> int | None:
        """Tokens of a forward pass: as the profile says, else a batch on the CPU, and on a GPU what fits its memory.

        That of the kind of GPU, not what happens to be free: dropout draws by it.
        """
        recipe = self.profile.recipe
        if recipe.micro_batch_tokens is not None or self.device.type != "cuda":
            return recipe.micro_batch_tokens
        return tokens_at_once(
            Shape.of(self.checkpoint.model.config),
            self.profile.all_arms(),
            recipe,
            longest=self.profile.corpus.max_length,
            memory=torch.cuda.get_device_properties(self.device).total_memory,
            chunk=CHUNK["cuda"],
        )

    @property
    def teacher_setting(self) -> Setting:
        """As :meth:`setting`, for the teacher, which is one and the same for all of its students."""
        return replace(self.setting(self.teacher_seed), recipe=self.adaptation)

    @cached_property
    def teacher(self) -> teachers.Teacher:
        """The teacher, adapted if the profile or its checkpoint asks for it."""
        adapt = self.profile.teacher.adapt
        with self._threads():
            return prepare(self.checkpoint, self.teacher_setting, adapt=adapt, progress=self.progress)

    def _threads(self) -> AbstractContextManager[None]:
        """One thread where there are several teachers, as they are made side by side elsewhere."""
        return one_thread() if len(self.profile.teacher_seeds) > 1 else nullcontext()

    @cached_property
    def pair_list(self) -> list[Pair]:
        """The gender words that the profile names, before a vocabulary has seen them."""
        return load_pairs(self.profile.mixup.pairs, self.profile.path(self.profile.mixup.pairs))

    @cached_property
    def pairs(self) -> PairTable:
        """The gender words in the teacher's vocabulary."""
        return open_pairs(self.pair_list, self.checkpoint, self.store)

    @cached_property
    def pair_counts(self) -> pd.DataFrame:
        """How often the gender words occur in the training text, see :func:`fairkd.gender.count`; cached."""
        words = [[pair.female, pair.male] for pair in self.pair_list]  # as they are shown
        key = Store.key("pairs", {"corpus": self.corpus.digest, "pairs": self.pairs.content, "words": words})

        def make() -> None:
            with self.store.write(key, {"kind": "pairs", "corpus_digest": self.corpus.digest}) as new:
                count(self.corpus.train, self.pairs).to_parquet(new / "counts.parquet")

        return pd.read_parquet(self.store.once(key, make) / "counts.parquet")

    def words_met(self, seed: int) -> pd.DataFrame:
        """How often the students of a seed meet the gender words, see :func:`fairkd.batches.words_met`; cached."""
        own = self.of(self.profile.teacher_of(seed))
        recipe, setting = self.profile.recipe, own.setting(seed)
        values = recipe.content()
        names = ("mlm_mask_prop", "word_mask", "word_keep", "mlm_smoothing", "ce_token_fraction", "batch_size")
        spec = {
            "version": REVISIONS["words met"],
            "corpus": own.corpus.digest,
            "tokenizer": own.checkpoint.tokenizer_digest,
            "pairs": own.pairs.content,
            "words": [[pair.female, pair.male] for pair in self.pair_list],  # as they are shown
            "seed": seed,
            "batches": batches_taken(setting),
            "recipe": {name: values[name] for name in names},
            "most": MOST_COUNTED,
        }
        key = Store.key("words met", spec)

        def make() -> None:
            with self.store.write(key, {"kind": "words met", **spec}) as new:
                words_met(setting, own.checkpoint.tokenizer, own.pairs).to_parquet(new / "met.parquet")

        return pd.read_parquet(self.store.once(key, make) / "met.parquet")

    def text_read(self, seed: int) -> TextRead:
        """What each student of a seed reads: from the manifest of one, or counted where none is there yet."""
        arms = [arm for arm in self.profile.all_arms() if arm.teacher == "original"]
        found = (self.store.find(self.student_key(arm, seed)) for arm in arms)
        folder = next((folder for folder in found if folder), None)
        if folder is None:
            return text_read(self.of(self.profile.teacher_of(seed)).setting(seed))
        manifest = Store.manifest(folder)
        return TextRead(manifest["sequences_read"], manifest["tokens_read"])

    @cached_property
    def mixup(self) -> Mixup:
        """How the arms that mix do it."""
        settings = self.profile.mixup
        return Mixup(self.pairs, alpha=settings.alpha, scope=settings.scope, counterpart=settings.counterpart)

    @cached_property
    def debias_words(self) -> WordLists:
        """The word lists of debiasing."""
        return load_words(self.profile.debias_words, self.profile.path(self.profile.debias_words))

    @cached_property
    def debias_words_without_seat(self) -> WordLists:
        """The same lists without the words that SEAT tests."""
        return without_seat_words(self.debias_words)

    @cached_property
    def debiased(self) -> teachers.Teacher:
        """The teacher after debiasing."""
        return self._debias(self.debias_words)

    @cached_property
    def debiased_without_seat(self) -> teachers.Teacher:
        """The teacher after debiasing without the words that SEAT tests: for comparison, no arm has it."""
        _ = self.teacher, self.teacher_setting  # what is wrong with these has nothing to do with the words
        try:
            return self._debias(self.debias_words_without_seat)
        except InputError as error:
            raise InputError(
                f"debiasing without SEAT's words, for comparison: {error}; debias_without_seat_words: false leaves "
                "it out"
            ) from error

    def every_teacher(self) -> Iterator[teachers.Teacher]:
        """The teacher; where an arm has the debiased one that too, and the one that is compared with it if it is."""
        yield self.teacher
        if any(arm.teacher == "debiased" for arm in self.profile.all_arms()):
            yield self.debiased
            if self.profile.debias_without_seat_words:
                yield self.debiased_without_seat

    def _debias(self, words: WordLists) -> teachers.Teacher:
        recipe, setting = self.profile.debias, self.teacher_setting
        with self._threads():
            return debias(self.teacher, setting, words=words, recipe=recipe, progress=self.progress)

    def _word_lists(self) -> list[WordLists]:
        without = [self.debias_words_without_seat] if self.profile.debias_without_seat_words else []
        return [self.debias_words, *without]

    def _is_debiased(self, words: WordLists) -> bool:
        return self.store.find(self._debias_key(words)) is not None

    def _debias_key(self, words: WordLists) -> str:
        return debias_key(self.teacher, self.teacher_setting, words=words, recipe=self.profile.debias)

    def debias_record(self) -> dict[str, Any] | None:
        """What making the debiased teacher did, as the store has it; None if it has not been made."""
        folder = self.store.find(self._debias_key(self.debias_words))
        return Store.manifest(folder)["record"] if folder else None

    def is_debiased(self) -> bool:
        """Whether the debiased teacher need not be made."""
        return "debiased" in self.__dict__ or self.debias_record() is not None

    def check(self, arms: Sequence[Arm]) -> None:
        """Raises InputError for arms that cannot be trained, before corpus and teacher are made."""
        check_arms(arms, self.checkpoint.layers, self.profile.mixup.counterpart)
        _ = self.checkpoint.unknown  # refuses a tokenizer with which SEAT could not be measured
        adapted = needs_adaptation(self.checkpoint, self.profile.teacher.adapt, self.adaptation)
        if not adapted and len(self.profile.teacher_seeds) > 1 and not any(s.startswith(PREFIX) for s in self.sources):
            raise InputError(
                f"teacher_seeds: {list(self.profile.teacher_seeds)}, but teacher {self.profile.teacher.source!r} is "
                "not trained here, so it would be the same for each; give one, or several seeds for the students"
            )
        if any(arm.levels for arm in arms):
            _ = self.pairs
        if any(arm.teacher == "debiased" for arm in arms):
            _ = self._word_lists()

    def missing(self) -> str:
        """What the store lacks before a student can be looked for, in words; "" if it has corpus and teacher.

        Takes them from the store if they are there, and makes nothing.
        """
        if {"corpus", "teacher"} <= self.__dict__.keys():
            return ""
        profile = self.profile
        if not teachers.is_here(profile.teacher.source, profile.path(profile.teacher.source)):
            return "teacher not downloaded yet"
        checkpoint, corpus = self.checkpoint, self.corpus_here()
        if corpus is None:
            return "corpus not tokenised yet"
        self.corpus = corpus
        adapted = needs_adaptation(checkpoint, profile.teacher.adapt, self.adaptation)
        if self.store.find(teacher_key(checkpoint, self.teacher_setting, adapted=adapted)) is None:
            return "teacher not prepared yet"
        _ = self.teacher  # loads what is there
        return ""

    def student_key(self, arm: Arm, seed: int) -> str:
        """Key of a student in the store."""
        own = self.of(self.profile.teacher_of(seed))
        teacher = own.debiased if arm.teacher == "debiased" else own.teacher
        return student_key(arm, own.setting(seed), teacher=teacher, mixup=own.mixup if arm.levels else None)

    def student(self, arm: Arm, seed: int) -> Path:
        """Folder of a finished student; raises InputError if it has not been trained."""
        folder = self.store.find(self.student_key(arm, seed))
        if folder is None:
            raise InputError(
                f"arm {arm.name!r}, seed {seed}: not in the store; it has not been trained, or its training failed"
            )
        return folder

    def lacks(self, arms: Sequence[Arm], seed: int) -> bool:
        """Whether the store lacks a student of this seed."""
        return None in self.store.find_all(self.student_key(arm, seed) for arm in arms).values()

    def clear_unfinished(self, arms: Sequence[Arm], seed: int) -> None:
        """Removes checkpoints of students of this seed, which are finished."""
        for key in {self.student_key(arm, seed) for arm in arms}:
            if self.store.unfinished(key).exists():
                with self.store.lock(key):
                    self.store.clear_unfinished(key)

    def has_teachers(self, *, debiased: bool) -> bool:
        """Whether neither the teacher nor, if wanted, a debiased one is to be made; makes nothing."""
        if self.missing():
            return False
        made = [self._is_debiased(words) for words in self._word_lists() if debiased]  # each is looked for
        return all(made)

    def make_teachers(self, *, debiased: bool) -> None:
        """Makes the teacher and, if wanted, the debiased ones."""
        _ = self.teacher
        if debiased:
            if self.profile.debias_without_seat_words:
                _ = self.debiased_without_seat  # first: it has fewer words, and no arm could be trained without it
            _ = self.debiased

    def train_seed(self, arms: Sequence[Arm], seed: int, *, everyone: World = ONE_PROCESS) -> None:
        """Trains the arms of one seed that the store lacks, side by side, in one process or with ``everyone``.

        Raises:
            DivergedError: a loss became NaN or infinite; the other students of the seed are trained.
        """
        own = self.of(self.profile.teacher_of(seed))
        if everyone.writes and any(arm.levels for arm in arms):
            remember_pairs(own.pairs, own.checkpoint, own.store)
        with one_thread() if len(self.profile.student_seeds) > 1 else nullcontext():
            distill(
                arms,
                own.setting(seed),
                teacher=own.teacher,
                debiased=own.debiased if any(arm.teacher == "debiased" for arm in arms) else None,
                mixup=own.mixup if any(arm.levels for arm in arms) else None,
                parameters=self.profile.values(),
                progress=self.progress,
                everyone=everyone,
            )

    def groups(self, arm: Arm | None) -> ModelGroups:
        """The students of an arm, or the teachers, by what is resampled as a whole (:attr:`Profile.seed_groups`).

        Each with the materials that it belongs to. A single teacher is the same whatever the seeds of its students.
        """
        if arm is None:
            return [[(own, own.teacher)] for own in self.family]
        return [
            [(self.of(self.profile.teacher_of(seed)), self.student(arm, seed)) for seed in group]
            for group in self.profile.seed_groups
        ]

    def measure(self, model: Path | teachers.Teacher) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
        """SEAT of a student's folder or of a teacher: table, and replicates (B, 6) by pooling; cached."""
        key, spec, options = self._seat_entry(model)
        if key in self._measured:  # every table of a notebook asks for the same students
            return self._measured[key]
        found = self.store.once(key, lambda: self._measure(key, spec, model, options))
        replicates = {str(p): np.load(found / f"{p}.npy", allow_pickle=False) for p in self.profile.seat.poolings}
        self._measured[key] = pd.read_parquet(found / "table.parquet"), replicates
        return self._measured[key]

    def is_measured(self, model: Path | teachers.Teacher) -> bool:
        """Whether :meth:`measure` has nothing to do."""
        key = self._seat_entry(model)[0]
        return key in self._measured or self.store.find(key) is not None

    def _seat_entry(self, model: Path | teachers.Teacher) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Key in the store, what it is made of, and how SEAT is measured."""
        seat_of = self.profile.seat
        weights = Store.manifest(model)["weights_digest"] if isinstance(model, Path) else model.digest
        options = {"n_samples": seat_of.permutations, "n_bootstrap": seat_of.bootstrap, "seed": 0}
        spec = {"version": REVISIONS["seat"], "weights": weights, "poolings": list(seat_of.poolings), **options}
        spec["tokenizer"] = self.teacher.tokenizer_digest
        if added := added_poolings(seat_of.poolings):
            spec["functions"] = added
        return Store.key("seat", spec), spec, options

    def _measure(self, key: str, spec: dict[str, Any], model: Path | teachers.Teacher, options: dict[str, Any]) -> None:
        measured = self._seat(model, options)
        with self.store.write(key, {"kind": "seat", **spec}) as new:
            pd.concat([m.table for m in measured.values()], ignore_index=True).to_parquet(new / "table.parquet")
            for pooling, m in measured.items():
                np.save(new / f"{pooling}.npy", m.replicates, allow_pickle=False)

    def _seat(self, model: Path | teachers.Teacher, options: dict[str, Any]) -> dict[str, Any]:
        encoder = load_encoder(model) if isinstance(model, Path) else (model.model, model.tokenizer)
        with one_thread():  # so that the last bits do not depend on who measures
            return dict(seat.measure_each(*encoder, self.profile.seat.poolings, **options, device=self.device))

    def measure_again(self, model: Path | teachers.Teacher) -> float:
        """By how much SEAT of a model differs at most when it is measured once more, from what the store has."""
        before, _ = self.measure(model)
        again = self._seat(model, self._seat_entry(model)[2])
        now = pd.concat([measured.table for measured in again.values()], ignore_index=True)
        return float(np.nanmax(np.abs(now.effect_size.to_numpy() - before.effect_size.to_numpy())))


ModelGroups = list[list[tuple[Materials, Path | teachers.Teacher]]]
"""Models by what is resampled as a whole, each with the materials that it belongs to: see :meth:`Materials.groups`."""
