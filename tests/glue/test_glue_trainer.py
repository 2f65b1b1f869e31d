"""What fine-tuning does faster than transformers' Trainer changes no output: the last layer, batches, order."""

from collections import Counter

import numpy as np
import pytest
import torch

from fairkd.glue.first_token import read_first_token_only
from fairkd.glue.tasks import TASKS
from fairkd.glue.trainer import SimilarLengths
from fairkd.students import student_from_teacher

IDS = torch.tensor([[2, 9, 8, 7, 6, 3], [2, 5, 3, 0, 0, 0], [2, 11, 12, 3, 0, 0]])


def classifiers(world, *, layers: int = 2):
    """The same classifier twice, the second with the last layer at its first token only."""
    from transformers import DistilBertForSequenceClassification

    torch.manual_seed(0)
    plain = DistilBertForSequenceClassification(student_from_teacher(world.teacher.model, layers).config)
    short = DistilBertForSequenceClassification(plain.config)
    short.load_state_dict(plain.state_dict())
    read_first_token_only(short)
    return plain, short


@pytest.mark.parametrize("padded", [True, False])
def test_reading_the_first_token_only_changes_neither_outputs_nor_gradients(world, padded):
    plain, short = (model.eval() for model in classifiers(world))
    ids = IDS if padded else IDS[:1]
    mask, labels = (ids != 0).long(), torch.tensor([0, 1, 1])[: len(ids)]
    whole, first = (model(input_ids=ids, attention_mask=mask, labels=labels) for model in (plain, short))
    torch.testing.assert_close(first.logits, whole.logits)
    whole.loss.backward()
    first.loss.backward()
    assert first.loss > 0
    for (name, one), other in zip(plain.named_parameters(), short.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-4, atol=1e-6, msg=name)


def test_the_last_layer_drops_out_in_training_only(world):
    short = classifiers(world)[1]
    mask = (IDS != 0).long()
    for training, equal in ((True, False), (False, True)):
        short.train(training)
        one, other = (short(input_ids=IDS, attention_mask=mask).logits for _ in range(2))
        assert torch.equal(one, other) == equal


def test_other_models_are_left_as_they_are(world):
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    model = BertForSequenceClassification(config)
    read_first_token_only(model)
    assert not [name for name, module in model.named_modules() if "forward" in vars(module)]


@pytest.mark.parametrize("examples", [1, 7, 64, 203])
def test_an_epoch_has_every_example_once_in_batches_of_similar_length(examples):
    lengths = torch.from_numpy(np.random.default_rng(0).integers(4, 60, examples))
    sampler = SimilarLengths(lengths, 4, seed=1)
    first, second = list(sampler), list(sampler)
    assert Counter(first) == Counter(second) == Counter(range(examples))
    if examples > 60:
        assert first != second
        spread = [
            np.ptp(lengths.numpy()[list(order)][: examples // 4 * 4].reshape(-1, 4), axis=1).mean()
            for order in (first, range(examples))
        ]
        assert spread[0] < spread[1] / 4
    assert first == list(SimilarLengths(lengths, 4, seed=1))


def test_predictions_are_in_the_order_of_the_examples(world, tmp_path):
    from fairkd.glue.classifiers import classifier, open_encoder
    from fairkd.glue.recipe import GlueRecipe
    from fairkd.glue.trainer import GlueTrainer, arguments

    student_from_teacher(world.teacher.model, 1).save_pretrained(tmp_path)
    world.tokenizer.save_pretrained(tmp_path)
    encoder = open_encoder(tmp_path)
    rows = [{"input_ids": ids[ids != 0].tolist(), "labels": 0} for ids in IDS[[0, 2, 1, 0, 1]]]
    settings = arguments(GlueRecipe(), 0, torch.device("cpu"), str(tmp_path))
    trainer = GlueTrainer(classifier(encoder, TASKS["SST-2"]), rows, encoder.tokenizer, settings)
    found = trainer.outputs(rows)
    model = trainer.model.eval()
    with torch.no_grad():
        alone = [model(input_ids=torch.tensor([row["input_ids"]])).logits[0].numpy() for row in rows]
    np.testing.assert_allclose(found, np.stack(alone), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[0], found[3], atol=1e-6)
