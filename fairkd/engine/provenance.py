"""What every result carries: versions, git commit, processor, threads, time, memory. No host names, no user names."""

from __future__ import annotations

import resource
import sys
from typing import Any

import torch

from fairkd.engine import products
from fairkd.engine.versions import git_commit, processor, versions


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, git commit, processor, threads, library of the CPU's matrix products and device of this process."""
    return {
        "versions": dict(versions()),
        "git_commit": git_commit(),
        "processor": processor(),
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
