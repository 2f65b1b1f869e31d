"""Co-distillation: any set of arms in one pass over the corpus.

Pipeline of a step: 1 a batch is masked once; 2 the teacher reads it once, and once more with gender words exchanged
if any arm mixes; 3 every arm's student reads it, takes its own losses (Section 2) against the same teacher outputs,
and makes its own update. Differences between arms are
therefore paired, and an arm trained alone has the same bits as the same arm trained beside others.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from fairkd.arms import Arm
from fairkd.batches import MaskedBatches
from fairkd.engine.digests import weights_digest
from fairkd.engine.loading import quiet
from fairkd.engine.provenance import environment, peak_memory_bytes
from fairkd.engine.recipe import Recipe
from fairkd.engine.store import Store
from fairkd.engine.training import Learner, fit, precision
from fairkd.errors import DivergedError, InputError
from fairkd.gender import PairTable, appendix_c
from fairkd.losses import targets_of
from fairkd.mixup import LEVELS, Mixup, mixes
from fairkd.objective import Supervision, arm_losses, supervise
from fairkd.students import layer_map, student_from_teacher
from fairkd.teachers.checkpoints import Teacher
from fairkd.text.corpus import Corpus

ENGINE = 3
"""Part of every student's key; raised when a change of the code changes the trained weights."""


def student_key(
    arm: Arm,
    *,
    teacher: Teacher,
    corpus: Corpus,
    recipe: Recipe,
    seed: int,
    device: torch.device,
    pairs: PairTable | None = None,
) -> str:
    """Key of an arm's student in the store: a hash of everything that determines its weights, and of nothing else.

    ``teacher`` is the arm's own; ``pairs`` are needed for an arm that mixes.
    """
    values = recipe.content()
    values["loss_weights"] = {name: recipe.loss_weights[name] for name in arm.losses}
    unused = {"initializer_range"}  # every weight of a student comes from its teacher
    if "logits" not in targets_of(arm.losses):
        unused |= {"temperature", "ce_token_fraction"}
    spec: dict[str, Any] = {
        "engine": ENGINE,
        "arm": arm.content(),
        "recipe": {name: value for name, value in values.items() if name not in unused},
        "seed": seed,
        "corpus": corpus.digest,
        "teacher": teacher.digest,
        "tokenizer": teacher.tokenizer_digest,
        "precision": precision(device),
    }
    if arm.levels:
        assert pairs is not None
        spec["mixup"] = {"alpha": recipe.alpha, "scope": recipe.lambda_scope, "pairs": pairs.content}
        if any(LEVELS[level].mixes != "input" for level in arm.levels):
            spec["mixup"]["counterpart"] = recipe.counterpart
    return Store.key("student", spec)


def distill(
    arms: Sequence[Arm],
    *,
    teacher: Teacher,
    corpus: Corpus,
    recipe: Recipe,
    seed: int,
    store: Store,
    device: torch.device,
    debiased: Teacher | None = None,
    pairs: PairTable | None = None,
    parameters: dict[str, Any] | None = None,
    progress: bool = True,
) -> dict[str, Path]:
    """Trains the arms that the store lacks, in one pass, and returns the folder of each arm by name.

    A run that was stopped goes on from its last checkpoints and ends with the same bits.

    Args:
        arms: names must be unique; arms of equal content share one student.
        teacher: the original one, with its tokenizer and digest.
        corpus: tokenised with the teacher's tokenizer.
        recipe: how every arm is trained.
        seed: of the run: batch order, masks, dropout.
        store: where finished students and checkpoints lie.
        device: CPU or CUDA.
        debiased: the teacher of the arms that name "debiased" (:mod:`fairkd.debias`), of the same depth.
        pairs: gender words for the arms that mix; those of Appendix C if not given.
        parameters: written into the manifests (the profile's values).
        progress: show a progress bar.

    Raises:
        InputError: an arm is deeper than the teacher, or lacks what it needs (a debiased teacher, a second pass).
        DivergedError: a loss became NaN or infinite; the other arms are finished and stored first.
    """
    check_arms(arms, teacher.model, recipe)
    teachers = {"original": teacher} | ({"debiased": debiased} if debiased else {})
    if debiased is None and any(arm.teacher == "debiased" for arm in arms):
        raise InputError("an arm has the debiased teacher, but no debiased teacher was given")
    if pairs is None and any(arm.levels for arm in arms):
        pairs = PairTable(appendix_c(), teacher.tokenizer)
    same: dict[str, Any] = {"corpus": corpus, "recipe": recipe, "seed": seed, "device": device, "pairs": pairs}
    keys = {arm.name: student_key(arm, teacher=teachers[arm.teacher], **same) for arm in arms}
    wanted = {keys[arm.name]: arm for arm in reversed(arms)}
    with ExitStack() as locks:
        for key in sorted(key for key in wanted if store.find(key) is None):
            locks.enter_context(store.lock(key))
        missing = {key: arm for key, arm in wanted.items() if store.find(key) is None}
        for key in wanted.keys() - missing.keys():
            store.clear_unfinished(key)  # left by a process that was killed just after it finished
        if missing:
            run = _Run(missing, teachers=teachers, store=store, **same)
            run.train(progress=progress)
            run.store_results(parameters or {})
    return {name: store.root / key for name, key in keys.items()}


def check_arms(arms: Sequence[Arm], teacher: Any, recipe: Recipe) -> None:
    """Raises InputError if a name stands for two arms, or an arm is deeper than the teacher or mixes what it cannot."""
    depth = teacher.config.num_hidden_layers
    for arm in arms:
        try:
            layer_map(arm.layers, depth)
        except InputError as error:
            raise InputError(f"arm {arm.name!r}: {error}") from None
        if mixes(arm.levels, "hidden") and recipe.counterpart != "pass":
            possible = " and ".join(name for name, level in LEVELS.items() if level.mixes != "hidden")
            raise InputError(
                f"counterpart: {recipe.counterpart!r} knows no hidden states of the other word, which arm {arm.name!r} "
                f"mixes ({', '.join(arm.levels)}); allowed is 'pass', or arms that mix {possible} only"
            )
    if len({arm.name for arm in arms}) != len(arms):
        raise InputError(f"arms: each name may stand once, not {[arm.name for arm in arms]}")


class _Run:
    """One pass over the corpus for the arms that are missing, by key."""

    def __init__(
        self,
        arms: dict[str, Arm],
        *,
        teachers: Mapping[str, Teacher],
        corpus: Corpus,
        recipe: Recipe,
        seed: int,
        store: Store,
        device: torch.device,
        pairs: PairTable | None,
    ) -> None:
        self.arms, self.teachers, self.corpus, self.recipe = arms, teachers, corpus, recipe
        self.seed, self.store, self.device = seed, store, device
        self.tokenizer = teachers["original"].tokenizer
        mixup = None
        if pairs is not None and any(arm.levels for arm in arms.values()):
            mixup = Mixup(pairs, alpha=recipe.alpha, scope=recipe.lambda_scope, counterpart=recipe.counterpart)
        self.batches = MaskedBatches(corpus, self.tokenizer, recipe, seed, device, mixup)
        self.total = recipe.updates(len(self.batches))
        self.learners = {key: self._learner(key, arm) for key, arm in arms.items()}
        self.seconds = 0.0

    def _learner(self, key: str, arm: Arm) -> Learner:
        recipe = self.recipe
        student: Any = student_from_teacher(
            self.teachers[arm.teacher].model,
            arm.layers,
            dropout=recipe.dropout,
            freeze_positions=recipe.freeze_positions,
        )
        return Learner(
            name=arm.name,
            model=student.to(self.device).train(),
            losses=lambda model, supervision: arm_losses(model, supervision, arm, recipe),
            recipe=recipe,
            folder=self.store.unfinished(key),
        )

    def train(self, *, progress: bool) -> None:
        models = {name: teacher.model.to(self.device).eval() for name, teacher in self.teachers.items()}
        arm_of = {id(learner): self.arms[key] for key, learner in self.learners.items()}

        def shared(number: int, active: list[Learner]) -> tuple[Supervision, int]:
            batch = self.batches[number]
            arms = [arm_of[id(learner)] for learner in active]
            return supervise(models, batch, arms, self.recipe, self.device), batch.tokens

        started = time.perf_counter()
        fit(
            list(self.learners.values()),
            shared,
            total=self.total,
            recipe=self.recipe,
            seed=self.seed,
            device=self.device,
            progress=f"{len(self.arms)} students, seed {self.seed}" if progress else "",
        )
        self.seconds = time.perf_counter() - started

    def store_results(self, parameters: dict[str, Any]) -> None:
        for key, learner in self.learners.items():
            if learner.divergence is None:
                self._store(key, learner, parameters)
        diverged = [str(learner.divergence) for learner in self.learners.values() if learner.divergence]
        if diverged:
            raise DivergedError(f"seed {self.seed}: " + "; ".join(diverged) + ". The last good checkpoint is kept.")

    def _store(self, key: str, learner: Learner, parameters: dict[str, Any]) -> None:
        arm = self.arms[key]
        student = learner.model.cpu().eval()
        manifest = {
            "kind": "student",
            "arm": arm.model_dump(mode="json"),
            "seed": self.seed,
            "steps": self.total,
            "corpus_digest": self.corpus.digest,
            "teacher_digest": self.teachers[arm.teacher].digest,
            "weights_digest": weights_digest(student),
            "wall_seconds_of_the_pass": self.seconds,
            "resumed_from_step": learner.resumed_from,
            "arms_in_the_pass": [other.name for other in self.arms.values()],
            "peak_memory_bytes": peak_memory_bytes(self.device),
            "parameters": parameters,
            **environment(self.device),
        }
        with self.store.write(key, manifest) as folder:
            with quiet():
                student.save_pretrained(folder)
            self.tokenizer.save_pretrained(folder)
            learner.metrics_frame().to_parquet(folder / "metrics.parquet")
        self.store.clear_unfinished(key)
