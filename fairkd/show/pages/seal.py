"""What a page says of itself to a program: the record of the results that it shows, and a digest of the whole page."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from fairkd.errors import InputError

_SEAL = re.compile(r"<!-- fairkd page, SHA-256 of all before: ([0-9a-f]{64}) -->\n\Z")
_RECORD = re.compile(r'<script type="application/json" id="record">(.*?)</script>', re.DOTALL)


def sealed(page: str, record: dict[str, Any] | None) -> str:
    """A page with its record, if there is one, and its digest as the last line.

    Args:
        page: HTML that ends its body.
        record: the manifest of its results, plain values.
    """
    if record is not None:
        # In JSON "<" stands in strings only; written so, nothing in one can end the element.
        text = json.dumps(record, sort_keys=True).replace("<", "\\u003c")
        before, end, after = page.rpartition("</body>")
        page = f'{before}<script type="application/json" id="record">{text}</script>\n{end}{after}'
    page = page.rstrip("\n") + "\n"
    return f"{page}<!-- fairkd page, SHA-256 of all before: {_digest(page)} -->\n"


def open_page(path: Path) -> tuple[str, dict[str, Any] | None]:
    """A page as it was written, and its record.

    Raises:
        InputError: it cannot be read, is no page of fairkd, or was changed since it was written.
    """
    try:
        page = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    found = _SEAL.search(page)
    if found is None:
        raise InputError(f"{path} does not end as the pages that fairkd exports: it is none, or was cut or changed")
    if _digest(page[: found.start()]) != found[1]:
        raise InputError(f"{path} was changed after it was written")
    record = _RECORD.search(page)
    return page, None if record is None else json.loads(record[1])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
