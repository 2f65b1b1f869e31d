"""Bias of each arm as a ruler of claims: average SEAT, and what is judged of it beside a difference of averages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from fairkd.bias.effects import Effects, correlation
from fairkd.bias.stimuli import NAME_TESTS, TESTS
from fairkd.claims.contrasts import ONE_SEED, UNDEFINED, Contrast, Finding, level_words, one_sided, too_few
from fairkd.names import TEACHER, arm_words
from fairkd.stats.estimates import Estimate
from fairkd.stats.resampling import Floats, fewest_replicates, p_by_inversion, stretched
from fairkd.wording import listed, number


@dataclass(frozen=True)
class BiasOfArms(ABC):
    """A number of each arm that is lower where there is less bias: what all rulers of the claims on bias share.

    Attributes:
        layers: the arms of Figure 1 and how many layers each has.
        level: at which claims are judged, each by itself.
    """

    layers: Mapping[str, int]
    level: float
    by_pooling: ClassVar[bool]
    unmeasured: ClassVar[str] = "The bias of the students was not measured."
    over: ClassVar[str]

    @property
    @abstractmethod
    def measured(self) -> Iterable[str]:
        """The arms that there are."""

    @property
    @abstractmethod
    def called(self) -> str:
        """The number, in a sentence."""

    @abstractmethod
    def estimate(self, arm: str) -> Estimate:
        """The number of an arm."""

    def lacks(self, arms: Sequence[str]) -> str:
        """Which of the arms were not measured, in a sentence; "" if all were."""
        missing = [arm_words(arm) for arm in arms if arm not in self.measured]
        return f"There is no result for {listed(missing)}." if missing else ""

    def against(self, arms: Sequence[str]) -> list[Contrast]:
        """The number of the first arm minus that of each other."""
        return [self._difference(arms[0], rival, self.seeds(arms)) for rival in arms[1:]]

    def seeds(self, arms: Iterable[str]) -> int:
        """Of the arm with the fewest. The teacher is not a draw: it has one copy, whatever its students' seeds."""
        return min(len(self.estimate(arm).by_seed) for arm in arms if arm != TEACHER)

    def _difference(self, arm: str, baseline: str, seeds: int) -> Contrast:
        ours, theirs = self.estimate(arm), self.estimate(baseline)
        return Contrast(
            ours - theirs,
            seeds,
            self.level,
            what=f"difference of {self.called}, {arm} − {baseline}",
            lead=f"The {self.called} is {number(ours.value)} for {arm_words(arm)} and {number(theirs.value)} for "
            f"{arm_words(baseline)}, a difference of",
            above=f"{arm_words(arm)} scores higher than {arm_words(baseline)}",
            below=f"{arm_words(arm)} scores lower than {arm_words(baseline)}",
            over=self.over,
        )


@dataclass(frozen=True)
class AverageSeat(BiasOfArms):
    """Average SEAT of each arm.

    Attributes:
        effects: of each arm by name, all under one pooling and the same resampled words.
        tests: whose |d| are averaged.
    """

    effects: Mapping[str, Effects]
    tests: tuple[str, ...] = TESTS
    by_pooling: ClassVar[bool] = True
    over: ClassVar[str] = "stimulus words"

    @property
    def measured(self) -> Iterable[str]:
        return self.effects

    @property
    def called(self) -> str:
        return f"average SEAT{'' if self.tests == TESTS else f' over {listed(self.tests)}'}"

    def estimate(self, arm: str) -> Estimate:
        return self.effects[arm].average(self.tests)


def on_names(judge: Callable[[AverageSeat, Sequence[str]], Finding]) -> Callable[[AverageSeat, Sequence[str]], Finding]:
    """The judge on the three tests whose gender words are names, which mixup leaves alone (all but John)."""
    return lambda seat, arms: judge(replace(seat, tests=NAME_TESTS), arms)


def falls_with_layers(ruler: BiasOfArms, _: Sequence[str]) -> Finding:
    """Judges a claim that Pearson's r of layers and bias is below zero, over the students of Figure 1."""
    layers = ruler.layers
    lacks = ruler.lacks(tuple(layers))
    if lacks:
        return Finding("not run", lacks)
    if len(set(layers.values())) < 3:
        return Finding("not run", "The correlation needs students of three depths or more: with two it is always ±1.")
    depths = list(layers.values())
    contrast = Contrast(
        correlation(depths, [ruler.estimate(arm) for arm in layers]),
        ruler.seeds(layers),
        ruler.level,
        what=f"Pearson's r of layers and {ruler.called}",
        lead=f"Over students of {listed([str(depth) for depth in sorted(set(depths))])} layers, the correlation of "
        f"the number of layers with the {ruler.called} is r =",
        above="the correlation is positive",
        below="the correlation is negative",
        over=ruler.over,
    )
    return one_sided(contrast, side=-1)


def lower_in_tests(seat: AverageSeat, arms: Sequence[str]) -> Finding:
    """Judges a claim that |d| of the first of two arms is lower in at least :data:`MOST` tests."""
    return _in_tests(seat, arms, "lower")


def higher_in_tests(seat: AverageSeat, arms: Sequence[str]) -> Finding:
    """Judges a claim that |d| of the first of two arms is higher in at least :data:`MOST` tests."""
    return _in_tests(seat, arms, "higher")


MOST = 4
"""In how many of the six tests something must be so, to be so in most."""


def _in_tests(seat: AverageSeat, arms: Sequence[str], way: str) -> Finding:
    """The estimate is the share of the tests, its interval that of their number over resamples."""
    ours, theirs = arms
    seeds, count, sign = seat.seeds(arms), len(seat.tests), 1 if way == "higher" else -1
    gaps = [seat.effects[ours].average([test]) - seat.effects[theirs].average([test]) for test in seat.tests]
    what = f"share of the {count} tests in which |d| of {ours} is {way} than that of {theirs}"
    if not all(gap.defined for gap in gaps):
        return Finding("inconclusive", UNDEFINED, what, seeds=seeds)
    towards = gaps if sign > 0 else [-gap for gap in gaps]
    low, high = _number_above_zero(towards, seat.level)
    so = [test for test, gap in zip(seat.tests, towards, strict=True) if gap.value > 0]
    text = f"|d| of {arm_words(ours)} is {way} than that of {arm_words(theirs)} in {len(so)} of {count} tests"
    resampled = "words" if seeds == 1 else "words and seeds"
    text += f"{f' ({listed(so)})' if so else ''}, in {low} to {high} of them when {resampled} are resampled"
    text += level_words(seat.level)
    shown = Finding("inconclusive", text, what, len(so) / count, low / count, high / count, seat.level, seeds=seeds)
    if seeds == 1:
        return replace(shown, sentence=f"{text}. {ONE_SEED}")

    def decides(level: float) -> bool:
        low, high = _number_above_zero(towards, level)
        return low >= MOST or high < MOST

    replicates = len(gaps[0].replicates)
    shown = replace(shown, p=p_by_inversion(decides, replicates))
    if replicates < fewest_replicates(seat.level):
        return replace(shown, sentence=f"{text}. {too_few(replicates, seat.level)}")
    if not decides(seat.level):
        return replace(shown, sentence=f"{text}: which leaves open whether it is {MOST} or more.")
    verdict, word = ("supported", "always") if low >= MOST else ("contradicted", "never")
    return replace(shown, verdict=verdict, sentence=f"{text}: {word} {MOST} or more.")


def _number_above_zero(gaps: Sequence[Estimate], level: float) -> tuple[int, int]:
    """The ends of an interval of the number of estimates above zero, resampled together.

    The deviations of each are laid around its estimate before they are counted, as they are for an average: noise makes
    a small |d| larger. They are stretched for few seeds as those of an average are, so that tests that rise and fall
    together decide no sooner than one of them.
    """
    if len(gaps[0].replicates) < fewest_replicates(level):
        return 0, len(gaps)
    above: Floats = np.sum([gap.value + stretched(gap.replicates, gap.by_seed, level) > 0 for gap in gaps], axis=0)
    low, high = (1 - level) / 2, (1 + level) / 2
    return int(np.quantile(above, low, method="lower")), int(np.quantile(above, high, method="higher"))
