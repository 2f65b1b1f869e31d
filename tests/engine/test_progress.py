"""One line of progress: what it says, where it goes, and that nothing is said of what is quickly over."""

import io
import os
import pty
import subprocess
import sys
import time

import pytest

from fairkd.engine import progress as module
from fairkd.engine.progress import Progress

LONG = (
    "import time\n"
    "from fairkd.engine import progress\n"
    "progress.LOG_SECONDS, progress.LOOK_SECONDS = 0.2, 0.05\n"
    "with progress.Progress('teacher', 8) as shown:\n"
    "    for _ in range(8):\n"
    "        time.sleep(0.1)\n"
    "        shown.add()\n"
)


def test_the_line_tells_how_much_is_done_and_the_time_left_from_what_was_done_here(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    shown = Progress("teacher", 100, done=40)
    assert shown.text() == "teacher: 40 of 100 updates"
    shown.add(20)
    now[0] += 60  # 20 updates a minute: the 40 before this say nothing
    assert shown.text() == "teacher: 60 of 100 updates, 2 min 0 s left"
    shown.skip(30)
    assert shown.text() == "teacher: 90 of 100 updates, 30 s left"
    shown.note = "stopping"
    assert shown.text().endswith("30 s left (stopping)")
    assert Progress("tokenising x", unit="documents").text() == "tokenising x: 0 documents"


def test_a_log_has_whole_lines_and_no_returns():
    done = subprocess.run([sys.executable, "-c", LONG], capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert "\r" not in done.stderr
    assert 2 <= len(lines) <= 6
    assert all(line.startswith("teacher: ") for line in lines)
    assert all(" of 8 updates" in line for line in lines[:-1])
    assert lines[-1].startswith("teacher: 8 updates in ")
    assert done.stdout == ""


def test_a_terminal_has_one_line_that_goes_away():
    parent, child = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", LONG], stderr=child)
    os.close(child)
    said = b""
    while True:
        try:
            said += os.read(parent, 4096)
        except OSError:  # the other end has closed
            break
    os.close(parent)
    assert process.wait() == 0
    states = said.decode().split("\r\x1b[K")
    assert "\n" not in said.decode()
    assert states[0] == states[-1] == ""
    assert len(states) > 4
    assert all(state.startswith("teacher: ") for state in states[1:-1])


def test_nothing_is_said_of_short_work_nor_without_a_label_nor_in_the_end_of_what_fails(monkeypatch):
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    with Progress("teacher", 1) as shown:
        shown.add()
    monkeypatch.setattr(module, "LOG_SECONDS", 0.01)
    with Progress("", 1):
        time.sleep(0.05)
    assert said.getvalue() == ""
    with pytest.raises(ValueError, match="x"), Progress("teacher", 1):
        time.sleep(0.05)
        raise ValueError("x")
    assert " in " not in said.getvalue()
    assert said.getvalue().startswith("teacher: 0 of 1 updates\n")
