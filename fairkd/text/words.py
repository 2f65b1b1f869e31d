"""Whole words in token ids: "son" is found in "his son", not in "sonnet" (son ##net).

A word is the sequence of pieces that a WordPiece tokenizer makes of it. It stands somewhere as a whole if these
pieces stand there and the next piece does not continue the word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fairkd.errors import InputError

CONTINUES = "##"
"""What a piece begins with that is not the beginning of a word."""


@dataclass(frozen=True)
class Found:
    """Whole words in a batch of ids, in order of position.

    Attributes:
        start: (n,) flat position of a word's first piece.
        word: (n,) number of the word.
    """

    start: Tensor
    word: Tensor


class WholeWords:
    """Finds the words of a list.

    Args:
        words: pieces (token ids) of each written form -> number of the word that it is a form of.
        tokenizer: whose ids they are.
    """

    def __init__(self, words: Mapping[tuple[int, ...], int], tokenizer: Any) -> None:
        vocabulary = tokenizer.get_vocab()
        size = max(vocabulary.values()) + 1
        self._continues = torch.zeros(size, dtype=torch.bool)
        self._continues[[i for piece, i in vocabulary.items() if piece.startswith(CONTINUES)]] = True
        self._single = torch.full((size,), -1, dtype=torch.long)
        for pieces, word in words.items():
            if len(pieces) == 1:
                self._single[pieces[0]] = word
        self._longer = {pieces: word for pieces, word in words.items() if len(pieces) > 1}

    def find(self, ids: Tensor) -> Found:
        """All occurrences in ids (rows, tokens) on the CPU; a word does not go beyond its row."""
        ids = ids.long()
        ends = torch.ones_like(ids, dtype=torch.bool)  # whether a word may end here
        ends[:, :-1] = ~self._continues[ids[:, 1:]]
        number = torch.where(ends, self._single[ids], -1)
        present = set(ids.unique().tolist()) if self._longer else set()
        for pieces, word in self._longer.items():
            width = ids.shape[1] - len(pieces) + 1
            if width < 1 or not present.issuperset(pieces):
                continue
            here = ends[:, len(pieces) - 1 :].clone()
            for offset, piece in enumerate(pieces):
                here &= ids[:, offset : offset + width] == piece
            number[:, :width][here] = word
        start = (number.flatten() >= 0).nonzero().squeeze(1)
        return Found(start, number.flatten()[start])


def pieces_of(word: str, tokenizer: Any) -> tuple[int, ...]:
    """The token ids of one word.

    Raises:
        InputError: empty, more than one word, or not in the vocabulary (a piece of it is unknown).
    """
    text = word.strip()
    backend = tokenizer.backend_tokenizer
    normal = backend.normalizer.normalize_str(text) if backend.normalizer else text
    parts = [part for part, _ in backend.pre_tokenizer.pre_tokenize_str(normal)]
    if len(parts) != 1:
        raise InputError(f"{word!r} is not one word but {len(parts)} ({', '.join(parts) or 'nothing'})")
    ids = tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
    if tokenizer.unk_token_id in ids:
        raise InputError(f"{word!r} is not in the vocabulary of the tokenizer")
    return ids


def forms_of(word: str) -> tuple[str, str, str]:
    """A word as it is written, in lower case, and with a capital: what a cased vocabulary tells apart."""
    return word, word.lower(), word[:1].upper() + word[1:]
