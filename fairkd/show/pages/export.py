"""HTML export: an executed notebook becomes one page that needs neither a kernel nor a network.

nbconvert renders the cells (its ``basic`` template, extended by ``templates/fairkd``), with formulas as MathML
(:mod:`fairkd.show.pages.formulas`); this module adds figures as drawings with captions and links that save
their data, contents, numbers, folds, a glossary (:mod:`fairkd.show.pages.markup`), and one style sheet for light, dark,
print and phones. A page holds one script, ``page.js``, which moves sliders (:mod:`fairkd.show.sliders.explorer`), sorts
tables, opens folds and marks where one reads, and no address of another host. Its
Content-Security-Policy allows that script alone, by its digest, and no request, so that a hostile string in a data set
or a model's name stays text even where some output forgot to escape it.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from fairkd.engine.store import read_json, write_document
from fairkd.errors import InputError
from fairkd.lab.results import REPORT, Manifest, read_state
from fairkd.show import svg
from fairkd.show.pages.markup import finish, whole
from fairkd.show.pages.notebook import read_notebook, without_iri_grammar
from fairkd.show.pages.seal import record_text, sealed

TEMPLATES = Path(__file__).parent / "templates"
# No scripts and no widgets: the page shows what is readable without a kernel.
_PRIORITY = ["text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/latex", "text/plain"]
_LAST = {"parameters", "injected-parameters", "at-end"}
_WIDGET = "application/vnd.jupyter.widget-view+json"
_NO_KERNEL = "A control stands here that computes while it is used. Open the notebook in JupyterLab to use it."
_IMAGES = ("image/svg+xml", "image/png", "image/jpeg")
_NO_PAGE = "An output stands here that a page cannot show ({})."


def to_html(
    notebook: Path | str, *, title: str | None = None, beside: Iterable[Path] = (), warnings: Sequence[str] = ()
) -> str:
    """The page of one notebook file.

    A Markdown cell with the tag "fold" is folded below its heading, with all cells up to the next heading as high.

    Args:
        notebook: an ``.ipynb`` file, executed or not.
        title: of the page; the first heading of the notebook where it is not given.
        beside: executed notebooks whose pages lie beside this one; its contents lead to them.
        warnings: sentences for the top of the page, as that what it shows is stale.

    Raises:
        InputError: the file is missing or is not a notebook, or its results were changed since they were written.
    """
    without_iri_grammar()
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    from fairkd.show.pages.formulas import markdown2html

    path = Path(notebook)
    node = read_notebook(path)
    exporter = HTMLExporter(
        template_name="fairkd",
        extra_template_basedirs=[str(TEMPLATES)],
        embed_images=True,
        exclude_anchor_links=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        config=Config(
            {
                "NbConvertBase": {"display_data_priority": _PRIORITY},
                "CoalesceStreamsPreprocessor": {"enabled": True},  # a progress bar leaves its last state
            }
        ),
    )
    exporter.register_filter("markdown2html", markdown2html)
    _in_order(node)
    drawings = _prepare(node, path.stem)
    script = (TEMPLATES / "fairkd" / "page.js").read_text(encoding="utf-8")
    page = {
        "page_title": title or _first_heading(node) or path.stem,
        "page_style": _style(),
        "page_script": script,
        "script_digest": f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode('ascii')}",
        "metadata": {"name": path.stem, "path": str(path.parent)},
        "record": _record(path),
        "warnings": list(warnings),
    }
    html, _ = exporter.from_notebook_node(node, resources=page)
    titles = {f"{other.stem}.html": _first_heading(read_notebook(other)) or other.stem for other in beside}
    return finish(html, notebook=path.stem, pages=titles, drawings=drawings).replace(
        "\0", "\N{REPLACEMENT CHARACTER}"
    )  # browsers draw nothing for NUL


def write_html(
    notebook: Path | str, page: Path | str, *, title: str | None = None, warnings: Sequence[str] = ()
) -> Path:
    """Writes :func:`to_html` of ``notebook`` to ``page``, at once or not at all; returns the page's path.

    The report leads to the pages of the other notebooks that lie beside it.
    """
    target = Path(page)
    text = page_beside(notebook, target.parent, title=title, warnings=warnings)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_document(target, text)
    return target


def page_beside(
    notebook: Path | str,
    folder: Path,
    *,
    title: str | None = None,
    warnings: Sequence[str] = (),
    pages: Collection[str] | None = None,
) -> str:
    """What :func:`write_html` writes to a page in this folder: the same bytes whenever it is asked.

    Args:
        notebook: and ``title``, ``warnings``: as there.
        folder: of the page.
        pages: names of those to which a report leads, as "01_capacity"; without it those that are there.
    """
    there = {path.stem for path in folder.glob("[0-9][0-9]_*.html")} if pages is None else {*pages}
    names = sorted(name for name in there - {REPORT} if "." not in name) if Path(notebook).stem == REPORT else []
    beside = [path for name in names if (path := folder / f"{name}.ipynb").is_file()]
    return sealed(to_html(notebook, title=title, beside=beside, warnings=warnings))


def _record(notebook: Path) -> str:
    """The manifest of the results beside an executed notebook, but for what names its runner; "" if it has none.

    Raises:
        InputError: it cannot be read, or was changed since it was written.
    """
    path = notebook.parent / "results" / f"{notebook.stem}.json"
    if not path.is_file():
        return ""
    read_state(path, Manifest)  # whether it is as it was written
    return record_text({name: value for name, value in read_json(path).items() if name != "token"})


def _in_order(node: Any) -> None:
    """Leaves out sections with the tag "optional" that show nothing; cells of parameters, and "at-end", come last."""
    kept, skipped = [], 0  # level of the heading whose section is left out
    for place, cell in enumerate(node.cells):
        level = _level(cell)
        if skipped and level and level <= skipped:
            skipped = 0
        if not skipped and "optional" in cell.metadata.get("tags", []) and not _shows(node.cells[place:], level):
            skipped = level
        if not skipped:
            kept.append(cell)
    node.cells = sorted(kept, key=lambda cell: bool(_LAST & {*cell.metadata.get("tags", [])}))
    _found_first(node)


def _found_first(node: Any) -> None:
    """Below the question stands what cells with the tags "finding" and "answer" show: the finding, and its figure."""
    shown = {
        tag: cell.outputs[:1]
        for cell in node.cells
        for tag in ("finding", "answer")
        if tag in cell.metadata.get("tags", []) and cell.get("outputs")
    }
    if "finding" not in shown or node.cells[0].cell_type != "markdown":
        return
    title, rest = node.cells[0], copy.deepcopy(node.cells[0])
    title.source, mark, after = title.source.partition("\n\n**What it costs")
    rest.source = (mark + after).strip()
    card = copy.deepcopy(next(cell for cell in node.cells if cell.cell_type == "code"))
    card.update(source="", execution_count=None, metadata={"tags": ["no-code"]})
    card.outputs = copy.deepcopy([*shown["finding"], *shown.get("answer", [])])
    for cell, name in ((card, "found"), (rest, "costs")):
        cell["id"] = name
    node.cells[1:1] = [card, *([rest] if rest.source else [])]


def _level(cell: Any) -> int:
    """Of the heading that a cell begins with; 0 where it begins with none."""
    found = re.match(r"(#+)\s", cell.source) if cell.cell_type == "markdown" else None
    return len(found[1]) if found else 0


def _shows(cells: Sequence[Any], level: int) -> bool:
    """Whether any cell of the section has an output: up to the next heading that is no lower."""
    for cell in cells[1:]:
        if 0 < _level(cell) <= level:
            return False
        if cell.get("outputs"):
            return True
    return False


def _prepare(node: Any, stem: str) -> dict[str, str]:
    """Leaves what the template shows: known metadata, links to the data of figures, sentences elsewhere.

    Returns the drawings of its figures by their names, for which their places stand in the outputs.
    """
    drawings: dict[str, str] = {}
    language = node.metadata.get("language_info", {})
    lexers = [language.get(name) for name in ("pygments_lexer", "name")]
    node.metadata = {"language_info": {"name": next(filter(None, lexers), "ipython3")}}
    number = 0
    for cell in node.cells:
        cell.metadata = {"tags": cell.metadata.get("tags", [])}
        for output in cell.get("outputs", []):
            if output.output_type in ("display_data", "execute_result"):
                number += any(kind in output.data for kind in _IMAGES)
                _prepare_data(output, f"{stem}-figure-{number}", drawings)
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if output.get("data", True)]
    return drawings


def _prepare_data(output: Any, name: str, drawings: dict[str, str]) -> None:
    """``name``: of the figure, for the file of its data and its drawings, which are added to ``drawings``."""
    from fairkd.show.downloads import csv_link
    from fairkd.show.html import render

    given, output.metadata = output.metadata, {}
    about = {kind: given[kind] for kind in output.data if isinstance(given.get(kind), dict)}
    carried = given.get("fairkd") if isinstance(given.get("fairkd"), dict) else {}
    said = {key: text for key, text in carried.items() if isinstance(text, str)}
    if "csv" in said:
        output.metadata["fairkd_link"] = csv_link(said["csv"], f"{name}.csv").text
    best = next((kind for kind in _PRIORITY if kind in output.data), "")
    if best in _IMAGES:
        output.data = {"text/html": _figure(output.data[best], best, about.get(best, {}), said, name, drawings)}
    cannot = "" if output.data.keys() & set(_PRIORITY) else _NO_PAGE.format(", ".join(output.data))
    if "text/html" in output.data and best not in _IMAGES:
        output.data["text/html"] = whole(output.data["text/html"])
        cannot = _NO_PAGE.format("an isolated page") if about.get("text/html", {}).get("isolated") else ""
    elif _WIDGET in output.data:
        cannot = _NO_KERNEL
    if output.data and cannot:
        output.data = {"text/html": render("notes.missing", why=cannot).text}


def _figure(
    source: str, kind: str, about: dict[str, Any], said: dict[str, str], name: str, drawings: dict[str, str]
) -> str:
    """A figure with its caption: drawings where they can stand in the page, else an image.

    Args:
        source: the file, in base64 where it is no SVG.
        kind: of the file.
        about: what the output's metadata say of the image.
        said: what :func:`fairkd.show.figures.show` sent along.
        name: before the ids of its drawings.
        drawings: to which its own are added; they stand in the page when all else is done, which is quicker.
    """
    from fairkd.show.html import render

    given = said.get("alt") or about.get("alt")
    alt = given if isinstance(given, str) and given else "A figure without a description"
    own, image = {}, {}
    if kind == "image/svg+xml":
        try:
            for form, text in (("wide", source), ("narrow", said.get("narrow", ""))):
                if text:
                    drawn = svg.clean(text, prefix=f"{name}-{form}-")
                    drawn.set("class", form if "narrow" in said else "only")
                    own[f"{name}-{form}"] = svg.markup(drawn)
            drawings |= own
        except InputError:
            own, source = {}, base64.b64encode(source.encode("utf-8", "replace")).decode("ascii")
    if not own:
        sizes = {side: about.get(side) for side in ("width", "height")}
        image = {side: value for side, value in sizes.items() if isinstance(value, str | int | float)}
        image["src"] = f"data:{kind};base64,{''.join(source.split())}"
    values = {"caption": said.get("caption", ""), "name": said.get("name", ""), "alt": alt}
    return render("pictures.figure", drawings=list(own), image=image, **values).text


def _first_heading(node: Any) -> str | None:
    for cell in node.cells:
        if cell.cell_type == "markdown":
            found = re.search(r"^#\s+(.+)$", cell.source, flags=re.MULTILINE)
            if found:
                return found.group(1).strip()
    return None


def _style() -> str:
    """Our style sheet and the colours of code, for light and dark."""
    from pygments.formatters import HtmlFormatter

    def code(name: str) -> str:
        return "\n".join(HtmlFormatter(style=name).get_token_style_defs(".highlight"))

    own = (TEMPLATES / "fairkd" / "style.css").read_text(encoding="utf-8")
    return f"{own}\n{code('default')}\n@media (prefers-color-scheme: dark) {{\n{code('github-dark')}\n}}\n"
