"""What becomes of a file on its way here: other bytes, a part of it, a few bytes changed, or a value of its JSON."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 2**40, 10**400, float("nan"), "", "x", "\ud800", "[UNK]", [], [None], {}, {"": None},
)  # fmt: skip


TEXTS = st.text(st.characters(), max_size=20)  # with half surrogates
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
"""Whatever JSON can hold."""
JSON_OR_NOT = st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode())


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes that may or may not be readable, made of those of a good file.

    A safetensors file has JSON in front too, behind eight bytes that say how long it is.
    """
    way = draw(st.sampled_from(["other", "part", "bytes", "value", "value", "value"]))
    if way == "other":
        return draw(st.binary(max_size=60))
    if way == "part":
        return whole[: draw(st.integers(0, len(whole)))]
    if way == "value":
        for front in (b"", whole[:8]):
            length = int.from_bytes(front, "little") or len(whole)
            try:
                value = json.loads(whole[len(front) : len(front) + length])
            except ValueError:
                continue
            text = json.dumps(draw(_changed(value))).encode()
            return (len(text).to_bytes(8, "little") if front else b"") + text + whole[len(front) + length :]
    changed = bytearray(whole)
    for at in draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=4)):
        changed[at] = draw(st.integers(0, 255))
    return bytes(changed)


@st.composite
def _changed(draw: st.DrawFn, value: Any) -> Any:
    """A value of JSON in which one thing is another, is gone, or has another name."""
    way = draw(st.sampled_from(["deeper", "deeper", "deeper", "another", "gone", "renamed"]))
    if not (isinstance(value, dict | list) and value) or way == "another":
        return draw(st.sampled_from(ODD))
    places = list(value) if isinstance(value, dict) else range(len(value))
    place = draw(st.sampled_from(places))
    if way == "deeper":
        return _with(value, place, draw(_changed(value[place])))
    if isinstance(value, list):
        return [*value[:place], *value[place + 1 :]]
    rest = {name: own for name, own in value.items() if name != place}
    return rest if way == "gone" else rest | {draw(st.sampled_from(["module.", "X", "\ud800"])) + place: value[place]}


def _with(value: Any, place: Any, changed: Any) -> Any:
    copy = value.copy()
    copy[place] = changed
    return copy
