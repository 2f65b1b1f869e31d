"""The generated stimuli are the published ones: digests, counts, order, truncation."""

import hashlib
import re

import pytest

from fairkd.bias.stimuli import DROPPED, LISTS, ROLES, TESTS, listed_forms, sentences, shared_words, stimuli, words
from fairkd.errors import InputError
from fairkd.gender import PAIRS
from fairkd.profile import project_root

# SHA-256 of the sorted distinct sentences of each published set, joined by newlines.
DIGESTS = {
    ("C6", "X"): "311dcaa77a9a3a70bb2fe5c10752530ea0dce9bf4e5c5484dc1bf5d3485b2dc8",
    ("C6", "Y"): "ab958554bdde130a5c558b072f380f4b43322648558a85528c77dae7d13c3283",
    ("C6", "A"): "3ba63aabced1a02b30b2ac5ae9ed5cfdaee7d778fe30467cd8b63a2389a5b0af",
    ("C6", "B"): "0d9f4662a0ed04ae5a54b29f7a36415b9ff49686fb56a2bd96347d321401f2a2",
    ("C6b", "X"): "b164ed69dc3afed5e358105c1ac6e1bee8c3e98cd807ac81ec5016aa3dc128df",
    ("C6b", "Y"): "decf88ead90bc7ebc168af4962608dc06019d2d091611eadc8e4dedbd405bbf4",
    ("C7", "X"): "8165ac1f36fc319dfe85d7833ae07b432c654ce3c49d0b3d4c1ace2ec71d95c8",
    ("C7", "Y"): "021cea7d4965004f59ab0e15da85c5a8e70a6c699b1d2ba68b65bd7d4d5a1b1e",
    ("C7b", "Y"): "a77402ea0f8e59c33d1cc5fb270a39bb6fcce097091362660e0d73f08ab18322",
    ("C8", "X"): "2bfb6b11da28457a570149509d2ef51578421f2d46e5dddaf6eca799bb6b2ba0",
    ("C8", "Y"): "0b5189e52b2b4809a7ce6992b038b371cdd649439c7544c7896379d23593d75b",
    ("C8b", "Y"): "129ff3f0d5c82d0bdd215e234c7d1b8a0de0a9fc913a1014676b982aa4f39d7e",
    ("C8", "A"): "decfc79d7052e87181ef965f770eb3db9db302f21ea987e1f38092024eb279b0",
    ("C8", "B"): "854dcf5b6a7556b94dfdb09447146c59eb2e973287c27571c05a98f6531bf277",
}
SAME = {("C6b", "A"): ("C6", "A"), ("C6b", "B"): ("C6", "B"), ("C7", "A"): ("C6b", "X"), ("C7", "B"): ("C6b", "Y")}
SAME |= {("C7b", "X"): ("C7", "X"), ("C7b", "A"): ("C6", "X"), ("C7b", "B"): ("C6", "Y")}
SAME |= {("C8b", "X"): ("C8", "X"), ("C8b", "A"): ("C6", "X"), ("C8b", "B"): ("C6", "Y")}
COUNTS = {
    "C6": (64, 64, 101, 112),
    "C6b": (80, 80, 101, 112),
    "C7": (72, 72, 80, 80),
    "C7b": (72, 72, 64, 64),
    "C8": (56, 56, 80, 80),
    "C8b": (56, 56, 64, 64),
}


@pytest.mark.parametrize(("test", "role"), [(test, role) for test in TESTS for role in "XYAB"])
def test_each_set_has_the_digest_of_the_published_one(test, role):
    made = "\n".join(sorted(set(stimuli(test)[role])))
    expected = DIGESTS[SAME.get((test, role), (test, role))]
    assert hashlib.sha256(made.encode()).hexdigest() == expected


@pytest.mark.parametrize("test", TESTS)
def test_each_set_has_the_published_size_and_no_sentence_twice(test):
    sets = stimuli(test)
    assert tuple(len(sets[role]) for role in "XYAB") == COUNTS[test]
    assert all(len(set(part)) == len(part) for part in sets.values())


# One word of each class and each inflection, written out from the published files' rules.
WRITTEN_OUT = {
    "John": "This is John.|That is John.|There is John.|Here is John.|John is here.|John is there.|"
    "John is a person.|The person's name is John.",
    "professional": "This is professional.|That is professional.|They are professional.",
    "NASA": "This is NASA.|That is NASA.|There is NASA.|It is NASA.",
    "she": "She is here.|She is there.|Here she is.|There she is.|She is a person.",
    "her": "It is her.|This is her.|That is her.",
    "hers": "This is hers.|That is hers.|There is hers.|Here is hers.|It is hers.|Hers is there.|Hers is here.",
    "uncle": "This is an uncle.|That is an uncle.|There is an uncle.|Here is an uncle.|The uncle is here.|"
    "The uncle is there.|An uncle is a person.|These are uncles.|Those are uncles.|They are uncles.|"
    "The uncles are here.|The uncles are there.|Uncles are people.",
    "children": "This is a child.|That is a child.|There is a child.|Here is a child.|The child is here.|"
    "The child is there.|A child is a thing.|It is a child.|These are children.|Those are children.|"
    "They are children.|The children are here.|The children are there.|Children are things.",
    "salary": "This is a salary.|That is a salary.|There is a salary.|Here is a salary.|The salary is here.|"
    "The salary is there.|A salary is a thing.|It is a salary.|These are salaries.|Those are salaries.|"
    "They are salaries.|The salaries are here.|The salaries are there.|Salaries are things.",
}


@pytest.mark.parametrize("word", WRITTEN_OUT)
def test_sentences_of_a_word_are_those_of_its_class_in_order(word):
    assert sentences(word) == WRITTEN_OUT[word].split("|")


def test_irregular_plurals_and_articles():
    assert "These are women." in sentences("woman")
    assert "These are businesses." in sentences("business")
    assert "An equation is a thing." in sentences("equations")
    assert "Relatives are things." in sentences("relatives")


@pytest.mark.parametrize("test", TESTS)
def test_sentences_come_word_by_word_with_the_published_truncation(test):
    for role, name in ROLES[test].items():
        full = [sentence for word in LISTS[name] for sentence in sentences(word)]
        dropped = DROPPED.get(test, ()) if role == "Y" else ()
        assert stimuli(test)[role] == [s for position, s in enumerate(full) if position not in dropped]


@pytest.mark.parametrize("test", TESTS)
def test_words_names_the_word_of_each_sentence_and_no_word_is_lost(test):
    for role, positions in words(test).items():
        members = LISTS[ROLES[test][role]]
        assert len(members) == 8
        assert sorted(set(positions)) == list(range(8))
        for position, sentence in zip(positions, stimuli(test)[role], strict=True):
            assert sentence in sentences(members[position])


def test_an_unknown_test_is_an_error_that_names_the_tests_and_the_nearest():
    with pytest.raises(InputError, match=r"'c8b'.*C6, C6b, C7, C7b, C8, C8b.*Did you mean 'C8b'"):
        stimuli("c8b")


def test_listed_forms_are_all_words_of_all_sentences_that_are_no_part_of_a_template():
    forms = listed_forms()
    assert {word.lower() for listed in LISTS.values() for word in listed} <= forms
    for listed in LISTS.values():
        for word in listed:  # each sentence holds its word, its singular or its plural
            assert all(forms & set(re.findall("[a-z]+", sentence.lower())) for sentence in sentences(word)), word
    assert {"child", "children", "women", "salaries", "equation", "business", "businesses"} <= forms
    assert not {"person", "people", "thing", "this", "nurse", "queen", "programmer"} & forms


def test_words_shared_with_the_lists_are_found_in_any_case():
    found = shared_words(["john", "NASA", "Nasa", "she", "queen"])
    assert {name: words for name, words in found.items() if words} == {
        "MaleNames": ["John"], "Science": ["NASA"], "FemaleTerms": ["she"], "FemaleTerms8": ["she"],
    }  # fmt: skip
    assert list(found) == list(LISTS)


def test_the_mixup_list_of_the_paper_holds_6_and_4_of_8_of_the_gendered_terms_and_john():
    """So C6, C7b and C8b, which use none of these terms, are on words that mixup does not touch, but for one name."""
    counts = {name: len(words) for name, words in shared_words(word for pair in PAIRS for word in pair).items()}
    assert {name: n for name, n in counts.items() if n} == {
        "MaleNames": 1, "MaleTerms": 6, "FemaleTerms": 6, "MaleTerms8": 4, "FemaleTerms8": 4,
    }  # fmt: skip
    assert {len(words) for words in LISTS.values()} == {8}
    terms = {"MaleTerms", "FemaleTerms", "MaleTerms8", "FemaleTerms8"}
    assert [test for test, roles in ROLES.items() if not terms & set(roles.values())] == ["C6", "C7b", "C8b"]
    limits = " ".join((project_root() / "README.md").read_text().split())
    assert "6 of the 8 words of SEAT's MaleTerms and FemaleTerms each, 4 of 8 of MaleTerms8 and FemaleTerms8" in limits
    assert "*John* of the male names. C6, C7b and C8b test names" in limits
