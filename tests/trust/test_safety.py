"""Nothing here runs what a file says: no pickle, no evaluated text, no code of a checkpoint, no shell."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import without_data
from commands import Warm, World

from fairkd.profile import project_root

ROOT = project_root()
MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "joblib",
    "code",
    "codeop",
    "runpy",
}
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load", "torch.save", "numpy.save",
         "numpy.load", "yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.unsafe_load_all", "yaml.full_load",
         "yaml.full_load_all", "pandas.read_pickle", "torch.hub.load", "torch.jit.load", "subprocess.getoutput",
         "subprocess.getstatusoutput", "asyncio.create_subprocess_shell"}  # fmt: skip
"""By their own names, whatever they are called where they are imported; numpy's need ``allow_pickle=False``."""
WITH = {"numpy.load": ("allow_pickle", False), "numpy.save": ("allow_pickle", False)}
METHODS = {"to_pickle", "unsafe_load", "read_pickle"}
"""Of whatever they are called."""
LOADERS = ("from_pretrained", "from_config")
SHELLS = {"sh", "bash", "zsh", "dash", "cmd", "powershell"}
INDIRECT = {"getattr", "importlib.import_module", "operator.attrgetter", "operator.methodcaller"}
"""Calls by which a name that stands in a text is reached."""


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the package, and every notebook's code."""
    for path in sorted((ROOT / "fairkd").rglob("*.py")):
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text())
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        yield path.name, ast.parse("\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code"))


def imported(tree: ast.Module) -> dict[str, str]:
    """What names of a module stand for, by its imports: {"np": "numpy", "load": "torch.load"}."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def unsafe(tree: ast.Module) -> Iterator[str]:
    """What of a module could run something that a file says, a line each."""
    known = imported(tree)

    def named(node: ast.expr) -> str:
        first, dot, rest = ast.unparse(node).partition(".")
        return f"{known.get(first, first)}{dot}{rest}".removeprefix("builtins.")

    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            yield from (f"{node.lineno}: import {name}" for name in names if name.split(".")[0] in MODULES)
        if isinstance(node, ast.Call):
            yield from (f"{node.lineno}: {problem}" for problem in _of_call(node, named(node.func)))
        elif (
            isinstance(node, ast.Name | ast.Attribute) and named(node) in CALLS - WITH.keys()
        ):  # as in map(eval, texts)
            yield f"{node.lineno}: {named(node)}"


def _of_call(node: ast.Call, name: str) -> Iterator[str]:
    said = {key.arg: key.value for key in node.keywords}
    given = {arg: value.value for arg, value in said.items() if isinstance(value, ast.Constant)}
    texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    wanted, method = WITH.get(name), name.rpartition(".")[2]
    if wanted is not None and given.get(wanted[0]) is not wanted[1]:
        yield name
    if name in CALLS - WITH.keys() or (method in METHODS and "." in name):
        yield name
    if given.get("shell") is True or "shell" in said.keys() - given.keys():
        yield "a shell"
    if name.startswith(("subprocess.", "os.exec", "os.spawn")) and any(text.split("/")[-1] in SHELLS for text in texts):
        yield "a shell"
    if name in INDIRECT and (
        {*texts} & {one.split(".")[-1] for one in CALLS - {"torch.load", "numpy.load"}} | {*texts} & MODULES
    ):
        yield f"{name} of {texts}"
    if method in LOADERS and given.get("trust_remote_code") is not False and not name.startswith(("cls.", "self.")):
        yield f"{name} without trust_remote_code=False"
    if "trust_remote_code" in said and given.get("trust_remote_code") is not False:
        yield "trust_remote_code"
    if given.get("weights_only") is False or given.get("allow_pickle") is True:
        yield f"{name} with a pickle"


def test_no_source_could_run_what_a_file_says():
    found = {name: problems for name, tree in sources() if (problems := list(unsafe(tree)))}
    assert not found


@pytest.mark.parametrize(
    "code",
    [
        "import pickle", "from cloudpickle import loads", "eval(text)", "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "torch.load(path, weights_only=True)", "yaml.load(text)", "subprocess.run(line, shell=True)",
        "subprocess.run(line, shell=asked)", "AutoModel.from_pretrained(name)",
        "AutoModel.from_pretrained(name, trust_remote_code=given)", "os.system(line)",
        "from torch import load\nload(path)", "import torch as t\nt.load(path)", "import numpy\nnumpy.load(path)",
        "from numpy import load as read\nread(path, allow_pickle=True)",
        "import yaml as y\ny.load(text, Loader=y.Loader)",
        "from yaml import unsafe_load\nunsafe_load(text)", "import pandas\npandas.read_pickle(path)",
        "frame.to_pickle(path)", "import runpy\nrunpy.run_path(path)", "from runpy import run_path",
        "getattr(builtins, 'eval')(text)", "importlib.import_module('pickle')", "list(map(eval, texts))",
        "subprocess.run(['sh', '-c', line])", "subprocess.Popen(['/bin/bash', '-c', line])",
        "os.execv('/bin/sh', words)",
        "from os import system as run\nrun(line)", "subprocess.getoutput(line)", "torch.hub.load(name)",
        "x = np.load\nread(path, allow_pickle=True)", "import builtins\nbuiltins.exec(text)",
    ],
)  # fmt: skip
def test_what_could_is_seen(code):
    assert list(unsafe(ast.parse(f"import numpy as np\nimport pandas as pd\n{code}")))


WATCH = """
import sys

def watch(event, arguments):
    if event == "pickle.find_class":
        sys.stderr.write(f"UNSAFE {event} {arguments}\\n")
    if event == "open" and str(arguments[0]).endswith((".bin", ".pt", ".pth", ".pkl", ".ckpt")):
        sys.stderr.write(f"UNSAFE {event} {arguments[0]}\\n")
    shell = event == "subprocess.Popen" and str(arguments[0]).endswith(("/sh", "/bash"))
    if shell or event == "os.system":
        sys.stderr.write(f"UNSAFE {event} {arguments}\\n")

sys.addaudithook(watch)
from fairkd.run.cli import main
sys.argv[1:] = {arguments}
main()
"""


@pytest.mark.slow
def test_no_command_reaches_a_pickle_or_a_shell(tmp_path):
    """What is imported from elsewhere counts too: the interpreter itself tells of each."""
    values = {"arms": ["[full]"], "depths": ["[1]"], "seeds": ["[0]"], "student_layers": ["1"]}
    changed = [part for name, (value,) in values.items() for part in ("-p", name, value)]
    places = ["-p", "runs_dir", str(tmp_path), "-p", "store_dir", str(tmp_path / "store")]
    for arguments in (["train", "tiny", *changed, *places], ["seat", "embedded"]):
        done = subprocess.run(
            [sys.executable, "-c", WATCH.replace("{arguments}", repr(arguments))],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "UNSAFE" not in done.stderr, [line for line in done.stderr.splitlines() if "UNSAFE" in line][:5]


def test_the_watch_sees_a_pickle(tmp_path: Path):
    code = WATCH.split("from fairkd")[0] + "import fractions, pickle; pickle.loads(pickle.dumps(fractions.Fraction(1)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "UNSAFE pickle.find_class" in done.stderr


# --- a hostile study --------------------------------------------------------------------------------------------------

RUNS = "<img src=x onerror=document.title='run'>"
"""Where it stands as markup, the title of the page becomes "run"."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Iterator[World]:
    """A study whose corpus and folders would run something in a page that let them."""
    folder = tmp_path_factory.mktemp("hostile") / RUNS
    folder.mkdir()
    subjects = [(who, he) for who in ("nurse", "man", "woman") for he in ("he", "she")]
    lines = [f"the {who} said that {he} would {RUNS} do it ." for who, he in subjects]
    (folder / f"{RUNS}.txt").write_text("\n".join(f"{line} {number}" for number in range(150) for line in lines))
    (folder / f"{RUNS}.yaml").write_text("- [she, he]\n- [woman, man]\n")  # words that are no words are refused
    warm = Warm()
    world = World(
        folder / "world", warm, arms=["full", {"name": "x.onerror", "layers": 1, "mix": ["x", "y"]}], depths=[1],
        student_layers=1, seeds=[0], glue_source=None, corpus=[str(folder / f"{RUNS}.txt")],
        gender_pairs=str(folder / f"{RUNS}.yaml"),
    )  # fmt: skip
    world.run("run", "03_mixup", "--profile", "FILE")
    (folder / f"{RUNS}.txt").write_text("")  # the next run fails, with the path in its message
    world.start("run", "01_capacity", "--profile", "FILE").wait()
    yield world
    warm.close()


@pytest.mark.slow
def test_a_hostile_study_runs_nothing_in_the_pages_that_show_it(hostile, visit):
    mine = hostile.runs / "mine"
    hostile.run("export", str(mine / "01_capacity.failed.ipynb"), "--to", str(mine / "failed.html"))
    for page, places in (("03_mixup.html", 3), ("failed.html", 1)):
        tab = visit(mine / page)
        title = tab.title()
        tab.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
        tab.wait_for_timeout(300)
        assert "run" not in tab.title().split()
        assert tab.title() == title
        assert tab.locator("main").inner_text().count("onerror=document.title") >= places
        assert tab.locator("[onerror], img[src=x]").count() == 0
        assert without_data(tab.seen) == []
