"""The exported page in a real browser, opened from disk with the network off."""

import io
import re
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from browsing import violations, without_data
from made_frames import ABLATION, CAPACITY, averages, counts, scores, verdicts
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from fairkd.claims import paper
from fairkd.show import figures, tables
from fairkd.show.pages.export import TEMPLATES, write_html
from fairkd.show.sliders.explorer import explorer
from fairkd.show.tables import frame as table
from fairkd.show.tables import notice, table1

HOSTILE = "<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">"
LAMBDAS = [0.0, 0.25, 0.5, 0.75, 1.0]
WIDTHS = (390, 1024, 1440)


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


def shown(figure: Figure, monkeypatch: pytest.MonkeyPatch, **given) -> nbformat.NotebookNode:
    sent = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw, metadata: sent.append((data, metadata)))
    figures.show(figure, note="A demonstration.", **given)
    ((data, metadata),) = sent
    return new_output("display_data", data, metadata=metadata)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with one of each kind of output."""
    with pytest.MonkeyPatch.context() as patch:
        pictures = [
            shown(
                figures.pair_counts(counts()),
                patch,
                data=pd.DataFrame({"λ": LAMBDAS}),
                caption="How often",
                name="often",
            ),
            shown(
                figures.per_test(scores(CAPACITY), pooling="mean", printed=paper.TABLE1["full"], printed_layers=2),
                patch,
            ),
        ]
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
        *[new_code_cell("show()", outputs=[result]) for result in (*results, *pictures)],
        new_markdown_cell("## Second\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n### Deeper\n\n- one\n- two"),
        new_code_cell(f"print('{'long ' * 60}')  # a comment", outputs=streams),
        new_markdown_cell("## Methods\n\nSEAT is measured.", metadata={"tags": ["fold"]}),
        new_markdown_cell(f"### Inside\n\n{'Words of SEAT. ' * 200}"),
        new_code_cell("1", outputs=[new_output("display_data", {"text/html": plain_table()})]),
        new_markdown_cell(f"## Last\n\n{'Words. ' * 1500}"),
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
    for _ in range(100):  # the observer sees a shift where there is one, soon; the page's policy forbids to wait in it
        if tab.evaluate("window.shifts.length"):
            break
        tab.wait_for_timeout(50)
    assert tab.evaluate("window.shifts.length") > 0
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
    cells = tab.locator(f"table.sortable >> nth=0 >> tbody tr > :nth-child({index})").all_inner_texts()
    return [cell.split("\n")[0].strip() for cell in cells]


def test_rows_are_sorted_by_value_and_text_by_the_keyboard_too(visit, page):
    tab = visit(page)
    tab.locator("details").evaluate_all("all => all.forEach((one) => one.closest('figure')?.remove())")
    heads = tab.locator("table.sortable").nth(0).locator("thead th")
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
    assert column(tab, 3) == ["<\xa00.001", "0.010", "0.500"]
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
    code = tab.locator("details.code").filter(has_text="alpha = 0.4")  # parameters stand at the end
    assert not code.locator("pre").is_visible()
    code.locator("summary").focus()
    tab.keyboard.press("Enter")
    assert code.locator("pre").is_visible()
    assert "alpha = 0.4" in code.inner_text()


def test_print_shows_what_is_open_and_no_controls(visit, page):
    tab = visit(page, scheme="dark", width=1300)
    folded = tab.locator("details.fold table").first
    tab.emulate_media(media="print", color_scheme="light")
    assert not folded.is_visible()
    note = tab.locator("details.fold > summary").first.evaluate("e => getComputedStyle(e, '::after').content")
    assert "what is open is printed" in note
    tab.emulate_media(media="screen")
    button = tab.get_by_role("button", name="Open all sections")
    button.click()
    assert tab.locator("details.fold:not([open])").count() == 0
    tab.get_by_role("button", name="Close all sections").wait_for()
    tab.emulate_media(media="print", color_scheme="light")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    for unseen in ("#contents", "details.code", "figure.explorer input", "p.data >> nth=0", "a.here", "noscript"):
        assert not tab.locator(unseen).first.is_visible(), unseen
    for seen in ("figure.explorer .strip svg.drawing", "table.wide", "svg.wide", "details.fold table"):
        assert tab.locator(seen).first.is_visible(), seen
    assert not tab.locator("svg.narrow").first.is_visible()
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    boxes = "[...document.querySelectorAll('.scroll')].filter((box) => getComputedStyle(box).overflowX !== 'visible')"
    assert tab.evaluate(f"{boxes}.length") == 0
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.locator(".strip").count() == 0
    tab.emulate_media(media="screen")
    tab.get_by_role("button", name="Close all sections").click()
    assert tab.locator("details.fold[open]").count() == 0
    tab.locator("details.fold > summary").first.click()
    tab.get_by_role("button", name="Open all sections").wait_for()


def test_a_slider_is_printed_as_three_of_its_states(visit, page):
    tab = visit(page)
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    strip = tab.locator("figure.explorer").nth(0).locator(".strip > div")
    assert [text.split("\n")[0] for text in strip.evaluate_all("all => all.map((one) => one.firstChild.data)")] == [
        "λ 0",
        "λ 0.5",
        "λ 1",
    ]
    assert len(set(strip.evaluate_all("all => all.map((one) => one.innerHTML)"))) == 3
    tab.emulate_media(media="print")
    tops = strip.evaluate_all("all => all.map((one) => one.getBoundingClientRect().top)")
    assert len(set(tops)) == 1  # side by side
    assert not tab.locator("figure.explorer > svg.drawing").first.is_visible()


def test_paper_has_margins_and_page_numbers(visit, page):
    tab = visit(page)
    pdf = tab.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 2
    assert tab.locator(".strip").count() == 0  # printing has taken its strips away again
    rules = "[...document.styleSheets[0].cssRules].filter((rule) => rule instanceof CSSPageRule).map((r) => r.cssText)"
    (rule,) = tab.evaluate(rules)
    assert "margin" in rule


def test_folds_open_and_are_printed_where_no_script_runs(browser, page):
    context = browser.new_context(java_script_enabled=False, offline=True)
    tab = context.new_page()
    tab.goto(page.as_uri())
    assert tab.locator("noscript p").is_visible()
    assert not tab.get_by_text("Words of SEAT.").first.is_visible()
    assert tab.get_by_role("button", name="Open all sections").count() == 0
    for fold in tab.locator("details.fold > summary").all():
        fold.click()
    tab.emulate_media(media="print")
    assert tab.locator("details.fold table").first.bounding_box()["height"] > 20
    context.close()


@pytest.mark.parametrize("folds_open", [False, True], ids=["folded", "open"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_no_violation_of_any_kind(visit, page, width, scheme, folds_open):
    tab = visit(page, width=width, scheme=scheme)
    assert violations(tab, folds_open=folds_open) == []


# --- figures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "form"), [(390, "narrow"), (1440, "wide")])
def test_a_figure_fits_and_its_letters_can_be_read(visit, page, width, form):
    tab = visit(page, width=width)
    drawing = tab.locator(f"figure.plot svg.{form}").nth(1)
    other = tab.locator(f"figure.plot svg.{'wide' if form == 'narrow' else 'narrow'}").nth(1)
    assert drawing.is_visible()
    assert not other.is_visible()
    box = drawing.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    heights = drawing.locator("text").evaluate_all(
        "all => all.map((t) => [t.getScreenCTM(), parseFloat(getComputedStyle(t).fontSize)])"
        ".map(([m, size]) => Math.hypot(m.a, m.b) * size)"
    )
    assert min(heights) >= 11
    outside = """(svg) => {
      const box = svg.getBoundingClientRect();
      const sides = [...svg.querySelectorAll("text")].map((t) => t.getBoundingClientRect());
      return sides.filter((side) => side.left < box.left - 1 || side.right > box.right + 1).length;
    }"""
    assert drawing.evaluate(outside) == 0


def test_words_of_a_figure_do_not_touch_in_a_wider_font(visit, page):
    tab = visit(page, width=390)
    drawing = tab.locator("figure.plot svg.narrow").nth(0)
    drawing.evaluate("(svg) => svg.setAttribute('font-family', 'DejaVu Sans, Verdana, sans-serif')")
    touching = """(svg) => { const boxes = [...svg.querySelectorAll("text")].map((t) => t.getBoundingClientRect());
      return boxes.flatMap((a, i) => boxes.slice(i + 1).map((b) => [a, b])).filter(([a, b]) => a.left < b.right - 1 &&
        b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2).length }"""
    assert drawing.evaluate(touching) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_of_figures_follow_the_page(visit, page, scheme):
    tab = visit(page, scheme=scheme)
    colour = "(element) => getComputedStyle(element).fill.match(/\\d+/g).map(Number)"
    words = tab.locator("figure.plot svg text").nth(0).evaluate(colour)
    paper = tab.locator("figure.plot svg [fill='#ffffff']").nth(0).evaluate(colour)
    slider = tab.locator("figure.explorer svg rect[fill='#ffffff']").nth(0).evaluate(colour)
    body = tab.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert paper == slider == body
    assert (max(words) < 60) == (scheme == "light")
    assert (min(words) > 180) == (scheme == "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_hollow_marks_are_seen_by_day_and_by_night(visit, page, scheme):
    tab = visit(page, scheme=scheme, width=1440)
    mark = tab.locator("figure.plot svg.wide use[fill-opacity='0']").first
    mark.scroll_into_view_if_needed()
    shades = np.asarray(Image.open(io.BytesIO(mark.screenshot())).convert("L"), dtype=int)
    assert np.ptp(shades) > 120


def test_letters_of_a_phone_can_be_read(visit, page):
    tab = visit(page, width=390)
    tab.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    small = """() => [...document.querySelectorAll("main :is(small, sub, td, th, p, figcaption, text)")].filter((e) =>
      e.checkVisibility() && e.textContent.trim()).map((e) => [e.textContent.trim(), parseFloat(
      getComputedStyle(e).fontSize) * (e.ownerSVGElement ? Math.hypot(e.getScreenCTM().a, e.getScreenCTM().b) : 1)])
      .filter(([, size]) => size < 10.99)"""
    assert tab.evaluate(small) == []


def test_paper_has_rows_of_claims_and_strips_as_wide_as_it_is(visit, page, tmp_path):
    """A4 between its margins is narrower than the widest phone layout: its claims are rows all the same."""
    found = tables.claims(verdicts((1, "mean", "inconclusive", 0.1))).text
    shown = [found, f"<div>{curve()}{bars()}</div>"]
    cells = [new_code_cell("1", outputs=[new_output("display_data", {"text/html": text})]) for text in shown]
    nbformat.write(new_notebook(cells=cells), tmp_path / "n.ipynb")
    tab = visit(write_html(tmp_path / "n.ipynb", tmp_path / "n.html"), width=688)
    tab.emulate_media(media="print")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.locator("table.claims tbody tr").evaluate("(row) => getComputedStyle(row).display") == "table-row"
    assert all(strip.bounding_box()["width"] > 600 for strip in tab.locator(".strip").all())
    assert tab.locator(".strip svg").first.evaluate("(svg) => getComputedStyle(svg).fontWeight") == "400"


def test_a_claim_is_one_line_and_on_paper_its_open_sentence_has_the_whole_width(visit, tmp_path):
    rows = [(claim, "mean", "inconclusive", -2.134) for claim in (0, 3)]
    found = tables.claims(verdicts(*rows).assign(seeds=1, title="Lowest GLUE without L_ce")).text
    cell = new_code_cell("1", outputs=[new_output("display_data", {"text/html": found})])
    nbformat.write(new_notebook(cells=[new_markdown_cell("# A page\n\n## Claims"), cell]), tmp_path / "n.ipynb")
    tab = visit(write_html(tmp_path / "n.ipynb", tmp_path / "n.html"), width=1440)
    assert tab.locator("table.claims .ends", has_text="1 seed").count() == 2
    heights = tab.locator("table.claims tbody tr").evaluate_all(
        "all => all.map((e) => e.getBoundingClientRect().height)"
    )
    assert max(heights) < 1.5 * 0.85 * 16 * 1.45 + 7  # a line of its letters, and not two
    tab.set_viewport_size({"width": 688, "height": 900})
    tab.emulate_media(media="print")
    tab.locator("table.claims details").evaluate_all("all => all.forEach((one) => one.open = true)")
    wide = tab.locator("table.claims details p").first.bounding_box()["width"]
    assert wide > 0.8 * tab.locator("table.claims").bounding_box()["width"]


def test_headings_stand_above_their_numbers(visit, page):
    tab = visit(page, width=1440)
    heads = tab.locator("table.wide thead tr").nth(1).locator("th")
    assert heads.evaluate_all("all => all.map((head) => getComputedStyle(head).textAlign)") == ["right"] * heads.count()


# --- contents, links, folds ------------------------------------------------------------------------------------------


def marked(tab) -> list[str]:
    tab.wait_for_timeout(150)  # the mark follows the scrolling
    return tab.locator("#contents a[aria-current]").evaluate_all("all => all.map((a) => a.textContent)")


@pytest.mark.parametrize("width", [390, 1440])
def test_contents_mark_the_section_that_is_read_and_stay_in_sight(visit, page, width):
    tab = visit(page, width=width)
    assert tab.locator("#contents details").evaluate("(fold) => fold.open") == (width == 1440)
    for heading in ("Second", "First", "Methods"):
        tab.locator("h2", has_text=heading).first.evaluate(
            "(h) => scrollTo(0, h.getBoundingClientRect().top + scrollY - 80)"
        )
        assert marked(tab) == [heading]
        box = tab.locator("#contents summary").bounding_box()
        assert 0 <= box["y"] < 100
    tab.evaluate("scrollTo(0, document.body.scrollHeight)")
    assert marked(tab) == ["Glossary"]


def test_contents_of_a_phone_open_by_the_keyboard_and_close_behind_a_link(visit, page):
    tab = visit(page, width=390)
    fold = tab.locator("#contents details")
    tab.locator("#contents summary").focus()
    tab.keyboard.press("Enter")
    assert fold.evaluate("(fold) => fold.open")
    tab.keyboard.press("Escape")
    assert not fold.evaluate("(fold) => fold.open")
    tab.keyboard.press("Enter")
    tab.locator("#contents a", has_text="Second").click()
    assert not fold.evaluate("(fold) => fold.open")
    top = tab.locator("h2", has_text="Second").bounding_box()["y"]
    bar = tab.locator("#contents").bounding_box()
    assert bar["y"] + bar["height"] <= top + 16  # the bar does not cover the heading's words


@pytest.mark.parametrize("how", ["address", "link"])
def test_a_link_into_a_fold_opens_it(visit, page, how):
    tab = visit(page)
    inside = tab.locator("details.fold h3", has_text="Inside")
    assert not inside.is_visible()
    if how == "address":
        tab.goto(f"{page.as_uri()}#inside")
        tab.reload()
    else:
        tab.evaluate("document.querySelector('main a[href=\"#second\"]').setAttribute('href', '#inside')")
        tab.locator("main a[href='#inside']").click()
    inside.wait_for(state="visible")
    assert tab.locator("details.fold[open]").count() == 1
    tab.goto(f"{page.as_uri()}#%")  # an address that nothing has
    assert not [text for text in tab.seen if "rror" in text]


def test_every_figure_and_table_has_a_link_that_the_keyboard_reaches(visit, page):
    tab = visit(page)
    link = tab.locator("#often a.here")
    assert link.evaluate("(a) => getComputedStyle(a).opacity") == "0"
    link.focus()
    tab.keyboard.press("Shift+Tab")
    tab.keyboard.press("Tab")  # so that the focus is one of the keyboard
    assert link.evaluate("(a) => getComputedStyle(a).opacity") == "1"
    tab.keyboard.press("Enter")
    assert tab.url.endswith("#often")
    assert tab.locator("figure, table").count() == tab.locator("a.here").count()


def test_the_keyboard_passes_everything_from_top_to_bottom_and_is_nowhere_caught(visit, page):
    tab = visit(page)
    tab.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    reachable = "a[href], button:not([disabled]), input:not([disabled]), summary, [tabindex='0']"
    expected = tab.evaluate(f"[...document.querySelectorAll(`{reachable}`)].filter((e) => e.checkVisibility()).length")
    seen = []
    for _ in range(expected + 20):
        tab.keyboard.press("Tab")
        number = tab.evaluate(f"[...document.querySelectorAll(`{reachable}`)].indexOf(document.activeElement)")
        if number < 0 and seen:
            break
        seen.append(number)
    assert seen == sorted(seen)
    assert len(set(seen)) == len(seen) == expected


@pytest.mark.parametrize("width", [390, 1440])
def test_the_link_past_the_contents_lies_over_them(visit, page, width):
    tab = visit(page, width=width)
    tab.keyboard.press("Tab")
    corners = """[...document.querySelector(".skip").getClientRects()].flatMap((box) => [[box.left + 2, box.top + 2],
      [box.right - 2, box.bottom - 2]]).map(([x, y]) => document.elementFromPoint(x, y).className)"""
    assert tab.evaluate(corners) == ["skip", "skip"]


# --- tables ----------------------------------------------------------------------------------------------------------


def test_tables_use_the_width_and_one_that_is_cut_shows_it(visit, page):
    for width, cut in ((1440, False), (390, True)):
        tab = visit(page, width=width)
        box = tab.locator(".scroll:has(> table.wide)")
        assert box.evaluate("(box) => box.scrollWidth > box.clientWidth + 1") == cut
        assert box.evaluate("(box) => getComputedStyle(box).backgroundAttachment") == "local, local, scroll, scroll"
    before = box.screenshot()
    box.evaluate("(box) => (box.scrollLeft = 9999)")
    assert box.screenshot() != before


def test_script_is_small_and_writes_no_markup():
    source = (TEMPLATES / "fairkd" / "page.js").read_text()
    assert len(source) < 8000
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|https?://(?!www\.w3\.org)", source
    )
    assert "</script" not in source
