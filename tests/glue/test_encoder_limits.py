"""Fine-tuning asks what an encoder reads before it trains: how many tokens, whose vocabulary, which kinds."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from glue_files import write_tsv
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    BertTokenizer,
    DistilBertConfig,
    DistilBertModel,
    GPT2Config,
    GPT2Model,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    ViTConfig,
    ViTModel,
    XLNetConfig,
    XLNetModel,
)

from fairkd.engine.limits import Limits, limits_of
from fairkd.engine.store import Store
from fairkd.errors import InputError
from fairkd.glue.classifiers import classifier, load_model, open_encoder
from fairkd.glue.data import load_task
from fairkd.glue.evaluate import evaluate_glue
from fairkd.glue.finetune import Run, finetune
from fairkd.glue.recipe import GlueRecipe
from fairkd.glue.tasks import TASKS
from fairkd.glue.trainer import tokenised

NO_LIMITS = Limits(longest=None, vocabulary=None, token_types=None)
CPU = torch.device("cpu")
RECIPE = GlueRecipe(max_length=32, epochs=1)
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS), *".,'\"«»–-ï"]
SIZE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    return str(write_tsv(tmp_path_factory.mktemp("glue"), rows=24, tasks=["RTE", "SST-2"]))


def tokenizer(pieces=PIECES):
    return BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, do_lower_case=True)


def ending(*special: str):
    """The same tokenizer with these tokens behind each text instead of those of BERT."""
    backend = Tokenizer.from_str(tokenizer().backend_tokenizer.to_str())
    pairs = [(name, PIECES.index(name)) for name in special]
    both = f"$A {' '.join(special)}", f"$A $B {' '.join(special)}"
    backend.post_processor = processors.TemplateProcessing(single=both[0], pair=both[1], special_tokens=pairs)
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    return PreTrainedTokenizerFast(tokenizer_object=backend, **names)


def save(folder: Path, model, tokens) -> Path:
    model.save_pretrained(folder)
    tokens.save_pretrained(folder)
    return folder


def bert(**options) -> BertModel:
    return BertModel(BertConfig(**({"vocab_size": len(PIECES), **SIZE} | options)))


def evaluate(folder: Path, source: str, tmp_path: Path, task: str = "RTE", recipe: GlueRecipe = RECIPE):
    return evaluate_glue(folder, source, [task], recipe, seeds=[0], store=Store(tmp_path / "store"), device=CPU)


SHORT = {
    "bert": lambda: bert(max_position_embeddings=16),
    "roberta": lambda: RobertaModel(RobertaConfig(vocab_size=len(PIECES), max_position_embeddings=18, pad_token_id=1,
                                                  type_vocab_size=2, **SIZE)),
    "distilbert": lambda: DistilBertModel(DistilBertConfig(vocab_size=len(PIECES), max_position_embeddings=16, dim=16,
                                                           n_layers=1, n_heads=2, hidden_dim=16)),
}  # fmt: skip


@pytest.mark.parametrize("kind", SHORT)
def test_examples_are_cut_at_what_the_encoder_reads(kind, source, tmp_path):
    encoder = open_encoder(save(tmp_path / kind, SHORT[kind](), tokenizer()))
    assert encoder.limits.longest == 16
    data = load_task(TASKS["RTE"], source)
    rows = tokenised(data.train, data.task, encoder.tokenizer, 32, NO_LIMITS)
    assert max(len(row["input_ids"]) for row in rows) == 32
    folder = finetune(Run(encoder, data, RECIPE, seed=0, device=CPU), Store(tmp_path / "store"))
    assert len(pd.read_parquet(folder / "predictions-validation.parquet")) == 24


def test_it_is_said_at_how_many_tokens_examples_are_cut(source, tmp_path, capsys):
    table, failures = evaluate(save(tmp_path / "bert", SHORT["bert"](), tokenizer()), source, tmp_path)
    assert failures == {}
    assert set(table["metric"]) == {"accuracy", "headline"}
    said = "fairkd: examples are cut at 16 tokens, all that the encoder reads, and not at 32\n"
    assert capsys.readouterr().err.endswith(said)


@pytest.fixture
def not_trained(monkeypatch):
    """Each task fails where it would be trained."""

    def fails():
        raise InputError("not trained")

    monkeypatch.setattr("fairkd.glue.workers.Workers.start", lambda *_: fails)


def test_nothing_is_said_of_an_encoder_that_reads_all(not_trained, source, tmp_path, capsys):
    folder = save(tmp_path / "bert", bert(), tokenizer())
    assert evaluate(folder, source, tmp_path)[1] == {"RTE": "not trained"}
    assert "cut at" not in capsys.readouterr().err


def test_pairs_are_cut_from_the_longer_text_to_the_encoders_length():
    rows = {"sentence1": ["a b c d e f g h i j k l m n o p"], "sentence2": ["x y"], "label": [0]}
    limits = limits_of(bert(max_position_embeddings=12))
    (row,) = tokenised(rows, TASKS["RTE"], tokenizer(), 128, limits)
    kept = tokenizer().convert_ids_to_tokens(row["input_ids"])
    assert kept == ["[CLS]", *"abcdefg", "[SEP]", "x", "y", "[SEP]"]


@pytest.fixture
def untrained(monkeypatch):
    """Fails where anything is trained."""
    monkeypatch.setattr("fairkd.glue.workers.Workers.start", lambda *_: pytest.fail("it trains"))


def test_a_tokenizer_of_another_vocabulary_is_refused_before_training(untrained, source, tmp_path):
    folder = save(tmp_path / "bert", bert(vocab_size=12), tokenizer())
    with pytest.raises(InputError, match=r"not belong to this encoder: token id \d+ in '.*', but .* 12 entries"):
        evaluate(folder, source, tmp_path)


def test_token_types_that_the_encoder_does_not_have_are_refused_before_training(untrained, source, tmp_path):
    folder = save(tmp_path / "bert", bert(type_vocab_size=1), tokenizer())
    with pytest.raises(InputError, match=r"does not belong to this encoder: it gives the token type 1, .* has 1"):
        evaluate(folder, source, tmp_path)


def test_a_run_checks_its_training_examples_too():
    """A student of the store is not read before its run, which checks every example itself."""
    rows = {"sentence": ["a", "z"], "label": [0, 1]}
    with pytest.raises(InputError, match="does not belong to this encoder"):
        tokenised(rows, TASKS["SST-2"], tokenizer(), 32, limits_of(bert(vocab_size=20)))


UNSUPPORTED = {
    "gpt2": (lambda: GPT2Model(GPT2Config(vocab_size=len(PIECES), n_embd=16, n_layer=1, n_head=2)), ["[SEP]"]),
    "xlnet": (lambda: XLNetModel(XLNetConfig(vocab_size=len(PIECES), d_model=16, n_layer=1, n_head=2, d_inner=16)),
              ["[SEP]", "[CLS]"]),
    "bert": (bert, ["[SEP]"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNSUPPORTED)
def test_a_model_that_is_not_read_at_a_cls_in_front_is_refused_before_its_weights_are_read(kind, tmp_path):
    make, special = UNSUPPORTED[kind]
    folder = save(tmp_path / kind, make(), ending(*special))
    (folder / "model.safetensors").write_bytes(b"unread")
    message = rf"is a '{kind}' model: its tokenizer puts no \[CLS\] token in front; fine-tuning takes BERT, DistilBERT"
    with pytest.raises(InputError, match=message):
        open_encoder(folder)


def test_a_kind_without_classifier_and_a_tokenizer_without_padding_are_refused(tmp_path):
    vision = ViTModel(ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, image_size=32))
    with pytest.raises(InputError, match=r"is a 'vit' model: transformers has no classifier for it"):
        open_encoder(save(tmp_path / "vit", vision, tokenizer()))
    backend = tokenizer().backend_tokenizer
    without = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", cls_token="[CLS]")
    with pytest.raises(InputError, match=r"its tokenizer has no padding token"):
        open_encoder(save(tmp_path / "bert", bert(), without))


@pytest.mark.parametrize(("lost", "said"), [("aeiou", True), ("", False)])
def test_a_tokenizer_that_does_not_know_much_of_a_task_is_named(not_trained, lost, said, source, tmp_path, capsys):
    pieces = [piece for piece in PIECES if piece.removeprefix("##") not in {*lost}]
    folder = save(tmp_path / "bert", bert(vocab_size=len(pieces)), tokenizer(pieces))
    assert evaluate(folder, source, tmp_path, "SST-2")[1] == {"SST-2": "not trained"}
    found = capsys.readouterr().err
    assert ("% of the development examples' tokens are unknown to the tokenizer" in found) is said


@pytest.mark.parametrize("labels", [2, 5])
def test_a_head_that_was_trained_before_is_new_in_every_fine_tuning(labels, tmp_path):
    """With as many labels transformers would keep it, and with more it would refuse the checkpoint."""
    headed = BertForSequenceClassification(BertConfig(vocab_size=len(PIECES), num_labels=labels, **SIZE))
    with torch.no_grad():
        headed.classifier.weight.fill_(7)
        headed.classifier.bias.fill_(7)
    folder = save(tmp_path / "headed", headed, tokenizer())
    encoder, heads = open_encoder(folder), []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        model = classifier(encoder, TASKS["RTE"])
        heads.append(model.classifier.weight.detach().clone())
        assert not model.classifier.bias.any()
        assert torch.equal(model.bert.pooler.dense.weight, headed.bert.pooler.dense.weight)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
    assert heads[0].abs().max() < 0.2


def test_an_encoder_without_head_has_the_head_that_transformers_gives_it(tmp_path):
    folder = save(tmp_path / "bert", bert(), tokenizer())
    weights = load_file(folder / "model.safetensors")
    shutil.copytree(folder, tmp_path / "headed")
    extra = {"classifier.weight": torch.ones(2, 16), "classifier.bias": torch.ones(2)}
    save_file(weights | extra, tmp_path / "headed" / "model.safetensors", metadata={"format": "pt"})
    torch.manual_seed(3)
    plain = BertForSequenceClassification.from_pretrained(folder, num_labels=2).classifier.weight
    torch.manual_seed(3)
    assert torch.equal(load_model(str(folder), {"num_labels": 2}).classifier.weight, plain)
    assert not torch.equal(load_model(str(tmp_path / "headed"), {"num_labels": 2}).classifier.weight, torch.ones(2, 16))
