"""Teachers: a BERT with a trained MLM head, from the hub, a folder, a package, or from scratch.

Distillation learns from the teacher's logits, so a checkpoint whose MLM head is missing is no teacher:
transformers would fill the gap with random weights and only warn. Here such a checkpoint is either adapted
(its MLM training continued on the corpus, see :mod:`fairkd.teachers.adapt`) or refused.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from fairkd.bias.unknown import unknown_line, unknown_sentences, unknown_words
from fairkd.engine.digests import tokenizer_digest, weights_digest
from fairkd.engine.late import Late
from fairkd.engine.limits import limits_of
from fairkd.engine.loading import embedded_folder, load_config, load_pretrained, load_tokenizer
from fairkd.engine.messages import expanded
from fairkd.engine.store import KNOWN, REVISIONS, Store, digest_once, read_json, write_json
from fairkd.engine.versions import versions
from fairkd.errors import InputError, check_slip
from fairkd.gender import PAIRS
from fairkd.rng import derive

SPECIAL = ("pad", "unk", "cls", "sep", "mask")
"""Special tokens that training works with."""


@dataclass(frozen=True)
class Checkpoint:
    """A BERT as it was loaded, before any training.

    Attributes:
        model: BertForMaskedLM in evaluation mode, fp32, on the CPU.
        tokenizer: its fast tokenizer, without padding or truncation of its own.
        has_mlm_head: whether the checkpoint brought a trained MLM head.
        source: what the profile named.
    """

    model: Any
    tokenizer: Any
    has_mlm_head: bool
    source: str

    @cached_property
    def weights_digest(self) -> str:
        """Of the model."""
        return weights_digest(self.model)

    @cached_property
    def tokenizer_digest(self) -> str:
        """Of the tokenizer."""
        return tokenizer_digest(self.tokenizer)

    @cached_property
    def unknown(self) -> str:
        """Which stimulus words of SEAT the tokenizer does not know, in one line, "" if it knows all.

        Raises:
            InputError: see :func:`fairkd.bias.unknown.unknown_words`.
        """
        return unknown_line(unknown_words(self.tokenizer), unknown_sentences(self.tokenizer))

    @cached_property
    def layers(self) -> int:
        """Of the model."""
        return int(self.model.config.num_hidden_layers)

    @cached_property
    def longest(self) -> int | None:
        """Tokens that it reads at most."""
        return limits_of(self.model).longest


@dataclass(frozen=True)
class Teacher:
    """A teacher ready for distillation.

    Attributes:
        model: BertForMaskedLM in evaluation mode with a trained MLM head.
        tokenizer: its fast tokenizer.
        digest: of its weights and architecture.
        tokenizer_digest: of the tokenizer.
        record: plain facts: source, layers, hidden, parameters, adapted, held-out MLM loss before and after.
    """

    model: Any
    tokenizer: Any
    digest: str
    tokenizer_digest: str
    record: dict[str, Any]


class LateCheckpoint(Late, Checkpoint):
    """A checkpoint that has been loaded before: of its model and tokenizer the store knows what is asked for most."""


class LateTeacher(Late, Teacher):
    """A teacher of the store."""


def is_here(source: str, folder: Path) -> bool:
    """Whether a teacher can be loaded without the network: embedded, scratch, a folder, or a hub id in the cache."""
    if source in ("embedded", "scratch") or folder.is_dir():
        return True
    from huggingface_hub import try_to_load_from_cache

    return all(isinstance(try_to_load_from_cache(source, name), str) for name in ("config.json", "model.safetensors"))


def load_checkpoint(source: str, *, folder: Path | None = None) -> Checkpoint:
    """Loads a BERT checkpoint with its tokenizer.

    Args:
        source: "embedded", a hub id, or a folder; a folder wins where both exist.
        folder: where a folder named by ``source`` lies, if not in the current directory.

    Raises:
        InputError: nothing loadable there, not a BERT, weights other than the MLM head missing or of another shape, an
            MLM head that is not tied to the word embeddings, no fast tokenizer, or one that does not fit the model.
    """
    from transformers import BertForMaskedLM

    is_folder = (folder or expanded(source)).is_dir()
    if not is_folder:
        check_slip(source, ("embedded", "scratch"), "teacher")
    path = str(embedded_folder() if source == "embedded" else folder if folder and is_folder else source)
    try:
        config = load_config(path, "a teacher")
        _check_config(config)
        model, report = load_pretrained(BertForMaskedLM, path, config, new={"cls"})
        _check_head(model, report)
        tokenizer = load_tokenizer(path)
        _check_tokenizer(tokenizer, model)
    except InputError as error:
        raise InputError(f"teacher {source!r} cannot be loaded (a hub id, a folder or 'embedded'): {error}") from error
    has_head = not report["missing_keys"]
    if not has_head:
        initialise_head(model, seed=0, std=config.initializer_range)
    return Checkpoint(model=model.eval(), tokenizer=tokenizer, has_mlm_head=has_head, source=source)


_KNOWN = ("weights_digest", "tokenizer_digest", "has_mlm_head", "layers", "longest")


def open_checkpoint(source: str, *, folder: Path, store: Store) -> Checkpoint:
    """As :func:`load_checkpoint`, but of files that :func:`remember` kept model and tokenizer are late; writes nothing.

    Args:
        source: and ``folder``: as there.
        store: keeps what is to be known of the files, by their digests.
    """
    place = _place(source, folder)
    entry = _found(_spec(place), store) if place else None
    if place is None or entry is None:
        return load_checkpoint(source, folder=folder)

    def tokenizer() -> Any:
        found = load_tokenizer(str(place))
        _without_settings(found)
        return found

    return _late(source, entry, model=lambda: load_checkpoint(source, folder=folder).model, tokenizer=tokenizer)


def open_scratch(words: Sequence[str], *, store: Store, **shape: Any) -> Checkpoint:
    """A teacher that starts from nothing: late, as :func:`open_checkpoint`, once :func:`remember_scratch` kept it.

    Args:
        words: of its :func:`word_tokenizer`.
        store: as there.
        shape: what :func:`from_scratch` takes.
    """
    entry = _found(_scratch_spec(words, shape), store)
    if entry is None:
        tokenizer = word_tokenizer(words)
        return Checkpoint(from_scratch(tokenizer, **shape), tokenizer, has_mlm_head=False, source="scratch")
    return _late(
        "scratch",
        entry,
        model=lambda: from_scratch(word_tokenizer(words), **shape),
        tokenizer=lambda: word_tokenizer(words),
    )


def _late(source: str, entry: Path, *, model: Callable[[], Any], tokenizer: Callable[[], Any]) -> LateCheckpoint:
    """A checkpoint of which the store knows what is asked most; what is made of it later must be the same."""
    known = read_json(entry / KNOWN)

    def as_known(made: Any, digest: Callable[[Any], str], name: str, other: str) -> Any:
        if digest(made) != known[name]:
            raise InputError(
                f"teacher {source!r} has {other} now than {entry / KNOWN} says: its files changed meanwhile, or what "
                f"is known of it is wrong. Run again, or remove the folder {entry}"
            )
        return made

    def late_model() -> Any:
        return as_known(model(), weights_digest, "weights_digest", "other weights")

    def late_tokenizer() -> Any:
        return as_known(tokenizer(), tokenizer_digest, "tokenizer_digest", "another tokenizer")

    return LateCheckpoint({"model": late_model, "tokenizer": late_tokenizer}, source=source, **known)


def remember(checkpoint: Checkpoint, *, folder: Path, store: Store) -> None:
    """Keeps in the store what is asked of a checkpoint most; nothing of one of the hub.

    Args:
        checkpoint: of :func:`open_checkpoint`, with the same ``folder``.
    """
    place = _place(checkpoint.source, folder)
    if place is not None:
        _keep(checkpoint, _spec(place), store)


def remember_scratch(checkpoint: Checkpoint, words: Sequence[str], *, store: Store, **shape: Any) -> None:
    """As :func:`remember`, of a checkpoint of :func:`open_scratch` with the same ``words`` and ``shape``."""
    _keep(checkpoint, _scratch_spec(words, shape), store)


def _found(spec: dict[str, Any], store: Store) -> Path | None:
    """The entry with what the store knows of a checkpoint that ``spec`` decides."""
    return store.find(Store.key("checkpoint", spec))


def _keep(checkpoint: Checkpoint, spec: dict[str, Any], store: Store) -> None:
    if isinstance(checkpoint, LateCheckpoint):
        return
    key = Store.key("checkpoint", spec)

    def make() -> None:
        with store.write(key, {"kind": "checkpoint", **spec}) as new:
            write_json(new / KNOWN, _known(checkpoint))

    store.once(key, make)


def _place(source: str, folder: Path) -> Path | None:
    """Where a checkpoint's files lie; None for one of the hub, whose client says which files are meant."""
    if folder.is_dir():
        return folder
    return embedded_folder() if source == "embedded" else None


def _spec(place: Path) -> dict[str, Any]:
    """What decides what is known of a checkpoint's files."""
    return {"files": _digests(place), **_makers()}


def _scratch_spec(words: Sequence[str], shape: dict[str, Any]) -> dict[str, Any]:
    """What decides what is known of a teacher that starts from nothing: random numbers have a processor's last bits."""
    listed = hashlib.sha256("\n".join(words).encode()).hexdigest()
    made = {"words": listed, "pairs": PAIRS, "shape": shape, "instructions": torch.backends.cpu.get_cpu_capability()}
    return {**made, "code": digest_once(Path(__file__)), **_makers()}  # of the vocabulary and the model, in this file


def _makers() -> dict[str, Any]:
    return {
        "version": REVISIONS["checkpoint"],
        "seat": REVISIONS["seat"],  # of the words that may be unknown
        "libraries": {name: versions()[name] for name in ("tokenizers", "torch", "transformers")},
    }


def _known(checkpoint: Checkpoint) -> dict[str, Any]:
    """What the store keeps of a checkpoint; a tokenizer that SEAT refuses is asked, and refused, each time."""
    found = {name: getattr(checkpoint, name) for name in _KNOWN}
    with suppress(InputError):
        found["unknown"] = checkpoint.unknown
    return found


def _digests(folder: Path) -> dict[str, str]:
    """Of the files that a checkpoint may be read from."""
    kinds = (".json", ".txt", ".safetensors", ".model")
    return {
        path.name: digest_once(path) for path in sorted(folder.iterdir()) if path.suffix in kinds and path.is_file()
    }


def _check_config(config: Any) -> None:
    """Raises InputError for what a DistilBERT student cannot follow."""
    if config.model_type != "bert":
        raise InputError(f"it is a {config.model_type!r} model; allowed is 'bert', cased or uncased, of any size")
    if config.layer_norm_eps != 1e-12 or not getattr(config, "tie_word_embeddings", True):
        raise InputError(
            f"it has layer_norm_eps {config.layer_norm_eps} and tie_word_embeddings {config.tie_word_embeddings}; "
            "a DistilBERT student can only follow 1e-12 and True"
        )


def _check_head(model: Any, report: dict[str, Any]) -> None:
    """Raises InputError for an MLM head of another shape, or one whose output is not tied, whatever config.json says.

    A student has one matrix for both ends and starts from the teacher's word embeddings.
    """
    if report["mismatched_keys"]:
        name, stored, wanted = min(report["mismatched_keys"], key=str)
        raise InputError(f"{name} has another shape, {tuple(stored)}, than config.json says, {tuple(wanted)}")
    damaged = [name for name, weight in model.named_parameters() if not torch.isfinite(weight).all()]
    if damaged:
        raise InputError(f"{damaged[0]} holds NaN or infinite values: the file is damaged, or its training diverged")
    words, head = model.get_input_embeddings().weight, model.cls.predictions
    if not torch.equal(head.decoder.weight, words):
        raise InputError(
            "its output matrix (cls.predictions.decoder.weight) differs from its word embeddings; a DistilBERT student "
            "has one matrix for both and can only follow a teacher that has, too"
        )
    if not torch.equal(head.decoder.bias, head.bias):
        raise InputError(
            "cls.predictions.bias and cls.predictions.decoder.bias differ; nothing says which one is meant"
        )


def _check_tokenizer(tokenizer: Any, model: Any) -> None:
    if not tokenizer.is_fast:
        raise InputError("it has no fast tokenizer (tokenizer.json)")
    vocabulary = limits_of(model).vocabulary
    if vocabulary is not None and len(tokenizer) > vocabulary:
        raise InputError(f"{len(tokenizer)} tokens in the tokenizer, {vocabulary} in the model")
    lacking = [name for name in SPECIAL if getattr(tokenizer, f"{name}_token_id") is None]
    if lacking:
        raise InputError(f"its tokenizer has no {' and no '.join(lacking)} token, with which training works")
    _without_settings(tokenizer)


def _without_settings(tokenizer: Any) -> None:
    """Some tokenizer files carry fixed padding and truncation; both are ours to decide."""
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()


@torch.no_grad()
def initialise_head(model: Any, *, seed: int, std: float, decoder_bias: torch.Tensor | None = None) -> None:
    """A fresh MLM head: random transform, LayerNorm at one and zero, the output bias zero or as given (vocab,)."""
    generator = torch.Generator().manual_seed(derive(seed, "mlm head"))
    predictions = model.cls.predictions
    predictions.transform.dense.weight.normal_(0, std, generator=generator)
    predictions.transform.dense.bias.zero_()
    predictions.transform.LayerNorm.weight.fill_(1)
    predictions.transform.LayerNorm.bias.zero_()
    predictions.decoder.bias.zero_()
    if decoder_bias is not None:
        predictions.decoder.bias.copy_(decoder_bias)


def from_scratch(
    tokenizer: Any,
    *,
    layers: int,
    hidden: int,
    max_length: int,
    initializer_range: float,
    seed: int,
    dropout: float = 0.1,
) -> Any:
    """A small BertForMaskedLM with random weights, the same for the same seed; heads of 16 units.

    Raises:
        InputError: ``hidden`` is not a multiple of 16.
    """
    from transformers import BertConfig, BertForMaskedLM

    if hidden % 16:
        raise InputError(f"teacher_hidden: {hidden} must be a multiple of 16")
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 16,
        intermediate_size=4 * hidden,
        max_position_embeddings=max(max_length, 64),
        initializer_range=initializer_range,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "scratch teacher"))
        return BertForMaskedLM(config).eval()


def small_tokenizer(texts: Iterable[str]) -> Any:
    """The :func:`word_tokenizer` of the words of ``texts``."""
    return word_tokenizer(words_of(texts))


def words_of(texts: Iterable[str]) -> list[str]:
    """The words of ``texts`` in lower case by falling count, then alphabetically: the same everywhere."""
    from tokenizers import normalizers, pre_tokenizers

    normalise = normalizers.BertNormalizer(lowercase=True)
    split = pre_tokenizers.BertPreTokenizer()
    counts = Counter(word for text in texts for word, _ in split.pre_tokenize_str(normalise.normalize_str(text)))
    return sorted(counts, key=lambda word: (-counts[word], word))


def word_tokenizer(words: Sequence[str]) -> Any:
    """A lower-case WordPiece tokenizer whose pieces are these words, those of Appendix C, and their characters."""
    from transformers import BertTokenizer

    letters = sorted({c for word in words for c in word} | set("abcdefghijklmnopqrstuvwxyz.,'"))
    gendered = [word.lower() for pair in PAIRS for word in pair]  # mixup needs them as words, occurring or not
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *gendered, *letters, *(f"##{c}" for c in letters)]
    return BertTokenizer(vocab={piece: i for i, piece in enumerate(dict.fromkeys(pieces))}, do_lower_case=True)
