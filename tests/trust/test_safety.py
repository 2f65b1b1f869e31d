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
MODULES = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "code", "codeop"}
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load", "torch.save", "np.save",
         "np.load", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "pd.read_pickle"}  # fmt: skip
"""By the name that they have here; numpy's need ``allow_pickle=False``."""
WITH = {"np.load": ("allow_pickle", False), "np.save": ("allow_pickle", False)}
LOADERS = ("from_pretrained", "from_config")


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the package, and every notebook's code."""
    for path in sorted((ROOT / "fairkd").rglob("*.py")):
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text())
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        yield path.name, ast.parse("\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code"))


def unsafe(tree: ast.Module) -> Iterator[str]:
    """What of a module could run something that a file says, a line each."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            yield from (f"{node.lineno}: import {name}" for name in names if name.split(".")[0] in MODULES)
        if isinstance(node, ast.Call):
            name, said = ast.unparse(node.func), {key.arg: key.value for key in node.keywords}
            given = {arg: value.value for arg, value in said.items() if isinstance(value, ast.Constant)}
            wanted = WITH.get(name)
            if name in CALLS and (wanted is None or given.get(wanted[0]) is not wanted[1]):
                yield f"{node.lineno}: {name}"
            if given.get("shell") is True or "shell" in said.keys() - given.keys():
                yield f"{node.lineno}: a shell"
            if name.rpartition(".")[2] in LOADERS and given.get("trust_remote_code") is not False:
                own = name.startswith(("cls.", "self."))
                yield from () if own else (f"{node.lineno}: {name} without trust_remote_code=False",)
            if "trust_remote_code" in said and given.get("trust_remote_code") is not False:
                yield f"{node.lineno}: trust_remote_code"


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
    ],
)  # fmt: skip
def test_what_could_is_seen(code):
    assert list(unsafe(ast.parse(code)))


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
