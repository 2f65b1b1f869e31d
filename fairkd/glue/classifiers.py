"""Checkpoints as classifiers: an encoder of the store, a folder or the hub, under a new head for a task of GLUE."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from fairkd.engine.digests import tokenizer_digest, weights_digest
from fairkd.engine.loading import first_line, load_config, load_tokenizer, quiet, resolve
from fairkd.engine.store import Store
from fairkd.errors import InputError
from fairkd.glue.tasks import Task
from fairkd.rng import global_randomness_kept

HEADS = {"classifier", "pre_classifier", "pooler", "score"}
"""Modules that a checkpoint may lack: they are new in every fine-tuning."""


@dataclass(frozen=True)
class Encoder:
    """A checkpoint that can be fine-tuned: where it lies, its tokenizer, and what identifies its weights.

    Attributes:
        source: a folder or a hub id.
        pretrained: False takes its shape only and starts from random weights (a baseline).
    """

    source: str
    tokenizer: Any
    digest: str
    pretrained: bool = True

    @cached_property
    def tokenizer_digest(self) -> str:
        """What identifies its tokenizer."""
        return tokenizer_digest(self.tokenizer)


def open_encoder(
    name_or_path: str | Path, *, tokenizer: Any = None, digest: str | None = None, pretrained: bool = True
) -> Encoder:
    """A checkpoint ready for fine-tuning, checked without training.

    Args:
        name_or_path: of a folder, a hub id, or "embedded".
        tokenizer: its own, where it has been loaded already.
        digest: of its weights, where it is known (the store's manifest has it); otherwise they are read.
        pretrained: see :class:`Encoder`.

    Raises:
        InputError: no such checkpoint, no tokenizer, weights that are missing or not in safetensors.
    """
    source = resolve(name_or_path)
    tokenizer = tokenizer or load_tokenizer(source)
    if not pretrained:
        config = load_config(source).to_dict() | {"transformers_version": "", "_name_or_path": ""}
        digest = Store.key("shape", config)
    if digest is None:
        with global_randomness_kept():
            torch.manual_seed(0)  # a checkpoint without a pooler gets a random one, which must not change the digest
            digest = weights_digest(load_model(source, {}).base_model)
    return Encoder(source, tokenizer, digest, pretrained)


def classifier(encoder: Encoder, task: Task) -> Any:
    """The encoder with a head for the task; its weights random throughout if it is not pretrained."""
    labels = task.labels
    options: dict[str, Any] = {"num_labels": len(labels) or 1}
    options["problem_type"] = "single_label_classification" if labels else "regression"
    if encoder.pretrained:
        return load_model(encoder.source, options)
    from transformers import AutoModelForSequenceClassification

    config = load_config(encoder.source)
    for name, value in options.items():
        setattr(config, name, value)
    return AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)


def load_model(source: str, options: dict[str, Any]) -> Any:
    """A checkpoint's encoder under a new head, from safetensors.

    Raises:
        InputError: it cannot be loaded, or weights of the encoder are missing.
    """
    from transformers import AutoModelForSequenceClassification

    config = load_config(source)
    for name, value in options.items():
        setattr(config, name, value)
    with quiet():
        try:
            model, info = AutoModelForSequenceClassification.from_pretrained(
                source,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except Exception as error:  # whatever a foreign file raises: it cannot be loaded
            raise InputError(f"cannot load a model for classification from {source!r}: {first_line(error)}") from error
    missing = sorted(name for name in info["missing_keys"] if not HEADS & set(name.split(".")))
    if missing:
        shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        raise InputError(f"{source!r} lacks {len(missing)} weights of its encoder ({shown}); they would be random")
    return model
