"""Every figure and table of a page has a number, an id and a link to itself.

Figures and tables of the paper keep the paper's names: a caption that begins with "Figure 1" or "Table 2" gets no
number. All others are numbered, "Fig. 5.2" in the notebook 05, so that none of them is called as one of the paper is.
"""

from __future__ import annotations

import re
from typing import Any

_PAPERS = re.compile(r"\s*(Figure|Table) \d+\b")
_NAMES = {"figure": "Fig.", "table": "Table"}


def number_all(soup: Any, main: Any, *, notebook: str, taken: set[str]) -> None:
    """Numbers figures and tables in the order of the page.

    Args:
        soup: the page.
        main: its content; tables stand in their scroll boxes, below their captions.
        notebook: its name; "05_report" numbers from 5.1.
        taken: ids that are taken already; those that are given are added.
    """
    found = re.match(r"\d\d(?=_)", notebook)
    prefix = f"{int(found.group())}." if found else ""
    counts = {"figure": 0, "table": 0}
    for element in main.select("figure.plot, figure.explorer, table"):
        kind = element.name
        caption = _caption(soup, element)
        said = caption.get_text().strip()
        label = ""
        if not _PAPERS.match(said):
            counts[kind] += 1
            label = f"{_NAMES[kind]} {prefix}{counts[kind]}"
        own = element.attrs.pop("data-name", "") or _name(kind, said)
        _label(soup, caption, label, slug(own, taken))
        if kind == "table":
            name = caption.find("span", class_="said")["id"]
            element["aria-labelledby"] = element.parent["aria-labelledby"] = name
        elif element.find(class_="scroll") is not None:
            element.find(class_="scroll")["aria-labelledby"] = caption.find("span", class_="said")["id"]


def _caption(soup: Any, element: Any) -> Any:
    """The caption of a figure, or the paragraph before a table's box; an empty one where there is none."""
    if element.name == "figure":
        if element.find("figcaption") is None:
            element.insert(0, soup.new_tag("figcaption"))
        return element.find("figcaption")
    before = element.parent.find_previous_sibling()
    if before is None or "caption" not in before.get("class", []):
        before = soup.new_tag("p", attrs={"class": "caption"})
        element.parent.insert_before(before)
    return before


def _name(kind: str, caption: str) -> str:
    """An id that stays when other figures come and go: the first words of the caption."""
    words = re.split(r"[.,:;(]", caption, maxsplit=1)[0].split()
    name = " ".join(words[:6])
    return name if name.lower().startswith(kind) else f"{kind} {name}"


def _label(soup: Any, caption: Any, label: str, name: str) -> None:
    """Puts the number before a caption and a link after it."""
    said = soup.new_tag("span", attrs={"class": "said", "id": f"{name}-caption"})
    papers = _PAPERS.match(str(caption.contents[0])) if caption.contents else None
    number = soup.new_tag("span", attrs={"class": "label"})
    number.string = papers.group() if papers else f"{label} "
    said.append(number)
    if papers:
        caption.contents[0].replace_with(str(caption.contents[0])[papers.end() :])
    said.extend(list(caption.contents))
    link = soup.new_tag("a", attrs={"class": "here", "href": f"#{name}"})
    link["aria-label"] = f"Link to {label or said.get_text().split('.')[0].strip()}"
    link.string = "#"
    caption["id"] = name
    caption.extend([said, " ", link])


def slug(text: str, taken: set[str]) -> str:
    """An id: the words of a text, made unique on the page by ``taken``, to which it is added."""
    base = re.sub(r"[^\w]+", "-", text.strip().lower()).strip("-") or "section"
    name, n = base, 1
    while name in taken:
        n += 1
        name = f"{base}-{n}"
    taken.add(name)
    return name
