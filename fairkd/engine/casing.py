"""Whether a tokenizer lower-cases text, whether its vocabulary tells capitals apart, and what its files say of it.

transformers lower-cases wherever tokenizer_config.json is silent, whatever tokenizer.json says: with a cased vocabulary
"John" then becomes "john", in silence.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CASED = 0.01
"""Share of words with a capital from which on a vocabulary tells capitals apart; uncased ones have a stray few."""


def lower_cases(tokenizer: Any) -> bool:
    """Whether a tokenizer, of transformers or of the library tokenizers, reads capitals as small letters."""
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not hasattr(backend, "normalizer"):  # one that is written in Python
        return bool(getattr(tokenizer, "do_lower_case", False))
    return backend.normalizer is not None and "A" not in backend.normalizer.normalize_str("A")


def tells_capitals_apart(tokenizer: Any) -> bool:
    """Whether more than a stray few words of a vocabulary have a capital."""
    pieces = set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens)
    words = [word for piece in pieces if (word := piece.lstrip("#▁Ġ")).isalpha()]
    return sum(word != word.lower() for word in words) > CASED * len(words)


def declared_case(source: str) -> bool | None:
    """Whether the files of a tokenizer say that text is lower-cased; None where they say nothing.

    ``source`` is a folder, or a hub id that has been loaded before.
    """
    from tokenizers import Tokenizer

    config, file = (_file_of(source, name) for name in ("tokenizer_config.json", "tokenizer.json"))
    said = json.loads(config.read_text(encoding="utf-8")).get("do_lower_case") if config else None
    if isinstance(said, bool):
        return said
    return lower_cases(Tokenizer.from_file(str(file))) if file else None


def _file_of(source: str, name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found: Any = Path(source) / name if Path(source).is_dir() else try_to_load_from_cache(source, name)
    return Path(found) if isinstance(found, str | Path) and Path(found).is_file() else None
