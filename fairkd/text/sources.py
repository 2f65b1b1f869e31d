"""Where text comes from: each kind of source as a stream of documents.

A source is written as

- ``embedded``: the English Wikipedia excerpt that the gensim package ships;
- ``generated``: a small corpus made by rule (:mod:`fairkd.text.generated`);
- ``planted:RHO[:DRAW]``: a corpus made by rule with a gender association of strength RHO in [-1, 1]
  (:mod:`fairkd.text.planted`);
- a path to a MediaWiki dump (``.xml``), to text (``.txt``, one document a line, or between the ``<doc …>`` and
  ``</doc>`` of WikiExtractor), to JSON lines (``.jsonl``, ``.json``), each also packed (``.gz``, ``.bz2``, ``.xz``,
  ``.zst``), to Parquet or Arrow (``.parquet``, ``.arrow``, one document a row), or to a folder of such files, read in
  the order of their names with those of its sub-folders; what is in it and is not read is named;
- a path to a folder that ``datasets`` wrote with ``save_to_disk``, of one split;
- ``hub:REPO[@REVISION][:CONFIG[:SPLIT]]``: a data set of the Hugging Face hub, or a local folder in the hub's layout,
  read as a stream without running any code of it; SPLIT is ``train`` where it is not given.

A document is a text whose non-empty lines are sequences. Where a source has a sentence a row, as BookCorpus, so many
rows as ``join`` says, in their order, make a document of one line: alone, many sentences are too short for a sequence,
and none has the context that DistilBERT's lines have ("one or several coherent sentences"). Documents come one at a
time, so that a source may be far larger than the memory.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fairkd.engine.hub import offline_if_unreachable, why_unreachable
from fairkd.engine.messages import expanded, similar_path
from fairkd.engine.store import REVISIONS, digest_once, file_state
from fairkd.errors import InputError, nearest, shown
from fairkd.text import planted
from fairkd.text.readers import cell, endings, no_column, read_file, readable

EMBEDDED_FILE = "test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
PACKAGED = ("embedded", "generated")
_ALLOWED = (
    "'embedded', 'generated', 'planted:RHO', 'hub:REPO[@REVISION][:CONFIG[:SPLIT]]', "
    "or a path to a file or folder of files ending in "
)
_SAVED = ("state.json", "dataset_info.json")  # beside the .arrow files of a data set's save_to_disk
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_REVISION = re.compile(r"[\w.-]+(?:/[\w.-]+)*")


def documents(source: str, *, column: str = "text", join: int = 1) -> Iterator[str]:
    """Yields the documents of one source, in the source's order.

    Args:
        source: see the module's docstring.
        column: the column of JSON lines, Parquet and hub data that holds the text.
        join: rows, a sentence each, that make a document; 1 for rows that are documents. The last has what is left.
            Runs of white space become one space.

    Raises:
        InputError: there is no such source, or its content cannot be read as text, or a row to be joined has several
            lines; the message names file and place.
    """
    if join < 1:
        raise InputError(f"corpus_join: {join!r} must be 1 or more")
    rows = _rows(source, column)
    yield from rows if join == 1 else _joined(rows, join, source)


def _joined(rows: Iterator[str], join: int, source: str) -> Iterator[str]:
    """Rows of one sentence each, so many to a document of one line."""
    found = filter(None, map(str.strip, rows))
    while sentences := list(itertools.islice(found, join)):
        for sentence in sentences:
            if "\n" in sentence or "\r" in sentence:
                raise InputError(
                    f"corpus {source!r}: {shown(sentence)} has several lines; corpus_join ({join} here) is for sources "
                    "whose rows hold a sentence each"
                )
        yield " ".join(" ".join(sentence.split()) for sentence in sentences)  # odd line ends within one too


def _rows(source: str, column: str) -> Iterator[str]:
    if source == "generated":
        from fairkd.text.generated import articles

        yield from articles()
    elif source.startswith(planted.PREFIX):
        yield from planted.planted_documents(planted.strength(source), planted.draw_number(source))
    elif source == "embedded":
        yield from read_file(embedded_file(), column)
    elif source.startswith("hub:"):
        yield from _hub(source, column)
    else:
        for path in files(source):
            yield from read_file(path, column)


def check_sources(sources: Sequence[str], *, column: str = "text", join: Mapping[str, int] | None = None) -> None:
    """Checks what can be checked without work: names, paths, suffixes, and the first document of each local source.

    A hub id is checked for its form only, so that this never needs the network. What a folder holds and is not read is
    said on standard error, once. ``join`` is by source, 1 where it names none.

    Raises:
        InputError: a source that cannot be used, or none at all.
    """
    if isinstance(sources, str) or not sources:
        raise InputError(f"corpus: expected a list of one source or more, not {sources!r}; allowed: {_allowed()}")
    for source in sources:
        rows = (join or {}).get(source, 1)
        if source == "embedded":
            embedded_file()
        elif not is_path(source):
            check_name(source, Path(source))
        made = not is_path(source) and not source.startswith("hub:")
        if rows > 1 if made else is_path(source) or _hub_folder(hub_parts(source)[0]):
            next(documents(source, column=column, join=rows), None)
        if is_path(source) and (notes := unread(source)):
            _say(f"corpus {source!r}: {'; '.join(notes)}")


def check_name(source: str, path: Path) -> None:
    """Checks the form of a source: the strength of planted text, the parts of a hub id, a path that exists.

    Args:
        source: see the module's docstring.
        path: where it lies, if it is a path.

    Raises:
        InputError: it cannot be used; says what is allowed, and the nearest name.
    """
    if source in PACKAGED:
        return
    if source.startswith(planted.PREFIX):
        planted.strength(source)
    elif source.startswith("hub:"):
        hub_parts(source)
    elif not source:
        raise InputError(f"corpus '' names nothing; allowed: {_allowed()}")
    elif not _exists(path):
        kind, colon, rest = source.partition(":")
        hint = nearest(source, (*PACKAGED, "planted:0.5"))
        if colon and (near := nearest(kind, ("hub", "planted"))):
            hint = near.replace("'?", f":{rest}'?")
        hint = hint or similar_path(path)
        raise InputError(f"corpus {shown(source)} does not exist (looked for {path}); allowed: {_allowed()}.{hint}")


def fingerprint(source: str, *, join: int = 1) -> dict[str, Any]:
    """What identifies a source's content: the digests of its files, with their names, wherever they lie.

    A hub id stands for itself: what it holds is fixed when it is first read. ``join`` as in :func:`documents`.

    Raises:
        InputError: there is no such source, or a file of it changed while it was read.
    """
    return _content(source) | ({"join": join} if join > 1 else {})


def _content(source: str) -> dict[str, Any]:
    if source == "generated":
        return {"source": source, "version": REVISIONS["generated text"]}
    if source.startswith(planted.PREFIX):
        made = {"source": "planted", "version": REVISIONS["planted text"], "strength": planted.strength(source)}
        return made | ({"draw": draw} if (draw := planted.draw_number(source)) else {})
    if source == "embedded":
        return {"source": source, "sha256": digest_once(embedded_file())}
    hub = hub_parts(source) if source.startswith("hub:") else None
    if hub and _hub_folder(hub[0]) is None:
        return {"source": source}
    kind = {"hub": list(hub[1:])} if hub else {}  # configuration and split say which files are read
    return kind | {"files": [[name, digest_once(path)] for name, path in _named_files(source)]}


def states(source: str) -> list[list[Any]]:
    """Names of a source's files with their :func:`fairkd.engine.store.file_state`; what is made by rule has none.

    Equal before and after reading: nothing was written in between.
    """
    if not is_path(source) and not (source.startswith("hub:") and _hub_folder(hub_parts(source)[0])):
        return []
    return [[name, *file_state(path)] for name, path in _named_files(source)]


def _named_files(source: str) -> list[tuple[str, Path]]:
    """The files of a path, or of a local folder in the hub's layout, with their names in there."""
    if folder := _hub_folder(hub_parts(source)[0]) if source.startswith("hub:") else None:
        base, found = folder, _visible_files(folder)
    else:
        path, found = expanded(source), files(source)
        base = path if path.is_dir() else path.parent
    return [(path.relative_to(base).as_posix(), path) for path in found]


def is_path(source: str) -> bool:
    """Whether a source is a path, and not a name."""
    return source not in PACKAGED and not source.startswith(("hub:", planted.PREFIX))


def embedded_file() -> Path:
    """The excerpt of English Wikipedia (CC BY-SA) inside gensim; the package itself is not imported.

    Raises:
        InputError: gensim is not installed, or does not hold the file.
    """
    spec = importlib.util.find_spec("gensim")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        if (path := Path(folder) / EMBEDDED_FILE).is_file():
            return path
    raise InputError(
        f"corpus 'embedded' is a file of the package gensim 4.4.0 ({EMBEDDED_FILE}), which is not there; "
        "install it with 'pip install gensim==4.4.0', or name another source"
    )


def files(source: str) -> list[Path]:
    """The files of a path source: the file itself, or those of a folder with a known ending, sorted, recursive.

    Hidden files and folders are passed over.

    Raises:
        InputError: the path does not exist, has an unknown ending, is a pipe or a device, is a folder without a usable
            file, or holds the splits of a data set as ``save_to_disk`` writes them.
    """
    path = expanded(source)
    check_name(source, path)
    if not path.is_dir():
        if not readable(path):
            raise InputError(f"corpus {source!r}: {path.name!r} has an unknown ending; known are {endings()}")
        if path.exists() and not path.is_file():  # its digest is taken before its text is read
            raise InputError(f"corpus {source!r}: {path.name!r} is a pipe or a device; a corpus is a file, read twice")
        return [path]
    visible = _visible_files(path)
    _check_saved(path, visible)
    found = [p for p in visible if readable(p) and not _of_saved(p)]
    if not found:
        there = "; ".join(unread(source)) or "it is empty"
        raise InputError(f"corpus folder {source!r} holds no file ending in {endings()}: {there}")
    return found


def unread(source: str) -> list[str]:
    """What a folder holds and :func:`files` passes over, in words: other files, links to folders, parts that lack.

    Empty for a source that is no folder.
    """
    folder = expanded(source)
    if not is_path(source) or not folder.is_dir():
        return []
    visible = _visible_files(folder)
    linked = [p for p in folder.rglob("*") if p.is_symlink() and not p.is_file() and not _hidden(p, folder)]
    others = [p for p in [*visible, *linked] if not readable(p) or p in linked]
    notes = []
    if others:
        names = [p.relative_to(folder).as_posix() for p in sorted(others)]
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        notes.append(f"not read: {', '.join(names[:5])}{more} (known endings are {endings()})")
    return notes + _incomplete([p for p in visible if readable(p)])


def _incomplete(found: list[Path]) -> list[str]:
    """Files whose names speak of more parts than there are, such as train-00000-of-00041.parquet."""
    parts: dict[tuple[Path, str, int], int] = {}
    for path in found:
        if match := re.fullmatch(r"(.*)-\d+-of-(\d+)(-[0-9a-f]+)?\.[a-z]+", path.name):
            key = path.parent, match[1], int(match[2])
            parts[key] = parts.get(key, 0) + 1
    return [
        f"{n} of the {total} parts of {(folder / name).name}"
        for (folder, name, total), n in parts.items()
        if n != total
    ]


def _check_saved(folder: Path, found: list[Path]) -> None:
    for path in found:
        if path.name == "dataset_dict.json":
            splits = sorted(p.parent.name for p in found if p.name == _SAVED[0] and p.parent.parent == path.parent)
            raise InputError(
                f"corpus folder {str(folder)!r}: {path.parent} holds the splits of a data set, as save_to_disk writes "
                f"them; name one, such as {str(path.parent / (splits[0] if splits else 'train'))!r} "
                f"(there are {', '.join(splits) or 'none'})"
            )


def _of_saved(path: Path) -> bool:
    """Whether a file describes a saved data set, and is none of its documents."""
    return path.name in _SAVED and all((path.parent / name).is_file() for name in _SAVED)


def _visible_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not _hidden(path, folder))


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


@functools.cache  # once a process: a notebook and the training after it look at the same folder
def _say(note: str) -> None:
    print(note, file=sys.stderr, flush=True)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long, say
        return False


class HubSource(NamedTuple):
    """What a ``hub:`` source names.

    Attributes:
        repo: id of a data set, or a folder in its layout.
        config: its configuration, None for the only one.
        split: of it.
        revision: branch, tag or commit of the data set; None for what is newest when it is first read.
    """

    repo: str
    config: str | None
    split: str
    revision: str | None


def hub_parts(source: str) -> HubSource:
    """The parts of a ``hub:`` source.

    Raises:
        InputError: it is not of the form ``hub:REPO[@REVISION][:CONFIG[:SPLIT]]``, or names a folder that does not
            exist, or a revision of a folder.

    >>> hub_parts("hub:wikimedia/wikipedia@b04c8d1:20231101.en")
    HubSource(repo='wikimedia/wikipedia', config='20231101.en', split='train', revision='b04c8d1')
    """
    place, *rest = source.removeprefix("hub:").split(":")
    repo, at, revision = (place, "", "") if _hub_folder(place) else place.partition("@")
    folder = _hub_folder(repo)
    if folder is None and repo.startswith((".", "/", "~")):
        raise InputError(f"corpus {source!r}: the folder {repo!r} does not exist")
    if folder and at:
        raise InputError(f"corpus {source!r}: the folder {repo!r} has no revisions; leave out '@{revision}'")
    if len(rest) > 2 or (folder is None and not _HUB_ID.fullmatch(repo)) or (at and not _REVISION.fullmatch(revision)):
        raise InputError(
            f"corpus {source!r} is not of the form hub:REPO[@REVISION][:CONFIG[:SPLIT]], "
            "for example 'hub:wikimedia/wikipedia:20231101.en:train'"
        )
    split = (rest[1] if len(rest) == 2 else "") or "train"
    return HubSource(repo, (rest[0] or None) if rest else None, split, revision or None)


def _hub_folder(repo: str) -> Path | None:
    folder = expanded(repo)
    return folder if repo and folder.is_dir() else None


def _hub(source: str, column: str) -> Iterator[str]:
    import datasets

    repo, config, split, revision = hub_parts(source)
    folder = _hub_folder(repo)
    if folder and any((folder / name).is_file() for name in ("dataset_dict.json", _SAVED[0])):
        raise InputError(f"corpus {source!r}: save_to_disk wrote this folder; name it without 'hub:', as {repo!r}")
    place = str(folder or repo)
    try:
        with offline_if_unreachable(place):
            rows = datasets.load_dataset(place, config, split=split, revision=revision, streaming=True)
        if rows.column_names:  # not known for every format before the first row
            if column not in rows.column_names:
                raise no_column(source, column, rows.column_names)
            rows = rows.select_columns([column])
        for number, row in enumerate(rows):
            yield from cell(row, column, f"{source}, row {number}")
    except InputError:
        raise
    except Exception as error:  # the hub client raises errors of many libraries
        why = "" if folder else why_unreachable()
        offline = f" (the hub cannot be reached: {why})" if why else ""
        raise InputError(
            f"corpus {source!r} cannot be read{offline}: {type(error).__name__}: {error}; check the "
            f"name, configuration {config!r}, split {split!r}, revision {revision!r} and the network, or download the "
            "data and name its folder instead"
        ) from error


def _allowed() -> str:
    return _ALLOWED + endings()
