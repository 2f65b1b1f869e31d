"""Processes that we start."""

from __future__ import annotations

import signal
import sys


def die_with_parent() -> None:
    """In the child: be killed when the parent is, so that no orphan works on beside the next run (Linux)."""
    if sys.platform != "linux":
        return
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
