"""The claims of the paper, each with its arms, its ruler and its judge, and their verdicts.

A claim is judged by an interval over stimulus words (or examples) and seeds: supported where the interval lies on the
claimed side of zero, contradicted where it lies on the other, else inconclusive. A claim of several parts has a
verdict on each. All parts of all claims are one family, whether they were run or not: each is judged at the level at
which all hold together with 95 % (Bonferroni), so that a row is the same in whatever table it stands. With one seed
the interval covers words only. It cannot tell what a recipe does from chance in training, so the verdict is then
inconclusive whatever the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

import pandas as pd

from fairkd.bias.effects import Effects
from fairkd.bias.ruler import Ruler, Score
from fairkd.bias.stimuli import NAME_TESTS
from fairkd.claims import paper
from fairkd.claims.bias import AverageSeat, falls_with_layers, higher_in_tests, lower_in_tests, on_names
from fairkd.claims.contrasts import (
    Averages,
    Finding,
    higher,
    highest,
    level_of_each,
    lower,
    lowest,
)
from fairkd.claims.quality import AverageGlue, within_margin
from fairkd.claims.rulers import AverageScore
from fairkd.frames import RULER_VERDICTS, VERDICT_ROWS
from fairkd.glue.quality import TaskScores
from fairkd.names import TEACHER, arm_title
from fairkd.stats.estimates import Estimate
from fairkd.wording import listed, number, percent


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        number: as in the report's table of verdicts.
        title: a few words.
        statement: what is claimed, in our words, as something that data can support or contradict.
        source: where the paper makes it.
        printed: the numbers that the paper gives for it.
        arms: that it compares, the first with the others; none if it is about the students of Figure 1.
        ruler: what it is measured by.
        judges: of each part of the claim, by what the part is called ("" if there is one only): takes the ruler and
            the arms, all of which the ruler has.
    """

    number: int
    title: str
    statement: str
    source: str
    printed: str
    arms: tuple[str, ...]
    ruler: type[Averages]
    judges: Mapping[str, Callable[[Any, Sequence[str]], Finding]]

    def stated(self) -> dict[str, Any]:
        """The claim as the columns claim (its number), title, statement, source, printed."""
        words = {"title": self.title, "statement": self.statement, "source": self.source, "printed": self.printed}
        return {"claim": self.number} | words


def _averages(*arms: str, table: Mapping[str, float], digits: int = 3) -> str:
    """Printed averages in words: "0.738 (mixup of input + logits), 0.992 (original)"."""
    return ", ".join(f"{table[arm]:.{digits}f} ({arm_title(arm)})" for arm in arms)


def _first(arm: str, table: Iterable[str]) -> tuple[str, ...]:
    """The arms of a table with this one at the front."""
    return arm, *(other for other in table if other != arm)


SIX_TESTS, BY_TEST, NAMES = "average of six tests", "test by test", f"average of {listed(NAME_TESTS)}"
"""Parts of the claims on mixup: as the paper has it, and on the tests whose gender words mixup does not exchange."""

CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=0,
        title="Distillation amplifies bias",
        statement="The distilled student has a higher average SEAT than its teacher.",
        source="Abstract, Section 1",
        printed="no number: the teacher's SEAT is not reported",
        arms=("full", TEACHER),
        ruler=AverageSeat,
        judges={"": higher},
    ),
    Claim(
        number=1,
        title="Fewer layers, more bias",
        statement="The fewer layers a student has, the higher its average SEAT: the two correlate negatively.",
        source="Figure 1, Section 4.2",
        printed=f"r = {paper.FIGURE1_R:.2f}".replace("-", "−"),
        arms=(),
        ruler=AverageSeat,
        judges={"": falls_with_layers},
    ),
    Claim(
        number=2,
        title="Least bias without L_ce",
        statement="Of the three students of Table 1, the one trained without L_ce has the lowest average SEAT.",
        source="Table 1, Section 4.3",
        printed=_averages("no-ce", "no-cos", "full", table=paper.TABLE1_PRINTED_AVERAGE)
        + f"; by its six values {paper.average(paper.TABLE1['no-ce']):.3f} (no L_ce)",
        arms=_first("no-ce", paper.TABLE1),
        ruler=AverageSeat,
        judges={"": lowest},
    ),
    Claim(
        number=3,
        title="Lowest GLUE without L_ce",
        statement="Of the three students of Table 1, the one trained without L_ce has the lowest average on GLUE.",
        source="Table 1, Section 4.3",
        printed=_averages("no-ce", "no-cos", "full", table=paper.TABLE1_GLUE_AVERAGE, digits=1),
        arms=_first("no-ce", paper.TABLE1),
        ruler=AverageGlue,
        judges={"": lowest},
    ),
    Claim(
        number=4,
        title="The proposed mixup lowers bias",
        statement="Mixup of logits and input embeddings lowers the average SEAT of the original distillation.",
        source="Table 2, Section 5.3",
        printed=_averages("mixup-xy", "full", table=paper.TABLE2_PRINTED_AVERAGE),
        arms=("mixup-xy", "full"),
        ruler=AverageSeat,
        judges={SIX_TESTS: lower, NAMES: on_names(lower)},
    ),
    Claim(
        number=5,
        title="The proposed mixup is the best row",
        statement="Of the seven students of Table 2, the one of the proposed mixup has the lowest average SEAT.",
        source="Table 2, Section 5.3",
        printed=_averages("mixup-xy", "mixup-xyh", table=paper.TABLE2_PRINTED_AVERAGE) + " is the next",
        arms=_first("mixup-xy", paper.TABLE2),
        ruler=AverageSeat,
        judges={SIX_TESTS: lowest, NAMES: on_names(lowest)},
    ),
    Claim(
        number=6,
        title="Better than a debiased teacher",
        statement="The proposed mixup has a lower average SEAT than the student of a debiased teacher, and a lower "
        "|d| in at least four of the six tests.",
        source="Table 2, Section 5.3",
        printed=_averages("mixup-xy", "debiased-teacher", table=paper.TABLE2_PRINTED_AVERAGE)
        + "; lower in C6b, C7, C8 and C8b",
        arms=("mixup-xy", "debiased-teacher"),
        ruler=AverageSeat,
        judges={SIX_TESTS: lower, BY_TEST: lower_in_tests, NAMES: on_names(lower)},
    ),
    Claim(
        number=7,
        title="Mixing output embeddings raises bias",
        statement="Mixup of the teacher's output embeddings raises the average SEAT of the original distillation, and "
        "|d| in most tests: at least four of the six.",
        source="Table 2, Section 5.3",
        printed=_averages("mixup-h", "full", table=paper.TABLE2_PRINTED_AVERAGE)
        + "; higher in C7b, C8 and C8b, three of six tests (the text says most)",
        arms=("mixup-h", "full"),
        ruler=AverageSeat,
        judges={SIX_TESTS: higher, BY_TEST: higher_in_tests},
    ),
    Claim(
        number=8,
        title="Mixup keeps GLUE",
        statement="With the proposed mixup the average on GLUE stays within one point, our margin, of the original.",
        source="Table 3, Section 5.3",
        printed=_averages("mixup-xy", "full", table=paper.TABLE3_PRINTED_AVERAGE, digits=1)
        + f"; by the tasks {paper.average(paper.TABLE3['mixup-xy']):.2f} and {paper.average(paper.TABLE3['full']):.2f}",
        arms=("mixup-xy", "full"),
        ruler=AverageGlue,
        judges={"": within_margin},
    ),
    Claim(
        number=9,
        title="Highest GLUE with all losses",
        statement="Of the three students of Table 1, the one trained with all losses has the highest average on GLUE.",
        source="Table 1, Section 4.3",
        printed=_averages("full", "no-cos", "no-ce", table=paper.TABLE1_GLUE_AVERAGE, digits=1),
        arms=_first("full", paper.TABLE1),
        ruler=AverageGlue,
        judges={"": highest},
    ),
)


_ON_NAMES = {arm: fmean(cells[test] for test in NAME_TESTS) for arm, cells in paper.TABLE2.items()}
_PRINTED: dict[int, tuple[Mapping[str, float], int]] = {
    2: (paper.TABLE1_PRINTED_AVERAGE, 3),
    3: (paper.TABLE1_GLUE_AVERAGE, 1),
    **dict.fromkeys((4, 5, 6, 7), (paper.TABLE2_PRINTED_AVERAGE, 3)),
    8: (paper.TABLE3_PRINTED_AVERAGE, 1),
    9: (paper.TABLE1_GLUE_AVERAGE, 1),
}
"""By claim: the printed averages that it is about, and with how many digits."""
_NO_DIFFERENCE = {(1, ""): f"r = {number(paper.FIGURE1_R, 2)}", (6, BY_TEST): "4 of 6", (7, BY_TEST): "3 of 6"}


def printed_briefly(claim: int, part: str, what: str = "") -> str:
    """What the paper prints for a part of a claim, as the difference that the claim is about; "–" where it prints none.

    Args:
        claim: its number.
        part: of it.
        what: of the finding that it stands beside: the printed difference is then that of the same two students. Else,
            where the claim is that one of several is the lowest or highest, from the next best of the printed ones.

    Those on names (:data:`NAMES`) are not printed: they are computed from the printed cells.

    >>> printed_briefly(4, SIX_TESTS), printed_briefly(0, "")
    ('−0.254', '–')
    >>> printed_briefly(2, "", "difference of average SEAT, no-ce − full")
    '−0.322'
    """
    if claim not in _PRINTED or (claim, part) in _NO_DIFFERENCE:
        return _NO_DIFFERENCE.get((claim, part), "–")
    table, digits = _PRINTED[claim]
    table = _ON_NAMES if part == NAMES else table
    first, _, second = what.rpartition(", ")[2].partition(" − ")
    if not {first, second} <= table.keys():
        first, *others = next(own.arms for own in CLAIMS if own.number == claim)
        second = (max if claim == 9 else min)(others, key=lambda arm: table[arm])
    return number(table[first] - table[second], digits)


def count_checks() -> int:
    """How many of the verdicts are on the tests whose gender words are names: our checks, not claims of the paper."""
    return sum(NAMES in claim.judges for claim in CLAIMS)


def count_rows() -> int:
    """How many verdicts the paper's claims have, one a part: they are judged as one family, run or not."""
    return sum(len(claim.judges) for claim in CLAIMS)


def family_level() -> float:
    """The level at which each is judged."""
    return level_of_each(count_rows())


def family_note() -> str:
    """What a level far beyond 95 % is for, for captions."""
    return (
        f"The {count_rows()} verdicts ({count_checks()} of them, on the tests with names, are checks of ours) are to "
        f"hold together with 95 %: for that, each is judged by a {percent(family_level())} interval, or by one of the "
        "level that its sentence names."
    )


def judge(effects: Mapping[str, Effects], *, layers: Mapping[str, int]) -> pd.DataFrame:
    """The verdict on each claim of the paper by average SEAT: a row a part of a claim, plain strings and numbers.

    Args:
        effects: of each arm by name, "teacher" among them, all under one pooling and the same resampled words. A
            claim whose arms are not all there is "not run", and so are those on GLUE; arms that no claim names are
            ignored.
        layers: the arms of Figure 1 and how many layers each has.

    Returns:
        Columns: :data:`fairkd.frames.VERDICT_ROWS`; a verdict is one of ``VERDICTS``.
    """
    return verdicts_by(CLAIMS, AverageSeat(layers, family_level(), effects))


def judge_glue(quality: Mapping[str, TaskScores], *, suite: str) -> pd.DataFrame:
    """The verdicts on the claims about GLUE, in the columns of :func:`judge`.

    Args:
        quality: of each arm by name, on the same tasks and resampled examples. A claim is "not run" where its arms
            have no average over all tasks of the paper; arms that no claim names are ignored.
        suite: what the tasks are called, "GLUE" or "mini-GLUE (synthetic)". Of any but GLUE the sentences say that
            the paper's claim is not about it.
    """
    ruler = AverageGlue(quality, suite, family_level())
    table = verdicts_by([claim for claim in CLAIMS if claim.ruler is AverageGlue], ruler)
    if suite != "GLUE":
        table.loc[table.verdict != "not run", "sentence"] += f" The paper's claim is about GLUE, not about {suite}."
    return table


def judge_by_score(
    ruler: Ruler, score: Score, estimates: Mapping[str, Estimate], *, layers: Mapping[str, int]
) -> pd.DataFrame:
    """The verdict on each claim on bias by another ruler than SEAT; what SEAT's tests alone can say is left out.

    Each ruler judges by itself, at the level of the paper's table.

    Args:
        ruler: that measured.
        score: of it, by which is judged.
        estimates: of each arm by name, "teacher" among them, over the same resampled items.
        layers: as for :func:`judge`.

    Returns:
        Columns: :data:`fairkd.frames.RULER_VERDICTS`; the first part of each claim.

    Raises:
        InputError: a higher value of this score is not more bias.
    """
    found = AverageScore(layers, family_level(), ruler, score, estimates)
    judged = [replace(claim, ruler=AverageScore, judges=_main(claim)) for claim in CLAIMS if claim.ruler is AverageSeat]
    return verdicts_by(judged, found).assign(ruler=ruler.name, score=score.name)[RULER_VERDICTS]


def _main(claim: Claim) -> dict[str, Callable[[Any, Sequence[str]], Finding]]:
    """The first part of a claim, which is the whole of most."""
    return {"": next(iter(claim.judges.values()))}


def verdicts_by(claims: Iterable[Claim], ruler: Averages, *, family: int | None = None) -> pd.DataFrame:
    """The verdicts on claims by one ruler, which judges at the level of so many rows (those of the paper's table)."""
    table = pd.DataFrame(
        claim.stated() | {"part": part} | asdict(_finding(claim, part, ruler))
        for claim in claims
        for part in claim.judges
    )
    return table.assign(p_adjusted=((family or count_rows()) * table["p"]).clip(upper=1.0))[VERDICT_ROWS]


def _finding(claim: Claim, part: str, ruler: Averages) -> Finding:
    if not isinstance(ruler, claim.ruler):
        return Finding("not run", claim.ruler.unmeasured)
    lacks = ruler.lacks(claim.arms)
    return Finding("not run", lacks) if lacks else claim.judges[part](ruler, claim.arms)
