"""What identifies weights and tokenizers, whatever file they lie in."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

from fairkd.errors import InputError

ARCHITECTURE = (
    "model_type",
    "num_attention_heads",
    "n_heads",
    "hidden_act",
    "activation",
    "layer_norm_eps",
    "pad_token_id",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
)
"""Settings of a BERT or DistilBERT that its weights do not show."""


def weights_digest(model: Any) -> str:
    """SHA-256 over a model's weights (names, shapes, bytes) and :data:`ARCHITECTURE`, independent of file format."""
    settings = {name: getattr(model.config, name, None) for name in ARCHITECTURE}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def tokenizer_digest(tokenizer: Any) -> str:
    """SHA-256 of what a fast tokenizer does to a text, special tokens included.

    Its settings for truncation and padding do not count: they change with every call, and no corpus uses them.
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    state = {name: value for name, value in state.items() if name not in ("truncation", "padding")}
    special = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}
    return hashlib.sha256(json.dumps([state, special], sort_keys=True).encode()).hexdigest()


def foreign(functions: Mapping[str, Callable[..., Any]]) -> dict[str, str]:
    """Digests of the sources of those functions that are not the package's own, for a key of the store.

    A loss that was changed under its old name then is another loss. What such a function calls is not looked at; the
    package's own formulas count by their revision (:data:`fairkd.engine.store.REVISIONS`).

    Raises:
        InputError: the source of a function cannot be read.
    """
    found = {}
    for name, function in functions.items():
        if not function.__module__.startswith("fairkd."):
            try:
                found[name] = hashlib.sha256(inspect.getsource(function).encode()).hexdigest()
            except OSError:
                raise InputError(f"{name}: its source cannot be read; define it in a file or a notebook cell") from None
    return found
