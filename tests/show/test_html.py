"""HTML in one place: tags stand in templates alone, data goes into them escaped, and cells are shown as they say."""

import ast
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from jinja2 import UndefinedError

import fairkd
from fairkd.show.html import ENVIRONMENT, Cell, Html, Row, render
from fairkd.show.tables.plain import table

PACKAGE = Path(fairkd.__file__).parent
ELEMENTS = (
    "a b body br button caption circle code details div dl em figcaption figure footer form g h1 h2 h3 head header hr "
    "html i iframe img input label li link main math meta nav ol option output p path pre rect script section select "
    "small span strong style sub summary sup svg table tbody td text tfoot th thead title tr u ul video"
)
VALUE = "\0"
TAG = re.compile(rf"</?(?:{ELEMENTS.replace(' ', '|')})(?=[\s/>{VALUE}]|$)|</{VALUE}")
"""Where an element begins or ends, or one ends whose name is filled in. Not every word in angle brackets is one:
"<unk>" is a token, and "<{name}>" may name what a file begins with."""


def whole(node: ast.AST) -> str:
    """The text of a string, of an f-string or of a sum of strings; whatever else is put in is ``VALUE``."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(map(whole, parts))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return whole(left) + whole(right)
    return VALUE


def tags(source: str) -> list[str]:
    """The strings of a source in which an HTML tag begins, those left out that only document."""
    tree = ast.parse(source)
    documents = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [text for node in ast.walk(tree) if node not in documents and TAG.search(text := whole(node))]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_string_of_python_holds_a_tag(path):
    assert tags(path.read_text()) == []


@pytest.mark.parametrize(
    "code",
    ['x = "a <td>"', 'x = f"<p>{y}</p>"', 'x = f"<{y}></{y}>"', 'x = f"<th{y}>"', 'x = "</" + y + ">"',
     """x = f'{"".join(f"<b>{y}" for y in z)}'""", 'x = t.replace("<svg ", y)', "def f():\n    return '<br>'"],
)  # fmt: skip
def test_the_rule_sees_a_tag_however_it_is_written(code):
    assert tags(code)


@pytest.mark.parametrize(
    "code",
    ['"""Makes <td>."""', 'x = 1\n"""A <td> of it."""', 'x = "<unk> and <module>"', 'x = f"p < {y}"', 'x = "< 0.001"',
     'x = y.startswith("<")', 'x = f"<Html, {n}>"', 'x = "<ref name=1>"', 'x = "runs/<name>"', "x = a < b",
     'x = f"begins with <{y}>"'],
)  # fmt: skip
def test_the_rule_leaves_tokens_comparisons_and_documentation_alone(code):
    assert tags(code) == []


def shown(cell: Cell) -> BeautifulSoup:
    return BeautifulSoup(table("c", [], [Row([cell])]).text, "html.parser").tr.contents[0]


def test_a_number_is_bold_where_it_is_the_best_and_its_interval_is_not():
    cell = shown(Cell(-0.5, (-0.9, 0.25), best=True, digits=(2, 1)))
    assert (
        str(cell)
        == '<td data-exact="-0.5 -0.9 0.25"><strong>−0.50</strong><br/><small class="ends">[−0.9, 0.2]</small></td>'
    )
    assert str(shown(Cell(float("nan"), (0.0, float("inf")), kind="printed"))) == '<td class="printed">–</td>'


def test_a_heading_says_what_it_heads_and_how_much_it_spans():
    head = shown(Cell("mixup:\nL_ce", below=("minus L_cos",), head="colgroup", columns=2, rows=3))
    assert head.attrs == {"scope": "colgroup", "colspan": "2", "rowspan": "3"}
    assert head.decode_contents() == "mixup:<br/>L<sub>ce</sub><br/><small>minus L<sub>cos</sub></small>"
    assert shown(Cell("a\nb, L_ce", head="row", symbols=False)).decode_contents() == "a\nb, L_ce"


def test_pieces_in_pieces_are_not_escaped_again_and_text_is():
    inner = render("notes.paragraph", text="<b>")
    assert BeautifulSoup((inner + inner)._repr_html_(), "html.parser").get_text().split() == ["<b>", "<b>"]
    assert isinstance(inner, Html)


def test_what_a_template_lacks_is_an_error():
    with pytest.raises(UndefinedError, match="scale"):
        render("notes.notice")
    with pytest.raises(TypeError, match="size"):
        render("notes.notice", scale="s", size=1)


def test_no_template_is_left_over():
    """Every macro is called: from Python as "file.macro", or from a template."""
    python = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    written = {name: ENVIRONMENT.loader.get_source(ENVIRONMENT, name)[0] for name in ENVIRONMENT.list_templates()}
    for file, source in written.items():
        for macro in re.findall(r"{% macro (\w+)", source):
            called = rf"(?<!macro )\b{macro}\("
            piece = f'"{file.removesuffix(".html.j2")}.{macro}"'
            assert piece in python or any(re.search(called, text) for text in written.values()), f"{file}: {macro}"
