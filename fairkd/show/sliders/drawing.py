"""Pictures as HTML that a widget shows: those of an explorer, drawn once for all values, and figures."""

from __future__ import annotations

import base64
import io
from typing import Any

from matplotlib.figure import Figure

from fairkd.show import figures
from fairkd.show.html import Html, render
from fairkd.show.sliders.shapes import draw


class Drawing:
    """The pictures of an explorer, drawn once."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.grid = arguments
        ranges = {name: arguments.get(name) for name in ("x_range", "y_range")}
        self._picture = draw(arguments["frames"], x=arguments["x"], y=arguments["y"], **ranges)

    def at(self, value: float) -> Html:
        """The picture at the value of the grid that is nearest, with its sentence and note."""
        values = self.grid["values"]
        position = min(range(len(values)), key=lambda i: abs(values[i] - value))
        title, said = self.grid["title"], self.grid["frames"][position]["sentence"]
        texts = [text for text in (said, self.grid.get("note", "")) if text]
        picture = self._picture.at(position, label=f"{title}. {said}", style="max-width:100%;height:auto")
        return render("pictures.drawing", title=title, picture=picture, texts=texts)


def image(figure: Figure) -> Html:
    """A figure as an image with its label as alternative text."""
    buffer = io.BytesIO()
    with figures.theme():
        figure.savefig(buffer, format="png", dpi=figures.DPI)
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    code, alt = base64.b64encode(buffer.getvalue()).decode("ascii"), str(figure.get_label())
    figure.clear()
    return render("pictures.image", code=code, alt=alt, width=width, height=height)
