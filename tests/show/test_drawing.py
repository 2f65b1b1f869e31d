"""Sliders without a kernel: every picture is drawn in Python, on axes that stay, and nothing in it is markup."""

import base64
import io
import json
import math
import re

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from fairkd.errors import InputError
from fairkd.show.figures.style import OURS
from fairkd.show.sliders import shapes as plot_shapes
from fairkd.show.sliders.explorer import explorer, long_form, text
from fairkd.show.sliders.shapes import MARGIN_LEFT, PLOT, RIGHT, WIDTH, draw

HOSTILE = '</script><script>alert("1")</script><b>'
VALUES = [-1.0, 0.0, 0.5]
WIDE = WIDTH - MARGIN_LEFT - RIGHT


def frame(value: float) -> dict:
    """A curve that depends on the value, one that does not, a point, a cloud and two panels of bars."""
    x = [0.0, 1.0, 2.0]
    return {
        "lines": [
            {"name": "moves", "x": x, "y": [value, 2 * value, 4.0]},
            {"name": "stays", "x": x, "y": [-4.0, 0.0, 4.0]},
        ],
        "marks": [
            {"name": "here", "x": 1.0, "y": value},
            {"name": "draws", "x": [0.0, 0.5, 1.0, 2.0], "y": [0.0, 0.0, value, value]},
        ],
        "bars": [
            {"name": "male", "labels": ["he", "she"], "values": [0.25, value]},
            {"name": "female", "labels": ["she"], "values": [0.5]},
        ],
        "sentence": f"It is {value}.",
    }


def made(start: int = 1, frames=None, **changes) -> BeautifulSoup:
    given = {"title": "A title", "label": "λ", "values": VALUES, "start": start, "x": "level (unit)", "y": "upright"}
    frames = [frame(value) for value in VALUES] if frames is None else frames
    return BeautifulSoup(explorer(**{**given, "frames": frames, **changes}).text, "html.parser")


def data(soup: BeautifulSoup) -> dict:
    return json.loads(soup.find("script", type="application/json").string)


def drawn(soup: BeautifulSoup, group: str) -> list:
    """The moving shapes in the markup, in the form of the JSON."""
    elements = soup.select(f'[data-moving="{group}"] > *')
    return [[e.name, dict(e.attrs), e.get_text()] for e in elements]


@pytest.mark.parametrize("start", range(3))
def test_markup_of_a_value_is_what_the_script_draws_at_it(start):
    soup = made(start)
    for group in ("plot", "rest"):
        assert drawn(soup, group) == data(made(0))["shapes"][start][group]
    assert soup.select_one("[aria-live=polite]").get_text() == data(made(0))["sentences"][start]
    assert soup.output.get_text() == soup.input["aria-valuetext"] == data(made(0))["texts"][start]
    assert soup.svg["aria-label"] == f"A title. It is {VALUES[start]}."


def test_what_does_not_move_is_the_same_at_every_value():
    rests = set()
    for start in range(3):
        svg = made(start).svg
        for group in svg.select("[data-moving]"):
            group.clear()
        svg["aria-label"] = ""
        rests.add(str(svg))
    (rest,) = rests
    assert ">level (unit)<" in rest
    assert ">upright<" in rest
    assert ">stays<" in rest  # its name is in the legend


def test_points_lie_where_the_axes_say():
    """The literal form: x from 0 to 2 fills the axes, y is turned, 5 % of its spread is left free at both ends."""
    low, high = -4 - 0.05 * 8, 4 + 0.05 * 8
    picture = draw([frame(value) for value in VALUES], x="", y="")
    for own, value in zip(picture.moving, VALUES):
        (line,) = [dict(a)["d"] for tag, a, _ in own["plot"] if tag == "path" and dict(a)["stroke"] == OURS]
        pen = [(float(a), float(b)) for a, b in re.findall(r"[ML](\S+) ([\d.-]+)", line)]
        expected = [(WIDE * x / 2, PLOT * (high - y) / (high - low)) for x, y in zip((0, 1, 2), (value, 2 * value, 4))]
        np.testing.assert_allclose(pen, expected, atol=0.051)
        (point,) = [dict(a) for tag, a, _ in own["plot"] if tag == "circle"]
        assert float(point["cx"]) == pytest.approx(WIDE / 2, abs=0.051)
        assert float(point["cy"]) == pytest.approx(PLOT * (high - value) / (high - low), abs=0.051)


def test_bars_have_one_scale_with_zero_in_it():
    """A bar is as long as its value, in all panels and at all values; what is negative goes to the left of zero."""
    picture = draw([frame(value) for value in VALUES], x="", y="")
    width = (WIDTH - 2 * plot_shapes.GAP - plot_shapes.GAP) / 2
    unit = width / 1.5  # from -1 to 0.5
    for position, value in enumerate(VALUES):
        shapes = [*picture.fixed["rest"], *picture.moving[position]["rest"]]
        bars = [
            {k: v if k == "fill" else float(v) for k, v in dict(a).items()} for tag, a, _ in shapes if tag == "rect"
        ]
        lengths = sorted(bar["width"] for bar in bars)
        np.testing.assert_allclose(lengths, sorted([0.25 * unit, abs(value) * unit, 0.5 * unit]), atol=0.051)
        zero = plot_shapes.GAP + unit
        for bar in (
            bar for bar in bars if bar["fill"] == OURS and bar["width"] == pytest.approx(-value * unit, abs=0.06)
        ):
            assert bar["x"] + bar["width"] == pytest.approx(zero, abs=0.11)


def test_what_is_not_finite_is_a_gap():
    y = [1.0, None, 2.0, math.inf, 3.0, 4.0]
    (own,) = draw([{"lines": [{"name": "a", "x": [0, 1, 2, 3, 4, 5], "y": y}]}, {}], x="", y="").moving[:1]
    (path,) = own["plot"]
    assert re.sub(r"[\d. -]", "", dict(path[1])["d"]) == "MMML"  # three pieces, the last of two points
    soup = made(0, [{"lines": [{"name": "a", "x": [0.0], "y": [math.nan]}]}] * 3)
    assert "nan" not in str(soup.svg).lower()


def test_a_band_is_an_area_in_the_colour_of_its_line_with_gaps():
    x, low, high = [0.0, 1.0, 2.0, 3.0, 4.0], [-1.0, -1.0, None, 0.0, 0.0], [1.0, 1.0, 1.0, 2.0, 2.0]
    band = {"name": "95 %", "x": x, "low": low, "high": high}
    one = {"lines": [{"name": "d", "x": x, "y": [0.0] * 5}], "bands": [band]}
    picture = draw([one], x="", y="", y_range=(-1, 2))
    areas = [dict(a) for tag, a, _ in picture.fixed["plot"] if "fill-opacity" in dict(a)]
    assert [area["fill"] for area in areas] == [OURS, OURS]
    points = [(float(a), float(b)) for a, b in re.findall(r"[ML](\S+) ([\d.]+)", areas[0]["d"])]
    third = PLOT / 3
    expected = [(0, PLOT), (WIDE / 4, PLOT), (WIDE / 4, third), (0, third)]  # along the low edge and back
    np.testing.assert_allclose(points, expected, atol=0.051)
    rows = long_form("λ", [0.5], [one]).groupby("kind")["value"].apply(list)
    assert rows["band high"] == high
    assert [v for v in rows["band low"] if v == v] == [-1.0, -1.0, 0.0, 0.0]
    with pytest.raises(InputError, match="5 x and 4 high"):
        made(0, [{"bands": [band | {"high": high[1:]}]}] * 3)


@pytest.mark.parametrize("top", [0.0003, 2e-6, 12500.0])
def test_numbers_of_the_upright_axis_leave_its_label_alone(top):
    picture = draw([{"lines": [{"name": "a", "x": [0, 1], "y": [0.0, top]}]}], x="level", y="upright")
    texts = {content: dict(a) for tag, a, content in picture.fixed["rest"] if tag == "text"}
    label = float(texts["upright"]["x"]) + 6  # it is turned: as wide as a line is high
    ends = [float(a["x"]) - 6.6 * len(t) for t, a in texts.items() if a.get("text-anchor") == "end"]
    assert min(ends) > label


def test_a_range_cuts_off_what_leaves_it():
    steep = [{"lines": [{"name": "a", "x": [0, 1, 2], "y": [1e308, 1.0, 2.0]}]}] * 3
    soup = made(0, steep, y_range=(0, 4))
    ticks = {t.get_text() for t in soup.select("svg text")}
    assert {"0", "1", "2", "3", "4"} <= ticks
    inner = soup.select_one("svg svg")  # a picture in a picture shows nothing beyond its edges
    assert (inner["height"], inner["width"]) == (str(PLOT), str(WIDE))
    down = [float(v) for v in re.findall(r"[ML]\S+ (\S+?)(?=[ML]|$)", inner.path["d"])]
    assert down[0] < 0
    assert down[1:] == [PLOT * 3 / 4, PLOT / 2]


def test_what_never_changes_is_in_the_page_once():
    many = [{"lines": [{"name": "curve", "x": list(range(500)), "y": [math.sin(v) for v in range(500)]}],
             "marks": [{"name": "here", "x": v, "y": 0.0}]} for v in range(40)]  # fmt: skip
    html = explorer(title="t", label="l", values=list(range(40)), start=0, x="", y="", frames=many).text
    assert html.count("L") < 3 * 500
    assert len(html) < 80_000


def test_slider_has_a_name_its_values_and_waits_for_the_script():
    slider = made(1).input
    assert slider.parent.name == "label"
    assert slider.parent.get_text().strip() == "λ"
    assert (slider["min"], slider["max"], slider["step"], slider["value"]) == ("0", "2", "1", "1")
    assert slider.has_attr("disabled")
    assert [text(value) for value in VALUES] == ["−1", "0", "0.5"]


def test_numbers_of_every_value_are_a_table():
    table = made().select_one("details table")
    assert [th.get_text() for th in table.select("thead th")] == ["λ", "male", "female", "here", "in words"]
    rows = [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in table.select("tbody tr")]
    assert rows == [
        ["−1", "he 0.250, she −1.000", "she 0.500", "−1.000", "It is -1.0."],
        ["0", "he 0.250, she 0.000", "she 0.500", "0.000", "It is 0.0."],
        ["0.5", "he 0.250, she 0.500", "she 0.500", "0.500", "It is 0.5."],
    ]


def test_all_numbers_are_a_file_inside_the_page():
    link = made().select_one("details a[download]")
    kind, _, encoded = link["href"].partition(";base64,")
    assert kind == "data:text/csv;charset=utf-8"
    found = pd.read_csv(io.StringIO(base64.b64decode(encoded).decode()))
    pd.testing.assert_frame_equal(
        found, long_form("λ", VALUES, [frame(v) for v in VALUES]).astype({"at": str}), rtol=1e-5
    )
    bars = found[(found.kind == "bar") & (found.name == "male") & (found["at"] == "she")]
    assert bars.value.tolist() == VALUES
    draws = found[found.name == "draws"]
    assert len(draws) == 12  # four points a value


def test_text_from_data_stays_text():
    hostile = {
        "lines": [{"name": HOSTILE, "x": [0, 1], "y": [0, 1]}],
        "bars": [{"name": HOSTILE, "labels": [HOSTILE], "values": [1.0]}],
        "sentence": HOSTILE,
    }
    words = {"title": HOSTILE, "label": HOSTILE, "x": HOSTILE, "y": HOSTILE, "note": HOSTILE}
    soup = made(0, [hostile, hostile, hostile | {"sentence": "other"}], **words)
    (script,) = soup.find_all("script")
    assert script["type"] == "application/json"
    assert not soup.find_all("b")
    assert data(soup)["sentences"][0] == HOSTILE
    assert soup.figcaption.get_text() == HOSTILE
    assert "<" not in script.string


def test_lines_differ_by_more_than_colour():
    looks = list(zip(plot_shapes.SERIES, plot_shapes.DASHES, strict=True))
    assert len(set(plot_shapes.SERIES)) == len(set(plot_shapes.DASHES)) == len(looks) == 5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frames": [{}]}, "3 values, 1 frames"),
        ({"values": [], "frames": []}, "0 values"),
        ({"start": 3}, "from 0 to 2, not 3"),
        ({"start": -1}, "not -1"),
        ({"y_range": (1, 1)}, "from its lower to its upper end, not from 1 to 1"),
        ({"frames": [{"line": []}, {}, {}]}, "frame 0: no 'line' in a frame. Did you mean 'lines'?"),
        ({"frames": [{}, {"bars": [{"name": "a", "x": [1], "y": [1]}]}, {}]}, "frame 1, bars: .* instead of"),
        ({"frames": [{"lines": [{"name": "a", "x": [1, 2], "y": [1]}]}, {}, {}]}, "'a': 2 x and 1 y"),
    ],
)
def test_wrong_frames_are_named(changes, words):
    with pytest.raises(InputError, match=words):
        made(**changes)
