"""The average on GLUE as a ruler of claims (Table 3, GLUE row of Table 1), and the judge of "keeps".

Averages are over the eight tasks, intervals over examples and seeds. "Keeps" is not "no significant difference", which
few seeds and examples always show: it is an interval within one point of zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fairkd.claims import paper
from fairkd.claims.contrasts import LEVEL, ONE_SEED, Contrast, Finding
from fairkd.glue.quality import TaskScores
from fairkd.names import arm_words
from fairkd.stats.equivalence import equivalence
from fairkd.stats.resampling import difference_p, widened
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
        ends = difference.interval(LEVEL)
        return Contrast(
            difference,
            *ends,
            difference.p(),
            seeds,
            what=f"difference of average on {self.suite} in points, {arm} − {baseline}",
            found=f"The average on {self.suite} is {number(ours.value, 2)} for {arm_words(arm)} and "
            f"{number(theirs.value, 2)} for {arm_words(baseline)}, a difference in points of "
            f"{with_interval(difference.value, *ends, seeds, over='examples', digits=2)}.",
            above=f"{arm_words(arm)} scores higher than {arm_words(baseline)}",
            below=f"{arm_words(arm)} scores lower than {arm_words(baseline)}",
            over="examples",
        )


def within_margin(glue: AverageGlue, arms: Sequence[str]) -> Finding:
    """Judges a claim that two arms differ by less than ``MARGIN``.

    Supported where two one-sided tests at 5 % show it, contradicted where the 95 % interval lies beyond the margin. p
    is theirs if the difference is within the margin, else two-sided for "the difference is as large as the margin".
    """
    contrast = glue.against(arms)[0]
    difference = contrast.estimate
    within = abs(difference.value) < MARGIN
    shown = equivalence(difference.value, widened(difference.replicates, difference.by_seed, 2 * LEVEL - 1), MARGIN)
    beyond = contrast.low > MARGIN or contrast.high < -MARGIN
    if contrast.seeds == 1:
        text = f"In this one run the two differ by {'less' if within else 'not less'} than one point. {ONE_SEED}"
        return contrast.finding("inconclusive", text)
    if shown.equivalent:
        ends = interval(shown.low, shown.high, 2)
        text = f"The 90 % interval {ends}, of two one-sided tests at 5 %, lies within one point of zero: in this"
        return contrast.finding("supported", f"{text} experiment they are equivalent, as the paper claims.", p=shown.p)
    beyond_p = difference_p(abs(difference.value) - MARGIN, widened(difference.replicates, difference.by_seed))
    p = shown.p if within else beyond_p
    if beyond:
        text = "The interval lies more than one point from zero: in this experiment they differ, against the paper."
        return contrast.finding("contradicted", text, p=p)
    text = "The interval lies neither within one point of zero nor wholly beyond: this experiment cannot say whether"
    return contrast.finding("inconclusive", f"{text} they are equivalent.", p=p)
