"""Gender word pairs (Appendix C): found as whole words in token ids, exchanged, and counted in a corpus."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from torch import Tensor

from fairkd.engine.messages import similar_path
from fairkd.engine.yaml_text import compose_yaml, utf8_text
from fairkd.errors import InputError, shown
from fairkd.frames import WORD_COUNTS
from fairkd.pairs import APPENDIX_C, PAIRS
from fairkd.text.sequences import Sequences
from fairkd.text.words import WholeWords, forms_of, pieces_of

SUFFIXES = (".csv", ".yaml", ".yml")
_HEADINGS = {
    "female": "male", "f": "m", "w": "m", "fem": "masc", "feminine": "masculine", "weiblich": "männlich",
    "feminin": "maskulin", "féminin": "masculin", "femenino": "masculino", "femminile": "maschile",
}  # fmt: skip
"""What the columns of a CSV file may be called, the female one first; "words" or the like may follow."""
_MAY_BE_HEADING = {
    "females": "males", "women": "men", "woman": "man", "girls": "boys", "ladies": "gentlemen", "frauen": "männer",
    "a": "b", "x": "y", "source": "target", "left": "right", "first": "second", "word": "counterpart", "word1": "word2",
}  # fmt: skip
"""What may as well be a heading, where it stands first."""
_AROUND = re.compile(
    r"^[\W_]+|\([^)]*\)|[\W_]+$|^(?:gender|sex|words?|terms?)[\s_-]+|[\s_-]*(?:words?|terms?|forms?|names?)$"
)
"""What stands around the name of a column: signs, brackets, and words that say that it holds words."""


@dataclass(frozen=True)
class Pair:
    """A female and a male word, and where they were read ("line 3 of pairs.csv"), for messages."""

    female: str
    male: str
    where: str


@dataclass(frozen=True)
class Occurrences:
    """Pair words in a batch, piece by piece: n positions, in order.

    Attributes:
        at: (n,) flat positions in the batch.
        counterpart: (n,) ids of the other word's pieces.
        male: (n,) whether the word that stands there is the male one.
        occurrence: (n,) number of the occurrence; the pieces of a word share one.
        pair: (n,) number of the pair.
    """

    at: Tensor
    counterpart: Tensor
    male: Tensor
    occurrence: Tensor
    pair: Tensor

    def only(self, chosen: Tensor) -> Occurrences:
        """Those pieces for which ``chosen`` (n,) is true, their occurrences numbered anew."""
        kept = {name: values[chosen] for name, values in vars(self).items()}
        kept["occurrence"] = torch.unique_consecutive(kept["occurrence"], return_inverse=True)[1]
        return Occurrences(**kept)


class PairTable:
    """Gender pairs in the ids of one tokenizer.

    Upper and lower case are told apart where the vocabulary does: each word is looked for as listed, in lower case
    and with a capital, and its counterpart is written in the same way.

    Args:
        pairs: checked as :func:`check_pairs` does.
        tokenizer: a fast WordPiece tokenizer.

    Raises:
        InputError: as :func:`check_pairs`; a word that is not in the vocabulary or is not one word; or a pair whose
            words have different numbers of pieces, so that they cannot be exchanged position by position.
    """

    def __init__(self, pairs: Sequence[Pair], tokenizer: Any) -> None:
        check_pairs(pairs)
        self.pairs = tuple(pairs)
        forms: dict[tuple[int, ...], tuple[int, tuple[int, ...], bool]] = {}  # pieces -> pair, other's pieces, male
        for number, pair in enumerate(pairs):
            for form, (female, male) in enumerate(zip(forms_of(pair.female), forms_of(pair.male), strict=True)):
                both = _pieces(pair, female, male, tokenizer, must_fit=form == 0)
                if form == 0:
                    self._check_new(number, both, forms)
                if both is not None:
                    forms.setdefault(both[0], (number, both[1], False))
                    forms.setdefault(both[1], (number, both[0], True))
        self._check_distinct(forms)
        self.content = sorted([list(pieces), list(other), male] for pieces, (_, other, male) in forms.items())
        """What a run with mixup depends on: pieces, the other word's pieces, male."""
        self._words = WholeWords({pieces: form for form, pieces in enumerate(forms)}, tokenizer)
        entries = list(forms.values())
        self._pair = torch.tensor([pair for pair, _, _ in entries])
        self._male = torch.tensor([male for _, _, male in entries])
        self._length = torch.tensor([len(other) for _, other, _ in entries])
        self._others = torch.tensor([piece for _, other, _ in entries for piece in other])
        self._first = self._length.cumsum(0) - self._length  # where a form's counterpart begins in _others

    def _check_new(self, number: int, both: Any, forms: dict[tuple[int, ...], tuple[int, Any, bool]]) -> None:
        """A pair that an earlier one stands for already, in capitals or without, could never count."""
        for pieces in both:
            first = forms.get(pieces)
            if first is not None and first[0] != number:
                one, two = self.pairs[first[0]], self.pairs[number]
                raise InputError(
                    f"gender pairs, {two.where} ({two.female}, {two.male}) and {one.where} ({one.female}, {one.male}): "
                    "the tokenizer writes words of both in the same way, so the exchange is not one to one; "
                    "leave one of them out"
                )

    def _check_distinct(self, forms: dict[tuple[int, ...], tuple[int, tuple[int, ...], bool]]) -> None:
        """Two words that the tokenizer does not tell apart ("Mary", "mary") must not stand in two pairs."""
        for pieces, (number, other, male) in forms.items():
            back = forms[other]
            if back[0] != number or back[1] != pieces or back[2] == male:
                first, second = self.pairs[number], self.pairs[back[0]]
                raise InputError(
                    f"{first.where} ({first.female}, {first.male}) and {second.where} ({second.female}, "
                    f"{second.male}): the tokenizer writes two of these words in the same way, so the exchange is "
                    "not one to one"
                )

    def find(self, ids: Tensor, corrupted: Tensor | None = None) -> Occurrences:
        """Pair words that stand in ids (batch, tokens) as whole words.

        Args:
            ids: before masking.
            corrupted: after masking; only words all of whose pieces are still visible are found.
        """
        found = self._words.find(ids)
        length = self._length[found.word]
        occurrence = torch.repeat_interleave(torch.arange(len(length)), length)
        piece = torch.arange(len(occurrence)) - (length.cumsum(0) - length)[occurrence]
        form = found.word[occurrence]
        at = found.start[occurrence] + piece
        result = Occurrences(
            at, self._others[self._first[form] + piece], self._male[form], occurrence, self._pair[form]
        )
        if corrupted is None:
            return result
        hidden = (ids.flatten()[at] != corrupted.flatten()[at]).long()
        visible = torch.zeros(len(length), dtype=torch.long).index_add(0, occurrence, hidden)[occurrence] == 0
        return result.only(visible)


def by_word(found: Occurrences, pairs: int) -> np.ndarray:
    """How often the female and the male word of each pair occur: (pairs, 2); the pieces of a word count once."""
    _, first = np.unique(found.occurrence.numpy(), return_index=True)
    word = 2 * found.pair.numpy()[first] + found.male.numpy()[first]
    return np.bincount(word, minlength=2 * pairs).reshape(pairs, 2)


def swap(ids: Tensor, occurrences: Occurrences) -> Tensor:
    """The ids (batch, tokens) with each of these words exchanged for its counterpart."""
    return ids.flatten().index_copy(0, occurrences.at, occurrences.counterpart.to(ids.dtype)).view_as(ids)


def appendix_c() -> list[Pair]:
    """The ten pairs of Appendix C."""
    return [Pair(female, male, f"pair {number} of Appendix C") for number, (female, male) in enumerate(PAIRS, 1)]


def load_pairs(source: str, path: Path) -> list[Pair]:
    """The pairs that a profile names: "appendix-c", or a file, read by :func:`read_pairs`."""
    return appendix_c() if source == APPENDIX_C else read_pairs(path)


def read_pairs(path: Path) -> list[Pair]:
    """Pairs from a file: CSV with two columns, or a YAML list of pairs.

    The first line of a CSV file may name its columns: "female,male" or "male,female", in any case, with "f" and "m" for
    short, or in some other languages. Without it the first column holds the female words.

    Raises:
        InputError: not such a file, a first line that may be either heading or pair, a pair of Appendix C with its
            words exchanged, or a list that :func:`check_pairs` refuses; names the line.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"gender pairs {str(path)!r}: allowed are '{APPENDIX_C}' and files in {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise InputError(f"gender pairs: there is no file {path}.{similar_path(path)}")
    try:
        rows = list(_csv_rows(path) if path.suffix.lower() == ".csv" else _yaml_rows(path))
    except csv.Error as error:
        raise InputError(f"gender pairs: {path} cannot be read: {error}") from error
    pairs = [Pair(words[0], words[1], f"line {line} of {path.name}") for line, words in rows]
    for pair in pairs:
        if (pair.male.lower(), pair.female.lower()) in {(female.lower(), male.lower()) for female, male in PAIRS}:
            raise InputError(
                f"gender pairs, {pair.where}: the female word comes first, and here it is {pair.female!r}; exchange "
                "the columns or, in a CSV file, write 'male,female' above them"
            )
    check_pairs(pairs)
    return pairs


def _text_of(path: Path) -> str:
    try:
        return utf8_text(path)
    except InputError as error:
        raise InputError(f"gender pairs: {path} cannot be read: {error}") from error


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Lines and words of a CSV file, the female word first, without the heading."""
    reader = csv.reader(io.StringIO(_text_of(path), newline=""))
    first, male_first = True, False
    for row in reader:
        cells, where = [cell.strip() for cell in row], f"line {reader.line_num} of {path.name}"
        if not any(cells):
            continue
        heading = _heading(cells, where) if first and len(cells) == 2 else None
        if heading is not None:
            male_first = heading
        elif len(cells) != 2:
            hint = "; a comma goes between them" if len(cells) == 1 and re.search(r"[;\t|]", cells[0]) else ""
            raise InputError(f"gender pairs, {where}: {shown(cells)} is not a female and a male word{hint}")
        else:
            yield reader.line_num, cells[::-1] if male_first else cells
        first = False


def _heading(cells: list[str], where: str) -> bool | None:
    """Whether the first line names the male column first; None if it names none.

    Raises:
        InputError: it may be a heading, and a pair as well.
    """
    names = [_AROUND.sub("", _AROUND.sub("", cell.casefold())) for cell in cells]
    for turned in (False, True):
        female, male = names[::-1] if turned else names
        if _HEADINGS.get(female) == male:
            return turned
        if _MAY_BE_HEADING.get(female) == male and cells != ["woman", "man"]:  # Appendix C begins with this pair
            raise InputError(
                f"gender pairs, {where}: {', '.join(cells)} may be a heading or a pair; write the heading "
                f"{'male,female' if turned else 'female,male'} above it if it is a pair, and in its place if it is not"
            )
    return None


def _yaml_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        root = compose_yaml(_text_of(path))
    except InputError as error:
        raise InputError(f"gender pairs: {path} cannot be read: {error}") from error
    if not isinstance(root, yaml.SequenceNode):
        raise InputError(f"gender pairs: {path} must hold a list of pairs such as '- [woman, man]'")
    for item in root.value:
        where = f"line {item.start_mark.line + 1} of {path.name}"
        cells = item.value if isinstance(item, yaml.SequenceNode) else [item]
        if not all(isinstance(cell, yaml.ScalarNode) for cell in cells):
            raise InputError(f"gender pairs, {where}: a list or mapping stands where a word is expected")
        words = [cell.value.strip() for cell in cells]
        if len(words) != 2:
            raise InputError(f"gender pairs, {where}: {shown(words)} is not a female and a male word")
        for cell in cells:
            if cell.tag != "tag:yaml.org,2002:str":
                raise InputError(f"gender pairs, {where}: {shown(cell.value)} is no text in YAML; put it in quotes")
        yield item.start_mark.line + 1, words


def check_pairs(pairs: Sequence[Pair]) -> None:
    """Checks that the pairs are one to one.

    Raises:
        InputError: no pair at all, an empty word, or a word that stands twice; names the line.
    """
    if not pairs:
        raise InputError("gender pairs: the list is empty; give at least one pair such as woman, man")
    seen: dict[str, Pair] = {}
    for pair in pairs:
        for column, word in (("female", pair.female), ("male", pair.male)):
            if not word:
                raise InputError(f"gender pairs, {pair.where}: the {column} word is empty")
            if word in seen:
                first = seen[word]
                raise InputError(
                    f"gender pairs, {pair.where}: {word!r} stands in {first.where} already "
                    f"({first.female}, {first.male}); each word may stand once, so that the exchange is one to one"
                )
            seen[word] = pair


def _pieces(
    pair: Pair, female: str, male: str, tokenizer: Any, *, must_fit: bool
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Pieces of both words; None for a written form, other than the listed one, that the vocabulary cannot swap."""
    try:
        both = pieces_of(female, tokenizer), pieces_of(male, tokenizer)
    except InputError as error:
        if not must_fit:
            return None
        raise InputError(f"gender pairs, {pair.where} ({pair.female}, {pair.male}): {error}") from None
    if len(both[0]) == len(both[1]):
        return both
    if not must_fit:
        return None
    raise InputError(
        f"gender pairs, {pair.where}: {female!r} has {len(both[0])} pieces and {male!r} has {len(both[1])} in this "
        "vocabulary; only words of equally many pieces can be exchanged position by position"
    )


def count(sequences: Sequences, table: PairTable) -> pd.DataFrame:
    """How often the pairs occur in a corpus, before masking: a row a pair.

    Columns: :data:`fairkd.frames.WORD_COUNTS`.
    """
    totals = np.zeros((len(table.pairs), 5), dtype=np.int64)
    for ids, row, document in sequences.chunks():
        found = table.find(torch.from_numpy(ids.astype(np.int64))[None])
        at, pair = found.at.numpy(), found.pair.numpy()
        totals[:, :2] += by_word(found, len(totals))
        totals[:, 2] += np.bincount(pair, minlength=len(totals))
        for number in range(len(totals)):
            mine = at[pair == number]
            totals[number, 3] += len(np.unique(row[mine]))
            totals[number, 4] += len(np.unique(document[mine]))  # a chunk has whole documents
    words = {"female": [pair.female for pair in table.pairs], "male": [pair.male for pair in table.pairs]}
    return pd.DataFrame(words).join(pd.DataFrame(totals, columns=WORD_COUNTS[2:]))
