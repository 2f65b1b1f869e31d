"""The claims on bias by other rulers than SEAT, on scores for which the verdicts are known."""

import numpy as np
import pytest

from fairkd import InputError, frames
from fairkd.bias.ruler import Score, weighted_mean
from fairkd.bias.rulers import RULERS
from fairkd.claims import claims, paper
from fairkd.stats.estimates import Estimate

LAYERS = {f"capacity-{n}": n for n in range(1, 7)}
LEVEL = 1 - 0.05 / 15
RULER = RULERS["pair-preference"]
B = 3600


def estimate(value, *, seeds=10, items=0.5, draw=0):
    """A share in percent, with chance in the items and evenly spread seeds."""
    generator = np.random.default_rng(draw)
    by_seed = value + (generator.permutation(np.linspace(-0.3, 0.3, seeds)) if seeds > 1 else np.zeros(1))
    return Estimate(value, value + items * generator.normal(size=B), by_seed)


def everything(**changed):
    """Every arm on the side of 50 % on which SEAT has it in the paper."""
    levels = {arm: paper.average(cells) for arm, cells in (paper.TABLE2 | paper.TABLE1).items()}
    levels |= {"mixup-h": 1.2, "no-ce": 0.5} | {arm: 1.5 - layers / 10 for arm, layers in LAYERS.items()}
    arms = {arm: estimate(50 + 50 * (level - 0.8), items=0.2, draw=i) for i, (arm, level) in enumerate(levels.items())}
    return arms | {"teacher": estimate(45.0, seeds=1, draw=99)} | changed


def judge(arms, score=RULER.scores[0]):
    return claims.judge_by_score(RULER, score, arms, layers=LAYERS).set_index("claim")


def test_the_claims_on_bias_are_judged_by_their_main_part_at_the_level_of_the_papers_table():
    table = judge(everything())
    assert sorted(table.reset_index()) == sorted(frames.RULER_VERDICTS)
    assert table.index.tolist() == [0, 1, 2, 4, 5, 6, 7]
    assert set(table.verdict) == {"supported"}
    assert set(table.ruler) == {"pair-preference"}
    assert table.level.tolist() == pytest.approx([LEVEL] * 7)
    assert table.p_adjusted.tolist() == pytest.approx(np.minimum(1, 15 * table.p).tolist())
    assert (table.detectable > 0).all()
    lead = f"The {RULER.title} (stereotypical sentence preferred, %) is "
    assert all(lead in sentence for sentence in table.sentence.drop(1))
    assert "over items and 10 seeds (a 99.7 % interval)" in table.sentence[4]


def test_numbers_are_those_of_the_paired_difference():
    arms = everything()
    row, difference = judge(arms).loc[4], arms["mixup-xy"] - arms["full"]
    assert (row.estimate, row.low, row.high) == pytest.approx((difference.value, *difference.strict_interval(LEVEL)))
    assert row.detectable == pytest.approx(difference.detectable(LEVEL, 0.8))


def test_what_is_below_fifty_percent_is_less_bias_still():
    """A preference for the counter-stereotype is as far from neutral, but it is not more of the stereotype."""
    row = judge(everything(full=estimate(52.0), teacher=estimate(40.0, seeds=1, draw=9))).loc[0]
    assert (row.verdict, row.estimate) == ("supported", pytest.approx(12.0))


def test_a_missing_arm_and_one_seed_decide_nothing():
    arms = everything()
    del arms["debiased-teacher"]
    assert judge(arms).verdict[[5, 6]].tolist() == ["not run", "not run"]
    one = {arm: estimate(own.value, seeds=1, draw=n) for n, (arm, own) in enumerate(everything().items())}
    table = judge(one)
    assert set(table.verdict) == {"inconclusive"}
    assert "the interval over items excludes zero" in table.sentence[4]


def test_every_headline_is_more_bias_where_it_is_higher_and_other_scores_are_refused():
    assert all(ruler.scores[0].higher_is_more for ruler in RULERS.values())
    lenient = {
        (name, score.name) for name, ruler in RULERS.items() for score in ruler.scores if not score.higher_is_more
    }
    assert lenient == {("log-probability", "level"), ("corrected-log-probability", "level")}
    with pytest.raises(InputError, match="the score 'level' of the ruler 'pair-preference' cannot judge claims"):
        judge(everything(), Score("level", "level", "nats", weighted_mean, higher_is_more=False))
