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
from fairkd.claims.contrasts import ONE_SEED, Contrast, Finding
from fairkd.glue.quality import TaskScores
from fairkd.names import arm_words
from fairkd.stats.equivalence import equivalence
from fairkd.stats.estimates import Estimate
from fairkd.wording import listed, number

MARGIN = 1.0
"""The smallest difference of averages that matters, in points; as the claim that mixup keeps GLUE is stated."""
ALL_TASKS = len(paper.TABLE3["full"])


@dataclass(frozen=True)
class AverageGlue:
    """Average score of each arm over GLUE's tasks, in percent.

    Attributes:
        quality: of each arm by name, on the same tasks and resampled examples.
        suite: what the tasks are called, "GLUE" or "mini-GLUE (synthetic)".
        level: at which claims are judged, each by itself.
    """

    quality: Mapping[str, TaskScores]
    suite: str
    level: float
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
        return Contrast(
            ours - theirs,
            seeds,
            self.level,
            what=f"difference of average on {self.suite} in points, {arm} − {baseline}",
            lead=f"The average on {self.suite} is {number(ours.value, 2)} for {arm_words(arm)} and "
            f"{number(theirs.value, 2)} for {arm_words(baseline)}, a difference in points of",
            above=f"{arm_words(arm)} scores higher than {arm_words(baseline)}",
            below=f"{arm_words(arm)} scores lower than {arm_words(baseline)}",
            over="examples",
            digits=2,
        )


def within_margin(glue: AverageGlue, arms: Sequence[str]) -> Finding:
    """Judges a claim that two arms differ by less than ``MARGIN``.

    Where they do in this experiment, by two one-sided tests, each of the size that the level leaves: supported if the
    interval of these tests lies within the margin. Where they do not, contradicted if the contrast's own interval lies
    beyond the margin. p is that of the test in question; none is about a difference from zero, so none is detectable.
    """
    contrast = glue.against(arms)[0]
    undecided = contrast.open()
    if undecided:
        return replace(undecided, detectable=math.nan)
    within = abs(contrast.estimate.value) < MARGIN
    if contrast.seeds == 1:
        low, high = contrast.interval()
        reach = "lies" if low > -MARGIN and high < MARGIN else "does not lie"
        text = f"In this one run the two differ by {'less' if within else 'not less'} than one point; the interval over"
        text = f"{text} examples {reach} within one point of zero. {ONE_SEED}"
        return contrast.finding("inconclusive", text)
    return replace(_equivalent(contrast) if within else _beyond(contrast), detectable=math.nan)


def _beyond(contrast: Contrast) -> Finding:
    """Whether the difference lies more than the margin from zero."""
    difference, sign = contrast.estimate, 1 if contrast.estimate.value > 0 else -1
    beyond = Estimate(
        sign * difference.value - MARGIN, sign * difference.replicates - MARGIN, sign * difference.by_seed - MARGIN
    )
    if beyond.strict_interval(contrast.level)[0] > 0:
        text = "The interval lies more than one point from zero: in this experiment they differ, against the paper."
        return contrast.finding("contradicted", text, p=beyond.strict_p())
    text = "The interval does not lie wholly more than one point from zero: this experiment cannot say whether they"
    return contrast.finding("inconclusive", f"{text} differ by that much.", p=beyond.strict_p())


def _equivalent(contrast: Contrast) -> Finding:
    """Two one-sided tests, with the interval that belongs to them in place of the contrast's own."""
    size = 1 - contrast.level
    shown = equivalence(contrast.estimate, MARGIN, size)
    contrast = replace(contrast, level=1 - 2 * size)
    tested = f"The interval is that of two one-sided tests at {100 * size:.2g} % each; it"
    if shown.equivalent:
        text = f"{tested} lies within one point of zero: in this experiment they are equivalent, as the paper claims."
    else:
        text = f"{tested} reaches beyond one point from zero: this experiment cannot say whether they are equivalent."
    return contrast.finding("supported" if shown.equivalent else "inconclusive", text, p=shown.p)
