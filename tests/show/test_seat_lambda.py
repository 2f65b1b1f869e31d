"""SEAT of mixed stimuli against SEAT of literal sentences, two encoders side by side, and which models there are."""

import dataclasses
import errno
import re

import numpy as np
import pandas as pd
import pytest
import torch

from fairkd import seat
from fairkd.bias.stimuli import TESTS, stimuli
from fairkd.engine.store import Store
from fairkd.errors import InputError
from fairkd.gender import Pair, PairTable, appendix_c
from fairkd.lab.materials import Materials
from fairkd.lab.training import train
from fairkd.profile import Profile
from fairkd.show.sliders import compare, seat_lambda
from fairkd.show.sliders.beta import LAMBDAS
from fairkd.show.sliders.choices import TEACHER, Loaded, Models
from fairkd.show.sliders.compare import effects, projections, stored_projections
from fairkd.show.sliders.seat_lambda import curve, mixed_words, stored_curve
from fairkd.students import student_from_teacher
from fairkd.teachers.checkpoints import from_scratch, small_tokenizer


@pytest.fixture(scope="module")
def encoder():
    """A random encoder whose vocabulary has every word of the stimuli."""
    texts = [sentence for test in TESTS for part in stimuli(test).values() for sentence in part]
    tokenizer = small_tokenizer(texts)
    model = from_scratch(tokenizer, layers=2, hidden=32, max_length=64, initializer_range=0.2, seed=1)
    student = student_from_teacher(model, 1).eval()
    return Loaded("student", student, tokenizer, "digest", has_head=True)


@pytest.fixture(scope="module")
def pairs(encoder):
    return PairTable(appendix_c(), encoder.tokenizer)


def rewrite(sentence: str, exchange: dict[str, str]) -> str:
    """The sentence with whole words exchanged; the tokenizer does not see case."""
    return re.sub(r"\w+", lambda word: exchange.get(word.group().lower(), word.group()), sentence)


def literal_effect(encoder, test, exchange, pooling="mean"):
    parts = {role: [rewrite(s, exchange) for s in part] for role, part in stimuli(test).items()}
    return seat.effect_size(*(seat.encode(encoder.model, encoder.tokenizer, part, pooling) for part in parts.values()))


TO_MALE = {pair.female.lower(): pair.male.lower() for pair in appendix_c()}
TO_FEMALE = {male: female for female, male in TO_MALE.items()}


@pytest.mark.parametrize(
    ("test", "pooling"), [*((test, "mean") for test in TESTS), ("C6b", "cls"), ("C8", "first_token")]
)
def test_the_ends_are_seat_of_literal_sentences(encoder, pairs, test, pooling):
    """λ weighs the own word: the published test, and the one with exchanged words; the male word: one form only."""
    ends = {
        weighs: curve(encoder, pairs, test, pooling=pooling, weighs=weighs, grid=[0.0, 1.0], n_bootstrap=10)
        for weighs in ("own", "male")
    }
    for weighs, exchanges in (("own", (TO_MALE | TO_FEMALE, {})), ("male", (TO_FEMALE, TO_MALE))):
        for d, exchange in zip(ends[weighs].effect_size, exchanges):
            assert d == pytest.approx(literal_effect(encoder, test, exchange, pooling), abs=1e-4)


def test_the_end_of_the_own_words_is_the_published_measurement(encoder, pairs):
    published = seat.evaluate(encoder.model, encoder.tokenizer, n_samples=2, n_bootstrap=100).set_index("test")
    ours = curve(encoder, pairs, "C6b", grid=[1.0], n_bootstrap=100).iloc[0]
    for column in ("effect_size", "ci_low", "ci_high"):
        assert ours[column] == pytest.approx(published.loc["C6b", column], abs=1e-4)


def test_half_way_both_readings_of_lambda_are_one(encoder, pairs):
    half = [curve(encoder, pairs, "C8", weighs=w, grid=[0.5], n_bootstrap=10) for w in ("own", "male")]
    assert half[0].effect_size.iloc[0] == pytest.approx(half[1].effect_size.iloc[0], abs=1e-6)


def test_exchanging_both_words_and_lambda_changes_nothing(encoder):
    """The curve for pairs written the other way round is the same curve read from the other end."""
    turned = PairTable([Pair(pair.male, pair.female, pair.where) for pair in appendix_c()], encoder.tokenizer)
    table = PairTable(appendix_c(), encoder.tokenizer)
    grid = [0.1, 0.3]
    a = curve(encoder, table, "C6b", weighs="male", grid=grid, n_bootstrap=10)
    b = curve(encoder, turned, "C6b", weighs="male", grid=[1 - lam for lam in grid], n_bootstrap=10)
    np.testing.assert_allclose(a.effect_size, b.effect_size, atol=1e-5)


def test_a_mixed_sentence_is_its_words_mixed_one_by_one(encoder, pairs):
    sentence, lam = "she is a person .", 0.3
    ids = torch.tensor([encoder.tokenizer(sentence)["input_ids"]])
    got = seat_lambda.mixed_ids(encoder.model, ids, pairs.find(ids), "male", [lam])[0]
    embed = encoder.model.get_input_embeddings()
    other = embed(torch.tensor(encoder.tokenizer("he is a person .")["input_ids"]))
    torch.testing.assert_close(got, lam * other + (1 - lam) * embed(ids)[0])
    own = seat_lambda.mixed_ids(encoder.model, ids, pairs.find(ids), "own", [lam])[0]
    torch.testing.assert_close(own, (1 - lam) * other + lam * embed(ids)[0])


def test_a_list_that_pairs_all_words_leaves_no_effect_half_way(encoder):
    """Where both sides of the attributes are one, no target is nearer to either: d is undefined, not some number."""
    nouns = ("sister brother", "mother father", "aunt uncle", "grandmother grandfather", "daughter son")
    words = [tuple(f"{word}{end}" for word in both.split()) for both in nouns for end in ("", "s")]
    words += [("she", "he"), ("hers", "his"), ("her", "him")]
    table = PairTable([Pair(*both, "here") for both in words], encoder.tokenizer)
    frame = curve(encoder, table, "C8", grid=[0.4, 0.5, 1.0], n_bootstrap=10)
    assert np.isfinite(frame.effect_size.iloc[[0, 2]]).all()
    assert frame.loc[1, ["effect_size", "ci_low", "ci_high"]].isna().all()


def test_what_is_mixed_is_counted_by_role(encoder, pairs):
    got = mixed_words(encoder.tokenizer, pairs, "C6b").set_index("role")
    words = {*TO_MALE, *TO_FEMALE}
    for role, part in stimuli("C6b").items():
        literal = [s for s in part if words & set(re.findall(r"\w+", s.lower()))]
        assert tuple(got.loc[role]) == (len(part), len(literal))
    assert got.mixed["X"] > 0
    assert got.mixed["A"] == 0


def test_the_curve_is_computed_once_and_kept(encoder, pairs, store, monkeypatch):
    first, words = stored_curve(store, encoder, pairs, "C6")
    assert list(first.lam) == list(LAMBDAS)
    pd.testing.assert_frame_equal(words, mixed_words(encoder.tokenizer, pairs, "C6"))
    monkeypatch.setattr(seat_lambda, "curve", lambda *_, **__: pytest.fail("computed again"))
    again, same = stored_curve(store, encoder, pairs, "C6")
    pd.testing.assert_frame_equal(again, first)
    pd.testing.assert_frame_equal(same, words)
    other = PairTable([Pair("mary", "john", "1")], encoder.tokenizer)
    for change in (
        {"weighs": "male"},
        {"pooling": "cls"},
        {"test": "C7b"},
        {"pairs": other},
        {"digest": "x"},
        {"n_bootstrap": 7},
    ):
        loaded = dataclasses.replace(encoder, digest=change.pop("digest", encoder.digest))
        arguments = {"test": "C6", "pairs": pairs} | change
        with pytest.raises(pytest.fail.Exception, match="computed again"):
            stored_curve(store, loaded, **arguments)


def test_a_store_that_cannot_be_written_keeps_no_curve_and_shows_it(encoder, pairs, store, monkeypatch):
    kept, words = stored_curve(store, encoder, pairs, "C6", n_bootstrap=5)

    def unwritable(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Store, "once", unwritable)
    shown, same = stored_curve(store, encoder, pairs, "C6", n_bootstrap=5)
    pd.testing.assert_frame_equal(shown, kept)
    pd.testing.assert_frame_equal(same, words)


def test_the_published_end_of_the_curve_has_the_interval_of_the_table(encoder, pairs):
    table = seat.measure(encoder.model, encoder.tokenizer, n_samples=10, n_bootstrap=100).table.set_index("test")
    end = curve(encoder, pairs, "C6b", grid=[1.0], n_bootstrap=100).iloc[0]
    expected = table.loc["C6b", ["effect_size", "ci_low", "ci_high"]].tolist()
    assert end[["effect_size", "ci_low", "ci_high"]].tolist() == pytest.approx(expected, abs=1e-5)


def test_what_cannot_be_mixed_is_refused(encoder, pairs):
    with pytest.raises(InputError, match=r"'ownn' is unknown; allowed are own, male. Did you mean 'own'?"):
        curve(encoder, pairs, "C6", weighs="ownn")
    with pytest.raises(InputError, match="unknown SEAT test 'C9'"):
        curve(encoder, pairs, "C9")
    with pytest.raises(InputError, match="must lie between 0 and 1"):
        curve(encoder, pairs, "C6", grid=[1.5])
    none = PairTable([Pair("her", "his", "1")], encoder.tokenizer)
    with pytest.raises(InputError, match=r"test C6: no sentence has a word of the pairs \(her/his\)"):
        curve(encoder, none, "C6")


# --- two encoders ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("test", TESTS)
def test_projections_are_cosines_with_the_literal_direction(encoder, test):
    frame = projections(encoder, test)
    parts = stimuli(test)
    assert frame.sentence.tolist() == [s for part in parts.values() for s in part]
    vectors = {s: seat.encode(encoder.model, encoder.tokenizer, [s])[0].astype(float) for s in frame.sentence}
    vectors = {s: v / np.linalg.norm(v) for s, v in vectors.items()}
    sides = ("A", "B") if test[:2] in ("C7", "C8") else ("X", "Y")
    male, female = (sum(vectors[s] for s in parts[role]) / len(parts[role]) for role in sides)
    direction = (male - female) / np.linalg.norm(male - female)
    literal = [vectors[s] @ direction for s in frame.sentence]
    np.testing.assert_allclose(frame.projection, literal, atol=1e-5)
    assert set(frame[frame.gendered].role) == set(sides)
    assert frame[frame.role == sides[0]].projection.mean() > frame[frame.role == sides[1]].projection.mean()


def test_projections_are_made_once_for_the_same_weights_and_have_the_name_that_is_asked_for(
    encoder, store, monkeypatch
):
    made = stored_projections(store, encoder, "C6")
    pd.testing.assert_frame_equal(made, projections(encoder, "C6"))
    monkeypatch.setattr(compare, "projections", lambda *_, **__: pytest.fail("computed again"))
    again = stored_projections(store, dataclasses.replace(encoder, name="the same"), "C6")
    assert set(again.pop("model")) == {"the same"}
    pd.testing.assert_frame_equal(again, made.drop(columns="model"))
    for change in ({"pooling": "cls"}, {"test": "C7b"}, {"digest": "x"}):
        loaded = dataclasses.replace(encoder, digest=change.pop("digest", encoder.digest))
        with pytest.raises(pytest.fail.Exception, match="computed again"):
            stored_projections(store, loaded, **{"test": "C6"} | change)


def test_projections_of_an_encoder_that_sees_no_gender_are_refused(encoder, monkeypatch):
    monkeypatch.setattr(seat, "encode", lambda _, __, sentences, *___: np.ones((len(sentences), 3)))
    with pytest.raises(InputError, match="'student', test C6: male and female sentences have the same mean"):
        projections(encoder, "C6")


# --- which models there are ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Models:
    """The tiny profile with two of its arms trained, two updates each."""
    folder = tmp_path_factory.mktemp("explore")
    profile = Profile.load("tiny").changed(
        store_dir=str(folder / "store"), runs_dir=str(folder / "runs"), seeds=[0], max_steps=2, adapt_steps=2,
        arms=["full", "mixup-xy", "debiased-teacher"], depths=[1], seat_permutations=2, seat_bootstrap=100,
    )  # fmt: skip
    materials = Materials(profile, progress=False)
    train([(materials, [arm for arm in profile.all_arms() if arm.name in ("full", "mixup-xy")])])
    return Models(materials)


def test_the_store_offers_what_has_been_trained_and_makes_nothing(models):
    assert models.names() == [TEACHER, "original, seed 0", "mixup of input + logits, seed 0"]
    assert models.summary() == [TEACHER, "original, mixup of input + logits (seed 0)"]
    assert not models.materials.is_debiased()


def test_students_and_any_folder_are_loaded_with_their_heads(models):
    folder = models.students()["original, seed 0"]
    student, same = models.load("original, seed 0"), models.load(str(folder))
    assert student.has_head
    assert same.has_head
    assert student is models.load("original, seed 0")
    text = torch.tensor([student.tokenizer("he is here")["input_ids"]])
    with torch.no_grad():
        torch.testing.assert_close(student.model(text).logits, same.model(text).logits)
    assert models.load(TEACHER).model is models.materials.teacher.model


def test_a_bare_encoder_is_known_to_have_no_head(models, tmp_path):
    student = models.load("original, seed 0")
    student.model.base_model.save_pretrained(tmp_path)
    student.tokenizer.save_pretrained(tmp_path)
    loaded = models.load(str(tmp_path))
    assert not loaded.has_head
    assert len(effects(models, [str(tmp_path)], pooling="mean")) == len(TESTS)
    assert len(projections(loaded, "C6"))


@pytest.mark.parametrize("name", ["original, seed 1", "mixup-xyy, seed 0", "no/such/folder"])
def test_a_name_that_is_not_there_is_refused_with_what_there_is(models, name):
    with pytest.raises(InputError, match=r"no such folder, and the store has \['teacher', 'original, seed 0'"):
        models.load(name)
    with pytest.raises(InputError, match="no model: choose one of"):
        models.load("  ")


def test_effects_are_those_that_the_notebooks_measure(models):
    frame = effects(models, [TEACHER, "original, seed 0", TEACHER], pooling="cls")
    assert frame.groupby("model").size().to_dict() == {TEACHER: 6, "original, seed 0": 6}
    table, _ = models.materials.measure(models.students()["original, seed 0"])
    wanted = table[table.pooling == "cls"].set_index("test")
    for row in frame[frame.model != TEACHER].itertuples():
        assert row.effect_size == wanted.effect_size[row.test]
        assert row.ci_low == wanted.ci_low[row.test]
    with pytest.raises(InputError, match="pooling 'max'"):
        effects(models, [TEACHER], pooling="max")
