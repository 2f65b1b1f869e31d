"""Bias against quality, and scores task by task: what is drawn is what the frames say, and names stay apart."""

import itertools

import numpy as np
import pandas as pd
import pytest
from made_frames import GLUE_TASKS, averages, glue_averages, glue_baselines, glue_scores
from matplotlib.backends.backend_agg import FigureCanvasAgg

from fairkd import arms
from fairkd.names import arm_titles
from fairkd.show import figures
from fairkd.show.figures.style import spread

MINI = "mini-GLUE (synthetic)"
FOUR = ("full", "no-cos", "no-ce", "mixup-xy")
TWELVE = (*list(arms.NAMED)[:11], "teacher")


def seat(names) -> pd.DataFrame:
    return averages([(arm, 3) for arm in names])


def marks(axis) -> np.ndarray:
    lines = [line for line in axis.lines if line.get_label() in ("students", "teacher")]
    return np.concatenate([line.get_xydata() for line in lines])


# --- bias against quality ---


def test_each_arm_is_a_mark_with_both_intervals():
    (axis,) = figures.bias_quality(seat(FOUR), glue_averages(FOUR), suite=MINI).axes
    np.testing.assert_allclose(marks(axis), [[1 + n / 10, 70 + n] for n in range(4)])
    across, upright = (np.array(lines.get_segments()) for lines in axis.collections)
    np.testing.assert_allclose(across[:, :, 0], [[0.8 + n / 10, 1.3 + n / 10] for n in range(4)])
    np.testing.assert_allclose(across[:, :, 1], [[70 + n] * 2 for n in range(4)])
    np.testing.assert_allclose(upright[:, :, 1], [[69 + n, 71.5 + n] for n in range(4)])
    np.testing.assert_allclose(upright[:, :, 0], [[1 + n / 10] * 2 for n in range(4)])


def test_axes_say_which_direction_is_better_and_what_the_tasks_are_called():
    (axis,) = figures.bias_quality(seat(FOUR), glue_averages(FOUR), suite=MINI).axes
    assert "pooling (←\xa0less\xa0bias)" in axis.get_xlabel()
    assert "mean pooling" in axis.get_xlabel()
    assert "percent (better →)" in axis.get_ylabel()  # the label is turned
    assert axis.yaxis.label.get_rotation() == 90
    assert MINI in axis.get_ylabel()
    assert "GLUE" not in axis.get_ylabel().replace(MINI, "")


def test_pooling_is_the_first_or_the_one_asked_for():
    data = seat(FOUR)
    data.loc[data.pooling == "cls", "average"] = 0.5
    (axis,) = figures.bias_quality(data, glue_averages(FOUR), suite=MINI, pooling="cls").axes
    assert marks(axis)[:, 0].tolist() == [0.5] * 4
    assert "cls pooling" in axis.get_xlabel()


def test_arm_with_a_failed_task_is_named_and_not_drawn():
    figure = figures.bias_quality(seat(FOUR), glue_averages(FOUR, failed=("no-ce",)), suite=MINI)
    (axis,) = figure.axes
    assert len(marks(axis)) == len(axis.texts) == 3
    assert "not shown, a task failed" in axis.get_xlabel()
    assert "not shown, a task failed: no L_ce" in figure.get_label()
    assert "failed" not in figures.bias_quality(seat(FOUR), glue_averages(FOUR), suite=MINI).get_label()


def test_no_arm_at_all_is_an_empty_picture():
    figure = figures.bias_quality(seat(FOUR), glue_averages(FOUR, failed=FOUR), suite=MINI)
    assert "No student has both." in figure.get_label()


def test_teacher_is_a_mark_of_its_own_or_a_line_where_it_has_no_score():
    names = (*FOUR, "teacher")
    (axis,) = figures.bias_quality(seat(names), glue_averages(names), suite=MINI).axes
    looks = {line.get_label(): line.get_marker() for line in axis.lines}
    assert looks == {"students": "o", "teacher": "s"}
    (axis,) = figures.bias_quality(seat(names), glue_averages(FOUR), suite=MINI).axes
    (line,) = [line for line in axis.lines if line.get_label() == "teacher (SEAT)"]
    assert line.get_xdata() == pytest.approx([1.4, 1.4])
    assert line.get_linestyle() == "--"


@pytest.mark.parametrize("width", [1.0, 6.0])
@pytest.mark.parametrize("names", [FOUR, TWELVE])
def test_names_overlap_neither_each_other_nor_any_mark(names, width):
    data, quality = seat(names), glue_averages(names)
    generator = np.random.default_rng(3)
    quality["average"] = 70 + 0.3 * generator.random(len(names))  # almost equal: the names must give way
    quality = quality.assign(low=quality.average - width, high=quality.average + width)
    figure = figures.bias_quality(data, quality, suite=MINI)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    (axis,) = figure.axes
    assert [text.get_text() for text in axis.texts] == [
        figures.subscripts(title) for title in arm_titles(names).values()
    ]
    # The box of an annotation holds its line as well: that of the text alone is meant.
    boxes = [super(type(text), text).get_window_extent(renderer) for text in axis.texts]
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    for x, y in axis.transData.transform(marks(axis)):
        assert not any(box.x0 - 5 <= x <= box.x1 + 5 and box.y0 - 5 <= y <= box.y1 + 5 for box in boxes)
    page = figure.bbox
    assert all(box.x1 <= page.x1 and box.y0 >= page.y0 and box.y1 <= page.y1 for box in boxes)


@pytest.mark.parametrize("seed", range(5))
def test_spread_moves_positions_as_little_as_possible(seed):
    """Against a search over a fine grid of all placements of three."""
    wanted = np.random.default_rng(seed).random(3) * 0.4
    found = spread(wanted, gap=0.2, low=0.0, high=1.0)
    order = np.argsort(wanted)
    assert np.all(np.diff(found[order]) >= 0.2 - 1e-9)
    assert found.min() >= 0
    assert found.max() <= 1
    grid = np.linspace(0, 1, 51)
    best = min(
        sum((np.array(places) - wanted[order]) ** 2)
        for places in itertools.product(grid, repeat=3)
        if places[1] - places[0] >= 0.2 and places[2] - places[1] >= 0.2
    )
    assert ((found - wanted) ** 2).sum() <= best + 1e-9


def test_spread_leaves_what_is_apart_and_keeps_the_order():
    np.testing.assert_allclose(spread([0.9, 0.1, 0.5], gap=0.2), [0.9, 0.1, 0.5])
    np.testing.assert_allclose(spread([0.5, 0.5], gap=0.2), [0.4, 0.6])
    assert spread([], gap=0.2).tolist() == []
    crowded = spread([0.5] * 10, gap=0.2)
    np.testing.assert_allclose(np.diff(crowded), 0.2)


# --- task by task ---


def test_tasks_have_a_panel_each_with_arms_and_lighter_baselines():
    data, others = glue_scores(FOUR), glue_baselines()
    figure = figures.glue_tasks(data, others, suite=MINI)
    assert [axis.get_title(loc="left") for axis in figure.axes] == list(GLUE_TASKS)
    for axis, task in zip(figure.axes, GLUE_TASKS, strict=True):
        ours, baselines, best = axis.lines
        rows = data[data.task == task]
        np.testing.assert_allclose(ours.get_xdata(), rows.score)
        np.testing.assert_allclose(np.array(axis.collections[0].get_segments())[:, :, 0], rows[["low", "high"]])
        np.testing.assert_allclose(baselines.get_xdata(), [45, 54, 53])
        assert best.get_xdata()[0] == 54
        assert (ours.get_marker(), baselines.get_marker()) == ("o", "^")
        assert set(ours.get_ydata()) & set(baselines.get_ydata()) == set()
    assert figure.axes[0].yaxis_inverted()
    assert all(MINI in axis.get_xlabel() for axis in figure.axes[4:])


def test_failed_task_says_so_in_its_row():
    figure = figures.glue_tasks(glue_scores(FOUR, failed={("no-ce", "RTE"): "why"}), glue_baselines(), suite=MINI)
    assert [[text.get_text() for text in axis.texts] for axis in figure.axes] == [[]] * 7 + [["failed"]]
    assert figure.axes[-1].texts[0].xy[1] == 2  # the third row
    assert "failed: no L_ce on RTE" in figure.get_label()


def test_panels_are_as_many_as_there_are_tasks():
    names = ("CoLA", "RTE", "MRPC", "STS-B", "QNLI")
    data = glue_scores(FOUR, names=names, failed=dict.fromkeys([(arm, "RTE") for arm in FOUR], "why"))
    figure = figures.glue_tasks(data, glue_baselines().iloc[:0], suite=MINI)
    FigureCanvasAgg(figure).draw()
    assert [axis.get_title(loc="left") for axis in figure.axes if axis.axison] == list(names)


def curves() -> pd.DataFrame:
    parts = [glue_scores(FOUR).assign(train_examples=n) for n in (1000, 100)]
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[frame.train_examples == 100, ["score", "low", "high"]] -= 20
    return frame


def test_learning_draws_scores_against_training_examples():
    figure = figures.learning(curves(), suite=MINI)
    axis = figure.axes[0]
    assert axis.get_xscale() == "log"
    assert [label.get_text() for label in axis.get_xticklabels()] == ["100", "1,000"]
    np.testing.assert_allclose(axis.lines[1].get_ydata(), [47, 67])
    np.testing.assert_allclose(axis.lines[1].get_xdata(), [100, 1000], rtol=0.04)
    assert len({line.get_xdata()[0] for line in axis.lines}) == 4  # beside each other
    np.testing.assert_allclose(np.array(axis.collections[1].get_segments())[:, :, 1], [[44, 51], [64, 71]])
    looks = {(line.get_linestyle(), line.get_marker()) for line in axis.lines}
    assert len(looks) == 4
    near = curves().replace({"train_examples": {100: 900}})
    assert figures.learning(near, suite=MINI).axes[0].get_xscale() == "linear"


@pytest.mark.parametrize(
    ("figure", "says"),
    [
        (
            lambda: figures.bias_quality(seat(FOUR), glue_averages(FOUR), suite=MINI),
            "Lowest: 70.0, original; highest: 73.0, mixup of input + logits.",
        ),
        (
            lambda: figures.glue_tasks(glue_scores(FOUR), glue_baselines(), suite=MINI),
            "Lowest: 66.0, original on MNLI;",
        ),
        (
            lambda: figures.learning(curves(), suite=MINI),
            "Lowest: 46.0, original on MNLI, 100 examples;",
        ),
    ],
)
def test_description_says_where_values_end_and_never_calls_synthetic_tasks_glue(figure, says):
    label = figure().get_label()
    assert says in label
    assert "GLUE" not in label.replace(MINI, "")
