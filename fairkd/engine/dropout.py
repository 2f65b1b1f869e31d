"""Dropout for students on the CPU: sixteen random bits an element, where PyTorch draws a Bernoulli variable for each.

PyTorch's draws run on one thread and are a twentieth of a training step; these cost a quarter of that (docs/LOG.md).
On other devices nothing changes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ATTENTION = "fairkd"
"""Name of :func:`attention` in transformers."""
BITS = 16


def use_cheap_dropout(model: PreTrainedModel) -> None:
    """Replaces every dropout of a model, in its layers and in its attention."""
    register()
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p))
    model.set_attn_implementation(ATTENTION)


class Dropout(nn.Dropout):
    """``torch.nn.Dropout`` whose p is rounded to a multiple of 2⁻¹⁶ on the CPU."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p) if self.training and input.device.type == "cpu" else super().forward(input)


def dropout(x: Tensor, p: float) -> Tensor:
    """Each element of x is 0 with probability p, else divided by 1 - p, which keeps its mean."""
    dropped = round(p * 2**BITS)
    words = torch.empty(math.ceil(x.numel() * BITS / 64), dtype=torch.int64).random_(-(2**63), None)
    bits = words.view(torch.int16)[: x.numel()].view(x.shape)
    return x * bits.to(x.dtype).ge_(dropped - 2 ** (BITS - 1)).mul_(2**BITS / (2**BITS - dropped))


def attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """softmax(query keyᵀ · scaling) value with :func:`dropout` on the weights; without dropout, what PyTorch has.

    Args:
        module: the attention layer.
        query, key, value: (batch, heads, tokens, head size).
        attention_mask: (batch, 1, tokens, tokens), True where a token may look; None for everywhere.
        options: what transformers hands over, "dropout" and "scaling" among it.

    Returns:
        (batch, tokens, heads, head size), and None for the weights.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    p = options.get("dropout", 0.0)
    if not p or query.device.type != "cpu":
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    scores = (query * options["scaling"]) @ key.transpose(-1, -2)
    if attention_mask is not None:
        scores = scores.masked_fill_(~attention_mask, torch.finfo(scores.dtype).min)
    return (dropout(scores.softmax(-1), p) @ value).transpose(1, 2).contiguous(), None


def register() -> None:
    """Makes :func:`attention` known to transformers under the name :data:`ATTENTION`."""
    from transformers import AttentionInterface, AttentionMaskInterface  # here, as it takes seconds
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(ATTENTION, attention)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
