"""A JupyterLab that nobody else uses, for tests in a real browser."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fairkd.profile import project_root
from fairkd.run import parameters_cells as notebooks

STARTING, ANSWERING = 120, 30
"""Seconds to wait at most: for JupyterLab, and for an answer to a control."""


def notebook_with(name: str, folder: Path, **cell: Any) -> Path:
    """A notebook of the project in a folder, with these values in its parameters cell."""
    source = notebooks.read_notebook(project_root() / "notebooks" / f"{name}.ipynb")
    (parameters,) = notebooks.parameters_cells(source)
    parameters["source"] = "\n".join(f"{key} = {value!r}" for key, value in cell.items())
    path = folder / f"{name}.ipynb"
    path.write_text(json.dumps(source))
    return path


@contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """Address of the notebooks of a folder in a JupyterLab with no settings of this account's; {} is a file's name."""
    settings = folder / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # Cells outside the window are drawn too, so that a test need not scroll.
    (settings / "tracker.jupyterlab-settings").write_text(json.dumps({"windowingMode": "none"}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(8)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(project_root()), os.environ.get("PYTHONPATH", "")]),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "IPYTHONDIR": str(folder / "ipython"),
        "HF_HUB_OFFLINE": "1",
    }
    options = ["--no-browser", "--ip=127.0.0.1", f"--port={port}", f"--IdentityProvider.token={token}", "--allow-root"]
    options += [f"--ServerApp.root_dir={folder}", "--ServerApp.port_retries=0", "--LabApp.news_url=None"]
    options += ["--LabApp.expose_app_in_browser=True"]
    log = (folder / "lab.log").open("w")
    server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *options], env=environment, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/api?token={token}", server, folder / "lab.log")
        yield f"http://127.0.0.1:{port}/lab/tree/{{}}?token={token}"
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + STARTING
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
    pytest.fail(f"JupyterLab did not start: {log.read_text()}")


def opened(browser: Any, address: str) -> Any:
    """A notebook in a tab."""
    tab = browser.new_page(viewport={"width": 1280, "height": 1000})
    tab.set_default_timeout(1000 * ANSWERING)
    tab.goto(address, timeout=1000 * STARTING)
    tab.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=1000 * STARTING)
    return tab


READY = """async () => {
  const notebook = window.jupyterapp.shell.currentWidget;
  await notebook.sessionContext.ready;
  await notebook.sessionContext.session.kernel.info;
}"""
"""The kernel has answered; what is sent before is lost."""


def run_all(page: Any) -> None:
    page.wait_for_function("window.jupyterapp?.shell?.currentWidget?.sessionContext", timeout=1000 * STARTING)
    page.evaluate(READY)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
