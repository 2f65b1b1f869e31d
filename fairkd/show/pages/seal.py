"""What a page says of itself to a program: the record of the results that it shows, and a digest of the whole page."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, cast

from fairkd.engine.store import parse_json
from fairkd.errors import InputError

_SEAL = re.compile(r"<!-- fairkd page, SHA-256 of all before: ([0-9a-f]{64}) -->\n\Z")


def record_text(record: dict[str, Any]) -> str:
    """The manifest of results, as it stands in an element of a page: in JSON, which cannot end that element."""
    return json.dumps(record, sort_keys=True).replace("<", "\\u003c")  # there "<" stands in strings only


def sealed(page: str) -> str:
    """A page with its digest as the last line."""
    page = page.rstrip("\n") + "\n"
    return f"{page}<!-- fairkd page, SHA-256 of all before: {_digest(page)} -->\n"


def open_page(path: Path) -> tuple[str, dict[str, Any] | None]:
    """A page as it was written, and the record of its results, which only pages of executed notebooks have.

    Raises:
        InputError: it cannot be read, is no page of fairkd, was changed since it was written, or has another record.
    """
    from bs4 import BeautifulSoup

    try:
        if not path.is_file():  # from a pipe nobody may ever write
            raise OSError("it is no file")
        page = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    found = _SEAL.search(page)
    if found is None:
        raise InputError(f"{path} does not end as the pages that fairkd exports: it is none, or was cut or changed")
    if _digest(page[: found.start()]) != found[1]:
        raise InputError(f"{path} was changed after it was written")
    record = BeautifulSoup(page, "html.parser").find(id="record")
    return page, None if record is None else _checked(record.get_text(), path)


def _checked(text: str, path: Path) -> dict[str, Any]:
    """The record of a page, which anybody may have sealed: of what is read of it every part has its type.

    Raises:
        InputError: it has not.
    """
    value = parse_json(text.encode(), where=f"{path}: its record")
    facts = value.get("facts") if isinstance(value, dict) else None
    versions = facts.get("versions") if isinstance(facts, dict) else None
    parts = [(value, "notebook", str), (value, "saved", dict), (value, "parameters", dict), (value, "facts", dict)]
    parts += [(facts, "profile", str), (facts, "seeds", list), (facts, "device", str), (versions, "fairkd", str)]
    for part, name, kind in parts:
        if not isinstance(part, dict) or not isinstance(part.get(name), kind):
            raise InputError(f"{path}: its record has no {name} that a page of fairkd has; somebody else wrote it")
    if not re.fullmatch(r"\w+", value["notebook"]) or not all(isinstance(one, str) for one in value["saved"].values()):
        raise InputError(f"{path}: its record names no notebook or tables that fairkd makes; somebody else wrote it")
    return cast(dict[str, Any], value)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
