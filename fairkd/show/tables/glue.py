"""Table 3 (Section 5.3) and the GLUE row of Table 1: scores of fine-tuned students, in percent.

Printed values stand beside ours only where ours are GLUE; "mini-GLUE (synthetic)" is another test.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from fairkd.claims import paper
from fairkd.names import TEACHER, arm_title, arm_titles
from fairkd.show.html import Cell, Html, Row
from fairkd.show.tables.plain import bold, frame, missing, records, table
from fairkd.wording import number, p_text

METRIC_WORDS = {
    "MNLI": "accuracy, matched",
    "QQP": "mean of accuracy and F1",
    "QNLI": "accuracy",
    "SST-2": "accuracy",
    "CoLA": "Matthews",
    "STS-B": "mean of Pearson and Spearman",
    "MRPC": "mean of accuracy and F1",
    "RTE": "accuracy",
}
WHAT_SCORES_ARE = (
    "A score is the accuracy (on MNLI matched), for CoLA the Matthews correlation, for STS-B the mean of Pearson's and "
    "Spearman's correlation, for QQP and MRPC the mean of accuracy and F1; all in percent."
)
SHORT = 36
"""Characters of a reason that fit into a cell."""


def table3(tasks: pd.DataFrame, averages: pd.DataFrame, *, suite: str, real: bool) -> Html:
    """Table 3: a row a task, a column an arm, the printed values beside ours where the data are GLUE.

    Of ours a score is bold where it is the highest of its row beyond doubt, of the printed ones where it is the
    highest. A failed task shows why, in full below the table; its arm has no average.

    Args:
        tasks: the columns :data:`fairkd.frames.GLUE_SCORES` and error ("" or why the task failed).
        averages: the columns :data:`fairkd.frames.GLUE_AVERAGES`.
        suite: what the tasks are called, "GLUE" or another name.
        real: whether they are GLUE, so that the printed values may stand beside ours.
    """
    arms, names = in_order(tasks), list(tasks.task.drop_duplicates())
    cells, means = tasks.set_index(["arm", "task"]), averages.set_index("arm")
    printed = [arm for arm in arms if real and arm in paper.TABLE3]
    rows = []
    for task in names:
        own = {arm: cells.loc[(arm, task)] for arm in arms if (arm, task) in cells.index}
        values = {arm: paper.TABLE3[arm][task] for arm in printed if task in paper.TABLE3[arm]}
        row = [task_head(task)]
        for arm in arms:
            row.append(_score(own[arm]) if arm in own else Cell(None))
            if arm in printed:
                row.append(_printed(values.get(arm), best=arm in _highest(values)))
        rows.append(Row(row))
    rows.append(_average_row(means, arms, printed, names))
    caption = (
        f"Table 3 on {suite}: 95 % intervals over {covers(tasks)} in small type. "
        f"{bold('highest', printed=bool(printed))} {WHAT_SCORES_ARE}{_apart(real)}"
    )
    made = table(caption, _head(arms, printed), rows, kind="wide")
    for what, reason in failures(tasks):
        made += missing(f"Failed: {what}", reason)
    return made


def table3_printed(suite: str = "") -> Html:
    """Table 3 as the paper prints it, to stand apart from scores on other tests.

    Args:
        suite: what those other tests are called, for the caption.
    """
    rows, arms = [], list(paper.TABLE3)
    for task in METRIC_WORDS:
        values = {arm: paper.TABLE3[arm][task] for arm in arms}
        cells = [_printed(values[arm], best=arm in _highest(values)) for arm in arms]
        rows.append(Row([Cell(task, head="row"), *cells]))
    means = paper.TABLE3_PRINTED_AVERAGE
    cells = [_printed(means[arm], best=arm in _highest(means)) for arm in arms]
    rows.append(Row([Cell("Avg.", head="row"), *cells], kind="total"))
    other = f" with scores on {suite}: those are other tests" if suite else " with scores on other tests"
    printed = paper.TABLE1_GLUE_AVERAGE
    losses = ", ".join(f"{number(value, 1)} ({arm_title(arm)})" for arm, value in printed.items())
    caption = (
        f"Printed in the paper's Table 3, on GLUE, in percent; the best of a row in bold. Not comparable{other}. "
        f"The averages in Table 1: {losses}."
    )
    heads = [Cell(title, head="col") for title in ("task", *(column_title(arm_title(arm)) for arm in arms))]
    return table(caption, [Row(heads)], rows, kind="wide")


def glue_row(averages: pd.DataFrame, columns: Sequence[str], printed: Iterable[str]) -> Row:
    """The row "GLUE Avg." of Table 1.

    Args:
        averages: the columns :data:`fairkd.frames.GLUE_AVERAGES`, suite and tasks (how many the mean is over).
        columns: arms of the table, in order; one without an average has "–".
        printed: those of them that have a column of printed values.
    """
    suite, means = str(averages.suite.iloc[0]), averages.set_index("arm")
    eight = "tasks" not in averages or bool((averages.tasks == len(METRIC_WORDS)).all())
    real = suite == "GLUE" and eight
    unit = "percent" if eight else f"percent, {int(averages.tasks.min())} of {len(METRIC_WORDS)} tasks"
    best_printed = _highest(paper.TABLE1_GLUE_AVERAGE) if real else set()
    row = [Cell(f"{suite} Avg.", below=(unit,), head="row")]
    for arm in columns:
        row.append(_average_cell(means, arm))
        if arm in printed:
            row.append(_printed(paper.TABLE1_GLUE_AVERAGE.get(arm) if real else None, best=arm in best_printed))
    return Row(row)


def glue_differences(data: pd.DataFrame, *, suite: str) -> Html:
    """Scores of each student minus those of another, task by task, in points of a percent.

    Args:
        data: the columns :data:`fairkd.frames.GLUE_DIFFERENCES`.
        suite: what the tasks are called.
    """
    titles = arm_titles([*data.arm, *data.baseline])
    columns = list(dict.fromkeys(zip(data.arm, data.baseline, strict=True)))
    cells = {(row.arm, row.baseline, row.task): row for row in records(data)}
    rows = []
    for task in data.task.drop_duplicates():
        row = [task_head(task)]
        row += [_difference(cells.get((arm, baseline, task))) for arm, baseline in columns]
        rows.append(Row(row, kind="total" if task == "Avg." else ""))
    heads = [Cell(column_title(titles[arm]), below=(f"minus {titles[other]}",), head="col") for arm, other in columns]
    tests = int((data.task != "Avg.").sum())
    caption = (
        f"Differences of scores on {suite}, in percentage points, with paired 95 % intervals; above zero is better. p "
        f"is two-sided, for no difference; Holm's allows for the {len(columns)} in the row Avg., and apart from those "
        f"for the {tests} of single tasks. One seed gives no p."
    )
    return table(caption, [Row([Cell("task", head="col"), *heads])], rows, kind="wide")


def mini_glue_examples(data: pd.DataFrame, *, suite: str = "mini-GLUE (synthetic)") -> Html:
    """Examples of the synthetic tasks.

    Args:
        data: task, split, label, and columns of text; those that a task does not have are missing in its rows.
        suite: what the tasks are called.
    """
    texts = [name for name in data.columns if name not in ("task", "split", "label", "idx")]
    joined = [" / ".join(str(text) for text in row if not pd.isna(text)) for row in data[texts].itertuples(index=False)]
    shown = data[["task", "split"]].assign(text=joined, label=[str(label) for label in data.label])
    return frame(
        shown, caption=f"Examples of {suite}: sentences made by rule, two texts of an example with a stroke between."
    )


def several_seeds(tasks: pd.DataFrame) -> bool:
    """Whether the students, of a frame with the columns arm and seeds, have several seeds: one decides nothing."""
    return bool((tasks.loc[tasks.arm != TEACHER, "seeds"] > 1).any())


def covers(tasks: pd.DataFrame) -> str:
    """What the intervals are over, of a frame with the columns arm and seeds; the teacher has one copy."""
    seeds = sorted(set(tasks.loc[tasks.arm != TEACHER, "seeds"])) or [1]
    if max(seeds) == 1:
        return "development examples (one seed)"
    return f"development examples and {' to '.join(str(n) for n in dict.fromkeys((seeds[0], seeds[-1])))} seeds"


def _highest(values: Mapping[str, float]) -> set[str]:
    """Keys of the largest printed value, to one decimal; all of them where several are equal."""
    shown = {key: round(value, 1) for key, value in values.items() if math.isfinite(value)}
    return {key for key, value in shown.items() if value == max(shown.values())}


def failures(tasks: pd.DataFrame) -> list[tuple[str, str]]:
    """What failed and why: pairs of words such as ("RTE, original", reason), one of each task and reason."""
    titles, found = arm_titles(tasks.arm.drop_duplicates()), dict[tuple[str, str], list[str]]()
    for row in records(tasks[tasks.error.fillna("") != ""]):
        found.setdefault((row.task, row.error), []).append(titles[row.arm])
    everyone = len(titles)
    return [
        (f"{task}, {'all students' if len(arms) == everyone > 1 else ', '.join(arms)}", reason)
        for (task, reason), arms in found.items()
    ]


def in_order(tasks: pd.DataFrame) -> list[str]:
    """The arms as they come, the teacher last."""
    return sorted(tasks.arm.drop_duplicates(), key=lambda arm: arm == TEACHER)


def score_cell(values: Any, name: str = "score", *, best: bool = False, kind: str = "") -> Cell:
    """A score in percent with its interval; "–" where there are no values."""
    if values is None:
        return Cell(None, best=best, kind=kind)
    return Cell(getattr(values, name), (values.low, values.high), best, kind, digits=(1, 1))


def _average_cell(means: pd.DataFrame, arm: str) -> Cell:
    if arm not in means.index:
        return Cell(None)
    return score_cell(means.loc[arm], "average", best=bool(means.highest[arm]))


def _score(values: Any) -> Cell:
    error = values.error if isinstance(values.error, str) else ""
    if not error:
        return score_cell(values, best=bool(values.highest))
    short = error if len(error) <= SHORT else f"{error[:SHORT].rstrip()}…"
    return Cell("failed", kind="text", below=(short,), symbols=False)


def _printed(value: float | None, *, best: bool, below: tuple[str, ...] = ()) -> Cell:
    return Cell(value, best=best, kind="printed", digits=(1, 1), below=below)


def _average_row(means: pd.DataFrame, arms: Sequence[str], printed: Sequence[str], tasks: Sequence[str]) -> Row:
    best_printed = _highest({arm: _printed_mean(arm, tasks) for arm in printed})
    some = set(tasks) != set(METRIC_WORDS)
    row = [Cell("Avg.", below=(f"of {len(tasks)} tasks",) if some else (), head="row")]
    for arm in arms:
        row.append(_average_cell(means, arm))
        if arm in printed:
            of_all = (f"({number(paper.TABLE3_PRINTED_AVERAGE[arm], 1)} of all)",) if some else ()
            row.append(_printed(_printed_mean(arm, tasks), best=arm in best_printed, below=of_all))
    return Row(row, kind="total")


def _printed_mean(arm: str, tasks: Sequence[str]) -> float:
    """As printed where all tasks are there; of these tasks otherwise, nan without any."""
    if set(tasks) == set(METRIC_WORDS):
        return paper.TABLE3_PRINTED_AVERAGE[arm]
    cells = {task: paper.TABLE3[arm][task] for task in tasks if task in METRIC_WORDS}
    return paper.average(cells) if cells else math.nan


def _head(arms: Sequence[str], printed: Sequence[str]) -> list[Row]:
    titles = arm_titles(arms)
    if not printed:
        return [Row([Cell("task", head="col"), *(Cell(column_title(titles[arm]), head="col") for arm in arms)])]
    return two_rows_of_heads("task", [(column_title(titles[arm]), arm in printed) for arm in arms])


def two_rows_of_heads(corner: str, titles: Iterable[tuple[str, bool]]) -> list[Row]:
    """Titles of arms, and below them "ours" and, where the paper has that arm, "printed".

    Args:
        corner: heading of the first column.
        titles: of an arm, and whether it has a column of printed values.
    """
    top, below = [Cell(corner, head="col", rows=2)], list[Cell]()
    for title, both in titles:
        top.append(Cell(title, head="colgroup", columns=2 if both else 1))
        below += [Cell(name, head="col") for name in (("ours", "printed") if both else ("ours",))]
    return [Row(top), Row(below)]


def task_head(task: str) -> Cell:
    """The head of a task's row, with its metric where it is one of the eight."""
    return Cell(task, below=(METRIC_WORDS[task],) if task in METRIC_WORDS else (), head="row")


def column_title(title: str) -> str:
    """An arm's title, in two lines where it has two parts, so that a column is narrow."""
    return title.replace("mixup of ", "mixup of\n")


def _difference(row: Any) -> Cell:
    if row is None or not math.isfinite(row.difference):
        return Cell(None)
    values = (("p", row.p), ("Holm", row.p_holm))
    shown = ", ".join(f"{name} {p_text(value)}" for name, value in values if number(value) != "–")
    return Cell(row.difference, (row.low, row.high), digits=(1, 1), below=(shown,))


def _apart(real: bool) -> str:
    return "" if real else " These are not the paper's tests: its printed values are not comparable and stand apart."
