"""How a model is trained, as data: Appendix D's values under their own names, and the learning-rate schedule."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Recipe:
    """How a model is trained. Names and defaults are those of Appendix D; what the paper leaves out follows it.

    Attributes:
        loss_weights: weight of each loss term; the paper prints a plain sum, DistilBERT was trained with 5, 2, 1.
        n_epoch: passes over the corpus; ``max_steps`` (updates) stops earlier.
        batch_size: sequences a batch; ``gradient_accumulation_steps`` batches make an update.
        ce_token_fraction: share of the tokens, drawn at random, over which L_ce is taken.
        alpha, lambda_scope, counterpart: of mixup, see :class:`fairkd.mixup.Mixup`; arms that do not mix ignore them.
        checkpoint_every: updates between checkpoints; does not change the result.
    """

    temperature: float = 2.0
    mlm_mask_prop: float = 0.15
    word_mask: float = 0.8
    word_keep: float = 0.1
    word_rand: float = 0.1
    mlm_smoothing: float = 0.7
    n_epoch: int = 3
    batch_size: int = 8
    warmup_prop: float = 0.05
    weight_decay: float = 0.0
    learning_rate: float = 5e-4
    max_grad_norm: float = 5.0
    adam_epsilon: float = 1e-6
    initializer_range: float = 0.02
    loss_weights: dict[str, float] = field(default_factory=lambda: {"ce": 5.0, "mlm": 2.0, "cos": 1.0})
    max_steps: int | None = None
    gradient_accumulation_steps: int = 1
    adam_betas: tuple[float, float] = (0.9, 0.98)
    dropout: float = 0.1
    freeze_positions: bool = True
    ce_token_fraction: float = 1.0
    alpha: float = 0.4
    lambda_scope: Literal["sequence", "batch", "occurrence"] = "sequence"
    counterpart: Literal["pass", "vocabulary"] = "pass"
    checkpoint_every: int = 500

    def content(self) -> dict[str, Any]:
        """The values that determine the result of a training without mixup."""
        without = ("checkpoint_every", "alpha", "lambda_scope", "counterpart")
        return {name: value for name, value in asdict(self).items() if name not in without}

    def updates(self, n_batches: int) -> int:
        """Updates of a run over a corpus of ``n_batches`` batches an epoch; at least one."""
        planned = max(1, n_batches * self.n_epoch // self.gradient_accumulation_steps)
        return planned if self.max_steps is None else min(planned, self.max_steps)


def learning_rate(update: int, total: int, recipe: Recipe) -> float:
    """Linear warm-up from 0, then linear decay; the schedule ends one update after the last (as DistilBERT's)."""
    horizon = total + 1
    warmup = math.ceil(recipe.warmup_prop * horizon)
    factor = update / warmup if update < warmup else (horizon - update) / max(1, horizon - warmup)
    return recipe.learning_rate * factor
