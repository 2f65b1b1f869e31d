"""The words of a text that were counted before: a teacher that starts from nothing takes its vocabulary from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version

from fairkd.engine.store import REVISIONS, Store, read_json, write_json
from fairkd.teachers.checkpoints import words_of
from fairkd.text.corpus import all_documents
from fairkd.text.sources import fingerprint, states


def open_words(sources: Sequence[str], *, column: str, join: Mapping[str, int], store: Store) -> list[str]:
    """The words of these sources by falling count, then alphabetically; writes nothing.

    Raises:
        InputError: as :func:`fairkd.text.sources.documents`.
    """
    key = _key(sources, column, join)
    found = store.find(key) if key else None
    if found is not None:
        return read_json(found / "words.json")
    return words_of(all_documents(sources, column=column, join=join))


def remember_words(
    words: list[str], sources: Sequence[str], *, column: str, join: Mapping[str, int], store: Store
) -> None:
    """Keeps in the store what :func:`open_words` then need not count, but for text that lies in files of the user's."""
    key = _key(sources, column, join)
    if key is None:
        return

    def make() -> None:
        about = {"kind": "words of a text", "version": REVISIONS["words of a text"], "sources": list(sources)}
        with store.write(key, about) as new:
            write_json(new / "words.json", words)

    with suppress(OSError):  # a disk that cannot be written: they are counted again
        store.once(key, make)


def _key(sources: Sequence[str], column: str, join: Mapping[str, int]) -> str | None:
    """None where somebody may write to a file between its digest and its reading."""
    if any(map(states, sources)):
        return None
    spec = {
        "version": REVISIONS["words of a text"],
        "sources": [fingerprint(source, join=join.get(source, 1)) for source in sources],
        "column": column,
        "tokenizers": version("tokenizers"),
    }
    return Store.key("words of a text", spec)
