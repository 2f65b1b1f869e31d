"""Processes that train together: the same students as one process, a lost one, and what torchrun is told."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext

import pandas as pd
import pytest
import torch
import torch.distributed as dist
from long_form import long_form
from safetensors.torch import load_file
from torch.distributed.launcher.api import LaunchConfig
from torch.distributed.run import parse_args

from fairkd.arms import Arm
from fairkd.batches import Setting
from fairkd.distill import distill
from fairkd.engine import training
from fairkd.engine import world as engine_world
from fairkd.engine.recipe import Recipe
from fairkd.engine.stopping import Stopped, heed_signals
from fairkd.engine.store import Store
from fairkd.engine.training import Learner
from fairkd.engine.world import ONE_PROCESS, World, local_rank
from fairkd.errors import InputError, LostError
from fairkd.gender import PairTable, appendix_c
from fairkd.lab.materials import Materials
from fairkd.lab.training import check_processes
from fairkd.mixup import Mixup
from fairkd.profile import Profile
from fairkd.run import together

CPU = torch.device("cpu")
ARMS = [Arm(name="full", layers=2), Arm(name="mixup-xy", layers=2, mix=("x", "y")), Arm(name="no-ce", layers=1)]
RECIPE = Recipe(
    batch_size=4, gradient_accumulation_steps=4, ce_token_fraction=0.5, dropout=0.0, max_steps=5, n_epoch=9,
    checkpoint_every=2,
)  # fmt: skip


def in_processes(size, work, tmp_path):
    """Calls ``work(World)`` in so many processes, forks of this one; their exit statuses, in order."""

    def process(rank):
        dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meet-{size}", rank=rank, world_size=size)
        work(engine_world.world())
        dist.destroy_process_group()
        os._exit(0)

    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=process, args=(rank,)) for rank in range(size)]
    for one in processes:
        one.start()
    for one in processes:
        one.join(timeout=120)
    return [one.exitcode for one in processes]


def students(teaching, folder, everyone=ONE_PROCESS, at_once=None):
    setting = Setting(teaching.corpus, RECIPE, 0, Store(folder), CPU, at_once)
    mixup = Mixup(PairTable(appendix_c(), teaching.tokenizer))
    return distill(ARMS, setting, teacher=teaching.teacher, mixup=mixup, progress=False, everyone=everyone)


def check_alike(found, expected):
    for name, folder in expected.items():
        assert found[name].name == folder.name  # the number of processes is no part of a key
        after, before = (load_file(one / "model.safetensors") for one in (found[name], folder))
        for weight in before:
            torch.testing.assert_close(after[weight], before[weight], rtol=1e-4, atol=1e-5)
        frames = [pd.read_parquet(one / "metrics.parquet") for one in (found[name], folder)]
        pd.testing.assert_frame_equal(*frames, rtol=1e-4)


@pytest.fixture(scope="module")
def alone(world, tmp_path_factory):
    return students(world, tmp_path_factory.mktemp("alone"))


# torch warns that a process with threads is forked; these have one.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*")


@pytest.mark.parametrize(("size", "at_once"), [(2, None), (3, 300), (4, None)])
def test_students_of_several_processes_are_those_of_one(world, alone, tmp_path, size, at_once):
    folder = tmp_path / "store"
    statuses = in_processes(size, lambda everyone: students(world, folder, everyone, at_once), tmp_path)
    assert statuses == [0] * size
    check_alike(students(world, folder, at_once=at_once), alone)  # finds what they made
    manifest = Store.manifest(students(world, folder)["full"])
    assert (manifest["processes"], manifest["tokens_at_once"]) == (size, at_once)
    assert not list((folder / "unfinished").iterdir())


@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_process_ends_the_run_with_what_was_trained_saved(world, alone, tmp_path, lost):
    """It dies in the middle of the fourth update; what is left goes on alone from the third, to the same students.

    torchrun sees that too, and asks the others to end: the signal meets them where they save. The first process, which
    else saves, may be the one.
    """
    folder = tmp_path / "store"
    save = training.Learner.save

    def struck(self, writer):
        if isinstance(sys.exc_info()[1], LostError):
            os.kill(os.getpid(), signal.SIGTERM)
        save(self, writer)

    def work(everyone):
        heed_signals()
        training.Learner.save = struck
        if everyone.rank == lost:
            seen = []
            original = World.sum_
            World.sum_ = lambda self, tensors: (
                os._exit(9) if len(seen) == 3 * len(ARMS) + 1 else seen.append(0),
                original(self, tensors),
            )
        try:
            students(world, folder, everyone)
        except LostError as error:
            os._exit(7 if "one of them was lost" in str(error) else 5)

    statuses = in_processes(3, work, tmp_path)
    assert statuses == [9 if rank == lost else 7 for rank in range(3)]
    kept = {path.parent.name: path.name for path in sorted((folder / "unfinished").glob("*/step-*"))}  # the newest
    assert sorted(kept.values()) == ["step-000000003", "step-000000003", "step-000000004"]
    found = students(world, folder)
    check_alike(found, alone)
    assert {Store.manifest(one)["resumed_from_step"] for one in found.values()} == {3, 4}
    for one in found.values():
        first, then = Store.manifest(one)["stretches"]
        assert (first["from_update"], first["processes"]) == (0, 3)
        assert (then["from_update"], then["processes"]) == (Store.manifest(one)["resumed_from_step"], 1)


def test_processes_that_see_other_checkpoints_are_told(world, tmp_path, monkeypatch):
    """The first one has a checkpoint of an update; the second one, in another folder, begins."""
    saved = []
    monkeypatch.setattr(
        Learner, "save", lambda self, writer, save=Learner.save: (save(self, writer), saved.append(self.name))
    )
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(training, "interrupts_noted", lambda told: nullcontext(lambda: len(saved) == len(ARMS)))
    with pytest.raises(Stopped):
        students(world, tmp_path / "store of 0")
    monkeypatch.undo()

    def work(everyone):
        try:
            students(world, tmp_path / f"store of {everyone.rank}", everyone)
        except InputError as error:
            os._exit(6 if "one folder for all of them" in str(error) else 5)
        except LostError:
            os._exit(7)

    assert in_processes(2, work, tmp_path)[1] == 6


def test_more_processes_than_batches_an_update_are_refused(world, tmp_path):
    with pytest.raises(InputError, match="processes: 5, but an update has 4 batches"):
        students(world, tmp_path, World(0, 5))


@pytest.mark.parametrize(
    ("processes", "gpus", "device", "message"),
    [
        (0, 0, "cpu", "--processes: 0 must be 1 or more"),
        (9, 0, "cpu", "an update of profile 'tiny' has 6 batches to deal out"),
        (4, 2, "auto", "there are 2 GPUs; allowed: at most 2, or device cpu"),
    ],
)
def test_what_could_not_work_is_said_before_any_process_starts(monkeypatch, processes, gpus, device, message):
    profile = Profile.load("tiny").changed(gradient_accumulation_steps=6, device=device)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(InputError, match=message):
        check_processes(profile, processes)


def test_one_process_alone_sums_nothing_and_waits_for_nobody():
    tensor = torch.ones(2)
    ONE_PROCESS.sum_([tensor])
    ONE_PROCESS.wait()
    assert (tensor.tolist(), ONE_PROCESS.any(True), ONE_PROCESS.told([1]), ONE_PROCESS.writes) == (
        [1, 1],
        True,
        [1],
        True,
    )
    assert engine_world.world() == ONE_PROCESS


def test_values_go_to_all_processes(tmp_path):
    def work(everyone):
        assert everyone.told({"ä": [1, 2]} if everyone.writes else None) == {"ä": [1, 2]}
        assert everyone.any(everyone.rank == 1)
        assert not everyone.any(False)
        tensors = [torch.full((2, 2), float(everyone.rank)), torch.tensor([1.0])]
        everyone.sum_(tensors)
        assert [t.flatten().tolist() for t in tensors] == [[3.0] * 4, [3.0]]

    assert in_processes(3, work, tmp_path) == [0, 0, 0]


def test_the_rank_on_this_machine_is_torchruns(monkeypatch):
    assert local_rank() == 0
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert local_rank() == 1


@long_form
def test_the_command_trains_in_two_processes_and_a_signal_saves(tmp_path):
    """``fairkd train --processes 2``: ended by a signal in the middle, begun again, and finished."""
    changes = {"store_dir": str(tmp_path / "store"), "runs_dir": str(tmp_path / "runs"), "device": "cpu"}
    changes |= {"gradient_accumulation_steps": 4, "batch_size": 4, "n_epoch": 900, "max_steps": 80, "arms": ["full"]}
    changes |= {"depths": [1], "adapt_steps": 2, "checkpoint_every": 5, "micro_batch_tokens": 500}
    pairs = [word for name, value in changes.items() for word in ("-p", name, str(value))]
    command = [sys.executable, "-m", "fairkd", "train", "tiny", *pairs, "--processes", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    unfinished, until = tmp_path / "store" / "unfinished", time.monotonic() + 100
    while len(list(unfinished.glob("*/step-*"))) < 2 and time.monotonic() < until:  # of the students: two arms
        time.sleep(0.05)
    process.terminate()
    said = process.communicate(timeout=100)[1]
    assert process.returncode == 143, said
    assert "Traceback" not in said
    assert said.count("run again to go on") == 1, said
    newest = {path.parent: path.name for path in sorted(unfinished.glob("*/step-*"))}
    saved = [int(name.removeprefix("step-")) for name in newest.values()]
    assert len(saved) == 2
    assert 5 <= min(saved) <= max(saved) < 80
    assert f"stopped at update {saved[0]} of 80, saved; run again to go on" in said
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    materials = Materials(Profile.load("tiny").changed(**changes), progress=False)
    for arm in materials.profile.all_arms():
        manifest = Store.manifest(materials.student(arm, 0))
        assert (manifest["processes"], manifest["resumed_from_step"], manifest["steps"]) == (2, saved[0], 80)


@pytest.fixture
def no_nohup():
    """The tests themselves may run below nohup, or in the background of a shell."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("given", [None, "45"])
def test_a_process_has_time_to_finish_its_update_before_torchrun_kills_it(monkeypatch, no_nohup, given):
    """torchrun reads how long where it is started; without the variable it is 30 seconds. It hands on every signal."""
    name, seen = "TORCH_ELASTIC_SHUTDOWN_TIMEOUT", []
    monkeypatch.delenv(name, raising=False)
    if given is not None:
        monkeypatch.setenv(name, given)
    monkeypatch.setattr("torch.distributed.run.main", lambda arguments: seen.extend(arguments))
    assert together.main(["--nnodes", "2", "-m", "fairkd", "train", "tiny"]) == 0
    monkeypatch.setenv(name, os.environ[name])  # what it was set to goes with the test
    assert LaunchConfig(min_nodes=1, max_nodes=1, nproc_per_node=2).shutdown_timeout == int(given or 120)
    assert parse_args(seen).signals_to_handle == "SIGINT,SIGTERM,SIGHUP,SIGUSR1,SIGUSR2"
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        together.main(["-m", "fairkd", "train", "tiny"])
    finally:
        signal.signal(signal.SIGHUP, before)
    assert seen[-5] == "--signals-to-handle=SIGINT,SIGTERM,SIGUSR1,SIGUSR2"  # below nohup
    assert parse_args(seen).nnodes == "2"
