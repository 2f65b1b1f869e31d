"""Checkpoints as classifiers: an encoder of the store, a folder or the hub, under a new head for a task of GLUE."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from fairkd.engine.digests import tokenizer_digest, weights_digest
from fairkd.engine.late import Late
from fairkd.engine.limits import Limits, cls_position, limits_of
from fairkd.engine.loading import load_config, load_pretrained, load_tokenizer, resolve
from fairkd.engine.store import Store
from fairkd.errors import InputError
from fairkd.glue.tasks import Task
from fairkd.rng import global_randomness_kept

HEADS = {"classifier", "pre_classifier", "pooler", "score"}
"""Modules that a checkpoint may lack: they are new in every fine-tuning."""
_READ = "BERT, DistilBERT, RoBERTa, ELECTRA, ALBERT, MPNet, DeBERTa and others that are read at a [CLS] token in front"


@dataclass(frozen=True)
class Encoder:
    """A checkpoint that can be fine-tuned: where it lies, its tokenizer, and what identifies its weights.

    Attributes:
        source: a folder or a hub id.
        pretrained: False takes its shape only and starts from random weights (a baseline).
        limits: what it can read; None where its weights have not been read yet (a student of the store).
    """

    source: str
    tokenizer: Any
    digest: str
    pretrained: bool = True
    limits: Limits | None = None

    @cached_property
    def tokenizer_digest(self) -> str:
        """What identifies its tokenizer."""
        return tokenizer_digest(self.tokenizer)


class LateEncoder(Late, Encoder):
    """A student of the store, whose tokenizer is loaded when somebody asks for it; nothing of it has been checked."""


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
        InputError: no such checkpoint, no tokenizer, a kind of model that has no classifier which reads a [CLS] token
            in front, weights that are missing or not in safetensors.
    """
    source, limits = resolve(name_or_path), None
    config = load_config(source)
    tokenizer = tokenizer or load_tokenizer(source)
    _check_kind(source, config, tokenizer)
    if not pretrained:
        digest = Store.key("shape", config.to_dict() | {"transformers_version": "", "_name_or_path": ""})
    if digest is None:
        with global_randomness_kept():
            torch.manual_seed(0)  # a checkpoint without a pooler gets a random one, which must not change the digest
            encoder = load_model(source, {}).base_model
        digest, limits = weights_digest(encoder), limits_of(encoder)
        limits.check_tokenizer(tokenizer)
    return Encoder(source, tokenizer, digest, pretrained, limits)


def _check_kind(source: str, config: Any, tokenizer: Any) -> None:
    """Raises InputError for a model that cannot be fine-tuned here, before its weights are read."""
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

    lacks = {
        "transformers has no classifier for it": type(config) not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
        "its tokenizer puts no [CLS] token in front": cls_position(tokenizer) != 0,
        "its tokenizer has no padding token": tokenizer.pad_token_id is None,
    }
    if found := [why for why, so in lacks.items() if so]:
        raise InputError(
            f"{source!r} is a {config.model_type!r} model: {found[0]}; fine-tuning takes {_READ}, with their own "
            "tokenizers"
        )


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
    model, report = load_pretrained(AutoModelForSequenceClassification, source, config, new=HEADS)
    _renew_head(model, set(report["missing_keys"]))
    return model


@torch.no_grad()
def _renew_head(model: Any, new: set[str]) -> None:
    """Gives the head of a checkpoint that was fine-tuned before random weights, as a head has that it lacks."""
    for name, module in model.named_modules():
        old = name.split(".")[0] in HEADS - {"pooler"} and f"{name}.weight" not in new
        if old and isinstance(module, torch.nn.Linear):
            module.weight.normal_(0, getattr(model.config, "initializer_range", 0.02))
            if module.bias is not None:
                module.bias.zero_()
