"""What the engine changes in PyTorch and transformers, for the rest of the process. No import changes anything."""

from __future__ import annotations

from functools import cache


@cache
def setup() -> None:
    """Chooses what multiplies matrices on the CPU, and makes the attention with cheap dropout known by its name.

    Whatever trains, fine-tunes or measures calls it first; from the second call on it does nothing, so that a choice
    made in between (:func:`fairkd.engine.products.use_pytorch`) stays.
    """
    from fairkd.engine import dropout, products  # here, as transformers takes seconds

    products.use_fastest()
    dropout.register()
