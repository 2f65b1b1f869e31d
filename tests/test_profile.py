"""Profiles: complete, strict, and clear about what is wrong."""

import re
from pathlib import Path

import pytest
import yaml
from papermill.cli import _resolve_type as papermill_reads

from fairkd import InputError, Profile
from fairkd.arms import NAMED
from fairkd.claims import paper
from fairkd.engine.loading import resolve
from fairkd.profile import PARAMETERS, project_root
from fairkd.run.cli import with_parameters
from fairkd.settings import GROUPED, SECTIONS
from fairkd.teachers.checkpoints import load_checkpoint

NAMES = ("tiny", "quick", "planted", "overnight", "small", "paper")


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
        ({"device": "gpu"}, ["device: 'gpu' is no device", "Did you mean 'cuda'?"]),
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


def test_a_mistyped_group_is_named_and_what_it_held_is_missing_once(tmp_path):
    values = Profile.load("tiny").grouped()
    values["mixup_settigns"] = values.pop("mixup_settings")
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(InputError, match=r"Did you mean 'mixup_settings'\?; alpha, lambda_scope, .*: missing") as error:
        Profile.load(tmp_path / "p.yaml")
    assert str(error.value).count("missing") == 1


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


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_that_changes_nothing_is_the_profile_that_it_names(name):
    cell = {"profile": name, "seeds": ..., "max_steps": ..., "recipe_settings": {}, "glue_settings": "{}"}
    assert Profile.based(cell) == Profile.load(name)
    assert Profile.based({"profile": f"{PARAMETERS}/{name}.yaml"}) == Profile.load(name)


def test_what_a_cell_changes_goes_before_the_profile_and_a_value_by_name_before_its_group():
    groups = {"run_settings": {"seeds": [4], "depths": [2]}, "recipe_settings": {"max_steps": None}}
    profile = Profile.based({"profile": "tiny", "seeds": [5], "alpha": ..., **groups})
    expected = {"seeds": [5], "depths": [2], "max_steps": None}
    assert profile.values() == Profile.load("tiny").values() | expected
    assert Profile.load("tiny").changed(**groups).seeds == (4,)


def test_all_values_of_a_profile_need_no_file_of_its_name_and_some_do():
    values = Profile.load("tiny").changed(profile="mine").grouped()
    assert Profile.based(values).values() == Profile.load("tiny").values() | {"profile": "mine"}
    del values["seat_settings"]["seat_bootstrap"]
    with pytest.raises(InputError, match=r"no profile 'mine': .* these have no value: seat_bootstrap"):
        Profile.based(values)
    with pytest.raises(InputError, match=r"no profile 'quik': .* Did you mean 'quick'"):
        Profile.based({"profile": "quik"})
    with pytest.raises(InputError, match="profile: None must be the name"):
        Profile.based({"seeds": [0]})


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"recipe_settings": {"learning_rat": 1.0}}, "recipe_settings: no such parameter as 'learning_rat'; it has loss_weights, .*Did you mean 'learning_rate'"),  # noqa: E501
        ({"recipe_settings": {"alpha": 1.0}}, "recipe_settings: alpha is one of mixup_settings"),
        ({"glue_settings": {"source": "mini"}}, "glue_settings: no such .* Did you mean 'glue_source'"),
        ({"run_settings": {"profile": "x"}}, "run_settings: profile stands alone"),
        ({"seat_settings": 3}, "seat_settings: 3 must be a mapping"),
        ({"seat_settings": "{a"}, "seat_settings: '{a' is not a complete list or mapping"),
        ({"seat_setings": {}}, "seat_setings: no such parameter .* Did you mean 'seat_settings'"),
        ({"seat_settings": {"seat_bootstrap": 1}}, "seat_bootstrap: 1 must be greater than or equal to 100"),
        ({"seeds": None}, "seeds: None must be a list"),
    ],
)  # fmt: skip
def test_a_wrong_group_or_name_in_it_is_told(groups, message):
    with pytest.raises(InputError, match=message):
        Profile.based({"profile": "tiny", **groups})


def test_a_file_may_name_its_values_in_groups_or_one_by_one(tmp_path):
    for values in (Profile.load("quick").values(), Profile.load("quick").grouped()):
        (tmp_path / "p.yaml").write_text(yaml.safe_dump(values))
        assert Profile.load(tmp_path / "p.yaml") == Profile.load("quick")
    assert set(Profile.load("quick").grouped()) == {"profile", *GROUPED}


def test_everything_but_the_papers_own_setting_is_a_demonstration():
    paper = Profile.load("paper")
    assert not paper.is_demonstration
    assert not paper.changed(seeds=[5], device="cpu", runs_dir="elsewhere").is_demonstration
    assert "the paper's setting" in paper.scale
    for changes in (
        {"max_steps": 5},
        {"teacher": "embedded"},
        {"corpus": ["embedded"]},
        {"corpus_join": {}},
        {"temperature": 1.0},
    ):
        assert paper.changed(**changes).is_demonstration, changes
    assert all(Profile.load(name).is_demonstration for name in NAMES if name != "paper")
    assert Profile.load("quick").scale.startswith("Demonstration: the profile 'quick'")


def test_rows_are_joined_by_source_and_a_slip_in_its_name_is_told():
    paper = Profile.load("paper")
    assert list(paper.corpus.join.values()) == [8]
    assert set(paper.corpus.join) < set(paper.corpus.sources)
    assert paper.changed(corpus=["generated"]).corpus.join == paper.corpus.join  # of no source that is read
    assert changed(corpus=["generated"], corpus_join="{generated: 2}").corpus.join == {"generated": 2}
    with pytest.raises(InputError, match=r"corpus_join: 'generatd' is no source of corpus\. Did you mean 'generated'"):
        changed(corpus=["generated"], corpus_join={"generatd": 2})


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


def file_with(tmp_path: Path, **lines: str) -> Path:
    """The profile ``tiny`` as a file with other values, given as YAML text."""
    text = (project_root() / PARAMETERS / "tiny.yaml").read_text()
    for name, value in lines.items():
        text = re.sub(rf"(?m)^( *){name}:.*$", rf"\g<1>{name}: {value}", text)
    (tmp_path / "p.yaml").write_text(text)
    return tmp_path / "p.yaml"


@pytest.mark.parametrize(
    ("name", "value", "spellings"),
    [
        ("max_steps", None, ["None", "null", "Null", "NULL", "~"]),
        ("glue_source", None, ["None", "null"]),
        ("glue_learning_curve", None, ["None", "null"]),
        ("planted_strengths", None, ["None", "null"]),
        ("glue_dropout", None, ["None", "null"]),
        ("prepare_only", True, ["True", "true", "TRUE"]),
        ("freeze_positions", False, ["False", "false", "FALSE"]),
    ],
)
def test_none_and_truth_values_mean_the_same_however_they_come(tmp_path, name, value, spellings):
    for spelling in spellings:
        assert with_parameters(changed(), [f"{name}={spelling}"]).values()[name] is value
        assert changed(**{name: papermill_reads(spelling)}).values()[name] is value
        assert Profile.load(file_with(tmp_path, **{name: spelling})).values()[name] is value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("corpus", ["planted:0.5", "planted:.5"]),
        ("corpus", ["generated", "generated"]),
        ("corpus", ["hub:a/b", "hub:a/b::train"]),
        ("corpus", ["papermill_params/tiny.yaml", "papermill_params/../papermill_params/tiny.yaml"]),
        ("glue_tasks", ["RTE", "RTE"]),
        ("glue_arms", ["full", "full"]),
        ("arms", ["full", "full"]),
        ("seeds", [1, 1]),
    ],
)
def test_one_value_in_two_spellings_is_named_twice(name, value):
    with pytest.raises(InputError, match=rf"{name}: .* names a value twice"):
        changed(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("runs_dir", "a\0b", "no name of a folder"),
        ("store_dir", "a\nb", "no name of a folder"),
        ("runs_dir", "x" * 300, "no name of a folder"),
        ("profile", "Tiny", "differs from 'tiny' in case only"),
        ("profile", "store", "is the folder of finished students"),
        ("learning_rate", 1e-45, "greater than or equal to 0.000000001"),
        ("glue_learning_rate", 1e-45, "greater than or equal to 0.000000001"),
        ("adapt_learning_rate", 1e-45, "greater than or equal to 0.000000001"),
    ],
)
def test_names_of_other_folders_and_rates_that_change_nothing_are_refused(name, value, message):
    with pytest.raises(InputError, match=rf"{name}: .*{message}"):
        changed(**{name: value})


def test_no_mixup_may_be_spelled_either_way():
    for mix in (None, "None", "null"):
        profile = changed(arms=["full", {"name": "mine", "layers": 1, "mix": mix}])
        assert profile.table_arms()[1].mix is None


def test_text_that_spells_none_stays_text_where_text_is_wanted():
    assert changed(profile="null", corpus_column="None").values()["corpus_column"] == "None"
    with pytest.raises(InputError, match=r"learning_rate: 'None' must be a valid number"):
        changed(learning_rate="None")
    with pytest.raises(InputError, match=r"batch_size: 'True' must be a valid integer"):
        changed(batch_size="True")


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("corpus", "embedded", "corpus: 'embedded' must be a list such as [embedded]"),
        ("corpus", "a: b", "corpus: 'a: b' must be a list such as ['a: b']"),
        ("glue_tasks", "RTE", "glue_tasks: 'RTE' must be a list such as [RTE]"),
        ("seat_poolings", "cls", "seat_poolings: 'cls' must be a list such as [cls]"),
        ("arms", "full", "arms: 'full' must be a list such as [full]"),
        ("glue_arms", 3, "glue_arms: 3 must be a list of names"),
        ("glue_seeds", 3, "glue_seeds: 3 must be a list such as [0, 1]"),
    ],
)
def test_a_list_that_was_meant_is_shown_as_one_of_its_kind(name, value, hint):
    with pytest.raises(InputError, match=re.escape(hint)):
        changed(**{name: value})
    if isinstance(value, str):
        shown = hint.partition("such as ")[2]
        assert yaml.safe_load(shown) == [value]


def test_a_key_that_stands_twice_is_an_error_with_both_lines(tmp_path):
    text = (project_root() / PARAMETERS / "tiny.yaml").read_text()
    path = tmp_path / "p.yaml"
    path.write_text(text.replace("  seeds: [0, 1]\n", "  seeds: [0, 1]\n  seeds: [5]\n"))
    first = text.splitlines().index("  seeds: [0, 1]") + 1
    with pytest.raises(InputError, match=rf"'seeds' stands twice, in lines {first} and {first + 1}"):
        Profile.load(path)
    path.write_text(text + "seeds: [5]\n")
    with pytest.raises(InputError, match="seeds: given twice, alone and in a group"):
        Profile.load(path)
    for name, value in {
        "loss_weights": "{ce: 1.0, mlm: 1.0, ce: 2.0}",
        "arms": "[{name: a, layers: 1, name: b}]",
    }.items():
        with pytest.raises(InputError, match=r"the key '(ce|name)' stands twice, in lines (\d+) and \2"):
            Profile.load(file_with(tmp_path, **{name: value}))
        with pytest.raises(InputError, match="stands twice"):
            changed(**{name: value})  # as papermill passes it
    with pytest.raises(InputError, match="seeds has a value already"):
        with_parameters(changed(), ["seeds=[0]", "seeds = [1]"])


@pytest.mark.parametrize("text", ["[" * 5000, "- " * 5000, "{a: " * 5000, "&a [*a]", "seeds: &s [*s]"])
def test_yaml_nested_without_end_is_an_error(tmp_path, text):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"p\.yaml is not a YAML file: .*nested too deep"):
        Profile.load(path)
    with pytest.raises(InputError, match=r"nested too deep|seeds: .* is not|seeds: .* must be a list|seeds\.0: "):
        with_parameters(changed(), [f"seeds={text}"])


def test_yaml_whose_aliases_stand_for_millions_of_values_is_an_error(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    path = tmp_path / "p.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match="an alias holds too much"):
        Profile.load(path)


def test_aliases_may_be_used(tmp_path):
    path = file_with(tmp_path, seeds="&seeds [3, 4]", glue_seeds="*seeds")
    assert Profile.load(path).glue.seeds == (3, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must hold 'key: value' lines, not nothing"),
        (b"# a comment\n", "must hold 'key: value' lines, not nothing"),
        (b"- 1\n", "must hold 'key: value' lines, not list"),
        (b"text", "must hold 'key: value' lines, not str"),
        (b"seeds: \xff\n", r"is not a YAML file: not UTF-8 text \(invalid start byte at byte 7\)"),
        ("seeds: [0]\n".encode("utf-16"), "is not a YAML file: not UTF-8 text"),
        (b"seeds: \0", "is not a YAML file: unacceptable character"),
        (b"--- a\n--- b\n", "is not a YAML file: expected a single document"),
        (b"seeds: !!int x", "is not a YAML file: invalid literal for int"),
        (b"seeds: !!python/object:os.system x", "is not a YAML file: could not determine a constructor"),
    ],
)
def test_files_that_are_no_profile_say_what_they_are(tmp_path, content, message):
    (tmp_path / "p.yaml").write_bytes(content)
    with pytest.raises(InputError, match=rf"p\.yaml {message}"):
        Profile.load(tmp_path / "p.yaml")


@pytest.mark.parametrize(
    "value", [".nan", ".inf", "-.inf", "abc", "1e999", "'1e-4'", "[1.0]", "{a: 1}", "true", "2001-01-01"]
)
def test_a_learning_rate_that_is_no_number_is_named(tmp_path, value):
    for name in ("learning_rate", "adapt_learning_rate", "debias_learning_rate", "glue_learning_rate"):
        with pytest.raises(
            InputError, match=rf"p\.yaml: {name}: .* must be a |p\.yaml: {name}: '1e-4' is text, not a number"
        ):
            Profile.load(file_with(tmp_path, **{name: value}))


def test_values_of_any_size_are_named_in_a_line_of_some_hundred_characters():
    values = {
        "seeds": [16**5000],
        "batch_size": 16**5000,
        "teacher_layers": "x" * 10**6,
        "depths": [list(range(10**5))],
    }
    for name, value in values.items():
        with pytest.raises(InputError, match=name) as error:
            changed(**{name: value})
        assert len(str(error.value)) < 1000


NEAREST = [
    ("teacher", "embeded", "'embedded'"),
    ("teacher", "Scrach", "'scratch'"),
    ("corpus", ["generatd"], "'generated'"),
    ("corpus", ["Embedded"], "'embedded'"),
    ("corpus", ["plantd:0.5"], "'planted:0.5'"),
    ("corpus", ["hubb:wikimedia/wikipedia:20231101.en"], "'hub:wikimedia/wikipedia:20231101.en'"),
    ("glue_source", "minni", "'mini'"),
    ("glue_source", "hubb:nyu-mll/glue", "'hub:nyu-mll/glue'"),
    ("device", "gpu", "'cuda'"),
    ("device", "CUDA", "'cuda'"),
    ("device", "cpuu", "'cpu'"),
    ("gender_pairs", "apendix-c", "'appendix-c'"),
    ("debias_words", "buildin", "'built-in'"),
    ("debias_layers", "frst", "'first'"),
    ("debias_target", "tokens", "'token'"),
    ("lambda_scope", "sentence", "'sequence'"),
    ("counterpart", "vocab", "'vocabulary'"),
    ("adapt", "Auto", "'auto'"),
    ("loss_weights", "distilbertt", "'distilbert'"),
    ("loss_weights", {"ce": 1.0, "mlm": 1.0, "coss": 1.0}, "'cos'"),
    ("seat_poolings", ["CLS"], "'cls'"),
    ("glue_tasks", ["RTEE"], "'RTE'"),
    ("glue_arms", ["mixup_xy"], "'mixup-xy'"),
    ("arms", ["tabel-1"], "'table-1'"),
    ("arms", [{"name": "x", "layers": 1, "lossess": ["ce"]}], "'losses'"),
    ("arms", [{"name": "x", "layers": 1, "losses": ["coss"]}], "'cos'"),
    ("arms", [{"name": "x", "layers": 1, "teacher": "debaised"}], "'debiased'"),
]


@pytest.mark.parametrize(("name", "value", "near"), NEAREST)
def test_every_value_that_is_looked_up_has_its_nearest_name_in_the_error(name, value, near):
    with pytest.raises(InputError, match=re.escape(f"Did you mean {near}?")) as error:
        changed(**{name: value})
    assert name in str(error.value)


def test_a_level_of_mixup_is_named_with_those_there_are():
    with pytest.raises(InputError, match=r"mixup level 'z' is unknown; allowed are \['x', 'y', 'h'\]"):
        changed(arms=[{"name": "x", "layers": 1, "mix": ["z"]}])


def test_of_an_arm_only_what_is_wrong_is_said():
    with pytest.raises(InputError) as error:
        changed(arms=[{"name": "x"}])
    assert str(error.value) == "parameters: arms.0.layers: missing"


@pytest.mark.parametrize("open_model", [resolve, load_checkpoint])
def test_slips_of_embedded_are_found_before_a_hub_is_asked(monkeypatch, open_model):
    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", lambda *a, **k: pytest.fail("the hub was asked"))
    with pytest.raises(InputError, match=r"'embeded' is no folder.*Did you mean 'embedded'\?.*'owner/name'"):
        open_model("embeded")


@pytest.mark.parametrize("name", ["bert-base-uncased", "gpt2", "someone/embeded", "prajjwal1/bert-mini"])
def test_names_that_a_hub_may_have_are_left_to_it(name):
    assert changed(teacher=name, adapt="auto").teacher.source == name
    assert resolve(name) == name


def test_a_folder_may_be_called_almost_as_a_reserved_name(tmp_path, monkeypatch):
    (tmp_path / "embeded").mkdir()
    assert changed(teacher=str(tmp_path / "embeded"), adapt="auto").teacher.source.endswith("embeded")
    monkeypatch.chdir(tmp_path)
    assert resolve("embeded") == "embeded"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("planted:2", "no strength in"),
        ("planted:x", "no strength in"),
        ("hub:a/b/c", "not of the form"),
        ("hub:", "not of"),
    ],
)
def test_sources_with_a_wrong_form_are_refused_before_anything_is_loaded(source, message):
    with pytest.raises(InputError, match=f"corpus '{source}'.* {message}"):
        changed(corpus=[source])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("corpus", ["generated", "generated"]),
        ("corpus", ["README.md", "./README.md"]),
        ("glue_seeds", [1, 0, 1]),
        ("glue_learning_curve", [8, 8]),
        ("depths", [1, 1]),
        ("seat_poolings", ["cls", "cls"]),
    ],
)
def test_a_list_that_names_a_value_twice_is_refused(name, value):
    with pytest.raises(InputError, match=rf"{name}: .* names a value twice"):
        changed(**{name: value})


@pytest.mark.parametrize("name", ["~nobody-of-this-name/x", "a\0b", "x" * 5000, "\ud800"])
def test_odd_names_of_files_are_files_that_do_not_exist(name):
    for key in ("teacher", "gender_pairs", "debias_words", "glue_source"):
        if key != "teacher" or name.startswith("~"):
            with pytest.raises(InputError, match=key):
                changed(**{key: name, "adapt": "auto"})
    with pytest.raises(InputError, match="corpus"):
        changed(corpus=[name])
