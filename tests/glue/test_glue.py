"""GLUE's tasks as data, and scores against closed forms, scikit-learn and scipy."""

import math

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from fairkd.claims.paper import TABLE3
from fairkd.errors import InputError
from fairkd.glue.tasks import TASKS, Task, find_tasks, headline, score

CLASSES = [task for task in TASKS.values() if task.labels]
STSB = TASKS["STS-B"]


def draw(task: Task, seed: int, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions that agree a little; ratings have ties."""
    rng = np.random.default_rng(seed)
    if not task.labels:
        labels = rng.integers(0, 26, n) / 5
        return labels, np.round(labels + rng.normal(0, 2, n), 1)
    labels = rng.integers(0, len(task.labels), n)
    return labels, np.where(rng.random(n) < 0.3, labels, rng.integers(0, len(task.labels), n))


def matthews(labels: np.ndarray, predictions: np.ndarray) -> float:
    """For two classes, from the four counts."""
    tp, tn = sum((labels == 1) & (predictions == 1)), sum((labels == 0) & (predictions == 0))
    fp, fn = sum((labels == 0) & (predictions == 1)), sum((labels == 1) & (predictions == 0))
    return float((tp * tn - fp * fn) / math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))


def f1(labels: np.ndarray, predictions: np.ndarray) -> float:
    tp = sum((labels == 1) & (predictions == 1))
    precision, recall = tp / sum(predictions == 1), tp / sum(labels == 1)
    return float(2 * precision * recall / (precision + recall))


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    dx, dy = x - x.mean(), y - y.mean()
    return float((dx * dy).sum() / math.sqrt((dx**2).sum() * (dy**2).sum()))


def ranks(values: np.ndarray) -> np.ndarray:
    """Rank of each value from 1, ties at the mean of their places."""
    return np.array([(values < value).sum() + ((values == value).sum() + 1) / 2 for value in values])


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    return pearson(ranks(x), ranks(y))


LITERAL = {
    "accuracy": lambda x, y: sum(a == b for a, b in zip(x, y)) / len(x),
    "f1": f1,
    "matthews": matthews,
    "pearson": pearson,
    "spearman": spearman,
}
LIBRARY = {
    "accuracy": sklearn.metrics.accuracy_score,
    "f1": sklearn.metrics.f1_score,
    "matthews": sklearn.metrics.matthews_corrcoef,
    "pearson": lambda x, y: scipy.stats.pearsonr(x, y).statistic,
    "spearman": lambda x, y: scipy.stats.spearmanr(x, y).statistic,
}


def test_tasks_are_those_of_the_papers_table_in_its_order() -> None:
    for arm in TABLE3.values():
        assert list(arm) == list(TASKS)
    assert [task.name for task in TASKS.values()] == list(TASKS)


def test_metrics_of_each_task_are_those_of_glue() -> None:
    assert {name: task.metrics for name, task in TASKS.items()} == {
        "MNLI": ("accuracy",),
        "QQP": ("accuracy", "f1"),
        "QNLI": ("accuracy",),
        "SST-2": ("accuracy",),
        "CoLA": ("matthews",),
        "STS-B": ("pearson", "spearman"),
        "MRPC": ("accuracy", "f1"),
        "RTE": ("accuracy",),
    }


def test_only_mnli_has_two_development_splits_and_the_matched_one_is_first() -> None:
    assert TASKS["MNLI"].dev == ("validation_matched", "validation_mismatched")
    assert all(task.dev == ("validation",) for name, task in TASKS.items() if name != "MNLI")
    assert all(len(task.dev_rows) == len(task.dev) for task in TASKS.values())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_scores_are_the_closed_forms_and_those_of_sklearn_and_scipy(task: Task, seed: int) -> None:
    labels, predictions = draw(task, seed)
    found = score(task, labels, predictions)
    assert tuple(found) == task.metrics
    for name, value in found.items():
        assert value == pytest.approx(LITERAL[name](labels, predictions), abs=1e-12)
        assert value == pytest.approx(LIBRARY[name](labels, predictions), abs=1e-12)


@pytest.mark.parametrize("name", ["QQP", "MRPC", "STS-B"])
def test_headline_of_a_task_with_two_metrics_is_their_mean_in_percent(name: str) -> None:
    found = score(TASKS[name], *draw(TASKS[name], seed=1))
    first, second = found.values()
    assert first != second
    assert headline(TASKS[name], found) == pytest.approx(100 * (first + second) / 2)


@pytest.mark.parametrize("name", ["MNLI", "QNLI", "SST-2", "CoLA", "RTE"])
def test_headline_of_a_task_with_one_metric_is_that_in_percent(name: str) -> None:
    (value,) = (found := score(TASKS[name], *draw(TASKS[name], seed=1))).values()
    assert headline(TASKS[name], found) == pytest.approx(100 * value)


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_right_predictions_score_100(task: Task) -> None:
    labels, _ = draw(task, seed=3)
    assert headline(task, score(task, labels, labels)) == pytest.approx(100)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
@pytest.mark.parametrize("constant", [0, 1])
def test_correlations_of_constant_predictions_are_zero(task: Task, constant: int) -> None:
    labels, _ = draw(task, seed=4)
    found = score(task, labels, np.full(len(labels), constant))
    assert {name: value for name, value in found.items() if name in ("matthews", "pearson", "spearman")} == {
        name: 0.0 for name in task.metrics if name in ("matthews", "pearson", "spearman")
    }
    assert found.get("accuracy", 0) == (np.mean(labels == constant) if "accuracy" in found else 0)


@pytest.mark.filterwarnings("error")
def test_f1_of_the_class_that_is_never_predicted_is_zero_and_that_of_all_predicted_follows_from_its_share() -> None:
    labels = np.array([1, 1, 1, 0])
    assert score(TASKS["MRPC"], labels, np.zeros(4, int)) == {"accuracy": 0.25, "f1": 0.0}
    assert score(TASKS["MRPC"], labels, np.ones(4, int)) == pytest.approx({"accuracy": 0.75, "f1": 6 / 7})
    assert score(TASKS["MRPC"], np.zeros(4, int), np.zeros(4, int)) == {"accuracy": 1.0, "f1": 0.0}


@pytest.mark.filterwarnings("error")
def test_one_example_has_a_score() -> None:
    assert score(STSB, [2.5], [2.5]) == {"pearson": 0.0, "spearman": 0.0}
    assert score(TASKS["CoLA"], [1], [1]) == {"matthews": 0.0}


def test_f1_is_of_class_one_and_not_of_class_zero() -> None:
    labels, predictions = draw(TASKS["QQP"], seed=6)
    labels[:150] = 0
    assert score(TASKS["QQP"], labels, predictions)["f1"] != score(TASKS["QQP"], 1 - labels, 1 - predictions)["f1"]


@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
        ([1, 0], [1], "one each"),
        ([], [], "one each"),
        ([[1, 0]], [[1, 0]], "one each"),
        ([1.0, 2.0], [1.0, math.nan], "finite"),
    ],
)
def test_predictions_that_do_not_fit_are_an_error(labels: list, predictions: list, message: str) -> None:
    with pytest.raises(InputError, match=f"STS-B.*{message}"):
        score(STSB, labels, predictions)


def test_tasks_are_found_by_name_in_the_papers_order() -> None:
    assert [task.name for task in find_tasks(["RTE", "MNLI", "RTE"])] == ["MNLI", "RTE"]
    assert find_tasks(["all"]) == list(TASKS.values()) == find_tasks(("CoLA", "all"))


@pytest.mark.parametrize(
    ("name", "hint"),
    [("SST2", "SST-2"), ("sst2", "SST-2"), ("cola", "CoLA"), ("MNLI-m", "MNLI"), ("stsb", "STS-B"), ("al", "all")],
)
def test_unknown_task_names_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(InputError, match=rf"no GLUE task is named '{name}'.*Did you mean '{hint}'\?"):
        find_tasks(["MNLI", name])


@pytest.mark.parametrize("names", [[], "MNLI"])
def test_tasks_must_be_a_list_of_names(names: object) -> None:
    with pytest.raises(InputError, match=r"expected a list.*'all', 'MNLI', 'QQP'"):
        find_tasks(names)  # type: ignore[arg-type]
