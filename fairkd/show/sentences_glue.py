"""The report's sentences about quality (Table 3, GLUE row of Table 1), computed from saved tables.

They say what was measured and whether an interval decides; verdicts on the paper's claims are in ``claims_glue``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from fairkd.claims import paper
from fairkd.claims.quality import MARGIN
from fairkd.names import arm_titles
from fairkd.show.tables import baselines_sentence
from fairkd.show.tables.glue import failures
from fairkd.wording import interval, number


def glue_sentence(results: Mapping[str, pd.DataFrame], *, suite: str) -> str:
    """Quality in words: lowest and highest student, what mixup and leaving out L_ce change, what failed, baselines.

    Args:
        results: of 04_glue by name: glue_tasks, glue_averages, and glue_differences, glue_baselines if they are there.
        suite: what the tasks are called, "GLUE" or another name.
    """
    tasks, averages = results["glue_tasks"], results["glue_averages"]
    texts = [_range(averages, suite)]
    differences = results.get("glue_differences")
    if differences is not None:
        seeds = int(averages.seeds.min())
        table_3, table_1 = (
            (paper.TABLE3_PRINTED_AVERAGE, paper.TABLE1_GLUE_AVERAGE) if suite == "GLUE" else (None, None)
        )
        texts.append(_change(differences, "mixup-xy", "Mixup of logits and input changes it by", table_3, seeds))
        texts.append(_change(differences, "no-ce", "Without L_ce it changes by", table_1, seeds))
    texts.append(_failed(tasks))
    if "glue_baselines" in results:
        texts.append(baselines_sentence(tasks, results["glue_baselines"], suite=suite))
    if suite != "GLUE":
        texts.append("These are synthetic tests, not those of the paper, and say nothing about its values.")
    return " ".join(text for text in texts if text)


def _range(averages: pd.DataFrame, suite: str) -> str:
    students = averages[(averages.arm != "teacher") & averages.average.notna()].sort_values("average", kind="stable")
    start = f"Quality (Table 3 on {suite}):"
    if students.empty:
        return f"{start} no student has an average, because tasks failed."
    titles = arm_titles(averages.arm)
    low, high = (
        f"{number(row.average, 1)} {interval(row.low, row.high, 1)} ({titles[row.arm]})".replace("  ", " ")
        for row in (students.iloc[0], students.iloc[-1])
    )
    if len(students) == 1:
        return f"{start} the average score is {low} percent."
    return f"{start} the average scores of {len(students)} students lie between {low} and {high} percent."


def _change(differences: pd.DataFrame, arm: str, words: str, printed: Mapping[str, float] | None, seeds: int) -> str:
    """How an arm's average differs from that of "full", and what the interval decides; "" where it was not compared.

    ``printed`` are the paper's averages, where they can be compared.
    """
    rows = differences[(differences.arm == arm) & (differences.baseline == "full") & (differences.task == "Avg.")]
    if rows.empty:
        return ""
    row = rows.iloc[0]
    text = f"{words} {_points(row)}"
    if printed is not None:
        text += f", in the paper by {number(printed[arm] - printed['full'], 1)}"
    if not row.low <= row.high:
        return f"{text}: the interval is undefined."
    said = _within_a_point(row) if arm == "mixup-xy" else _whether_it_helps(row)
    return f"{text}: {said}{', for this one run of the training' if seeds == 1 else ''}."


def _within_a_point(row: Any) -> str:
    if row.low > -MARGIN and row.high < MARGIN:
        return "the interval lies within one point"
    if row.low > MARGIN or row.high < -MARGIN:
        return "the interval lies beyond one point"
    return "the interval does not decide whether that is less than one point"


def _whether_it_helps(row: Any) -> str:
    if row.low <= 0 <= row.high:
        return "the interval holds zero, which leaves open whether L_ce helps"
    return f"the interval lies {'below' if row.high < 0 else 'above'} zero"


def _points(row: Any) -> str:
    return f"{number(row.difference, 1)} {interval(row.low, row.high, 1)}".strip() + " points"


def _failed(tasks: pd.DataFrame) -> str:
    found = failures(tasks)
    return f"Failed, so that averages are missing: {'; '.join(what for what, _ in found)}." if found else ""
