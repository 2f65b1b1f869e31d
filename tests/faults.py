"""The table of faults: what was done to the program, where, how often, and what came of it.

The process that shares the tests out reads no ``conftest.py`` below ``tests``, and it is the one that knows all rows.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

ROW = "fault"
TITLE = """# What was tried, and what came of it

`make trust` writes this page. A study of the profile `tiny` is struck in each of its phases, by a signal to all of its
processes at the moments that stand here (shares of the phase, which was timed in peace before), and run again; its
files are damaged, its surroundings changed. "Same bytes" compares every file of the store up to that phase, every table
of results and every piece that a notebook showed with those of a study that nothing disturbed.
"""


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())]
    rows = [tuple(value) for report in reports for name, value in report.user_properties if name == ROW]
    if not rows:
        return
    table = as_table(rows)
    if target := os.environ.get("FAIRKD_TRUST_TABLE"):
        Path(target).write_text(f"{TITLE}\n{table}\n", encoding="utf-8")
    terminalreporter.section("faults")
    terminalreporter.write_line(table)


def as_table(rows: list[tuple[str, str, str, str]]) -> str:
    """Markdown: equal faults in one place with the same outcome are one line."""
    count = Counter((fault, where, outcome) for fault, where, _, outcome in rows)
    lines = ["| fault | where | times | moments | outcome |", "|---|---|--:|---|---|"]
    for (fault, where, outcome), times in count.items():
        moments = ", ".join(m for f, w, m, o in rows if (f, w, o) == (fault, where, outcome) and m)
        lines.append(f"| {fault} | {where} | {times} | {moments} | {outcome} |")
    return "\n".join([*lines, "", f"{len(rows)} faults."])
