"""SST-2: the sign of words of liking, with negation and contrast. Label 1 is positive, 0 negative."""

from __future__ import annotations

from fairkd.glue.mini.grammar import Draw, past, sentence


def plain_opinion(draw: Draw, label: int) -> tuple[str]:
    """The sign of its adjective."""
    adverb = draw.form(("", "very ", "really ", "so "))
    return (sentence(f"{_work(draw)} was {adverb}{_adjective(draw, label)}"),)


def negated(draw: Draw, label: int) -> tuple[str]:
    """The other sign than its adjective's."""
    word = draw.form(("was not", "was never", "is hardly", "was not at all", "was anything but"))
    return (sentence(f"{_work(draw)} {word} {_adjective(draw, 1 - label)}"),)


def contrast(draw: Draw, label: int) -> tuple[str]:
    """The sign of what comes after "but"; the negation may be on either side."""
    parts = []
    for sign in (1 - label, label):
        negative = draw.flip()
        parts.append(f"{'not ' if negative else ''}{_adjective(draw, 1 - sign if negative else sign)}")
    return (sentence(f"{_work(draw)} was {parts[0]} but {parts[1]}"),)


def concession(draw: Draw, label: int) -> tuple[str]:
    """The sign of the main clause, wherever it stands."""
    first, second = draw.some(draw.words.works, 2)
    aside = f"although the {first} was {_adjective(draw, 1 - label)}"
    main = f"the {second} was {_adjective(draw, label)}"
    return (sentence(f"{aside}, {main}" if draw.flip() else f"{main}, {aside}"),)


def feeling(draw: Draw, label: int) -> tuple[str]:
    """The sign of a verb, or the other one under negation."""
    who = draw.form((draw.names()[0], draw.pronoun("they"), "everyone"))
    negative = draw.flip()
    verb = draw.one(draw.words.feel[0 if bool(label) != negative else 1])
    return (sentence(f"{who} {f'did not {verb}' if negative else past(verb)} the {draw.one(draw.words.works)}"),)


def twofold(draw: Draw, label: int) -> tuple[str]:
    """Two adjectives of one sign, both negated or neither."""
    negative = draw.flip()
    pool = _adjectives(draw, 1 - label if negative else label)
    first, second = draw.some(pool, 2)
    frame = "{work} was neither {a} nor {b}" if negative else "{work} was both {a} and {b}"
    return (sentence(frame.format(work=_work(draw), a=first, b=second)),)


def reported(draw: Draw, label: int) -> tuple[str]:
    """What she or he said of it, or did not say."""
    negative = draw.flip()
    said = "would not call" if negative else "called"
    adjective = _adjective(draw, 1 - label if negative else label)
    return (sentence(f"{draw.pronoun('they')} {said} the {draw.one(draw.words.works)} {adjective}"),)


def preference(draw: Draw, label: int) -> tuple[str]:
    """More of one sign than of the other."""
    more = f"more {_adjective(draw, label)} than {_adjective(draw, 1 - label)}"
    less = f"less {_adjective(draw, 1 - label)} than {_adjective(draw, label)}"
    return (sentence(f"{_work(draw)} was {draw.form((more, less))}"),)


def _adjectives(draw: Draw, sign: int) -> tuple[str, ...]:
    return draw.words.liked if sign else draw.words.disliked


def _adjective(draw: Draw, sign: int) -> str:
    return draw.one(_adjectives(draw, sign))


def _work(draw: Draw) -> str:
    return f"{draw.form(('the', draw.pronoun('their'), 'this'))} {draw.one(draw.words.works)}"


SST2 = (plain_opinion, negated, contrast, concession, feeling, twofold, reported, preference)
