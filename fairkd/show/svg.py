"""Drawings as they stand in notebooks and pages: small SVG of shapes and text alone, whoever made them.

:func:`clean` keeps what draws, by a list of elements and attributes: no script, no style sheet that would reach beyond
the drawing, no address outside of it. Colours become attributes, so that a page's style sheet can give them another
form at night (:func:`night`).
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from fairkd.errors import InputError

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"
"""What a reader's computer writes with; figures leave room, they are measured in a wider font."""
_ELEMENTS = re.compile(
    "svg|g|defs|clipPath|use|text|tspan|image|path|rect|circle|ellipse|line|polyline|polygon|pattern|stop"
    "|linearGradient|radialGradient"
)
_STYLES = re.compile(
    "(fill|clip)-(rule|path)|fill|stroke|(fill|stroke|stop)-opacity|opacity|stop-color|font-(size|style|weight)"
    "|stroke-(width|dasharray|dashoffset|linecap|linejoin|miterlimit)|text-anchor|dominant-baseline"
)
"""What may be said in a style or as an attribute."""
_PLACES = re.compile(
    "id|d|x|y|[xy][12]|c[xy]|r|r[xy]|d[xy]|width|height|points|transform|viewBox|offset|preserveAspectRatio"
    "|(gradient|pattern|clipPath)(Units|Transform|ContentUnits)"
)
_MATPLOTLIB = "*{stroke-linejoin: round; stroke-linecap: butt}"
"""The style sheet in every drawing of matplotlib, which would hold for the whole page."""
_REFERENCE = re.compile(r"url\(\s*['\"]?#([^)'\"]+)['\"]?\s*\)")
_LONG = re.compile(r"-?\d+\.\d{3,}")
LARGEST = 3_000_000
"""Characters of a drawing that a page takes in."""


def clean(source: str, *, prefix: str = "") -> Element:
    """The drawing of an SVG file as an ``svg`` element without a namespace, ready for a page.

    Args:
        source: the file.
        prefix: before every id, so that the drawings of one page do not share one.

    Raises:
        InputError: it cannot stand in a page as it is: not XML, with entities or a style sheet of its own, too large,
            or without a size.
    """
    if len(source) > LARGEST or "<!ENTITY" in source:
        raise InputError(f"an SVG image of a page has at most {LARGEST:,} characters and no entities")
    try:
        root = ElementTree.fromstring(source.encode("utf-8", "replace"))
    except ElementTree.ParseError as error:
        raise InputError(f"an SVG image that is not XML: {error}") from None
    if _name(root.tag) != "svg":
        raise InputError(f"an SVG image begins with {_name(root.tag)!r}")
    styles = {str(element.text).strip() for element in root.iter() if _name(str(element.tag)) == "style"}
    if styles - {_MATPLOTLIB}:
        raise InputError("an SVG image with a style sheet, which would hold for the whole page")
    width, height = _size(root)
    drawn = _kept(root, prefix)
    drawn.attrib = {
        "viewBox": root.get("viewBox") or f"0 0 {width:g} {height:g}", "width": f"{width:g}", "height": f"{height:g}",
        "font-family": FONT, "fill": "#000000",
    }  # fmt: skip
    if styles or root.get("stroke-linejoin") == "round":
        drawn.set("stroke-linejoin", "round")
    _number_ids(drawn, prefix)
    return drawn


def written(drawing: Element) -> str:
    """A cleaned drawing as a file by itself."""
    whole = Element("svg", {"xmlns": SVG, **drawing.attrib})
    whole.extend(drawing)
    return ElementTree.tostring(whole, encoding="unicode")


def markup(drawing: Element) -> str:
    """A cleaned drawing as it stands in a page."""
    return ElementTree.tostring(drawing, encoding="unicode").replace(" />", "/>")


def night(colour: str) -> str:
    """A colour for a dark page: of the same hue, dark for light and light for dark.

    >>> night("#222222"), night("#0173b2"), night("#ffffff")
    ('#dcdcdc', '#58c3fe', '#191919')
    """
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    hue, light, full = colorsys.rgb_to_hls(red, green, blue)
    return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hls_to_rgb(hue, 0.98 - 0.88 * light, full))


def _kept(element: Element, prefix: str) -> Element:
    """An element with what is allowed of it; groups that say nothing give way to what they hold."""
    found = Element(_name(element.tag), _attributes(element, prefix))
    if found.tag in ("text", "tspan"):
        found.text = element.text
    for child in element:
        if not isinstance(child.tag, str) or not _ELEMENTS.fullmatch(_name(child.tag)):
            continue
        own = _kept(child, prefix)
        if found.tag in ("text", "tspan"):
            own.tail = child.tail if (child.tail or "").strip() else None
        if own.tag == "g" and not own.attrib.keys() - {"id"}:
            found.extend(own)
        elif own.tag != "g" or len(own):
            found.append(own)
    if found.tag == "text" and len(found) and not (found.text or "").strip():
        found.text = None  # the indentation of a file
    return found


def _attributes(element: Element, prefix: str) -> dict[str, str]:
    said = {_name(name): value for name, value in element.attrib.items()}
    style = dict(part.split(":", 1) for part in said.pop("style", "").split(";") if ":" in part)
    found = {name: value for name, value in said.items() if _PLACES.fullmatch(name) or _STYLES.fullmatch(name)}
    found |= {name.strip(): value.strip() for name, value in style.items() if _STYLES.fullmatch(name.strip())}
    href = said.get("href", "")
    if href.startswith("#"):
        found["href"] = f"#{prefix}{href[1:]}"
    elif re.match(r"data:image/(png|jpeg);base64,", href) and _name(element.tag) == "image":
        found["href"] = href
    if "id" in found:
        found["id"] = prefix + found["id"]
    if _name(element.tag) == "tspan" and found.get("font-style") == "oblique":
        found["font-style"] = "italic"
    kept = {name: _short(name, value, prefix) for name, value in found.items()}
    return {name: value for name, value in kept.items() if value}


def _short(name: str, value: str, prefix: str) -> str:
    """A value with numbers of two decimals; "" for one that leads out of the drawing, or says what is so anyway."""
    if name in ("href", "id"):
        return value
    if "url(" in value:
        inside = _REFERENCE.fullmatch(value.strip())
        return f"url(#{prefix}{inside.group(1)})" if inside else ""
    if name == "transform" and value.startswith("rotate(-0 "):
        return ""
    if name in ("fill", "stroke", "stop-color"):
        return value.lower()
    short = _LONG.sub(lambda found: f"{float(found.group()):.2f}".rstrip("0").rstrip("."), value)
    return re.sub(r"\s+", " ", re.sub(r"\s*([MLHVCQZmlhvcqz])\s*", r"\1", short)).strip() if name == "d" else short


def _number_ids(drawing: Element, prefix: str) -> None:
    """Only what something in the drawing refers to keeps an id: its place. matplotlib's own are other in every run."""
    asked = set(_references(drawing))
    for element in drawing.iter():
        if element.get("id", "") not in asked:
            element.attrib.pop("id", None)
    given = [element.attrib["id"] for element in drawing.iter() if "id" in element.attrib]
    names = {old: f"{prefix}i{place}" for place, old in enumerate(dict.fromkeys(given))}
    for element in drawing.iter():
        for name, value in element.attrib.items():
            if name == "id":
                element.set(name, names[value])
            elif name == "href" and value.startswith("#"):
                element.set(name, f"#{names.get(value[1:], value[1:])}")
            elif "url(#" in value:
                element.set(name, _REFERENCE.sub(lambda found: f"url(#{names.get(found[1], found[1])})", value))


def _references(drawing: Element) -> Iterator[str]:
    for element in drawing.iter():
        for name, value in element.attrib.items():
            if name == "href" and value.startswith("#"):
                yield value[1:]
            yield from _REFERENCE.findall(value)


def _size(root: Element) -> tuple[float, float]:
    """Width and height in the pixels of a page."""
    units = {"": 1.0, "px": 1.0, "pt": 4 / 3, "in": 96.0, "cm": 96 / 2.54, "mm": 96 / 25.4}
    found = [re.fullmatch(r"\s*([\d.]+)\s*([a-z]*)\s*", root.get(name, "")) for name in ("width", "height")]
    box = re.findall(r"[-\d.]+", root.get("viewBox", ""))
    try:
        sizes = [float(one.group(1)) * units[one.group(2)] for one in found if one]
        sizes = sizes if len(sizes) == 2 else [float(value) for value in box[2:4]]
    except (ValueError, KeyError):
        sizes = []
    if len(sizes) != 2 or not all(0 < value < 20_000 for value in sizes):
        raise InputError("an SVG image without a size")
    return round(sizes[0], 2), round(sizes[1], 2)


def _name(tag: str) -> str:
    return tag.rpartition("}")[2]
