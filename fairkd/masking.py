"""Masked language modelling as DistilBERT was trained: rare tokens are predicted more often than frequent ones.

The positions of a batch are drawn together, without replacement, with weights that fall with a token's count
(``mlm_smoothing``); of the drawn positions 80 % show [MASK], 10 % the token itself, 10 % a random token
(Appendix D: ``mlm_mask_prop``, ``word_mask``, ``word_keep``, ``word_rand``).
"""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
import torch
from torch import Tensor

IGNORED = -100
"""Label of positions that are not predicted (PyTorch's ``ignore_index``)."""


def sampling_weights(token_counts: Tensor | np.ndarray, special_ids: Collection[int], smoothing: float = 0.7) -> Tensor:
    """Relative chance of each token to be predicted: ``max(count, 1) ** -smoothing``, 0 for special tokens.

    Args:
        token_counts: (vocab,) how often each token occurs in the corpus.
        special_ids: ids that are never predicted ([PAD], [UNK], [CLS], [SEP], [MASK]).
        smoothing: Appendix D's ``mlm_smoothing``; 0 makes all tokens equal.

    Returns:
        (vocab,) float64, not normalised.

    >>> import numpy as np
    >>> sampling_weights(np.array([1000, 1, 100, 10_000]), special_ids=[0], smoothing=0.5)
    tensor([0.0000, 1.0000, 0.1000, 0.0100], dtype=torch.float64)
    """
    weights = torch.as_tensor(token_counts).double().clamp(min=1).pow(-smoothing)
    weights[list(special_ids)] = 0.0
    return weights


def mask_tokens(
    input_ids: Tensor,
    attention_mask: Tensor,
    weights: Tensor,
    *,
    mask_id: int,
    mask_prop: float,
    word_mask: float,
    word_keep: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Corrupts a batch and says what to predict.

    Draws ``ceil(mask_prop × non-pad tokens)`` positions without replacement over the whole batch. Each then shows
    [MASK] with probability ``word_mask``, its own token with ``word_keep``, else a token drawn uniformly from the
    whole vocabulary.

    Args:
        input_ids: (batch, tokens) int64, on the CPU.
        attention_mask: (batch, tokens) 1 for tokens, 0 for padding.
        weights: (vocab,) of :func:`sampling_weights`.
        mask_id: id of [MASK].
        mask_prop, word_mask, word_keep: shares between 0 and 1.
        generator: CPU generator; the only source of randomness.

    Returns:
        corrupted ids (batch, tokens), labels (batch, tokens): the original id at each drawn position (kept and
        random ones too), :data:`IGNORED` elsewhere.
    """
    chances = (weights[input_ids] * attention_mask).flatten()
    wanted = math.ceil(mask_prop * int(attention_mask.sum()))
    wanted = min(wanted, int((chances > 0).sum()))
    corrupted, labels = input_ids.clone(), torch.full_like(input_ids, IGNORED)
    if wanted == 0:
        return corrupted, labels
    drawn = torch.multinomial(chances, wanted, replacement=False, generator=generator)
    labels.view(-1)[drawn] = input_ids.flatten()[drawn]
    fate = torch.rand(wanted, generator=generator, dtype=torch.float64)
    random_ids = torch.randint(len(weights), (wanted,), generator=generator)
    shown = torch.where(fate < word_mask, torch.full_like(random_ids, mask_id), random_ids)
    kept = (fate >= word_mask) & (fate < word_mask + word_keep)
    corrupted.view(-1)[drawn] = torch.where(kept, input_ids.flatten()[drawn], shown)
    return corrupted, labels
