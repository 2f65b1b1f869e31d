"""Examples of GLUE from every source, equal in every layout, and what is said of those that do not fit."""

import builtins
import csv
import math
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from damaged import damaged
from glue_files import examples, fields, save_parquet, save_tsv, write_parquet, write_tsv
from hypothesis import given
from hypothesis import strategies as st

from fairkd.errors import InputError
from fairkd.glue.data import TaskData, check_source, load_task, suite
from fairkd.glue.tasks import TASKS, Task

ROWS = 64
EACH = pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
LAYOUTS = pytest.mark.parametrize("layout", ["parquet", "tsv"])
COLA, MRPC, RTE, STSB = TASKS["CoLA"], TASKS["MRPC"], TASKS["RTE"], TASKS["STS-B"]
EVERY = list(TASKS.values())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """All tasks in both layouts; only read."""
    root = tmp_path_factory.mktemp("glue")
    return SimpleNamespace(parquet=write_parquet(root / "p", rows=ROWS), tsv=write_tsv(root / "t", rows=ROWS))


def write(folder: Path, layout: str, *tasks: Task) -> Path:
    make = write_parquet if layout == "parquet" else write_tsv
    return make(folder, rows=12, tasks=[task.name for task in tasks])


def save(folder: Path, layout: str, task: Task, split: str, rows: list[dict[str, Any]]) -> Path:
    if layout == "parquet":
        return save_parquet(folder, task, split, rows)
    return save_tsv(folder, task, split, [fields(task, split, row) for row in rows])


def content(data: TaskData) -> dict[str, list[dict[str, Any]]]:
    return {split: rows.to_list() for split, rows in {"train": data.train, **data.dev}.items()}


def says(*parts: str) -> str:
    """A pattern for these texts in this order."""
    return "(?s)" + ".*".join(map(re.escape, parts))


# ---- both layouts ----------------------------------------------------------------------------------------------------


@EACH
@LAYOUTS
def test_each_layout_gives_the_examples_that_were_written(data: SimpleNamespace, task: Task, layout: str) -> None:
    found = content(load_task(task, str(getattr(data, layout))))
    assert list(found) == ["train", *task.dev]
    for split, rows in found.items():
        expected = [{key: row[key] for key in (*task.columns, "label")} for row in examples(task, split, ROWS)]
        assert rows == [{**row, "label": pytest.approx(row["label"])} for row in expected]


@EACH
def test_both_layouts_and_a_copy_elsewhere_have_one_digest(data: SimpleNamespace, task: Task, tmp_path: Path) -> None:
    one, other = load_task(task, str(data.parquet)), load_task(task, str(data.tsv))
    shutil.copytree(data.tsv / task.name, tmp_path / "other" / task.name)
    assert one.digest == other.digest == load_task(task, "other", folder=tmp_path / "other").digest
    assert len({load_task(task, str(data.tsv)).digest for task in EVERY}) == 8


@EACH
@LAYOUTS
def test_examples_have_text_columns_and_a_label_of_fixed_type(data: SimpleNamespace, task: Task, layout: str) -> None:
    loaded = load_task(task, str(getattr(data, layout)))
    label = datasets.Value("int64" if task.labels else "float32")
    for rows in (loaded.train, *loaded.dev.values()):
        assert isinstance(rows, datasets.Dataset)
        assert dict(rows.features) == {**{name: datasets.Value("string") for name in task.columns}, "label": label}


def test_written_texts_hold_what_careless_readers_lose(data: SimpleNamespace) -> None:
    # The point of the files above: the default of pandas does not read them as they are.
    texts = load_task(TASKS["SST-2"], str(data.tsv)).train["sentence"]
    assert {"NA", "null"} <= set(texts)
    assert any(text.count('"') == 1 for text in texts)
    assert any(text != text.strip() for text in texts)
    careless = pd.read_csv(data.tsv / "SST-2" / "train.tsv", sep="\t")
    assert list(careless.sentence) != list(texts)


def test_written_files_have_the_columns_of_the_real_ones(data: SimpleNamespace) -> None:
    def width(name: str) -> set[int]:
        with (data.tsv / name).open(encoding="utf-8-sig") as file:
            return {len(row) for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}

    assert width("MNLI/train.tsv") == {12}
    assert width("MNLI/dev_matched.tsv") == width("MNLI/dev_mismatched.tsv") == {16}
    assert width("STS-B/dev.tsv") == {10}
    assert width("QQP/train.tsv") == {6, 4}
    assert (data.tsv / "MRPC" / "train.tsv").read_bytes().startswith("\ufeffQuality\t#1 ID\t".encode())
    assert (data.tsv / "CoLA" / "train.tsv").read_text().startswith("gj04\t0\t*\t")


def test_lines_that_the_hubs_copy_lacks_are_left_out_and_counted(data: SimpleNamespace) -> None:
    assert load_task(TASKS["QQP"], str(data.tsv)).left_out == {"train": 1, "validation": 1}
    assert set(load_task(TASKS["MNLI"], str(data.tsv)).left_out.values()) == {1}
    assert load_task(RTE, str(data.tsv)).left_out == {} == load_task(TASKS["QQP"], str(data.parquet)).left_out


@pytest.mark.parametrize(("name", "label"), [("MNLI", "-"), ("QQP", "")])
def test_only_mnli_and_qqp_may_leave_lines_out(tmp_path: Path, name: str, label: str) -> None:
    for task in (TASKS[name], RTE):
        lines = [fields(task, "train", row) for row in examples(task, "train", 6)]
        write(tmp_path, "tsv", task)
        save_tsv(tmp_path, task, "train", [*lines, [*lines[0][:-1], label]])
    assert load_task(TASKS[name], str(tmp_path)).left_out["train"] == 1
    with pytest.raises(InputError, match=says("RTE", "line 8", "label")):
        load_task(RTE, str(tmp_path))


def test_line_that_breaks_off_is_an_error_elsewhere(tmp_path: Path) -> None:
    write(tmp_path, "tsv", STSB)
    lines = [fields(STSB, "train", row) for row in examples(STSB, "train", 3)]
    save_tsv(tmp_path, STSB, "train", [*lines, lines[0][:8]])
    with pytest.raises(InputError, match=says("STS-B", "'train'", "line 5", "breaks off before column 'sentence2'")):
        load_task(STSB, str(tmp_path))


def test_blank_lines_and_carriage_returns_change_nothing(tmp_path: Path) -> None:
    write(tmp_path, "tsv", COLA)
    digest = load_task(COLA, str(tmp_path)).digest
    path = tmp_path / "CoLA" / "train.tsv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert load_task(COLA, str(tmp_path)).digest == digest


@LAYOUTS
@pytest.mark.parametrize("change", ["text", "label", "order", "split", "boundary"])
def test_digest_sees_every_change_of_content(tmp_path: Path, layout: str, change: str) -> None:
    write(tmp_path, layout, RTE)
    before = load_task(RTE, str(tmp_path)).digest
    rows = examples(RTE, "train", 12)
    if change == "text":
        rows[3]["sentence2"] += "."
    elif change == "label":
        rows[3]["label"] = 1 - rows[3]["label"]
    elif change == "order":
        rows[3], rows[5] = rows[5], rows[3]
    elif change == "boundary":  # the same characters in a row, divided otherwise
        first, second = rows[0]["sentence1"], rows[1]["sentence1"]
        rows[0]["sentence1"], rows[1]["sentence1"] = first + second[0], second[1:]
    save(tmp_path, layout, RTE, "validation" if change == "split" else "train", rows)
    assert load_task(RTE, str(tmp_path)).digest != before


def test_hub_layout_may_spread_a_split_over_files(tmp_path: Path) -> None:
    write(tmp_path, "parquet", RTE)
    whole = load_task(RTE, str(tmp_path)).digest
    path = tmp_path / "rte" / "train-00000-of-00001.parquet"
    table = pq.read_table(path)
    for index in range(3):
        pq.write_table(table.slice(4 * index, 4), path.with_name(f"train-0000{index}-of-00003.parquet"))
    path.unlink()
    assert load_task(RTE, str(tmp_path)).digest == whole
    path.with_name("train-00001-of-00003.parquet").unlink()
    with pytest.raises(InputError, match=says("RTE", "2 files such as train-00000-of-00003.parquet", "3")):
        check_source(str(tmp_path), [RTE])


# ---- labels ----------------------------------------------------------------------------------------------------------


def test_classes_are_matched_by_name_when_a_file_numbers_them_otherwise(tmp_path: Path) -> None:
    task = TASKS["MNLI"]
    write(tmp_path, "parquet", task)
    before = load_task(task, str(tmp_path)).digest
    names = ("contradiction", "entailment", "neutral")
    rows = [{**row, "label": names.index(task.labels[row["label"]])} for row in examples(task, "train", 12)]
    save_parquet(tmp_path, task, "train", rows, names=names)
    assert load_task(task, str(tmp_path)).digest == before


@pytest.mark.parametrize("kind", ["ids without names", "names", "dictionary"])
def test_parquet_labels_may_be_plain_ids_or_names(tmp_path: Path, kind: str) -> None:
    write(tmp_path, "parquet", RTE)
    before = load_task(RTE, str(tmp_path)).digest
    frame = pd.DataFrame(examples(RTE, "train", 12))
    if kind != "ids without names":
        frame["label"] = [RTE.labels[label] for label in frame["label"]]
    if kind == "dictionary":
        frame = frame.astype({"label": "category", "sentence1": "category"})
    frame.to_parquet(tmp_path / "rte" / "train-00000-of-00001.parquet")
    assert load_task(RTE, str(tmp_path)).digest == before


def test_class_name_that_the_task_does_not_have_is_an_error_with_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, "parquet", RTE)
    save_parquet(tmp_path, RTE, "train", examples(RTE, "train", 12), names=("entailment", "not-entailment"))
    parts = (
        "RTE",
        "'train'",
        "unknown class 'not-entailment'",
        "['entailment', 'not_entailment']",
        "'not_entailment'?",
    )
    with pytest.raises(InputError, match=says(*parts)):
        load_task(RTE, str(tmp_path))


@pytest.mark.parametrize(
    ("label", "parts"),
    [
        (
            "entailmnt",
            ("line 5", "unknown label 'entailmnt'", "entailment, not_entailment", "Did you mean 'entailment'?"),
        ),
        ("2", ("line 5", "unknown label '2'", "0 to 1")),
        ("1.0", ("line 5", "unknown label '1.0'")),
        ("-1", ("line 5", "hidden ('-1')", "test splits", "entailment, not_entailment")),
        ("", ("line 5", "missing or hidden")),
    ],
)
def test_unknown_label_of_a_tsv_file_is_an_error_with_its_line(tmp_path: Path, label: str, parts: tuple) -> None:
    write(tmp_path, "tsv", RTE)
    lines = [fields(RTE, "validation", row) for row in examples(RTE, "validation", 6)]
    lines[3][-1] = label
    save_tsv(tmp_path, RTE, "validation", lines)
    with pytest.raises(InputError, match=says("RTE", "'validation'", *parts)):
        load_task(RTE, str(tmp_path))


@EACH
@pytest.mark.parametrize("position", [0, 1], ids=["train", "dev"])
def test_hidden_labels_are_an_error_in_every_task(tmp_path: Path, task: Task, position: int) -> None:
    write(tmp_path, "parquet", task)
    split = ("train", *task.dev)[position]
    save_parquet(tmp_path, task, split, [{**row, "label": -1} for row in examples(task, split, 5)])
    with pytest.raises(InputError, match=says(task.name, f"'{split}'", "row 1", "hidden")):
        load_task(task, str(tmp_path))


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.list_(pa.int64())])
def test_labels_of_a_type_that_does_not_fit_are_an_error(tmp_path: Path, kind: pa.DataType) -> None:
    write(tmp_path, "parquet", RTE)
    label: dict[Any, Any] = {pa.int64(): None, pa.float64(): 0.5}
    rows = [{**row, "label": label.get(kind, [0])} for row in examples(RTE, "train", 4)]
    schema = pa.schema([("sentence1", pa.string()), ("sentence2", pa.string()), ("label", kind)])
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "rte" / "train-00000-of-00001.parquet")
    with pytest.raises(InputError, match=says("RTE", "'train'", "label")):
        load_task(RTE, str(tmp_path))


@LAYOUTS
@pytest.mark.parametrize("label", [-0.2, 5.2, math.nan, math.inf, -1.0])
def test_similarity_outside_0_to_5_is_an_error(tmp_path: Path, layout: str, label: float) -> None:
    write(tmp_path, layout, STSB)
    rows = examples(STSB, "train", 12)
    rows[7]["label"] = label
    save(tmp_path, layout, STSB, "train", rows)
    place = "row 8" if layout == "parquet" else "line 9"
    with pytest.raises(InputError, match=says("STS-B", "'train'", place, "a number from 0 to 5")):
        load_task(STSB, str(tmp_path))


def test_similarity_that_is_no_number_is_an_error_and_the_bounds_are_allowed(tmp_path: Path) -> None:
    write(tmp_path, "tsv", STSB)
    rows = [{**row, "label": label} for row, label in zip(examples(STSB, "train", 2), (0.0, 5.0))]
    lines = [fields(STSB, "train", row) for row in rows]
    save_tsv(tmp_path, STSB, "train", lines)
    assert list(load_task(STSB, str(tmp_path)).train["label"]) == [0.0, 5.0]
    lines[1][-1] = "five"
    save_tsv(tmp_path, STSB, "train", lines)
    with pytest.raises(InputError, match=says("STS-B", "line 3", "'five'", "a number from 0 to 5")):
        load_task(STSB, str(tmp_path))


# ---- splits, columns, texts ------------------------------------------------------------------------------------------


@EACH
@LAYOUTS
def test_missing_split_is_an_error_that_names_what_is_there(tmp_path: Path, task: Task, layout: str) -> None:
    write(tmp_path, layout, task)
    split = task.dev[-1]
    for path in tmp_path.rglob(f"{split}-*" if layout == "parquet" else f"{split.replace('validation', 'dev')}.tsv"):
        path.unlink()
    for action in (lambda: load_task(task, str(tmp_path)), lambda: check_source(str(tmp_path), EVERY)):
        with pytest.raises(InputError, match=says(task.name, f"split '{split}' is missing", "it has", "test")):
            action()


def test_split_under_another_name_is_suggested(tmp_path: Path) -> None:
    path = write(tmp_path, "parquet", COLA) / "cola" / "validation-00000-of-00001.parquet"
    path.rename(path.with_name("valid-00000-of-00001.parquet"))
    with pytest.raises(InputError, match=says("CoLA", "validation-*.parquet", "it has test, train, valid", "'valid'?")):
        load_task(COLA, str(tmp_path))


@EACH
@LAYOUTS
def test_empty_split_is_an_error(tmp_path: Path, task: Task, layout: str) -> None:
    write(tmp_path, layout, task)
    save(tmp_path, layout, task, task.dev[-1], [])
    with pytest.raises(InputError, match=says(task.name, f"split '{task.dev[-1]}'", "is empty")):
        load_task(task, str(tmp_path))


@pytest.mark.parametrize("name", ["QQP", "CoLA"])
def test_file_of_no_bytes_is_an_error(tmp_path: Path, name: str) -> None:
    write(tmp_path, "tsv", TASKS[name])
    (tmp_path / name / "train.tsv").write_bytes(b"")
    with pytest.raises(InputError, match=says(name, "train")):
        load_task(TASKS[name], str(tmp_path))


@pytest.mark.parametrize("lost", ["premise", "label"])
def test_parquet_without_a_column_is_an_error_with_the_nearest(tmp_path: Path, lost: str) -> None:
    task = TASKS["MNLI"]
    path = write(tmp_path, "parquet", task) / "mnli" / "train-00000-of-00001.parquet"
    pd.read_parquet(path).rename(columns={lost: f"{lost}s"}).to_parquet(path)
    with pytest.raises(InputError, match=says("MNLI", "'train'", f"no column '{lost}'", "it has", f"'{lost}s'?")):
        load_task(task, str(tmp_path))


def test_tsv_of_another_task_is_an_error_that_names_its_columns(tmp_path: Path) -> None:
    write(tmp_path, "tsv", RTE, TASKS["QNLI"])
    shutil.copy(tmp_path / "QNLI" / "dev.tsv", tmp_path / "RTE" / "dev.tsv")
    parts = (
        "RTE",
        "'validation'",
        "no column 'sentence1'",
        "['index', 'question', 'sentence', 'label']",
        "'sentence'?",
    )
    with pytest.raises(InputError, match=says(*parts)):
        load_task(RTE, str(tmp_path))


def test_cola_with_a_header_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, "tsv", COLA) / "CoLA" / "dev.tsv"
    path.write_text("source\tlabel\tmark\tsentence\n" + path.read_text())
    with pytest.raises(InputError, match=says("CoLA", "line 1", "unknown label 'label'")):
        load_task(COLA, str(tmp_path))


@pytest.mark.parametrize("change", ["none", "type"])
def test_missing_text_and_column_that_is_not_text_are_errors(tmp_path: Path, change: str) -> None:
    path = write(tmp_path, "parquet", MRPC) / "mrpc" / "validation-00000-of-00001.parquet"
    frame = pd.read_parquet(path)
    if change == "none":
        frame.loc[4, "sentence2"] = None
    else:
        frame["sentence2"] = range(len(frame))
    frame.to_parquet(path)
    parts = ("row 5", "'sentence2' has no text") if change == "none" else ("'sentence2' holds int64, not text",)
    with pytest.raises(InputError, match=says("MRPC", "'validation'", *parts)):
        load_task(MRPC, str(tmp_path))


@pytest.mark.parametrize(
    ("path", "content"), [("rte/train-00000-of-00001.parquet", b"PAR1 no"), ("RTE/train.tsv", "ä".encode("latin-1"))]
)
def test_broken_file_is_an_error_that_names_it(tmp_path: Path, path: str, content: bytes) -> None:
    write(tmp_path, path.rpartition(".")[2], RTE)
    (tmp_path / path).write_bytes(content)
    with pytest.raises(InputError, match=says("RTE", "'train'", path.rpartition("/")[2])):
        load_task(RTE, str(tmp_path))


# ---- folders ---------------------------------------------------------------------------------------------------------


@LAYOUTS
def test_folder_with_some_of_the_tasks_says_which_and_gives_those(tmp_path: Path, layout: str) -> None:
    write(tmp_path, layout, COLA, STSB)
    check_source(str(tmp_path), [STSB, COLA])
    assert len(load_task(COLA, str(tmp_path)).train) == 12
    for action in (lambda: load_task(RTE, str(tmp_path)), lambda: check_source(str(tmp_path), [COLA, RTE])):
        with pytest.raises(
            InputError, match=says("RTE is not in", "rte/<split>-*.parquet", "RTE/*.tsv", "CoLA, STS-B")
        ):
            action()


def test_check_names_every_task_that_cannot_be_used(tmp_path: Path) -> None:
    write(tmp_path, "tsv", COLA)
    with pytest.raises(InputError) as caught:
        check_source(str(tmp_path), EVERY)
    assert all(f"GLUE task {task.name} is not in" in str(caught.value) for task in EVERY if task is not COLA)
    assert "GLUE task CoLA" not in str(caught.value)


def test_folder_with_a_task_in_each_layout_is_read_and_a_task_in_both_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "tsv", COLA, RTE)
    write(tmp_path, "parquet", STSB, RTE)
    check_source(str(tmp_path), [COLA, STSB])
    for action in (lambda: load_task(RTE, str(tmp_path)), lambda: check_source(str(tmp_path), [COLA, RTE])):
        with pytest.raises(InputError, match=says("RTE is twice", "rte/*.parquet", "RTE/*.tsv", "keep one")):
            action()


@pytest.mark.parametrize("folder", [None, "there"])
def test_folder_without_any_task_and_folder_that_is_not_there_are_errors(tmp_path: Path, folder: str | None) -> None:
    (tmp_path / "glue_data").mkdir()
    for action in (load_task, lambda task, *rest: check_source(rest[0], [task])):
        with pytest.raises(InputError, match=says("CoLA is not in", "tasks that are there: none")):
            action(COLA, str(tmp_path / "glue_data"))
        with pytest.raises(InputError, match=says("glue_dat' is no folder", "'mini'", "'hub:REPO'", "'glue_data'?")):
            action(COLA, str(tmp_path / "glue_dat"))
    with pytest.raises(InputError, match=says("'mni' is no folder", "Did you mean 'mini'?")):
        check_source("mni", EVERY, folder=tmp_path / "mni")


def test_relative_folder_is_found_from_the_working_directory_or_where_it_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "glue", "tsv", COLA)
    with pytest.raises(InputError, match="is no folder"):
        load_task(COLA, "glue")
    check_source("glue", [COLA], folder=tmp_path / "glue")
    first = load_task(COLA, "glue", folder=tmp_path / "glue")
    monkeypatch.chdir(tmp_path)
    check_source("glue", [COLA])
    assert load_task(COLA, "glue").digest == first.digest
    assert first.source == "glue"


# ---- hub and mini ----------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps what ``load_dataset`` prepares out of the user's cache."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("name", ["MNLI", "STS-B", "MRPC"])
def test_hub_repository_gives_what_its_files_give(data: SimpleNamespace, name: str) -> None:
    source = f"hub:{data.parquet}"  # a local copy of a repository, read by load_dataset(repository, configuration)
    check_source(source, EVERY)
    assert load_task(TASKS[name], source).digest == load_task(TASKS[name], str(data.parquet)).digest


@pytest.mark.usefixtures("cache")
def test_hub_repository_without_a_split_or_configuration_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "hub", "parquet", RTE)
    readme = tmp_path / "hub" / "README.md"
    text = readme.read_text()
    readme.write_text(text.replace("split: validation", "split: valid"))
    with pytest.raises(
        InputError, match=says("RTE", "split 'validation' is missing", "train, valid, test", "'valid'?")
    ):
        load_task(RTE, f"hub:{tmp_path / 'hub'}")
    with pytest.raises(InputError, match=says("CoLA", "configuration 'cola'", "rte")):
        load_task(COLA, f"hub:{tmp_path / 'hub'}")


@pytest.mark.parametrize(("source", "repo"), [("hub", "nyu-mll/glue"), ("hub:someone/glue", "someone/glue")])
def test_hub_is_asked_for_the_tasks_configuration_and_for_no_code(
    data: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, source: str, repo: str
) -> None:
    asked = []

    def load_dataset(*args: object, **options: object) -> datasets.DatasetDict:
        asked.append((args, options))
        parts = ("train", "validation", "test")
        return datasets.DatasetDict(
            {
                part: datasets.Dataset(pq.read_table(data.parquet / "rte" / f"{part}-00000-of-00001.parquet"))
                for part in parts
            }
        )

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert load_task(RTE, source).digest == load_task(RTE, str(data.parquet)).digest
    assert asked == [((repo, "rte"), {})]


@pytest.mark.usefixtures("cache")
def test_hub_out_of_reach_is_an_error_with_the_way_out() -> None:
    check_source("hub:someone/no-such-glue", EVERY)  # never asks the hub
    with pytest.raises(
        InputError, match=says("RTE", "'rte' of 'someone/no-such-glue' cannot be read", "name their folder")
    ):
        load_task(RTE, "hub:someone/no-such-glue")


@pytest.mark.parametrize("source", ["hub:", "hub:a/b/c", "hub:/no/such/folder", "hub:a b"])
def test_what_is_no_hub_id_is_an_error_before_any_network_use(source: str) -> None:
    for action in (lambda: load_task(COLA, source), lambda: check_source(source, [COLA])):
        with pytest.raises(InputError, match=says(repr(source), "neither a hub id nor a folder", "nyu-mll/glue")):
            action()


@EACH
def test_mini_glue_has_the_form_of_the_real_tasks(task: Task, data: SimpleNamespace) -> None:
    mini, real = load_task(task, "mini", folder=Path("/not/looked/at")), load_task(task, str(data.parquet))
    check_source("mini", [task])
    assert list(mini.dev) == list(real.dev)
    assert mini.train.features == real.train.features
    assert mini.digest == load_task(task, "mini").digest
    if task.labels:
        assert set(mini.train["label"]) == set(range(len(task.labels)))


def test_mini_glue_is_not_called_glue() -> None:
    assert suite("mini") == "mini-GLUE (synthetic)"
    assert {suite(source) for source in ("hub", "hub:nyu-mll/glue", "some/folder")} == {"GLUE"}


def test_tasks_and_checks_need_no_heavy_library(monkeypatch: pytest.MonkeyPatch, data: SimpleNamespace) -> None:
    real = builtins.__import__

    def no_heavy(name: str, *rest: Any) -> Any:
        assert name.split(".")[0] not in ("datasets", "pandas", "pyarrow", "torch", "transformers", "sklearn"), name
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", no_heavy)
    check_source(str(data.tsv), EVERY)


# ---- any content -----------------------------------------------------------------------------------------------------

NOT_UTF8 = pa.Array.from_buffers(pa.string(), 4, pa.array([b"\xff\xfe", b"a", b"b", b"c"]).buffers())
COLUMNS: dict[str, Any] = {
    "numbers": pa.array([0, 1, 2**62, None]),
    "large numbers": pa.array([0, 1, 2**63 + 5, 1], pa.uint64()),
    "fractions": pa.array([0.0, math.nan, math.inf, 1e300]),
    "truths": pa.array([True, False, None, True]),
    "texts": pa.array(["", "0", "entailment", None]),
    "odd numbers": pa.array(["٣", "9" * 5000, "1e400", "nan"]),
    "bytes": pa.array([b"\xff", b"a", b"0", b"1"]),
    "categories": pa.array(["0", "1", "0", "1"]).dictionary_encode(),
    "categories of bytes": pa.array([b"0", b"\xff", b"0", b"1"]).dictionary_encode(),
    "large texts": pa.array(["a", "b", "c", "d"], pa.large_string()),
    "not UTF-8": NOT_UTF8,
    "instants": pa.array([2**62] * 4, pa.timestamp("us")),
    "nothing": pa.nulls(4),
    "lists": pa.array([[1], [], None, [2]]),
    "records": pa.array([{"a": 1}] * 4),
    "mappings": pa.array([[("a", 1)]] * 4, pa.map_(pa.string(), pa.int64())),
}


@given(st.data())
def test_any_columns_and_any_description_of_them_give_examples_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = write_parquet(tmp_path_factory.mktemp("any"), rows=4, tasks=["RTE"])
    path = root / RTE.config / "train-00000-of-00001.parquet"
    table = pq.read_table(path)
    for name in data.draw(st.lists(st.sampled_from(["sentence1", "sentence2", "label"]), max_size=2, unique=True)):
        kind = data.draw(st.sampled_from(sorted(COLUMNS)), name)
        table = table.set_column(table.column_names.index(name), name, COLUMNS[kind])
    if data.draw(st.booleans(), "described otherwise"):
        meta = dict(table.schema.metadata)
        table = table.replace_schema_metadata(meta | {b"huggingface": data.draw(damaged(meta[b"huggingface"]))})
    pq.write_table(table, path)
    try:
        found = load_task(RTE, str(root))
    except InputError as error:
        assert RTE.name in str(error)  # noqa: PT017
    else:
        assert set(found.train.features) == {"sentence1", "sentence2", "label"}
        assert len(found.train) == 4
    shutil.rmtree(root)


@pytest.mark.parametrize("name", ["sentence2", "label"])
def test_a_column_that_is_not_utf8_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    write_parquet(tmp_path, rows=4, tasks=["RTE"])
    path = tmp_path / RTE.config / "train-00000-of-00001.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index(name), name, NOT_UTF8), path)
    with pytest.raises(InputError, match=says("RTE", "'train'", name, "not UTF-8")):
        load_task(RTE, str(tmp_path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("README.md", b"---\nconfigs: 3\n---\n"),
        ("README.md", b"\xff\xfe---"),
        ("README.md", b"---\nconfigs:\n- config_name: [[[\n"),
        ("rte/train-00000-of-00001.parquet", b"PAR1 and nothing else PAR1"),
        ("rte/validation-00000-of-00001.parquet", b""),
    ],
)
def test_a_damaged_copy_of_a_repository_is_a_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    write_parquet(tmp_path, rows=4, tasks=["RTE"])
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="GLUE task RTE"):
        load_task(RTE, f"hub:{tmp_path}")
