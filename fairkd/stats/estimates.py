"""An estimate with its bootstrap replicates: its interval, its p-value, and paired differences of two."""

from __future__ import annotations

from dataclasses import dataclass

from fairkd.stats.resampling import Floats, bias_aware_interval, difference_p, widened


@dataclass(frozen=True)
class Estimate:
    """A statistic with its bootstrap replicates.

    Attributes:
        value: on the data, the mean over seeds.
        replicates: (B,) under resampled words and seeds; replicate b has the same words and seeds in every estimate.
        by_seed: (seeds,) the statistic of each seed on the data; one for the teacher.
    """

    value: float
    replicates: Floats
    by_seed: Floats

    def __sub__(self, other: Estimate) -> Estimate:
        """The paired difference; one value, such as the teacher's, stands against each seed of the other."""
        ours, theirs = self.by_seed, other.by_seed
        if min(len(ours), len(theirs)) > 1:
            ours, theirs = ours[: len(theirs)], theirs[: len(ours)]  # the seeds that both have
        return Estimate(self.value - other.value, self.replicates - other.replicates, ours - theirs)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """An interval that allows for few seeds and for the bias of |d|, see :mod:`fairkd.stats.resampling`."""
        return bias_aware_interval(self.value, widened(self.replicates, self.by_seed, level), level)

    def p(self) -> float:
        """Two-sided p-value for "it is zero", see :func:`fairkd.stats.resampling.difference_p`."""
        return difference_p(self.value, widened(self.replicates, self.by_seed))
