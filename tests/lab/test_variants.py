"""Where results lie: a profile's in its folder, those of other values apart; a name hides no other's values."""

import itertools

import pytest
import torch
import yaml

from fairkd.errors import InputError
from fairkd.lab import variants
from fairkd.lab.variants import changed_copy, declare, difference, keep, output_dir, reference
from fairkd.profile import PARAMETERS, Profile, project_root

SHIPPED = ("tiny", "quick", "planted", "overnight", "small", "paper")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with the shipped profiles, as working directory."""
    (tmp_path / PARAMETERS).mkdir()
    for name in SHIPPED:
        text = (project_root() / PARAMETERS / f"{name}.yaml").read_text()
        (tmp_path / PARAMETERS / f"{name}.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(variants, "_declared", {})
    return tmp_path


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_profile_has_its_own_folder_wherever_things_lie(project, name):
    profile = Profile.load(name)
    assert output_dir(profile) == project / "runs" / name
    moved = profile.changed(runs_dir="elsewhere", store_dir="there", checkpoint_every=7, prepare_only=True)
    assert output_dir(moved) == project / "elsewhere" / name
    assert not (project / "runs").exists()


def test_other_values_lie_apart_from_the_profile_and_from_one_another(project):
    profile = Profile.load("tiny")
    changes = [{"seeds": [0]}, {"seeds": [1]}, {"alpha": 1.0}, {"alpha": 1.0, "seeds": [1]}, {"corpus": ["embedded"]}]
    folders = [output_dir(profile.changed(**change)) for change in changes]
    assert len(set(folders)) == len(changes)
    assert all(folder.parent == project / "runs" / "tiny" / "variants" for folder in folders)
    names = [folder.name.rpartition("-")[0] for folder in folders]
    assert names == ["seeds", "seeds", "alpha", "seeds+alpha", "corpus"]
    assert output_dir(profile.changed(seeds=[1], alpha=1.0)) == folders[3]  # whoever changes it, in whatever order
    many = profile.changed(seeds=[1], alpha=1.0, max_steps=3)
    assert output_dir(many).name.startswith("seeds+max_steps+more-")


def test_the_difference_is_told_with_both_values():
    tiny = Profile.load("tiny").values()
    assert difference(tiny, tiny) == ""
    assert difference(tiny | {"seat_bootstrap": 100}, tiny) == "seat_bootstrap 100 instead of 200"
    assert difference(tiny | {"teacher": "x"}, tiny) == "teacher 'x' instead of 'scratch'"
    assert difference({"alpha": 1}, {"alpha": 1, "beta": None}) == "beta nothing instead of None"
    assert difference({"a": 1}, {}) == "a 1 instead of nothing"
    assert difference({"a": "x" * 99}, {"a": 1}) == f"a '{'x' * 56}… instead of 1"
    many = difference(dict.fromkeys("abcdefg", 1), dict.fromkeys("abcdefg", 2))
    assert many.count("1 instead of 2") == 5
    assert many.endswith(" and 2 more")


@pytest.mark.parametrize(("label", "values"), list(itertools.permutations(SHIPPED, 2)))
def test_a_name_alone_changes_no_values_and_is_refused_with_both_ways_out(project, label, values):
    few = {"seat_bootstrap": 150, "alpha": 0.7}
    more = few | {"seeds": [7], "corpus_seed": 3, "temperature": 3.0, "seat_permutations": 77}
    for changes in ({}, {"seat_bootstrap": 150}, few, *([more] if {label, values} != {"small", "paper"} else [])):
        profile = Profile.load(values).changed(profile=label, **changes)
        with pytest.raises(InputError, match=f"profile: '{label}', but .* are those of '{values}'") as error:
            output_dir(profile)
        for way in (f"--profile {label}", f"-f papermill_params/{label}.yaml", f"profile = '{label}' where"):
            assert way in str(error.value)
        assert f"write profile = '{values}', or a name of your own" in str(error.value)
        assert output_dir(profile.changed(profile="mine")) == project / "runs" / "mine"


@pytest.mark.parametrize(("base", "towards"), list(itertools.permutations(SHIPPED, 2)))
def test_parameters_changed_one_by_one_stay_a_variant_until_they_are_another_profiles(project, base, towards):
    """As sliders, edits and -p do: half of the way to another profile is no mistake in the name."""
    own, other = Profile.load(base).values(), Profile.load(towards).values()
    names = [name for name in own if own[name] != other[name] and name != "profile"]
    half = own | {name: other[name] for name in names[: len(names) // 2]}
    profile = Profile.load(base)
    changed = object.__new__(Profile)  # half of another profile need not fit together; where it lies does not matter
    changed.__dict__.update(profile.__dict__)
    object.__setattr__(changed, "values", lambda: half)
    assert output_dir(changed).parent == project / "runs" / base / "variants"


def test_a_profile_of_ones_own_beside_the_shipped_ones_is_known_by_its_file(project):
    values = Profile.load("quick").values() | {"profile": "mine", "alpha": 0.2}
    file = project / PARAMETERS / "mine.yaml"
    file.write_text(yaml.safe_dump(values))
    assert output_dir(Profile.load("mine")) == project / "runs" / "mine"
    assert output_dir(Profile.load("mine").changed(alpha=0.4)).parent == project / "runs" / "mine" / "variants"
    # One value from quick is a variant of quick, although all of them are those of "mine".
    assert output_dir(Profile.load("quick").changed(alpha=0.2)).parent == project / "runs" / "quick" / "variants"
    file.write_text(yaml.safe_dump(values | {"alpha": 0.1234}))
    assert output_dir(Profile.load("mine")) == project / "runs" / "mine"  # the file says what it is, also when edited
    file.write_text("no: profile")
    assert output_dir(Profile.load("quick").changed(alpha=0.2)).parent == project / "runs" / "quick" / "variants"


def test_the_first_values_under_a_name_without_a_file_are_that_profile(project):
    mine = Profile.load("tiny").changed(profile="mine")
    assert reference(mine) is None
    assert output_dir(mine) == project / "runs" / "mine"
    other = mine.changed(seeds=[5])
    assert output_dir(other) == project / "runs" / "mine"  # nothing has been written yet
    keep(mine)
    assert yaml.safe_load((project / "runs/mine/profile.yaml").read_text()) == mine.grouped()
    assert reference(other) == mine
    assert output_dir(mine) == project / "runs" / "mine"
    assert output_dir(other).parent == project / "runs" / "mine" / "variants"
    keep(other)
    assert Profile.load(output_dir(other) / "profile.yaml") == other
    assert Profile.load(project / "runs/mine/profile.yaml") == mine
    assert variants.variants(mine) == {output_dir(other): other.values()}


def test_a_file_that_the_command_line_was_given_is_the_profile_of_its_name(project):
    first = Profile.load("tiny").changed(profile="mine")
    keep(first)
    edited = first.changed(seeds=[5])
    declare(edited)
    assert output_dir(edited) == project / "runs" / "mine"
    assert output_dir(first).parent == project / "runs" / "mine" / "variants"
    changed = edited.changed(alpha=1.0)
    keep(changed)  # a kernel of the variant must know what it is a variant of
    assert Profile.load(project / "runs/mine/profile.yaml") == edited
    declare(Profile.load("tiny").changed(seeds=[5]))  # a copy of a shipped profile whose name was not changed
    assert output_dir(Profile.load("tiny")) == project / "runs" / "tiny"


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"profile: mine", b"a: ["])
def test_a_record_that_is_none_is_passed_over(project, content):
    mine = Profile.load("tiny").changed(profile="mine")
    (project / "runs" / "mine" / "variants" / "x").mkdir(parents=True)
    for folder in ("runs/mine", "runs/mine/variants/x"):
        (project / folder / "profile.yaml").write_bytes(content)
    assert output_dir(mine) == project / "runs" / "mine"
    assert variants.variants(mine) == {}
    keep(mine)
    assert reference(mine) == mine


def test_nothing_is_kept_beside_results_where_a_file_of_the_project_says_it(project):
    keep(Profile.load("tiny"))
    (copy,) = (path for path in (project / "runs").rglob("*") if path.is_file())
    assert copy.parent == project / "runs" / "store" / "profiles"  # where the store says who uses it
    assert Profile.load(copy) == Profile.load("tiny").changed(runs_dir=str(project / "runs"))


def test_a_copy_that_was_changed_is_known(project):
    profile = Profile.load("tiny").changed(alpha=1.0)
    keep(profile)
    path = output_dir(profile) / "profile.yaml"
    whole = path.read_text()
    assert changed_copy(path) == ""
    for text in (whole.replace("alpha: 1.0", "alpha: 1.5"), whole[:-1], whole.replace("# SHA", "# SHB"), ""):
        path.write_text(text)
        assert changed_copy(path).startswith(f"{path} was changed")
    keep(profile)
    assert changed_copy(path) == ""


def test_which_device_of_a_kind_computes_makes_no_variant(project, monkeypatch):
    tiny = Profile.load("tiny")
    for count, own in ((0, "cpu"), (2, "cuda:1")):
        monkeypatch.setattr(torch.cuda, "device_count", lambda n=count: n)
        assert output_dir(tiny.changed(device=own)) == project / "runs" / "tiny"
    assert output_dir(tiny.changed(device="cpu")).name.startswith("device-")
    assert output_dir(tiny.changed(device="cuda:1", alpha=1.0)) == output_dir(tiny.changed(device="cuda", alpha=1.0))
