"""What an exported page needs beyond its cells: contents, folds, scroll boxes, buttons that sort, nothing that runs.

Works on the markup that :mod:`fairkd.show.pages.export` gets from nbconvert.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Mapping
from typing import Any

from fairkd.show.pages.glossary import explain_terms
from fairkd.show.pages.numbers import number_all, slug
from fairkd.show.svg import night

_LEAVES_ITS_PLACE = re.compile(r"position|margin|transform|inset|z-index|\\|/\*", re.IGNORECASE)
"""In the style of an element: what moves it over others, or may be such a word that is written in another way."""
_WITH_ITS_NUMBER = re.compile(
    r"(?<=\d) (?=(?:%|s|ms|min|h|nats)(?![\w-]))|(?<=[\w)]) (?=[=<≥≤] [−.\d])|(?<=[=<≥≤]) (?=[−.\d])|(?<=\(α,) (?=α\))"
)
"""A space between a number and its unit or sign, and between a sign and a name, at which no line may end."""


def whole(html: str) -> str:
    """A piece of markup with every element closed, and nothing that closes an element outside of it."""
    from bs4 import BeautifulSoup

    return str(BeautifulSoup(html, "html.parser"))


def finish(
    html: str,
    *,
    notebook: str = "",
    pages: Mapping[str, str] | None = None,
    drawings: Mapping[str, str] | None = None,
) -> str:
    """Adds contents, ids, numbers, folds, scroll boxes, buttons and a glossary; drops what could load or run something.

    Args:
        html: the page.
        notebook: its name, from which figures and tables are numbered.
        pages: file in the page's own folder -> its title, for the contents.
        drawings: name -> markup, for the places that ``data-drawing`` names.
    """
    from bs4 import BeautifulSoup
    from bs4.element import PreformattedString

    soup = BeautifulSoup(html, "html.parser")
    main = soup.find("main")
    assert main is not None  # our template writes it
    _disarm(main)
    for text in main.find_all("pre"):
        text["tabindex"] = "0"  # so that keys can scroll long lines
    for image in main.find_all("img"):
        if str(image.get("src", "")).startswith("data:"):
            _reserve(image)
            if image.find_parent("figure", class_="plot") is not None:
                image.wrap(_scroll_box(soup))
        else:
            image.replace_with(f"[an image that is not in this file: {image.get('alt') or image.get('src')}]")
    for table in main.find_all("table"):
        if table.find_parent(class_="result") is not None and _is_plain(table):
            _make_sortable(soup, table)
        _box(soup, table)
    _bind(main)
    explain_terms(soup, main)
    taken = {"contents", "content"}
    sections = _sections(main, taken)
    number_all(soup, main, notebook=notebook, taken=taken)
    for cell in main.select("section.fold"):
        _fold(soup, cell)
    _fill_contents(soup, sections, pages or {}, folds=main.find("details", class_="fold") is not None)
    _add_night(soup, main, "".join((drawings or {}).values()))
    left = dict(drawings or {})
    for place in main.select("[data-drawing]"):
        place.replace_with(PreformattedString(left.pop(str(place["data-drawing"]), "")))
    return str(soup)


def _fill_contents(soup: Any, sections: Mapping[str, str], pages: Mapping[str, str], *, folds: bool) -> None:
    """Lists of links in a fold, which the script opens where there is room beside the page.

    Below them a button for all folds of the page, which is hidden where there is no script.
    """
    contents = soup.find(id="contents")
    assert contents is not None
    if not sections and not pages:
        contents.decompose()
        return
    fold, head = soup.new_tag("details"), soup.new_tag("summary")
    head.string = "Contents" if sections else "Notebooks"
    fold.append(head)
    if sections:
        fold.append(_links(soup, sections))
    if sections and pages:
        label = soup.new_tag("p")
        label.string = "Notebooks"
        fold.append(label)
    if pages:
        fold.append(_links(soup, pages))
    if folds:
        button = soup.new_tag("button", attrs={"class": "folds", "type": "button", "hidden": ""})
        button.string = "Open all sections"
        fold.append(button)
    contents.append(fold)


def _fold(soup: Any, cell: Any) -> None:
    """Folds what stands below the first heading of a cell, up to the next cell with a heading as high or higher."""
    head = cell.find(["h1", "h2", "h3", "h4", "h5", "h6"])
    if head is None:
        return
    ends = [f"h{level}" for level in range(1, int(head.name[1]) + 1)]
    rest = []
    for follower in cell.find_next_siblings():
        if "text-cell" in follower.get("class", []) and follower.find(ends) is not None:
            break
        rest.append(follower)
    fold, summary = soup.new_tag("details", attrs={"class": "fold"}), soup.new_tag("summary")
    cell.insert_before(fold)
    summary.append(head.extract())
    fold.extend([summary, cell, *rest])


def _add_night(soup: Any, main: Any, drawings: str) -> None:
    """What the colours of drawings become on a dark page."""
    named = {element.get(name, "") for element in main.find_all(True) for name in ("fill", "stroke", "stop-color")}
    named |= {colour for data in main.find_all("script") for colour in re.findall(r"#[0-9a-f]{6}\b", str(data.string))}
    named |= set(re.findall(r'(?:fill|stroke|stop-color)="(#[0-9a-f]{6})"', drawings))
    rules = []
    for colour in sorted(name for name in named if re.fullmatch("#[0-9a-f]{6}", name)):
        other = "var(--paper)" if colour == "#ffffff" else night(colour)
        # Without "svg" before it: that would not reach what a <use> draws.
        rules += [f'[{name}="{colour}"]{{{name}:{other}}}' for name in ("fill", "stroke", "stop-color")]
    style = soup.head.find("style") if soup.head else None
    if rules and style is not None:
        style.append("@media screen and (prefers-color-scheme: dark) {\n" + "\n".join(rules) + "\n}\n")


def _disarm(main: Any) -> None:
    """Drops what could load or run something, and what could draw over the rest of the page or hide it.

    The policy forbids the first already; a page without them is also clean for readers that know no policy. With style
    sheets those of pandas' Styler go, as nothing confines their rules to their own table.
    """
    data = main.select('figure.explorer > script[type="application/json"]')
    for element in main.select("script, style, link, iframe, object, embed, base, meta, form, audio, video"):
        if not any(element is kept for kept in data):
            element.decompose()
    for element in main.find_all(True):
        for name in [name for name in element.attrs if name.lower().startswith("on")]:
            del element[name]
        if _LEAVES_ITS_PLACE.search(element.get("style", "")):
            del element["style"]


def _bind(main: Any) -> None:
    """Keeps numbers in running text, captions and cells in one line with their units; code stays as it is."""
    from bs4.element import PreformattedString

    for text in main.find_all(string=_WITH_ITS_NUMBER):
        hidden = isinstance(text, PreformattedString)  # a comment is to stay one
        if not hidden and text.find_parent(["code", "pre", "script", "math", "kbd", "samp"]) is None:
            text.replace_with(_WITH_ITS_NUMBER.sub("\N{NO-BREAK SPACE}", str(text)))


def _sections(main: Any, taken: set[str]) -> dict[str, str]:
    """Gives headings ids; returns those of the second level: address -> text."""
    entries: dict[str, str] = {}
    for heading in main.select(".text-cell :is(h1, h2, h3)"):
        heading["id"] = slug(heading.get_text(), taken)
        if heading.name == "h2":
            entries[f"#{heading['id']}"] = heading.get_text().strip()
    return entries


def _links(soup: Any, targets: Mapping[str, str]) -> Any:
    """A list of links: address -> text."""
    entries = soup.new_tag("ol")
    for address, text in targets.items():
        link = soup.new_tag("a", attrs={"href": address})
        link.string = text
        item = soup.new_tag("li")
        item.append(link)
        entries.append(item)
    return entries


def _reserve(image: Any) -> None:
    """Writes the size of a PNG beside it, so that the page does not move when the image is decoded."""
    kind, _, data = image.get("src", "").partition(";base64,")
    if kind != "data:image/png" or image.get("width") or image.get("height"):
        return
    try:
        header = base64.b64decode("".join(data[:64].split())[:32])  # signature, length and name of a block, its size
    except ValueError:
        return
    if header[12:16] == b"IHDR" and len(header) == 24:
        image["width"], image["height"] = map(str, struct.unpack(">II", header[16:24]))


def _is_plain(table: Any) -> bool:
    """Whether rows can change places: one row of headings, one group of rows, nothing spans, no totals or groups."""
    heads, bodies = table.select("thead > tr"), table.find_all("tbody")
    rows = table.select("tbody > tr")
    if len(heads) != 1 or len(bodies) != 1 or len(rows) < 2 or table.select("[rowspan], [colspan], table"):
        return False
    width = len(heads[0].find_all("th", recursive=False))
    whole = all(len(row.find_all(["th", "td"], recursive=False)) == width for row in rows)
    return whole and not any(row.get("class") for row in rows)  # a class marks totals and groups


def _make_sortable(soup: Any, table: Any) -> None:
    """Headings become buttons, which the script wakes: written here, so that nothing moves when it does."""
    table["class"] = [*table.get("class", []), "sortable"]
    for head in table.select("thead > tr > th"):
        if head.get_text().strip():
            button = soup.new_tag("button", attrs={"type": "button", "class": "sort", "disabled": ""})
            button.extend(list(head.contents))
            head.append(button)


def _box(soup: Any, table: Any) -> None:
    """Lets a wide table scroll by itself; its caption stays outside, where it wraps with the page."""
    box = _scroll_box(soup)
    table.wrap(box)
    caption = table.find("caption")
    if caption is not None:
        caption.extract()
        caption.name, caption.attrs = "p", {"class": "caption"}
        box.insert_before(caption)


def _scroll_box(soup: Any) -> Any:
    """A box that keys can scroll; its name is the caption, see :mod:`fairkd.show.pages.numbers`."""
    return soup.new_tag("div", attrs={"class": "scroll", "tabindex": "0", "role": "region"})
