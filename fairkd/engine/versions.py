"""The versions, the commit and the processor that make a result: all that is known without PyTorch."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import subprocess
from functools import cache
from pathlib import Path

import fairkd

PACKAGES = ("fairkd", "torch", "transformers", "datasets", "tokenizers", "numpy", "scipy", "pandas")


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **found}


@cache
def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Kind of processor: maker, family and model where Linux tells them, else its architecture."""
    try:
        facts = dict(re.findall(r"^(vendor_id|cpu family|model)\s*: (\S+)", cpuinfo.read_text(), re.MULTILINE))
        return f"{facts['vendor_id']} family {facts['cpu family']} model {facts['model']}"
    except (OSError, LookupError):
        return platform.machine()


@cache  # the code that a process runs is that which it found when it began
def git_commit() -> str | None:
    """Commit of the source tree that this package runs from, "+changes" if it was edited; None outside of git."""
    folder = Path(fairkd.__file__).resolve().parent
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--", str(folder))
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+changes" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()
