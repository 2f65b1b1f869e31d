"""The words of a text that were counted before."""

import errno
import shutil

import pytest

from fairkd.engine.store import REVISIONS, Store
from fairkd.lab import known_words as module
from fairkd.lab.known_words import open_words, remember_words
from fairkd.lab.materials import Materials
from fairkd.lab.training import train_profile
from fairkd.profile import Profile
from fairkd.run.clean import unneeded
from fairkd.teachers.checkpoints import open_scratch, remember_scratch, small_tokenizer
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
            remember_words(words, sources, join={}, store=store)
        assert len(read) - before == times


def small_words(sources):
    """Those of the tokenizer, in its order, without what it has beside them."""
    vocabulary = small_tokenizer([text for source in sources for text in documents(source)]).get_vocab()
    pieces = sorted(vocabulary, key=vocabulary.get)[5:]
    found = {word for source in sources for text in documents(source) for word in module.words_of([text])}
    return pieces[: len(found)]


def test_another_draw_strength_or_revision_is_read(store, read, monkeypatch):
    remember_words(open_words(["planted:0.4:1"], **PLANTED, store=store), ["planted:0.4:1"], join={}, store=store)
    for other in ("planted:0.4:2", "planted:0.2:1", "planted:0.4"):
        before = len(read)
        open_words([other], **PLANTED, store=store)
        assert len(read) == before + 1
    monkeypatch.setitem(REVISIONS, "words of a text", 99)
    open_words(["planted:0.4:1"], **PLANTED, store=store)
    assert len(read) == before + 2


def test_what_a_name_stands_for_on_the_hub_or_in_a_package_is_read_each_time(store):
    for source in ("hub:somebody/text", "embedded"):
        for sources in ([source], ["generated", source]):
            remember_words(["a"], sources, join={}, store=store)
    assert store.entries() == []


def test_a_store_that_cannot_be_written_keeps_nothing_and_nothing_is_lost(tmp_path, monkeypatch):
    def unwritable(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    own = Materials(tiny(tmp_path), progress=False)
    monkeypatch.setattr(Store, "once", unwritable)
    own.remember()
    assert own.store.entries() == []


def test_training_keeps_words_that_are_lost_or_damaged_and_cleaning_removes_those_that_nobody_reads(tmp_path):
    profile = tiny(tmp_path)
    train_profile(profile)
    (words,) = tmp_path.glob("store/*/words.json")
    whole = words.read_bytes()
    words.write_bytes(whole[:-1])
    train_profile(profile)
    assert words.read_bytes() == whole
    shutil.rmtree(words.parent)
    train_profile(profile)
    assert words.read_bytes() == whole
    assert unneeded(profile) == [one for one in unneeded(profile) if one.path.name.startswith("damaged-")]
    elsewhere = Store(tmp_path / "elsewhere")  # as what this process has looked for here counts as needed
    remember_words(["a"], ["planted:0.9:7"], join={}, store=elsewhere)
    shape = {"layers": 1, "hidden": 16, "max_length": 64, "initializer_range": 0.02, "seed": 0}
    remember_scratch(open_scratch(["a"], store=elsewhere, **shape), ["a"], store=elsewhere, **shape)
    kinds = {other.name: Store.manifest(other)["kind"] for other in elsewhere.entries()}
    for other in elsewhere.entries():
        shutil.copytree(other, profile.store().root / other.name)
    found = {one.path.name: one.why for one in unneeded(profile) if not one.path.name.startswith("damaged-")}
    read = {"words of a text": "words of a text", "checkpoint": "what is known of a checkpoint"}
    assert found == {
        name: f"{read[kind]} that no profile here reads, with this processor and these libraries"
        for name, kind in kinds.items()
    }
    assert sorted(kinds.values()) == sorted(read)


def tiny(folder):
    return Profile.load("tiny").changed(
        runs_dir=str(folder), store_dir=str(folder / "store"), arms=["full"], depths=[1], student_layers=1, seeds=[0],
        max_steps=2, adapt_steps=2, glue_source=None, debias_without_seat_words=False,
    )  # fmt: skip


def test_who_plans_writes_nothing_and_who_has_a_corpus_reads_no_text_again(tmp_path, read):
    profile = tiny(tmp_path)
    first = Materials(profile, progress=False)
    digest = first.checkpoint.tokenizer_digest
    assert profile.store().entries() == []
    _ = first.corpus
    assert len(read) == 1
    again = Materials(profile, progress=False)
    assert again.checkpoint.tokenizer_digest == digest
    assert again.checkpoint.weights_digest == first.checkpoint.weights_digest
    assert len(read) == 1
