"""What loading models and tokenizers with transformers has in common, for encoders and teachers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fairkd.errors import InputError


@contextmanager
def quiet() -> Iterator[None]:
    """Holds back transformers' load report and progress bars: what matters in them is checked and raised here."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def load_tokenizer(source: str) -> Any:
    """The tokenizer of a folder or hub id; raises InputError if there is none."""
    from transformers import AutoTokenizer

    hint = "save the tokenizer beside the weights, or name its folder with --tokenizer"
    with quiet():
        try:
            tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        except Exception as error:
            raise InputError(f"no tokenizer in {source!r}: {first_line(error)}; {hint}") from error
    # Without tokenizer files transformers makes one that knows the special tokens only and reads all else as unknown.
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
        raise InputError(f"no tokenizer in {source!r}; {hint}")
    return tokenizer


def first_line(error: Exception) -> str:
    """What an exception says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
