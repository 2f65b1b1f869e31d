"""Tables as HTML: ours beside the printed values, best in bold, intervals in small type, all text escaped.

Functions take tidy frames and return :class:`Html`, which a notebook shows and the report embeds.
"""

from fairkd.show.html import Html
from fairkd.show.tables.baselines import baselines_sentence, glue_baselines
from fairkd.show.tables.calibration import calibration, coverage, doses
from fairkd.show.tables.found import debiasing, pairs, tested_words
from fairkd.show.tables.glue import (
    glue_differences,
    mini_glue_examples,
    table3,
    table3_printed,
)
from fairkd.show.tables.judged import claims, claims_by_ruler, claims_of_others, key_to_names
from fairkd.show.tables.plain import facts, frame, missing, notice, paragraph, paragraphs, record
from fairkd.show.tables.printed import table1, table2
from fairkd.show.tables.rulers import ruler_components, ruler_differences, ruler_scores, ruler_unread
from fairkd.show.tables.seat import averages, differences, seat_scores

__all__ = [
    "Html",
    "averages",
    "baselines_sentence",
    "calibration",
    "claims",
    "claims_by_ruler",
    "claims_of_others",
    "coverage",
    "debiasing",
    "differences",
    "doses",
    "facts",
    "frame",
    "glue_baselines",
    "glue_differences",
    "key_to_names",
    "mini_glue_examples",
    "missing",
    "notice",
    "pairs",
    "paragraph",
    "paragraphs",
    "record",
    "ruler_components",
    "ruler_differences",
    "ruler_scores",
    "ruler_unread",
    "seat_scores",
    "table1",
    "table2",
    "table3",
    "table3_printed",
    "tested_words",
]
