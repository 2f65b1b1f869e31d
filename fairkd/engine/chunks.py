"""How much of the vocabulary's work is done at a time, by kind of device; imports nothing, for estimates of memory."""

CHUNK = {"cpu": 256, "cuda": 8192}
"""Rows whose logits exist at a time, about: few enough for memory, enough for the matrix products."""
ROWS = {"cpu": 32, "cuda": 8192}
"""Rows of a chunk that the losses are taken of at a time: on the CPU, few enough to stay in its cache."""
WORDS = {"cpu": 512, "cuda": 2**31}
"""Words that the rows are multiplied with at a time: the CPU's library packs a whole vocabulary badly (docs/LOG.md)."""
