"""Masked language models as rulers use them: loaded from anywhere, and asked for log-probabilities at places."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import BertForMaskedLM, DistilBertForMaskedLM

from fairkd.engine.heads import last_hidden, vocabulary_logits
from fairkd.engine.loading import load_config, load_pretrained, load_tokenizer, refused, resolve
from fairkd.engine.processes import keep_freed_memory
from fairkd.engine.setup import setup
from fairkd.errors import InputError
from fairkd.stats.resampling import Floats

_HEADS = frozenset({"cls", "lm_head", "predictions", "vocab_transform", "vocab_layer_norm", "vocab_projector"})
"""What transformers calls the MLM head, or parts of it, of the usual kinds."""
_NEEDED = "name a model that predicts masked words, such as a student of fairkd's store or bert-base-uncased"


@dataclass(frozen=True)
class Query:
    """A sequence of tokens and the places of it at which a model is asked.

    Attributes:
        ids: with special tokens, and [MASK] where something is hidden.
        at: places, positions in ``ids``.
    """

    ids: tuple[int, ...]
    at: tuple[int, ...]


def load_masked_lm(name_or_path: str | Path, *, tokenizer: str | Path | None = None) -> tuple[Any, Any]:
    """Loads a model with an MLM head and its tokenizer from safetensors, running no code from the checkpoint.

    Args:
        name_or_path: a folder saved by ``save_pretrained`` or a hub id.
        tokenizer: folder or hub id of the tokenizer, where it does not lie beside the weights.

    Returns:
        ``(model, tokenizer)``; the model in evaluation mode on the CPU.

    Raises:
        InputError: as :func:`fairkd.bias.encoding.load_encoder`; and where there is no MLM head.
    """
    from transformers import MODEL_FOR_MASKED_LM_MAPPING, AutoModelForMaskedLM

    source = resolve(name_or_path)
    config = load_config(source, "a masked language model")
    if type(config) not in MODEL_FOR_MASKED_LM_MAPPING:
        raise InputError(f"{source!r} is a {config.model_type!r} model, and these have no MLM head: {_NEEDED}")
    model, report = load_pretrained(AutoModelForMaskedLM, source, config, new=_HEADS)
    if missing := sorted(report["missing_keys"]):
        raise InputError(f"{source!r} has no MLM head (it lacks {missing[0]} and {len(missing) - 1} more): {_NEEDED}")
    return model.eval(), load_tokenizer(resolve(tokenizer) if tokenizer is not None else source)


def log_probabilities(model: Any, queries: Sequence[Query], *, batch_size: int = 64) -> Iterator[tuple[int, Floats]]:
    """ln p of every entry of the vocabulary at the places of each query.

    Queries of equal length share a batch, so there is no padding and nothing can depend on it. They come in batches, so
    that few distributions are held at once.

    Args:
        model: a transformers masked language model; its training mode is left as it was.
        queries: in any order.
        batch_size: queries a batch at most.

    Yields:
        The number of a query, and (places, vocabulary) float64, natural logarithms.

    Raises:
        InputError: the model cannot read the queries, or gives numbers that are not finite.
    """
    setup()
    by_length: dict[int, list[int]] = defaultdict(list)
    for number, query in enumerate(queries):
        by_length[len(query.ids)].append(number)
    if next(model.parameters()).device.type == "cpu":
        keep_freed_memory()
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for same in by_length.values():
                for rows in np.array_split(same, math.ceil(len(same) / batch_size)):
                    yield from _batch(model, queries, [int(row) for row in rows])
    finally:
        model.train(training)


def _batch(model: Any, queries: Sequence[Query], rows: list[int]) -> Iterator[tuple[int, Floats]]:
    ids = torch.tensor([queries[row].ids for row in rows], device=next(model.parameters()).device)
    row = torch.tensor([n for n, number in enumerate(rows) for _ in queries[number].at])
    place = torch.tensor([at for number in rows for at in queries[number].at])
    with refused(f"{type(model).__name__} cannot read sentences with masks"):
        logits = _logits(model, ids, row, place).double()
    if not torch.isfinite(logits).all():
        raise InputError("the model gives NaN or infinite logits: its weights are damaged or its training diverged")
    found = torch.log_softmax(logits, dim=1).cpu().numpy()
    parts = np.split(found, np.cumsum([len(queries[number].at) for number in rows])[:-1])
    yield from zip(rows, parts, strict=True)


def _logits(model: Any, ids: Tensor, row: Tensor, place: Tensor) -> Tensor:
    """Logits (places, vocabulary); of BERT and DistilBERT those of the places alone are computed."""
    if isinstance(model, BertForMaskedLM | DistilBertForMaskedLM):
        return vocabulary_logits(model, last_hidden(model, ids, torch.ones_like(ids))[row, place])
    logits: Tensor = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    return logits[row, place]
