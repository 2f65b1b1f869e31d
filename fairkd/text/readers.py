"""Files as streams of documents: text, JSON lines, Parquet, Arrow and MediaWiki dumps, and their packed forms.

The end of a file's name says what it holds: one of :data:`READERS`, and for what is read in one go from beginning to
end, one of :data:`OPENERS` after it, as in ``a.jsonl.gz``. Where it says so falsely, an error names the place.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError, iterparse

from fairkd.engine.columns import is_text
from fairkd.engine.store import unique_keys
from fairkd.errors import InputError, nearest, shown

if TYPE_CHECKING:
    import pyarrow as pa

_PART = re.compile(r"\.xml-p\d+p\d+[\w-]*$")  # Wikipedia's dumps come in parts: pages-articles1.xml-p1p41242.bz2
_DOCUMENT = re.compile(r"<doc(\s.*)?>", re.IGNORECASE)  # of WikiExtractor, about each document, as </doc>
_WITH_TEXT = re.compile(r"<doc(\s.*)?>.*[^>]|.+</doc>", re.IGNORECASE)


def read_file(path: Path, column: str) -> Iterator[str]:
    """Yields the documents of one file.

    Args:
        path: of a file that is :func:`readable`.
        column: of JSON lines, Parquet and Arrow that holds the text.

    Raises:
        InputError: its content is not what its name says, breaks off, or is not text; names the file and the place.
    """
    ending = _ending(path)
    assert ending is not None, path
    try:
        yield from READERS[ending](path, column)
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{path} cannot be unpacked: {error}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def readable(path: PurePath) -> bool:
    """Whether a file's name ends in one of :func:`endings`."""
    return _ending(path) is not None


def endings() -> str:
    """The ends of names that are known, for messages."""
    return f"{', '.join(READERS)} ({', '.join(PACKABLE)} also with {', '.join(OPENERS)} after it)"


def no_column(where: str, column: str, present: Any) -> InputError:
    """The error for a column that is not there."""
    names = list(present)
    return InputError(f"{where}: no column {column!r}; it has {shown(names)}.{nearest(column, names)}")


def cell(row: dict[str, Any], column: str, where: str) -> Iterator[str]:
    """The text of one row, if it has any."""
    if column not in row:
        raise no_column(where, column, row)
    text = row[column]
    if text is not None and not isinstance(text, str):
        raise InputError(f"{where}: column {column!r} holds {type(text).__name__}, not text")
    if text:
        yield text.encode("utf-8", "replace").decode("utf-8")  # JSON can hold halves of characters


def _ending(path: PurePath) -> str | None:
    packed = path.suffix.lower() in OPENERS
    name = _PART.sub(".xml", path.stem if packed else path.name)
    ending = PurePath(name).suffix.lower()
    return ending if ending in (PACKABLE if packed else READERS) else None


def _open(path: Path) -> IO[bytes]:
    return OPENERS.get(path.suffix.lower(), open)(path, "rb")


def _open_zst(path: Path, mode: str) -> IO[bytes]:
    import pyarrow as pa

    return io.BufferedReader(pa.input_stream(str(path), compression="zstd"))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line numbers (from 1) and lines of a UTF-8 file, without line ends and without a byte-order mark."""
    offset = 0
    with _open(path) as file:
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
    """A document a line or, between the marks of WikiExtractor, of many lines."""
    document: list[str] = []
    began = 0
    for number, line in _lines(path):
        bare = line.strip()
        opens, closes = _DOCUMENT.fullmatch(bare) is not None, bare.lower() == "</doc>"
        if _WITH_TEXT.fullmatch(bare):
            raise InputError(f"{path}, line {number}: <doc …> and </doc> stand on lines of their own, without text")
        if (opens and began) or (closes and not began):
            raise InputError(f"{path}, line {number}: {shown(bare)} lacks its other half; <doc …> and </doc> alternate")
        if opens:
            began = number
        elif closes:
            yield from filter(None, ["\n".join(document)])
            document, began = [], 0
        elif began:
            document += [line] if bare else []
        elif bare:
            yield line
    if began:
        raise InputError(f"{path}, line {began}: this <doc …> has no </doc>; the file breaks off")


def _json_lines(path: Path, column: str) -> Iterator[str]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line, object_pairs_hook=unique_keys)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: not JSON ({error}); one object a line is expected") from error
        if not isinstance(row, dict):
            raise InputError(f"{where}: expected an object such as {{{column!r}: …}}, not {type(row).__name__}")
        yield from cell(row, column, where)


def _parquet(path: Path, column: str) -> Iterator[str]:
    import pyarrow.parquet as pq

    with _arrow_errors(path, "Parquet"), pq.ParquetFile(path) as file:
        _check_column(path, column, file.schema_arrow)
        for batch in file.iter_batches(batch_size=1000, columns=[column]):
            yield from _texts(path, batch.column(0))


def _arrow(path: Path, column: str) -> Iterator[str]:
    """An Arrow stream, as ``datasets`` saves it, or an Arrow file."""
    import pyarrow as pa

    with _arrow_errors(path, "Arrow"), pa.OSFile(str(path)) as file:
        is_file = file.read(6) == b"ARROW1"
        file.seek(0)
        with pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file) as source:
            _check_column(path, column, source.schema)
            batches = map(source.get_batch, range(source.num_record_batches)) if is_file else source
            for batch in batches:
                yield from _texts(path, batch.column(column))


@contextmanager
def _arrow_errors(path: Path, kind: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a readable {kind} file: {error}") from error


def _check_column(path: Path, column: str, schema: pa.Schema) -> None:
    if column not in schema.names:
        raise no_column(str(path), column, schema.names)
    if schema.names.count(column) > 1:
        raise InputError(f"{path}: two columns are named {column!r}, and nothing says which one is meant")
    if not is_text(kind := schema.field(column).type):
        raise InputError(f"{path}: column {column!r} holds {kind}, not text")


def _texts(path: Path, column: pa.Array) -> Iterator[str]:
    column.validate(full=True)  # a damaged file is an error, not text from elsewhere in the memory
    yield from (text for text in column.to_pylist() if text)


def _dump(path: Path, column: str) -> Iterator[str]:
    """Articles of a MediaWiki dump as prose; redirects, other namespaces and pages without prose are left out."""
    from fairkd.text.wikitext import prose

    with _open(path) as file:
        for page, names in _pages(file, path):
            if text := prose(page, names):
                yield text


def _pages(file: IO[bytes], path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Source of each page of the main namespace, and the dump's names of its namespaces by their numbers."""
    events = iterparse(file, events=("start", "end"))
    root, space, names = None, "", {}
    while (found := _next(events, path)) is not None:
        event, element = found
        if root is None:
            root, space = element, _space(element, path)
        elif event == "end" and element.tag == f"{space}siteinfo":
            found_names = element.iterfind(f"{space}namespaces/{space}namespace")
            names = {name.get("key", ""): name.text for name in found_names if name.text}
        elif event == "end" and element.tag == f"{space}page":
            if element.findtext(f"{space}ns", "0") == "0" and element.find(f"{space}redirect") is None:
                yield element.findtext(f"{space}revision/{space}text") or "", names
            root.clear()  # forget what was read, or the tree would grow with the dump


def _next(events: Iterator[Any], path: Path) -> Any:
    try:
        return next(events, None)
    except (ParseError, LookupError, ValueError) as error:  # the last two for an encoding that is not known
        raise InputError(f"{path} is not a complete MediaWiki dump: {error} in its XML") from error


def _space(root: Any, path: Path) -> str:
    """The XML namespace of a dump, as it stands before each tag."""
    if not re.fullmatch(r"\{http://www\.mediawiki\.org/xml/export-[^}]*\}mediawiki", root.tag):
        raise InputError(f"{path} is not a MediaWiki dump: its XML begins with <{root.tag.split('}')[-1]}>")
    return str(root.tag).removesuffix("mediawiki")


READERS: dict[str, Callable[[Path, str], Iterator[str]]] = {
    ".txt": _text,
    ".jsonl": _json_lines,
    ".json": _json_lines,
    ".xml": _dump,
    ".parquet": _parquet,
    ".arrow": _arrow,
}
PACKABLE = (".txt", ".jsonl", ".json", ".xml")
OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".zst": _open_zst}
