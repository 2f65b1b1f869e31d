"""The drawing behind :mod:`fairkd.show.sliders.explorer`: frames of numbers become SVG shapes on axes that stay fixed.

A shape is (tag, attributes, text). The same shapes are written into the page as markup for the start value and as
JSON for the others, so that there is one geometry. Lengths are units of the picture's own width, :data:`WIDTH`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairkd.show.html import Html, render

Piece = tuple[str, tuple[tuple[str, str], ...], str]
Frame = Mapping[str, Any]
Range = tuple[float, float]

WIDTH, PLOT = 480, 210
MARGIN_LEFT, RIGHT = 74, 14
"""Margins beside the axes, whose height is ``PLOT``."""
INK, SOFT, FAINT = "#222222", "#555555", "#e2e2e2"
SERIES = ("#0173b2", "#d55e00", "#029e73", "#a14fa0", "#7a5c2e")
DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 4")
"""Colour and dashes together: lines stay apart in greyscale."""
LINE, ROW, GAP = 18, 27, 14
"""Heights of a line of the legend and of a bar with its word; space around panels."""
FEW = 3
"""Marks of one name up to here are points to read, more are a cloud."""
LETTER = 8.0
"""Width of a letter on a phone's page, where it has 15.5 units in place of 12: there words have the least room."""


@dataclass(frozen=True)
class Picture:
    """All frames of an explorer as shapes.

    Attributes:
        height: of the picture.
        axes: upper edge of the axes, None where nothing is drawn on axes.
        fixed: shapes that stay, by group: "plot" (cut off at the edges of the axes) and "rest".
        moving: the others, in the same groups, a dictionary a frame.
    """

    height: float
    axes: float | None
    fixed: dict[str, list[Piece]]
    moving: list[dict[str, list[Piece]]]

    def at(self, position: int, *, label: str, style: str = "") -> Html:
        """The picture of one frame as SVG; ``style`` is for where the page's style sheet does not reach."""
        axes = None
        if self.axes is not None:
            axes = {"x": MARGIN_LEFT, "y": f"{self.axes:g}", "width": WIDTH - MARGIN_LEFT - RIGHT, "height": PLOT}
        return render(
            "pictures.picture", label=label, style=style, width=WIDTH, height=f"{self.height:g}", axes=axes,
            fixed=self.fixed, moving=self.moving[position],
        )  # fmt: skip


def draw(
    frames: Sequence[Frame], *, x: str, y: str, x_range: Range | None = None, y_range: Range | None = None
) -> Picture:
    """All frames on the same axes and scales, those of the data where no range is given."""
    fixed: dict[str, list[Piece]] = {"plot": [], "rest": []}
    moving: list[dict[str, list[Piece]]] = [{"plot": [], "rest": []} for _ in frames]
    height, axes = 0.0, None
    if any(frame.get(kind) for frame in frames for kind in ("lines", "marks", "bands")):
        level, upright = x_range or _ends(frames, "x"), y_range or _ends(frames, "y", margin=0.05)
        names = _names(frames)
        fixed["rest"], axes = _legend(names)
        fixed["rest"] += _axes(level, upright, axes, x, y)
        for own, frame in zip(moving, frames, strict=True):
            own["plot"] = [
                *_bands(frame, level, upright, names),
                *_lines(frame, level, upright, names),
                *_marks(frame, level, upright, names),
            ]
        height = axes + PLOT + 46
    panels = _panels(frames)
    if panels:
        limits = _bar_limits(frames)
        for own, frame in zip(moving, frames, strict=True):
            own["rest"] = [s for bars in frame.get("bars", []) for s in _bars(bars, panels, limits, height + LINE)]
        rows = max(len(bars["labels"]) for frame in frames for bars in frame.get("bars", []))
        height += LINE + 8 + ROW * rows + GAP
    _keep_what_is_the_same(fixed, moving)
    return Picture(height, axes, fixed, moving)


def _keep_what_is_the_same(fixed: dict[str, list[Piece]], moving: list[dict[str, list[Piece]]]) -> None:
    """Moves what is in every frame to the fixed shapes, so that the page holds it once."""
    for part, shapes in fixed.items():
        everywhere = set.intersection(*(set(own[part]) for own in moving))
        shapes += [shape for shape in moving[0][part] if shape in everywhere]
        for own in moving:
            own[part] = [shape for shape in own[part] if shape not in everywhere]


# --- axes ------------------------------------------------------------------------------------------------------------


def _axes(level: Range, upright: Range, top: float, x: str, y: str) -> Iterator[Piece]:
    right, bottom = WIDTH - RIGHT, top + PLOT
    for value in _ticks(upright):
        at = top + _place(value, upright, PLOT, turned=True)
        yield _shape("path", d=f"M{MARGIN_LEFT} {at:.1f}H{right}", stroke=FAINT)
        yield _text(_label(value), MARGIN_LEFT - 6, at + 4, anchor="end", fill=SOFT)
    for value in _ticks(level):
        at = MARGIN_LEFT + _place(value, level, WIDTH - MARGIN_LEFT - RIGHT)
        yield _shape("path", d=f"M{at:.1f} {top:g}V{bottom:g}", stroke=FAINT)
        yield _text(_label(value), at, bottom + 17, anchor="middle", fill=SOFT)
    yield _shape("path", d=f"M{MARGIN_LEFT} {top:g}V{bottom:g}H{right}", stroke="#888888", fill="none")
    yield _text(x, MARGIN_LEFT + (WIDTH - MARGIN_LEFT - RIGHT) / 2, bottom + 36, anchor="middle", fill=INK)
    middle = top + PLOT / 2
    yield _text(y, 13, middle, anchor="middle", fill=INK, transform=f"rotate(-90 13 {middle:g})")


def _ticks(ends: Range) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    low, high = ends
    return [float(v) for v in MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high) if low <= v <= high]


def _ends(frames: Sequence[Frame], axis: str, *, margin: float = 0.0) -> Range:
    """The least and greatest finite number of an axis in all frames, and a margin."""
    keys = {"lines": (axis,), "marks": (axis,), "bands": ("x",) if axis == "x" else ("low", "high")}
    found = [v for f in frames for k in keys for part in f.get(k, []) for key in keys[k] for v in _finite(part[key])]
    if not found:
        return 0.0, 1.0
    low, high = min(found), max(found)
    spread = (high - low) or max(abs(high), 1.0)
    return (low - margin * spread, high + margin * spread) if high > low else (low - spread / 2, high + spread / 2)


def _place(value: float, ends: Range, length: float, *, turned: bool = False) -> float:
    share = (value - ends[0]) / (ends[1] - ends[0])
    return length * (1 - share if turned else share)


# --- lines and marks -------------------------------------------------------------------------------------------------


def _names(frames: Sequence[Frame]) -> dict[str, str]:
    """Every line's, band's and mark's name, and how its first is drawn: "lines", "bands" or "marks"."""
    found: dict[str, str] = {}
    for kind in ("lines", "bands", "marks"):
        for frame in frames:
            for part in frame.get(kind, []):
                found.setdefault(str(part["name"]), kind)
    return found


def _look(name: str, names: Mapping[str, str]) -> tuple[str, str]:
    """Colour and dashes of a name. A mark on a line has the line's colour, other marks are dark.

    The first band goes with the first line and has its colour, and so on.
    """
    if names[name] == "marks":
        return INK, ""
    position = [other for other, kind in names.items() if kind == names[name]].index(name)
    return SERIES[position % len(SERIES)], DASHES[position % len(DASHES)]


def _lines(frame: Frame, level: Range, upright: Range, names: Mapping[str, str]) -> Iterator[Piece]:
    width = WIDTH - MARGIN_LEFT - RIGHT
    for part in frame.get("lines", []):
        steps, pen = [], "M"
        for x, y in zip(part["x"], part["y"], strict=True):
            if not (_is_finite(x) and _is_finite(y)):
                pen = "M"
                continue
            # Far outside is cut off anyway, and a length of 1e300 is none that a browser can draw.
            at = min(max(_place(y, upright, PLOT, turned=True), -20.0 * PLOT), 20.0 * PLOT)
            steps.append(f"{pen}{_place(x, level, width):.1f} {at:.1f}")
            pen = "L"
        colour, dashes = _look(str(part["name"]), names)
        if steps:
            yield _shape("path", d="".join(steps), fill="none", stroke=colour, width="2", dashes=dashes)


def _bands(frame: Frame, level: Range, upright: Range, names: Mapping[str, str]) -> Iterator[Piece]:
    for part in frame.get("bands", []):
        colour, _ = _look(str(part["name"]), names)
        pieces: list[list[tuple[float, float, float]]] = [[]]
        for x, low, high in zip(part["x"], part["low"], part["high"], strict=True):
            if _is_finite(x) and _is_finite(low) and _is_finite(high):
                lower, upper = (_place(v, upright, PLOT, turned=True) for v in (low, high))
                pieces[-1].append((_place(x, level, WIDTH - MARGIN_LEFT - RIGHT), lower, upper))
            else:
                pieces.append([])
        for piece in (piece for piece in pieces if len(piece) > 1):
            edge = [(x, low) for x, low, _ in piece] + [(x, high) for x, _, high in reversed(piece)]
            outline = "L".join(f"{x:.1f} {y:.1f}" for x, y in edge)
            yield _shape("path", d=f"M{outline}Z", fill=colour, **{"fill-opacity": "0.18"})


def _marks(frame: Frame, level: Range, upright: Range, names: Mapping[str, str]) -> Iterator[Piece]:
    for part in frame.get("marks", []):
        points = [
            (_place(x, level, WIDTH - MARGIN_LEFT - RIGHT), _place(y, upright, PLOT, turned=True))
            for x, y in zip(as_list(part["x"]), as_list(part["y"]), strict=True)
            if _is_finite(x) and _is_finite(y)
        ]
        colour, _ = _look(str(part["name"]), names)
        if len(points) <= FEW:
            for across, down in points:
                yield _shape("circle", cx=f"{across:.1f}", cy=f"{down:.1f}", r="5.5", fill=colour, stroke="#ffffff")
        else:  # a cloud is one shape: a line of no length with round ends is a dot
            dots = "".join(f"M{across:.1f} {down:.1f}h0" for across, down in points)
            round_ends = {"stroke-linecap": "round", "stroke-opacity": "0.45"}
            yield _shape("path", d=dots, fill="none", stroke=colour, width="6", **round_ends)


def _legend(names: Mapping[str, str]) -> tuple[list[Piece], float]:
    """Names with their colours, in as many lines as they need; and where the axes begin."""
    shapes: list[Piece] = []
    across, down = float(MARGIN_LEFT), 16.0
    for name, kind in names.items():
        wide = 30 + LETTER * len(name)
        if across > MARGIN_LEFT and across + wide > WIDTH - RIGHT:
            across, down = MARGIN_LEFT, down + LINE
        colour, dashes = _look(name, names)
        if kind == "lines":
            line = f"M{across:.1f} {down - 4:g}h18"
            shapes.append(_shape("path", d=line, fill="none", stroke=colour, width="2", dashes=dashes))
        elif kind == "bands":
            swatch = f"M{across:.1f} {down - 9:g}h18v10h-18Z"
            shapes.append(_shape("path", d=swatch, fill=colour, **{"fill-opacity": "0.18"}))
        else:
            shapes.append(_shape("circle", cx=f"{across + 9:.1f}", cy=f"{down - 4:g}", r="4.5", fill=colour))
        shapes.append(_text(name, across + 23, down, fill=INK))
        across += wide + 10
    return shapes, down + 12


# --- bars ------------------------------------------------------------------------------------------------------------


def _panels(frames: Sequence[Frame]) -> list[str]:
    return list(dict.fromkeys(str(bars["name"]) for frame in frames for bars in frame.get("bars", [])))


def _bar_limits(frames: Sequence[Frame]) -> Range:
    found = [v for frame in frames for bars in frame.get("bars", []) for v in _finite(bars["values"])]
    low, high = min([0.0, *found]), max([0.0, *found])
    return low, high if high > low else low + 1


def _bars(bars: Mapping[str, Any], panels: Sequence[str], limits: Range, top: float) -> Iterator[Piece]:
    """A panel: its name, then a row a bar with the word and the number above it, so that long words have room."""
    number = panels.index(str(bars["name"]))
    width = (WIDTH - 2 * GAP - GAP * (len(panels) - 1)) / len(panels)
    left = GAP + number * (width + GAP)
    yield _text(_cut(str(bars["name"]), width), left, top, fill=INK, weight="600")
    zero = left + _place(0.0, limits, width)
    for row, (word, value) in enumerate(zip(bars["labels"], bars["values"], strict=True)):
        line = top + 8 + ROW * row + 14
        yield _text(_cut(str(word), width - 44), left, line, fill=INK)
        if not _is_finite(value):
            yield _text("–", left + width, line, anchor="end", fill=SOFT)
            continue
        end = left + _place(value, limits, width)
        yield _text(f"{value:.3f}".replace("-", "−"), left + width, line, anchor="end", fill=SOFT)
        wide, begin = abs(end - zero), min(zero, end)
        colour = SERIES[number % len(SERIES)]
        yield _shape("rect", x=f"{begin:.1f}", y=f"{line + 4:g}", width=f"{wide:.1f}", height="6", fill=colour)


def _cut(word: str, width: float) -> str:
    room = max(int(width / LETTER), 3)
    return word if len(word) <= room else f"{word[: room - 1]}…"


# --- shapes ----------------------------------------------------------------------------------------------------------


def _shape(tag: str, content: str = "", *, dashes: str = "", **attributes: str) -> Piece:
    if tag == "path" and "width" in attributes:
        attributes["stroke-width"] = attributes.pop("width")
    if dashes:
        attributes["stroke-dasharray"] = dashes
    return tag, tuple(attributes.items()), content


def _text(content: str, x: float, y: float, *, anchor: str = "", weight: str = "", **attributes: str) -> Piece:
    more = {"text-anchor": anchor, "font-weight": weight}
    shown = {name: value for name, value in more.items() if value}
    return _shape("text", content, x=f"{x:.1f}", y=f"{y:.1f}", **shown, **attributes)


def _label(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def as_list(value: Any) -> list[Any]:
    """A number, a sequence or an array as a list."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _finite(values: Any) -> list[float]:
    return [value for value in as_list(values) if _is_finite(value)]
