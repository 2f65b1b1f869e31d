"""Scores over examples and seeds: weighted metrics against repeated examples, intervals against simulated truths."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairkd.errors import InputError
from fairkd.glue import quality
from fairkd.glue.quality import AVERAGE, TaskScores, over_runs, replicate_scores, resample
from fairkd.glue.tasks import TASKS, headline, score
from fairkd.rng import numpy_generator
from fairkd.stats import weighted
from fairkd.stats.resampling import bias_aware_interval, holm, resample_seeds, widened

B = 300
THREE_CLASSES = replace(TASKS["MNLI"], metrics=("matthews",))
EVERY = [*TASKS.values(), THREE_CLASSES]


def answers(task, *, runs=3, n=40, seed=0):
    """Labels (n,) and predictions (runs, n) that often agree; numbers have many ties."""
    generator = np.random.default_rng(seed)
    if task.labels:
        labels = generator.integers(len(task.labels), size=n)
        other = generator.integers(len(task.labels), size=(runs, n))
        return labels, np.where(generator.random((runs, n)) < 0.6, labels, other)
    labels = generator.integers(0, 11, size=n) / 2
    return labels, np.round(labels + generator.normal(size=(runs, n)), 1)


def literal(task, labels, predictions, times):
    """The headline of the examples written out ``times`` times each."""
    return headline(task, score(task, np.repeat(labels, times), np.repeat(predictions, times)))


# --- metrics of resampled examples ---


@pytest.mark.parametrize("task", EVERY, ids=lambda task: f"{task.name}-{'-'.join(task.metrics)}")
def test_with_all_weights_one_a_replicate_is_the_score(task):
    labels, predictions = answers(task)
    found = replicate_scores(task, labels, predictions, np.ones((2, 40), int))
    assert found.shape == (3, 2)
    for run in range(3):
        assert found[run] == pytest.approx([headline(task, score(task, labels, predictions[run]))] * 2, abs=1e-9)


@pytest.mark.parametrize("task", EVERY, ids=lambda task: f"{task.name}-{'-'.join(task.metrics)}")
def test_weights_are_repeated_examples(task):
    labels, predictions = answers(task)
    weights = np.random.default_rng(1).integers(0, 4, size=(7, 40))  # other numbers of examples than 40, too
    found = replicate_scores(task, labels, predictions, weights)
    for run in range(3):
        for b, times in enumerate(weights):
            assert found[run, b] == pytest.approx(literal(task, labels, predictions[run], times), abs=1e-9)
    assert np.ptp(found) > 1


@given(st.sampled_from(EVERY), st.integers(1, 6), st.integers(0, 2**32), st.data())
def test_weights_are_repeated_examples_where_few_are_left_and_metrics_undefined(task, n, seed, data):
    labels, predictions = answers(task, runs=1, n=n, seed=seed)
    times = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n).filter(any))
    found = replicate_scores(task, labels, predictions, np.array([times]))
    assert found.item() == pytest.approx(literal(task, labels, predictions[0], times), abs=1e-6)


@pytest.mark.parametrize("metric", ["f1", "matthews", "pearson", "spearman"])
def test_an_undefined_metric_is_zero_and_not_rounding(metric):
    task = replace(TASKS["STS-B"] if metric in ("pearson", "spearman") else TASKS["CoLA"], metrics=(metric,))
    constant = np.full(30, 0.1) if not task.labels else np.zeros(30, int)
    varied = np.arange(30) % 2 + constant
    weights = resample(30, 50, np.random.default_rng(0))
    for labels, predictions in ((varied, constant), (constant, varied), (constant, constant)):
        assert (replicate_scores(task, labels, predictions[None], weights) == 0).all()


@pytest.mark.parametrize("metric", ["pearson", "spearman"])
@pytest.mark.parametrize("side", [1, -1])
def test_a_resample_without_the_one_value_that_differs_is_constant(metric, side):
    task = replace(TASKS["STS-B"], metrics=(metric,))
    lone, varied = np.array([*[0.1] * 29, 0.3]), np.random.default_rng(1).normal(size=30)
    weights = resample(30, 200, np.random.default_rng(0))
    labels, predictions = (lone, varied)[::side]
    found = replicate_scores(task, labels, predictions[None], weights)[0]
    assert (found[weights[:, -1] == 0] == 0).all()
    assert (found[weights[:, -1] > 0] != 0).mean() > 0.9


def test_metrics_of_one_confusion_matrix():
    """Without leading axes: 3 of 4 right of the first class, 1 of 2 of the second."""
    one = np.array([[3.0, 1.0], [1.0, 1.0]])
    assert weighted.accuracy(one) == pytest.approx(4 / 6)
    assert weighted.f1(one) == pytest.approx(2 / 4)
    assert weighted.matthews(one) == pytest.approx((3 - 1) / math.sqrt(4 * 2 * 4 * 2))
    assert weighted.f1(np.array([[1.0, 0.5], [0.5, 0.0]])) == 0


def test_pearson_of_numbers_far_from_zero_loses_no_digit():
    x, noise = np.arange(50.0), np.random.default_rng(0).normal(size=(1, 50))
    near = weighted.pearson(x, x + 9 * noise, np.ones((1, 50)))
    far = weighted.pearson(x + 1e9, x + 9 * noise - 1e9, np.ones((1, 50)))
    assert far == pytest.approx(near, abs=1e-6)


def test_spearman_of_tied_values_shares_their_ranks():
    """By hand: ranks 1.5, 1.5, 3.5, 3.5 and 1, 2.5, 2.5, 4 have r = 3 / sqrt(4 · 4.5)."""
    task = replace(TASKS["STS-B"], metrics=("spearman",))
    found = replicate_scores(task, [1.0, 2.0, 2.0], np.array([[1.0, 2.0, 5.0]]), np.array([[1, 1, 1]]))
    assert found.item() == pytest.approx(100 * 1.5 / math.sqrt(1.5 * 2))
    found = replicate_scores(task, [1.0, 1.0, 2.0, 2.0], np.array([[0.0, 3.0, 3.0, 9.0]]), np.ones((1, 4), int))
    assert found.item() == pytest.approx(100 * 3 / math.sqrt(4 * 4.5))


def test_numbers_far_from_zero_keep_their_correlation():
    task, (labels, predictions) = TASKS["STS-B"], answers(TASKS["STS-B"])
    weights = resample(40, 20, np.random.default_rng(0))
    near, far = (replicate_scores(task, labels, predictions + shift, weights) for shift in (0, 1e4))
    np.testing.assert_allclose(far, near, atol=1e-6)


@pytest.mark.parametrize("name", TASKS)
def test_looking_at_few_replicates_at_a_time_changes_nothing(name):
    labels, predictions = answers(TASKS[name])
    weights = resample(40, 23, np.random.default_rng(0))
    whole = replicate_scores(TASKS[name], labels, predictions, weights)
    for cells in (1, 41, 200):
        np.testing.assert_allclose(
            replicate_scores(TASKS[name], labels, predictions, weights, cells=cells), whole, atol=1e-9
        )
    assert replicate_scores(TASKS[name], labels, predictions, weights[:0]).shape == (3, 0)


def test_resampled_examples_are_draws_with_replacement():
    weights = resample(50, 4000, np.random.default_rng(0))
    assert weights.shape == (4000, 50)
    assert (weights.sum(axis=1) == 50).all()
    share = (1 - 1 / 50) ** 50  # of examples that are not drawn
    assert (weights == 0).mean() == pytest.approx(share, abs=0.005)
    assert weights.mean(axis=0) == pytest.approx([1] * 50, abs=0.08)
    assert np.array_equal(weights[:3], resample(50, 3, np.random.default_rng(0)))
    assert resample(1, 2, np.random.default_rng(0)).tolist() == [[1], [1]]
    with pytest.raises(InputError, match="n_examples=0"):
        resample(0, 5, np.random.default_rng(0))


def test_what_does_not_fit_is_named():
    task, ones = TASKS["RTE"], np.ones((2, 3), int)
    for labels, predictions, weights, message in (
        ([0, 1], [[0, 1, 1]], ones, "RTE: 2 labels, 1 runs of 3 predictions and 3 weights"),
        ([0, 1, 1], [0, 1, 1], ones, r"RTE: labels must be \(n,\)"),
        ([0, 1, 1], np.empty((0, 3), int), ones, "at least one run"),
        ([0, 1, -1], [[0, 1, 1]], ones, "RTE: labels must be class ids from 0 to 1"),
        ([0, 1, 1], [[0, 1, 2]], ones, "RTE: predictions must be class ids from 0 to 1"),
        ([0, 1, 1], [[0.0, 1.0, 0.5]], ones, "RTE: predictions must be class ids"),
        ([0, 1, 1], [[0, 1, 1]], np.array([[0, 0, 0]]), "without examples"),
    ):
        with pytest.raises(InputError, match=message):
            replicate_scores(task, labels, predictions, weights)
    with pytest.raises(InputError, match="STS-B: predictions hold NaN"):
        replicate_scores(TASKS["STS-B"], [1.0, 2.0, 3.0], [[1.0, math.nan, 2.0]], ones)


# --- students, seeds, estimates ---


def measured(task, labels, students, *, weights):
    """Quality on one task of students (seeds, runs, n)."""
    found = [over_runs(task, labels, runs, weights) for runs in students]
    return TaskScores(np.array([[own] for own, _ in found]), np.stack([boot for _, boot in found])[:, :, None])


def test_runs_of_a_student_are_averaged_before_students_are_resampled():
    """Six runs of two students are two draws, not six: only which student is drawn can vary beside examples."""
    task, (labels, predictions) = TASKS["MRPC"], answers(TASKS["MRPC"], runs=6)
    weights = resample(40, B, np.random.default_rng(0))
    estimate = measured(task, labels, predictions.reshape(2, 3, 40), weights=weights).task(0)
    scores = [headline(task, score(task, labels, run)) for run in predictions]
    by_student = [np.mean(scores[:3]), np.mean(scores[3:])]
    assert estimate.by_seed == pytest.approx(by_student)
    assert estimate.value == pytest.approx(np.mean(scores))
    picks = resample_seeds(2, B, numpy_generator(0, "resampled seeds", 2))
    for b in (0, 5, B - 1):
        examples = np.mean([literal(task, labels, run, weights[b]) for run in predictions])
        students = np.mean([by_student[s] for s in picks[b]]) - np.mean(by_student)
        assert estimate.replicates[b] == pytest.approx(examples + students)


def test_one_seed_leaves_examples_only():
    task, (labels, predictions) = TASKS["RTE"], answers(TASKS["RTE"], runs=2)
    weights = resample(40, B, np.random.default_rng(0))
    estimate = measured(task, labels, predictions[None], weights=weights).task(0)
    assert estimate.replicates == pytest.approx(replicate_scores(task, labels, predictions, weights).mean(axis=0))
    assert estimate.interval() == pytest.approx(bias_aware_interval(estimate.value, estimate.replicates))


def arm(mean, *, seeds=3, tasks=4, spread=1.0, examples=1.0, seed=0) -> TaskScores:
    """Scores around ``mean``; chance in the examples is the same for every arm, as the examples are."""
    scores = mean + spread * np.random.default_rng(seed).normal(size=(seeds, tasks))
    shared = np.random.default_rng(99).normal(size=(1, B, tasks))
    return TaskScores(scores, scores[:, None, :] + examples * shared)


NAMES = ["MNLI", "CoLA", "STS-B", "RTE"]


def test_students_are_drawn_for_all_tasks_together_and_examples_for_each():
    """A student that is good at all tasks: its chance does not average out over tasks, that of examples does."""
    student = np.array([-1.0, 0.5, 1.5])[:, None] * np.ones((1, 4))
    together = TaskScores(70 + student, np.repeat(70 + student[:, None], B, axis=1))
    assert together.average().replicates.std() == pytest.approx(together.task(0).replicates.std())
    examples = arm(70, spread=0)
    assert examples.average().replicates.std() == pytest.approx(examples.task(0).replicates.std() / 2, rel=0.2)


def test_an_average_is_the_mean_of_its_tasks_in_value_and_replicates():
    own = arm(70)
    average, parts = own.average(), [own.task(i) for i in range(4)]
    assert average.value == pytest.approx(np.mean([part.value for part in parts]))
    assert average.replicates == pytest.approx(np.mean([part.replicates for part in parts], axis=0))
    assert average.by_seed == pytest.approx(np.mean([part.by_seed for part in parts], axis=0))


@pytest.mark.parametrize("name", TASKS)
def test_arms_with_equal_predictions_differ_by_exactly_nothing(name):
    labels, predictions = answers(TASKS[name], runs=6)
    weights = resample(40, B, np.random.default_rng(0))
    arms = [measured(TASKS[name], labels, predictions.copy().reshape(3, 2, 40), weights=weights) for _ in range(2)]
    table = quality.score_differences(dict(zip(("a", "b"), arms)), [name], baseline="a")
    assert table.task.tolist() == [name, AVERAGE]
    assert (table[["difference", "low", "high"]] == 0).all(axis=None)
    assert (table.p == 1).all()


# --- coverage ---

SIMULATIONS = 300


def simulated(generator, *, level, seeds, n, spread, easy, luck, weights):
    """Accuracies of SIMULATIONS arms. A student is right on an example where luck lies below the example's easiness,
    plus what the student is better or worse by; luck is in part the example's, the same for every student and arm."""
    chance = easy + level + spread * generator.normal(size=(SIMULATIONS, seeds, 1))
    own = generator.uniform(size=(SIMULATIONS, seeds, n))
    right = np.where(generator.random(own.shape) < 0.6, luck, own) < chance
    task, labels, flat = TASKS["RTE"], np.ones(n, int), right.astype(int).reshape(-1, n)
    scores = replicate_scores(task, labels, flat, np.ones((1, n), int)).reshape(SIMULATIONS, seeds, 1)
    replicates = replicate_scores(task, labels, flat, weights).reshape(SIMULATIONS, seeds, -1, 1)
    return [TaskScores(*parts) for parts in zip(scores, replicates)]


def coverage(*, seeds, spread, gap=None, n=200):
    """Share of 95 % intervals that hold the truth: of an accuracy (75), or of the difference of two arms (gap)."""
    generator = np.random.default_rng(0)
    weights = resample(n, B, generator)
    shared = dict(seeds=seeds, n=n, spread=spread, weights=weights)
    shared["easy"] = 0.75 + 0.2 * generator.uniform(-1, 1, size=(SIMULATIONS, 1, n))
    shared["luck"] = generator.uniform(size=(SIMULATIONS, 1, n))
    estimates = [own.average() for own in simulated(generator, level=0, **shared)]
    if gap is not None:
        others = simulated(generator, level=-gap / 100, **shared)
        estimates = [ours - theirs.average() for ours, theirs in zip(estimates, others)]
    truth = 75 if gap is None else gap
    ends = [estimate.interval() for estimate in estimates]
    return np.mean([low <= truth <= high for low, high in ends])


@pytest.mark.parametrize(
    ("gap", "seeds", "spread", "expected"),
    [
        (None, 1, 0, 0.944),
        (None, 3, 0.01, 0.968),
        (None, 3, 0.03, 0.958),
        (3, 1, 0, 0.944),
        (3, 2, 0.03, 0.941),
        (3, 3, 0.01, 0.977),
        (3, 3, 0.03, 0.954),
        (3, 5, 0.03, 0.969),
    ],
)
def test_intervals_of_an_accuracy_and_of_a_paired_difference_cover(gap, seeds, spread, expected):
    """Figures of 4000 simulations; 300 have a standard error of at most 1.4 points."""
    assert coverage(gap=gap, seeds=seeds, spread=spread) == pytest.approx(expected, abs=0.04)


# --- tables ---


@pytest.fixture
def arms() -> dict[str, TaskScores]:
    failed = arm(70, seed=4)
    failed.scores[1, 2] = failed.replicates[1, :, 2] = np.nan
    return {"full": arm(70, seed=1), "no-ce": arm(68, seed=2), "failed": failed, "one": arm(72, seeds=1, seed=3)}


def test_a_failed_task_has_no_score_nor_has_the_average_and_the_others_keep_theirs(arms):
    whole, failed = dict(arms, failed=arm(70, seed=4)), arms
    for name in ("tasks", "score_differences"):
        options = {"baseline": "full"} if name == "score_differences" else {}
        before, after = (getattr(quality, name)(own, NAMES, **options) for own in (whole, failed))
        lost = (after.arm == "failed") & after.task.isin(["STS-B", AVERAGE])
        value = "score" if name == "tasks" else "difference"
        assert lost.sum() == (1 if name == "tasks" else 2)
        assert after.loc[lost, [value, "low", "high"]].isna().all(axis=None)
        columns = [value, "low", "high"]
        np.testing.assert_array_equal(after.loc[~lost, columns], before.loc[~lost, columns])
        if name == "score_differences":
            assert after.loc[lost, ["p", "p_holm"]].isna().all(axis=None)
            assert after.loc[~lost, ["p", "p_holm"]].notna().all(axis=None)
    averages = quality.score_averages(failed, NAMES).set_index("arm")
    assert averages.loc["failed", ["average", "low", "high"]].isna().all()
    assert averages.drop("failed").notna().all(axis=None)


def test_tasks_and_averages_are_means_over_seeds_with_their_intervals(arms):
    table = quality.tasks(arms, NAMES)
    assert table.columns.tolist() == ["arm", "seeds", "task", "score", "low", "high", "highest"]
    assert table.task.tolist() == NAMES * 4
    own = table[table.arm == "no-ce"]
    assert own.score.tolist() == pytest.approx(arms["no-ce"].scores.mean(axis=0).tolist())
    for i, row in enumerate(own.itertuples()):
        estimate = arms["no-ce"].task(i)
        expected = bias_aware_interval(estimate.value, widened(estimate.replicates, estimate.by_seed))
        assert (row.low, row.high) == pytest.approx(expected)
    averages = quality.score_averages(arms, NAMES)
    assert averages.columns.tolist() == ["arm", "seeds", "average", "low", "high", "highest"]
    assert averages.seeds.tolist() == [3, 3, 3, 1]
    assert averages.average[1] == pytest.approx(arms["no-ce"].scores.mean())
    assert averages.low[1] < averages.average[1] < averages.high[1]


def test_the_highest_is_named_beyond_doubt_only_and_never_the_teacher():
    clear = {"low": arm(60, seed=1), "high": arm(70, seed=2), "teacher": arm(90, seeds=1)}
    averages = quality.score_averages(clear, NAMES).set_index("arm").highest
    assert averages.to_dict() == {"low": False, "high": True, "teacher": False}
    tasks = quality.tasks(clear, NAMES)
    assert tasks[tasks.highest].arm.tolist() == ["high"] * len(NAMES)
    near = clear | {"near": arm(70.01, seed=3)}
    assert not quality.score_averages(near, NAMES).highest.any()
    one = {"low": arm(60, seeds=1), "high": arm(70, seeds=1)}
    assert not quality.score_averages(one, NAMES).highest.any()


def test_intervals_end_where_scores_end():
    table = quality.tasks({"near": arm(99.5, examples=2)}, NAMES)
    assert (table.high == 100).all()
    assert (table.low < 100).all()
    wide = {"none": arm(1.0, examples=400)}
    least = quality.tasks(wide, NAMES).set_index("task").low
    assert least.to_dict() == {"MNLI": 0, "CoLA": -100, "STS-B": -100, "RTE": 0}  # accuracies end at 0
    assert quality.score_averages(wide, NAMES).low.item() == -50


def test_differences_are_paired_and_antisymmetric(arms):
    del arms["failed"]
    table = quality.score_differences(arms, NAMES, baseline="full")
    assert table.columns.tolist() == ["arm", "baseline", "task", "difference", "low", "high", "p", "p_holm"]
    assert table.arm.tolist() == ["no-ce"] * 5 + ["one"] * 5
    assert table.task.tolist() == [*NAMES, AVERAGE] * 2
    average = arms["no-ce"].average() - arms["full"].average()
    row = table.iloc[4]
    assert (row.difference, row.low, row.high, row.p) == pytest.approx(
        (average.value, *average.interval(), average.p())
    )
    other = quality.score_differences(arms, NAMES, baseline="no-ce")
    ours, theirs = table[table.arm == "no-ce"], other[other.arm == "full"]
    for left, right in (("difference", "difference"), ("low", "high"), ("high", "low")):
        assert ours[left].to_numpy() == pytest.approx(-theirs[right].to_numpy())
    assert ours.p.to_numpy() == pytest.approx(theirs.p.to_numpy())
    # What the examples do to both arms cancels: the difference is known better than either average.
    alone = quality.score_averages({"a": arm(70, spread=0)}, NAMES)
    pair = quality.score_differences({"a": arm(70, spread=0), "b": arm(71, spread=0)}, NAMES, baseline="a")
    assert (pair.high - pair.low).max() < 1e-9 < (alone.high - alone.low).min()


def test_p_is_adjusted_within_averages_and_within_tasks(arms):
    table = quality.score_differences(dict(arms, mixup=arm(70.5, seed=5)), NAMES, baseline="full")
    for family, size in ((table.task == AVERAGE, 4), (table.task != AVERAGE, 16)):
        tested = table[family & table.p.notna()]
        assert len(tested) == size - 1  # that of the failed arm
        assert tested.p_holm.tolist() == pytest.approx(holm(tested.p.to_numpy()).tolist())
    assert (table.p_holm > table.p).any()


def test_tables_need_a_known_baseline_and_a_name_for_each_task(arms):
    with pytest.raises(InputError, match=r"baseline 'ful' is not among the arms .* Did you mean 'full'"):
        quality.score_differences(arms, NAMES, baseline="ful")
    for make in (quality.tasks, lambda *given: quality.score_differences(*given, baseline="full")):
        with pytest.raises(InputError, match="full has scores of 4 tasks, but 2 are named"):
            make(arms, NAMES[:2])


def test_tables_of_no_arm_have_their_columns():
    assert quality.score_averages({}, NAMES).columns.tolist() == ["arm", "seeds", "average", "low", "high", "highest"]
    assert quality.tasks({}, NAMES).empty
    assert quality.score_differences({"full": arm(70)}, NAMES, baseline="full").empty
