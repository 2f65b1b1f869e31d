"""Folders of models as people have them: whatever lies in one, it is loaded whole or refused in a sentence."""

import json
import shutil
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import torch
from damaged import damaged
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoModel, BertConfig, BertForMaskedLM, BertModel, BertTokenizer, T5Config, T5EncoderModel

from fairkd.bias.encoding import encode_each, load_encoder
from fairkd.bias.masked import load_masked_lm
from fairkd.bias.unknown import unknown_sentences, unknown_words
from fairkd.engine.loading import load_config, load_tokenizer, resolve
from fairkd.engine.store import Store
from fairkd.errors import InputError
from fairkd.glue.classifiers import open_encoder
from fairkd.glue.tasks import TASKS
from fairkd.glue.trainer import tokenised
from fairkd.lab.estimate import recorded_shape
from fairkd.profile import Profile
from fairkd.teachers.checkpoints import load_checkpoint, small_tokenizer

TOKENIZER = small_tokenizer(["this is a man ."])
CONFIG = BertConfig(
    vocab_size=len(TOKENIZER), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
    max_position_embeddings=64, initializer_range=0.3,
)  # fmt: skip
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A good folder, with each file that a tokenizer or an index may lie in; only read."""
    folder = tmp_path_factory.mktemp("whole")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForMaskedLM(CONFIG).save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    pieces = TOKENIZER.get_vocab()
    (folder / "vocab.txt").write_text("\n".join(sorted(pieces, key=pieces.__getitem__)) + "\n")
    return folder


@pytest.fixture
def folder(whole, tmp_path) -> Path:
    return shutil.copytree(whole, tmp_path / "model")


def read_everything(folder: Path) -> None:
    """What the program reads of a folder: for SEAT, for GLUE, and as a teacher; each gives a value or an InputError."""
    for read in (_for_seat, _for_glue, as_teacher):
        with suppress(InputError):
            read(folder)


def as_teacher(folder):
    return load_checkpoint(str(folder), folder=folder)


def _for_seat(folder):
    model, tokenizer = load_encoder(folder)
    unknown_sentences(tokenizer)
    vectors = encode_each(model, tokenizer, ["This is a man.", "a b"], ["mean", "cls", "first_token"])
    assert {found.shape[0] for found in vectors.values()} == {2}
    unknown_words(tokenizer)


def _for_glue(folder):
    encoder = open_encoder(folder)
    rows = {"sentence": ["a b", "This is a man."], "label": [0, 1]}
    assert len(tokenised(rows, TASKS["SST-2"], encoder.tokenizer, 16, encoder.limits)) == 2


def test_a_good_folder_is_read_by_all(whole):
    _for_seat(whole)
    _for_glue(whole)
    assert load_checkpoint(str(whole), folder=whole).has_mlm_head


EXTRA = {INDEX: b'{"metadata": {}, "weight_map": {"bert.pooler.dense.bias": "model.safetensors"}}',
         "special_tokens_map.json": b'{"cls_token": "[CLS]", "unk_token": {"content": "[UNK]"}}',
         "added_tokens.json": b'{"mine": 40}', "generation_config.json": b'{"eos_token_id": 3}',
         "modules.json": b'[{"idx": 0, "path": "0_T"}]'}  # fmt: skip
"""Files that a folder may have besides."""
FILES = ["config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", WEIGHTS, *EXTRA]


@settings(max_examples=3 * settings().max_examples)
@given(name=st.sampled_from(FILES), data=st.data())
def test_any_bytes_in_a_file_of_a_model_give_a_value_or_a_sentence(whole, name, data):
    with tempfile.TemporaryDirectory() as place:
        folder = shutil.copytree(whole, Path(place) / "model")
        alone = {"vocab.txt": "tokenizer.json", INDEX: WEIGHTS}.get(name)  # in whose place it is read
        good = EXTRA.get(name) or (folder / name).read_bytes()
        if alone and data.draw(st.booleans(), "alone"):
            (folder / alone).rename(folder / "elsewhere")
        (folder / name).write_bytes(data.draw(damaged(good), name))
        read_everything(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_the_place_of_a_file_gives_a_value_or_a_sentence(folder, name):
    (folder / name).unlink(missing_ok=True)
    (folder / name).mkdir()
    read_everything(folder)


# Weights


def rename(folder: Path, change) -> None:
    weights = {change(name): weight for name, weight in load_file(folder / WEIGHTS).items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


@pytest.mark.parametrize("prefix", ["module.", "model.", "0.auto_model."])
def test_weights_that_are_named_after_what_wraps_the_model_are_named_so(folder, prefix):
    rename(folder, lambda name: prefix + name)
    with pytest.raises(
        InputError, match=rf"lacks \d+ weights of a BertModel.*begin with '{prefix}bert\.': save the mod"
    ):
        load_encoder(folder)
    for read in (open_encoder, as_teacher):
        with pytest.raises(InputError, match=rf"lacks \d+ weights.*begin with '{prefix}'"):
            read(folder)


@pytest.mark.parametrize("change", [str.upper, lambda name: "", lambda name: f"\u20ac {len(name)}\n{name}"])
def test_weights_under_odd_names_are_missing(folder, change):
    rename(folder, change)
    with pytest.raises(InputError, match=r"lacks \d+ weights of a BertModel \(embeddings\.LayerNorm\.bias, "):
        load_encoder(folder)


def test_a_file_of_no_weights_lacks_them_all(folder):
    save_file({}, folder / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lacks \d+ weights"):
        load_encoder(folder)


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n", b"\xff" * 40])
def test_weights_that_are_something_else_are_refused(folder, content):
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(InputError, match=r"cannot load the weights.*must be in safetensors"):
        load_encoder(folder)


@pytest.mark.parametrize("content", ["[]", "3", "{}", '{"weight_map": []}', '{"weight_map": {"a": 3}}', "\ufeff"])
def test_an_index_of_another_form_is_refused(folder, content):
    (folder / WEIGHTS).unlink()
    (folder / INDEX).write_text(content)
    with pytest.raises(InputError, match=r"cannot load the weights"):
        load_encoder(folder)


def change_config(folder: Path, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def test_layers_that_the_config_does_not_speak_of_are_not_passed_over(folder):
    change_config(folder, num_hidden_layers=1)
    for read in (load_encoder, open_encoder, as_teacher):
        with pytest.raises(
            InputError, match=r"holds 16 weights of layers that its config\.json does not speak of \(bert\."
        ):
            read(folder)


@pytest.mark.parametrize(("name", "value"), [("num_hidden_layers", 0), ("num_hidden_layers", 10**9),
                                             ("num_attention_heads", -1), ("hidden_size", 0)])  # fmt: skip
def test_sizes_that_no_model_has_are_refused_at_once(folder, name, value):
    change_config(folder, **{name: value})
    start = time.monotonic()
    with pytest.raises(InputError, match=rf"speaks of {name} {value}; allowed: 1 (to 1000|or more)"):
        load_config(str(folder))
    assert time.monotonic() - start < 5


# Folders that are something else


def test_half_an_encoder_decoder_is_named_as_such(tmp_path):
    config = T5Config(vocab_size=40, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, is_encoder_decoder=False)
    T5EncoderModel(config).save_pretrained(tmp_path)
    for read in (load_encoder, open_encoder):
        with pytest.raises(InputError, match=r"the encoder half of an encoder-decoder \(t5\): name another model"):
            read(tmp_path)


@pytest.mark.parametrize("beside", [True, False])
def test_an_adapter_is_named_as_such_even_beside_its_base(folder, beside):
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    if not beside:
        (folder / "config.json").unlink()
    for read in (load_encoder, open_encoder, as_teacher):
        with pytest.raises(InputError, match=r"holds an adapter \(PEFT\), not a whole model: merge it"):
            read(folder)


def test_the_old_layout_of_sentence_transformers_names_the_folder_of_its_encoder(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "0_Transformer")
    (tmp_path / "modules.json").write_text('[{"idx": 0, "name": "0", "path": "0_Transformer"}]')
    with pytest.raises(InputError, match=r"old layout of sentence-transformers; its encoder is in '(.*)'") as caught:
        load_encoder(tmp_path)
    load_encoder(str(caught.value).split("'")[-2])


@pytest.mark.parametrize("inner", ["checkpoint-500", "snapshots/0123"])
def test_a_folder_around_models_names_them(whole, tmp_path, inner):
    shutil.copytree(whole, tmp_path / inner)
    with pytest.raises(InputError, match=rf"no config\.json; there are models in '.*{inner}'"):
        load_encoder(tmp_path)


@pytest.mark.parametrize("name", ["embeded", "embbeded", "Embedded"])
def test_a_name_near_embedded_is_no_hub_id(name):
    with pytest.raises(InputError, match=r"Did you mean 'embedded'\?"):
        resolve(name)
    assert resolve("bert-base-uncased") == "bert-base-uncased"


def test_no_name_is_not_the_working_directory():
    with pytest.raises(InputError, match="no folder ''"):
        resolve("")


# Capitals

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "This", "this", "is", "John", "john", "##s", "."]


def cased(folder: Path, *files: str, config: dict | None = None) -> str:
    """A folder with a cased vocabulary in these files."""
    tokenizer = BertTokenizer(vocab={piece: i for i, piece in enumerate(PIECES)}, do_lower_case=False)
    tokenizer.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    for path in folder.iterdir():
        if path.name not in files:
            path.unlink()
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    BertModel(BertConfig(**(CONFIG.to_dict() | {"vocab_size": len(PIECES)}))).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("config", [None, {}, {"model_max_length": 64}])
def test_a_cased_vocabulary_that_does_not_declare_its_case_is_refused(tmp_path, config):
    source = cased(tmp_path, "vocab.txt", config=config)
    for read in (load_tokenizer, load_encoder, open_encoder):
        with pytest.raises(InputError, match=r'tells capitals apart.*write "do_lower_case": false \(or true\) into'):
            read(source)


@pytest.mark.parametrize("config", [None, {}, {"tokenizer_class": "BertTokenizer"}])
def test_a_tokenizer_json_that_declares_its_case_is_followed(tmp_path, config):
    """transformers looks at tokenizer_config.json only, and would lower-case."""
    assert load_tokenizer(cased(tmp_path, "tokenizer.json", config=config)).tokenize("This is John.") == [
        "This", "is", "John", ".",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lower", "tokens"), [(True, ["this", "is", "john", "."]), (False, ["This", "is", "John", "."])]
)
def test_a_declared_case_is_followed(tmp_path, lower, tokens):
    source = cased(tmp_path, "vocab.txt", config={"do_lower_case": lower})
    assert load_tokenizer(source).tokenize("This is John.") == tokens


def test_a_lower_case_vocabulary_with_a_stray_capital_needs_no_declaration(tmp_path):
    words = [f"{a}{b}" for a in "abcdefghijklmnopqrstuvwxyz" for b in "abcde"]
    (tmp_path / "vocab.txt").write_text("\n".join([*PIECES[:5], "İ", *words]) + "\n")
    CONFIG.save_pretrained(tmp_path)
    assert load_tokenizer(str(tmp_path)).tokenize("AB") == ["ab"]


def test_what_is_checked_changes_nothing_of_what_is_loaded(whole):
    loaded, plain = load_encoder(whole)[0].state_dict(), AutoModel.from_pretrained(whole).state_dict()
    assert loaded.keys() == plain.keys()
    assert all(torch.equal(loaded[name], plain[name]) for name in plain if "pooler" not in name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"is_decoder": True}, "is a decoder"),
        ({"auto_map": {"AutoModel": "mine.Model"}}, "brings code of its own"),
        ({"hidden_act": "gellu"}, "KeyError 'gellu'"),
        ({"num_hidden_layers": "two"}, "num_hidden_layers"),
    ],
)
def test_a_config_of_another_model_is_refused_by_every_reader(folder, change, message):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    for read in (_for_seat, _for_glue, as_teacher):
        with pytest.raises(InputError, match=message):
            read(folder)


def test_embedded_with_a_slash_is_the_embedded_model():
    assert resolve("embedded/") == resolve("embedded")


def test_a_folder_of_the_store_that_was_changed_is_refused_by_whatever_reads_it(tmp_path, whole):
    store = Store(tmp_path)
    with store.write("k", {"kind": "student"}) as folder:
        BertForMaskedLM(CONFIG).save_pretrained(folder)
        TOKENIZER.save_pretrained(folder)
    assert load_checkpoint(str(tmp_path / "k")).has_mlm_head
    file = tmp_path / "k" / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    by_name = (load_checkpoint, load_encoder, load_tokenizer, open_encoder, load_masked_lm)
    beside = partial(load_encoder, whole, tokenizer=str(tmp_path / "k")), partial(_masked, whole, tmp_path / "k")
    named = Profile.load("tiny").changed(teacher=str(tmp_path / "k"))
    for load in (*(partial(load, str(tmp_path / "k")) for load in by_name), *beside, partial(recorded_shape, named)):
        with pytest.raises(InputError, match=r"model\.safetensors was changed after it was made"):
            load()


def _masked(folder, tokenizer):
    return load_masked_lm(str(folder), tokenizer=str(tokenizer))
