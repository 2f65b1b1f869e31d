"""What the arms learn from in one step, and their losses (Section 2, with the mixup of Section 5.1).

A teacher reads each masked batch once, and once more with gender words exchanged if an arm mixes its logits or hidden
states; all arms share these readings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fairkd.arms import Arm
from fairkd.batching import MaskedBatch
from fairkd.losses import cosine_rows, kl_rows, mlm_rows, soften
from fairkd.mixup import exchanged_logits, mixed_embeddings, mixed_hidden, mixed_logits
from fairkd.recipe import Recipe
from fairkd.students import last_hidden, vocabulary_logits
from fairkd.training import autocast


@dataclass(frozen=True)
class Reading:
    """What one teacher says about one batch; None for what no arm needs.

    Attributes:
        hidden: its last hidden states (batch, tokens, hidden).
        log_probs: its softened log probabilities (n, vocab) at ``batch.ce_rows``.
        mixed_hidden, mixed_log_probs: the same with gender words mixed (Section 5.1).
    """

    hidden: Tensor | None = None
    log_probs: Tensor | None = None
    mixed_hidden: Tensor | None = None
    mixed_log_probs: Tensor | None = None


@dataclass(frozen=True)
class Supervision:
    """What all arms learn from in one step: the masked batch, and the readings of the teachers in use by name."""

    batch: MaskedBatch
    readings: dict[str, Reading]


def supervise(
    teachers: Mapping[str, Any], batch: MaskedBatch, arms: Iterable[Arm], recipe: Recipe, device: torch.device
) -> Supervision:
    """The teachers' readings of a batch: only what the losses and mixup levels of these arms need."""
    needs: dict[str, set[str]] = {}
    for arm in arms:
        if arm.needs_teacher:
            needs.setdefault(arm.teacher, set()).update(arm.losses, arm.levels)
    readings = {name: read(teachers[name], batch, wanted, recipe, device) for name, wanted in needs.items()}
    return Supervision(batch, readings)


@torch.no_grad()
def read(teacher: Any, batch: MaskedBatch, needs: set[str], recipe: Recipe, device: torch.device) -> Reading:
    """One teacher's reading of a batch, and of its sequences with gender words exchanged if anything needs them.

    Args:
        teacher: a BERT with its MLM head, on the device.
        needs: losses ("ce", "cos") and mixup levels ("y", "h") in use.
        recipe: temperature and ``counterpart``.
    """
    with autocast(device):
        hidden = last_hidden(teacher, batch.corrupted, batch.attention_mask)
        logits = vocabulary_logits(teacher, _rows(hidden, batch.ce_rows)) if "ce" in needs else None
        mixing, other_hidden, other_logits = batch.mixing, None, None
        if mixing is not None and "y" in needs and recipe.counterpart == "vocabulary":
            assert logits is not None
            other_logits = exchanged_logits(logits.index_select(0, mixing.ce_at), mixing)
        elif mixing is not None and needs & {"y", "h"}:
            other_hidden = last_hidden(teacher, mixing.swapped, mixing.swapped_mask)
            if "y" in needs:
                at = mixing.swapped_at.index_select(0, mixing.ce_of)
                other_logits = vocabulary_logits(teacher, _rows(other_hidden, at))
    log_probs = mixed_log_probs = None if logits is None else soften(logits, recipe.temperature)
    if mixing is not None and logits is not None and log_probs is not None and other_logits is not None:
        mixed = mixed_logits(logits.index_select(0, mixing.ce_at), other_logits, mixing)
        mixed_log_probs = log_probs.index_copy(0, mixing.ce_at, soften(mixed, recipe.temperature))
    mixed = mixed_hidden(hidden, other_hidden, mixing) if mixing is not None and other_hidden is not None else hidden
    return Reading(hidden, log_probs, mixed, mixed_log_probs)


def _rows(hidden: Tensor, at: Tensor) -> Tensor:
    """Hidden states (n, hidden) at flat positions (n,) of (batch, tokens, hidden)."""
    return hidden.flatten(0, 1).index_select(0, at)


def arm_losses(student: Any, supervision: Supervision, arm: Arm, temperature: float) -> dict[str, Tensor]:
    """The loss terms of one student on one batch; without mixup equal to :func:`fairkd.losses.distillation_losses`.

    Logits are formed only where L_ce or L_mlm looks; a position that both look at is computed once.
    """
    batch, losses, levels = supervision.batch, arm.losses, arm.levels
    reading = supervision.readings[arm.teacher] if arm.needs_teacher else Reading()
    mixes_input = "x" in levels and batch.mixing is not None
    embeddings = mixed_embeddings(student, batch.corrupted, batch.mixing) if mixes_input else None  # type: ignore[arg-type]
    hidden = last_hidden(student, batch.corrupted, batch.attention_mask, embeddings)
    terms: dict[str, Tensor] = {}
    both = "ce" in losses and "mlm" in losses
    if "ce" in losses or "mlm" in losses:
        rows = batch.head_rows if both else batch.ce_rows if "ce" in losses else batch.mlm_rows
        logits = vocabulary_logits(student, _rows(hidden, rows))
        if "ce" in losses:
            targets = reading.mixed_log_probs if "y" in levels else reading.log_probs
            assert targets is not None
            terms["ce"] = kl_rows(pick(logits, batch.ce_at) if both else logits, targets, temperature)
        if "mlm" in losses:
            chosen = pick(logits, batch.mlm_at) if both else logits
            terms["mlm"] = mlm_rows(chosen, batch.labels.flatten().index_select(0, batch.mlm_rows))
    if "cos" in losses:
        targets = reading.mixed_hidden if "h" in levels else reading.hidden
        assert targets is not None
        terms["cos"] = cosine_rows(_rows(hidden, batch.token_rows), _rows(targets, batch.token_rows))
    return terms


def pick(rows: Tensor, at: Tensor) -> Tensor:
    """Rows (n, …) at sorted positions without repetition; all of them are no copy.

    ``index_select``, because the gradient of ``rows[at]`` is many times slower on the CPU.
    """
    return rows if len(at) == len(rows) else rows.index_select(0, at)
