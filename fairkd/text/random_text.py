"""Text without meaning and of any size, to time a training by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairkd.text.sequences import SHORTEST

LENGTH_SHAPE = 1.4
"""Shape of the gamma distribution that lengths of sequences are drawn from, as Wikipedia has them."""


class RandomText:
    """Sequences of random pieces with lengths as Wikipedia has them; half of them have one of the given words.

    Stands in for :class:`fairkd.text.sequences.Sequences` where only shapes count.

    Args:
        tokenizer: gives [CLS], [SEP] and the number of pieces.
        sequences: how many.
        mean, longest: of their lengths in tokens.
        words: ids.
    """

    def __init__(self, tokenizer: Any, sequences: int, *, mean: float, longest: int, words: Sequence[int]) -> None:
        generator = np.random.default_rng(0)
        self.lengths = _lengths(generator.gamma(LENGTH_SHAPE, 1 / LENGTH_SHAPE, sequences), mean, longest)
        self.ids = [generator.integers(5, len(tokenizer), int(length)) for length in self.lengths]
        for number, own in enumerate(self.ids):
            own[0], own[-1] = tokenizer.cls_token_id, tokenizer.sep_token_id
            if number % 2:
                own[1 + generator.integers(len(own) - 2)] = generator.choice(words)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, rows: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        return [self.ids[row] for row in rows]


def _lengths(drawn: NDArray[np.float64], mean: float, longest: int) -> NDArray[np.int32]:
    """Stretched so that they have this mean after the longest were cut: how full a batch is decides what it costs."""
    low, high = 0.0, 1000.0 * longest
    for _ in range(60):
        middle = (low + high) / 2
        short = np.clip(drawn * middle, SHORTEST, longest).mean() < mean
        low, high = (middle, high) if short else (low, middle)
    return np.clip((drawn * low).round(), SHORTEST, longest).astype(np.int32)
