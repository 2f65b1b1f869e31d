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
from fairkd.corpus import Corpus
from fairkd.errors import InputError
from fairkd.hub import quiet
from fairkd.losses import cosine_rows, kl_rows, mlm_rows
from fairkd.provenance import environment, peak_memory_bytes
from fairkd.store import Store
from fairkd.students import last_hidden, layer_map, student_from_teacher, vocabulary_logits
from fairkd.teachers import Teacher, weights_digest
from fairkd.training import Learner, MaskedBatch, MaskedBatches, Recipe, autocast, fit

ENGINE = 1
"""Part of every student's key; raised when a change of the code changes the trained weights."""


class DivergedError(RuntimeError):
    """A loss stopped being finite; the message names arm, step and term of each that did."""


@dataclass(frozen=True)
class Supervision:
    """What all arms learn from in one step.

    Attributes:
        batch: the masked batch.
        hidden: the teacher's last hidden states (batch, tokens, hidden); None if no arm needs the teacher.
        logits: the teacher's logits before temperature (n, vocab) at ``batch.ce_rows``; None if no arm has L_ce.
    """

    batch: MaskedBatch
    hidden: Tensor | None
    logits: Tensor | None


@torch.no_grad()
def supervise(teacher: Any, batch: MaskedBatch, losses: set[str], device: torch.device) -> Supervision:
    """The teacher's outputs for a batch: only those that the losses in use need."""
    if not losses & {"ce", "cos"}:
        return Supervision(batch, None, None)
    with autocast(device):
        hidden = last_hidden(teacher, batch.corrupted, batch.attention_mask)
        logits = vocabulary_logits(teacher, hidden.flatten(0, 1)[batch.ce_rows]) if "ce" in losses else None
    return Supervision(batch, hidden, logits)


def arm_losses(student: Any, supervision: Supervision, losses: Sequence[str], temperature: float) -> dict[str, Tensor]:
    """The loss terms of one student on one batch, equal to :func:`fairkd.losses.distillation_losses`.

    Logits are formed only where L_ce or L_mlm looks; a position that both look at is computed once.
    """
    batch = supervision.batch
    hidden = last_hidden(student, batch.corrupted, batch.attention_mask)
    flat = hidden.flatten(0, 1)
    terms: dict[str, Tensor] = {}
    wanted = [rows for name, rows in (("ce", batch.ce_rows), ("mlm", batch.mlm_rows)) if name in losses]
    if wanted:
        rows = torch.cat(wanted).unique()
        logits = vocabulary_logits(student, flat[rows])
        if "ce" in losses:
            assert supervision.logits is not None
            chosen = logits[torch.searchsorted(rows, batch.ce_rows)]
            terms["ce"] = kl_rows(chosen, supervision.logits, temperature)
        if "mlm" in losses:
            chosen = logits[torch.searchsorted(rows, batch.mlm_rows)]
            terms["mlm"] = mlm_rows(chosen, batch.labels.flatten()[batch.mlm_rows])
    if "cos" in losses:
        assert supervision.hidden is not None
        tokens = batch.attention_mask.flatten().bool()
        terms["cos"] = cosine_rows(flat[tokens], supervision.hidden.flatten(0, 1)[tokens])
    return terms


def student_key(arm: Arm, *, teacher: Teacher, corpus: Corpus, recipe: Recipe, seed: int, device: torch.device) -> str:
    """Key of an arm's student in the store: a hash of everything that determines its weights."""
    return Store.key(
        "student",
        {
            "engine": ENGINE,
            "arm": arm.content(),
            "recipe": recipe.content(),
            "seed": seed,
            "corpus": corpus.digest,
            "teacher": teacher.digest,
            "precision": "bf16" if device.type == "cuda" else "fp32",
        },
    )


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
    with ExitStack() as locks:
        for key in sorted(set(keys.values())):
            locks.enter_context(store.lock(key))
        missing = {keys[arm.name]: arm for arm in reversed(arms) if store.find(keys[arm.name]) is None}
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
            return supervise(model, batch, needed, self.device), batch.tokens

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
            "arms_in_the_pass": [other.name for other in self.arms.values()],
            "peak_memory_bytes": peak_memory_bytes(),
            "device": self.device.type,
            "parameters": parameters,
            **environment(),
        }
        with self.store.write(key, manifest) as folder:
            with quiet():
                student.save_pretrained(folder)
            self.teacher.tokenizer.save_pretrained(folder)
            learner.metrics_frame().to_parquet(folder / "metrics.parquet")
        self.store.clear_unfinished(key)
