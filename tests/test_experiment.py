"""What notebooks see: checked parameters, tidy scores, intervals, and results that are whole or absent."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats as scipy_stats

from fairkd import InputError, Profile
from fairkd.experiment import Experiment
from fairkd.materials import Materials, plan, recipe_of, resolve_device, train_profile
from fairkd.recipe import Recipe
from fairkd.seat import TESTS, evaluate, load_encoder
from fairkd.shell import skipped


def tiny(folder, **values) -> Profile:
    settings = {"depths": [1, 2, 3], "max_steps": 4, "adapt_steps": 5, "seat_bootstrap": 100, "seat_permutations": 500}
    places = {"runs_dir": str(folder / "runs"), "store_dir": str(folder / "store")}
    return Profile.load("tiny").changed(**settings, **places, **values)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Profile:
    profile = tiny(tmp_path_factory.mktemp("trained"))
    train_profile(profile)
    return profile


@pytest.fixture(scope="module")
def experiment(trained) -> Experiment:
    return Experiment("01_capacity", trained)


def test_the_recipe_takes_every_value_from_the_profile(trained):
    recipe = recipe_of(trained)
    assert recipe.loss_weights == {"ce": 5.0, "mlm": 2.0, "cos": 1.0}
    for name in Recipe.__dataclass_fields__:
        if name != "loss_weights":
            assert getattr(recipe, name) == getattr(trained, name), name


def test_scores_are_those_of_a_plainly_loaded_student(trained, experiment):
    arms = experiment.arms("capacity")
    scores = experiment.seat(arms)
    assert len(scores) == (1 + 3 * 2) * 2 * 6  # teacher, 3 depths x 2 seeds; 2 poolings; 6 tests
    folder = experiment.materials.student(arms[1], 1)
    plain = evaluate(*load_encoder(folder), "cls", n_samples=500, n_bootstrap=100)
    chosen = scores.query("arm == 'capacity-2' and seed == 1 and pooling == 'cls'")
    np.testing.assert_allclose(chosen["effect_size"], plain["effect_size"], rtol=1e-6)
    np.testing.assert_allclose(chosen["p_value"], plain["p_value"])
    assert list(chosen["test"]) == list(TESTS)


def test_tests_are_means_over_seeds_with_one_seed_as_the_student_itself(trained, experiment):
    arms = experiment.arms("capacity")
    tests, scores = experiment.tests(arms), experiment.seat(arms)
    assert len(tests) == 4 * 2 * 6
    for row in tests.itertuples():
        own = scores[(scores["arm"] == row.arm) & (scores["pooling"] == row.pooling) & (scores["test"] == row.test)]
        assert len(own) == row.seeds
        assert row.effect_size == pytest.approx(own["effect_size"].mean(), rel=1e-9)
        assert row.low < row.high
    one = Experiment("01_capacity", trained.changed(seeds=[1]))
    alone, single = one.tests(arms), one.seat(arms)
    assert alone["low"].tolist() == pytest.approx(single["ci_low"].tolist())  # over words only, as SEAT gives it
    assert alone["high"].tolist() == pytest.approx(single["ci_high"].tolist())


def test_averages_are_means_over_tests_then_seeds(experiment):
    arms = experiment.arms("capacity")
    scores, averages = experiment.seat(arms), experiment.averages(arms)
    for row in averages.itertuples():
        chosen = scores[(scores["arm"] == row.arm) & (scores["pooling"] == row.pooling)]
        assert len(chosen) == 6 * row.seeds
        assert row.average == pytest.approx(chosen["effect_size"].abs().mean(), rel=1e-9)
        assert row.signed == pytest.approx(chosen["effect_size"].mean(), rel=1e-9)
        assert row.signed_low < row.signed_high
        assert row.low < row.average < row.high
    assert dict(zip(averages["arm"], averages["seeds"], strict=True)) == {
        "teacher": 1, "capacity-1": 2, "capacity-2": 2, "capacity-3": 2,
    }  # fmt: skip


def test_differences_are_paired(experiment):
    """Against the literal resampling: the same words and the same seeds for both arms."""
    arms = experiment.arms("ablation")
    found = experiment.differences(arms, baseline="full").set_index(["arm", "pooling"])
    averages = experiment.averages(arms).set_index(["arm", "pooling"])
    by_name = {arm.name: arm for arm in arms}
    from fairkd.rng import numpy_generator

    picks = numpy_generator(0, "resampled seeds", 2).integers(2, size=(100, 2))
    draws = {}
    for name in ("full", "no-ce"):
        tables = [
            experiment.materials.measure(experiment.materials.student(by_name[name], s))[1]["mean"] for s in (0, 1)
        ]
        draws[name] = [np.mean([np.abs(tables[s][b]).mean() for s in picks[b]]) for b in range(100)]
    draw = np.array(draws["no-ce"]) - np.array(draws["full"])
    row = found.loc[("no-ce", "mean")]
    low, high = np.quantile(draw, [0.025, 0.975]) - draw.mean() + row["difference"]
    expected = averages.loc[("no-ce", "mean"), "average"] - averages.loc[("full", "mean"), "average"]
    assert row["difference"] == pytest.approx(expected, rel=1e-9)
    assert (row["low"], row["high"]) == pytest.approx((low, high), rel=1e-9)
    with pytest.raises(InputError, match=r"baseline 'ful' is not among .*Did you mean 'full'"):
        experiment.differences(arms, baseline="ful")


def test_correlation_is_pearsons_r_of_layers_and_averages(experiment):
    arms = experiment.arms("capacity")
    averages = experiment.averages(arms).query("arm != 'teacher'")
    for row in experiment.correlation(arms).itertuples():
        chosen = averages[averages["pooling"] == row.pooling]
        assert row.r == pytest.approx(scipy_stats.pearsonr(chosen["layers"], chosen["average"]).statistic, rel=1e-9)
        assert -1 <= row.low <= row.high <= 1
        assert row.covers == "stimulus words and seeds"


def test_with_one_seed_the_interval_covers_stimulus_words_only(trained):
    one = Experiment("01_capacity", trained.changed(seeds=[0]))
    assert set(one.correlation(one.arms("capacity"))["covers"]) == {"stimulus words"}


def test_after_failed_training_a_missing_student_is_an_error_at_once(trained, monkeypatch):
    monkeypatch.setenv("FAIRKD_NO_TRAINING", "1")
    experiment = Experiment("01_capacity", trained)
    experiment.train(experiment.arms("all"))  # all of them are there
    with pytest.raises(InputError, match=r"arm 'capacity-1', seed 9: not in the store"):
        Experiment("01_capacity", trained.changed(seeds=[9])).train(experiment.arms("all"))


def test_measurements_are_cached(trained, monkeypatch):
    materials = Materials(trained, progress=False)
    folder = materials.student(trained.all_arms()[0], 0)
    first = materials.measure(folder)
    monkeypatch.setattr("fairkd.seat.measure_each", lambda *a, **k: pytest.fail("measured again"))
    again = materials.measure(folder)
    pd.testing.assert_frame_equal(first[0], again[0])
    assert all(np.array_equal(first[1][p], again[1][p]) for p in first[1])


def test_the_plan_says_what_is_there_and_what_is_missing(trained, tmp_path):
    assert set(plan(trained)["state"]) == {"in store"}
    more = plan(trained.changed(seeds=[0, 5]))
    assert more.groupby("seed")["state"].unique().map(list).to_dict() == {0: ["in store"], 5: ["to train"]}
    fresh = tiny(tmp_path)
    assert set(plan(fresh)["state"]) == {"to train; corpus not tokenised yet"}
    assert not (tmp_path / "store").exists()  # a plan writes nothing
    away = plan(Profile.load("paper").changed(store_dir=str(tmp_path)))
    assert set(away["state"]) == {"to train; teacher not downloaded yet"}
    assert len(away) == (8 + 4) * 3


def test_the_plan_shows_how_far_an_interrupted_run_came(trained, tmp_path):
    materials = Materials(trained, progress=False)
    arm = trained.all_arms()[0]
    profile = trained.changed(seeds=[7])
    store = materials.store
    key = materials.student_key(arm, 7)
    (store.unfinished(key) / "step-000000003").mkdir(parents=True)
    states = plan(profile).set_index("arm")["state"]
    assert states["capacity-1"] == "unfinished, 3 steps"
    store.clear_unfinished(key)


def test_a_depth_that_the_teacher_does_not_have_is_refused_before_training(tmp_path):
    profile = tiny(tmp_path).changed(depths=[1, 9])
    with pytest.raises(InputError, match=r"arm 'capacity-9': a student of 9 layers.*allowed are 1 to 3"):
        train_profile(profile)
    assert not (tmp_path / "store").exists()


def test_sequences_longer_than_the_teacher_reads_are_refused_before_the_corpus(trained, tmp_path):
    teacher = Materials(trained).teacher
    teacher.model.save_pretrained(tmp_path / "bert")
    teacher.tokenizer.save_pretrained(tmp_path / "bert")
    profile = tiny(tmp_path, teacher=str(tmp_path / "bert"), max_length=512)
    with pytest.raises(InputError, match=r"max_length: 512, but teacher .* reads 64 tokens at most"):
        train_profile(profile)
    assert not (tmp_path / "store").exists()


def test_a_profile_may_name_arms_of_its_own_only(trained):
    mine = trained.changed(arms=[{"name": "mine", "layers": 1, "losses": ["cos"]}, "no-ce"])
    assert [arm.name for arm in Experiment("02_ablation", mine).arms("ablation")] == ["mine", "no-ce"]


def parameters(profile: Profile, **more) -> dict:
    return profile.values() | {"In": [], "Out": {}, "_private": 1} | more


def test_begin_refuses_names_that_are_no_parameters(trained):
    with pytest.raises(InputError, match=r"learning_rat: no such parameter.*Did you mean 'learning_rate'"):
        Experiment.begin("01_capacity", parameters(trained, learning_rat=1.0))
    with pytest.raises(InputError, match="temperature: missing"):
        values = parameters(trained)
        del values["temperature"]
        Experiment.begin("01_capacity", values)
    with pytest.raises(InputError, match="temperature: 'hot'"):
        Experiment.begin("01_capacity", parameters(trained.changed(), temperature="hot"))


def test_begin_can_be_run_again_when_the_notebook_has_variables_of_its_own(trained, capsys):
    values = parameters(trained)
    Experiment.begin("01_capacity", values)
    values["rows"] = [1, 2]
    again = Experiment.begin("01_capacity", values)
    assert again.profile == trained
    printed = capsys.readouterr().out
    assert "01_capacity · profile 'tiny' · seeds [0, 1]" in printed
    assert f"torch {torch.__version__}" in printed


def test_begin_checks_sources_before_any_work(trained, tmp_path):
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"bad\.txt"):
        Experiment.begin("01_capacity", parameters(trained, corpus=[str(bad)]))


def test_prepare_only_prints_the_plan(trained, capsys):
    Experiment.begin("01_capacity", parameters(trained, prepare_only=True))
    printed = capsys.readouterr().out
    assert "nothing is trained" in printed
    assert printed.count("in store") == 14


@pytest.mark.parametrize("profile", ["tiny", "quick", "small", "paper"])
@pytest.mark.parametrize("notebook", ["01_capacity", "02_ablation", "05_report"])
def test_every_notebook_plans_with_every_profile(notebook, profile, tmp_path, capsys):
    places = {"store_dir": str(tmp_path / "store"), "runs_dir": str(tmp_path / "runs")}
    Experiment.begin(notebook, parameters(Profile.load(profile).changed(prepare_only=True, **places)))
    printed = capsys.readouterr().out
    assert f"{notebook} · profile '{profile}'" in printed
    assert "to train; " in printed
    assert not list(tmp_path.iterdir())


def test_prepare_only_lets_only_the_first_cells_run():
    assert skipped(["exp.train(students)\n"]) == ["print('Not run: prepare_only.')\n"]
    for kept in ("prepare_only = False  # …\n", "exp = Experiment.begin('x', globals())\n"):
        assert skipped([kept]) == [kept]


def test_results_are_whole_or_absent(trained, tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRKD_RUN_TOKEN", "abc")
    profile = trained.changed(runs_dir=str(tmp_path))
    one, other = Experiment("01_capacity", profile), Experiment("05_report", profile)
    frame = pd.DataFrame({"x": [1.5, 2.5]})
    one.save("numbers", frame)
    assert other.results("01_capacity") is None  # saved, but the notebook has not finished
    changed = Experiment("05_report", profile.changed(temperature=3.0, checkpoint_every=1))
    manifest = one.finish()
    assert manifest["token"] == "abc"
    assert manifest["parameters"] == profile.values()
    pd.testing.assert_frame_equal(other.results("01_capacity")["numbers"], frame)
    assert changed.results("01_capacity") is None  # its numbers come from other parameters
    stored = json.loads((one.results_dir / "01_capacity.json").read_text())
    assert set(stored["facts"]["corpus"]) >= {"digest", "tokens", "documents"}
    assert stored["facts"]["teacher"]["heldout_mlm_loss_after"] > 0
    assert stored["facts"]["versions"]["torch"] == torch.__version__
    (one.results_dir / "numbers.parquet").write_bytes(b"half")
    assert other.results("01_capacity") is None


def test_facts_make_nothing(tmp_path):
    facts = Experiment("05_report", tiny(tmp_path)).facts()
    assert "corpus" not in facts
    assert "teacher" not in facts
    assert facts["seeds"] == [0, 1]
    assert not (tmp_path / "store").exists()


def test_arm_groups(experiment):
    assert [arm.layers for arm in experiment.arms("capacity")] == [1, 2, 3]
    assert [arm.name for arm in experiment.arms("ablation")] == ["full", "no-cos", "no-ce", "mlm-only"]
    with pytest.raises(InputError, match=r"'capacty': allowed are .*Did you mean 'capacity'"):
        experiment.arms("capacty")


def test_devices():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type in ("cpu", "cuda")
    missing = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(InputError, match="not available"):
        resolve_device(missing)


def test_metrics_hold_every_update_of_every_student(experiment):
    metrics = experiment.metrics(experiment.arms("ablation"))
    expected = set(itertools.product(("full", "no-cos", "no-ce", "mlm-only"), (0, 1), (1, 2, 3, 4)))
    assert set(metrics[["arm", "seed", "step"]].itertuples(index=False, name=None)) == expected
    assert metrics.query("arm == 'no-ce'")["ce"].isna().all()
    assert metrics.query("arm == 'full'")[["ce", "mlm", "cos"]].notna().all().all()
