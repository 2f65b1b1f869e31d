"""The exported page in a real browser, opened from disk with the network off."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from browsing import grave_violations, without_data
from made_frames import ABLATION, averages, counts, scores
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from fairkd.show import figures
from fairkd.show.pages.export import TEMPLATES, write_html
from fairkd.show.sliders.explorer import explorer
from fairkd.show.tables import frame as table
from fairkd.show.tables import notice, table1

HOSTILE = "<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">"
LAMBDAS = [0.0, 0.25, 0.5, 0.75, 1.0]
WIDTHS = (390, 1280)


def curve() -> str:
    x = np.linspace(0, 1, 50).tolist()
    frames = [
        {
            "lines": [{"name": "effect size", "x": x, "y": [np.sin(3 * v) for v in x]}],
            "marks": [{"name": "here", "x": lam, "y": np.sin(3 * lam)}],
            "sentence": "short" if lam < 0.5 else f"At λ = {lam:g} {'a much longer sentence ' * 8}",
        }
        for lam in LAMBDAS
    ]
    words = {"title": "SEAT under mixing", "label": "λ", "x": "λ, weight of the male word", "y": "effect size d"}
    return explorer(**words, values=LAMBDAS, start=2, frames=frames, note="A demonstration.").text


def bars() -> str:
    names = ("teacher, male form", "teacher, female form", "mixture")
    frames = [
        {
            "bars": [{"name": n, "labels": ["he", HOSTILE], "values": [lam, 1 - lam]} for n in names],
            "sentence": f"First: {HOSTILE if lam < 0.5 else 'he'}.",
        }
        for lam in LAMBDAS
    ]
    return explorer(title="One sentence", label="λ", values=LAMBDAS, start=0, x="", y="", frames=frames).text


def plain_table() -> str:
    rows = {"model": ["capacity-10", "capacity-2", HOSTILE], "d": [-0.5, float("nan"), 0.25], "low": [-1.0, 0.0, 0.1]}
    data = pd.DataFrame(rows | {"high": [0.0, 1.0, 0.4], "p": ["< 0.001", "0.500", "0.010"], "n": [1200, 30, 4]})
    formats = {"n": "{:,}".format}
    return table(data, caption="Three models", intervals={"d": ("low", "high")}, formats=formats).text


def wide_table() -> str:
    """Table 1 as the report has it: wider than a phone, with rows of totals."""
    return table1(scores(ABLATION), averages(ABLATION), pooling="mean").text


def shown(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> nbformat.NotebookNode:
    sent = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw, metadata: sent.append((data, metadata)))
    figures.show(figure, data=pd.DataFrame({"λ": LAMBDAS}), note="A demonstration.")
    ((data, metadata),) = sent
    return new_output("display_data", data, metadata=metadata)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with one of each kind of output."""
    with pytest.MonkeyPatch.context() as patch:
        picture = shown(figures.pair_counts(counts()), patch)
    html = [notice("A demonstration.").text, curve(), bars(), plain_table(), wide_table(), f"<p>{HOSTILE}</p>"]
    results = [new_output("display_data", {"text/html": text}) for text in html]
    streams = [
        new_output("stream", name="stdout", text=f"{HOSTILE} {'word ' * 100}\n"),
        new_output("stream", name="stderr", text="a message\n"),
        new_output("error", ename="ValueError", evalue="bad", traceback=["ValueError: bad"]),
    ]
    cells = [
        new_markdown_cell(f"# A page\n\nText, `code` and a [link](#second).\n\n## First\n\n{'Words. ' * 60}"),
        new_code_cell("alpha = 0.4  # weight", metadata={"tags": ["parameters"]}),
        *[new_code_cell("show()", outputs=[result]) for result in (*results, picture)],
        new_markdown_cell("## Second\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n### Deeper\n\n- one\n- two"),
        new_code_cell(f"print('{'long ' * 60}')  # a comment", outputs=streams),
    ]
    folder = tmp_path_factory.mktemp("page")
    nbformat.write(new_notebook(cells=cells), folder / "n.ipynb")
    return write_html(folder / "n.ipynb", folder / "n.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_page_asks_for_nothing_says_nothing_and_fits(visit, page, width, scheme):
    tab = visit(page, width=width, scheme=scheme)
    tab.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    tab.wait_for_timeout(100)
    assert without_data(tab.seen) == []
    root = "document.documentElement"
    assert tab.evaluate(f"{root}.scrollWidth - {root}.clientWidth") == 0
    assert tab.evaluate("window.shifts") == []
    tab.evaluate("window.scrollTo(0, 0); document.querySelector('h1').style.marginTop = '99px'")
    tab.wait_for_function("window.shifts.length > 0")  # the observer sees a shift where there is one
    dark = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(255, 255, 255)") == (scheme == "light")


def picture(tab, nth: int) -> str:
    return tab.locator("figure.explorer svg.drawing").nth(nth).inner_html()


def test_keys_move_a_slider_and_everything_that_belongs_to_it(visit, page):
    tab = visit(page)
    slider, figure = tab.locator("figure.explorer input").nth(0), tab.locator("figure.explorer").nth(0)
    before, other = picture(tab, 0), picture(tab, 1)
    slider.focus()
    seen = set()
    for value in ("0.75", "1"):
        tab.keyboard.press("ArrowRight")
        assert figure.locator("output").inner_text() == value
        assert slider.get_attribute("aria-valuetext") == value
        assert figure.locator(".sentence span").inner_text().startswith(f"At λ = {value} ")
        assert f"At λ = {value} " in figure.locator("svg.drawing").get_attribute("aria-label")
        seen.add(picture(tab, 0))
    assert len(seen | {before}) == 3
    assert picture(tab, 1) == other  # the other slider stays
    tab.keyboard.press("Home")
    assert figure.locator("output").inner_text() == "0"
    assert figure.locator(".sentence span").inner_text() == "short"
    # The point is where its value says: at the left edge of the axes, at height sin(0) = 0.
    assert float(figure.locator("svg svg circle").get_attribute("cx")) == 0
    assert without_data(tab.seen) == []


def test_mouse_moves_a_slider_and_the_page_below_stays(visit, page):
    tab = visit(page, width=390)
    slider = tab.locator("figure.explorer input").nth(0)
    slider.scroll_into_view_if_needed()
    below = tab.locator("figure.explorer").nth(1)
    top = below.bounding_box()["y"]
    before, box = picture(tab, 0), slider.bounding_box()
    for share in (0.02, 0.98):
        tab.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
        assert below.bounding_box()["y"] == top  # a sentence of one line or of six
        assert picture(tab, 0) != before
    assert tab.locator("figure.explorer output").nth(0).inner_text() == "1"


def test_every_value_shows_what_python_drew_for_it(visit, page, tmp_path):
    """The picture that the script makes at a value is the one that stands in a page that starts there."""
    tab = visit(page)
    frames = [{"bars": [{"name": "a", "labels": ["x"], "values": [v]}], "sentence": str(v)} for v in LAMBDAS]
    for start in range(len(LAMBDAS)):
        given = {"title": "t", "label": "l", "x": "", "y": "", "values": LAMBDAS, "frames": frames}
        one, two = (explorer(start=s, **given).text for s in (0, start))
        cells = [new_code_cell("1", outputs=[new_output("display_data", {"text/html": text})]) for text in (one, two)]
        nbformat.write(new_notebook(cells=cells), tmp_path / "two.ipynb")
        tab.goto(write_html(tmp_path / "two.ipynb", tmp_path / "two.html").as_uri())
        tab.locator("input").nth(0).fill(str(start))
        same = "([one, two]) => one.querySelector('svg').isEqualNode(two.querySelector('svg'))"
        assert tab.locator("figure.explorer").evaluate_all(same)


def column(tab, index: int) -> list[str]:
    cells = tab.locator(f"table.sortable tbody tr > :nth-child({index})").all_inner_texts()
    return [cell.split("\n")[0].strip() for cell in cells]


def test_rows_are_sorted_by_value_and_text_by_the_keyboard_too(visit, page):
    tab = visit(page)
    tab.locator("details").evaluate_all("all => all.forEach((one) => one.closest('figure')?.remove())")
    heads = tab.locator("table.sortable thead th")
    assert column(tab, 2) == ["−0.500", "–", "0.250"]
    heads.nth(1).locator("button").click()
    assert column(tab, 2) == ["−0.500", "0.250", "–"]  # what is missing stands last, whichever way
    assert heads.nth(1).get_attribute("aria-sort") == "ascending"
    heads.nth(1).locator("button").focus()
    tab.keyboard.press("Enter")
    assert column(tab, 2) == ["0.250", "−0.500", "–"]
    assert heads.nth(1).get_attribute("aria-sort") == "descending"
    heads.nth(0).locator("button").click()
    assert column(tab, 1)[1:] == ["capacity-2", "capacity-10"]  # text, but 2 before 10
    assert tab.locator("[aria-sort]").count() == 1
    heads.nth(2).locator("button").click()
    assert column(tab, 3) == ["< 0.001", "0.010", "0.500"]
    heads.nth(3).locator("button").click()
    assert column(tab, 4) == ["4", "30", "1,200"]
    assert without_data(tab.seen) == []


def test_tables_with_totals_have_no_buttons(visit, page):
    tab = visit(page)
    assert tab.locator("table.wide").count() == 1
    assert tab.locator("table.wide button").count() == 0


def test_hostile_text_does_not_run_even_where_an_output_forgot_to_escape_it(visit, page, tmp_path):
    tab = visit(page)
    assert tab.title() == "A page"
    tab.locator("figure.explorer input").nth(1).fill("4")
    tab.locator("figure.explorer input").nth(1).fill("0")  # its sentence holds the hostile text
    assert "<script>" in tab.locator("figure.explorer .sentence span").nth(1).inner_text()
    assert tab.title() == "A page"
    # And where the export itself had let it through: the policy refuses it, and our own script still works.
    text = page.read_text()
    hostile = f'{HOSTILE}<a id="a" href="javascript:document.title=\'run\'">a</a><img src="https://example.org/x.png">'
    (tmp_path / "worse.html").write_text(text.replace('<main id="content">', f'<main id="content">{hostile}', 1))
    tab = visit(tmp_path / "worse.html")
    tab.click("#a")
    tab.wait_for_timeout(100)
    assert tab.title() == "A page"
    assert any("Content Security Policy" in text for text in tab.seen)
    assert tab.locator("figure.explorer input").nth(0).is_enabled()


def test_data_of_a_figure_is_saved_without_a_request(visit, page):
    tab = visit(page)
    with tab.expect_download() as download:
        tab.locator(".result > p.data a").click()
    assert download.value.suggested_filename == "n-figure-1.csv"
    assert download.value.path().read_text() == "λ\n0.0\n0.25\n0.5\n0.75\n1.0\n"


def test_code_opens_by_its_button(visit, page):
    tab = visit(page)
    code = tab.locator("details.code").nth(0)
    assert not code.locator("pre").is_visible()
    code.locator("summary").focus()
    tab.keyboard.press("Enter")
    assert code.locator("pre").is_visible()
    assert "alpha = 0.4" in code.inner_text()


def test_print_shows_everything_that_is_read_and_no_controls(visit, page):
    tab = visit(page, scheme="dark", width=700)
    tab.emulate_media(media="print", color_scheme="light")
    for unseen in ("#contents", "details.code", "figure.explorer input", "p.data >> nth=0"):
        assert not tab.locator(unseen).first.is_visible(), unseen
    for seen in ("figure.explorer svg.drawing", "figure.explorer output", "table.wide", "img"):
        assert tab.locator(seen).first.is_visible(), seen
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    boxes = "[...document.querySelectorAll('.scroll')].filter((box) => getComputedStyle(box).overflowX !== 'visible')"
    assert tab.evaluate(f"{boxes}.length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_no_serious_violation(visit, page, width, scheme):
    tab = visit(page, width=width, scheme=scheme)
    assert grave_violations(tab) == []


def test_script_is_small_and_writes_no_markup():
    source = (TEMPLATES / "fairkd" / "page.js").read_text()
    assert len(source) < 6000
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|https?://(?!www\.w3\.org)", source
    )
    assert "</script" not in source
