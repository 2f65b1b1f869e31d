"""SEAT's statistic against literal loops, encoding, intervals over words, and what is refused."""

import itertools
import json
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    DistilBertConfig,
    DistilBertForMaskedLM,
    DistilBertModel,
    PreTrainedTokenizerFast,
    T5Config,
    ViTConfig,
    ViTModel,
    XLNetConfig,
    XLNetModel,
)

from fairkd import seat
from fairkd.bias import association
from fairkd.bias.stimuli import LISTS, ROLES, TESTS, stimuli, words
from fairkd.errors import InputError

GOLDEN = json.loads((Path(__file__).parent / "data" / "bert_pooler_associations.json").read_text())["tests"]
SENTENCES = list(dict.fromkeys(s for test in TESTS for part in stimuli(test).values() for s in part))
A2, B2 = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])


def slow_cosine(u, v):
    dot = sum(a * b for a, b in zip(u, v, strict=True))
    return dot / math.sqrt(sum(a * a for a in u)) / math.sqrt(sum(b * b for b in v))


def slow_association(w, A, B):
    return sum(slow_cosine(w, a) for a in A) / len(A) - sum(slow_cosine(w, b) for b in B) / len(B)


def slow_effect_size(X, Y, A, B):
    x, y = ([slow_association(w, A, B) for w in part] for part in (X, Y))
    mean = sum(x + y) / len(x + y)
    deviation = math.sqrt(sum((s - mean) ** 2 for s in x + y) / (len(x + y) - 1))
    return (sum(x) / len(x) - sum(y) / len(y)) / deviation


def slow_p_value(X, Y, A, B):
    """Over all equal splits, ties counted."""
    scores = [slow_association(w, A, B) for w in (*X, *Y)]
    observed = sum(scores[: len(X)])
    sums = [sum(split) for split in itertools.combinations(scores, len(X))]
    return sum(s >= observed - 1e-9 for s in sums) / len(sums)


def plane(associations):
    """Unit vectors in the plane whose association with A2 and B2 is the given number: cos t - sin t = s."""
    angle = np.arccos(np.asarray(associations) / math.sqrt(2)) - math.pi / 4
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def random_sets(seed, sizes=(4, 4, 3, 5), width=6):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, width)) for n in sizes]


seeds = st.integers(0, 10_000)


# The statistic


@given(seeds, st.tuples(*[st.integers(1, 6)] * 4))
def test_effect_size_is_the_literal_formula(seed, sizes):
    sets = random_sets(seed, sizes)
    assert seat.effect_size(*sets) == pytest.approx(slow_effect_size(*(part.tolist() for part in sets)), rel=1e-9)


@given(seeds)
def test_effect_size_is_antisymmetric_in_targets_and_in_attributes(seed):
    X, Y, A, B = random_sets(seed)
    d = seat.effect_size(X, Y, A, B)
    assert seat.effect_size(Y, X, A, B) == pytest.approx(-d)
    assert seat.effect_size(X, Y, B, A) == pytest.approx(-d)


@given(seeds)
def test_effect_size_ignores_lengths_order_and_rotation(seed):
    sets = random_sets(seed)
    rng = np.random.default_rng(seed + 1)
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    changed = [rng.permutation(part) @ rotation for part in sets]
    changed = [part * 10 ** rng.uniform(-8, 8, size=(len(part), 1)) for part in changed]
    assert seat.effect_size(*changed) == pytest.approx(seat.effect_size(*sets), rel=1e-7)


def test_effect_size_standardises_with_ddof_1_over_all_targets():
    # s = 1, 0 against 0, -1: means differ by 1, squares about 0 sum to 2, over N - 1 = 3.
    assert seat.effect_size(plane([1, 0]), plane([0, -1]), A2, B2) == pytest.approx(1 / math.sqrt(2 / 3))


@given(seeds, st.integers(1, 4))
def test_p_value_enumerates_all_splits_of_small_sets(seed, n):
    sets = random_sets(seed, (n, n, 3, 5))
    assert seat.p_value(*sets) == pytest.approx(slow_p_value(*(part.tolist() for part in sets)))


@given(st.lists(st.sampled_from([-0.5, 0.0, 0.25]), min_size=6, max_size=6))
def test_p_value_counts_ties(scores):
    X, Y = plane(scores[:3]), plane(scores[3:])
    splits = [sum(split) for split in itertools.combinations(scores, 3)]  # exact: the scores are dyadic
    assert seat.p_value(X, Y, A2, B2) == sum(s >= sum(scores[:3]) for s in splits) / 20


def test_p_value_includes_the_observed_split():
    high, low = plane([0.9, 0.8, 0.7]), plane([0.1, 0.2, 0.3])
    assert seat.p_value(high, low, A2, B2) == 1 / 20
    assert seat.p_value(low, high, A2, B2) == 1


def test_p_value_is_exact_up_to_n_samples_splits_and_sampled_beyond():
    mixed = plane([0.9, 0.1, 0.75]), plane([0.8, 0.2, 0.3])
    exact = seat.p_value(*mixed, A2, B2)
    assert exact == 9 / 20  # nine of the twenty sums of three are 1.75 or more
    assert {seat.p_value(*mixed, A2, B2, n_samples=20, seed=seed) for seed in range(5)} == {exact}
    sampled = [seat.p_value(*mixed, A2, B2, n_samples=19, seed=seed) * 19 for seed in range(5)]
    assert sampled == pytest.approx(np.round(sampled))
    assert len(set(sampled)) > 1


def test_sampled_p_value_is_near_the_exact_one():
    X, Y, A, B = random_sets(5, (9, 9, 3, 5))
    X = X + 0.4 * A.mean(axis=0)
    exact, n = seat.p_value(X, Y, A, B, n_samples=48_620), 40_000
    assert 0.005 < exact < 0.6
    for seed in range(3):
        sampled = seat.p_value(X, Y, A, B, n_samples=n, seed=seed)
        assert sampled == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / n))


def test_sampled_p_value_is_one_plus_hits_over_n_samples():
    scores = np.linspace(0, 1, 60)
    X, Y = plane(scores[30:]), plane(scores[:30])
    assert seat.p_value(X, Y, A2, B2, n_samples=1000) == 1 / 1000
    assert seat.p_value(Y, X, A2, B2, n_samples=1000) == 1
    assert seat.p_value(X, Y, A2, B2, n_samples=1) == 1


def test_sampled_p_value_does_not_depend_on_the_chunk_of_its_splits():
    """The first splits of a seed are the same however many are drawn."""
    X, Y = plane(np.linspace(0, 0.6, 40)[::2]), plane(np.linspace(0, 0.6, 40)[1::2])
    scores = np.concatenate(association.associations(X, Y, A2, B2))
    rows = np.concatenate(
        [np.unpackbits(association._random_splits(20, 3, chunk), axis=1, count=40) for chunk in range(2)]
    )
    assert not np.array_equal(rows[: len(rows) // 2], rows[len(rows) // 2 :])
    for n_samples in (10, 1000, len(rows)):
        hits = sum(scores[row == 1].sum() >= scores[:20].sum() - 1e-10 for row in rows[: n_samples - 1])
        assert seat.p_value(X, Y, A2, B2, n_samples=n_samples, seed=3) == (1 + hits) / n_samples


def test_random_splits_take_half_and_every_position_equally_often():
    split = np.unpackbits(association._random_splits(11, 0, 0), axis=1, count=22)
    assert (split.sum(axis=1) == 11).all()
    assert split.mean(axis=0) == pytest.approx(np.full(22, 0.5), abs=5 * 0.5 / math.sqrt(len(split)))
    together = (split[:, 0] & split[:, 1]).mean()  # without replacement: 1/2 * 10/21
    assert together == pytest.approx(10 / 42, abs=0.01)


def test_random_splits_are_drawn_anew_where_a_tie_leaves_them_open(monkeypatch):
    clear = np.array([[5, 1, 4, 2]], np.uint32)
    ties = [np.array([[3, 1, 3, 7]], np.uint32), np.array([[0, 0, 0, 9]], np.uint32)]
    drawn = iter(keys.view(np.uint64) for keys in (*ties, clear))
    monkeypatch.setattr(
        association, "numpy_generator", lambda *_: SimpleNamespace(integers=lambda *_, **__: next(drawn))
    )
    monkeypatch.setattr(association, "_rows", lambda n: 1)
    association._random_splits.cache_clear()
    try:
        split = np.unpackbits(association._random_splits(2, 0, 0), axis=1, count=4)
    finally:
        association._random_splits.cache_clear()
    assert split.tolist() == [[0, 1, 0, 1]]
    assert next(drawn, None) is None


def slow_word_p_value(X, Y, A, B, words_x, words_y):
    """Each split of the words, with d itself computed anew from all sentences."""
    named = [*(("x", w) for w in words_x), *(("y", w) for w in words_y)]
    distinct, vectors = list(dict.fromkeys(named)), [*X, *Y]
    observed, hits, splits = slow_effect_size(X, Y, A, B), 0, 0
    for chosen in itertools.combinations(distinct, len(distinct) // 2):
        sides = [[v for v, w in zip(vectors, named, strict=True) if (w in chosen) == side] for side in (True, False)]
        hits, splits = hits + (slow_effect_size(*sides, A, B) >= observed - 1e-9), splits + 1
    return hits / splits


@given(seeds, st.lists(st.integers(1, 3), min_size=6, max_size=6))
def test_word_p_value_moves_each_word_with_its_sentences_and_compares_d(seed, counts):
    words_x, words_y = (np.repeat([0, 1, 2], counts[start : start + 3]).tolist() for start in (0, 3))
    sets = random_sets(seed, (len(words_x), len(words_y), 3, 4))
    expected = slow_word_p_value(*sets, words_x, words_y)
    assert seat.word_p_value(*sets, words_x=words_x, words_y=words_y) == pytest.approx(expected)


def test_word_p_value_of_one_sentence_a_word_is_that_over_sentences():
    sets = random_sets(5, (5, 5, 3, 4))
    assert seat.word_p_value(*sets, words_x=range(5), words_y=range(5)) == seat.p_value(*sets)
    many = random_sets(5, (12, 12, 3, 4))  # 2,704,156 splits: sampled
    sampled = seat.word_p_value(*many, words_x=range(12), words_y=range(12), n_samples=999)
    assert sampled == seat.p_value(*many, n_samples=999)


def test_word_p_value_refuses_words_that_do_not_fit():
    sets = random_sets(0, (4, 4, 3, 3))
    with pytest.raises(InputError, match="a word a sentence: 3 and 4 words for 4 and 4"):
        seat.word_p_value(*sets, words_x=[0, 0, 1], words_y=[0, 0, 1, 1])
    with pytest.raises(InputError, match="as many words in X as in Y, not 2 and 3"):
        seat.word_p_value(*sets, words_x=[0, 0, 1, 1], words_y=[0, 1, 2, 2])


NULL_DRAWS = 2000


def null_scores(test, generator, noise=0.3):
    """Associations of random words: a number a word, and a little of its own for each of its sentences."""
    return [
        generator.normal(size=8)[words(test)[role]] + noise * generator.normal(size=len(words(test)[role]))
        for role in "XY"
    ]


@pytest.mark.parametrize("test", ["C6", "C7", "C8b"])  # 64 and 64 sentences, and two truncated sets
def test_p_over_words_keeps_its_level_for_random_words_where_that_over_sentences_does_not(test):
    generator = np.random.default_rng(0)
    over = {"words_x": words(test)["X"], "words_y": words(test)["Y"], "n_samples": math.comb(16, 8), "seed": 0}
    drawn = [null_scores(test, generator) for _ in range(NULL_DRAWS)]
    p_words = np.array([association.permutation_word_p(*scores, **over) for scores in drawn])
    p_sentences = np.array([association.permutation_p(*scores, n_samples=200, seed=0) for scores in drawn[:300]])
    assert 0.03 <= (p_words <= 0.05).mean() <= 0.07
    assert (p_sentences <= 0.05).mean() > 0.15


def test_p_value_is_reproducible_and_its_seed_matters():
    sets = random_sets(1, (30, 30, 3, 5))
    values = [seat.p_value(*sets, n_samples=3000, seed=seed) for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]


@pytest.mark.parametrize("test", TESTS)
def test_real_bert_associations_give_the_published_values(test):
    """bert-base-uncased pooler vectors; published by Liang et al. 2020 (see the note in the data file)."""
    golden = GOLDEN[test]
    X, Y = plane(golden["X"]), plane(golden["Y"])
    assert (len(X), len(Y)) == tuple(len(stimuli(test)[role]) for role in "XY")
    d = seat.effect_size(X, Y, A2, B2)
    assert d == pytest.approx(golden["effect_size"], abs=5e-5)  # half precision of the stored vectors
    assert d == pytest.approx(golden["published_effect_size"], abs=5.5e-4)
    p = golden["p_value"]
    error = 4 * math.sqrt(max(p, 5e-4) * (1 - p) / 2000)
    assert seat.p_value(X, Y, A2, B2, n_samples=100_000) == pytest.approx(p, abs=error)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: [s[0][:0], *s[1:]], r"X must be vectors of shape"),
        (lambda s: [s[0], s[1][0], *s[2:]], r"Y must be vectors of shape"),
        (lambda s: [s[0], s[1], s[2][:, :3], s[3]], r"equally wide, not \[6, 6, 3, 6\]"),
        (lambda s: [s[0] * np.nan, *s[1:]], r"X holds NaN"),
        (lambda s: [*s[:3], np.vstack([s[3][:2], np.zeros(6)])], r"B holds a zero vector \(row 2\)"),
        (lambda s: [s[0][:1], s[0][:1], *s[2:]], r"the effect size is undefined"),
    ],
)
def test_effect_size_refuses_what_has_no_value(change, message):
    with pytest.raises(InputError, match=message):
        seat.effect_size(*change(random_sets(0)))


def test_p_value_refuses_targets_of_different_size_and_no_samples():
    with pytest.raises(InputError, match="equal size, not 4 and 3"):
        seat.p_value(*random_sets(0, (4, 3, 2, 2)))
    with pytest.raises(InputError, match="n_samples must be 1 or more, not 0"):
        seat.p_value(*random_sets(0), n_samples=0)


# Encoding


def word_pieces():
    """A BERT-like tokenizer that knows every word of the stimuli, with "grandmother" in two pieces."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    texts = " ".join(SENTENCES).lower().replace(".", " . ").replace("'", " ' ").split()
    pieces = [*special, "##mother", "##mothers", *sorted(set(texts) | {"grand"})]
    pieces = [piece for piece in pieces if not piece.startswith("grandm")]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    )
    names = dict(zip(["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"], special, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=backend, **names)


@pytest.fixture(scope="module")
def tokenizer():
    return word_pieces()


def bert_config(tokenizer):
    return BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=20,
        initializer_range=0.3,  # wide, so that sentences differ much
    )


def make(model_class, config):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return model_class(config)


@pytest.fixture(scope="module")
def model(tokenizer):
    return make(BertModel, bert_config(tokenizer)).eval()


MIXED = ["This is a girl.", "Grandmothers are people.", "John is here.", "It is her.", "The person's name is Amy."]


def slow_vector(model, tokenizer, sentence, pooling):
    """One sentence alone, tokens looked up and pooled one by one."""
    words = sentence.lower().replace(".", " .").replace("'", " ' ").split()
    pieces = [p for w in words for p in (["grand", "##mothers"] if w == "grandmothers" else [w])]
    if pooling != "first_token":
        pieces = ["[CLS]", *pieces, "[SEP]"]
    ids = torch.tensor([[tokenizer.get_vocab()[piece] for piece in pieces]])
    with torch.no_grad():
        hidden = model(input_ids=ids).last_hidden_state[0]
    if pooling == "mean":
        return sum(hidden[i] for i in range(len(pieces))).numpy() / len(pieces)
    return hidden[0].numpy()


@pytest.mark.parametrize("pooling", seat.POOLINGS)
def test_encode_is_the_literal_pooling_of_one_sentence(model, tokenizer, pooling):
    vectors = seat.encode(model, tokenizer, MIXED, pooling)
    for vector, sentence in zip(vectors, MIXED, strict=True):
        assert vector == pytest.approx(slow_vector(model, tokenizer, sentence, pooling), abs=1e-5)


@pytest.mark.parametrize("pooling", seat.POOLINGS)
def test_a_sentence_has_the_same_vector_alone_and_in_a_batch(tokenizer, pooling):
    model = make(BertModel, bert_config(tokenizer)).double()  # so that only a real dependence exceeds 1e-6
    together = seat.encode(model, tokenizer, SENTENCES[:200], pooling)
    for position in range(0, 200, 23):
        alone = seat.encode(model, tokenizer, [SENTENCES[position]], pooling)
        assert np.abs(alone[0] - together[position]).max() < 1e-6
    in_twos = seat.encode(model, tokenizer, SENTENCES[:200], pooling, batch_size=2)
    assert np.abs(in_twos - together).max() < 1e-6


def test_encode_each_equals_encode(model, tokenizer):
    each = seat.encode_each(model, tokenizer, MIXED, ["first_token", "cls", "mean"])
    assert list(each) == ["first_token", "cls", "mean"]
    for pooling, vectors in each.items():
        assert np.array_equal(vectors, seat.encode(model, tokenizer, MIXED, pooling))


def test_encode_uses_no_dropout_and_leaves_the_training_mode(tokenizer):
    model = make(BertModel, bert_config(tokenizer))
    for training in (True, False):
        model.train(training)
        assert np.array_equal(seat.encode(model, tokenizer, MIXED), seat.encode(model, tokenizer, MIXED))
        assert model.training is training


def test_encode_takes_the_encoder_of_a_model_with_a_head(tokenizer):
    headed = make(BertForMaskedLM, bert_config(tokenizer))
    assert np.array_equal(seat.encode(headed, tokenizer, MIXED), seat.encode(headed.bert.eval(), tokenizer, MIXED))


def test_encode_of_nothing_is_empty(model, tokenizer):
    assert seat.encode(model, tokenizer, []).shape == (0, 32)


def test_encode_refuses_what_it_cannot_read(model, tokenizer):
    with pytest.raises(InputError, match=r"'meen'.*mean, cls, first_token.*Did you mean 'mean'"):
        seat.encode(model, tokenizer, MIXED, "meen")
    with pytest.raises(InputError, match=r"22 tokens; the encoder reads 20"):
        seat.encode(model, tokenizer, [" ".join(["girl"] * 20)])
    with pytest.raises(InputError, match=r"the sentence '' has no tokens"):
        seat.encode(model, tokenizer, [""], "first_token")
    small = make(BertModel, BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1))
    with pytest.raises(InputError, match=r"does not belong to this encoder.*9 entries"):
        seat.encode(small, tokenizer, MIXED)
    without = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, unk_token="[UNK]")
    with pytest.raises(InputError, match=r"needs a tokenizer with a \[CLS\]"):
        seat.encode(model, without, MIXED, "cls")


def test_cls_is_the_last_token_of_an_xlnet_and_the_first_word_of_nothing():
    """Of its own tokenizer, which puts [CLS] at the end; hidden states are taken one sentence at a time."""
    backend = Tokenizer.from_str(word_pieces().backend_tokenizer.to_str())
    special = [(name, backend.token_to_id(name)) for name in ("[SEP]", "[CLS]")]
    backend.post_processor = processors.TemplateProcessing(single="$A [SEP] [CLS]", special_tokens=special)
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("unk", "cls", "sep")}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, **names)
    model = make(XLNetModel, XLNetConfig(vocab_size=len(tokenizer), d_model=32, n_layer=1, n_head=2, d_inner=32)).eval()
    vectors = seat.encode_each(model, tokenizer, MIXED, ["cls", "mean", "first_token"])
    for n, sentence in enumerate(MIXED):
        ids = tokenizer(sentence, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            hidden, bare = (model(input_ids=part).last_hidden_state[0].numpy() for part in (ids, ids[:, :-2]))
        assert ids[0, -1] == tokenizer.cls_token_id
        assert vectors["cls"][n] == pytest.approx(hidden[-1], abs=1e-5)
        assert vectors["mean"][n] == pytest.approx(hidden.mean(axis=0), abs=1e-5)
        assert vectors["first_token"][n] == pytest.approx(bare[0], abs=1e-5)


def test_cls_is_refused_where_the_tokenizer_has_the_token_but_does_not_put_it(model, tokenizer):
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
    without = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", cls_token="[CLS]")
    with pytest.raises(InputError, match=r"'cls' needs .* \[CLS\] token at the beginning or end.*mean and first_token"):
        seat.encode(model, without, MIXED, "cls")
    assert seat.encode(model, without, MIXED, "mean").shape == (len(MIXED), 32)


def test_a_model_that_reads_no_sentences_is_refused(tokenizer):
    vision = make(ViTModel, ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, image_size=32))
    with pytest.raises(InputError, match=r"ViTModel cannot read sentences.*BERT-like"):
        seat.encode(vision, tokenizer, MIXED)


# The six tests on a model


@pytest.fixture(scope="module")
def measured(model, tokenizer):
    return seat.measure_each(model, tokenizer, ["mean", "cls"], n_samples=2000, n_bootstrap=50, seed=3)


def test_the_table_holds_what_the_public_functions_give(model, tokenizer, measured):
    table = measured["cls"].table
    assert list(table["test"]) == list(TESTS)
    assert set(table["pooling"]) == {"cls"}
    for row in table.itertuples():
        sets = [seat.encode(model, tokenizer, part, "cls") for part in stimuli(row.test).values()]
        assert (row.n_x, row.n_y, row.n_a, row.n_b) == tuple(map(len, sets))
        assert row.effect_size == pytest.approx(seat.effect_size(*sets), abs=1e-4)
        assert row.p_value == pytest.approx(seat.p_value(*sets, n_samples=2000, seed=3), abs=1e-3)
        of_word = words(row.test)
        expected = seat.word_p_value(*sets, words_x=of_word["X"], words_y=of_word["Y"])  # exact, whatever n_samples
        assert row.p_words == pytest.approx(expected, abs=1e-3)


def test_replicates_are_effect_sizes_on_repeated_sentences_of_drawn_words(model, tokenizer, measured):
    """The unit is the word: all its sentences go along; a list has one draw in all tests."""
    draws = seat.resampled_words(50, 3)
    assert all(draw.shape == (50, 8) and (draw.sum(axis=1) == 8).all() for draw in draws.values())
    vectors = dict(zip(SENTENCES, seat.encode(model, tokenizer, SENTENCES).tolist(), strict=True))
    for column, test in enumerate(TESTS):
        for b in (0, 17):
            sets = []
            for role, sentences in stimuli(test).items():
                drawn = draws[ROLES[test][role]][b]
                pairs = zip(words(test)[role], sentences, strict=True)
                sets.append([vectors[s] for word, s in pairs for _ in range(int(drawn[word]))])
            expected = seat.effect_size(*sets)
            assert measured["mean"].replicates[b, column] == pytest.approx(expected, abs=1e-5)
    assert seat.effect_size(*sets) == pytest.approx(slow_effect_size(*sets), abs=1e-9)


def test_words_are_drawn_evenly_in_each_list():
    draws = seat.resampled_words(4000, 0)
    for name, draw in draws.items():
        assert draw.mean(axis=0) == pytest.approx(np.ones(len(LISTS[name])), abs=0.1)
        covariance = np.cov(draw.T)
        assert covariance == pytest.approx(np.eye(8) - 1 / 8, abs=0.08)  # of a multinomial: 7/8 and -1/8
    assert not np.array_equal(draws["MaleNames"], draws["FemaleNames"])


def test_a_word_has_one_draw_in_all_lists_that_hold_it():
    draws, seen = seat.resampled_words(200, 0), {}
    for name, members in LISTS.items():
        for position, word in enumerate(members):
            seen.setdefault(word, []).append(draws[name][:, position])
    shared = {word: columns for word, columns in seen.items() if len(columns) > 1}
    assert len(shared) == 7 + 5 + 5  # arts of C7 and C8, and the male and female terms of C7 and C8
    assert all(np.array_equal(columns[0], other) for columns in shared.values() for other in columns[1:])


def test_what_tests_share_makes_their_replicates_go_together():
    """C7 and C8 share 7 of 8 arts, and 5 of 8 terms a side; drawn apart, their d would look independent."""
    generator, gender = np.random.default_rng(0), np.eye(30)[0]
    vectors = {word: generator.normal(size=30) for members in LISTS.values() for word in members}
    for name, members in LISTS.items():  # each word has a gender, as in an encoder
        for word in members:
            vectors[word] = vectors[word] + gender * (name.startswith("Male") - name.startswith("Female")) * 4
    parts = {
        test: {
            role: association.unit([vectors[LISTS[ROLES[test][role]][i]] for i in of_word], role)
            for role, of_word in words(test).items()
        }
        for test in TESTS
    }
    together = seat.resampled_words(2000, 0)
    apart = {name: seat.resampled_words(2000, n)[name] for n, name in enumerate(LISTS)}

    def replicates(draws):
        return np.stack([seat.replicates_of(parts[test], test, draws) for test in TESTS], axis=1)

    c7, c8 = TESTS.index("C7"), TESTS.index("C8")
    correlations = [np.corrcoef(replicates(draws).T)[c7, c8] for draws in (together, apart)]
    assert correlations[0] > 0.15
    assert abs(correlations[1]) < 0.1
    errors = [replicates(draws).mean(axis=1).std() for draws in (together, apart)]
    assert errors[0] > 1.02 * errors[1]


def test_intervals_are_percentiles_of_the_replicates_and_paired_between_poolings(measured):
    for name in ("mean", "cls"):
        low, high = np.quantile(measured[name].replicates, [0.025, 0.975], axis=0)
        assert measured[name].table["ci_low"].to_numpy() == pytest.approx(low)
        assert measured[name].table["ci_high"].to_numpy() == pytest.approx(high)
    assert measured["mean"].replicates.shape == (50, 6)


def test_measure_is_reproducible_and_equals_measure_each_and_evaluate(model, tokenizer, measured):
    options = {"n_samples": 2000, "n_bootstrap": 50, "seed": 3}
    once = seat.measure(model, tokenizer, pooling="mean", **options)
    assert once.table.equals(measured["mean"].table)
    assert np.array_equal(once.replicates, measured["mean"].replicates)
    assert seat.evaluate(model, tokenizer, "mean", **options).equals(once.table)


def test_measure_encodes_each_distinct_sentence_once(tokenizer):
    model, rows = make(BertModel, bert_config(tokenizer)), []
    model.register_forward_hook(lambda module, inputs, kw, out: rows.append(len(kw["input_ids"])), with_kwargs=True)
    seat.measure_each(model, tokenizer, ["mean", "cls"], n_samples=10, n_bootstrap=0)
    assert sum(rows) == len(SENTENCES) == 797


def test_no_bootstrap_gives_no_interval(model, tokenizer):
    result = seat.measure(model, tokenizer, n_samples=10, n_bootstrap=0)
    assert result.table[["ci_low", "ci_high"]].isna().all(axis=None)
    assert result.replicates.shape == (0, 6)


def test_measure_refuses_a_tokenizer_that_knows_no_word_of_a_list(tokenizer):
    """Whatever is measured, by whichever way: here the model alone, without the command."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    for word in ("science", "technology", "physics", "chemistry", "einstein", "nasa", "experiment", "astronomy"):
        state["model"]["vocab"][f"[unused {word}]"] = state["model"]["vocab"].pop(word)
    foreign = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(state)), unk_token="[UNK]")
    with pytest.raises(InputError, match=r"no word of the list Science .* C8, C8b would measure"):
        seat.measure(make(BertModel, bert_config(foreign)), foreign, n_samples=10, n_bootstrap=0)


def test_the_frame_of_an_encoder_names_the_words_that_its_tokenizer_does_not_know(tmp_path, tokenizer):
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    state["model"]["vocab"]["[unused]"] = state["model"]["vocab"].pop("nasa")
    foreign = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(state)), unk_token="[UNK]")
    folder = save(tmp_path / "m", make(BertModel, bert_config(foreign)), foreign)
    table = seat.measure_encoder(folder, poolings=["mean", "first_token"], n_samples=10, n_bootstrap=0)
    assert list(table["unknown_words"]) == [[], [], [], [], ["NASA"], ["NASA"]] * 2
    assert list(table["unknown_sentences"]) == [0, 0, 0, 0, 4, 4] * 2


def test_measure_refuses_negative_replicates_and_an_absent_device(model, tokenizer):
    with pytest.raises(InputError, match="n_bootstrap must be 0 or more, not -1"):
        seat.measure(model, tokenizer, n_bootstrap=-1)
    with pytest.raises(InputError, match="cannot use the device 'nonsense': Expected one of"):
        seat.measure(model, tokenizer, device="nonsense")


def test_a_collapsed_encoder_has_no_effect_size(tokenizer):
    model = make(BertModel, bert_config(tokenizer))
    with torch.no_grad():
        model.encoder.layer[-1].output.LayerNorm.weight.zero_()
        model.encoder.layer[-1].output.LayerNorm.bias.fill_(1.0)
    with pytest.raises(InputError, match="the effect size is undefined"):
        seat.measure(model, tokenizer, n_samples=10, n_bootstrap=5)


# Loading


def save(folder, model, tokenizer=None):
    model.save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    return folder


def distilbert_config(tokenizer):
    return DistilBertConfig(
        vocab_size=len(tokenizer), dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=20
    )


@pytest.mark.parametrize("model_class", [BertModel, BertForMaskedLM, DistilBertModel, DistilBertForMaskedLM])
def test_run_measures_a_saved_encoder_with_or_without_head(tmp_path, tokenizer, model_class):
    config = (bert_config if "Distil" not in model_class.__name__ else distilbert_config)(tokenizer)
    model = make(model_class, config)
    table = seat.measure_encoder(save(tmp_path / "m", model, tokenizer), n_samples=100, n_bootstrap=10)
    unknown = ["unknown_words", "unknown_sentences"]
    assert list(table.columns) == [
        "test",
        "pooling",
        "effect_size",
        "p_words",
        "p_value",
        "ci_low",
        "ci_high",
        *unknown,
    ]
    assert not table["unknown_sentences"].any()
    assert list(table["pooling"]) == ["mean"] * 6 + ["cls"] * 6
    for name in ("mean", "cls"):
        direct = seat.evaluate(model, tokenizer, name, n_samples=100, n_bootstrap=10)
        rows = table[table["pooling"] == name].reset_index(drop=True)
        for column in ("effect_size", "ci_low", "ci_high", "p_words", "p_value"):  # as many draws, of the same seed
            assert rows[column].to_numpy() == pytest.approx(direct[column].to_numpy(), abs=1e-5)
    assert table.index.tolist() == list(range(12))


def test_run_takes_one_pooling_by_name_and_a_tokenizer_from_elsewhere(tmp_path, model, tokenizer):
    folder = save(tmp_path / "m", model)
    tokenizer.save_pretrained(tmp_path / "t")
    table = seat.measure_encoder(
        str(folder), tokenizer=tmp_path / "t", poolings="first_token", n_samples=10, n_bootstrap=0
    )
    assert list(table["pooling"]) == ["first_token"] * 6


@pytest.mark.parametrize("poolings", ["claas", ("mean", "claas")])
def test_run_checks_poolings_before_it_loads_anything(poolings):
    with pytest.raises(InputError, match=r"'claas'.*Did you mean 'cls'"):
        seat.measure_encoder("/nowhere/at/all", poolings=poolings)
    with pytest.raises(InputError, match="no pooling given"):
        seat.measure_encoder("/nowhere/at/all", poolings=())


def test_a_folder_that_does_not_exist_is_named_with_its_nearest_neighbour(tmp_path):
    (tmp_path / "student").mkdir()
    with pytest.raises(InputError, match=r"no folder '.*/studnet'.*Did you mean 'student'"):
        seat.load_encoder(str(tmp_path / "studnet"))


def test_a_file_is_not_an_encoder(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="is a file"):
        seat.load_encoder(tmp_path / "model.safetensors")


def test_a_name_that_cannot_be_loaded_is_an_error(monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("We couldn't connect to the hub.\nSecond line.")

    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", offline)
    monkeypatch.setattr("fairkd.engine.loading.check_at_hand", lambda source: None)
    with pytest.raises(
        InputError, match=r"cannot load an encoder from 'bret-base': We couldn't connect to the hub\. f"
    ):
        seat.load_encoder("bret-base")


def test_a_folder_without_config_or_weights_is_refused(tmp_path, tokenizer):
    with pytest.raises(InputError, match="cannot load an encoder"):
        seat.load_encoder(tmp_path)
    bert_config(tokenizer).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"cannot load the weights.*safetensors"):
        seat.load_encoder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(InputError, match=r"cannot load the weights.*safetensors"):
        seat.load_encoder(tmp_path)


def test_pickled_weights_are_not_loaded(tmp_path, model, tokenizer):
    folder = save(tmp_path / "m", model, tokenizer)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"pytorch_model\.bin, a pickle.*safetensors"):
        seat.load_encoder(folder)


def rewrite(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_missing_weights_are_refused_and_named(tmp_path, model, tokenizer):
    folder = save(tmp_path / "m", model, tokenizer)
    rewrite(folder, lambda w: [w.pop(k) for k in list(w) if k.startswith("encoder.layer.1.output.dense")])
    with pytest.raises(InputError, match=r"lacks 2 weights of a BertModel \(encoder\.layer\.1\.output\.dense\.bias, "):
        seat.load_encoder(folder)


def test_a_missing_pooler_is_no_hindrance(tmp_path, model, tokenizer):
    folder = save(tmp_path / "m", model, tokenizer)
    rewrite(folder, lambda w: [w.pop(k) for k in list(w) if k.startswith("pooler")])
    loaded, _ = seat.load_encoder(folder)
    assert np.array_equal(seat.encode(loaded, tokenizer, MIXED), seat.encode(model, tokenizer, MIXED))


def test_weights_of_another_shape_are_refused(tmp_path, model, tokenizer):
    folder = save(tmp_path / "m", model, tokenizer)
    rewrite(folder, lambda w: w.update({"embeddings.word_embeddings.weight": torch.zeros(7, 32)}))
    with pytest.raises(InputError, match=r"cannot load the weights.*shapes"):
        seat.load_encoder(folder)


def test_weights_stored_in_half_precision_are_measured_in_single(tmp_path, model, tokenizer):
    folder = save(tmp_path / "m", make(BertModel, bert_config(tokenizer)).half(), tokenizer)
    loaded, _ = seat.load_encoder(folder)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert not loaded.training


def test_nan_weights_are_refused_with_the_first_sentence(tmp_path, model, tokenizer):
    folder = save(tmp_path / "m", model, tokenizer)
    rewrite(folder, lambda w: w["encoder.layer.0.output.dense.weight"].fill_(math.nan))
    with pytest.raises(InputError, match=r"NaN or infinite vectors for 797 of 797 sentences, first for 'This is John"):
        seat.measure_encoder(folder, n_samples=10, n_bootstrap=0)


def test_a_folder_without_tokenizer_is_refused(tmp_path, model):
    with pytest.raises(InputError, match=r"no tokenizer in .*--tokenizer"):
        seat.load_encoder(save(tmp_path / "m", model))


def test_an_encoder_decoder_is_refused(tmp_path, tokenizer):
    T5Config(vocab_size=len(tokenizer), d_model=8, num_layers=1, num_heads=1).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"encoder-decoder \(t5\)"):
        seat.load_encoder(tmp_path)


def test_code_in_a_checkpoint_is_never_run(tmp_path, model, tokenizer):
    folder = save(tmp_path / "m", model, tokenizer)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config", "AutoModel": "mine.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(InputError, match="cannot load an encoder"):
        seat.load_encoder(folder)
    assert not (tmp_path / "ran").exists()


def test_importing_seat_imports_neither_plotting_nor_runner_nor_transformers():
    code = (
        "import sys, fairkd.seat; print(*(m for m in ('matplotlib', 'papermill', 'transformers') if m in sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
