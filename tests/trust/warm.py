"""A process that has imported the program and forks whatever command it is told: half a second instead of five.

Each line on standard input is an order in JSON; the answer on standard output is a number.

- ``{"start": ARGUMENTS or ["-c", CODE], "in": FOLDER, "log": FILE, "environment": {…}}``: the command's process id,
  which is also that of its session and group;
- ``{"wait": PID}``: its exit status, a signal counts as negative.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from typing import Any

from fairkd.run import cli


def main() -> None:
    import torch

    torch.set_num_threads(1)
    import transformers  # noqa: F401

    import fairkd.experiment
    import fairkd.run.runner
    import fairkd.run.verify  # noqa: F401

    for line in sys.stdin:
        order = json.loads(line)
        print(_start(order) if "start" in order else _wait(order["wait"]), flush=True)


def _start(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setsid()
        os.chdir(order["in"])
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        for name, value in order["environment"].items():
            if name == "UMASK":
                os.umask(int(value, 8))
            elif value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        time.tzset()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        sys.argv = ["fairkd", *order["start"]]
        try:
            if order["start"][0] == "-c":
                exec(order["start"][1], {})
            else:
                cli.main()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:  # as an interpreter does, which is not reached from here
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _wait(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main()
