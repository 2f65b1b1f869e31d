"""A contrast of arms with its interval, the verdict on a claim about it, and the sentence that says why.

:func:`higher`, :func:`lower` and :func:`lowest` judge by any ruler. A ruler may have judges of its own beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

from fairkd.stats.estimates import Estimate

LEVEL = 0.95
VERDICTS = ("supported", "contradicted", "inconclusive", "not run")
UNDEFINED = "An effect size, or a resample of it, is undefined: there is no interval, and nothing can be said."
ONE_SEED = "One seed cannot tell what the training recipe does from chance in training."


@dataclass(frozen=True)
class Finding:
    """What the data say about a claim, or about one part of it. Missing numbers are nan; seeds is 0 where nothing ran.

    Verdict, interval and p agree: low and high are the ends of the interval that decided, of the given level.
    ``detectable`` is the smallest difference that an experiment like this finds with 80 % power: where the estimate is
    smaller and nothing is decided, the experiment could not know.
    """

    verdict: str
    sentence: str
    what: str = ""
    estimate: float = math.nan
    low: float = math.nan
    high: float = math.nan
    level: float = LEVEL
    p: float = math.nan
    seeds: int = 0
    detectable: float = math.nan


@dataclass(frozen=True)
class Contrast:
    """An estimate to be compared with zero, and words for what it is and for both outcomes.

    Attributes:
        estimate: with its replicates.
        seeds: of the arm that has the fewest.
        what: the estimate is, in few words.
        found: a sentence with the numbers, for the level of the interval in it.
        above: what it means if the estimate lies above zero.
        below: what it means if it lies below.
        over: what the interval covers beside seeds.
        digits: with which the estimate is shown.
    """

    estimate: Estimate
    seeds: int
    what: str
    found: Callable[[float], str]
    above: str
    below: str
    over: str = "words"
    digits: int = 3

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Of the estimate."""
        return self.estimate.interval(level)

    @property
    def p(self) -> float:
        """Of the estimate, for "it is zero"; nan with one seed."""
        return math.nan if self.seeds == 1 else self.estimate.p()

    @property
    def defined(self) -> bool:
        """Whether there are an estimate and an interval."""
        return math.isfinite(self.estimate.value) and all(map(math.isfinite, self.interval()))

    def side(self, level: float = LEVEL) -> int:
        """1 where the interval lies above zero, -1 where it lies below, 0 where it holds zero or there is none."""
        low, high = self.interval(level)
        return (low > 0) - (high < 0)

    def outcome(self, side: int) -> str:
        """Which way the estimate goes, and whether that is the claimed side (1: above zero, -1: below).

        Neither, where nothing is decided and the digits that are shown are all zero.
        """
        value = self.estimate.value
        if value == 0:
            return "there is no difference at all"
        if not self.side() and not float(f"{value:.{self.digits}f}"):
            return "there is no difference in the digits that are shown"
        claimed = "as the paper claims" if value * side > 0 else "against the paper"
        return f"{self.above if value > 0 else self.below}, {claimed}"

    def finding(self, verdict: str, conclusion: str, *, p: float | None = None, level: float = LEVEL) -> Finding:
        """With this estimate and its interval of the level that decided; ``p`` replaces its own."""
        found = self.found(level)
        finding = Finding(verdict, f"{found} {conclusion}", self.what, self.estimate.value, seeds=self.seeds)
        if not self.defined:
            return finding
        low, high = self.interval(level)
        p = math.nan if self.seeds == 1 else self.p if p is None else p
        detectable = math.nan if self.seeds == 1 else self.estimate.detectable(level)
        return replace(finding, low=low, high=high, level=level, p=p, detectable=detectable)


class Averages(Protocol):
    """An average of each arm that claims are about.

    Attributes:
        by_pooling: whether it gives another answer for each pooling.
        unmeasured: what is said of its claims where it was not used.
    """

    by_pooling: ClassVar[bool]
    unmeasured: ClassVar[str]

    def lacks(self, arms: Sequence[str]) -> str:
        """Why these arms cannot be compared; "" if they can."""

    def against(self, arms: Sequence[str]) -> list[Contrast]:
        """The first arm minus each of the others, with the seeds of the arm that has the fewest of all."""


def higher(ruler: Averages, arms: Sequence[str]) -> Finding:
    """Judges a claim that the first of two arms lies above the second."""
    return one_sided(ruler.against(arms)[0], side=1)


def lower(ruler: Averages, arms: Sequence[str]) -> Finding:
    """Judges a claim that the first of two arms lies below the second."""
    return one_sided(ruler.against(arms)[0], side=-1)


def one_sided(contrast: Contrast, *, side: int) -> Finding:
    """Judges a claim that an estimate lies above zero (side 1) or below (side -1)."""
    if not contrast.defined:
        return contrast.finding("inconclusive", UNDEFINED)
    outcome, found = contrast.outcome(side), contrast.side()
    if contrast.seeds == 1:
        verb = "excludes" if found else "holds"
        text = f"In this one run {outcome}; the interval over {contrast.over} {verb} zero. {ONE_SEED}"
        return contrast.finding("inconclusive", text)
    if not found:
        text = "The interval holds zero: this experiment cannot say which way it goes."
        return contrast.finding("inconclusive", text)
    text = f"The interval lies {'above' if found > 0 else 'below'} zero: in this experiment {outcome}."
    return contrast.finding("supported" if found == side else "contradicted", text)


def lowest(ruler: Averages, arms: Sequence[str]) -> Finding:
    """Judges a claim that the first arm is the lowest, and shows the difference to another that decides.

    Supported only if each 95 % interval lies below zero: an intersection-union test, which needs no correction. The
    difference shown is then the one with the largest p. Contradicted if any interval lies above zero, which is the
    likelier by accident the more there are: where another arm is lower, intervals are of the level 1 - 0.05 / number
    (Bonferroni) and p is the smallest times the number.
    """
    contrasts = ruler.against(arms)
    undefined = [contrast for contrast in contrasts if not contrast.defined]
    if undefined:
        return undefined[0].finding("inconclusive", UNDEFINED)
    count, beaten_by = len(contrasts), [contrast for contrast in contrasts if contrast.estimate.value > 0]
    if contrasts[0].seeds == 1:
        return _lowest_of_one_run(contrasts, beaten_by)
    return _beaten(beaten_by, count) if beaten_by else _unbeaten(contrasts)


def _lowest_of_one_run(contrasts: Sequence[Contrast], beaten_by: Sequence[Contrast]) -> Finding:
    shown = max(contrasts, key=lambda contrast: contrast.estimate.value)  # to the lowest of the others
    below = sum(contrast.side() < 0 for contrast in contrasts)
    intervals = f"{below} of {len(contrasts)} intervals over {shown.over} lie below zero"
    text = f"In this one run {_lower_others(len(beaten_by), len(contrasts))}; {intervals}. {ONE_SEED}"
    return shown.finding("inconclusive", text)


def _unbeaten(contrasts: Sequence[Contrast]) -> Finding:
    count, below = len(contrasts), sum(contrast.side() < 0 for contrast in contrasts)
    shown = max(contrasts, key=lambda contrast: (contrast.p, contrast.interval()[1]))
    if below == count:
        text = f"Of the {count} others this is the closest, and all intervals lie below zero: in this experiment"
        return shown.finding("supported", f"{text} it scores lowest, as the paper claims.")
    text = f"Here none of the {count} others scores lower, and {below} of {count} intervals lie below zero: this"
    return shown.finding("inconclusive", f"{text} experiment cannot say whether it is the lowest.")


def _beaten(by: Sequence[Contrast], count: int) -> Finding:
    level = 1 - (1 - LEVEL) / count
    shown = min(by, key=lambda contrast: (contrast.p, -contrast.interval(level)[0]))
    p, found = min(1.0, count * shown.p), _lower_others(len(by), count)
    if shown.side(level) > 0:
        text = f"Here {found}; this interval lies above zero, also when widened for {_comparisons(count)}: in this"
        return shown.finding(
            "contradicted", f"{text} experiment it does not score lowest, against the paper.", p=p, level=level
        )
    text = f"Here {found}, but no interval that is widened for {_comparisons(count)} lies above zero: this experiment"
    return shown.finding("inconclusive", f"{text} cannot say whether it is the lowest.", p=p, level=level)


def _lower_others(lower: int, count: int) -> str:
    return f"{lower or 'none'} of the {count} others {'score' if lower > 1 else 'scores'} lower"


def _comparisons(count: int) -> str:
    return f"{count} comparisons" if count > 1 else "one comparison"


def level_words(level: float) -> str:
    """What follows an interval that is of another level than most: " (a 99.2 % interval)"."""
    return "" if level == LEVEL else f" (a {100 * level:.3g} % interval)"
