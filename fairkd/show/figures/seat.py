"""Figure 1 and Table 1 as pictures: average SEAT against layers, the six tests, and the loss terms."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fairkd.bias.stimuli import TESTS
from fairkd.names import TEACHER, arm_title
from fairkd.show.figures.style import (
    PANE,
    forest,
    hollow,
    lowest_and_highest,
    points,
    shared_legend,
    subscripts,
    teacher_line,
    test_title,
    theme,
    zero,
)
from fairkd.show.tables.plain import records
from fairkd.wording import interval, number

BESIDE = 0.25
"""Of a layer, to the right of ours, so that neither hides the other."""


def capacity(averages: pd.DataFrame, correlation: pd.DataFrame, *, printed_r: float) -> Figure:
    """Figure 1: average SEAT (mean |d|) against layers, a panel a pooling, the teacher as reference.

    Args:
        averages: the columns :data:`fairkd.frames.SEAT_AVERAGES` and pooling; the teacher is the arm "teacher".
        correlation: the columns :data:`fairkd.frames.SEAT_CORRELATION` and pooling.
        printed_r: the paper's correlation, named beside ours.
    """
    poolings = list(averages.pooling.drop_duplicates())
    with theme():
        width = min(4.2 * len(poolings), PANE) if len(poolings) > 1 else 6.4
        figure = Figure(figsize=(width, 3.9), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(poolings), sharey=True))
        values: list[tuple[str, float]] = []
        for axis, pooling in zip(axes, poolings, strict=True):
            rows = averages[averages.pooling == pooling]
            students = rows[rows.arm != TEACHER].sort_values("layers")
            teacher_line(axis, rows[rows.arm == TEACHER], "average", "low", "high")
            points(axis, students.layers, students.average, students.low, students.high, label="students")
            note = _correlation_note(correlation[correlation.pooling == pooling], printed_r)
            axis.set_title(f"{pooling} pooling\n{note}")
            axis.set_xlabel("layers of the student")
            axis.set_xticks(sorted(set(students.layers)))
            values += [(f"{pooling} pooling, layers {r.layers}", r.average) for r in records(students)]
        axes[0].set_ylabel("average SEAT, mean |d|")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
        figure.set_label(
            "Average SEAT effect size (mean |d|) against layers of the student, the teacher as a dashed line. "
            f"{lowest_and_highest(values)}"
        )
    return figure


def per_test(
    scores: pd.DataFrame,
    *,
    pooling: str,
    printed: Mapping[str, float] | None = None,
    printed_layers: int | None = None,
) -> Figure:
    """The six tests of Figure 1 one by one: signed effect size against layers.

    Args:
        scores: the columns :data:`fairkd.frames.SEAT_TESTS` and pooling.
        pooling: which sentence vectors.
        printed: test -> the paper's value, drawn hollow beside ``printed_layers``.
        printed_layers: depth of the student that stands for the paper's (half the teacher's).
    """
    data = scores[scores.pooling == pooling]
    with theme():
        figure = Figure(figsize=(7.6, 4.9), layout="constrained")
        panels = figure.subplots(2, 3, sharex=True, sharey=True)
        for axis, test in zip(panels.flat, TESTS, strict=True):
            rows = data[data.test == test]
            students = rows[rows.arm != TEACHER].sort_values("layers")
            zero(axis, upright=False)
            teacher_line(axis, rows[rows.arm == TEACHER], "effect_size", "low", "high")
            points(axis, students.layers, students.effect_size, students.low, students.high, label="students")
            if printed and printed_layers is not None:
                hollow(axis, [printed_layers + BESIDE], [printed[test]])
            axis.set_title(test_title(test))
            axis.set_xticks(sorted(set(students.layers)))
        for axis in panels[1]:
            axis.set_xlabel("layers of the student")
        for axis in panels[:, 0]:
            axis.set_ylabel("effect size d")
        figure.legend(*panels.flat[0].get_legend_handles_labels(), loc="outside upper right", ncols=3)
        students = data[data.arm != TEACHER]
        values = [(f"{r.test}, layers {r.layers}", r.effect_size) for r in records(students)]
        figure.set_label(
            f"Effect size of each of the six tests against layers of the student, {pooling} pooling. "
            f"{lowest_and_highest(values)}"
        )
    return figure


def ablation(scores: pd.DataFrame, *, pooling: str, printed: Mapping[str, Mapping[str, float]]) -> Figure:
    """Table 1 as a picture: a panel an arm, a row a test, ours filled and the printed value hollow.

    Args:
        scores: as for :func:`per_test`.
        pooling: which sentence vectors.
        printed: arm -> test -> the paper's value.
    """
    data = scores[scores.pooling == pooling]
    arms = [arm for arm in data.arm.drop_duplicates() if arm != TEACHER]
    with theme():
        figure = Figure(figsize=(min(max(2.3 * len(arms), 4.5) + 0.6, PANE), 3.6), layout="constrained")
        axes = np.atleast_1d(figure.subplots(1, len(arms), sharex=True, sharey=True))
        heights = np.arange(len(TESTS))
        for axis, arm in zip(axes, arms, strict=True):
            rows = data[data.arm == arm].set_index("test").loc[list(TESTS)]
            zero(axis, upright=True)
            forest(axis, rows.effect_size, heights - 0.17, rows.low, rows.high)
            if arm in printed:
                hollow(axis, [printed[arm][test] for test in TESTS], heights + 0.22)
            axis.set_title(subscripts(arm_title(arm)))
            axis.set_yticks(heights, TESTS)
            axis.set_xlabel("effect size d")
        axes[0].invert_yaxis()
        shared_legend(figure, axes)
        values = [(f"{arm_title(r.arm)}, {r.test}", r.effect_size) for r in records(data[data.arm != TEACHER])]
        figure.set_label(
            f"Effect size of each test and student with its 95 % interval, {pooling} pooling, and the printed values. "
            f"{lowest_and_highest(values)}"
        )
    return figure


def _correlation_note(row: pd.DataFrame, printed_r: float) -> str:
    printed = f"the paper prints r = {number(printed_r, 2)}"
    if row.empty or not np.isfinite(row.r.iloc[0]):
        return f"r is undefined here;\n{printed}"
    one = row.iloc[0]
    return f"r = {number(float(one.r), 2)} {interval(one.low, one.high)}\nover {one.covers};\n{printed}"
