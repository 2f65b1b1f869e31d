"""Saved results of notebooks: tidy tables, and a manifest that is written last and says which tables belong to it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairkd.engine.store import file_digest, write_json
from fairkd.profile import Profile

if TYPE_CHECKING:
    import pandas as pd

REPORT = "05_report"
"""The notebook that reads the results of the others."""
CONTROLLED = "planted"
"""The profile of the controlled experiment, whose verdicts the reports of other profiles show beside their own."""


def controlled(profile: Profile) -> Profile:
    """The controlled experiment whose products lie beside those of ``profile``: the shipped profile, same folders."""
    return Profile.load(CONTROLLED).changed(
        runs_dir=profile.runs_dir, store_dir=profile.store_dir, device=profile.device
    )


class Results:
    """The tables of one notebook of a profile, under ``runs_dir/<profile>/results/``."""

    def __init__(self, notebook: str, profile: Profile) -> None:
        self.notebook, self.profile = notebook, profile
        self.folder = profile.output_dir / "results"
        self._saved: dict[str, str] = {}

    def save(self, name: str, frame: pd.DataFrame) -> None:
        """Saves a tidy table as ``<name>.parquet``; :meth:`finish` makes it part of the results."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}.parquet"
        temporary = path.with_suffix(".writing")
        frame.to_parquet(temporary)
        os.replace(temporary, path)
        self._saved[path.name] = file_digest(path)

    def finish(self, facts: dict[str, Any], *, failures: Sequence[str] = ()) -> dict[str, Any]:
        """Writes the notebook's manifest and returns it.

        Args:
            facts: what the numbers rest on.
            failures: parts that could not be done. The results of the others can be read, but the notebook does not
                count as done.
        """
        manifest = {
            "notebook": self.notebook,
            "parameters": self.profile.values(),
            "facts": facts,
            "saved": self._saved,
            "failures": list(failures),
            "token": os.environ.get("FAIRKD_RUN_TOKEN"),
        }
        write_json(self.folder / f"{self.notebook}.json", manifest)
        return manifest

    def read(self) -> dict[str, pd.DataFrame] | None:
        """The tables by name.

        None unless the notebook finished with the parameters that the profile has now, and its files are intact.
        """
        import pandas as pd  # here, as it takes half a second: the command line reads names of this file

        path = self.folder / f"{self.notebook}.json"
        if not path.is_file():
            return None
        manifest = json.loads(path.read_text())
        if Profile.effective(manifest["parameters"]) != Profile.effective(self.profile.values()):
            return None
        files: dict[Path, str] = {self.folder / name: digest for name, digest in manifest["saved"].items()}
        if not all(file.is_file() and file_digest(file) == digest for file, digest in files.items()):
            return None
        return {file.stem: pd.read_parquet(file) for file in files}
