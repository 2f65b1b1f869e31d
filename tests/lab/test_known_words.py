"""The words of a text that were counted before."""

import errno

import pytest

from fairkd.engine.store import REVISIONS, Store
from fairkd.lab import known_words as module
from fairkd.lab.known_words import open_words, remember_words
from fairkd.lab.materials import Materials
from fairkd.profile import Profile
from fairkd.teachers.checkpoints import small_tokenizer
from fairkd.text.sources import documents

PLANTED = {"column": "text", "join": {}}


@pytest.fixture
def read(monkeypatch):
    """The sources that were read to count their words."""
    seen = []

    def all_documents(sources, **how):
        seen.append(sources)
        return whole(sources, **how)

    whole = module.all_documents
    monkeypatch.setattr(module, "all_documents", all_documents)
    return seen


def test_words_come_by_falling_count_and_then_alphabetically(store, tmp_path):
    (tmp_path / "a.txt").write_text("The cat sat.\n\nthe Ant, the cat\n")
    words = open_words([str(tmp_path / "a.txt")], **PLANTED, store=store)
    assert words == ["the", "cat", ",", ".", "ant", "sat"]


def test_text_that_is_made_by_rule_is_read_once_and_that_of_a_file_each_time(store, read, tmp_path):
    (tmp_path / "a.txt").write_text("one two\n")
    for sources, times in ((["planted:0.4:1"], 1), (["generated"], 1), ([str(tmp_path / "a.txt")], 2)):
        before = len(read)
        for _ in range(2):
            words = open_words(sources, **PLANTED, store=store)
            assert words == small_words(sources)
            remember_words(words, sources, **PLANTED, store=store)
        assert len(read) - before == times


def small_words(sources):
    """Those of the tokenizer, in its order, without what it has beside them."""
    vocabulary = small_tokenizer([text for source in sources for text in documents(source)]).get_vocab()
    pieces = sorted(vocabulary, key=vocabulary.get)[5:]
    found = {word for source in sources for text in documents(source) for word in module.words_of([text])}
    return pieces[: len(found)]


def test_another_draw_strength_or_revision_is_read(store, read, monkeypatch):
    remember_words(open_words(["planted:0.4:1"], **PLANTED, store=store), ["planted:0.4:1"], **PLANTED, store=store)
    for other in ("planted:0.4:2", "planted:0.2:1", "planted:0.4"):
        before = len(read)
        open_words([other], **PLANTED, store=store)
        assert len(read) == before + 1
    monkeypatch.setitem(REVISIONS, "words of a text", 99)
    open_words(["planted:0.4:1"], **PLANTED, store=store)
    assert len(read) == before + 2


def test_a_store_that_cannot_be_written_keeps_nothing_and_nothing_is_lost(store, monkeypatch):
    def unwritable(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Store, "once", unwritable)
    remember_words(["a"], ["generated"], **PLANTED, store=store)
    assert store.entries() == []


def test_who_plans_writes_nothing_and_who_has_a_corpus_reads_no_text_again(tmp_path, read):
    profile = Profile.load("tiny").changed(runs_dir=str(tmp_path), store_dir=str(tmp_path / "store"))
    first = Materials(profile, progress=False)
    digest = first.checkpoint.tokenizer_digest
    assert profile.store().entries() == []
    _ = first.corpus
    assert len(read) == 1
    again = Materials(profile, progress=False)
    assert again.checkpoint.tokenizer_digest == digest
    assert again.checkpoint.weights_digest == first.checkpoint.weights_digest
    assert len(read) == 1
