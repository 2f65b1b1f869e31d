"""Scores of an arm on GLUE over its seeds and over resampled examples: Table 3, its averages and differences.

What varies is the student (the distillation seed) and the examples of the development set, and both are resampled:

- Examples are drawn for each task by itself, for different tasks' examples are independent, and once for all models,
  so that differences between models are paired.
- Students are drawn once for all tasks: whatever makes a student good or bad moves all of its scores together.
- Fine-tuning runs of one student are averaged before and never resampled as if they were students. Their chance is
  not lost: it is part of what makes the students' scores differ. With one student it cannot be seen.

Draws of examples are applied to the mean over students, draws of students to their scores on the data, and the two
deviations are added. If each draw of students had its own examples (the multi-bootstrap of
:mod:`fairkd.stats.resampling`), the chance that belongs to one student on one example would count three times, here
twice (Owen 2007). On GLUE it is a large part of a difference: two students with equal scores err on different examples.
Simulated 95 % intervals of an accuracy, and of the difference of two arms, cover in 95 to 99 % of cases with three or
five seeds and in 91 to 99 % with two; most where chance in training is small. A score of 100 has an interval of no
width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fairkd.errors import InputError, nearest
from fairkd.frames import GLUE_AVERAGES, GLUE_DIFFERENCES, GLUE_SCORES
from fairkd.glue.tasks import TASKS, Task
from fairkd.names import TEACHER
from fairkd.rng import numpy_generator
from fairkd.stats import weighted
from fairkd.stats.estimates import Estimate, clear_lowest
from fairkd.stats.resampling import Floats, holm, resample_seeds

AVERAGE = "Avg."
"""What the column "task" says in the rows of averages."""
CELLS = 2**21
"""Numbers held at once in each array over replicates and examples: 16 MiB."""


@dataclass(frozen=True)
class TaskScores:
    """Scores of one arm, in percent.

    Attributes:
        scores: (seeds, tasks), headline scores, each the mean over a student's fine-tuning runs; nan where it failed.
        replicates: (seeds, B, tasks), the same under resampled examples; replicate b has the same examples in every
            arm and seed.
    """

    scores: Floats
    replicates: Floats

    @property
    def seeds(self) -> int:
        """How many."""
        return len(self.scores)

    def task(self, i: int) -> Estimate:
        """The score of task i over seeds; nan if any seed has none."""
        return _estimate(self.scores[:, i], self.replicates[:, :, i])

    def average(self) -> Estimate:
        """The mean over tasks, and over seeds; nan if any task has no score: a mean of others is another number."""
        return _estimate(self.scores.mean(axis=1), self.replicates.mean(axis=2))


def _estimate(scores: Floats, replicates: Floats) -> Estimate:
    """The mean over seeds of scores (seeds,), with replicates (seeds, B) as the head of this module says."""
    # The draws of fairkd.bias.effects: a replicate has the same students for their bias and for their quality.
    draws = resample_seeds(len(scores), replicates.shape[1], numpy_generator(0, "resampled seeds", len(scores)))
    students = scores[draws].mean(axis=1) - scores.mean()
    return Estimate(float(scores.mean()), replicates.mean(axis=0) + students, scores)


def resample(n_examples: int, n_replicates: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """How often each example stands in each replicate: (n_replicates, n_examples), rows that sum to n_examples.

    Raises:
        InputError: without at least one example, or for a negative number of replicates.
    """
    if n_examples < 1 or n_replicates < 0:
        raise InputError(
            f"resampling needs at least one example and no negative number of replicates, not "
            f"n_examples={n_examples}, n_replicates={n_replicates}"
        )
    weights = np.empty((n_replicates, n_examples), dtype=np.uint8)  # 256 times the same example: never
    for row in weights:
        row[:] = np.bincount(generator.integers(n_examples, size=n_examples), minlength=n_examples)
    return weights


def over_runs(task: Task, labels: ArrayLike, predictions: ArrayLike, weights: NDArray[Any]) -> tuple[float, Floats]:
    """The score of one student, the mean over its fine-tuning runs, and its replicates (B,); in percent.

    Args and errors: as :func:`replicate_scores`.
    """
    everything = np.ones((1, np.shape(labels)[0]), dtype=np.uint8)
    score = replicate_scores(task, labels, predictions, everything)
    return float(score.mean()), replicate_scores(task, labels, predictions, weights).mean(axis=0)


def replicate_scores(
    task: Task, labels: ArrayLike, predictions: ArrayLike, weights: NDArray[Any], *, cells: int = CELLS
) -> Floats:
    """Headline scores in percent, (runs, B): what :func:`fairkd.glue.tasks.score` finds if examples are repeated.

    Args:
        task: its metrics are averaged.
        labels: (n,), class ids, or numbers for a task without classes.
        predictions: (runs, n), likewise.
        weights: (B, n), how often each example counts, integers of 0 or more; see :func:`resample`.
        cells: of weights that are looked at together. It changes the memory needed, not the result.

    Returns:
        An undefined metric is 0, as in ``fairkd.glue.tasks.score``: Matthews, Pearson and Spearman of constants, F1
        where neither labels nor predictions have a positive.

    Raises:
        InputError: shapes do not fit, a class id is none, a number is not finite, or a replicate has no example.
    """
    truth, runs = np.asarray(labels), np.asarray(predictions)
    _check(task, truth, runs, weights)
    score = _of_classes(task, truth, runs) if task.labels else _of_numbers(task, truth, runs)
    rows = max(1, cells // len(truth))
    parts = [score(weights[start : start + rows].astype(np.float64)) for start in range(0, len(weights), rows)]
    return np.concatenate(parts, axis=1) if parts else np.empty((len(runs), 0))


def _check(task: Task, truth: NDArray[Any], runs: NDArray[Any], weights: NDArray[Any]) -> None:
    if truth.ndim != 1 or not truth.size or runs.ndim != 2 or weights.ndim != 2:
        raise InputError(
            f"{task.name}: labels must be (n,), predictions (runs, n) and weights (B, n) with n > 0, not "
            f"{truth.shape}, {runs.shape} and {weights.shape}"
        )
    if not len(runs) or not truth.size == runs.shape[1] == weights.shape[1]:
        raise InputError(
            f"{task.name}: {truth.size} labels, {len(runs)} runs of {runs.shape[1]} predictions and "
            f"{weights.shape[1]} weights; these must be of the same examples, with at least one run"
        )
    for name, values in (("labels", truth), ("predictions", runs)):
        if task.labels:
            if not np.issubdtype(values.dtype, np.integer) or values.min() < 0 or values.max() >= len(task.labels):
                raise InputError(f"{task.name}: {name} must be class ids from 0 to {len(task.labels) - 1}")
        elif not np.isfinite(values).all():
            raise InputError(f"{task.name}: {name} hold NaN or infinite values")
    if not weights.any(axis=1).all():
        raise InputError(f"{task.name}: weights leave a replicate without examples")


def _of_classes(task: Task, truth: NDArray[Any], runs: NDArray[Any]) -> Callable[[Floats], Floats]:
    """From weights (b, n) to scores (runs, b)."""
    metrics = {"accuracy": weighted.accuracy, "f1": weighted.f1, "matthews": weighted.matthews}
    indicators = weighted.indicators(truth, runs, classes=len(task.labels))

    def score(weights: Floats) -> Floats:
        confusion = weighted.confusion(indicators, weights)
        return 100 * np.mean([metrics[name](confusion) for name in task.metrics], axis=0)

    return score


def _of_numbers(task: Task, truth: NDArray[Any], runs: NDArray[Any]) -> Callable[[Floats], Floats]:
    """From weights (b, n) to scores (runs, b)."""
    metrics = {"pearson": weighted.pearson, "spearman": weighted.spearman}
    x, y = truth.astype(np.float64), runs.astype(np.float64)

    def score(weights: Floats) -> Floats:
        return 100 * np.mean([metrics[name](x, y, weights) for name in task.metrics], axis=0)

    return score


def tasks(quality: Mapping[str, TaskScores], names: Sequence[str]) -> pd.DataFrame:
    """Table 3 in long form: the columns :data:`fairkd.frames.GLUE_SCORES`.

    Args:
        quality: of each arm.
        names: of the tasks, in the order in which ``quality`` has them.

    Raises:
        InputError: an arm has another number of tasks than ``names``.
    """
    _check_names(quality, names)
    winners = [_clear_highest({arm: own.task(i) for arm, own in quality.items()}) for i in range(len(names))]
    rows, least = [], [TASKS[name].least for name in names]
    for arm, own in quality.items():
        for i, name in enumerate(names):
            row = {"arm": arm, "seeds": own.seeds, "task": name} | _scored("score", own.task(i), least[i])
            rows.append(row | {"highest": arm == winners[i]})
    return pd.DataFrame(rows, columns=GLUE_SCORES)


def score_averages(quality: Mapping[str, TaskScores], names: Sequence[str]) -> pd.DataFrame:
    """Averages over tasks: the columns :data:`fairkd.frames.GLUE_AVERAGES`; nan where a task failed.

    Args:
        quality: of each arm.
        names: as for :func:`tasks`.

    Raises:
        InputError: as :func:`tasks`.
    """
    _check_names(quality, names)
    least = sum(TASKS[name].least for name in names) / len(names)
    averages = {arm: own.average() for arm, own in quality.items()}
    winner = _clear_highest(averages)
    rows = [
        {"arm": arm, "seeds": quality[arm].seeds} | _scored("average", average, least) | {"highest": arm == winner}
        for arm, average in averages.items()
    ]
    return pd.DataFrame(rows, columns=GLUE_AVERAGES)


def _clear_highest(scores: Mapping[str, Estimate]) -> str | None:
    """Among the students that have a score; the teacher does not count."""
    return clear_lowest({arm: -score for arm, score in scores.items() if arm != TEACHER and math.isfinite(score.value)})


def score_differences(quality: Mapping[str, TaskScores], names: Sequence[str], *, baseline: str) -> pd.DataFrame:
    """Each arm minus the baseline, in points: the columns :data:`fairkd.frames.GLUE_DIFFERENCES`.

    A row a task and, last, one for the average (task ``AVERAGE``). Differences are paired: both arms have the same
    resampled examples and seeds. p_holm allows for the number of averages in the averages' rows, and for the number
    of tasks and arms in the tasks' rows.

    Raises:
        InputError: ``baseline`` is none of the arms, or an arm has another number of tasks than ``names``.
    """
    if baseline not in quality:
        raise InputError(f"baseline {baseline!r} is not among the arms {list(quality)}.{nearest(baseline, quality)}")
    _check_names(quality, names)
    rows = []
    for arm, own in quality.items():
        base = quality[baseline]
        pairs = [(name, own.task(i) - base.task(i)) for i, name in enumerate(names)]
        for name, difference in [*pairs, (AVERAGE, own.average() - base.average())] if arm != baseline else []:
            low, high = difference.interval()
            row = {"arm": arm, "baseline": baseline, "task": name, "difference": difference.value}
            rows.append(row | {"low": low, "high": high, "p": difference.p()})
    table = pd.DataFrame(rows, columns=GLUE_DIFFERENCES)
    table["p_holm"] = np.nan
    for family in (table.task == AVERAGE, table.task != AVERAGE):
        tested = family & table.p.notna()
        table.loc[tested, "p_holm"] = holm(table.p[tested].to_numpy(dtype=float))
    return table


def _check_names(quality: Mapping[str, TaskScores], names: Sequence[str]) -> None:
    for arm, own in quality.items():
        if own.scores.shape[1] != len(names):
            raise InputError(f"{arm} has scores of {own.scores.shape[1]} tasks, but {len(names)} are named: {names}")


def _scored(name: str, estimate: Estimate, least: float) -> dict[str, float]:
    """The value and its 95 % interval, which ends where scores end: at 100 %, and at the least score."""
    low, high = np.clip(estimate.interval(), least, 100.0)
    return {name: estimate.value, "low": float(low), "high": float(high)}
