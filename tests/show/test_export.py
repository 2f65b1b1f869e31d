"""The HTML page: one file, no request, no script but its own, everything readable and escaped."""

import base64
import hashlib
import io
import re
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from fairkd.errors import InputError
from fairkd.profile import Profile
from fairkd.run import cli
from fairkd.run import parameters_cells as notebooks
from fairkd.run.ledger import locate
from fairkd.show import figures
from fairkd.show.downloads import csv_text
from fairkd.show.glossary import TERMS
from fairkd.show.html import Cell, Row
from fairkd.show.pages.export import TEMPLATES, to_html, write_html
from fairkd.show.sliders.explorer import explorer
from fairkd.show.tables import frame as table_of
from fairkd.show.tables.plain import table as cells_table

HOSTILE = "<script>alert(1)</script>"
CSV = "model,d\né,1.5\n"
_WIDGET = "application/vnd.jupyter.widget-view+json"
ACTIVE = "<iframe src='https://x.org'></iframe><p onclick='x()'>p</p><img src=x alt=far>"
CAPTION = "What the table shows"
SLIDER = explorer(
    title="t", label="λ", values=[0, 1], start=0, x="", y="", frames=[{"sentence": "a"}, {"sentence": "b"}]
)


def png() -> str:
    figure, buffer = Figure(figsize=(1, 1)), io.BytesIO()
    figure.subplots().plot([1, 2])
    figure.savefig(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page with one of everything, as BeautifulSoup and as text."""
    frame = pd.DataFrame({"model": [HOSTILE], "d": [1.5]})
    outputs = [
        new_output("stream", name="stdout", text=f"\x1b[31mred\x1b[0m {HOSTILE}\n"),
        new_output("stream", name="stderr", text="10 %\r20 %\r100 %\n"),
        new_output(
            "display_data",
            {
                "text/html": frame.to_html().replace("<thead", f"<caption>{CAPTION}</caption><thead"),
                "text/plain": "frame",
            },
        ),
        new_output(
            "display_data",
            {"image/png": png(), "text/plain": "a figure"},
            metadata={
                "image/png": {"alt": 'd against "layers" <1–6>', "width": 300},
                "fairkd": {"csv": CSV},
                "fairkd_link": HOSTILE,
            },
        ),
        new_output("display_data", {"image/png": png(), "text/plain": "a figure that knows neither size nor data"}),
        new_output("display_data", {_WIDGET: {"model_id": "x"}, "text/plain": "VBox(children=())"}),
        new_output("display_data", {"application/javascript": "alert(2)", "text/plain": "no script"}),
        new_output(
            "display_data",
            {"text/html": f"<p>kept</p>{HOSTILE}{ACTIVE}"},
        ),
        new_output("display_data", {"text/html": SLIDER.text}),
        new_output("error", ename="ValueError", evalue="bad", traceback=["\x1b[31mValueError\x1b[0m: <bad>"]),
    ]
    cells = [
        new_markdown_cell("# A title & more\n\n## First\n\n| a | b |\n|---|---|\n| 1 | 2 |"),
        new_code_cell("alpha = 0.4  # weight", metadata={"tags": ["parameters"]}),
        new_code_cell("alpha = 0.5", metadata={"tags": ["injected-parameters"]}),
        new_code_cell("print(1)", outputs=outputs),
        new_markdown_cell("## First\n\n### Deeper\n\n## Second part"),
    ]
    path = tmp_path_factory.mktemp("export") / "n.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    text = to_html(path)
    return BeautifulSoup(text, "html.parser"), text


def test_page_asks_no_host_for_anything(page):
    soup, text = page
    for element in soup.find_all(True):
        for attribute in ("src", "href", "srcset", "data", "action", "poster"):
            value = element.get(attribute, "")
            assert not re.match(r"\s*(https?:)?//", value), f"{element.name} {attribute}={value[:60]}"
    assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import", text)
    assert not soup.find_all(["link", "iframe", "object", "embed"])


def test_policy_allows_one_script_and_no_request(page):
    soup, _ = page
    policy = soup.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    (script,) = soup.find_all("script", type=None)
    digest = base64.b64encode(hashlib.sha256(script.string.encode()).digest()).decode()
    assert rules["script-src"] == f"'sha256-{digest}'"  # and nothing else: no inline handler, no javascript: address
    assert script.string == (TEMPLATES / "fairkd" / "page.js").read_text()
    assert "connect-src" not in rules  # so default-src holds for requests
    # It must stand before anything that it governs.
    assert soup.head.find_all(True)[1].get("http-equiv") == "Content-Security-Policy"


def test_data_cannot_become_markup(page):
    soup, _ = page
    assert [script["type"] for script in soup.main.find_all("script")] == ["application/json"]  # the slider's
    assert not [e for e in soup.find_all(True) if any(name.startswith("on") for name in e.attrs)]
    assert HOSTILE in soup.find("table", class_="dataframe").get_text()
    assert HOSTILE in soup.find("pre", class_="stdout").get_text()
    assert "<bad>" in soup.find("pre", class_="error").get_text()


def test_figures_are_embedded_and_described(page):
    soup, _ = page
    image, other = soup.find_all("img")
    assert image["src"].startswith("data:image/png;base64,")
    assert image["alt"] == 'd against "layers" <1–6>'
    assert image["width"] == "300"
    assert "[an image that is not in this file: far]" in soup.get_text()
    assert (other["width"], other["height"]) == ("100", "100")  # read from the image, so that the page does not move


def test_figure_offers_its_data_as_a_file_inside_the_page(page):
    soup, _ = page
    link, slider = soup.select("p.data a")
    assert slider["download"] == "t.csv"
    assert link["download"] == "n-figure-1.csv"
    kind, _, encoded = link["href"].partition(";base64,")
    assert kind == "data:text/csv;charset=utf-8"
    assert base64.b64decode(encoded).decode() == CSV


def test_control_without_its_kernel_says_so(page):
    soup, text = page
    assert "Open the notebook in JupyterLab" in soup.find(class_="missing").get_text()
    assert "VBox" not in text


def test_contents_lead_to_every_second_level_heading(page):
    soup, _ = page
    links = soup.select("nav#contents a")
    assert [link.get_text() for link in links] == ["First", "First", "Second part", "Glossary"]
    targets = [soup.find(id=link["href"].removeprefix("#")) for link in links]
    assert [t.get_text() for t in targets] == ["First", "First", "Second part", "Glossary"]
    assert len({id(t) for t in targets}) == 4  # equal titles have ids of their own
    assert soup.title.get_text() == "A title & more"


def test_code_is_folded_not_lost(page):
    soup, _ = page
    folds = {d.summary.get_text().strip(): d.get_text() for d in soup.select("details.code")}
    assert "alpha = 0.4" in folds["Parameters and their defaults"]
    assert "alpha = 0.5" in folds["Parameters of this run"]
    assert "print(1)" in folds["Code"]
    assert not any("open" in d.attrs for d in soup.select("details"))


def test_a_cell_that_only_displays_pieces_may_leave_out_its_code(tmp_path):
    cells = [new_code_cell("shown = 1"), new_code_cell("unseen = 2", metadata={"tags": ["no-code"]})]
    cells[1].outputs = [new_output("stream", name="stdout", text="its output")]
    nbformat.write(new_notebook(cells=cells), tmp_path / "a.ipynb")
    text = BeautifulSoup(to_html(tmp_path / "a.ipynb"), "html.parser").get_text()
    assert "shown = 1" in text
    assert "unseen = 2" not in text
    assert "its output" in text


def test_messages_show_the_last_state_of_a_progress_bar(page):
    soup, _ = page
    messages = soup.select_one("details.stderr pre").get_text()
    assert messages.strip() == "100 %"


def test_every_table_scrolls_in_its_own_box(page):
    soup, _ = page
    tables = soup.find_all("table")
    assert len(tables) == 3
    assert all(table.parent["class"] == ["scroll"] and table.parent["tabindex"] == "0" for table in tables)


def test_caption_wraps_with_the_page_and_still_names_its_table(page):
    soup, _ = page
    table = soup.find("table", class_="dataframe")
    caption = soup.find(id=table["aria-labelledby"])
    assert caption.get_text() == f"Table 2 {CAPTION}"
    assert caption.parent.name == "p"
    assert caption not in table.parent.descendants


def test_page_adapts_to_dark_print_and_phone(page):
    _, text = page
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    assert "width=device-width" in text


def test_file_is_written_whole(tmp_path):
    nbformat.write(new_notebook(cells=[new_markdown_cell("# T")]), tmp_path / "n.ipynb")
    written = write_html(tmp_path / "n.ipynb", tmp_path / "deep" / "n.html", title="Mine <b>")
    assert "<title>Mine &lt;b&gt;</title>" in written.read_text()
    assert [p.name for p in written.parent.iterdir()] == ["n.html"]


def test_what_is_no_notebook_is_named(tmp_path):
    with pytest.raises(InputError, match="no notebook"):
        to_html(tmp_path / "absent.ipynb")
    (tmp_path / "text.ipynb").write_text("hello")
    with pytest.raises(InputError, match="is not a notebook"):
        to_html(tmp_path / "text.ipynb")


# --- numbers, ids and links ------------------------------------------------------------------------------------------


def figure_output(monkeypatch, **given):
    """What :func:`fairkd.show.figures.show` leaves in a notebook."""
    sent = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw, metadata: sent.append((data, metadata)))
    figure = Figure(figsize=(6, 2), label=f"What {HOSTILE} is. Lowest: 1.")
    figure.subplots(1, 2)[0].set_title(HOSTILE)
    figures.show(figure, **given)
    ((data, metadata),) = sent
    return new_output("display_data", data, metadata=metadata)


def page_of(tmp_path, name: str, *cells) -> BeautifulSoup:
    nbformat.write(new_notebook(cells=list(cells)), tmp_path / f"{name}.ipynb")
    return BeautifulSoup(to_html(tmp_path / f"{name}.ipynb"), "html.parser")


def test_no_line_ends_between_a_number_and_its_unit(tmp_path):
    soup = page_of(
        tmp_path,
        "a",
        new_markdown_cell(
            "In 95 % of runs r = −0.82, ≥ 0.1 and `r = 5 %`, λ ~ Beta(α, α); a = b, 5 a, 10 s <!-- 9 % -->"
        ),
    )
    said = soup.select_one(".text-cell p").get_text()
    assert said == "In 95\xa0% of runs r\xa0=\xa0−0.82, ≥\xa00.1 and r = 5 %, λ ~ Beta(α,\xa0α); a = b, 5 a, 10\xa0s "


def captions(soup: BeautifulSoup) -> list[str]:
    return [said.get_text() for said in soup.select("main .said")]


def test_figures_and_tables_are_numbered_and_those_of_the_paper_keep_their_names(tmp_path, monkeypatch):
    frame = pd.DataFrame({"a": [1]})
    outputs = [
        figure_output(monkeypatch, caption="Figure 1 of the paper: layers", name="figure-1"),
        figure_output(monkeypatch, caption="Curves", name="curves"),
        figure_output(monkeypatch),
        *[
            new_output("display_data", {"text/html": table_of(frame, caption=caption).text})
            for caption in ("Table 2, mean pooling", "Scores of all, by task", "Scores of all, again")
        ],
        new_output("display_data", {"text/html": SLIDER.text}),
        new_output("display_data", {"image/png": png()}),
    ]
    cells = [new_markdown_cell("# T\n\n## Curves"), new_code_cell("1", outputs=outputs)]
    soup = page_of(tmp_path, "05_report", *cells)
    assert captions(soup) == [
        "Figure 1 of the paper: layers",
        "Fig. 5.1 Curves",
        f"Fig. 5.2 What {HOSTILE} is.",
        "Table 2, mean pooling",
        "Table 5.1 Scores of all, by task",
        "Table 5.2 Scores of all, again",
        "Fig. 5.3 t",
        "Table 5.3 t: the numbers for every value",
        "Fig. 5.4 ",
    ]
    links = soup.select("main a.here")
    names = [link["href"].removeprefix("#") for link in links]
    assert names[:2] == ["figure-1", "curves-2"]  # a heading has the other
    assert names[3:6] == ["table-2", "table-scores-of-all", "table-scores-of-all-2"]
    assert [soup.find(id=name) for name in names] == [link.parent for link in links]
    assert links[0]["aria-label"] == "Link to Figure 1 of the paper: layers"
    assert links[1]["aria-label"] == "Link to Fig. 5.1"
    ids = [element["id"] for element in soup.find_all(id=True)]
    assert len(ids) == len(set(ids))
    regions = [region["aria-labelledby"] for region in soup.select("[role=region]")]
    assert all(soup.find(id=name).get_text() for name in regions)


def test_a_figure_is_drawn_in_the_page_for_wide_and_for_narrow_with_one_description(tmp_path, monkeypatch):
    outputs = [figure_output(monkeypatch, note=HOSTILE) for _ in range(2)]
    soup = page_of(tmp_path, "n", new_code_cell("1", outputs=outputs))
    first, second = soup.select("figure.plot")
    assert [svg["class"] for svg in first.select("svg")] == [["wide"], ["narrow"]]
    assert first.select_one("[role=img]")["aria-label"] == f"What {HOSTILE} is. Lowest: 1."
    assert first.find("svg").find(string=HOSTILE)
    assert not soup.main.find_all(["script", "style", "image"])
    own, other = ({element["id"] for element in figure.select("svg [id]")} for figure in (first, second))
    assert own
    assert not own & other
    assert "data-name" not in first.attrs


def test_colours_of_drawings_have_another_form_for_the_night(tmp_path, monkeypatch):
    soup = page_of(tmp_path, "n", new_code_cell("1", outputs=[figure_output(monkeypatch)]))
    style = soup.head.style.string or "".join(soup.head.style.strings)
    assert '[fill="#000000"]{fill:#' in style
    assert '[fill="#ffffff"]{fill:var(--paper)}' in style
    assert "&" not in style


@pytest.mark.parametrize("source", ["<svg", "<svg><style>* {}</style></svg>", "", f"<svg>{HOSTILE}</svg>"])
def test_a_drawing_that_cannot_stand_in_the_page_is_an_image(tmp_path, source):
    soup = page_of(tmp_path, "n", new_code_cell("1", outputs=[new_output("display_data", {"image/svg+xml": source})]))
    (image,) = soup.select("figure.plot img")
    assert image["src"] == "data:image/svg+xml;base64," + base64.b64encode(source.encode()).decode()
    assert image["alt"] == "A figure without a description"
    assert not soup.main.find_all("svg")


# --- folds and glossary ----------------------------------------------------------------------------------------------


def test_a_fold_holds_all_up_to_the_next_heading_as_high(tmp_path):
    fold = {"tags": ["fold"]}
    cells = [
        new_markdown_cell("# T\n\nFirst words."),
        new_markdown_cell("## Methods\n\nWords of it.", metadata=fold),
        new_code_cell("print(1)"),
        new_markdown_cell("### Deeper\n\nWords within.", metadata=fold),
        new_markdown_cell("#### Deepest\n\nstill within"),
        new_markdown_cell("## Limits\n\nOutside."),
        new_markdown_cell("no heading here", metadata=fold),
        new_markdown_cell("## Manifest\n\nLast.", metadata=fold),
    ]
    soup = page_of(tmp_path, "n", *cells)
    folds = {fold.summary.get_text(): fold for fold in soup.select("details.fold")}
    assert list(folds) == ["Methods", "Deeper", "Manifest"]
    assert folds["Methods"].find("details", class_="fold") is folds["Deeper"]
    assert "print" in folds["Methods"].get_text()
    assert "still within" in folds["Deeper"].get_text()
    assert "Outside" not in folds["Methods"].get_text()
    assert folds["Manifest"].get_text().split() == ["Manifest", "Last."]
    assert "no heading here" in soup.main.get_text()
    assert [link.get_text() for link in soup.select("nav a")] == ["Methods", "Limits", "Manifest"]
    assert all(soup.find(id=link["href"][1:]).name == "h2" for link in soup.select("nav a"))
    assert not any("open" in fold.attrs for fold in folds.values())


def test_terms_are_explained_once_a_section_and_listed_at_the_end(tmp_path):
    text = (
        "# SEAT\n\nSEAT and SEAT, `KL`, [pooling](#a).\n\n"
        "## SEAT again\n\n- SEAT with C6b and C6, not C60\n- more arms\n\n"
        "| λ |\n|---|\n| λ |\n"
    )
    soup = page_of(tmp_path, "n", new_markdown_cell(text))
    marks = soup.select("abbr")
    assert [mark.get_text() for mark in marks] == ["SEAT", "SEAT", "C6b", "C6", "arms"]
    assert all(mark["title"] == TERMS[mark.get_text().removesuffix("s")] for mark in marks)
    listed = ["arm", "C6", "C6b", "SEAT", "λ"]  # the last stands in the head of a table only
    assert [term.get_text() for term in soup.select("dl dt")] == listed
    assert [sentence.get_text() for sentence in soup.select("dl dd")] == [TERMS[term] for term in listed]
    assert soup.select("nav a")[-1].get_text() == "Glossary"
    assert "SEAT and SEAT" in soup.get_text()  # nothing of the text is lost
    assert not page_of(tmp_path, "m", new_markdown_cell("# T\n\nNo such words.")).select("abbr, dl")


def test_without_a_script_a_line_says_what_is_missing(page):
    soup, _ = page
    assert "Without JavaScript sliders stay" in soup.noscript.get_text()


# --- rows that can change places -------------------------------------------------------------------------------------


HEAD, ROW = Row([Cell("a", head="col")]), Row([Cell(1)])


def exported(tmp_path, *outputs: str) -> BeautifulSoup:
    cells = [new_code_cell("1", outputs=[new_output("display_data", {"text/html": html}) for html in outputs])]
    nbformat.write(new_notebook(cells=cells), tmp_path / "t.ipynb")
    return BeautifulSoup(to_html(tmp_path / "t.ipynb"), "html.parser")


def test_headings_of_plain_tables_are_buttons(tmp_path):
    data = pd.DataFrame({"model": ["a", "b"], "L_ce": [1.0, 2.0]})
    soup = exported(tmp_path, table_of(data, caption="c").text, data.to_html())
    first, second = soup.find_all("table")
    assert "sortable" in first["class"]
    assert [(b["type"], b.has_attr("disabled"), b.get_text()) for b in first.select("thead th > button")] == [
        ("button", True, "model"),
        ("button", True, "L_ce"),
    ]
    assert [b.get_text() for b in second.select("button")] == ["model", "L_ce"]  # the nameless index has none


@pytest.mark.parametrize(
    ("top", "bodies"),
    [
        ([HEAD, HEAD], [[ROW] * 2]),
        ([HEAD], [[ROW] * 2, [ROW]]),
        ([Row([*HEAD.cells] * 2)], [[Row([Cell(1, columns=2)]), Row([Cell(1), Cell(2)])]]),
        ([HEAD], [[ROW, Row([Cell(2)], kind="total")]]),
        ([HEAD], [[ROW]]),
    ],
    ids=["two rows of headings", "groups", "spans", "totals", "one row"],
)
def test_tables_with_a_structure_are_left_alone(tmp_path, top, bodies):
    assert not exported(tmp_path, cells_table("c", top, *bodies).text).find_all("button")
    assert exported(tmp_path, cells_table("c", [HEAD], [ROW] * 2).text).find_all("button")


# --- data as CSV -----------------------------------------------------------------------------------------------------


def test_no_text_of_a_csv_is_a_formula_and_numbers_stay():
    data = pd.DataFrame(
        {"=name": ["=1+1", "+a", "-a", "@a", "\ta", "a=b", HOSTILE], "d": [-1.5, 0.1 + 0.2, 3, 4, 5, 6, 7]}
    )
    found = pd.read_csv(io.StringIO(csv_text(data)))
    assert list(found.columns) == ["'=name", "d"]
    assert found["'=name"].tolist() == ["'=1+1", "'+a", "'-a", "'@a", "'\ta", "a=b", HOSTILE]
    assert found.d.tolist() == data.d.tolist()  # to the last digit
    assert csv_text(pd.DataFrame({"x": [-0.123456789]}), digits=3) == "x\n-0.123\n"


def test_show_sends_the_data_with_the_figure(monkeypatch):
    sent = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw, metadata: sent.append(metadata))
    first, second = pd.DataFrame({"a": [1], "b": ["x"]}), pd.DataFrame({"a": [2]})
    for data in (first, [first, second], None):
        figures.show(Figure(figsize=(1, 1)), data=data)
    assert [metadata["fairkd"].get("csv") for metadata in sent] == ["a,b\n1,x\n", "a,b\n1,x\n2,\n", None]


def test_every_figure_of_the_notebooks_brings_its_data_and_a_caption():
    found = 0
    for path in notebooks.sources():
        for cell in notebooks.read_notebook(path)["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code" and "figures." in source and "exp.show(" in source:
                found += 1
                assert re.search(r"exp\.show\([^\n]*(panels|figures\.)[^\n]*data=[^\n]*caption=", source), source
    assert found > 15


# --- which notebook is meant -----------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    """A profile whose report and one notebook are there."""
    import yaml

    values = Profile.load("tiny").values() | {"runs_dir": str(tmp_path / "runs")}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    folder = tmp_path / "runs" / "tiny"
    folder.mkdir(parents=True)
    for name in ("05_report", "01_capacity"):
        nbformat.write(new_notebook(cells=[new_markdown_cell(f"# {name}")]), folder / f"{name}.ipynb")
    return folder, str(tmp_path / "mine.yaml")


def test_file_profile_and_name_are_all_understood(run):
    folder, profile = run
    assert locate(str(folder / "01_capacity.ipynb")) == (folder / "01_capacity.ipynb", folder / "01_capacity.html")
    assert locate(profile) == (folder / "05_report.ipynb", folder / "report.html")
    for name in ("01_capacity", "01_capacity.ipynb"):
        assert locate(name, profile=profile) == (folder / "01_capacity.ipynb", folder / "01_capacity.html")


def test_what_is_not_there_is_said_with_the_nearest(run):
    folder, profile = run
    for arguments, words in {
        ("quik",): "Did you mean 'quick'?",
        ("01_capasity",): "Did you mean '01_capacity'?",
        ("02_ablation", profile): "has not finished for profile.*fairkd run 02_ablation --profile",
        (str(folder / "01_capacty.ipynb"),): "Did you mean '01_capacity.ipynb'?",
        (str(folder / "other.yaml"),): "no profile",
    }.items():
        with pytest.raises(InputError, match=re.escape(words).replace(r"\.\*", ".*")):
            locate(arguments[0], **({"profile": arguments[1]} if arguments[1:] else {}))


def test_command_writes_the_page_where_it_is_told(run, monkeypatch, capsys, tmp_path):
    folder, profile = run
    target = tmp_path / "deep" / "mine.html"
    for arguments, page in (([profile], folder / "report.html"), ([profile, "--to", str(target)], target)):
        monkeypatch.setattr(sys, "argv", ["fairkd", "export", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code
        assert capsys.readouterr().out.strip() == str(page)
        assert "<title>05_report</title>" in page.read_text()
    monkeypatch.setattr(sys, "argv", ["fairkd", "export", "quik"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert "Did you mean 'quick'?" in capsys.readouterr().err


# --- formulas and pages beside -------------------------------------------------------------------------------------


def test_formulas_are_drawn_without_a_script_and_what_is_none_stays(tmp_path):
    text = r"Let $\bar{x} = \lambda x$ be. $$\frac{1}{2}$$ `cost = $5 or $6` and $\begin{matrix$ and \$3."
    nbformat.write(new_notebook(cells=[new_markdown_cell(text)]), tmp_path / "n.ipynb")
    soup = BeautifulSoup(to_html(tmp_path / "n.ipynb"), "html.parser")
    assert [formula["display"] for formula in soup.find_all("math")] == ["inline", "block"]
    assert [part.get_text() for part in soup.mfrac.find_all("mn")] == ["1", "2"]
    assert soup.code.get_text() == "cost = $5 or $6"
    assert r"$\begin{matrix$" in soup.main.get_text()
    assert "$3." in soup.main.get_text()


def test_report_leads_to_finished_pages_beside_it_and_no_other_page_does(run, tmp_path):
    folder, _ = run
    write_html(folder / "01_capacity.ipynb", folder / "01_capacity.html")
    for name in ("02_ablation.html", "01_capacity.plan.html"):  # a page without its notebook; a plan
        (folder / name).write_text("")
    nbformat.write(new_notebook(), folder / "01_capacity.plan.ipynb")

    def leads_to(notebook: str, page: Path) -> list[tuple[str, str]]:
        soup = BeautifulSoup(write_html(folder / notebook, page).read_text(), "html.parser")
        return [(link["href"], link.get_text()) for link in soup.select("nav a")]

    assert leads_to("05_report.ipynb", folder / "report.html") == [("01_capacity.html", "01_capacity")]
    assert leads_to("01_capacity.ipynb", folder / "01_capacity.html") == []
    assert leads_to("05_report.ipynb", tmp_path / "elsewhere.html") == []


def test_sections_that_show_nothing_are_left_out_and_parameters_come_last(tmp_path):
    def optional(text: str):
        return new_markdown_cell(text, metadata={"tags": ["optional"]})

    def code(text: str, *tags: str, shows: bool = True):
        outputs = [new_output("stream", name="stdout", text=f"{text} says\n")] if shows else []
        return new_code_cell(text, outputs=outputs, metadata={"tags": list(tags)})

    cells = [new_markdown_cell("# A page"), code("values", "parameters"), code("begin", "at-end")]
    cells += [optional("## Empty\n\nLook."), code("a", shows=False), new_markdown_cell("read a")]
    cells += [optional("### Below\n\nLook."), code("b", shows=False)]
    cells += [
        optional("## Whole"),
        code("c"),
        optional("### Gone"),
        code("d", shows=False),
        new_markdown_cell("read d"),
    ]
    cells += [
        optional("### Kept"),
        code("e", shows=False),
        code("f"),
        new_markdown_cell("## Plain"),
        code("g", shows=False),
    ]
    cells += [new_markdown_cell("## End")]
    nbformat.write(new_notebook(cells=cells), tmp_path / "n.ipynb")
    soup = BeautifulSoup(to_html(tmp_path / "n.ipynb"), "html.parser")
    headings = [heading.get_text() for heading in soup.main.find_all(["h1", "h2", "h3"])]
    assert headings == ["A page", "Whole", "Kept", "Plain", "End"]
    assert "read a" not in soup.get_text()
    assert "read d" not in soup.get_text()
    order = [pre.get_text().split()[0] for pre in soup.select("pre.stdout")]
    assert order == ["c", "f", "values", "begin"]
    end = soup.main.find("h2", string="End")
    assert [pre for pre in end.find_all_next("pre") if "values says" in pre.get_text()]


def test_what_could_hide_or_cover_the_page_is_left_out(tmp_path):
    hides = "<style>main{display:none}</style>"
    covers = (
        '<p style="POSITION:fixed;inset:0">over</p><p style="p\\6fsition:fixed">over</p><p style="color:red">red</p>'
    )
    output = new_output("display_data", data={"text/html": f"{hides}{covers}"})
    soup = page_of(tmp_path, "n", new_markdown_cell(f"# T\n\n{hides}"), new_code_cell("1", outputs=[output]))
    assert soup.main.find("style") is None
    assert [p.get("style") for p in soup.main.find_all("p", string=["over", "red"])] == [None, None, "color:red"]


def test_below_the_question_stand_the_finding_and_its_figure(tmp_path):
    def code(tag: str, text: str):
        output = new_output("display_data", {"text/html": f"<p>{text}</p>", "text/plain": text})
        return new_code_cell("made()", outputs=[output], metadata={"tags": [tag]})

    cells = [
        new_markdown_cell("# Title\n\n**The question.** Why?\n\n**What it costs.** Seconds."),
        code("parameters", "first"), code("answer", "the figure"), code("finding", "the finding"),
    ]  # fmt: skip

    def told(*kept) -> str:
        path = tmp_path / "01_own.ipynb"
        nbformat.write(new_notebook(cells=list(kept)), path)
        return " ".join(BeautifulSoup(to_html(path), "html.parser").find("main").get_text(" ").split())

    whole = told(*cells)
    places = [whole.index(said) for said in ("Why?", "the finding", "the figure", "What it costs", "first")]
    assert places == sorted(places)
    assert [whole.count(said) for said in ("the finding", "the figure", "first")] == [2, 2, 1]
    alone = told(*cells[:2], cells[3])
    assert alone.index("Why?") < alone.index("the finding") < alone.index("What it costs")
    without = told(*cells[:3])  # no finding: nothing is moved
    assert without.index("What it costs") < without.index("the figure")
    assert without.count("the figure") == 1
