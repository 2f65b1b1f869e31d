"""Loading an encoder so that only finished weights are ever measured, and turning sentences into vectors.

How tokens become a sentence vector is in :mod:`fairkd.bias.poolings`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fairkd.bias.once import once_a_tokenizer
from fairkd.bias.poolings import POOLINGS, PUBLISHED
from fairkd.engine.digests import added_sources
from fairkd.engine.limits import cls_position, limits_of
from fairkd.engine.loading import ENCODER_HINT, load_config, load_pretrained, load_tokenizer, refused, resolve
from fairkd.engine.processes import keep_freed_memory
from fairkd.engine.products import weights_fixed
from fairkd.engine.setup import setup
from fairkd.errors import InputError, one_of


def added_poolings(names: Iterable[str]) -> dict[str, str]:
    """Of these poolings, digests of those that somebody added to the table, for a key of the store."""
    functions = {f"pooling {name}": POOLINGS[name].pool for name in names}
    return added_sources(functions, known=[f"pooling {name}" for name in PUBLISHED])


def check_pooling(pooling: str) -> str:
    """Returns ``pooling`` if it is one of ``POOLINGS``, else raises InputError with the nearest name."""
    return one_of(pooling, POOLINGS, "pooling")


def encode(
    model: Any, tokenizer: Any, sentences: Sequence[str], pooling: str = "mean", *, batch_size: int = 256
) -> NDArray[np.float32]:
    """Sentence vectors from the last hidden layer, without dropout.

    Sentences of equal length in tokens share a batch, so there is no padding and nothing can depend on it.

    Args:
        model: a transformers encoder, with or without a head (its ``base_model`` is used); its training mode is
            left as it was.
        tokenizer: the model's own tokenizer.
        sentences: n sentences.
        pooling: "mean" over all tokens, special ones included; "cls" for the [CLS] token, which XLNet has at
            the end; "first_token" for the first word piece of the sentence without special tokens.
        batch_size: sentences a batch at most.

    Returns:
        Shape ``(n, hidden)``, not normalised.

    Raises:
        InputError: for an unknown pooling, a tokenizer that does not fit the model or puts no [CLS] where it is
            needed, a sentence without tokens or too long, a model that reads no sentences, or vectors that are not
            finite.

    >>> from transformers import BertConfig, BertModel, BertTokenizer
    >>> pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "this", "is", "a", "man", "woman", "."]
    >>> tokenizer = BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)})
    >>> size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    >>> model = BertModel(BertConfig(vocab_size=len(pieces), **size))
    >>> encode(model, tokenizer, ["This is a man.", "This is a woman."], "cls").shape
    (2, 32)
    """
    return encode_each(model, tokenizer, sentences, [pooling], batch_size=batch_size)[pooling]


def encode_each(
    model: Any, tokenizer: Any, sentences: Sequence[str], poolings: Iterable[str], *, batch_size: int = 256
) -> dict[str, NDArray[np.float32]]:
    """``encode`` under several poolings at once: mean and cls share one pass of the encoder.

    Returns:
        pooling -> vectors ``(n, hidden)``.
    """
    setup()
    names = [check_pooling(name) for name in poolings]
    encoder = model.base_model
    training = model.training
    model.eval()
    try:
        vectors: dict[str, NDArray[np.float32]] = {}
        groups = [[n for n in names if POOLINGS[n].special_tokens is special] for special in (True, False)]
        for group in filter(None, groups):
            needs_cls = next((name for name in group if POOLINGS[name].needs_cls), None)
            pieces = _tokenise(encoder, tokenizer, tuple(sentences), POOLINGS[group[0]].special_tokens, needs_cls)
            cls_last = needs_cls is not None and cls_position(tokenizer) == -1
            vectors |= _pool(encoder, pieces, group, batch_size, cls_last=cls_last)
    finally:
        model.train(training)
    for name in names:
        bad = np.flatnonzero(~np.isfinite(vectors[name]).all(axis=1))
        if bad.size:
            raise InputError(
                f"the encoder gives NaN or infinite vectors for {bad.size} of {len(sentences)} sentences, first for "
                f"{sentences[bad[0]]!r}: its weights are damaged or its training diverged"
            )
    return {name: vectors[name] for name in names}


def _pool(
    encoder: Any, pieces: list[list[int]], poolings: list[str], batch_size: int, *, cls_last: bool
) -> dict[str, NDArray[np.float32]]:
    """Pooled last hidden states ``(n, hidden)`` of token sequences, batched by equal length."""
    unreadable = f"{type(encoder).__name__} cannot read sentences", f". {ENCODER_HINT}"
    with refused(*unreadable):
        vectors = {name: np.empty((len(pieces), encoder.config.hidden_size), np.float32) for name in poolings}
    by_length: dict[int, list[int]] = defaultdict(list)
    for position, ids in enumerate(pieces):
        by_length[len(ids)].append(position)
    device = next(encoder.parameters()).device
    if device.type == "cpu":
        keep_freed_memory()
    with torch.inference_mode(), weights_fixed(encoder, rows=sum(map(len, pieces))):
        for same in by_length.values():
            for rows in np.array_split(same, math.ceil(len(same) / batch_size)):  # evenly: small batches are slow
                batch = torch.tensor([pieces[row] for row in rows], device=device)  # (rows, tokens)
                with refused(*unreadable):
                    hidden = encoder(input_ids=batch, attention_mask=torch.ones_like(batch)).last_hidden_state.float()
                for name in poolings:
                    ordered = hidden.roll(1, dims=1) if cls_last and POOLINGS[name].needs_cls else hidden
                    vectors[name][rows] = POOLINGS[name].pool(ordered).cpu().numpy()
    return vectors


@once_a_tokenizer
def _tokenise(
    encoder: Any, tokenizer: Any, sentences: tuple[str, ...], special: bool, needs_cls: str | None
) -> list[list[int]]:
    """Token ids of each sentence, with special tokens or without, checked against what the encoder reads.

    ``needs_cls`` is a pooling for which there must be a [CLS] token.
    """
    with refused(f"{type(tokenizer).__name__} cannot read the sentences"):
        if needs_cls is not None and cls_position(tokenizer) is None:
            raise InputError(
                f"pooling {needs_cls!r} needs a tokenizer with a [CLS] token at the beginning or end of a sentence; "
                f"{type(tokenizer).__name__} puts none there; mean and first_token need none"
            )
        pieces: list[list[int]] = []
        if sentences:
            pieces = tokenizer(list(sentences), add_special_tokens=special)["input_ids"]
    limits = limits_of(encoder)
    limits.check_tokenizer(tokenizer)
    for sentence, ids in zip(sentences, pieces, strict=True):
        limits.check(sentence, ids)
    return pieces


def load_encoder(name_or_path: str | Path, *, tokenizer: str | Path | None = None) -> tuple[Any, Any]:
    """Loads any BERT-like encoder and its tokenizer from safetensors, running no code from the checkpoint.

    Args:
        name_or_path: a folder saved by ``save_pretrained`` (a masked-LM checkpoint too: its encoder is taken), a
            hub id, or "embedded" for the teacher of the quick profile.
        tokenizer: folder or hub id of the tokenizer, where it does not lie beside the weights.

    Returns:
        ``(model, tokenizer)``; the model in evaluation mode on the CPU.

    Raises:
        InputError: for a path that does not exist, an encoder-decoder or half of one, an adapter, weights that are
            missing (the pooler, which SEAT does not use, excepted), of another shape, of more layers than config.json
            says or not in safetensors, or no tokenizer.
    """
    source = resolve(name_or_path)
    model = _load_model(source)
    return model, load_tokenizer(resolve(tokenizer) if tokenizer is not None else source)


def _load_model(source: str) -> Any:
    from transformers import AutoModel

    model, _ = load_pretrained(AutoModel, source, load_config(source), new={"pooler"})  # SEAT reads no pooler
    return model.eval()
