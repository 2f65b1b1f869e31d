"""Gender words in pairs (female, male): those of Appendix C, and others, as data.

>>> len(PAIRS), PAIRS[2], PAIRS[-1]
(10, ('she', 'he'), ('Mary', 'John'))
"""

from __future__ import annotations

APPENDIX_C = "appendix-c"
"""What a profile writes for :data:`PAIRS`."""
PAIRS: tuple[tuple[str, str], ...] = (
    ("woman", "man"), ("girl", "boy"), ("she", "he"), ("mother", "father"), ("daughter", "son"),
    ("gal", "guy"), ("female", "male"), ("her", "his"), ("herself", "himself"), ("Mary", "John"),
)  # fmt: skip
"""The set D of Section 5.1, from Appendix C."""

OTHER_PAIRS: tuple[tuple[str, str], ...] = (
    ("sister", "brother"), ("aunt", "uncle"), ("niece", "nephew"), ("wife", "husband"), ("mom", "dad"),
    ("grandmother", "grandfather"), ("bride", "groom"), ("goddess", "god"), ("lady", "gentleman"),
    ("queen", "king"), ("princess", "prince"), ("duchess", "duke"), ("actress", "actor"), ("waitress", "waiter"),
    ("heroine", "hero"), ("nun", "monk"), ("Alice", "George"), ("Susan", "Robert"),
)  # fmt: skip
"""Outside D: ours, to see whether what is learnt on D holds for other words."""
