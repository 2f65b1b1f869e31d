"""Where words stand among the tokens of a sentence, so that rulers can hide and exchange them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

from fairkd.bias.unknown import unknown_id
from fairkd.engine.limits import limits_of
from fairkd.engine.loading import refused
from fairkd.errors import InputError

Span = tuple[int, int]
"""Where a word begins and ends in a text, in characters."""


class Unreadable(ValueError):
    """An item of which a model has no value; the message says why. A ruler notes it and goes on."""


@dataclass(frozen=True)
class Placed:
    """A sentence as a model reads it.

    Attributes:
        ids: its tokens, special ones included.
        words: positions of the pieces of each word that was asked for.
        others: positions of all other pieces, without special tokens.
    """

    ids: tuple[int, ...]
    words: tuple[tuple[int, ...], ...]
    others: tuple[int, ...]


class PlaceFinder:
    """Finds places for one model and its tokenizer.

    Raises:
        InputError: the tokenizer has no [MASK], or does not say where in a text its tokens stand.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        if tokenizer.mask_token_id is None:
            raise InputError(f"{type(tokenizer).__name__} has no mask token: rulers hide words behind it")
        if not getattr(tokenizer, "is_fast", False):
            raise InputError(
                f"{type(tokenizer).__name__} does not say where in a text its tokens stand: a fast tokenizer is needed"
            )
        self._tokenizer, self._limits, self._unknown = tokenizer, limits_of(model), unknown_id(tokenizer)

    def place(self, sentence: str, *spans: Span) -> Placed:
        """The tokens of a sentence and the places of its words that stand at ``spans``.

        Raises:
            Unreadable: something of it is not in the vocabulary, or it has more tokens than the model reads.
            InputError: the tokenizer does not belong to the model.
        """
        with refused(f"{type(self._tokenizer).__name__} cannot read {sentence[:60]!r}"):
            read = self._tokenizer(sentence, return_offsets_mapping=True, return_special_tokens_mask=True)
        ids, offsets = read["input_ids"], read["offset_mapping"]
        lost = [sentence[start:end] for (start, end), token in zip(offsets, ids, strict=True) if token == self._unknown]
        if lost:
            raise Unreadable(f"not in the vocabulary: {', '.join(dict.fromkeys(lost))}")
        longest = self._limits.longest
        if longest is not None and len(ids) > longest:
            raise Unreadable(f"{len(ids)} tokens, and the model reads {longest}")
        self._limits.check(sentence, ids)
        text = [at for at, special in enumerate(read["special_tokens_mask"]) if not special]
        words = tuple(tuple(at for at in text if _overlap(offsets[at], span)) for span in spans)
        taken = {at for pieces in words for at in pieces}
        return Placed(tuple(ids), words, tuple(at for at in text if at not in taken))

    def hidden(self, ids: tuple[int, ...], at: Collection[int]) -> tuple[int, ...]:
        """The tokens with [MASK] at these positions."""
        mask: int = self._tokenizer.mask_token_id
        return tuple(mask if position in at else token for position, token in enumerate(ids))


def _overlap(one: Span, other: Span) -> bool:
    return max(one[0], other[0]) < min(one[1], other[1])


def filled(template: str, words: Mapping[str, str]) -> tuple[str, dict[str, Span]]:
    """A template with words at its named places, begun with a capital, and where the words stand.

    >>> filled("{they} likes {thing}.", {"they": "she", "thing": "art"})
    ('She likes art.', {'they': (0, 3), 'thing': (10, 13)})
    """
    text, spans = "", {}
    for literal, name, _, _ in Formatter().parse(template):
        text += literal
        if name is not None:
            spans[name] = (len(text), len(text) + len(words[name]))
            text += words[name]
    return text[0].upper() + text[1:], spans
