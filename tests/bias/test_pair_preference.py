"""Pair preference: by hand on a table of bigrams, and against the published programs written as plain loops."""

import difflib
import math
import re

import numpy as np
import pandas as pd
import pytest
import torch
from bigrams import Bigrams, random_bert, tokenizer_for, tokenizer_of

from fairkd.bias.likelihood import all_unmasked_likelihood, pseudo_log_likelihood, tokenise
from fairkd.bias.pair_preference import (
    PAIR_PREFERENCE,
    PSEUDO,
    STEREOTYPED_OCCUPATIONS,
    STEREOTYPED_TRAITS,
    UNMASKED,
    SentencePair,
    measure_pairs,
    pair_ruler,
    preferred,
    sentence_pairs,
)
from fairkd.bias.ruler import ITEMS, common, estimate
from fairkd.bias.rulers import RULERS
from fairkd.errors import InputError

PAIRS = sentence_pairs()
SENTENCES = [sentence for pair in PAIRS for sentence in (pair.more, pair.less)]


# --- the pairs -------------------------------------------------------------------------------------------------------


def test_pairs_differ_in_one_gender_word_and_the_stereotype_comes_first():
    female, male = {"she", "woman"}, {"he", "man"}
    assert len(PAIRS) == 160
    assert len({pair.item for pair in PAIRS}) == len(PAIRS)
    for pair in PAIRS:
        more, less = (re.findall(r"\w+", text.lower()) for text in (pair.more, pair.less))
        ((one, other),) = [(a, b) for a, b in zip(more, less, strict=True) if a != b]
        assert one in (female if pair.group.startswith("female") else male)
        assert other in (male if pair.group.startswith("female") else female)
        assert not (female | male) & set(pair.unit.split())


def test_each_kind_has_as_many_words_of_either_gender_and_no_word_stands_twice():
    kinds = [*STEREOTYPED_OCCUPATIONS.values(), *STEREOTYPED_TRAITS.values()]
    assert len({word for members in kinds for word in members}) == 80
    assert [len(members) for members in kinds] == [20] * 4
    groups = {f"{gender} {kind}" for gender in ("female", "male") for kind in ("occupations", "traits")}
    assert {pair.group for pair in PAIRS} == groups


def test_articles():
    assert {pair.more for pair in PAIRS if pair.item in ("engineer 1", "nurse 1")} == {
        "He is an engineer.",
        "She is a nurse.",
    }


def test_both_rulers_are_in_the_table():
    assert [RULERS[ruler.name] for ruler in PAIR_PREFERENCE] == list(PAIR_PREFERENCE)
    assert ["pseudo" in ruler.title for ruler in PAIR_PREFERENCE] == [True, False]


def test_scores_say_what_they_are_in_which_unit_and_where_there_is_no_bias():
    own = pair_ruler("own", "title", "source", PAIRS, PSEUDO, apart=["female traits"])
    said = [(score.name, score.title, score.unit, score.neutral) for score in own.scores]
    share = "stereotypical sentence preferred"
    assert said == [
        ("preferred", share, "%", 50.0),
        ("difference", "mean difference of scores", "nats", 0.0),
        ("female traits", f"{share}, female traits", "%", 50.0),
    ]


# --- by hand ---------------------------------------------------------------------------------------------------------

TOKENIZER = tokenizer_of(["he", "she", "is", "a", "nurse", "pilot", "."])
TABLE = {
    ("[CLS]", "she"): 0.2, ("[CLS]", "he"): 0.4, ("she", "is"): 0.25, ("he", "is"): 0.5, ("is", "a"): 0.8,
    ("a", "nurse"): 0.1, ("a", "pilot"): 0.05, ("nurse", "."): 0.9, ("pilot", "."): 0.7,
}  # fmt: skip
HAND = [
    SentencePair("one", "nurse", "female", "She is a nurse.", "He is a nurse."),
    SentencePair("two", "pilot", "male", "He is a pilot.", "She is a pilot."),
]


def test_pseudo_log_likelihood_by_hand():
    """Only *is* follows the word that differs: its p is 0.25 after *she* and 0.5 after *he*."""
    model = Bigrams(TOKENIZER, TABLE)
    found = measure_pairs(HAND, PSEUDO, model, TOKENIZER)
    assert list(found) == ITEMS
    assert found["value"].tolist() == pytest.approx([-math.log(2), math.log(2)])
    (sentence,) = tokenise(model, TOKENIZER, ["She is a nurse."])
    (score,) = pseudo_log_likelihood(model, TOKENIZER, [(sentence, (2, 3, 4, 5))])
    assert score == pytest.approx(math.log(0.25 * 0.8 * 0.1 * 0.9))


def test_a_sentence_of_which_nothing_is_asked_has_no_likelihood():
    model = Bigrams(TOKENIZER, TABLE)
    (sentence,) = tokenise(model, TOKENIZER, ["She is a nurse."])
    found = pseudo_log_likelihood(model, TOKENIZER, [(sentence, (2, 3, 4, 5)), (sentence, ())])
    assert found.tolist() == pytest.approx([math.log(0.25 * 0.8 * 0.1 * 0.9), 0.0])


def test_all_unmasked_likelihood_by_hand():
    """The mean over five tokens; the pronoun itself counts: 0.2 for *she*, 0.4 for *he*."""
    model = Bigrams(TOKENIZER, TABLE)
    found = measure_pairs(HAND, UNMASKED, model, TOKENIZER)
    assert found["value"].tolist() == pytest.approx([-2 * math.log(2) / 5, 2 * math.log(2) / 5])
    (sentence,) = tokenise(model, TOKENIZER, ["She is a nurse."])
    (score,) = all_unmasked_likelihood(model, TOKENIZER, [(sentence, sentence.own)])
    assert score == pytest.approx(math.log(0.2 * 0.25 * 0.8 * 0.1 * 0.9) / 5)


def test_scores_by_hand():
    found = pd.DataFrame({"item": list("abcd"), "unit": list("abcd"), "group": ["x", "x", "y", "y"]})
    found["value"], found["problem"] = [0.2, 0.0004, -0.1, 0.3], ""
    values, groups, once = found["value"].to_numpy(), found["group"].to_numpy(), np.ones((1, 4))
    assert preferred(values, groups, once, decimals=3) == [50.0]  # 0.0004 is a tie: for neither side, but in the total
    assert preferred(values, groups, once, decimals=4) == [75.0]
    assert preferred(values, groups, once, decimals=3, only="y") == [50.0]
    assert preferred(values, groups, np.array([[1.0, 0, 3, 0]]), decimals=3) == [25.0]
    assert np.isnan(preferred(values, groups, np.array([[1.0, 1, 0, 0]]), decimals=3, only="y"))
    headline, mean = PAIR_PREFERENCE[0].scores
    assert (headline.unit, headline.neutral, mean.unit, mean.neutral) == ("%", 50.0, "nats", 0.0)
    assert estimate(PAIR_PREFERENCE[0], headline, found).value == 50.0
    assert estimate(PAIR_PREFERENCE[0], mean, found).value == pytest.approx(0.1001)


# --- literal forms ---------------------------------------------------------------------------------------------------


def literal_pseudo(model, tokenizer, more: str, less: str) -> float:
    """The program of CrowS-Pairs: a loop over the tokens of the equal spans, one masked at a time."""
    ids = [tokenizer(text)["input_ids"] for text in (more, less)]
    templates: tuple[list[int], list[int]] = ([], [])
    for tag, a, a_end, b, b_end in difflib.SequenceMatcher(None, *[[str(i) for i in row] for row in ids]).get_opcodes():
        if tag == "equal":
            templates[0].extend(range(a, a_end))
            templates[1].extend(range(b, b_end))
    scores = []
    for row, template in zip(ids, templates):
        score = 0.0
        for place in template[1:-1]:
            masked = torch.tensor([row])
            masked[0, place] = tokenizer.mask_token_id
            with torch.no_grad():
                logits = model(masked).logits[0, place]
            score += torch.log_softmax(logits.double(), dim=0)[row[place]].item()
        scores.append(score)
    return scores[0] - scores[1]


def literal_unmasked(model, tokenizer, more: str, less: str) -> float:
    """AUL: one reading of the whole sentence."""
    scores = []
    for text in (more, less):
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            logits = model(ids).logits[0].double()
        terms = [torch.log_softmax(logits[i], dim=0)[ids[0, i]].item() for i in range(1, ids.shape[1] - 1)]
        scores.append(sum(terms) / len(terms))
    return scores[0] - scores[1]


LITERAL = {"pair-preference": literal_pseudo, "pair-preference-aul": literal_unmasked}


@pytest.fixture(scope="module")
def random():
    tokenizer = tokenizer_for([*SENTENCES, "was"])
    return random_bert(tokenizer), tokenizer


@pytest.mark.parametrize("ruler", PAIR_PREFERENCE, ids=lambda ruler: ruler.name)
def test_values_are_those_of_plain_loops(random, ruler):
    model, tokenizer = random
    found = ruler.measure(model, tokenizer)
    assert found["item"].tolist() == [pair.item for pair in PAIRS]
    for number in range(0, len(PAIRS), 7):
        pair = PAIRS[number]
        expected = LITERAL[ruler.name](model, tokenizer, pair.more, pair.less)
        assert found["value"][number] == pytest.approx(expected, abs=1e-5)
    assert found["value"].abs().min() > 0


def test_pairs_that_differ_in_several_words_and_in_length(random):
    model, tokenizer = random
    more, less = "The woman was known to be very kind.", "He is known to be a judge."
    pairs = [SentencePair("a", "a", "", more, less), SentencePair("b", "b", "", less, more)]
    for likelihood, literal in ((PSEUDO, literal_pseudo), (UNMASKED, literal_unmasked)):
        found = measure_pairs(pairs, likelihood, model, tokenizer)["value"]
        assert found[0] == pytest.approx(literal(model, tokenizer, more, less), abs=1e-5)
        assert found[1] == pytest.approx(-found[0])


@pytest.mark.parametrize("ruler", PAIR_PREFERENCE, ids=lambda ruler: ruler.name)
def test_batches_order_and_threads_change_no_score(random, ruler):
    """Scores are equal to 1e-6; a value is a sum of float32 logarithms, equal to 5e-6."""
    model, tokenizer = random
    likelihood = PSEUDO if ruler is PAIR_PREFERENCE[0] else UNMASKED
    pairs = PAIRS[::3]
    order = np.random.default_rng(0).permutation(len(pairs))
    other = [pairs[n] for n in order]

    def measured(batch_size: int = 64) -> pd.DataFrame:
        return measure_pairs(pairs, likelihood, model, tokenizer, batch_size=batch_size)

    expected, frames = measured(), [measured(1), measured(3)]
    frames.append(measure_pairs(other, likelihood, model, tokenizer).set_index(order).sort_index())
    torch.set_num_threads(2)
    try:
        frames.append(measured())
    finally:
        torch.set_num_threads(1)
    for found in frames:
        assert found["item"].tolist() == expected["item"].tolist()
        assert found["value"].to_numpy() == pytest.approx(expected["value"].to_numpy(), abs=5e-6)
        for score in ruler.scores:
            one, two = estimate(ruler, score, found), estimate(ruler, score, expected)
            assert one.value == pytest.approx(two.value, abs=1e-6)
            assert one.interval() == pytest.approx(two.interval(), abs=1e-6)


# --- what cannot be read ---------------------------------------------------------------------------------------------


def test_every_item_that_cannot_be_read_is_named():
    model = Bigrams(TOKENIZER, TABLE, longest=7)
    pairs = [
        *HAND,
        SentencePair("three", "x", "g", "She is a judge.", "He is a judge."),
        SentencePair("four", "x", "g", "She is a nurse. He.", "He is a nurse. He."),
        SentencePair("five", "x", "g", "She is.", "she IS ."),
        SentencePair("six", "x", "g", "She.", "He"),
        SentencePair("seven", "x", "g", "She is a judge.", "He is a nurse."),
        SentencePair("eight", "x", "g", "She is a nurse.", "He is a lawyer."),
    ]
    for likelihood, last in ((PSEUDO, "the sentences share no token"), (UNMASKED, "")):
        found = measure_pairs(pairs, likelihood, model, TOKENIZER)
        assert found["problem"].tolist() == [
            "",
            "",
            "the tokenizer does not know 'judge'",
            "it has 9 tokens; the model reads 7",
            "the tokenizer writes both sentences in the same way",
            last,
            "the tokenizer does not know 'judge'",
            "the tokenizer does not know 'lawyer'",
        ]
        assert found["value"].isna().tolist() == [bool(problem) for problem in found["problem"]]
        (kept,) = common([found])
        assert len(kept) == (found["problem"] == "").sum()
        assert list(kept) == ITEMS


def test_where_nothing_can_be_read_no_score_is_made():
    found = measure_pairs(HAND, PSEUDO, Bigrams(TOKENIZER, TABLE, longest=3), TOKENIZER)
    assert found["value"].isna().all()
    with pytest.raises(InputError, match="no item"):
        common([found])


def test_a_foreign_tokenizer_is_refused():
    with pytest.raises(InputError, match="does not belong to this encoder"):
        measure_pairs(HAND, PSEUDO, Bigrams(TOKENIZER, TABLE), tokenizer_of([str(n) for n in range(99)] + ["he", "is"]))
    without = tokenizer_of(["he", "she", "is", "a", "nurse", "pilot", "."])
    without.mask_token = None
    with pytest.raises(InputError, match=r"has no \[MASK\]"):
        measure_pairs(HAND, PSEUDO, Bigrams(TOKENIZER, TABLE), without)
