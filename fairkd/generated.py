"""A small English corpus made by rule, for the tiny profile and the tests: no file, no network, same everywhere.

Paragraphs of one to three sentences about people (the names of SEAT and gendered nouns) and the things of SEAT's
attribute and target lists. Gender and topic are drawn independently: no association is planted here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fairkd.rng import numpy_generator
from fairkd.stimuli import LISTS

PARAGRAPHS = 360

NOUNS = (
    ("woman", "man"), ("girl", "boy"), ("mother", "father"), ("daughter", "son"), ("sister", "brother"),
    ("aunt", "uncle"), ("grandmother", "grandfather"), ("gal", "guy"),
)  # fmt: skip
NAMES = (("Mary", *LISTS["FemaleNames"]), LISTS["MaleNames"])
PRONOUNS = (
    {"they": "she", "them": "her", "their": "her", "self": "herself"},
    {"they": "he", "them": "him", "their": "his", "self": "himself"},
)
JOBS = ("nurse", "engineer", "teacher", "doctor", "librarian", "programmer", "judge", "cook", "pilot", "secretary")
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

OPENINGS = (
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


def paragraphs() -> Iterator[str]:
    """Yields the PARAGRAPHS paragraphs, always the same."""
    for index in range(PARAGRAPHS):
        generator = numpy_generator(0, "generated corpus", index)
        gender = int(generator.integers(2))
        sentences = [_sentence(OPENINGS, gender, generator)]
        sentences += [_sentence(CONTINUATIONS, gender, generator) for _ in range(int(generator.integers(3)))]
        yield " ".join(sentences)


def _sentence(templates: tuple[str, ...], gender: int, generator: np.random.Generator) -> str:
    def pick(items: tuple[str, ...]) -> str:
        return items[int(generator.integers(len(items)))]

    nouns = tuple(pair[gender] for pair in NOUNS)
    kin = tuple(word for pair in NOUNS[2:7] for word in pair)
    text = pick(templates).format(
        who=pick((pick(NAMES[gender]), f"the {pick(nouns)}")),
        job=pick(JOBS),
        kin=pick(kin),
        thing=pick(TOPICS),
        other=pick(TOPICS),
        **PRONOUNS[gender],
    )
    return text[0].upper() + text[1:]
