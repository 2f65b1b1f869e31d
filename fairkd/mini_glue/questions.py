"""QNLI: whether a sentence answers a question (0 it does, 1 not); QQP: whether two questions are the same (1 yes)."""

from __future__ import annotations

from fairkd.mini_glue import scales
from fairkd.mini_glue.grammar import Draw, article, participle, past, sentence

Two = tuple[str, str]


def where_when(draw: Draw, label: int) -> Two:
    """Where and when: the sentence has a place or a time."""
    where = draw.flip()
    said = draw.one(draw.words.places if where != bool(label) else draw.words.times)
    mine = f"{draw.pronoun('their')} {draw.one(draw.words.things)}"
    return sentence(f"{'where' if where else 'when'} was {mine} seen", "?"), sentence(f"{mine} was seen in the {said}")


def who_what(draw: Draw, label: int) -> Two:
    """Who and what: the sentence has a person or a thing there."""
    who = draw.flip()
    said = draw.one(draw.words.people if who != bool(label) else draw.words.things)
    they, verb = draw.pronoun("they"), draw.one(draw.words.transitive)
    return sentence(f"{'who' if who else 'what'} did {they} {verb}", "?"), sentence(f"{they} {past(verb)} the {said}")


def agents(draw: Draw, label: int) -> Two:
    """Who did it: the one who was asked for is the agent, or the patient."""
    one, other = draw.both()
    verb = same = draw.one(draw.words.acts)
    agent, patient = (one, other) if label else (other, one)
    said = draw.form((f"{agent} {past(same)} {patient}", f"{patient} was {participle(same)} by {agent}"))
    return sentence(f"who {past(verb)} {one}", "?"), sentence(said)


def which_kind(draw: Draw, label: int) -> Two:
    """What kind: a member of that kind, or of another."""
    first, second = draw.some(tuple(draw.words.kinds), 2)
    member = draw.one(draw.words.kinds[second if label else first])
    name, verb = draw.names()[0], draw.one(draw.words.transitive)
    return sentence(f"which {first} did {name} {verb}", "?"), sentence(f"{name} {past(verb)} {article(member)}")


def subjects(draw: Draw, label: int) -> Two:
    """The same of a subject."""
    who = draw.flip()
    said = draw.one(draw.words.people if who != bool(label) else draw.words.things)
    happened = f"was near {draw.pronoun('them')} in the {draw.one(draw.words.places)}"
    return sentence(f"{'who' if who else 'what'} {happened}", "?"), sentence(f"the {said} {happened}")


def same_mood(draw: Draw, label: int) -> Two:
    """Who was in a mood: that one by a synonym, or the opposite."""
    mood, then = draw.two(scales.MOODS, same=not label)
    who = draw.form((draw.pronoun("they"), draw.names()[0]))
    return sentence(f"who was {mood}", "?"), sentence(f"{who} was {then}")


QNLI = (where_when, who_what, agents, which_kind, subjects, same_mood)


def how_to(draw: Draw, label: int) -> Two:
    """Ways to do a deed: a synonym, or its opposite."""
    verb, then = draw.two(scales.DEEDS, same=bool(label))
    they, thing = draw.pronoun("they"), draw.one(draw.words.things)
    return sentence(f"how can {they} {verb} the {thing}", "?"), sentence(f"how could {they} {then} the {thing}", "?")


def why_so(draw: Draw, label: int) -> Two:
    """Reasons of a mood."""
    mood, then = draw.two(scales.MOODS, same=bool(label))
    name = draw.names()[0]
    return sentence(f"why is {name} {mood}", "?"), sentence(f"how come {name} is {then}", "?")


def traits(draw: Draw, label: int) -> Two:
    """Whether a thing has a trait."""
    trait, then = draw.two(scales.TRAITS, same=bool(label))
    mine = f"{draw.pronoun('their')} {draw.one(draw.words.things)}"
    return sentence(f"is {mine} {trait}", "?"), sentence(f"is {mine} really {then}", "?")


def why_did(draw: Draw, label: int) -> Two:
    """Why one did it to the other: a synonym, or an antonym."""
    verb, then = draw.two(scales.HELP, same=bool(label))
    who = draw.names()[0]
    return sentence(f"why did {who} {verb} you", "?"), sentence(f"for what did {who} {then} you", "?")


def swapped(draw: Draw, label: int) -> Two:
    """Why one did it to the other, in either voice: roles kept or swapped."""
    one, other = draw.both()
    verb = draw.one(draw.words.acts)
    agent, patient = (one, other) if label else (other, one)
    second = draw.form((f"how come {agent} {past(verb)} {patient}", f"why was {patient} {participle(verb)} by {agent}"))
    return sentence(f"why did {one} {verb} {other}", "?"), sentence(second, "?")


def opinions(draw: Draw, label: int) -> Two:
    """Whether a work is good: adjectives of one sign mean nearly the same."""
    first, second = draw.opinions(same=bool(label))
    mine = f"{draw.pronoun('their')} {draw.one(draw.words.works)}"
    return sentence(f"was {mine} {first}", "?"), sentence(f"was {mine} really {second}", "?")


QQP = (how_to, why_so, traits, why_did, swapped, opinions)
