"""The controlled experiment's corpus: a grammar that plants a gender association of known strength rho in [-1, 1].

A document speaks of people of one gender g (female, male; in one document of three of nobody) and of things of one
side s of a domain: career against family (one draw in three), or mathematics and science against arts (two in
three). Career, mathematics and science are the stereotypically male side, family and arts the female one. Planted is

    P(s is the stereotypical side of g) = (1 + rho) / 2,      g uniform; s uniform where there is no gender;

so the log odds ratio of g and s is 2 ln((1 + rho) / (1 - rho)). Not planted, and independent of g and s: templates,
order, places, trades, and which words of a list are taken.

Words are not all alike, or the effect size, which is measured in standard deviations of words, would be 2 or nothing.
Of a document's two sentences one has several words (people or things), the other, bleached, a single word of the other
kind. Words in even places of their lists lean to the stereotype where they stand alone, those in odd places against it:

    P(stereotypical | single word w) = |rho| [rho > 0] + (1 - |rho|) (1 + lean of w) / 2,      lean -1, 0 or 1,

and the leans of each list, and of each list of SEAT, sum to 0.

The corpus is drawn so that chance adds nothing to this. Each of ``DRAWS`` draws gives six documents. Twins, a female
and a male document, are alike but for gender and side: their words come from the same places of their lists. A draw
has two pairs of twins that differ in fillers, and in their single words, which lean in opposite ways; and two
documents without gender, one of each side. A share |rho| of the draws is planted: both pairs are stereotypical, or
reversed for rho < 0. In the other draws the single words' leans decide. Hence, exactly: each word occurs as often at
one strength as at another (vocabulary and token counts do not depend on rho), and male words as often as their twins;
and two strengths differ only in draws that are planted at one of them.

The words are those of SEAT and of Appendix C, the bleached sentences are SEAT's, all else is ours. Pronouns follow
English: "her" is "him" or, before a noun, "his"; "his" is "her", before a noun, or "hers".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

from fairkd.errors import InputError
from fairkd.rng import numpy_generator
from fairkd.stimuli import LISTS, sentences

VERSION = 1
"""Of the grammar, part of the corpus's fingerprint: raised when the same strength gives other text than before."""
DRAWS = 720
PREFIX = "planted:"

# Each is (female, male), of genders or of sides; words in the same place are twins, and words in places 2k and 2k+1
# neighbours. The first LEANING people lean. "Mary" is a word of Appendix C but not of SEAT; "Tom" is her twin.
PEOPLE = (
    (*LISTS["FemaleNames"], "woman", "girl", "sister", "daughter", "mother", "aunt", "grandmother", "female", "Mary"),
    (*LISTS["MaleNames"], "man", "boy", "brother", "son", "father", "uncle", "grandfather", "male", "Tom"),
)
LEANING = 14
ALONE = (("she", "her", "hers"), ("he", "him", "his"))
PRONOUNS = (
    {"they": "she", "them": "her", "their": "her", "theirs": "hers", "self": "herself", "pal": "gal"},
    {"they": "he", "them": "him", "their": "his", "theirs": "his", "self": "himself", "pal": "guy"},
)
# SEAT has nine words for arts and sixteen for mathematics and science; seven more make all equally frequent.
_ARTS = (*LISTS["Arts7"], "song", "Shakespeare", "opera", "ballet", "painting", "poem", "melody", "statue")
DOMAINS = ((LISTS["Family"], LISTS["Career"]), (_ARTS, (*LISTS["Math"], *LISTS["Science"])))

CARDS = (
    "Topics: {0}, {1}, {2}, {3}.",
    "The {job} liked {0}, {1}, {2} and {3}.",
    "Topics of the {place}: {0}, {1}, {2} and {3}.",
    "The {job} met the {other} for {0}, {1}, {2} and {3}.",
)
PERSONAL = (
    "{they} came by {self}.",
    "The {place} was {theirs}.",
    "It was {their} {place}.",
    "The {job} met {them}.",
    "{they} met the {pal}.",
    "{their} {job} was here.",
)
FILLERS = {
    "job": ("nurse", "engineer", "teacher", "doctor", "lawyer", "clerk", "judge", "cook", "pilot", "baker"),
    "other": ("farmer", "driver", "painter", "potter", "writer", "guard", "singer", "miner"),
    "place": ("garden", "village", "library", "market", "street", "station", "harbour", "hall", "park", "tower"),
}
T = TypeVar("T")


def strength(source: str) -> float:
    """The number of a source written ``planted:RHO``.

    Raises:
        InputError: it is no number in [-1, 1].
    """
    text = source.removeprefix(PREFIX)
    try:
        rho = float(text)
    except ValueError:
        rho = math.nan
    if not -1 <= rho <= 1:
        raise InputError(f"corpus {source!r}: {text!r} is no strength in [-1, 1]; write for example 'planted:0.5'")
    return rho + 0.0  # -0.0 is 0.0


def documents(rho: float) -> Iterator[str]:
    """Yields the documents of strength ``rho``, one line each, always the same."""
    order = numpy_generator(0, "planted order").random(DRAWS).argsort()
    planted = set(order[: round(abs(rho) * DRAWS)].tolist())  # those of a strength are among those of a larger one
    for draw in range(DRAWS):
        for pair in (0, 1):
            stereotypical = rho > 0 if draw in planted else pair == 0
            for gender in (0, 1):
                yield document(draw, pair, gender=gender, side=gender if stereotypical else 1 - gender)
        for side in (0, 1):
            yield document(draw, 2, gender=None, side=side)


def document(draw: int, copy: int, *, gender: int | None, side: int) -> str:
    """One document."""
    generator = numpy_generator(0, "planted words", draw)
    domain, persons, alone, card, personal, frame, order, has = generator.random(8).tolist()
    things = _pick(DOMAINS, domain)[side]
    places = _places(generator.random(16)[: len(things)], len(things), copy)
    people_places = _places(generator.random(len(PEOPLE[0])), LEANING, copy)
    shuffled = generator.random(5).argsort()
    words = [things[place] for place in places[:5]]
    if gender is not None:
        n_persons = 1 + int(persons * 4)
        words[:n_persons] = [PEOPLE[gender][place] for place in people_places[:n_persons]]
        if shuffled[4] < n_persons and alone < 0.5:
            words[shuffled[4]] = _pick(ALONE[gender], alone * 2)
    words = [words[i] for i in shuffled]
    fillers = numpy_generator(0, "planted fillers", draw, copy).random(len(FILLERS)).tolist()
    filled = {name: _pick(items, fraction) for (name, items), fraction in zip(FILLERS.items(), fillers, strict=True)}
    parts = [_pick(sentences(words[4]), frame), _pick(CARDS, card).format(*words, **filled)]
    if order < 0.5:
        parts = parts[::-1]
    if gender is not None and has < 0.5:
        parts.append(_pick(PERSONAL, personal).format(**filled, **PRONOUNS[gender]))
    return " ".join(part[0].upper() + part[1:] for part in parts)


KAPPA = 0.95


def _places(fractions, leaning: int, copy: int) -> list[int]:
    w = [(KAPPA if i % 2 == 0 else 1 - KAPPA) if i < leaning and copy != 2 else 0.5 for i in range(len(fractions))]
    places = (-np.log1p(-fractions) / np.array(w)).argsort().tolist()
    return [place ^ 1 if copy == 1 and place < leaning else place for place in places]


def _pick(items: Sequence[T], fraction: float) -> T:
    return items[int(fraction * len(items))]
