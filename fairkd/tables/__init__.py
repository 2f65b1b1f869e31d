"""Tables as HTML: ours beside the printed values, best in bold, intervals in small type, everything escaped.

Functions take tidy frames and return :class:`Html`, which a notebook shows and the report embeds.
"""

from fairkd.tables.found import debiasing, pairs
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
    "claims",
    "debiasing",
    "differences",
    "facts",
    "frame",
    "interval",
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
    "verdicts",
]
