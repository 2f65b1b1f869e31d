"""Errors that a user can act on: what was wrong, where, what is allowed, the nearest valid name."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable


class InputError(ValueError):
    """Something the user gave cannot be used; the message says what, where and what is allowed.

    The command line prints it without a traceback and exits with status 2.
    """


class DivergedError(RuntimeError):
    """A loss stopped being finite; the message names model, step and term."""


def one_of(name: str, allowed: Collection[str], what: str) -> str:
    """Returns ``name`` if it is allowed.

    Raises:
        InputError: it is not; says what is, and the nearest.

    >>> one_of("cls", ["mean", "cls"], "pooling")
    'cls'
    """
    if name not in allowed:
        raise InputError(f"{what} {name!r} is unknown; allowed are {', '.join(allowed)}.{nearest(name, allowed)}")
    return name


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Returns " Did you mean 'x'?" for the valid name closest to ``name``, or "" if none is close."""
    matches = difflib.get_close_matches(str(name), list(allowed), n=1, cutoff=0.5)
    return f" Did you mean {matches[0]!r}?" if matches else ""
