"""Masked language models as rulers use them: loaded from anywhere, and asked for log-probabilities at places."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fairkd.engine.heads import hidden_at, last_hidden, vocabulary_features
from fairkd.engine.loading import load_config, load_pretrained, load_tokenizer, refused, resolve
from fairkd.engine.processes import keep_freed_memory
from fairkd.engine.products import weights_fixed
from fairkd.engine.setup import setup
from fairkd.errors import InputError
from fairkd.stats.resampling import Floats

_HEADS = frozenset({"cls", "lm_head", "predictions", "vocab_transform", "vocab_layer_norm", "vocab_projector"})
"""What transformers calls the MLM head, or parts of it, of the usual kinds."""
_NEEDED = "name a model that predicts masked words, such as a student of fairkd's store or bert-base-uncased"


_MOST_UNMASKED = 16
"""Sequences a batch where several places are asked for: other kinds of models have a distribution at each token."""
_ROWS, _COLUMNS = 512, 1024
"""Of the logits that are made at a time: they stay in a core's cache while they are summed."""


@dataclass(frozen=True)
class Query:
    """A sequence of tokens and the places of it at which a model is asked.

    Attributes:
        ids: with special tokens, and [MASK] where something is hidden.
        at: places, positions in ``ids``.
    """

    ids: tuple[int, ...]
    at: tuple[int, ...]


class Asked:
    """Queries made ready for any model: equal ones are one, and those of equal shape share batches, without padding.

    Attributes:
        groups: ids (n, tokens) and places (n, places) of the n queries of each shape.
        row: (places,) for each place of each query, in the order given, where its output lies among those of the
            groups laid end to end.
    """

    def __init__(self, queries: Sequence[Query]) -> None:
        shapes: dict[tuple[int, int], list[Query]] = defaultdict(list)
        for query in dict.fromkeys(queries):
            shapes[len(query.ids), len(query.at)].append(query)
        self.groups = [
            (torch.tensor([query.ids for query in own]), torch.tensor([query.at for query in own]))
            for own in shapes.values()
        ]
        first, total = {}, 0
        for query in (query for own in shapes.values() for query in own):
            first[query], total = total, total + len(query.at)
        self.row = torch.tensor([first[query] + n for query in queries for n in range(len(query.at))], dtype=torch.long)


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


def token_log_probabilities(
    model: Any, asked: Asked, tokens: Sequence[int], *, batch_size: int = 64, normalised: bool = True
) -> Floats:
    """ln p of one token at each place.

    Args:
        model: a transformers masked language model; its training mode is left as it was.
        asked: queries with (n) places in all.
        tokens: (n,) the id that is asked for at each.
        batch_size: queries a batch at most.
        normalised: False leaves the sum over the vocabulary out; differences at a place are the same without it.

    Returns:
        (n,) natural logarithms.

    Raises:
        InputError: the model cannot read the queries, or gives numbers that are not finite.
    """
    token = torch.tensor(tokens, dtype=torch.long)
    found = torch.empty(len(token), dtype=torch.float64)
    with _reading(model, asked):
        outputs = _outputs(model, asked, batch_size)
        if _is_known(model) and len(token):
            hidden = torch.cat(list(outputs))
            features, weight, bias = vocabulary_features(model, hidden)
            row, token = asked.row.to(hidden.device), token.to(hidden.device)
            found = torch.linalg.vecdot(features[row].double(), weight[token].double()) + bias[token]
            if normalised:
                found -= log_sums(features, weight, bias)[row]
        elif len(token):
            start = 0
            for logits in outputs:
                own = torch.nonzero((asked.row >= start) & (asked.row < start + len(logits)))[:, 0]
                logits = torch.log_softmax(logits.double(), dim=1) if normalised else logits.double()
                found[own] = logits.cpu()[asked.row[own] - start, token[own]]
                start += len(logits)
    return _finite(found).cpu().numpy()


def log_sums(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """ln Σ exp of the logits features (n, hidden) @ weight (vocabulary, hidden)ᵀ + bias over the vocabulary, (n,)."""
    found = []
    for rows in features.split(_ROWS):
        parts = []
        for columns, offset in zip(weight.split(_COLUMNS), bias.split(_COLUMNS), strict=True):
            logits = F.linear(rows, columns, offset).float()
            largest = logits.amax(dim=1, keepdim=True)
            parts.append(largest[:, 0].double() + (logits - largest).exp().sum(dim=1).double().log())
        found.append(torch.stack(parts).logsumexp(dim=0))
    return torch.cat(found)


def divergences(model: Any, asked: Asked, *, batch_size: int = 64) -> Floats:
    """(KL(p ‖ q) + KL(q ‖ p)) / 2 in nats, of p at each place of even number and q at the next one: (n / 2,).

    Raises:
        InputError: as :func:`token_log_probabilities`.
    """
    found = [torch.empty(0, dtype=torch.float64)]
    with _reading(model, asked):
        if len(asked.row):
            output = torch.cat(list(_outputs(model, asked, batch_size)))
            weights = vocabulary_features(model, output) if _is_known(model) else None
            row = asked.row.to(output.device)
            for pairs in row.view(-1, 2).split(_ROWS // 8):
                logits = output[pairs.T] if weights is None else F.linear(weights[0][pairs.T], *weights[1:])
                found.append(_finite(symmetric_divergence(*logits.float())).cpu())
    return torch.cat(found).numpy()


def symmetric_divergence(a: Tensor, b: Tensor) -> Tensor:
    """(KL(p ‖ q) + KL(q ‖ p)) / 2 in nats of p = softmax(a) and q = softmax(b), logits (n, vocabulary): (n,).

    It is Σ (p - q) (ln p - ln q) / 2; the sums of p and q, which are 1, let a - b stand for ln p - ln q.
    """
    return ((torch.softmax(a, dim=1) - torch.softmax(b, dim=1)) * (a - b)).sum(dim=1, dtype=torch.float64) / 2


@contextmanager
def _reading(model: Any, asked: Asked) -> Iterator[None]:
    """While ``asked`` is read: no dropout, no gradients, and weights laid out for the products."""
    setup()
    if next(model.parameters()).device.type == "cpu":
        keep_freed_memory()
    training = model.training
    model.eval()
    try:
        with torch.inference_mode(), weights_fixed(model, rows=sum(ids.numel() for ids, _ in asked.groups)):
            yield
    finally:
        model.train(training)


def _outputs(model: Any, asked: Asked, batch_size: int) -> Iterator[Tensor]:
    """Batch by batch, last hidden states (places, hidden); of kinds that are not known, logits (places, vocabulary)."""
    device = next(model.parameters()).device
    for ids, at in asked.groups:
        parts = math.ceil(len(ids) / (batch_size if at.shape[1] == 1 else min(batch_size, _MOST_UNMASKED)))
        for own, places in zip(ids.tensor_split(parts), at.tensor_split(parts), strict=True):
            with refused(f"{type(model).__name__} cannot read sentences with masks"):
                yield _output(model, own.to(device), places.to(device)).flatten(0, 1)


def _output(model: Any, ids: Tensor, at: Tensor) -> Tensor:
    """At places (n, places) of sequences (n, tokens)."""
    if _is_known(model) and at.shape[1] == 1 and not getattr(model.config, "is_decoder", False):
        return hidden_at(model, ids, at[:, 0])[:, None]
    mask = torch.ones_like(ids)
    every = last_hidden(model, ids, mask) if _is_known(model) else model(ids, attention_mask=mask).logits
    found: Tensor = every[torch.arange(len(ids), device=ids.device)[:, None], at]
    return found


def _finite(found: Tensor) -> Tensor:
    if not torch.isfinite(found).all():
        raise InputError("the model gives NaN or infinite logits: its weights are damaged or its training diverged")
    return found


def _is_known(model: Any) -> bool:
    """Of these only the places that are asked for are computed, and the vocabulary apart from the encoder."""
    from transformers import BertForMaskedLM, DistilBertForMaskedLM  # here, as it takes seconds

    return isinstance(model, BertForMaskedLM | DistilBertForMaskedLM)
