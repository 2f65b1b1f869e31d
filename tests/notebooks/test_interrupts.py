"""An interrupt of a training, of a real process and in a real kernel: one line, saved, and the same bits afterwards."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from jupyter_client.manager import KernelManager
from long_form import long_form

from fairkd.engine.store import Store
from fairkd.profile import Profile, project_root

STARTING, STOPPING = 180, 60
"""Seconds to wait at most: for the first updates, and for the end after an interrupt."""
UPDATES = 60
LINE = r"1 student, seed 0: stopped at update (\d+) of 60, saved; run again to go on"
SLOW = """
import pathlib, time
from fairkd.engine import training
step = training.Learner.step
def slow(learner, planned, everyone):
    step(learner, planned, everyone)
    if learner.name != "teacher":
        time.sleep(0.1)
        pathlib.Path({mark!r}).write_text(str(learner.update))
training.Learner.step = slow
"""
"""A tenth of a second an update, so that there is time to interrupt it, and a file that tells how far it is."""


def profile(folder: Path) -> Profile:
    """One student of one layer, which is saved at its end only."""
    return Profile.load("tiny").changed(
        seeds=[0], arms=["full"], depths=[1], student_layers=1, max_steps=UPDATES, n_epoch=1000, adapt_steps=2,
        checkpoint_every=1000, runs_dir=str(folder / "runs"), store_dir=str(folder / "store"), profile="mine",
    )  # fmt: skip


def file_of(folder: Path) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(profile(folder).grouped()))
    return path


def student(folder: Path) -> dict[str, Any]:
    """The manifest of the only student."""
    found = [Store.manifest(path.parent) for path in (folder / "store").glob("[0-9a-f]*/manifest.json")]
    (own,) = [manifest for manifest in found if manifest["kind"] == "student"]
    return own


def saved(folder: Path) -> int:
    """At which update the checkpoint of the only student lies."""
    (path,) = (folder / "store" / "unfinished").glob("*/step-*")
    return int(path.name.removeprefix("step-"))


def wait_for_update(mark: Path) -> None:
    wait_for(lambda: mark.is_file() and mark.read_text() not in ("", "1", "2"), "no update was made")


def wait_for(holds: Callable[[], Any], otherwise: str) -> None:
    end = time.monotonic() + STARTING
    while not holds():
        assert time.monotonic() < end, otherwise
        time.sleep(0.05)


def train(file: Path) -> None:
    subprocess.run([sys.executable, "-m", "fairkd", "train", str(file)], cwd=project_root(), check=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, Any]:
    """The student of a training that nobody interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    train(file_of(folder))
    return student(folder)


@pytest.mark.parametrize(("number", "status"), [("SIGINT", 130), pytest.param("SIGUSR1", 138, marks=long_form)])
def test_a_command_that_a_signal_ends_says_so_in_one_line_and_goes_on_to_the_same_bits(tmp_path, whole, number, status):
    file, mark = file_of(tmp_path), tmp_path / "mark"
    code = SLOW.format(mark=str(mark)) + "import sys\nfrom fairkd.run.cli import main\nsys.argv[1:] = "
    process = subprocess.Popen(
        [sys.executable, "-c", f"{code}['train', {str(file)!r}]\nmain()"], cwd=project_root(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(getattr(signal, number), signal.SIG_DFL),  # as from a terminal
    )  # fmt: skip
    wait_for_update(mark)
    process.send_signal(getattr(signal, number))
    process.send_signal(getattr(signal, number))  # from its parent too: together they are one
    said, errors = process.communicate(timeout=STOPPING)
    assert (process.returncode, said) == (status, ""), errors
    at = int(re.fullmatch(f"fairkd: {LINE}", errors.strip())[1])
    assert at == saved(tmp_path)
    assert 2 < at < UPDATES
    train(file)
    own = student(tmp_path)
    assert (own["resumed_from_step"], own["weights_digest"]) == (at, whole["weights_digest"])


@pytest.mark.parametrize(
    ("command", "child"),
    [
        pytest.param(["reproduce"], "fairkd train", marks=long_form),
        (["run", "01_capacity", "--profile"], "fairkd.run.execute"),
    ],
)
def test_what_ends_a_command_ends_its_children_which_save(tmp_path, command, child):
    """The signal goes to the command alone, as from ``kill``: to the training below it, or to a kernel two below."""
    own = profile(tmp_path).changed(max_steps=100_000)
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(own.grouped()))
    process = subprocess.Popen(
        [sys.executable, "-m", "fairkd", *command, str(file)], cwd=project_root(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_for(lambda: [*(tmp_path / "store" / "unfinished").glob("*")], "no training has begun")
    family = psutil.Process(process.pid).children(recursive=True)
    assert any(child in " ".join(one.cmdline()) for one in family)
    time.sleep(2)
    process.terminate()
    _, errors = process.communicate(timeout=STOPPING)
    assert process.returncode == 143
    last = errors.strip().splitlines()[-1]
    assert last.endswith(": stopped; what is finished is saved; run again to go on"), errors
    assert saved(tmp_path) > 0
    assert not any(one.is_running() for one in family)


class Kernel:
    """A real kernel, as a notebook that somebody looks at has it, and what its cells said."""

    def __init__(self) -> None:
        self.manager = KernelManager(kernel_name="python3")
        self.manager.kernel_spec.argv[0] = sys.executable
        self.manager.start_kernel(cwd=str(project_root()), env=os.environ | {"JPY_SESSION_NAME": "a.ipynb"})
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=STARTING)

    def begin(self, code: str) -> str:
        return self.client.execute(code)

    def end(self, message: str) -> list[tuple[str, dict[str, Any]]]:
        """Kinds and contents of the messages of a cell, to its end."""
        found = []
        while True:
            got = self.client.get_iopub_msg(timeout=STARTING)
            if got["parent_header"].get("msg_id") != message:
                continue
            kind, content = got["msg_type"], got["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return found
            found.append((kind, content))

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel():
    own = Kernel()
    yield own
    own.close()


def test_a_kernel_shows_one_output_of_progress_and_an_interrupt_ends_in_one_line(tmp_path, whole, kernel):
    file, mark = file_of(tmp_path), tmp_path / "mark"
    cell = "from fairkd.profile import Profile\nfrom fairkd.lab.training import train_profile\n"
    cell += f"train_profile(Profile.load({str(file)!r}))"
    running = kernel.begin(SLOW.format(mark=str(mark)) + cell)
    wait_for_update(mark)
    time.sleep(1.2)  # two looks
    kernel.manager.interrupt_kernel()
    messages = kernel.end(running)
    kinds = [kind for kind, _ in messages]
    assert "stream" not in kinds, messages  # nothing on standard error, which is red
    texts = [content["data"]["text/plain"] for kind, content in messages if "display_data" in kind]
    assert kinds.count("display_data") == 1 + any(text.startswith("teacher") for text in texts)
    assert any(re.fullmatch(r"1 student, seed 0: \d+ of 60 updates, \d+ s left", text) for text in texts), texts
    (error,) = [content for kind, content in messages if kind == "error"]
    assert error["ename"] == "Stopped"
    (line,) = error["traceback"]
    at = int(re.fullmatch(LINE, line)[1])
    assert at == saved(tmp_path)
    assert not [content for kind, content in kernel.end(kernel.begin(cell)) if kind == "error"]  # run again
    own = student(tmp_path)
    assert (own["resumed_from_step"], own["weights_digest"]) == (at, whole["weights_digest"])
