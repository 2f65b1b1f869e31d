"""A new idea is one entry in one table: train and measure with it, and find it wherever its name belongs."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from fairkd import Profile
from fairkd.arms import DISTILBERT, Arm, capacity_arms, named_arm
from fairkd.batches import MaskedBatches, Setting
from fairkd.bias.poolings import POOLINGS, Pooling
from fairkd.distill import distill, student_key
from fairkd.engine.digests import added_sources
from fairkd.engine.heads import last_hidden
from fairkd.engine.recipe import Recipe
from fairkd.engine.store import Store
from fairkd.errors import InputError
from fairkd.experiment import Experiment
from fairkd.gender import PairTable, appendix_c
from fairkd.lab.plan import plan
from fairkd.losses import LOSSES, LossTerm
from fairkd.mixup import COUNTERPARTS, LEVELS, Level, Mixup
from fairkd.objective import arm_losses, supervise
from fairkd.seat import effect_size, evaluate, load_encoder, stimuli
from fairkd.show import figures, tables
from fairkd.students import student_from_teacher

CPU = torch.device("cpu")
FULL, RECIPE = named_arm("full", student_layers=2), Recipe(batch_size=8, max_steps=3)


def squared_rows(student, teacher):
    return (student - teacher).square().mean()


@pytest.fixture
def squared(monkeypatch):
    """The one entry: a loss of hidden states."""
    monkeypatch.setitem(LOSSES, "mse", LossTerm("hidden", squared_rows, weight=0.5))


@pytest.fixture(scope="module")
def before(world, tmp_path_factory):
    """The student "full" before there was anything new: its key and weights."""
    setting = Setting(world.corpus, RECIPE, 0, Store(tmp_path_factory.mktemp("before")), CPU)
    folder = distill([FULL], setting, teacher=world.teacher, progress=False)["full"]
    return folder.name, load_file(folder / "model.safetensors")


def train(world, store, arms, recipe=RECIPE):
    return distill(arms, Setting(world.corpus, recipe, 0, store, CPU), teacher=world.teacher, progress=False)


def test_a_loss_term_of_one_entry_trains_and_full_keeps_its_bits(world, store, before, squared):
    mine = Arm(name="mine", layers=2, losses=("mse", "ce"))
    folders = train(world, store, [FULL, mine])
    key, weights = before
    assert folders["full"].name == key
    again = load_file(folders["full"] / "model.safetensors")
    assert all(torch.equal(again[name], weights[name]) for name in weights)
    metrics = pd.read_parquet(folders["mine"] / "metrics.parquet")
    assert (metrics["mse"] > 0).all()
    np.testing.assert_allclose(metrics["loss"], 5 * metrics["ce"] + 0.5 * metrics["mse"], rtol=1e-6)
    assert "mse" not in pd.read_parquet(folders["full"] / "metrics.parquet")


def test_a_loss_term_of_one_entry_is_what_its_formula_says(world, squared):
    mine = Arm(name="mine", layers=2, losses=("mse",))
    batch = MaskedBatches(Setting(world.corpus, RECIPE, 0, world.store, CPU), world.tokenizer)[0]
    teacher, student = world.teacher.model, student_from_teacher(world.teacher.model, 2).eval()
    with torch.no_grad():
        total, found = arm_losses(student, supervise({"original": teacher}, batch, [mine], RECIPE, CPU), mine, RECIPE)
        ours, theirs = (
            [h for row, mask in zip(last_hidden(m, batch.corrupted, batch.attention_mask), batch.attention_mask)
             for h in row[mask.bool()]]
            for m in (student, teacher)
        )  # fmt: skip
    expected = torch.stack([(a - b).square().mean() for a, b in zip(ours, theirs, strict=True)]).mean()
    assert found["mse"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert total.item() == pytest.approx(0.5 * expected.item(), rel=1e-5)


def test_a_loss_term_of_one_entry_is_in_weights_keys_and_plan_and_joins_no_arm(world, store, squared, tmp_path):
    mine = Arm(name="mine", layers=2, losses=("mse", "mlm"))
    assert mine.needs_teacher
    assert mine.losses == ("mlm", "mse")  # in the table's order
    assert FULL.losses == capacity_arms([1])[0].losses == DISTILBERT == ("ce", "mlm", "cos")

    def key(arm, weights):
        recipe = dataclasses.replace(RECIPE, loss_weights=weights)
        return student_key(arm, Setting(world.corpus, recipe, 0, store, CPU), teacher=world.teacher)

    named = key(mine, "distilbert")
    assert named == key(mine, {"ce": 9.0, "mlm": 2.0, "mse": 0.5})
    assert named != key(mine, {"ce": 9.0, "mlm": 2.0, "mse": 0.6})
    weights = {"ce": 5.0, "mlm": 2.0, "cos": 1.0}
    assert key(FULL, "distilbert") == key(FULL, weights) == key(FULL, weights | {"mse": 3.0})
    places = {"runs_dir": str(tmp_path / "runs"), "store_dir": str(tmp_path / "store")}
    entry = {"name": "mine", "layers": 2, "losses": ["mlm", "mse"]}
    profile = Profile.load("tiny").changed(arms=["full", entry], **places)
    assert profile.recipe.weights == {"ce": 5.0, "mlm": 2.0, "cos": 1.0, "mse": 0.5}
    assert profile.all_arms()[-1] == mine
    assert "mine" in plan(profile).to_string()
    with pytest.raises(ValueError, match=r"loss_weights: \['mse'\] missing, which arm 'mine' learns from"):
        profile.changed(loss_weights={"ce": 5.0, "mlm": 2.0, "cos": 1.0})


def test_a_formula_that_changed_under_its_name_is_another_loss_and_pooling(world, store, squared, monkeypatch):
    mine, setting = Arm(name="mine", layers=2, losses=("mse",)), Setting(world.corpus, RECIPE, 0, store, CPU)
    before = student_key(mine, setting, teacher=world.teacher)

    def squared_rows(student, teacher):
        return (student - teacher).abs().mean()

    monkeypatch.setitem(LOSSES, "mse", LossTerm("hidden", squared_rows, weight=0.5))
    assert student_key(mine, setting, teacher=world.teacher) != before
    changed = student_key(mine, setting, teacher=world.teacher)
    monkeypatch.setitem(LEVELS, "mse", Level("hidden", exchanged))  # a level of the same name hides nothing
    monkeypatch.setitem(COUNTERPARTS, "mine", lambda own, mixing: own)
    mixes, mixup = Arm(name="m", layers=2, losses=("mse", "ce"), mix=("y",)), Mixup(pairs(world), counterpart="mine")
    keys = [student_key(mixes, setting, teacher=world.teacher, mixup=mixup)]
    monkeypatch.setitem(COUNTERPARTS, "mine", lambda own, mixing: own * 2)
    keys += [student_key(mixes, setting, teacher=world.teacher, mixup=mixup)]
    monkeypatch.setitem(LOSSES, "mse", LossTerm("hidden", lambda student, teacher: (student - teacher).mean()))
    keys += [student_key(mixes, setting, teacher=world.teacher, mixup=mixup)]
    assert len({changed, before, *keys}) == 5


def scaled(factor):
    return lambda hidden: factor * hidden[:, 0]


def test_sources_of_added_functions_are_told_apart_and_those_of_the_package_do_not_count():
    known = {"pooling cls": POOLINGS["cls"].pool}
    assert added_sources(known, known) == {}
    assert added_sources(known).keys() == known.keys()  # a line that somebody wrote into the table
    assert added_sources({"pooling cls": scaled(1)}, known).keys() == known.keys()
    assert added_sources({"p": scaled(1)}) != added_sources({"p": scaled(2)})
    assert added_sources({"p": scaled(1)}) == added_sources({"p": scaled(1)})
    for unreadable in (eval("lambda hidden: hidden"), torch.nn.MSELoss(), torch.cosine_similarity):
        with pytest.raises(InputError, match="p: write it as a function"):
            added_sources({"p": unreadable})


def pairs(world):
    return PairTable(appendix_c(), world.tokenizer)


def test_an_entry_that_could_not_be_trained_or_shown_is_refused(monkeypatch):
    with pytest.raises(InputError, match="a loss's target 'hiden' is unknown; allowed are logits, labels, hidden"):
        LossTerm("hiden", squared_rows)
    with pytest.raises(InputError, match="what a mixup level mixes 'inputs' is unknown"):
        Level("inputs", exchanged)
    monkeypatch.setitem(LOSSES, "rkl", LossTerm("logits", squared_rows))
    with pytest.raises(ValueError, match="loss 'rkl' compares logits, which only ce and mlm are trained with"):
        Arm(name="mine", layers=1, losses=("ce", "rkl"))
    monkeypatch.setitem(LOSSES, "ce", LossTerm("logits", squared_rows))
    with pytest.raises(ValueError, match="loss 'ce' is trained in its fused form"):
        Arm(name="mine", layers=1, losses=("ce", "mlm"))
    for name in ("my-loss", "L", "loss", "step", "arm", "seed", "layers"):
        monkeypatch.setitem(LOSSES, name, LossTerm("hidden", squared_rows))
        with pytest.raises(ValueError, match="small letters and digits only"):
            Arm(name="mine", layers=1, losses=(name,))


def test_a_loss_term_of_one_entry_is_in_the_training_curves(world, store, squared):
    folders = train(world, store, [FULL, Arm(name="mine", layers=2, losses=("mlm", "mse"))])
    metrics = pd.concat(
        [pd.read_parquet(folder / "metrics.parquet").assign(arm=arm, seed=0) for arm, folder in folders.items()]
    )
    figure = figures.training(metrics)
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert len(titles) == 4
    assert "mse" in titles[-1]
    (line,) = [line for line in figure.axes[-1].lines if len(line.get_xdata())]
    np.testing.assert_allclose(line.get_ydata(), metrics["mse"].dropna())


@pytest.fixture
def tiny(tmp_path):
    places = {"runs_dir": str(tmp_path / "runs"), "store_dir": str(tmp_path / "store")}
    small = {"max_steps": 2, "adapt_steps": 2, "seat_bootstrap": 100, "seat_permutations": 100}
    return Profile.load("tiny").changed(depths=[1], arms=["full"], seeds=[0], **small, **places)


def test_a_pooling_of_one_entry_is_measured_and_shown(tiny, monkeypatch):
    first = Experiment("01_capacity", tiny)
    arms = first.arms("all")
    first.train(arms)
    known = first.bias.scores(arms)
    trained = set(tiny.store().entries())
    monkeypatch.setitem(POOLINGS, "max", Pooling(lambda hidden: hidden.max(dim=1).values))
    experiment = Experiment("01_capacity", tiny.changed(seat_poolings=["max", "mean"]))
    scores = experiment.bias.scores(arms)
    assert set(scores.pooling) == {"max", "mean"}
    both = ["arm", "seed", "test", "effect_size"]
    mean = scores[scores.pooling == "mean"][both].reset_index(drop=True)
    pd.testing.assert_frame_equal(mean, known[known.pooling == "mean"][both].reset_index(drop=True))
    assert len(set(tiny.store().entries()) - trained) == len(arms) + 1  # scores, no students

    folder = experiment.materials.student(arms[0], 0)
    model, tokenizer = load_encoder(folder)
    words = {
        name: np.stack([one_by_one(model, tokenizer, text) for text in texts]) for name, texts in stimuli("C7").items()
    }
    own = scores.query("arm == 'capacity-1' and pooling == 'max' and test == 'C7'").effect_size.item()
    assert own == pytest.approx(effect_size(*words.values()), rel=1e-4)
    assert own == pytest.approx(evaluate(model, tokenizer, "max").set_index("test").effect_size["C7"], rel=1e-6)
    shown = tables.averages(experiment.bias.averages(arms))._repr_html_()
    assert "max" in shown


def one_by_one(model, tokenizer, text):
    with torch.no_grad():
        encoded = tokenizer(text, return_tensors="pt")
        return last_hidden(model, encoded.input_ids, encoded.attention_mask)[0].numpy().max(axis=0)


def exchanged(hidden, other, mixing):
    return LEVELS["h"].mix(hidden, other, dataclasses.replace(mixing, lam=(~mixing.male).float()))


def test_a_loss_may_have_the_name_of_a_level(world, store, monkeypatch):
    monkeypatch.setitem(LOSSES, "y", LossTerm("hidden", squared_rows))
    arms = [Arm(name="a", layers=1, losses=("mlm", "y")), Arm(name="b", layers=1, losses=("mlm", "cos"), mix=("h",))]
    folders = train(world, store, arms)
    assert (pd.read_parquet(folders["a"] / "metrics.parquet")["y"] > 0).all()


def test_a_mixup_level_of_one_entry_trains(world, store, monkeypatch):
    """Where a gender word stands, its target is the reading of the other word."""
    monkeypatch.setitem(LEVELS, "exchange", Level("hidden", exchanged))
    mine, mixup_h = Arm(name="mine", layers=2, mix=("exchange",)), named_arm("mixup-h", student_layers=2)
    folders = train(world, store, [FULL, mixup_h, mine])
    weights = [load_file(folder / "model.safetensors")["vocab_projector.bias"] for folder in folders.values()]
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(weights, 2))
    with pytest.raises(ValueError, match=r"of the mixup levels \['h', 'exchange'\] two mix the hidden"):
        Arm(name="both", layers=2, mix=("h", "exchange"))
