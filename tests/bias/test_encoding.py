"""Sentence vectors: their type and values, each by its definition."""

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizer

from fairkd.bias.encoding import check_pooling, encode
from fairkd.errors import InputError

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "this", "is", "a", "man", "woman", "."]
SENTENCES = ["This is a man.", "This is a woman.", "A man is."]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    return BertModel(BertConfig(vocab_size=len(PIECES), **size)).eval()


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer(vocab={piece: number for number, piece in enumerate(PIECES)})


@pytest.mark.parametrize("pooling", ["mean", "cls", "first_token"])
def test_vectors_are_single_precision_and_those_of_the_model_itself(model, tokenizer, pooling):
    found = encode(model, tokenizer, SENTENCES, pooling)
    assert (found.dtype, found.shape) == (np.float32, (3, 16))
    for sentence, vector in zip(SENTENCES, found, strict=True):
        tokens = tokenizer(sentence, add_special_tokens=pooling != "first_token", return_tensors="pt")
        with torch.no_grad():
            hidden = model(tokens["input_ids"], tokens["attention_mask"]).last_hidden_state[0]
        expected = hidden.mean(dim=0) if pooling == "mean" else hidden[0]
        np.testing.assert_allclose(vector, expected.numpy(), atol=1e-6)


def test_an_unknown_pooling_is_named_as_one_with_the_nearest():
    with pytest.raises(InputError, match=r"^pooling\b.*'meen'.*'mean'"):
        check_pooling("meen")
