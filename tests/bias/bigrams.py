"""Masked language models for tests: one whose probabilities are a table, and a small BERT with random weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import torch
from transformers import BertConfig, BertForMaskedLM, BertTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def tokenizer_of(pieces: Iterable[str]) -> Any:
    """It knows these pieces."""
    vocabulary = [*SPECIAL, *dict.fromkeys(piece for piece in pieces if piece not in SPECIAL)]
    return BertTokenizer(vocab={piece: number for number, piece in enumerate(vocabulary)})


def tokenizer_for(sentences: Iterable[str]) -> Any:
    """It knows every word of the sentences."""
    return tokenizer_of(sorted({word for text in sentences for word in re.findall(r"\w+|[^\w\s]", text.lower())}))


class Bigrams(torch.nn.Module):
    """p(token | the token before it), whatever stands at its own place; uniform where the table says nothing.

    Args:
        tokenizer: of the model.
        table: (token before, token) -> p; what is left of each row goes to [PAD].
        longest: tokens that the model reads.
    """

    def __init__(self, tokenizer: Any, table: Mapping[tuple[str, str], float], longest: int = 64) -> None:
        super().__init__()
        size = len(tokenizer)
        self.words = torch.nn.Embedding(size, 1)
        self.config = SimpleNamespace(max_position_embeddings=longest)
        p = torch.full((size, size), 1 / size, dtype=torch.float64)
        number = tokenizer.get_vocab()
        for before in {before for before, _ in table}:
            row = torch.full((size,), 1e-30, dtype=torch.float64)
            for (other, after), value in table.items():
                if other == before:
                    row[number[after]] = value
            row[0] = 1 - row[1:].sum()
            p[number[before]] = row
        self.logits = p.log()

    def get_input_embeddings(self) -> torch.nn.Embedding:
        return self.words

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        """Logits (rows, tokens, vocabulary)."""
        return SimpleNamespace(logits=self.logits[input_ids.roll(1, dims=1)])


def random_bert(tokenizer: Any, longest: int = 64) -> Any:
    """A small BERT; its weights are five times as wide as usual, so that sentences differ in likelihood."""
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=longest, initializer_range=0.1, **size)
    return BertForMaskedLM(config).eval()
