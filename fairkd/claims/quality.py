"""The average on GLUE as a ruler of claims (Table 3, GLUE row of Table 1), and the judge of "keeps".

Averages are over the eight tasks, intervals over examples and seeds. "Keeps" is not "no significant difference", which
few seeds and examples always show: it is an interval within one point of zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from fairkd.claims import paper
from fairkd.claims.contrasts import LEVEL, ONE_SEED, Contrast, Finding, level_words
from fairkd.glue.quality import TaskScores
from fairkd.names import arm_words
from fairkd.stats.equivalence import equivalence
from fairkd.stats.estimates import Estimate
from fairkd.stats.resampling import widened
from fairkd.wording import interval, listed, number, with_interval

MARGIN = 1.0
"""The smallest difference of averages that matters, in points; as the claim that mixup keeps GLUE is stated."""
ALL_TASKS = len(paper.TABLE3["full"])


@dataclass(frozen=True)
class AverageGlue:
    """Average score of each arm over GLUE's tasks, in percent.

    Attributes:
        quality: of each arm by name, on the same tasks and resampled examples.
        suite: what the tasks are called, "GLUE" or "mini-GLUE (synthetic)".
    """

    quality: Mapping[str, TaskScores]
    suite: str
    by_pooling: ClassVar[bool] = False
    unmeasured: ClassVar[str] = "The students were not evaluated on GLUE."

    def lacks(self, arms: Sequence[str]) -> str:
        """Why these arms have no average on the suite; "" if all have.

        An arm is missing, a task of it failed, or there are fewer tasks than in the paper: averages of other tasks
        are no average on GLUE.
        """
        missing = [arm_words(arm) for arm in arms if arm not in self.quality]
        if missing:
            return f"There is no result on {self.suite} for {listed(missing)}."
        for arm in arms:
            scores = self.quality[arm].scores
            failed = int(np.isnan(scores).any(axis=0).sum())
            if failed:
                return (
                    f"{arm_words(arm)[0].upper()}{arm_words(arm)[1:]} has no average on {self.suite}: {failed} of "
                    f"{scores.shape[1]} {'task' if scores.shape[1] == 1 else 'tasks'} failed."
                )
            if scores.shape[1] != ALL_TASKS:
                number = scores.shape[1]
                return f"The claim is about the average over {ALL_TASKS} tasks. Of {self.suite}, {number} were run."
        return ""

    def against(self, arms: Sequence[str]) -> list[Contrast]:
        """Average of the first arm minus that of each other, in points."""
        seeds = min(self.quality[arm].seeds for arm in arms)
        return [self._difference(arms[0], rival, seeds) for rival in arms[1:]]

    def _difference(self, arm: str, baseline: str, seeds: int) -> Contrast:
        ours, theirs = self.quality[arm].average(), self.quality[baseline].average()
        difference = ours - theirs
        return Contrast(
            difference,
            seeds,
            what=f"difference of average on {self.suite} in points, {arm} − {baseline}",
            found=lambda level: (
                f"The average on {self.suite} is {number(ours.value, 2)} for {arm_words(arm)} and "
                f"{number(theirs.value, 2)} for {arm_words(baseline)}, a difference in points of "
                f"{with_interval(difference.value, *difference.interval(level), seeds, over='examples', digits=2)}"
                f"{level_words(level)}."
            ),
            above=f"{arm_words(arm)} scores higher than {arm_words(baseline)}",
            below=f"{arm_words(arm)} scores lower than {arm_words(baseline)}",
            over="examples",
            digits=2,
        )


def within_margin(glue: AverageGlue, arms: Sequence[str]) -> Finding:
    """Judges a claim that two arms differ by less than ``MARGIN``.

    Where they do in this experiment, the interval is that of two one-sided tests at 5 % (90 %): supported if it lies
    within the margin. Where they do not, it is the 95 % interval: contradicted if it lies beyond the margin. p is that
    of the test in question.
    """
    contrast = glue.against(arms)[0]
    difference = contrast.estimate
    within = abs(difference.value) < MARGIN
    if contrast.seeds == 1:
        low, high = contrast.interval()
        reach = "lies" if low > -MARGIN and high < MARGIN else "does not lie"
        text = f"In this one run the two differ by {'less' if within else 'not less'} than one point; the interval over"
        text = f"{text} examples {reach} within one point of zero. {ONE_SEED}"
        return contrast.finding("inconclusive", text)
    if within:
        return _equivalent(contrast)
    sign = 1 if difference.value > 0 else -1
    beyond = Estimate(
        sign * difference.value - MARGIN, sign * difference.replicates - MARGIN, sign * difference.by_seed - MARGIN
    )
    if beyond.interval(LEVEL)[0] > 0:
        text = "The interval lies more than one point from zero: in this experiment they differ, against the paper."
        return replace(contrast.finding("contradicted", text, p=beyond.p()), detectable=math.nan)
    text = "The interval does not lie wholly more than one point from zero: this experiment cannot say whether they"
    finding = contrast.finding("inconclusive", f"{text} differ by that much.", p=beyond.p())
    return replace(finding, detectable=math.nan)  # the question is not whether there is a difference


def _equivalent(contrast: Contrast) -> Finding:
    """Two one-sided tests, with the interval that belongs to them in place of the contrast's own."""
    difference, level = contrast.estimate, 2 * LEVEL - 1
    shown = equivalence(difference.value, widened(difference.replicates, difference.by_seed, level), MARGIN)
    tested = f"The {100 * level:.0f} % interval {interval(shown.low, shown.high, 2)}, of two one-sided tests at 5 %,"
    if shown.equivalent:
        text = f"{tested} lies within one point of zero: in this experiment they are equivalent, as the paper claims."
    else:
        text = f"{tested} reaches beyond one point from zero: this experiment cannot say whether they are equivalent."
    finding = contrast.finding("supported" if shown.equivalent else "inconclusive", text, p=shown.p)
    return replace(finding, low=shown.low, high=shown.high, level=level, detectable=math.nan)
