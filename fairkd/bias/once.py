"""What depends on a tokenizer and not on a model's weights is made once a process, not once a model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from fairkd.engine.limits import limits_of

_Made = TypeVar("_Made")
_KEPT = 8
"""Results that a function keeps; the oldest goes first."""


def once_a_tokenizer(make: Callable[..., _Made]) -> Callable[..., _Made]:
    """Keeps what ``make(model, tokenizer, *rest)`` returns, for equal tokenizers, limits of the model and ``rest``.

    ``make`` may use nothing else of the model than its limits (:func:`fairkd.engine.limits.limits_of`); ``rest`` are
    positional and can be hashed; nobody may change what comes back. Errors are not kept, and a slow tokenizer, which
    cannot say what it does to a text, has nothing kept.
    """
    kept: dict[Any, _Made] = {}

    @wraps(make)
    def once(model: Any, tokenizer: Any, *rest: Any) -> _Made:
        identity = _identity(tokenizer)
        if identity is None:
            return make(model, tokenizer, *rest)
        key = type(tokenizer), identity, limits_of(model), rest
        if key not in kept:
            made = make(model, tokenizer, *rest)
            if len(kept) >= _KEPT:
                del kept[next(iter(kept))]
            kept[key] = made
        return kept[key]

    return once


def _identity(tokenizer: Any) -> tuple[str, ...] | None:
    """What a fast tokenizer does to a text, special tokens included; taken anew each time, as it may be changed."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return None
    state = hashlib.sha256(backend.to_str().encode()).hexdigest()  # `tokenizer_digest` sorts it first: 0.15 s
    split = str(getattr(tokenizer, "split_special_tokens", False))
    return state, str(sorted((name, str(token)) for name, token in tokenizer.special_tokens_map.items())), split
