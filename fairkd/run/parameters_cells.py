"""Keeps the notebooks' parameters cells equal to the profile: ``python -m fairkd.run.parameters_cells`` rewrites them.

A cell names a profile, gives the parameters that belong to its notebook (:data:`OWN`) a line each, and has a line for
each group of all others. ``...`` is "as in the profile", so a name in ``profile`` brings that profile's values, and
only what one writes here changes them; None is a value like any other. The files for papermill's ``-f`` have the same
groups, so that it knows every name in them. A test fails where a cell differs; this tool repairs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat

from fairkd.profile import Profile, project_root
from fairkd.settings import GROUPED, grouped_names
from fairkd.show.pages.notebook import read_notebook

TAG = "parameters"
FIRST = {"00_method": "tiny", "06_planted": "planted"}
"""Notebook -> the profile that it starts with, where that is not ``quick``: 00_method shows formulas, in seconds;
06_planted can use the corpus of one packaged profile only."""
OWN = {
    "00_explore": ("seeds", "alpha", "gender_pairs"),
    "00_method": ("teacher", "alpha", "temperature", "gender_pairs"),
    "01_capacity": ("depths", "seeds", "loss_weights", "max_steps"),
    "02_ablation": ("arms", "student_layers", "seeds", "loss_weights"),
    "03_mixup": ("arms", "seeds", "alpha", "gender_pairs"),
    "04_glue": ("glue_source", "glue_tasks", "glue_arms", "glue_seeds"),
    "05_report": ("seeds",),
    "06_planted": ("planted_strengths", "corpus", "teacher_seeds", "seeds"),
    "07_rulers": ("arms", "seeds", "teacher_seeds", "seat_bootstrap"),
}
"""Notebook -> the parameters that belong to it, with a line each."""
MOST_LINES = 15
"""Of a parameters cell."""
GROUP_TITLES = {
    "run_settings": "students and places",
    "teacher_settings": "teacher",
    "corpus_settings": "text",
    "recipe_settings": "training",
    "mixup_settings": "mixup",
    "debias_settings": "debiasing",
    "seat_settings": "SEAT",
    "glue_settings": "GLUE",
    "glue_recipe_settings": "fine-tuning",
}
"""Group of parameters -> what its line calls it."""
_WIDTH = 120


def sources() -> list[Path]:
    """The notebooks of the project, in order."""
    return sorted((project_root() / "notebooks").glob("*.ipynb"))


def parameters_cells(notebook: Any) -> list[Any]:
    """Its cells with the tag ``parameters``; a sound notebook has exactly one."""
    return [cell for cell in notebook.cells if TAG in cell.metadata.get("tags", [])]


def parameters_cell(notebook: str) -> str:
    """Source of a notebook's parameters cell, see the module docstring; each line says what it is.

    papermill reads the lines one by one, for ``--help-notebook`` and to know which names there are.
    """
    first, fields = FIRST.get(notebook, "quick"), Profile.parameters()
    values = Profile.load(first).values()
    lines = [
        f'profile: str = "{first}"  # profile, or its file; below, ... is its value, and what you write goes before it'
    ]
    for name in (*OWN[notebook], "prepare_only"):
        kind = type(values[name]).__name__
        lines.append(f"{name}: {kind} = ...  # {fields[name].description}")
    return "\n".join([*lines, *map(_group_line, GROUPED)])


def _group_line(group: str) -> str:
    """A group, empty, with the names in it, as many as there is room for."""
    line, names = f"{group}: dict = {{}}  # {GROUP_TITLES[group]}: ", grouped_names(group)
    room = _WIDTH - len(line)
    if len(", ".join(names)) <= room:
        return line + ", ".join(names)
    while len(", ".join([*names, "…"])) > room:
        names.pop()
    return line + ", ".join([*names, "…"])


def update(path: Path) -> bool:
    """Rewrites the parameters cell of one notebook; returns whether that changed it.

    Raises:
        ValueError: the notebook does not have exactly one cell with the tag.
    """
    notebook = read_notebook(path)
    cells = parameters_cells(notebook)
    if len(cells) != 1:
        raise ValueError(f"{path} has {len(cells)} cells with the tag {TAG!r}; it must have one")
    cells[0].source = parameters_cell(path.stem)
    text = nbformat.writes(notebook) + "\n"
    if text == path.read_text(encoding="utf-8"):
        return False
    path.write_text(text, encoding="utf-8")
    return True


def rewrite_all() -> None:
    """Updates every notebook and says which changed."""
    for path in sources():
        print(f"{path.name}: {'rewritten' if update(path) else 'in step'}")


if __name__ == "__main__":
    rewrite_all()
