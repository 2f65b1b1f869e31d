"""The rulers against literal forms and values worked out by hand; what they cannot read; that nothing else matters."""

import math
import random
import re
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertTokenizer,
    DistilBertConfig,
    DistilBertForMaskedLM,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
)
from words_model import Additive, word_tokenizer

from fairkd.bias import counterfactual, log_probability, long_seat
from fairkd.bias.masked import Asked, Query, token_log_probabilities
from fairkd.bias.places import PlaceFinder, Unreadable
from fairkd.bias.ruler import ITEMS, common, estimate, item_weights, over_seeds, weighted_deviation
from fairkd.bias.rulers import RULERS, measure_with
from fairkd.bias.stimuli import LISTS, TESTS, forms
from fairkd.errors import InputError
from fairkd.pairs import OTHER_PAIRS, PAIRS
from fairkd.rng import numpy_generator
from fairkd.stats.estimates import Estimate
from fairkd.stats.resampling import resample_seeds
from fairkd.teachers.checkpoints import from_scratch, small_tokenizer

LOG, CORRECTED, INVARIANCE, LONG = (
    RULERS[name] for name in ("log-probability", "corrected-log-probability", "counterfactual", "long-seat")
)
JOBS = [template.format(they="he", a="a ", attribute="nurse") for template in log_probability.JOB_TEMPLATES]
TOPICS = [template.format(they="she", the="the ", attribute="math") for template in log_probability.TOPIC_TEMPLATES]
EVERY_WORD = [word for own in log_probability.ATTRIBUTES.values() for word in own if word not in ("nurse", "algebra")]
NOUNS = [text for word in long_seat.NEUTRAL_NOUNS for text in long_seat.long_sentences(word)]
LONG_WORDS = [word for own in long_seat.LONG_LISTS.values() for word in own]
FRAME_WORDS = [counterfactual.exchanged(sentence)[0] for sentence in counterfactual.frame_sentences()]


@pytest.fixture(scope="module")
def tokenizer():
    """Of all words of the rulers but "nurse" and "algebra", which it spells."""
    texts = [*JOBS, *TOPICS, "she he an", *EVERY_WORD, *counterfactual.frame_sentences(), *FRAME_WORDS, *NOUNS]
    texts += [text for word in LONG_WORDS if word != "algebra" for text in long_seat.long_sentences(word)]
    return small_tokenizer([text.replace("nurse", "").replace("algebra", "") for text in texts])


@pytest.fixture(scope="module", params=["bert", "distilbert"])
def model(request, tokenizer):
    if request.param == "bert":
        made = from_scratch(tokenizer, layers=2, hidden=32, max_length=64, initializer_range=0.2, seed=1).eval()
        return with_biases(made)
    size = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "initializer_range": 0.2}
    torch.manual_seed(1)
    return with_biases(DistilBertForMaskedLM(DistilBertConfig(vocab_size=len(tokenizer), **size)).eval())


def with_biases(model):
    """A head whose words are not equally likely by themselves: those of a new model are."""
    bias = model.get_output_embeddings().bias
    with torch.no_grad():
        bias.copy_(torch.randn(bias.shape, generator=torch.Generator().manual_seed(2)))
    return model


def log_p(model, ids, at):
    """ln p at a place, by transformers' own forward and a softmax in plain Python."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0, at].tolist()
    total = sum(math.exp(logit) for logit in logits)
    return [logit - math.log(total) for logit in logits]


# Log-probability bias


def literal_log_ratio(model, tokenizer, template, group, attribute, *, corrected):
    article = "an " if attribute[0] in "aeiou" else "a "
    the = "the " if attribute in log_probability._WITH_ARTICLE else ""

    def ratio(shown):
        text = template.format(they="[MASK]", a=article, the=the, attribute=shown)
        ids = tokenizer(text)["input_ids"]
        masks = [at for at, token in enumerate(ids) if token == tokenizer.mask_token_id]
        at = masks[0] if template.index("{they}") < template.index("{attribute}") else masks[-1]
        found = log_p(model, ids, at)
        return found[tokenizer.get_vocab()["he"]] - found[tokenizer.get_vocab()["she"]]

    pieces = tokenizer(attribute, add_special_tokens=False)["input_ids"]
    return ratio(attribute) - corrected * ratio(" ".join(["[MASK]"] * len(pieces)))


@pytest.mark.parametrize("ruler", [LOG, CORRECTED], ids=["raw", "corrected"])
def test_log_probability_bias_is_the_literal_form(model, tokenizer, ruler):
    found = ruler.measure(model, tokenizer)
    assert found.columns.tolist() == ITEMS
    assert (found["problem"] == "").all()
    assert len(found) == 5 * sum(map(len, log_probability.ATTRIBUTES.values()))
    assert found["item"].is_unique
    stimuli = log_probability._stimuli()
    chosen = [n for n, stimulus in enumerate(stimuli) if stimulus.attribute in ("nurse", "algebra", "engineer", "home")]
    for number in [*chosen, *range(0, len(stimuli), 60)]:
        own = stimuli[number]
        arguments = (model, tokenizer, own.template, own.group, own.attribute)
        expected = literal_log_ratio(*arguments, corrected=ruler is CORRECTED)
        assert found["value"][number] == pytest.approx(expected, abs=2e-5), own


@pytest.fixture
def words():
    """The words of the templates and of the attributes, each one piece."""
    text = " ".join([*JOBS, *TOPICS, *counterfactual.frame_sentences(), "an she"])
    return word_tokenizer([*text.replace(".", "").split(), *EVERY_WORD, "algebra"])


def test_log_probability_bias_of_logits_set_by_hand(words):
    model = Additive(words)
    model.prefer("he", 0.5)
    model.prefer("she", 0.2)  # 0.3 everywhere
    model.prefer("she", 2.0, beside="nurse")
    model.prefer("he", 1.0, beside="engineer")
    model.prefer("he", 0.25, beside="math")
    model.prefer("he", 7.0, beside="[MASK]")  # in the prior only: there the attribute is a mask
    raw = LOG.measure(model, words).groupby("unit")["value"].agg(["min", "max"])
    corrected = CORRECTED.measure(model, words).groupby("unit")["value"].agg(["min", "max"])
    for unit, expected in {"nurse": -1.7, "engineer": 1.3, "math": 0.55, "doctor": 0.3, "poetry": 0.3}.items():
        assert raw.loc[unit].tolist() == pytest.approx([expected, expected], abs=1e-6)
        assert corrected.loc[unit].tolist() == pytest.approx([expected - 7.3, expected - 7.3], abs=1e-6)


def scores_of(ruler, frame):
    (kept,) = common([frame])
    return {score.name: estimate(ruler, score, kept, n_bootstrap=20).value for score in ruler.scores}


def test_scores_of_log_probability_bias_by_hand(words):
    model = Additive(words)
    model.prefer("he", 3.0, beside="engineer")
    model.prefer("she", 1.0, beside="doctor")
    for word in LISTS["Career"]:
        model.prefer("he", 0.5, beside=word.lower())
    model.prefer("she", 0.8, beside="poetry")
    found = scores_of(LOG, LOG.measure(model, words))
    n = len(log_probability.COMMON_OCCUPATIONS)
    mean = 2 / n
    deviation = math.sqrt(((3 - mean) ** 2 + (-1 - mean) ** 2 + (n - 2) * mean**2) / (n - 1))
    arts = -0.8 / 9
    topics = {"stereotype": (0.5 - 2 * arts) / 3, "career": 0.5, "math": -arts, "science": -arts}
    assert found == pytest.approx({"size": 4 / n, "level": mean, "spread": deviation} | topics, abs=1e-6)


def test_words_that_log_probability_bias_cannot_read_are_counted_and_named(words):
    known = [word for word in words.get_vocab() if word not in ("nurse", "poetry", "tired")]
    fewer = word_tokenizer(known)
    found = LOG.measure(Additive(fewer), fewer).query("problem != ''")
    assert found["value"].isna().all()
    reasons = found.groupby("problem")["unit"].agg(["count", "nunique"])
    n = len(log_probability.COMMON_OCCUPATIONS)
    assert reasons.loc["not in the vocabulary: nurse"].tolist() == [4, 1]
    assert reasons.loc["not in the vocabulary: nurse, tired"].tolist() == [1, 1]
    assert reasons.loc["not in the vocabulary: poetry"].tolist() == [5, 1]
    assert reasons.loc["not in the vocabulary: tired"].tolist() == [n - 1, n - 1]
    assert len(reasons) == 4


def test_pronouns_of_several_pieces_cannot_be_read(words):
    spelt = word_tokenizer([word for word in words.get_vocab() if word != "she"], letters=True)
    model = Additive(spelt)
    found = LOG.measure(model, spelt)
    assert set(found["problem"]) == {"'she' has 3 pieces in this vocabulary; it must be one"}
    with pytest.raises(InputError, match="no item of which every model has a value"):
        common([found])


def reads_in_context(tokenizer, *, after, instead):
    """Makes a tokenizer read a word of its own wherever "after" and a space stand before."""
    backend = tokenizer.backend_tokenizer
    change = normalizers.Replace(Regex(rf"(?<=\b{after} )\w+"), instead)
    backend.normalizer = normalizers.Sequence([change, backend.normalizer])
    return tokenizer


def test_a_rest_that_is_read_differently_beside_he_and_she_is_named(words):
    reader = reads_in_context(words, after="she", instead="an")
    found = LOG.measure(Additive(reader), reader)
    followed = found["item"].str.contains("he/she ")
    assert followed.any()
    message = "the tokenizer reads the rest of the sentence differently beside 'he' and 'she'"
    assert (found.loc[followed, "problem"] == message).all()
    assert found.loc[followed, "value"].isna().all()


# Counterfactual invariance


def literal_divergence(model, tokenizer, sentence, counterpart):
    """Mean over tokens; the sentences differ in one word of one piece."""
    one, two = (tokenizer(text)["input_ids"] for text in (sentence, counterpart))
    values = []
    for at in range(1, len(one) - 1):
        if one[at] != two[at]:
            continue
        p, q = (log_p(model, [*ids[:at], tokenizer.mask_token_id, *ids[at + 1 :]], at) for ids in (one, two))
        forth = sum(math.exp(a) * (a - b) for a, b in zip(p, q))
        back = sum(math.exp(b) * (b - a) for a, b in zip(p, q))
        values.append((forth + back) / 2)
    return sum(values) / len(values)


def test_counterfactual_invariance_is_the_literal_form(model, tokenizer):
    found = INVARIANCE.measure(model, tokenizer)
    assert found.columns.tolist() == ITEMS
    assert (found["problem"] == "").all()
    assert len(found) == 2 * 28
    pairs = [(pair, number) for pair in (*PAIRS, *OTHER_PAIRS) for number in range(2)]
    for row in range(0, len(pairs), 11):
        (female, male), _ = pairs[row]
        sentence = found["item"][row]
        counterpart = " ".join(
            {female: male, female.capitalize(): male.capitalize()}.get(word, word) for word in sentence.split()
        )
        assert found["unit"][row] == f"{female}/{male}"
        assert found["group"][row] == ("in D" if (female, male) in PAIRS else "outside D")
        expected = literal_divergence(model, tokenizer, sentence, counterpart)
        assert found["value"][row] == pytest.approx(expected, abs=1e-6)


def test_counterfactual_invariance_of_logits_set_by_hand():
    tokenizer = word_tokenizer(["the", "woman", "man", "queen", "king", "sings"])
    model = Additive(tokenizer)
    with torch.no_grad():
        model.bias.fill_(-1000.0)  # only "sings" and "the" can be said
    model.prefer("sings", 1000.0)
    model.prefer("the", 1000.0)
    model.prefer("sings", 2.0, beside="woman")
    sentences = ["The woman sings", "the king sings", "the sings", "woman sings"]
    found = counterfactual.measure_sentences(model, tokenizer, sentences)
    odds = math.exp(2) / (1 + math.exp(2))  # of "sings" beside the woman; beside the man it is 1/2
    # The same at either mask: the mean of both KL is half of (p - q) · (ln p/q - ln (1 - p)/(1 - q)) = (p - q) · 2.
    assert found["value"].tolist() == pytest.approx([(odds - 0.5) * 2 / 2, 0.0, odds - 0.5], abs=1e-6)
    assert found["unit"].tolist() == ["woman/man", "queen/king", "woman/man"]
    scores = scores_of(INVARIANCE, found)
    assert scores == pytest.approx({"in-d": odds - 0.5, "outside-d": 0.0}, abs=1e-6)


def test_every_gender_word_of_a_sentence_is_exchanged_and_mixed_ones_are_left_out():
    tokenizer = word_tokenizer(["the", "woman", "man", "she", "he", "said", "that", "sings", "daughters"])
    model = Additive(tokenizer)
    model.prefer("sings", 2.0, beside="she")
    sentences = ["The woman said that she sings", "the woman said that the king sings", "the daughters said that"]
    found = counterfactual.measure_sentences(model, tokenizer, sentences)
    assert found["item"].tolist() == sentences[:2]  # "daughters" is no word of D
    assert found["problem"].tolist() == ["", "it holds words of D and others"]
    assert found["value"][0] > 0
    assert counterfactual.exchanged("HIS Mary; the son's mother-in-law, Himself.")[0] == (
        "HER John; the daughter's father-in-law, Herself."
    )


def test_sentences_that_counterfactual_invariance_cannot_read_are_named():
    tokenizer = word_tokenizer(["the", "woman", "man", "queen", "sings", "she"])
    spelt = word_tokenizer(["the", "woman", "man", "queen", "sings", "she"], letters=True)
    sentences = ["the woman dances", "the queen sings", "woman", "the woman sings the woman sings the woman"]
    known = counterfactual.measure_sentences(Additive(tokenizer, longest=8), tokenizer, sentences)
    assert known["problem"].tolist() == [
        "not in the vocabulary: dances",
        "not in the vocabulary: king",
        "nothing but gender words",
        "10 tokens, and the model reads 8",
    ]
    assert known["value"].isna().all()
    reader = reads_in_context(word_tokenizer(["he", "she", "sings", "sang"]), after="she", instead="sang")
    (differently,) = counterfactual.measure_sentences(Additive(reader), reader, ["he sings"])["problem"]
    assert differently == "the tokenizer reads the rest of the sentence differently beside the other word"
    pieces = counterfactual.measure_sentences(Additive(spelt), spelt, ["the queen sings"])
    assert pieces["problem"].tolist() == ["'queen' has 1 pieces and 'king' has 4"]
    assert counterfactual.measure_sentences(Additive(spelt), spelt, ["nobody"]).empty


def test_the_pairs_outside_d_share_no_word_with_it():
    inside, outside = ({word.lower() for pair in pairs for word in pair} for pairs in (PAIRS, OTHER_PAIRS))
    assert not inside & outside
    assert len(outside) == 2 * len(OTHER_PAIRS)
    for sentence in counterfactual.frame_sentences():
        assert len(counterfactual.exchanged(sentence)[3]) == 1


# SEAT with more words


def test_the_long_lists_begin_with_the_published_words_and_have_equal_length():
    for name, members in long_seat.LONG_LISTS.items():
        assert members[:8] == LISTS["Arts7" if name == "Arts" else name]
        assert len(set(members)) == len(members) == 24
    assert set(LISTS["Arts8"]) <= set(long_seat.LONG_LISTS["Arts"])
    assert set(LISTS["MaleTerms8"]) <= set(long_seat.LONG_LISTS["MaleTerms"])
    gendered = {word for name in ("MaleTerms", "FemaleTerms") for word in long_seat.LONG_LISTS[name]}
    assert not gendered & set(long_seat.NEUTRAL_NOUNS)
    assert len(set(long_seat.NEUTRAL_NOUNS)) == 100


@pytest.fixture(scope="module")
def vectors(model, tokenizer):
    """Mean of unit vectors of a word's sentences, one at a time, by the encoder's own forward."""
    found = {}
    for word in (*long_seat.NEUTRAL_NOUNS, *LONG_WORDS):
        rows = []
        for sentence in long_seat.long_sentences(word):
            with torch.no_grad():
                ids = torch.tensor([tokenizer(sentence)["input_ids"]])
                vector = model.base_model(input_ids=ids).last_hidden_state[0].double().mean(dim=0)
            rows.append((vector / vector.norm()).tolist())
        found[word] = [sum(column) / len(rows) for column in zip(*rows)]
    return found


def dot(u, v):
    return sum(a * b for a, b in zip(u, v))


def literal_effect(vectors, X, Y, A, B):
    def s(w):
        cosines = [[dot(vectors[w], vectors[other]) for other in part] for part in (A, B)]
        return sum(cosines[0]) / len(A) - sum(cosines[1]) / len(B)

    x, y = [s(w) for w in X], [s(w) for w in Y]
    mean = sum(x + y) / len(x + y)
    return (sum(x) / len(x) - sum(y) / len(y)) / math.sqrt(sum((v - mean) ** 2 for v in x + y) / (len(x + y) - 1))


@pytest.mark.parametrize("model", ["bert"], indirect=True)
def test_long_seat_is_the_literal_form(model, tokenizer, vectors):
    found = LONG.measure(model, tokenizer)
    assert found.columns.tolist() == ITEMS
    assert (found["problem"] == "").all()
    assert len(found) == 6 * 48
    assert found["item"].is_unique
    expected = {
        test: literal_effect(vectors, *(long_seat.LONG_LISTS[name] for name in long_seat.LONG_ROLES[test].values()))
        for test in TESTS
    }
    scores = scores_of(LONG, found)
    assert {test: scores[test] for test in TESTS} == pytest.approx(expected, abs=1e-5)
    assert scores["signed"] == pytest.approx(sum(expected.values()) / 6, abs=1e-5)
    assert scores["average"] == pytest.approx(sum(map(abs, expected.values())) / 6, abs=1e-5)


@pytest.mark.parametrize("model", ["bert"], indirect=True)
def test_random_lists_give_the_null_distribution_of_the_literal_form(model, tokenizer, vectors):
    table = long_seat.null_effects(model, tokenizer, n=39, seed=3).set_index("test")
    scores = scores_of(LONG, LONG.measure(model, tokenizer))
    assert table["effect_size"].to_dict() == pytest.approx({test: scores[test] for test in TESTS}, abs=1e-5)
    nouns = list(long_seat.NEUTRAL_NOUNS)
    for test, replaced in (("C6", ("A", "B")), ("C8", ("X", "Y"))):
        generator, drawn = numpy_generator(3, f"long seat null {test}"), []
        lists = {role: list(long_seat.LONG_LISTS[name]) for role, name in long_seat.LONG_ROLES[test].items()}
        for _ in range(39):
            order = [nouns[place] for place in generator.permutation(100)]
            drawn.append(literal_effect(vectors, **(lists | dict(zip(replaced, (order[:24], order[24:48]))))))
        assert table.loc[test, ["null_low", "null_high"]].tolist() == pytest.approx(
            np.quantile(drawn, [0.025, 0.975]), abs=1e-4
        )
        assert table.loc[test, "null_sd"] == pytest.approx(np.std(drawn), abs=1e-4)
        reached = sum(abs(d) >= abs(scores[test]) for d in drawn)
        assert table.loc[test, "p"] == pytest.approx((1 + reached) / 40)


def test_words_that_long_seat_cannot_read_are_named_and_a_lost_list_leaves_no_score():
    text = " ".join([*NOUNS, *(sentence for word in LONG_WORDS for sentence in long_seat.long_sentences(word))])
    lost = {form.lower() for word in (*long_seat.LONG_LISTS["Science"], "queen") for form in forms(word)}
    few = word_tokenizer([piece for piece in re.findall(r"\w+|[^\w\s]", text) if piece.lower() not in lost])
    bert = from_scratch(few, layers=1, hidden=16, max_length=64, initializer_range=0.2, seed=0)
    found = LONG.measure(bert, few)
    bad = found.query("problem != ''")
    assert bad["value"].isna().all()
    assert set(bad.query("unit == 'queen'")["problem"]) == {"not in the vocabulary: queen"}
    reasons = bad[bad["group"].isin(["C8 Y", "C8b Y"])]["problem"]
    assert set(reasons) == {"no word of Science is in the vocabulary"}
    scores = scores_of(LONG, found)
    assert math.isfinite(scores["C6"])
    assert math.isnan(scores["C8"])
    assert math.isnan(scores["average"])  # never an average over fewer tests
    with pytest.raises(InputError, match="C8: the tokenizer knows too few"):
        long_seat.null_effects(bert, few, n=2)
    with pytest.raises(InputError, match="n must be 1 or more"):
        long_seat.null_effects(bert, few, n=0)


# All of them


OURS = [LOG, CORRECTED, INVARIANCE, LONG]


@pytest.mark.parametrize("model", ["distilbert"], indirect=True)
@pytest.mark.parametrize("ruler", OURS, ids=lambda ruler: ruler.name)
def test_scores_depend_on_neither_batches_nor_order_nor_threads(model, tokenizer, ruler, monkeypatch):
    stimuli, sentences = log_probability._stimuli()[::3], counterfactual.frame_sentences()[::2]
    lists = {name: own[:12] for name, own in long_seat.LONG_LISTS.items()}

    def measured(batch_size=64):
        return ruler.measure(model, tokenizer, batch_size=batch_size)

    def use(change):
        monkeypatch.setattr(log_probability, "_stimuli", lambda: change(stimuli))
        monkeypatch.setattr(counterfactual, "frame_sentences", lambda: change(sentences))
        monkeypatch.setattr(long_seat, "LONG_LISTS", {name: tuple(change(own)) for name, own in lists.items()})

    use(list)
    first = measured()
    expected = scores_of(ruler, first)
    runs = [measured(1), measured(3)]
    torch.set_num_threads(2)
    try:
        runs.append(measured())
    finally:
        torch.set_num_threads(1)
    use(lambda items: random.Random(0).sample(items, len(items)))
    other = measured(3)
    assert other["item"].tolist() != first["item"].tolist()
    for run in (*runs, other):
        by_item = run.set_index("item")["value"].reindex(first["item"])
        assert by_item.to_numpy() == pytest.approx(first["value"].to_numpy(), abs=1e-5)
        assert scores_of(ruler, run) == pytest.approx(expected, abs=1e-6)


def made(ruler, seed):
    """Items of a ruler with random values: groups of units with several items each."""
    rng = np.random.default_rng(seed)
    groups = {
        "log-probability": list(log_probability.ATTRIBUTES),
        "counterfactual": ["in D", "outside D"],
        "long-seat": [f"{test} {role}" for test in TESTS for role in "XY"],
    }[ruler.name]
    rows = [(g, f"{g} {u}", i) for g in groups for u in range(rng.integers(2, 5)) for i in range(rng.integers(1, 4))]
    frame = pd.DataFrame(rows, columns=["group", "unit", "number"])
    frame["item"] = frame["unit"] + " " + frame["number"].astype(str)
    return frame.assign(value=rng.normal(size=len(frame)), problem="")[ITEMS]


@given(seed=st.integers(0, 10_000), ruler=st.sampled_from([LOG, INVARIANCE, LONG]))
def test_a_replicate_is_the_score_of_repeated_units(seed, ruler):
    frame = made(ruler, seed)
    for score in ruler.scores:
        own = frame
        if score.by_unit:
            means = [(g, u, f["value"].mean()) for (g, u), f in frame.groupby(["group", "unit"], sort=False)]
            own = pd.DataFrame(means, columns=["group", "unit", "value"])
        weights = item_weights(own, 3, ruler=ruler.name)
        values, groups = own["value"].to_numpy(), own["group"].to_numpy(dtype=str)
        found = score.of(values, groups, weights)
        for row, expected in zip(weights, found):
            again = np.repeat(np.arange(len(own)), row.astype(int))
            literal = score.of(values[again], groups[again], np.ones((1, len(again))))[0]
            assert expected == pytest.approx(literal, abs=1e-9, nan_ok=True)
        replicates = estimate(ruler, score, frame, n_bootstrap=3).replicates
        assert replicates == pytest.approx(found, abs=1e-12, nan_ok=True)


def test_units_are_drawn_whole_and_lists_of_the_same_words_alike():
    frame = made(LOG, 3)
    weights = pd.DataFrame(item_weights(frame, 50, ruler="x").T).assign(unit=frame["unit"], group=frame["group"])
    assert (weights.groupby(["group", "unit"]).nunique() == 1).all(axis=None)
    drawn = weights.drop_duplicates(["group", "unit"]).groupby("group")[list(range(50))].sum()
    assert (drawn.to_numpy() == drawn.index.map(frame.groupby("group")["unit"].nunique()).to_numpy()[:, None]).all()
    for other in (item_weights(frame, 50, ruler="y"), item_weights(frame, 50, ruler="x", seed=1)):
        assert not (other == item_weights(frame, 50, ruler="x")).all()
    again = frame.assign(group="z " + frame["group"])
    both = item_weights(pd.concat([frame, again]), 50, ruler="x")
    assert (both[:, : len(frame)] == both[:, len(frame) :]).all()


# Places of words


def test_places_of_words_are_those_of_their_pieces(tokenizer, model):
    finder = PlaceFinder(model, tokenizer)
    placed = finder.place("The nurse, she said.", (4, 9), (11, 14))
    pieces = tokenizer.convert_ids_to_tokens(list(placed.ids))
    assert [pieces[at] for at in placed.words[0]] == ["n", "##u", "##r", "##s", "##e"]
    assert [pieces[at] for at in placed.words[1]] == ["she"]
    assert [pieces[at] for at in placed.others] == ["the", ",", "said", "."]
    hidden = finder.hidden(placed.ids, placed.words[1])
    assert [at for at, token in enumerate(hidden) if token == tokenizer.mask_token_id] == list(placed.words[1])
    longest = model.config.max_position_embeddings
    assert len(finder.place("the " * (longest - 2)).ids) == longest
    with pytest.raises(Unreadable, match=f"{longest + 1} tokens, and the model reads {longest}"):
        finder.place("the " * (longest - 1))


def test_a_tokenizer_that_does_not_fit_is_refused(words, tokenizer, model):
    foreign = word_tokenizer([f"word{n}" for n in range(3000)] + ["zzz"])
    with pytest.raises(InputError, match="the tokenizer does not belong to this encoder"):
        PlaceFinder(model, foreign).place("zzz")
    maskless = word_tokenizer(["a"])
    maskless.mask_token = None
    with pytest.raises(InputError, match=f"{type(maskless).__name__} has no mask token"):
        LOG.measure(model, maskless)
    for slow in (SimpleNamespace(mask_token_id=4, is_fast=False), SimpleNamespace(mask_token_id=4)):
        with pytest.raises(InputError, match="SimpleNamespace does not say where in a text its tokens stand"):
            PlaceFinder(model, slow)


def test_what_a_tokenizer_cannot_read_is_named_by_its_beginning(tokenizer, model):
    finder = PlaceFinder(model, tokenizer)

    class Breaks:
        def __call__(self, text, **options):
            raise ValueError("no")

    finder._tokenizer = Breaks()
    with pytest.raises(InputError, match=f"^Breaks cannot read '{'a' * 60}'"):
        finder.place("a" * 80)


def test_the_table_of_rulers_has_one_name_each():
    assert all(name == ruler.name for name, ruler in RULERS.items())
    for ruler in RULERS.values():
        assert len({score.name for score in ruler.scores}) == len(ruler.scores)
        assert isinstance(ruler.measure, partial) or callable(ruler.measure)


def byte_tokenizer(texts):
    """A tokenizer of RoBERTa's kind: pieces of bytes, a word with the space before it."""
    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(vocab_size=3000, special_tokens=special, show_progress=False)
    pieces.train_from_iterator(texts * 3, trainer)
    pieces.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    names = {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>"}
    return PreTrainedTokenizerFast(tokenizer_object=pieces, unk_token="<unk>", mask_token="<mask>", **names)


def test_models_of_another_kind_are_read_alike():
    """RoBERTa: "He" begins a sentence and " he" stands in one; its positions begin behind that of padding."""
    texts = [*JOBS, *TOPICS, *(text.replace("he", "she") for text in JOBS), "He is", "She is", *FRAME_WORDS]
    texts += counterfactual.frame_sentences()
    tokenizer = byte_tokenizer(texts)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 16}
    torch.manual_seed(0)
    config = RobertaConfig(vocab_size=len(tokenizer), max_position_embeddings=66, initializer_range=0.5, **size)
    model = RobertaForMaskedLM(config).eval()
    found = LOG.measure(model, tokenizer)
    assert (found["problem"] == "").all()
    nurse = found.query("unit == 'nurse'")["value"].tolist()
    for template, value in zip(log_probability.JOB_TEMPLATES, nurse):
        text = template.format(they="<mask>", a="a ", attribute="nurse").replace(" <mask>", "<mask>")
        ids = tokenizer(text)["input_ids"]
        found_log_p = log_p(model, ids, ids.index(tokenizer.mask_token_id))
        he, she = ("He", "She") if text.startswith("<mask>") else ("Ġhe", "Ġshe")
        vocabulary = tokenizer.get_vocab()
        assert value == pytest.approx(found_log_p[vocabulary[he]] - found_log_p[vocabulary[she]], abs=1e-5)
    assert (INVARIANCE.measure(model, tokenizer)["problem"] == "").all()


# What is made once


def small_bert(tokenizer):
    return from_scratch(tokenizer, layers=2, hidden=16, max_length=64, initializer_range=0.3, seed=0).eval()


@pytest.mark.parametrize("ruler", RULERS.values(), ids=lambda ruler: ruler.name)
def test_what_is_kept_of_one_tokenizer_is_not_used_for_another(ruler, tokenizer):
    """Two tokenizers of the same words with other ids: each is read as if it were alone, in any order and again."""
    own = tokenizer.get_vocab()
    pieces = sorted(own, key=own.get)
    turned = [*pieces[:5], *reversed(pieces[5:])]  # the special tokens stay
    other = BertTokenizer(vocab={piece: number for number, piece in enumerate(turned)}, do_lower_case=True)
    models = [small_bert(own) for own in (tokenizer, other)]
    permutation = torch.tensor([own[piece] for piece in turned])
    with torch.no_grad():  # the second is the first, its words in another order
        models[1].load_state_dict(models[0].state_dict())
        for layer in (models[1].get_input_embeddings(), models[1].get_output_embeddings()):
            layer.weight.copy_(models[0].get_input_embeddings().weight[permutation])
        models[1].cls.predictions.bias.copy_(models[0].cls.predictions.bias[permutation])
    first, second = (ruler.measure(model, own) for model, own in zip(models, (tokenizer, other)))
    again = ruler.measure(models[0], tokenizer)
    pd.testing.assert_frame_equal(again, first, check_exact=True)
    pd.testing.assert_frame_equal(second, first, check_exact=False, rtol=0, atol=2e-5)
    assert first["value"].std() > 1e-4


def test_a_changed_tokenizer_is_read_anew(tokenizer):
    model = small_bert(tokenizer)
    own = BertTokenizer(vocab=tokenizer.get_vocab(), do_lower_case=True)
    LOG.measure(model, own)
    own.mask_token = None
    for ruler in (LOG, INVARIANCE, RULERS["pair-preference"]):
        with pytest.raises(InputError, match=r"no mask token|no \[MASK\]"):
            ruler.measure(model, own)


def test_a_model_that_reads_less_is_asked_anew(tokenizer):
    long, short = small_bert(tokenizer), small_bert(tokenizer)
    short.config.max_position_embeddings = 8
    assert (LOG.measure(long, tokenizer)["problem"] == "").all()
    assert LOG.measure(short, tokenizer)["problem"].str.contains("the model reads 8").any()


def test_rulers_together_find_what_each_finds_alone_and_keep_nothing(model, tokenizer):
    for own in ([LOG, CORRECTED], [CORRECTED, LOG]):
        together = measure_with(own, model, tokenizer)
        for ruler in own:
            alone = ruler.measure(model, tokenizer)
            assert together[ruler.name]["value"].to_numpy() == pytest.approx(alone["value"].to_numpy(), abs=1e-5)
            assert scores_of(ruler, together[ruler.name]) == pytest.approx(scores_of(ruler, alone), abs=1e-6)
    assert not log_probability._kept


# Asking a model


def asked_of(tokenizer, n, seed):
    """Random queries of one place and of several, some of them twice, with the token that is asked for at each."""
    rng = np.random.default_rng(seed)
    queries = []
    for _ in range(n):
        length = int(rng.integers(3, 9))
        places = sorted(int(place) for place in rng.choice(length, rng.integers(1, 4), replace=False))
        queries.append(Query(tuple(int(i) for i in rng.integers(5, len(tokenizer), length)), tuple(places)))
    queries += queries[::3]
    return queries, [int(i) for i in rng.integers(5, len(tokenizer), sum(len(query.at) for query in queries))]


@given(n=st.integers(1, 12), seed=st.integers(0, 10_000), batch_size=st.integers(1, 64))
def test_log_probabilities_of_tokens_are_those_of_the_whole_distribution(model, tokenizer, n, seed, batch_size):
    queries, tokens = asked_of(tokenizer, n, seed)
    found = token_log_probabilities(model, Asked(queries), tokens, batch_size=batch_size)
    places = [(query.ids, at) for query in queries for at in query.at]
    expected = [log_p(model, list(ids), at)[token] for (ids, at), token in zip(places, tokens)]
    assert found == pytest.approx(expected, abs=1e-5)
    raw = token_log_probabilities(model, Asked(queries), tokens, batch_size=batch_size, normalised=False)
    for number in range(len(places)):
        if places[number] == places[0]:
            assert raw[number] - raw[0] == pytest.approx(expected[number] - expected[0], abs=1e-5)


def test_a_model_that_takes_no_ids_is_named(tokenizer):
    class Broken(Additive):
        def forward(self, input_ids, attention_mask):
            raise IndexError("no")

    with pytest.raises(InputError, match=r"^Broken cannot read sentences with masks"):
        token_log_probabilities(Broken(tokenizer), Asked([Query((5, 6), (1,))]), [5])


def test_a_model_with_broken_numbers_is_refused(tokenizer):
    model = small_bert(tokenizer)
    with torch.no_grad():
        model.get_input_embeddings().weight[tokenizer.get_vocab()["he"]] = math.nan
    for ruler in (LOG, INVARIANCE, RULERS["pair-preference-aul"]):
        with pytest.raises(InputError, match="NaN or infinite"):
            ruler.measure(model, tokenizer)


def test_scores_of_several_seeds_resample_the_students_that_seat_and_glue_resample():
    """A replicate has the same students for every ruler: the draws of "resampled seeds"."""
    values = np.array([0.1, 0.4, 0.9])
    models = [[Estimate(value, np.full(200, value), np.array([value]))] for value in values]
    found = over_seeds(models)
    assert found.value == pytest.approx(values.mean())
    draws = resample_seeds(3, 200, numpy_generator(0, "resampled seeds", 3))
    assert found.replicates == pytest.approx(values[draws].mean(axis=1))
    assert found.by_seed.tolist() == values.tolist()


def test_a_weighted_deviation_is_that_of_items_repeated_by_their_weights():
    values, own = np.array([1.0, 4.0, 7.0, -2.0]), np.array([True, False, True, True])
    weights = np.array([[1.0, 5.0, 1.0, 0.0], [1.0, 0.0, 2.0, 3.0], [1.0, 9.0, 0.0, 0.0]])
    expected = [np.repeat(values[own], row[own].astype(int)) for row in weights]
    found = weighted_deviation(values, weights, own)
    assert found[:2] == pytest.approx([repeated.std(ddof=1) for repeated in expected[:2]])
    assert found[2] == 0.0  # of one item there is nothing to tell
    assert np.isnan(weighted_deviation(values, weights, np.zeros(4, dtype=bool))).all()
