"""Errors that a user can act on: what was wrong, where, what is allowed, the nearest valid name."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Collection, Iterable

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 300
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 30
_SLIP = 0.75  # of difflib's ratio: one wrong letter or two in a name such as "embedded"


class InputError(ValueError):
    """Something the user gave cannot be used; the message says what, where and what is allowed.

    The command line prints it without a traceback and exits with status 2.
    """


class DivergedError(RuntimeError):
    """A loss stopped being finite; the message names model, step and term."""


class LostError(RuntimeError):
    """One of the processes that train together is gone; every model is whole, as it was after its last update."""


def one_of(name: str, allowed: Collection[str], what: str) -> str:
    """Returns ``name`` if it is allowed.

    Raises:
        InputError: it is not; says what is, and the nearest.

    >>> one_of("cls", ["mean", "cls"], "pooling")
    'cls'
    """
    if name not in allowed:
        raise InputError(f"{what} {shown(name)} is unknown; allowed are {', '.join(allowed)}.{nearest(name, allowed)}")
    return name


def nearest(name: str, allowed: Iterable[str], *, cutoff: float = 0.5) -> str:
    """Returns " Did you mean 'x'?" for the valid name closest to ``name`` in any case, or "" if none is close."""
    names = {other.casefold(): other for other in allowed if other}
    matches = difflib.get_close_matches(name.casefold(), names, n=1, cutoff=cutoff)
    return f" Did you mean {names[matches[0]]!r}?" if matches else ""


def check_slip(name: str, reserved: Collection[str], what: str) -> None:
    """Refuses a name that is a slip of a reserved one, where any other name may be that of something on a hub.

    Raises:
        InputError: it is all but one of ``reserved``; nothing has been asked of a hub by then.

    >>> check_slip("bert-base-uncased", ["embedded", "scratch"], "teacher")
    """
    hint = "" if "/" in name or name in reserved else nearest(name, reserved, cutoff=_SLIP)
    if hint:
        raise InputError(
            f"{what} {name!r} is no folder, and not {' or '.join(map(repr, reserved))}.{hint} "
            "A model of the hub with such a name is written with its owner, as in 'owner/name'"
        )


def in_one_line(text: str) -> str:
    """A text of somebody else's for a terminal: what would move its cursor or begin a line is written out.

    >>> in_one_line("a\\x1b[2J\\nsound: b")
    'a\\\\x1b[2J\\\\nsound: b'
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def shown(value: object) -> str:
    """Returns a value as a message shows it: its ``repr``, cut where it is long, deep or endless.

    >>> shown([0, "one"])
    "[0, 'one']"
    """
    try:
        return _SHORT.repr(value)
    except ValueError:  # a number of more digits than Python writes
        return f"{type(value).__name__} that is too long to show"
