"""What one may look at by hand: mixup's λ and α, a sentence of one's own, SEAT under mixing, and two students.

Computations only, from tensors to tidy frames: ``beta`` (the law of λ), ``reading`` (Section 5.1's x̄ and ȳ on one
sentence), ``seat_lambda`` (SEAT of mixed stimuli), ``compare`` (two encoders), ``choices`` (which models there are)
and ``grid`` (the explorers of an exported page). The controls are in ``fairkd.show.sliders.widgets``.
"""

GRID = tuple(step / 20 for step in range(21))
"""The values of λ that sliders step through."""
SENTENCE = "the engineer said that he would fix the machine himself."
"""What the panels begin with."""
