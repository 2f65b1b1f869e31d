"""Figures: what is drawn is what the frames say; marks stay apart without colour; every figure describes itself."""

import base64
import io

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from frames import ABLATION, CAPACITY, averages, correlation, scores
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from fairkd import figures, paper
from fairkd.stimuli import TESTS

PRINTED = paper.TABLE1["full"]


def points(axis) -> tuple[np.ndarray, np.ndarray]:
    """Filled marks, and the ends (n, 2) of their intervals along the direction of the lines."""
    (line,) = [line for line in axis.lines if line.get_label() in ("students", "ours")]
    (lines,) = axis.collections
    ends = np.array(lines.get_segments())
    return line.get_xydata(), ends[:, :, 0 if np.ptp(ends[0, :, 0]) else 1]


def teacher_line(axis) -> float:
    (line,) = [line for line in axis.lines if line.get_label() == "teacher"]
    return float(line.get_ydata()[0])


def hollow(axis) -> np.ndarray:
    (line,) = [line for line in axis.lines if line.get_label() == "paper, printed"]
    assert line.get_markerfacecolor() == "none"
    return line.get_xydata()


def test_capacity_draws_averages_with_intervals_and_the_teacher():
    data = averages(CAPACITY)
    figure = figures.capacity(data, correlation(), printed_r=paper.FIGURE1_R)
    assert len(figure.axes) == 2
    students = data[(data.arm != "teacher") & (data.pooling == "mean")]
    centres, ends = points(figure.axes[0])
    np.testing.assert_allclose(centres, students[["layers", "average"]])
    np.testing.assert_allclose(ends, students[["low", "high"]])
    assert teacher_line(figure.axes[0]) == 1.0


def test_interval_that_does_not_hold_its_estimate_is_drawn_as_it_is():
    data = averages(CAPACITY).assign(average=0.0)  # a mean of |d| near zero lies below its bootstrap interval
    centres, ends = points(figures.capacity(data, correlation(), printed_r=-0.82).axes[0])
    assert np.all(centres[:, 1] < ends[:, 0])
    np.testing.assert_allclose(ends, data[(data.arm != "teacher") & (data.pooling == "mean")][["low", "high"]])


def test_capacity_names_both_correlations_and_what_the_interval_covers():
    figure = figures.capacity(averages(CAPACITY), correlation(), printed_r=paper.FIGURE1_R)
    for axis in figure.axes:
        title = axis.get_title(loc="left")
        assert "r = −0.50 [−0.90, 0.20]\nover stimulus words" in title
        assert "the paper prints r = −0.82" in title
    undefined = figures.capacity(averages(CAPACITY), correlation(r=np.nan), printed_r=paper.FIGURE1_R)
    assert "undefined" in undefined.axes[0].get_title(loc="left")


def test_per_test_has_a_panel_a_test_and_the_printed_value_at_its_depth():
    data = scores(CAPACITY)
    figure = figures.per_test(data, pooling="cls", printed=PRINTED, printed_layers=2)
    assert len(figure.axes) == 6
    for axis, test in zip(figure.axes, TESTS, strict=True):
        rows = data[(data.test == test) & (data.pooling == "cls")]
        students = rows[rows.arm != "teacher"]
        centres, ends = points(axis)
        np.testing.assert_allclose(centres, students[["layers", "effect_size"]])
        np.testing.assert_allclose(ends, students[["low", "high"]])
        np.testing.assert_allclose(hollow(axis), [[2, PRINTED[test]]])
        assert teacher_line(axis) == pytest.approx(rows[rows.arm == "teacher"].effect_size.item())
    assert len({axis.get_ylim() for axis in figure.axes}) == 1  # one scale, so panels can be compared


def test_ablation_puts_ours_beside_the_printed_values():
    data = scores(ABLATION)
    figure = figures.ablation(data, pooling="mean", printed=paper.TABLE1)
    assert len(figure.axes) == 3  # the teacher has no printed values and no panel
    for axis, arm in zip(figure.axes, ("full", "no-cos", "no-ce"), strict=True):
        rows = data[(data.arm == arm) & (data.pooling == "mean")]
        centres, ends = points(axis)
        np.testing.assert_allclose(centres[:, 0], rows.effect_size)
        np.testing.assert_allclose(ends, rows[["low", "high"]])
        np.testing.assert_allclose(hollow(axis)[:, 0], [paper.TABLE1[arm][test] for test in TESTS])
        assert np.all(centres[:, 1] != hollow(axis)[:, 1])  # beside, not on top of each other


def test_arm_without_printed_values_has_a_panel_without_hollow_marks():
    figure = figures.ablation(scores([("mlm-only", 3)]), pooling="mean", printed=paper.TABLE1)
    assert [line.get_label() for line in figure.axes[0].lines].count("paper, printed") == 0


def test_training_draws_each_term_for_the_arms_that_have_it():
    steps = pd.DataFrame({"step": range(5)})
    rows = [
        steps.assign(arm="full", seed=0, ce=3.0 - steps.step / 10, mlm=6.0, cos=0.2),
        steps.assign(arm="no-ce", seed=0, ce=np.nan, mlm=5.0, cos=0.1),
    ]
    figure = figures.training(pd.concat(rows, ignore_index=True))
    assert [axis.get_title(loc="left") for axis in figure.axes] == [
        figures.subscripts(f"L_{term}") for term in ("ce", "mlm", "cos")
    ]
    drawn = [[line.get_ydata() for line in axis.lines if len(line.get_ydata())] for axis in figure.axes]
    assert [len(lines) for lines in drawn] == [1, 2, 2]
    np.testing.assert_allclose(drawn[0][0], 3.0 - np.arange(5) / 10)


def test_marks_differ_in_lightness_as_well_as_colour():
    lightness = [np.dot(to_rgb(c), (0.2126, 0.7152, 0.0722)) for c in (figures.OURS, figures.PAPER, figures.TEACHER)]
    assert min(abs(a - b) for i, a in enumerate(lightness) for b in lightness[:i]) > 0.02
    # Colour apart: ours are filled circles, the paper's hollow diamonds, the teacher a dashed line.
    figure = figures.per_test(scores(CAPACITY), pooling="mean", printed=PRINTED, printed_layers=2)
    axis = figure.axes[0]
    marks = {line.get_label(): (line.get_marker(), line.get_linestyle()) for line in axis.lines}
    assert marks["paper, printed"][0] == "D"
    assert marks["teacher"] == ("None", "--")
    assert marks["students"][0] == "o"


@pytest.mark.parametrize(
    ("figure", "says"),
    [
        (lambda: figures.capacity(averages(CAPACITY), correlation(), printed_r=-0.82), "layers 1: 1.10"),
        (lambda: figures.per_test(scores(CAPACITY), pooling="mean"), "C6 1.00 to 3.00"),
        (lambda: figures.ablation(scores(ABLATION), pooling="mean", printed=paper.TABLE1), "C8b 1.50"),
    ],
)
def test_description_says_the_values(figure, says):
    assert says in figure().get_label()


def test_show_sends_a_png_with_its_description_and_its_size(monkeypatch):
    sent = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw, metadata: sent.append((data, metadata)))
    figure = Figure(figsize=(3, 2), label='d against "layers"')
    figure.subplots().plot([1, 2])
    figures.show(figure)
    figures.show(Figure(figsize=(1, 1)), alt="given")
    (data, metadata), (second, _) = sent
    assert metadata["image/png"] == {"alt": 'd against "layers"', "width": 288, "height": 192}
    assert (data["text/plain"], second["text/plain"]) == ('d against "layers"', "given")
    pixels = mpl.image.imread(io.BytesIO(base64.b64decode(data["image/png"])))
    assert pixels.shape[:2] == (2 * figures.DPI, 3 * figures.DPI)
    assert not figure.axes  # closed: a notebook with many figures keeps none of them


def test_global_settings_stay_as_they_were():
    before = dict(mpl.rcParams)
    figures.capacity(averages(CAPACITY), correlation(), printed_r=-0.82)
    assert dict(mpl.rcParams) == before
