"""What others say of distillation and bias, against Ahn et al. or beside them: claims with judges of their own.

The literature disagrees on the sign. These claims are a family by themselves, judged like the paper's: each at the
level at which all hold together with 95 %, by every ruler.
"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from fairkd.claims.bias import AverageSeat, BiasOfArms
from fairkd.claims.claims import Claim, verdicts_by
from fairkd.claims.contrasts import higher, level_of_each, lower
from fairkd.names import DEBIASED_TEACHER, TEACHER, WARMER

OTHERS: tuple[Claim, ...] = (
    Claim(
        number=1,
        title="Students are less biased",
        statement="The distilled student has less bias than its teacher.",
        source="Xu and Hu 2022; Gonçalves and Strubell 2023",
        printed="on other models and rulers",
        arms=("full", TEACHER),
        ruler=AverageSeat,
        judges={"": lower},
    ),
    Claim(
        number=2,
        title="A higher temperature is fairer",
        statement="Distilled at twice the temperature, the student has less bias.",
        source="Mohammadshahi and Ioannou 2025",
        printed="on other models and rulers",
        arms=(WARMER, "full"),
        ruler=AverageSeat,
        judges={"": lower},
    ),
    Claim(
        number=3,
        title="Distillation undoes debiasing",
        statement="The student of a debiased teacher has more bias than that teacher.",
        source="Cheng et al. 2025",
        printed="on other models and rulers",
        arms=("debiased-teacher", DEBIASED_TEACHER),
        ruler=AverageSeat,
        judges={"": higher},
    ),
)
CLAIMED = ("as they claim", "against their claim")


def others_level() -> float:
    """The level at which each is judged."""
    return level_of_each(len(OTHERS))


def judge_others(ruler: BiasOfArms) -> pd.DataFrame:
    """The verdict on each by one ruler, of :func:`others_level`: the columns :data:`fairkd.frames.VERDICT_ROWS`."""
    return verdicts_by([replace(claim, ruler=type(ruler)) for claim in OTHERS], ruler, family=len(OTHERS))
