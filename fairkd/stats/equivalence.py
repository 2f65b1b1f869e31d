"""Equivalence: whether "no significant effect" may be read as "no effect that matters".

That is what the paper says of mixup and GLUE (Abstract, Table 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fairkd.errors import InputError
from fairkd.stats.resampling import bias_corrected


@dataclass(frozen=True)
class Equivalence:
    """Outcome of :func:`equivalence`.

    Attributes:
        low, high: the interval of level 1 - 2 · (1 - level), 90 % by default, that must lie within the margin.
        p: the larger of the two one-sided p-values.
        equivalent: whether the statistic is shown to lie between -margin and margin: p <= 1 - level.
    """

    low: float
    high: float
    p: float
    equivalent: bool


def equivalence(estimate: float, replicates: ArrayLike, margin: float, level: float = 0.95) -> Equivalence:
    """Two one-sided tests (TOST): is the statistic shown to be smaller than ``margin`` in size?

    "No significant effect" shows nothing by itself; this does. Both tests are made for the estimate and for the
    bias-corrected estimate, and the larger p counts: noise draws averages of |d| together, which is no equivalence.
    p and interval agree: p <= 1 - level where -margin < low and high < margin.

    Args:
        estimate: the statistic on the data, such as a difference of two averages.
        replicates: shape ``(B,)``; nan among them, or none, gives nan and "not equivalent".
        margin: the smallest size that would matter, in units of the statistic, above 0; to be fixed before looking.
        level: 1 - size of each one-sided test. Below 1 / (1 - level) - 1 replicates the interval is unbounded.

    Raises:
        InputError: for a margin that is not a positive number, or a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, not {level!r}")
    if not 0 < margin < math.inf:
        raise InputError(f"margin must be a positive number, not {margin!r}")
    array = np.asarray(replicates, dtype=np.float64)
    if not len(array) or np.isnan(array).any() or math.isnan(estimate):
        return Equivalence(math.nan, math.nan, math.nan, False)
    deviations = np.sort(array - array.mean())
    least, most = sorted((estimate, bias_corrected(estimate, array)))
    above = (deviations >= least + margin).sum()  # at least as far up as the data, were the truth -margin
    below = (deviations <= most - margin).sum()
    p = float((1 + max(above, below)) / (1 + len(array)))
    # p <= 1 - level allows `spare` replicates beyond the data: the interval ends at the next one.
    size = (1 - level) * (1 + len(array)) * (1 + 1e-12)  # 0.05 · 1000 must not round to 49
    spare = math.floor(size) - 1
    low = least - deviations[-1 - spare] if spare >= 0 else -math.inf
    high = most - deviations[spare] if spare >= 0 else math.inf
    return Equivalence(float(low), float(high), p, 1 + max(above, below) <= size)
