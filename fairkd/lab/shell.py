"""What a notebook's first cells need of IPython: mistyped parameters are found, and a plan runs no other cell."""

from __future__ import annotations

import ast
from collections.abc import Collection
from types import EllipsisType
from typing import Any

from fairkd.errors import InputError, nearest
from fairkd.profile import Profile
from fairkd.settings import GROUPED

SHORT_NAME, SLIP = 5, 0.85
"""Names of so many letters are too short to tell a slip from another word; difflib's ratio from which on it is one."""
_PLAIN = (str, int, float, bool, list, dict, type(None), EllipsisType)


def check_names(parameters: dict[str, Any], *, slips_only: bool = False, known: Collection[Any] = ()) -> None:
    """Raises for variables that look like parameters but are none: a mistyped name would otherwise do nothing.

    Args:
        parameters: a notebook's ``globals()``.
        slips_only: once its cells have run, a notebook has variables of its own: then only those are refused whose name
            is all but that of a parameter, as in "seat_bootstap".
        known: names that were there before, and are none.
    """
    shell, allowed = ("In", "Out", *known), [*Profile.parameters(), *GROUPED]
    names = [
        name
        for name, value in parameters.items()
        if not name.startswith(("_", "PAPERMILL_"))
        and name not in shell
        and isinstance(value, (*_PLAIN, tuple))
        and not _is_table(name, value)
    ]
    for name in names:
        if name not in allowed and (not slips_only or _is_slip(name)):
            raise InputError(f"{name}: no such parameter (value {parameters[name]!r}).{nearest(name, allowed)}")


def _is_slip(name: str) -> bool:
    """Whether one letter or two are wrong; a name for one of several, such as "seed" of "seeds", is none."""
    near = {parameter for parameter in (*Profile.parameters(), *GROUPED) if f"{name}s" != parameter}
    return len(name) > SHORT_NAME and bool(nearest(name, near, cutoff=SLIP))


def _is_table(name: str, value: object) -> bool:
    """LOSSES or TESTS, say, which a cell imported; papermill hands over neither tuples nor entries of such kinds."""
    entries = value.values() if isinstance(value, dict) else ()
    return name.isupper() and (isinstance(value, tuple) or not all(isinstance(entry, _PLAIN) for entry in entries))


def skipped(lines: list[str]) -> list[str]:
    """IPython input transformer: cells do nothing, except those that set ``prepare_only`` or begin anew."""
    return lines if _begins("".join(lines)) else ["print('Not run: prepare_only.')\n"]


def _begins(source: str) -> bool:
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:  # a line magic, or a slip: neither begins anything
        return False
    set_here = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    called = {node.func.attr for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)}
    return bool(set_here & {"prepare_only", "run_settings"}) or "begin" in called


def skip_the_rest() -> None:
    """From the next cell on, cells do nothing."""
    shell = _shell()
    if shell is not None:
        shell.input_transformers_cleanup.append(skipped)


def stop_skipping() -> None:
    """Cells run again."""
    shell = _shell()
    if shell is not None:
        shell.input_transformers_cleanup[:] = [t for t in shell.input_transformers_cleanup if t is not skipped]


def _shell() -> Any:
    from IPython.core.getipython import get_ipython

    return get_ipython()
