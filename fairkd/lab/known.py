"""Facts that a plan needs before anything is here: sizes of well-known corpora, shapes of teachers, kinds of GPU.

Imports neither torch nor a network library. Numbers of documents and bytes are those of the data sets' cards on the
hub. Tokens and sequences follow from them by what the package's own excerpt of Wikipedia has: 4.8 bytes a token of
BERT's lower-case vocabulary, and 103 tokens a line, of which stubs and lists have fewer. BookCorpus has a sentence a
row, each once and in the order of the books, with 4.4 bytes a token by estimate. Expect an error of a tenth; a
tokenised corpus is counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fairkd.lab.cost import Shape
from fairkd.lab.estimate import TextSize
from fairkd.text.sources import hub_parts

WIKIPEDIA, BOOKS = "wikimedia/wikipedia:20231101.en", "Saibo-creator/bookcorpus_deduplicated"
CORPORA = {
    WIKIPEDIA: TextSize(sequences=40_700_000, tokens=4_070_000_000),  # 6,407,814 articles, 20.2 GB with their addresses
    BOOKS: TextSize(sequences=24_000_000, tokens=580_000_000),  # by estimate 38 % of the rows are too short
}
"""By data set and configuration: what all of it gives in sequences of at most 512 tokens, a row a document."""
SENTENCES = {BOOKS: (38_832_894, 620_000_000)}
"""By data set whose rows are single sentences, as its card has them: rows, and pieces by estimate, 2.7 GB of text.
Joined, next to none of them is too short."""

LONGEST, FULL = 512, 0.6

_BASE, _LARGE = Shape(12, 768, 3072, 30522), Shape(24, 1024, 4096, 30522, heads=16)
SHAPES = {
    "google-bert/bert-base-uncased": _BASE,
    "bert-base-uncased": _BASE,
    "google-bert/bert-large-uncased": _LARGE,
    "bert-large-uncased": _LARGE,
    **{
        f"google/bert_uncased_L-{layers}_H-{hidden}_A-{hidden // 64}": Shape(
            layers, hidden, 4 * hidden, 30522, heads=hidden // 64
        )
        for layers in (2, 4, 6, 8, 10, 12)
        for hidden in (128, 256, 512, 768)
    },
}
"""By name on the hub: what its config.json says."""


@dataclass(frozen=True)
class Gpu:
    """A kind of GPU, as its maker's data sheet has it.

    Attributes:
        memory: bytes.
        rate: FLOP/s of dense matrix products in what training computes in: bf16, or fp32 where there is none.
    """

    memory: float
    rate: float


GPUS = {
    "h200": Gpu(141e9, 989e12),
    "h100": Gpu(80e9, 989e12),
    "a100": Gpu(80e9, 312e12),
    "l40s": Gpu(48e9, 362e12),
    "l4": Gpu(24e9, 121e12),
    "rtx4090": Gpu(24e9, 165e12),
    "v100": Gpu(32e9, 15.7e12),  # fp32: it has no bf16
    "t4": Gpu(16e9, 8.1e12),  # fp32, likewise
}
"""By the name that ``fairkd plan --device`` takes."""


def known_text(
    sources: Sequence[str], join: Mapping[str, int], *, fraction: float, max_length: int = LONGEST
) -> TextSize | None:
    """The training text of these sources, a fraction of their documents; None if one of them is not in the table.

    ``join`` is by source; see :mod:`fairkd.text.sources`.

    Lines longer than ``max_length`` are cut, into sequences that are three fifths full on average: of the package's own
    excerpt of Wikipedia that gives 7,200 sequences of at most 128 tokens, where there are 7,031.

    >>> known_text(["hub:wikimedia/wikipedia:20231101.en"], {}, fraction=0.01)
    TextSize(sequences=407000, tokens=40700000)
    """
    found = [_known(source, join.get(source, 1)) for source in sources]
    if None in found:
        return None
    texts = [text for text in found if text is not None]
    tokens = sum(text.tokens for text in texts)
    sequences = sum(max(text.sequences, text.tokens / (FULL * max_length)) for text in texts)
    return TextSize(sequences=round(fraction * sequences), tokens=round(fraction * tokens))


def _known(source: str, join: int) -> TextSize | None:
    if not source.startswith("hub:"):
        return None
    hub = hub_parts(source)
    if hub.split != "train":
        return None
    name = f"{hub.repo}:{hub.config}" if hub.config else hub.repo
    if join == 1:
        return CORPORA.get(name)
    if name not in SENTENCES:
        return None
    rows, pieces = SENTENCES[name]
    sequences = math.ceil(rows / join)
    return TextSize(sequences=sequences, tokens=pieces + 2 * sequences)
