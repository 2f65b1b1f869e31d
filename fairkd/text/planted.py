"""The controlled experiment's corpus: a grammar that plants a gender association of known strength rho in [-1, 1].

A document has a gender g (female or male; one in three has none) and a domain: career against family, or mathematics
and science against arts. Each of its things is a word of one side of the domain. Career, mathematics and science are
the stereotypically male side, family and arts the female one. For each thing, independently of the other things,

    P(its side is the stereotypical one of g) = (1 + rho) / 2,

and either side is equally likely where there is no gender. So the log odds ratio of a document's gender and a thing's
side is 2 ln((1 + rho) / (1 - rho)): 0 at rho = 0, and of rho's sign. Nothing else depends on gender or side: numbers
of words, places in the lists, order, templates, places and trades. At rho = 0 the words of the two sides of a domain
differ in nothing but the bleached sentences that SEAT has for them: that is the null hypothesis of SEAT itself.

The corpus is drawn so that chance adds little to this. Each of ``DRAWS`` draws gives six documents. Twins, a female
and a male document, take words from the same places of their lists, and each thing from opposite sides. A draw has two
pairs of twins with the same places, and two documents without gender, one the other's mirror. A share |rho| of all
things is planted: in both pairs on the stereotypical side, or for rho < 0 on the other. Each other thing is
stereotypical in one pair and reversed in the other. Hence, exactly: every word occurs as often at one strength as at
another; singulars and plurals taken together, every person and thing occurs as often as its twin; and at rho = 0 a
thing as often with women as with men. Two strengths differ only in the things that are planted at one of them.

The words are those of SEAT and of Appendix C, the bleached sentences are SEAT's, all else is ours. Pronouns follow
English: "her" is "him" or, before a noun, "his"; "his" is "her", before a noun, or "hers". So these four have no twin
each, only both together: "her" (418 times) and "hers" (160) occur as often as "him" (176) and "his" (402). Nor are the
words of a pair of Appendix C always twins: "her" and "his" are not, and "Mary" (350) and "John" (336) have Tom and Amy
(counts of seed 0).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

from fairkd.bias.stimuli import LISTS, sentences
from fairkd.errors import InputError
from fairkd.rng import numpy_generator

DRAWS = 720
PLANTED_WORDS = 8
"""People and things in a document; one of them stands in a bleached sentence, the others in a list."""
PREFIX = "planted:"

# Each is (female, male), of genders or of sides; words in the same place are twins. "Mary" is a word of Appendix C but
# not of SEAT; "Tom" is her twin, and "Amy" is that of "John".
PEOPLE = (
    (*LISTS["FemaleNames"], "Mary", "woman", "girl", "female", "sister", "daughter", "mother", "aunt", "grandmother"),
    (*LISTS["MaleNames"], "Tom", "man", "boy", "male", "brother", "son", "father", "uncle", "grandfather"),
)
ALONE = (("she", "her", "hers"), ("he", "him", "his"))
_PRONOUNS = (
    {"they": "she", "them": "her", "their": "her", "theirs": "hers", "self": "herself", "pal": "gal"},
    {"they": "he", "them": "him", "their": "his", "theirs": "his", "self": "himself", "pal": "guy"},
)
# SEAT has nine words for arts and sixteen for mathematics and science; seven more make them equally frequent.
_ARTS = tuple(dict.fromkeys((*LISTS["Arts7"], *LISTS["Arts8"])))
_MORE_ARTS = ("song", "opera", "ballet", "painting", "poem", "melody", "statue")
DOMAINS = ((LISTS["Family"], LISTS["Career"]), ((*_ARTS, *_MORE_ARTS), (*LISTS["Math"], *LISTS["Science"])))

LISTINGS = ("{listed}.", "Topics: {listed}.", "In the {place}: {listed}.", "The {job} liked {listed}.")
PERSONAL = (
    "{they} came by {self}.",
    "The {place} was {theirs}.",
    "It was {their} {place}.",
    "The {job} met {them}.",
    "{they} met the {pal}.",
    "{their} {job} was here.",
)
_JOBS = ("nurse", "engineer", "teacher", "doctor", "lawyer", "clerk", "judge", "cook", "pilot", "baker")
_PLACES = ("garden", "village", "library", "market", "street", "station", "harbour", "hall", "park", "tower")
_T = TypeVar("_T")


def strength(source: str) -> float:
    """The number of a source written ``planted:RHO``.

    Raises:
        InputError: it is no number in [-1, 1].
    """
    text, _, number = source.removeprefix(PREFIX).partition(":")
    if not (number or "0").isdecimal():
        raise InputError(f"corpus {source!r}: {number!r} is no number of a draw; write for example 'planted:0.5:1'")
    try:
        rho = float(text)
    except ValueError:
        rho = math.nan
    if not -1 <= rho <= 1:
        raise InputError(f"corpus {source!r}: {text!r} is no strength in [-1, 1]; write for example 'planted:0.5'")
    return rho + 0.0  # -0.0 is 0.0


def draw_number(source: str) -> int:
    """Which of the draws a source written ``planted:RHO:DRAW`` names; 0 without it."""
    return int(source.removeprefix(PREFIX).partition(":")[2] or 0)


def planted_documents(rho: float, seed: int = 0) -> Iterator[str]:
    """Yields the documents of strength ``rho``, one line each, always the same for the same seed."""
    ranks = numpy_generator(seed, "planted order").random(DRAWS * PLANTED_WORDS).argsort().argsort()
    planted = (ranks < round(abs(rho) * DRAWS * PLANTED_WORDS)).reshape(
        DRAWS, PLANTED_WORDS
    )  # a larger strength adds to these
    for number in range(DRAWS):
        draw = _Draw(number, seed)
        for pair in (0, 1):
            stereotypical = [
                rho > 0 if is_planted else side == pair
                for is_planted, side in zip(planted[number], draw.sides, strict=True)
            ]
            for gender in (0, 1):
                yield draw.document(gender, [gender if it_is else 1 - gender for it_is in stereotypical], pair)
        for mirror in (0, 1):
            yield draw.document(None, [abs(side - mirror) for side in draw.sides], 2)


class _Draw:
    """What the six documents of a draw have in common.

    Attributes:
        sides: 0 or 1 for each of the WORDS words: the pair of twins in which it is stereotypical if it is not planted,
            and its side in the first document without gender.
    """

    def __init__(self, number: int, seed: int) -> None:
        generator = numpy_generator(seed, "planted words", number)
        names = ("domain", "people", "pronoun", "frame", "listing", "personal", "order")
        self._number, self._seed = number, seed
        self._at = dict(zip(names, generator.random(len(names)).tolist(), strict=True))
        self._lists = _pick(DOMAINS, self._at["domain"])
        self._n_people = 1 + int(self._at["people"] * (PLANTED_WORDS - 1))
        self._people = generator.random(len(PEOPLE[0])).argsort()[: self._n_people].tolist()
        self._things = generator.random(len(self._lists[0])).argsort()[:PLANTED_WORDS].tolist()
        self._order = generator.random(PLANTED_WORDS).argsort().tolist()
        self.sides: list[int] = (generator.random(PLANTED_WORDS) < 0.5).astype(int).tolist()

    def document(self, gender: int | None, sides: Sequence[int], copy: int) -> str:
        """One document: a list of words and a bleached sentence in either order, then maybe a sentence with pronouns.

        Args:
            gender: 0 female, 1 male, None for no gender (then all words are things).
            sides: of each word that is a thing, 0 family or arts, 1 career or mathematics and science.
            copy: which of the documents that are else alike; it decides places and trades.
        """
        at = self._at
        words = [self._lists[side][place] for side, place in zip(sides, self._things, strict=True)]
        if gender is not None:
            words[: self._n_people] = [PEOPLE[gender][place] for place in self._people]
        words = [words[i] for i in self._order]
        alone = words.pop()
        if gender is not None and self._order[-1] < self._n_people and at["pronoun"] < 0.25:
            alone = _pick(ALONE[gender], at["pronoun"] * 4)
        job, place = numpy_generator(self._seed, "planted fillers", self._number, copy).random(2).tolist()
        filled = {"job": _pick(_JOBS, job), "place": _pick(_PLACES, place), "listed": " ".join(words)}
        parts = [_pick(sentences(alone), at["frame"]), _pick(LISTINGS, at["listing"]).format(**filled)]
        if at["order"] < 0.5:
            parts.reverse()
        if gender is not None and at["personal"] < 0.5:
            parts.append(_pick(PERSONAL, at["personal"] * 2).format(**filled, **_PRONOUNS[gender]))
        return " ".join(part[0].upper() + part[1:] for part in parts)


def _pick(items: Sequence[_T], fraction: float) -> _T:
    """The item at a fraction in [0, 1) of the way through: the same place in lists of equal length."""
    return items[int(fraction * len(items))]
