"""``python -m fairkd.run.together``: torchrun, whose end by a signal or by one of its processes is no traceback.

It hands every signal that asks for an end on to the processes, and gives them time to finish an update and to save. The
process that failed has said why. The exit status is its own, or 128 and the number of the signal.

On several machines, where the options are torchrun's own:

    python -m fairkd.run.together --nnodes 2 --nproc-per-node 4 … -m fairkd train paper
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from fairkd.engine.stopping import ENDS

TO_END = ("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", "120")
"""Seconds, in the environment, after which torchrun kills a process that was told to end; 30 without."""


def main(arguments: Sequence[str]) -> int:
    """Runs torchrun with these arguments; returns the exit status."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig
    from torch.distributed.run import main as torchrun

    os.environ.setdefault(*TO_END)
    heeded = [number for number in ENDS if signal.getsignal(number) is not signal.SIG_IGN]  # SIGHUP below nohup is not
    handed_on = ",".join(signal.Signals(number).name for number in heeded)
    own = [f"--signals-to-handle={handed_on}"] if hasattr(LaunchConfig, "signals_to_handle") else []  # since 2.9
    try:
        torchrun([*own, *arguments])
    except SignalException as error:
        return 128 + int(error.sigval)
    except ChildFailedError as error:
        code = error.get_first_failure()[1].exitcode
        return code if code > 0 else 128 - code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
