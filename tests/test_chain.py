"""The whole measuring chain in small: text with a planted association, a teacher trained on it, a student, SEAT.

What comes out must follow what was put in. The notebook 06_planted is the long form of this test.
"""

import pytest
from long_form import long_form

from fairkd import Profile
from fairkd.experiment import Experiment

pytestmark = long_form
STRENGTHS = (-0.9, 0.0, 0.9)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Average signed SEAT of teacher and student at each strength, mean pooling."""
    folder = str(tmp_path_factory.mktemp("chain"))
    profile = Profile.load("planted").changed(
        runs_dir=folder, store_dir=folder, device="cpu", teacher_layers=2, adapt_steps=900, arms=["full"], depths=[1],
        student_layers=1, seeds=[0], teacher_seeds=[0], max_steps=80, seat_bootstrap=300, seat_permutations=100,
        planted_strengths=list(STRENGTHS),
    )  # fmt: skip
    frame = Experiment("06_planted", profile).planted().query("pooling == 'mean'")
    return {arm: own.set_index("strength") for arm, own in frame.groupby("arm")}


@pytest.mark.parametrize("arm", ["teacher", "full"])
def test_measured_bias_rises_with_the_planted_strength_and_changes_sign_with_it(measured, arm):
    signed = measured[arm].signed
    assert signed[-0.9] < signed[0.0] < signed[0.9]
    assert signed[0.9] > 0.3
    assert signed[-0.9] < -0.3


@pytest.mark.parametrize("arm", ["teacher", "full"])
def test_interval_holds_zero_where_nothing_was_planted_and_leaves_it_where_much_was(measured, arm):
    rows = measured[arm]
    assert rows.signed_low[0.0] < 0 < rows.signed_high[0.0]
    assert rows.signed_low[0.9] > 0
    assert rows.signed_high[-0.9] < 0
