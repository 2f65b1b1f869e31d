"""What every result carries: versions, git commit, threads, time and memory. No host names, no user names."""

from __future__ import annotations

import importlib.metadata
import platform
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

import fairkd
from fairkd.engine import products

PACKAGES = ("fairkd", "torch", "transformers", "datasets", "tokenizers", "numpy", "scipy", "pandas")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **found}


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


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, git commit, threads, library of the CPU's matrix products and device of this process."""
    return {
        "versions": versions(),
        "git_commit": git_commit(),
        "threads": torch.get_num_threads(),
        "matrix_products": products.in_use(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
    }


def peak_memory_bytes(device: torch.device) -> int:
    """Largest memory so far: of the GPU where there is one, else resident memory of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
