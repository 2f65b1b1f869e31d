"""What an encoder can read: how many tokens, of which vocabulary, and where its [CLS] token stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fairkd.engine.loading import refused
from fairkd.errors import InputError

LEAST_OF_VOCABULARY = 0.9
"""Share of an encoder's word embeddings that its tokenizer has entries for, at least."""


@dataclass(frozen=True)
class Limits:
    """What an encoder can read; None where it has no limit.

    Attributes:
        longest: tokens of one input at most, special ones included.
        vocabulary: entries of its word embeddings.
        token_types: entries of its embeddings of token types, which tell the two texts of a pair apart.
    """

    longest: int | None
    vocabulary: int | None
    token_types: int | None

    def cut(self, wanted: int) -> int:
        """As many tokens as are wanted, or as can be read.

        >>> Limits(longest=64, vocabulary=None, token_types=None).cut(128)
        64
        """
        return wanted if self.longest is None else min(wanted, self.longest)

    def check_tokenizer(self, tokenizer: Any) -> None:
        """Raises InputError where most of the encoder's word embeddings could never be read through a tokenizer.

        Some rows more than entries are usual: a vocabulary is padded to a round number.
        """
        if self.vocabulary is not None and len(tokenizer) < LEAST_OF_VOCABULARY * self.vocabulary:
            raise InputError(
                f"the tokenizer does not belong to this encoder: it has {len(tokenizer):,} entries, and the encoder's "
                f"vocabulary {self.vocabulary:,}"
            )

    def check(self, text: str, ids: Sequence[int], token_types: Sequence[int] = ()) -> None:
        """Raises InputError where the encoder cannot read a text.

        Args:
            text: for the message.
            ids: its tokens, special ones included.
            token_types: theirs, where the encoder is given them.
        """
        if not ids:
            raise InputError(f"the sentence {text!r} has no tokens")
        if self.longest is not None and len(ids) > self.longest:
            raise InputError(f"the sentence {text[:60]!r}… has {len(ids)} tokens; the encoder reads {self.longest}")
        foreign = "the tokenizer does not belong to this encoder"
        if self.vocabulary is not None and max(ids) >= self.vocabulary:
            raise InputError(
                f"{foreign}: token id {max(ids)} in {text[:60]!r}, but the encoder's vocabulary has {self.vocabulary} "
                "entries"
            )
        if self.token_types is not None and max(token_types, default=0) >= self.token_types:
            raise InputError(
                f"{foreign}: it gives the token type {max(token_types)}, but the encoder has {self.token_types}"
            )


def limits_of(model: Any) -> Limits:
    """The limits of a transformers encoder, with or without a head.

    RoBERTa and its kind (XLM-R, MPNet, Longformer, …) count positions from behind that of padding, so they read fewer
    tokens than they have positions: 512 of 514. Some, such as XLNet, count none.

    >>> from transformers import BertConfig, BertModel
    >>> size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    >>> limits_of(BertModel(BertConfig(vocab_size=100, max_position_embeddings=64, **size)))
    Limits(longest=64, vocabulary=100, token_types=2)
    """
    encoder = getattr(model, "base_model", model)
    longest = getattr(encoder.config, "max_position_embeddings", None)
    longest = longest if isinstance(longest, int) and longest > 0 else None  # XLNet's -1: no limit
    embeddings = getattr(encoder, "embeddings", None)
    padding = getattr(getattr(embeddings, "position_embeddings", None), "padding_idx", None)
    if longest is not None and padding is not None:
        longest -= padding + 1
    try:
        words = getattr(encoder.get_input_embeddings(), "weight", None)
    except NotImplementedError:  # CANINE reads any character
        words = None
    vocabulary = None if words is None else len(words)
    types = getattr(getattr(embeddings, "token_type_embeddings", None), "num_embeddings", None)
    return Limits(longest, vocabulary, types)


def cls_position(tokenizer: Any) -> int | None:
    """Where a tokenizer puts the [CLS] token: 0, or -1 (XLNet: at the end); None if it puts none.

    Raises:
        InputError: the tokenizer can read nothing.
    """
    with refused(f"{type(tokenizer).__name__} cannot read"):
        ids = tokenizer("a")["input_ids"]
    if tokenizer.cls_token_id is None or tokenizer.cls_token_id not in (*ids[:1], *ids[-1:]):
        return None
    return 0 if ids[0] == tokenizer.cls_token_id else -1
