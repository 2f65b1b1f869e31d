"""What a BERT or DistilBERT with an MLM head says: last hidden states, and logits over the vocabulary."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fairkd.errors import InputError


def last_hidden(
    model: Any, input_ids: Tensor, attention_mask: Tensor | None, embeddings: Tensor | None = None
) -> Tensor:
    """Last hidden states (batch, tokens, hidden) of a BERT or DistilBERT with an MLM head, without its logits.

    ``attention_mask`` is (batch, tokens), or in the attention's own form, or None where nothing is padded.
    ``embeddings`` (batch, tokens, hidden) stand in for the word embeddings of the ids; position and LayerNorm follow.
    """
    text = {"input_ids": input_ids} if embeddings is None else {"inputs_embeds": embeddings}
    hidden: Tensor = model.base_model(**text, attention_mask=attention_mask).last_hidden_state
    return hidden


def hidden_at(model: Any, input_ids: Tensor, places: Tensor) -> Tensor:
    """Last hidden states (batch, hidden) of a BERT or DistilBERT with an MLM head, at one place of each sequence.

    They are those of :func:`last_hidden`. The last layer is computed at these places alone, where it needs the keys and
    values of all others: a sixth of its work. No sequence may be padded.
    """
    from transformers import BertForMaskedLM  # here and below, as it takes seconds: finished work needs no model

    encoder, is_bert = model.base_model, isinstance(model, BertForMaskedLM)
    *layers, last = encoder.encoder.layer if is_bert else encoder.transformer.layer
    hidden = encoder.embeddings(input_ids)
    for layer in layers:
        hidden = layer(hidden)
    own = hidden[torch.arange(len(hidden), device=hidden.device), places]
    part = last.attention.self if is_bert else last.attention
    query, key, value = (part.query, part.key, part.value) if is_bert else (part.q_lin, part.k_lin, part.v_lin)
    split = [
        projected.unflatten(-1, (-1, part.attention_head_size)).transpose(1, 2)  # (batch, heads, tokens, head size)
        for projected in (query(own[:, None]), key(hidden), value(hidden))
    ]
    context = F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(1)
    found: Tensor
    if is_bert:
        found = last.feed_forward_chunk(last.attention.output(context, own))
    else:
        own = last.sa_layer_norm(last.attention.out_lin(context) + own)
        found = last.output_layer_norm(last.ffn(own) + own)
    return found


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
    from transformers import BertForMaskedLM, DistilBertForMaskedLM

    if isinstance(model, DistilBertForMaskedLM):
        features = model.vocab_layer_norm(model.activation(model.vocab_transform(hidden)))
        return features, model.vocab_projector.weight, model.vocab_projector.bias
    if not isinstance(model, BertForMaskedLM):
        raise InputError(f"the MLM head of a {type(model).__name__} cannot be read; allowed: BERT and DistilBERT")
    head: Any = model.cls.predictions
    return head.transform(hidden), head.decoder.weight, head.decoder.bias
