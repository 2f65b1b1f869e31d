"""Finished work is looked at without what made it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Late:
    """What is known by itself, and what is loaded when somebody asks for it: finished work needs no model.

    >>> class Book(Late):
    ...     pass
    >>> book = Book({"text": lambda: "read from a file"}, title="Emma")
    >>> book.title, book.text
    ('Emma', 'read from a file')
    """

    def __init__(self, late: dict[str, Callable[[], Any]], **known: Any) -> None:
        vars(self).update(known, _late=late)

    def __getattr__(self, name: str) -> Any:
        late = vars(self).get("_late", {})
        if name not in late:
            raise AttributeError(name)
        value = vars(self)[name] = late[name]()
        return value
