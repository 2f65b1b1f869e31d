"""Stimulus words that a tokenizer does not know: counted a test, named, and refused where a whole list is unknown."""

import re

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertTokenizer, PreTrainedTokenizerFast

from fairkd.bias.stimuli import LISTS, ROLES, TESTS, forms, sentences, stimuli
from fairkd.bias.unknown import unknown_line, unknown_sentences, unknown_words
from fairkd.errors import InputError

SENTENCES = {test: sorted({s for part in stimuli(test).values() for s in part}) for test in TESTS}
WORDS = {word for test in TESTS for s in SENTENCES[test] for word in re.findall(r"\w+|[.']", s)}


def tokenizer(*without: str, lower: bool = True) -> BertTokenizer:
    """It knows all that the sentences are made of but for these words, as they stand in its vocabulary."""
    words = {word.lower() for word in WORDS} if lower else WORDS
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(words - set(without))]
    return BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, do_lower_case=lower)


def literal(without: set[str], test: str) -> int:
    """Sentences of a test with one of these words."""
    return sum(bool(without & set(re.findall(r"\w+|[.']", s.lower()))) for s in SENTENCES[test])


def test_a_tokenizer_that_knows_every_word_loses_none():
    assert unknown_words(tokenizer()) == {test: [] for test in TESTS}
    assert unknown_sentences(tokenizer()) == dict.fromkeys(TESTS, 0)
    assert unknown_line(unknown_words(tokenizer()), unknown_sentences(tokenizer())) == ""


def test_unknown_words_are_named_in_the_tests_whose_lists_hold_them():
    found = tokenizer("lisa", "executive", "shakespeare")
    words = {"Lisa", "executive", "Shakespeare"}
    expected = {test: [w for role in "XYAB" for w in LISTS[ROLES[test][role]] if w in words] for test in TESTS}
    assert expected == {
        "C6": ["Lisa", "executive"], "C6b": ["executive"], "C7": [], "C7b": ["Lisa"],
        "C8": ["Shakespeare"], "C8b": ["Shakespeare", "Lisa"],
    }  # fmt: skip
    assert unknown_words(found) == expected
    assert unknown_sentences(found) == {test: literal({w.lower() for w in words}, test) for test in TESTS}


def test_a_word_counts_as_unknown_by_its_plural_alone_and_by_its_capital_alone():
    assert unknown_words(tokenizer("uncles"))["C8"] == ["uncle"]
    assert unknown_words(tokenizer("Uncles", lower=False))["C8"] == ["uncle"]
    assert unknown_words(tokenizer("Uncles", lower=False))["C6b"] == []


def test_unknown_words_of_the_templates_are_counted_by_sentences():
    found = tokenizer(".")
    assert not any(unknown_words(found).values())
    assert unknown_sentences(found) == {test: len(SENTENCES[test]) for test in TESTS}
    line = unknown_line(unknown_words(found), unknown_sentences(found))
    assert "C6, 341 of 341 sentences; " in line


def test_a_list_of_which_no_word_is_known_is_refused_with_its_tests():
    science = [form.lower() for word in LISTS["Science"] for form in forms(word)]
    with pytest.raises(InputError, match=r"no word of the list Science \(science, technology, .*C8, C8b would measure"):
        unknown_words(tokenizer(*science))
    assert unknown_words(tokenizer(*(set(science) - {"nasa"})))["C8"] == [w for w in LISTS["Science"] if w != "NASA"]


def test_the_line_names_tests_words_and_sentences():
    found = tokenizer("lisa", "executive")
    assert unknown_line(unknown_words(found), unknown_sentences(found)) == (
        "the tokenizer does not know all words of these tests, so that their scores mean less: "
        "C6, 16 of 341 sentences, 2 stimulus words (Lisa, executive); "
        "C6b, 8 of 373 sentences, 1 stimulus word (executive); "
        "C7b, 8 of 272 sentences, 1 stimulus word (Lisa); C8b, 8 of 240 sentences, 1 stimulus word (Lisa)"
    )


@pytest.mark.parametrize("told", [True, False])
def test_the_unknown_token_is_found_where_transformers_was_not_told_of_it(told):
    vocabulary = {word: i for i, word in enumerate(["<odd>", *sorted(WORDS - {"Lisa"})])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<odd>"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    fast = PreTrainedTokenizerFast(tokenizer_object=backend, **({"unk_token": "<odd>"} if told else {}))
    assert unknown_words(fast)["C6"] == ["Lisa"]


def test_a_tokenizer_that_fails_over_what_it_does_not_know_is_a_sentence():
    backend = Tokenizer(models.WordLevel({"a": 0}, unk_token="[UNK]"))
    with pytest.raises(InputError, match=r"cannot read the stimulus words.*Missing"):
        unknown_words(PreTrainedTokenizerFast(tokenizer_object=backend))


@pytest.mark.parametrize("word", sorted({word for members in LISTS.values() for word in members}))
def test_each_sentence_of_a_word_holds_one_of_its_forms_and_each_form_stands_in_one(word):
    for sentence in sentences(word):
        assert any(re.search(rf"\b{form}\b", sentence) for form in forms(word))
    for form in forms(word):
        assert any(re.search(rf"\b{form}\b", sentence) for sentence in sentences(word))
