"""Formulas in the text of a page: TeX becomes MathML, which browsers draw by themselves, with no script and no network.

In JupyterLab the same TeX is drawn by the MathJax that comes with it.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from jinja2 import pass_context
from latex2mathml.converter import convert
from mistune import HTMLRenderer
from nbconvert.filters.markdown_mistune import InvalidNotebook, IPythonRenderer, MarkdownWithMath

from fairkd.show.html import Html, render
from fairkd.show.pages.markup import whole

MATHML = "http://www.w3.org/1998/Math/MathML"
ElementTree.register_namespace("", MATHML)


class Renderer(IPythonRenderer):
    """nbconvert's renderer of Markdown, but for formulas; TeX that cannot be read stays as it was written."""

    def inline_math(self, body: str) -> str:
        return _mathml(body, "inline") or super().inline_math(body)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        """An attachment that is missing is shown as an image of another file is: by its name."""
        try:
            return super().image(text, url, title)
        except (InvalidNotebook, StopIteration):
            return HTMLRenderer.image(self, text, url, title)

    def _src_to_base64(self, src: str) -> str | None:
        try:
            return super()._src_to_base64(src)
        except (OSError, ValueError):  # a folder, a file that may not be read, a name that no file can have
            return None

    def block_math(self, body: str) -> str:
        drawn = _mathml(body, "block")
        return render("notes.formula", mathml=Html(drawn)).text if drawn else super().block_math(body)


def _mathml(tex: str, display: str) -> str:
    try:
        drawn = str(convert(tex, display=display))
    except Exception:  # the library raises many kinds
        return ""
    try:
        formula = ElementTree.fromstring(drawn)
    except ElementTree.ParseError:  # "<" or "&" in a text: browsers read that, and indices stay as they are
        return drawn
    # Without a font for mathematics Chromium lowers an index only where it is tall: each gets a strut of no width.
    for script in [node for kind in ("msub", "msubsup") for node in formula.iter(f"{{{MATHML}}}{kind}")]:
        row = ElementTree.Element(f"{{{MATHML}}}mrow")
        row.append(script[1])
        ElementTree.SubElement(row, f"{{{MATHML}}}mspace", height="0.9em")
        script[1] = row
    return ElementTree.tostring(formula, encoding="unicode")


@pass_context
def markdown2html(context: Any, source: str) -> str:
    """The filter of nbconvert's templates by this name."""
    renderer = Renderer(
        escape=False,
        attachments=context.get("cell", {}).get("attachments", {}),
        embed_images=True,
        path=context.get("resources", {}).get("metadata", {}).get("path", ""),
        exclude_anchor_links=True,
    )
    return whole(MarkdownWithMath(renderer=renderer).render(source))
