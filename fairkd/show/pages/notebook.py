"""Reading a notebook: whatever program wrote it, what comes out is valid, or an error says why it is no notebook.

Everything that reads a notebook begins with :func:`read_notebook`. What other programs leave out (outputs, metadata,
data) is put in empty, text in several pieces is joined, what has another form than the format wants becomes text, so
that nothing is lost; a field that nothing here knows goes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fairkd.engine.store import parse_json
from fairkd.errors import InputError

_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_JSON = re.compile(r"application/(.*\+)?json")
"""Kinds of data that stay values; all others are text."""
_FORMAT, _MINOR = 4, 5
_READ = (1, 2, 3, 4)


def read_notebook(path: Path) -> Any:
    """A notebook file, valid as format 4.5: a :class:`nbformat.NotebookNode`, with ``cells`` and ``metadata``.

    Raises:
        InputError: there is no such file, it cannot be read, or it is no notebook; says why.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"no notebook {str(path)!r}") from None
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise InputError(f"{str(path)!r} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return parse_notebook(data, where=repr(str(path)))


def without_iri_grammar() -> None:
    """Imports jsonschema, which nbformat, nbconvert and papermill need, without what takes it two thirds of a second.

    It builds a grammar of internationalised addresses when it is imported, where the package for that is there, which
    JupyterLab brings. No notebook holds any; without the package jsonschema leaves their check out.
    """
    package = "rfc3987_syntax"
    if package in sys.modules or "jsonschema" in sys.modules:
        return
    sys.modules[package] = None  # type: ignore[assignment]  # its import then fails as if it were not installed
    try:
        import jsonschema  # noqa: F401
    finally:
        del sys.modules[package]


def parse_notebook(data: bytes, *, where: str) -> Any:
    """As :func:`read_notebook`, from the content of a file that messages call ``where``."""
    without_iri_grammar()
    import nbformat

    try:
        value = parse_json(data, where="it")
    except InputError as error:
        raise InputError(f"{where} is not a notebook: {error}") from None
    found = _of_format_4(value, where)
    cells = [_cell(cell, number) for number, cell in enumerate(found["cells"])]
    _give_ids(cells, [cell.get("id") if isinstance(cell, dict) else None for cell in found["cells"]])
    metadata = _object(found.get("metadata"))
    node = nbformat.from_dict({"cells": cells, "metadata": metadata, "nbformat": _FORMAT, "nbformat_minor": _MINOR})
    _drop_invalid_metadata(node)
    try:
        nbformat.validate(node)
    except nbformat.ValidationError as error:
        raise InputError(f"{where} is not a notebook: {str(error).splitlines()[0]}") from error
    return node


def _of_format_4(value: Any, where: str) -> dict[str, Any]:
    """The notebook with its cells in a list, as format 4 has them."""
    if not isinstance(value, dict):
        raise InputError(f"{where} is not a notebook: it holds {_kind(value)} where a notebook is an object")
    written = value.get("nbformat", _FORMAT)
    majors = [major for major in _READ if not isinstance(written, bool) and str(written) in (f"{major}", f"{major}.0")]
    if not majors:
        raise InputError(
            f"{where} is a notebook of format {written!r}; formats 1 to {_FORMAT} can be read. "
            f"Save it as format {_FORMAT} in the program that wrote it"
        )
    if majors == [1] or isinstance(value.get("worksheets"), list):
        value = _upgraded(value, majors[0], where)
    if not isinstance(value.get("cells"), list):
        raise InputError(f"{where} is not a notebook: it has no list 'cells'")
    return value


def _upgraded(value: dict[str, Any], major: int, where: str) -> dict[str, Any]:
    """A notebook of a format before 4, which has its cells in worksheets (2 and 3) or other names for all (1)."""
    import nbformat

    major = 3 if major == _FORMAT else major  # no format 4 has worksheets
    try:
        old = nbformat.versions[major].to_notebook_json({**value, "nbformat": major}, minor=0)
        return dict(nbformat.convert(old, _FORMAT))
    except Exception as error:  # the library takes every field for granted, and fails in as many ways
        raise InputError(f"{where} is a notebook of format {major} that cannot be read as one: {error!r}") from error


def _drop_invalid_metadata(node: Any) -> None:
    """Metadata that the format knows in another form, such as tags that are one text."""
    from nbformat.validator import iter_validate

    version = {"version": _FORMAT, "version_minor": _MINOR}
    for error in list(iter_validate(node, **version)):
        at = list(error.absolute_path)
        if at[0] == "metadata":
            node.metadata.pop(at[1], None)
        elif at[0] == "cells":
            cell = node.cells[at[1]]
            for inner in list(iter_validate(cell, ref=f"{cell.cell_type}_cell", **version)):
                if inner.absolute_path[0] == "metadata":
                    cell.metadata.pop(inner.absolute_path[1], None)


def _cell(cell: Any, number: int) -> dict[str, Any]:
    if not isinstance(cell, dict):
        cell = {"cell_type": "raw", "source": cell}
    kind = cell.get("cell_type")
    if kind not in ("markdown", "raw"):
        kind = "code"
    whole = {"cell_type": kind, "id": f"cell-{number}", "source": text_of(cell.get("source"))}
    whole["metadata"] = _object(cell.get("metadata"))
    if kind == "code":
        outputs = cell.get("outputs")
        listed = outputs if isinstance(outputs, list) else [] if outputs is None else [outputs]
        whole |= {"execution_count": _count(cell), "outputs": [_output(output) for output in listed]}
    elif isinstance(cell.get("attachments"), dict):
        whole["attachments"] = {name: _bundle(data) for name, data in cell["attachments"].items()}
    return whole


def _output(output: Any) -> dict[str, Any]:
    """One output; what says of itself that it is none is told by its fields."""
    if not isinstance(output, dict):
        output = {"output_type": "stream", "text": output}
    kind = output.get("output_type")
    if kind == "error" or "traceback" in output:
        lines = output.get("traceback")
        traceback = [text_of(line) for line in lines] if isinstance(lines, list) else text_of(lines).splitlines()
        names = {name: text_of(output.get(name)) for name in ("ename", "evalue")}
        return {"output_type": "error", **names, "traceback": traceback}
    if kind == "stream" or ("text" in output and "data" not in output):
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return {"output_type": "stream", "name": name, "text": text_of(output.get("text"))}
    shown = {"data": _bundle(output.get("data")), "metadata": _object(output.get("metadata"))}
    if kind == "execute_result":
        return {"output_type": kind, "execution_count": _count(output), **shown}
    return {"output_type": "display_data", **shown}


def _bundle(data: Any) -> dict[str, Any]:
    """Data by kind; what is not sorted by kind is text."""
    if data is not None and not isinstance(data, dict):
        data = {"text/plain": data}
    return {kind: value if _JSON.fullmatch(kind) else text_of(value) for kind, value in (data or {}).items()}


def text_of(value: Any) -> str:
    """Text that a notebook holds whole, in lines, or not at all; other values as JSON.

    >>> text_of(["a\\n", "b"]), text_of(None), text_of(3)
    ('a\\nb', '', '3')
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list):
        return "".join(map(text_of, value))
    return json.dumps(value, ensure_ascii=False)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(holder: dict[str, Any]) -> int | None:
    count = holder.get("execution_count")
    return count if type(count) is int and count >= 0 else None


def _give_ids(cells: Iterable[dict[str, Any]], ids: Iterable[Any]) -> None:
    """Cells keep a valid id that no cell before them has."""
    taken: set[str] = set()
    for cell, own in zip(cells, ids, strict=True):
        name = own if isinstance(own, str) and _ID.fullmatch(own) and own not in taken else cell["id"]
        while name in taken:
            name += "-"
        taken.add(name)
        cell["id"] = name


def _kind(value: Any) -> str:
    names = {str: "text", list: "a list", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")
