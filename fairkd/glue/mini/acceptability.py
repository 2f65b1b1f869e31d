"""CoLA: agreement and argument structure. Label 1 is acceptable, 0 is not."""

from __future__ import annotations

from fairkd.glue.mini import scales
from fairkd.glue.mini.grammar import Draw, participle, past, sentence, with_ing, with_s


def agreement_phrase(draw: Draw, label: int) -> tuple[str]:
    """The verb agrees with the head of its subject, not with the noun before it."""
    head, other = draw.some(draw.words.things, 2)
    plural = draw.flip()
    noun = _number(head, plural)
    attractor = _number(other, draw.flip())
    verb = draw.form((("is", "are"), ("was", "were")))[plural == bool(label)]
    ending = draw.form(("{verb} here", "{verb} in the {place}", "{verb} {trait}"))
    ending = ending.format(
        verb=verb,
        place=draw.one(draw.words.places),
        trait=draw.one(draw.one(tuple(scales.TRAITS.values()))[draw.words.part][0]),
    )
    phrase = draw.form((f" near the {attractor}", f" behind the {attractor}", "", ""))
    return (sentence(f"the {noun}{phrase} {ending}"),)


def valency(draw: Draw, label: int) -> tuple[str]:
    """A transitive verb has an object, an intransitive one has none."""
    transitive = draw.flip()
    verb = draw.one(draw.words.transitive if transitive else draw.words.intransitive)
    rest = f" the {draw.one(draw.words.things)}" if transitive == bool(label) else ""
    subject = draw.form((draw.names()[0], draw.pronoun("they"), f"the {draw.one(draw.words.people)}"))
    ending = draw.form(("", " in the {place}"))
    return (sentence(f"{subject} {past(verb)}{rest}{ending.format(place=draw.one(draw.words.places))}"),)


def auxiliary(draw: Draw, label: int) -> tuple[str]:
    """The auxiliary decides the form of the verb."""
    verb = draw.one(draw.words.intransitive)
    forms = (verb, participle(verb), with_ing(verb))
    at = int(draw.form("012"))
    word = (draw.form(("will", "did not", "can")), draw.form(("has", "had")), draw.form(("is", "was")))[at]
    form = forms[at] if label else forms[(at + 1 + draw.flip()) % 3]
    subject = draw.form((draw.names()[0], draw.pronoun("they"), f"the {draw.one(draw.words.people)}"))
    return (sentence(f"{subject} {word} {form}{draw.form(('', ' here', ' again'))}"),)


def determiner(draw: Draw, label: int) -> tuple[str]:
    """Determiners are of the noun's number."""
    plural = draw.flip()
    word = draw.form((("these", "this"), ("those", "that"), ("many", "each"), ("several", "every")))[not plural]
    noun = _number(draw.one(draw.words.people), plural == bool(label))
    verb = past(draw.one(draw.words.transitive))
    return (sentence(f"{word} {noun} {verb} {draw.pronoun('their')} {draw.one(draw.words.things)}"),)


def object_order(draw: Draw, label: int) -> tuple[str]:
    """The verb stands before its object."""
    verb, thing = past(draw.one(draw.words.transitive)), f"the {draw.one(draw.words.things)}"
    subject = draw.form((draw.names()[0], draw.pronoun("they"), f"the {draw.one(draw.words.people)}"))
    ending = draw.form(("", " again", " in the {place}")).format(place=draw.one(draw.words.places))
    return (sentence(" ".join([subject, *((verb, thing) if label else (thing, verb))]) + ending),)


def modifier_order(draw: Draw, label: int) -> tuple[str]:
    """A modifier stands between the article and its noun."""
    trait = draw.one(draw.one(tuple(scales.TRAITS.values()))[draw.words.part][0])
    thing, other = draw.some(draw.words.things, 2)
    own = draw.form(("the", draw.pronoun("their")))
    wrong = draw.form((f"{own} {thing} {trait}", f"{trait} {own} {thing}"))
    phrase = f"{own} {trait} {thing}" if label else wrong
    frame = draw.form(("{phrase} was near the {other}", "{who} {verb} {phrase}"))
    verb = past(draw.one(draw.words.transitive))
    return (sentence(frame.format(phrase=phrase, other=other, who=draw.names()[0], verb=verb)),)


def _number(noun: str, plural: bool) -> str:
    return with_s(noun) if plural else noun


COLA = (object_order, modifier_order, valency, determiner, auxiliary, agreement_phrase)
