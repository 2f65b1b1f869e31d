"""Figures: what is drawn is what the frames say; marks stay apart without colour; every figure describes itself."""

import itertools
import re
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from made_frames import (
    ABLATION,
    CAPACITY,
    MIXUP,
    averages,
    correlation,
    counts,
    differences,
    scores,
    strengths,
    verdicts,
)  # fmt: skip
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from fairkd.bias.rulers import RULERS
from fairkd.bias.stimuli import TESTS
from fairkd.claims import paper
from fairkd.errors import InputError
from fairkd.frames import RULER_DIFFERENCES
from fairkd.lab.calibration import ruler_title
from fairkd.show import figures
from fairkd.show.figures.display import PHONE, in_a_column
from fairkd.show.figures.style import PANE

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
        assert "r = −0.50 [−0.90,\xa00.20]\nover stimulus words" in title
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
        np.testing.assert_allclose(hollow(axis), [[2.25, PRINTED[test]]])  # beside ours
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


def curves(arms) -> pd.DataFrame:
    steps = pd.DataFrame({"step": range(5)})
    rows = [steps.assign(arm=arm, seed=0, ce=3.0 + n, mlm=6.0 + n, cos=0.2) for n, arm in enumerate(arms)]
    return pd.concat(rows, ignore_index=True)


def test_training_of_many_arms_gives_the_legend_a_panel_and_every_arm_a_look_of_its_own():
    arms = [f"arm-{n}" for n in range(12)]
    figure = figures.training(curves(arms))
    *panels, last = figure.axes
    assert [len([line for line in axis.lines if len(line.get_ydata())]) for axis in panels] == [12, 12, 12]
    assert [text.get_text() for text in last.get_legend().get_texts()] == arms
    handles = last.get_legend().get_lines()
    assert len({(line.get_color(), line.get_linestyle(), str(line._unscaled_dash_pattern)) for line in handles}) == 12
    lightness = [np.dot(to_rgb(line.get_color()), (0.2126, 0.7152, 0.0722)) for line in handles]
    assert lightness == sorted(lightness)  # an order that greyscale keeps
    assert all(a._unscaled_dash_pattern != b._unscaled_dash_pattern for a, b in zip(handles, handles[1:]))
    assert len(figures.training(curves(arms[:6])).axes) == 3


def test_mixup_has_a_panel_a_test_with_a_row_an_arm_and_the_original_as_a_line():
    data = scores(MIXUP)
    figure = figures.mixup(data, pooling="cls", printed=paper.TABLE2)
    titles = ["original", "mixup of input", "mixup of input + logits", "mixup of logits"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [*titles, "mine"]
    for axis, test in zip(figure.axes, TESTS, strict=True):
        rows = data[(data.test == test) & (data.pooling == "cls") & (data.arm != "teacher")]
        centres, ends = points(axis)
        np.testing.assert_allclose(centres[:, 0], rows.effect_size)
        np.testing.assert_allclose(ends, rows[["low", "high"]])
        printed = hollow(axis)
        np.testing.assert_allclose(printed[:, 0], [paper.TABLE2[arm][test] for arm in ("full", "mixup-x", "mixup-xy")])
        np.testing.assert_array_equal(np.round(printed[:, 1]), [0, 1, 2])  # beside their arms
        (original,) = [line for line in axis.lines if line.get_label() == "ours, original"]
        assert original.get_xdata()[0] == rows.effect_size[rows.arm == "full"].item()
        assert any(np.allclose(line.get_xdata(), 0) for line in axis.lines)
    assert figure.axes[0].yaxis_inverted()


def test_mixup_without_the_original_or_printed_arms_draws_what_there_is():
    figure = figures.mixup(scores((("mine", 3),)), pooling="mean", printed=paper.TABLE2)
    assert {line.get_label() for line in figure.axes[0].lines} & {"ours, original", "paper, printed"} == set()


def test_differences_stand_beside_the_printed_ones():
    data = differences(MIXUP)
    (axis,) = figures.difference_intervals(data, pooling="cls", printed=paper.TABLE2_PRINTED_AVERAGE).axes
    rows = data[data.pooling == "cls"]
    centres, ends = points(axis)
    np.testing.assert_allclose(centres[:, 0], rows.difference)
    np.testing.assert_allclose(ends, rows[["low", "high"]])
    np.testing.assert_allclose(hollow(axis)[:, 0], [0.830 - 0.992, 0.738 - 0.992])
    assert [label.get_text() for label in axis.get_yticklabels()][-1] == "mine"
    assert "original" in axis.get_xlabel()
    bottom, top = axis.get_ylim()
    assert bottom > top  # the first arm on top


def test_pairs_have_two_bars_each_and_zero_is_written_where_a_log_scale_has_no_bar():
    figure = figures.pair_counts(counts())
    (axis,) = figure.axes
    assert axis.get_xscale() == "log"
    assert [[bar.get_width() for bar in bars] for bars in axis.containers] == [[1200, 0], [3000, 7]]
    assert [text.get_text() for text in axis.texts] == ["1,200", "0", "3,000", "7"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["woman / man", "gal / guy"]
    looks = [bars[0].get_hatch() for bars in axis.containers]
    assert looks[0] != looks[1]


def test_pairs_of_like_counts_or_of_none_have_a_plain_scale():
    for factor in (1, 0):
        near = counts().assign(n_female=[20 * factor, 10 * factor], n_male=[30 * factor, 10 * factor])
        assert figures.pair_counts(near).axes[0].get_xscale() == "linear"


def test_planted_draws_signed_averages_of_teacher_and_student_with_zero_lines():
    data = strengths()
    (axis,) = figures.planted_strengths(data, pooling="mean").axes
    lines = {line.get_label(): line for line in axis.lines}
    for arm, label, segments in zip(
        ("teacher", "full"), ("teacher", "student, all losses"), axis.collections, strict=True
    ):
        rows = data[(data.arm == arm) & (data.pooling == "mean")]
        np.testing.assert_allclose(lines[label].get_xdata(), rows.strength, atol=0.02)
        np.testing.assert_allclose(lines[label].get_ydata(), rows.signed)
        ends = np.array(segments.get_segments())[:, :, 1]
        np.testing.assert_allclose(ends, rows[["signed_low", "signed_high"]])
    assert lines["teacher"].get_marker() != lines["student, all losses"].get_marker()
    zeros = [line for label, line in lines.items() if label.startswith("_")]
    assert sorted((np.ptp(line.get_xdata()), np.ptp(line.get_ydata())) for line in zeros) == [(0, 1), (1, 0)]


def test_marks_differ_in_lightness_as_well_as_colour():
    lightness = [
        np.dot(to_rgb(c), (0.2126, 0.7152, 0.0722)) for c in (figures.OURS, figures.PAPER, figures.TEACHER_COLOUR)
    ]
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
        (
            lambda: figures.capacity(averages(CAPACITY), correlation(), printed_r=-0.82),
            "Lowest: 1.10, mean pooling, layers 1; highest: 1.30, cls pooling, layers 4.",
        ),
        (lambda: figures.per_test(scores(CAPACITY), pooling="mean"), "Lowest: 1.00, C6, layers 1;"),
        (
            lambda: figures.ablation(scores(ABLATION), pooling="mean", printed=paper.TABLE1),
            "Lowest: 1.00, original, C6;",
        ),
        (
            lambda: figures.mixup(scores(MIXUP), pooling="mean", printed=paper.TABLE2),
            "Lowest: 1.00, original, C6;",
        ),
        (
            lambda: figures.difference_intervals(differences(MIXUP), pooling="mean", printed={}),
            "Lowest: −0.010, mixup of input; highest:",
        ),
        (lambda: figures.pair_counts(counts()), "Lowest: 0, gal; highest: 3000, man."),
        (lambda: figures.planted_strengths(strengths(), pooling="cls"), "Lowest: −0.50, teacher at −0.5;"),
    ],
)
def test_description_is_two_sentences_that_say_what_is_shown_and_where_it_ends(figure, says):
    label = figure().get_label()
    assert says in label
    assert len(re.findall(r"\.(?:\s|$)", label)) == 2
    assert label.endswith(".")


def sent_by(monkeypatch, figure: Figure, **given) -> tuple[dict, dict]:
    """What a notebook gets: data, and our metadata."""
    sent = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw, metadata: sent.append((data, metadata)))
    figures.show(figure, **given)
    ((data, metadata),) = sent
    return data, metadata["fairkd"]


def plain(width: float = 3.0, label: str = "") -> Figure:
    figure = Figure(figsize=(width, 2), label=label)
    figure.subplots().plot([1, 2])
    return figure


def test_show_sends_a_drawing_with_its_description_and_closes_the_figure(monkeypatch):
    figure = plain(label='d against "layers". Lowest: 1.')
    data, about = sent_by(monkeypatch, figure)
    assert set(data) == {"image/svg+xml", "text/plain"}
    root = ElementTree.fromstring(data["image/svg+xml"])
    assert (root.get("width"), root.get("height")) == ("288", "192")
    assert data["text/plain"] == about["alt"] == 'd against "layers". Lowest: 1.'
    assert about["caption"] == 'd against "layers".'
    assert about.keys() == {"alt", "caption"}  # narrow enough for a phone as it is
    assert not figure.axes  # closed: a notebook with many figures keeps none of them


def test_a_figure_that_would_be_cut_in_a_notebook_is_shown_smaller_and_whole(monkeypatch):
    data, _ = sent_by(monkeypatch, plain(2 * PANE))
    root = ElementTree.fromstring(data["image/svg+xml"])
    wide, high = (float(root.get(side)) for side in ("width", "height"))
    assert (wide, high) == pytest.approx((96 * PANE, 96))
    assert [float(end) for end in root.get("viewBox").split()] == pytest.approx([0, 0, 2 * 72 * PANE, 144])


def test_show_takes_caption_and_name_and_refuses_what_is_no_name(monkeypatch):
    _, about = sent_by(monkeypatch, plain(), alt="given", caption="Figure 1. Mine.", name="figure-1")
    assert about == {"alt": "given", "caption": "Figure 1. Mine.", "name": "figure-1"}
    with pytest.raises(InputError, match="small letters, digits and hyphens"):
        figures.show(plain(), name="Figure 1")


def letters(drawing: str) -> list[tuple[str, float]]:
    """The texts of a drawing, and the pixels of their letters; those of a formula's indices do not count."""
    root = ElementTree.fromstring(drawing)
    scale = float(root.get("width")) / float(root.get("viewBox").split()[2])
    found = []
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        sizes = [float(piece.get("font-size").removesuffix("px")) for piece in text.iter() if piece.get("font-size")]
        found.append(("".join(text.itertext()), scale * max(sizes)))
    return found


@pytest.mark.parametrize(
    "figure",
    [
        lambda: figures.capacity(averages(CAPACITY), correlation(), printed_r=-0.82),
        lambda: figures.per_test(scores(CAPACITY), pooling="mean", printed=PRINTED, printed_layers=2),
        lambda: figures.ablation(scores(ABLATION), pooling="mean", printed=paper.TABLE1),
        lambda: figures.mixup(scores(MIXUP), pooling="mean", printed=paper.TABLE2),
        lambda: figures.training(curves([f"arm-{n}" for n in range(8)])),
        lambda: figures.pair_counts(counts()),
    ],
)
def test_a_phone_gets_the_same_figure_in_a_column_with_letters_that_can_be_read(monkeypatch, figure):
    panels = [axis for axis in figure().axes if axis.axison]
    data, about = sent_by(monkeypatch, figure(), note="A demonstration. " * 5)
    wide, narrow = data["image/svg+xml"], about["narrow"]
    width = float(ElementTree.fromstring(narrow).get("width"))
    assert width <= 350
    for drawing in (wide, narrow):
        assert min(size for _, size in letters(drawing)) >= 10.6
    said = " ".join(text for text, _ in letters(narrow))
    assert said.count(panels[-1].get_xlabel().split()[0]) >= len(panels)  # each panel has a label of its own
    assert "demonstration" in said


def test_a_figure_that_is_no_grid_of_panels_is_shown_as_it_is(monkeypatch):
    twins, by_hand = plain(6.0), Figure(figsize=(6, 3))
    twins.axes[0].twinx().plot([2, 1])
    by_hand.add_axes((0.1, 0.1, 0.8, 0.8)).plot([1, 2])
    for figure in (twins, by_hand, Figure(figsize=(6, 3))):
        data, about = sent_by(monkeypatch, figure)
        assert "narrow" not in about
        assert float(ElementTree.fromstring(data["image/svg+xml"]).get("width")) == 576


@pytest.mark.parametrize(
    "made",
    [
        lambda: figures.mixup(scores(MIXUP), pooling="mean", printed=paper.TABLE2),
        lambda: figures.difference_intervals(differences(MIXUP), pooling="mean", printed=paper.TABLE2_PRINTED_AVERAGE),
        lambda: figures.per_test(scores(CAPACITY), pooling="mean"),
        lambda: figures.planted_strengths(strengths(), pooling="mean"),
    ],
)
def test_panels_of_a_column_do_not_overlap_and_stay_in_the_figure(made):
    figure = made()
    with figures.theme():
        in_a_column(figure)
        FigureCanvasAgg(figure).draw()
    boxes = [axis.get_tightbbox() for axis in figure.axes]
    assert all(above.y0 >= below.y1 - 1 for above, below in itertools.pairwise(boxes))
    assert all(box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1 for box in boxes)
    for axis in figure.axes:  # names of rows stand apart
        names = [label.get_window_extent().padded(1) for label in axis.get_yticklabels()]
        assert not any(one.overlaps(other) for one, other in itertools.combinations(names, 2))


@pytest.mark.parametrize(
    "figure",
    [
        lambda: figures.per_test(scores(CAPACITY), pooling="mean"),
        lambda: figures.mixup(scores(MIXUP), pooling="mean", printed=paper.TABLE2),
    ],
)
def test_titles_of_panels_do_not_touch(figure):
    drawn = figure()
    canvas = FigureCanvasAgg(drawn)
    canvas.draw()
    boxes = [axis._left_title.get_window_extent(canvas.get_renderer()).padded(2) for axis in drawn.axes]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


def test_global_settings_stay_as_they_were():
    before = dict(mpl.rcParams)
    figures.capacity(averages(CAPACITY), correlation(), printed_r=-0.82)
    assert dict(mpl.rcParams) == before


# --- the report's first picture, and rulers --------------------------------------------------------------------------


def test_the_first_picture_is_as_small_as_a_phone_and_no_line_runs_through_its_words():
    judged = verdicts(*[(claim, "mean", "inconclusive", claim / 10) for claim in (0, 2, 4, 5, 6, 7)])
    figure = figures.behind_claims(judged.assign(what="difference of average SEAT, no-ce − full"))
    assert figure.get_figwidth() == PHONE
    FigureCanvasAgg(figure).draw()
    (axis,) = figure.axes
    words = [text for text in axis.texts if text.get_text()]
    assert [text.get_text() for text in words] == [f"{claim} Title {claim}" for claim in (0, 2, 4, 5, 6, 7)]
    assert all(text.get_bbox_patch().get_facecolor() == (1, 1, 1, 1) for text in words)
    boxes = [text.get_bbox_patch().get_window_extent() for text in words]
    marks = axis.transData.transform(np.column_stack([np.zeros(6), np.arange(6)]))[:, 1]
    size = 6.5 / 2 * figure.dpi / 72  # half a mark
    for box in boxes:
        assert not any(box.y0 < mark + size and mark - size < box.y1 for mark in marks)


def test_panels_of_rulers_have_the_names_that_their_tables_have():
    rulers = ["log-probability", "pair-preference-aul"]
    rows = [("no-ce", "full", 4, ruler, RULERS[ruler].scores[0].name, 0.1, 0.0, 0.2, 0.05) for ruler in rulers]
    figure = figures.ruler_forest(pd.DataFrame(rows, columns=RULER_DIFFERENCES))
    titles = [axis.get_title(loc="left") for axis in figure.axes if axis.axison]
    assert [title.replace("\n", " ") for title in titles] == [ruler_title(ruler) for ruler in rulers]


def test_the_matrix_of_agreement_has_them_too_and_says_which_two_agree_least():
    names = ["SEAT", "corrected-log-probability", "pair-preference-aul"]
    values = [[1, 0.5, -0.25], [0.5, 1, 0.75], [-0.25, 0.75, 1]]
    figure = figures.ruler_agreement(pd.DataFrame(values, index=names, columns=names))
    (axis,) = figure.axes
    wanted = ["SEAT", "log-probability bias, prior taken off", "pair preference, unmasked"]
    for labels in (axis.get_xticklabels(), axis.get_yticklabels()):
        assert [label.get_text().replace("\n", " ") for label in labels] == wanted
    assert "Lowest: −0.25, SEAT and pair preference, unmasked" in figure.get_label()
    said = {text.get_position(): (text.get_text(), text.get_color()) for text in axis.texts}
    assert said[2.5, 0.5] == ("−.25", ".15")
    assert said[1.5, 2.5] == (".75", "white")  # on a dark colour
    assert len(said) == 9
    assert axis.collections[0].get_array().tolist() == values  # each cell has the colour of its number
