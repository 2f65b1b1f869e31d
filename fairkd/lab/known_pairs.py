"""The gender words in a vocabulary that they were looked for in before: what keys depend on needs no tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from fairkd.engine.store import REVISIONS, Store, read_json, write_json
from fairkd.gender import Pair, PairTable
from fairkd.teachers.checkpoints import Checkpoint


class KnownPairs(PairTable):
    """A :class:`PairTable` whose ``content`` is known; the rest is made when somebody asks for it.

    Args:
        pairs: as there.
        content: of a table of the same pairs and tokenizer.
        tokenizer: loads that one.
    """

    def __init__(self, pairs: Sequence[Pair], content: list[Any], tokenizer: Callable[[], Any]) -> None:
        self.pairs, self.content, self._tokenizer = tuple(pairs), content, tokenizer

    def __getattr__(self, name: str) -> Any:  # of what is not there yet
        load = vars(self).get("_tokenizer")
        if load is None:
            raise AttributeError(name)
        super().__init__(self.pairs, load())
        del self._tokenizer
        return getattr(self, name)


def open_pairs(pairs: Sequence[Pair], checkpoint: Checkpoint, store: Store) -> PairTable:
    """The table of these pairs in a checkpoint's vocabulary; writes nothing.

    Raises:
        InputError: as :class:`PairTable`.
    """
    found = store.find(_key(pairs, checkpoint))
    if found is None:
        return PairTable(pairs, checkpoint.tokenizer)
    return KnownPairs(pairs, read_json(found / "content.json"), lambda: checkpoint.tokenizer)


def remember_pairs(table: PairTable, checkpoint: Checkpoint, store: Store) -> None:
    """Keeps in the store what :func:`open_pairs` then need not look for."""
    key = _key(table.pairs, checkpoint)

    def make() -> None:
        about = {"kind": "pair table", "version": REVISIONS["pair table"], "tokenizer": checkpoint.tokenizer_digest}
        with store.write(key, about) as new:
            write_json(new / "content.json", table.content)

    with suppress(OSError):  # a disk that cannot be written: it is looked for again
        store.once(key, make)


def _key(pairs: Sequence[Pair], checkpoint: Checkpoint) -> str:
    words = [[pair.female, pair.male] for pair in pairs]
    spec = {"version": REVISIONS["pair table"], "pairs": words, "tokenizer": checkpoint.tokenizer_digest}
    return Store.key("pair table", spec)
