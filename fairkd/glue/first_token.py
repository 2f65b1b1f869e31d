"""The last layer of a DistilBERT where only its first token is read: a classifier's head looks at nothing else.

Keys and values of the last layer are needed at every token; queries, the output projection and the feed-forward
network at the first one alone. The outputs and gradients are those of the whole layer, for a sixth of its arithmetic.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


def read_first_token_only(model: Any) -> None:
    """Makes a DistilBERT classifier compute its last layer at the first token only; other models stay as they are."""
    from transformers import DistilBertForSequenceClassification

    if isinstance(model, DistilBertForSequenceClassification):
        last: Any = model.distilbert.transformer.layer[-1]
        last.forward = partial(_first_token, last)


def _first_token(layer: Any, hidden: Tensor, mask: Tensor | None = None, **_: Any) -> Tensor:
    """What the layer gives (batch, 1, hidden) for hidden states (batch, tokens, hidden), at the first of them.

    ``mask`` is (batch, 1, tokens, tokens), true where a token is looked at; None if all are.
    """
    attention, first = layer.attention, hidden[:, :1]
    queries, keys, values = (
        projection(states).unflatten(-1, (attention.n_heads, -1)).transpose(1, 2)
        for projection, states in ((attention.q_lin, first), (attention.k_lin, hidden), (attention.v_lin, hidden))
    )
    seen = None if mask is None else mask[:, :, :1]
    dropout = attention.dropout.p if layer.training else 0.0
    mixed = scaled_dot_product_attention(queries, keys, values, seen, dropout_p=dropout)
    normed = layer.sa_layer_norm(attention.out_lin(mixed.transpose(1, 2).flatten(-2)) + first)
    result: Tensor = layer.output_layer_norm(layer.ffn(normed) + normed)
    return result
