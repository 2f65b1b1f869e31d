"""STS-B: a similarity from 0 to 5 that says how many of five slots changed.

Who, what, where and the two traits of a sentence each stay or change to another word of the same list. A trait that
stays may be said by a synonym.
"""

from __future__ import annotations

from itertools import combinations

from fairkd.glue.mini import scales
from fairkd.glue.mini.grammar import Draw, participle, past, sentence

SLOTS = 5
GRADES: tuple[int, ...] = tuple(range(SLOTS + 1))
"""How many slots change."""


def similarity(changes: int) -> float:
    """The similarity after so many changes."""
    return float(SLOTS - changes)


def _write(draw: Draw, changes: int, first: str, second: str) -> tuple[str, str]:
    changed = draw.form(tuple(combinations(range(SLOTS), changes)))
    words = draw.words
    nouns = [draw.some(list_, 2) for list_ in (words.people, words.things, words.places)]
    slots = [(one, other if slot in changed else one) for slot, (one, other) in enumerate(nouns)]
    for slot, table in ((3, scales.MOODS), (4, scales.TRAITS)):
        slots.append(draw.unrelated(table) if slot in changed else _kept(draw, table))
    verb, they, name = draw.one(words.transitive), draw.pronoun("they"), draw.names()[0]
    texts = []
    for frame, (person, thing, place, mood, trait) in zip((first, second), zip(*slots, strict=True), strict=True):
        filled = {
            "person": person,
            "thing": thing,
            "place": place,
            "mood": mood,
            "trait": trait,
            "they": they,
            "name": name,
        }
        texts.append(sentence(frame.format(**filled, past=past(verb), participle=participle(verb))))
    return texts[0], texts[1]


def _kept(draw: Draw, table: scales.Scales) -> tuple[str, str]:
    """A word twice, or with its synonym."""
    one, other = draw.two(table, same=True)
    return one, draw.form((one, other))


def plain_order(draw: Draw, changes: int) -> tuple[str, str]:
    """Both in the usual order."""
    frame = "the {mood} {person} {past} the {trait} {thing} in the {place}"
    return _write(draw, changes, frame, frame)


def fronted(draw: Draw, changes: int) -> tuple[str, str]:
    """The place first in one of them."""
    first = "the {mood} {person} {past} the {trait} {thing} in the {place}"
    return _write(draw, changes, first, "in the {place}, the {mood} {person} {past} the {trait} {thing}")


def passive(draw: Draw, changes: int) -> tuple[str, str]:
    """One active, one passive."""
    first = "the {mood} {person} {past} the {trait} {thing} in the {place}"
    return _write(draw, changes, first, "the {trait} {thing} was {participle} by the {mood} {person} in the {place}")


def seen(draw: Draw, changes: int) -> tuple[str, str]:
    """What somebody saw, who is a name in one and a pronoun in the other."""
    first = "in the {place} {name} saw the {mood} {person} near the {trait} {thing}"
    return _write(draw, changes, first, "{they} saw the {mood} {person} near the {trait} {thing} in the {place}")


STSB = (plain_order, fronted, passive, seen)
