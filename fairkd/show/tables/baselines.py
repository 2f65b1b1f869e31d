"""Students beside baselines: what a task of Table 3 gives away to a guess, to its words, and to random weights."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from fairkd.names import TEACHER, arm_titles
from fairkd.show.html import Cell, Html, Row
from fairkd.show.tables.glue import WHAT_SCORES_ARE, column_title, in_order, score_cell, several_seeds, task_head
from fairkd.show.tables.plain import paragraphs, records, table
from fairkd.wording import number

BASELINE_TITLES = {"majority": "majority class", "bag-of-words": "bag of words", "untrained": "random weights"}
CEILING = 95
"""A task in which students come near this many percent cannot tell them apart."""


def glue_baselines(tasks: pd.DataFrame, baselines: pd.DataFrame, *, suite: str) -> Html:
    """Students beside what a task gives away without pretraining, in how many tasks they lie above it, and where not.

    Args:
        tasks: the columns :data:`fairkd.frames.GLUE_SCORES`.
        baselines: the same, with "majority", "bag-of-words" or "untrained" for an arm.
        suite: what the tasks are called.
    """
    arms, others = in_order(tasks), list(baselines.arm.drop_duplicates())
    counts, several = above_baselines(tasks, baselines), several_seeds(tasks)
    bold = {(row.arm, task) for row in records(counts) for task in row.above if several}
    cells = pd.concat([tasks, baselines]).set_index(["arm", "task"])
    rows = []
    for task in tasks.task.drop_duplicates():
        row = [task_head(task)]
        for arm in [*arms, *others]:
            value: Any = cells.loc[(arm, task)] if (arm, task) in cells.index else None
            kind = "printed" if arm in others else ""
            row.append(score_cell(value, "score", best=(arm, task) in bold, kind=kind))
        rows.append(Row(row))
    empty = [Cell("")] * len(others)
    for kind, name, title in (
        ("total", "above", "clearly above the baselines" if several else "above the baselines, in this run"),
        ("", "below_ceiling", f"below {CEILING}"),
    ):
        row = [Cell(f"{len(own)} of {n}") for own, n in zip(counts[name], counts.tasks, strict=True)]
        rows.append(Row([Cell(title, head="row"), *row, *empty], kind))
    titles = arm_titles(arms) | {arm: BASELINE_TITLES.get(arm, arm) for arm in others}
    heads = [Cell(column_title(title), head="col") for title in titles.values()]
    what = "In bold: students whose interval lies above those of all baselines. " if several else ""
    caption = (
        f"Students and baselines on {suite}, with 95 % intervals. {what}Baselines: the commonest label; a regression "
        f"on words; a model of the student's shape that starts from random weights. {WHAT_SCORES_ARE}"
    )
    made = table(caption, [Row([Cell("task", head="col"), *heads])], rows, kind="wide")
    beaten = beaten_sentence(tasks, baselines) or "No baseline scores higher than a student."
    return made + paragraphs(baselines_sentence(tasks, baselines, suite=suite), beaten)


def above_baselines(tasks: pd.DataFrame, baselines: pd.DataFrame) -> pd.DataFrame:
    """In which tasks a student lies above all baselines, and in which its score is below 95.

    With several seeds its interval lies above theirs. With one, intervals say nothing about another training, so its
    score is above theirs, in this run.

    Args:
        tasks: the columns :data:`fairkd.frames.GLUE_SCORES`.
        baselines: the same; one without a score in a task is left out of that comparison.

    Returns:
        A row an arm: arm, tasks (how many have a score and a baseline) and the lists above, not_above, below_ceiling.
    """
    several, known = several_seeds(tasks), baselines[baselines.score.notna()]
    bar = known.assign(top=known.high.fillna(known.score) if several else known.score).groupby("task").top.max()
    rows = []
    for arm in in_order(tasks):
        own = tasks[(tasks.arm == arm) & tasks.score.notna() & tasks.task.isin(bar.index)]
        value = own.low if several else own.score
        above = list(own.task[value.to_numpy() > bar.loc[own.task].to_numpy()])
        below = list(own.task[own.score < CEILING])
        rest = [task for task in own.task if task not in above]
        rows.append({"arm": arm, "tasks": len(own), "above": above, "not_above": rest, "below_ceiling": below})
    return pd.DataFrame(rows, columns=["arm", "tasks", "above", "not_above", "below_ceiling"])


def baselines_sentence(tasks: pd.DataFrame, baselines: pd.DataFrame, *, suite: str) -> str:
    """Of each student, in how many tasks it lies above the baselines, and how many scores are below 95."""
    counts = above_baselines(tasks, baselines)
    if not counts.tasks.sum():
        return f"No task of {suite} has both a student's score and a baseline."
    titles = arm_titles(counts.arm)
    parts = []
    for row in records(counts):
        rest = f" (not {', '.join(row.not_above)})" if row.not_above else ""
        parts.append(f"{titles[row.arm]} in {len(row.above)} of {row.tasks} tasks{rest}")
    below, scored = sum(len(own) for own in counts.below_ceiling), int(counts.tasks.sum())
    high = sorted({task for row in records(counts) for task in {*row.above, *row.not_above} - {*row.below_ceiling}})
    rest = f"; at or above it in {', '.join(high)}" if high else ""
    if several_seeds(tasks):
        start = f"On {suite}, these students lie clearly above all baselines (interval above intervals)"
    else:
        start = f"On {suite}, in this one run, which decides nothing, these students score higher than all baselines"
    return f"{start}: {'; '.join(parts)}. {below} of these {scored} scores are below {CEILING}{rest}."


def beaten_sentence(tasks: pd.DataFrame, baselines: pd.DataFrame) -> str:
    """Where a baseline scores higher than a student, as shown to one decimal, with both numbers; "" if nowhere.

    Args:
        tasks: the columns :data:`fairkd.frames.GLUE_SCORES`.
        baselines: the same.
    """
    titles, students = arm_titles(in_order(tasks)), tasks[tasks.arm != TEACHER]
    parts = []
    for other in records(baselines[baselines.score.notna()]):
        own = [row for row in records(students[students.task == other.task]) if _lower(row.score, other.score)]
        if own:
            scores = ", ".join(f"{number(row.score, 1)} ({titles[row.arm]})" for row in own)
            title = BASELINE_TITLES.get(other.arm, other.arm)
            parts.append(f"{other.task}, {title} {number(other.score, 1)} against {scores}")
    start = "Baselines" if several_seeds(tasks) else "In this one run, baselines"
    return f"{start} score higher than students: {'; '.join(parts)}." if parts else ""


def _lower(score: float, other: float) -> bool:
    return math.isfinite(score) and round(score, 1) < round(other, 1)
