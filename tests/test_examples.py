"""The examples in docstrings: all run, and each public name has one."""

import doctest
import importlib
import pkgutil

import pytest

import fairkd

PUBLIC = {
    "fairkd.bias.stimuli": ["TESTS", "stimuli"],
    "fairkd.bias.association": ["effect_size", "p_value"],
    "fairkd.bias.encoding": ["encode"],
    "fairkd.seat": ["evaluate"],
    "fairkd.losses": ["distillation_losses"],
    "fairkd.masking": ["sampling_weights"],
    "fairkd.students": ["layer_map", "student_from_teacher"],
    "fairkd.pairs": ["PAIRS"],
    "fairkd.distill": ["distill"],
    "fairkd.profile": ["Profile.load"],
}
"""Where each is defined; fairkd.seat hands on those of fairkd.bias."""


def examples(module: str) -> dict[str, doctest.DocTest]:
    """The examples of a module by the name of what they stand in; those of the module itself under ""."""
    found = doctest.DocTestFinder().find(importlib.import_module(module), module)
    return {test.name.removeprefix(module).removeprefix("."): test for test in found if test.examples}


MODULES = [name for _, name, _ in pkgutil.walk_packages(fairkd.__path__, "fairkd.") if name != "fairkd.__main__"]
ALL = {module: found for module in MODULES if (found := examples(module))}


@pytest.mark.parametrize("module", ALL)
def test_examples_run(module, capsys):
    for name, test in ALL[module].items():
        if name in PUBLIC.get(module, ()):  # a reader pastes it after importing this one name
            own = name.partition(".")[0]
            test.globs = {own: test.globs[own]}
        assert doctest.DocTestRunner(verbose=False).run(test).failed == 0, f"{name}: {capsys.readouterr().out}"


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in PUBLIC.items() for name in names])
def test_each_public_name_has_an_example(module, name):
    """That of a constant stands in its module's docstring."""
    used = ALL[module][name] if name in ALL[module] else ALL[module][""]
    assert any(name.rpartition(".")[2] in example.source for example in used.examples)
