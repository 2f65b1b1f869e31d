"""SEAT of an arm over its seeds and over resampled stimulus words: averages, differences and their replicates.

The average is the paper's: the mean of |d| over the six tests, then over seeds. Every estimate carries the same
replicates of words and seeds, so that a difference of two estimates is paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairkd.bias.stimuli import TESTS
from fairkd.rng import numpy_generator
from fairkd.stats.estimates import Estimate
from fairkd.stats.resampling import (
    Floats,
    multibootstrap,
    pearson_r,
    percentile_interval,
    resample_seeds,
    widened,
)


@dataclass(frozen=True)
class Effects:
    """Effect sizes of one arm (or the teacher, one seed) under one pooling.

    Attributes:
        d: (seeds, 6), signed, in the order of ``TESTS``.
        replicates: (seeds, B, 6), d under resampled words.
    """

    d: Floats
    replicates: Floats

    @property
    def seeds(self) -> int:
        """How many."""
        return len(self.d)

    def average(self, tests: Sequence[str] = TESTS) -> Estimate:
        """Average SEAT: mean of |d| over tests (all six, or these) and seeds."""
        columns = [TESTS.index(test) for test in tests]
        by_seed = np.abs(self.d[:, columns]).mean(axis=1)
        replicates = np.abs(self.replicates[:, :, columns]).mean(axis=2)
        return Estimate(float(by_seed.mean()), self._over_seeds(replicates), by_seed)

    def signed(self) -> Estimate:
        """Mean of d over tests and seeds: zero where stereotypes and counter-stereotypes cancel."""
        by_seed = self.d.mean(axis=1)
        return Estimate(float(by_seed.mean()), self._over_seeds(self.replicates.mean(axis=2)), by_seed)

    def tests(self) -> tuple[Floats, Floats, Floats]:
        """d of each test, mean over seeds, with the ends of its 95 % interval: three arrays (6,)."""
        replicates = self._over_seeds(self.replicates)
        stretched = np.stack([widened(replicates[:, n], self.d[:, n]) for n in range(self.d.shape[1])], axis=1)
        low, high = percentile_interval(stretched)
        return self.d.mean(axis=0), low, high

    def _over_seeds(self, values: Floats) -> Floats:
        """Means over resampled seeds, (B, …), of values (seeds, B, …); every arm draws the same seeds."""
        draws = resample_seeds(self.seeds, values.shape[1], numpy_generator(0, "resampled seeds", self.seeds))
        return multibootstrap(values, draws)


@dataclass(frozen=True)
class Correlation(Estimate):
    """Pearson's r as an estimate. It is bounded, so its percentile interval is not shifted and ends within [-1, 1]."""

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Percentile interval that allows for few seeds."""
        low, high = percentile_interval(np.clip(widened(self.replicates, self.by_seed, level), -1.0, 1.0), level)
        return float(low), float(high)


def correlation(layers: list[int], averages: list[Estimate]) -> Correlation:
    """Pearson's r of layers and average SEAT over arms (Figure 1)."""
    r = float(pearson_r(layers, [average.value for average in averages]))
    seeds = min(len(average.by_seed) for average in averages)
    by_seed = pearson_r(layers, np.stack([average.by_seed[:seeds] for average in averages], axis=1))
    replicates = pearson_r(layers, np.stack([average.replicates for average in averages], axis=1))
    return Correlation(r, replicates, by_seed)


def slope(layers: list[int], averages: list[Estimate]) -> Estimate:
    """Least-squares slope of an average on the number of layers, over arms: its sign is that of their correlation.

    Unlike r it is a weighted sum of the averages, so that its interval can keep a level far beyond 95 %.
    """
    away = np.array(layers) - np.mean(layers)
    weights = away / (away**2).sum()
    seeds = min(len(average.by_seed) for average in averages)
    return Estimate(
        float(weights @ [average.value for average in averages]),
        weights @ np.stack([average.replicates for average in averages]),
        weights @ np.stack([average.by_seed[:seeds] for average in averages]),
    )
