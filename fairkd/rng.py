"""Randomness derived from (seed, purpose, step), never from global state.

Two draws with different purposes are independent; the same draw is the same in every process, on every
machine, alone or beside others, before or after an interruption.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive(seed: int, purpose: str, *steps: int) -> int:
    """Returns a 63-bit seed for one draw, from SHA-256 of (seed, purpose, steps)."""
    text = "/".join(map(str, (seed, purpose, *steps)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def torch_generator(seed: int, purpose: str, *steps: int) -> torch.Generator:
    """A CPU generator for one draw; results move to the device, so that CPU and GPU see the same draws.

    PyTorch's CPU generator looks at the low 32 bits of a seed only: among very many draws some share a stream.
    """
    import torch  # takes seconds; whoever only looks at files does without

    return torch.Generator().manual_seed(derive(seed, purpose, *steps))


def numpy_generator(seed: int, purpose: str, *steps: int) -> np.random.Generator:
    """A numpy generator for one draw."""
    return np.random.default_rng(derive(seed, purpose, *steps))


@contextmanager
def global_randomness_kept() -> Iterator[None]:
    """For a library that seeds or draws from the global generators: whoever comes after finds them as they were."""
    import torch

    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
