"""Work side by side: the results, their order, their errors and their bits are those of work done here."""

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
import torch
from long_form import long_form

from fairkd.engine import products
from fairkd.engine import side_by_side as module
from fairkd.engine.setup import setup
from fairkd.engine.side_by_side import Pool, ProcessLostError, counting, one_thread, pool, side_by_side


def product(seed: int) -> tuple[int, int, str]:
    """Its process, threads, and the bits of a matrix product and a sum."""
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(300, 300, generator=generator)
    with counting("", 3) as shown:
        for _ in range(3):
            a = a @ a / 100
            shown.add()
    return os.getpid(), torch.get_num_threads(), a.sum().item().hex()


def refused(seed: int) -> int:
    if seed == 1:
        raise ValueError("seed 1 is refused")
    return seed


def dies(seed: int, folder: str, times: int) -> int:
    """Is killed so many times if its seed is 1; the others take longer."""
    before = len(list(Path(folder).glob(f"{seed}-*")))
    (Path(folder) / f"{seed}-{before}").touch()
    if seed == 1 and before < times:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.5)
    return seed


@pytest.mark.parametrize("use", [products.use_pytorch, products.use_onednn])
def test_other_processes_find_what_this_one_finds_with_one_thread(use):
    setup()
    calls, before = [(seed,) for seed in range(3)], products.in_use()
    use()
    try:
        here, there = side_by_side(product, calls, here=True), side_by_side(product, calls, here=False, updates=9)
    finally:
        products.use_pytorch() if before == "PyTorch" else products.use_onednn()
    assert [bits for _, _, bits in here] == [bits for _, _, bits in there]
    assert len({bits for _, _, bits in here}) == 3
    assert {threads for _, threads, _ in (*here, *there)} == {1}
    assert {process for process, _, _ in here} == {os.getpid()}
    assert os.getpid() not in {process for process, _, _ in there}


@pytest.mark.parametrize("here", [True, False])
def test_an_error_stands_in_its_place_and_the_others_are_done(here):
    first, error, last = side_by_side(refused, [(0,), (1,), (2,)], here=here)
    assert (first, last) == (0, 2)
    assert isinstance(error, ValueError)
    assert str(error) == "seed 1 is refused"


def test_what_a_killed_process_takes_with_it_is_done_once_more(tmp_path, capfd):
    found = side_by_side(dies, [(seed, str(tmp_path), 1) for seed in range(5)], here=False)
    assert found == [0, 1, 2, 3, 4]
    assert len(list(tmp_path.glob("1-*"))) == 2
    assert capfd.readouterr().err.count("tried once more, a piece at a time") == 1


@long_form
def test_a_piece_whose_process_is_killed_twice_is_lost_and_the_others_are_done(tmp_path):
    found = side_by_side(dies, [(seed, str(tmp_path), 9) for seed in range(5)], here=False)
    assert [found[seed] for seed in (0, 2, 3, 4)] == [0, 2, 3, 4]
    assert isinstance(found[1], ProcessLostError)
    assert "too little memory" in str(found[1])
    assert len(list(tmp_path.glob("1-*"))) == 2


@pytest.mark.parametrize("begun", [False, True])
def test_a_process_that_begins_while_another_is_killed_is_not_waited_for(monkeypatch, begun):
    """The thread that ends a broken pool has ended all that it knew, before the second one begins or is known."""

    def break_it():
        for process in processes._processes.values():
            process.kill()
        until = time.monotonic() + 30
        while processes._processes and not processes._call_queue._reader.closed and time.monotonic() < until:
            time.sleep(0.01)

    class Known(dict):
        def __setitem__(self, number, process):
            if begun:
                break_it()
            super().__setitem__(number, process)

    def spawn(self):
        if not begun:
            break_it()
        real(self)

    real = Pool._spawn_process
    monkeypatch.setattr(Pool, "_spawn_process", spawn)
    with pool(processes=2) as processes:
        processes._processes = known = Known()
        futures = [processes.submit(time.sleep, 60) for _ in range(3)]
    assert len(known) == 1 + begun
    for future in futures:
        assert isinstance(future.exception(timeout=10), BrokenProcessPool)
    for process in known.values():
        process.join(timeout=10)
    assert not any(process.is_alive() for process in known.values())


def test_an_interrupt_ends_what_is_at_work_and_what_waits(tmp_path):
    """Eight pieces of a minute on two processes, interrupted when two have begun: no other begins, and all is over."""
    script = tmp_path / "pieces.py"
    script.write_text(
        "import pathlib, signal, sys, time\n"
        "from fairkd.engine import side_by_side as module\n"
        "module.workers = lambda: 2\n"
        "def piece(number):\n"
        "    (pathlib.Path(sys.argv[1]) / f'begun {number}').touch()\n"
        "    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background has it ignored\n"
        "    module.side_by_side(piece, [(n,) for n in range(8)], here=False)\n"
    )
    process = subprocess.Popen([sys.executable, script, tmp_path], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("begun *"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)  # no minute has passed
    assert "KeyboardInterrupt" in said
    assert len(list(tmp_path.glob("begun *"))) == 2


def test_threads_are_as_before_afterwards():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_a_parent_is_told_of_every_update_and_of_those_before(monkeypatch):
    told = []
    monkeypatch.setattr(module, "_to_parent", type("Queue", (), {"put": staticmethod(told.append)}))
    with counting("updates", 6, done=4) as shown:
        shown.add()
        shown.add()
    assert told == [(4, True), (1, False), (1, False)]


STOPPED = (
    "import pathlib, signal, sys, time\n"
    "from fairkd.engine import side_by_side as module\n"
    "from fairkd.engine.stopping import Stopped, heed_signals, interrupts_noted\n"
    "module.workers = lambda: 2\n"
    "def training(number):\n"
    "    with module.counting('', 600) as shown, interrupts_noted() as stopped:\n"
    "        for _ in range(600):\n"
    "            time.sleep(0.1)\n"
    "            shown.add()\n"
    "            (pathlib.Path(sys.argv[1]) / f'begun {number}').touch()\n"
    "            if stopped():\n"
    "                (pathlib.Path(sys.argv[1]) / f'saved {number}').touch()\n"
    "                raise Stopped('stopped')\n"
    "if __name__ == '__main__':\n"
    "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "    heed_signals()\n"
    "    try:\n"
    "        calls = [(n,) for n in range(6)]\n"
    "        module.side_by_side(training, calls, here=False, label='trainings', updates=3600)\n"
    "    except Stopped as error:\n"
    "        print(error)\n"
)


@pytest.mark.parametrize(
    ("whole_group", "number"),
    [
        (True, signal.SIGINT),
        (False, signal.SIGTERM),
        pytest.param(False, signal.SIGINT, marks=long_form),
        pytest.param(True, signal.SIGTERM, marks=long_form),
        pytest.param(True, signal.SIGUSR1, marks=long_form),
        pytest.param(False, signal.SIGUSR1, marks=long_form),
    ],
)
def test_trainings_that_are_interrupted_end_where_they_are_saved_in_one_line(tmp_path, whole_group, number):
    """A terminal, a notebook and a scheduler signal to all processes, ``kill`` to the parent alone."""
    script = tmp_path / "trainings.py"
    script.write_text(STOPPED)
    command = [sys.executable, script, tmp_path]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("begun *"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    (os.killpg if whole_group else os.kill)(process.pid, number)
    said, _ = process.communicate(timeout=30)
    (at,) = re.findall(r"^trainings: stopped at update (\d+) of 3,600, saved; run again to go on$", said.strip())
    assert 2 <= int(at) < 1200
    assert {path.name[-1] for path in tmp_path.glob("saved *")} == {path.name[-1] for path in tmp_path.glob("begun *")}
    assert len(list(tmp_path.glob("begun *"))) == 2
