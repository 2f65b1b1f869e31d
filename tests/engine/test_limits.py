"""What an encoder can read, against what it reads; and where a tokenizer puts [CLS]."""

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from fairkd.engine.limits import Limits, cls_position, limits_of
from fairkd.errors import InputError

SIZE = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
KINDS = {
    "Bert": (24, {}),
    "DistilBert": (24, {}),
    "Electra": (24, {"embedding_size": 16}),
    "Albert": (24, {"embedding_size": 16}),
    "Roberta": (22, {}),
    "XLMRoberta": (22, {}),
    "MPNet": (22, {}),
    "Longformer": (22, {"attention_window": 4}),
    "RobertaPreLayerNorm": (19, {"pad_token_id": 4}),
}
"""By kind: tokens that it reads with 24 positions, and settings of its own."""


def encoder(kind: str, **options):
    config = getattr(transformers, f"{kind}Config")(**SIZE, max_position_embeddings=24, **options)
    with torch.random.fork_rng():
        return getattr(transformers, f"{kind}Model")(config).eval()


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_an_encoder_reads_as_many_tokens_as_is_said_and_not_one_more(kind):
    longest, options = KINDS[kind]
    model = encoder(kind, **options)
    assert limits_of(model).longest == longest
    assert limits_of(model).vocabulary == 40
    ids = torch.full((1, longest + 1), 9)
    assert torch.isfinite(model(input_ids=ids[:, :-1]).last_hidden_state).all()
    with pytest.raises((IndexError, RuntimeError)):
        model(input_ids=ids)


@torch.inference_mode()
def test_xlnet_has_no_limit_of_tokens():
    config = transformers.XLNetConfig(vocab_size=40, d_model=16, n_layer=1, n_head=2, d_inner=16)
    model = transformers.XLNetModel(config).eval()
    assert model.config.max_position_embeddings == -1
    assert limits_of(model).longest is None
    assert limits_of(model).cut(700) == 700
    assert model(input_ids=torch.full((1, 700), 9)).last_hidden_state.shape == (1, 700, 16)


def test_a_head_around_an_encoder_changes_no_limit():
    config = transformers.BertConfig(**SIZE, max_position_embeddings=24, type_vocab_size=3)
    headed = transformers.BertForMaskedLM(config)
    assert limits_of(headed) == limits_of(headed.bert) == Limits(longest=24, vocabulary=40, token_types=3)
    assert limits_of(encoder("DistilBert")).token_types is None


@pytest.mark.parametrize(
    ("ids", "types", "message"),
    [
        ([], (), r"the sentence 'a b' has no tokens"),
        ([1] * 25, (), r"has 25 tokens; the encoder reads 24"),
        ([1, 40], (), r"does not belong to this encoder: token id 40 in 'a b', but .* has 40 entries"),
        ([1, 2], (0, 2), r"does not belong to this encoder: it gives the token type 2, but the encoder has 2"),
    ],
)
def test_what_an_encoder_cannot_read_is_named(ids, types, message):
    limits = Limits(longest=24, vocabulary=40, token_types=2)
    with pytest.raises(InputError, match=message):
        limits.check("a b", ids, types)
    limits.check("a b", [39] * 24, [1] * 24)


def test_a_tokenizer_with_far_fewer_entries_than_the_encoder_has_words_is_foreign():
    own = tokenizer("[CLS] $A [SEP]", cls_token="[CLS]")
    for rows in (5, None):
        Limits(longest=24, vocabulary=rows, token_types=2).check_tokenizer(own)
    with pytest.raises(InputError, match=r"does not belong to this encoder: it has 5 entries, .* vocabulary 30,522"):
        Limits(longest=24, vocabulary=30_522, token_types=2).check_tokenizer(own)


def tokenizer(template: str | None, **special):
    vocabulary = {piece: i for i, piece in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"))}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    if template:
        pairs = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
        backend.post_processor = processors.TemplateProcessing(single=template, special_tokens=pairs)
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", **special)


@pytest.mark.parametrize(
    ("template", "special", "place"),
    [
        ("[CLS] $A [SEP]", {"cls_token": "[CLS]"}, 0),
        ("$A [SEP] [CLS]", {"cls_token": "[CLS]"}, -1),
        ("$A [SEP]", {"cls_token": "[CLS]"}, None),
        (None, {"cls_token": "[CLS]"}, None),
        ("[CLS] $A [SEP]", {}, None),
    ],
)
def test_the_place_of_cls_is_where_the_tokenizer_puts_it(template, special, place):
    assert cls_position(tokenizer(template, **special)) == place


def test_a_tokenizer_that_can_read_nothing_is_refused():
    backend = Tokenizer(models.WordLevel({"b": 0}, unk_token="[UNK]"))
    with pytest.raises(InputError, match=r"cannot read: .*Missing"):
        cls_position(PreTrainedTokenizerFast(tokenizer_object=backend))
