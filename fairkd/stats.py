"""Intervals over seeds and stimulus words, and the correlation of Figure 1.

The resampling follows the multi-bootstrap (Sellam et al. 2022): seeds and stimulus words are resampled together,
so an interval covers both. The same words are drawn for every model, so differences between models are paired.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairkd.errors import InputError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def resample_seeds(n_seeds: int, n_replicates: int, generator: np.random.Generator) -> Integers:
    """Draws seeds with replacement, once a replicate.

    Args:
        n_seeds: number of seeds (runs of an arm), at least 1.
        n_replicates: number of bootstrap replicates.
        generator: source of the randomness; use the same draw for arms trained from the same seeds.

    Returns:
        Positions 0 … n_seeds - 1, shape ``(n_replicates, n_seeds)``.

    Raises:
        InputError: without at least one seed.
    """
    if n_seeds < 1 or n_replicates < 0:
        raise InputError(
            f"resampling needs at least one seed and no negative number of replicates, not "
            f"n_seeds={n_seeds}, n_replicates={n_replicates}"
        )
    return generator.integers(n_seeds, size=(n_replicates, n_seeds))


def multibootstrap(values: ArrayLike, seed_indices: Integers) -> Floats:
    """Mean over resampled seeds, each replicate with its own draw of seeds and of stimulus words.

    Args:
        values: shape ``(n_seeds, n_replicates, …)``; ``values[s, b]`` is the statistic of seed s under the stimulus
            words of replicate b.
        seed_indices: shape ``(n_replicates, k)``, as from ``resample_seeds``.

    Returns:
        Shape ``(n_replicates, …)``: for each replicate b the mean of ``values[s, b]`` over its drawn seeds s.

    Raises:
        InputError: where the numbers of replicates differ, or an index names no seed.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim < 2 or seed_indices.ndim != 2 or array.shape[1] != seed_indices.shape[0]:
        raise InputError(
            f"values must be (seeds, replicates, …) and seed_indices (replicates, draws) with equal replicates, not "
            f"{array.shape} and {seed_indices.shape}"
        )
    if seed_indices.size and not 0 <= seed_indices.min() <= seed_indices.max() < array.shape[0]:
        raise InputError(f"seed_indices must lie in 0 … {array.shape[0] - 1}")
    replicates = np.arange(array.shape[1])[:, None]
    result: Floats = array[seed_indices, replicates].mean(axis=1)
    return result


def percentile_interval(replicates: ArrayLike, level: float = 0.95) -> tuple[Floats, Floats]:
    """Percentile bootstrap interval over axis 0.

    Args:
        replicates: shape ``(n_replicates, …)``; a nan among them makes that interval nan, and so does having none.
        level: share of the replicates inside the interval, between 0 and 1.

    Returns:
        ``(low, high)``, each of shape ``(…)``: two numbers for one-dimensional replicates.

    Raises:
        InputError: for a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, not {level!r}")
    array = np.asarray(replicates, dtype=np.float64)
    if array.shape[0] == 0:
        nothing = np.full(array.shape[1:], np.nan)[()]
        return nothing, nothing
    tail = (1 - level) / 2
    low, high = np.quantile(array, [tail, 1 - tail], axis=0)
    return low, high


def centred_interval(estimate: float, replicates: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of replicates that are shifted so that their mean is the estimate.

    For averages of absolute values: resampling adds noise, and noise makes |d| larger, so the plain percentile
    interval of a mean |d| lies too high and can miss its own estimate. The shift removes that bias.

    Args:
        estimate: the statistic on the data.
        replicates: shape ``(n_replicates,)``.
        level: as for :func:`percentile_interval`.
    """
    array = np.asarray(replicates, dtype=np.float64)
    low, high = percentile_interval(array - array.mean() + estimate, level)
    return float(low), float(high)


def pearson_r(x: ArrayLike, y: ArrayLike) -> Floats:
    """Pearson's correlation of x with y along the last axis (Figure 1: layers against average SEAT).

    Args:
        x: shape ``(n,)``.
        y: shape ``(…, n)``.

    Returns:
        Shape ``(…)`` (a number for one-dimensional y), in [-1, 1]; nan where x or y is constant or n < 2.

    Raises:
        InputError: where the lengths differ.
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if xs.ndim != 1 or ys.ndim < 1 or ys.shape[-1] != xs.size:
        raise InputError(f"x must be (n,) and y (…, n) with the same n, not {xs.shape} and {ys.shape}")
    if xs.size < 2:
        return np.full(ys.shape[:-1], np.nan)[()]
    # Constancy is judged on the values: after centring, rounding would hide it.
    defined = (np.ptp(xs) > 0) & (np.ptp(ys, axis=-1) > 0)
    xs, ys = xs - xs.mean(), ys - ys.mean(axis=-1, keepdims=True)
    norms = np.linalg.norm(xs) * np.linalg.norm(ys, axis=-1)
    r = np.clip(ys @ xs / np.where(defined, norms, 1.0), -1.0, 1.0)
    return np.where(defined, r, np.nan)[()]
