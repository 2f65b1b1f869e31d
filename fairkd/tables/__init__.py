"""Tables as HTML: ours beside the printed values, best in bold, intervals in small type, everything escaped.

Functions take tidy frames and return :class:`Html`, which a notebook shows and the report embeds.
"""

from fairkd.tables.baselines import baselines_sentence, glue_baselines
from fairkd.tables.found import debiasing, pairs
from fairkd.tables.glue import (
    glue_differences,
    mini_glue_examples,
    table3,
    table3_printed,
)
from fairkd.tables.judged import claims, verdicts
from fairkd.tables.markup import Html, facts, frame, interval, missing, notice, number, p_value, paragraph, subscripts
from fairkd.tables.printed import printed_average, table1, table2
from fairkd.tables.seat import averages, differences
from fairkd.tables.titles import ARM_TITLES, TEST_TITLES, arm_titles

__all__ = [
    "ARM_TITLES",
    "TEST_TITLES",
    "Html",
    "arm_titles",
    "averages",
    "baselines_sentence",
    "claims",
    "debiasing",
    "differences",
    "facts",
    "frame",
    "glue_baselines",
    "glue_differences",
    "interval",
    "mini_glue_examples",
    "missing",
    "notice",
    "number",
    "p_value",
    "pairs",
    "paragraph",
    "printed_average",
    "subscripts",
    "table1",
    "table2",
    "table3",
    "table3_printed",
    "verdicts",
]
