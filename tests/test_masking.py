"""MLM masking as in DistilBERT (reference: Appendix D, ``mlm_smoothing``)."""

import itertools
import math

import numpy as np
import pytest
import torch

from fairkd.masking import IGNORED, mask_tokens, sampling_weights

PAD, CLS, SEP, MASK = 0, 1, 2, 3


def batch(rows: int = 8, tokens: int = 20, vocab: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(4, vocab, (rows, tokens), generator=torch.Generator().manual_seed(1))
    ids[:, 0] = CLS
    attention = torch.ones_like(ids)
    for row in range(rows):
        end = tokens - row
        ids[row, end - 1], ids[row, end:], attention[row, end:] = SEP, PAD, 0
    return ids, attention


def masked(ids, attention, weights, seed=0, **changes):
    options = dict(mask_id=MASK, mask_prop=0.15, word_mask=0.8, word_keep=0.1) | changes
    return mask_tokens(ids, attention, weights, generator=torch.Generator().manual_seed(seed), **options)


def test_weights_fall_with_the_count_and_specials_get_none():
    counts = [7, 0, 1, 100, 12]
    weights = sampling_weights(np.array(counts), special_ids=[0, 4], smoothing=0.7)
    expected = [0.0 if i in (0, 4) else max(c, 1) ** -0.7 for i, c in enumerate(counts)]
    assert weights.tolist() == pytest.approx(expected, rel=1e-12)


def test_number_of_targets_is_the_share_of_non_pad_tokens_rounded_up():
    ids, attention = batch()
    _, labels = masked(ids, attention, torch.ones(50))
    assert (labels != IGNORED).sum() == math.ceil(0.15 * int(attention.sum()))


def test_labels_are_the_original_ids_and_nothing_else_changes():
    ids, attention = batch()
    weights = sampling_weights(torch.ones(50), [PAD, CLS, SEP, MASK])
    corrupted, labels = masked(ids, attention, weights)
    drawn = labels != IGNORED
    assert torch.equal(labels[drawn], ids[drawn])
    assert torch.equal(corrupted[~drawn], ids[~drawn])
    assert not torch.isin(ids[drawn], torch.tensor([PAD, CLS, SEP, MASK])).any()


def test_shares_of_masked_kept_and_random_tokens():
    ids = torch.full((200, 100), 7)
    corrupted, labels = masked(ids, torch.ones_like(ids), torch.ones(1000), mask_prop=0.5)
    shown = corrupted[labels != IGNORED]
    n = len(shown)
    for share, found in ((0.8, shown == MASK), (0.1, shown == 7), (0.1, (shown != MASK) & (shown != 7))):
        deviation = 5 * math.sqrt(share * (1 - share) / n) + 2 / 1000  # a random token may be MASK or 7 itself
        assert abs(found.float().mean().item() - share) < deviation


def test_positions_are_drawn_without_replacement_over_the_whole_batch():
    """Chances of every pair of positions, against the exact enumeration of successive weighted draws."""
    ids = torch.tensor([[4, 5], [6, 7]])
    weights = torch.zeros(10, dtype=torch.float64)
    weights[4:8] = torch.tensor([1.0, 2.0, 3.0, 6.0], dtype=torch.float64)
    w = weights[ids.flatten()].tolist()
    exact = dict.fromkeys(itertools.combinations(range(4), 2), 0.0)
    for first, second in itertools.permutations(range(4), 2):
        exact[tuple(sorted((first, second)))] += w[first] / 12 * w[second] / (12 - w[first])
    seen = dict.fromkeys(exact, 0)
    n = 4000
    generator = torch.Generator().manual_seed(3)
    for _ in range(n):
        _, labels = mask_tokens(
            ids, torch.ones_like(ids), weights, mask_id=MASK, mask_prop=0.5, word_mask=0.8, word_keep=0.1,
            generator=generator,
        )  # fmt: skip
        seen[tuple((labels.flatten() != IGNORED).nonzero().flatten().tolist())] += 1
    for pair, chance in exact.items():
        assert abs(seen[pair] / n - chance) < 5 * math.sqrt(chance * (1 - chance) / n)


def test_same_generator_same_masks_and_another_seed_others():
    ids, attention = batch()
    weights = torch.ones(50)
    once, again, other = (masked(ids, attention, weights, seed) for seed in (0, 0, 1))
    assert torch.equal(once[0], again[0])
    assert torch.equal(once[1], again[1])
    assert not torch.equal(once[1], other[1])


def test_a_batch_without_a_maskable_token_has_no_labels():
    ids = torch.tensor([[CLS, SEP]])
    corrupted, labels = masked(ids, torch.ones_like(ids), sampling_weights(torch.ones(5), [PAD, CLS, SEP, MASK]))
    assert torch.equal(corrupted, ids)
    assert (labels == IGNORED).all()
