"""The statistic of SEAT: effect size and permutation p-value of an association (Appendix B; May et al. 2019).

With s(w) = mean_{a in A} cos(w, a) - mean_{b in B} cos(w, b), the effect size is

    d = (mean_{x in X} s(x) - mean_{y in Y} s(y)) / std_{w in X u Y} s(w),    std with ddof 1,

and the one-sided p-value is the share of equal splits of X u Y whose statistic sum_{x in X} s(x) is at least the
observed one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairkd.engine.processes import cores
from fairkd.errors import InputError
from fairkd.rng import numpy_generator
from fairkd.stats.resampling import Floats

# Splits whose statistic equals the observed one count as at least as large; summed in another order they may differ
# by rounding (about 1e-14 for sums of cosines).
TIE_TOLERANCE = 1e-10
NO_SPREAD = 1e-12  # a standard deviation of cosines below this is rounding
_CHUNK = 2**18  # numbers held at once while splits are drawn or enumerated: few enough for a core's cache


def effect_size(X: ArrayLike, Y: ArrayLike, A: ArrayLike, B: ArrayLike) -> float:
    """SEAT's d (Appendix B).

    Args:
        X, Y: vectors of the target sentences, shapes ``(n_x, d)`` and ``(n_y, d)``; lengths of vectors do not matter.
        A, B: vectors of the attribute sentences, ``(n_a, d)`` and ``(n_b, d)``.

    Returns:
        d, in units of the standard deviation (ddof 1) of s over all targets; positive where X goes with A.

    Raises:
        InputError: for sets that are empty, not two-dimensional, of different widths, with a zero or non-finite
            vector; or where all targets have the same s, so that d is undefined.

    >>> male, female = [[3, 1], [2, 1]], [[1, 3], [1, 2]]
    >>> career, family = [[1, 0]], [[0, 1]]
    >>> round(effect_size(male, female, career, family), 3), round(effect_size(female, male, career, family), 3)
    (1.707, -1.707)
    """
    return effect(*associations(X, Y, A, B))


def p_value(X: ArrayLike, Y: ArrayLike, A: ArrayLike, B: ArrayLike, n_samples: int = 100_000, seed: int = 0) -> float:
    """One-sided permutation p-value of the association (large d = small p).

    Exact over all C(2n, n) equal splits where there are at most ``n_samples`` of them; otherwise
    (1 + #{statistic >= observed}) / n_samples over n_samples - 1 random splits. Ties count.

    Args:
        X, Y, A, B: as for ``effect_size``, with ``n_x == n_y == n``.
        n_samples: most splits to look at.
        seed: of the random splits; the same seed gives the same splits in every test of equal n and every model.

    Returns:
        p in (0, 1].

    Raises:
        InputError: as ``effect_size``, for sets X and Y of different sizes, or n_samples < 1.

    Two words a side can be split in six ways; one of them is as extreme:

    >>> round(p_value([[3, 1], [2, 1]], [[1, 3], [1, 2]], [[1, 0]], [[0, 1]]), 4)
    0.1667
    """
    return permutation_p(*associations(X, Y, A, B), n_samples=n_samples, seed=seed)


def unit(vectors: ArrayLike, name: str) -> Floats:
    """Rows scaled to length 1 in float64, checked."""
    array = np.asarray(vectors, dtype=np.float64)
    if array.ndim != 2 or 0 in array.shape:
        raise InputError(f"{name} must be vectors of shape (n, d) with n and d at least 1, not {array.shape}")
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds NaN or infinite values")
    # Divided by the largest entry first, so that no square under- or overflows.
    largest = np.abs(array).max(axis=1, keepdims=True)
    if not largest.all():
        raise InputError(f"{name} holds a zero vector (row {int(np.argmin(largest))}): its cosine is undefined")
    array = array / largest
    rows: Floats = array / np.linalg.norm(array, axis=1, keepdims=True)
    return rows


def associations(X: ArrayLike, Y: ArrayLike, A: ArrayLike, B: ArrayLike) -> tuple[Floats, Floats]:
    """s(x) for X ``(n_x,)`` and s(y) for Y ``(n_y,)``."""
    x, y, a, b = (unit(part, name) for part, name in zip((X, Y, A, B), "XYAB", strict=True))
    if len({part.shape[1] for part in (x, y, a, b)}) > 1:
        raise InputError(f"X, Y, A and B must be equally wide, not {[part.shape[1] for part in (x, y, a, b)]}")
    # The mean of cosines with unit vectors is the product with their mean.
    contrast = a.mean(axis=0) - b.mean(axis=0)
    return x @ contrast, y @ contrast


def effect(s_x: Floats, s_y: Floats) -> float:
    """d from the associations of X ``(n_x,)`` and Y ``(n_y,)``; see ``effect_size``."""
    spread = np.concatenate([s_x, s_y]).std(ddof=1)
    if spread <= NO_SPREAD:
        raise InputError("all target vectors have the same association with A and B: the effect size is undefined")
    return float((s_x.mean() - s_y.mean()) / spread)


def permutation_p(s_x: Floats, s_y: Floats, *, n_samples: int, seed: int) -> float:
    """p from the associations of X and Y, both ``(n,)``; see ``p_value``."""
    n = len(s_x)
    if n != len(s_y):
        raise InputError(f"the permutation test needs X and Y of equal size, not {n} and {len(s_y)}")
    if n_samples < 1:
        raise InputError(f"n_samples must be 1 or more, not {n_samples}")
    scores, threshold = np.concatenate([s_x, s_y]), s_x.sum() - TIE_TOLERANCE
    n_splits = math.comb(2 * n, n)
    if n_splits <= n_samples:
        hits = sum(int((scores[split].sum(axis=1) >= threshold).sum()) for split in _all_splits(n))
        return hits / n_splits
    rows = _rows(n)

    def hits_of(chunk: int) -> int:
        split = np.unpackbits(_random_splits(n, seed, chunk), axis=1, count=2 * n)[: n_samples - 1 - chunk * rows]
        return int((split.astype(np.float64) @ scores >= threshold).sum())

    with ThreadPoolExecutor(cores()) as pool:
        return (1 + sum(pool.map(hits_of, range(math.ceil((n_samples - 1) / rows))))) / n_samples


def _all_splits(n: int) -> Iterator[NDArray[np.int64]]:
    """All ways to choose n of 2n positions, in chunks of shape ``(rows, n)``; the observed split comes first."""
    splits = itertools.combinations(range(2 * n), n)
    while chunk := list(itertools.islice(splits, max(1, _CHUNK // n))):
        yield np.array(chunk)


def _rows(n: int) -> int:
    """Random splits of 2n positions that are drawn at a time."""
    return max(1, _CHUNK // (2 * n))


@lru_cache(maxsize=512)  # at most 16 MB: drawing splits costs more than using them, and every model uses the same
def _random_splits(n: int, seed: int, chunk: int) -> NDArray[np.uint8]:
    """Random choices of n of 2n positions as packed bits, a row a split; a chunk's draw depends on nothing else.

    Of each row's 2n random keys the n smallest are chosen. Where two are equal at this border the chunk is drawn
    anew, once in some ten thousand, so that all equal splits stay equally likely.
    """
    draw, tied = numpy_generator(seed, "seat splits", n, chunk), True
    while tied:
        keys = draw.integers(2**64, size=(_rows(n), n), dtype=np.uint64).view(np.uint32)  # quick to sort
        last, after = np.sort(keys, axis=1)[:, n - 1 : n + 1].T
        tied = bool((last == after).any())
    packed = np.packbits(keys <= last[:, None], axis=1)
    packed.flags.writeable = False
    return packed
