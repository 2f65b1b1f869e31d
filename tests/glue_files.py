"""Small GLUE folders in the two layouts in which the real data come, with the same content in both.

``write_parquet`` writes the hub's repository: a README that declares the configurations, and for each a folder of
Parquet files whose labels are ``ClassLabel`` features; test splits have the label -1. ``write_tsv`` writes the classic
download with the headers of the real files: CoLA without one, MRPC's with a byte-order mark, and unbalanced quotation
marks within the texts. It also has what the hub's copy lacks: a pair of MNLI without a gold label, and a line of QQP
that breaks off.

The sentences are ours. A word in each says what the label is, so that a model can learn the tasks.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fairkd.glue.tasks import TASKS, Task

NOUNS = ("river", "engine", "garden", "letter", "market", "bridge", "window", "doctor", "teacher", "forest", "song")
VERBS = ("moves", "waits", "grows", "falls", "turns", "burns", "sleeps")
SIGNS = (("never", "bad", "wrong"), ("always", "good", "right"), ("maybe", "odd", "strange"))
# Texts that careless readers lose: lone quotation marks at the start and inside, and words for missing values.
TRAPS = ('" {} he said', 'the {} is 6" long', "{} , it 's {{so}}", "«{}» – naïve", "NA", "null", "None", " {} ", "1.0")

HEADERS = {
    "MNLI": "index promptID pairID genre sentence1_binary_parse sentence2_binary_parse sentence1_parse sentence2_parse "
    "sentence1 sentence2 label1 gold_label",
    "QQP": "id qid1 qid2 question1 question2 is_duplicate",
    "QNLI": "index question sentence label",
    "SST-2": "sentence label",
    "STS-B": "index genre filename year old_index source1 source2 sentence1 sentence2 score",
    "MRPC": "Quality,#1 ID,#2 ID,#1 String,#2 String",
    "RTE": "index sentence1 sentence2 label",
}
MNLI_DEV = HEADERS["MNLI"].replace("label1", "label1 label2 label3 label4 label5")


def header(task: Task, split: str) -> list[str]:
    """Names of the columns of a ``.tsv`` file; none for CoLA."""
    if task.name == "MNLI" and split != "train":
        return MNLI_DEV.split()
    text = HEADERS.get(task.name, "")
    return text.split(",") if "," in text else text.split()


def examples(task: Task, split: str, rows: int) -> list[dict[str, Any]]:
    """Rows with the hub's columns: texts, label (class id, or a number in steps of 0.2) and idx."""
    shift = 5 * ("train", *task.dev).index(split)
    found = []
    for index in range(rows):
        label: float = index % len(task.labels) if task.labels else round(0.2 * (index % 26), 3)
        signs = SIGNS[int(label) % 3]
        noun, verb = NOUNS[(index + shift) % len(NOUNS)], VERBS[index % len(VERBS)]
        texts = [f"the {noun} {verb} {signs[0]} {index}", f"a {signs[1]} {noun} , {signs[2]} {index + shift}"]
        if index % 7 == 3:
            position = index % len(task.columns)
            texts[position] = TRAPS[(index // 7) % len(TRAPS)].format(texts[position])
        found.append({**dict(zip(task.columns, texts)), "label": label, "idx": index})
    return found


def write_parquet(folder: Path, *, rows: int = 64, tasks: Iterable[str] = TASKS) -> Path:
    """The hub's layout; ``rows`` examples a split. Returns the folder."""
    configs = []
    for task in (TASKS[name] for name in tasks):
        (folder / task.config).mkdir(parents=True, exist_ok=True)
        for split in ("train", *task.dev):
            save_parquet(folder, task, split, examples(task, split, rows))
        hidden = [{**row, "label": -1} for row in examples(task, "train", 4)]
        save_parquet(folder, task, "test", hidden)
        configs += [f"- config_name: {task.config}", "  data_files:"]
        for split in ("train", *task.dev, "test"):
            configs += [f"  - split: {split}", f"    path: {task.config}/{split}-*"]
    (folder / "README.md").write_text("\n".join(["---", "configs:", *configs, "---", "# GLUE", ""]))
    return folder


def save_parquet(
    folder: Path, task: Task, split: str, rows: list[dict[str, Any]], *, names: tuple[str, ...] | None = None
) -> Path:
    """One split in one file. ``names`` are the class names in the order of the labels, by default the hub's."""
    from datasets import ClassLabel, Dataset, Features, Value

    kind = ClassLabel(names=list(names or task.labels)) if task.labels else Value("float32")
    texts = {column: Value("string") for column in task.columns}
    columns = {name: [row[name] for row in rows] for name in (*task.columns, "label", "idx")}
    path = folder / task.config / f"{split}-00000-of-00001.parquet"
    Dataset.from_dict(columns, Features({**texts, "label": kind, "idx": Value("int32")})).to_parquet(path)
    return path


def write_tsv(folder: Path, *, rows: int = 64, tasks: Iterable[str] = TASKS) -> Path:
    """The classic download; ``rows`` examples a split, those of :func:`write_parquet`. Returns the folder."""
    for task in (TASKS[name] for name in tasks):
        (folder / task.name).mkdir(parents=True, exist_ok=True)
        for split in ("train", *task.dev):
            cells = [fields(task, split, row) for row in examples(task, split, rows)]
            if task.name == "MNLI":
                cells.insert(1, [*cells[0][:-1], "-"])
            if task.name == "QQP":
                cells.insert(1, ["133", "134", "135", "how does a question break"])
            save_tsv(folder, task, split, cells)
        unlabelled = ["\t".join(("index", *task.columns)), "0\ta sentence" + "\tanother" * (len(task.columns) - 1)]
        (folder / task.name / f"test{'_matched' * (task.name == 'MNLI')}.tsv").write_text("\n".join(unlabelled) + "\n")
    return folder


def save_tsv(folder: Path, task: Task, split: str, lines: list[list[str]]) -> Path:
    """One split from the fields of its lines, below the task's header."""
    names = header(task, split)
    text = "".join("\t".join(line) + "\n" for line in ([names] if names else []) + lines)
    path = folder / task.name / f"{split.replace('validation', 'dev')}.tsv"
    path.write_text(text, encoding="utf-8-sig" if task.name == "MRPC" else "utf-8", newline="\n")
    return path


def fields(task: Task, split: str, row: dict[str, Any]) -> list[str]:
    """The fields of one line of a ``.tsv`` file, written out for each task."""
    texts, number, index = [row[column] for column in task.columns], str(row["label"]), str(row["idx"])
    name = task.labels[row["label"]] if task.labels else ""
    if task.name == "MNLI":
        parses = ["( the parse )", "( the parse )", "(ROOT (S))", "(ROOT (S))"]
        votes = ["neutral", "neutral", "entailment", "neutral", "contradiction"] if split != "train" else ["neutral"]
        return [index, f"31{index}", f"31{index}n", "government", *parses, *texts, *votes, name]
    return {
        "QQP": [index, f"1{index}", f"2{index}", *texts, number],
        "QNLI": [index, *texts, name],
        "SST-2": [*texts, number],
        "CoLA": ["gj04", number, "*" if number == "0" else "", *texts],
        "STS-B": [
            index,
            "main-captions",
            "MSRvid",
            "2012test",
            f"{index:>04}",
            "none",
            "none",
            *texts,
            f"{row['label']:.3f}",
        ],
        "MRPC": [number, f"70{index}", f"80{index}", *texts],
        "RTE": [index, *texts, name],
    }[task.name]
