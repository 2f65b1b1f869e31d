"""MRPC: paraphrases against sentences of nearly the same words. Label 1 is equivalent, 0 is not."""

from __future__ import annotations

from fairkd.glue.mini import scales
from fairkd.glue.mini.grammar import Draw, Two, article, participle, past, sentence


def roles(draw: Draw, label: int) -> Two:
    """Who did it to whom, in either voice: roles kept or swapped."""
    one, other = draw.both()
    verb = draw.one(draw.words.acts)
    told = [_voices(one, other, verb), _voices(one, other, verb) if label else _voices(other, one, verb)]
    first = int(draw.flip())
    return sentence(told[0][first]), sentence(told[1][1 - first])


def same_moods(draw: Draw, label: int) -> Two:
    """A mood by a synonym or an antonym."""
    one, other = draw.two(scales.MOODS, same=bool(label))
    who = draw.form((draw.pronoun("they"), draw.names()[0]))
    return sentence(f"{who} was {one}"), sentence(f"{who} was {other}")


def same_opinions(draw: Draw, label: int) -> Two:
    """What was thought of a work, in another order."""
    one, other = draw.opinions(same=bool(label))
    work = draw.one(draw.words.works)
    return sentence(f"{draw.pronoun('their')} {work} was {one}"), sentence(f"it was {article(f'{other} {work}')}")


def acts(draw: Draw, label: int) -> Two:
    """What one did to the other, by a synonym or an antonym."""
    verb, then = draw.two(scales.HELP, same=bool(label))
    who = draw.form((draw.pronoun("they"), draw.names()[0]))
    return sentence(f"{who} {past(verb)} us"), sentence(f"{who} {past(then)} us too")


def _voices(agent: str, patient: str, verb: str) -> Two:
    return f"{agent} {past(verb)} {patient}", f"{patient} was {participle(verb)} by {agent}"


MRPC = (roles, same_moods, same_opinions, acts)
