"""WinoBias (Zhao et al. 2018; MIT): its text files, and a ruler for models without a head for coreference.

A line is a number, a space and a sentence with two mentions of one person in square brackets: an occupation with its
article, and a pronoun, as in "7 [The farmer] thanked the nurse because [he] felt better." (our words). The lines of
equal number in the files ``pro_stereotyped_type1.txt.dev`` and ``anti_stereotyped_type1.txt.dev`` differ in the
pronoun, whose gender agrees with the stereotype of the occupation in the first. We ask a masked language model which of
the two pronouns it prefers at the place of the pronoun. In type 1 only the stereotype or knowledge of the world tells
who is meant, in type 2 the grammar does.

The form of the pronoun (*he* / *she*, *him* / *her*, *his* / *her*) is what stands in the two files, so that no *her*
has to be guessed. Known defects: occupations are stereotyped by the labour statistics of one country, and some
sentences are unnatural or ambiguous. Lines of one number that differ in more than one pronoun (a second pronoun, or
another word; 26 of the 792 of dev) are left out, counted and named.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fairkd.bias.likelihood import log_probability_of_word, tokenise
from fairkd.bias.pair_preference import preferred
from fairkd.bias.ruler import ITEMS, Ruler, Score, weighted_mean
from fairkd.engine.messages import similar_path
from fairkd.engine.yaml_text import utf8_text
from fairkd.errors import InputError, shown

_COUNTERPARTS = {("he", "she"), ("him", "her"), ("his", "her"), ("his", "hers"), ("himself", "herself")}
"""Male and female pronouns of one form."""
_PRONOUNS = {pronoun for pair in _COUNTERPARTS for pronoun in pair}
WINOBIAS_SPLITS = ("dev", "test")
WINOBIAS_TYPES = ("type 1", "type 2")
_LINE = re.compile(r"(\d{1,9}) (\S.*)")
_MENTION = re.compile(r"\[([^][]*)\]")


@dataclass(frozen=True)
class PronounPair:
    """A sentence with a pronoun and its counterpart.

    Attributes:
        item: "type 1 dev, line 3".
        occupation: of whom the pronoun speaks, without article.
        type: one of ``WINOBIAS_TYPES``.
        before: the sentence before the pronoun.
        after: the sentence behind it.
        pro: the pronoun of the stereotypical line.
        anti: the pronoun of the other line.
        problem: why the lines cannot be compared; "" if they can.
    """

    item: str
    occupation: str
    type: str
    before: str
    after: str
    pro: str
    anti: str
    problem: str = ""


def read_winobias(folder: Path, split: str = "dev") -> list[PronounPair]:
    """The pairs of lines of both types.

    Args:
        folder: with the four files of a split.
        split: "dev" or "test".

    Raises:
        InputError: a file is missing or cannot be read, or a line is broken; names it.
    """
    pairs = []
    for number, kind in enumerate(WINOBIAS_TYPES, 1):
        paths = [folder / f"{side}_stereotyped_type{number}.txt.{split}" for side in ("pro", "anti")]
        pro, anti = (_sentences(path) for path in paths)
        for own, other, path in ((pro, anti, paths[1]), (anti, pro, paths[0])):
            missing = [n for n in own if n not in other]
            if missing:
                raise InputError(f"{path}: there is no line that begins with {missing[0]}, as in the file beside it")
        pairs += [_pair(f"{kind} {split}, line {n}", kind, pro[n], anti[n]) for n in pro]
    return pairs


def _sentences(path: Path) -> dict[int, str]:
    """The sentences of a file by the numbers in front of them."""
    if not path.is_file():
        raise InputError(f"WinoBias: there is no file {path}.{similar_path(path)}")
    try:
        lines = utf8_text(path).split("\n")
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    found: dict[int, str] = {}
    for place, line in enumerate(lines, 1):
        if not line.strip():
            continue
        match, where = _LINE.fullmatch(line.strip()), f"{path}, line {place}"
        if match is None:
            raise InputError(f"{where}: {shown(line)} is no number, space and sentence")
        mentions = [mention.strip().lower() for mention in _MENTION.findall(line)]
        if len(mentions) < 2 or not all(mentions):
            raise InputError(f"{where}: two mentions in square brackets are expected in {shown(line)}")
        if _PRONOUNS.issuperset(mentions):
            raise InputError(f"{where}: no mention is an occupation in {shown(line)}")
        if int(match[1]) in found:
            raise InputError(f"{where}: the number {match[1]} stands in front of a line already")
        found[int(match[1])] = match[2]
    if not found:
        raise InputError(f"{path} has no lines")
    return found


def _pair(item: str, kind: str, pro: str, anti: str) -> PronounPair:
    """Two lines as a sentence with two pronouns for one place."""
    mentions = [mention.strip() for mention in _MENTION.findall(pro)]
    named = next((mention for mention in mentions if mention.lower() not in _PRONOUNS), "")
    occupation = re.sub(r"^(the|an?)\s+", "", named.lower())
    texts = [re.split(r"(\W+)", re.sub(r"[][]", "", line)) for line in (pro, anti)]
    differ = [n for n, (a, b) in enumerate(zip(*texts, strict=False)) if a != b]
    words = [text[differ[0]] if differ else "" for text in texts]
    lower = words[0].lower(), words[1].lower()
    counterparts = lower in _COUNTERPARTS or lower[::-1] in _COUNTERPARTS
    if any(line.count(bracket) != len(_MENTION.findall(line)) for line in (pro, anti) for bracket in "[]"):
        return PronounPair(item, occupation, kind, "", "", "", "", "a square bracket has no counterpart")
    if len(texts[0]) != len(texts[1]) or len(differ) != 1 or not counterparts:
        return PronounPair(item, occupation, kind, "", "", "", "", "the two lines do not differ in one pronoun alone")
    before, after = "".join(texts[0][: differ[0]]), "".join(texts[0][differ[0] + 1 :])
    return PronounPair(item, occupation, kind, before, after, *words)


def measure_pronouns(pairs: Sequence[PronounPair], model: Any, tokenizer: Any, *, batch_size: int = 64) -> pd.DataFrame:
    """ln p(pro) − ln p(anti) at the place of the pronoun, masked.

    Returns:
        A frame with the columns ``ITEMS``; the unit is the occupation, the group the type.

    Raises:
        InputError: the tokenizer does not fit the model, or the model gives numbers that are not finite.
    """
    asked = [pair for pair in pairs if not pair.problem]
    words = [word for pair in asked for word in (pair.pro, pair.anti)]
    owners = [pair for pair in asked for _ in range(2)]
    texts = [f"{own.before}{word}{own.after}" for own, word in zip(owners, words, strict=True)]
    read = tokenise(model, tokenizer, texts)
    problems = {pair.item: pair.problem for pair in pairs}
    places = []
    for own, word, sentence in zip(owners, words, read, strict=True):
        places.append(sentence.at(len(own.before), len(own.before) + len(word)))
        pieces = "" if len(places[-1]) == 1 else f"the tokenizer makes {len(places[-1])} pieces of {word!r}"
        problems[own.item] = problems[own.item] or sentence.problem or pieces
    sound = [number for number, own in enumerate(owners) if not problems[own.item]]
    found = log_probability_of_word(model, tokenizer, [(read[n], places[n]) for n in sound], batch_size=batch_size)
    values = {owners[n].item: (found[k], found[k + 1]) for k, n in enumerate(sound) if n % 2 == 0}
    rows = []
    for pair in pairs:
        pro, anti = values.get(pair.item, (np.nan, np.nan))
        rows.append((pair.item, pair.occupation, pair.type, pro - anti, problems[pair.item]))
    return pd.DataFrame(rows, columns=ITEMS)


def winobias_ruler(folder: Path, split: str = "dev") -> Ruler:
    """A ruler over the lines of a split.

    Raises:
        InputError: as :func:`read_winobias`.
    """
    share = partial(preferred, decimals=6)
    scores = [
        Score("preferred", "stereotypical pronoun preferred", "%", share, neutral=50.0),
        Score("difference", "mean difference of ln p", "nats", weighted_mean),
    ]
    scores += [
        Score(kind, f"stereotypical pronoun preferred, {kind}", "%", partial(share, only=kind), neutral=50.0)
        for kind in WINOBIAS_TYPES
    ]
    measure = partial(measure_pronouns, tuple(read_winobias(folder, split)))
    source = "sentences of Zhao et al. 2018, the pronoun asked for at a mask"
    title = f"WinoBias, {split}, preference for the stereotypical pronoun"
    return Ruler("winobias", title, source, measure, tuple(scores))
