"""Bias of each arm as a ruler of claims: average SEAT, and what is judged of it beside a difference of averages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

from fairkd.bias.effects import Effects, correlation, slope
from fairkd.bias.stimuli import NAME_TESTS, TESTS
from fairkd.claims.contrasts import ONE_SEED, THE_PAPERS, UNDEFINED, Contrast, Finding, level_words, one_sided, too_few
from fairkd.names import TEACHER, arm_words
from fairkd.stats.estimates import Estimate
from fairkd.stats.resampling import fewest_replicates
from fairkd.wording import listed, number

NO_RESULT = "There is no result for"
"""What is said of arms that were not measured begins so."""


@dataclass(frozen=True)
class BiasOfArms(ABC):
    """A number of each arm that is lower where there is less bias: what all rulers of the claims on bias share.

    Attributes:
        layers: the arms of Figure 1 and how many layers each has.
        level: at which claims are judged, each by itself.
        claimed: as :class:`fairkd.claims.contrasts.Contrast` has it.
    """

    layers: Mapping[str, int]
    level: float
    claimed: tuple[str, str] = field(default=THE_PAPERS, kw_only=True)
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
        return f"{NO_RESULT} {listed(missing)}." if missing else ""

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
            claimed=self.claimed,
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
        if arm not in self._averages:
            self._averages[arm] = self.effects[arm].average(self.tests)
        return self._averages[arm]

    @cached_property
    def _averages(self) -> dict[str, Estimate]:
        """Those that have been asked for."""
        return {}


def on_names(judge: Callable[[AverageSeat, Sequence[str]], Finding]) -> Callable[[AverageSeat, Sequence[str]], Finding]:
    """The judge on the three tests whose gender words are names, which mixup leaves alone (all but John)."""
    return lambda seat, arms: judge(replace(seat, tests=NAME_TESTS), arms)


def falls_with_layers(ruler: BiasOfArms, _: Sequence[str]) -> Finding:
    """Judges a claim that layers and bias correlate negatively, over the students of Figure 1: by the slope's sign."""
    layers = ruler.layers
    lacks = ruler.lacks(tuple(layers))
    if lacks:
        return Finding("not run", lacks)
    if len(set(layers.values())) < 3:
        return Finding("not run", "The correlation needs students of three depths or more: with two it is always ±1.")
    depths, averages = list(layers.values()), [ruler.estimate(arm) for arm in layers]
    contrast = Contrast(
        slope(depths, averages),
        ruler.seeds(layers),
        ruler.level,
        what=f"change of {ruler.called} per additional layer",
        lead=f"Over students of {listed([str(depth) for depth in sorted(set(depths))])} layers, the correlation of "
        f"the number of layers with the {ruler.called} is r = {number(correlation(depths, averages).value, 2)}; per "
        f"additional layer it changes by",
        above="it rises with the layers",
        below="it falls with the layers",
        over=ruler.over,
    )
    return one_sided(contrast, side=-1)


def lower_in_tests(seat: AverageSeat, arms: Sequence[str]) -> Finding:
    """Judges a claim that |d| of the first of two arms is lower in at least :data:`MOST_TESTS` tests."""
    return _in_tests(seat, arms, "lower")


def higher_in_tests(seat: AverageSeat, arms: Sequence[str]) -> Finding:
    """Judges a claim that |d| of the first of two arms is higher in at least :data:`MOST_TESTS` tests."""
    return _in_tests(seat, arms, "higher")


MOST_TESTS = 4
"""In how many of the six tests something must be so, to be so in most."""


def _in_tests(seat: AverageSeat, arms: Sequence[str], way: str) -> Finding:
    """The estimate is the share of the tests."""
    ours, theirs = arms
    seeds, count = seat.seeds(arms), len(seat.tests)
    first, second = (ours, theirs) if way == "higher" else (theirs, ours)
    gaps = [seat.effects[first].average([test]) - seat.effects[second].average([test]) for test in seat.tests]
    what = f"share of the {count} tests in which |d| of {ours} is {way} than that of {theirs}"
    if not all(gap.defined for gap in gaps):
        return Finding("inconclusive", UNDEFINED, what, seeds=seeds)
    low, high = number_above_zero(gaps, seat.level)
    so = [test for test, gap in zip(seat.tests, gaps, strict=True) if gap.value > 0]
    resampled = "words" if seeds == 1 else "words and seeds"
    text = (
        f"|d| of {arm_words(ours)} is {way} than that of {arm_words(theirs)} in {len(so)} of {count} tests"
        f"{f' ({listed(so)})' if so else ''}, in {low} to {high} of them when {resampled} are resampled"
        f"{level_words(seat.level)}"
    )
    shown = Finding("inconclusive", text, what, len(so) / count, low / count, high / count, seat.level, seeds=seeds)
    if seeds == 1:
        return replace(shown, sentence=f"{text}. {ONE_SEED}")
    replicates, takes = len(gaps[0].replicates), 1 - (1 - seat.level) / (count - MOST_TESTS + 1)
    shown = replace(
        shown, p=min(1.0, _p_above(gaps, MOST_TESTS), _p_above([-gap for gap in gaps], count - MOST_TESTS + 1))
    )
    if low >= MOST_TESTS or high < MOST_TESTS:
        verdict, word = ("supported", "always") if low >= MOST_TESTS else ("contradicted", "never")
        return replace(shown, verdict=verdict, sentence=f"{text}: {word} {MOST_TESTS} or more.")
    if replicates < fewest_replicates(takes):
        return replace(shown, sentence=f"{text}. {too_few(replicates, takes)}")
    return replace(shown, sentence=f"{text}: which leaves open whether it is {MOST_TESTS} or more.")


def number_above_zero(gaps: Sequence[Estimate], level: float) -> tuple[int, int]:
    """The ends of an interval of how many of several estimates are truly above zero.

    At least u are if u intervals lie above zero when what the level leaves is parted among n - u + 1 of them (partial
    conjunction, Benjamini and Heller 2008), however the estimates depend on each other. To resample them together
    would not do: three seeds show but a few of the ways in which tests can rise and fall.
    """
    return _surely_above(gaps, level), len(gaps) - _surely_above([-gap for gap in gaps], level)


def _surely_above(gaps: Sequence[Estimate], level: float) -> int:
    """The first of both ends."""
    count = len(gaps)
    for least in range(count, 0, -1):
        each = 1 - (1 - level) / (count - least + 1)
        if sum(gap.strict_interval(each)[0] > 0 for gap in gaps) >= least:
            return least
    return 0


def _p_above(gaps: Sequence[Estimate], least: int) -> float:
    """What the highest level leaves at which :func:`_surely_above` is as many."""
    p = sorted(gap.strict_p() if gap.value > 0 else 1.0 for gap in gaps)
    return (len(gaps) - least + 1) * p[least - 1]
