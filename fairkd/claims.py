"""Verdicts: what our students say about each claim of the paper (``fairkd.paper.CLAIMS``), and how surely.

A claim is judged by a 95 % interval over stimulus words and seeds: supported where the interval lies on the claimed
side of zero, contradicted where it lies on the other, else inconclusive. With one seed the interval covers words only.
It cannot tell what a recipe does from chance in training, so the verdict is then inconclusive whatever the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd

from fairkd import paper
from fairkd.effects import Effects, Estimate, correlation
from fairkd.stats import Floats, holm
from fairkd.stimuli import TESTS
from fairkd.tables import interval, number

LEVEL = 0.95
VERDICTS = ("supported", "contradicted", "inconclusive", "not run")
NOTE = (
    "Each claim is judged by its own 95 % interval. With several claims, the chance that at least one of them is "
    "decided by accident is larger than 5 %; p (Holm) is adjusted for all claims that have a p-value. Intervals and "
    "p-values come from a bootstrap over stimulus words and seeds. One seed gives no p-value."
)
UNDEFINED = "An effect size, or a resample of it, is undefined: there is no interval, and nothing can be said."
ONE_SEED = "One seed cannot tell what the training recipe does from chance in training."

_NAMES = {
    "teacher": "the teacher",
    "full": "the original student",
    "no-cos": "the student without L_cos",
    "no-ce": "the student without L_ce",
    "debiased-teacher": "the student of the debiased teacher",
    "mixup-h": "the student with output embeddings mixed",
    "mixup-x": "the student with input embeddings mixed",
    "mixup-yh": "the student with logits and output embeddings mixed",
    "mixup-xyh": "the student with logits, output and input embeddings mixed",
    "mixup-xy": "the student of the proposed mixup",
}
# The arms that a claim compares: the first with the others. Claim 1 takes those of Figure 1.
_COMPARED: dict[int, tuple[str, ...]] = {
    0: ("full", "teacher"),
    2: ("no-ce", *(arm for arm in paper.TABLE1 if arm != "no-ce")),
    4: ("mixup-xy", "full"),
    5: ("mixup-xy", *(arm for arm in paper.TABLE2 if arm != "mixup-xy")),
    6: ("mixup-xy", "debiased-teacher"),
    7: ("mixup-h", "full"),
}


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
class _Contrast:
    """An estimate to be compared with zero, its 95 % interval, and words for what it is and for both outcomes."""

    estimate: Estimate
    low: float
    high: float
    p: float
    seeds: int
    what: str
    found: str
    above: str
    below: str

    @property
    def defined(self) -> bool:
        return math.isfinite(self.estimate.value) and math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def holds_zero(self) -> bool:
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
    if claim in (3, 8):  # results on GLUE come in here
        return Finding("not run", "The students were not evaluated on GLUE.")
    arms = tuple(layers) if claim == 1 else _COMPARED[claim]
    missing = [_NAMES.get(arm, arm) for arm in arms if arm not in effects]
    if missing:
        return Finding("not run", f"There is no result for {_listed(missing)}.")
    match claim:
        case 1:
            return _capacity(effects, layers)
        case 2 | 5:
            seeds = _seeds(effects, arms)
            return _lowest([_difference(effects, arms[0], rival, seeds=seeds) for rival in arms[1:]])
        case 6:
            return _lower_in_tests(effects, arms[0], arms[1])
        case _:
            return _one_sided(_difference(effects, *arms), side=-1 if claim == 4 else 1)


def _difference(effects: Mapping[str, Effects], arm: str, baseline: str, *, seeds: int | None = None) -> _Contrast:
    """Average SEAT of an arm minus that of another; ``seeds`` where the claim is about more arms than the two."""
    ours, theirs = effects[arm].average(), effects[baseline].average()
    difference, seeds = ours - theirs, seeds or _seeds(effects, (arm, baseline))
    ends = difference.interval(LEVEL)
    return _Contrast(
        difference,
        *ends,
        difference.p(),
        seeds,
        what=f"difference of average SEAT, {arm} − {baseline}",
        found=f"The average SEAT is {number(ours.value)} for {_NAMES[arm]} and {number(theirs.value)} for "
        f"{_NAMES[baseline]}, a difference of {_with_interval(difference.value, *ends, seeds)}.",
        above=f"{_NAMES[arm]} scores higher than {_NAMES[baseline]}",
        below=f"{_NAMES[arm]} scores lower than {_NAMES[baseline]}",
    )


def _capacity(effects: Mapping[str, Effects], layers: Mapping[str, int]) -> Finding:
    """Claim 1: Pearson's r of layers and average SEAT is below zero, over the students of Figure 1 as they are."""
    if len(set(layers.values())) < 3:
        return Finding("not run", "The correlation needs students of three depths or more: with two it is always ±1.")
    depths, averages = list(layers.values()), [effects[arm].average() for arm in layers]
    r, low, high = correlation(depths, averages)
    seeds = _seeds(effects, layers)
    contrast = _Contrast(
        r,
        low,
        high,
        _sign_p(r.replicates),
        seeds,
        what="Pearson's r of layers and average SEAT",
        found=f"Over students of {_listed([str(depth) for depth in sorted(set(depths))])} layers, the correlation of "
        f"the number of layers with the average SEAT is r = {_with_interval(r.value, low, high, seeds)}.",
        above="students with fewer layers score lower",
        below="students with fewer layers score higher",
    )
    return _one_sided(contrast, side=-1)


def _one_sided(contrast: _Contrast, *, side: int) -> Finding:
    """Judges a claim that an estimate lies above zero (side 1) or below (side -1)."""
    if not contrast.defined:
        return contrast.finding("inconclusive", UNDEFINED)
    outcome = contrast.outcome(side)
    if contrast.seeds == 1:
        verb = "holds" if contrast.holds_zero else "excludes"
        text = f"In this one run {outcome}; the interval over words {verb} zero. {ONE_SEED}"
        return contrast.finding("inconclusive", text)
    if contrast.holds_zero:
        text = "The interval holds zero: this experiment cannot say which way it goes."
        return contrast.finding("inconclusive", text)
    above = contrast.low > 0
    text = f"The interval lies {'above' if above else 'below'} zero: in this experiment {outcome}."
    return contrast.finding("supported" if above == (side > 0) else "contradicted", text)


def _lowest(contrasts: Sequence[_Contrast]) -> Finding:
    """Judges a claim that an arm is the lowest, from its differences to the others, and shows the one that decides.

    Supported only if each interval lies below zero: an intersection-union test, which needs no correction.
    Contradicted if any lies above zero, which is the likelier by accident the more there are: those intervals are at
    the level 1 - 0.05 / number (Bonferroni).
    """
    undefined = [contrast for contrast in contrasts if not contrast.defined]
    if undefined:
        return undefined[0].finding("inconclusive", UNDEFINED)
    count, below = len(contrasts), sum(contrast.high < 0 for contrast in contrasts)
    strict = {c.what: c.estimate.interval(1 - (1 - LEVEL) / count)[0] for c in contrasts}
    lower = [contrast for contrast in contrasts if contrast.estimate.value > 0]
    if lower:
        shown = max(lower, key=lambda contrast: strict[contrast.what])
        p = min(1.0, count * min(contrast.p for contrast in lower))
        found = f"{len(lower)} of the {count} others {'scores' if len(lower) == 1 else 'score'} lower"
    else:
        shown = max(contrasts, key=lambda contrast: contrast.high)
        p = max(contrast.p for contrast in contrasts)
        found = f"none of the {count} others scores lower"
    if shown.seeds == 1:
        text = f"In this one run {found}; {below} of {count} intervals over words lie below zero. {ONE_SEED}"
        return shown.finding("inconclusive", text)
    if below == count:
        text = f"Of the {count} others this is the closest, and all intervals lie below zero: in this experiment"
        return shown.finding("supported", f"{text} it scores lowest, as the paper claims.", p=p)
    if strict[shown.what] > 0:
        text = f"The interval lies above zero, also when widened for {count} comparisons: in this experiment"
        return shown.finding("contradicted", f"{text} it does not score lowest, against the paper.", p=p)
    text = f"Here {found}, and {below} of {count} intervals lie below zero: this experiment cannot say"
    return shown.finding("inconclusive", f"{text} whether it is the lowest.", p=p)


def _lower_in_tests(effects: Mapping[str, Effects], arm: str, baseline: str, least: int = 4) -> Finding:
    """Claim 6: the average is lower, and |d| is lower in at least ``least`` tests; both must hold.

    Each test's differences are shifted to their estimate before tests are counted, as they are for the average: noise
    makes a small |d| larger.
    """
    contrast = _difference(effects, arm, baseline)
    average = _one_sided(contrast, side=-1)
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
    text = f"|d| is lower in {len(lower)} of {len(TESTS)} tests{f' ({_listed(lower)})' if lower else ''}, in {low} to "
    text += f"{high} of them when resampled: {held} {least} or more{' for these words' if contrast.seeds == 1 else ''}."
    return replace(average, verdict=verdict, sentence=f"{average.sentence} {text}")


def _seeds(effects: Mapping[str, Effects], arms: Iterable[str]) -> int:
    """Of the arms with the fewest. The teacher is not a draw: it has one copy, whatever the seeds of its students."""
    return min(effects[arm].seeds for arm in arms if arm != "teacher")


def _sign_p(replicates: Floats) -> float:
    """Two-sided p of r, twice the share beyond zero, as its percentile interval: r is bounded and cannot be shifted."""
    beyond = min((replicates <= 0).sum(), (replicates >= 0).sum())
    return min(1.0, float(2 * (1 + beyond) / (1 + len(replicates)))) if np.isfinite(replicates).all() else math.nan


def _with_interval(value: float, low: float, high: float, seeds: int) -> str:
    over = "stimulus words, with one seed" if seeds == 1 else f"stimulus words and {seeds} seeds"
    ends = interval(low, high, 3)
    return f"{number(value)} {ends} over {over}" if ends else number(value)


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
