"""How a task of GLUE is learned, as data (Appendix D.2)."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from fairkd.engine.recipe import SETTINGS, Count, Rate, parameter


@dataclass(frozen=True, kw_only=True, config=SETTINGS)
class GlueRecipe:
    """How a task is learned; the defaults are the paper's (Section 5.3) and those of transformers' GLUE example.

    Pairs are cut from the longer text, and no example is longer than what the encoder reads. Fewer ``train_examples``
    are a prefix of more, in a seeded order. With frozen embeddings, words that occur in no training example stay where
    the encoder learned to read them, and a step of a small model is much cheaper. Small models in few updates learn
    more without dropout.
    """

    max_length: int = parameter("longest example, in tokens", name="glue_max_length", default=128, ge=8, le=512)
    batch_size: Count = parameter("examples a batch", name="glue_batch_size", default=32)
    learning_rate: Rate = parameter(
        "learning rate of fine-tuning, falling to zero", name="glue_learning_rate", default=2e-5
    )
    epochs: Count = parameter("passes over a task's examples", name="glue_epochs", default=3)
    train_examples: Count | None = parameter(
        "training examples of a task at most, or None", name="glue_train_examples", default=None
    )
    freeze_embeddings: bool = parameter(
        "fine-tune all but the embeddings: cheaper, for small budgets", name="glue_freeze_embeddings", default=False
    )
    dropout: float | None = parameter(
        "dropout of fine-tuning, or None: that of the encoder", name="glue_dropout", default=None, ge=0, lt=1
    )
