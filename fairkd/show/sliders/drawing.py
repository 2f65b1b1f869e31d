"""Pictures as HTML that a widget shows: those of an explorer, drawn once for all values, and figures."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Any

from matplotlib.figure import Figure

from fairkd.show import figures
from fairkd.show.sliders.shapes import draw


class Drawing:
    """The pictures of an explorer, drawn once."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.grid = arguments
        ranges = {name: arguments.get(name) for name in ("x_range", "y_range")}
        self._picture = draw(arguments["frames"], x=arguments["x"], y=arguments["y"], **ranges)

    def at(self, value: float) -> str:
        """The picture at the value of the grid that is nearest, with its sentence and note, HTML."""
        values = self.grid["values"]
        position = min(range(len(values)), key=lambda i: abs(values[i] - value))
        title, said = self.grid["title"], self.grid["frames"][position]["sentence"]
        below = "".join(f"<p>{escape(text)}</p>" for text in (said, self.grid.get("note", "")) if text)
        picture = self._picture.markup(position, label=f"{title}. {said}")
        # Two pictures stand side by side where there is room; a page's style sheet does not reach a widget.
        picture = picture.replace("<svg ", '<svg style="max-width:100%;height:auto" ', 1)
        look = "margin:0;flex:1 1 340px;max-width:480px;line-height:1.4"
        return f'<figure style="{look}"><figcaption>{escape(title)}</figcaption>{picture}{below}</figure>'


def image(figure: Figure) -> str:
    """A figure as an image with its label as alternative text, HTML."""
    buffer = io.BytesIO()
    with figures.theme():
        figure.savefig(buffer, format="png", dpi=figures.DPI)
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    code, alt = base64.b64encode(buffer.getvalue()).decode("ascii"), escape(str(figure.get_label()))
    figure.clear()
    return (
        f'<img src="data:image/png;base64,{code}" alt="{alt}" width="{width}" height="{height}" '
        'style="max-width:100%;height:auto">'
    )
