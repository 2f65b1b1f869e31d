"""How the token vectors of a sentence become one vector: the table of poolings.

The paper does not say how it pools. ``mean`` over all tokens of the last layer, [CLS] and [SEP] included, is the
convention of bias-bench and our headline; ``cls`` is that of May et al.'s text; ``first_token`` that of their
released code, which adds no special tokens and so reads the first word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Pooling:
    """One way to make a sentence vector.

    Attributes:
        pool: last hidden states (sentences, tokens, hidden), without padding -> (sentences, hidden).
        special_tokens: whether the sentence is read with [CLS] and [SEP].
        needs_cls: whether it reads the [CLS] token: then ``pool`` gets it at position 0, wherever the tokenizer puts
            it, and a tokenizer that puts none is refused.
    """

    pool: Callable[[Tensor], Tensor]
    special_tokens: bool = True
    needs_cls: bool = False


POOLINGS = {
    "mean": Pooling(lambda hidden: hidden.mean(dim=1)),
    "cls": Pooling(lambda hidden: hidden[:, 0], needs_cls=True),
    "first_token": Pooling(lambda hidden: hidden[:, 0], special_tokens=False),
}
"""All there are; the first is the headline. A new one is a line here."""
PUBLISHED = ("mean", "cls", "first_token")
"""Those of published programs and texts (see above)."""
