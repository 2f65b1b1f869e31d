"""The sentences of a profile's held-out text, for rulers that look at text which no student read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fairkd.bias.counterfactual import exchanged
from fairkd.lab.materials import Materials

FEWEST_WORDS, MOST_WORDS = 4, 32
"""Words of a sentence: each token is masked by itself, so long sentences cost much."""


def held_out_sentences(materials: Materials) -> Iterator[str]:
    """Sentences with a word of gender, in the order of the text, as the teacher's tokenizer reads and writes them.

    What its vocabulary does not know is lost with the sentence, and where a long document is cut a sequence may begin
    within one. Nothing is trained; the text is tokenised if it is not
    yet.
    """
    tokenizer, held_out = materials.checkpoint.tokenizer, materials.corpus.heldout
    for start in range(0, len(held_out), 256):
        rows = held_out[range(start, min(start + 256, len(held_out)))]
        for text in tokenizer.batch_decode(rows, skip_special_tokens=False, clean_up_tokenization_spaces=True):
            for sentence in re.split(r"(?<=[.!?]) +", re.sub(r"\[(?:CLS|SEP|PAD)\]", " ", text).strip()):
                known = tokenizer.unk_token not in sentence and sentence[-1:] in (".", "!", "?")
                if known and FEWEST_WORDS <= len(sentence.split()) <= MOST_WORDS and exchanged(sentence)[3]:
                    yield sentence
