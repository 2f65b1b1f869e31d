"""Students: the DistilBERT layout, initialised from layers of the teacher (Section 4.1, DistilBERT's recipe).

A student as deep as its teacher computes what the teacher computes: embeddings, layers and MLM head are copied,
and the token-type vector that DistilBERT has no place for is added to the position embeddings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from fairkd.engine.dropout import use_cheap_dropout
from fairkd.engine.setup import setup
from fairkd.errors import InputError

if TYPE_CHECKING:
    from transformers import BertForMaskedLM, DistilBertConfig, DistilBertForMaskedLM


def layer_map(n_student: int, n_teacher: int) -> list[int]:
    """Teacher layers that initialise a student's layers: evenly spread, first and last included.

    6 of 12 are the layers of the released DistilBERT; equal depths give the identity.

    Raises:
        InputError: the student has no layer, or more than the teacher.

    >>> layer_map(6, 12), layer_map(3, 6), layer_map(4, 4)
    ([0, 2, 4, 7, 9, 11], [0, 2, 5], [0, 1, 2, 3])
    """
    if not 1 <= n_student <= n_teacher:
        raise InputError(f"a student of {n_student} layers from a teacher of {n_teacher}: allowed are 1 to {n_teacher}")
    if n_student == 1:
        return [0]
    return [round(i * (n_teacher - 1) / (n_student - 1)) for i in range(n_student)]


def student_config(teacher: BertForMaskedLM, n_layers: int, *, dropout: float = 0.1) -> DistilBertConfig:
    """The teacher's shape in DistilBERT's terms, with ``n_layers`` layers."""
    from transformers import DistilBertConfig  # here and below, as it takes seconds

    config = teacher.config
    return DistilBertConfig(
        vocab_size=config.vocab_size,
        max_position_embeddings=config.max_position_embeddings,
        sinusoidal_pos_embds=False,
        n_layers=n_layers,
        n_heads=config.num_attention_heads,
        dim=config.hidden_size,
        hidden_dim=config.intermediate_size,
        dropout=dropout,
        attention_dropout=dropout,
        activation=config.hidden_act,
        initializer_range=config.initializer_range,
        pad_token_id=config.pad_token_id,
        tie_word_embeddings=True,
    )


@torch.no_grad()
def student_from_teacher(
    teacher: BertForMaskedLM, n_layers: int, *, dropout: float = 0.1, freeze_positions: bool = True
) -> DistilBertForMaskedLM:
    """A student that starts from the teacher's embeddings, ``layer_map`` layers and MLM head.

    Args:
        teacher: a BERT with its MLM head.
        n_layers: layers of the student, 1 to the teacher's.
        dropout: of hidden states and of attention.
        freeze_positions: keep the position embeddings fixed, as in the original training.

    Raises:
        InputError: see :func:`layer_map`.

    >>> import torch
    >>> from transformers import BertConfig, BertForMaskedLM
    >>> size = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
    >>> teacher = BertForMaskedLM(BertConfig(vocab_size=100, num_hidden_layers=4, **size)).eval()
    >>> student = student_from_teacher(teacher, 2)
    >>> student.config.n_layers, student.config.dim
    (2, 32)

    As deep as its teacher, it says the same:

    >>> ids = torch.tensor([[2, 17, 42, 3]])
    >>> same = student_from_teacher(teacher, 4).eval()
    >>> torch.allclose(same(ids).logits, teacher(ids).logits, atol=1e-5)
    True
    """
    from transformers import DistilBertForMaskedLM

    setup()
    indices = layer_map(n_layers, teacher.config.num_hidden_layers)
    student = DistilBertForMaskedLM(student_config(teacher, n_layers, dropout=dropout))
    source: Any = teacher.bert.embeddings
    target: Any = student.distilbert.embeddings
    _copy(source.word_embeddings, target.word_embeddings)
    # Every input of the teacher has token type 0; adding its vector to each position gives the same sums.
    positions = source.position_embeddings.weight + source.token_type_embeddings.weight[0]
    target.position_embeddings.weight.copy_(positions)
    target.position_embeddings.weight.requires_grad_(not freeze_positions)
    _copy(source.LayerNorm, target.LayerNorm)
    teacher_layers: Any = teacher.bert.encoder.layer
    for layer, index in zip(student.distilbert.transformer.layer, indices, strict=True):
        _copy_layer(teacher_layers[index], layer)
    head: Any = teacher.cls.predictions
    _copy(head.transform.dense, student.vocab_transform)
    _copy(head.transform.LayerNorm, student.vocab_layer_norm)
    student.vocab_projector.bias.copy_(head.decoder.bias)  # its weight is tied to the word embeddings
    use_cheap_dropout(student)
    return student


def _copy_layer(source: Any, target: Any) -> None:
    attention = source.attention
    _copy(attention.self.query, target.attention.q_lin)
    _copy(attention.self.key, target.attention.k_lin)
    _copy(attention.self.value, target.attention.v_lin)
    _copy(attention.output.dense, target.attention.out_lin)
    _copy(attention.output.LayerNorm, target.sa_layer_norm)
    _copy(source.intermediate.dense, target.ffn.lin1)
    _copy(source.output.dense, target.ffn.lin2)
    _copy(source.output.LayerNorm, target.output_layer_norm)


def _copy(source: nn.Module, target: nn.Module) -> None:
    target.load_state_dict(source.state_dict())
