"""What the engine changes in PyTorch, for the rest of the process. No import changes anything."""

from __future__ import annotations

from functools import cache


@cache
def setup() -> None:
    """Chooses what multiplies matrices on the CPU.

    Whatever trains, fine-tunes or measures calls it first; from the second call on it does nothing, so that a choice
    made in between (:func:`fairkd.engine.products.use_pytorch`) stays. The attention with cheap dropout is made known
    to transformers by :func:`fairkd.engine.dropout.use_cheap_dropout`.
    """
    from fairkd.engine import products  # here, as torch takes a second

    products.use_fastest()
