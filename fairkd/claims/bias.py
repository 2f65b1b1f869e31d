"""Average SEAT as a ruler of claims, and the judges of two claims that are about more than a difference of averages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from fairkd.bias.effects import Effects, correlation
from fairkd.bias.stimuli import TESTS
from fairkd.claims.contrasts import LEVEL, Contrast, Finding, lower, one_sided
from fairkd.names import TEACHER, arm_words
from fairkd.stats.resampling import Floats
from fairkd.wording import listed, number, with_interval

OVER = "stimulus words"


@dataclass(frozen=True)
class AverageSeat:
    """Average SEAT of each arm; lower is less bias.

    Attributes:
        effects: of each arm by name, all under one pooling and the same resampled words.
        layers: the arms of Figure 1 and how many layers each has.
    """

    effects: Mapping[str, Effects]
    layers: Mapping[str, int]
    by_pooling: ClassVar[bool] = True
    unmeasured: ClassVar[str] = "The bias of the students was not measured."

    def lacks(self, arms: Sequence[str]) -> str:
        """Which of the arms were not measured, in a sentence; "" if all were."""
        missing = [arm_words(arm) for arm in arms if arm not in self.effects]
        return f"There is no result for {listed(missing)}." if missing else ""

    def against(self, arms: Sequence[str]) -> list[Contrast]:
        """Average SEAT of the first arm minus that of each other."""
        return [self._difference(arms[0], rival, self.seeds(arms)) for rival in arms[1:]]

    def seeds(self, arms: Iterable[str]) -> int:
        """Of the arm with the fewest. The teacher is not a draw: it has one copy, whatever its students' seeds."""
        return min(self.effects[arm].seeds for arm in arms if arm != TEACHER)

    def _difference(self, arm: str, baseline: str, seeds: int) -> Contrast:
        ours, theirs = self.effects[arm].average(), self.effects[baseline].average()
        difference = ours - theirs
        ends = difference.interval(LEVEL)
        return Contrast(
            difference,
            *ends,
            difference.p(),
            seeds,
            what=f"difference of average SEAT, {arm} − {baseline}",
            found=f"The average SEAT is {number(ours.value)} for {arm_words(arm)} and {number(theirs.value)} for "
            f"{arm_words(baseline)}, a difference of {with_interval(difference.value, *ends, seeds, over=OVER)}.",
            above=f"{arm_words(arm)} scores higher than {arm_words(baseline)}",
            below=f"{arm_words(arm)} scores lower than {arm_words(baseline)}",
        )


def falls_with_layers(seat: AverageSeat, _: Sequence[str]) -> Finding:
    """Judges a claim that Pearson's r of layers and average SEAT is below zero, over the students of Figure 1."""
    layers, effects = seat.layers, seat.effects
    lacks = seat.lacks(tuple(layers))
    if lacks:
        return Finding("not run", lacks)
    if len(set(layers.values())) < 3:
        return Finding("not run", "The correlation needs students of three depths or more: with two it is always ±1.")
    depths, averages = list(layers.values()), [effects[arm].average() for arm in layers]
    r, low, high = correlation(depths, averages)
    seeds = seat.seeds(layers)
    contrast = Contrast(
        r,
        low,
        high,
        _sign_p(r.replicates),
        seeds,
        what="Pearson's r of layers and average SEAT",
        found=f"Over students of {listed([str(depth) for depth in sorted(set(depths))])} layers, the correlation of "
        f"the number of layers with the average SEAT is r = {with_interval(r.value, low, high, seeds, over=OVER)}.",
        above="students with fewer layers score lower",
        below="students with fewer layers score higher",
    )
    return one_sided(contrast, side=-1)


def lower_in_tests(seat: AverageSeat, arms: Sequence[str], least: int = 4) -> Finding:
    """Judges a claim that the average of the first of two arms is lower, and |d| in at least ``least`` tests too.

    Each test's differences are shifted to their estimate before tests are counted, as they are for the average: noise
    makes a small |d| larger.
    """
    average = lower(seat, arms)
    if not math.isfinite(average.low):
        return average
    (ours, our_draws), (theirs, their_draws) = (seat.effects[arm].absolute_tests() for arm in arms)
    differences, draws = ours - theirs, our_draws - their_draws
    counts = (draws - draws.mean(axis=0) + differences < 0).sum(axis=1)
    low = int(np.quantile(counts, (1 - LEVEL) / 2, method="lower"))
    high = int(np.quantile(counts, (1 + LEVEL) / 2, method="higher"))
    fell = [test for test, difference in zip(TESTS, differences, strict=True) if difference < 0]
    tests = "supported" if low >= least else "contradicted" if high < least else "inconclusive"
    verdicts = {average.verdict, tests} if average.seeds > 1 else {"inconclusive"}
    verdict = next(v for v in ("contradicted", "inconclusive", "supported") if v in verdicts)
    held = {"supported": "surely", "contradicted": "surely not", "inconclusive": "not surely"}[tests]
    text = f"|d| is lower in {len(fell)} of {len(TESTS)} tests{f' ({listed(fell)})' if fell else ''}, in {low} to "
    text += f"{high} of them when resampled: {held} {least} or more{' for these words' if average.seeds == 1 else ''}."
    return replace(average, verdict=verdict, sentence=f"{average.sentence} {text}")


def _sign_p(replicates: Floats) -> float:
    """Two-sided p of r, twice the share beyond zero, as its percentile interval: r is bounded and cannot be shifted."""
    beyond = min((replicates <= 0).sum(), (replicates >= 0).sum())
    return min(1.0, float(2 * (1 + beyond) / (1 + len(replicates)))) if np.isfinite(replicates).all() else math.nan
