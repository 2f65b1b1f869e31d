"""The explorers on a grid as an exported page takes them, and the figures of the comparison."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import rcParams

from fairkd.bias.stimuli import TESTS
from fairkd.gender import PairTable, appendix_c
from fairkd.show import figures
from fairkd.show.sliders import beta, grid
from fairkd.show.sliders.beta import LAMBDAS
from fairkd.show.sliders.choices import Loaded
from fairkd.show.sliders.explorer import explorer
from fairkd.show.sliders.reading import SentenceReading
from fairkd.students import student_from_teacher


@pytest.fixture(scope="module")
def reading(world):
    student = student_from_teacher(world.teacher.model, 1).eval()
    return SentenceReading(
        "the <b>nurse</b> said that she was late .",
        teacher=Loaded("teacher", world.teacher.model, world.tokenizer, "t", has_head=True),
        student=Loaded("student", student, world.tokenizer, "s", has_head=True),
        pairs=PairTable(appendix_c(), world.tokenizer),
        temperature=2.0,
    )  # fmt: skip


@pytest.fixture
def curve():
    lam = np.asarray(LAMBDAS)
    return pd.DataFrame({"lam": lam, "effect_size": 2 * lam - 1, "ci_low": 2 * lam - 1.5, "ci_high": 2 * lam - 0.5})


def test_alpha_frames_hold_density_and_draws_and_say_the_share():
    got = grid.alpha_grid(start=0.42, draws=500, seed=1)
    assert got["values"][got["start"]] == 0.4
    for alpha, frame in zip(got["values"], got["frames"], strict=True):
        density, draws = frame["lines"]
        assert density["y"] == beta.density(alpha, points=len(density["x"])).density.tolist()
        # The line of steps encloses an area of one: it is a histogram of the draws.
        assert np.trapezoid(draws["y"], draws["x"]) == pytest.approx(1)
        drawn = beta.samples(alpha, size=500, seed=1)
        assert draws["y"][0] == pytest.approx(np.mean(drawn < 1 / grid.BINS) * grid.BINS)
        assert f"{100 * beta.share_near_ends(alpha):.1f} % of λ lie within 0.1" in frame["sentence"]


def test_frames_of_a_sentence_are_its_steps(reading):
    word, place = grid.word_grid(reading, start=0.0), grid.reading_grid(reading, start=1.0)
    assert (word["start"], place["start"]) == (0, len(LAMBDAS) - 1)
    for lam, first, second in zip(LAMBDAS, word["frames"], place["frames"], strict=True):
        step = reading.at(lam)
        assert first["marks"][0]["y"] == [step.to_male, step.to_female]
        assert [line["y"][LAMBDAS.index(lam)] for line in first["lines"]] == [step.to_male, step.to_female]
        assert first["bars"][0]["labels"] == step.nearest.word.tolist()
        assert second["marks"][0]["y"] == step.kl == second["lines"][0]["y"][LAMBDAS.index(lam)]
        assert [bars["name"] for bars in second["bars"]] == ["teacher: he", "teacher: she", "mixture ȳ", "student: x̄"]
        student = step.probabilities[step.probabilities.reading == "student"].probability
        np.testing.assert_allclose(second["bars"][3]["values"], student, atol=1e-4)
        assert f"KL {step.kl:.3g} nats" in second["sentence"]


def test_frames_of_seat_are_the_curve_and_a_gap_where_d_is_undefined(curve):
    curve.loc[10, ["effect_size", "ci_low", "ci_high"]] = np.nan
    got = grid.seat_grid(curve, test="C6b", model="full", weighs="own", start=0.5)
    assert got["start"] == 10
    assert got["x"] == "λ, weight of the word that stands there"
    assert got["frames"][0]["marks"][0] == {"name": "at this λ", "x": 0.0, "y": -1.0}
    assert got["frames"][0]["sentence"] == "λ = 0: d = −1.00 [−1.50,\xa0−0.50]."
    assert "undefined" in got["frames"][10]["sentence"]
    (line,), (band,) = got["frames"][3]["lines"], got["frames"][3]["bands"]
    assert (line["y"][0], band["low"][0], band["high"][0]) == (-1.0, -1.5, -0.5)


def test_the_title_names_model_and_test(curve):
    title = grid.seat_grid(curve, test="C6b", model="original, seed 2", weighs="own")["title"]
    assert title == "Test C6b on original, seed 2, with its gender words mixed"


def test_every_grid_is_an_explorer_of_the_page_and_text_is_escaped(reading, curve):
    grids = [grid.alpha_grid(), grid.word_grid(reading), grid.reading_grid(reading)]
    grids.append(grid.seat_grid(curve, test="C6b", model="<script>alert(1)</script>", weighs="male"))
    for each in grids:
        html = explorer(**each).text
        assert 'type="range"' in html
        assert "<b>nurse" not in html
        assert "<script>alert" not in html


# --- figures ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def effects():
    rows = [
        {"model": model, "test": test, "effect_size": d + shift, "ci_low": d - 1, "ci_high": d + 1}
        for model, shift in (("full", 0.0), ("mixup-xy", -0.25))
        for d, test in enumerate(TESTS)
    ]
    return pd.DataFrame(rows)


def test_the_comparison_draws_every_value_with_its_interval(effects):
    figure = figures.compare_effects(effects)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    np.testing.assert_allclose(lines["mixup-xy"].get_xdata(), np.arange(6) - 0.25)
    assert {lines[name].get_marker() for name in ("full", "mixup-xy")} == {"o", "s"}
    spans = [path.vertices[:, 0].tolist() for path in figure.axes[0].collections[0].get_paths()]
    assert spans == [[d - 1, d + 1] for d in range(6)]
    assert "Lowest: −0.25, mixup-xy, C6;" in figure.get_label()


def test_the_strips_hold_every_sentence_and_the_mean_of_each_set():
    frame = pd.DataFrame(
        {
            "model": ["a"] * 4 + ["b"] * 4,
            "group": ["male terms", "male terms", "career", "career"] * 2,
            "gendered": [True, True, False, False] * 2,
            "projection": [0.5, 0.7, -0.1, 0.3, 0.0, 0.2, 0.4, 0.4],
        }
    )
    figure = figures.projection_strips(frame, test="C6b")
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["a", "b"]
    drawn = [line.get_xdata() for line in figure.axes[0].lines[1:]]  # the first is the line of zero
    for got, wanted in zip(drawn, ([0.5, 0.7], [0.6, 0.6], [-0.1, 0.3], [0.1, 0.1]), strict=True):
        np.testing.assert_allclose(got, wanted)
    assert "Lowest: 0.10, mean of career in a; highest: 0.60, mean of male terms in a." in figure.get_label()
    again = figures.projection_strips(frame, test="C6b")
    np.testing.assert_array_equal(figure.axes[0].lines[1].get_ydata(), again.axes[0].lines[1].get_ydata())


def test_figures_leave_the_global_settings(effects):
    before = dict(rcParams)
    figures.compare_effects(effects)
    assert dict(rcParams) == before
