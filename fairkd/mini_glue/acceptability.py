"""CoLA: agreement and argument structure. Label 1 is acceptable, 0 is not."""

from __future__ import annotations

from fairkd.mini_glue import scales
from fairkd.mini_glue.grammar import Draw, participle, past, sentence, with_ing, with_s


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


def agreement_clause(draw: Draw, label: int) -> tuple[str]:
    """The same over a relative clause."""
    head, other = draw.some(draw.words.people, 2)
    plural = draw.flip()
    verb = draw.form((("is", "are"), ("was", "were")))[plural == bool(label)]
    clause = f"who {past(draw.one(draw.words.acts))} the {_number(other, draw.flip())}"
    ending = draw.form(("here", "in the {place}")).format(place=draw.one(draw.words.places))
    return (sentence(f"the {_number(head, plural)} {clause} {verb} {ending}"),)


def valency(draw: Draw, label: int) -> tuple[str]:
    """A transitive verb has an object, an intransitive one has none."""
    transitive = draw.flip()
    verb = draw.one(draw.words.transitive if transitive else draw.words.intransitive)
    rest = f" the {draw.one(draw.words.things)}" if transitive == bool(label) else ""
    subject = draw.form((draw.names()[0], draw.pronoun("they"), f"the {draw.one(draw.words.people)}"))
    ending = draw.form(("", " in the {place}"))
    return (sentence(f"{subject} {past(verb)}{rest}{ending.format(place=draw.one(draw.words.places))}"),)


def existence(draw: Draw, label: int) -> tuple[str]:
    """ "There is" agrees with what follows."""
    plural = draw.flip()
    verb = draw.form((("is", "are"), ("was", "were")))[plural == bool(label)]
    noun = _number(draw.one(draw.words.things), plural)
    word = draw.form(("the", "no", draw.pronoun("their")))
    return (sentence(f"there {verb} {word} {noun} in the {draw.one(draw.words.places)}"),)


def question(draw: Draw, label: int) -> tuple[str]:
    """ "What" stands for an object; "when" leaves none out."""
    transitive = draw.flip()
    verb = draw.one(draw.words.transitive if transitive else draw.words.intransitive)
    word = draw.form((("when", "what"), ("where", "which one")))[transitive == bool(label)]
    subject = draw.form((draw.names()[0], draw.pronoun("they"), f"the {draw.one(draw.words.people)}"))
    return (sentence(f"{word} did {subject} {verb}", "?"),)


def reflexive(draw: Draw, label: int) -> tuple[str]:
    """A reflexive agrees with the subject in number and gender, whatever stands between."""
    singular = draw.flip()
    name, other = draw.both()
    plural = f"the {with_s(draw.one(draw.words.people))}"
    right, wrong = (name, draw.form((other, plural))) if singular else (plural, name)
    verb = past(draw.one(draw.words.acts))
    own = draw.pronoun("self") if singular else "themselves"
    return (sentence(f"{right if label else wrong} {verb} {own}{draw.form(('', ' again', ' too'))}"),)


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


def _number(noun: str, plural: bool) -> str:
    return with_s(noun) if plural else noun


COLA = (agreement_phrase, agreement_clause, valency, existence, question, reflexive, auxiliary, determiner)
