"""Bad input of every kind and what the command line says of it: the table behind ``docs/errors.md``.

``python tests/bad_input.py`` writes that file; a test compares it with what is said, and looks that nothing is written.
"""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # what is said of the hub is part of the page

import contextlib
import io
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM

from fairkd.profile import project_root
from fairkd.run import cli
from fairkd.teachers.checkpoints import small_tokenizer
from fairkd.text.corpus import documents

VALUES = {
    "Arms and seeds": [
        ("seeds", "[]"), ("seeds", "[0, 0]"), ("seeds", "[0.5]"), ("seeds", "zero"),
        ("teacher_seeds", "[-1]"), ("teacher_seeds", "[0, 0]"), ("depths", "[0]"), ("depths", "[1, 1]"),
        ("depths", "[9]"), ("student_layers", "0"), ("student_layers", "9"), ("arms", "[ful]"),
        ("arms", "[full, full]"), ("arms", "[]"), ("arms", "[{name: mine, losses: [ce]}]"),
        ("arms", "[{name: full, losses: [mlm]}]"),
        ("arms", "[{name: mine, losses: [ce], layers: 1, mix: [z]}]"),
        ("arms", "[{name: ../up, losses: [ce], layers: 1}]"), ("device", "gpu"), ("device", "cuda:x"),
        ("planted_strengths", "[0.2]"), ("prepare_only", "perhaps"), ("profile", "a/b"), ("profile", "''"),
        ("profile", "rulers"), ("runs_dir", "empty.txt"), ("store_dir", "empty.txt"),
    ],
    "Loss and training": [
        ("loss_weights", "distilbart"), ("loss_weights", "{ce: 1}"), ("loss_weights", "{ce: -1, mlm: 1, cos: 1}"),
        ("loss_weights", "{ce: 0, mlm: 0, cos: 0}"), ("loss_weights", "{ce: 1, mlm: 1, cos: 1, mse: 1}"),
        ("temperature", "0"), ("temperature", "nan"), ("temperature", "warm"), ("mlm_mask_prop", "0"),
        ("mlm_mask_prop", "1.5"), ("word_mask", "0.9"), ("word_keep", "-0.1"), ("mlm_smoothing", "-1"),
        ("n_epoch", "0"), ("max_steps", "0"), ("max_steps", "1"), ("batch_size", "0"), ("batch_size", "8.5"),
        ("gradient_accumulation_steps", "0"), ("warmup_prop", "1.1"), ("weight_decay", "-0.1"), ("learning_rate", "0"),
        ("learning_rate", "inf"), ("max_grad_norm", "0"), ("adam_betas", "[0.9]"), ("adam_betas", "[0.9, 1.0]"),
        ("dropout", "1"), ("initializer_range", "0"), ("ce_token_fraction", "0"), ("checkpoint_every", "0"),
        ("freeze_positions", "2"),
    ],
    "Text and teacher": [
        ("corpus", "[]"), ("corpus", "[generated, generated]"), ("corpus", "[nowhere.txt]"), ("corpus", "[generatd]"),
        ("corpus", "['hub:']"), ("corpus", "['planted:2']"), ("corpus", "['planted:much']"), ("corpus", "[empty.txt]"),
        ("corpus", "[bytes.txt]"), ("corpus", "[lines.jsonl]"), ("corpus", "[generated, wrong.parquet]"),
        ("corpus_fraction", "0"), ("corpus_fraction", "2"), ("heldout_fraction", "1"), ("heldout_fraction", "0"),
        ("corpus_join", "8"), ("corpus_join", "{generatd: 8}"), ("corpus_join", "{generated: 0}"),
        ("max_length", "4"), ("max_length", "9999"), ("teacher", "embeded"), ("teacher", "./nowhere"),
        ("teacher", "models/empty"), ("teacher", "models/no-tokenizer"), ("teacher", "models/pickle"),
        ("teacher", "models/cut"), ("teacher", "models/nan"), ("teacher", "models/vocabulary"),
        ("teacher", "models/config"), ("teacher", "models/other"), ("teacher_layers", "0"), ("teacher_hidden", "33"),
        ("adapt", "sometimes"), ("adapt", "never"), ("adapt_steps", "1"), ("adapt_batch_size", "0"),
    ],
    "Mixup and debiasing": [
        ("alpha", "0"), ("alpha", "-0.4"), ("lambda_scope", "batches"), ("counterpart", "word"),
        ("gender_pairs", "nowhere.csv"), ("gender_pairs", "pairs-three.csv"), ("gender_pairs", "pairs-twice.csv"),
        ("gender_pairs", "pairs-same.csv"), ("gender_pairs", "pairs-empty.yaml"), ("gender_pairs", "pairs-list.yaml"),
        ("gender_pairs", "broken.yaml"), ("debias_words", "nowhere.yaml"), ("debias_words", "broken.yaml"),
        ("debias_words", "words-name.yaml"), ("debias_layers", "middle"), ("debias_target", "word"),
        ("debias_alpha", "0"), ("debias_beta", "-1"), ("debias_epochs", "0"), ("debias_sequences", "0"),
    ],
    "Measuring": [
        ("seat_poolings", "[median]"), ("seat_poolings", "[mean, mean]"), ("seat_permutations", "1"),
        ("seat_bootstrap", "10"), ("glue_source", "nowhere"), ("glue_source", "empty"), ("glue_tasks", "[COLA2]"),
        ("glue_tasks", "[RTE, RTE]"), ("glue_arms", "[ful]"), ("glue_students", "0"), ("glue_seeds", "[]"),
        ("glue_learning_curve", "[0]"), ("glue_max_length", "2"), ("glue_epochs", "0"), ("glue_dropout", "1.5"),
        ("glue_train_examples", "0"),
    ],
    "Names of parameters": [
        ("seed", "[0]"), ("temprature", "2"), ("lambda", "0.5"), ("mixup_settings", "{alfa: 1}"),
        ("seat_settings", "mean"), ("alpha", "'0.4'"),
    ],
}  # fmt: skip
"""By kind: parameters with a value that is not allowed, for ``fairkd prepare tiny -p NAME VALUE``."""

COMMANDS = {
    "Profiles": [
        "prepare quik", "prepare nowhere.yaml", "prepare broken.yaml", "prepare list.yaml", "prepare twice.yaml",
        "prepare bytes.txt", "prepare short.yaml", "train tiny -p prepare_only true", "train tiny --max-steps 0",
        "train tiny --max-steps 1", "reproduce tiny --max-steps x", "prepare tiny -p seeds", "prepare tiny -p seeds=[0",
        "prepare tiny -p seeds [0] -p seeds [1]",
    ],
    "Parts of a study": [
        "train tiny --seed 9", "train tiny --seed 0 --seed 0", "measure tiny --seed 9", "measure tiny",
        "finetune tiny --seed 1", "finetune tiny --task RTF", "submit quik", "submit tiny --executor slrum",
        "submit tiny --executor debug -- gpu=1", "submit tiny --executor debug -- nodes=2",
        "submit tiny --executor debug -- fast", "submit tiny --executor debug -- timeout_min=long",
        "submit tiny --executor local --gpus-per-job 1", "submit tiny --executor debug --gpus-per-job 9",
        "submit tiny --executor local --at-once 0",
    ],
    "Notebooks and pages": [
        "run 09_nothing", "run 01_capacty --profile tiny", "run 01_capacity --profile quik",
        "run 01_capacity --profile tiny -p depths [1,99]", "export nowhere.ipynb",
        "export bytes.ipynb", "export tiny", "export 01_capacity --profile tiny", "open tiny", "open quik",
        "status quik", "verify quik", "verify nowhere.html", "verify bytes.ipynb", "verify tiny --number one",
        "verify tiny --number 0.123456", "clean quik",
        "plan quik", "plan paper --measure", "plan tiny --measure",
        "plan paper --measure --device h100", "plan tiny --all --device h100", "plan tiny --all --gpus 2",
        "train paper --max-steps 2 --processes 4",
        "plan tiny --output nowhere/plan.json", "status tiny --output empty",
    ],
    "Models to measure": [
        "seat nowhere/model", "seat ./nowhere", "seat models/empty", "seat models/no-tokenizer", "seat models/pickle",
        "seat models/cut", "seat models/nan", "seat models/vocabulary", "seat models/config",
        "seat models/good --pooling max",
        "seat models/good --tokenizer nowhere/tokenizer", "seat models/good --output nowhere/x.json", "seat empty.txt",
        "bias models/good --ruler logprobability", "bias models/good --baseline models/other-name", "bias models/nan",
        "bias models/good models/pickle", "glue models/good --task RTE2", "glue models/good --source nowhere",
        "glue models/good --source empty", "glue models/nan --task RTE", "data rulers --to empty.txt",
    ],
    "Command lines": ["trian", "seat", "prepare --profile tiny", "plan tiny --no-such-option", "data everything"],
}  # fmt: skip
"""By kind: command lines."""


def command_lines() -> dict[str, list[list[str]]]:
    """By kind: the arguments of each."""
    values = {kind: [["prepare", "tiny", "-p", *pair] for pair in pairs] for kind, pairs in VALUES.items()}
    return values | {kind: [line.split(" ") for line in lines] for kind, lines in COMMANDS.items()}


def project(folder: Path) -> Path:
    """A project with the profile tiny and the files that the command lines name."""
    shutil.copytree(project_root() / "papermill_params", folder / "papermill_params")
    shutil.copytree(project_root() / "notebooks", folder / "notebooks")
    texts = {
        "empty.txt": "", "lines.jsonl": '{"text": "a b"}\nno JSON\n', "pairs-three.csv": "female,male\nshe,he,they\n",
        "pairs-twice.csv": "female,male\nshe,he\nshe,him\n", "pairs-same.csv": "female,male\nshe,she\n",
        "pairs-empty.yaml": "", "pairs-list.yaml": "[she, he]\n", "broken.yaml": "a: [1\n", "list.yaml": "[1, 2]\n",
        "twice.yaml": "profile: a\nprofile: b\n", "short.yaml": "profile: short\nseeds: [0]\n",
        "words-name.yaml": "females: [she]\n", "wrong.parquet": "no Parquet", "bytes.ipynb": "no notebook",
    }  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "bytes.txt").write_bytes(b"\xff\xfe\x00a")
    (folder / "empty").mkdir()
    models(folder / "models")
    return folder


def models(folder: Path) -> None:
    """A small BERT, and the same with one thing wrong in each folder."""
    tokenizer = small_tokenizer(list(documents("generated")))
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=64,
    )  # fmt: skip
    torch.manual_seed(0)
    good = folder / "good"
    BertForMaskedLM(config).save_pretrained(good)
    tokenizer.save_pretrained(good)
    for name in ("no-tokenizer", "pickle", "cut", "nan", "vocabulary", "config", "other"):
        shutil.copytree(good, folder / name)
    (folder / "empty").mkdir()
    for path in (folder / "no-tokenizer").glob("*token*"):
        path.unlink()
    (folder / "pickle" / "model.safetensors").rename(folder / "pickle" / "pytorch_model.bin")
    weights = (good / "model.safetensors").read_bytes()
    (folder / "cut" / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    tensors = load_file(good / "model.safetensors")
    tensors["bert.embeddings.word_embeddings.weight"][5] = float("nan")
    save_file(tensors, folder / "nan" / "model.safetensors", metadata={"format": "pt"})
    about = json.loads((good / "config.json").read_text())
    (folder / "vocabulary" / "config.json").write_text(json.dumps(about | {"vocab_size": 10}))
    (folder / "config" / "config.json").write_text("{")
    (folder / "other" / "config.json").write_text(json.dumps(about | {"model_type": "t5"}))


@contextlib.contextmanager
def within(folder: Path) -> Iterator[None]:
    """The block runs in a folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def said_of(arguments: list[str], folder: Path) -> tuple[int, str]:
    """Exit status of a command line in a project, and what it says on standard error, without the folder's name."""
    argv, error = sys.argv, io.StringIO()
    with within(folder), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(error):
        sys.argv = ["fairkd", *arguments]
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            sys.argv = argv
    return status, plain(error.getvalue(), folder)


def plain(text: str, folder: Path) -> str:
    """In one line, with what differs between machines left out."""
    text = text.replace(f"{folder.resolve()}/", "").replace(f"{folder}/", "")
    text = re.sub(r"[│╭╮╰╯─]+", " ", text)  # typer's frame
    return " ".join(text.split())


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file in a project but locks, with size and time of its last change."""
    found = {path: path.stat() for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".lock"}
    return {str(path.relative_to(folder)): (stat.st_size, stat.st_mtime_ns) for path, stat in found.items()}


HEAD = """# What is said of bad input

Every line below is a test: `python tests/bad_input.py` runs each command line in a project that holds the profiles,
small models and the files that are named, and writes this page. Each ends with the status that stands there, in one
message, and no file is made or changed (but for empty locks). Status 2 is wrong input; 1 is what failed on the way, a
disk for example.

"""


def page(folder: Path) -> str:
    """The text of ``docs/errors.md``."""
    parts, count = [], 0
    for kind, lines in command_lines().items():
        parts.append(f"## {kind}\n\n| command line | status | message |\n|---|---|---|\n")
        for arguments in lines:
            status, said = said_of(arguments, folder)
            count += 1
            line, said = " ".join(arguments).replace("|", r"\|"), said.replace("|", r"\|").replace("<", "&lt;")
            parts.append(f"| `{line}` | {status} | {said} |\n")
        parts.append("\n")
    return HEAD + f"{count} command lines.\n\n" + "".join(parts).rstrip("\n") + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        text = page(project(Path(temporary)))
    (project_root() / "docs" / "errors.md").write_text(text)
