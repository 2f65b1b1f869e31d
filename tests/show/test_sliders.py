"""The explorers' computations: the law of λ, one sentence under mixup against its literal form, and what is refused."""

import dataclasses
import errno
import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import integrate, stats
from torch.nn import functional as F

from fairkd.engine.store import Store
from fairkd.errors import InputError
from fairkd.gender import Pair, PairTable, appendix_c
from fairkd.show.sliders import beta
from fairkd.show.sliders import reading as module
from fairkd.show.sliders.beta import LAMBDAS
from fairkd.show.sliders.choices import Loaded
from fairkd.show.sliders.reading import READINGS, SentenceReading, stored_reading
from fairkd.students import student_from_teacher

SENTENCE = "the teacher said that he was late ."


@pytest.fixture(scope="module")
def models(world):
    student = student_from_teacher(world.teacher.model, 2).eval()
    with torch.no_grad():  # so that the student's embeddings are its own
        generator = torch.Generator().manual_seed(1)
        student.get_input_embeddings().weight += 0.05 * torch.randn(
            student.get_input_embeddings().weight.shape, generator=generator
        )
    return {
        "teacher": Loaded("teacher", world.teacher.model, world.tokenizer, "t", has_head=True),
        "student": Loaded("student", student, world.tokenizer, "s", has_head=True),
        "pairs": PairTable(appendix_c(), world.tokenizer),
        "temperature": 2.0,
    }


def read(models, sentence=SENTENCE, **options):
    return SentenceReading(sentence, **(models | options))


def test_a_reading_of_the_store_is_the_one_that_was_made(models, store, monkeypatch):
    made, kept = read(models), stored_reading(store, SENTENCE, **models)
    monkeypatch.setattr(module, "SentenceReading", lambda *_, **__: pytest.fail("read again"))
    again = stored_reading(store, SENTENCE, **models)
    for name in ("sentence", "temperature", "male", "female", "words"):
        assert getattr(again, name) == getattr(kept, name) == getattr(made, name)
    for lam in LAMBDAS:
        literal = made.at(lam)
        for step in (kept.at(lam), again.at(lam)):
            assert (step.lam, step.to_male, step.to_female, step.kl) == (
                lam,
                literal.to_male,
                literal.to_female,
                literal.kl,
            )
            pd.testing.assert_frame_equal(step.probabilities, literal.probabilities)
            pd.testing.assert_frame_equal(step.nearest, literal.nearest)
    for change in (
        {"temperature": 1.0},
        {"pairs": PairTable([Pair("she", "he", "1")], models["teacher"].tokenizer)},
        {"student": dataclasses.replace(models["student"], digest="another")},
        {"teacher": dataclasses.replace(models["teacher"], digest="another")},
        {"sentence": "he was late ."},
    ):
        given = {"sentence": SENTENCE} | models | change
        with pytest.raises(pytest.fail.Exception, match="read again"):
            stored_reading(store, given.pop("sentence"), **given)


def test_a_store_that_cannot_be_written_keeps_no_reading_and_shows_it(models, store, monkeypatch):
    made = read(models)
    monkeypatch.setattr(Store, "once", unwritable)
    shown = stored_reading(store, SENTENCE, **models)
    assert [shown.at(lam).kl for lam in LAMBDAS] == [made.at(lam).kl for lam in LAMBDAS]
    assert store.entries() == []


def unwritable(*_):
    raise OSError(errno.EROFS, "Read-only file system")


# --- the law of λ ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.05, 0.4, 1.0, 2.5, 20.0])
def test_density_is_that_of_the_beta_law(alpha):
    frame = beta.density(alpha, points=101)
    constant = math.gamma(2 * alpha) / math.gamma(alpha) ** 2
    literal = [constant * lam ** (alpha - 1) * (1 - lam) ** (alpha - 1) for lam in frame.lam]
    np.testing.assert_allclose(frame.density, literal, rtol=1e-9)
    np.testing.assert_allclose(frame.density, frame.density[::-1], rtol=1e-9)  # male and female weigh the same
    assert frame.lam.between(0, 1, inclusive="neither").all()


@pytest.mark.parametrize("alpha", [0.1, 0.4, 1.0, 3.0])
@pytest.mark.parametrize("near", [0.05, 0.1, 0.5])
def test_share_near_the_ends_is_the_integral_of_the_density(alpha, near):
    middle, _ = integrate.quad(stats.beta(alpha, alpha).pdf, near, 1 - near)
    assert beta.share_near_ends(alpha, near=near) == pytest.approx(1 - middle, abs=1e-6)


def test_share_near_the_ends_of_the_papers_alpha_and_of_the_uniform_law():
    assert beta.share_near_ends(0.4) == pytest.approx(0.48, abs=0.005)
    assert beta.share_near_ends(1.0) == pytest.approx(0.2)


def test_samples_follow_the_law_and_share_their_draws_over_alpha():
    drawn = beta.samples(0.4, size=5000, seed=3)
    assert stats.kstest(drawn, stats.beta(0.4, 0.4).cdf).pvalue > 0.01
    np.testing.assert_array_equal(drawn, beta.samples(0.4, size=5000, seed=3))
    assert not np.array_equal(drawn, beta.samples(0.4, size=5000, seed=4))
    np.testing.assert_array_equal(np.argsort(drawn), np.argsort(beta.samples(2.0, size=5000, seed=3)))


@pytest.mark.parametrize("alpha", [0, -1, math.nan, math.inf])
@pytest.mark.parametrize("what", [beta.density, beta.share_near_ends, lambda a: beta.samples(a, size=1)])
def test_an_alpha_that_gives_no_law_is_refused(what, alpha):
    with pytest.raises(InputError, match=r"alpha: .* must be above 0"):
        what(alpha)


# --- a sentence ------------------------------------------------------------------------------------------------------


def slow_step(models, male, female, place, lam, temperature):
    """ȳ and the student's distribution from two plain readings and one hand-mixed row of embeddings."""
    tokenizer, teacher, student = models["teacher"].tokenizer, models["teacher"].model, models["student"].model
    ids = {name: tokenizer(text, return_tensors="pt")["input_ids"] for name, text in (("m", male), ("f", female))}
    with torch.no_grad():
        logits = {name: teacher(i).logits[0, place].double() for name, i in ids.items()}
        mixture = F.softmax((lam * logits["m"] + (1 - lam) * logits["f"]) / temperature, 0)
        embed = student.get_input_embeddings()
        mixed = lam * embed(ids["m"]) + (1 - lam) * embed(ids["f"])  # all other words are the same
        own = F.softmax(student(inputs_embeds=mixed).logits[0, place].double() / temperature, 0)
        at_word = mixed[0, place]
        cosines = F.cosine_similarity(at_word.double(), embed.weight.double(), dim=1)
    return mixture, own, cosines


@pytest.mark.parametrize("lam", [0.0, 0.05, 0.5, 0.85, 1.0])
@pytest.mark.parametrize("word", ["he", "she"])
def test_a_step_is_the_literal_formula_whichever_word_stands_there(models, lam, word):
    male, female = SENTENCE, SENTENCE.replace(" he ", " she ")
    reading = read(models, male if word == "he" else female, top=6)
    step = reading.at(lam)
    place = 5  # [CLS] the teacher said that he
    mixture, own, cosines = slow_step(models, male, female, place, lam, 2.0)
    assert (reading.male, reading.female, reading.words) == ("he", "she", [word])
    vocabulary = models["teacher"].tokenizer.get_vocab()
    wide = step.probabilities.pivot(index="word", columns="reading", values="probability")
    ids = [vocabulary[w] for w in wide.index]
    np.testing.assert_allclose(wide["mixture"], mixture[ids], rtol=1e-4)
    np.testing.assert_allclose(wide["student"], own[ids], rtol=1e-4)
    assert step.kl == pytest.approx(sum(float(p * (p / q).log()) for p, q in zip(mixture, own)), rel=1e-3, abs=1e-6)
    assert step.to_male == pytest.approx(float(cosines[vocabulary["he"]]), abs=1e-5)
    assert step.to_female == pytest.approx(float(cosines[vocabulary["she"]]), abs=1e-5)
    best = step.nearest.set_index("word").cosine
    np.testing.assert_allclose(best, [cosines[vocabulary[w]] for w in best.index], atol=1e-5)
    plain = [i for piece, i in vocabulary.items() if not (piece.startswith("[") and len(piece) > 1)]
    assert float(best.iloc[0]) == pytest.approx(float(cosines[plain].max()), abs=1e-5)


def test_the_ends_are_the_plain_readings(models):
    reading = read(models)
    for lam, name in ((1.0, "male"), (0.0, "female")):
        wide = reading.at(lam).probabilities.pivot(index="word", columns="reading", values="probability")
        np.testing.assert_allclose(wide["mixture"], wide[name], rtol=1e-12)
        step = reading.at(lam)
        assert (step.to_male if lam else step.to_female) == pytest.approx(1)
        assert step.nearest.word.iloc[0] == (reading.male if lam else reading.female)


def test_the_words_shown_are_the_same_at_every_step_and_the_likeliest(models):
    reading = read(models, top=5)
    orders = {tuple(reading.at(lam).probabilities.word.unique()) for lam in LAMBDAS}
    assert len(orders) == 1
    assert len(next(iter(orders))) == 5
    assert tuple(reading.at(0.5).probabilities.reading.unique()) == READINGS
    likeliest = reading.mixture(1.0).argmax()
    assert models["teacher"].tokenizer.convert_ids_to_tokens(int(likeliest)) in next(iter(orders))


def test_nothing_is_read_again_on_the_grid(models, monkeypatch):
    reading = read(models)
    before = [reading.at(lam).kl for lam in LAMBDAS]

    def refuse(*_, **__):
        raise AssertionError("a model was read again")

    for model in (models["teacher"].model, models["student"].model):
        monkeypatch.setattr(model, "forward", refuse)
        monkeypatch.setattr(model.base_model, "forward", refuse)
    assert [reading.at(lam).kl for lam in LAMBDAS] == before
    with pytest.raises(AssertionError, match="read again"):  # so the test can fail
        reading.at(0.123)


def test_a_lambda_between_the_steps_is_read_once(models):
    first = read(models)
    second = read(models, grid=[0.37])
    assert first.at(0.37).kl == pytest.approx(second.at(0.37).kl, rel=1e-5)


def test_all_gender_words_share_lambda_and_any_can_be_looked_at(models):
    """ "she" stands first, "he" second: each place has its own pass of the teacher for the male reading."""
    sentence = "she said that he was late ."
    first, second = read(models, sentence, word=0), read(models, sentence, word=1)
    assert first.words == second.words == ["she", "he"]
    # At place 1 the male reading is that of "he said that she was late", at place 4 that of the sentence itself.
    tokenizer, teacher = models["teacher"].tokenizer, models["teacher"].model
    for reading, place, male in ((first, 1, "he said that she was late ."), (second, 4, sentence)):
        with torch.no_grad():
            logits = teacher(tokenizer(male, return_tensors="pt")["input_ids"]).logits[0, place].double()
        np.testing.assert_allclose(reading.mixture(1.0).exp(), F.softmax(logits / 2, 0), rtol=1e-4)
    # The student reads x̄ at both places: at λ = 1 that is "he said that he was late".
    with torch.no_grad():
        both = tokenizer("he said that he was late .", return_tensors="pt")["input_ids"]
        literal = F.softmax(models["student"].model(both).logits[0, 1].double() / 2, 0)
    np.testing.assert_allclose(first.student(1.0).exp(), literal, rtol=1e-4)


@pytest.mark.parametrize(
    ("sentence", "says"),
    [
        ("", "the sentence is empty"),
        (" \n ", "the sentence is empty"),
        ("the teacher was late .", "no gender word in .* the pairs have woman, man, girl"),
        ("the fathar was late .", "Did you mean 'father'?"),
        ("he " + "was " * 80, r"too long: it has 83 tokens.* allowed are 64"),
    ],
)
def test_a_sentence_that_cannot_be_mixed_is_refused_with_the_reason(models, sentence, says):
    with pytest.raises(InputError, match=says):
        read(models, sentence)


def test_a_word_that_is_not_there_or_has_several_pieces_is_refused(models):
    with pytest.raises(InputError, match="word: 1, but the sentence has 1 gender words; allowed are 0 to 0"):
        read(models, word=1)
    long = PairTable([Pair("qxa", "qxo", "here")], models["teacher"].tokenizer)
    with pytest.raises(InputError, match="gender word 0 of the sentence has 3 pieces"):
        read(models, "the qxa was late .", pairs=long)


@pytest.mark.parametrize("lam", [-0.01, 1.01])
def test_a_lambda_outside_is_refused(models, lam):
    with pytest.raises(InputError, match=r"must lie between 0 .* and 1"):
        read(models).at(lam)


def test_a_model_without_a_head_or_with_another_vocabulary_is_refused(models, world):
    student = models["student"]
    bare = Loaded("bare", student.model.base_model, student.tokenizer, "b", has_head=False)
    with pytest.raises(InputError, match="'bare' has no trained MLM head"):
        read(models, student=bare)
    from fairkd.teachers.checkpoints import small_tokenizer

    foreign = Loaded("foreign", student.model, small_tokenizer(["another text"]), "f", has_head=True)
    with pytest.raises(InputError, match="'foreign' has another vocabulary than 'teacher'"):
        read(models, student=foreign)
