"""How likely a masked language model finds a sentence, and a word at its place in a sentence.

Two scores of a sentence S of tokens w_1 … w_n:

* pseudo-log-likelihood over the tokens of a set U, Σ_{i ∈ U} ln p(w_i | S∖i), each token masked by itself (Salazar et
  al. 2020; with U the tokens that two sentences share, the score of CrowS-Pairs, Nangia et al. 2020);
* all unmasked likelihood, mean_i ln p(w_i | S), with nothing masked (AUL, Kaneko and Bollegala 2022). It needs no mask,
  and depends less on how frequent words are.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairkd.bias.masked import Asked, Query, token_log_probabilities
from fairkd.bias.once import once_a_tokenizer
from fairkd.bias.unknown import unknown_id
from fairkd.engine.limits import limits_of
from fairkd.engine.loading import refused
from fairkd.errors import InputError
from fairkd.stats.resampling import Floats

Places = tuple[int, ...]
"""Positions in the ids of a sentence."""


@dataclass(frozen=True)
class Tokenised:
    """A text as a model reads it.

    Attributes:
        ids: with special tokens.
        own: places of the tokens that are not special.
        spans: start and end of each token in the text.
        problem: why the model cannot read the text; "" if it can.
    """

    ids: tuple[int, ...]
    own: Places
    spans: tuple[tuple[int, int], ...]
    problem: str = ""

    def at(self, start: int, end: int) -> Places:
        """Places of the tokens that hold any of the characters from ``start`` to before ``end``."""
        return tuple(i for i in self.own if self.spans[i][0] < end and self.spans[i][1] > start)


def tokenise(model: Any, tokenizer: Any, texts: Sequence[str]) -> list[Tokenised]:
    """Texts as a model reads them; what it cannot read is said text by text. They are read once a tokenizer.

    Raises:
        InputError: the tokenizer does not belong to the model, or does not tell where its tokens stand in a text.
    """
    return list(_tokenised(model, tokenizer, tuple(texts)))


@once_a_tokenizer
def _tokenised(model: Any, tokenizer: Any, texts: tuple[str, ...]) -> list[Tokenised]:
    with refused(f"{type(tokenizer).__name__} cannot read the sentences of this ruler"):
        found = tokenizer(list(texts), return_special_tokens_mask=True, return_offsets_mapping=True) if texts else {}
    limits, unknown = limits_of(model), unknown_id(tokenizer)
    result = []
    for number, text in enumerate(texts):
        ids, spans = found["input_ids"][number], found["offset_mapping"][number]
        own = tuple(i for i, special in enumerate(found["special_tokens_mask"][number]) if not special)
        lost = list(dict.fromkeys(text[slice(*spans[i])] for i in own if ids[i] == unknown))
        problem = f"the tokenizer does not know {', '.join(map(repr, lost))}" if lost else ""
        if not own:
            problem = "it has no tokens"
        elif limits.longest is not None and len(ids) > limits.longest:
            problem = f"it has {len(ids)} tokens; the model reads {limits.longest}"
        else:
            limits.check(text, ids)
        result.append(Tokenised(tuple(ids), own, tuple(map(tuple, spans)), problem))
    return result


def shared_places(one: Tokenised, other: Tokenised) -> tuple[Places, Places]:
    """Places of the tokens that two sentences share, in each, special ones left out.

    They are the spans that ``difflib.SequenceMatcher`` calls equal, as in the program of CrowS-Pairs.
    """
    first: list[int] = []
    second: list[int] = []
    for tag, a, a_end, b, b_end in difflib.SequenceMatcher(None, one.ids, other.ids).get_opcodes():
        if tag == "equal":
            first += range(a, a_end)
            second += range(b, b_end)
    return tuple(i for i in first if i in one.own), tuple(i for i in second if i in other.own)


def own_places(one: Tokenised, other: Tokenised) -> tuple[Places, Places]:
    """Places of all tokens of two sentences, special ones left out."""
    return one.own, other.own


def mask_of(tokenizer: Any) -> int:
    """The id of [MASK].

    Raises:
        InputError: the tokenizer has none.
    """
    if tokenizer.mask_token_id is None:
        raise InputError(f"{type(tokenizer).__name__} has no [MASK] token, so that nothing can be asked at a mask")
    mask: int = tokenizer.mask_token_id
    return mask


def pseudo_log_likelihood(
    model: Any, tokenizer: Any, sentences: Sequence[tuple[Tokenised, Places]], *, batch_size: int = 64
) -> Floats:
    """Σ ln p(w_i | S∖i) over the given places of each sentence, in nats: (n,)."""
    asked, tokens, owner = _one_by_one(mask_of(tokenizer), tuple(sentences))
    found = token_log_probabilities(model, asked, tokens, batch_size=batch_size)
    return np.bincount(owner, weights=found, minlength=len(sentences)).astype(float)  # integers where there is none


def all_unmasked_likelihood(
    model: Any, tokenizer: Any, sentences: Sequence[tuple[Tokenised, Places]], *, batch_size: int = 64
) -> Floats:
    """mean ln p(w_i | S) over the given places of each sentence, nothing masked, in nats: (n,)."""
    asked, tokens, owner = _unmasked(tuple(sentences))
    found = token_log_probabilities(model, asked, tokens, batch_size=batch_size)
    count = np.bincount(owner, minlength=len(sentences))
    return np.asarray(np.bincount(owner, weights=found, minlength=len(sentences)) / count)


def log_probability_of_word(
    model: Any, tokenizer: Any, sentences: Sequence[tuple[Tokenised, Places]], *, batch_size: int = 64
) -> Floats:
    """ln of the mean of p over the pieces of a word at its place, (n,), in the way of StereoSet (Nadeem et al. 2021).

    The pieces are asked for from left to right: those before stand there, one mask stands for the piece asked for and
    all after it. A word of one piece has ln p at a mask.

    Args:
        model: a masked language model.
        tokenizer: its own.
        sentences: each with the places of the word, which follow one another.
        batch_size: queries a batch at most.
    """
    asked, tokens, owner = _left_to_right(mask_of(tokenizer), tuple(sentences))
    found = np.exp(token_log_probabilities(model, asked, tokens, batch_size=batch_size))
    total = np.bincount(owner, weights=found, minlength=len(sentences))
    result: Floats = np.log(total / np.bincount(owner, minlength=len(sentences)))
    return result


_Sentences = tuple[tuple[Tokenised, Places], ...]
_Tokens = tuple[Asked, list[int], NDArray[np.intp]]
"""Queries, the token that is asked for at each place, and the number of its sentence."""


@lru_cache(maxsize=16)  # the same for all models of a tokenizer
def _one_by_one(mask: int, sentences: _Sentences) -> _Tokens:
    """Each place by itself, masked."""
    queries = [Query((*own.ids[:at], mask, *own.ids[at + 1 :]), (at,)) for own, places in sentences for at in places]
    return _tokens(queries, sentences)


@lru_cache(maxsize=16)
def _unmasked(sentences: _Sentences) -> _Tokens:
    """All places of a sentence at once, nothing masked."""
    return _tokens([Query(own.ids, places) for own, places in sentences], sentences)


@lru_cache(maxsize=16)
def _left_to_right(mask: int, sentences: _Sentences) -> _Tokens:
    """Each piece of a word, with those before it; one mask stands for it and those behind it."""
    queries = [
        Query((*own.ids[:at], mask, *own.ids[places[-1] + 1 :]), (at,)) for own, places in sentences for at in places
    ]
    return _tokens(queries, sentences)


def _tokens(queries: Sequence[Query], sentences: _Sentences) -> _Tokens:
    tokens = [own.ids[at] for own, places in sentences for at in places]
    return Asked(queries), tokens, np.repeat(np.arange(len(sentences)), [len(places) for _, places in sentences])
