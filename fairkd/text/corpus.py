"""The corpus as token sequences: text → documents → pieces → Arrow files, cached in the run store.

Steps, as in DistilBERT's data preparation: each non-empty line of a document is tokenised, cut into pieces of at
most ``max_length`` tokens with [CLS] and [SEP], and dropped if it has 11 tokens or fewer or if half of it or more is
[UNK]. Batches hold sequences of similar length. Which documents are sampled and which are held out is decided by a
seeded hash of their text, so it does not depend on order, machine or the other documents.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fairkd.engine.digests import tokenizer_digest
from fairkd.engine.progress import Progress
from fairkd.engine.side_by_side import workers
from fairkd.engine.store import REVISIONS, Store, read_checked, write_checked
from fairkd.errors import InputError
from fairkd.rng import numpy_generator
from fairkd.text.cutting import Cutting
from fairkd.text.sequences import SHORTEST, Cutter, Sequences, SequenceWriter
from fairkd.text.sources import check_sources, documents, fingerprint, states, unread

__all__ = [
    "Corpus",
    "Sequences",
    "batches",
    "build",
    "check_sources",
    "collate",
    "documents",
    "find",
    "load_corpus",
]

LENGTH_EDGES = np.arange(3, 512, 4)
"""Borders of the length groups from which batches are drawn."""
SPLITS = ("train", "heldout")
COUNTS = "token_counts.npy"


@dataclass(frozen=True)
class Corpus:
    """A tokenised corpus; see :func:`build`."""

    folder: Path
    digest: str
    """SHA-256 of all token ids and sequence borders of both splits."""
    train: Sequences
    heldout: Sequences
    token_counts: np.ndarray
    """(vocab,) int64, occurrences in ``train``, special tokens included."""
    manifest: dict[str, Any]
    """What it was made from, what its folders hold beside that (``not_read``), and counts of documents, sequences and
    tokens, in all and for each split."""


def build(
    sources: Sequence[str],
    tokenizer: Any,
    *,
    store: Store,
    column: str = "text",
    join: Mapping[str, int] | None = None,
    fraction: float = 1.0,
    seed: int = 0,
    heldout_fraction: float = 0.02,
    max_length: int = 512,
    progress: bool = True,
    processes: int | None = None,
) -> Corpus:
    """Returns the tokenised corpus, from the store where it was made before from the same files and settings.

    What a killed process had made of it, to within some seconds, is gone on from.

    Args:
        sources: see :mod:`fairkd.text.sources`.
        tokenizer: a fast tokenizer of transformers, with [PAD], [CLS], [SEP] and [MASK].
        store: where the corpus is kept.
        column: text column of JSON lines, Parquet and hub data.
        join: rows that make a document of one line (:mod:`fairkd.text.sources`), by source; 1 where it names none.
        fraction: share of documents to use, in (0, 1]. The documents of a smaller share are among those of a larger.
        seed: of that sample and of the held-out split.
        heldout_fraction: share of the used documents for the split ``heldout``, in [0, 1); the same document is
            held out whatever ``fraction`` is.
        max_length: longest sequence in tokens, [CLS] and [SEP] included; longer lines are cut, nothing is lost.
        progress: show a line of progress.
        processes: that tokenise, once a corpus proves large; the same bits come of any number. As many as there are
            cores without it.

    Raises:
        InputError: a source that cannot be read or changed meanwhile, a tokenizer that does not fit, a setting out of
            range, or nothing left after filtering.
    """
    _check_settings(fraction, heldout_fraction, max_length)
    _check_tokenizer(tokenizer)
    join = dict(join or {})
    check_sources(sources, column=column, join=join)
    settings = (column, join, fraction, seed, heldout_fraction, max_length)
    before = [states(source) for source in sources]
    spec = _spec(sources, tokenizer_digest(tokenizer), *settings)
    key = Store.key("corpus", spec)

    def make() -> None:
        manifest = {"kind": "corpus", **spec}
        begun = _begun(store.unfinished(key), before)
        count = workers() if processes is None else processes
        try:
            with store.write(key, manifest) as folder:
                manifest.update(_write(begun, spec, list(sources), join, tokenizer, progress, count))
                _check_unchanged(sources, join, before, spec["sources"])
                for name in (*(f"{split}.arrow" for split in SPLITS), COUNTS):
                    _put(begun / name, folder / name)
        except InputError:  # what was made of it is of no use
            store.clear_unfinished(key)
            raise
        store.clear_unfinished(key)

    return load_corpus(store.once(key, make))


def find(
    sources: Sequence[str],
    tokenizer: str,
    *,
    store: Store,
    column: str = "text",
    join: Mapping[str, int] | None = None,
    fraction: float = 1.0,
    seed: int = 0,
    heldout_fraction: float = 0.02,
    max_length: int = 512,
) -> Corpus | None:
    """The corpus that :func:`build` would return, if the store has it already; makes nothing.

    ``tokenizer`` is the digest of the tokenizer.
    """
    settings = (column, join or {}, fraction, seed, heldout_fraction, max_length)
    folder = store.find(Store.key("corpus", _spec(sources, tokenizer, *settings)))
    return load_corpus(folder) if folder else None


def _spec(
    sources: Sequence[str],
    tokenizer: str,
    column: str,
    join: Mapping[str, int],
    fraction: float,
    seed: int,
    heldout_fraction: float,
    max_length: int,
) -> dict[str, Any]:
    """Everything that determines a corpus."""
    return {
        "format": REVISIONS["corpus"],
        "sources": [fingerprint(source, join=join.get(source, 1)) for source in sources],
        "tokenizer": tokenizer,
        "column": column,
        "fraction": fraction,
        "seed": seed,
        "heldout_fraction": heldout_fraction,
        "max_length": max_length,
    }


def load_corpus(folder: Path) -> Corpus:
    """Opens a finished corpus of the store."""
    manifest = Store.manifest(folder)
    train, heldout = (Sequences(folder / f"{split}.arrow") for split in SPLITS)
    counts = np.load(folder / COUNTS, allow_pickle=False)
    return Corpus(folder, manifest["digest"], train, heldout, counts, manifest)


def batches(lengths: np.ndarray, batch_size: int, *, seed: int, epoch: int) -> list[np.ndarray]:
    """One epoch's batches of sequence indices, grouped by length so that little is padded.

    A random stream of all indices fills one buffer a length group; a full buffer becomes a batch. What is left in
    the buffers at the end is joined, shortest group first, and cut. Every index occurs once; only the last batch may
    be smaller. The same (seed, epoch) gives the same batches.

    Args:
        lengths: (n,) tokens of each sequence.
        batch_size: sequences a batch.
    """
    order = numpy_generator(seed, "batches", epoch).permutation(len(lengths))
    groups = np.searchsorted(LENGTH_EDGES, np.asarray(lengths)[order], side="right")
    by_group = np.argsort(groups, kind="stable")  # positions in the stream, group by group, each in stream order
    full: list[np.ndarray] = []
    rest: list[np.ndarray] = []
    for positions in np.split(by_group, np.flatnonzero(np.diff(groups[by_group])) + 1):
        n_full = len(positions) // batch_size * batch_size
        full.extend(positions[:n_full].reshape(-1, batch_size))
        rest.append(positions[n_full:])
    full.sort(key=lambda positions: positions[-1])  # a buffer is emitted when its last index arrives
    left = np.concatenate(rest)
    full.extend(left[start : start + batch_size] for start in range(0, len(left), batch_size))
    return [order[positions] for positions in full]


def collate(sequences: Sequence[np.ndarray], pad_id: int, *, length: int = 0) -> tuple[Tensor, Tensor]:
    """Pads sequences at the end to the longest one, or to ``length`` if that is more.

    Returns:
        input_ids and attention_mask (1 for tokens, 0 for padding), both (batch, tokens) int64.
    """
    longest = max([length, *map(len, sequences)])
    input_ids = np.full((len(sequences), longest), pad_id, dtype=np.int64)
    mask = np.zeros((len(sequences), longest), dtype=np.int64)
    for row, sequence in enumerate(sequences):
        input_ids[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    return torch.from_numpy(input_ids), torch.from_numpy(mask)


def _check_settings(fraction: float, heldout_fraction: float, max_length: int) -> None:
    if not 0 < fraction <= 1:
        raise InputError(f"fraction: {fraction!r} must lie in (0, 1]")
    if not 0 <= heldout_fraction < 1:
        raise InputError(f"heldout_fraction: {heldout_fraction!r} must lie in [0, 1)")
    if max_length < SHORTEST:
        raise InputError(f"max_length: {max_length!r} must be {SHORTEST} or more; shorter sequences are dropped")


def _check_tokenizer(tokenizer: Any) -> None:
    name = getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(
            f"the tokenizer {name!r} is not a fast one (it needs a tokenizer.json); load it with AutoTokenizer"
        )
    missing = [
        f"{kind}_token" for kind in ("mask", "cls", "sep", "pad") if getattr(tokenizer, f"{kind}_token_id") is None
    ]
    if missing:
        raise InputError(
            f"the tokenizer {name!r} has no {', '.join(missing)}; masked language modelling needs a BERT-like "
            "tokenizer with [MASK], [CLS], [SEP] and [PAD]"
        )


def uniform(text: str, seed: int, purpose: str) -> float:
    """A number in [0, 1) from SHA-256 of (seed, purpose, text): the same for a text wherever it occurs."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{text}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _put(path: Path, there: Path) -> None:
    """The same file under another name too, so that a kill loses neither; moved, where a file has one name only."""
    try:
        os.link(path, there)
    except OSError:
        os.replace(path, there)


def _begun(folder: Path, sources: list[list[list[Any]]]) -> Path:
    """The folder in which a corpus is made; what was begun there counts if its sources are in the same state."""
    note = folder / "sources.json"
    try:
        same = read_checked(note)["sources"] == json.loads(json.dumps(sources))
    except InputError:
        same = False
    if not same:
        shutil.rmtree(folder, ignore_errors=True)
        write_checked(note, {"sources": sources, "key": folder.name})
    return folder


def _write(
    folder: Path,
    spec: dict[str, Any],
    sources: list[str],
    join: Mapping[str, int],
    tokenizer: Any,
    progress: bool,
    processes: int,
) -> dict[str, Any]:
    """Fills the folder of a corpus; returns what its manifest says about the result."""
    started = time.perf_counter()
    vocabulary = max(tokenizer.get_vocab().values()) + 1  # ids may have gaps
    with Cutting(Cutter.of(tokenizer, spec["max_length"]), folder / "tokenizer.json", processes) as cutting:
        writers = [
            SequenceWriter(
                folder / f"{split}.arrow", vocabulary, cutting.cut, waiting=2 * processes if processes > 1 else 0
            )
            for split in SPLITS
        ]
        try:
            texts = all_documents(sources, column=spec["column"], join=join, progress=progress)
            read = _fill(writers[0], writers[1], texts, spec)
            digests = [writer.close() for writer in writers]
        except BaseException:
            with suppress(OSError):  # a full disk, say, is what is told
                for writer in writers:
                    writer.keep()
            raise
    train, heldout = writers
    _check_result(read, train.counts, heldout.counts, spec, sources)
    np.save(folder / COUNTS, train.token_counts, allow_pickle=False)
    total = train.counts + heldout.counts  # Counter's sum leaves out zeros
    return {
        "digest": hashlib.sha256("/".join(digests).encode()).hexdigest(),
        "documents_read": read,
        "not_read": [note for source in sources for note in unread(source)],
        **{name: total[name] for name in ("documents", "sequences", "tokens")},
        "longest": max(train.counts["longest"], heldout.counts["longest"]),
        "mean_length": total["tokens"] / total["sequences"],
        "dropped_short": total["short"],
        "dropped_unknown": total["unknown"],
        "splits": {split: dict(writer.counts) for split, writer in zip(SPLITS, writers, strict=True)},
        "seconds": round(time.perf_counter() - started, 3),
    }


def _fill(train: SequenceWriter, heldout: SequenceWriter, texts: Iterable[str], spec: dict[str, Any]) -> int:
    """Deals the documents out; returns how many there were."""
    read = 0
    for text in texts:
        lines = [stripped for line in text.splitlines() if (stripped := line.strip())]
        if not lines:
            continue
        read += 1
        if uniform(text, spec["seed"], "fraction") < spec["fraction"]:
            held = uniform(text, spec["seed"], "heldout") < spec["heldout_fraction"]
            (heldout if held else train).add(lines)
    return read


def _check_unchanged(
    sources: Sequence[str], join: Mapping[str, int], before: list[list[list[Any]]], read: list[dict[str, Any]]
) -> None:
    """Raises where a file was written since its state and digest were taken: what was read may be of both.

    Args:
        before: states of the sources before their digests were taken.
        read: these digests, of each source.
    """
    for source, states_before, digests in zip(sources, before, read, strict=True):
        if states(source) != states_before or fingerprint(source, join=join.get(source, 1)) != digests:
            raise InputError(
                f"corpus {source!r} changed while it was read, so nothing was kept of it; begin again when its files "
                "are whole"
            )


def all_documents(
    sources: Sequence[str], *, column: str, join: Mapping[str, int], progress: bool = False
) -> Iterator[str]:
    """Yields the documents of all sources, in order, with a line of progress a source if it is wanted."""
    for source in sources:
        with Progress(f"tokenising {source}" if progress else "", unit="documents") as shown:
            for text in documents(source, column=column, join=join.get(source, 1)):
                yield text
                shown.add()


def _check_result(
    read: int, train: Counter[str], heldout: Counter[str], spec: dict[str, Any], sources: list[str]
) -> None:
    used = train["documents"] + heldout["documents"]
    dropped = (
        f"{used} of {read} documents sampled (fraction {spec['fraction']}); of their sequences "
        f"{train['short'] + heldout['short']} had fewer than {SHORTEST} tokens and "
        f"{train['unknown'] + heldout['unknown']} were half or more unknown to the tokenizer"
    )
    if not train["sequences"]:
        raise InputError(f"corpus {sources}: no sequence to train on: {dropped}")
    if spec["heldout_fraction"] > 0 and not heldout["sequences"]:
        raise InputError(
            f"corpus {sources}: no sequence is held out: heldout_fraction {spec['heldout_fraction']} chose "
            f"{heldout['documents']} of {used} documents; raise it, use more documents or another seed ({dropped})"
        )
