"""A small English corpus made by rule, for the tiny profile and the tests: no file, no network, same everywhere.

Paragraphs of one to three sentences about people (the names of SEAT and gendered nouns) and the things of SEAT's
attribute and target lists, then paragraphs without any name or word of gender, about occupations and the same things:
debiasing (:mod:`fairkd.debias`) needs both. Gender and topic are drawn independently: no association is planted here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fairkd.bias.stimuli import LISTS
from fairkd.rng import numpy_generator

PARAGRAPHS, NEUTRAL_PARAGRAPHS = 360, 90
"""About people of one gender; without gender."""

NOUNS = (
    ("woman", "man"), ("girl", "boy"), ("mother", "father"), ("daughter", "son"), ("sister", "brother"),
    ("aunt", "uncle"), ("grandmother", "grandfather"), ("gal", "guy"),
)  # fmt: skip
FIRST_NAMES = (("Mary", *LISTS["FemaleNames"]), LISTS["MaleNames"])
_PRONOUNS = (
    {"they": "she", "them": "her", "their": "her", "self": "herself"},
    {"they": "he", "them": "him", "their": "his", "self": "himself"},
)
PROFESSIONS = (
    "nurse",
    "engineer",
    "teacher",
    "doctor",
    "librarian",
    "programmer",
    "judge",
    "cook",
    "pilot",
    "secretary",
)
# What one speaks of with an article; "executive" and "professional" are people or adjectives and stay out.
COUNTED = (
    "corporation", "salary", "office", "career", "home", "family", "marriage", "wedding", "computation",
    "experiment", "novel", "symphony",
)  # fmt: skip
TOPICS = tuple(
    dict.fromkeys(
        f"the {word}" if word in COUNTED else word
        for name in ("Career", "Family", "Math", "Science", "Arts7", "Arts8")
        for word in LISTS[name]
        if word not in ("executive", "professional")
    )
)

_OPENINGS = (
    "{who} worked as a {job} in the old town and often spoke about {thing} with {their} friends.",
    "For many years {who} had read about {thing}, and {they} knew more of {other} than the {job} did.",
    "When {who} came home from the city, {they} told {their} {kin} about {thing} and about {other}.",
    "In the evening {who} sat by {self} at the long table and wrote a letter about {thing}.",
    "{who} wanted to become a {job}, because {thing} had been on {their} mind since {they} was young.",
    "Nobody in the village was surprised that {who} liked {thing} better than {other} or the weather.",
)
CONTINUATIONS = (
    "The {job} asked {them} to explain {thing} to the children, and {they} did so with great care.",
    "Later {they} met {their} {kin} at the station, where the two of them talked about {other} for hours.",
    "{their} {kin} had always said that {thing} would make {them} happy, and so it did in the end.",
    "After that year {they} lived with {their} {kin} in a small house and thought of {thing} every day.",
    "It was {other}, and not {thing}, that made {them} famous far beyond the town where {they} lived.",
)
NEUTRAL_OPENINGS = (
    "The {job} who worked in the old town often spoke about {thing} with friends from the city.",
    "In the evening the {job} and the {job2} sat at the long table and wrote a letter about {thing} and {other}.",
    "For many years the {job} had read about {thing}, and knew more of {other} than the {job2} did.",
    "Nobody in the village was surprised that the {job} liked {thing} better than {other} or the weather.",
)
NEUTRAL_CONTINUATIONS = (
    "The {job} asked a friend to explain {thing} to the children, who listened with great care.",
    "Later the two of them met the {job} at the station and talked about {other} for hours.",
    "It was {other}, and not {thing}, that made the {job} famous far beyond the town.",
)


def articles() -> Iterator[str]:
    """Yields the PARAGRAPHS paragraphs about people, then the NEUTRAL_PARAGRAPHS, always the same."""
    for index in range(PARAGRAPHS):
        generator = numpy_generator(0, "generated corpus", index)
        gender = int(generator.integers(2))
        sentences = [_sentence(_OPENINGS, gender, generator)]
        sentences += [_sentence(CONTINUATIONS, gender, generator) for _ in range(int(generator.integers(3)))]
        yield " ".join(sentences)
    for index in range(NEUTRAL_PARAGRAPHS):
        generator = numpy_generator(0, "generated corpus without gender", index)
        sentences = [_neutral_sentence(NEUTRAL_OPENINGS, generator)]
        sentences += [_neutral_sentence(NEUTRAL_CONTINUATIONS, generator) for _ in range(int(generator.integers(3)))]
        yield " ".join(sentences)


def _sentence(templates: tuple[str, ...], gender: int, generator: np.random.Generator) -> str:
    nouns = tuple(pair[gender] for pair in NOUNS)
    kin = tuple(word for pair in NOUNS[2:7] for word in pair)
    text = _pick(templates, generator).format(
        who=_pick((_pick(FIRST_NAMES[gender], generator), f"the {_pick(nouns, generator)}"), generator),
        job=_pick(PROFESSIONS, generator),
        kin=_pick(kin, generator),
        thing=_pick(TOPICS, generator),
        other=_pick(TOPICS, generator),
        **_PRONOUNS[gender],
    )
    return text[0].upper() + text[1:]


def _neutral_sentence(templates: tuple[str, ...], generator: np.random.Generator) -> str:
    job, job2 = generator.choice(PROFESSIONS, 2, replace=False)
    thing, other = generator.choice(TOPICS, 2, replace=False)
    text = _pick(templates, generator).format(job=job, job2=job2, thing=thing, other=other)
    return text[0].upper() + text[1:]


def _pick(items: tuple[str, ...], generator: np.random.Generator) -> str:
    return items[int(generator.integers(len(items)))]
