"""QNLI: whether a sentence answers a question (0 it does, 1 not); QQP: whether two questions are the same (1 yes)."""

from __future__ import annotations

from fairkd.glue.mini import scales
from fairkd.glue.mini.grammar import Draw, Two, article, past, sentence


def who_what(draw: Draw, label: int) -> Two:
    """Who and what: the sentence has a person or a thing there."""
    who = draw.flip()
    said = draw.one(draw.words.people if who != bool(label) else draw.words.things)
    they, verb = draw.pronoun("they"), draw.one(draw.words.transitive)
    return sentence(f"{'who' if who else 'what'} did {they} {verb}", "?"), sentence(f"{they} {past(verb)} the {said}")


def which_kind(draw: Draw, label: int) -> Two:
    """What kind: a member of that kind, or of another."""
    first, second = draw.some(tuple(draw.words.kinds), 2)
    member = draw.one(draw.words.kinds[second if label else first])
    name, verb = draw.names()[0], draw.one(draw.words.transitive)
    return sentence(f"which {first} did {name} {verb}", "?"), sentence(f"{name} {past(verb)} {article(member)}")


def same_thing(draw: Draw, label: int) -> Two:
    """Where something is: it, or another thing, is said to be somewhere."""
    thing, other = draw.some(draw.words.things, 2)
    mine, place = draw.pronoun("their"), draw.one(draw.words.places)
    said = f"{mine} {other if label else thing}"
    answer = draw.form((f"{said} is in the {place}", f"in the {place} is {said}"))
    return sentence(f"where is {mine} {thing}", "?"), sentence(answer)


def same_person(draw: Draw, label: int) -> Two:
    """What somebody did: that one, or somebody else."""
    name, other = draw.names(2)
    verb, thing = draw.one(draw.words.transitive), draw.one(draw.words.things)
    return sentence(f"what did {name} {verb}", "?"), sentence(f"{other if label else name} {past(verb)} the {thing}")


QNLI = (same_thing, same_person, which_kind, who_what)


def why_so(draw: Draw, label: int) -> Two:
    """Reasons of a mood."""
    mood, then = draw.two(scales.MOODS, same=bool(label))
    name = draw.names()[0]
    return sentence(f"why is {name} {mood}", "?"), sentence(f"how come {name} is {then}", "?")


def asked_opinions(draw: Draw, label: int) -> Two:
    """Whether a work is good: adjectives of one sign mean nearly the same."""
    first, second = draw.opinions(same=bool(label))
    mine = f"{draw.pronoun('their')} {draw.one(draw.words.works)}"
    return sentence(f"was {mine} {first}", "?"), sentence(f"was {mine} really {second}", "?")


def one_thing(draw: Draw, label: int) -> Two:
    """Ways to do something to a thing, or to another one."""
    thing, other = draw.some(draw.words.things, 2)
    verb, then = draw.one(draw.words.transitive), thing if label else other
    second = draw.form(("what is the best way to {verb} the {thing}", "how should {they} {verb} the {thing}"))
    second = second.format(verb=verb, thing=then, they=draw.pronoun("they"))
    return sentence(f"how can {draw.pronoun('they')} {verb} the {thing}", "?"), sentence(second, "?")


def one_place(draw: Draw, label: int) -> Two:
    """Why somebody was in a place, or in another one."""
    name = draw.names()[0]
    place, other = draw.some(draw.words.places, 2)
    second = draw.form(("how is it that {name} was in the {place}", "how come {name} was in the {place}"))
    second = second.format(name=name, place=place if label else other)
    return sentence(f"why was {name} in the {place}", "?"), sentence(second, "?")


QQP = (one_thing, one_place, why_so, asked_opinions)
