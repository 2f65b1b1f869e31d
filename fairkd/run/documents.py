"""Results for machines: one JSON document on standard output or in a file; the fields are in ``docs/json.md``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairkd.engine.messages import expanded
from fairkd.engine.store import write_document
from fairkd.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def target_file(output: str | None) -> Path | None:
    """The file of ``--output``, looked at before any work.

    Raises:
        InputError: it is a folder, or there is no folder to hold it, or none that can be written to.
    """
    if output is None:
        return None
    path = expanded(output)
    if not output or path.is_dir():
        raise InputError(f"--output {output or repr(output)}: this is a folder; name a file")
    if not path.parent.is_dir():
        raise InputError(f"--output {output}: there is no folder {str(path.parent)!r}; make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"--output {output}: the folder {str(path.parent)!r} cannot be written to")
    return path


@contextmanager
def nothing_printed(wanted: bool) -> Iterator[None]:
    """What is printed meanwhile goes to standard error where the document alone is wanted on standard output."""
    if not wanted:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


def deliver(document: Any, *, as_json: bool, target: Path | None) -> None:
    """Prints a document and writes it to a file, as far as each is wanted.

    Raises:
        ValueError: it holds a number that JSON has not (NaN, infinity); nothing has been written.
    """
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    if as_json:
        print(text, end="")
    if target:
        write_document(target, text)


def as_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON values; JSON has no nan, so that what is missing becomes null."""
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=15))
    return rows
