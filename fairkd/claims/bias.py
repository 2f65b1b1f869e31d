"""Average SEAT as a ruler of claims, and the judges of two claims that are about more than a difference of averages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from fairkd.bias.effects import Effects, correlation
from fairkd.bias.stimuli import NAME_TESTS, TESTS
from fairkd.claims.contrasts import LEVEL, ONE_SEED, UNDEFINED, Contrast, Finding, level_words, one_sided
from fairkd.names import TEACHER, arm_words
from fairkd.stats.estimates import Estimate
from fairkd.stats.resampling import p_by_inversion
from fairkd.wording import listed, number, with_interval

OVER = "stimulus words"


@dataclass(frozen=True)
class AverageSeat:
    """Average SEAT of each arm; lower is less bias.

    Attributes:
        effects: of each arm by name, all under one pooling and the same resampled words.
        layers: the arms of Figure 1 and how many layers each has.
        tests: whose |d| are averaged.
    """

    effects: Mapping[str, Effects]
    layers: Mapping[str, int]
    tests: tuple[str, ...] = TESTS
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

    def averages(self, arms: Sequence[str]) -> list[Estimate]:
        """Average SEAT of each arm, over :attr:`tests`."""
        return [self.effects[arm].average(self.tests) for arm in arms]

    def _difference(self, arm: str, baseline: str, seeds: int) -> Contrast:
        ours, theirs = self.averages([arm, baseline])
        difference, over = ours - theirs, "" if self.tests == TESTS else f" over {listed(self.tests)}"
        return Contrast(
            difference,
            seeds,
            what=f"difference of average SEAT{over}, {arm} − {baseline}",
            found=lambda level: (
                f"The average SEAT{over} is {number(ours.value)} for {arm_words(arm)} and {number(theirs.value)} for "
                f"{arm_words(baseline)}, a difference of "
                f"{with_interval(difference.value, *difference.interval(level), seeds, over=OVER)}{level_words(level)}."
            ),
            above=f"{arm_words(arm)} scores higher than {arm_words(baseline)}",
            below=f"{arm_words(arm)} scores lower than {arm_words(baseline)}",
        )


def on_names(judge: Callable[[AverageSeat, Sequence[str]], Finding]) -> Callable[[AverageSeat, Sequence[str]], Finding]:
    """The judge on the three tests whose gender words are names, which mixup leaves alone (all but John)."""
    return lambda seat, arms: judge(replace(seat, tests=NAME_TESTS), arms)


def falls_with_layers(seat: AverageSeat, _: Sequence[str]) -> Finding:
    """Judges a claim that Pearson's r of layers and average SEAT is below zero, over the students of Figure 1."""
    layers = seat.layers
    lacks = seat.lacks(tuple(layers))
    if lacks:
        return Finding("not run", lacks)
    if len(set(layers.values())) < 3:
        return Finding("not run", "The correlation needs students of three depths or more: with two it is always ±1.")
    depths = list(layers.values())
    r, seeds = correlation(depths, seat.averages(list(layers))), seat.seeds(layers)
    contrast = Contrast(
        r,
        seeds,
        what="Pearson's r of layers and average SEAT",
        found=lambda level: (
            f"Over students of {listed([str(depth) for depth in sorted(set(depths))])} layers, the correlation of "
            "the number of layers with the average SEAT is "
            f"r = {with_interval(r.value, *r.interval(level), seeds, over=OVER)}{level_words(level)}."
        ),
        above="the correlation is positive",
        below="the correlation is negative",
    )
    return one_sided(contrast, side=-1)


def lower_in_tests(seat: AverageSeat, arms: Sequence[str], least: int = 4) -> Finding:
    """Judges a claim that |d| of the first of two arms is lower in at least ``least`` tests.

    The estimate is the share of the tests. Each test's differences are shifted to their estimate before tests are
    counted, as they are for the average: noise makes a small |d| larger.
    """
    ours, theirs = arms
    seeds, count = seat.seeds(arms), len(seat.tests)
    gaps = [seat.effects[ours].average([test]) - seat.effects[theirs].average([test]) for test in seat.tests]
    differences, draws = np.array([g.value for g in gaps]), np.stack([g.replicates for g in gaps], axis=1)
    what = f"share of the {count} tests in which |d| of {ours} is lower than that of {theirs}"
    if not (np.isfinite(differences).all() and np.isfinite(draws).all() and len(draws)):
        return Finding("inconclusive", UNDEFINED, what, seeds=seeds)
    counts = (draws - draws.mean(axis=0) + differences < 0).sum(axis=1)

    def ends(level: float) -> tuple[int, int]:
        low, high = (1 - level) / 2, (1 + level) / 2
        return int(np.quantile(counts, low, method="lower")), int(np.quantile(counts, high, method="higher"))

    def decides(level: float) -> bool:
        low, high = ends(level)
        return low >= least or high < least

    low, high = ends(LEVEL)
    fell = [test for test, difference in zip(seat.tests, differences, strict=True) if difference < 0]
    text = f"|d| of {arm_words(ours)} is lower than that of {arm_words(theirs)} in {len(fell)} of {count} tests"
    resampled = "words" if seeds == 1 else "words and seeds"
    text += f"{f' ({listed(fell)})' if fell else ''}, in {low} to {high} of them when {resampled} are resampled"
    shown = Finding("inconclusive", text, what, len(fell) / count, low / count, high / count, seeds=seeds)
    if seeds == 1:
        return replace(shown, sentence=f"{text}. {ONE_SEED}")
    verdict, word = "inconclusive", "which leaves open whether it is"
    if decides(LEVEL):
        verdict, word = ("supported", "always") if low >= least else ("contradicted", "never")
    p = p_by_inversion(decides, len(counts))
    return replace(shown, verdict=verdict, sentence=f"{text}: {word} {least} or more.", p=p)
