"""The HTML page: one file, no request, no script, everything readable and escaped."""

import base64
import io
import re

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from fairkd.errors import InputError
from fairkd.export import to_html, write_html

HOSTILE = "<script>alert(1)</script>"
CAPTION = "What the table shows"


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
            metadata={"image/png": {"alt": 'd against "layers" <1–6>', "width": 300}},
        ),
        new_output("display_data", {"application/javascript": "alert(2)", "text/plain": "no script"}),
        new_output("display_data", {"text/html": f"<p>kept</p>{HOSTILE}<iframe src='https://x.org'></iframe>"}),
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
    assert not soup.find_all(["script", "link", "iframe", "object", "embed"])


def test_policy_forbids_scripts_and_requests(page):
    soup, _ = page
    policy = soup.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    rules = dict(rule.split(maxsplit=1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert "script-src" not in rules  # so default-src holds for scripts
    # It must stand before anything that it governs.
    assert soup.head.find_all(True)[1].get("http-equiv") == "Content-Security-Policy"


def test_data_cannot_become_markup(page):
    soup, _ = page
    assert not soup.find_all("script")
    assert HOSTILE in soup.find("table", class_="dataframe").get_text()
    assert HOSTILE in soup.find("pre", class_="stdout").get_text()
    assert "<bad>" in soup.find("pre", class_="error").get_text()


def test_figures_are_embedded_and_described(page):
    soup, _ = page
    (image,) = soup.find_all("img")
    assert image["src"].startswith("data:image/png;base64,")
    assert image["alt"] == 'd against "layers" <1–6>'
    assert image["width"] == "300"


def test_contents_lead_to_every_second_level_heading(page):
    soup, _ = page
    links = soup.select("nav#contents a")
    assert [link.get_text() for link in links] == ["First", "First", "Second part"]
    targets = [soup.find(id=link["href"].removeprefix("#")) for link in links]
    assert [t.get_text() for t in targets] == ["First", "First", "Second part"]
    assert len({id(t) for t in targets}) == 3  # equal titles have ids of their own
    assert soup.title.get_text() == "A title & more"


def test_code_is_folded_not_lost(page):
    soup, _ = page
    folds = {d.summary.get_text().strip(): d.get_text() for d in soup.select("details.code")}
    assert "alpha = 0.4" in folds["Parameters and their defaults"]
    assert "alpha = 0.5" in folds["Parameters of this run"]
    assert "print(1)" in folds["Code"]
    assert not any("open" in d.attrs for d in soup.select("details"))


def test_messages_show_the_last_state_of_a_progress_bar(page):
    soup, _ = page
    messages = soup.select_one("details.stderr pre").get_text()
    assert messages.strip() == "100 %"


def test_every_table_scrolls_in_its_own_box(page):
    soup, _ = page
    tables = soup.find_all("table")
    assert len(tables) == 2
    assert all(table.parent["class"] == ["scroll"] and table.parent["tabindex"] == "0" for table in tables)


def test_caption_wraps_with_the_page_and_still_names_its_table(page):
    soup, _ = page
    table = soup.find("table", class_="dataframe")
    caption = soup.find(id=table["aria-labelledby"])
    assert (caption.name, caption.get_text()) == ("p", CAPTION)
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
