"""Gender words in a vocabulary that they were looked for in before."""

import copy
import errno
import pickle

import pytest
import torch

from fairkd.engine.store import Store
from fairkd.errors import InputError
from fairkd.gender import Pair, PairTable, appendix_c
from fairkd.lab import known_pairs as module
from fairkd.lab.known_pairs import KnownPairs, open_pairs, remember_pairs
from fairkd.teachers.checkpoints import Checkpoint


@pytest.fixture
def checkpoint(world):
    return Checkpoint(world.teacher.model, world.tokenizer, has_mlm_head=True, source="test")


def test_what_keys_depend_on_needs_no_tokenizer_and_the_rest_is_that_of_the_table(world, store, checkpoint):
    table = PairTable(appendix_c(), world.tokenizer)
    remember_pairs(open_pairs(appendix_c(), checkpoint, store), checkpoint, store)
    asked = []
    known = open_pairs(appendix_c(), checkpoint, store)
    assert isinstance(known, KnownPairs)
    known._tokenizer = lambda: asked.append(1) or world.tokenizer
    assert (known.content, known.pairs) == (table.content, table.pairs)
    assert not asked
    ids = torch.tensor([world.tokenizer("she said that he and his mother were late .")["input_ids"]])
    for _ in range(2):
        found, literal = known.find(ids), table.find(ids)
        assert found.at.tolist() == literal.at.tolist()
        assert found.counterpart.tolist() == literal.counterpart.tolist()
    assert asked == [1]
    assert not hasattr(known, "no_such_thing")
    again = pickle.loads(pickle.dumps(known))
    assert copy.copy(again).find(ids).at.tolist() == table.find(ids).at.tolist()


def test_other_words_another_tokenizer_or_version_are_looked_for(world, store, checkpoint, monkeypatch):
    pairs = [Pair("she", "he", "1")]
    remember_pairs(open_pairs(pairs, checkpoint, store), checkpoint, store)
    assert not isinstance(open_pairs(appendix_c(), checkpoint, store), KnownPairs)
    assert isinstance(open_pairs(pairs, checkpoint, store), KnownPairs)
    other = Checkpoint(world.teacher.model, world.tokenizer, has_mlm_head=True, source="test")
    vars(other)["tokenizer_digest"] = "another"
    assert not isinstance(open_pairs(pairs, other, store), KnownPairs)
    monkeypatch.setitem(module.REVISIONS, "pair table", 99)
    assert not isinstance(open_pairs(pairs, checkpoint, store), KnownPairs)


def test_a_store_that_cannot_be_written_keeps_nothing_and_nothing_is_lost(world, store, checkpoint, monkeypatch):
    def unwritable(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Store, "once", unwritable)
    remember_pairs(open_pairs(appendix_c(), checkpoint, store), checkpoint, store)
    assert store.entries() == []


def test_a_tokenizer_that_cannot_be_loaded_is_said_each_time(world, store, checkpoint):
    pairs = [Pair("she", "he", "1")]

    def lost():
        raise InputError("gone")

    known = KnownPairs(pairs, [], lost)
    for _ in range(2):
        with pytest.raises(InputError, match="gone"):
            known.find(torch.tensor([[1]]))


def test_words_that_the_vocabulary_lacks_are_refused_and_nothing_is_kept(store, checkpoint):
    with pytest.raises(InputError, match="xyzzy"):
        open_pairs([Pair("xyzzy", "he", "line 1")], checkpoint, store)
    assert store.entries() == []
