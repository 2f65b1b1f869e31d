"""Intervals and tests over seeds and stimulus words, and the correlation of Figure 1.

The resampling follows the multi-bootstrap (Sellam et al. 2022): seeds and stimulus words are resampled together,
so an interval covers both. The same words are drawn for every model, so differences between models are paired.

With few seeds, the order is ``resample_seeds``, ``multibootstrap``, ``widened``, then an interval or a test.

What is estimated of an average SEAT: the expected mean |d| of a student of this arm, over seeds, for the population of
words from which the lists are taken. Chance in the words makes small effects look larger: E|d + noise| > |d|.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincinv, gammaln, ndtr, ndtri, stdtrit

from fairkd.errors import InputError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def resample_seeds(n_seeds: int, n_replicates: int, generator: np.random.Generator) -> Integers:
    """Draws seeds with replacement, once a replicate: n - 1 of n (one of one).

    The mean of n draws would have variance s²/n with s² = sum of squares / n, too little by (n - 1)/n: half at two
    seeds. The mean of n - 1 draws has the variance with which a mean of n seeds is usually reported, sum of squares /
    (n (n - 1)) (Rao and Wu 1988). A single seed leaves nothing to resample: the interval then covers words only. That
    an estimate from few seeds is itself uncertain is the part of ``widened``.

    Args:
        n_seeds: number of seeds (runs of an arm), at least 1.
        n_replicates: number of bootstrap replicates.
        generator: source of the randomness; use the same draw for arms trained from the same seeds.

    Returns:
        Positions 0 … n_seeds - 1, shape ``(n_replicates, max(1, n_seeds - 1))``.

    Raises:
        InputError: without at least one seed.
    """
    if n_seeds < 1 or n_replicates < 0:
        raise InputError(
            f"resampling needs at least one seed and no negative number of replicates, not "
            f"n_seeds={n_seeds}, n_replicates={n_replicates}"
        )
    return generator.integers(n_seeds, size=(n_replicates, max(1, n_seeds - 1)))


def mean_by_seed(values: ArrayLike, students: int) -> Floats:
    """Means over so many students in a row, those of a seed: ``(seeds, …)`` of ``values`` ``(seeds · students, …)``.

    >>> mean_by_seed([1.0, 3.0, 5.0, 5.0], 2)
    array([2., 5.])
    """
    array = np.asarray(values, dtype=np.float64)
    result: Floats = array.reshape(-1, students, *array.shape[1:]).mean(axis=1)
    return result


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


def widened(replicates: ArrayLike, seed_values: ArrayLike, level: float = 0.95) -> Floats:
    """Replicates whose deviations are stretched for few seeds, as Student's t is wider than the normal.

    A spread that is known from two to five seeds only is often too small by chance: where all chance is in the seeds,
    a 95 % interval would cover in 59 % of cases with two seeds and 79 % with three; widened, in 88 and 93 %.

    The factor is t / z at ``level``, with Welch and Satterthwaite's degrees of freedom: (n - 1) · (variance of the
    replicates / variance of the mean over seeds)². Where chance in the words dominates, which all seeds share, it is
    close to 1. Intervals and p-values of the result are meant for this level, and rougher at others.

    Args:
        replicates: shape ``(n_replicates,)``, a mean over resampled seeds as from ``multibootstrap``, or a paired
            difference of such means.
        seed_values: shape ``(n_seeds,)``, the same statistic of each seed on the data.
        level: of the intervals to come, between 0 and 1.

    Returns:
        Shape ``(n_replicates,)``, with the same mean; unchanged for one seed, which leaves nothing to be estimated.

    Raises:
        InputError: for a level outside (0, 1), or shapes other than these.
    """
    array, values = np.asarray(replicates, dtype=np.float64), np.asarray(seed_values, dtype=np.float64)
    if array.ndim != 1 or values.ndim != 1 or not values.size:
        raise InputError(f"replicates must be (B,) and seed_values (n,), n > 0, not {array.shape} and {values.shape}")
    factor = t_over_z(degrees_of_freedom(array, values) if len(array) > 1 else math.inf, level)
    result: Floats = array if factor == 1 else array.mean() + factor * (array - array.mean())
    return result


def t_over_z(free: float, level: float) -> float:
    """How much wider an interval of Student's t with ``free`` degrees of freedom is than one of the normal.

    Raises:
        InputError: for a level outside (0, 1).
    """
    _check_level(level)
    return 1.0 if math.isinf(free) else float(stdtrit(free, (1 + level) / 2) / ndtri((1 + level) / 2))


def degrees_of_freedom(replicates: Floats, seed_values: Floats) -> float:
    """Welch and Satterthwaite's, of the variance of replicates (B,) given the values of each seed (n,).

    Infinite where nothing depends on the seeds or there is one only.
    """
    seeds = seed_values.var(ddof=1) / seed_values.size if seed_values.size > 1 else 0.0
    if seeds == 0:
        return math.inf
    return float((seed_values.size - 1) * np.clip(replicates.var(ddof=1) / seeds, 1.0, 1e3) ** 2)  # then t is normal


def variance_parts(replicates: Floats, seed_values: Floats) -> tuple[float, float]:
    """What items (words, examples) and what seeds have in the variance of a mean over seeds.

    Args:
        replicates, seed_values: as for :func:`widened`. One seed has no part that could be known.
    """
    seeds = float(seed_values.var(ddof=1)) / seed_values.size if seed_values.size > 1 else 0.0
    return max(float(replicates.var(ddof=1)) - seeds, 0.0), seeds


def strict_reach(items: float, seeds: ArrayLike, n_seeds: int, level: float) -> Floats:
    """Half the length of an interval that keeps its level however few the seeds are and however high the level is.

    √(z² · variance from items + t² · variance from seeds), t with n - 1 degrees of freedom (Banerjee 1960): it covers
    at least as often as it says, whatever the two parts are. At levels far beyond 95 % nothing milder will do. With
    degrees of freedom that are estimated, seeds that lie close together by accident pass for sure; and percentiles of
    few seeds end at the largest of them, however high the level.

    Args:
        items, seeds: as from :func:`variance_parts`; of the seeds any shape.
        n_seeds: how many; the variance from one seed is 0.
        level: of the interval.
    """
    upper = (1 + level) / 2
    t = stdtrit(n_seeds - 1, upper) if n_seeds > 1 else 0.0
    reach: Floats = np.sqrt(ndtri(upper) ** 2 * items + t**2 * np.asarray(seeds))
    return reach


def power_at(value: float | Floats, items: float, seeds: float, n_seeds: int, level: float) -> Floats:
    """How often an interval of :func:`strict_reach` shows a true value to lie above zero, for each value.

    The estimate is normal with both variances; how long the interval comes out depends on the variance that n seeds
    happen to show, which is that of chi-squared. The power is the mean over its quantiles.

    Args:
        value: the true one, or several, (n,).
        items, seeds: of the variance of the estimate, see :func:`variance_parts`.
        n_seeds: 2 or more.
        level: of the interval.

    >>> power_at(np.array([0.0, 2.8]), 1.0, 0.0, 3, 0.95).round(3).tolist()
    [0.025, 0.8]
    >>> power_at(5.65, 0.0, 1.0, 3, 0.95).round(2).item()
    0.8
    """
    error, values = math.sqrt(items + seeds), np.asarray(value, dtype=np.float64)
    if error == 0:
        return (values > 0).astype(np.float64)
    return np.asarray(ndtr((values[..., None] - _reaches(items, seeds, n_seeds, level)) / error).mean(axis=-1))


def _reaches(items: float, seeds: float, n_seeds: int, level: float) -> Floats:
    """How far such intervals reach, at 400 quantiles of the variance that the seeds happen to show."""
    free = n_seeds - 1
    return strict_reach(items, seeds * 2 * _half_chi_squared(free) / free, n_seeds, level)


@cache
def _half_chi_squared(free: int) -> Floats:
    """400 quantiles of half of chi-squared: every comparison of a table asks for the same."""
    return np.asarray(gammaincinv(free / 2, (np.arange(400) + 0.5) / 400))


def detectable_value(items: float, seeds: float, n_seeds: int, level: float, power: float) -> float:
    """The true value whose :func:`power_at` is this power, above one half; the other arguments are those of that.

    >>> detectable_value(1.0, 0.0, 3, 0.95, 0.8).__round__(2), detectable_value(0.0, 1.0, 3, 0.95, 0.8).__round__(2)
    (2.8, 5.65)
    """
    from scipy.optimize import brentq  # here: it takes a third of a second

    error = math.sqrt(items + seeds)
    if error == 0:
        return 0.0
    reaches = _reaches(items, seeds, n_seeds, level)
    most = float(reaches.max()) + 10 * error
    return float(brentq(lambda value: ndtr((value - reaches) / error).mean() - power, 0.0, most))


def shown_of_deviation(n_seeds: int) -> float:
    """How much of a standard deviation n values show on average (the constant c4 of control charts).

    >>> round(shown_of_deviation(2), 3), round(shown_of_deviation(10), 3)
    (0.798, 0.973)
    """
    return math.sqrt(2 / (n_seeds - 1)) * math.exp(gammaln(n_seeds / 2) - gammaln((n_seeds - 1) / 2))


def fewest_replicates(level: float) -> int:
    """How many replicates have tails in which a percentile interval of this level can end: 1 in (B + 1) at each side.

    Raises:
        InputError: for a level outside (0, 1).

    >>> fewest_replicates(0.95), fewest_replicates(1 - 0.05 / 15)
    (39, 599)
    """
    _check_level(level)
    return math.ceil(2 / (1 - level) - 1 - 1e-6)  # rounding must not ask for one more


def percentile_interval(replicates: ArrayLike, level: float = 0.95) -> tuple[Floats, Floats]:
    """Percentile bootstrap interval over axis 0.

    Of a level for which there are too few replicates (:func:`fewest_replicates`) it has no ends: what lies beyond the
    largest of them is not known, and an interval that ended there would be too short.

    Args:
        replicates: shape ``(n_replicates, …)``; a nan among them makes that interval nan, and so does having none.
        level: share of the replicates inside the interval, between 0 and 1.

    Returns:
        ``(low, high)``, each of shape ``(…)``: two numbers for one-dimensional replicates.

    Raises:
        InputError: for a level outside (0, 1).
    """
    _check_level(level)
    array = np.asarray(replicates, dtype=np.float64)
    if array.shape[0] == 0:
        nothing = np.full(array.shape[1:], np.nan)[()]
        return nothing, nothing
    if len(array) < fewest_replicates(level):
        endless = np.where(np.isnan(array).any(axis=0), np.nan, np.inf)[()]
        return -endless, endless
    tail = (1 - level) / 2
    low, high = np.quantile(array, [tail, 1 - tail], axis=0)
    return low, high


def bias_corrected(estimate: float, replicates: ArrayLike) -> float:
    """The estimate less the bias that the bootstrap sees: 2 · estimate - mean of the replicates.

    Of the bias that chance in the words adds to an average of |d| near zero it removes about 60 %, of that to effects
    of mixed size about 80 %; an average of signed effects hardly changes. The price is scatter: it varies more than
    the estimate, so that a difference of two like arms is better left uncorrected. It can lie below zero.

    Args:
        estimate: the statistic on the data.
        replicates: shape ``(n_replicates,)``; nan without any.
    """
    return 2 * estimate - _mean(np.asarray(replicates, dtype=np.float64))


def bias_aware_interval(estimate: float, replicates: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Interval for an average of |d|, a difference of such averages, or another mean that resampling may bias.

    The percentile interval of the replicates' deviations from their mean is laid around the estimate and around the
    bias-corrected estimate; the result reaches from the lower to the upper end of the two, so that it holds both. The
    plain percentile interval has the bias of |d| twice, once from the data and once from resampling, and can miss its
    own estimate. Where there is no bias, as for signed d, the three agree.

    What it cannot do: where all effects are near zero, part of the bias is invisible to the bootstrap, and a 95 %
    interval of an average covers in about 80 to 90 % of cases (the percentile interval in none, one around the
    estimate alone in about half). Between an arm near zero and an arm far from it differences look too small, and are
    covered in 83 to 94 %; between like arms in 95 % or more, given three seeds and ``widened`` replicates (nearly so
    where all chance is in the seeds). With one seed it holds only for these very students.

    Args:
        estimate: the statistic on the data.
        replicates: shape ``(n_replicates,)``; a nan among them, or none, makes both ends nan.
        level: as for :func:`percentile_interval`.
    """
    array = np.asarray(replicates, dtype=np.float64)
    low, high = percentile_interval(array - _mean(array), level)
    corrected = bias_corrected(estimate, array)
    return min(estimate, corrected) + float(low), max(estimate, corrected) + float(high)


def simultaneous_intervals(estimates: ArrayLike, replicates: ArrayLike, level: float = 0.95) -> tuple[Floats, Floats]:
    """Intervals that all hold at once, for a table of k rows from which a winner is picked.

    Studentised maximum (max-|t|) bootstrap: estimate ± c · standard error, with c the quantile of the largest
    |deviation| / standard error over the k statistics, each replicate's deviations taken together.

    Args:
        estimates: shape ``(k,)``, such as differences of the arms to a baseline.
        replicates: shape ``(n_replicates, k)``, paired across statistics.
        level: probability that all k intervals cover, between 0 and 1.

    Returns:
        ``(low, high)``, each ``(k,)``; all nan where a replicate is nan or there are fewer than two.

    Raises:
        InputError: for shapes that do not fit, no statistic, or a level outside (0, 1).
    """
    _check_level(level)
    values, array = np.asarray(estimates, dtype=np.float64), np.asarray(replicates, dtype=np.float64)
    if values.ndim != 1 or not values.size or array.ndim != 2 or array.shape[1] != values.size:
        raise InputError(f"estimates must be (k,) and replicates (B, k), k > 0, not {values.shape} and {array.shape}")
    if len(array) < 2:
        nothing = np.full(values.shape, np.nan)
        return nothing, nothing.copy()
    errors = array.std(axis=0, ddof=1)
    moves = errors != 0  # a statistic that never varies has no say in the maximum; nan does
    scaled = np.abs(array - array.mean(axis=0)) / np.where(moves, errors, 1.0)
    width = np.quantile(np.where(moves, scaled, 0.0).max(axis=1), level) * errors
    return values - width, values + width


def p_by_inversion(decides: Callable[[float], bool], n_replicates: int) -> float:
    """The p-value that an interval implies: 1 less the highest level at which it still decides.

    So p is at most 0.05 just where the 95 % interval decides, whatever the kind of interval.

    Args:
        decides: takes a level between 0 and 1 and says whether the interval of that level lies where it should, such
            as beside zero; an interval that decides at one level must decide at all lower ones.
        n_replicates: B, of the bootstrap behind the interval.

    Returns:
        In [1 / (1 + B), 1]: the tails of B replicates show nothing smaller.

    >>> round(p_by_inversion(lambda level: level < 0.9, 1000), 3), p_by_inversion(lambda _: False, 1000)
    (0.1, 1.0)
    """
    least, most = 0.0, 1.0  # it decides at the first (or nowhere), and not at the second
    for _ in range(24):
        level = (least + most) / 2
        least, most = (level, most) if decides(level) else (least, level)
    return max(1 - least, 1 / (1 + n_replicates))


def holm(p_values: ArrayLike) -> Floats:
    """Holm's step-down adjustment: controls the chance of any false rejection among k tests, however dependent.

    Args:
        p_values: shape ``(k,)``, in [0, 1].

    Returns:
        Adjusted p-values, shape ``(k,)``, in the order given; never below the ones given.

    Raises:
        InputError: for another shape, or a value outside [0, 1] (nan included: leave such tests out).
    """
    array = np.asarray(p_values, dtype=np.float64)
    if array.ndim != 1 or not ((array >= 0) & (array <= 1)).all():
        raise InputError(f"p_values must be a list of numbers between 0 and 1, not {p_values!r}")
    order = np.argsort(array, kind="stable")
    steps = array[order] * np.arange(array.size, 0, -1)
    adjusted = np.empty_like(array)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


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


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, not {level!r}")


def _mean(replicates: Floats) -> float:
    """nan without replicates, and without a warning."""
    return float(replicates.mean()) if len(replicates) else math.nan
