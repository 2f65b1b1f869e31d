"""What every example of a GLUE task must have, whatever file it comes from: its texts, and a label that counts."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fairkd.engine.columns import is_text
from fairkd.errors import InputError, nearest
from fairkd.glue.tasks import Task

if TYPE_CHECKING:
    import pyarrow as pa

Place = Callable[[int], str]


def check_columns(where: str, wanted: Sequence[str], present: Sequence[str]) -> None:
    """Raises InputError for the first wanted column that is not present."""
    for name in wanted:
        if name not in present:
            raise InputError(f"{where}: no column {name!r}; it has {list(present)}.{nearest(name, present)}")


def checked(
    task: Task,
    where: str,
    table: pa.Table,
    names: Sequence[str] | None = None,
    *,
    place: Place = lambda index: f"row {index + 1}",
) -> pa.Table:
    """The text columns and "label" of a split, and nothing else: strings, and int64 class ids or float32 numbers.

    Args:
        task: of the examples.
        where: the split, for messages.
        table: with the task's text columns and "label".
        names: of the classes in the order of the table's numbers, if it has names for them.
        place: an example's place in the file, for messages.

    Raises:
        InputError: a column that is missing or not text, a text that is missing, or a label that does not fit.
    """
    import pyarrow as pa

    kind = pa.int64() if task.labels else pa.float32()
    if not table.num_rows:  # nor may it have columns or types
        return pa.schema([*((name, pa.string()) for name in task.columns), ("label", kind)]).empty_table()
    check_columns(where, (*task.columns, "label"), table.column_names)
    columns = {}
    for name in task.columns:
        texts = table[name]
        if not is_text(texts.type):
            raise InputError(f"{where}: column {name!r} holds {texts.type}, not text")
        if texts.null_count:
            raise InputError(f"{where}, {place(texts.is_null().to_pylist().index(True))}: column {name!r} has no text")
        columns[name] = texts.cast(pa.string())
        _check_utf8(where, name, columns[name])
    if pa.types.is_nested(table["label"].type):
        raise InputError(f"{where}: column 'label' holds {table['label'].type}, not one label an example")
    _check_utf8(where, "label", table["label"])
    columns["label"] = pa.array(_labels(task, where, table["label"].to_pylist(), names, place), kind)
    return pa.table(columns)


def _check_utf8(where: str, name: str, column: pa.ChunkedArray) -> None:
    """Raises InputError for a column of a Parquet file whose text is not UTF-8: nothing checks that when it is read."""
    import pyarrow as pa

    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        raise InputError(f"{where}: column {name!r} is damaged, or not UTF-8 text ({error})") from error


def _labels(task: Task, where: str, values: list[Any], names: Sequence[str] | None, place: Place) -> list[float]:
    for name in names or ():
        if name not in task.labels:
            allowed = f"its classes are {list(task.labels)}" if task.labels else "its labels are numbers from 0 to 5"
            raise InputError(f"{where}: unknown class {name!r}; {allowed}.{nearest(name, task.labels)}")
    found: dict[Any, float] = {}
    for value in dict.fromkeys(values):
        try:
            found[value] = _class_id(task, value, names or task.labels) if task.labels else _similarity(value)
        except ValueError as error:
            raise InputError(f"{where}, {place(values.index(value))}: {error}") from error
    return [found[value] for value in values]


def _class_id(task: Task, value: Any, names: Sequence[str]) -> int:
    """The id of a label that is a name, or a number by the file's own names."""
    if value in task.labels:
        return task.labels.index(value)
    allowed = f"allowed: {', '.join(task.labels)}, or 0 to {len(names) - 1}"
    if value in (None, "", -1, "-1"):
        raise ValueError(f"its label is missing or hidden ({value!r}), as in GLUE's test splits; {allowed}")
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if not isinstance(number, int) or not 0 <= number < len(names):
        raise ValueError(f"unknown label {value!r}; {allowed}.{nearest(str(value), task.labels)}")
    return task.labels.index(names[number])


def _similarity(value: Any) -> float:
    """A label of STS-B."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= 5:
        raise ValueError(f"its label is {value!r}; allowed: a number from 0 to 5 (hidden labels are -1)")
    return number


def digest(task: Task, tables: dict[str, pa.Table]) -> str:
    """SHA-256 of a task's texts (each with its length, so that no two splits of a text collide) and labels."""
    sha = hashlib.sha256(json.dumps([task.config, list(task.columns)]).encode())
    for split, table in tables.items():
        sha.update(f"{split}/{table.num_rows}/".encode())
        for name in task.columns:
            for text in table[name].to_pylist():
                data = text.encode()
                sha.update(len(data).to_bytes(8, "little") + data)
        kind = "<i8" if task.labels else "<f4"
        sha.update(table["label"].to_numpy().astype(kind).tobytes())
    return sha.hexdigest()
