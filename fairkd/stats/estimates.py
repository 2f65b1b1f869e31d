"""An estimate with its bootstrap replicates: its interval, its p-value, and paired differences of two."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtri

from fairkd.stats.resampling import (
    Floats,
    bias_aware_interval,
    bias_corrected,
    degrees_of_freedom,
    detectable_value,
    fewest_replicates,
    p_by_inversion,
    power_at,
    shown_of_deviation,
    simultaneous_intervals,
    strict_reach,
    t_over_z,
    variance_parts,
    widened,
)


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

    def __neg__(self) -> Estimate:
        return Estimate(-self.value, -self.replicates, -self.by_seed)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """An interval that allows for few seeds and for the bias of |d|, see :mod:`fairkd.stats.resampling`."""
        if not self.defined or len(self.replicates) < fewest_replicates(level):
            return bias_aware_interval(self.value, widened(self.replicates, self.by_seed, level), level)
        # The same from deviations that are sorted once: a p-value asks for two dozen levels.
        factor = t_over_z(self._free, level)
        low, high = self._percentiles(level)
        return self._least + factor * low, self._most + factor * high

    def strict_interval(self, level: float) -> tuple[float, float]:
        """An interval for levels so high that many hold together; like :meth:`interval` it allows for the bias of |d|.

        Each end is as far out as the percentiles say, or as :func:`fairkd.stats.resampling.strict_reach` if that is
        farther. Without ends where the replicates are too few for the level, see
        :func:`fairkd.stats.resampling.percentile_interval`.
        """
        if not self.defined:
            return math.nan, math.nan
        if len(self.replicates) < fewest_replicates(level):
            return -math.inf, math.inf
        reach, (low, high) = self._reach(level), self._percentiles(level)
        return self._least - max(reach, -low), self._most + max(reach, high)

    def detectable(self, level: float, power: float) -> float:
        """The smallest true value, as a distance from zero, that an experiment like this finds with this power.

        Found is what a :meth:`strict_interval` shows to lie beside zero. What that is longer by than its strict reach,
        to allow for bias or skew, comes on top. nan where the interval has no ends, and with one seed, which finds
        nothing.
        """
        if (parts := self._chance(level)) is None:
            return math.nan
        items, seeds, longer = parts
        return longer + detectable_value(items, seeds, len(self.by_seed), level, power)

    def power(self, level: float, *, side: int = 1) -> float:
        """How often an experiment like this finds a true value of what was estimated, above zero (side -1: below).

        That is 80 % where the estimate is as far out as :meth:`detectable` says for 80 %; nan as there.
        """
        if (parts := self._chance(level)) is None:
            return math.nan
        items, seeds, longer = parts
        return float(power_at(side * self.value - longer, items, seeds, len(self.by_seed), level))

    def power_interval(self, level: float, *, side: int = 1) -> tuple[float, float]:
        """Between which ends :meth:`power` lies with 95 %: few seeds tell little of a value and less of its spread.

        Of 40 × 40 truths that are equally likely given the data: variances of the seeds by chi-squared, and values that
        are normal with that variance and the items'. nan as :meth:`power`.
        """
        if (parts := self._chance(level)) is None:
            return math.nan, math.nan
        (items, shown), longer, n = self._parts, parts[2], len(self.by_seed)
        shares = (np.arange(40) + 0.5) / 40
        seeds = shown * (n - 1) / (2 * gammaincinv((n - 1) / 2, shares))
        values = side * self.value - longer + ndtri(shares) * np.sqrt(items + seeds)[:, None]
        powers = [power_at(own, items, float(one), n, level) for own, one in zip(values, seeds, strict=True)]
        low, high = np.quantile(powers, [0.025, 0.975])
        return float(low), float(high)

    def _chance(self, level: float) -> tuple[float, float, float] | None:
        """Variance from items and from seeds, and by how much a strict interval is longer than its strict reach."""
        (low, high), n = self.strict_interval(level), len(self.by_seed)
        if n == 1 or not math.isfinite(low + high):
            return None
        (items, seeds), longer = self._parts, (high - low) / 2 - self._reach(level)
        return items, seeds / shown_of_deviation(n) ** 2, max(longer, 0.0)

    @cached_property
    def _deviations(self) -> Floats:
        """Of the replicates from their mean, ascending."""
        return np.sort(self.replicates - self.replicates.mean())

    def _percentiles(self, level: float) -> tuple[float, float]:
        """Those in which the deviations' interval of this level ends."""
        tail, last = (1 - level) / 2, len(self.replicates) - 1
        low, high = np.interp([tail * last, (1 - tail) * last], np.arange(last + 1), self._deviations)
        return float(low), float(high)

    @cached_property
    def _corrected(self) -> float:
        return bias_corrected(self.value, self.replicates)

    @property
    def _least(self) -> float:
        return min(self.value, self._corrected)

    @property
    def _most(self) -> float:
        return max(self.value, self._corrected)

    @cached_property
    def _free(self) -> float:
        return degrees_of_freedom(self.replicates, self.by_seed) if len(self.replicates) > 1 else math.inf

    @cached_property
    def _parts(self) -> tuple[float, float]:
        return variance_parts(self.replicates, self.by_seed)

    def _reach(self, level: float) -> float:
        return float(strict_reach(*self._parts, len(self.by_seed), level))

    def p(self) -> float:
        """Two-sided p-value for "it is zero": at most 0.05 just where the 95 % :meth:`interval` leaves zero.

        nan where there is no interval, and with one seed, which says nothing about another run of the training.
        """
        return math.nan if not math.isfinite(sum(self.interval())) else self._inverted(self.interval)

    def strict_p(self) -> float:
        """As :meth:`p`, of :meth:`strict_interval`: at most what a level leaves just where that leaves zero."""
        return self._inverted(self.strict_interval)

    @cached_property
    def defined(self) -> bool:
        """Whether there are replicates, and they and the value are numbers."""
        return bool(len(self.replicates)) and math.isfinite(self.value) and bool(np.isfinite(self.replicates).all())

    def _inverted(self, interval: Callable[[float], tuple[float, float]]) -> float:
        if len(self.by_seed) == 1 or not self.defined:
            return math.nan

        def decides(level: float) -> bool:
            low, high = interval(level)
            return not low <= 0 <= high

        return p_by_inversion(decides, len(self.replicates))


def detectable_lead(estimates: Sequence[Estimate], level: float, power: float) -> float:
    """The smallest lead over all of several others that an experiment like this finds with this power.

    Found is a lead of which each :meth:`Estimate.strict_interval` lies above zero, so the noisiest comparison asks for
    most of it. All others are given the same lead; each comparison has its own power there, and their replicates show
    how they rise and fall together (a normal copula). nan where a comparison finds nothing, see
    :meth:`Estimate.detectable`, or does not vary at all.

    Args:
        estimates: how far one lies above each of the others.
    """
    chances = [one._chance(level) for one in estimates]
    if any(own is None or own[0] + own[1] == 0 for own in chances):
        return math.nan
    least = max(one.detectable(level, power) for one in estimates)
    most = max(one.detectable(level, 1 - (1 - power) / len(estimates)) for one in estimates)  # enough by Bonferroni
    leads = np.linspace(least, most, 65)
    found: NDArray[np.bool_] = np.ones((1, 1), dtype=bool)
    for one, (items, seeds, longer) in zip(estimates, filter(None, chances), strict=True):
        each = power_at(leads - longer, items, seeds, len(one.by_seed), level)
        deviations = (one.replicates - one.replicates.mean()) / one.replicates.std()
        found = found & (deviations > -ndtri(each)[:, None])
    return float(np.interp(power, found.mean(axis=1), leads))


def above_the_lowest(estimates: Mapping[str, Estimate]) -> tuple[str, dict[str, tuple[Estimate, float, float]]]:
    """Which is the lowest, and how far each of the others lies above it, with ends that all hold together (95 %).

    Whoever picks the best of several compares it with all others at once. Each joint interval holds the one of that
    difference alone, which the other tables show: it may be skewed, and allows for the bias of |d|. "" and nothing
    where there is none.
    """
    lowest = min(estimates, key=lambda name: estimates[name].value, default="")
    gaps = {name: estimate - estimates[lowest] for name, estimate in estimates.items() if name != lowest}
    if not gaps:
        return lowest, {}
    replicates = np.stack([widened(gap.replicates, gap.by_seed) for gap in gaps.values()], axis=1)
    low, high = simultaneous_intervals([gap.value for gap in gaps.values()], replicates)
    alone = [gap.interval() for gap in gaps.values()]
    ends = [(min(a, float(c)), max(b, float(d))) for (a, b), c, d in zip(alone, low, high, strict=True)]
    return lowest, {name: (gap, *own) for (name, gap), own in zip(gaps.items(), ends, strict=True)}


def clear_lowest(estimates: Mapping[str, Estimate]) -> str | None:
    """The one that lies below each of the others beyond doubt: no interval of :func:`above_the_lowest` holds zero.

    None where there is no such one or only one at all, and with one seed, which decides nothing.
    """
    lowest, gaps = above_the_lowest(estimates)
    if not gaps or min(len(estimate.by_seed) for estimate in estimates.values()) == 1:
        return None
    return lowest if all(low > 0 for _, low, _ in gaps.values()) else None
