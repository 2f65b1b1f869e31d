"""What a process keeps of the memory that it freed, and gives back before others need it."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
import torch
from fairkd.engine.processes import keep_freed_memory
from fairkd.engine.side_by_side import pool
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
keep_freed_memory()
before = resident()
tensors = [torch.ones(2**24) for _ in range(8)]
del tensors
kept = resident()
with pool(processes=1):
    pass
print(kept - before, resident() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists() or sys.platform != "linux", reason="glibc's, on Linux")
def test_freed_memory_is_kept_for_the_next_tensor_and_given_back_before_other_processes_begin():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    kept, left = map(int, done.stdout.split())
    assert kept > 4e8  # of 8 tensors of 64 MiB
    assert left < 1e8
