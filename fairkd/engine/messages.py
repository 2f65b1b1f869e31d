"""What a profile's errors say: a line a problem, in the user's terms instead of pydantic's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fairkd.errors import nearest


def similar_path(path: Path) -> str:
    """The nearest name in the folder where a path was looked for."""
    return nearest(path.name, [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else [])


def explain(problem: Any) -> str:
    """One line for one problem: key, value, what is allowed, the nearest valid name."""
    unions = ("str", "Arm")  # pydantic names the branch of a union that it tried; that is no part of the key
    key = ".".join(str(part) for part in problem["loc"] if "[" not in str(part) and part not in unions)
    kind, value = problem["type"], problem["input"]
    name = str(problem["loc"][0]) if problem["loc"] else ""
    if kind == "extra_forbidden":
        return f"{key}: no such key (value {value!r})"
    if kind == "missing":
        return f"{key}: missing"
    if kind == "value_error":
        message = str(problem["ctx"]["error"])
        return f"{key}: {message}" if key and not message.startswith(name) else message
    if isinstance(value, str) and kind in ("float_type", "int_type") and _is_number(value):
        example = f"{float(value):.1e}" if kind == "float_type" else f"{float(value):g}"
        return (
            f"{key}: {value!r} is text, not a number; YAML reads a number with an exponent only "
            f"if it has a dot and a sign: write {example}, without quotes"
        )
    allowed = problem["msg"].replace("Input should be ", "must be ").replace("valid tuple", "list such as [0, 1]")
    allowed = allowed.replace("String should match", "must match").replace("Value should have", "must have")
    choices = str(problem.get("ctx", {}).get("expected", "")).replace(" or ", ", ").replace("'", "").split(", ")
    return f"{key}: {value!r} {allowed}.{nearest(value, choices) if isinstance(value, str) else ''}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
