"""What fairness costs (Tables 1 and 3): bias against quality of all students, and their scores task by task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fairkd.names import TEACHER, arm_titles
from fairkd.show.figures.style import (
    OURS,
    PANE,
    TEACHER_COLOUR,
    forest,
    lowest_and_highest,
    shades,
    shared_legend,
    spread,
    subscripts,
    theme,
)
from fairkd.show.tables.baselines import BASELINE_TITLES
from fairkd.show.tables.plain import records

LIGHT = "#8a8a8a"
"""Baselines."""
LINES, MARKERS = ("-", "--", ":", "-."), ("o", "s", "^")


def bias_quality(
    seat_averages: pd.DataFrame, glue_averages: pd.DataFrame, *, suite: str, pooling: str | None = None
) -> Figure:
    """The picture that the paper lacks: average SEAT against average score, a mark an arm with both intervals.

    Arms without an average score (a task failed) are named below the picture, not drawn. Where the teacher has no
    score its average SEAT is a dashed line.

    Args:
        seat_averages: the columns :data:`fairkd.frames.SEAT_AVERAGES` and pooling.
        glue_averages: the columns :data:`fairkd.frames.GLUE_AVERAGES`.
        suite: what the tasks are called.
        pooling: which sentence vectors; the first of the frame where it is not given.
    """
    pooling = pooling or str(seat_averages.pooling.iloc[0])
    seat = seat_averages[seat_averages.pooling == pooling]
    both = glue_averages.merge(seat, on="arm", suffixes=("", "_seat"), validate="one_to_one")
    titles = arm_titles(both.arm)
    drawn = both[both.average.notna() & both.average_seat.notna()]
    left_out = [titles[arm] for arm in both.arm if arm not in set(drawn.arm)]
    with theme():
        inches = max(3.4, _NAME * len(drawn))
        figure = Figure(figsize=(PANE, 0.9 + inches), layout="constrained")
        axis = figure.subplots()
        if TEACHER not in set(drawn.arm):
            _teacher_band(axis, seat[seat.arm == TEACHER])
        _crosses(axis, drawn[drawn.arm != TEACHER], "o", OURS, "-", "students")
        _crosses(axis, drawn[drawn.arm == TEACHER], "s", TEACHER_COLOUR, "--", "teacher")
        axis.margins(0.06)
        _names(axis, drawn, titles, inches)
        note = f"\nnot shown, a task failed: {', '.join(left_out)}" if left_out else ""
        better = "(← less bias)".replace(" ", "\N{NO-BREAK SPACE}")
        axis.set_xlabel(subscripts(f"average SEAT, mean |d|, {pooling} pooling {better}{note}"))
        axis.set_ylabel(f"average score on {suite},\npercent (better →)")  # turned, this arrow points up
        if axis.get_legend_handles_labels()[1] != ["students"]:
            shared_legend(figure, [axis])
        scores = zip((titles[arm] for arm in drawn.arm), drawn.average, strict=True)
        said = lowest_and_highest(scores, 1) if len(drawn) else "No student has both."
        figure.set_label(
            f"Average score on {suite} (up is better) against average SEAT (left is less bias), {pooling} pooling"
            f"{note.replace(chr(10), '; ')}. {said}"
        )
    return figure


_NAME = 0.24
"""Inches of a name's line."""


def _teacher_band(axis: Axes, teacher: pd.DataFrame) -> None:
    for row in records(teacher):
        axis.axvline(row.average, color=TEACHER_COLOUR, linestyle="--", linewidth=1.3, label="teacher (SEAT)")
        if np.isfinite(row.low) and np.isfinite(row.high):
            axis.axvspan(row.low, row.high, color=TEACHER_COLOUR, alpha=0.1, linewidth=0)


def _crosses(axis: Axes, rows: pd.DataFrame, marker: str, colour: str, line: str, label: str) -> None:
    """Marks with both intervals, which are lighter: with many arms they cross each other."""
    if rows.empty:
        return
    look: dict[str, Any] = {"color": colour, "linewidth": 1.1, "alpha": 0.45, "linestyle": line}
    axis.hlines(rows.average, rows.low_seat, rows.high_seat, **look)
    axis.vlines(rows.average_seat, rows.low, rows.high, **look)
    axis.plot(
        rows.average_seat, rows.average, marker, color=colour, markersize=7, markeredgecolor="white", label=label,
        zorder=3,
    )  # fmt: skip


def _names(axis: Axes, rows: pd.DataFrame, titles: dict[str, str], inches: float) -> None:
    """Names in a column to the right of all marks, each with a thin line to its own; ``inches``: height of the axes."""
    low, high = axis.get_ylim()
    axis.set_ylim(low, high)
    axis.set_xlim(axis.get_xlim())
    wanted = (rows.average.to_numpy(dtype=float) - low) / (high - low)
    for row, y in zip(records(rows), spread(wanted, gap=0.8 * _NAME / inches), strict=True):
        # Dotted and grey: a level line must not look like a longer interval.
        line = {"arrowstyle": "-", "color": "#777777", "linewidth": 0.9, "linestyle": (0, (1, 2.5))}
        line |= {"shrinkA": 1, "shrinkB": 5, "relpos": (0, 0.5)}
        axis.annotate(
            subscripts(titles[row.arm]), (row.average_seat, row.average), (1.02, y), textcoords="axes fraction",
            va="center", fontsize=8.5, arrowprops=line, annotation_clip=False,
        )  # fmt: skip


def glue_tasks(tasks: pd.DataFrame, baselines: pd.DataFrame, *, suite: str) -> Figure:
    """Scores task by task: a panel a task, a row an arm with its interval, baselines below as lighter marks.

    A dotted line marks the best baseline. Scales differ between panels.

    Args:
        tasks: the columns :data:`fairkd.frames.GLUE_SCORES`.
        baselines: the same, with "majority", "bag-of-words" or "untrained" for an arm.
        suite: what the tasks are called.
    """
    titles = arm_titles(tasks.arm.drop_duplicates())
    others = {arm: BASELINE_TITLES.get(arm, arm) for arm in baselines.arm.drop_duplicates()}
    names, rows = list(tasks.task.drop_duplicates()), list(titles) + list(others)
    with theme():
        figure, panels = _panels(names, height=0.95 + 0.21 * len(rows), sharey=True)
        for axis, task in zip(panels, names, strict=True):
            own, other = (_rows(frame, task, arms) for frame, arms in ((tasks, titles), (baselines, others)))
            heights = np.arange(len(rows))
            forest(axis, own.score, heights[: len(own)], own.low, own.high)
            _light(axis, other, heights[len(own) :])
            for height in heights[: len(own)][own.score.isna()]:
                axis.annotate("failed", (0.04, height), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)
            axis.margins(x=0.08)
            axis.set_title(task)
            axis.grid(visible=False, axis="y")
            axis.set_yticks(heights, [subscripts(title) for title in (titles | others).values()], fontsize=8.5)
            axis.set_xlabel(f"{suite}, %" if task in names[-4:] else "", fontsize=8.5)
        panels[0].set_ylim(len(rows) - 0.5, -0.5)
        shared_legend(figure, panels)
        values = [(f"{titles[r.arm]} on {r.task}", r.score) for r in records(tasks)]
        failed = [f"{titles[r.arm]} on {r.task}" for r in records(tasks) if r.score != r.score]
        figure.set_label(
            f"Scores on {suite} in percent with 95 % intervals, a panel a task, students above baselines"
            f"{'; failed: ' if failed else ''}{', '.join(failed)}. {lowest_and_highest(values, 1)}"
        )
    return figure


def _light(axis: Axes, rows: pd.DataFrame, heights: NDArray[Any]) -> None:
    axis.hlines(heights, rows.low, rows.high, color=LIGHT, linewidth=1.2)
    axis.plot(
        rows.score, heights, "^", markerfacecolor="#cccccc", markeredgecolor=LIGHT, markersize=6, label="baselines"
    )
    if rows.score.notna().any():
        axis.axvline(rows.score.max(), color=LIGHT, linestyle=":", linewidth=1.2, zorder=1, label="best baseline")


def learning(frame: pd.DataFrame, *, suite: str) -> Figure:
    """Scores against the number of training examples: a panel a task, a line an arm.

    Args:
        frame: the columns :data:`fairkd.frames.GLUE_SCORES` and train_examples.
        suite: what the tasks are called.
    """
    titles, names = arm_titles(frame.arm.drop_duplicates()), list(frame.task.drop_duplicates())
    colours = shades(len(titles) + 1)
    sizes = sorted(set(frame.train_examples))
    log = sizes[-1] > 4 * sizes[0]
    step = 0.03 * (np.log(sizes[-1] / sizes[0]) if log else sizes[-1] - sizes[0] or 1) / max(len(titles) - 1, 1)
    with theme():
        figure, panels = _panels(names, height=2.4, sharey=False)
        for axis, task in zip(panels, names, strict=True):
            for n, (arm, colour) in enumerate(zip(titles, colours, strict=False)):
                own = frame[(frame.task == task) & (frame.arm == arm)].sort_values("train_examples")
                aside = step * (n - (len(titles) - 1) / 2)  # so that intervals stand beside each other
                at = own.train_examples * np.exp(aside) if log else own.train_examples + aside
                axis.vlines(at, own.low, own.high, color=colour, linewidth=1, alpha=0.6)
                # Twelve looks that stay apart in greyscale.
                look: Any = {"linestyle": LINES[n % len(LINES)], "marker": MARKERS[n % len(MARKERS)], "color": colour}
                axis.plot(at, own.score, markersize=4.5, label=subscripts(titles[arm]), **look)
            if log:
                axis.set_xscale("log")
            axis.set_title(task)
            axis.set_xticks(sizes, [f"{n:,}" for n in sizes], fontsize=8.5)
            axis.minorticks_off()
            axis.set_xlabel("training examples" if task in names[-4:] else "", fontsize=8.5)
        for axis in panels[::4]:
            axis.set_ylabel(f"{suite}, %", fontsize=8.5)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=min(4, len(titles)))
        values = [(f"{titles[r.arm]} on {r.task}, {r.train_examples:,} examples", r.score) for r in records(frame)]
        figure.set_label(
            f"Scores on {suite} in percent against the number of training examples, a panel a task. "
            f"{lowest_and_highest(values, 1)}"
        )
    return figure


def _panels(names: Sequence[str], *, height: float, sharey: bool) -> tuple[Figure, list[Axes]]:
    """A figure of the notebooks' width with a panel a name, at most four beside each other."""
    columns = min(4, max(len(names), 1))
    lines = -(-max(len(names), 1) // columns)
    width = PANE if columns > 2 else 3.0 + 2.2 * columns
    figure = Figure(figsize=(width, 0.7 + height * lines), layout="constrained")
    panels = list(figure.subplots(lines, columns, squeeze=False, sharey=sharey).flat)
    for axis in panels[len(names) :]:
        axis.axis("off")
    return figure, panels[: len(names)]


def _rows(frame: pd.DataFrame, task: str, arms: dict[str, str]) -> pd.DataFrame:
    """A row an arm, nan where there is none."""
    return frame[frame.task == task].set_index("arm")[["score", "low", "high"]].reindex(list(arms)).astype(float)
