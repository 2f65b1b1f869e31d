"""The metrics of GLUE where examples count with weights, for many weightings at once.

A resample of examples is a weighting of them by how often each was drawn. Each metric here is, with integer weights,
what scikit-learn or scipy find for the examples so repeated; what is undefined is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairkd.stats.resampling import Floats

ROUNDING = 1e-12
"""Variance, as a share of the mean square, below which there is only rounding."""


def indicators(labels: NDArray[Any], predictions: NDArray[Any], *, classes: int) -> Floats:
    """In which cell of the confusion matrix each example lies: (runs, n, classes²) of 0 and 1.

    Args:
        labels: (n,), class ids.
        predictions: (runs, n), class ids.
        classes: how many there are.
    """
    cells: Floats = np.eye(classes * classes)[labels * classes + predictions]
    return cells


def confusion(cells: Floats, weights: Floats) -> Floats:
    """Weighted confusion matrices (runs, B, classes, classes), true by predicted.

    Args:
        cells: (runs, n, classes²), see :func:`indicators`.
        weights: (B, n).
    """
    classes = round(cells.shape[2] ** 0.5)
    return (weights @ cells).reshape(len(cells), len(weights), classes, classes)


def accuracy(confusion: Floats) -> Floats:
    """(…) of confusion matrices (…, classes, classes)."""
    share: Floats = np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=(-2, -1))
    return share


def f1(confusion: Floats) -> Floats:
    """Of class 1: (…) of confusion matrices (…, 2, 2); 0 where it is neither true nor predicted."""
    both = confusion[..., 1, :].sum(axis=-1) + confusion[..., 1].sum(axis=-1)
    score: Floats = 2 * confusion[..., 1, 1] / np.where(both > 0, both, 1.0)
    return score


def matthews(confusion: Floats) -> Floats:
    """Correlation of the classes' indicators (Gorodkin 2004): (…) of (…, classes, classes); 0 for constants."""
    labels, predictions, total = confusion.sum(axis=-1), confusion.sum(axis=-2), confusion.sum(axis=(-2, -1))
    covariance = np.trace(confusion, axis1=-2, axis2=-1) * total - (labels * predictions).sum(axis=-1)
    spread = (total**2 - (labels**2).sum(axis=-1)) * (total**2 - (predictions**2).sum(axis=-1))
    score: Floats = covariance / np.sqrt(np.where(spread > 0, spread, 1.0))  # of constants the covariance is 0, too
    return score


def pearson(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Pearson's r (runs, B) of x (n,) with each y (runs, n) under weights (B, n); 0 for constants."""
    x, y = x - x.mean(), y - y.mean(axis=1, keepdims=True)  # near zero, so that little cancels below
    total, by_example = weights.sum(axis=1), weights.T
    mean_x, mean_y = x @ by_example / total, y @ by_example / total
    square_x, square_y, product = (part @ by_example / total for part in (x**2, y**2, x * y))
    return _ratio(product - mean_x * mean_y, square_x, square_x - mean_x**2, square_y, square_y - mean_y**2)


def spearman(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Spearman's rho, as :func:`pearson`; equal values share their mean rank."""
    ranks = _ranks(x, weights)
    return np.stack([_rank_correlation(ranks, _ranks(run, weights), weights) for run in y])


def _ranks(values: Floats, weights: Floats) -> Floats:
    """Ranks (B, n) of values (n,), each repeated by its weight (B, n), less their mean.

    Equal values share the mean of the places they take: those below, plus half of one more than their own number.
    """
    order = np.argsort(values, kind="stable")
    first = np.unique(values[order], return_index=True)[1]
    own = np.add.reduceat(weights[:, order], first, axis=1)
    ranks = np.cumsum(own, axis=1) - own + (own + 1) / 2 - (weights.sum(axis=1, keepdims=True) + 1) / 2
    centred: Floats = ranks[:, np.unique(values, return_inverse=True)[1]]
    return centred


def _rank_correlation(x: Floats, y: Floats, weights: Floats) -> Floats:
    """(B,) of centred ranks (B, n)."""
    product, square_x, square_y = ((weights * part).sum(axis=1) for part in (x * y, x**2, y**2))
    return _ratio(product, square_x, square_x, square_y, square_y)


def _ratio(covariance: Floats, square_x: Floats, var_x: Floats, square_y: Floats, var_y: Floats) -> Floats:
    """Covariance by standard deviations; 0 where a variance is nothing, or rounding beside its mean square."""
    defined = (var_x > ROUNDING * square_x) & (var_y > ROUNDING * square_y)
    spread = np.sqrt(np.where(defined, var_x * var_y, 1.0))
    return np.where(defined, np.clip(covariance / spread, -1.0, 1.0), 0.0)
