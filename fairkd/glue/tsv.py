"""The ``.tsv`` files of GLUE's classic download.

They are read as the hub's own copy was made: tabs separate, quotation marks mean nothing (many sentences hold one
alone), a byte-order mark and fields beyond those of the header are passed over, and CoLA's files have no header.

Two kinds of lines are left out and counted: lines of QQP without a label, most of them broken off (the hub's copy lacks
them too), and pairs of MNLI on which the annotators did not agree (label ``-``; GLUE's own files have none, those of
MultiNLI have). Any other gap is an error.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fairkd.errors import InputError
from fairkd.glue.rows import check_columns, checked
from fairkd.glue.tasks import Task

if TYPE_CHECKING:
    import pyarrow as pa

_TSV: dict[str, tuple[tuple[str, ...], str]] = {
    "MNLI": (("sentence1", "sentence2"), "gold_label"),
    "QQP": (("question1", "question2"), "is_duplicate"),
    "QNLI": (("question", "sentence"), "label"),
    "SST-2": (("sentence",), "label"),
    "CoLA": (("sentence",), "label"),
    "STS-B": (("sentence1", "sentence2"), "score"),
    "MRPC": (("#1 String", "#2 String"), "Quality"),
    "RTE": (("sentence1", "sentence2"), "label"),
}  # text columns and label column of the classic download
_LEFT_OUT: dict[str, tuple[str | None, ...]] = {"QQP": (None, ""), "MNLI": ("-",)}  # labels of lines that do not count
_COLA_FIELDS = ["source", "label", "mark", "sentence"]


def read_tsv(task: Task, where: str, path: Path) -> tuple[pa.Table, int]:
    """The checked examples of one file, and how many of its lines were left out.

    Args:
        task: of the examples.
        where: the split, for messages.
        path: of the file.

    Raises:
        InputError: as :func:`fairkd.glue.rows.checked`, a line that breaks off, or a file that is not UTF-8 text.
    """
    import pyarrow as pa

    texts, label = _TSV[task.name]
    lines: list[int] = []
    columns: dict[str, list[str]] = {name: [] for name in (*task.columns, "label")}
    dropped = 0
    for number, row in _rows(where, path, (*texts, label), header=_COLA_FIELDS if task.name == "CoLA" else None):
        if row[-1] in _LEFT_OUT.get(task.name, ()):
            dropped += 1
            continue
        if None in row:
            lost = (*texts, label)[row.index(None)]
            raise InputError(f"{where}, line {number}: it breaks off before column {lost!r}")
        lines.append(number)
        for values, cell in zip(columns.values(), row, strict=True):
            values.append(cell or "")
    table = pa.table(columns, schema=pa.schema([(name, pa.string()) for name in columns]))
    return checked(task, where, table, place=lambda index: f"line {lines[index]}"), dropped


def _rows(
    where: str, path: Path, wanted: Sequence[str], *, header: list[str] | None
) -> Iterator[tuple[int, list[str | None]]]:
    """Line numbers (from 1) and the wanted cells of a tab-separated file, None where a line breaks off before."""
    with path.open(encoding="utf-8-sig") as file:
        reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        try:
            names = header or next(reader, [])
            check_columns(where, wanted, names)
            indices = [names.index(name) for name in wanted]
            for row in reader:
                if row:
                    yield reader.line_num, [row[index] if index < len(row) else None for index in indices]
        except UnicodeDecodeError as error:
            near = f"near line {reader.line_num + 1}"
            raise InputError(f"{where}: it is not UTF-8 text {near} ({error.reason})") from error
        except csv.Error as error:
            raise InputError(f"{where}, line {reader.line_num}: {error}") from error
