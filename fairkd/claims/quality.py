"""Verdicts on the two claims about quality: lowest GLUE without L_ce (Table 1), and mixup keeps GLUE (Table 3).

Both are about the average over the eight tasks, judged by 95 % intervals over examples and seeds. "Keeps" is not "no
significant difference", which few seeds and examples always show: it is an interval within one point of zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

import numpy as np
import pandas as pd

from fairkd.claims import paper
from fairkd.claims.bias import with_holm
from fairkd.claims.contrasts import LEVEL, ONE_SEED, Contrast, Finding, lowest
from fairkd.glue.quality import Quality
from fairkd.names import arm_words
from fairkd.stats.equivalence import equivalence
from fairkd.stats.resampling import difference_p, widened
from fairkd.wording import interval, listed, number, with_interval

MARGIN = 1.0
"""The smallest difference of averages that matters, in points; as claim 8 is stated."""
GLUE = "GLUE"
TASKS = len(paper.TABLE3["full"])
# The arms that a claim compares: the first with the others.
_COMPARED = {3: ("no-ce", *(arm for arm in paper.TABLE1 if arm != "no-ce")), 8: ("mixup-xy", "full")}
GLUE_CLAIMS = tuple(_COMPARED)


def judge_glue(quality: Mapping[str, Quality], *, suite: str) -> pd.DataFrame:
    """The verdicts on claims 3 and 8, in the columns of :func:`fairkd.claims.bias.judge`.

    Claim 3 is judged as the other "lowest" claims. Claim 8 is supported where two one-sided tests at 5 % show that
    the difference is smaller than ``MARGIN``, contradicted where the 95 % interval lies beyond the margin. p is
    theirs if the difference is within the margin, else two-sided for "the difference is as large as the margin".

    Args:
        quality: of each arm by name, on the same tasks and resampled examples. A claim is "not run" where one of its
            arms is not there, a task of it failed, or there are fewer tasks than in the paper: averages of other
            tasks are no average on GLUE. Arms that no claim names are ignored.
        suite: what the tasks are called, "GLUE" or "mini-GLUE (synthetic)". Of any but GLUE the sentences say that
            the paper's claim is not about it.
    """
    stated = [claim for claim in paper.CLAIMS if claim.number in _COMPARED]
    rows = [asdict(claim) | asdict(_finding(claim.number, quality, suite)) for claim in stated]
    return with_holm(pd.DataFrame(rows).rename(columns={"number": "claim"}))


def _finding(claim: int, quality: Mapping[str, Quality], suite: str) -> Finding:
    arms = _COMPARED[claim]
    lacks = _lacks(arms, quality, suite)
    if lacks:
        return Finding("not run", lacks)
    seeds = min(quality[arm].seeds for arm in arms)
    contrasts = [_difference(quality, arms[0], rival, suite=suite, seeds=seeds) for rival in arms[1:]]
    found = lowest(contrasts) if claim == 3 else _within_margin(contrasts[0])
    if suite == GLUE:
        return found
    return replace(found, sentence=f"{found.sentence} The paper's claim is about GLUE, not about {suite}.")


def _lacks(arms: tuple[str, ...], quality: Mapping[str, Quality], suite: str) -> str:
    """Why these arms have no average on the suite; "" if all have."""
    missing = [arm_words(arm) for arm in arms if arm not in quality]
    if missing:
        return f"There is no result on {suite} for {listed(missing)}."
    for arm in arms:
        scores = quality[arm].scores
        failed = int(np.isnan(scores).any(axis=0).sum())
        if failed:
            return (
                f"{arm_words(arm)[0].upper()}{arm_words(arm)[1:]} has no average on {suite}: {failed} of "
                f"{scores.shape[1]} {'task' if scores.shape[1] == 1 else 'tasks'} failed."
            )
        if scores.shape[1] != TASKS:
            return f"The claim is about the average over {TASKS} tasks. Of {suite}, {scores.shape[1]} were run."
    return ""


def _difference(quality: Mapping[str, Quality], arm: str, baseline: str, *, suite: str, seeds: int) -> Contrast:
    """Average of an arm minus that of another, in points."""
    ours, theirs = quality[arm].average(), quality[baseline].average()
    difference = ours - theirs
    ends = difference.interval(LEVEL)
    return Contrast(
        difference,
        *ends,
        difference.p(),
        seeds,
        what=f"difference of average on {suite} in points, {arm} − {baseline}",
        found=f"The average on {suite} is {number(ours.value, 2)} for {arm_words(arm)} and "
        f"{number(theirs.value, 2)} for {arm_words(baseline)}, a difference in points of "
        f"{with_interval(difference.value, *ends, seeds, over='examples', digits=2)}.",
        above=f"{arm_words(arm)} scores higher than {arm_words(baseline)}",
        below=f"{arm_words(arm)} scores lower than {arm_words(baseline)}",
        over="examples",
    )


def _within_margin(contrast: Contrast) -> Finding:
    """Judges a claim that an estimate is smaller than the margin in size."""
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
