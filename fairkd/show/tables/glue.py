"""Table 3 (Section 5.3) and the GLUE row of Table 1: scores of fine-tuned students, in percent.

Printed values stand beside ours only where ours are GLUE; "mini-GLUE (synthetic)" is another test.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from fairkd.claims import paper
from fairkd.names import arm_titles
from fairkd.show.tables.markup import TEXT, Html, cell, frame, missing, records, small, subscripts, table, td
from fairkd.wording import number, p_value

METRICS = {
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


def table3(tasks: pd.DataFrame, averages: pd.DataFrame, *, suite: str, real: bool, scale: str) -> Html:
    """Table 3: a row a task, a column an arm, the printed values beside ours where the data are GLUE.

    The highest score of a row is bold, among our students and among the printed ones. A failed task shows why, in
    full below the table; its arm has no average.

    Args:
        tasks: arm, seeds, task, score, low, high, error ("" or why the task failed).
        averages: arm, average, low, high.
        suite: what the tasks are called, "GLUE" or another name.
        real: whether they are GLUE, so that the printed values may stand beside ours.
        scale: what the numbers are (``Profile.scale``), for the caption.
    """
    arms, names = in_order(tasks), list(tasks.task.drop_duplicates())
    cells, means = tasks.set_index(["arm", "task"]), averages.set_index("arm")
    printed = [arm for arm in arms if real and arm in paper.TABLE3]
    rows = []
    for task in names:
        own = {arm: cells.loc[(arm, task)] for arm in arms if (arm, task) in cells.index}
        best = highest({arm: value.score for arm, value in own.items()})
        values = {arm: paper.TABLE3[arm][task] for arm in printed if task in paper.TABLE3[arm]}
        row = [task_head(task)]
        for arm in arms:
            row.append(_score(own[arm], best=arm in best) if arm in own else td("–"))
            if arm in printed:
                row.append(td(number(values.get(arm), 1), best=arm in highest(values), kind="printed"))
        rows.append(f"<tr>{''.join(row)}</tr>")
    rows.append(_average_row(means, arms, printed, names))
    caption = (
        f"Table 3 on {suite}: 95 % intervals over {covers(tasks)} in small type, the best of a row in bold, among our "
        f"students{' and among the printed ones' if printed else ''}. {WHAT_SCORES_ARE} {_apart(real)}{scale}"
    )
    made = table(caption, _head("task", arms, printed), rows, kind="wide")
    return Html(made.text + _failures(tasks))


def table3_printed(suite: str = "") -> Html:
    """Table 3 as the paper prints it, to stand apart from scores on other tests.

    Args:
        suite: what those other tests are called, for the caption.
    """
    rows, arms = [], list(paper.TABLE3)
    for task in METRICS:
        values = {arm: paper.TABLE3[arm][task] for arm in arms}
        cells = [td(number(values[arm], 1), best=arm in highest(values), kind="printed") for arm in arms]
        rows.append(f'<tr><th scope="row">{task}</th>{"".join(cells)}</tr>')
    means = paper.TABLE3_PRINTED_AVERAGE
    cells = [td(number(means[arm], 1), best=arm in highest(means), kind="printed") for arm in arms]
    rows.append(f'<tr class="total"><th scope="row">Avg.</th>{"".join(cells)}</tr>')
    other = f" with scores on {suite}: those are other tests" if suite else " with scores on other tests"
    words = {"full": "all losses", "no-cos": "without L_cos", "no-ce": "without L_ce"}
    losses = ", ".join(f"{number(paper.TABLE1_GLUE_AVERAGE[arm], 1)} ({text})" for arm, text in words.items())
    caption = (
        f"Printed in the paper's Table 3, on GLUE, in percent; the best of a row in bold. Not comparable{other}. "
        f"The averages in Table 1: {losses}."
    )
    titles = ("Original Teacher", "Mixup in distillation")
    heads = "".join(f'<th scope="col">{title}</th>' for title in titles)
    return table(caption, f'<tr><th scope="col">Task</th>{heads}</tr>', rows, kind="wide")


def glue_row(averages: pd.DataFrame, columns: Sequence[str], printed: Iterable[str]) -> str:
    """The row "GLUE Avg." of Table 1, HTML.

    Args:
        averages: arm, average, low, high, suite; also tasks (how many the mean is over), if not all eight.
        columns: arms of the table, in order; one without an average has "–".
        printed: those of them that have a column of printed values.
    """
    suite, means = str(averages.suite.iloc[0]), averages.set_index("arm")
    eight = "tasks" not in averages or bool((averages.tasks == len(METRICS)).all())
    real = suite == "GLUE" and eight
    unit = "percent" if eight else f"percent, {int(averages.tasks.min())} of {len(METRICS)} tasks"
    students = [arm for arm in columns if arm != "teacher" and arm in means.index]
    best = highest({arm: means.average[arm] for arm in students})
    best_printed = highest(paper.TABLE1_GLUE_AVERAGE) if real else set()
    row = [f'<th scope="row">{escape(suite)} Avg.{small(unit)}</th>']
    for arm in columns:
        value: Any = means.loc[arm] if arm in means.index else None
        shown = "–" if value is None else cell(value.average, value.low, value.high, 1, 1)
        row.append(td(shown, best=arm in best))
        if arm in printed:
            value = paper.TABLE1_GLUE_AVERAGE.get(arm) if real else None
            row.append(td(number(value, 1), best=arm in best_printed, kind="printed"))
    return f"<tr>{''.join(row)}</tr>"


def glue_differences(data: pd.DataFrame, *, suite: str, scale: str) -> Html:
    """Scores of each student minus those of another, task by task, in points of a percent.

    Args:
        data: arm, baseline, task ("Avg." last), difference, low, high, p, p_holm.
        suite: what the tasks are called.
        scale: what the numbers are, for the caption.
    """
    titles = arm_titles([*data.arm, *data.baseline])
    columns = list(dict.fromkeys(zip(data.arm, data.baseline, strict=True)))
    cells = {(row.arm, row.baseline, row.task): row for row in records(data)}
    rows = []
    for task in data.task.drop_duplicates():
        row = [task_head(task)]
        row += [td(_difference(cells.get((arm, baseline, task)))) for arm, baseline in columns]
        rows.append(f"<tr{_total(task)}>{''.join(row)}</tr>")
    heads = "".join(
        f'<th scope="col">{column_title(titles[arm])}{small("minus " + subscripts(escape(titles[other])))}</th>'
        for arm, other in columns
    )
    tests = int((data.task != "Avg.").sum())
    caption = (
        f"Differences of scores on {suite}, in percentage points, with paired 95 % intervals; above zero is better. p "
        f"is two-sided, for no difference; Holm's allows for the {len(columns)} in the row Avg., and apart from those "
        f"for the {tests} of single tasks. {scale}"
    )
    return table(caption, f'<tr><th scope="col">task</th>{heads}</tr>', rows, kind="wide")


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


def covers(tasks: pd.DataFrame) -> str:
    """What the intervals are over, of a frame with the columns arm and seeds; the teacher has one copy."""
    seeds = sorted(set(tasks.loc[tasks.arm != "teacher", "seeds"])) or [1]
    if max(seeds) == 1:
        return "development examples (one seed)"
    return f"development examples and {' to '.join(str(n) for n in dict.fromkeys((seeds[0], seeds[-1])))} seeds"


def highest(values: Mapping[str, float]) -> set[str]:
    """Keys of the largest value as shown, to one decimal; all of them where several are equal. Not "teacher"."""
    shown = {key: round(value, 1) for key, value in values.items() if math.isfinite(value) and key != "teacher"}
    return {key for key, value in shown.items() if value == max(shown.values())}


def failures(tasks: pd.DataFrame) -> list[tuple[str, str]]:
    """What failed and why: pairs of words such as ("RTE, original student", reason), one of each task and reason."""
    titles, found = arm_titles(tasks.arm.drop_duplicates()), dict[tuple[str, str], list[str]]()
    for row in records(tasks[tasks.error.fillna("") != ""]):
        found.setdefault((row.task, row.error), []).append(titles[row.arm])
    everyone = len(titles)
    return [
        (f"{task}, {'all students' if len(arms) == everyone > 1 else ', '.join(arms)}", reason)
        for (task, reason), arms in found.items()
    ]


def _failures(tasks: pd.DataFrame) -> str:
    return "".join(missing(f"Failed: {what}", reason).text for what, reason in failures(tasks))


def in_order(tasks: pd.DataFrame) -> list[str]:
    """The arms as they come, the teacher last."""
    return sorted(tasks.arm.drop_duplicates(), key=lambda arm: arm == "teacher")


def _score(value: Any, *, best: bool) -> str:
    error = value.error if isinstance(value.error, str) else ""
    if not error:
        return td(cell(value.score, value.low, value.high, 1, 1), best=best)
    short = error if len(error) <= SHORT else f"{error[:SHORT].rstrip()}…"
    return f"<td {TEXT}>failed{small(escape(short))}</td>"


def _average_row(means: pd.DataFrame, arms: Sequence[str], printed: Sequence[str], tasks: Sequence[str]) -> str:
    best, best_printed = highest(dict(means.average)), highest({arm: _printed_mean(arm, tasks) for arm in printed})
    some = small(f"of {len(tasks)} tasks") if set(tasks) != set(METRICS) else ""
    row = [f'<th scope="row">Avg.{some}</th>']
    for arm in arms:
        value: Any = means.loc[arm] if arm in means.index else None
        shown = "–" if value is None else cell(value.average, value.low, value.high, 1, 1)
        row.append(td(shown, best=arm in best))
        if arm in printed:
            of_all = small(f"({number(paper.TABLE3_PRINTED_AVERAGE[arm], 1)} of all)") if some else ""
            row.append(td(number(_printed_mean(arm, tasks), 1) + of_all, best=arm in best_printed, kind="printed"))
    return f'<tr class="total">{"".join(row)}</tr>'


def _printed_mean(arm: str, tasks: Sequence[str]) -> float:
    """As printed where all tasks are there; of these tasks otherwise, nan without any."""
    if set(tasks) == set(METRICS):
        return paper.TABLE3_PRINTED_AVERAGE[arm]
    cells = {task: paper.TABLE3[arm][task] for task in tasks if task in METRICS}
    return paper.average(cells) if cells else math.nan


def _head(corner: str, arms: Sequence[str], printed: Sequence[str]) -> str:
    titles = arm_titles(arms)
    if not printed:
        heads = "".join(f'<th scope="col">{column_title(titles[arm])}</th>' for arm in arms)
        return f'<tr><th scope="col">{corner}</th>{heads}</tr>'
    top, below = [f'<th scope="col" rowspan="2">{corner}</th>'], []
    for arm in arms:
        top.append(f'<th scope="colgroup" colspan="{2 if arm in printed else 1}">{column_title(titles[arm])}</th>')
        below.append('<th scope="col">ours</th>' + ('<th scope="col">printed</th>' if arm in printed else ""))
    return f"<tr>{''.join(top)}</tr><tr>{''.join(below)}</tr>"


def task_head(task: str) -> str:
    """The head of a task's row, with its metric where it is one of the eight."""
    metric = small(METRICS[task]) if task in METRICS else ""
    return f'<th scope="row">{escape(task)}{metric}</th>'


def column_title(title: str) -> str:
    """An arm's title, escaped; in two lines where it has two parts, so that a column is narrow."""
    return subscripts(escape(title)).replace(": ", ":<br>")


def _total(task: str) -> str:
    return ' class="total"' if task == "Avg." else ""


def _difference(row: Any) -> str:
    if row is None or not math.isfinite(row.difference):
        return "–"
    values = (("p", row.p), ("Holm", row.p_holm))
    shown = [f"{name} {escape(p_value(value))}" for name, value in values if number(value) != "–"]
    tests = small(", ".join(shown)) if shown else ""
    return cell(row.difference, row.low, row.high, 1, 1) + tests


def _apart(real: bool) -> str:
    return "" if real else "These are not the paper's tests: its printed values are not comparable and stand apart. "
