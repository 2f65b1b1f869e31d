"""The house: rooms import downward only, no module imports itself in a circle, and an import changes nothing."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fairkd

PACKAGE = Path(fairkd.__file__).parent
FLOORS = [
    "wording errors rng frames pairs",
    "names masking",
    "losses",
    "engine stats",
    "bias students glue",
    "seat claims text",
    "gender",
    "mixup",
    "arms",
    "batches",
    "micro_batches",
    "objective teachers",
    "distill debias",
    "settings",
    "profile",
    "lab",
    "show",
    "experiment",
    "run",
    "__init__ __main__",
]
"""Lowest first; a room or a file of the top level, and what stands on one floor does not import one another."""
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms.split()}
MODULES = {
    ".".join(("fairkd", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def imported(source: str, *, at_import: bool = False) -> Iterator[str]:
    """The modules of fairkd that a source imports, in functions too unless ``at_import``."""
    tree = ast.parse(source)
    for node in _at_import(tree) if at_import else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("fairkd."))
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "fairkd":
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                yield whole if whole in MODULES else node.module


def _at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs when the module is imported."""
    for child in ast.iter_child_nodes(node):
        type_checking = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not type_checking:
            yield child
            yield from _at_import(child)


def room(module: str) -> str:
    return "__init__" if module == "fairkd" else module.split(".")[1]


def upward(module: str, source: str) -> list[str]:
    """What a module imports from its own floor or above, its own room excepted."""
    own = room(module)
    return [name for name in imported(source) if room(name) != own and FLOOR[room(name)] >= FLOOR[own]]


def test_every_room_and_file_of_the_top_level_stands_on_a_floor():
    assert {room(module) for module in MODULES} == set(FLOOR)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_run_downward_only(module):
    assert not upward(module, MODULES[module].read_text())


def test_the_rule_sees_imports_of_every_form():
    assert upward("fairkd.losses", "from fairkd import arms") == ["fairkd.arms"]
    assert upward("fairkd.bias.x", "def f():\n    from fairkd.lab.plan import cost") == ["fairkd.lab.plan"]
    assert upward("fairkd.engine.x", "import fairkd.stats.resampling") == ["fairkd.stats.resampling"]
    assert not upward("fairkd.engine.x", "from fairkd.engine.store import Store\nfrom fairkd.losses import mlm_rows")


def test_no_circle_of_imports():
    graph = {module: set(imported(path.read_text())) for module, path in MODULES.items()}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " imports ".join((*path, module))
        if module not in done:
            for name in sorted(graph.get(module, ())):
                visit(name, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())
    assert len(done) == len(MODULES)


def public_names(source: str) -> Iterator[str]:
    """What a module defines at its top level, but for what begins with an underscore."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found = [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        else:
            found = []
        yield from (name for name in found if not name.startswith("_"))


def test_each_public_name_has_one_meaning():
    """The functions of ``run.cli`` are the commands that they are named for, and nothing imports them."""
    places: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        if module != "fairkd.run.cli":
            for name in public_names(path.read_text()):
                places.setdefault(name, set()).add(module)
    assert {name: sorted(modules) for name, modules in places.items() if len(modules) > 1} == {}
    assert {"LOSSES", "LossTerm", "distillation_losses"} <= set(public_names(MODULES["fairkd.losses"].read_text()))


def test_every_init_but_the_packages_own_is_empty_or_a_front_door():
    """``figures`` and ``tables`` are what notebooks import: they hand on names, and hold no code of their own."""
    doors = set()
    for path in PACKAGE.rglob("__init__.py"):
        body = ast.parse(path.read_text()).body
        if path.parent != PACKAGE and body:
            doors.add(path.parent.name)
            assert {type(node) for node in body} == {ast.Expr, ast.ImportFrom, ast.Assign}, path
    assert doors == {"figures", "tables"}


NOT_CORE = {"glue", "claims", "text", "teachers", "settings", "profile", "lab", "show", "experiment", "run"}
NOT_CORE |= {"__init__", "__main__"}
CORE = sorted(module for module in MODULES if room(module) not in NOT_CORE)
"""The paper's own: bias, stats, engine, and the files of the top level up to ``distill`` and ``debias``."""


def fresh(code: str) -> str:
    """What a fresh process prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


STATE = """
import sys, torch, transformers
from transformers import AttentionInterface, AttentionMaskInterface

def state():
    registered = sorted(AttentionInterface().keys()) + sorted(AttentionMaskInterface().keys())
    kernels = [torch._C._dispatch_dump(f"aten::{name}") for name in ("mm", "addmm", "addmm_", "bmm", "linear")]
    flags = [torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled(), torch.initial_seed(),
             torch.are_deterministic_algorithms_enabled(), torch.backends.mkldnn.enabled,
             torch.get_float32_matmul_precision(), torch.get_rng_state().tolist()]
    return registered, kernels, flags
"""


@pytest.fixture(scope="module")
def process() -> list[str]:
    """What a fresh process prints: the modules that the core brings; whether importing all changes the state; setup.

    Also where oneDNN does not pay: here it is made to pay, so that an import that set it up would be seen.
    """
    everything = sorted(m for m in MODULES if not m.endswith("__main__"))
    return fresh(
        STATE
        + "import fairkd.engine.products as products\nproducts.pays = lambda *_: True\nbefore = state()\n"
        + f"import {', '.join(CORE)}\nprint(*sys.modules)\n"
        + f"import {', '.join(everything)}\n"
        + "print(state() == before, products.in_use())\n"
        + "from fairkd.engine.dropout import register\nregister()\nprint('fairkd' in AttentionInterface())\n"
        + "from fairkd.engine.setup import setup\nbefore = state()\n"
        + "if all(hasattr(torch.ops.mkldnn, name) for name in products.OPERATORS):\n"
        + "    setup()\n    print(state() != before, products.in_use())\n"
    ).splitlines()


def test_the_research_core_brings_no_notebook_plot_or_corpus_library(process):
    loaded = set(process[0].split())
    assert set(CORE) <= loaded
    banned = {"jupyter", "jupyterlab", "jupyter_client", "IPython", "ipywidgets", "papermill", "nbconvert", "nbformat"}
    assert not loaded & (banned | {"matplotlib", "seaborn", "gensim", "datasets"})


def test_an_import_changes_no_global_state_and_setup_does(process):
    assert process[1] == "True PyTorch"
    assert process[2] == "True"
    assert process[3:] in ([], ["True oneDNN"])
