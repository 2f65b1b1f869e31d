"""The phases of a study: what each makes, when it has begun and is done, and how it is struck."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from commands import ENDING, World
from long_form import LONG

from fairkd.engine.store import MANIFEST, file_digest

VALUES = {
    "seeds": [0], "arms": ["table-1", "table-2"] if LONG else ["full", "debiased-teacher"], "depths": [1, 2],
    "glue_tasks": ["RTE", "SST-2"] if LONG else ["RTE"], "glue_arms": ["full"],
    "checkpoint_every": 4,
}  # fmt: skip
"""Of a profile like tiny, with one student an arm."""
MADE = ("generated text", "corpus", "words of a text", "checkpoint", "teacher", "debiased teacher", "student", "pairs",
        "words met", "seat", "rulers", "glue", "glue baseline")  # fmt: skip
"""Kinds of entries in the order in which they are made; notebooks make more."""
TRAINED = MADE[: MADE.index("student") + 1]
"""Those that a training makes."""


CONTROLLED = {
    "corpus": ["planted:0.4"], "planted_strengths": [0.0, 0.4], "teacher_seeds": [0, 1] if LONG else [0], "seeds": [0],
    "arms": ["full"], "depths": [1], "student_layers": 1, "glue_source": None, "debias_without_seat_words": False,
}  # fmt: skip
"""Of a profile like tiny with a controlled experiment."""
CONTROLLED_NOTEBOOK = "06_planted"
NOTEBOOKS = ("00_method", "01_capacity", "03_mixup", "04_glue", "02_ablation", "07_rulers", "05_report")
"""In an order in which each finds what it reads, GLUE before the table that has it in a row."""


@dataclass(frozen=True)
class Phase:
    """A part of a study.

    Attributes:
        name: in the table.
        command: in which it happens, "FILE" for the profile.
        kinds: of the store's entries that it makes; a notebook's phase makes none, and ends with the notebook.
    """

    name: str
    command: tuple[str, ...]
    kinds: tuple[str, ...] = ()


def notebook(name: str) -> tuple[str, ...]:
    return "run", name, "--profile", "FILE"


PHASES = [
    Phase("corpus preparation", ("prepare", "FILE"), ("corpus",)),
    Phase("adaptation", ("prepare", "FILE"), ("teacher",)),
    Phase("debiasing", ("prepare", "FILE"), ("debiased teacher",)),
    Phase("student training", ("train", "FILE"), ("student",)),
    Phase("rulers", ("measure", "FILE"), ("seat", "rulers")),
    Phase("fine-tuning", ("finetune", "FILE"), ("glue",)),
    Phase("export", ("export", "01_capacity", "--profile", "FILE")),
]
EACH_NOTEBOOK = [Phase(name, notebook(name)) for name in (*NOTEBOOKS, "00_explore")]


class Study:
    """A world in which the phases follow one another, each done first in peace and then again under strikes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.mine = world.runs / "mine"
        self.keys: set[str] = set()

    def begin(self, phase: Phase) -> None:
        """Makes what the phase makes, and what comes after it, missing."""
        if phase.kinds:
            self.world.forget(*MADE[MADE.index(phase.kinds[0]) :])
        if phase.name == "export":
            if not self.page.with_suffix(".ipynb").exists():
                self.world.run(*notebook("01_capacity"))
            self.page.unlink(missing_ok=True)
        elif "run" in phase.command:
            (self.mine / "status" / f"{phase.command[1]}.json").unlink(missing_ok=True)

    @property
    def page(self) -> Path:
        return self.mine / "01_capacity.html"

    def has_begun(self, phase: Phase) -> bool:
        return not phase.kinds or any((self.world.store / "locks" / f"{key}.lock").exists() for key in self.keys)

    def is_done(self, phase: Phase) -> bool:
        if phase.kinds:
            return all((self.world.store / key / "manifest.json").exists() for key in self.keys)
        return phase.name != "export" and (self.mine / "status" / f"{phase.name}.json").exists()

    def made(self, phase: Phase) -> dict[str, Any]:
        """Digests of what was made: entries of the store up to this phase, all tables and pieces, an exported page."""
        later = MADE[MADE.index(phase.kinds[-1]) + 1 :] if phase.kinds else ()
        found: dict[str, Any] = self.world.entries(*(kind for kind in MADE if kind not in later) if phase.kinds else ())
        if "run" in phase.command:
            found["tables"] = self.world.tables()
            found["pieces"] = self.world.pieces()
        if phase.name == "export":
            found["page"] = file_digest(self.page) if self.page.exists() else ""
        return found

    def in_peace(self, phase: Phase) -> float:
        """Does the phase; the seconds that it took."""
        before = set(self.world.entries(*phase.kinds))
        started = time.time()
        self.world.run(*phase.command)
        if not phase.kinds:
            return time.time() - started
        self.keys = {name.split()[-1] for name in set(self.world.entries(*phase.kinds)) - before}
        taken = [path for path in (self.world.store / "locks").glob("*.lock") if path.stem in self.keys]
        ends = [(self.world.store / key / MANIFEST).stat().st_mtime for key in self.keys]
        return max(ends) - min(path.stat().st_mtime for path in taken)

    def strike(self, phase: Phase, wait: float, number: int) -> int | None:
        """Starts the phase and strikes it so many seconds after its begin; the exit status, None if it was over."""
        command = self.world.start(*phase.command)
        command.until(lambda: self.has_begun(phase))
        time.sleep(wait)
        family = command.family()
        status = command.strike(number)
        if status == 0 or self.is_done(phase):
            psutil.wait_procs(family, timeout=ENDING)
            return None
        return status
