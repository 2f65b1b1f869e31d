"""What identifies weights and tokenizers, whatever file they lie in."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Collection, Mapping
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


def added_sources(functions: Mapping[str, Callable[..., Any]], known: Collection[str] = ()) -> dict[str, str]:
    """Digests of the sources of functions that somebody added to a table of the package, for a key of the store.

    A loss that was changed under its old name is then another loss. The package's own formulas count by their revision
    instead (:data:`fairkd.engine.store.REVISIONS`). What a function calls is not looked at.

    Args:
        functions: by name, a kind and an entry such as "loss cos".
        known: names of those that came with the package; they count as added where the function is not its own.

    Raises:
        InputError: one is no plain function, or its source cannot be read.
    """
    found = {}
    for name, function in functions.items():
        if name in known and getattr(function, "__module__", "").startswith("fairkd."):
            continue
        try:
            source = inspect.getsource(function)
        except (OSError, TypeError):
            raise InputError(f"{name}: write it as a function, in a file or a cell of a notebook") from None
        closed_over = [repr(cell.cell_contents) for cell in getattr(function, "__closure__", None) or ()]
        given = [source, repr(getattr(function, "__defaults__", None)), *closed_over]
        found[name] = hashlib.sha256("\n".join(given).encode()).hexdigest()
    return found
