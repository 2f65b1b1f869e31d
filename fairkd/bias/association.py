"""The statistic of SEAT: effect size and permutation p-value of an association (Appendix B; May et al. 2019).

With s(w) = mean_{a in A} cos(w, a) - mean_{b in B} cos(w, b), the effect size is

    d = (mean_{x in X} s(x) - mean_{y in Y} s(y)) / std_{w in X u Y} s(w),    std with ddof 1,

and the published one-sided p-value is the share of equal splits of X u Y whose statistic sum_{x in X} s(x) is at least
the observed one. It takes sentences for independent. A stimulus word's 3 to 14 sentences are near copies of one
another, so this p is too small: for words drawn at random it is .05 or less in 17 to 33 % of cases. Hence the other
one, over words: a word is moved with all its sentences, and the statistic is d itself.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
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


def word_p_value(
    X: ArrayLike,
    Y: ArrayLike,
    A: ArrayLike,
    B: ArrayLike,
    *,
    words_x: Sequence[int],
    words_y: Sequence[int],
    n_samples: int = 100_000,
    seed: int = 0,
) -> float:
    """One-sided permutation p-value over words: the share of equal splits of the words whose d is the observed or more.

    All sentences of a word go to the same side, so that the words, not their near copies, are what could have been
    drawn otherwise. Exact for eight words a side (12,870 splits); otherwise as ``p_value``.

    Args:
        X, Y, A, B: as for ``effect_size``; X and Y need not have equally many sentences.
        words_x, words_y: for each sentence of X and of Y, which word it is of; as many words in X as in Y. Equal
            numbers in X and Y are different words.
        n_samples, seed: as for ``p_value``.

    Returns:
        p in (0, 1].

    Raises:
        InputError: as ``p_value``; or words that are not one a sentence, or not equally many.

    Two words a side, the first of X with two sentences; of the six splits only the observed one reaches its d:

    >>> X, Y = [[3, 1], [3, 1.1], [2, 1]], [[1, 3], [3, 2]]
    >>> round(word_p_value(X, Y, [[1, 0]], [[0, 1]], words_x=[0, 0, 1], words_y=[0, 1]), 4)
    0.1667
    """
    scores = associations(X, Y, A, B)
    return permutation_word_p(*scores, words_x=words_x, words_y=words_y, n_samples=n_samples, seed=seed)


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
    scores, threshold = np.concatenate([s_x, s_y]), s_x.sum() - TIE_TOLERANCE
    return _share_of_splits(n, lambda chosen: chosen @ scores >= threshold, n_samples=n_samples, seed=seed)


def permutation_word_p(
    s_x: Floats, s_y: Floats, *, words_x: Sequence[int], words_y: Sequence[int], n_samples: int, seed: int
) -> float:
    """p over words from the associations of X ``(n_x,)`` and Y ``(n_y,)``; see ``word_p_value``."""
    if len(words_x) != len(s_x) or len(words_y) != len(s_y):
        raise InputError(
            f"a word a sentence: {len(words_x)} and {len(words_y)} words for {len(s_x)} and {len(s_y)} sentences"
        )
    (sums_x, counts_x), (sums_y, counts_y) = _by_word(s_x, words_x), _by_word(s_y, words_y)
    n = len(counts_x)
    if n != len(counts_y):
        raise InputError(f"the permutation test needs as many words in X as in Y, not {n} and {len(counts_y)}")
    sums, counts = np.concatenate([sums_x, sums_y]), np.concatenate([counts_x, counts_y])
    threshold = s_x.mean() - s_y.mean() - TIE_TOLERANCE

    def hits(chosen: Floats) -> NDArray[np.bool_]:
        # The spread of all targets is the same however they are split, so d is compared by its numerator.
        sum_x, count_x = chosen @ sums, chosen @ counts
        means: Floats = sum_x / count_x - (sums.sum() - sum_x) / (counts.sum() - count_x)
        return means >= threshold

    return _share_of_splits(n, hits, n_samples=n_samples, seed=seed)


def _by_word(scores: Floats, words: Sequence[int]) -> tuple[Floats, Floats]:
    """Sum of the scores of each word and the number of its sentences, both (words,)."""
    _, position = np.unique(np.asarray(words), return_inverse=True)
    return np.bincount(position, weights=scores).astype(np.float64), np.bincount(position).astype(np.float64)


def _share_of_splits(n: int, hits: Callable[[Floats], NDArray[np.bool_]], *, n_samples: int, seed: int) -> float:
    """Share of the equal splits of 2n positions that are hits, the observed one among them; sampled if too many.

    ``hits`` takes splits (rows, 2n), 1 where a position goes to X, and says which reach the observed statistic.
    """
    if n_samples < 1:
        raise InputError(f"n_samples must be 1 or more, not {n_samples}")
    n_splits = math.comb(2 * n, n)
    if n_splits <= n_samples:
        chunks = [_every_split(n)] if n_splits * 2 * n <= _CHUNK else _all_splits(n)
        return sum(int(hits(chosen).sum()) for chosen in chunks) / n_splits
    rows = _rows(n)

    def hits_of(chunk: int) -> int:
        split = np.unpackbits(_random_splits(n, seed, chunk), axis=1, count=2 * n)[: n_samples - 1 - chunk * rows]
        return int(hits(split.astype(np.float64)).sum())

    with ThreadPoolExecutor(cores()) as pool:
        return (1 + sum(pool.map(hits_of, range(math.ceil((n_samples - 1) / rows))))) / n_samples


def _all_splits(n: int) -> Iterator[Floats]:
    """All ways to choose n of 2n positions, in chunks of shape ``(rows, 2n)``, 1 where chosen; the observed first."""
    splits = itertools.combinations(range(2 * n), n)
    while chunk := list(itertools.islice(splits, max(1, _CHUNK // (2 * n)))):
        chosen = np.zeros((len(chunk), 2 * n))
        np.put_along_axis(chosen, np.array(chunk), 1.0, axis=1)
        yield chosen


@lru_cache(maxsize=8)  # 2 MB: eight words a side are split alike in every test and model
def _every_split(n: int) -> Floats:
    """:func:`_all_splits` in one piece, for few positions."""
    chosen = np.concatenate(list(_all_splits(n)))
    chosen.flags.writeable = False
    return chosen


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
