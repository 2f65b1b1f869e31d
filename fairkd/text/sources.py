"""Where text comes from: each kind of source as a stream of documents.

A source is written as

- ``embedded``: the English Wikipedia excerpt that the gensim package ships;
- ``generated``: a small corpus made by rule (:mod:`fairkd.text.generated`);
- ``planted:RHO``: a corpus made by rule with a gender association of strength RHO in [-1, 1]
  (:mod:`fairkd.text.planted`);
- a path to a MediaWiki dump (``.xml``, ``.xml.bz2``, ``.xml.gz``), to text (``.txt``, one document a line), to JSON
  lines (``.jsonl``, ``.json``) or to Parquet (``.parquet``, one document a row), or to a folder of such files,
  read in the order of their names with those of its sub-folders;
- ``hub:REPO[:CONFIG[:SPLIT]]``: a data set of the Hugging Face hub, or a local folder in the hub's layout, read as a
  stream without running any code of it; SPLIT is ``train`` where it is not given.

A document is a text whose non-empty lines are sequences. Documents come one at a time, so that a source may be far
larger than the memory.
"""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import json
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any
from xml.etree.ElementTree import ParseError, iterparse

from fairkd.engine.store import REVISIONS, file_digest
from fairkd.errors import InputError, nearest
from fairkd.text import planted

EMBEDDED_FILE = "test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
PACKAGED = ("embedded", "generated")
_ALLOWED = (
    "'embedded', 'generated', 'planted:RHO', 'hub:REPO[:CONFIG[:SPLIT]]', "
    "or a path to a file or folder of files ending in "
)
_Reader = Callable[[Path, str], Iterator[str]]
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def documents(source: str, *, column: str = "text") -> Iterator[str]:
    """Yields the documents of one source, in the source's order.

    Args:
        source: see the module's docstring.
        column: the column of JSON lines, Parquet and hub data that holds the text.

    Raises:
        InputError: there is no such source, or its content cannot be read as text; the message names file and place.
    """
    if source == "generated":
        from fairkd.text.generated import articles

        yield from articles()
    elif source.startswith(planted.PREFIX):
        yield from planted.planted_documents(planted.strength(source))
    elif source == "embedded":
        yield from _read(embedded_file(), _dump, column)
    elif source.startswith("hub:"):
        yield from _hub(source, column)
    else:
        for path in files(source):
            yield from _read(path, _reader(path), column)


def check_sources(sources: Sequence[str], *, column: str = "text") -> None:
    """Checks what can be checked without work: names, paths, suffixes, and the first document of each local source.

    A hub id is checked for its form only, so that this never needs the network.

    Raises:
        InputError: a source that cannot be used, or none at all.
    """
    if isinstance(sources, str) or not sources:
        raise InputError(f"corpus: expected a list of one source or more, not {sources!r}; allowed: {_allowed()}")
    for source in sources:
        if source == "embedded":
            embedded_file()
        elif source.startswith(planted.PREFIX):
            planted.strength(source)
        elif source in PACKAGED:
            continue
        elif source.startswith("hub:"):
            if _hub_folder(hub_parts(source)[0]):
                next(documents(source, column=column), None)
        else:
            path = files(source)[0]
            next(_read(path, _reader(path), column), None)


def fingerprint(source: str) -> dict[str, Any]:
    """What identifies a source's content without reading it all: names, sizes and times of its files.

    A hub id stands for itself: what it holds is fixed when it is first read.
    """
    if source == "generated":
        return {"source": source, "version": REVISIONS["generated text"]}
    if source.startswith(planted.PREFIX):
        return {"source": "planted", "version": REVISIONS["planted text"], "strength": planted.strength(source)}
    if source == "embedded":
        return {"source": source, "sha256": file_digest(embedded_file())}
    if source.startswith("hub:"):
        folder = _hub_folder(hub_parts(source)[0])
        if folder is None:
            return {"source": source}
        base, found = folder, _visible_files(folder)
    else:
        path, found = Path(source).expanduser(), files(source)
        base = path if path.is_dir() else path.parent
    stats = [(path.relative_to(base).as_posix(), path.stat()) for path in found]
    return {"source": source, "files": [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]}


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
    """The files of a path source: the file itself, or those of a folder with a known suffix, sorted, recursive.

    Hidden files and folders are passed over.

    Raises:
        InputError: the path does not exist, has an unknown suffix, or is a folder without a usable file.
    """
    path = Path(source).expanduser()
    if not source:
        raise InputError(f"corpus '' names nothing; allowed: {_allowed()}")
    if path.is_dir():
        found = [p for p in _visible_files(path) if _suffix(p)]
        if not found:
            raise InputError(f"corpus folder {source!r} holds no file ending in {_suffixes()}")
        return found
    if not path.exists():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = nearest(source, (*PACKAGED, "planted:0.5")) or nearest(path.name, siblings)
        raise InputError(f"corpus {source!r} does not exist (looked for {path}); allowed: {_allowed()}.{hint}")
    if not _suffix(path):
        raise InputError(f"corpus {source!r}: {path.name!r} has an unknown suffix; known are {_suffixes()}")
    return [path]


def _visible_files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts)]


def hub_parts(source: str) -> tuple[str, str | None, str]:
    """Repository or folder, configuration and split of a ``hub:`` source.

    Raises:
        InputError: it is not of the form ``hub:REPO[:CONFIG[:SPLIT]]``, or names a folder that does not exist.
    """
    repo, *rest = source.removeprefix("hub:").split(":")
    if _hub_folder(repo) is None and repo.startswith((".", "/", "~")):
        raise InputError(f"corpus {source!r}: the folder {repo!r} does not exist")
    if len(rest) > 2 or (_hub_folder(repo) is None and not _HUB_ID.fullmatch(repo)):
        raise InputError(
            f"corpus {source!r} is not of the form hub:REPO[:CONFIG[:SPLIT]], "
            "for example 'hub:wikimedia/wikipedia:20231101.en:train'"
        )
    return repo, (rest[0] or None) if rest else None, (rest[1] if len(rest) == 2 else "") or "train"


def _read(path: Path, reader: _Reader, column: str) -> Iterator[str]:
    try:
        yield from reader(path, column)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def _hub_folder(repo: str) -> Path | None:
    folder = Path(repo).expanduser()
    return folder if repo and folder.is_dir() else None


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line numbers (from 1) and lines of a UTF-8 file, without line ends and without a byte-order mark."""
    offset = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if b"\0" in raw:
                raise InputError(f"{path} is not text: a zero byte at byte {offset + raw.index(0)}")
            try:
                line = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{path} is not UTF-8 text: {error.reason} at byte {offset + error.start} (line {number}); "
                    "convert it to UTF-8"
                ) from error
            offset += len(raw)
            yield number, line.removeprefix("\ufeff").rstrip("\r\n")


def _text(path: Path, column: str) -> Iterator[str]:
    yield from (line for _, line in _lines(path) if line.strip())


def _json_lines(path: Path, column: str) -> Iterator[str]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: not JSON ({error}); one object a line is expected") from error
        if not isinstance(row, dict):
            raise InputError(f"{where}: expected an object such as {{{column!r}: …}}, not {type(row).__name__}")
        yield from _cell(row, column, where)


def _parquet(path: Path, column: str) -> Iterator[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            if column not in schema.names:
                raise _no_column(str(path), column, schema.names)
            kind = schema.field(column).type
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
                raise InputError(f"{path}: column {column!r} holds {kind}, not text")
            for batch in file.iter_batches(batch_size=1000, columns=[column]):
                yield from (text for text in batch.column(0).to_pylist() if text)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is not a readable Parquet file: {error}") from error


def _dump(path: Path, column: str) -> Iterator[str]:
    """Articles of a MediaWiki dump as prose; redirects, other namespaces and pages without prose are left out."""
    from fairkd.text.wikitext import prose

    openers: dict[str, Callable[..., Any]] = {".bz2": bz2.open, ".gz": gzip.open}
    try:
        with openers.get(path.suffix.lower(), open)(path, "rb") as file:
            yield from filter(None, map(prose, _pages(file, path)))
    except ParseError as error:
        raise InputError(f"{path} is not a complete MediaWiki dump: {error} in its XML") from error
    except (EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be unpacked: {error}") from error


def _pages(file: IO[bytes], path: Path) -> Iterator[str]:
    """Source of each page of the main namespace."""
    events = iterparse(file, events=("start", "end"))
    _, root = next(events)
    if not re.fullmatch(r"\{http://www\.mediawiki\.org/xml/export-[^}]*\}mediawiki", root.tag):
        raise InputError(f"{path} is not a MediaWiki dump: its XML begins with <{root.tag.split('}')[-1]}>")
    space = root.tag.removesuffix("mediawiki")
    for event, element in events:
        if event == "end" and element.tag == f"{space}page":
            if element.findtext(f"{space}ns", "0") == "0" and element.find(f"{space}redirect") is None:
                yield element.findtext(f"{space}revision/{space}text") or ""
            root.clear()  # forget what was read, or the tree would grow with the dump


def _hub(source: str, column: str) -> Iterator[str]:
    import datasets

    repo, config, split = hub_parts(source)
    try:
        rows = datasets.load_dataset(str(_hub_folder(repo) or repo), config, split=split, streaming=True)
        if rows.column_names:  # not known for every format before the first row
            if column not in rows.column_names:
                raise _no_column(source, column, rows.column_names)
            rows = rows.select_columns([column])
        for number, row in enumerate(rows):
            yield from _cell(row, column, f"{source}, row {number}")
    except InputError:
        raise
    except Exception as error:  # the hub client raises errors of many libraries
        offline = " (the hub is switched off by HF_HUB_OFFLINE)" if datasets.config.HF_HUB_OFFLINE else ""
        raise InputError(
            f"corpus {source!r} cannot be read{offline}: {type(error).__name__}: {error}; check the "
            f"name, configuration {config!r}, split {split!r} and the network, or download the data and name its "
            "folder instead"
        ) from error


def _cell(row: dict[str, Any], column: str, where: str) -> Iterator[str]:
    """The text of one row, if it has any."""
    if column not in row:
        raise _no_column(where, column, row)
    text = row[column]
    if text is not None and not isinstance(text, str):
        raise InputError(f"{where}: column {column!r} holds {type(text).__name__}, not text")
    if text:
        yield text.encode("utf-8", "replace").decode("utf-8")  # JSON can hold halves of characters


def _no_column(where: str, column: str, present: Any) -> InputError:
    names = list(present)
    return InputError(f"{where}: no column {column!r}; it has {names}.{nearest(column, names)}")


_READERS: dict[str, _Reader] = {
    ".txt": _text,
    ".jsonl": _json_lines,
    ".json": _json_lines,
    ".parquet": _parquet,
    ".xml": _dump,
    ".xml.bz2": _dump,
    ".xml.gz": _dump,
}


def _suffix(path: Path) -> str | None:
    return next((suffix for suffix in _READERS if path.name.lower().endswith(suffix)), None)


def _suffixes() -> str:
    return ", ".join(_READERS)


def _allowed() -> str:
    return _ALLOWED + _suffixes()


def _reader(path: Path) -> _Reader:
    suffix = _suffix(path)
    assert suffix is not None, path
    return _READERS[suffix]
