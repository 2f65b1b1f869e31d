"""What a process keeps of the memory that it freed, and gives back before others need it."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from fairkd.engine import processes
from fairkd.engine.stopping import ENDS

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


def test_memory_is_what_a_group_or_a_job_may_use(tmp_path, monkeypatch):
    for name in ("SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU", "SLURM_CPUS_ON_NODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(processes, "LIMITS", ((tmp_path, "memory.max"),))
    monkeypatch.setattr(processes, "OWN_GROUP", tmp_path / "cgroup")
    machine = processes.physical_memory()
    assert 2**28 < machine < 2**50
    own, around = tmp_path / "slurm" / "job_7" / "step", tmp_path / "slurm" / "job_7"
    own.mkdir(parents=True)
    for said, wanted in (("max", machine), (str(2**30), 2**30), (str(2**62), machine), ("0", machine), ("", machine)):
        (tmp_path / "memory.max").write_text(said + "\n")
        assert processes.physical_memory() == wanted
    (around / "memory.max").write_text(f"{2**29}\n")
    assert processes.physical_memory() == machine  # of others
    (tmp_path / "cgroup").write_text("0::/slurm/job_7/step\n")
    assert processes.physical_memory() == 2**29
    (own / "memory.max").write_text(f"{2**28}\n")
    assert processes.physical_memory() == 2**28
    (tmp_path / "cgroup").unlink()
    for variables, wanted in (
        ({"SLURM_MEM_PER_NODE": "512"}, 2**29), ({"SLURM_MEM_PER_NODE": "0"}, machine),
        ({"SLURM_MEM_PER_CPU": "256", "SLURM_CPUS_ON_NODE": "2"}, 2**29), ({"SLURM_MEM_PER_CPU": "4G"}, machine),
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            assert processes.physical_memory() == wanted, variables


def test_own_processes_look_for_garbage_seldom_and_whoever_imports_the_package_as_before():
    library = "import fairkd.experiment"
    command = "import sys\nfrom fairkd.run import cli\nsys.argv = ['fairkd', '--version']\n"
    command += "try: cli.main()\nexcept SystemExit: pass"
    thresholds = {}
    for code in ("", library, command):
        told = subprocess.run(
            [sys.executable, "-c", f"import gc\n{code}\nprint(gc.get_threshold()[0])"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        thresholds[code] = int(told.stdout.split()[-1])
    assert thresholds[library] == thresholds[""] < thresholds[command] == processes.SELDOM


def test_own_processes_do_not_look_through_all_objects_at_their_end():
    """What is registered first is called last."""
    first = "import atexit, gc\natexit.register(lambda: print(gc.get_freeze_count() > 1000))\n"
    for code, frozen in (("", "False"), ("processes.look_for_garbage_seldom()", "True")):
        told = subprocess.run(
            [sys.executable, "-c", f"{first}from fairkd.engine import processes\n{code}"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert told.stdout.split() == [frozen]


STRUCK = """
import os, signal, sys, time
from multiprocessing import resource_tracker
from fairkd.engine.side_by_side import pool
for number in {numbers}:
    signal.signal(number, lambda *_: None)
def child():
    with pool(processes=1) as processes:
        return processes.submit(os.getpid).result()
if __name__ == "__main__":
    child()
    tracker = resource_tracker._resource_tracker._pid
    for number in {numbers}:
        os.kill(tracker, number)
        os.kill(os.getpid(), number)  # they reach this process again
    time.sleep(0.5)
    child()
    print(resource_tracker._resource_tracker._pid == tracker)
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no signals for groups of processes")
def test_a_signal_for_all_processes_leaves_the_one_that_tracks_what_they_share(tmp_path):
    (tmp_path / "struck.py").write_text(STRUCK.format(numbers=[int(number) for number in ENDS]))
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    heed = partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run below nohup
    command = [sys.executable, str(tmp_path / "struck.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100, env=paths, preexec_fn=heed)
    assert (done.stdout, done.stderr) == ("True\n", "")
