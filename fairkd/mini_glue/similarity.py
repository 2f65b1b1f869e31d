"""STS-B: a similarity from 0 to 5 that says which of three slots changed.

What somebody met or had is a person or a thing, and it was somewhere or at some time. A change puts the other there:
it costs 2. The trait has a synonym in the second sentence, or an antonym: that is a change, too, and costs 1.
"""

from __future__ import annotations

from itertools import product

from fairkd.mini_glue import scales
from fairkd.mini_glue.grammar import Draw, sentence

Grade = tuple[int, int, int]
COSTS = (2, 2, 1)
"""Of a changed noun, setting and trait."""
GRADES: tuple[Grade, ...] = tuple((noun, setting, trait) for noun, setting, trait in product((0, 1), repeat=3))
"""Which of the three change."""


def score(grade: Grade) -> float:
    """The similarity of a grade."""
    return 5.0 - sum(cost for cost, changed in zip(COSTS, grade, strict=True) if changed)


def _write(draw: Draw, grade: Grade, first: str, second: str) -> tuple[str, str]:
    nouns = [draw.one(draw.words.people), draw.one(draw.words.things)]
    settings = [draw.one(draw.words.places), draw.one(draw.words.times)]
    traits = draw.two({name: scales.TRAITS[name] for name in ("worth", "beauty", "age", "size")}, same=not grade[2])
    slots = []
    for words, changed in ((nouns, grade[0]), (settings, grade[1])):
        if draw.flip():
            words.reverse()
        slots.append((words[0], words[1] if changed else words[0]))
    fixed = {"name": draw.names()[0], "they": draw.pronoun("they"), "them": draw.pronoun("them")}
    texts = [
        sentence(frame.format(noun=noun, setting=setting, trait=trait, **fixed))
        for frame, noun, setting, trait in zip((first, second), *slots, traits, strict=True)
    ]
    return texts[0], texts[1]


def seen(draw: Draw, grade: Grade) -> tuple[str, str]:
    """Both in the usual order."""
    frame = "{they} saw the {trait} {noun} in the {setting}"
    return _write(draw, grade, frame, frame)


def fronted(draw: Draw, grade: Grade) -> tuple[str, str]:
    """The setting first in one of them."""
    return _write(
        draw, grade, "{they} met the {trait} {noun} in the {setting}", "in the {setting}, {they} met the {trait} {noun}"
    )


def passive(draw: Draw, grade: Grade) -> tuple[str, str]:
    """One active, one passive."""
    second = "the {trait} {noun} was seen by {name} in the {setting}"
    return _write(draw, grade, "{name} saw the {trait} {noun} in the {setting}", second)


def present(draw: Draw, grade: Grade) -> tuple[str, str]:
    """What was near somebody."""
    frame = "the {trait} {noun} was near {them} in the {setting}"
    return _write(draw, grade, frame, frame)


STSB = (seen, fronted, passive, present)
