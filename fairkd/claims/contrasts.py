"""A contrast of arms with its interval, the verdict on a claim about it, and the sentence that says why.

:func:`higher`, :func:`lower`, :func:`highest` and :func:`lowest` judge by any ruler. A ruler may have judges of its own
beside them. All judge at the ruler's level: so far beyond 95 % that the verdicts of a whole table hold together with
95 % (:func:`level_of_each`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Protocol

from fairkd.stats.estimates import Estimate, detectable_lead
from fairkd.stats.resampling import fewest_replicates
from fairkd.wording import number, percent, with_interval

TOGETHER = 0.95
"""The level of all verdicts of a table together: in at most one run of twenty is any of them false by accident."""
POWER = 0.8
"""The chance with which a difference that is called detectable is found."""
THE_PAPERS = ("as the paper claims", "against the paper")
VERDICTS = ("supported", "contradicted", "inconclusive", "not run")
UNDEFINED = "An effect size, or a resample of it, is undefined: there is no interval, and nothing can be said."
ONE_SEED = "One seed cannot tell what the training recipe does from chance in training."


def level_of_each(rows: int) -> float:
    """The level of each of so many verdicts with which all hold together with 95 %, however dependent (Bonferroni).

    >>> round(level_of_each(15), 4)
    0.9967
    """
    return 1 - (1 - TOGETHER) / rows


@dataclass(frozen=True)
class Finding:
    """What the data say about a claim, or about one part of it. Missing numbers are nan; seeds is 0 where nothing ran.

    Verdict, interval and p agree: low and high are the ends of the interval that decided, of the given level (infinite
    where the resamples are too few for it), and p, which is this row's own, is at most what the ruler's level leaves
    just where the row is decided. ``detectable`` is the smallest difference that an experiment like this finds with
    80 % power: where the estimate is smaller and nothing is decided, the experiment could not know.
    """

    verdict: str
    sentence: str
    what: str = ""
    estimate: float = math.nan
    low: float = math.nan
    high: float = math.nan
    level: float = math.nan
    p: float = math.nan
    seeds: int = 0
    detectable: float = math.nan


@dataclass(frozen=True)
class Contrast:
    """An estimate to be compared with zero, and words for what it is and for both outcomes.

    Attributes:
        estimate: with its replicates.
        seeds: of the arm that has the fewest.
        level: of the interval that decides.
        what: the estimate is, in few words.
        lead: a sentence up to the estimate and its interval.
        above: what it means if the estimate lies above zero.
        below: what it means if it lies below.
        over: what the interval covers beside seeds.
        digits: with which the estimate is shown.
        claimed: what is said of an outcome on the claimed side, and on the other.
    """

    estimate: Estimate
    seeds: int
    level: float
    what: str
    lead: str
    above: str
    below: str
    over: str = "stimulus words"
    digits: int = 3
    claimed: tuple[str, str] = THE_PAPERS

    def interval(self) -> tuple[float, float]:
        """Of the estimate, at the level that decides."""
        return self.estimate.strict_interval(self.level)

    @cached_property
    def p(self) -> float:
        """Of the estimate, for "it is zero"; nan with one seed."""
        return math.nan if self.seeds == 1 else self.estimate.strict_p()

    @cached_property
    def side(self) -> int:
        """1 where the interval lies above zero, -1 where it lies below, 0 where it holds zero or there is none."""
        low, high = self.interval()
        return (low > 0) - (high < 0)

    def outcome(self, side: int) -> str:
        """Which way the estimate goes, and whether that is the claimed side (1: above zero, -1: below).

        Neither, where nothing is decided and the digits that are shown are all zero.
        """
        value = self.estimate.value
        if value == 0:
            return "there is no difference at all"
        if not self.side and not float(f"{value:.{self.digits}f}"):
            return "there is no difference in the digits that are shown"
        return f"{self.above if value > 0 else self.below}, {self.claimed[0 if value * side > 0 else 1]}"

    def finding(self, verdict: str, conclusion: str, *, p: float | None = None) -> Finding:
        """With this estimate and its interval; ``p`` replaces its own."""
        value, (low, high) = self.estimate.value, self.interval()
        shown = with_interval(value, low, high, self.seeds, over=self.over, digits=self.digits)
        sentence = f"{self.lead} {shown}{level_words(self.level)}. {conclusion}"
        finding = Finding(verdict, sentence, self.what, value, seeds=self.seeds)
        if not self.estimate.defined:
            return finding
        if low == high == value == 0 and verdict == "inconclusive":
            # A ruler at its end, say: an interval without length would look like knowledge.
            alike = f"{self.lead} {number(0.0, self.digits)}, whatever is resampled: there is no difference at all"
            return replace(finding, sentence=f"{alike}, so this ruler may not see what these two differ in.")
        finding = replace(finding, low=low, high=high, level=self.level)
        if self.seeds == 1:
            return finding
        return replace(finding, p=self.p if p is None else p, detectable=self.estimate.detectable(self.level, POWER))

    def open(self) -> Finding | None:
        """That nothing can be decided, where an effect size is undefined or the resamples are too few; else None."""
        if not self.estimate.defined:
            return self.finding("inconclusive", UNDEFINED)
        replicates = len(self.estimate.replicates)
        if replicates < fewest_replicates(self.level):
            return self.finding("inconclusive", too_few(replicates, self.level))
        return None


def too_few(replicates: int, level: float) -> str:
    """That the tails of so few resamples show nothing of this level, and how many would."""
    return (
        f"With {replicates:,} resamples (seat_bootstrap) there is no interval of {percent(level)}, which takes "
        f"{fewest_replicates(level):,}: nothing can be decided."
    )


class Averages(Protocol):
    """An average of each arm that claims are about.

    Attributes:
        by_pooling: whether it gives another answer for each pooling.
        unmeasured: what is said of its claims where it was not used.
        level: at which its claims are judged, each by itself.
    """

    by_pooling: ClassVar[bool]
    unmeasured: ClassVar[str]

    @property
    def level(self) -> float: ...

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
    undecided = contrast.open()
    if undecided:
        return undecided
    outcome, found = contrast.outcome(side), contrast.side
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

    Supported only if each interval lies below zero: an intersection-union test, which needs no correction for the
    number of others. The difference shown is then the one with the largest p. Contradicted if any interval lies above
    zero, which is the likelier by accident the more there are: where another arm is lower, what the level leaves is
    parted among the others (Bonferroni), and p is the smallest times their number.
    """
    return _extreme(ruler, arms, -1)


def highest(ruler: Averages, arms: Sequence[str]) -> Finding:
    """Judges a claim that the first arm is the highest: the mirror image of :func:`lowest`."""
    return _extreme(ruler, arms, 1)


_WORDS = {-1: ("lowest", "lower", "below", "above"), 1: ("highest", "higher", "above", "below")}
# By the claimed side: what the first arm is said to be, what another must not be, where intervals should lie, and not.


def _extreme(ruler: Averages, arms: Sequence[str], side: int) -> Finding:
    contrasts = ruler.against(arms)
    count, undecided = len(contrasts), [found for found in (contrast.open() for contrast in contrasts) if found]
    if undecided:
        return undecided[0]
    beaten_by = [contrast for contrast in contrasts if contrast.estimate.value * side < 0]
    if contrasts[0].seeds == 1:
        return _extreme_of_one_run(contrasts, len(beaten_by), side)
    found = _beaten(beaten_by, count, side) if beaten_by else _unbeaten(contrasts, side)
    ahead = [contrast.estimate if side > 0 else -contrast.estimate for contrast in contrasts]
    return replace(found, detectable=detectable_lead(ahead, contrasts[0].level, POWER))


def _extreme_of_one_run(contrasts: Sequence[Contrast], beaten: int, side: int) -> Finding:
    shown = min(contrasts, key=lambda contrast: contrast.estimate.value * side)  # to the best of the others
    right, count = sum(contrast.side == side for contrast in contrasts), len(contrasts)
    intervals = f"{right} of {count} intervals over {shown.over} lie {_WORDS[side][2]} zero"
    return shown.finding("inconclusive", f"In this one run {_others(beaten, count, side)}; {intervals}. {ONE_SEED}")


def _unbeaten(contrasts: Sequence[Contrast], side: int) -> Finding:
    count, right = len(contrasts), sum(contrast.side == side for contrast in contrasts)
    superlative, comparative, where, _ = _WORDS[side]
    shown = max(contrasts, key=lambda contrast: (contrast.p, max(-side * end for end in contrast.interval())))
    if right == count:
        text = f"Of the {count} others this is the closest, and all intervals lie {where} zero: in this experiment"
        return shown.finding("supported", f"{text} it scores {superlative}, as the paper claims.")
    text = f"Here none of the {count} others scores {comparative}, and {right} of {count} intervals lie {where} zero:"
    return shown.finding("inconclusive", f"{text} this experiment cannot say whether it is the {superlative}.")


def _beaten(by: Sequence[Contrast], count: int, side: int) -> Finding:
    wider = [replace(contrast, level=1 - (1 - contrast.level) / count) for contrast in by]
    superlative, _, _, where = _WORDS[side]
    shown = min(wider, key=lambda contrast: (contrast.p, max(side * end for end in contrast.interval())))
    p, found, told = min(1.0, count * shown.p), _others(len(by), count, side), _comparisons(count)
    if shown.side == -side:
        text = f"Here {found}; this interval lies {where} zero, also when widened for {told}: in this experiment it"
        return shown.finding("contradicted", f"{text} does not score {superlative}, against the paper.", p=p)
    if undecided := shown.open():
        return replace(undecided, sentence=f"{undecided.sentence} Here {found}.", p=p)
    text = f"Here {found}, but no interval that is widened for {told} lies {where} zero: this experiment"
    return shown.finding("inconclusive", f"{text} cannot say whether it is the {superlative}.", p=p)


def _others(better: int, count: int, side: int) -> str:
    return f"{better or 'none'} of the {count} others {'score' if better > 1 else 'scores'} {_WORDS[side][1]}"


def _comparisons(count: int) -> str:
    return f"{count} comparisons" if count > 1 else "one comparison"


def level_words(level: float) -> str:
    """What follows an interval, whose level is another than that of other tables: " (a 99.7 % interval)"."""
    return f" (a {percent(level)} interval)"
