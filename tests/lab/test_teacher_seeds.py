"""Several teachers: each with its own text and students, made side by side, and resampled with its students."""

import itertools
import math
import shutil

import numpy as np
import pandas as pd
import pytest
from long_form import long_form
from scipy.stats import nct, t

from benchmarks.coverage import covered, groups
from fairkd import InputError, Profile, frames
from fairkd.bias.effects import Effects
from fairkd.bias.ruler import Ruler, Score, estimate_groups, item_weights, weighted_mean
from fairkd.bias.rulers import RULERS, judging_score, planted_score
from fairkd.bias.stimuli import TESTS
from fairkd.engine.side_by_side import side_by_side, workers
from fairkd.engine.store import Store
from fairkd.errors import DivergedError
from fairkd.experiment import Experiment
from fairkd.lab import calibration, measuring, other_claims, rulers, sweeps, training
from fairkd.lab.calibration import Response
from fairkd.lab.cost import Shape
from fairkd.lab.estimate import training_memory
from fairkd.lab.materials import Materials
from fairkd.lab.plan import plan
from fairkd.lab.rulers import components_of
from fairkd.lab.stages import measure_profile, missing_parts
from fairkd.lab.training import train_profile, training_jobs
from fairkd.rng import numpy_generator
from fairkd.show import figures, tables
from fairkd.stats.estimates import Estimate
from fairkd.stats.resampling import resample_seeds

SEEDS = (0, 1, 1000, 1001)


def family(folder, **changes):
    return Profile.load("planted").changed(
        runs_dir=str(folder), store_dir=str(folder / "store"), device="cpu", teacher_seeds=[0, 1], seeds=[0, 1],
        teacher_layers=1, teacher_hidden=16, adapt_steps=8, max_steps=4, arms=["full", "mixup-xy", "debiased-teacher"],
        depths=[1], student_layers=1, seat_permutations=100, seat_bootstrap=100, planted_strengths=[0.0, 0.4],
        **changes,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made():
    """Seeds of the teachers that were made for :func:`profile`, in this order, each with whether it was debiased."""
    return []


@pytest.fixture(scope="module")
def profile(tmp_path_factory, made):
    profile = family(tmp_path_factory.mktemp("family"))

    def seen(function, calls, **options):
        made.extend(call[1:4] for call in calls if len(call) == 5)
        return side_by_side(function, calls, **options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(training, "side_by_side", seen)
        train_profile(profile)
    return profile


def digests(profile):
    materials = Materials(profile, progress=False)
    found = {
        (arm.name, seed): Store.manifest(materials.student(arm, seed))["weights_digest"]
        for arm, seed in itertools.product(profile.all_arms(), profile.student_seeds)
    }
    teachers = {("teacher", own.teacher_seed): own.teacher.digest for own in materials.family}
    return found | teachers | {("debiased", own.teacher_seed): own.debiased.digest for own in materials.family}


def test_every_teacher_has_its_own_text_weights_and_students(profile):
    assert profile.student_seeds == SEEDS
    materials = Materials(profile, progress=False)
    assert len({own.corpus.digest for own in materials.family}) == 2
    found = digests(profile)
    distinct = {name: digest for name, digest in found.items() if name[0] != "capacity-1"}  # the same student as full
    assert len(set(distinct.values())) == len(distinct) == 3 * 4 + 2 + 2
    for seed in SEEDS:
        own = Store.manifest(materials.student(profile.all_arms()[-1], seed))
        assert own["teacher_digest"] == materials.of(seed // 1000).debiased.digest
    assert set(plan(profile).state) == {"in store"}


def test_the_first_teacher_is_the_one_that_a_profile_without_others_has(profile, tmp_path):
    alone = profile.changed(teacher_seeds=[0], store_dir=str(tmp_path), planted_strengths=None)
    train_profile(alone)  # several students: one thread each here too, and one for a teacher in the tests
    found, own = digests(profile), digests(alone)
    assert own == {name: digest for name, digest in found.items() if name in own}
    assert ("full", 1) in own


@long_form
def test_other_processes_give_the_same_bits(profile, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "FLOPS_WORTH_A_PROCESS", 0)
    monkeypatch.setattr(training, "workers", lambda: 2)
    other = profile.changed(store_dir=str(tmp_path), planted_strengths=None)
    train_profile(other)
    assert digests(other) == digests(profile)


def test_another_process_measures_the_same_bits(profile, monkeypatch):
    monkeypatch.setattr(measuring, "WEIGHTS_WORTH_A_PROCESS", 0)
    monkeypatch.setattr(measuring, "workers", lambda: 2)
    few = [profile.changed(seat_permutations=count) for count in (101, 102)]  # measured anew
    arms = [[arm for arm in one.all_arms() if arm.name == "full"] for one in few]
    there = Experiment("01_capacity", few[0]).bias.scores(arms[0])
    monkeypatch.setattr(measuring, "workers", lambda: 1)
    here = Experiment("01_capacity", few[1]).bias.scores(arms[1])
    columns = ["arm", "seed", "pooling", "test", "effect_size", "ci_low", "ci_high"]
    pd.testing.assert_frame_equal(there[columns], here[columns], check_exact=True)


@pytest.fixture(autouse=True)
def two_rulers(monkeypatch):
    """Of all rulers these are enough here."""
    few = {name: RULERS[name] for name in ("log-probability", "long-seat")}
    for module in (rulers, calibration, sweeps, other_claims):
        monkeypatch.setattr(module, "RULERS", few)


def test_a_teacher_that_is_not_trained_here_cannot_have_several_seeds(profile, tmp_path):
    found = Materials(profile, progress=False).teacher
    found.model.save_pretrained(tmp_path)
    found.tokenizer.save_pretrained(tmp_path)
    ready = profile.changed(teacher=str(tmp_path), corpus=["generated"], planted_strengths=None)
    with pytest.raises(InputError, match=r"teacher_seeds: \[0, 1\], but teacher .* is not trained here"):
        train_profile(ready)


def test_seeds_of_students_have_room_beside_several_teachers():
    quick = Profile.load("quick")
    assert quick.changed(seeds=[7, 5000], teacher_seeds=[0]).seed_groups == ((7,), (5000,))
    with pytest.raises(InputError, match=r"seeds: \[7, 5000\] must lie in 0 to 999"):
        quick.changed(seeds=[7, 5000], teacher_seeds=[0, 1])
    with pytest.raises(InputError, match=r"teacher_seeds.*twice"):
        quick.changed(teacher_seeds=[1, 1])
    with pytest.raises(InputError, match=r"teacher_seeds: \[-1, 0\] must be 0 or more"):
        quick.changed(teacher_seeds=[-1, 0])
    with pytest.raises(InputError, match=r"seeds: \[-1, 999\] must lie in 0 to 999"):
        quick.changed(seeds=[-1, 999], teacher_seeds=[0, 1])
    planted = Profile.load("planted")
    with pytest.raises(InputError, match=r"names a draw"):
        planted.changed(corpus=["planted:0.4:3"])
    with pytest.raises(InputError, match=r"needs the corpus 'planted:STRENGTH' alone"):
        planted.changed(corpus=["planted:0.4", "generated"])


def test_students_of_a_teacher_count_as_their_mean():
    generator = np.random.default_rng(0)
    d, replicates = generator.normal(size=(6, 6)), generator.normal(size=(6, 50, 6))
    own = Effects(d, replicates, students=2)
    assert own.seeds == 3
    by_hand = [np.abs(d[[0, 1]]).mean(), np.abs(d[[2, 3]]).mean(), np.abs(d[[4, 5]]).mean()]
    assert own.average().by_seed == pytest.approx(by_hand)
    assert own.signed(TESTS[:2]).by_seed == pytest.approx([d[[n, n + 1], :2].mean() for n in (0, 2, 4)])
    means = Effects(np.abs(d).reshape(3, 2, 6).mean(1), np.abs(replicates).reshape(3, 2, 50, 6).mean(1))
    assert own.average().replicates == pytest.approx(means.average().replicates)
    assert [one.average().value for one in own.each_seed()] == pytest.approx(by_hand)
    ruler = Ruler("r", "r", "", lambda *_: None, (Score("mean", "mean", "", weighted_mean),))
    frames = [pd.DataFrame({"unit": list("abcdef"), "group": "all", "value": row}) for row in d]
    found = estimate_groups(ruler, ruler.scores[0], [frames[:3], frames[3:]], n_bootstrap=20)
    assert found.by_seed == pytest.approx([d[:3].mean(), d[3:].mean()])
    weights = item_weights(frames[0], 20, ruler="r")
    drawn = resample_seeds(2, 20, numpy_generator(0, "resampled seeds", 2))
    literal = [
        np.mean([np.average(d[3 * seed : 3 * seed + 3].mean(0), weights=row) for seed in seeds])
        for row, seeds in zip(weights, drawn)
    ]
    assert found.replicates == pytest.approx(literal)


def test_variance_components_of_a_nested_design():
    """Against the analysis of variance that the numbers were drawn from: many teachers, a few students each."""
    generator = np.random.default_rng(1)
    values = 0.3 + generator.normal(0, 0.5, size=(4000, 1)) + generator.normal(0, 0.2, size=(4000, 3))
    items = generator.normal(0, 0.1, size=100)
    nested = [[Estimate(v, v + items, np.array([v])) for v in row] for row in values]
    found = components_of(nested, teachers=4000)
    assert found["difference"] == pytest.approx(0.3, abs=0.03)
    assert found["teacher_sd"] == pytest.approx(0.5, abs=0.02)
    assert found["student_sd"] == pytest.approx(0.2, abs=0.01)
    assert found["item_se"] == pytest.approx(items.std(ddof=1))
    alone = [[row[0]] for row in nested]
    for teachers, spread, none in ((1, "student_sd", "teacher_sd"), (4000, "teacher_sd", "student_sd")):
        flat = components_of(alone, teachers=teachers)
        assert flat[spread] == pytest.approx(values[:, 0].std(ddof=1))
        assert np.isnan(flat[none])


@pytest.mark.parametrize("size", [False, True])
def test_the_slope_is_that_of_least_squares(size):
    generator, strengths = np.random.default_rng(2), (-0.4, -0.1, 0.0, 0.2, 0.4)
    values = generator.normal(size=(5, 3))
    at = {rho: Estimate(own.mean(), generator.normal(size=40), own) for rho, own in zip(strengths, values, strict=True)}
    response = Response("r", "s", "full", 0.5, size, at, ())
    doses = np.abs(strengths) if size else np.array(strengths)
    slope = response.slope()
    assert slope.value == pytest.approx(np.polyfit(doses, values.mean(axis=1), 1)[0])
    assert slope.by_seed == pytest.approx(np.polyfit(doses, values, 1)[0])
    assert slope.replicates[7] == pytest.approx(np.polyfit(doses, [own.replicates[7] for own in at.values()], 1)[0])
    assert response.zero().value == pytest.approx(at[0.0].value - 0.5)
    assert response.noise() == pytest.approx(np.sqrt(values.var(axis=1, ddof=1).mean()))


def response_of(found: dict[float, tuple[float, float]], *, size: bool = False, neutral: float = 0.0) -> Response:
    """Of five seeds at each strength, with this mean and standard deviation; items tell nothing."""
    shape = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    shape /= shape.std(ddof=1)
    draws = np.random.default_rng(0).integers(5, size=(4000, 5))
    at = {}
    for rho, (mean, deviation) in found.items():
        seeds = mean + deviation * shape
        at[rho] = Estimate(mean, seeds[draws].mean(axis=1), seeds)
    return Response("r", "s", "full", neutral, size, at, ())


def test_power_is_that_of_the_t_test_at_the_strength_by_the_noise_that_is_there():
    """Non-central t: the effect in standard errors of five seeds, whose deviation shows c4 of the true one."""
    noise = {-0.4: (-0.5, 0.4), -0.2: (-0.05, 0.05), 0.0: (0.0, 0.01), 0.2: (0.05, 0.05), 0.4: (0.9, 0.3)}
    response, c4 = response_of(noise), 0.9399856  # of five values
    for size, mean, deviation in ((0.4, 0.5, 0.4), (0.2, 0.05, 0.05)):
        free, away = 4, mean / (deviation / c4 / np.sqrt(5))
        assert response.power(size) == pytest.approx(nct.sf(t.ppf(0.975, free), free, away), abs=0.01)
    assert response.smallest() == math.inf  # quiet where nothing is planted is not enough


def test_the_interval_of_a_power_holds_the_true_one():
    """Five seeds of a known normal law; the power that they have is known, too."""
    generator, free = np.random.default_rng(0), 4
    for true in (1.0, 2.0, 4.0):
        power, held = nct.sf(t.ppf(0.975, free), free, true), []
        for _ in range(60):
            seeds = true / np.sqrt(5) + generator.normal(size=5)
            draws = seeds[generator.integers(5, size=(400, 5))].mean(axis=1)
            low, high = Estimate(seeds.mean(), draws, seeds).power_interval(0.95)
            held.append(low <= power <= high)
        assert np.mean(held) > 0.85


def test_the_interval_of_a_power_is_that_of_the_sign_with_less():
    response = response_of({-0.4: (-0.5, 0.4), 0.0: (0.0, 0.01), 0.4: (0.9, 0.3)})
    low, high = response.power_interval(0.4)
    assert low < response.power(0.4) < high
    assert (low, high) == response.at[-0.4].power_interval(0.95, side=-1)


def test_the_smallest_size_is_told_on_both_sides_and_so_are_all_larger_ones():
    clear, vague = (0.9, 0.1), (0.9, 2.0)
    other = (-0.9, 0.1)
    assert response_of({-0.4: other, -0.2: other, 0.0: (0, 0.1), 0.2: clear, 0.4: clear}).smallest() == 0.2
    assert response_of({-0.4: other, -0.2: other, 0.0: (0, 0.1), 0.2: vague, 0.4: clear}).smallest() == 0.4
    assert response_of({-0.4: other, -0.2: other, 0.0: (0, 0.1), 0.2: clear, 0.4: vague}).smallest() == math.inf
    assert response_of({-0.4: clear, 0.0: (0, 0.1), 0.4: clear}).smallest() == math.inf  # the wrong way on one side
    assert response_of({-0.4: clear, 0.0: (0, 0.1), 0.4: clear}, size=True).smallest() == 0.4
    assert response_of({-0.4: (0.5 - 0.9, 0.1), 0.0: (0.5, 0.1), 0.4: (1.4, 0.1)}, neutral=0.5).smallest() == 0.4


def test_calibration_of_every_ruler(profile):
    experiment = Experiment("06_planted", profile)
    scores, table, coverage = (getattr(experiment.calibration, name)() for name in ("scores", "table", "coverage"))
    seat = scores[(scores.ruler == "seat-mean") & (scores.score == "signed") & (scores.strength == 0.4)]
    expected = experiment.bias.averages(experiment.arms("planted")).query("pooling == 'mean'").set_index("arm").signed
    assert seat.set_index("model").value.to_dict() == pytest.approx(expected[["teacher", "full"]].to_dict())
    assert {"seat-mean", "seat-cls", "long-seat", "log-probability"} <= set(table.ruler)
    assert (table.seeds == 2).all()
    assert np.isfinite(table[["slope", "zero", "noise"]]).all(axis=None)
    assert set(coverage.seed) == {-1, 0, 1}
    assert not coverage.merge(table[table["size"]], on=["ruler", "score", "model"]).size
    agreement = experiment.calibration.agreement()
    assert np.diag(agreement) == pytest.approx(1)


def test_calibration_needs_strengths_zero_among_them(profile):
    for strengths in (None, [0.4], [-0.4, 0.4]):
        with pytest.raises(InputError, match=r"planted_strengths: .* must be 0 and others"):
            _ = Experiment("06_planted", profile.changed(planted_strengths=strengths)).calibration.worlds


def test_doses_are_differences_from_the_profiles_own_student(profile):
    experiment = Experiment("06_planted", profile)
    doses = experiment.dose("alpha", [profile.mixup.alpha, 4.0])
    assert doses.columns.tolist() == frames.SWEEP_DIFFERENCES
    own = doses[doses.value == profile.mixup.alpha].set_index(["ruler", "score"]).difference
    arms = experiment.arms("all")
    seat = experiment.bias.differences(arms, baseline="full").query("pooling == 'mean' and arm == 'mixup-xy'")
    assert own["seat-mean", "average"] == pytest.approx(seat.difference.item())
    others = experiment.rulers.differences(arms, baseline="full").query("arm == 'mixup-xy'")
    for row in others[others.score == "career"].itertuples():
        assert own[row.ruler, row.score] == pytest.approx(row.difference, abs=0.02)  # on the items that these can read
    of_d = experiment.bias.tests(arms).query("pooling == 'mean'").set_index(["arm", "test"])
    assert of_d.index.get_level_values("test").nunique() == 6
    assert own["seat-mean", "average"] == pytest.approx(
        (own["seat-mean", "words of D"] + own["seat-mean", "names"]) / 2
    )
    text = tables.doses(doses).text
    assert "alpha 4" in text
    assert "SEAT, mean pooling" in text
    assert all(title in text for title in ("mean d of six tests", "mean |d| of tests with names"))
    assert ">in-d<" not in text
    for values, parameter, message in (
        ([0.4, 0.4], "alpha", "names a value twice"),
        ([200, 300], "seat_bootstrap", "its values are not compared"),
    ):
        with pytest.raises(InputError, match=message):
            experiment.dose(parameter, values)
    with pytest.raises(InputError, match=r"arm 'fulll' is not in the profile.*'full'"):
        experiment.dose("alpha", [0.4], baseline="fulll")


def test_calibration_is_shown_with_its_tests_and_its_coverage(profile):
    found = Experiment("06_planted", profile).calibration
    scores, table = found.scores(), found.table()
    panels = figures.rulers_by_strength(scores, table)
    assert len(panels.axes) == 2
    named = [label.get_text() for axis in panels.axes for label in axis.get_yticklabels()]
    assert "SEAT, mean pooling" in named
    assert any(f", {name}, at " in panels.get_label() for name in named)  # the lowest, by its title
    text = tables.calibration(table).text
    assert "mean of the three contrasts" in text
    assert ">stereotype<" not in text
    assert "mean |d| of six tests" in text  # by which claims are judged elsewhere
    assert text.count("<tr") == 1 + 2 * len(
        {(r, score(r)) for r in table.ruler for score in (planted_score, judging_score)}
    )
    assert "2 seeds" in text
    about = {"ruler": "seat-mean", "score": "signed", "model": "full", "high": 1.0}
    lows = [(-1, -0.1), (0, -0.1), (1, 0.1)]
    coverage = pd.DataFrame([about | {"seed": seed, "low": low, "covers": low < 0} for seed, low in lows])
    said = tables.coverage(coverage).text
    assert "over items alone, a seed at a time hold zero in 50.0 % of 2 cases" in said
    assert "over items and seeds together hold zero in 100.0 % of 1 cases" in said


def test_claims_of_others_are_judged_by_every_ruler(profile):
    experiment = Experiment("07_rulers", profile)
    found = experiment.other_claims()
    assert found.columns.tolist() == frames.RULER_VERDICTS
    assert found.groupby("ruler").claim.apply(list).to_dict() == {ruler: [1, 2, 3] for ruler in found.ruler}
    assert set(found.ruler) == {"seat-mean", "log-probability", "long-seat"}
    assert not (found.verdict == "not run").any()
    seat = found[found.ruler == "seat-mean"].set_index("claim")
    arms = experiment.arms("all")
    averages = experiment.bias.averages(arms).query("pooling == 'mean'").set_index("arm").average
    assert seat.estimate[1] == pytest.approx(averages["full"] - averages["teacher"])
    teachers = experiment.bias.teachers().query("pooling == 'mean'").set_index("arm").average
    assert seat.estimate[3] == pytest.approx(averages["debiased-teacher"] - teachers["debiased"])
    warmer = experiment.dose("temperature", [4.0], arm="full").set_index(["ruler", "score"]).difference
    assert seat.estimate[2] == pytest.approx(warmer["seat-mean", "average"])
    assert seat.level.dropna().unique() == pytest.approx([1 - 0.05 / 3])
    assert (found.p_adjusted.dropna() >= found.p.dropna()).all()
    assert not found.sentence.str.contains("the paper").any()
    scores = experiment.rulers.scores(arms).query("ruler == 'long-seat' and score == 'signed'").set_index("arm").value
    own = found[found.ruler == "long-seat"].set_index("claim").estimate
    assert own[1] == pytest.approx(scores["full"] - scores["teacher"])
    text = tables.claims_of_others(found).text
    assert "Distillation undoes debiasing (Cheng et al. 2025)" in text
    assert "98 % interval" in text


def test_students_are_split_so_that_processes_fit_into_memory_and_none_waits(profile, monkeypatch):
    arms = profile.all_arms()
    monkeypatch.setattr(training, "workers", lambda: 2)
    distinct = {str(arm.content()) for arm in arms}

    def pieces(memory, seeds=(0, 1)):
        monkeypatch.setattr(training, "physical_memory", lambda: memory)
        own = Materials(profile.changed(seeds=list(seeds), teacher_seeds=[0]), progress=False)
        found, processes = training.shared_out([(own, seed, arms) for seed in own.profile.student_seeds])
        for seed in own.profile.student_seeds:
            together = [str(arm.content()) for _, of, part in found if of == seed for arm in part]
            assert sorted(together) == sorted(distinct)
        return len(found), processes

    assert len(distinct) == 3
    assert pieces(2**60) == (2, 2)
    assert pieces(2**60, seeds=(0, 1, 2)) == (6, 2)
    assert pieces(1) == (2 * 3, 1)  # as little as can be, one after the other
    own = Materials(profile, progress=False)
    shape, longest = Shape.of(own.checkpoint.model.config), own.profile.corpus.max_length
    together, alone = (
        max(training_memory(shape, part, own.profile.recipe, longest=longest, device="cpu") for part in parts)
        for parts in ([arms], [[arm] for arm in arms])
    )
    assert alone < together < 2 * alone
    assert pieces(int(2 * together / 0.42) + 4) == (2, 2)  # 42 % of the machine's, for two
    assert pieces(int(together / 0.42) + 4) == (2, 1)
    assert pieces(int(alone / 0.42) + 4) == (2 * 2, 1)  # the deepest alone, the others together


def test_coverage_over_more_teachers_is_that_of_the_notebook_for_the_profiles_own(profile):
    own, more, most = groups(profile, 2)
    assert [one.teacher_seeds for one in (own, more, most)] == [(0, 1), (2, 3), (4, 5)]
    assert {arm.name for arm in more.all_arms()} == {"full", "capacity-1"}
    before = profile.store().entries()
    found = covered(profile, 0)
    assert {Store.manifest(path)["kind"] for path in profile.store().entries() if path not in before} <= {
        "seat",
        "rulers",
    }
    assert set(found.pop("group")) == {0}
    with pytest.raises(InputError, match="must be 0 and others"):
        covered(profile.changed(planted_strengths=[0.2, 0.4]), 0)
    pd.testing.assert_frame_equal(found, Experiment("06_planted", profile).calibration.coverage())


def test_of_many_teachers_the_first_are_debiased_when_all_are_begun(profile, made):
    """So that none of an odd number is trained alone at the end, and nobody waits for one that is being trained."""
    late = max(4 - workers(), 0)  # of four teachers, in two worlds
    assert [one[2] for one in made] == [False] * 4 + [True] * min(late, 2)
    assert sorted(seed for seed, debiased, _ in made if debiased) == [0, 1]


def test_a_teacher_that_diverges_is_trained_and_named_once(tmp_path, monkeypatch):
    calls = []

    def fails(self):
        calls.append(self.teacher_seed)
        raise DivergedError("not finite")

    monkeypatch.setattr(training, "workers", lambda: 1)
    monkeypatch.setattr(Materials, "teacher", property(fails))
    own = family(tmp_path).changed(planted_strengths=None)
    with pytest.raises(DivergedError, match="not finite"):
        train_profile(own)
    assert calls.count(0) == calls.count(1) == 1


def test_what_notebooks_vary_is_trained_and_measured_with_the_rest(profile, monkeypatch):
    """06 compares doses on first students, 07 all at twice the temperature, 03 debiased teachers, of which 07 asks too;
    none of them makes anything after these two."""
    store, told = profile.store(), []
    for path in store.entries():  # whatever tests before have measured
        if Store.manifest(path)["kind"] in ("seat", "rulers"):
            shutil.rmtree(path)

    def seen(function, calls, **_):
        told.extend(model for *_, model in calls)
        return [function(*call) for call in calls]

    monkeypatch.setattr(measuring, "workers", lambda: 2)
    monkeypatch.setattr(measuring, "WEIGHTS_WORTH_A_PROCESS", 0)
    monkeypatch.setattr(measuring, "side_by_side", seen)  # as in another process, which is told a teacher's digest
    measure_profile(profile)
    assert missing_parts(profile) == []
    teachers = [[one.digest for one in own.every_teacher()] for own in Materials(profile, progress=False).family]
    assert {*teachers[0], *teachers[1]} <= {one for one in told if isinstance(one, str)}
    manifests = [Store.manifest(path) for path in store.entries()]
    read = {manifest["weights"] for manifest in manifests if manifest["kind"] == "rulers"}
    assert [[digest in read for digest in of] for of in teachers] == [[True, True, False]] * 2
    before = set(profile.store().entries())
    doses = Experiment("06_planted", profile).doses()
    assert {(row.arm, row.parameter, row.value) for row in doses.itertuples()} == {
        ("mixup-xy", "alpha", 0.1), ("mixup-xy", "alpha", 0.4), ("mixup-xy", "alpha", 4.0),
        ("full", "temperature", 1.0), ("full", "temperature", 4.0), ("full", "ce_token_fraction", 0.25),
    }  # fmt: skip
    assert set(doses.seeds) == {2}
    assert len(Experiment("07_rulers", profile).other_claims()) > 0
    shown = Experiment("03_mixup", profile).bias.teachers()
    assert list(shown.arm.unique()) == ["original", "debiased", "debiased without SEAT's words"]
    assert set(profile.store().entries()) == before
    jobs = training_jobs(profile)
    assert len({repr(own.profile) for own, _ in jobs}) == len(jobs) == 7
    students = [own.profile.seeds for own, _ in jobs]
    assert students == [(0, 1)] * 3 + [(0,)] * 4  # two of six doses are among the three


def test_calibration_of_one_teacher_with_several_students_and_of_one_with_one(profile):
    for changes, names in (({"seeds": [0, 1]}, {-1, 0, 1}), ({"seeds": [1]}, {-1, 1})):
        own = profile.changed(teacher_seeds=[0], **changes)
        train_profile(own)
        coverage = Experiment("06_planted", own).calibration.coverage()
        assert set(coverage[coverage.model == "full"].seed) == names


def test_work_in_this_process_is_not_cut_into_pieces(profile, monkeypatch, tmp_path):
    """As on a GPU: all arms of a seed share its batches and teacher, however many cores there are."""
    calls = []

    def seen(function, wanted, **options):
        calls.extend(wanted)
        return [function(*call) for call in wanted]

    monkeypatch.setattr(training, "workers", lambda: 8)
    monkeypatch.setattr(training, "side_by_side", seen)
    train_profile(profile.changed(store_dir=str(tmp_path), seeds=[0, 1, 2], teacher_seeds=[0], planted_strengths=None))
    assert [seed for _, seed, _, _ in calls] == [0, 1, 2]


def test_a_divergence_of_one_profile_does_not_stop_the_others(profile, tmp_path, monkeypatch):
    trained, train_seed = [], Materials.train_seed

    def diverges(self, arms, seed):
        if self.profile.mixup.alpha == 1.0:
            raise DivergedError("alpha 1.0 diverged")
        trained.append(self.profile.mixup.alpha)
        train_seed(self, arms, seed)

    monkeypatch.setattr(Materials, "train_seed", diverges)
    own = profile.changed(store_dir=str(tmp_path), seeds=[0], teacher_seeds=[0], planted_strengths=None)
    with pytest.raises(DivergedError, match=r"alpha 1\.0 diverged"):
        Experiment("03_mixup", own).sweep("alpha", [1.0, 2.0])
    assert trained == [2.0]
