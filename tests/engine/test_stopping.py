"""Signals that ask for an end, wherever they meet a command."""

import os
import signal
import subprocess
import sys
from functools import partial

import pytest

from fairkd.engine.stopping import NOT_BEGUN, Ended
from fairkd.profile import project_root
from fairkd.run import cli

IN_A_DESTRUCTOR = """
import os, time
from fairkd.engine.stopping import exit_status, heed_signals
class Thing:
    def __del__(self):
        os.kill(os.getpid(), {number})
        sum(range(1000))  # the handler runs in here, where Python swallows what it raises
heed_signals()
try:
    Thing()
    time.sleep(20)
    print("still at work")
except KeyboardInterrupt:
    raise SystemExit(exit_status()) from None
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_that_meets_a_destructor_ends_the_command_all_the_same(name):
    number = getattr(signal, name)
    code = IN_A_DESTRUCTOR.format(number=int(number))
    heed = partial(signal.signal, number, signal.SIG_DFL)  # the tests themselves may run below nohup
    run = partial(subprocess.run, capture_output=True, text=True, timeout=60, check=False)
    done = run([sys.executable, "-c", code], preexec_fn=heed)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", "")


IN_AN_IMPORT = """
import os, time
from fairkd.engine.stopping import exit_status, heed_signals
heed_signals()
try:
    exec("os.kill(os.getpid(), {number}); time.sleep(20)")  # as modules are run
except KeyboardInterrupt:
    raise SystemExit(exit_status()) from None
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_that_meets_an_import_leaves_its_own_status(name, tmp_path):
    """``python -m`` would end as by SIGINT, whatever was caught meanwhile, for a plain KeyboardInterrupt."""
    number = getattr(signal, name)
    (tmp_path / "own.py").write_text(IN_AN_IMPORT.format(number=int(number)))
    paths = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    heed = partial(signal.signal, number, signal.SIG_DFL)
    run = partial(subprocess.run, capture_output=True, text=True, timeout=60, check=False, env=paths)
    done = run([sys.executable, "-m", "own"], preexec_fn=heed)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", "")


WHILE_ITS_MODULES_ARE_LOADED = """
import builtins, os, sys, time
whole = builtins.__import__
def struck(name, *rest, **named):
    if name == {module!r}:
        builtins.__import__ = whole
        os.kill(os.getpid(), {number})
        time.sleep(20)
    return whole(name, *rest, **named)
builtins.__import__ = struck
sys.argv = ["fairkd", "status", "quick"]
from fairkd.__main__ import command_line
command_line()
"""


@pytest.mark.parametrize("module", ["fairkd.run.cli", "typer", "pydantic", "yaml", "fairkd.run.ledger"])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_that_comes_while_the_program_is_loaded_ends_it_in_a_sentence(name, module):
    number = getattr(signal, name)
    code = WHILE_ITS_MODULES_ARE_LOADED.format(number=int(number), module=module)
    heed = partial(signal.signal, number, signal.SIG_DFL)
    run = partial(subprocess.run, capture_output=True, text=True, timeout=60, check=False, cwd=project_root())
    done = run([sys.executable, "-c", code], preexec_fn=heed)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", f"fairkd: {NOT_BEGUN}\n")


def test_a_signal_that_comes_while_the_words_of_a_command_are_read_ends_it_in_a_sentence(monkeypatch, capsys):
    def struck(*_, **__):
        raise Ended

    monkeypatch.setattr(cli.typer.core.TyperGroup, "parse_args", struck)
    monkeypatch.setattr(sys, "argv", ["fairkd", "status"])
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().err == f"fairkd: {NOT_BEGUN}\n"
