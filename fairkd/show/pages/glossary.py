"""Terms explained where they first stand in a section, and in a list at the end of the page."""

from __future__ import annotations

import re
from typing import Any

from fairkd.show.glossary import TERMS
from fairkd.show.html import render

_TERM = re.compile(
    rf"(?<![\w-])({'|'.join(re.escape(term) for term in sorted(TERMS, key=len, reverse=True))})s?(?![\w-])"
)
_ASIDE = "a, abbr, code, pre, math, sub, table, button, summary, label, .caption, .data, .explorer, .skip"
"""In these no term is explained: they are no running text, or lead somewhere already."""


def explain_terms(soup: Any, main: Any) -> None:
    """Marks the first occurrence of each term in the running text of each section, and adds the glossary.

    The glossary has the terms of captions and of the heads of tables, too.
    """
    found: set[str] = set()
    here: set[str] = set()
    for element in main.select("h2, p, li"):
        if element.name == "h2":
            here = set()
        elif not _is_aside(element) and element.find_parent(_is_aside) is None:
            here = _explained(soup, element, here)
            found |= here
    for element in main.select("th, .caption"):  # where no term is explained on the spot
        found |= {match.group(1) for match in _TERM.finditer(element.get_text())}
    if found:
        from bs4 import BeautifulSoup

        entries = {term: TERMS[term] for term in sorted(found, key=str.casefold)}
        main.append(BeautifulSoup(render("notes.glossary", terms=entries).text, "html.parser"))


def _is_aside(element: Any) -> bool:
    return bool(element.name and element.css.match(_ASIDE))


def _explained(soup: Any, element: Any, known: set[str]) -> set[str]:
    """Puts terms that are not ``known`` into an ``abbr``; returns all that are known now."""
    known = set(known)
    for text in [text for text in element.find_all(string=_TERM) if not text.find_parent(_is_aside)]:
        if text.find_parent(["p", "li"]) is not element:
            continue  # it is looked at with its own paragraph
        pieces: list[Any] = []
        end = 0
        for match in _TERM.finditer(str(text)):
            if match.group(1) not in known:
                known.add(match.group(1))
                mark = soup.new_tag("abbr", attrs={"title": TERMS[match.group(1)]})
                mark.string = match.group()
                pieces += [str(text)[end : match.start()], mark]
                end = match.end()
        if pieces:
            text.replace_with(*[piece for piece in (*pieces, str(text)[end:]) if piece != ""])
    return known
