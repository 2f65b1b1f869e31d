"""What notebooks see: checked parameters, tidy scores, intervals, and results that are whole or absent."""

import itertools
import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from scipy import stats as scipy_stats

from fairkd import InputError, Profile, frames
from fairkd.batches import text_read
from fairkd.bias.stimuli import LISTS
from fairkd.engine.store import Store
from fairkd.experiment import Experiment
from fairkd.lab.bias import WITHOUT_SEAT_WORDS
from fairkd.lab.materials import Materials, resolve_device
from fairkd.lab.plan import plan
from fairkd.lab.shell import skipped
from fairkd.lab.training import train_profile
from fairkd.lab.variants import output_dir
from fairkd.losses import LOSSES
from fairkd.seat import POOLINGS, TESTS, evaluate, load_encoder
from fairkd.show import tables


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


def test_scores_are_those_of_a_plainly_loaded_student(trained, experiment):
    arms = experiment.arms("capacity")
    scores = experiment.bias.scores(arms)
    assert len(scores) == (1 + 3 * 2) * 2 * 6  # teacher, 3 depths x 2 seeds; 2 poolings; 6 tests
    folder = experiment.materials.student(arms[1], 1)
    plain = evaluate(*load_encoder(folder), "cls", n_samples=500, n_bootstrap=100)
    chosen = scores.query("arm == 'capacity-2' and seed == 1 and pooling == 'cls'")
    np.testing.assert_allclose(chosen["effect_size"], plain["effect_size"], rtol=1e-6)
    np.testing.assert_allclose(chosen["p_value"], plain["p_value"])
    assert list(chosen["test"]) == list(TESTS)


def test_tests_are_means_over_seeds_with_one_seed_as_the_student_itself(trained, experiment):
    arms = experiment.arms("capacity")
    tests, scores = experiment.bias.tests(arms), experiment.bias.scores(arms)
    assert len(tests) == 4 * 2 * 6
    for row in tests.itertuples():
        own = scores[(scores["arm"] == row.arm) & (scores["pooling"] == row.pooling) & (scores["test"] == row.test)]
        assert len(own) == row.seeds
        assert row.effect_size == pytest.approx(own["effect_size"].mean(), rel=1e-9)
        assert row.low < row.high
    one = Experiment("01_capacity", trained.changed(seeds=[1]))
    order = ["arm", "pooling", "test"]
    alone, single = (frame.sort_values(order) for frame in (one.bias.tests(arms), one.bias.scores(arms)))
    assert alone["low"].tolist() == pytest.approx(single["ci_low"].tolist())  # over words only, as SEAT gives it
    assert alone["high"].tolist() == pytest.approx(single["ci_high"].tolist())


def test_frames_have_the_columns_that_are_declared(experiment):
    arms, bias = experiment.arms("capacity"), experiment.bias
    assert list(bias.scores(arms)) == frames.SEAT_SCORES
    made = {
        "SEAT_TESTS": bias.tests(arms),
        "SEAT_AVERAGES": bias.averages(arms),
        "SEAT_DIFFERENCES": bias.differences(arms, baseline=arms[0].name),
        "SEAT_GAPS": bias.behind_the_lowest(arms),
        "SEAT_CORRELATION": bias.correlation(arms),
        "VERDICT_ROWS": bias.claims(arms),
    }
    for name, frame in made.items():
        assert list(frame) == [*getattr(frames, name), "pooling"], name
    assert list(bias.teachers()) == [*frames.SEAT_AVERAGES, "pooling"]
    assert list(experiment.pairs()) == frames.WORD_COUNTS
    assert list(experiment.words_met()) == frames.WORDS_MET
    assert list(experiment.tested_words()) == frames.TESTED_WORDS
    assert list(plan(experiment.profile)) == frames.STUDENTS


def test_averages_are_means_over_tests_then_seeds(experiment):
    arms = experiment.arms("capacity")
    scores, averages = experiment.bias.scores(arms), experiment.bias.averages(arms)
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
    found = experiment.bias.differences(arms, baseline="full").set_index(["arm", "pooling"])
    averages = experiment.bias.averages(arms).set_index(["arm", "pooling"])
    by_name = {arm.name: arm for arm in arms}
    from fairkd.rng import numpy_generator
    from fairkd.stats.resampling import bias_aware_interval, resample_seeds, widened

    picks = resample_seeds(2, 100, numpy_generator(0, "resampled seeds", 2))
    draws, by_seed = {}, {}
    for name in ("full", "no-ce"):
        tables = [
            experiment.materials.measure(experiment.materials.student(by_name[name], s))[1]["mean"] for s in (0, 1)
        ]
        own = experiment.bias.scores([by_name[name]]).query("arm != 'teacher' and pooling == 'mean'")
        by_seed[name] = own.groupby("seed").effect_size.apply(lambda d: d.abs().mean()).to_numpy()
        draws[name] = [np.mean([np.abs(tables[s][b]).mean() for s in picks[b]]) for b in range(100)]
    draw = np.array(draws["no-ce"]) - np.array(draws["full"])
    row = found.loc[("no-ce", "mean")]
    stretched = widened(draw, by_seed["no-ce"] - by_seed["full"])
    low, high = bias_aware_interval(row["difference"], stretched)
    expected = averages.loc[("no-ce", "mean"), "average"] - averages.loc[("full", "mean"), "average"]
    assert row["difference"] == pytest.approx(expected, rel=1e-9)
    assert (row["low"], row["high"]) == pytest.approx((low, high), rel=1e-9)
    with pytest.raises(InputError, match=r"baseline 'ful' is not among .*Did you mean 'full'"):
        experiment.bias.differences(arms, baseline="ful")


def test_correlation_is_pearsons_r_of_layers_and_averages(experiment):
    arms = experiment.arms("capacity")
    averages = experiment.bias.averages(arms).query("arm != 'teacher'")
    for row in experiment.bias.correlation(arms).itertuples():
        chosen = averages[averages["pooling"] == row.pooling]
        assert row.r == pytest.approx(scipy_stats.pearsonr(chosen["layers"], chosen["average"]).statistic, rel=1e-9)
        assert -1 <= row.low <= row.high <= 1
        assert row.covers == "stimulus words and seeds"


def test_with_one_seed_the_interval_covers_stimulus_words_only(trained):
    one = Experiment("01_capacity", trained.changed(seeds=[0]))
    assert set(one.bias.correlation(one.arms("capacity"))["covers"]) == {"stimulus words"}


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
    assert len(away) == (8 + 12) * 3


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
    with pytest.raises(
        InputError, match=r"recipe_settings: no such parameter as 'temprature'.*Did you mean 'temperature'"
    ):
        Experiment.begin("01_capacity", parameters(trained, recipe_settings={"temprature": 1.0}))
    with pytest.raises(InputError, match=r"recipe_setings: no such parameter.*Did you mean 'recipe_settings'"):
        Experiment.begin("01_capacity", parameters(trained, recipe_setings={"temperature": 1.0}))
    with pytest.raises(InputError, match="temperature: 'hot'"):
        Experiment.begin("01_capacity", parameters(trained.changed(), temperature="hot"))


def test_begin_can_be_run_again_when_the_notebook_has_variables_of_its_own(trained, capsys):
    values = parameters(trained)
    Experiment.begin("01_capacity", values)
    values |= {"rows": [1, 2], "seed": 3, "layer": 2, "test": "C6", "arm": "full", "student_layer": 1}
    again = Experiment.begin("01_capacity", values)
    assert again.profile == trained
    for slip in ("seat_bootstap", "temprature", "learning_rates"):
        with pytest.raises(InputError, match=f"{slip}: no such parameter .* Did you mean"):
            Experiment.begin("01_capacity", values | {slip: 150})
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
    assert printed.count("in store") == 30


@pytest.mark.parametrize("profile", ["tiny", "quick", "small", "paper"])
@pytest.mark.parametrize("notebook", ["01_capacity", "02_ablation", "05_report"])
def test_every_notebook_plans_with_every_profile(notebook, profile, tmp_path, capsys):
    places = {"store_dir": str(tmp_path / "store"), "runs_dir": str(tmp_path / "runs")}
    Experiment.begin(notebook, parameters(Profile.load(profile).changed(prepare_only=True, **places)))
    printed = capsys.readouterr().out
    assert f"{notebook} · profile '{profile}'" in printed
    assert "to train; " in printed
    assert not list(tmp_path.iterdir())


def test_a_sentence_without_gender_words_is_replaced_by_one_of_the_training_text(trained, capsys):
    experiment = Experiment("00_method", trained)
    mine = "when he came home, he made the tea and went to bed."
    assert experiment.sentence(mine) == mine
    with pytest.raises(InputError, match="must be one line, not 2"):
        experiment.sentence(f"{mine}\n{mine}")
    assert "warnings" not in experiment.facts()
    other = experiment.sentence("the doctor came home and made the tea and went to bed.")
    assert other == experiment.sentence("he went home.") == experiment.sentence(mine * 20)
    said = [re.findall(r"has (\w+) ", text)[0] for text in experiment.facts()["warnings"]]
    sizes = [len(experiment.materials.checkpoint.tokenizer(text)["input_ids"]) for text in ("he went home.", mine * 20)]
    assert said == ["none", *map(str, sizes)]
    pairs, tokenizer = experiment.materials.pairs, experiment.materials.checkpoint.tokenizer
    assert len(pairs.find(torch.tensor([tokenizer(other)["input_ids"]])).at)
    ids = tokenizer(other)["input_ids"]
    corpus = experiment.materials.corpus.train
    assert any(ids == sequence.tolist() for sequence in corpus[range(len(corpus))])
    assert "of the training text" in experiment.facts()["warnings"][0]


def test_prepare_only_lets_only_the_first_cells_run():
    for other in ("exp.train(students)\n", "print(prepare_only)  # Experiment.begin(\n", "%time exp.begin()\n"):
        assert skipped([other]) == ["print('Not run: prepare_only.')\n"]
    for kept in ("prepare_only = False  # …\n", "run_settings = {}\n", "exp = Experiment.begin('x', globals())\n"):
        assert skipped([kept]) == [kept]


def test_a_cell_may_add_to_a_table_before_the_experiment_begins(tmp_path):
    profile = Profile.load("tiny").changed(store_dir=str(tmp_path / "store"), runs_dir=str(tmp_path / "runs"))
    Experiment.begin("02_ablation", profile.values() | {"LOSSES": LOSSES, "POOLINGS": POOLINGS, "TESTS": TESTS})
    for name, value in {"seed": 3, "SEEDS": [1], "ALPHA": 1.0, "LOSS_WEIGHTS": {"ce": 1.0}}.items():
        with pytest.raises(InputError, match=f"{name}: no such parameter"):
            Experiment.begin("02_ablation", profile.values() | {name: value})


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
    stored = json.loads((output_dir(one.profile) / "results" / "01_capacity.json").read_text())
    assert set(stored["facts"]["corpus"]) >= {"digest", "tokens", "documents"}
    assert stored["facts"]["teacher"]["heldout_mlm_loss_after"] > 0
    assert stored["facts"]["versions"]["torch"] == torch.__version__
    (output_dir(one.profile) / "results" / "numbers.parquet").write_bytes(b"half")
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


# --- mitigation ------------------------------------------------------------------------------------------------------


def test_arms_of_table_2_are_the_original_student_and_what_is_mitigated(experiment):
    names = [arm.name for arm in experiment.arms("mixup")]
    assert names[:2] == ["full", "debiased-teacher"]
    assert sorted(names[2:]) == sorted(f"mixup-{levels}" for levels in ("h", "x", "yh", "xyh", "xy", "y", "xh"))
    assert [arm.name for arm in experiment.arms("ablation")] == ["full", "no-cos", "no-ce", "mlm-only"]
    own = Experiment("03_mixup", experiment.profile.changed(arms=["full", "no-ce"]))
    assert [arm.name for arm in own.arms("mixup")] == ["full"]
    with pytest.raises(InputError, match=r"has no arm for 'ablation'; it has \['mixup-xy'\]"):
        Experiment("02_ablation", experiment.profile.changed(arms=["mixup-xy"])).arms("ablation")


def test_teachers_are_measured_before_and_after_debiasing_with_and_without_the_words_of_seat(experiment):
    table, without = experiment.bias.teachers(), WITHOUT_SEAT_WORDS
    found = table.groupby("pooling", sort=False).arm.apply(list).tolist()
    assert found == [["original", "debiased", without]] * 2
    assert table.query("pooling == 'mean'").average.nunique() == 3
    records = experiment.debiasing()
    assert list(records) == ["debiased", without]
    for record in records.values():
        assert {"heldout_mlm_loss_before", "heldout_mlm_loss_after", "tokens_read"} <= record.keys()
    words = [record["words"] for record in records.values()]
    assert all(words[1][name]["listed"] < words[0][name]["listed"] for name in words[0])
    plain = Experiment("03_mixup", experiment.profile.changed(arms=["full"]))
    assert plain.debiasing() == {}
    assert set(plain.bias.teachers().arm) == {"original"}
    assert not any(plain.tested_words().debiasing)


def test_the_teacher_without_seats_words_is_for_the_table_alone(experiment):
    """No arm has it: students and the published debiased teacher keep their keys and bits whether it is made or not."""
    one = Experiment("03_mixup", experiment.profile.changed(debias_without_seat_words=False))
    assert list(one.debiasing()) == ["debiased"]
    assert set(one.bias.teachers().arm) == {"original", "debiased"}
    (arm,) = [arm for arm in one.arms("mixup") if arm.teacher == "debiased"]
    assert one.materials.student_key(arm, 0) == experiment.materials.student_key(arm, 0)
    assert experiment.materials.debiased_without_seat.digest != one.materials.debiased.digest
    assert one.materials.debiased.digest == experiment.materials.debiased.digest


def test_lists_that_hold_nothing_but_seats_words_stop_before_any_work(tmp_path):
    words = tmp_path / "words.yaml"
    words.write_text("female: [she, woman, queen]\nmale: [he, king]\nstereotype: [poetry, math]\n")
    own = tiny(tmp_path, debias_words=str(words))
    with pytest.raises(InputError, match=r"list stereotype are words that SEAT tests.*_without_seat_words: false"):
        train_profile(own)
    assert not (tmp_path / "store").exists()
    Materials(own.changed(debias_without_seat_words=False)).check(own.all_arms())


def test_a_corpus_too_small_without_seats_words_names_the_way_out_before_a_student_is_trained(tmp_path):
    words = tmp_path / "words.yaml"
    words.write_text("female: [she, her, abbess]\nmale: [he, his, abbot]\nstereotype: [nurse, engineer, poetry]\n")
    own = tiny(tmp_path, debias_words=str(words))
    with pytest.raises(InputError, match=r"without SEAT's words, for comparison: debiasing needs .*: false leaves it"):
        train_profile(own)
    kinds = {Store.manifest(path.parent)["kind"] for path in own.store().root.glob("*/manifest.json")}
    assert kinds == {"checkpoint", "corpus", "teacher", "words of a text"}
    assert Materials(own.changed(debias_without_seat_words=False)).debiased.record["debias"]["updates"] > 0


def test_what_is_wrong_with_corpus_or_schedule_is_not_blamed_on_the_words_of_debiasing(tmp_path):
    own = tiny(tmp_path).changed(gradient_accumulation_steps=1000, max_steps=None)
    for with_it in (True, False):
        with pytest.raises(InputError, match=r"^no weight would change"):
            train_profile(own.changed(debias_without_seat_words=with_it))


def test_facts_say_who_read_what(experiment):
    facts, materials = experiment.facts(), experiment.materials
    train = materials.corpus.train
    assert facts["corpus"]["training_tokens"] == int(train.lengths.sum()) < facts["corpus"]["tokens"]
    assert facts["corpus"]["training_sequences"] == len(train)
    for seed in (0, 1):
        manifest = Store.manifest(materials.student(experiment.arms("capacity")[0], seed))
        read = {name: manifest[name] for name in ("sequences_read", "tokens_read")}
        assert facts["students"][f"seed {seed}"] == read == text_read(materials.setting(seed)).record()
    assert facts["students"]["seed 0"] != facts["students"]["seed 1"]  # part of a pass: other sequences
    assert facts["teacher"]["sequences_read"] == 5 * 16
    experiment.debiasing()
    record = materials.debiased.record["debias"]
    assert experiment.facts()["debiasing"] == {
        name: record[name] for name in ("updates", "sequences_read", "tokens_read")
    }


def test_what_students_read_is_in_their_manifests_and_counted_where_there_are_none(experiment, monkeypatch, tmp_path):
    before = Materials(experiment.profile).text_read(0)
    assert Materials(experiment.profile.changed(store_dir=str(tmp_path))).text_read(0) == before
    monkeypatch.setattr("fairkd.lab.materials.text_read", lambda setting: pytest.fail("counted what manifests say"))
    assert Materials(experiment.profile).text_read(0) == before


def test_words_met_are_counted_once_for_each_seed_and_the_store_keeps_them(experiment, monkeypatch):
    met = experiment.words_met()
    assert met.groupby("seed").size().to_dict() == {0: 10, 1: 10}
    assert met.met_male[met.seed == 0].sum() != met.met_male[met.seed == 1].sum()
    assert (met.visible_female <= met.met_female).all()
    assert (met.taught <= met.visible_female + met.visible_male).all()
    assert set(met.batches_read) == {4 * 2}  # updates, batches of each
    counts = experiment.pairs().set_index("female")
    monkeypatch.setattr("fairkd.lab.materials.words_met", lambda *_: pytest.fail("counted again"))
    again = Experiment("03_mixup", experiment.profile)
    pd.testing.assert_frame_equal(again.words_met(), met)
    assert (met[met.seed == 0].set_index("female").met_male <= counts.n_male).all()


def test_words_that_no_student_ever_sees_are_a_warning(experiment, tmp_path):
    """They occur in the text, and not in the part of it that these students read."""
    (tmp_path / "pairs.csv").write_text("woman,man\n")
    few = {"seeds": [0], "max_steps": 1, "warmup_prop": 0.0, "gradient_accumulation_steps": 1, "batch_size": 1}
    own = Experiment("03_mixup", experiment.profile.changed(gender_pairs=str(tmp_path / "pairs.csv"), **few))
    assert own.pairs().positions.sum() > 0
    assert own.words_met()[["met_female", "met_male"]].to_numpy().sum() == 0
    (warning,) = own.facts()["warnings"]
    assert "No gender word is visible in anything that the students read" in warning


def test_tested_words_are_those_of_the_profiles_own_lists(experiment, tmp_path):
    shared = experiment.tested_words().set_index("list")
    assert shared.pairs.map(len).to_dict() == dict.fromkeys(LISTS, 0) | {
        "MaleNames": 1, "MaleTerms": 6, "FemaleTerms": 6, "MaleTerms8": 4, "FemaleTerms8": 4,
    }  # fmt: skip
    assert shared.debiasing.map(len).to_dict() == dict.fromkeys(LISTS, 8) | {
        "MaleNames": 0, "FemaleNames": 0, "Science": 6, "Arts8": 7,
    }  # fmt: skip
    assert shared.tests["FemaleTerms"] == ["C6b", "C7"]
    (tmp_path / "pairs.csv").write_text("sister,brother\nqueen,king\n")
    own = Experiment("05_report", experiment.profile.changed(gender_pairs=str(tmp_path / "pairs.csv")))
    pairs = own.tested_words().set_index("list").pairs
    assert {name: words for name, words in pairs.items() if words} == {
        "MaleTerms": ["brother"], "FemaleTerms": ["sister"], "MaleTerms8": ["brother"], "FemaleTerms8": ["sister"],
    }  # fmt: skip


def test_claims_are_those_that_the_arms_can_speak_to(experiment):
    judged = {group: experiment.bias.claims(experiment.arms(group)) for group in ("capacity", "ablation", "mixup")}
    assert {group: sorted(set(table.claim)) for group, table in judged.items()} == {
        "capacity": [1],
        "ablation": [0, 2],
        "mixup": [0, 4, 5, 6, 7],
    }
    assert all(table.groupby("pooling").claim.apply(tuple).nunique() == 1 for table in judged.values())
    full = experiment.bias.averages(experiment.arms("mixup")).query("pooling == 'mean'").set_index("arm").average
    row = judged["mixup"].query("pooling == 'mean' and claim == 4").iloc[0]
    assert row.estimate == pytest.approx(full["mixup-xy"] - full["full"])


def test_sweep_trains_one_arm_with_each_value(experiment):
    table = experiment.sweep("alpha", [experiment.profile.mixup.alpha, 5.0])
    assert sorted(set(table.value)) == [0.4, 5.0]
    own = table.query("arm == 'mixup-xy' and pooling == 'mean'").set_index("value").average
    known = experiment.bias.averages(experiment.arms("mixup")).query("arm == 'mixup-xy' and pooling == 'mean'").average
    assert own[0.4] == pytest.approx(known.item())
    assert own[5.0] != own[0.4]
    with pytest.raises(InputError, match=r"alpha: -1.* greater than 0"):
        experiment.sweep("alpha", [-1.0])
    with pytest.raises(InputError, match=r"arm 'mixup-yx' is not in the profile.*Did you mean 'mixup-y'"):
        experiment.sweep("alpha", [0.4], arm="mixup-yx")
    with pytest.raises(InputError, match="no such parameter"):
        experiment.sweep("alhpa", [0.4])


def test_a_corpus_without_any_pair_word_is_a_warning_in_notebook_and_record(experiment, tmp_path, capsys):
    (tmp_path / "pairs.csv").write_text("female,male\nxqz,qxz\n")
    own = Experiment("03_mixup", experiment.profile.changed(gender_pairs=str(tmp_path / "pairs.csv")))
    counts = own.pairs()
    assert counts.positions.tolist() == [0]
    assert "Html" in capsys.readouterr().out  # the box, as plain Python shows it
    (warning,) = own.facts()["warnings"]
    assert "Mixup changes nothing" in warning
    experiment.pairs()
    assert "warnings" not in experiment.facts()


def test_a_bad_pair_file_stops_before_any_work(trained, tmp_path):
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("queen,king\nqueen,prince\n")
    own = tiny(tmp_path, gender_pairs=str(pairs))
    with pytest.raises(InputError, match=r"line 2 of pairs.csv: 'queen' stands in line 1"):
        train_profile(own)
    assert not (tmp_path / "store").exists()
    with pytest.raises(InputError, match=r"gender_pairs: .*pair.csv' does not exist.*Did you mean 'pairs.csv'"):
        trained.changed(gender_pairs=str(tmp_path / "pair.csv"))


def test_the_sample_is_the_beginning_of_the_corpus(experiment):
    from fairkd.text.generated import articles

    assert experiment.sample(documents=3).text.tolist() == list(itertools.islice(articles(), 3))


def test_planted_needs_its_profile(experiment):
    with pytest.raises(InputError, match=r"no planted_strengths; the profile 'planted' has"):
        experiment.planted()
    assert experiment.controlled() == {}


def test_what_a_notebook_showed_is_shown_again_as_it_was(trained, tmp_path, monkeypatch):
    profile, shown = trained.changed(runs_dir=str(tmp_path)), list[dict]()
    monkeypatch.setattr("fairkd.experiment._display", shown.append)
    one, report = Experiment("01_capacity", profile), Experiment("05_report", profile)
    frame = pd.DataFrame({"x": [1.5, 2.5]})
    figure = Figure(figsize=(2, 1))
    figure.set_label("A figure of nothing, for a test.")
    one.show("figure-1", figure, data={"numbers": frame}, caption="Nothing")
    one.show("table", tables.frame(frame, caption="Numbers"), data=frame)
    report.piece("01_capacity", "figure-1")
    assert len(shown) == 2  # the notebook has not finished: nothing is shown
    assert report.absent() == {"01_capacity": "01_capacity has not finished"}
    one.finish()
    pieces, report = list(shown), Experiment("05_report", profile)
    for name in ("figure-1", "table"):
        report.piece("01_capacity", name)
    assert shown[2:] == pieces
    assert report.absent() == {}
    assert shown[1]["data"]["text/html"].count("demonstration") == 1
    for name in ("numbers", "table"):
        pd.testing.assert_frame_equal(report.results("01_capacity")[name], frame)
        pd.testing.assert_frame_equal(one.tables[name], frame)
    with pytest.raises(InputError, match="Did you mean 'figure-1'"):
        report.piece("01_capacity", "figure_1")
    (output_dir(profile) / "results" / "01_capacity.table.piece.json").write_text("{}")
    report.piece("01_capacity", "figure-1")  # one piece is damaged: none is taken
    assert len(shown) == 4
    assert "has been changed since" in report.absent()["01_capacity"]
