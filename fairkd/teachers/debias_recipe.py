"""How a teacher is debiased, as data; the objective is :mod:`fairkd.teachers.debias_objective`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from fairkd.engine.recipe import SETTINGS, Count, Positive, Rate, Recipe, parameter
from fairkd.errors import one_of

LAYERS = {"all": slice(None), "first": slice(0, 1), "last": slice(-1, None)}
"""Hidden states in L_debias: the embedding output and every layer, the embedding output, the last layer."""

TARGETS = {"token": False, "sentence": True}
"""What becomes orthogonal to the gender words: each stereotype word, or its whole sequence (True)."""


@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class DebiasRecipe:
    """How a teacher is debiased; the defaults are those of the public program.

    An update takes ``batch_size`` neutral sequences, and as many attribute sequences, half female, half male. Of the
    ``epochs`` the best on held-out sequences is kept, and none follows one that is worse. ``square_of_mean``: one v
    per gender, inner products averaged over batch and layers before they are squared, and L_reg a mean over units.
    """

    layers: Annotated[str, AfterValidator(lambda name: one_of(name, LAYERS, "layers"))] = parameter(
        "hidden states that are debiased: all, first or last", name="debias_layers", default="all"
    )
    target: Annotated[str, AfterValidator(lambda name: one_of(name, TARGETS, "target"))] = parameter(
        "debias the stereotype words (token) or whole sentences (sentence)", name="debias_target", default="token"
    )
    alpha: Positive = parameter("weight of the debiasing loss", name="debias_alpha", default=0.2)
    beta: float = parameter("weight of staying near the original teacher", name="debias_beta", default=0.8, ge=0)
    learning_rate: Rate = parameter("peak learning rate of debiasing", name="debias_learning_rate", default=5e-5)
    batch_size: Count = parameter("sequences a batch in debiasing", name="debias_batch_size", default=32)
    epochs: Count = parameter("passes at most; the best on held-out sequences is kept", name="debias_epochs", default=3)
    sequences: Count | None = parameter(
        "sequences of each kind at most, or None", name="debias_sequences", default=None
    )
    square_of_mean: bool = parameter(
        "square after averaging, as the public program of debiasing does", name="debias_square_of_mean", default=False
    )

    def optimisation(self) -> Recipe:
        """AdamW as in the public program: linear decay without warm-up, clipping at 1, no weight decay."""
        return Recipe(
            learning_rate=self.learning_rate,
            warmup_prop=0.0,
            weight_decay=0.0,
            max_grad_norm=1.0,
            adam_epsilon=1e-8,
            adam_betas=(0.9, 0.999),
        )
