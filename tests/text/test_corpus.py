"""The tokenised corpus: what is kept, what is held out, how it is batched, and when it is made again."""

import bisect
import hashlib
import json
import os
import random
import signal
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from fairkd.engine.digests import tokenizer_digest
from fairkd.engine.side_by_side import pool
from fairkd.engine.store import Store
from fairkd.errors import InputError
from fairkd.rng import numpy_generator
from fairkd.teachers.checkpoints import small_tokenizer
from fairkd.text import corpus as module
from fairkd.text import cutting, sequences
from fairkd.text.corpus import Corpus, batches, build, collate
from fairkd.text.sequences import Cutter, Sequences, SequenceWriter
from fairkd.text.sources import documents

TEXTS = list(documents("generated"))
TOKENIZER = small_tokenizer(TEXTS)
ARROWS = ("train.arrow", "heldout.arrow")
WIDE = pa.schema([("input_ids", pa.list_(pa.int32())), ("document", pa.int32())])


def make(tmp_path: Path, sources: list[str], *, tokenizer=TOKENIZER, **settings) -> Corpus:
    return build(sources, tokenizer, store=Store(tmp_path / "store"), progress=False, **settings)


def here(max_length: int):
    """Cuts lines at once."""
    cutter = Cutter.of(TOKENIZER, max_length)

    def cut(lines, documents):
        block = cutter.cut(lines, documents)
        return lambda: block

    return cut


def text_file(path: Path, lines: list[str]) -> str:
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def as_sets(corpus: Corpus) -> tuple[set[bytes], set[bytes]]:
    train, heldout = (
        {tokens.tobytes() for tokens in split[np.arange(len(split))]} for split in (corpus.train, corpus.heldout)
    )
    return train, heldout


def test_sequences_are_the_tokenised_lines_between_cls_and_sep(tmp_path: Path) -> None:
    corpus = make(tmp_path, ["generated"], heldout_fraction=0.1)
    expected: dict[bool, list[list[int]]] = {True: [], False: []}
    for text in TEXTS:
        ids = TOKENIZER(text)["input_ids"]  # its template adds [CLS] and [SEP]
        expected[module.uniform(text, 0, "heldout") < 0.1].append(ids)
    for split, held in ((corpus.train, False), (corpus.heldout, True)):
        assert [tokens.tolist() for tokens in split[range(len(split))]] == expected[held]
        assert split.lengths.tolist() == [len(ids) for ids in expected[held]]
    assert len(corpus.heldout) > 10


def test_arrow_file_opens_as_a_dataset_and_is_read_by_any_index(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("fairkd.text.sequences._CHARACTERS_AT_ONCE", 3000)  # many record batches
    corpus = make(tmp_path, ["generated"])
    from datasets import Dataset

    rows = Dataset.from_file(str(corpus.folder / "train.arrow"))["input_ids"]
    indices = [len(rows) - 1, 0, 137, 138, 137]
    assert [tokens.tolist() for tokens in corpus.train[indices]] == [rows[index] for index in indices]
    assert all(tokens.dtype == np.int32 for tokens in corpus.train[indices])
    assert corpus.train[[]] == []
    for outside in ([-1], [len(rows)]):
        with pytest.raises(IndexError, match="indices must lie in"):
            corpus.train[outside]


def test_ids_take_two_bytes_where_the_vocabulary_allows_and_read_alike(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(sequences, "_CHARACTERS_AT_ONCE", 3000)
    narrow = make(tmp_path / "narrow", ["generated"])
    monkeypatch.setattr(sequences, "_schema", lambda vocabulary: WIDE)
    wide = make(tmp_path / "wide", ["generated"])
    saved = sum((wide.folder / name).stat().st_size - (narrow.folder / name).stat().st_size for name in ARROWS)
    assert saved == pytest.approx(2 * wide.manifest["tokens"], rel=0.05)
    assert narrow.digest == wide.digest
    everything = range(len(wide.train))
    assert [one.tolist() for one in narrow.train[everything]] == [one.tolist() for one in wide.train[everything]]
    assert all(
        map(np.array_equal, *(map(np.concatenate, zip(*split.chunks())) for split in (narrow.train, wide.train)))
    )


def test_an_id_above_two_bytes_is_kept(tmp_path: Path) -> None:
    ids = np.array([0, 65_535, 65_536, 99_999], np.int32)
    block = sequences.Block(ids, np.array([4], np.int32), np.array([0], np.int32), 0, 0)
    writer = SequenceWriter(tmp_path / "a.arrow", 100_000, lambda lines, documents: lambda: block)
    writer.add(["text"])
    writer.close()
    assert Sequences(tmp_path / "a.arrow")[[0]][0].tolist() == ids.tolist()


def test_rows_of_one_sentence_are_joined_before_cutting(tmp_path: Path) -> None:
    """As if the file had the joined lines; alone, a part of the rows is too short for a sequence."""
    words = " ".join(TEXTS[:60]).split()
    rows = [" ".join(words[n : n + 3 + n % 9]) for n in range(0, len(words) - 12, 12)]  # of 3 to 11 words
    alone = text_file(tmp_path / "rows.txt", rows)
    lines = text_file(tmp_path / "lines.txt", [" ".join(rows[n : n + 4]) for n in range(0, len(rows), 4)])
    joined = make(tmp_path, [alone, "generated"], join={alone: 4}, heldout_fraction=0.2)
    assert joined.digest == make(tmp_path, [lines, "generated"], heldout_fraction=0.2).digest
    assert joined.manifest["sources"][0]["join"] == 4
    assert "join" not in joined.manifest["sources"][1]
    assert make(tmp_path, [alone]).manifest["dropped_short"] > 0.5 * len(rows)
    assert make(tmp_path, [alone], join={alone: 4}).manifest["dropped_short"] < 0.1 * len(rows)


def test_a_file_that_became_shorter_is_an_error(tmp_path: Path) -> None:
    corpus = make(tmp_path, ["generated"])
    file = corpus.folder / "train.arrow"
    os.truncate(file, file.stat().st_size // 2)
    assert len(corpus.train[[0]][0]) == corpus.train.lengths[0]
    for read in (lambda: corpus.train[[len(corpus.train) - 1]], lambda: list(corpus.train.chunks())):
        with pytest.raises(OSError, match=r"train\.arrow has become shorter"):
            read()


def test_sequences_are_found_from_any_working_folder(tmp_path: Path, monkeypatch) -> None:
    corpus = make(tmp_path, ["generated"])
    monkeypatch.chdir(corpus.folder)
    found = Sequences(Path("train.arrow"))
    monkeypatch.chdir(tmp_path)
    assert found[[3]][0].tolist() == corpus.train[[3]][0].tolist()


def test_record_batches_do_not_change_the_result(tmp_path: Path, monkeypatch) -> None:
    whole = make(tmp_path / "a", ["generated"])
    monkeypatch.setattr("fairkd.text.sequences._CHARACTERS_AT_ONCE", 500)
    assert make(tmp_path / "b", ["generated"]).digest == whole.digest


def test_each_line_of_a_document_is_a_sequence(tmp_path: Path) -> None:
    pair = f"{TEXTS[0]}\n\n   \n  {TEXTS[1]}  \r\n"
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}) for text in (pair, TEXTS[2], "\n")))
    corpus = make(tmp_path, [str(path)], heldout_fraction=0)
    assert [t.tolist() for t in corpus.train[[0, 1, 2]]] == [TOKENIZER(t)["input_ids"] for t in TEXTS[:3]]
    assert corpus.manifest["documents"] == 2  # the third is empty


def test_fraction_takes_the_same_documents_in_any_order_and_nests(tmp_path: Path) -> None:
    order = TEXTS.copy()
    random.Random(0).shuffle(order)
    forward, backward = text_file(tmp_path / "a.txt", TEXTS), text_file(tmp_path / "b.txt", order)
    thirty = as_sets(make(tmp_path, [forward], fraction=0.3, heldout_fraction=0.1))
    fifty = as_sets(make(tmp_path, [forward], fraction=0.5, heldout_fraction=0.1))
    assert as_sets(make(tmp_path, [backward], fraction=0.3, heldout_fraction=0.1)) == thirty
    assert thirty[0] < fifty[0]
    assert thirty[1] < fifty[1]
    assert 0.2 < sum(map(len, thirty)) / len(TEXTS) < 0.4
    other = as_sets(make(tmp_path, [forward], fraction=0.3, heldout_fraction=0.1, seed=1))
    assert len(other[0] & thirty[0]) < 0.6 * len(thirty[0])


def test_heldout_documents_are_never_trained_on_and_do_not_depend_on_fraction(tmp_path: Path) -> None:
    doubled = text_file(tmp_path / "a.txt", TEXTS + TEXTS)  # a copy of a held-out document must be held out too
    train, heldout = as_sets(make(tmp_path, [doubled], heldout_fraction=0.2))
    assert not train & heldout
    assert 0.12 < len(heldout) / len(TEXTS) < 0.28
    half_train, half_heldout = as_sets(make(tmp_path, [doubled], heldout_fraction=0.2, fraction=0.5))
    half = half_train | half_heldout
    assert (half_train, half_heldout) == (train & half, heldout & half)


def test_cutting_keeps_every_piece(tmp_path: Path) -> None:
    line = " ".join(TEXTS[:20])
    whole = TOKENIZER(line, add_special_tokens=False)["input_ids"]
    body = 30
    line = TOKENIZER.decode(whole[: len(whole) // body * body + 10])  # the last piece is 12 tokens: just kept
    whole = TOKENIZER(line, add_special_tokens=False)["input_ids"]
    corpus = make(tmp_path, [text_file(tmp_path / "a.txt", [line])], heldout_fraction=0, max_length=body + 2)
    sequences = [tokens.tolist() for tokens in corpus.train[range(len(corpus.train))]]
    assert corpus.train.lengths.tolist() == [body + 2] * (len(whole) // body) + [12]
    assert [token for tokens in sequences for token in tokens[1:-1]] == whole
    assert {(tokens[0], tokens[-1]) for tokens in sequences} == {(TOKENIZER.cls_token_id, TOKENIZER.sep_token_id)}


def test_sequences_and_their_digest_equal_those_made_one_by_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("fairkd.text.sequences._CHARACTERS_AT_ONCE", 3000)  # many record batches
    draw, body = random.Random(0), 14
    words = TOKENIZER.convert_ids_to_tokens(range(5, 25))
    lines = ["\u200d"]  # no token at all
    for length in [*range(1, 3 * body + 1), *draw.choices(range(1, 60), k=200)]:
        share = draw.random()
        lines.append(" ".join("Ж" if draw.random() < share else draw.choice(words) for _ in range(length)))
    expected, digest, dropped = [], hashlib.sha256(), Counter()
    for document, line in enumerate(lines):
        ids = TOKENIZER(line, add_special_tokens=False)["input_ids"]
        for start in range(0, len(ids), body):
            sequence = [TOKENIZER.cls_token_id, *ids[start : start + body], TOKENIZER.sep_token_id]
            short, unknown = len(sequence) < 12, 2 * sequence.count(TOKENIZER.unk_token_id) >= len(sequence)
            dropped.update(["short"] if short else ["unknown"] if unknown else [])
            if not short and not unknown:
                expected.append((document, sequence))
                digest.update(np.array([len(sequence), *sequence], "<i4").tobytes())
    writer = SequenceWriter(tmp_path / "a.arrow", len(TOKENIZER), here(body + 2))
    for line in lines:
        writer.add([line])
    assert writer.close() == digest.hexdigest()
    found = Sequences(tmp_path / "a.arrow")
    assert [tokens.tolist() for tokens in found[range(len(found))]] == [sequence for _, sequence in expected]
    places = {(int(at), int(document)) for _, ats, documents in found.chunks() for at, document in zip(ats, documents)}
    assert sorted(places) == [(at, document) for at, (document, _) in enumerate(expected)]
    assert (writer.counts["short"], writer.counts["unknown"]) == (dropped["short"], dropped["unknown"])
    assert min(dropped.values()) > 20
    tokens = [token for _, sequence in expected for token in sequence]
    assert writer.token_counts.tolist() == np.bincount(tokens, minlength=len(TOKENIZER)).tolist()


def test_filters_drop_11_tokens_or_fewer_and_half_unknown_or_more(tmp_path: Path) -> None:
    words = TOKENIZER.convert_ids_to_tokens(range(5, 25))
    kept = " ".join(words[:10])  # 12 tokens
    short = " ".join(words[:9])  # 11
    unknown = "Ж"
    half = " ".join(words[:5] + [unknown] * 7)  # 7 of 14
    below = " ".join(words[:6] + [unknown] * 6)  # 6 of 14
    corpus = make(tmp_path, [text_file(tmp_path / "a.txt", [kept, short, half, below])], heldout_fraction=0)
    assert [t.tolist() for t in corpus.train[[0, 1]]] == [TOKENIZER(text)["input_ids"] for text in (kept, below)]
    assert len(corpus.train) == 2
    assert (corpus.manifest["dropped_short"], corpus.manifest["dropped_unknown"]) == (1, 1)


def test_special_tokens_spelled_out_in_a_text_are_plain_text(tmp_path: Path) -> None:
    words = " ".join(TOKENIZER.convert_ids_to_tokens(range(5, 25)))
    corpus = make(tmp_path, [text_file(tmp_path / "a.txt", [f"{words} [MASK] [SEP] {words}"])], heldout_fraction=0)
    (tokens,) = corpus.train[[0]]
    assert TOKENIZER.mask_token_id not in tokens
    assert np.flatnonzero(tokens == TOKENIZER.sep_token_id).tolist() == [len(tokens) - 1]
    assert TOKENIZER("[MASK]", add_special_tokens=False)["input_ids"] == [TOKENIZER.mask_token_id]  # as before


def test_token_counts_are_those_of_the_training_split(tmp_path: Path) -> None:
    corpus = make(tmp_path, ["generated"], heldout_fraction=0.1)
    expected = np.zeros(len(TOKENIZER), dtype=np.int64)
    for tokens in corpus.train[range(len(corpus.train))]:
        for token in tokens:
            expected[token] += 1
    assert corpus.token_counts.tolist() == expected.tolist()
    assert corpus.token_counts[TOKENIZER.cls_token_id] == len(corpus.train)


def test_manifest_counts_what_is_there(tmp_path: Path) -> None:
    corpus = make(tmp_path, ["generated"], heldout_fraction=0.1, fraction=0.8)
    manifest, both = corpus.manifest, np.concatenate([corpus.train.lengths, corpus.heldout.lengths])
    assert manifest["documents_read"] == len(TEXTS)
    assert manifest["documents"] == manifest["sequences"] == len(both)
    assert manifest["tokens"] == both.sum() == sum(split["tokens"] for split in manifest["splits"].values())
    assert (manifest["longest"], manifest["mean_length"]) == (both.max(), pytest.approx(both.mean()))
    assert manifest["splits"]["heldout"]["sequences"] == len(corpus.heldout)


def literal_batches(lengths: np.ndarray, batch_size: int, order: np.ndarray) -> list[list[int]]:
    """Length-grouped sampling as the original program does it, one index at a time."""
    edges = list(range(3, 512, 4))
    buffers: dict[int, list[int]] = defaultdict(list)
    emitted = []
    for index in order.tolist():
        group = bisect.bisect_right(edges, lengths[index])
        buffers[group].append(index)
        if len(buffers[group]) == batch_size:
            emitted.append(buffers.pop(group))
    left = [index for group in sorted(buffers) for index in buffers[group]]
    return emitted + [left[start : start + batch_size] for start in range(0, len(left), batch_size)]


@pytest.mark.parametrize(("n", "batch_size"), [(1, 8), (7, 8), (8, 8), (1000, 8), (1000, 1), (1001, 5), (300, 64)])
def test_batches_equal_the_literal_sampler(n: int, batch_size: int) -> None:
    lengths = np.random.default_rng(n).integers(12, 513, n)
    lengths[: n // 2] = np.random.default_rng(1).integers(12, 30, n // 2)  # some groups fill up many times
    order = numpy_generator(3, "batches", 2).permutation(n)
    found = [batch.tolist() for batch in batches(lengths, batch_size, seed=3, epoch=2)]
    assert found == literal_batches(lengths, batch_size, order)
    assert len(found) == -(-n // batch_size)


def test_batches_cover_every_index_once_and_differ_between_epochs_and_seeds() -> None:
    lengths = np.random.default_rng(0).integers(12, 130, 500)
    seen = {}
    for seed, epoch in ((0, 0), (0, 1), (1, 0)):
        found = batches(lengths, 8, seed=seed, epoch=epoch)
        assert sorted(np.concatenate(found).tolist()) == list(range(500))
        again = batches(lengths, 8, seed=seed, epoch=epoch)
        assert [batch.tolist() for batch in again] == [batch.tolist() for batch in found]
        seen[seed, epoch] = str([batch.tolist() for batch in found])
    assert len(set(seen.values())) == 3


def test_grouping_saves_padding() -> None:
    lengths = np.random.default_rng(0).integers(12, 130, 4000)
    padded = sum(len(batch) * lengths[batch].max() for batch in batches(lengths, 8, seed=0, epoch=0))
    assert padded / lengths.sum() < 1.05


def test_no_sequences_give_no_batches() -> None:
    assert batches(np.zeros(0, np.int32), 8, seed=0, epoch=0) == []


def test_collate_pads_on_to_a_length() -> None:
    sequences = [np.array([5, 6, 7], np.int32), np.array([8], np.int32)]
    input_ids, mask = collate(sequences, 9, length=4)
    assert input_ids.tolist() == [[5, 6, 7, 9], [8, 9, 9, 9]]
    assert mask.tolist() == [[1, 1, 1, 0], [1, 0, 0, 0]]
    assert collate(sequences, 9, length=2)[0].tolist() == [[5, 6, 7], [8, 9, 9]]


def test_collate_pads_at_the_end() -> None:
    input_ids, mask = collate([np.array([5, 6, 7], np.int32), np.array([8], np.int32)], 9)
    assert input_ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert input_ids.dtype == mask.dtype == torch.int64


def test_digest_is_stable_and_changes_with_content_borders_and_split(tmp_path: Path) -> None:
    first = text_file(tmp_path / "a.txt", TEXTS[:40])
    digest = make(tmp_path, [first], heldout_fraction=0.2).digest
    assert make(tmp_path / "elsewhere", [first], heldout_fraction=0.2).digest == digest
    copy = text_file(tmp_path / "b.txt", TEXTS[:40])
    assert make(tmp_path, [copy], heldout_fraction=0.2).digest == digest  # content counts, not the name
    assert make(tmp_path, [copy], heldout_fraction=0.2, seed=1).digest != digest
    assert make(tmp_path, [copy], heldout_fraction=0.2, max_length=20).digest != digest
    changed = text_file(tmp_path / "c.txt", [*TEXTS[:39], TEXTS[39].replace("the", "that", 1)])
    assert make(tmp_path, [changed], heldout_fraction=0.2).digest != digest


def test_digest_tells_borders_of_sequences_apart(tmp_path: Path) -> None:
    words = TOKENIZER.convert_ids_to_tokens([10] * 40)
    digests = set()
    for cut in (15, 20):
        lines = [" ".join(words[:cut]), " ".join(words[cut:])]
        digests.add(make(tmp_path, [text_file(tmp_path / f"{cut}.txt", lines)], heldout_fraction=0).digest)
    assert len(digests) == 2


def test_second_call_loads_without_reading(tmp_path: Path, monkeypatch) -> None:
    path = text_file(tmp_path / "a.txt", TEXTS)
    first = make(tmp_path, [path])

    def fail(*args, **kwargs):
        raise AssertionError("read again")

    monkeypatch.setattr(module, "documents", fail)
    second = make(tmp_path, [path])
    assert (second.digest, second.folder, second.manifest) == (first.digest, first.folder, first.manifest)
    assert as_sets(second) == as_sets(first)
    with pytest.raises(AssertionError, match="read again"):  # any setting makes another corpus
        make(tmp_path, [path], max_length=64)


def test_changed_file_builds_anew(tmp_path: Path) -> None:
    path = text_file(tmp_path / "a.txt", TEXTS[:50])
    before = make(tmp_path, [path], heldout_fraction=0)
    text_file(tmp_path / "a.txt", TEXTS[:60])
    after = make(tmp_path, [path], heldout_fraction=0)
    assert (len(before.train), len(after.train)) == (50, 60)


@pytest.mark.parametrize("fresh", [True, False])
def test_other_content_of_equal_size_and_time_is_another_corpus(tmp_path: Path, monkeypatch, fresh: bool) -> None:
    monkeypatch.setattr("fairkd.engine.store.FRESH_NS", 10**12 if fresh else 0)
    source = Path(text_file(tmp_path / "a.txt", TEXTS[:20]))
    first, time = make(tmp_path, [str(source)], heldout_fraction=0), source.stat().st_mtime_ns
    source.write_text(source.read_text(encoding="utf-8").replace("e", "a"), encoding="utf-8")
    os.utime(source, ns=(time, time))
    assert source.stat().st_mtime_ns == time
    assert make(tmp_path, [str(source)], heldout_fraction=0).digest != first.digest


def test_the_same_content_elsewhere_is_the_same_corpus(tmp_path: Path, monkeypatch) -> None:
    first = make(tmp_path, [text_file(tmp_path / "a.txt", TEXTS[:20])], heldout_fraction=0)
    (tmp_path / "moved").mkdir()
    os.replace(tmp_path / "a.txt", tmp_path / "moved" / "a.txt")
    os.utime(tmp_path / "moved" / "a.txt", (1, 1))
    monkeypatch.setattr(module, "_write", None)  # it is not made again
    assert make(tmp_path, [str(tmp_path / "moved" / "a.txt")], heldout_fraction=0).folder == first.folder


@pytest.mark.parametrize("restored", [True, False])
def test_a_file_written_while_it_is_read_leaves_no_corpus(tmp_path: Path, monkeypatch, restored: bool) -> None:
    source = Path(text_file(tmp_path / "a.txt", TEXTS[:20]))
    old, time = source.read_bytes(), source.stat().st_mtime_ns

    def then_written(*args, **options):
        yield from module.documents(str(source))
        source.write_bytes(old[::-1])
        if restored:  # the old bytes again, with the old time
            source.write_bytes(old)
            os.utime(source, ns=(time, time))

    with monkeypatch.context() as patched:
        patched.setattr(module, "all_documents", then_written)
        with pytest.raises(InputError, match=r"corpus '.*a\.txt' changed while it was read"):
            make(tmp_path, [str(source)], heldout_fraction=0)
    assert not list((tmp_path / "store").glob("*/manifest.json"))
    source.write_bytes(old)
    make(tmp_path, [str(source)], heldout_fraction=0)


@pytest.fixture
def often(monkeypatch) -> None:
    """Small blocks, each of which is written down, and other processes from the third on."""
    monkeypatch.setattr(sequences, "_CHARACTERS_AT_ONCE", 500)
    monkeypatch.setattr(sequences, "SAVED_SECONDS", 0.0)
    monkeypatch.setattr(cutting, "WORTH_PROCESSES", 2)


def cut_here(monkeypatch) -> list[int]:
    """The documents of the lines that this process tokenises from now on."""
    found: list[int] = []
    honest = Cutter.cut

    def noted(self, lines, documents):
        found.extend(documents)
        return honest(self, lines, documents)

    monkeypatch.setattr(Cutter, "cut", noted)
    return found


def stops_after(n: int, how):
    """Documents of the generated corpus, in the middle of which something happens."""

    def documents(source, *, column, join):
        yield from TEXTS[:n]
        how()
        yield from TEXTS[n:]

    return documents


def same_files(one: Corpus, other: Corpus) -> bool:
    names = ["train.arrow", "heldout.arrow", "token_counts.npy"]
    return all((one.folder / name).read_bytes() == (other.folder / name).read_bytes() for name in names)


def interrupt() -> None:
    raise KeyboardInterrupt


def test_an_interrupt_leaves_no_entry_and_the_next_call_goes_on_where_it_stood(tmp_path, monkeypatch, often) -> None:
    whole = make(tmp_path / "whole", ["generated"], heldout_fraction=0.2)
    for n in (150, 290):
        with monkeypatch.context() as patch:
            patch.setattr(module, "documents", stops_after(n, interrupt))
            with pytest.raises(KeyboardInterrupt):
                make(tmp_path, ["generated"], heldout_fraction=0.2, processes=1)
        assert sorted(path.name for path in (tmp_path / "store").iterdir()) == ["locks", "unfinished"]
    again = cut_here(monkeypatch)
    corpus = make(tmp_path, ["generated"], heldout_fraction=0.2, processes=1)
    assert corpus.digest == whole.digest
    assert same_files(corpus, whole)
    assert 0 < len(again) < len(TEXTS) - 250  # but for blocks that were not full
    assert not list((tmp_path / "store" / "unfinished").iterdir())
    told = ("documents_read", "dropped_short", "dropped_unknown", "splits", "tokens", "longest")
    assert [corpus.manifest[name] for name in told] == [whole.manifest[name] for name in told]


def test_a_process_that_is_killed_twice_loses_seconds_only(tmp_path, monkeypatch, often) -> None:
    whole = make(tmp_path / "whole", ["generated"])
    for n in (120, 240):
        child = os.fork()
        if not child:
            module.documents = stops_after(n, lambda: os.kill(os.getpid(), signal.SIGKILL))
            make(tmp_path, ["generated"], processes=1)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    again = cut_here(monkeypatch)
    corpus = make(tmp_path, ["generated"], processes=1)
    assert same_files(corpus, whole)
    assert 0 < len(again) < len(TEXTS) - 200


def test_what_an_older_version_began_with_wider_ids_is_made_again(tmp_path, monkeypatch, often) -> None:
    whole = make(tmp_path / "whole", ["generated"])
    with monkeypatch.context() as patch:
        patch.setattr(sequences, "_schema", lambda vocabulary: WIDE)
        patch.setattr(module, "documents", stops_after(250, interrupt))
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path, ["generated"], processes=1)
    assert same_files(make(tmp_path, ["generated"], processes=1), whole)


@pytest.mark.parametrize("name", ["train.arrow", "train.json", "sources.json"])
def test_what_was_damaged_meanwhile_is_made_again(tmp_path, monkeypatch, often, name) -> None:
    whole = make(tmp_path / "whole", ["generated"])
    with monkeypatch.context() as patch:
        patch.setattr(module, "documents", stops_after(250, interrupt))
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path, ["generated"], processes=1)
    (path,) = (tmp_path / "store" / "unfinished").glob(f"*/{name}")
    data = path.read_bytes()
    at = len(data) // 2 if name == "train.arrow" else next(i for i, byte in enumerate(data) if byte in b"123456789")
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    again = cut_here(monkeypatch)
    assert same_files(make(tmp_path, ["generated"], processes=1), whole)
    assert len(again) > 250


def test_any_number_of_processes_makes_the_same_corpus(tmp_path, monkeypatch, often) -> None:
    one = make(tmp_path / "1", ["generated"], heldout_fraction=0.2, processes=1)
    here = cut_here(monkeypatch)
    two = make(tmp_path / "2", ["generated"], heldout_fraction=0.2, processes=2)
    assert same_files(one, two)
    assert one.manifest["splits"] == two.manifest["splits"]
    assert len(here) < len(TEXTS) / 2


def test_a_process_that_tokenises_and_is_killed_costs_nothing(tmp_path, monkeypatch, often, capfd) -> None:
    whole = make(tmp_path / "1", ["generated"], processes=1)
    pools: list = []
    monkeypatch.setattr(cutting, "pool", lambda **given: pools.append(pool(**given)) or pools[-1])

    def kill() -> None:
        for process in pools[0]._processes.values():
            os.kill(process.pid, signal.SIGKILL)

    monkeypatch.setattr(module, "documents", stops_after(200, kill))
    assert same_files(make(tmp_path / "2", ["generated"], processes=2), whole)
    assert capfd.readouterr().err.count("A process was killed") == 1


def test_damaged_entry_is_built_anew(tmp_path: Path) -> None:
    first = make(tmp_path, ["generated"])
    arrow = first.folder / "train.arrow"
    arrow.write_bytes(arrow.read_bytes()[:-100])
    assert make(tmp_path, ["generated"]).digest == first.digest


def test_several_sources_follow_each_other(tmp_path: Path) -> None:
    a, b = text_file(tmp_path / "a.txt", TEXTS[:3]), text_file(tmp_path / "b.txt", TEXTS[3:5])
    corpus = make(tmp_path, [b, a], heldout_fraction=0)
    expected = [TOKENIZER(text)["input_ids"] for text in [*TEXTS[3:5], *TEXTS[:3]]]
    assert [tokens.tolist() for tokens in corpus.train[range(5)]] == expected


def test_tokenizer_digest_ignores_truncation_and_padding_but_not_the_vocabulary() -> None:
    tokenizer = small_tokenizer(TEXTS)
    before = tokenizer_digest(tokenizer)
    tokenizer(TEXTS[:2], truncation=True, max_length=8, padding="max_length")
    assert tokenizer_digest(tokenizer) == before == tokenizer_digest(TOKENIZER)
    assert tokenizer_digest(small_tokenizer(TEXTS[:100])) != before


def test_truncation_and_padding_set_in_a_tokenizer_do_not_reach_the_corpus(tmp_path: Path) -> None:
    tokenizer = small_tokenizer(TEXTS)
    tokenizer.backend_tokenizer.enable_truncation(8)
    tokenizer.backend_tokenizer.enable_padding(length=64)
    assert make(tmp_path / "a", ["generated"], tokenizer=tokenizer).digest == make(tmp_path, ["generated"]).digest


def test_tokenizer_without_mask_or_cls_is_refused(tmp_path: Path) -> None:
    tokenizer = small_tokenizer(TEXTS)
    tokenizer.mask_token = None
    tokenizer.cls_token = None
    with pytest.raises(InputError, match=r"has no mask_token, cls_token; masked language modelling needs a BERT-like"):
        make(tmp_path, ["generated"], tokenizer=tokenizer)


def test_slow_tokenizer_is_refused(tmp_path: Path) -> None:
    class Slow:
        is_fast = False
        name_or_path = "my-model"

    with pytest.raises(InputError, match=r"the tokenizer 'my-model' is not a fast one \(it needs a tokenizer\.json\)"):
        make(tmp_path, ["generated"], tokenizer=Slow())


def test_corpus_of_which_nothing_is_left_says_why(tmp_path: Path) -> None:
    short = text_file(tmp_path / "a.txt", ["too short", "also short", " ".join(["Ж"] * 20)])
    with pytest.raises(
        InputError,
        match=r"no sequence to train on: 3 of 3 documents sampled \(fraction 1\.0\); of their sequences 2 had fewer "
        r"than 12 tokens and 1 were half or more unknown",
    ):
        make(tmp_path, [short], heldout_fraction=0)
    empty = text_file(tmp_path / "b.txt", ["", "  "])
    with pytest.raises(InputError, match="no sequence to train on: 0 of 0 documents"):
        make(tmp_path, [empty])


def test_empty_heldout_split_says_what_to_change(tmp_path: Path) -> None:
    path = text_file(tmp_path / "a.txt", TEXTS[:3])
    with pytest.raises(
        InputError, match=r"no sequence is held out: heldout_fraction 1e-06 chose 0 of 3 documents; raise"
    ):
        make(tmp_path, [path], heldout_fraction=1e-6)
    assert len(make(tmp_path, [path], heldout_fraction=0).heldout) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fraction": 0.0}, r"fraction: 0\.0 must lie in \(0, 1\]"),
        ({"fraction": 1.5}, r"fraction: 1\.5 must lie in"),
        ({"fraction": float("nan")}, "fraction: nan must lie in"),
        ({"heldout_fraction": 1.0}, r"heldout_fraction: 1\.0 must lie in \[0, 1\)"),
        ({"max_length": 11}, "max_length: 11 must be 12 or more"),
    ],
)
def test_settings_out_of_range_are_refused(tmp_path: Path, settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(tmp_path, ["generated"], **settings)


def test_wrong_source_is_found_before_any_work(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "documents", lambda *args, **kwargs: pytest.fail("work was begun"))
    with pytest.raises(InputError, match="'generate' does not exist"):
        make(tmp_path, ["generated", "generate"])


def test_the_manifest_names_what_a_folder_holds_beside_the_corpus(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    text_file(folder / "a.txt", TEXTS[:40])
    assert make(tmp_path, [str(folder)], heldout_fraction=0.2).manifest["not_read"] == []
    (folder / "wiki_00").write_text("x")
    (note,) = make(tmp_path / "again", [str(folder)], heldout_fraction=0.2).manifest["not_read"]
    assert note.startswith("not read: wiki_00 ")
