"""Equivalence: whether "no significant effect" may be read as "no effect that matters".

That is what the paper says of mixup and GLUE (Abstract, Table 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fairkd.errors import InputError
from fairkd.stats.estimates import Estimate
from fairkd.stats.resampling import p_by_inversion


@dataclass(frozen=True)
class Equivalence:
    """Outcome of :func:`equivalence`.

    Attributes:
        low, high: the interval of level 1 - 2 · size, 90 % by default, that must lie within the margin.
        p: the larger of the two one-sided p-values.
        equivalent: whether the statistic is shown to lie between -margin and margin: p <= size.
    """

    low: float
    high: float
    p: float
    equivalent: bool


def equivalence(estimate: Estimate, margin: float, size: float = 0.05) -> Equivalence:
    """Two one-sided tests (TOST): is the statistic shown to be smaller than ``margin`` in size?

    "No significant effect" shows nothing by itself; this does. The tests are read off the strict interval, which holds
    the estimate and the bias-corrected estimate: noise draws averages of |d| together, which is no equivalence. p and
    interval agree: p <= size where -margin < low and high < margin.

    Args:
        estimate: a statistic, such as a difference of two averages. One seed allows for no other training.
        margin: the smallest size that would matter, in units of the statistic, above 0; to be fixed before looking.
        size: of each one-sided test, below one half. With fewer than 1 / size - 1 replicates the interval has no ends.

    Returns:
        nan and "not equivalent" where the estimate is not defined.

    Raises:
        InputError: for a margin that is not a positive number, or a size outside (0, 1/2).
    """
    if not 0 < size < 0.5:
        raise InputError(f"size must lie between 0 and 1/2, not {size!r}")
    if not 0 < margin < math.inf:
        raise InputError(f"margin must be a positive number, not {margin!r}")
    if not estimate.defined:
        return Equivalence(math.nan, math.nan, math.nan, False)

    def decides(level: float) -> bool:
        low, high = estimate.strict_interval(max(2 * level - 1, 1e-6))  # from one half on any interval is one point
        return -margin < low and high < margin

    low, high = estimate.strict_interval(1 - 2 * size)
    return Equivalence(low, high, p_by_inversion(decides, len(estimate.replicates)), decides(1 - size))
