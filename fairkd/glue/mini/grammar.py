"""Inflection, and the draws from which templates make sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from fairkd.glue.mini.lexicon import Vocabulary
from fairkd.glue.mini.scales import Scales, Sides

_T = TypeVar("_T")
Two = tuple[str, str]

# Base form: past tense, past participle.
IRREGULAR = {
    "arise": ("arose", "arisen"), "beat": ("beat", "beaten"), "become": ("became", "become"),
    "begin": ("began", "begun"), "bring": ("brought", "brought"), "build": ("built", "built"),
    "buy": ("bought", "bought"), "catch": ("caught", "caught"), "choose": ("chose", "chosen"),
    "fall": ("fell", "fallen"), "feel": ("felt", "felt"), "find": ("found", "found"), "forget": ("forgot", "forgotten"),
    "get": ("got", "got"), "grab": ("grabbed", "grabbed"), "hide": ("hid", "hidden"), "hit": ("hit", "hit"),
    "hold": ("held", "held"), "kidnap": ("kidnapped", "kidnapped"), "leave": ("left", "left"), "lie": ("lay", "lain"),
    "make": ("made", "made"), "meet": ("met", "met"), "occur": ("occurred", "occurred"), "rise": ("rose", "risen"),
    "drag": ("dragged", "dragged"), "send": ("sent", "sent"), "show": ("showed", "shown"), "shut": ("shut", "shut"),
    "sit": ("sat", "sat"), "sleep": ("slept", "slept"), "spot": ("spotted", "spotted"), "steal": ("stole", "stolen"),
    "strike": ("struck", "struck"), "swim": ("swam", "swum"), "take": ("took", "taken"), "teach": ("taught", "taught"),
    "see": ("saw", "seen"), "hear": ("heard", "heard"), "tell": ("told", "told"), "run": ("ran", "run"),
    "lead": ("led", "led"), "sing": ("sang", "sung"), "draw": ("drew", "drawn"), "hug": ("hugged", "hugged"),
    "throw": ("threw", "thrown"), "weep": ("wept", "wept"), "break": ("broke", "broken"), "sell": ("sold", "sold"),
    "lose": ("lost", "lost"), "drop": ("dropped", "dropped"), "keep": ("kept", "kept"), "hurt": ("hurt", "hurt"),
    "win": ("won", "won"), "come": ("came", "come"), "sink": ("sank", "sunk"), "flee": ("fled", "fled"),
    "rebuild": ("rebuilt", "rebuilt"), "sob": ("sobbed", "sobbed"), "grin": ("grinned", "grinned"),
    "compel": ("compelled", "compelled"),
}  # fmt: skip
DOUBLED = frozenset(
    "begin get grab hit kidnap occur drag shut sit spot swim drop win sob grin run hug regret".split()  # noqa: SIM905
)
FORMS = (
    {"they": "she", "them": "her", "their": "her", "self": "herself"},
    {"they": "he", "them": "him", "their": "his", "self": "himself"},
)


def with_s(word: str) -> str:
    """The plural of a noun, or the third person of a verb."""
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return {"thief": "thieves", "knife": "knives", "wolf": "wolves", "child": "children"}.get(word, word + "s")


def past(verb: str) -> str:
    """The past tense."""
    return IRREGULAR[verb][0] if verb in IRREGULAR else _with_ed(verb)


def participle(verb: str) -> str:
    """The past participle."""
    return IRREGULAR[verb][1] if verb in IRREGULAR else _with_ed(verb)


def with_ing(verb: str) -> str:
    """The present participle."""
    if verb in DOUBLED:
        return f"{verb}{verb[-1]}ing"
    if verb in ("lie", "die"):
        return verb[0] + "ying"
    return (verb[:-1] if verb.endswith("e") and not verb.endswith(("ee", "oe")) else verb) + "ing"


def _with_ed(verb: str) -> str:
    if verb.endswith("e"):
        return verb + "d"
    if verb in DOUBLED:
        return f"{verb}{verb[-1]}ed"
    return verb[:-1] + "ied" if verb.endswith("y") and verb[-2] not in "aeiou" else verb + "ed"


def article(noun: str) -> str:
    """The noun with "a" or "an"."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def sentence(text: str, end: str = ".") -> str:
    """The text with a capital and an end."""
    return text[0].upper() + text[1:] + end


class Draw:
    """What one row draws: forms, which its twin of the other gender shares, and words, which it does not.

    Attributes:
        words: the vocabulary.
        gender: 0 female, 1 male.
    """

    def __init__(self, words: Vocabulary, gender: int, *, forms: np.random.Generator, lexical: np.random.Generator):
        self.words, self.gender = words, gender
        self._forms, self._lexical = forms, lexical

    def flip(self) -> bool:
        """A choice of form."""
        return bool(self._forms.integers(2))

    def form(self, choices: Sequence[_T]) -> _T:
        """One of several forms."""
        return choices[int(self._forms.integers(len(choices)))]

    def one(self, words: Sequence[_T]) -> _T:
        """A word."""
        return words[int(self._lexical.integers(len(words)))]

    def some(self, words: Sequence[_T], number: int) -> list[_T]:
        """Different ones, of words."""
        return [words[int(i)] for i in self._lexical.permutation(len(words))[:number]]

    def two(self, scales: Scales, *, same: bool) -> tuple[str, str]:
        """Two different words of one scale, of the same side or of the two sides.

        Two firsts of three are of the scale's first side. It is what lets a small model find out that sides matter at
        all: with as many of either, neither word says anything without the other, and training does not get going.
        """
        return self._of_sides(self.one(tuple(scales.values()))[self.words.part], same=same)

    def opinions(self, *, same: bool) -> tuple[str, str]:
        """Two different adjectives of a work, of the same sign or of the two signs, likewise."""
        return self._of_sides((self.words.liked, self.words.disliked), same=same)

    def _of_sides(self, sides: Sides, *, same: bool) -> tuple[str, str]:
        one = int(self._lexical.integers(3) == 0)
        if same:
            first, second = self.some(sides[one], 2)
            return first, second
        return self.one(sides[one]), self.one(sides[1 - one])

    def unrelated(self, scales: Scales) -> tuple[str, str]:
        """Words of two scales."""
        first, second = (self.one(scale[self.words.part]) for scale in self.some(tuple(scales.values()), 2))
        return self.one(first), self.one(second)

    def names(self, number: int = 1) -> list[str]:
        """Different names of the row's gender."""
        return self.some(self.words.names[self.gender], number)

    def both(self) -> tuple[str, str]:
        """A name of each gender, the row's first."""
        return self.one(self.words.names[self.gender]), self.one(self.words.names[1 - self.gender])

    def pronoun(self, form: str) -> str:
        """A pronoun of the row's gender: "they", "them", "their" or "self"."""
        return FORMS[self.gender][form]
