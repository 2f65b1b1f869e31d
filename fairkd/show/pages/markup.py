"""What an exported page needs beyond its cells: contents, scroll boxes, buttons that sort, and nothing that runs.

Works on the markup that :mod:`fairkd.show.pages.export` gets from nbconvert.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Mapping
from typing import Any


def whole(html: str) -> str:
    """A piece of markup with every element closed, and nothing that closes an element outside of it."""
    from bs4 import BeautifulSoup

    return str(BeautifulSoup(html, "html.parser"))


def finish(html: str, *, pages: Mapping[str, str] | None = None) -> str:
    """Adds contents, heading ids, scroll boxes and buttons that sort; drops what could load or run something.

    ``pages``: file in the page's own folder -> its title, for the contents.
    """
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(html, "html.parser")
    main = soup.find("main")
    assert main is not None  # our template writes it
    _disarm(main)
    for text in main.find_all("pre"):
        text["tabindex"] = "0"  # so that keys can scroll long lines
    for image in main.find_all("img"):
        if str(image.get("src", "")).startswith("data:"):
            _reserve(image)
            if image.find_parent(class_="output_png") is not None:
                image.wrap(_scroll_box(soup, "Figure"))
        else:
            image.replace_with(f"[an image that is not in this file: {image.get('alt') or image.get('src')}]")
    for number, table in enumerate(main.find_all("table"), start=1):
        if table.find_parent(class_="result") is not None and _is_plain(table):
            _make_sortable(soup, table)
        _box(soup, table, number)
    contents = soup.find(id="contents")
    assert contents is not None
    lists = {"Contents": _contents(main), "Notebooks": pages or {}}
    for title, targets in lists.items():
        if targets:
            label = soup.new_tag("p")
            label.string = title
            contents.extend([label, _links(soup, targets)])
    if not contents.contents:
        contents.decompose()
    return str(soup)


def _disarm(main: Any) -> None:
    """The policy forbids these already; a page without them is also clean for readers that know no policy."""
    data = main.select('figure.explorer > script[type="application/json"]')
    for element in main.select("script, link, iframe, object, embed, base, meta, form, audio, video"):
        if not any(element is kept for kept in data):
            element.decompose()
    for element in main.find_all(True):
        for name in [name for name in element.attrs if name.lower().startswith("on")]:
            del element[name]


def _contents(main: Any) -> dict[str, str]:
    """Gives headings ids; returns those of the second level: address -> text."""
    entries: dict[str, str] = {}
    taken: set[str] = {"contents", "content"}
    for heading in main.select(".text-cell :is(h1, h2, h3)"):
        heading["id"] = _slug(heading.get_text(), taken)
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


def _box(soup: Any, table: Any, number: int) -> None:
    """Lets a wide table scroll by itself; its caption stays outside, where it wraps with the page."""
    box = _scroll_box(soup, "Table")
    table.wrap(box)
    caption = table.find("caption")
    if caption is not None:
        caption.extract()
        caption.name, caption["class"], caption["id"] = "p", "caption", f"table-caption-{number}"
        box.insert_before(caption)
        del box["aria-label"]
        box["aria-labelledby"] = table["aria-labelledby"] = caption["id"]


def _scroll_box(soup: Any, label: str) -> Any:
    return soup.new_tag("div", attrs={"class": "scroll", "tabindex": "0", "role": "region", "aria-label": label})


def _slug(text: str, taken: set[str]) -> str:
    """A heading's id: its words, made unique on the page."""
    base = re.sub(r"[^\w]+", "-", text.strip().lower()).strip("-") or "section"
    slug, n = base, 1
    while slug in taken:
        n += 1
        slug = f"{base}-{n}"
    taken.add(slug)
    return slug
