"""The claims of others (:mod:`fairkd.claims.others`), judged by SEAT and by every ruler."""

from __future__ import annotations

import pandas as pd

from fairkd.arms import Arm
from fairkd.bias.ruler import estimate_groups, on_common_items
from fairkd.bias.rulers import RULERS
from fairkd.claims.bias import AverageSeat
from fairkd.claims.others import CLAIMED, judge_others, others_level
from fairkd.claims.rulers import AverageScore
from fairkd.frames import RULER_VERDICTS
from fairkd.lab.bias import Bias
from fairkd.lab.materials import Materials, ModelGroups
from fairkd.lab.rulers import Rulers
from fairkd.names import DEBIASED_TEACHER, TEACHER, WARMER


def other_claims(materials: Materials, warmer: Materials) -> pd.DataFrame:
    """The verdicts on the claims of others: the columns ``RULER_VERDICTS``, a row a claim and ruler, SEAT first.

    Args:
        materials: of the profile; the students that it has of the arms "full" and "debiased-teacher" are trained.
        warmer: of the same profile at twice the temperature, where "full" is trained.
    """
    models, pooling = _models(materials, warmer), materials.profile.seat.poolings[0]
    effects = {name: Bias(materials).of(groups, pooling) for name, groups in models.items()}
    seat = AverageSeat({}, others_level(), effects, claimed=CLAIMED)
    tables = [judge_others(seat).assign(ruler=f"seat-{pooling}", score="average")]
    rulers = Rulers(materials)
    for ruler in RULERS.values():
        items = on_common_items({name: rulers.found(ruler, groups) for name, groups in models.items()})
        if not items:
            continue
        score, draws = (
            next(s for s in ruler.scores if s.name == rulers.judging(ruler)),
            materials.profile.seat.bootstrap,
        )
        estimates = {name: estimate_groups(ruler, score, own, n_bootstrap=draws) for name, own in items.items()}
        judge = AverageScore({}, others_level(), ruler, score, estimates, claimed=CLAIMED)
        tables.append(judge_others(judge).assign(ruler=ruler.name, score=score.name))
    return pd.concat(tables, ignore_index=True)[RULER_VERDICTS]


def _models(materials: Materials, warmer: Materials) -> dict[str, ModelGroups]:
    """Those that the claims are about, without those of arms that the profile does not have."""
    arms: dict[str, Arm] = {arm.name: arm for arm in materials.profile.all_arms()}
    models = {TEACHER: materials.groups(None)}
    if "full" in arms:
        models |= {"full": materials.groups(arms["full"]), WARMER: warmer.groups(arms["full"])}
    if "debiased-teacher" in arms:
        models["debiased-teacher"] = materials.groups(arms["debiased-teacher"])
        models[DEBIASED_TEACHER] = [[(own, own.debiased)] for own in materials.family]
    return models
