"""The word lists of debiasing: what is built in, and what a file may hold."""

import re

import pytest

from fairkd.bias.stimuli import LISTS, listed_forms, shared_words
from fairkd.errors import InputError
from fairkd.gender import PAIRS
from fairkd.teachers.wordlists import (
    FEMALE,
    MALE,
    STEREOTYPE,
    WordLists,
    built_in,
    load_words,
    read_words,
    without_seat_words,
)


def test_built_in_lists_are_disjoint_lower_case_single_words() -> None:
    words = [*FEMALE, *MALE, *STEREOTYPE]
    assert len(words) == len(set(words))
    assert all(re.fullmatch("[a-z]+", word) for word in words)
    assert built_in() == WordLists(FEMALE, MALE, STEREOTYPE)


def test_built_in_gender_words_hold_seats_terms_and_appendix_c_but_no_first_name() -> None:
    names = {name.lower() for key in ("MaleNames", "FemaleNames") for name in (*LISTS[key], "mary", "john")}
    for gender, words in (("Female", FEMALE), ("Male", MALE)):
        assert {*LISTS[f"{gender}Terms"], *LISTS[f"{gender}Terms8"]} <= set(words)
        pairs = {pair[gender == "Male"].lower() for pair in PAIRS}
        assert pairs - names <= set(words)
        assert not names & set(words)
    assert 0.8 < len(FEMALE) / len(MALE) < 1.25


def test_built_in_stereotypes_hold_seats_words_except_its_names() -> None:
    wanted = {word for key in ("Career", "Family", "Math", "Science", "Arts7", "Arts8") for word in LISTS[key]}
    assert wanted - set(STEREOTYPE) == {"Einstein", "NASA", "Shakespeare"}


def written(tmp_path, text: str):
    path = tmp_path / "words.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_in_its_order(tmp_path) -> None:
    path = written(tmp_path, "stereotype: [cook, Pilot]\nmale:\n  - he\nfemale:\n  - she\n  - 'her'\n")
    expected = WordLists(female=("she", "her"), male=("he",), stereotype=("cook", "Pilot"))
    assert read_words(path) == load_words(str(path), path) == expected
    assert load_words("built-in", tmp_path / "built-in") == built_in()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("female: [she]\nmale: [he]\nstereotypes: [cook]", r"line 3 of words.yaml: unknown key 'stereotypes'.*'stereo"),
        ("female: [she]\nmale: [he]", r"lacks stereotype"),
        ("female: [she]\nfemale: [her]", r"the key 'female' stands twice, in lines 1 and 2"),
        ("female: [she]\nmale: []\nstereotype: [cook]", r"line 2 of words.yaml: male must be a list of at least one"),
        ("female: she\nmale: [he]\nstereotype: [cook]", r"line 1 of words.yaml: female must be a list"),
        ("female: [she]\nmale: [he, 3]\nstereotype: [cook]", r"line 2 of words.yaml: '3' in male is no text"),
        ("female: [she]\nmale: [no]\nstereotype: [cook]", r"line 2 of words.yaml: 'no' in male is no text.*quotes"),
        ("female: [she]\nmale: [[he]]\nstereotype: [cook]", r"line 2 of words.yaml: male holds a list or mapping"),
        ("female:\n  - she\n  - old woman\nmale: [he]", r"line 3 of words.yaml: 'old woman' in female is not one word"),
        ("female: ['']\nmale: [he]", r"line 1 of words.yaml: '' in female is not one word"),
        ("female: [she]\nmale: [he, She]", r"line 2 of words.yaml: 'She' in male stands in female already \(line 1\)"),
        ("female:\n  - she\n  - she\n", r"line 3 of words.yaml: 'she' in female stands in female already \(line 2\)"),
        ("- she", r"must hold the lists female, male, stereotype"),
        ("", r"must hold the lists"),
        ("female: [she", r"words.yaml is not a YAML file"),
        ("[" * 5000, r"words.yaml is not a YAML file: it is nested too deep"),
        ("female: &a [*a]\nmale: [he]", r"words.yaml is not a YAML file: line 1: it is nested too deep"),
        ("? [a]\n: [b]", r"line 1 of words.yaml: unknown key ''"),
        ("female: [she]\n\0", r"words.yaml is not a YAML file: unacceptable character"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_words(written(tmp_path, text))


def test_a_file_that_is_not_utf8_is_refused(tmp_path) -> None:
    (tmp_path / "words.yaml").write_bytes("female: [sie, ihr, Größe]".encode("latin-1"))
    with pytest.raises(InputError, match=r"words.yaml is not a YAML file: not UTF-8 text \(.* at byte 21\)"):
        read_words(tmp_path / "words.yaml")


def test_a_file_that_is_not_there_is_refused_with_the_nearest_name(tmp_path) -> None:
    written(tmp_path, "")
    with pytest.raises(InputError, match=r"no file .*word\.yaml.*Did you mean 'words.yaml'"):
        read_words(tmp_path / "word.yaml")
    with pytest.raises(InputError, match=r"Did you mean 'built-in'"):
        load_words("builtin", tmp_path / "builtin")


def test_lists_without_seats_words_hold_none_of_them_in_any_number_and_all_others() -> None:
    left = without_seat_words(built_in())
    for name in ("female", "male", "stereotype"):
        words, kept = getattr(built_in(), name), getattr(left, name)
        assert not set(kept) & listed_forms()
        assert set(words) - set(kept) == set(words) & listed_forms()
        assert kept == tuple(word for word in words if word in kept)
        assert len(kept) > 0.7 * len(words)
    assert not any(shared_words([*left.female, *left.male, *left.stereotype]).values())
    assert {"women", "daughters"} <= set(FEMALE) - set(left.female)
    assert {"parent", "novels", "equation", "scientist"} & set(left.stereotype) == {"scientist"}


def test_a_capital_does_not_save_a_word_of_seat() -> None:
    lists = WordLists(female=("Women", "Queen"), male=("HE", "king"), stereotype=("Equation", "cook"))
    assert without_seat_words(lists) == WordLists(female=("Queen",), male=("king",), stereotype=("cook",))


def test_lists_of_which_nothing_is_left_are_refused_by_name() -> None:
    lists = WordLists(female=("she", "women"), male=("he", "king"), stereotype=("poetry",))
    with pytest.raises(InputError, match=r"list female and stereotype are words that SEAT tests.*_seat_words: false"):
        without_seat_words(lists)
