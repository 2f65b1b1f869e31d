"""One notebook through papermill, in a process of its own: ``python -m fairkd.run.execute NOTEBOOK OUTPUT PARAMETERS``.

As ``papermill NOTEBOOK OUTPUT -f PARAMETERS --log-output``, but faster: the kernel starts first (:func:`begun_kernel`),
and imports PyTorch while this process imports papermill; what no notebook needs is not imported
(:func:`fairkd.show.pages.notebook.without_iri_grammar`); and when all cells are done the kernel is not asked to take
itself apart, which takes one with PyTorch most of a second. What a notebook has made is on the disk by then.

A signal that asks for an end interrupts the kernel, whose training is saved, and so ends the notebook at that cell.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fairkd.engine.processes import look_for_garbage_seldom
from fairkd.engine.stopping import ENDS
from fairkd.engine.yaml_text import load_yaml, utf8_text

KERNEL_DIED = 138
"""Exit status, as papermill has it."""
START_SECONDS = 180
"""For which the kernel's start is waited."""
AGAIN_SECONDS = 20
"""After which a kernel is interrupted once more."""
IDLE_SECONDS, IDLE = 10, 0.1
"""A kernel that computes less than this in so many seconds does nothing."""


def execute(notebook: str, output: str, parameters: str) -> int:
    """Runs the notebook in the working directory, with its outputs on standard error, and returns the exit status.

    Args:
        notebook: its source.
        output: where papermill writes it as it runs.
        parameters: a YAML file.

    Raises:
        PapermillExecutionError: a cell failed.
    """
    asked = threading.Event()

    def end(*_: object) -> None:
        asked.set()
        threading.Thread(target=_interrupt_kernel, daemon=True).start()

    def no_further_cell(**_: object) -> None:
        if asked.is_set():  # the interrupt met the kernel between two cells, where it does nothing
            raise KeyboardInterrupt

    for number in ENDS:
        signal.signal(number, end)
    logging.basicConfig(level="INFO", format="%(message)s")
    try:
        with begun_kernel() as kernel:
            _papermill(notebook, output, parameters, kernel, no_further_cell)
    except RuntimeError as error:
        if "Kernel died" not in str(error):  # of one that did not even begin too
            raise
        traceback.print_exc()
        return KERNEL_DIED
    return 0


@contextmanager
def begun_kernel() -> Iterator[Any]:
    """The manager of a kernel "python3" that has been started; at the block's end there is no kernel any more."""
    from jupyter_client.manager import AsyncKernelManager

    # Of two kernels that begin at once with the same free port one dies: on Linux there are names instead.
    names = {"transport": "ipc", "ip": f"@fairkd-{secrets.token_hex(16)}"} if sys.platform == "linux" else {}
    kernel = AsyncKernelManager(kernel_name="python3", **names)

    async def start() -> None:
        await kernel.start_kernel(extra_arguments=["--HistoryManager.hist_file=:memory:"])

    async def end() -> None:
        await kernel.shutdown_kernel(now=True)

    asyncio.run(start())
    try:
        yield kernel
    finally:
        asyncio.run(end())


def _papermill(notebook: str, output: str, parameters: str, kernel: Any, on_cell_start: Callable[..., None]) -> None:
    """Runs the notebook's cells in a kernel."""
    from fairkd.show.pages.notebook import without_iri_grammar  # here: the kernel has begun

    without_iri_grammar()
    from papermill.execute import execute_notebook

    execute_notebook(
        notebook,
        output,
        parameters=load_yaml(utf8_text(Path(parameters))),
        kernel_name="python3",
        language="python",
        progress_bar=False,
        log_output=True,
        start_timeout=START_SECONDS,
        cwd=str(Path.cwd()),
        km=kernel,
        on_cell_start=on_cell_start,
    )


def _interrupt_kernel() -> None:
    """Until this process ends. A kernel that then does nothing has lost its answer to the interrupt, and is ended."""
    import psutil  # here: the command line, which looks at what this module says of exits, has no use for it

    while True:
        kernels = psutil.Process().children()
        for kernel in kernels:
            with suppress(psutil.NoSuchProcess):
                kernel.send_signal(signal.SIGINT)
        for _ in range(AGAIN_SECONDS // IDLE_SECONDS):
            before = _busy_seconds(kernels)
            time.sleep(IDLE_SECONDS)
            if _busy_seconds(kernels) - before < IDLE:
                for kernel in kernels:
                    with suppress(psutil.NoSuchProcess):
                        kernel.kill()


def _busy_seconds(kernels: Sequence[Any]) -> float:
    """CPU time of these processes and of those that they have started."""
    import psutil

    busy = 0.0
    for kernel in kernels:
        with suppress(psutil.NoSuchProcess):
            for one in (kernel, *kernel.children(recursive=True)):
                times = one.cpu_times()
                busy += times.user + times.system
    return busy


if __name__ == "__main__":
    look_for_garbage_seldom()
    sys.exit(execute(*sys.argv[1:]))
