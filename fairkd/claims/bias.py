"""Verdicts: what our students say about each claim of the paper (``fairkd.claims.paper.CLAIMS``), and how surely.

A claim is judged by a 95 % interval over stimulus words and seeds: supported where the interval lies on the claimed
side of zero, contradicted where it lies on the other, else inconclusive. With one seed the interval covers words only.
It cannot tell what a recipe does from chance in training, so the verdict is then inconclusive whatever the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace

import numpy as np
import pandas as pd

from fairkd.bias.effects import Effects, correlation
from fairkd.bias.stimuli import TESTS
from fairkd.claims import paper
from fairkd.claims.contrasts import LEVEL, VERDICTS, Contrast, Finding, lowest, one_sided
from fairkd.names import arm_words
from fairkd.stats.resampling import Floats, holm
from fairkd.wording import listed, number, with_interval

NOTE = (
    "Each claim is judged by its own 95 % interval. With several claims, the chance that at least one of them is "
    "decided by accident is larger than 5 %; p (Holm) is adjusted for all claims that have a p-value. Intervals and "
    "p-values come from a bootstrap over stimulus words and seeds (claims 3 and 8: over examples and seeds). One seed "
    "gives no p-value."
)
WORDS = "stimulus words"
# The arms that a claim compares: the first with the others. Claim 1 takes those of Figure 1.
_COMPARED: dict[int, tuple[str, ...]] = {
    0: ("full", "teacher"),
    2: ("no-ce", *(arm for arm in paper.TABLE1 if arm != "no-ce")),
    4: ("mixup-xy", "full"),
    5: ("mixup-xy", *(arm for arm in paper.TABLE2 if arm != "mixup-xy")),
    6: ("mixup-xy", "debiased-teacher"),
    7: ("mixup-h", "full"),
}


def judge(effects: Mapping[str, Effects], *, layers: Mapping[str, int]) -> pd.DataFrame:
    """The verdict on each claim of the paper: a row a claim, plain strings and numbers.

    Args:
        effects: of each arm by name, "teacher" among them, all under one pooling and the same resampled words. A
            claim whose arms are not all there is "not run"; arms that no claim names are ignored.
        layers: the arms of Figure 1 and how many layers each has.

    Returns:
        Columns: claim (number), title, statement, source, printed, verdict (one of ``VERDICTS``), sentence, what
        (the estimate is), estimate, low, high (its 95 % interval), p, seeds, p_holm. p is two-sided. For "lowest"
        claims (2, 5) it is the largest over the rivals or, where rivals are lower, the smallest of those times the
        number of rivals. For claim 6 it is of the average alone.
    """
    rows = [asdict(claim) | asdict(_finding(claim.number, effects, layers)) for claim in paper.CLAIMS]
    return with_holm(pd.DataFrame(rows).rename(columns={"number": "claim"}))


def with_holm(verdicts: pd.DataFrame) -> pd.DataFrame:
    """The table with p_holm (made anew): p adjusted over its rows that have one, which must be of one pooling."""
    p, table = verdicts["p"].to_numpy(dtype=float), verdicts.assign(p_holm=math.nan)
    judged = np.isfinite(p)
    if judged.any():
        table.loc[judged, "p_holm"] = holm(p[judged])
    return table


def summary(verdicts: pd.DataFrame) -> str:
    """Counts them: "Of 9 claims, 2 are supported, 1 contradicted, 4 inconclusive, 2 not run."."""
    counts = [int((verdicts["verdict"] == verdict).sum()) for verdict in VERDICTS]
    words = [f"{count or 'none'} {verdict}" for count, verdict in zip(counts, VERDICTS, strict=True)]
    words[0] = f"{counts[0] or 'none'} {'are' if counts[0] > 1 else 'is'} supported"
    return f"Of {len(verdicts)} claims, {', '.join(words)}."


def _finding(claim: int, effects: Mapping[str, Effects], layers: Mapping[str, int]) -> Finding:
    if claim in (3, 8):  # those are judged by fairkd.claims.quality
        return Finding("not run", "The students were not evaluated on GLUE.")
    arms = tuple(layers) if claim == 1 else _COMPARED[claim]
    missing = [arm_words(arm) for arm in arms if arm not in effects]
    if missing:
        return Finding("not run", f"There is no result for {listed(missing)}.")
    match claim:
        case 1:
            return _capacity(effects, layers)
        case 2 | 5:
            seeds = _seeds(effects, arms)
            return lowest([_difference(effects, arms[0], rival, seeds=seeds) for rival in arms[1:]])
        case 6:
            return _lower_in_tests(effects, arms[0], arms[1])
        case _:
            return one_sided(_difference(effects, *arms), side=-1 if claim == 4 else 1)


def _difference(effects: Mapping[str, Effects], arm: str, baseline: str, *, seeds: int | None = None) -> Contrast:
    """Average SEAT of an arm minus that of another; ``seeds`` where the claim is about more arms than the two."""
    ours, theirs = effects[arm].average(), effects[baseline].average()
    difference, seeds = ours - theirs, seeds or _seeds(effects, (arm, baseline))
    ends = difference.interval(LEVEL)
    return Contrast(
        difference,
        *ends,
        difference.p(),
        seeds,
        what=f"difference of average SEAT, {arm} − {baseline}",
        found=f"The average SEAT is {number(ours.value)} for {arm_words(arm)} and {number(theirs.value)} for "
        f"{arm_words(baseline)}, a difference of {with_interval(difference.value, *ends, seeds, over=WORDS)}.",
        above=f"{arm_words(arm)} scores higher than {arm_words(baseline)}",
        below=f"{arm_words(arm)} scores lower than {arm_words(baseline)}",
    )


def _capacity(effects: Mapping[str, Effects], layers: Mapping[str, int]) -> Finding:
    """Claim 1: Pearson's r of layers and average SEAT is below zero, over the students of Figure 1 as they are."""
    if len(set(layers.values())) < 3:
        return Finding("not run", "The correlation needs students of three depths or more: with two it is always ±1.")
    depths, averages = list(layers.values()), [effects[arm].average() for arm in layers]
    r, low, high = correlation(depths, averages)
    seeds = _seeds(effects, layers)
    contrast = Contrast(
        r,
        low,
        high,
        _sign_p(r.replicates),
        seeds,
        what="Pearson's r of layers and average SEAT",
        found=f"Over students of {listed([str(depth) for depth in sorted(set(depths))])} layers, the correlation of "
        f"the number of layers with the average SEAT is r = {with_interval(r.value, low, high, seeds, over=WORDS)}.",
        above="students with fewer layers score lower",
        below="students with fewer layers score higher",
    )
    return one_sided(contrast, side=-1)


def _lower_in_tests(effects: Mapping[str, Effects], arm: str, baseline: str, least: int = 4) -> Finding:
    """Claim 6: the average is lower, and |d| is lower in at least ``least`` tests; both must hold.

    Each test's differences are shifted to their estimate before tests are counted, as they are for the average: noise
    makes a small |d| larger.
    """
    contrast = _difference(effects, arm, baseline)
    average = one_sided(contrast, side=-1)
    if not contrast.defined:
        return average
    (ours, our_draws), (theirs, their_draws) = effects[arm].absolute_tests(), effects[baseline].absolute_tests()
    differences, draws = ours - theirs, our_draws - their_draws
    counts = (draws - draws.mean(axis=0) + differences < 0).sum(axis=1)
    low = int(np.quantile(counts, (1 - LEVEL) / 2, method="lower"))
    high = int(np.quantile(counts, (1 + LEVEL) / 2, method="higher"))
    lower = [test for test, difference in zip(TESTS, differences, strict=True) if difference < 0]
    tests = "supported" if low >= least else "contradicted" if high < least else "inconclusive"
    verdicts = {average.verdict, tests} if contrast.seeds > 1 else {"inconclusive"}
    verdict = next(v for v in ("contradicted", "inconclusive", "supported") if v in verdicts)
    held = {"supported": "surely", "contradicted": "surely not", "inconclusive": "not surely"}[tests]
    text = f"|d| is lower in {len(lower)} of {len(TESTS)} tests{f' ({listed(lower)})' if lower else ''}, in {low} to "
    text += f"{high} of them when resampled: {held} {least} or more{' for these words' if contrast.seeds == 1 else ''}."
    return replace(average, verdict=verdict, sentence=f"{average.sentence} {text}")


def _seeds(effects: Mapping[str, Effects], arms: Iterable[str]) -> int:
    """Of the arms with the fewest. The teacher is not a draw: it has one copy, whatever the seeds of its students."""
    return min(effects[arm].seeds for arm in arms if arm != "teacher")


def _sign_p(replicates: Floats) -> float:
    """Two-sided p of r, twice the share beyond zero, as its percentile interval: r is bounded and cannot be shifted."""
    beyond = min((replicates <= 0).sum(), (replicates >= 0).sum())
    return min(1.0, float(2 * (1 + beyond) / (1 + len(replicates)))) if np.isfinite(replicates).all() else math.nan
