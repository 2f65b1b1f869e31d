"""MNLI and RTE: what follows (0), what may or may not be so (1), what contradicts (2); RTE joins the last two as 1.

Denials are as frequent with one label as with another: a denial says nothing without the other sentence.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from fairkd.glue.mini import scales
from fairkd.glue.mini.grammar import Draw, Two, article, participle, past, sentence

_Template = Callable[[Draw, int], Two]


def kinds(draw: Draw, relation: int) -> Two:
    """A kind follows from its member, not the other way round; another member contradicts."""
    hypernym, (one, other) = draw.kind(2)
    before, after = ((one, hypernym), (hypernym, one), (one, other))[relation]
    frame = draw.form(("this is {x}", "{they} had {x}", "what {they} had was {x}"))
    frame = frame.replace("{they}", draw.pronoun("they"))
    return sentence(frame.format(x=article(before))), sentence(frame.format(x=article(after)))


def modifiers(draw: Draw, relation: int) -> Two:
    """A modifier may be dropped, not added; its opposite contradicts."""
    trait, opposite = draw.two(scales.TRAITS, same=False)
    thing, place = draw.one(draw.words.things), draw.one(draw.words.places)
    frame = draw.form(("the only {thing} in the {place} is for {them}", "{their} {thing} is in the {place}"))
    frame = frame.replace("{them}", draw.pronoun("them")).replace("{their}", draw.pronoun("their"))
    texts = [
        sentence(frame.format(thing=f"{word} {thing}".strip(), place=place))
        for word in ((trait, ""), ("", trait), (trait, opposite))[relation]
    ]
    return texts[0], texts[1]


def mood_relations(draw: Draw, relation: int) -> Two:
    """A synonym follows, what is unrelated may be so, an antonym contradicts."""
    mood, then = draw.unrelated(scales.MOODS) if relation == 1 else draw.two(scales.MOODS, same=relation == 0)
    who = draw.form((draw.pronoun("they"), draw.names()[0]))
    return sentence(f"{who} was {mood}"), sentence(f"{who} was {then}")


def voices(draw: Draw, relation: int) -> Two:
    """A deed told in the other voice; its roles swapped; its denial."""
    one, other = draw.both()
    verb = draw.one(draw.words.acts)
    denied, passive = draw.flip(), draw.flip()
    agent, patient = (other, one) if relation == 1 else (one, other)
    return _told(one, other, verb, denied=denied, passive=passive), _told(
        agent, patient, verb, denied=denied != (relation == 2), passive=not passive
    )


def _told(agent: str, patient: str, verb: str, *, denied: bool, passive: bool) -> str:
    if passive:
        return sentence(f"{patient} was {'not ' if denied else ''}{participle(verb)} by {agent}")
    return sentence(f"{agent} did not {verb} {patient}" if denied else f"{agent} {past(verb)} {patient}")


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


RELATIONS: tuple[_Template, ...] = (kinds, modifiers, mood_relations, voices)
SPOKEN = tuple(spoken(template) for template in RELATIONS)
"""Those of the mismatched development set."""
