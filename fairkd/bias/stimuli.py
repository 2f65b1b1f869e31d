"""The sentences of SEAT's six gender tests (May et al. 2019; Ahn et al. Section 3 and Appendix B), made by rule.

Eight words a list, templates by word class, and the published truncation: the original authors once cut the
longer target set with an unseeded random sample, so the positions it dropped are data (``DROPPED``). The result
equals the published sets sentence by sentence, in order; the tests check the SHA-256 of all fourteen sets.

>>> TESTS
('C6', 'C6b', 'C7', 'C7b', 'C8', 'C8b')
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fairkd.errors import InputError, nearest

TESTS = ("C6", "C6b", "C7", "C7b", "C8", "C8b")

LISTS: dict[str, tuple[str, ...]] = {
    name: tuple(words.split())
    for name, words in {
        "MaleNames": "John Paul Mike Kevin Steve Greg Jeff Bill",
        "FemaleNames": "Amy Joan Lisa Sarah Diana Kate Ann Donna",
        "Career": "executive management professional corporation salary office business career",
        "Family": "home parents children family cousins marriage wedding relatives",
        "MaleTerms": "male man boy brother he him his son",
        "FemaleTerms": "female woman girl sister she her hers daughter",
        "MaleTerms8": "brother father uncle grandfather son he his him",
        "FemaleTerms8": "sister mother aunt grandmother daughter she hers her",
        "Math": "math algebra geometry calculus equations computation numbers addition",
        "Arts7": "poetry art dance literature novel symphony drama sculpture",
        "Science": "science technology physics chemistry Einstein NASA experiment astronomy",
        "Arts8": "poetry art Shakespeare dance literature novel symphony drama",
    }.items()
}

# X and Y are the targets, A and B the attributes; a positive effect is the stereotype in all six tests. In C7 and
# C8 the gender words are the attributes, as in the published files and unlike the words of the paper's Appendix B.
ROLES: dict[str, dict[str, str]] = {
    "C6": {"X": "MaleNames", "Y": "FemaleNames", "A": "Career", "B": "Family"},
    "C6b": {"X": "MaleTerms", "Y": "FemaleTerms", "A": "Career", "B": "Family"},
    "C7": {"X": "Math", "Y": "Arts7", "A": "MaleTerms", "B": "FemaleTerms"},
    "C7b": {"X": "Math", "Y": "Arts7", "A": "MaleNames", "B": "FemaleNames"},
    "C8": {"X": "Science", "Y": "Arts8", "A": "MaleTerms8", "B": "FemaleTerms8"},
    "C8b": {"X": "Science", "Y": "Arts8", "A": "MaleNames", "B": "FemaleNames"},
}

NAME_TESTS = tuple(test for test in TESTS if "MaleNames" in ROLES[test].values())
"""C6, C7b and C8b: gender is shown by first names. In the others it is by words that mixup exchanges, most of them."""

# Zero-based positions that the published truncation took out of the full Y list.
DROPPED: dict[str, frozenset[int]] = {
    "C7": frozenset({13, 16, 17, 31, 34, 40, 47, 74, 76, 78}),
    "C7b": frozenset({0, 26, 33, 37, 39, 54, 63, 67, 68, 75}),
    "C8": frozenset({4, 11, 13, 17, 18, 29, 30, 38, 39, 40, 43, 44, 46, 53, 59, 62, 64, 65, 67, 74}),
    "C8b": frozenset({2, 3, 5, 12, 14, 18, 20, 21, 23, 28, 34, 37, 44, 50, 53, 58, 59, 65, 72, 75}),
}

_LISTED_AS_PLURAL = ("parents", "children", "cousins", "relatives", "numbers", "equations")

# {t} is the word itself, {s} its singular with article, {S} the singular, {p} the plural.
_NAME = (
    "This is {t}.|That is {t}.|There is {t}.|Here is {t}.|{t} is here.|{t} is there.|{t} is a person.|"
    "The person's name is {t}."
)
_ADJECTIVE = "This is {t}.|That is {t}.|They are {t}."
MASS_NOUN = "This is {t}.|That is {t}.|There is {t}.|It is {t}."
_SUBJECT = "{t} is here.|{t} is there.|Here {t} is.|There {t} is.|{t} is a person."
_OBJECT = "It is {t}.|This is {t}.|That is {t}."
_POSSESSIVE = (
    "This is {t}.|That is {t}.|There is {t}.|Here is {t}.|It is {t}.|{t} is there.|{t} is here."  # there first
)
_SINGULAR = "This is {s}.|That is {s}.|There is {s}.|Here is {s}.|The {S} is here.|The {S} is there."
_PLURAL = "These are {p}.|Those are {p}.|They are {p}.|The {p} are here.|The {p} are there."
PERSON_NOUN = f"{_SINGULAR}|{{s}} is a person.|{_PLURAL}|{{p}} are people."
_THING_NOUN = f"{_SINGULAR}|{{s}} is a thing.|It is {{s}}.|{_PLURAL}|{{p}} are things."

_CLASSES = (
    (_ADJECTIVE, "professional"),
    (MASS_NOUN, "math algebra geometry calculus science physics chemistry astronomy NASA poetry art literature"),
    (_SUBJECT, "he she"),
    (_OBJECT, "him her"),
    (_POSSESSIVE, "his hers"),
    (PERSON_NOUN, "male man boy brother son father uncle grandfather"),
    (PERSON_NOUN, "female woman girl sister daughter mother aunt grandmother"),
)
_TEMPLATES = {word: templates for templates, members in _CLASSES for word in members.split()}


def stimuli(test: str) -> dict[str, list[str]]:
    """The sentences of one test, in the published order.

    Args:
        test: one of ``TESTS``.

    Returns:
        ``{"X", "Y", "A", "B"}`` -> sentences: X and Y the target sets (equally long), A and B the attribute sets.

    Raises:
        InputError: for an unknown test.

    >>> {role: sentences[0] for role, sentences in stimuli("C6b").items()}
    {'X': 'This is a male.', 'Y': 'This is a female.', 'A': 'This is an executive.', 'B': 'This is a home.'}
    """
    return {role: [sentence for _, sentence in pairs] for role, pairs in _pairs(test).items()}


def words(test: str) -> dict[str, list[int]]:
    """For each sentence of ``stimuli(test)``, the position (0–7) of its word in the word list of its set.

    The words, not the sentences, are the sampling unit of the intervals: the 3 to 14 sentences of a word are
    near copies of each other.
    """
    return {role: [index for index, _ in pairs] for role, pairs in _pairs(test).items()}


def listed_forms() -> frozenset[str]:
    """Every word of the lists with its singular and its plural, in lower case.

    >>> {"equation", "equations", "she", "relative", "john"} <= listed_forms()
    True
    """
    return frozenset(form.lower() for words in LISTS.values() for word in words for form in (word, *_inflect(word)))


def shared_words(words: Iterable[str]) -> dict[str, list[str]]:
    """Which of the words of each list are among ``words``, whatever their case.

    >>> {name: words for name, words in shared_words(["John", "she", "nurse"]).items() if words}
    {'MaleNames': ['John'], 'FemaleTerms': ['she'], 'FemaleTerms8': ['she']}
    """
    given = {word.lower() for word in words}
    return {name: [word for word in listed if word.lower() in given] for name, listed in LISTS.items()}


def _pairs(test: str) -> dict[str, list[tuple[int, str]]]:
    """(word position, sentence) for each sentence of each role, after the published truncation of Y."""
    if test not in ROLES:
        raise InputError(f"unknown SEAT test {test!r}; the tests are {', '.join(TESTS)}.{nearest(test, TESTS)}")
    pairs = {
        role: [(i, sentence) for i, word in enumerate(LISTS[name]) for sentence in sentences(word)]
        for role, name in ROLES[test].items()
    }
    dropped = DROPPED.get(test, frozenset())
    pairs["Y"] = [pair for position, pair in enumerate(pairs["Y"]) if position not in dropped]
    return pairs


def sentences(word: str, templates: str = "") -> list[str]:
    """All sentences of one stimulus word, in template order, by the word's class.

    ``templates`` are those of a word that SEAT does not have, such as :data:`PERSON_NOUN`; without them it is a name if
    it has a capital, and otherwise a thing.
    """
    singular, plural = _inflect(word)
    article = "an" if singular[0] in "aeiou" else "a"
    filled = [
        template.format(t=word, s=f"{article} {singular}", S=singular, p=plural)
        for template in (templates or _templates(word)).split("|")
    ]
    return [sentence[0].upper() + sentence[1:] for sentence in filled]


def forms(word: str) -> list[str]:
    """The forms in which the sentences of a stimulus word write it, with capitals as they stand there.

    >>> forms("boy")
    ['boy', 'boys', 'Boys']
    """
    written = [word, *_inflect(word)]
    written += [form[0].upper() + form[1:] for form in written]
    text = " ".join(sentences(word))
    return [form for form in dict.fromkeys(written) if re.search(rf"\b{form}\b", text)]


def _templates(word: str) -> str:
    if word[0].isupper() and not word.isupper():  # NASA is no name
        return _NAME
    return _TEMPLATES.get(word, _THING_NOUN)


def _inflect(word: str) -> tuple[str, str]:
    """(singular, plural) of a noun, by the rule that gives the published sentences ("managements", "additions")."""
    if word in _LISTED_AS_PLURAL:
        return ("child" if word == "children" else word[:-1]), word
    if word.endswith("man"):
        return word, word[:-3] + "men"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word, word[:-1] + "ies"
    return word, word + ("es" if word.endswith(("ch", "sh", "s")) else "s")
