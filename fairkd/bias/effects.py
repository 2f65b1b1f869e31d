"""SEAT of an arm over its seeds and over resampled stimulus words: averages, differences and their replicates.

The average is the paper's: the mean of |d| over the six tests, then over students. Every estimate carries the same
replicates of words and seeds, so that a difference of two estimates is paired. A seed is what is resampled as a whole:
a student, or where there are several teachers one of them with all of its students.
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
    mean_by_seed,
    multibootstrap,
    pearson_r,
    percentile_interval,
    resample_seeds,
    widened,
)


@dataclass(frozen=True)
class Effects:
    """Effect sizes of one arm (or of the teacher) under one pooling.

    Attributes:
        d: (n, 6) of n models, signed, in the order of ``TESTS``.
        replicates: (n, B, 6), d under resampled words.
        students: so many models in a row are of one seed, of which their mean counts.
    """

    d: Floats
    replicates: Floats
    students: int = 1

    @property
    def seeds(self) -> int:
        """How many."""
        return len(self.d) // self.students

    def average(self, tests: Sequence[str] = TESTS) -> Estimate:
        """Average SEAT: mean of |d| over tests (all six, or these) and seeds."""
        columns = [TESTS.index(test) for test in tests]
        by_seed = self._by_seed(np.abs(self.d[:, columns]).mean(axis=1))
        replicates = self._by_seed(np.abs(self.replicates[:, :, columns]).mean(axis=2))
        return Estimate(float(by_seed.mean()), self._over_seeds(replicates), by_seed)

    def signed(self, tests: Sequence[str] = TESTS) -> Estimate:
        """Mean of d over tests (all six, or these) and seeds: zero where stereotypes and their opposites cancel."""
        columns = [TESTS.index(test) for test in tests]
        by_seed = self._by_seed(self.d[:, columns].mean(axis=1))
        replicates = self._by_seed(self.replicates[:, :, columns].mean(axis=2))
        return Estimate(float(by_seed.mean()), self._over_seeds(replicates), by_seed)

    def tests(self) -> tuple[Floats, Floats, Floats]:
        """d of each test, mean over seeds, with the ends of its 95 % interval: three arrays (6,)."""
        by_seed, replicates = self._by_seed(self.d), self._over_seeds(self._by_seed(self.replicates))
        stretched = np.stack([widened(replicates[:, n], by_seed[:, n]) for n in range(by_seed.shape[1])], axis=1)
        low, high = percentile_interval(stretched)
        return by_seed.mean(axis=0), low, high

    def each_seed(self) -> list[Effects]:
        """The same of each seed alone."""
        parts = np.split(np.arange(len(self.d)), self.seeds)
        return [Effects(self.d[rows], self.replicates[rows], self.students) for rows in parts]

    def _by_seed(self, values: Floats) -> Floats:
        """Means over the students of each seed, (seeds, …), of values (n, …)."""
        return mean_by_seed(values, self.students)

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
