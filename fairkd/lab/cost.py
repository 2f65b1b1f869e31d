"""What a run costs before it is started: floating-point operations and bytes, from shapes alone.

Only matrix products are counted (2 operations a multiply-add), as is usual for model FLOPs; a backward pass costs twice
its forward pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fairkd.arms import Arm
from fairkd.losses import targets_of
from fairkd.mixup import LEVELS, mixes

BYTES = 4
"""Of a weight, gradient, moment or activation in fp32."""


@dataclass(frozen=True)
class Shape:
    """Of a BERT or DistilBERT with its MLM head."""

    layers: int
    hidden: int
    intermediate: int
    vocab: int
    positions: int = 512
    heads: int = 12

    @classmethod
    def of(cls, config: Any) -> Shape:
        """From a BertConfig or a DistilBertConfig."""
        return cls(
            layers=config.num_hidden_layers,
            hidden=config.hidden_size,
            intermediate=getattr(config, "intermediate_size", None) or config.hidden_dim,
            vocab=config.vocab_size,
            positions=config.max_position_embeddings,
            heads=config.num_attention_heads,
        )

    def at_depth(self, layers: int) -> Shape:
        """The same shape with another number of layers: a student's."""
        return Shape(layers, self.hidden, self.intermediate, self.vocab, self.positions, self.heads)

    @property
    def parameters(self) -> int:
        """Weights of a student of this shape, with the MLM head, whose matrix is that of the embeddings."""
        h, f = self.hidden, self.intermediate
        layer = 4 * (h * h + h) + 2 * h * f + f + h + 4 * h
        return (self.vocab + self.positions) * h + 2 * h + self.layers * layer + h * h + 3 * h + self.vocab


@dataclass(frozen=True)
class BatchSize:
    """Of one step: tokens that are no padding, tokens of a sequence, rows with L_ce, with L_mlm and with either."""

    tokens: float
    length: float
    ce_rows: float
    mlm_rows: float
    head_rows: float
    swapped: float = 0.0
    """Share of the tokens in sequences with a gender word: a teacher of arms that mix y or h reads them twice."""


def body_flops(shape: Shape, tokens: float, length: float) -> float:
    """Forward pass of all layers: projections, feed-forward network, attention scores and their weighted sums."""
    h = shape.hidden
    return shape.layers * tokens * (2 * (4 * h * h + 2 * h * shape.intermediate) + 4 * length * h)


def head_flops(shape: Shape, rows: float) -> float:
    """Forward pass of the MLM head for so many rows."""
    return rows * 2 * (shape.hidden**2 + shape.hidden * shape.vocab)


def student_flops(shape: Shape, arm: Arm, batch: BatchSize) -> float:
    """Forward and backward pass of one arm's student on one batch."""
    targets = targets_of(arm.losses)
    rows = {(True, True): batch.head_rows, (True, False): batch.ce_rows, (False, True): batch.mlm_rows}
    looked_at = rows.get(("logits" in targets, "labels" in targets), 0.0)
    return 3 * (body_flops(shape, batch.tokens, batch.length) + head_flops(shape, looked_at))


def teacher_flops(shape: Shape, arms: Iterable[Arm], batch: BatchSize) -> float:
    """The readings of one teacher that these arms share."""
    arms = [arm for arm in arms if arm.needs_teacher]
    if not arms:
        return 0.0
    mixed = {LEVELS[level].mixes for arm in arms for level in arm.levels}
    again = batch.swapped if mixed - {"input"} else 0.0
    rows = batch.ce_rows if any("logits" in targets_of(arm.losses) for arm in arms) else 0.0
    return (1 + again) * body_flops(shape, batch.tokens, batch.length) + head_flops(shape, rows)


def step_flops(teacher: Shape, arms: Iterable[Arm], batch: BatchSize) -> float:
    """One co-distillation step: each teacher in use reads once (and again for mixup), each student learns."""
    arms = list(arms)
    readings = sum(
        teacher_flops(teacher, [arm for arm in arms if arm.teacher == name], batch) for name in ("original", "debiased")
    )
    return readings + sum(student_flops(teacher.at_depth(arm.layers), arm, batch) for arm in arms)


def activation_bytes(shape: Shape, tokens: float, length: float) -> float:
    """What one student's forward pass keeps for its backward pass, with dropout, in fp32.

    A layer keeps, of each token, its input, queries, keys, values, attention output, the first LayerNorm's input and
    output, the second's input and a dropout mask (9 hidden vectors), the feed-forward network's inner vector before
    and after the activation, and its attention weights before and after dropout with their mask.
    """
    layer = 9 * shape.hidden + 2 * shape.intermediate + 3 * shape.heads * length
    return BYTES * tokens * (shape.layers * layer + 4 * shape.hidden)


def memory_bytes(teacher: Shape, arms: Iterable[Arm], batch: BatchSize, *, chunk: int, passes: int = 1) -> float:
    """Peak of a co-distillation step, one student after another: only one has activations at a time.

    Args:
        teacher: all teachers' shape.
        arms: weights and both moments of AdamW stay for each.
        batch: of one step.
        chunk: rows whose logits exist at a time (:data:`fairkd.engine.fused_losses.CHUNK`).
        passes: of an update. With one, a student's gradients are used at once; with more, all wait for the last.
    """
    arms = list(arms)
    students = [teacher.at_depth(arm.layers) for arm in arms]
    kept = sum(3 * shape.parameters for shape in students)
    teachers = len({arm.teacher for arm in arms if arm.needs_teacher}) * teacher.parameters
    taught = any("logits" in targets_of(arm.losses) for arm in arms)
    readings = 1 + len({mixes(arm.levels, "logits") for arm in arms} - {None})
    soft = readings * batch.ce_rows * teacher.vocab if taught else 0
    deepest = max(students, key=lambda shape: shape.layers)
    loss = 2 * chunk * teacher.vocab
    waiting = deepest.parameters if passes == 1 else sum(shape.parameters for shape in students)
    passing = waiting + loss
    return BYTES * (kept + teachers + soft + passing) + activation_bytes(deepest, batch.tokens, batch.length)
