"""Several models measured by several rulers: common items, paired differences, and the command."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel

from fairkd.bias import measuring
from fairkd.bias.counterfactual import measure_sentences
from fairkd.bias.log_probability import LOG_PROBABILITY
from fairkd.bias.masked import load_masked_lm
from fairkd.bias.own_text import own_text_ruler
from fairkd.bias.ruler import ITEMS, common, estimate, item_weights
from fairkd.errors import InputError
from fairkd.frames import BIAS_DIFFERENCES, BIAS_SCORES, BIAS_UNREAD
from fairkd.run import cli
from fairkd.teachers.checkpoints import from_scratch, small_tokenizer

TEXTS = ["he she is works as a an wants to become the said that was tired", "I met the nurse when in town"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two models that spell most words, one of which cannot read "q", and one without a head."""
    root, names = tmp_path_factory.mktemp("models"), []
    for number, letters in enumerate(("", "q")):
        tokenizer = small_tokenizer(TEXTS)
        if letters:
            kept = [piece for piece in tokenizer.get_vocab() if "q" not in piece]
            tokenizer = type(tokenizer)(vocab={piece: at for at, piece in enumerate(kept)}, do_lower_case=True)
        model = from_scratch(tokenizer, layers=1, hidden=16, max_length=64, initializer_range=0.5, seed=number)
        names.append(str(root / f"model{number}"))
        model.save_pretrained(names[-1])
        tokenizer.save_pretrained(names[-1])
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=99, **size)).save_pretrained(root / "headless")
    GPT2LMHeadModel(GPT2Config(vocab_size=99, n_embd=16, n_layer=1, n_head=1)).save_pretrained(root / "gpt2")
    return names, str(root / "headless"), str(root / "gpt2")


@pytest.fixture
def fairkd(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["fairkd", *arguments])
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = end.code or 0
        out = capsys.readouterr()
        return status, out.out, out.err

    return call


def frame(values, problems=()):
    rows = [[f"item {n}", f"unit {n // 2}", "occupations", value, ""] for n, value in enumerate(values)]
    found = pd.DataFrame(rows, columns=ITEMS)
    for number in problems:
        found.loc[number, ["value", "problem"]] = [np.nan, "cannot be read"]
    return found


def test_every_model_sees_the_same_resampled_units_so_that_differences_are_paired():
    values = np.random.default_rng(0).normal(size=40)
    kept = {"a": frame(values), "b": frame(values + 0.25), "c": frame(values + np.linspace(-0.01, 0.01, 40))}
    level = LOG_PROBABILITY.scores[1]
    scores, differences = measuring.compare(LOG_PROBABILITY, level, kept, baseline="a")
    assert scores.columns.tolist() == BIAS_SCORES
    assert differences.columns.tolist() == BIAS_DIFFERENCES
    assert scores["value"].tolist() == pytest.approx([own["value"].mean() for own in kept.values()])
    b, c = differences.itertuples()
    assert [b.difference, b.low, b.high] == pytest.approx([0.25] * 3)  # what both share has no chance in it
    assert c.high - c.low < 0.1 * (scores["high"] - scores["low"]).min()
    weights = item_weights(kept["a"], 1000, ruler=LOG_PROBABILITY.name)
    literal = np.array([np.average(values, weights=row) for row in weights])
    assert estimate(LOG_PROBABILITY, level, kept["a"]).replicates == pytest.approx(literal)


def test_items_that_one_model_cannot_read_count_for_none():
    measured = [frame([1.0, 2.0, 3.0, 4.0], problems=[0]), frame([5.0, 6.0, 7.0, 8.0], problems=[3])]
    assert [own["value"].tolist() for own in common(measured)] == [[2.0, 3.0], [6.0, 7.0]]
    with pytest.raises(InputError, match="on the same items only"):
        common([measured[0], measured[1].iloc[::-1]])
    with pytest.raises(InputError, match="no item of which every model has a value"):
        common([frame([1.0, 2.0], problems=[0]), frame([1.0, 2.0], problems=[1])])


def test_models_are_measured_on_common_items(folders):
    names = folders[0]
    found = measuring.measure_models(names, ["log-probability", "counterfactual", "log-probability"], n_bootstrap=50)
    assert found.unread.columns.tolist() == BIAS_UNREAD
    assert found.scores["ruler"].unique().tolist() == ["log-probability", "counterfactual"]
    own = [LOG_PROBABILITY.measure(*load_masked_lm(name)) for name in names]
    assert (own[0]["problem"] == "").all()
    lost = own[1].query("problem != ''")
    assert lost["unit"].unique().tolist() == ["equations"]
    unread = found.unread.query("ruler == 'log-probability'")
    assert unread["item"].tolist() == lost["item"].tolist()
    assert set(unread["model"]) == {names[1]}
    scores = found.scores.query("ruler == 'log-probability'").set_index(["score", "model"])
    assert set(scores["items"]) == {len(own[0]) - 5}
    kept = common(own)
    for score in LOG_PROBABILITY.scores:
        estimates = [estimate(LOG_PROBABILITY, score, frame, n_bootstrap=50) for frame in kept]
        for name, expected in zip(names, estimates):
            row = scores.loc[(score.name, name)]
            assert [row.value, row.low, row.high] == pytest.approx([expected.value, *expected.interval()], abs=1e-6)
        (row,) = found.differences.query("ruler == 'log-probability' and score == @score.name").itertuples()
        difference = estimates[1] - estimates[0]
        assert (row.model, row.baseline) == (names[1], names[0])
        assert [row.difference, row.low, row.high] == pytest.approx(
            [difference.value, *difference.interval()], abs=1e-6
        )


def test_the_command_prints_json_and_names_what_cannot_be_read(fairkd, folders):
    one, two = folders[0]
    status, out, err = fairkd("bias", one, two, "--ruler", "log-probability", "--baseline", two, "--json")
    assert status == 0
    assert f"fairkd: {two}, log-probability: 5 of 575 items count for no model: equations (5): " in err
    assert len(err.splitlines()) == 1
    found = json.loads(out)
    assert list(found) == ["scores", "differences", "unread"]
    assert list(found["scores"][0]) == BIAS_SCORES
    assert {(row["model"], row["baseline"]) for row in found["differences"]} == {(one, two)}
    assert [row["unit"] for row in found["unread"]] == ["equations"] * 5


def test_the_command_prints_a_table_a_ruler(fairkd, folders, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    status, out, err = fairkd("bias", *folders[0], "--ruler", "counterfactual", "--ruler", "long-seat")
    assert status == 0
    assert "long-seat" in err
    for text in ("counterfactual invariance", "SEAT with 24 words a list", "outside D (nats)", "d of math / arts", "["):
        assert text in out
    assert out.count(folders[0][0]) == out.count(folders[0][1]) == 2 + 8


def test_a_tokenizer_may_lie_elsewhere(folders):
    (one, two), *_ = folders
    (_, own), (model, other) = load_masked_lm(one), load_masked_lm(one, tokenizer=two)
    assert other.get_vocab() == load_masked_lm(two)[1].get_vocab() != own.get_vocab()
    assert not model.training


def test_wrong_input_is_refused_before_anything_is_measured(fairkd, folders, monkeypatch):
    monkeypatch.setattr(torch.nn.Module, "eval", lambda self: self)
    (one, two), headless, gpt2 = folders

    def never(*_, **__):
        raise AssertionError("measured")

    monkeypatch.setattr(measuring, "common", never)
    for arguments, words in {
        (one, headless): f"{headless!r} has no MLM head (it lacks cls.predictions.bias and 5 more): ",
        (one, gpt2): "is a 'gpt2' model, and these have no MLM head: name a model that predicts masked words",
        (one, one): "is given twice",
        (one, "--ruler", "log-probabilty"): "Did you mean 'log-probability'?",
        (one, "--baseline", two): f"baseline {two!r} is unknown; allowed are {one}",
        (f"{one}x",): "Did you mean 'model0'?",
    }.items():
        status, out, err = fairkd("bias", *arguments)
        assert status == 2, arguments
        assert words in err
        assert not out
        assert len(err.splitlines()) == 1
    with pytest.raises(InputError, match="no model given"):
        measuring.measure_models([])


def test_a_text_of_ones_own_is_measured_as_the_sentences_by_rule_are(fairkd, folders, tmp_path):
    (one, other), *_ = folders
    text = tmp_path / "mine.txt"
    text.write_text("she is as an ice cat .\n\nnobody is there .\nthe queen is there .\nshe is as an ice cat .\n")
    status, out, err = fairkd("bias", one, other, "--ruler", "own-text", "--text", str(text), "--json")
    assert status == 0, err
    document = json.loads(out)
    scores = pd.DataFrame(document["scores"])
    assert set(scores.ruler) == {"own-text"}
    assert set(scores.score) == {"in-d", "outside-d"}
    model, tokenizer = load_masked_lm(one)
    expected = measure_sentences(model, tokenizer, ["she is as an ice cat ."])["value"].mean()
    assert scores[(scores.model == one) & (scores.score == "in-d")].value.item() == pytest.approx(expected)
    text.write_text("she is here .\n")
    assert [score.name for score in own_text_ruler(text).scores] == ["in-d"]
    for words, message in (("nobody\n", "none of its 1 lines has a word of gender"), ("", "none of its 0 lines")):
        text.write_text(words)
        status, _, err = fairkd("bias", one, "--text", str(text))
        assert (status, str(text) in err, message in err) == (2, True, True), err


def test_published_sets_are_measured_beside_our_rulers(fairkd, folders, tmp_path):
    (one, other), *_ = folders
    header = ",sent_more,sent_less,stereo_antistereo,bias_type,annotations,anon_writer,anon_annotators\n"
    rows = "".join(f"{n},she is a {w},he is a {w},stereo,gender,[],a0,[]\n" for n, w in enumerate(("nurse", "cook")))
    (tmp_path / "crows_pairs_anonymized.csv").write_text(header + rows)
    names = ["--ruler", "crows-pairs", "--published", str(tmp_path)]
    status, out, err = fairkd("bias", one, other, *names, "--json")
    assert status == 0, err
    scores = pd.DataFrame(json.loads(out)["scores"])
    assert set(scores.ruler) == {"crows-pairs"}
    assert set(scores["items"]) == {2}
    status, out, err = fairkd("bias", one, *names)
    assert "CrowS-Pairs" in out
    status, _, err = fairkd("bias", one, "--ruler", "crows-pair", *names[2:])
    assert (status, "Did you mean 'crows-pairs'?" in err) == (2, True)
    assert fairkd("bias", one, "--published", str(tmp_path / "none"))[0] == 2
