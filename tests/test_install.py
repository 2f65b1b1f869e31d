"""What ``make`` installs, with a python, uname and nvidia-smi that only write down how they were called."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fairkd.profile import project_root

ROOT = project_root()
CPU = "--no-deps --index-url https://download.pytorch.org/whl/cpu torch"
PYTHON = """#!/bin/sh
case "$*" in
  "-m venv .venv") mkdir -p .venv/bin; cp "$0" .venv/bin/python;;
  "-m pip "*) echo "$*" >> calls.txt;
    case "$*" in *"--index-url"*) exit ${CPU_PIP:-0};; *) exit ${PIP:-0};; esac;;
  *urlopen*) echo "asked" >> calls.txt; exit ${INDEX:-0};;
esac
"""

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="there is no make")


@pytest.fixture
def install(tmp_path):
    """Runs ``make .venv/installed`` in a folder of its own; returns what python was asked for, and the process."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    tools = tmp_path / "tools"
    tools.mkdir()

    def tool(name: str, text: str) -> None:
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)

    def call(*, system: str = "Linux", gpu: bool = False, driver: bool = False, **codes: int):
        tool("python3", PYTHON)
        tool("uname", f"#!/bin/sh\necho {system}\n")
        tool("nvidia-smi", f"#!/bin/sh\nexit {0 if gpu else 9}\n")
        (tmp_path / "driver").touch() if driver else None
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PIP"))}
        environment |= {name: str(code) for name, code in codes.items()}
        environment["PATH"] = f"{tools}{os.pathsep}{os.environ['PATH']}"
        line = ["make", ".venv/installed", "PYTHON=python3", "DRIVER=driver"]
        done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        calls = tmp_path / "calls.txt"
        prefix = "-m pip install --quiet --disable-pip-version-check -c constraints.txt "
        return [one.removeprefix(prefix) for one in calls.read_text().splitlines()], done

    return call


def test_without_a_gpu_the_cpu_build_comes_first_and_by_itself(install, tmp_path):
    calls, done = install()
    assert done.returncode == 0, done.stderr
    assert calls == ["asked", CPU, "-e ."]
    assert "took the CPU build" in done.stdout
    assert (tmp_path / ".venv/installed").is_file()


@pytest.mark.parametrize("machine", [{"driver": True}, {"gpu": True}, {"system": "Darwin"}])
def test_with_a_gpu_or_off_linux_nobody_is_asked(install, machine):
    calls, done = install(**machine)
    assert (calls, done.returncode) == (["-e ."], 0)


def test_an_index_that_does_not_answer_changes_nothing(install):
    calls, done = install(INDEX=1)
    assert (calls, done.returncode) == (["asked", "-e ."], 0)
    assert "does not answer" in done.stdout


def test_a_cpu_build_that_cannot_be_had_changes_nothing(install):
    calls, done = install(CPU_PIP=1)
    assert (calls, done.returncode) == (["asked", CPU, "-e ."], 0)


def test_what_pip_cannot_install_is_not_installed(install, tmp_path):
    calls, done = install(PIP=1)
    assert calls[-1] == "-e ."
    assert done.returncode
    assert not (tmp_path / ".venv/installed").exists()


def test_the_index_is_asked_for_three_seconds_at_most(tmp_path):
    (ask,) = re.findall(r"^ASK = (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)

    class Index(BaseHTTPRequestHandler):
        def do_GET(self):
            if "slow" in self.path:
                time.sleep(6)
            self.send_response(404 if "missing" in self.path else 200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = os.environ | {"no_proxy": "127.0.0.1"}
    for page, answers in {"torch/": True, "missing/": False, "slow/": False}.items():
        line = [sys.executable, "-c", ask, f"http://127.0.0.1:{server.server_port}/{page}"]
        started = time.perf_counter()
        done = subprocess.run(line, env=environment, capture_output=True, check=False)
        assert (done.returncode == 0) == answers, page
        assert time.perf_counter() - started < 5
    server.shutdown()
    server.server_close()
