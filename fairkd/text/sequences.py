"""Token sequences on disk: written as an Arrow stream, filtered as DistilBERT's, and read from there by number."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

SHORTEST = 12
"""Sequences of fewer tokens, [CLS] and [SEP] included, are dropped."""
UNKNOWN_SHARE = 0.5
"""Sequences with this share of [UNK] or more are dropped."""
_SCHEMA = pa.schema([("input_ids", pa.list_(pa.int32())), ("document", pa.int32())])
_CHARACTERS_AT_ONCE = 1_000_000
_NUMBER = np.dtype(np.int32)


class Sequences:
    """Token sequences in an Arrow stream on disk: only their lengths are held in memory.

    ``sequences[indices]`` gives a list of read-only (tokens,) int32 arrays. Each is read when it is wanted: pages of a
    mapping count as the process's own memory once they were touched, and training touches all. The file opens with
    ``datasets.Dataset.from_file`` too, and says of which document (from 0, within the split) each sequence is.

    Raises:
        IndexError: from ``sequences[indices]``, for an index outside [0, n).
        OSError: on reading, if the file is gone or has become shorter.
    """

    lengths: np.ndarray
    """(n,) int32, tokens of each sequence with [CLS] and [SEP]."""

    def __init__(self, path: Path) -> None:
        mapping = pa.memory_map(str(path)).read_buffer()
        batches = [batch for batch in pa.ipc.open_stream(mapping) if batch.num_rows]
        columns = [(batch.column(0).values.to_numpy(), batch.column(1).to_numpy()) for batch in batches]
        self._path = path.absolute()
        self._places = [[column.ctypes.data - mapping.address for column in both] for both in columns]
        self._first = np.cumsum([0, *(batch.num_rows for batch in batches)])
        offsets = [batch.column(0).offsets.to_numpy() for batch in batches]
        self.lengths = np.concatenate([np.zeros(0, np.int32), *map(np.diff, offsets)])

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, indices: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        indices = np.asarray(indices, dtype=np.int64)
        if indices.size and (indices.min() < 0 or indices.max() >= len(self)):
            raise IndexError(f"indices must lie in [0, {len(self)})")
        parts = np.searchsorted(self._first, indices, side="right") - 1
        found = []
        with self._path.open("rb", buffering=0) as file:
            for index, part in zip(indices, parts, strict=True):
                before = int(self.lengths[self._first[part] : index].sum())
                place = self._places[part][0] + before * _NUMBER.itemsize
                found.append(_read(file, place, int(self.lengths[index])))
        return found

    def chunks(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """All tokens, some hundred thousand at a time: ids (n,), and of each its sequence and its document (n,).

        A document is in one chunk, whole.
        """
        with self._path.open("rb", buffering=0) as file:
            for (ids_place, documents_place), first, last in zip(
                self._places, self._first, self._first[1:], strict=False
            ):
                lengths = self.lengths[first:last]
                tokens = _read(file, ids_place, int(lengths.sum()))
                documents = _read(file, documents_place, len(lengths))
                within = np.repeat(np.arange(len(lengths)), lengths)
                yield tokens, first + within, documents[within]


def _read(file: FileIO, place: int, n: int) -> np.ndarray:
    """n numbers from byte ``place`` on."""
    file.seek(place)
    found = file.read(n * _NUMBER.itemsize)
    if len(found) < n * _NUMBER.itemsize:
        raise OSError(f"{file.name} has become shorter since it was opened: nothing at byte {place + len(found)}")
    return np.frombuffer(found, _NUMBER)


class SequenceWriter:
    """Writes one split: lines in, filtered sequences out, a record batch at a time.

    Args:
        path: the Arrow file to write.
        tokenizer: a fast tokenizer with [CLS] and [SEP].
        max_length: longest sequence in tokens, with both; longer lines are cut into pieces.
        vocabulary: number of token ids.
    """

    counts: Counter[str]
    """Documents, sequences and tokens written, the longest sequence, and sequences dropped (short, unknown)."""
    token_counts: np.ndarray
    """(vocab,) int64, occurrences of each token in what was written."""

    def __init__(self, path: Path, tokenizer: Any, max_length: int, vocabulary: int) -> None:
        self.counts = Counter(documents=0, sequences=0, tokens=0, longest=0, short=0, unknown=0)
        self.token_counts = np.zeros(vocabulary, dtype=np.int64)
        self._hash = hashlib.sha256()
        self._tokenizer, self._max_length = tokenizer, max_length
        self._lines: list[str] = []
        self._documents: list[int] = []
        self._characters = 0
        self._writer = pa.ipc.new_stream(str(path), _SCHEMA)

    def add(self, lines: list[str]) -> None:
        """Takes the lines of one document."""
        self._lines += lines
        self._documents += [self.counts["documents"]] * len(lines)
        self.counts["documents"] += 1
        self._characters += sum(map(len, lines))
        if self._characters >= _CHARACTERS_AT_ONCE:
            self._flush()

    def close(self) -> str:
        """Writes what is left; returns the digest of the split."""
        self._flush()
        self._writer.close()
        return self._hash.hexdigest()

    def _flush(self) -> None:
        tokens, lengths, documents = self._pieces()
        kept = self._kept(tokens, lengths)
        tokens, lengths, documents = tokens[np.repeat(kept, lengths)], lengths[kept], documents[kept]
        self._lines, self._documents, self._characters = [], [], 0
        if not len(lengths):
            return
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        self._hash.update(np.insert(tokens, offsets[:-1], lengths).astype("<i4").tobytes())
        self._writer.write_batch(
            pa.record_batch(
                [pa.ListArray.from_arrays(pa.array(offsets), pa.array(tokens)), pa.array(documents)], schema=_SCHEMA
            )
        )
        self.token_counts += np.bincount(tokens, minlength=len(self.token_counts))
        self.counts.update(sequences=len(lengths), tokens=len(tokens))
        self.counts["longest"] = max(self.counts["longest"], int(lengths.max()))

    def _pieces(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The lines cut into sequences: tokens of all, one after the other; length and document of each; all int32."""
        ids, sizes = self._ids()
        body = self._max_length - 2
        pieces = -(-sizes // body)  # none of a line without tokens
        line_of = np.repeat(np.arange(len(sizes)), pieces)
        within = np.arange(len(line_of)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        lengths = np.minimum(body, sizes[line_of] - within * body).astype(np.int32) + 2
        ends = np.cumsum(lengths)
        tokens = np.empty(lengths.sum(), np.int32)
        is_text = np.ones(len(tokens), bool)
        for at, special in ((ends - lengths, self._tokenizer.cls_token_id), (ends - 1, self._tokenizer.sep_token_id)):
            tokens[at] = special
            is_text[at] = False
        tokens[is_text] = ids
        return tokens, lengths, np.array(self._documents, np.int32)[line_of]

    def _ids(self) -> tuple[np.ndarray, np.ndarray]:
        """Token ids of the lines, one after the other, and how many each line has; both int32.

        From the tokenizers library itself: transformers' wrapping of them costs as much.
        """
        backend = self._tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        before = backend.encode_special_tokens
        backend.encode_special_tokens = True  # "[MASK]" in a text is a word of the text
        try:
            lines = backend.encode_batch_fast(self._lines, add_special_tokens=False)
        finally:
            backend.encode_special_tokens = before
        sizes = np.fromiter(map(len, lines), np.int32, len(lines))
        # A list at a time: thousands that live on would set off Python's garbage collection.
        return np.fromiter(chain.from_iterable(line.ids for line in lines), np.int32, sizes.sum()), sizes

    def _kept(self, tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Which sequences are neither too short nor half unknown, (n,); counts those that are."""
        unknown_before = np.concatenate([[0], np.cumsum(tokens == self._tokenizer.unk_token_id)])
        ends = np.cumsum(lengths)
        short = lengths < SHORTEST
        unknown = ~short & (unknown_before[ends] - unknown_before[ends - lengths] >= UNKNOWN_SHARE * lengths)
        self.counts.update(short=int(short.sum()), unknown=int(unknown.sum()))
        kept: np.ndarray = ~(short | unknown)
        return kept
