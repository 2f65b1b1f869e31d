"""Where the words of debiasing stand: in a batch, and in which sequences of the corpus (for :mod:`fairkd.debias`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fairkd.errors import InputError
from fairkd.rng import numpy_generator
from fairkd.teachers.wordlists import LIST_NAMES, WordLists
from fairkd.text.corpus import collate
from fairkd.text.sequences import Sequences
from fairkd.text.words import WholeWords, forms_of, pieces_of

KINDS = ("female", "male", "neutral")
"""Sequences with words of one gender only, and sequences with stereotype words and no word of either gender."""
HELDOUT_SHARE, LEAST_HELDOUT, LEAST = 0.1, 2, 10
"""Share of the sequences of a kind that early stopping looks at, at least how many, and least sequences of a kind."""
SEARCHED = 2048
"""Sequences searched at once."""


@dataclass(frozen=True)
class Spans:
    """n places in a batch whose vectors are wanted, m word pieces in all.

    Attributes:
        at: (m,) flat positions of the pieces.
        span: (m,) which of the n places a piece belongs to.
        pieces: (n,) pieces of each place.
        word: (n,) number of the word there.
    """

    at: Tensor
    span: Tensor
    pieces: Tensor
    word: Tensor

    def only(self, chosen: Tensor) -> Spans:
        """Those places for which ``chosen`` (n,) is true."""
        kept = chosen[self.span]
        renumbered = chosen.long().cumsum(0) - 1
        return Spans(self.at[kept], renumbered[self.span[kept]], self.pieces[chosen], self.word[chosen])

    def to(self, device: torch.device) -> Spans:
        """The same on a device."""
        return Spans(self.at.to(device), self.span.to(device), self.pieces.to(device), self.word.to(device))


class Lexicon:
    """The words of the lists in the ids of one tokenizer.

    Attributes:
        words: those that the vocabulary can represent.
        kind: (words,) the list of each: 0 female, 1 male, 2 stereotype.
        left_out: list -> its words that the vocabulary cannot represent.

    Raises:
        InputError: the tokenizer writes words of two lists in the same way, or nothing is left of a list.
    """

    def __init__(self, lists: WordLists, tokenizer: Any) -> None:
        self.words: list[str] = []
        self.left_out: dict[str, list[str]] = {name: [] for name in LIST_NAMES}
        kinds: list[int] = []
        forms: dict[tuple[int, ...], int] = {}  # pieces -> word
        for kind, name in enumerate(LIST_NAMES):
            for word in getattr(lists, name):
                written = _written(word, tokenizer)
                if not written:
                    self.left_out[name].append(word)
                    continue
                self.words.append(word)
                kinds.append(kind)
                for pieces in written:
                    other = forms.setdefault(pieces, len(kinds) - 1)
                    if kinds[other] != kind:
                        raise InputError(
                            f"debias_words: the tokenizer writes {word!r} ({name}) and {self.words[other]!r} "
                            f"({LIST_NAMES[kinds[other]]}) in the same way; leave one of them out"
                        )
            if kind not in kinds:
                raise InputError(f"debias_words: the vocabulary can represent no word of the list {name}")
        self.kind = torch.tensor(kinds)
        self._whole = WholeWords({pieces: form for form, pieces in enumerate(forms)}, tokenizer)
        self._word = torch.tensor(list(forms.values()))
        self._length = torch.tensor([len(pieces) for pieces in forms])

    def find(self, ids: Tensor) -> Spans:
        """All occurrences of all words in ids (rows, tokens), on the CPU."""
        found = self._whole.find(ids)
        pieces = self._length[found.word]
        span = torch.repeat_interleave(torch.arange(len(pieces)), pieces)
        within = torch.arange(len(span)) - (pieces.cumsum(0) - pieces)[span]
        return Spans(found.start[span] + within, span, pieces, self._word[found.word])


def _written(word: str, tokenizer: Any) -> list[tuple[int, ...]]:
    """Pieces of each written form that the vocabulary can represent."""
    found = []
    for form in forms_of(word):
        try:
            found.append(pieces_of(form, tokenizer))
        except InputError:
            continue
    return found


@dataclass(frozen=True)
class Chosen:
    """The sequences that a teacher is debiased with.

    Attributes:
        train, heldout: kind -> numbers of sequences (n,), no number in both.
        scanned: sequences looked at.
        found: kind -> how many of them are of that kind; "both genders" are left out.
        seed: of the order in which they were found and are read.
    """

    train: dict[str, np.ndarray]
    heldout: dict[str, np.ndarray]
    scanned: int
    found: dict[str, int]
    seed: int = 0


def choose(sequences: Sequences, lexicon: Lexicon, *, most: int | None, seed: int = 0) -> Chosen:
    """Finds the sequences of each kind, in a seeded random order of the whole corpus.

    The search ends when there are ``most`` of every kind, so it need not read a large corpus to its end, and what it
    finds is a random sample; a larger ``most`` adds to it. The first tenth of each kind is held out.

    Raises:
        InputError: ``most`` or the corpus gives too few sequences of a kind; says how many and what to do.
    """
    if most is not None and most < LEAST:
        raise InputError(f"debias_sequences: {most} must be {LEAST} or more, or none for all")
    order = numpy_generator(seed, "debias sequences").permutation(len(sequences))
    lists: dict[str, list[np.ndarray]] = {kind: [] for kind in KINDS}
    found, scanned = dict.fromkeys((*KINDS, "both genders"), 0), 0
    for start in range(0, len(order), SEARCHED):
        rows = order[start : start + SEARCHED]
        female, male, stereotype = _present(sequences, rows, lexicon)
        of_kind = {"female": female & ~male, "male": male & ~female, "neutral": stereotype & ~female & ~male}
        for kind, chosen in of_kind.items():
            lists[kind].append(rows[chosen])
            found[kind] += int(chosen.sum())
        found["both genders"] += int((female & male).sum())
        scanned += len(rows)
        if most is not None and all(found[kind] >= most for kind in KINDS):
            break
    _check(found, scanned)
    rows_of = {kind: np.concatenate(parts)[:most] for kind, parts in lists.items()}
    first = {kind: max(LEAST_HELDOUT, round(HELDOUT_SHARE * len(rows))) for kind, rows in rows_of.items()}
    return Chosen(
        train={kind: rows[first[kind] :] for kind, rows in rows_of.items()},
        heldout={kind: rows[: first[kind]] for kind, rows in rows_of.items()},
        scanned=scanned,
        found=found,
        seed=seed,
    )


def _present(sequences: Sequences, rows: np.ndarray, lexicon: Lexicon) -> np.ndarray:
    """Whether a word of each list stands in each of the sequences: (3, rows)."""
    ids = torch.from_numpy(np.concatenate(sequences[rows]))[None]  # [SEP] and [CLS] part the words of neighbours
    row = np.repeat(np.arange(len(rows)), sequences.lengths[rows])
    spans = lexicon.find(ids)
    result = np.zeros((len(LIST_NAMES), len(rows)), dtype=bool)
    result[lexicon.kind[spans.word[spans.span]].numpy(), row[spans.at.numpy()]] = True
    return result


def _check(found: dict[str, int], scanned: int) -> None:
    if all(found[kind] >= LEAST for kind in KINDS):
        return
    raise InputError(
        f"debiasing needs {LEAST} sequences or more of each kind; of the corpus's {scanned}, {found['female']} hold "
        f"female words only, {found['male']} male words only, {found['neutral']} stereotype words and no gender "
        f"word ({found['both genders']} with words of both genders cannot be used). Use a larger corpus, shorter "
        "sequences (max_length), or word lists that fit the corpus (debias_words)"
    )


@dataclass(frozen=True)
class Batch:
    """Sequences and the places in them whose vectors are wanted.

    Attributes:
        input_ids, attention_mask: (batch, tokens) on the device.
        spans: of the wanted words, on the device.
    """

    input_ids: Tensor
    attention_mask: Tensor
    spans: Spans


class BatchReader:
    """Reads sequences by number into batches on a device."""

    def __init__(self, sequences: Sequences, lexicon: Lexicon, *, pad_id: int, device: torch.device) -> None:
        self.sequences, self.lexicon, self.pad_id, self.device = sequences, lexicon, pad_id, device

    def __call__(self, rows: np.ndarray, *, stereotype: bool, whole: bool = False) -> Batch:
        """One batch with the places of its stereotype words, or of its gender words.

        ``whole``: of all its tokens instead, each a place of its own.
        """
        ids, mask = collate(self.sequences[rows], self.pad_id)
        if whole:
            at = mask.flatten().nonzero().squeeze(1)
            spans = Spans(at, torch.arange(len(at)), torch.ones_like(at), torch.full_like(at, -1))
        else:
            spans = self.lexicon.find(ids)
            spans = spans.only((self.lexicon.kind[spans.word] == LIST_NAMES.index("stereotype")) == stereotype)
        return Batch(ids.to(self.device), mask.to(self.device), spans.to(self.device))

    def in_order(self, rows: np.ndarray, size: int, *, stereotype: bool, whole: bool = False) -> Iterator[Batch]:
        """All of these sequences, by length, in batches of ``size``."""
        ordered = rows[np.argsort(self.sequences.lengths[rows], kind="stable")]
        for start in range(0, len(ordered), size):
            yield self(ordered[start : start + size], stereotype=stereotype, whole=whole)


def count_kinds(reader: BatchReader, chosen: Chosen) -> Tensor:
    """Occurrences (words,) in the training sequences: gender words in theirs, stereotype words in neutral ones."""
    counts = torch.zeros(len(reader.lexicon.words))
    for kind, rows in chosen.train.items():
        for batch in reader.in_order(rows, SEARCHED // 8, stereotype=kind == "neutral"):
            counts += torch.bincount(batch.spans.word.cpu(), minlength=len(counts))
    return counts


def updates_an_epoch(chosen: Chosen, batch_size: int) -> int:
    """Updates until the kind with the fewest sequences is used up; at least one."""
    return max(1, min(len(chosen.train[kind]) // size for kind, size in _sizes(batch_size).items()))


def epoch_rows(
    chosen: Chosen, lengths: np.ndarray, batch_size: int, number: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The (neutral, attribute) sequences of each update of an epoch; half of the latter are female, half male.

    Each epoch draws anew which sequences it uses of a kind that has more than it needs. Sequences of similar length
    share a batch, and an update, so that little is padded.
    """
    updates, parts = updates_an_epoch(chosen, batch_size), {}
    for kind, size in _sizes(batch_size).items():
        drawn = numpy_generator(chosen.seed, f"debias {kind}", number).permutation(chosen.train[kind])[: updates * size]
        parts[kind] = np.array_split(drawn[np.argsort(lengths[drawn], kind="stable")], updates)
    for update in numpy_generator(chosen.seed, "debias updates", number).permutation(updates):
        yield parts["neutral"][update], np.concatenate([parts["female"][update], parts["male"][update]])


def _sizes(batch_size: int) -> dict[str, int]:
    half = max(1, batch_size // 2)
    return {"female": half, "male": half, "neutral": batch_size}
