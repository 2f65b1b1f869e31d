"""Figures: one visual language for notebooks and report.

Ours is filled, the paper's printed value is hollow beside it, the teacher is a dashed line; an interval goes with
every estimate. Marks differ in shape and lightness as well as colour, so that they stay apart in greyscale and for
colour-blind readers. Functions take tidy frames and return the Figure, whose label is its alternative text, in two
sentences: what is shown, and where it begins and ends. Every number stands in the table or file beside it.
"""

from fairkd.show.figures.behind_claims import behind_claims
from fairkd.show.figures.calibration import rulers_by_strength
from fairkd.show.figures.display import bundle, show
from fairkd.show.figures.explore import compare_effects, projection_strips
from fairkd.show.figures.glue import bias_quality, glue_tasks, learning
from fairkd.show.figures.mitigation import difference_intervals, mixup, planted_strengths
from fairkd.show.figures.rulers import ruler_agreement, ruler_forest
from fairkd.show.figures.seat import ablation, capacity, per_test
from fairkd.show.figures.style import COLOURS, DPI, OURS, PAPER, TEACHER_COLOUR, subscripts, theme
from fairkd.show.figures.teaching import pair_counts, training

__all__ = [
    "COLOURS",
    "DPI",
    "OURS",
    "PAPER",
    "TEACHER_COLOUR",
    "ablation",
    "behind_claims",
    "bias_quality",
    "bundle",
    "capacity",
    "compare_effects",
    "difference_intervals",
    "glue_tasks",
    "learning",
    "mixup",
    "pair_counts",
    "per_test",
    "planted_strengths",
    "projection_strips",
    "ruler_agreement",
    "ruler_forest",
    "rulers_by_strength",
    "show",
    "subscripts",
    "theme",
    "training",
]
