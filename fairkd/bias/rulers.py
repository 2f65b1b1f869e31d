"""The table of rulers: what is in it is measured by ``fairkd bias``; a new one is a module and a line here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from fairkd.bias.counterfactual import COUNTERFACTUAL
from fairkd.bias.log_probability import CORRECTED_LOG_PROBABILITY, LOG_PROBABILITY, ratios_kept
from fairkd.bias.long_seat import LONG_SEAT
from fairkd.bias.pair_preference import PAIR_PREFERENCE
from fairkd.bias.ruler import Ruler

SHIPPED: tuple[Ruler, ...] = (
    LOG_PROBABILITY,
    CORRECTED_LOG_PROBABILITY,
    COUNTERFACTUAL,
    LONG_SEAT,
    *PAIR_PREFERENCE,
)
RULERS: dict[str, Ruler] = {ruler.name: ruler for ruler in SHIPPED}
_PLANTED = {
    "long-seat": "signed",
    "log-probability": "stereotype",
    "corrected-log-probability": "stereotype",
    "pair-preference": "difference",
    "pair-preference-aul": "difference",
}


def planted_score(ruler: str) -> str:
    """Of a ruler the score about gender against career, mathematics and science, which the planted text is about.

    Its first score where none is about these alone; of SEAT with a pooling ("seat-mean") the mean of d.

    >>> planted_score("log-probability"), planted_score("seat-mean")
    ('stereotype', 'signed')
    """
    return "signed" if ruler.startswith("seat-") else _PLANTED.get(ruler) or RULERS[ruler].scores[0].name


def judging_score(ruler: str) -> str:
    """Of a ruler the score by which the paper's claims are judged on ordinary text: its first; of SEAT the mean of |d|.

    >>> judging_score("log-probability"), judging_score("seat-mean")
    ('size', 'average')
    """
    return "average" if ruler.startswith("seat-") else RULERS[ruler].scores[0].name


def measure_with(
    rulers: Iterable[Ruler], model: Any, tokenizer: Any, *, batch_size: int = 64
) -> dict[str, pd.DataFrame]:
    """What each ruler finds in a model, :data:`fairkd.bias.ruler.ITEMS` by its name; what several ask is asked once.

    Raises:
        InputError: a ruler cannot measure the model.
    """
    with ratios_kept(model):
        return {ruler.name: ruler.measure(model, tokenizer, batch_size=batch_size) for ruler in rulers}
