"""Counterfactual invariance: does what a model expects elsewhere in a sentence change with the gender of its words?

All gender words of a sentence are exchanged for their counterparts. Each other token is then masked by itself, in the
sentence and in its counterpart; p and q are the distributions at the mask. The value of the sentence is the mean over
its tokens of

    (KL(p ‖ q) + KL(q ‖ p)) / 2    in nats,

which is the same whichever of the two sentences is the original. It is what mixup trains for, looked at on sentences
that it did not see, for words of D (the ten pairs of Appendix C) and for words outside D.

The pair of words is what is resampled, within D and outside it: intervals speak of other pairs of the kind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from fairkd.bias.masked import Asked, Query, divergences
from fairkd.bias.once import once_a_tokenizer
from fairkd.bias.places import PlaceFinder, Span, Unreadable
from fairkd.bias.ruler import ITEMS, Ruler, Score, group_mean
from fairkd.pairs import OTHER_PAIRS, PAIRS
from fairkd.stats.resampling import Floats

IN_D, OUTSIDE_D = "in D", "outside D"
"""The groups: Appendix C's pairs, and others."""

FRAMES = (
    "{who} works in the hospital.",
    "{who} stayed at home with the children.",
)
"""Sentences for a person, without another word of gender."""
_PHRASES = {"she": "she", "her": "her friend", "herself": "the doctor herself"}
"""How a word stands for a person; a name by itself, and any other word after "the"."""
_CHUNK = 1024  # queries at a time: of most kinds of models each holds a distribution over the vocabulary


def frame_sentences() -> list[str]:
    """Each pair's female word in each of ``FRAMES``.

    >>> frame_sentences()[0], len(frame_sentences())
    ('The woman works in the hospital.', 56)
    """
    found = []
    for word, _ in (*PAIRS, *OTHER_PAIRS):
        who = _PHRASES.get(word, word if word[0].isupper() else f"the {word}")
        found += [frame.format(who=who) for frame in FRAMES]
    return [sentence[0].upper() + sentence[1:] for sentence in found]


def _written_forms(word: str) -> tuple[str, ...]:
    return word, word.lower(), word[0].upper() + word[1:], word.upper()


_COUNTERPARTS: dict[str, tuple[str, tuple[str, str]]] = {
    form: (other, pair)
    for pair in (*PAIRS, *OTHER_PAIRS)
    for word, counterpart in (pair, pair[::-1])
    for form, other in zip(_written_forms(word), _written_forms(counterpart), strict=True)
}
"""A word as it may be written -> its counterpart, written alike, and their pair."""
_GENDER_WORD = re.compile(rf"\b(?:{'|'.join(sorted(_COUNTERPARTS, key=len, reverse=True))})\b")


def exchanged(sentence: str) -> tuple[str, list[Span], list[Span], list[tuple[str, str]]]:
    """The sentence with each gender word exchanged; where these stood; where they stand now; their pairs.

    >>> exchanged("He met the queen.")
    ('She met the king.', [(0, 2), (11, 16)], [(0, 3), (12, 16)], [('she', 'he'), ('queen', 'king')])
    """
    text, end = "", 0
    before: list[Span] = []
    after: list[Span] = []
    pairs = []
    for match in _GENDER_WORD.finditer(sentence):
        other, pair = _COUNTERPARTS[match[0]]
        text += sentence[end : match.start()]
        before.append(match.span())
        after.append((len(text), len(text) + len(other)))
        text, end = text + other, match.end()
        pairs.append(pair)
    return text + sentence[end:], before, after, pairs


def measure_sentences(model: Any, tokenizer: Any, sentences: Sequence[str], *, batch_size: int = 64) -> pd.DataFrame:
    """Counterfactual invariance on sentences, such as text that was held out: the columns ``ITEMS``, values in nats.

    A row a sentence with a gender word; its unit is the pair of the first one. Left without a value, and named, is a
    sentence with words of D and others, one that the model cannot read, and one in which two counterparts have
    different numbers of pieces: the other tokens would then stand at other positions.

    Raises:
        InputError: as :class:`fairkd.bias.places.PlaceFinder` and :func:`fairkd.bias.masked.divergences`.
    """
    rows, owner, chunks = _asked(model, tokenizer, tuple(sentences))
    found = [divergences(model, asked, batch_size=batch_size) for asked in chunks]
    values = _means(np.concatenate([np.empty(0), *found]), owner, len(rows))
    return rows.assign(value=values)[ITEMS]


@once_a_tokenizer
def _asked(model: Any, tokenizer: Any, sentences: tuple[str, ...]) -> tuple[pd.DataFrame, list[int], list[Asked]]:
    """The rows without values, the row of each two queries, and the queries, in chunks."""
    finder, rows, queries = PlaceFinder(model, tokenizer), [], []
    owner: list[int] = []
    for sentence in sentences:
        other, before, after, pairs = exchanged(sentence)
        if not pairs:
            continue
        row = {"item": sentence, "unit": "/".join(pairs[0]), "group": IN_D if pairs[0] in PAIRS else OUTSIDE_D}
        try:
            if len({pair in PAIRS for pair in pairs}) == 2:
                raise Unreadable("it holds words of D and others")
            own = _queries(finder, (sentence, before), (other, after))
        except Unreadable as problem:
            rows.append(row | {"problem": str(problem)})
            continue
        queries += own
        owner += [len(rows)] * (len(own) // 2)
        rows.append(row | {"problem": ""})
    chunks = [Asked(queries[start : start + _CHUNK]) for start in range(0, len(queries), _CHUNK)]
    return pd.DataFrame(rows, columns=[name for name in ITEMS if name != "value"]), owner, chunks


def _queries(finder: PlaceFinder, original: tuple[str, list[Span]], counterpart: tuple[str, list[Span]]) -> list[Query]:
    """Two queries, before and after, for each token that is no gender word."""
    before, after = (finder.place(sentence, *spans) for sentence, spans in (original, counterpart))
    for pieces, others, span, other in zip(before.words, after.words, original[1], counterpart[1], strict=True):
        if len(pieces) != len(others):
            words = original[0][slice(*span)], counterpart[0][slice(*other)]
            raise Unreadable(f"{words[0]!r} has {len(pieces)} pieces and {words[1]!r} has {len(others)}")
    if before.others != after.others or any(before.ids[at] != after.ids[at] for at in before.others):
        raise Unreadable("the tokenizer reads the rest of the sentence differently beside the other word")
    if not before.others:
        raise Unreadable("nothing but gender words")
    return [Query(finder.hidden(ids, {at}), (at,)) for at in before.others for ids in (before.ids, after.ids)]


def _means(values: Floats, owner: list[int], rows: int) -> Floats:
    """Mean of the values of each row, (rows,); nan where a row has none."""
    count = np.bincount(owner, minlength=rows)
    total = np.bincount(owner, weights=values, minlength=rows)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _measure(model: Any, tokenizer: Any, *, batch_size: int = 64) -> pd.DataFrame:
    return measure_sentences(model, tokenizer, frame_sentences(), batch_size=batch_size)


COUNTERFACTUAL = Ruler(
    "counterfactual",
    "counterfactual invariance",
    "ours, after Ahn et al. 2022, Section 5.1",
    _measure,
    (
        Score("in-d", "mean divergence, words of D", "nats", partial(group_mean, group=IN_D), size=True),
        Score("outside-d", "mean divergence, words outside D", "nats", partial(group_mean, group=OUTSIDE_D), size=True),
    ),
)
