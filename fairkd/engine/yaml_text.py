"""YAML as profiles and word lists have it: every key once, and nothing nested without end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from fairkd.errors import InputError, shown

DEEPEST_YAML, MOST_NODES = 50, 1_000_000
"""Levels of nesting, and values in all. A value counts at every place where an alias names it, so that a short text
cannot stand for a value without end."""


def load_yaml(text: str) -> Any:
    """The value that a text shows; None for an empty one.

    Raises:
        InputError: as :func:`compose_yaml`, or a value that its tag does not allow.

    >>> load_yaml("seeds: [0, 1]")
    {'seeds': [0, 1]}
    """
    loader, root = _parsed(text)
    try:
        return None if root is None else loader.construct_document(root)
    except Exception as error:  # whatever PyYAML's conversions of numbers, dates and bytes raise
        raise InputError(str(error) or type(error).__name__) from error


def compose_yaml(text: str) -> yaml.Node | None:
    """The root of a text, whose nodes know their lines; None for an empty one.

    Raises:
        InputError: it is not YAML, a key stands twice in one mapping, or it is nested without end; names the lines.
    """
    return _parsed(text)[1]


def utf8_text(path: Path) -> str:
    """The text of a file, without a byte-order mark.

    Raises:
        InputError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 text ({error.reason} at byte {error.start}); convert it to UTF-8") from error
    except OSError as error:
        raise InputError(f"it cannot be read: {error.strerror or error}") from error


def _parsed(text: str) -> tuple[Any, yaml.Node | None]:
    """PyYAML's loader of a text, and the checked root of what it read."""
    try:
        loader = yaml.SafeLoader(text)
        root: yaml.Node | None = loader.get_single_node()
    except RecursionError:
        raise InputError("it is nested too deep") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two for an escape beyond Unicode
        raise InputError(str(error)) from error
    if root is not None:
        _check(root)
    return loader, root


def _check(root: yaml.Node) -> None:
    waiting, count = [(root, 0)], 0
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if depth > DEEPEST_YAML or count > MOST_NODES:
            raise InputError(f"line {node.start_mark.line + 1}: it is nested too deep, or an alias holds too much")
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
            waiting += [(part, depth + 1) for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(part, depth + 1) for part in node.value]


def _check_keys(node: yaml.MappingNode) -> None:
    lines: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            name, line = (key.tag, key.value), key.start_mark.line + 1
            if name in lines:
                raise InputError(f"the key {shown(key.value)} stands twice, in lines {lines[name]} and {line}")
            lines[name] = line
