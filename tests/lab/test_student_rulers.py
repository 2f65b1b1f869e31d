"""Rulers on a profile's students: cached by weights and code, paired, and their chance parted into items and seeds."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import yaml

from fairkd import InputError, Profile, frames
from fairkd.bias.counterfactual import exchanged
from fairkd.bias.own_text import read_sentences
from fairkd.bias.ruler import ITEMS, Ruler, Score, weighted_mean
from fairkd.experiment import Experiment
from fairkd.lab import rulers
from fairkd.lab.held_out import FEWEST_WORDS, MOST_WORDS, held_out_sentences
from fairkd.lab.training import train_profile
from fairkd.run.cli import data_held_out

MEAN = Score("mean", "mean", "nats", weighted_mean)


def measure_size(model, tokenizer, *, batch_size=64):
    """Values that depend on the model: its word embeddings' first column; the third item cannot be read."""
    column = model.get_input_embeddings().weight[:40, 0].detach().double().numpy()
    values = np.where(np.arange(40) == 2, np.nan, column)
    problem = np.where(np.isnan(values), "has no value", "")
    names = [f"item {n}" for n in range(40)]
    return pd.DataFrame({"item": names, "unit": names, "group": "all", "value": values, "problem": problem})[ITEMS]


SIZE = Ruler("size", "size", "a test", measure_size, (MEAN,))


def unreadable(model, tokenizer, *, batch_size=64):
    return measure_size(model, tokenizer).assign(value=np.nan, problem="nothing can be read")


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rulers")
    places = {"runs_dir": str(folder / "runs"), "store_dir": str(folder / "store")}
    few = {"arms": ["full", "no-ce"], "depths": [1], "max_steps": 4, "adapt_steps": 4, "seeds": [0, 1, 2]}
    profile = Profile.load("tiny").changed(**places, **few, glue_arms=["full"])
    train_profile(profile)
    return profile


@pytest.fixture
def experiment(profile, monkeypatch):
    blind = dataclasses.replace(SIZE, name="blind", measure=unreadable)
    monkeypatch.setattr(rulers, "RULERS", {"size": SIZE, "blind": blind})
    return Experiment("07_rulers", profile)


def values(experiment, arm):
    """(seeds, items) as the students' own weights have them, without the item that cannot be read."""
    from safetensors.numpy import load_file

    found = []
    for seed in experiment.profile.seeds:
        weights = load_file(experiment.materials.student(arm, seed) / "model.safetensors")
        (name,) = [name for name in weights if name.endswith("word_embeddings.weight")]
        found.append(np.delete(weights[name][:40, 0].astype(float), 2))
    return np.array(found)


def test_a_score_is_the_mean_over_seeds_of_what_the_ruler_finds_in_each_student(experiment):
    arms = experiment.arms("all")
    scores = experiment.rulers.scores(arms)
    assert list(scores) == frames.RULER_SCORES
    assert scores.arm.tolist() == ["teacher", *(arm.name for arm in arms)]
    assert set(scores.ruler) == {"size"}  # the other one reads nothing
    for arm in arms:
        (row,) = scores[scores.arm == arm.name].itertuples()
        assert row.value == pytest.approx(values(experiment, arm).mean())
        assert (row.seeds, row.items) == (3, 39)
        assert row.low < row.value < row.high
    assert scores.seeds[scores.arm == "teacher"].item() == 1


def test_claims_are_judged_by_the_headline_of_every_ruler_that_reads_something(experiment):
    arms = experiment.arms("all")
    table = experiment.rulers.claims(arms)
    assert list(table) == frames.RULER_VERDICTS
    assert set(table.ruler) == {"size"}
    assert table.claim.tolist() == [0, 1, 2, 4, 5, 6, 7]
    (row,) = table[table.claim == 0].itertuples()
    scores = experiment.rulers.scores(arms).set_index("arm").value
    assert row.estimate == pytest.approx(scores["full"] - scores["teacher"])
    assert set(table.verdict[table.claim != 0]) == {"not run"}


def test_a_difference_is_paired_and_its_chance_is_parted_into_items_and_seeds(experiment):
    arms = experiment.arms("all")
    full, other = (next(arm for arm in arms if arm.name == name) for name in ("full", "no-ce"))
    gaps = values(experiment, other) - values(experiment, full)  # (seeds, items)
    (row,) = experiment.rulers.differences(arms, baseline="full").query("arm == 'no-ce'").itertuples()
    assert row.difference == pytest.approx(gaps.mean())
    assert (row.p <= 0.05) == (not row.low <= 0 <= row.high)
    (part,) = experiment.rulers.components(arms, baseline="full").query("arm == 'no-ce'").itertuples()
    assert part.student_sd == pytest.approx(gaps.mean(axis=1).std(ddof=1))
    # Resampling 39 items: the standard error of the mean over items of the mean over seeds, but for B = 200 draws.
    assert part.item_se == pytest.approx(gaps.mean(axis=0).std() / np.sqrt(39), rel=0.2)
    against = experiment.rulers.components(arms, baseline="teacher")
    assert set(against.arm) == {arm.name for arm in arms}


def test_the_chance_in_differences_of_seat_is_parted_alike(experiment):
    arms = experiment.arms("all")
    pooling = experiment.profile.seat.poolings[0]
    scores = experiment.bias.scores(arms).query("pooling == @pooling")
    found = experiment.bias.components(arms, baseline="full").query(
        "ruler == @seat", local_dict={"seat": f"seat-{pooling}"}
    )
    assert set(found.arm) == {arm.name for arm in arms} - {"full"}
    for score, of in (("average", abs), ("signed", lambda d: d)):
        by_seed = scores.assign(value=of(scores.effect_size)).groupby(["arm", "seed"]).value.mean()
        gaps = by_seed["no-ce"] - by_seed["full"]
        (part,) = found[(found.arm == "no-ce") & (found.score == score)].itertuples()
        assert part.difference == pytest.approx(gaps.mean())
        assert part.student_sd == pytest.approx(gaps.std(ddof=1))
        assert math.isnan(part.teacher_sd)
        assert part.item_se > 0


def test_held_out_sentences_have_a_word_of_gender_and_are_of_the_held_out_text(experiment):
    materials = experiment.materials
    rows = materials.corpus.heldout[range(len(materials.corpus.heldout))]
    texts = materials.checkpoint.tokenizer.batch_decode(rows, clean_up_tokenization_spaces=True)
    found = list(held_out_sentences(materials))
    assert found
    for sentence in found:
        assert any(sentence in text for text in texts)
        assert exchanged(sentence)[3]
        assert FEWEST_WORDS <= len(sentence.split()) <= MOST_WORDS
        assert sentence[-1] in ".!?"
        assert "[" not in sentence
    assert len(found) >= sum(bool(exchanged(text)[3]) for text in texts)  # these documents are some whole sentences


def test_held_out_sentences_are_written_once_each_for_the_ruler_of_ones_own_text(experiment, tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(experiment.profile.values()))
    data_held_out(str(tmp_path / "mine.yaml"), to=str(tmp_path / "new" / "text.txt"))
    written = (tmp_path / "new" / "text.txt").read_text().splitlines()
    assert written == list(dict.fromkeys(held_out_sentences(experiment.materials)))
    assert read_sentences(tmp_path / "new" / "text.txt") == written
    assert capsys.readouterr().out.endswith(f"text.txt: {len(written)} sentences\n")


def test_a_baseline_that_is_not_there_names_the_nearest(experiment):
    for table in (experiment.rulers.differences, experiment.rulers.components, experiment.bias.components):
        with pytest.raises(InputError, match=r"baseline 'ful' .* Did you mean 'full'"):
            table(experiment.arms("all"), baseline="ful")


def test_items_without_a_value_are_named_once_an_arm(experiment):
    unread = experiment.rulers.unread(experiment.arms("all")[:1])
    assert list(unread) == frames.RULER_UNREAD
    assert unread.groupby("ruler").size().to_dict() == {"size": 2, "blind": 80}
    assert unread.query("ruler == 'size'").problem.unique().tolist() == ["has no value"]


def test_what_is_measured_is_kept_by_weights_and_by_the_rulers_own_file(experiment, monkeypatch):
    folder = experiment.materials.student(experiment.arms("all")[0], 0)
    before = experiment.rulers.items(folder, SIZE)

    def again(*_, **__):
        raise AssertionError("measured again")

    kept = dataclasses.replace(SIZE, measure=again)
    monkeypatch.setattr(rulers.inspect, "getfile", lambda _: __file__)
    pd.testing.assert_frame_equal(experiment.rulers.items(folder, kept), before)
    monkeypatch.setattr(rulers.inspect, "getfile", lambda _: rulers.__file__)  # another file: another ruler
    with pytest.raises(AssertionError, match="measured again"):
        experiment.rulers.items(folder, kept)


def test_agreement_is_pearsons_r_over_students_and_seat_is_one_of_the_rulers(experiment):
    rows = [{"arm": arm, "ruler": "size", "score": "mean", "difference": d} for arm, d in zip("abcd", (1, 2, 4, 3))]
    rows += [{"arm": arm, "ruler": "size", "score": "other", "difference": 0.0} for arm in "abcd"]
    seat = pd.DataFrame({"arm": list("dcba"), "difference": [-3.0, -4.0, -2.0, -1.0]})
    matrix = rulers.agreement(pd.DataFrame(rows), seat)
    assert list(matrix) == ["SEAT", "size"]
    assert matrix.loc["SEAT", "size"] == pytest.approx(-1)


def test_a_student_is_loaded_once_for_all_rulers_and_its_items_are_read_once(experiment, monkeypatch):
    both = {name: dataclasses.replace(SIZE, name=name) for name in ("one", "other")}
    monkeypatch.setattr(rulers, "RULERS", both)
    loaded, load = [], rulers.load_masked_lm
    monkeypatch.setattr(rulers, "load_masked_lm", lambda path: loaded.append(path) or load(path))
    arms = experiment.arms("all")
    scores = experiment.rulers.scores(arms)
    assert set(scores.ruler) == {"one", "other"}
    assert sorted(loaded) == sorted(experiment.materials.student(arm, seed) for arm in arms for seed in (0, 1, 2))
    monkeypatch.setattr(pd, "read_parquet", None)  # all are there
    pd.testing.assert_frame_equal(experiment.rulers.scores(arms), scores)
