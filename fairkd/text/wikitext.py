"""Prose of a MediaWiki page: what a reader of the article reads as sentences, one paragraph a line.

gensim's ``filter_wiki`` takes the markup away. Before it go the parts whose text is not prose: tables, pictures
with their captions, formulas, references, sections that only list sources. After it go the lines that are not
sentences: headings, list entries, cells.
"""

from __future__ import annotations

import re

SKIPPED_SECTIONS = frozenset(
    {
        "references", "external links", "see also", "further reading", "notes", "footnotes", "bibliography",
        "sources", "citations", "works cited", "notes and references", "references and notes", "gallery",
        "publications", "discography", "filmography",
    }
)  # fmt: skip
MINIMUM_WORDS = 6  # shorter lines are labels rather than sentences

_IGNORE_CASE = re.IGNORECASE | re.DOTALL
_REDIRECT = re.compile(r"\s*#redirect\b", re.IGNORECASE)
_DISAMBIGUATION = re.compile(r"\{\{\s*(?:disambig\w*|hndis|geodis|\w+ disambiguation)\s*[|}]", re.IGNORECASE)
_HEADING = re.compile(r"(={2,6})\s*(.*?)\s*\1\s*$")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
# A self-closing reference is one tag; only an open one runs to its closing tag.
_REFERENCE = re.compile(r"<ref\b[^<>]*/>|<ref\b[^<>]*>.*?</ref\s*>", _IGNORE_CASE)
_BLOCK = re.compile(
    r"<(gallery|timeline|syntaxhighlight|source|pre|code|imagemap|score|hiero)\b[^>]*>.*?</\1\s*>", _IGNORE_CASE
)
_FORMULA = re.compile(r"<(math|chem|ce)\b[^>]*>.*?</\1\s*>|\{\{\s*(?:math|mvar|chem)\s*\|", _IGNORE_CASE)
_TEMPLATE = re.compile(r"\{\{\s*([\w -]+?)\s*\|([^{}]*)\}\}")
_LINK_TARGET = re.compile(r"\[\[[^\[\]|]*\|([^\[\]|]*)\]\]")
_FIRST_ARGUMENT = {"nowrap", "small", "smaller", "big", "angbr", "nihongo", "quote", "blockquote", "formatnum"}
_LIST_MARK = re.compile(r"^[\s*#:;]+")
_EMPTY_BRACKETS = re.compile(r"\s*\((?:[\s,;:/–-]|or|and|pronounced|from)*\)")
_SENTENCE_END = re.compile(r"[.!?:][\"'”’)]*$")
_HOLE = "\0"  # marks where a formula was


def prose(page: str) -> str:
    """Returns the paragraphs of a page, one a line; "" for a redirect, a disambiguation page or a mere list.

    Args:
        page: the page's source in wiki markup, entities as the XML reader left them.
    """
    from gensim.corpora.wikicorpus import filter_wiki

    if _REDIRECT.match(page) or _DISAMBIGUATION.search(page):
        return ""
    text = _without_sources(_COMMENT.sub("", page))
    text = _BLOCK.sub("", _REFERENCE.sub("", text))
    text = _FORMULA.sub(lambda match: _HOLE + ("{{formula|" if match[0].startswith("{") else ""), text)
    for _ in range(2):  # templates nest; the innermost go first
        text = _TEMPLATE.sub(_template_text, text)
    text = _without_nested(text, r"\{\|", r"\|\}")
    text = _without_nested(text, r"\[\[\s*(?:file|image)\s*:", r"\]\]", opens_too=r"\[\[")
    lines = (_line(line) for line in filter_wiki(text).split("\n"))
    return "\n".join(line for line in lines if line)


def _without_sources(text: str) -> str:
    """The text without the sections of SKIPPED_SECTIONS, their subsections, and headings."""
    kept, skip_level = [], 0
    for line in text.split("\n"):
        heading = _HEADING.match(line)
        if heading:
            level = len(heading[1])
            if not skip_level or level <= skip_level:
                skip_level = level if heading[2].lower() in SKIPPED_SECTIONS else 0
        elif not skip_level:
            kept.append(line)
        if heading:
            kept.append("")  # the paragraphs on both sides stay apart
    return "\n".join(kept)


def _template_text(match: re.Match[str]) -> str:
    """What a template shows where it is part of a sentence; other templates stay, for ``filter_wiki`` to remove."""
    name = match[1].lower()
    arguments = _LINK_TARGET.sub(r"\1", match[2]).split("|")
    values = [value.strip() for value in arguments if "=" not in value]
    if not values:
        return match[0]
    if name in {"convert", "cvt"}:
        return " ".join(values[:4] if values[1:2] and values[1] in {"to", "and", "by", "or", "-", "–"} else values[:2])
    if name == "as of":
        return f"{'as' if 'lc=y' in match[2] else 'As'} of {values[0]}"
    if name in {"lang", "transl"}:
        return values[-1]
    if name in _FIRST_ARGUMENT or name.startswith("lang-"):
        return values[0]
    return match[0]


def _without_nested(text: str, opening: str, closing: str, *, opens_too: str | None = None) -> str:
    """The text without its parts from ``opening`` to the matching ``closing`` (``opens_too`` nests inside as well).

    A part that is never closed stays: better some markup than the rest of the article lost.
    """
    start = re.compile(opening, re.IGNORECASE)
    step = re.compile(f"({opens_too or opening})|({closing})", re.IGNORECASE)
    kept, position = [], 0
    while found := start.search(text, position):
        depth, end = 1, None
        for mark in step.finditer(text, found.end()):
            depth += 1 if mark[1] else -1
            if depth == 0:
                end = mark.end()
                break
        if end is None:
            break
        kept.append(text[position : found.start()])
        position = end
    return "".join(kept) + text[position:]


def _line(line: str) -> str:
    """One line as plain text, or "" if it is no prose: a label, a list entry, a cell, a line with a formula."""
    line = _LIST_MARK.sub("", line).strip(" |!\t")
    line = re.sub(r"'{2,}", "", line).replace("{{", "").replace("}}", "")
    line = re.sub(r"https?://\S+|__[A-Z]+__", "", line)
    line = _EMPTY_BRACKETS.sub("", " ".join(line.split()))
    line = re.sub(r"\([\s,;:]+", "(", line)  # what is left where a template or a link went
    line = re.sub(r"[\s,;]+\)", ")", line)
    line = re.sub(r" +([,.;:!?])", r"\1", line)
    line = re.sub(r"([,;])[,;]+", r"\1", line)
    if _HOLE in line or len(line.split()) < MINIMUM_WORDS or not _SENTENCE_END.search(line):
        return ""
    return line
