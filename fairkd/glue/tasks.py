"""The tasks of GLUE as data, and their scores (Section 5.3, Table 3).

Eight tasks, in the order of Table 3; WNLI is left out, as in the paper. The paper does not say which number it prints
where a task has two metrics. Here it is their mean, as on GLUE's leaderboard, and for MNLI the matched development set;
every metric is kept beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fairkd.errors import InputError, nearest

ALL = "all"
CORRELATIONS = frozenset({"matthews", "pearson", "spearman"})
"""Metrics that lie in [-1, 1]; all others lie in [0, 1]."""


@dataclass(frozen=True)
class Task:
    """One task of GLUE.

    Attributes:
        name: as in Table 3.
        config: its configuration in the hub's data set ``nyu-mll/glue``.
        columns: the text columns, one or two, in the order in which a model reads them.
        labels: names of the classes; a class id is an index into them. Empty for STS-B, a regression on 0 to 5.
        dev: labelled splits that are never trained on; the first is the headline.
        metrics: names of its metrics, see :func:`score`.
        train_rows: training examples of the real task.
        dev_rows: examples of each development split of the real task, in the order of ``dev``.
    """

    name: str
    config: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    dev: tuple[str, ...]
    metrics: tuple[str, ...]
    train_rows: int
    dev_rows: tuple[int, ...]

    @property
    def least(self) -> float:
        """The least score that there can be, in percent: that of the mean of its metrics."""
        return -100.0 * sum(metric in CORRELATIONS for metric in self.metrics) / len(self.metrics)


_PAIR, _DEV = ("sentence1", "sentence2"), ("validation",)
_NLI = ("entailment", "not_entailment")
_ACCURACY, _BOTH = ("accuracy",), ("accuracy", "f1")
_MNLI_DEV = ("validation_matched", "validation_mismatched")

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="MNLI",
            config="mnli",
            columns=("premise", "hypothesis"),
            labels=("entailment", "neutral", "contradiction"),
            dev=_MNLI_DEV,
            metrics=_ACCURACY,
            train_rows=392_702,
            dev_rows=(9815, 9832),
        ),
        Task("QQP", "qqp", ("question1", "question2"), ("not_duplicate", "duplicate"), _DEV, _BOTH, 363_846, (40_430,)),
        Task("QNLI", "qnli", ("question", "sentence"), _NLI, _DEV, _ACCURACY, 104_743, (5463,)),
        Task("SST-2", "sst2", ("sentence",), ("negative", "positive"), _DEV, _ACCURACY, 67_349, (872,)),
        Task("CoLA", "cola", ("sentence",), ("unacceptable", "acceptable"), _DEV, ("matthews",), 8551, (1043,)),
        Task("STS-B", "stsb", _PAIR, (), _DEV, ("pearson", "spearman"), 5749, (1500,)),
        Task("MRPC", "mrpc", _PAIR, ("not_equivalent", "equivalent"), _DEV, _BOTH, 3668, (408,)),
        Task("RTE", "rte", _PAIR, _NLI, _DEV, _ACCURACY, 2490, (277,)),
    )
}
"""The tasks by name, in the order of Table 3. Class ids are in the order of the hub's names."""


def find_tasks(names: Sequence[str]) -> list[Task]:
    """The tasks of these names, in the order of Table 3; "all" stands for every task.

    Raises:
        InputError: no name, or one that no task has.
    """
    if isinstance(names, str) or not names:
        raise InputError(f"GLUE tasks: expected a list of one name or more, not {names!r}; {_allowed()}")
    hints = {alias.lower(): task.name for task in TASKS.values() for alias in (task.config, task.name)}
    for name in names:
        if name not in TASKS and name != ALL:
            close = hints.get(name.lower())
            hint = f" Did you mean {close!r}?" if close else nearest(name, (*TASKS, ALL))
            raise InputError(f"no GLUE task is named {name!r}; {_allowed()}.{hint}")
    return [task for task in TASKS.values() if task.name in names or ALL in names]


def _allowed() -> str:
    return f"allowed: {ALL!r}, {', '.join(map(repr, TASKS))}"


def score(task: Task, labels: ArrayLike, predictions: ArrayLike) -> dict[str, float]:
    """The task's metrics on some examples, as fractions.

    ``accuracy``; ``f1`` of class 1 ("duplicate", "equivalent"); ``matthews``; ``pearson`` and ``spearman`` (average
    ranks for ties). A metric that is not defined is 0: F1 where class 1 neither occurs nor is predicted, and the three
    correlations where labels or predictions are all the same, as after a collapsed fine-tuning.

    Args:
        task: of the examples.
        labels: (examples,) class ids, or numbers for a regression.
        predictions: (examples,) likewise.

    Raises:
        InputError: no examples, not as many predictions as labels, or a value that is not finite.
    """
    truth, guess = np.asarray(labels), np.asarray(predictions)
    if truth.shape != guess.shape or truth.ndim != 1 or not truth.size:
        shapes = f"labels of shape {truth.shape} and predictions of shape {guess.shape}"
        raise InputError(f"{task.name}: {shapes} do not fit; one each is needed of one example or more")
    if not (np.isfinite(truth).all() and np.isfinite(guess).all()):
        raise InputError(f"{task.name}: labels and predictions must be finite")
    return {name: _METRICS[name](truth, guess) for name in task.metrics}


def headline(task: Task, scores: Mapping[str, float]) -> float:
    """The one number of a task, in percent: the mean of its metrics.

    Args:
        task: of the scores.
        scores: by :func:`score`; those of the first development split (MNLI: matched) for a table.
    """
    return 100 * math.fsum(scores[name] for name in task.metrics) / len(task.metrics)


def _accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    return float(np.mean(labels == predictions))


def _f1(labels: np.ndarray, predictions: np.ndarray) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(labels == 1, predictions == 1, zero_division=0.0))


def _matthews(labels: np.ndarray, predictions: np.ndarray) -> float:
    from sklearn.metrics import matthews_corrcoef

    return 0.0 if _constant(labels, predictions) else float(matthews_corrcoef(labels, predictions))


def _pearson(labels: np.ndarray, predictions: np.ndarray) -> float:
    from scipy.stats import pearsonr

    return 0.0 if _constant(labels, predictions) else float(pearsonr(labels, predictions).statistic)


def _spearman(labels: np.ndarray, predictions: np.ndarray) -> float:
    from scipy.stats import spearmanr

    return 0.0 if _constant(labels, predictions) else float(spearmanr(labels, predictions).statistic)


def _constant(*arrays: np.ndarray) -> bool:
    return any((array == array[0]).all() for array in arrays)


_METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "matthews": _matthews,
    "pearson": _pearson,
    "spearman": _spearman,
}
