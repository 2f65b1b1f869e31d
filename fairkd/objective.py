"""What the arms learn from in one step, and their losses (Section 2, with the mixup of Section 5.1).

A teacher reads each masked batch once, and once more with gender words exchanged if an arm mixes its logits or hidden
states; all arms share these readings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fairkd.arms import Arm
from fairkd.batches import MaskedBatch
from fairkd.engine.fused_losses import SoftTargets, Targets, soft_targets, soften_, vocabulary_losses, wide_logits
from fairkd.engine.heads import last_hidden, vocabulary_logits
from fairkd.engine.recipe import Recipe
from fairkd.engine.training import autocast
from fairkd.losses import LOSSES, cosine_rows, targets_of
from fairkd.mixup import COUNTERPARTS, LEVELS, Mixing, mixes

MIXED = ("hidden", "logits")
"""What mixup can mix of a teacher's reading."""


@dataclass(frozen=True)
class Reading:
    """What one teacher says about one batch; None for what no arm needs.

    Attributes:
        hidden: its last hidden states (batch, tokens, hidden).
        soft: its softened distributions at ``batch.ce_rows``.
        mixed_hidden, mixed_soft: the same with gender words mixed (Section 5.1), by mixup level.
    """

    hidden: Tensor | None = None
    soft: SoftTargets | None = None
    mixed_hidden: Mapping[str, Tensor] = field(default_factory=dict)
    mixed_soft: Mapping[str, SoftTargets] = field(default_factory=dict)


@dataclass(frozen=True)
class Supervision:
    """What all arms learn from in one step: the masked batch, and the readings of the teachers in use by name."""

    batch: MaskedBatch
    readings: dict[str, Reading]


def supervise(
    teachers: Mapping[str, Any], batch: MaskedBatch, arms: Iterable[Arm], recipe: Recipe, device: torch.device
) -> Supervision:
    """The teachers' readings of a batch: only what the losses and mixup levels of these arms need."""
    taught: dict[str, list[Arm]] = {}
    for arm in arms:
        if arm.needs_teacher:
            taught.setdefault(arm.teacher, []).append(arm)
    readings = {name: read_batch(teachers[name], batch, own, recipe, device) for name, own in taught.items()}
    return Supervision(batch, readings)


@torch.no_grad()
def read_batch(teacher: Any, batch: MaskedBatch, arms: Iterable[Arm], recipe: Recipe, device: torch.device) -> Reading:
    """One teacher's reading of a batch, and of its sequences with gender words exchanged if an arm needs them.

    Args:
        teacher: a BERT with its MLM head, on the device.
        arms: that learn from it.
        recipe: its temperature.
    """
    mixing, other_hidden, soft = batch.mixing, None, None
    arms = list(arms)
    levels = {level for arm in arms for level in arm.levels}
    hidden_levels, logits_levels = ([name for name in levels if LEVELS[name].mixes == what] for what in MIXED)
    with autocast(device):
        hidden = last_hidden(teacher, batch.corrupted, batch.visible(batch.attention_mask))
        if any("logits" in targets_of(arm.losses) for arm in arms):
            soft = soft_targets(teacher, _rows(hidden, batch.ce_rows), recipe.temperature)
        if mixing is None:
            plain = {level: soft for level in logits_levels if soft is not None}
            return Reading(hidden, soft, dict.fromkeys(hidden_levels, hidden), plain)
        if hidden_levels or (logits_levels and COUNTERPARTS[batch.counterpart] is None):
            other_hidden = last_hidden(teacher, mixing.swapped, batch.visible(mixing.swapped_mask))
        mixed_soft = {}
        for level in logits_levels:
            assert soft is not None  # an arm that mixes logits learns from them
            own, other = _both_logits(teacher, hidden, other_hidden, batch, mixing)
            mixed = soften_(LEVELS[level].mix(own, other, mixing), recipe.temperature)
            mixed_soft[level] = soft.replaced(mixing.ce_at, mixed)
    mixed_hidden = {level: LEVELS[level].mix(hidden, other_hidden, mixing) for level in hidden_levels}
    return Reading(hidden, soft, mixed_hidden, mixed_soft)


def _both_logits(
    teacher: Any, hidden: Tensor, other_hidden: Tensor | None, batch: MaskedBatch, mixing: Mixing
) -> tuple[Tensor, Tensor]:
    """The two readings, logits (m, vocab), of those gender words that L_ce looks at.

    The other one is of the second pass, or made from the first (:data:`fairkd.mixup.COUNTERPARTS`).
    """
    own = _logits(teacher, _rows(hidden, batch.ce_rows.index_select(0, mixing.ce_at)))
    make = COUNTERPARTS[batch.counterpart]
    if make is not None:
        return own, make(own, mixing)
    assert other_hidden is not None
    return own, _logits(teacher, _rows(other_hidden, mixing.swapped_at.index_select(0, mixing.ce_of)))


def _logits(teacher: Any, hidden: Tensor) -> Tensor:
    """The teacher's logits (m, vocab) in the precision of its weights."""
    if torch.is_autocast_enabled(hidden.device.type):
        return wide_logits(teacher, hidden)
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
    batch, weights, levels = supervision.batch, recipe.weights, arm.levels
    reading = supervision.readings[arm.teacher] if arm.needs_teacher else Reading()
    embeddings, mixed = None, mixes(levels, "input")
    if mixed is not None and batch.mixing is not None:
        embeddings = LEVELS[mixed].mix(student, batch.corrupted, batch.mixing)
    hidden = last_hidden(student, batch.corrupted, batch.visible(batch.attention_mask), embeddings)
    terms: dict[str, Tensor] = {}
    total = hidden.new_zeros((), dtype=torch.float32)
    if targets_of(arm.losses) & {"logits", "labels"}:
        mixed = mixes(levels, "logits")
        targets = Targets(
            soft=None if "ce" not in arm.losses else reading.mixed_soft[mixed] if mixed else reading.soft,
            labels=batch.labels.flatten().index_select(0, batch.mlm_rows) if "mlm" in arm.losses else None,
            temperature=recipe.temperature,
            ce_weight=weights.get("ce", 0.0),
            mlm_weight=weights.get("mlm", 0.0),
            soft_shares=batch.ce_shares,
            label_shares=batch.mlm_shares,
        )
        rows = batch.head_rows if targets.labels is not None else batch.ce_rows
        rows = rows if targets.soft is not None else batch.mlm_rows
        total, terms = vocabulary_losses(student, _rows(hidden, rows), targets, chunk=chunk)
    for name in (name for name in arm.losses if LOSSES[name].target == "hidden"):
        mixed = mixes(levels, "hidden")
        taught = reading.mixed_hidden[mixed] if mixed else reading.hidden
        assert taught is not None
        term = _mean_over_batches(LOSSES[name].rows, hidden, taught, batch)
        total, terms = total + weights[name] * term, terms | {name: term.detach()}
    assert set(terms) == set(arm.losses)  # none is left out in silence
    return total, terms


def _mean_over_batches(rows: Callable[..., Tensor], hidden: Tensor, taught: Tensor, batch: MaskedBatch) -> Tensor:
    """A loss of hidden states at all tokens; of batches that are joined, the mean of their own."""
    own, target = _rows(hidden, batch.token_rows), _rows(taught, batch.token_rows)
    if not batch.rows_of:
        return rows(own, target)
    if rows is cosine_rows:  # at once: a loop over many batches would be more kernels than a student's layers
        return rows(own, target, batch.token_shares)
    parts = zip(own.split(batch.rows_of), target.split(batch.rows_of), strict=True)
    return torch.stack([rows(*part) for part in parts]).mean()
