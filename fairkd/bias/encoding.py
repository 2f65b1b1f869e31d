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

from fairkd.bias.poolings import POOLINGS, PUBLISHED
from fairkd.engine.digests import added_sources
from fairkd.engine.loading import first_line, load_config, load_tokenizer, quiet, resolve
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
        pooling: "mean" over all tokens, special ones included; "cls" for the first special token; "first_token"
            for the first word piece of the sentence without special tokens.
        batch_size: sentences a batch at most.

    Returns:
        Shape ``(n, hidden)``, not normalised.

    Raises:
        InputError: for an unknown pooling, a tokenizer that does not fit the model or lacks [CLS] where it is
            needed, a sentence without tokens or too long, or vectors that are not finite.

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
    encoder = getattr(model, "base_model", model)
    training = model.training
    model.eval()
    try:
        vectors: dict[str, NDArray[np.float32]] = {}
        groups = [[n for n in names if POOLINGS[n].special_tokens is special] for special in (True, False)]
        for group in filter(None, groups):
            pieces = _tokenise(encoder, tokenizer, list(sentences), group)
            vectors |= _pool(encoder, pieces, group, batch_size)
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
    encoder: Any, pieces: list[list[int]], poolings: list[str], batch_size: int
) -> dict[str, NDArray[np.float32]]:
    """Pooled last hidden states ``(n, hidden)`` of token sequences, batched by equal length."""
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
                hidden = encoder(input_ids=batch, attention_mask=torch.ones_like(batch)).last_hidden_state.float()
                for name in poolings:
                    vectors[name][rows] = POOLINGS[name].pool(hidden).cpu().numpy()
    return vectors


def _tokenise(encoder: Any, tokenizer: Any, sentences: list[str], poolings: list[str]) -> list[list[int]]:
    """Token ids of each sentence, checked against the encoder's vocabulary and longest input.

    The poolings are of one kind: all with special tokens, or all without.
    """
    first = next((name for name in poolings if POOLINGS[name].needs_cls), None)
    if first is not None and tokenizer.cls_token_id is None:
        raise InputError(f"pooling {first!r} needs a tokenizer with a [CLS] token; {type(tokenizer).__name__} has none")
    if not sentences:
        return []
    pieces: list[list[int]] = tokenizer(sentences, add_special_tokens=POOLINGS[poolings[0]].special_tokens)["input_ids"]
    known = encoder.get_input_embeddings().num_embeddings
    longest = getattr(encoder.config, "max_position_embeddings", None) or max(map(len, pieces))
    for sentence, ids in zip(sentences, pieces, strict=True):
        if not ids:
            raise InputError(f"the sentence {sentence!r} has no tokens")
        if len(ids) > longest:
            raise InputError(f"the sentence {sentence[:60]!r}… has {len(ids)} tokens; the encoder reads {longest}")
        if max(ids) >= known:
            raise InputError(
                f"the tokenizer does not belong to this encoder: token id {max(ids)} in {sentence!r}, but the "
                f"encoder's vocabulary has {known} entries"
            )
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
        InputError: for a path that does not exist, an encoder-decoder, weights that are missing (the pooler, which
            SEAT does not use, excepted), of another shape or not in safetensors, or no tokenizer.
    """
    source = resolve(name_or_path)
    model = _load_model(source)
    return model, load_tokenizer(resolve(tokenizer) if tokenizer is not None else source)


def _load_model(source: str) -> Any:
    from transformers import AutoModel

    config = load_config(source)
    with quiet():
        try:
            model, info = AutoModel.from_pretrained(
                source,
                config=config,
                dtype=torch.float32,  # whatever the file stores: the numbers must not depend on the device's halves
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except Exception as error:
            raise InputError(
                f"cannot load the weights of {source!r}: {first_line(error)}. Weights must be in safetensors and "
                f"have the shapes that config.json says"
            ) from error
    missing = sorted(key for key in info["missing_keys"] if "pooler" not in key.split("."))
    if missing:
        raise InputError(
            f"{source!r} lacks {len(missing)} weights of a {type(model).__name__} ({', '.join(missing[:3])}"
            f"{', …' if len(missing) > 3 else ''}); they would be random, and random weights are not measured"
        )
    return model.eval()
