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
from fairkd.batches import MaskedBatch
from fairkd.engine.fused_losses import SoftTargets, Targets, soft_targets, soften_, vocabulary_losses
from fairkd.engine.heads import last_hidden, vocabulary_logits
from fairkd.engine.recipe import Recipe
from fairkd.engine.training import autocast
from fairkd.losses import cosine_rows
from fairkd.mixup import Mixing, exchanged_logits, mixed_embeddings, mixed_hidden, mixed_logits


@dataclass(frozen=True)
class Reading:
    """What one teacher says about one batch; None for what no arm needs.

    Attributes:
        hidden: its last hidden states (batch, tokens, hidden).
        soft: its softened distributions at ``batch.ce_rows``.
        mixed_hidden, mixed_soft: the same with gender words mixed (Section 5.1).
    """

    hidden: Tensor | None = None
    soft: SoftTargets | None = None
    mixed_hidden: Tensor | None = None
    mixed_soft: SoftTargets | None = None


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
    temperature, mixing, other_hidden = recipe.temperature, batch.mixing, None
    with autocast(device):
        hidden = last_hidden(teacher, batch.corrupted, batch.attention_mask)
        soft = soft_targets(teacher, _rows(hidden, batch.ce_rows), temperature) if "ce" in needs else None
        if mixing is not None and ("h" in needs or ("y" in needs and recipe.counterpart == "pass")):
            other_hidden = last_hidden(teacher, mixing.swapped, mixing.swapped_mask)
        mixed = mixed_soft = None
        if mixing is not None and "y" in needs:
            assert soft is not None
            mixed = _mixed_logits(teacher, hidden, other_hidden, batch.ce_rows, mixing, recipe.counterpart)
            mixed_soft = soft.replaced(mixing.ce_at, soften_(mixed, temperature))
    both = hidden if mixing is None or other_hidden is None else mixed_hidden(hidden, other_hidden, mixing)
    return Reading(hidden, soft, both, mixed_soft or soft)


def _mixed_logits(
    teacher: Any, hidden: Tensor, other_hidden: Tensor | None, ce_rows: Tensor, mixing: Mixing, counterpart: str
) -> Tensor:
    """ȳ: logits (m, vocab) at those gender words that L_ce looks at."""
    own = _logits(teacher, _rows(hidden, ce_rows.index_select(0, mixing.ce_at)))
    if counterpart == "vocabulary":
        return mixed_logits(own, exchanged_logits(own, mixing), mixing)
    assert other_hidden is not None
    other = _logits(teacher, _rows(other_hidden, mixing.swapped_at.index_select(0, mixing.ce_of)))
    return mixed_logits(own, other, mixing)


def _logits(teacher: Any, hidden: Tensor) -> Tensor:
    """The teacher's logits (m, vocab) in the precision of its weights."""
    return vocabulary_logits(teacher, hidden).to(hidden.dtype if hidden.dtype == torch.float64 else torch.float32)


def _rows(hidden: Tensor, at: Tensor) -> Tensor:
    """Hidden states (n, hidden) at flat positions (n,) of (batch, tokens, hidden)."""
    return hidden.flatten(0, 1).index_select(0, at)


def arm_losses(
    student: Any, supervision: Supervision, arm: Arm, recipe: Recipe, *, chunk: int | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted loss of one student on one batch, and its terms without gradients.

    Without mixup the terms equal :func:`fairkd.losses.distillation_losses`. Logits are formed only where L_ce or L_mlm
    looks, once where both do, and never all at a time (:mod:`fairkd.engine.fused_losses`).
    """
    batch, losses, weights, levels = supervision.batch, arm.losses, recipe.loss_weights, arm.levels
    reading = supervision.readings[arm.teacher] if arm.needs_teacher else Reading()
    mixes_input = "x" in levels and batch.mixing is not None
    embeddings = mixed_embeddings(student, batch.corrupted, batch.mixing) if mixes_input else None  # type: ignore[arg-type]
    hidden = last_hidden(student, batch.corrupted, batch.attention_mask, embeddings)
    terms: dict[str, Tensor] = {}
    total = hidden.new_zeros((), dtype=torch.float32)
    if "ce" in losses or "mlm" in losses:
        targets = Targets(
            soft=None if "ce" not in losses else reading.mixed_soft if "y" in levels else reading.soft,
            labels=batch.labels.flatten().index_select(0, batch.mlm_rows) if "mlm" in losses else None,
            temperature=recipe.temperature,
            ce_weight=weights["ce"],
            mlm_weight=weights["mlm"],
        )
        rows = batch.head_rows if targets.labels is not None else batch.ce_rows
        rows = rows if targets.soft is not None else batch.mlm_rows
        total, terms = vocabulary_losses(student, _rows(hidden, rows), targets, chunk=chunk)
    if "cos" in losses:
        taught = reading.mixed_hidden if "h" in levels else reading.hidden
        assert taught is not None
        cos = cosine_rows(_rows(hidden, batch.token_rows), _rows(taught, batch.token_rows))
        total, terms = total + weights["cos"] * cos, terms | {"cos": cos.detach()}
    return total, terms
