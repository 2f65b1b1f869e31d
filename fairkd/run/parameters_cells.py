"""Keeps the notebooks' parameters cells equal to the profile: ``python -m fairkd.run.parameters_cells`` rewrites them.

The parameters of a notebook are those of :class:`fairkd.Profile`, with the values of the profile that one would
run it with first: ``quick``, or the one in :data:`FIRST`. A test fails where a cell differs; this tool repairs it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat

from fairkd.profile import Profile, project_root
from fairkd.show.pages.notebook import read_notebook

TAG = "parameters"
FIRST = {"00_method": "tiny", "06_planted": "planted"}
"""Notebook -> the profile that it starts with, where that is not ``quick``: 00_method shows formulas, in seconds;
06_planted can use the corpus of one packaged profile only."""


def sources() -> list[Path]:
    """The notebooks of the project, in order."""
    return sorted((project_root() / "notebooks").glob("*.ipynb"))


def parameters_cells(notebook: Any) -> list[Any]:
    """Its cells with the tag ``parameters``; a sound notebook has exactly one."""
    return [cell for cell in notebook.cells if TAG in cell.metadata.get("tags", [])]


def parameters_cell(profile: str = "quick") -> str:
    """Source of a parameters cell: the values of a profile, each with what it is."""
    lines, fields = [], Profile.parameters()
    for name, value in Profile.load(profile).values().items():
        kind = "" if value is None else f": {type(value).__name__}"  # papermill shows it in --help-notebook
        lines.append(f"{name}{kind} = {_literal(value)}  # {fields[name].description}")
    return "\n".join(lines)


def _literal(value: Any) -> str:
    """Python source of a plain value, as ruff formats it (double quotes)."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_literal(k)}: {_literal(v)}' for k, v in value.items())}}}"
    return repr(value)


def update(path: Path) -> bool:
    """Rewrites the parameters cell of one notebook; returns whether that changed it.

    Raises:
        ValueError: the notebook does not have exactly one cell with the tag.
    """
    notebook = read_notebook(path)
    cells = parameters_cells(notebook)
    if len(cells) != 1:
        raise ValueError(f"{path} has {len(cells)} cells with the tag {TAG!r}; it must have one")
    profile = FIRST.get(path.stem, "quick")
    cells[0].source = parameters_cell(profile)
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
