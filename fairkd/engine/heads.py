"""What a BERT or DistilBERT with an MLM head says: last hidden states, and logits over the vocabulary."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor
from transformers import BertForMaskedLM, DistilBertForMaskedLM

from fairkd.errors import InputError


def last_hidden(model: Any, input_ids: Tensor, attention_mask: Tensor, embeddings: Tensor | None = None) -> Tensor:
    """Last hidden states (batch, tokens, hidden) of a BERT or DistilBERT with an MLM head, without its logits.

    ``embeddings`` (batch, tokens, hidden) stand in for the word embeddings of the ids; position and LayerNorm follow.
    """
    text = {"input_ids": input_ids} if embeddings is None else {"inputs_embeds": embeddings}
    hidden: Tensor = model.base_model(**text, attention_mask=attention_mask).last_hidden_state
    return hidden


def vocabulary_logits(model: Any, hidden: Tensor) -> Tensor:
    """Logits (n, vocab) of the MLM head for hidden states (n, hidden), of a BERT or a DistilBERT."""
    features, weight, bias = vocabulary_features(model, hidden)
    return F.linear(features, weight, bias)


def vocabulary_features(model: Any, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the logits of hidden states (n, hidden) are made of: features (n, hidden) @ weight (vocab, hidden)ᵀ + bias.

    The features are the hidden states after the MLM head's dense layer, activation and LayerNorm. The weight is the
    head's own, which a checkpoint may have untied from its word embeddings.

    Raises:
        InputError: a model of another kind, whose head has other parts.
    """
    if isinstance(model, DistilBertForMaskedLM):
        features = model.vocab_layer_norm(model.activation(model.vocab_transform(hidden)))
        return features, model.vocab_projector.weight, model.vocab_projector.bias
    if not isinstance(model, BertForMaskedLM):
        raise InputError(f"the MLM head of a {type(model).__name__} cannot be read; allowed: BERT and DistilBERT")
    head: Any = model.cls.predictions
    return head.transform(hidden), head.decoder.weight, head.decoder.bias
