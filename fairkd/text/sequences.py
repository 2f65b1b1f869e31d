"""Token sequences on disk: written as an Arrow stream, filtered as DistilBERT's, and read from there by number."""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fairkd.engine.store import flush, read_checked, write_checked
from fairkd.errors import InputError

SHORTEST = 12
"""Sequences of fewer tokens, [CLS] and [SEP] included, are dropped."""
UNKNOWN_SHARE = 0.5
"""Sequences with this share of [UNK] or more are dropped."""
_CHARACTERS_AT_ONCE = 1_000_000
_END = b"\xff\xff\xff\xff\0\0\0\0"
"""With which an Arrow stream ends."""
SAVED_SECONDS = 5.0
"""So often it is written down how far a file is."""
_INT32, _UINT16 = np.dtype(np.int32), np.dtype(np.uint16)


def _schema(vocabulary: int) -> pa.Schema:
    """Of a file of sequences: two bytes an id where the vocabulary allows, as BERT's does, else four."""
    ids = pa.uint16() if vocabulary <= 1 << 16 else pa.int32()
    return pa.schema([("input_ids", pa.list_(ids)), ("document", pa.int32())])


class Sequences:
    """Token sequences in an Arrow stream on disk: only their lengths are held in memory.

    ``sequences[indices]`` gives a list of (tokens,) int32 arrays. Each is read when it is wanted: pages of a mapping
    count as the process's own memory once they were touched, and training touches all. The file opens with
    ``datasets.Dataset.from_file`` too, and says of which document (from 0, within the split) each sequence is.

    Raises:
        IndexError: from ``sequences[indices]``, for an index outside [0, n).
        OSError: on reading, if the file is gone or has become shorter.
    """

    lengths: np.ndarray
    """(n,) int32, tokens of each sequence with [CLS] and [SEP]."""

    def __init__(self, path: Path) -> None:
        mapping = pa.memory_map(str(path)).read_buffer()
        stream = pa.ipc.open_stream(mapping)
        self._ids = _UINT16 if stream.schema.field(0).type.value_type == pa.uint16() else _INT32
        batches = [batch for batch in stream if batch.num_rows]
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
                place = self._places[part][0] + before * self._ids.itemsize
                found.append(_read(file, place, int(self.lengths[index]), self._ids))
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
                tokens = _read(file, ids_place, int(lengths.sum()), self._ids)
                documents = _read(file, documents_place, len(lengths), _INT32)
                within = np.repeat(np.arange(len(lengths)), lengths)
                yield tokens, first + within, documents[within]


def _read(file: FileIO, place: int, n: int, kind: np.dtype[Any]) -> np.ndarray:
    """n numbers from byte ``place`` on, as int32."""
    file.seek(place)
    found = file.read(n * kind.itemsize)
    if len(found) < n * kind.itemsize:
        raise OSError(f"{file.name} has become shorter since it was opened: nothing at byte {place + len(found)}")
    return np.frombuffer(found, kind).astype(_INT32)


@dataclass(frozen=True)
class Cutter:
    """Cuts lines into sequences of a tokenizer and leaves out those that DistilBERT's preparation does.

    Attributes:
        backend: of the tokenizers library; transformers' wrapping of it costs as much again.
        cls_id, sep_id, unk_id: its special tokens.
        max_length: longest sequence in tokens, with [CLS] and [SEP]; longer lines are cut into pieces.
    """

    backend: Any
    cls_id: int
    sep_id: int
    unk_id: int
    max_length: int

    @classmethod
    def of(cls, tokenizer: Any, max_length: int) -> Cutter:
        """Of a fast tokenizer with [CLS] and [SEP]."""
        special = (tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.unk_token_id)
        return cls(tokenizer.backend_tokenizer, *special, max_length)

    def cut(self, lines: Sequence[str], documents: Sequence[int]) -> Block:
        """The lines of some documents, given by a number a line, as sequences."""
        tokens, lengths, of = self._pieces(lines, documents)
        unknown_before = np.concatenate([[0], np.cumsum(tokens == self.unk_id)])
        ends = np.cumsum(lengths)
        short = lengths < SHORTEST
        unknown = ~short & (unknown_before[ends] - unknown_before[ends - lengths] >= UNKNOWN_SHARE * lengths)
        kept = ~(short | unknown)
        return Block(tokens[np.repeat(kept, lengths)], lengths[kept], of[kept], int(short.sum()), int(unknown.sum()))

    def _pieces(self, lines: Sequence[str], documents: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The lines cut into sequences: tokens of all, one after the other; length and document of each; all int32."""
        ids, sizes = self._ids(lines)
        body = self.max_length - 2
        pieces = -(-sizes // body)  # none of a line without tokens
        line_of = np.repeat(np.arange(len(sizes)), pieces)
        within = np.arange(len(line_of)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        lengths = np.minimum(body, sizes[line_of] - within * body).astype(np.int32) + 2
        ends = np.cumsum(lengths)
        tokens = np.empty(lengths.sum(), np.int32)
        is_text = np.ones(len(tokens), bool)
        for at, special in ((ends - lengths, self.cls_id), (ends - 1, self.sep_id)):
            tokens[at] = special
            is_text[at] = False
        tokens[is_text] = ids
        return tokens, lengths, np.array(documents, np.int32)[line_of]

    def _ids(self, lines: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Token ids of the lines, one after the other, and how many each line has; both int32."""
        self.backend.no_truncation()
        self.backend.no_padding()
        before = self.backend.encode_special_tokens
        self.backend.encode_special_tokens = True  # "[MASK]" in a text is a word of the text
        try:
            found = self.backend.encode_batch_fast(list(lines), add_special_tokens=False)
        finally:
            self.backend.encode_special_tokens = before
        sizes = np.fromiter(map(len, found), np.int32, len(found))
        # A list at a time: thousands that live on would set off Python's garbage collection.
        return np.fromiter(chain.from_iterable(line.ids for line in found), np.int32, sizes.sum()), sizes


@dataclass(frozen=True)
class Block:
    """Sequences of some documents, each of which is in one block, whole.

    Attributes:
        tokens: of all sequences, one after the other, int32.
        lengths, documents: (n,) int32, of each sequence.
        short, unknown: how many were left out.
    """

    tokens: np.ndarray
    lengths: np.ndarray
    documents: np.ndarray
    short: int
    unknown: int


class SequenceWriter:
    """Writes one split: lines in, filtered sequences out, a block at a time.

    What a writer of the same file left when it was killed is gone on from: documents that are in the file already are
    passed over when they come again.

    Args:
        path: the Arrow file to write; beside it lies how far it is (``.json``).
        vocabulary: number of token ids.
        cut: takes lines and their documents, and returns what gives their :class:`Block`: at once or, if another
            process cuts them, when it is there.
        waiting: blocks that may be on their way at once.
    """

    counts: Counter[str]
    """Documents, sequences and tokens written, the longest sequence, and sequences dropped (short, unknown)."""
    token_counts: np.ndarray
    """(vocab,) int64, occurrences of each token in what was written."""

    def __init__(
        self,
        path: Path,
        vocabulary: int,
        cut: Callable[[list[str], list[int]], Callable[[], Block]],
        *,
        waiting: int = 0,
    ) -> None:
        self.counts = Counter(documents=0, sequences=0, tokens=0, longest=0, short=0, unknown=0)
        self.token_counts = np.zeros(vocabulary, dtype=np.int64)
        self._schema = _schema(vocabulary)
        self._cut, self._most_waiting = cut, waiting
        self._waiting: deque[tuple[int, Callable[[], Block]]] = deque()
        self._hash, self._file_hash = hashlib.sha256(), hashlib.sha256()
        self._path, self._state = path, path.with_suffix(".json")
        self._lines: list[str] = []
        self._documents: list[int] = []
        self._characters = 0
        self._there = self._written = self._go_on()
        self._file = path.open("ab")
        if not path.stat().st_size:
            self._append(self._schema.serialize())
        self._saved = time.monotonic()

    def add(self, lines: list[str]) -> None:
        """Takes the lines of one document."""
        document = self.counts["documents"]
        self.counts["documents"] += 1
        if document < self._there:
            return
        self._lines += lines
        self._documents += [document] * len(lines)
        self._characters += sum(map(len, lines))
        if self._characters >= _CHARACTERS_AT_ONCE:
            self._flush()

    def close(self) -> str:
        """Writes what is left; returns the digest of the split."""
        self._flush()
        while self._waiting:
            self._take()
        self.keep()
        self._append(_END)
        self._file.close()
        return self._hash.hexdigest()

    def _flush(self) -> None:
        self._waiting.append((self.counts["documents"], self._cut(self._lines, self._documents)))
        self._lines, self._documents, self._characters = [], [], 0
        while len(self._waiting) > self._most_waiting:
            self._take()

    def _take(self) -> None:
        documents, block = self._waiting.popleft()
        found = block()
        self.counts.update(short=found.short, unknown=found.unknown)
        if len(found.lengths):
            self._count(found.tokens, found.lengths)
            offsets = np.concatenate([[0], np.cumsum(found.lengths)]).astype(np.int32)
            ids = pa.array(found.tokens, self._schema.field(0).type.value_type)
            lists = pa.ListArray.from_arrays(pa.array(offsets), ids)
            self._append(pa.record_batch([lists, pa.array(found.documents)], schema=self._schema).serialize())
        self._written = documents
        if time.monotonic() - self._saved >= SAVED_SECONDS:
            self.keep()

    def _count(self, tokens: np.ndarray, lengths: np.ndarray) -> None:
        starts = np.cumsum(lengths) - lengths
        self._hash.update(np.insert(tokens, starts, lengths).astype("<i4").tobytes())
        self.token_counts += np.bincount(tokens, minlength=len(self.token_counts))
        self.counts.update(sequences=len(lengths), tokens=len(tokens))
        self.counts["longest"] = max(self.counts["longest"], int(lengths.max()))

    def _append(self, data: Any) -> None:
        self._file.write(data)
        self._file_hash.update(data)

    def keep(self) -> None:
        """Writes down how far the file is, for a writer that goes on from here."""
        if self._file.closed:
            return
        flush(self._file)
        state = {"documents": self._written, "bytes": self._file.tell(), "sha256": self._file_hash.hexdigest()}
        state |= {name: self.counts[name] for name in ("short", "unknown")}
        write_checked(self._state, state)
        self._saved = time.monotonic()

    def _go_on(self) -> int:
        """Goes on from what another writer left; returns how many documents are in the file."""
        try:
            state = read_checked(self._state)
            left, so_far = state["bytes"], hashlib.sha256()
            with self._path.open("rb") as file:
                while left and (part := file.read(min(left, 1 << 20))):
                    so_far.update(part)
                    left -= len(part)
            if left or so_far.hexdigest() != state["sha256"]:
                raise InputError(f"{self._path} was changed after it was written")
            if pa.ipc.read_schema(pa.memory_map(str(self._path))) != self._schema:
                raise InputError(f"{self._path} is of an older version")
        except (InputError, OSError):  # nothing is there, or it is damaged: all of it is made again
            self._path.unlink(missing_ok=True)
            return 0
        os.truncate(self._path, state["bytes"])
        self._file_hash = so_far
        with pa.OSFile(str(self._path)) as source, pa.ipc.open_stream(source) as stream:
            for batch in stream:
                lists = batch.column(0)
                self._count(lists.values.to_numpy().astype(np.int32), np.diff(lists.offsets.to_numpy()))
        self.counts.update(short=state["short"], unknown=state["unknown"])
        return int(state["documents"])
