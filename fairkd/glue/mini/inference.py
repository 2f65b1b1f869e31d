"""MNLI and RTE: what follows (0), what may or may not be so (1), what contradicts (2); RTE joins the last two as 1.

A premise says something of somebody or something. The hypothesis says the same of the same, in other words; or the
same of another; or of the same what cannot be true as well. Whatever the label, the two have the same forms: their
lengths, their function words and the order of their parts say nothing, and a model that knows no word stays at chance.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from fairkd.glue.mini import scales
from fairkd.glue.mini.grammar import Draw, Two, article, sentence

_Template = Callable[[Draw, int], Two]


def places(draw: Draw, relation: int) -> Two:
    """Where somebody or something is; another may be there too, nobody is in two places."""
    mine, things, names = draw.pronoun("their"), draw.some(draw.words.things, 2), draw.names(2)
    who, other = draw.form(([f"{mine} {thing}" for thing in things], names))
    place, elsewhere = draw.some(draw.words.places, 2)
    orders = ("{who} is in the {place}", "in the {place} is {who}")
    first, second = draw.form((orders, orders[::-1]))
    premise = first.format(who=who, place=place)
    hypothesis = second.format(who=other if relation == 1 else who, place=elsewhere if relation == 2 else place)
    return sentence(premise), sentence(hypothesis)


def traits(draw: Draw, relation: int) -> Two:
    """A trait of a thing, by the same word or a synonym, or its opposite; another thing may have it too."""
    trait, then = _said(draw, scales.TRAITS, relation)
    thing, other = draw.some(draw.words.things, 2)
    frame = draw.form(("{mine} {trait} {thing} is in the {place}", "in the {place} is {mine} {trait} {thing}"))
    mine, place = draw.pronoun("their"), draw.one(draw.words.places)
    premise = frame.format(mine=mine, trait=trait, thing=thing, place=place)
    return sentence(premise), sentence(f"{mine} {other if relation == 1 else thing} is {then}")


def moods(draw: Draw, relation: int) -> Two:
    """A mood of somebody, likewise."""
    mood, then = _said(draw, scales.MOODS, relation)
    who, other = draw.names(2)
    frame = draw.form(("{who} was {mood} in the {place}", "in the {place}, {who} was {mood}"))
    premise = frame.format(who=who, mood=mood, place=draw.one(draw.words.places))
    return sentence(premise), sentence(f"{other if relation == 1 else who} was {then}")


def kinds(draw: Draw, relation: int) -> Two:
    """What somebody had is of a kind, and of no other; somebody else may have had the same."""
    kind, another = draw.some(tuple(draw.words.kinds), 2)
    member = draw.one(draw.words.kinds[kind])
    who, other = draw.names(2)
    frame = draw.form(("what {who} had was {it}", "it was {it} that {who} had"))
    premise = frame.format(who=who, it=article(member))
    hypothesis = frame.format(who=other if relation == 1 else who, it=article(another if relation == 2 else kind))
    return sentence(premise), sentence(hypothesis)


def _said(draw: Draw, table: scales.Scales, relation: int) -> Two:
    """A word of a scale, and: the word again or its synonym, or (where they contradict) its opposite."""
    one, other = draw.two(table, same=relation != 2)
    again = draw.flip()
    return one, one if again and relation != 2 else other


_OPENINGS = ("Well", "Yes", "Oh no", "You see", "By the way")


def spoken(template: _Template) -> _Template:
    """The template in talk, the other genre: what is said before the premise tells nothing."""

    @functools.wraps(template)
    def write(draw: Draw, relation: int) -> Two:
        premise, hypothesis = template(draw, relation)
        if premise.split()[0] not in (name for names in draw.words.names for name in names):
            premise = premise[0].lower() + premise[1:]
        return f"{draw.form(_OPENINGS)}, {premise}", hypothesis

    return write


RELATIONS: tuple[_Template, ...] = (places, traits, kinds, moods)
SPOKEN = tuple(spoken(template) for template in RELATIONS)
"""Those of the mismatched development set."""
