"""The words of a text that were counted before: a teacher that starts from nothing takes its vocabulary from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairkd.engine.store import REVISIONS, Store, read_json, write_json
from fairkd.engine.versions import versions
from fairkd.teachers.checkpoints import words_of
from fairkd.text.corpus import all_documents
from fairkd.text.planted import PREFIX
from fairkd.text.sources import fingerprint


def open_words(sources: Sequence[str], *, column: str, join: Mapping[str, int], store: Store) -> list[str]:
    """The words of these sources by falling count, then alphabetically; writes nothing.

    Raises:
        InputError: as :func:`fairkd.text.sources.documents`.
    """
    key = _key(sources, join)
    found = store.find(key) if key else None
    if found is not None:
        return read_json(found / "words.json")
    return words_of(all_documents(sources, column=column, join=join))


def remember_words(words: list[str], sources: Sequence[str], *, join: Mapping[str, int], store: Store) -> None:
    """Keeps in the store what :func:`open_words` then need not count, of text that is made by rule."""
    key = _key(sources, join)
    if key is None:
        return

    def make() -> None:
        about = {"kind": "words of a text", "version": REVISIONS["words of a text"], "sources": list(sources)}
        with store.write(key, about) as new:
            write_json(new / "words.json", words)

    store.once(key, make)


def _key(sources: Sequence[str], join: Mapping[str, int]) -> str | None:
    """None where it is not made by rule: what a file or a hub's name stands for may change while it is read."""
    if not all(source == "generated" or source.startswith(PREFIX) for source in sources):
        return None
    spec = {
        "version": REVISIONS["words of a text"],
        "sources": [fingerprint(source, join=join.get(source, 1)) for source in sources],
        "tokenizers": versions()["tokenizers"],
    }
    return Store.key("words of a text", spec)
