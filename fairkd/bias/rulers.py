"""The table of rulers: what is in it is measured by ``fairkd bias``; a new one is a module and a line here."""

from __future__ import annotations

from fairkd.bias.counterfactual import COUNTERFACTUAL
from fairkd.bias.log_probability import CORRECTED_LOG_PROBABILITY, LOG_PROBABILITY
from fairkd.bias.long_seat import LONG_SEAT
from fairkd.bias.pair_preference import PAIR_PREFERENCE
from fairkd.bias.ruler import Ruler

_ALL: tuple[Ruler, ...] = (
    LOG_PROBABILITY,
    CORRECTED_LOG_PROBABILITY,
    COUNTERFACTUAL,
    LONG_SEAT,
    *PAIR_PREFERENCE,
)
RULERS: dict[str, Ruler] = {ruler.name: ruler for ruler in _ALL}
