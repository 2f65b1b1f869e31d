"""Notebooks of other programs: whatever a file holds, there is a valid notebook and its page, or a sentence."""

import copy
import json
import re
import sys
import warnings
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from damaged import JSON_OR_NOT, VALUES
from hypothesis import given
from hypothesis import strategies as st

from fairkd.errors import InputError
from fairkd.run import cli
from fairkd.show.pages.export import to_html, write_html
from fairkd.show.pages.notebook import parse_notebook, read_notebook

TABLE = "<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>1</td></tr><tr><td>2</td></tr></tbody></table>"
WIDGET = "application/vnd.jupyter.widget-view+json"
TITLE = {"cell_type": "markdown", "id": "m1", "metadata": {}, "source": "# T"}
CODE = {"cell_type": "code", "execution_count": 1, "metadata": {}, "source": "shown", "outputs": [], "id": "a"}
SAMPLE = {
    "cells": [
        {"cell_type": "markdown", "id": "m1", "metadata": {"tags": ["a"], "name": "n"},
         "source": ["# T\n", "![x](attachment:a.png) $x$"], "attachments": {"a.png": {"image/png": "aGk="}}},
        {"cell_type": "raw", "id": "r1", "metadata": {"format": "f", "raw_mimetype": "text/html"}, "source": "raw"},
        {"cell_type": "code", "id": "c1", "execution_count": 1, "source": "%%R\n1", "metadata": {
            "tags": ["parameters"], "collapsed": True, "scrolled": "auto", "jupyter": {"source_hidden": True},
            "execution": {"a": "b"}, "magics_language": "r", "transient": {"remove_source": False}, "alt": "x"},
         "outputs": [
            {"output_type": "stream", "name": "stdout", "text": ["a\n"]},
            {"output_type": "stream", "name": "stdout", "text": "b\r"},
            {"output_type": "display_data",
             "data": {"text/html": TABLE, "image/png": "iVBORw0KGgo=", "application/json": {"a": 1}},
             "metadata": {"image/png": {"width": 3, "alt": "x"}, "fairkd": {"csv": "a\n"}, "fairkd_link": "x",
                          "text/html": {"isolated": True}, "filenames": {"image/png": "x"}}},
            {"output_type": "execute_result", "execution_count": 1, "data": {"image/png": "iVBORw0KGgo="},
             "metadata": {}},
            {"output_type": "display_data", "data": {WIDGET: {"model_id": "x"}}, "metadata": {}},
            {"output_type": "display_data", "data": {"image/svg+xml": "<svg/>"}, "metadata": {}},
            {"output_type": "display_data", "data": {"text/markdown": "*x*"}, "metadata": {}},
            {"output_type": "display_data", "data": {"text/latex": "$x$"}, "metadata": {}},
            {"output_type": "display_data", "data": {"image/jpeg": "aGk="}, "metadata": {"image/jpeg": {"height": 2}}},
            {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["a"]}]},
    ],
    "metadata": {
        "kernelspec": {"name": "p", "display_name": "P"}, "language": "Python", "title": "t",
        "language_info": {"name": "python", "pygments_lexer": "ipython3", "codemirror_mode": {"name": "x"}},
        "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {}}}, "authors": [{"name": "x"}],
        "orig_nbformat": 4},
    "nbformat": 4, "nbformat_minor": 5,
}  # fmt: skip


def notebook(*outputs, **fields) -> dict:
    """A notebook of a title and a code cell, with some of its fields replaced (None: left out)."""
    cell = {
        "cell_type": "code",
        "execution_count": 1,
        "metadata": {},
        "source": "1",
        "outputs": list(outputs),
        "id": "a",
    }
    whole = {"cells": [TITLE, cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5} | fields
    return {name: value for name, value in whole.items() if value is not None}


def without(value: dict, *names: str) -> dict:
    return {name: item for name, item in value.items() if name not in names}


def page(tmp_path: Path, content: dict | bytes) -> BeautifulSoup:
    path = tmp_path / "n.ipynb"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    target = write_html(path, tmp_path / "n.html")
    return BeautifulSoup(target.read_text(encoding="utf-8"), "html.parser")


STREAM = {"output_type": "stream", "name": "stdout", "text": "shown"}
SHOWN = {"output_type": "display_data", "metadata": {}, "data": {"text/plain": "shown"}}
ERROR = {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["shown"]}
BY_OTHERS = {
    "a byte-order mark": b"\xef\xbb\xbf" + json.dumps(notebook(STREAM)).encode(),
    "UTF-16": json.dumps(notebook(STREAM)).encode("utf-16"),
    "no outputs": notebook(cells=[TITLE, without(CODE, "outputs")]),
    "no metadata": notebook(STREAM, metadata=None),
    "cell without metadata": notebook(cells=[TITLE, without(CODE, "metadata")]),
    "output without metadata": notebook(without(SHOWN, "metadata")),
    "output without data": notebook(without(SHOWN, "data"), STREAM),
    "output that is text": notebook("shown"),
    "outputs that are one": notebook(cells=[TITLE, CODE | {"outputs": SHOWN}]),
    "source of null": notebook(cells=[TITLE, CODE | {"source": None}, CODE]),
    "no source": notebook(cells=[TITLE, without(CODE, "source"), CODE]),
    "no ids": notebook(cells=[without(TITLE, "id"), without(CODE, "id")]),
    "one id for all": notebook(cells=[TITLE, CODE, CODE]),
    "no execution_count": notebook(cells=[TITLE, without(CODE, "execution_count")]),
    "no nbformat": notebook(STREAM, nbformat=None, nbformat_minor=None),
    "nbformat as text": notebook(STREAM, nbformat="4"),
    "an nbformat_minor of the future": notebook(STREAM, nbformat_minor=99),
    "stream without a name": notebook(without(STREAM, "name")),
    "stream in pieces": notebook(STREAM | {"text": ["sho", "wn"]}),
    "text in pieces with null": notebook(SHOWN | {"data": {"text/plain": ["sho", None, "wn"]}}),
    "traceback as text": notebook(ERROR | {"traceback": "shown"}),
    "error without a name": notebook(without(ERROR, "ename", "evalue")),
    "another kind of output": notebook(SHOWN | {"output_type": "pyout"}),
    "another kind of cell": notebook(cells=[TITLE, CODE | {"cell_type": "sql"}]),
    "our metadata as text": notebook(SHOWN | {"metadata": {"fairkd": "text", "fairkd_link": "x"}}),
    "image's metadata as text": notebook(SHOWN | {"metadata": {"image/png": "wide"}}),
    "metadata as a list": notebook(SHOWN | {"metadata": []}, metadata=[]),
    "tags as text": notebook(cells=[TITLE, CODE | {"metadata": {"tags": "a,b", "name": 3}}]),
    "tags that are no text": notebook(cells=[TITLE, CODE | {"metadata": {"tags": ["a", 5]}}]),
    "language as a number": notebook(STREAM, metadata={"language_info": {"name": 4}, "language": 5}),
    "widgets without state": notebook(
        SHOWN | {"data": {WIDGET: {"model_id": "abc"}, "text/plain": "HBox"}}, STREAM,
        metadata={"widgets": {"application/vnd.jupyter.widget-state+json": {"abc": {"model_name": "HBoxModel"}}}},
    ),
    "widgets as text": notebook(STREAM, SHOWN | {"data": {WIDGET: "x"}}, metadata={"widgets": "x"}),
    "an attachment that is missing": notebook(STREAM, cells=[TITLE | {"source": "# T\n![shown](attachment:a.png)"}]),
    "an attachment without data": notebook(
        cells=[TITLE | {"source": "# T\n![shown](attachment:a)", "attachments": {"a": {}}}]
    ),
    "an image that is a folder": notebook(STREAM, cells=[TITLE | {"source": "# T\n![shown](.) <img src=''>"}]),
    "an image that is no image": notebook(SHOWN | {"data": {"image/png": "="}}, STREAM),
    "half an image": notebook(SHOWN | {"data": {"image/png": "iVBORw0KGgoAAAANSUhEUgAA"}}, STREAM),
    "markup that closes the page": notebook(SHOWN | {"data": {"text/html": "</main></body><!--"}}, STREAM),
    "format 3": {
        "nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""},
        "worksheets": [{"cells": [
            {"cell_type": "heading", "level": 1, "source": "T"},
            {"cell_type": "code", "input": "1", "language": "python", "outputs": [
                {"output_type": "pyout", "prompt_number": 1, "text": "shown"}]}]}],
    },
}  # fmt: skip


@pytest.mark.parametrize("case", BY_OTHERS)
def test_a_notebook_of_another_program_has_a_page_with_all_that_it_holds(tmp_path, case):
    soup = page(tmp_path, BY_OTHERS[case])
    assert soup.title.get_text() == "T"
    assert "shown" in soup.main.get_text()
    assert len(soup.find_all("script")) == 1
    nbformat.validate(read_notebook(tmp_path / "n.ipynb"))


def test_half_surrogates_and_nul_become_the_replacement_character(tmp_path):
    stream = {"output_type": "stream", "name": "stderr", "text": "\x1b[31mred\x1b[0m \x00 a\ud800b \ud83d\ude00\n"}
    soup = page(tmp_path, json.dumps(notebook(stream)).encode())
    assert "red \ufffd a\ufffdb \U0001f600" in soup.find("details", class_="stderr").get_text()


def test_an_output_that_a_page_cannot_show_is_named(tmp_path):
    plot = SHOWN | {"data": {"application/vnd.plotly.v1+json": {"data": []}}}
    isolated = SHOWN | {
        "data": {"text/html": "<style>*{color:red}</style>"},
        "metadata": {"text/html": {"isolated": True}},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        said = [box.get_text() for box in page(tmp_path, notebook(plot, isolated)).select(".missing")]
    assert "cannot show (application/vnd.plotly.v1+json)" in said[0]
    assert "cannot show (an isolated page)" in said[1]


NO_NOTEBOOK = {
    b"": "it is empty",
    b" \n": "it is empty",
    b"hello": "it is not JSON: Expecting value",
    b'{"cells": [': "it is not JSON",
    b"\xff\xfe\xff": "it is not JSON: it is not utf-16",
    b'{"a": "\xff"}': "it is not JSON: it is not utf-8 text (byte 7)",
    b"[" * 100_000: "nested more than 100 deep",
    b'{"cells": [], "metadata": {"a": ' + b"[" * 150 + b"]" * 150 + b'}, "nbformat": 4}': "nested more than 100 deep",
    b"1" * 5000: "it is not JSON",
    b"[]": "it holds a list where a notebook is an object",
    b'"text"': "it holds text where",
    b"null": "it holds null where",
    b"7": "it holds a number where",
    b"{}": "it has no list 'cells'",
    b'{"cells": {}, "nbformat": 4}': "it has no list 'cells'",
    b'{"cells": [], "nbformat": 5}': "a notebook of format 5; formats 1 to 4 can be read. Save it as format 4",
    b'{"cells": [], "nbformat": true}': "a notebook of format True",
    b'{"cells": [], "nbformat": [4]}': "a notebook of format [4]",
    b'{"worksheets": [7], "nbformat": 3}': "a notebook of format 3 that cannot be read as one",
}


@pytest.mark.parametrize("content", NO_NOTEBOOK, ids=lambda content: content[:24].decode("latin-1"))
def test_what_is_no_notebook_is_told_in_a_sentence(tmp_path, content, monkeypatch, capsys):
    path = tmp_path / "n.ipynb"
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(NO_NOTEBOOK[content])) as error:
        read_notebook(path)
    assert str(path) in str(error.value)
    monkeypatch.setattr(sys, "argv", ["fairkd", "export", str(path)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert NO_NOTEBOOK[content] in capsys.readouterr().err


def test_a_path_that_cannot_be_read_is_told_in_a_sentence(tmp_path):
    for path, words in {
        tmp_path: "Is a directory",
        tmp_path / "a\0b": "null",
        tmp_path / "none": "no notebook",
    }.items():
        with pytest.raises(InputError, match=words):
            read_notebook(path)


def test_a_valid_notebook_is_read_as_it_is():
    whole = parse_notebook(json.dumps(SAMPLE).encode(), where="n")
    same = nbformat.reads(json.dumps(SAMPLE), as_version=4)
    assert [without(cell, "outputs") for cell in whole.cells] == [without(cell, "outputs") for cell in same.cells]
    assert whole.cells[2].outputs == same.cells[2].outputs
    assert without(whole.metadata, "orig_nbformat") == same.metadata


# --- whatever a file holds -------------------------------------------------------------------------------------------


def places(value, at=()):
    """Where a field or an entry of a value is."""
    if at:
        yield at
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inside:
        yield from places(item, (*at, name))


def replaced(where: tuple, value: object, *, left_out: bool) -> dict:
    changed = copy.deepcopy(SAMPLE)
    holder = changed
    for name in where[:-1]:
        holder = holder[name]
    if left_out:
        del holder[where[-1]]
    else:
        holder[where[-1]] = value
    return changed


@given(JSON_OR_NOT)
def test_any_bytes_are_a_valid_notebook_or_an_input_error(data):
    try:
        nbformat.validate(parse_notebook(data, where="n"))
    except InputError:
        return


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.binary(max_size=3))
def test_any_damage_to_a_notebook_is_repaired_or_an_input_error(start, length, new):
    data = json.dumps(SAMPLE).encode()
    at = start % len(data)
    damaged = data[:at] + new + data[at + length % 40 :]
    try:
        nbformat.validate(parse_notebook(damaged, where="n"))
    except InputError:
        return


@given(st.sampled_from(list(places(SAMPLE))), VALUES, st.booleans())
def test_any_value_in_the_place_of_a_field_leaves_a_valid_notebook(where, value, left_out):
    data = json.dumps(replaced(where, value, left_out=left_out)).encode()
    try:
        nbformat.validate(parse_notebook(data, where="n"))
    except InputError:
        assert where in (("cells",), ("nbformat",))  # without these it is none


@given(st.sampled_from(list(places(SAMPLE["cells"][2]["outputs"]))), VALUES, st.booleans())
def test_any_value_in_the_place_of_an_outputs_field_leaves_a_page(tmp_path_factory, where, value, left_out):
    path = tmp_path_factory.getbasetemp() / "field.ipynb"
    path.write_text(json.dumps(replaced(("cells", 2, "outputs", *where), value, left_out=left_out)))
    assert "<title>T</title>" in to_html(path)


PIECES = [
    "<", "</main>", "<script>", "<!--", "-->", "<div>", "<img src=>", "<img src=.>", "![a](attachment:b)", "![a](.)",
    "[a](b)", "$", "$$", r"\begin{x}", r"\end{x}", r"\frac", "{", "}", "`", "```", "```mermaid\n", "```python\n", "#",
    " ", "\n", "* ", "> ", "|", "|-|", "\x1b[31m", "\x1b[", "m", "\x1b[38;5;999m", "&", "&#0;", "\\", "\r", "%%R\n",
    "<table><tr><td>", "<main id=content>", "<svg>", "<![CDATA[", "<?", "<!DOCTYPE>", "<textarea>", "<title>",
    "<style>", "<plaintext>", "<pre><img src='data:image/png;base64,=='>", "<a href='x' ONCLICK=1>", "\x00", "é",
]  # fmt: skip


@given(*[st.lists(st.sampled_from(PIECES), max_size=25).map("".join)] * 3)
def test_no_text_of_a_cell_or_output_reaches_beyond_it(tmp_path_factory, text, html, markdown):
    changed = copy.deepcopy(SAMPLE)
    changed["cells"][0]["source"], outputs = markdown, changed["cells"][2]["outputs"]
    outputs[0]["text"], outputs[6]["data"]["text/markdown"], outputs[9]["traceback"] = text, markdown, [text]
    outputs[3]["data"] = {"text/html": html}
    changed["cells"].append({"cell_type": "markdown", "source": "THE LAST"})
    path = tmp_path_factory.getbasetemp() / "text.ipynb"
    path.write_text(json.dumps(changed))
    soup = BeautifulSoup(to_html(path), "html.parser")
    assert "THE LAST" in soup.find("main", id="content").get_text()
    assert len(soup.find_all("script")) == 1
