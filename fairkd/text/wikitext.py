"""Prose of a MediaWiki page: what a reader of the article reads as sentences, one paragraph a line.

gensim's ``filter_wiki`` takes the markup away. Before it go the parts whose text is not prose: tables, pictures
with their captions, formulas, references, sections that only list sources. After it go the lines that are not
sentences: headings, list entries, cells. Tags and templates that stand for characters or words of a sentence become
these. The names of templates are those of the English Wikipedia, those of sections of some others too; files and
categories are found by the names that a dump's own language has for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fairkd.text.templates import APOSTROPHE, TEMPLATE, template_text

SKIPPED_SECTIONS = frozenset(
    {
        "references", "external links", "see also", "further reading", "notes", "footnotes", "bibliography",
        "sources", "citations", "works cited", "notes and references", "references and notes", "gallery",
        "publications", "discography", "filmography",
        # German, French, Spanish, Italian, Dutch and Portuguese
        "weblinks", "einzelnachweise", "literatur", "siehe auch", "quellen", "anmerkungen", "fußnoten", "belege",
        "liens externes", "références", "notes et références", "voir aussi", "bibliographie", "annexes",
        "enlaces externos", "referencias", "véase también", "bibliografía", "notas", "collegamenti esterni",
        "note", "bibliografia", "voci correlate", "altri progetti", "externe links", "referenties", "zie ook",
        "bronnen", "literatuur", "bronnen, noten en/of referenties", "ligações externas", "referências", "ver também",
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
_UNPARSED = re.compile(r"<nowiki\b[^<>]*/>|<nowiki\b[^<>]*>(.*?)</nowiki\s*>", _IGNORE_CASE)
_BREAK = re.compile(r"<\s*/?\s*(?:br|p|div|blockquote|poem)\b[^<>]*>", re.IGNORECASE)
_NEW_LINE = re.compile(r"</?(?:center|hr|ul|ol|li|dl|dt|dd|table|caption|tr|th|td|h[1-6])\b[^<>]*>", re.IGNORECASE)
_LESS = re.compile(r"&lt;|<(?![a-z/!])", re.IGNORECASE)  # no tag begins there
_LIST_MARK = re.compile(r"^[\s*#:;]+")
_EMPTY_BRACKETS = re.compile(r"\s*\((?:[\s,;:/–-]|or|and|pronounced|from)*\)")
_SENTENCE_END = re.compile(r"[.!?:][\"'”’)]*$")
_HOLE, _SMALLER_THAN = "\0", "\1"  # marks of where a formula was, and of < that begins no tag
ENGLISH = {"-2": "Media", "6": "File", "14": "Category"}
"""Names of namespaces by their numbers, for :func:`prose`; a wiki in any language understands these too."""
_MEDIA_FILE = r"\.(?:jpe?g|png|gif|svg|webp|tiff?|xcf|bmp|og[agv]|webm|mp3|mp4|wav|flac|midi?|pdf|djvu|stl)"


def prose(page: str, namespaces: Mapping[str, str] = ENGLISH) -> str:
    """Returns the paragraphs of a page, one a line; "" for a redirect, a disambiguation page or a mere list.

    Args:
        page: the page's source in wiki markup, entities as the XML reader left them.
        namespaces: what the wiki calls its namespaces, by their numbers (6 holds files), as a dump's ``siteinfo`` says.
    """
    from gensim.corpora.wikicorpus import filter_wiki

    if _REDIRECT.match(page) or _DISAMBIGUATION.search(page):
        return ""
    text = _without_sources(_COMMENT.sub("", page))
    text = _BLOCK.sub("", _REFERENCE.sub("", text))
    text = _FORMULA.sub(lambda match: _HOLE + ("{{formula|" if match[0].startswith("{") else ""), text)
    text = _UNPARSED.sub(r"\1", text)
    text = _NEW_LINE.sub("\n", _BREAK.sub(" ", text))
    text = _LESS.sub(_SMALLER_THAN, text)
    for _ in range(3):  # templates nest; the innermost go first
        text = TEMPLATE.sub(template_text, text)
    text = _without_nested(text, r"\{\{", r"\}\}").replace("{{", "")  # filter_wiki drops all after one without an end
    text = _without_nested(text, r"\{\|", r"\|\}")
    text = _without_nested(text, _file_link(namespaces), r"\]\]", opens_too=r"\[\[")
    text = re.sub(rf"\[\[\s*{_names(namespaces, '14')}\s*:[^\[\]]*\]\]", "", text, flags=re.IGNORECASE)
    lines = (_line(line) for line in filter_wiki(text).split("\n"))
    return "\n".join(line for line in lines if line)


def _names(namespaces: Mapping[str, str], number: str, *more: str) -> str:
    """A pattern of what a namespace may be called."""
    names = {ENGLISH[number], namespaces.get(number, ENGLISH[number]), *more}
    patterns = [re.escape(name).replace(r"\ ", "[ _]") for name in sorted(names)]
    return f"(?:{'|'.join(patterns)})"


def _file_link(namespaces: Mapping[str, str]) -> str:
    """The beginning of a link that shows a file, whose text is its caption; one to a file's text (Media) is none.

    Wikis have more names for the namespace than their dumps say ("Bild" beside "Datei"), so that a link of any name to
    what ends as a file does is one, too.
    """
    files, media = _names(namespaces, "6", "Image"), _names(namespaces, "-2")
    return rf"\[\[\s*(?:{files}\s*:|(?!{media}\s*:)[^\[\]|:]+:[^\[\]|:]+{_MEDIA_FILE}\s*(?=[|\]]))"


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


def _without_nested(text: str, opening: str, closing: str, *, opens_too: str = "(?!)") -> str:
    """The text without its parts from ``opening`` to the matching ``closing`` (``opens_too`` nests inside as well).

    A part that is never closed stays: better some markup than the rest of the article lost.
    """
    waiting: list[tuple[int, bool]] = []  # where a part began that is not closed yet, and whether it is to go
    cuts: list[tuple[int, int]] = []
    for mark in re.finditer(f"({opening})|({closing})|{opens_too}", text, re.IGNORECASE):
        if mark[2] is None:
            waiting.append((mark.start(), mark[1] is not None))
        elif waiting:
            start, goes = waiting.pop()
            if goes:
                while cuts and cuts[-1][0] > start:  # within this one
                    cuts.pop()
                cuts.append((start, mark.end()))
    edges = [0, *(edge for cut in cuts for edge in cut), len(text)]
    return "".join(text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))


def _line(line: str) -> str:
    """One line as plain text, or "" if it is no prose: a label, a list entry, a cell, a line with a formula."""
    line = _LIST_MARK.sub("", line).strip(" |!\t")
    line = re.sub(r"'{2,}", "", line).replace("{{", "").replace("}}", "")
    line = line.replace(_SMALLER_THAN, "<").replace(APOSTROPHE, "'")
    line = re.sub(r"https?://\S+|__[A-Z]+__", "", line)
    line = _EMPTY_BRACKETS.sub("", " ".join(line.split()))
    line = re.sub(r"\([\s,;:]+", "(", line)  # what is left where a template or a link went
    line = re.sub(r"[\s,;]+\)", ")", line)
    line = re.sub(r" +([,.;:!?])", r"\1", line)
    line = re.sub(r"([,;])[,;]+", r"\1", line)
    if _HOLE in line or len(line.split()) < MINIMUM_WORDS or not _SENTENCE_END.search(line):
        return ""
    return line
