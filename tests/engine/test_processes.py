"""What a process keeps of the memory that it freed, and gives back before others need it."""

import subprocess
import sys
from pathlib import Path

import pytest

from fairkd.engine import processes

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


def test_memory_is_what_a_container_or_a_job_may_use(tmp_path, monkeypatch):
    limit, none = tmp_path / "memory.max", tmp_path / "none"
    monkeypatch.setattr(processes, "LIMITS", (none,))
    monkeypatch.delenv("SLURM_MEM_PER_NODE", raising=False)
    machine = processes.physical_memory()
    assert 2**28 < machine < 2**50
    monkeypatch.setattr(processes, "LIMITS", (limit, none))
    for said, wanted in (("max", machine), (str(2**30), 2**30), (str(2**62), machine)):
        limit.write_text(said + "\n")
        assert processes.physical_memory() == wanted
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "512")
    assert processes.physical_memory() == 2**29
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "0")
    assert processes.physical_memory() == machine
