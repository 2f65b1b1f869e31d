"""Templates of the English Wikipedia that are part of a sentence: characters, measures, words in another form."""

from __future__ import annotations

import re

TEMPLATE = re.compile(r"\{\{([^{}|]*)(?:\|([^{}]*))?\}\}")
"""A template without another in it: its name, and its arguments as they stand."""
APOSTROPHE = "\2"
"""Stands for one that is no part of the quotes of italics, until these are gone."""

_LINK_TARGET = re.compile(r"\[\[[^\[\]|]*\|([^\[\]|]*)\]\]")
_CHARACTERS = {
    "ndash": "–", "en dash": "–", "snd": " – ", "spnd": " – ", "spndash": " – ", "sndash": " – ", "dash": " – ",
    "spaced ndash": " – ", "spaced en dash": " – ", "mdash": "—", "em dash": "—", "mdashb": "—", "smd": " — ",
    "spaced mdash": " — ", "spaced em dash": " — ", "nbsp": " ", "space": " ", "spaces": " ", "nnbsp": " ",
    "thinsp": " ", "thin space": " ", "hairsp": " ", "hair space": " ", "nbhyph": "-", "nbh": "-", "zwsp": "",
    "shy": "", "wbr": "", "'": APOSTROPHE, "`": APOSTROPHE, "'s": f"{APOSTROPHE}s", "' \"": f'{APOSTROPHE} "',
    "\" '": f'" {APOSTROPHE}', "\"": '"', "·": " · ", "dot": " · ", "middot": " · ", "•": " • ", "bull": " • ",
    "bullet": " • ", "=": "=", "times": "×", "minus": "−", "+-": "±", "...": "…", "ellipsis": "…", "dagger": "†",
    "br": "\n", "break": "\n", "crlf": "\n", "clear": "\n", "-": "\n", "pb": "\n", "endash": "–", "emdash": "—",
    "snds": " – ", "!": "|", "sp": " ", "pound sign": "£", "yen": "¥", "okina": "ʻ", "hamza": "ʼ", "ayin": "ʽ",
}  # fmt: skip
_FIRST_ARGUMENT = frozenset(
    {
        "nowrap", "nobr", "nobreak", "small", "smaller", "big", "larger", "angbr", "nihongo", "quote", "blockquote",
        "formatnum", "abbr", "abbrlink", "tooltip", "vanchor", "visible anchor", "sc", "smallcaps", "nobold",
        "noitalic", "em", "strong", "key", "keypress", "sup", "sub", "not a typo", "proper name", "sic", "mono",
        "flag", "flagcountry",
    }
)  # fmt: skip
_LAST_ARGUMENT = frozenset({"lang", "langx", "transl", "transliteration", "resize", "color", "font color"})
_LINK_TO_OTHER_WIKI = frozenset({"ill", "interlanguage link"})
_BEFORE = {
    "circa": "c. ", "c.": "c. ", "floruit": "fl. ", "fl.": "fl. ", "reign": "r. ", "uss": "USS ", "hms": "HMS ",
    "us$": "US$", "usd": "US$", "gbp": "£", "eur": "€", "euro": "€", "inr": "₹",
}  # fmt: skip
"""What stands before the first argument."""
_JOINERS = {
    "to": " to ", "and": " and ", "by": " by ", "or": " or ", "x": " × ", "×": " × ", "-": "–", "–": "–",
    "to(-)": " to ", "and(-)": " and ", "+/-": " ± ", "±": " ± ",
}  # fmt: skip
_SMALLER = {"ft": "in", "mi": "yd", "yd": "ft", "lb": "oz", "st": "lb"}
"""Units that ``convert`` takes two at a time, as in 5 ft 10 in."""


def template_text(match: re.Match[str]) -> str:
    """What the template of a match of :data:`TEMPLATE` shows in a sentence; itself, if it is none of a sentence's."""
    name = match[1].replace("_", " ").strip().lower()
    if name in _CHARACTERS:
        return _CHARACTERS[name]
    arguments = _LINK_TARGET.sub(r"\1", match[2] or "").split("|")
    values = [value.strip() for value in arguments if "=" not in value]
    if not any(values):
        return match[0]
    if name in {"convert", "cvt"}:
        return _measure(values)
    if name == "as of":
        return f"{'as' if 'lc=y' in match[2] else 'As'} of {values[0]}"
    if name == "linktext":
        return " ".join(values)
    if name == "frac":
        return _fraction(values)
    if name in _LAST_ARGUMENT:
        return values[-1]
    if name in _LINK_TO_OTHER_WIKI and re.fullmatch("[a-z]{2,3}", values[0]):  # its language came first once
        return values[1] if len(values) > 1 else match[0]
    if name in _BEFORE or name in _FIRST_ARGUMENT or name in _LINK_TO_OTHER_WIKI or name.startswith("lang-"):
        return _BEFORE.get(name, "") + values[0]
    return match[0]


def _measure(values: list[str]) -> str:
    """A measure as it is given, such as "400 to 670 mi" or "5 ft 10 in", without what it is converted to."""
    measure, rest = values[0], values[1:]
    while len(rest) >= 2 and rest[0] in _JOINERS:
        measure, rest = f"{measure}{_JOINERS[rest[0]]}{rest[1]}", rest[2:]
    if rest:
        measure = f"{measure} {rest[0]}"
    if len(rest) >= 3 and _SMALLER.get(rest[0]) == rest[2]:
        measure = f"{measure} {rest[1]} {rest[2]}"
    return measure


def _fraction(values: list[str]) -> str:
    """1/2, or 3 1/2 where a whole number stands before it."""
    if len(values) == 1:
        return f"1/{values[0]}"
    whole = f"{values[0]} " if len(values) > 2 else ""
    return f"{whole}{'/'.join(values[-2:])}"
