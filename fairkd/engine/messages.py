"""What a profile's errors say: a line a problem, in the user's terms instead of pydantic's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from fairkd.errors import InputError, nearest, shown

_Settings = TypeVar("_Settings")


def similar_path(path: Path, names: Iterable[str] = ()) -> str:
    """The nearest of the names that may stand in a path's place, and of those in the folder where it was looked for."""
    try:
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    except OSError:  # a folder that may not be listed
        siblings = []
    return nearest(path.name, [*names, *siblings], cutoff=0.6)  # three letters are near too many names of folders


def expanded(name: str) -> Path:
    """A name as a path, "~" as the home folder; a user that nobody knows is a name like any other."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def checked_settings(section: Callable[..., _Settings], **values: Any) -> _Settings:
    """A group of parameters made from values that a command was given.

    Raises:
        InputError: a value is not allowed; names every such value.
    """
    try:
        return section(**values)
    except ValidationError as error:
        raise InputError("; ".join(explanations(error.errors()))) from None


def explanations(problems: list[Any]) -> list[str]:
    """A line for each problem that pydantic found in a group of parameters.

    Left out are parameters that are missing, and what a mapping lacks to be a text.
    """
    told = []
    for problem in problems:
        where, given = problem["loc"], problem["input"]
        missing = problem["type"] == "missing" and len(where) == 1
        if not missing and not (where[-1:] == ("str",) and isinstance(given, dict)):
            told.append(explain(problem))
    return told


def explain(problem: Any) -> str:
    """One line for one problem: key, value, what is allowed, the nearest valid name."""
    unions = ("str", "Arm")  # pydantic names the branch of a union that it tried; that is no part of the key
    key = ".".join(str(part) for part in problem["loc"] if "[" not in str(part) and part not in unions)
    kind, value = problem["type"], problem["input"]
    name = str(problem["loc"][0]) if problem["loc"] else ""
    if kind == "extra_forbidden":
        return f"{key}: no such key (value {shown(value)})"
    if kind == "missing":
        return f"{key}: missing"
    if kind == "too_short":
        return f"{key}: {shown(value)} must have one entry or more"
    if kind == "value_error":
        message = str(problem["ctx"]["error"])
        return f"{key}: {message}" if key and not message.startswith(name) else message
    if isinstance(value, str) and kind in ("float_type", "int_type") and _is_number(value):
        example = f"{float(value):.1e}" if kind == "float_type" else f"{float(value):g}"
        return (
            f"{key}: {shown(value)} is text, not a number; YAML reads a number with an exponent only "
            f"if it has a dot and a sign: write {example}, without quotes"
        )
    allowed = problem["msg"].replace("Input should be ", "must be ").replace("valid tuple", "list such as [0, 1]")
    allowed = allowed.replace("valid dictionary", "mapping such as {name: 8}")
    allowed = allowed.replace("String should", "must").replace("Value should", "must")
    choices = str(problem.get("ctx", {}).get("expected", "")).replace(" or ", ", ").replace("'", "").split(", ")
    return f"{key}: {shown(value)} {allowed}.{nearest(value, choices) if isinstance(value, str) else ''}"


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
