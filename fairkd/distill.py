"""Co-distillation: any set of arms in one pass over the corpus.

Pipeline of a step: 1 a batch is masked once; 2 the teacher reads it once; 3 every arm's student reads it, takes
its own losses (Section 2) against the same teacher outputs, and makes its own update. Differences between arms are
therefore paired, and an arm trained alone has the same bits as the same arm trained beside others.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fairkd.arms import Arm
from fairkd.batching import MaskedBatch, MaskedBatches
from fairkd.corpus import Corpus
from fairkd.errors import DivergedError, InputError
from fairkd.hub import quiet
from fairkd.losses import cosine_rows, kl_rows, mlm_rows, soften
from fairkd.provenance import environment, peak_memory_bytes
from fairkd.recipe import Recipe
from fairkd.store import Store
from fairkd.students import last_hidden, layer_map, student_from_teacher, vocabulary_logits
from fairkd.teachers import Teacher, weights_digest
from fairkd.training import Learner, autocast, fit, precision

ENGINE = 1
"""Part of every student's key; raised when a change of the code changes the trained weights."""


@dataclass(frozen=True)
class Supervision:
    """What all arms learn from in one step.

    Attributes:
        batch: the masked batch.
        hidden: the teacher's last hidden states (batch, tokens, hidden); None if no arm needs the teacher.
        log_probs: the teacher's softened log probabilities (n, vocab) at ``batch.ce_rows``; None if no arm has L_ce.
    """

    batch: MaskedBatch
    hidden: Tensor | None
    log_probs: Tensor | None


@torch.no_grad()
def supervise(
    teacher: Any, batch: MaskedBatch, losses: set[str], temperature: float, device: torch.device
) -> Supervision:
    """The teacher's outputs for a batch: only those that the losses in use need."""
    if not losses & {"ce", "cos"}:
        return Supervision(batch, None, None)
    with autocast(device):
        hidden = last_hidden(teacher, batch.corrupted, batch.attention_mask)
        logits = (
            vocabulary_logits(teacher, hidden.flatten(0, 1).index_select(0, batch.ce_rows)) if "ce" in losses else None
        )
    return Supervision(batch, hidden, None if logits is None else soften(logits, temperature))


def arm_losses(student: Any, supervision: Supervision, losses: Sequence[str], temperature: float) -> dict[str, Tensor]:
    """The loss terms of one student on one batch, equal to :func:`fairkd.losses.distillation_losses`.

    Logits are formed only where L_ce or L_mlm looks; a position that both look at is computed once.
    """
    batch = supervision.batch
    hidden = last_hidden(student, batch.corrupted, batch.attention_mask).flatten(0, 1)
    terms: dict[str, Tensor] = {}
    both = "ce" in losses and "mlm" in losses
    if "ce" in losses or "mlm" in losses:
        rows = batch.head_rows if both else batch.ce_rows if "ce" in losses else batch.mlm_rows
        logits = vocabulary_logits(student, hidden.index_select(0, rows))
        if "ce" in losses:
            assert supervision.log_probs is not None
            chosen = pick(logits, batch.ce_at) if both else logits
            terms["ce"] = kl_rows(chosen, supervision.log_probs, temperature)
        if "mlm" in losses:
            chosen = pick(logits, batch.mlm_at) if both else logits
            terms["mlm"] = mlm_rows(chosen, batch.labels.flatten().index_select(0, batch.mlm_rows))
    if "cos" in losses:
        assert supervision.hidden is not None
        theirs = supervision.hidden.flatten(0, 1).index_select(0, batch.token_rows)
        terms["cos"] = cosine_rows(hidden.index_select(0, batch.token_rows), theirs)
    return terms


def pick(rows: Tensor, at: Tensor) -> Tensor:
    """Rows (n, …) at sorted positions without repetition; all of them are no copy.

    ``index_select``, because the gradient of ``rows[at]`` is many times slower on the CPU.
    """
    return rows if len(at) == len(rows) else rows.index_select(0, at)


def student_key(arm: Arm, *, teacher: Teacher, corpus: Corpus, recipe: Recipe, seed: int, device: torch.device) -> str:
    """Key of an arm's student in the store: a hash of everything that determines its weights, and of nothing else."""
    values = recipe.content()
    values["loss_weights"] = {name: recipe.loss_weights[name] for name in arm.losses}
    unused = {"initializer_range"}  # every weight of a student comes from its teacher
    if "ce" not in arm.losses:
        unused |= {"temperature", "ce_token_fraction"}
    spec = {
        "engine": ENGINE,
        "arm": arm.content(),
        "recipe": {name: value for name, value in values.items() if name not in unused},
        "seed": seed,
        "corpus": corpus.digest,
        "teacher": teacher.digest,
        "tokenizer": teacher.tokenizer_digest,
        "precision": precision(device),
    }
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
    parameters: dict[str, Any] | None = None,
    progress: bool = True,
) -> dict[str, Path]:
    """Trains the arms that the store lacks, in one pass, and returns the folder of each arm by name.

    A run that was stopped goes on from its last checkpoints and ends with the same bits.

    Args:
        arms: names must be unique; arms of equal content share one student.
        teacher: with its tokenizer and digest.
        corpus: tokenised with the teacher's tokenizer.
        recipe: how every arm is trained.
        seed: of the run: batch order, masks, dropout.
        store: where finished students and checkpoints lie.
        device: CPU or CUDA.
        parameters: written into the manifests (the profile's values).
        progress: show a progress bar.

    Raises:
        InputError: an arm is deeper than the teacher.
        DivergedError: a loss became NaN or infinite; the other arms are finished and stored first.
    """
    check_arms(arms, teacher.model)
    keys = {
        arm.name: student_key(arm, teacher=teacher, corpus=corpus, recipe=recipe, seed=seed, device=device)
        for arm in arms
    }
    wanted = {keys[arm.name]: arm for arm in reversed(arms)}
    with ExitStack() as locks:
        for key in sorted(key for key in wanted if store.find(key) is None):
            locks.enter_context(store.lock(key))
        missing = {key: arm for key, arm in wanted.items() if store.find(key) is None}
        for key in wanted.keys() - missing.keys():
            store.clear_unfinished(key)  # left by a process that was killed just after it finished
        if missing:
            run = _Run(missing, teacher=teacher, corpus=corpus, recipe=recipe, seed=seed, store=store, device=device)
            run.train(progress=progress)
            run.store_results(parameters or {})
    return {name: store.root / key for name, key in keys.items()}


def check_arms(arms: Sequence[Arm], teacher: Any) -> None:
    """Raises InputError if an arm is deeper than the teacher (a BERT) or a name stands for two arms."""
    depth = teacher.config.num_hidden_layers
    for arm in arms:
        try:
            layer_map(arm.layers, depth)
        except InputError as error:
            raise InputError(f"arm {arm.name!r}: {error}") from None
    if len({arm.name for arm in arms}) != len(arms):
        raise InputError(f"arms: each name may stand once, not {[arm.name for arm in arms]}")


class _Run:
    """One pass over the corpus for the arms that are missing, by key."""

    def __init__(
        self,
        arms: dict[str, Arm],
        *,
        teacher: Teacher,
        corpus: Corpus,
        recipe: Recipe,
        seed: int,
        store: Store,
        device: torch.device,
    ) -> None:
        self.arms, self.teacher, self.corpus, self.recipe = arms, teacher, corpus, recipe
        self.seed, self.store, self.device = seed, store, device
        self.batches = MaskedBatches(corpus, teacher.tokenizer, recipe, seed, device)
        self.total = recipe.updates(len(self.batches))
        self.learners = {key: self._learner(key, arm) for key, arm in arms.items()}
        self.seconds = 0.0

    def _learner(self, key: str, arm: Arm) -> Learner:
        recipe = self.recipe
        student: Any = student_from_teacher(
            self.teacher.model, arm.layers, dropout=recipe.dropout, freeze_positions=recipe.freeze_positions
        )
        return Learner(
            name=arm.name,
            model=student.to(self.device).train(),
            losses=lambda model, supervision: arm_losses(model, supervision, arm.losses, recipe.temperature),
            weights={name: recipe.loss_weights[name] for name in arm.losses},
            recipe=recipe,
            folder=self.store.unfinished(key),
        )

    def train(self, *, progress: bool) -> None:
        model = self.teacher.model.to(self.device).eval()
        losses = {
            learner.name: set(arm.losses)
            for learner, arm in zip(self.learners.values(), self.arms.values(), strict=True)
        }

        def shared(number: int, active: list[Learner]) -> tuple[Supervision, int]:
            batch = self.batches[number]
            needed = set().union(*(losses[learner.name] for learner in active))
            return supervise(model, batch, needed, self.recipe.temperature, self.device), batch.tokens

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
            "teacher_digest": self.teacher.digest,
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
            self.teacher.tokenizer.save_pretrained(folder)
            learner.metrics_frame().to_parquet(folder / "metrics.parquet")
        self.store.clear_unfinished(key)
