"""A contrast of arms with its interval, the verdict on a claim about it, and the sentence that says why.

:func:`higher`, :func:`lower` and :func:`lowest` judge by any ruler. A ruler may have judges of its own beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

from fairkd.stats.estimates import Estimate

LEVEL = 0.95
VERDICTS = ("supported", "contradicted", "inconclusive", "not run")
UNDEFINED = "An effect size, or a resample of it, is undefined: there is no interval, and nothing can be said."
ONE_SEED = "One seed cannot tell what the training recipe does from chance in training."


@dataclass(frozen=True)
class Finding:
    """What the data say about one claim. Missing numbers are nan; seeds is 0 where nothing was run."""

    verdict: str
    sentence: str
    what: str = ""
    estimate: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    seeds: int = 0


@dataclass(frozen=True)
class Contrast:
    """An estimate to be compared with zero, and words for what it is and for both outcomes.

    Attributes:
        estimate: with its replicates.
        low, high: its 95 % interval.
        p: for "it is zero", two-sided.
        seeds: of the arm that has the fewest.
        what: the estimate is, in few words.
        found: a sentence with the numbers.
        above: what it means if the estimate lies above zero.
        below: what it means if it lies below.
        over: what the interval covers beside seeds.
    """

    estimate: Estimate
    low: float
    high: float
    p: float
    seeds: int
    what: str
    found: str
    above: str
    below: str
    over: str = "words"

    @property
    def defined(self) -> bool:
        """Whether there are an estimate and an interval."""
        return math.isfinite(self.estimate.value) and math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def holds_zero(self) -> bool:
        """Whether the interval does."""
        return self.low <= 0 <= self.high

    def outcome(self, side: int) -> str:
        """Which way the estimate goes, and whether that is the claimed side (1: above zero, -1: below)."""
        value = self.estimate.value
        if value == 0:
            return "there is no difference at all"
        claimed = "as the paper claims" if value * side > 0 else "against the paper"
        return f"{self.above if value > 0 else self.below}, {claimed}"

    def finding(self, verdict: str, conclusion: str, *, p: float | None = None) -> Finding:
        """With this estimate; ``p`` replaces its own. One seed has no p-value: it says nothing about training."""
        p = self.p if p is None else p
        finding = Finding(verdict, f"{self.found} {conclusion}", self.what, self.estimate.value, seeds=self.seeds)
        if not self.defined:
            return finding
        return replace(finding, low=self.low, high=self.high, p=math.nan if self.seeds == 1 else p)


class Ruler(Protocol):
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


def higher(ruler: Ruler, arms: Sequence[str]) -> Finding:
    """Judges a claim that the first of two arms lies above the second."""
    return one_sided(ruler.against(arms)[0], side=1)


def lower(ruler: Ruler, arms: Sequence[str]) -> Finding:
    """Judges a claim that the first of two arms lies below the second."""
    return one_sided(ruler.against(arms)[0], side=-1)


def one_sided(contrast: Contrast, *, side: int) -> Finding:
    """Judges a claim that an estimate lies above zero (side 1) or below (side -1)."""
    if not contrast.defined:
        return contrast.finding("inconclusive", UNDEFINED)
    outcome = contrast.outcome(side)
    if contrast.seeds == 1:
        verb = "holds" if contrast.holds_zero else "excludes"
        text = f"In this one run {outcome}; the interval over {contrast.over} {verb} zero. {ONE_SEED}"
        return contrast.finding("inconclusive", text)
    if contrast.holds_zero:
        text = "The interval holds zero: this experiment cannot say which way it goes."
        return contrast.finding("inconclusive", text)
    above = contrast.low > 0
    text = f"The interval lies {'above' if above else 'below'} zero: in this experiment {outcome}."
    return contrast.finding("supported" if above == (side > 0) else "contradicted", text)


def lowest(ruler: Ruler, arms: Sequence[str]) -> Finding:
    """Judges a claim that the first arm is the lowest, and shows the difference to another that decides.

    Supported only if each interval lies below zero: an intersection-union test, which needs no correction.
    Contradicted if any lies above zero, which is the likelier by accident the more there are: those intervals are at
    the level 1 - 0.05 / number (Bonferroni).
    """
    contrasts = ruler.against(arms)
    undefined = [contrast for contrast in contrasts if not contrast.defined]
    if undefined:
        return undefined[0].finding("inconclusive", UNDEFINED)
    count, below = len(contrasts), sum(contrast.high < 0 for contrast in contrasts)
    strict = {c.what: c.estimate.interval(1 - (1 - LEVEL) / count)[0] for c in contrasts}
    beaten_by = [contrast for contrast in contrasts if contrast.estimate.value > 0]
    if beaten_by:
        shown = max(beaten_by, key=lambda contrast: strict[contrast.what])
        p = min(1.0, count * min(contrast.p for contrast in beaten_by))
        found = f"{len(beaten_by)} of the {count} others {'scores' if len(beaten_by) == 1 else 'score'} lower"
    else:
        shown = max(contrasts, key=lambda contrast: contrast.high)
        p = max(contrast.p for contrast in contrasts)
        found = f"none of the {count} others scores lower"
    if shown.seeds == 1:
        intervals = f"{below} of {count} intervals over {shown.over} lie below zero"
        text = f"In this one run {found}; {intervals}. {ONE_SEED}"
        return shown.finding("inconclusive", text)
    if below == count:
        text = f"Of the {count} others this is the closest, and all intervals lie below zero: in this experiment"
        return shown.finding("supported", f"{text} it scores lowest, as the paper claims.", p=p)
    if strict[shown.what] > 0:
        text = f"The interval lies above zero, also when widened for {count} comparisons: in this experiment"
        return shown.finding("contradicted", f"{text} it does not score lowest, against the paper.", p=p)
    text = f"Here {found}, and {below} of {count} intervals lie below zero: this experiment cannot say"
    return shown.finding("inconclusive", f"{text} whether it is the lowest.", p=p)
