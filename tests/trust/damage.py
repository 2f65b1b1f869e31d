"""Every kind of file below ``runs/``, and what can become of one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from commands import World

from fairkd.engine.store import MANIFEST, NOTES, read_json
from fairkd.lab.variants import declare
from fairkd.run.verify import verify_profile

HARMLESS = {
    ".scratch/…": "left by a killed process: nobody reads it, the next start removes it",
    f"store/{NOTES}/KEY.json": "says when an entry was compared with its digests: it is compared again",
}
"""Kinds of files that may change without a word, and why."""


def flipped(whole: bytes) -> bytes | None:
    middle = len(whole) // 2
    return whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :] if whole else None


def cut(whole: bytes) -> bytes | None:
    return whole[:-1] if whole else None


def digit(whole: bytes) -> bytes | None:
    """A digit of a text, as somebody would change a number in an editor; never to a zero, which may begin none."""
    try:
        text = whole.decode()
    except UnicodeDecodeError:
        return None
    places = [found.start() for found in re.finditer(r"\d", text)]
    if not places:
        return None
    at = places[len(places) // 2]
    return (text[:at] + str(int(text[at]) % 9 + 1) + text[at + 1 :]).encode()


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "a bit flipped": flipped, "a byte cut off": cut, "a digit changed": digit,
}  # fmt: skip


def kinds_of_files(world: World) -> dict[str, Path]:
    """An example of every kind of file that a finished study leaves; a kind that is new is found by itself."""
    found: dict[str, Path] = {}
    for path in sorted(world.runs.rglob("*")):
        if path.is_file() and path.stat().st_size:
            found.setdefault(kind_of(path, world), path)
    return found


def kind_of(path: Path, world: World) -> str:
    """Its path with what varies left out: an entry's key is the entry's kind, a notebook's name is NOTEBOOK."""
    parts = list(path.relative_to(world.runs).parts)
    if ".scratch" in parts:
        return ".scratch/…"
    if parts[0] == world.store.name and re.fullmatch("[0-9a-f]{20}", parts[1]):
        parts[1] = f"<{read_json(world.store / parts[1] / MANIFEST)['kind']}>"
    if parts[:-1] == [world.store.name, NOTES]:
        parts[-1] = "KEY.json"
    name = re.sub(r"^\d\d_[a-z]+(\.[\w-]+(?=\.piece))?", "NOTEBOOK", parts[-1])
    if parts[-2:-1] == ["results"] and name.endswith(".parquet"):
        name = "TABLE.parquet"
    return "/".join([*parts[:-1], re.sub(r"\d+", "N", name)])


def problems(world: World) -> list[str]:
    """What ``fairkd verify`` finds, given the profile's file."""
    declare(world.profile)
    return [line for check in verify_profile(world.profile, again=0) for line in check.problems]


def assert_noticed(
    world: World, kind: str, path: Path, usual: list[str], told: Callable[..., None], *, only: int | None = None
) -> None:
    """Damages a file in each way that changes it, or in one of them, which ``only`` chooses, and puts it back.

    Args:
        usual: problems that there are without it.
    """
    whole = path.read_bytes()
    ways = [way for way in DAMAGES if DAMAGES[way](whole) not in (None, whole)]
    for way in ways if only is None else ways[only % len(ways) :][:1] if ways else []:
        path.write_bytes(DAMAGES[way](whole))
        found = [line for line in problems(world) if line not in usual]
        path.write_bytes(whole)
        named = any(name in line for line in found for name in (path.name, path.parent.name, path.stem))
        assert not found if kind in HARMLESS else named, (kind, way, found)
        told(way, kind, "", HARMLESS.get(kind, "noticed by verify"))
