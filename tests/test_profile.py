"""Profiles: complete, strict, and clear about what is wrong."""

from pathlib import Path

import pytest
import yaml

from fairkd import InputError, Profile
from fairkd.arms import NAMED
from fairkd.claims import paper
from fairkd.profile import PARAMETERS, SECTIONS, project_root
from fairkd.run.parameters_cells import parameters_cell

NAMES = ("tiny", "quick", "planted", "small", "paper")


@pytest.mark.parametrize("name", NAMES)
def test_shipped_profiles_are_valid_and_named_after_their_files(name):
    assert Profile.load(name).name == name


def test_every_shipped_profile_is_tested():
    assert {p.stem for p in (project_root() / PARAMETERS).glob("*.yaml")} == set(NAMES)


def test_values_survive_a_round_trip(tmp_path):
    for name in NAMES:
        profile = Profile.load(name)
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(profile.values()))
        assert Profile.load(path) == profile


def test_paper_profile_has_the_values_of_appendix_d():
    printed = {
        "temperature": 2.0, "mlm_mask_prop": 0.15, "word_mask": 0.8, "word_keep": 0.1, "word_rand": 0.1,
        "mlm_smoothing": 0.7, "n_epoch": 3, "batch_size": 8, "warmup_prop": 0.05, "weight_decay": 0.0,
        "learning_rate": 5e-4, "max_grad_norm": 5.0, "adam_epsilon": 1e-6, "initializer_range": 0.02, "alpha": 0.4,
        "corpus_fraction": 0.3,
    }  # fmt: skip
    values = Profile.load("paper").values()
    assert {name: values[name] for name in printed} == printed


def changed(**values):
    return Profile.load("tiny").changed(**values)


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"learning_rat": 1.0}, ["learning_rat: no such parameter", "Did you mean 'learning_rate'?"]),
        ({"learning_rate": "5e-4"}, ["learning_rate: '5e-4' is text, not a number", "write 5.0e-04"]),
        ({"max_steps": "1e3"}, ["max_steps: '1e3' is text", "write 1000"]),
        ({"max_steps": 1}, ["max_steps: 1 is one update", "learning rate 0", "allowed: 2 or more, or warmup_prop 0"]),
        ({"adapt_steps": 1}, ["adapt_steps: 1 is one update", "(warmup_prop 0.05)", "allowed: 2 or more"]),
        ({"temperature": 0.0}, ["temperature: 0.0 must be greater than 0"]),
        ({"mlm_mask_prop": 1.5}, ["mlm_mask_prop: 1.5 must be less than 1"]),
        ({"adapt": "allways"}, ["'allways' must be 'auto', 'always' or 'never'", "Did you mean 'always'?"]),
        ({"arms": ["ful"]}, ["arm 'ful' is unknown", "'full', 'no-cos', 'no-ce', 'mlm-only'", "Did you mean 'full'?"]),
        ({"arms": ["full", {"name": "full", "layers": 1}]}, ["the name 'full' is used twice"]),
        ({"arms": [{"name": "x", "layers": 2, "losses": ["cs"]}]}, ["loss 'cs' is unknown", "Did you mean 'cos'?"]),
        ({"arms": [{"name": "x", "layers": 2, "losses": []}]}, ["no loss given"]),
        ({"seeds": []}, ["seeds: []"]),
        ({"seeds": [1, 1]}, ["seeds: [1, 1] names a value twice"]),
        ({"seeds": 3}, ["seeds: 3 must be a list such as [0, 1]"]),
        ({"seeds": [True]}, ["seeds.0: True"]),
        ({"word_keep": 0.2}, ["word_mask + word_keep + word_rand must be 1, not 1.1"]),
        ({"loss_weights": "paper"}, ["loss_weights 'paper' is unknown", "Did you mean 'paper-sum'?"]),
        ({"loss_weights": {"ce": 1.0}}, ["loss_weights: ['mlm', 'cos'] missing"]),
        ({"adapt": "never"}, ["teacher 'scratch' has no trained MLM head"]),
        ({"teacher_hidden": None}, ["teacher 'scratch' needs teacher_layers and teacher_hidden"]),
        ({"seat_poolings": ["men"]}, ["seat_poolings.0: pooling 'men' is unknown", "Did you mean 'mean'?"]),
        ({"device": "gpu"}, ["device: 'gpu' must match"]),
        ({"adam_betas": [0.9, 1.0]}, ["adam_betas: [0.9, 1.0] must lie in [0, 1)"]),
        ({"depths": [0]}, ["depths: [0] must be 1 or more"]),
        ({"batch_size": 8.5}, ["batch_size: 8.5 must be a valid integer"]),
        ({"freeze_positions": "yes"}, ["freeze_positions: 'yes' must be a valid boolean"]),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_with_key_value_and_what_is_allowed(values, parts):
    with pytest.raises(InputError) as error:
        changed(**values)
    for part in parts:
        assert part in str(error.value)


def test_one_update_is_allowed_where_it_changes_a_weight_or_is_not_made():
    assert changed(max_steps=1, adapt_steps=1, warmup_prop=0.0).recipe.max_steps == 1
    assert changed(teacher="lab/bert", adapt="auto", adapt_steps=1).teacher.adapt_steps == 1  # it may have a head
    with pytest.raises(InputError, match="adapt_steps: 1 is one update"):
        changed(teacher="lab/bert", adapt="always", adapt_steps=1)


def test_all_problems_are_named_at_once():
    with pytest.raises(InputError, match=r"seeds: 3 must be a list .*\.; temperature: -1 must be greater than 0\."):
        changed(temperature=-1, seeds=3)


def test_a_missing_key_is_an_error(tmp_path):
    values = Profile.load("tiny").values()
    del values["temperature"]
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(InputError, match=r"p\.yaml: temperature: missing"):
        Profile.load(tmp_path / "p.yaml")


def test_an_exponent_without_a_dot_does_not_become_text_silently(tmp_path):
    text = (project_root() / PARAMETERS / "tiny.yaml").read_text()
    assert "learning_rate: 5.0e-4" in text
    (tmp_path / "p.yaml").write_text(text.replace("learning_rate: 5.0e-4", "learning_rate: 5e-4"))
    with pytest.raises(InputError, match=r"learning_rate: '5e-4' is text, not a number.*write 5\.0e-04"):
        Profile.load(tmp_path / "p.yaml")


def test_unknown_profiles_and_broken_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"no profile 'quik': .*Did you mean 'quick'\?"):
        Profile.load("quik")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1")
    with pytest.raises(InputError, match=r"broken\.yaml is not a YAML file"):
        Profile.load(broken)
    broken.write_text("- 1")
    with pytest.raises(InputError, match="must hold 'key: value' lines, not list"):
        Profile.load(broken)


def test_paths_that_do_not_exist_are_named_with_the_nearest(tmp_path: Path):
    (tmp_path / "corpus.txt").write_text("x")
    with pytest.raises(InputError) as error:
        changed(corpus=[str(tmp_path / "corpos.txt")])
    assert "does not exist" in str(error.value)
    assert "Did you mean 'corpus.txt'?" in str(error.value)
    with pytest.raises(InputError, match=r"teacher: '\./no-such-folder' does not exist"):
        changed(teacher="./no-such-folder", adapt="auto")


def test_lists_and_mappings_may_come_as_text_as_papermill_passes_them():
    assert changed(seeds="[3, 4]").seeds == (3, 4)
    weights = changed(loss_weights="{ce: 1.0, mlm: 0.5, cos: 0.0}").recipe.weights
    assert weights == {"ce": 1.0, "mlm": 0.5, "cos": 0.0}


def test_named_loss_weights():
    assert changed(loss_weights="distilbert").recipe.weights == {"ce": 5.0, "mlm": 2.0, "cos": 1.0}
    assert changed(loss_weights="paper-sum").recipe.weights == {"ce": 1.0, "mlm": 1.0, "cos": 1.0}


def test_groups_of_arms_are_those_of_the_papers_tables_and_each_arm_stands_once():
    names = [arm.name for arm in changed(arms=["table-1", "table-2", "full"]).table_arms()]
    assert names[:3] == ["full", "no-cos", "no-ce"]
    assert set(names) == {*paper.TABLE1, *paper.TABLE2}
    assert len(names) == len(set(names))
    every = {arm.name for arm in changed(arms=["table-1", "table-2", "ours"]).table_arms()}
    assert every == set(NAMED)


def test_arms_are_data():
    profile = changed(arms=["no-ce", {"name": "mine", "layers": 1, "losses": ["cos"]}])
    names = [arm.name for arm in profile.all_arms()]
    assert names == ["capacity-1", "capacity-2", "capacity-3", "no-ce", "mine"]
    assert profile.all_arms()[3].layers == profile.student_layers
    assert profile.all_arms()[3].losses == ("mlm", "cos")
    full = changed(arms=["full"]).table_arms()[0]
    assert full.content() == profile.all_arms()[1].content()  # capacity-2 is the student that Table 1 calls full


def test_the_parameters_cell_names_every_parameter_once_with_the_quick_values():
    cell = parameters_cell()
    found: dict[str, object] = {}
    exec(cell, {}, found)
    del found["__annotations__"]
    assert found == Profile.load("quick").values()
    assert all("  # " in line for line in cell.splitlines())


def test_everything_but_the_papers_own_setting_is_a_demonstration():
    paper = Profile.load("paper")
    assert not paper.is_demonstration
    assert not paper.changed(seeds=[5], device="cpu", runs_dir="elsewhere").is_demonstration
    assert "the paper's setting" in paper.scale
    for changes in ({"max_steps": 5}, {"teacher": "embedded"}, {"corpus": ["embedded"]}, {"temperature": 1.0}):
        assert paper.changed(**changes).is_demonstration, changes
    assert all(Profile.load(name).is_demonstration for name in NAMES if name != "paper")
    assert Profile.load("quick").scale.startswith("Demonstration: the profile 'quick'")


def test_broken_lists_and_arms_without_any_weight_are_refused():
    with pytest.raises(InputError, match=r"seeds: '\[0, 1' is not a complete list"):
        changed(seeds="[0, 1")
    with pytest.raises(InputError, match=r"arm 'mlm-only' learns from \['mlm'\], all of weight 0"):
        changed(loss_weights={"ce": 1.0, "mlm": 0.0, "cos": 1.0})


def test_every_flat_name_stands_for_one_value_of_one_group():
    profile = changed()
    values = profile.values()
    assert list(values) == list(Profile.parameters())
    groups = {"": profile, **{name: getattr(profile, name) for name in SECTIONS}}
    found = {}
    for own in groups.values():
        for name, field in type(own).__pydantic_fields__.items():
            if name not in SECTIONS:
                found.setdefault(str(field.validation_alias or name), []).append(getattr(own, name))
    assert {name: len(own) for name, own in found.items()} == dict.fromkeys(values, 1)
    for name, own in found.items():
        plain = list(own[0]) if isinstance(own[0], tuple) else own[0]
        assert plain == values[name], name
    assert (profile.recipe.batch_size, profile.glue_recipe.batch_size) == (
        values["batch_size"],
        values["glue_batch_size"],
    )
    assert profile.teacher.source == "scratch" == values["teacher"]
