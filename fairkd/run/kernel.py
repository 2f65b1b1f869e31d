"""``python -m fairkd.run.kernel``: a notebook's kernel that imports what every notebook needs while it starts.

Its client takes half a second to connect, and PyTorch more than one to be imported. No matplotlib, and nothing of ours
that computes: these look at what the kernel has set up first.
"""

from __future__ import annotations

import importlib
import threading


def _import() -> None:
    for name in ("torch", "pandas", "scipy.special"):
        importlib.import_module(name)


if __name__ == "__main__":
    from fairkd.engine.processes import look_for_garbage_seldom

    look_for_garbage_seldom()
    from ipykernel import kernelapp

    threading.Thread(target=_import, daemon=True).start()
    kernelapp.launch_new_instance()
