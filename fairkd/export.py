"""HTML export: an executed notebook becomes one page that needs neither a kernel nor a network.

nbconvert renders the cells (its ``basic`` template, extended by ``templates/fairkd``); this module adds the
table of contents, boxes in which wide tables scroll, and one style sheet for light, dark, print and phones.
A page holds no script and no address of another host, and its Content-Security-Policy forbids both, so that a
hostile string in a data set or a model's name stays text even where some output forgot to escape it.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

from fairkd.errors import InputError

TEMPLATES = Path(__file__).parent / "templates"
# No scripts and no widgets: the page shows what is readable without a kernel.
_PRIORITY = ["text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/latex", "text/plain"]


def to_html(notebook: Path | str, *, title: str | None = None) -> str:
    """The page of one notebook file.

    Args:
        notebook: an ``.ipynb`` file, executed or not.
        title: of the page; the first heading of the notebook where it is not given.

    Raises:
        InputError: the file is missing or is not a notebook.
    """
    import nbformat
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    path = Path(notebook)
    try:
        node = nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise InputError(f"no notebook {str(path)!r}") from None
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, UnicodeDecodeError, AttributeError) as error:
        raise InputError(f"{str(path)!r} is not a notebook: {error}") from error
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
    page = {
        "page_title": title or _first_heading(node) or path.stem,
        "page_style": _style(),
        "metadata": {"name": path.stem, "path": str(path.parent)},
    }
    html, _ = exporter.from_notebook_node(node, resources=page)
    return _finish(html)


def write_html(notebook: Path | str, page: Path | str, *, title: str | None = None) -> Path:
    """Writes :func:`to_html` of ``notebook`` to ``page``, at once or not at all; returns the page's path."""
    target = Path(page)
    text = to_html(notebook, title=title)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(name, 0o644)  # mkstemp makes files that only their owner can read
    os.replace(name, target)
    return target


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


def _finish(html: str) -> str:
    """Adds contents, heading ids and scroll boxes; drops what could load or run something."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(html, "html.parser")
    main = soup.find("main")
    assert main is not None  # our template writes it
    for element in main.select("script, link, iframe, object, embed, base, meta, form"):
        element.decompose()
    for number, table in enumerate(main.find_all("table"), start=1):
        _box(soup, table, number)
    contents = soup.find(id="contents")
    assert contents is not None
    entries = soup.new_tag("ol")
    taken: set[str] = {"contents", "content"}
    for heading in main.select(".text-cell :is(h1, h2, h3)"):
        heading["id"] = _slug(heading.get_text(), taken)
        if heading.name == "h2":
            link = soup.new_tag("a", attrs={"href": f"#{heading['id']}"})
            link.string = heading.get_text().strip()
            item = soup.new_tag("li")
            item.append(link)
            entries.append(item)
    if entries.contents:
        label = soup.new_tag("p")
        label.string = "Contents"
        contents.extend([label, entries])
    else:
        contents.decompose()
    return str(soup)


def _box(soup: Any, table: Any, number: int) -> None:
    """Lets a wide table scroll by itself; its caption stays outside, where it wraps with the page."""
    box = soup.new_tag("div", attrs={"class": "scroll", "tabindex": "0", "role": "region", "aria-label": "Table"})
    table.wrap(box)
    caption = table.find("caption")
    if caption is not None:
        caption.extract()
        caption.name, caption["class"], caption["id"] = "p", "caption", f"table-caption-{number}"
        box.insert_before(caption)
        del box["aria-label"]
        box["aria-labelledby"] = table["aria-labelledby"] = caption["id"]


def _slug(text: str, taken: set[str]) -> str:
    """A heading's id: its words, made unique on the page."""
    base = re.sub(r"[^\w]+", "-", text.strip().lower()).strip("-") or "section"
    slug, n = base, 1
    while slug in taken:
        n += 1
        slug = f"{base}-{n}"
    taken.add(slug)
    return slug
