"""A tokenizer of whole words, and a masked language model whose logits are set by hand."""

from types import SimpleNamespace

import torch
from transformers import BertTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = [*"abcdefghijklmnopqrstuvwxyz", *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")]


def word_tokenizer(words, *, letters=False):
    """Lower-cased; what is not among the words is unknown, or spelt where there are letters."""
    pieces = [*SPECIAL, ".", ",", *sorted({word.lower() for word in words}), *(LETTERS if letters else [])]
    return BertTokenizer(vocab={piece: number for number, piece in enumerate(dict.fromkeys(pieces))})


class Additive(torch.nn.Module):
    """The logit of v at a place is bias[v] plus effect[t, v] of every token t that stands elsewhere in the sentence."""

    def __init__(self, tokenizer, *, longest=64):
        super().__init__()
        size = len(tokenizer)
        self.bias = torch.nn.Parameter(torch.zeros(size))
        self.effect = torch.zeros(size, size)
        self.config = SimpleNamespace(max_position_embeddings=longest)
        self._ids = tokenizer.get_vocab()

    def prefer(self, word, amount, *, beside=None):
        """Adds to the logit of a word, everywhere or beside another word."""
        with torch.no_grad():
            (self.bias if beside is None else self.effect[self._ids[beside]])[self._ids[word]] += amount

    def get_input_embeddings(self):
        return SimpleNamespace(weight=self.bias)

    def forward(self, input_ids, attention_mask):
        every = self.effect[input_ids]  # (rows, tokens, vocabulary)
        return SimpleNamespace(logits=self.bias + every.sum(dim=1, keepdim=True) - every)
