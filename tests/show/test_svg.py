"""Drawings in a page: what draws stays, what could reach beyond the drawing goes, ids and colours are the page's."""

import io
import re
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from fairkd.errors import InputError
from fairkd.show import svg
from fairkd.show.figures import theme

OPEN = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="6">'


def drawn(inner: str, prefix: str = "") -> str:
    return svg.markup(svg.clean(f"{OPEN}{inner}</svg>", prefix=prefix))


def matplotlib_file(title: str = "a & <b>") -> str:
    with theme():
        figure = Figure(figsize=(3, 2), layout="constrained")
        axis = figure.subplots()
        axis.plot([1, 2, 3], [3, 1, 2], "o-", color="#0173b2")
        axis.set_title(title)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg")
    return buffer.getvalue()


def test_text_stays_text_and_is_escaped_and_the_file_is_smaller():
    source = matplotlib_file()
    small = svg.written(svg.clean(source))
    root = ElementTree.fromstring(small)
    texts = [element.text for element in root.iter(f"{{{svg.SVG}}}text")]
    assert "a & <b>" in texts
    assert "1.0" in texts
    assert len(small) < len(source) / 2
    assert (root.get("width"), root.get("height"), root.get("viewBox")) == ("288", "192", "0 0 216 144")
    assert "system-ui" in root.get("font-family")
    assert not list(root.iter(f"{{{svg.SVG}}}style"))


def test_the_same_figure_is_the_same_bytes():
    assert svg.written(svg.clean(matplotlib_file())) == svg.written(svg.clean(matplotlib_file()))


def test_ids_have_the_prefix_and_every_reference_leads_to_one():
    text = svg.markup(svg.clean(matplotlib_file(), prefix="one-"))
    ids = re.findall(r'\bid="([^"]*)"', text)
    asked = set(re.findall(r'href="#([^"]*)"', text)) | set(re.findall(r"url\(#([^)]*)\)", text))
    assert asked
    assert asked == set(ids)
    assert len(ids) == len(set(ids))
    assert all(name.startswith("one-") for name in ids)


@pytest.mark.parametrize(
    "inner",
    [
        "<script>alert(1)</script>",
        '<foreignObject><p onclick="x()">p</p></foreignObject>',
        '<path d="M0 0" onload="x()"/>',
        '<a href="javascript:x()"><path d="M0 0"/></a>',
        '<use href="https://example.org/x.svg#a"/>',
        '<use xlink:href="https://example.org/x.svg#a"/>',
        '<image href="https://example.org/x.png"/>',
        '<image href="data:image/svg+xml;base64,AAAA"/>',
        '<rect fill="url(https://example.org/x#a)" style="clip-path: url(//example.org/x)"/>',
        '<rect style="fill: #fff; background: url(https://example.org/x)"/>',
        "<animate attributeName='href' to='javascript:x()'/><set/><iframe/>",
        "<!-- a comment --><metadata>about</metadata><?php x ?>",
    ],
)
def test_nothing_runs_and_nothing_leads_out(inner):
    text = drawn(inner)
    assert not re.search(r"script|foreign|onclick|onload|example|svg\+xml|comment|about|php|animate|iframe|<set", text)


def test_ids_are_places_whatever_they_were_called():
    inner = (
        '<defs><clipPath id="{0}"><rect width="3" height="2"/></clipPath></defs><path d="M0 0" clip-path="url(#{0})"/>'
    )
    one, other = (drawn(inner.format(name), prefix="p-") for name in ("pa2b39d4caa", "p80a32f6f99"))
    assert one == other
    assert 'id="p-i0"' in one
    assert 'clip-path="url(#p-i0)"' in one


def test_what_draws_stays():
    inner = (
        '<defs><linearGradient id="g"><stop offset="0" stop-color="#ff0000"/></linearGradient></defs>'
        '<g transform="translate(1 2)"><rect width="3" height="2" style="fill:url(#g);stroke:#00FF00;opacity:.5"/></g>'
        '<image width="2" height="2" href="data:image/png;base64,AAAA"/>'
        '<text x="1">a <tspan font-weight="bold">b</tspan> c</text>'
    )
    text = drawn(inner, prefix="p-")
    assert 'fill="url(#p-i0)"' in text
    assert 'id="p-i0"' in text
    assert 'stroke="#00ff00"' in text
    assert 'opacity=".5"' in text
    assert 'href="data:image/png;base64,AAAA"' in text
    assert ">a <tspan" in text
    assert "</tspan> c</text>" in text


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("<svg", "not XML"),
        ("", "not XML"),
        ("<p/>", "begins with 'p'"),
        ('<svg xmlns="http://www.w3.org/2000/svg"/>', "without a size"),
        (f"{OPEN}<style>* {{ display: none }}</style></svg>", "style sheet"),
        ('<!DOCTYPE svg [<!ENTITY a "b">]><svg width="1" height="1">&a;</svg>', "no entities"),
    ],
)
def test_what_cannot_stand_in_a_page_is_told(source, why):
    with pytest.raises(InputError, match=why):
        svg.clean(source)


def test_a_colour_for_the_night_keeps_its_hue_and_turns_light_into_dark():
    light = ["#000000", "#444444", "#888888", "#cccccc", "#ffffff"]
    assert sorted(map(svg.night, light), reverse=True) == list(map(svg.night, light))
    assert int(svg.night("#222222")[1:3], 16) > 0xC0
    red, green, blue = (int(svg.night("#0173b2")[at : at + 2], 16) for at in (1, 3, 5))
    assert blue > green > red
