"""From the numbers on a page back to where they come from: a saved table, the store's entries, their manifests.

Every cell of a page's tables keeps its number and the ends of its interval to twelve digits
(:func:`fairkd.show.html.exactly`), and every figure offers its data. Twelve digits are found again in the tables that
notebooks saved, and nowhere else by chance.
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fairkd.claims import paper
from fairkd.engine.store import Store
from fairkd.errors import InputError, shown
from fairkd.lab.records import arm_and_seed, arm_content
from fairkd.names import TEACHER
from fairkd.profile import Profile
from fairkd.show.html import exactly
from fairkd.show.pages.seal import open_page
from fairkd.wording import listed

_NUMBER = re.compile(r"(?<![\w.])−?\d[\d,]*(?:\.\d+)?")
_OF_SIX = re.compile(r"\d\s+of\s+6\b")
_WORD = 40
"""Letters of what tells a row from others; a longer text is a sentence about it."""
OF_THE_PAPER = "printed in the paper"
Origins = Mapping[str, str]
"""A number in twelve digits -> the first table that has it, as "quick/02_ablation: ablation_scores.parquet, low"."""


@dataclass(frozen=True)
class Shown:
    """A cell of a table, or a row of a figure's data.

    Attributes:
        where: its table or figure, by id.
        exact: its numbers, to twelve digits.
        text: as the page shows it; "" in a figure's data.
    """

    where: str
    exact: tuple[str, ...]
    text: str = ""

    def misprinted(self) -> bool:
        """Whether one of its numbers is not what stands on the page, rounded as it is there."""
        printed = [_digits(found) for found in _NUMBER.findall(self.text)]
        return bool(self.text) and not all(any(self.prints_as(one, said) for said in printed) for one in self.exact)

    def prints_as(self, exact: str, said: str) -> bool:
        """Whether the cell prints one of its numbers so; where it says "4 of 6", a share may stand as tests of six."""
        scales = (1, 6) if _OF_SIX.search(self.text) else (1,)
        return any(_rounds(scale * float(exact), said) for scale in scales)


def numbers_of(page: Path) -> Iterator[Shown]:
    """What a page shows of numbers: its tables' cells, and the rows of the data behind its figures.

    Raises:
        InputError: it is no page of fairkd, or was changed.
    """
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(open_page(page)[0], "html.parser")
    for cell in soup.select("[data-exact]"):
        labelled = cell.find_parent(attrs={"aria-labelledby": True})
        where = str(labelled["aria-labelledby"]).removesuffix("-caption") if labelled else ""
        exact = tuple(str(cell["data-exact"]).split())
        if not all(map(_is_number, exact)):
            raise InputError(f"{page}: {where} has a cell whose numbers are {shown(' '.join(exact))}: none of fairkd's")
        yield Shown(where, exact, cell.get_text(" "))
    for link in soup.select("div.result p.data a[download]"):  # what sliders show was computed for the page
        if link.find_parent("figure") is not None:
            continue
        data = base64.b64decode(str(link["href"]).partition(",")[2])
        for row in pd.read_csv(io.BytesIO(data)).select_dtypes("number").to_numpy(float):
            yield Shown(str(link["download"]).removesuffix(".csv"), tuple(exactly(*row).split()))


def origins(tables: Mapping[str, Mapping[str, pd.DataFrame]]) -> Origins:
    """Where each number stands that notebooks saved, by notebook and table; as it is, in percent, and as a size."""
    found = dict.fromkeys(of_the_paper(), OF_THE_PAPER)
    for notebook, frames in tables.items():
        for name, frame in frames.items():
            for column in frame.select_dtypes("number"):
                values = frame[column].to_numpy(float)
                for value in np.unique(values[np.isfinite(values)]):
                    for form in _forms(value):
                        found.setdefault(exactly(form), f"{notebook}: {name}.parquet, {column}")
    return found


def lost(cells: Iterable[Shown], known: Origins) -> list[Shown]:
    """The cells with a number that no saved table has: it was computed from them when the page was made."""
    return [cell for cell in cells if any(one not in known for one in cell.exact)]


@dataclass(frozen=True)
class SavedRow:
    """A row of a saved table that has a number.

    Attributes:
        notebook: as "quick/02_ablation".
        table: its file, in the folder of results.
        row: its number, from 0.
        column: that has the number.
        told: the row's other words and whole numbers, such as the arm, by column.
    """

    notebook: str
    table: str
    row: int
    column: str
    told: dict[str, Any]

    def __str__(self) -> str:
        told = ", ".join(f"{name} {value}" for name, value in self.told.items())
        return f"{self.notebook}: results/{self.table}, row {self.row}, {self.column}{f'; {told}' if told else ''}"


def _digits(printed: str) -> str:
    """Of a number that :data:`_NUMBER` found on a page."""
    return printed.replace("−", "-").replace(",", "")


def plain_number(said: str) -> str:
    """A number as a page prints it, for :class:`float`.

    Raises:
        InputError: it is none.

    >>> plain_number("−1,234.5")
    '-1234.5'
    """
    plain = said.strip().replace("−", "-")
    if not re.fullmatch(r"-?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?(e-?\d+)?", plain):
        raise InputError(f"--number: {shown(said)} is no number, such as 0.123 or −1.5")
    return plain.replace(",", "")


def printed_as(cells: Iterable[Shown], said: str) -> dict[str, list[str]]:
    """Where a page shows a number as a reader sees it, by its twelve digits; rows behind figures count if no cell does.

    Raises:
        InputError: as :func:`plain_number`.
    """
    plain = plain_number(said)
    places: dict[bool, dict[str, list[str]]] = {True: {}, False: {}}
    for cell in cells:
        printed = [_digits(found) for found in _NUMBER.findall(cell.text)]
        for exact in cell.exact if not cell.text or plain in printed else ():
            if cell.prints_as(exact, plain):
                places[bool(cell.text)].setdefault(exact, []).append(cell.where)
    return places[True] or places[False]


def rows_with(exact: str, tables: Mapping[str, Mapping[str, pd.DataFrame]]) -> Iterator[SavedRow]:
    """The rows of saved tables that have a number of twelve digits; as it is, in percent, and as a size."""
    for notebook, frames in tables.items():
        for name, frame in frames.items():
            for column in frame.select_dtypes("number"):
                values = frame[column].to_numpy(float)
                near = np.flatnonzero(np.isclose(np.abs(np.outer([1, 100], values)), abs(float(exact))).any(axis=0))
                for place in near:
                    if exact in {exactly(form) for form in _forms(values[place])}:
                        yield SavedRow(notebook, f"{name}.parquet", int(place), str(column), _told(frame.iloc[place]))


def _told(row: pd.Series[Any]) -> dict[str, Any]:
    """What says which row it is: words of at most a few letters, and whole numbers."""
    kept = {str(name): value for name, value in row.items() if isinstance(value, str | int | np.integer)}
    return {name: value for name, value in kept.items() if value != "" and len(str(value)) <= _WORD}


def _forms(value: float) -> tuple[float, ...]:
    return value, 100 * value, abs(value), -value


def behind(row: SavedRow, profile: Profile, keys: Iterable[str]) -> list[str]:
    """The entries of the store behind a row, in lines: its models one by one, and what was made or measured of them.

    Args:
        row: of a table of the profile.
        profile: whose store has them.
        keys: of all entries that the row's notebook used; these count where the row names no student.
    """
    store = profile.store()
    found = {key: Store.manifest(folder) for key in sorted(keys) if (folder := store.find(key)) is not None}
    names = {row.told.get("arm"), row.told.get("baseline")}
    contents = {arm_content(arm) for arm in profile.all_arms() if arm.name in names}
    models = {
        key: manifest
        for key, manifest in found.items()
        if (manifest["kind"] == "teacher" and TEACHER in names)
        or (arm_and_seed(manifest)[0] in contents and row.told.get("seed") in (None, manifest["seed"]))
    }
    if not models:
        return chain(list(found), store)
    digests = ("weights_digest", "teacher_digest", "corpus_digest")
    about = {manifest.get(name) for manifest in models.values() for name in digests} - {None}
    named = ("weights", "encoder", "weights_digest", "digest")
    others: dict[str, list[str]] = {}
    for key, manifest in found.items():
        if key not in models and about & {manifest.get(name) for name in named}:
            others.setdefault(manifest["kind"], []).append(key)
    return [
        *(_model_line(key, manifest) for key, manifest in models.items()),
        *(f"{kind}: {listed(own)}" for kind, own in others.items()),
    ]


def _model_line(key: str, manifest: Mapping[str, Any]) -> str:
    what = f"{manifest['arm']['name']}, seed {manifest['seed']}" if "arm" in manifest else "before any student"
    kinds = [kind for kind in ("weights", "teacher", "corpus") if f"{kind}_digest" in manifest]
    digests = ", ".join(f"{kind} {manifest[f'{kind}_digest'][:12]}" for kind in kinds)
    where = f"commit {manifest.get('git_commit')}, processor {manifest.get('processor', 'not recorded')}"
    where += f", {_made_by(manifest['versions'])}" if "versions" in manifest else ""
    return f"{manifest['kind']}: {key}, {what}; {digests}; {where}"


def chain(keys: Sequence[str], store: Store) -> list[str]:
    """What entries of the store are and what made them, a line each kind: how many, commits, devices, versions."""
    manifests = [Store.manifest(folder) for key in keys if (folder := store.find(key)) is not None]
    lines = []
    for kind, count in Counter(manifest["kind"] for manifest in manifests).items():
        own = [manifest for manifest in manifests if manifest["kind"] == kind]
        names = ("git_commit", "device", "processor", "threads", "matrix_products")
        facts = {name: sorted({str(manifest[name]) for manifest in own if name in manifest}) for name in names}
        facts["by"] = sorted({_made_by(manifest["versions"]) for manifest in own if "versions" in manifest})
        said = "; ".join(f"{name.replace('_', ' ')} {', '.join(values)}" for name, values in facts.items() if values)
        lines.append(f"{count} × {kind}{f' ({said})' if said else ''}")
    return lines


def _made_by(versions: Mapping[str, str]) -> str:
    return " with ".join(f"{name} {versions[name]}" for name in ("fairkd", "torch", "transformers") if name in versions)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _rounds(exact: float, said: str) -> bool:
    half = 0.5000001 * 10 ** -len(said.partition(".")[2])
    return math.isclose(exact, float(said), rel_tol=0, abs_tol=half)


@cache
def of_the_paper() -> frozenset[str]:
    """The numbers that the paper prints, which pages show beside ours, in twelve digits."""
    return frozenset(map(exactly, _printed()))


def _printed() -> Iterator[float]:
    def inside(value: Any) -> Iterator[float]:
        if isinstance(value, float):
            yield value
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ():
            yield from inside(part)

    for name in dir(paper):
        if name.isupper():
            yield from inside(getattr(paper, name))
