"""Pair measures beside those of two packages of the registry, on the same sentences and the same model.

    python -m benchmarks.other_rulers [--model FOLDER] [--pairs 40]

``mlm-bias`` 0.1.7 and ``FairLangProc`` 0.1.9 are fetched by pip as wheels of known digests, unpacked into a temporary
folder and imported from there; nothing is installed. Without a model, a small BERT with random weights is measured:
agreement does not depend on what a model has learned. What was seen with transformers 5.23, torch 2.13 and numpy 2:

* mlm-bias, CrowS-Pairs score (``compute_csps``) and AUL (``compute_aul``): the same numbers as ours, to float32.
  Neither rounds; ties are ours alone. It runs although it asks for numpy below 2.
* mlm-bias, its class ``BiasMLM``: not run. Its source builds the model by ``from_config``, so that its weights are
  random whatever checkpoint is named; here its functions are given our model.
* FairLangProc, CPS and AUL: other numbers. Its softmax is over ``dim=1`` of logits (sentences, tokens, vocabulary),
  which is over the tokens of the sentence. With the softmax over the vocabulary put in its place, both are ours. CPS
  leaves out the first piece of a word that one names, so it is ours only where that is all that differs. Sentences of
  one call are not padded; here each is a call of its own.
* FairLangProc, LPBS (log-probability score): other numbers than the formula of Kurita et al. (2019). It fills the mask
  in with ``str.replace(…, count)`` and takes the number of the mask for the count: where the target's mask is the
  first, the attribute comes into the target's place, and the words are looked up at the other mask. The last row
  computes that.
"""

from __future__ import annotations

import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table
from transformers import BertConfig, BertForMaskedLM

from fairkd.bias.likelihood import all_unmasked_likelihood, pseudo_log_likelihood, shared_places, tokenise
from fairkd.bias.masked import load_masked_lm
from fairkd.bias.pair_preference import SentencePair, sentence_pairs
from fairkd.bias.published_files import download
from fairkd.teachers.checkpoints import load_checkpoint

WHEELS = {
    "mlm-bias==0.1.7": "37dc3ec50b20ecc7546d3daad74acd3811044908bf7cfabd9b0798944da0f661",
    "FairLangProc==0.1.9": "ce0867822bc11b7f15ce8f5d7d4cfc3843f7f66b3580a9284cecfffbea82cfc8",
}
Pairs = Sequence[SentencePair]


@contextmanager
def unpacked() -> Any:
    """Both packages on the path of imports, for a while; data files stay packed."""
    with tempfile.TemporaryDirectory() as temporary:
        for wanted, digest in WHEELS.items():
            folder = Path(temporary) / wanted.partition("=")[0]
            folder.mkdir()
            with zipfile.ZipFile(download(wanted, digest, folder)) as archive:
                code = [name for name in archive.namelist() if name.endswith(".py") and "/datasets/" not in name]
                archive.extractall(temporary, code)
        sys.path.insert(0, temporary)
        try:
            yield
        finally:
            sys.path.remove(temporary)


def ours(model: Any, tokenizer: Any, pairs: Pairs) -> dict[str, np.ndarray]:
    """Both scores of both sentences of each pair, (pairs, 2)."""
    read = tokenise(model, tokenizer, [text for pair in pairs for text in (pair.more, pair.less)])
    both = list(zip(read[::2], read[1::2], strict=True))
    shared = [(two[side], shared_places(*two)[side]) for two in both for side in (0, 1)]
    pseudo = pseudo_log_likelihood(model, tokenizer, shared).reshape(-1, 2)
    unmasked = all_unmasked_likelihood(model, tokenizer, [(own, own.own) for own in read]).reshape(-1, 2)
    return {"pseudo-log-likelihood": pseudo, "all unmasked likelihood": unmasked}


def mlm_bias(model: Any, tokenizer: Any, pairs: Pairs) -> dict[str, np.ndarray]:
    """The same by mlm-bias."""
    from mlm_bias.utils import compute_aul, compute_csps, get_span

    pseudo, unmasked = [], []
    for pair in pairs:
        ids = [tokenizer(text, return_tensors="pt")["input_ids"] for text in (pair.more, pair.less)]
        spans = get_span(ids[0][0], ids[1][0], "equal")
        mask = tokenizer.mask_token_id
        pseudo.append([compute_csps(model, own, span, mask)["csps"] for own, span in zip(ids, spans, strict=True)])
        unmasked.append([compute_aul(model, own)["aul"] for own in ids])
    return {"pseudo-log-likelihood": np.array(pseudo), "all unmasked likelihood": np.array(unmasked)}


def fair_lang_proc(model: Any, tokenizer: Any, pairs: Pairs) -> dict[str, np.ndarray]:
    """The same by FairLangProc, a sentence a call."""
    from FairLangProc.metrics.probability import AUL, CPS

    pseudo, unmasked = [], []
    for pair in pairs:
        words = [text.lower().strip(".").split() for text in (pair.more, pair.less)]
        named = [next(a for a, b in zip(one, two, strict=True) if a != b) for one, two in (words, words[::-1])]
        texts = (pair.more, pair.less)
        pseudo.append([CPS(model, tokenizer, [text], [word])[0] for text, word in zip(texts, named, strict=True)])
        unmasked.append([AUL(model, tokenizer, [text])[0] for text in texts])
    return {"pseudo-log-likelihood": np.array(pseudo), "all unmasked likelihood": np.array(unmasked)}


def over_the_vocabulary(call: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """FairLangProc's numbers with its softmax over the last dimension."""
    from FairLangProc.metrics import probability

    softmax = probability.F.softmax
    probability.F.softmax = lambda logits, dim: softmax(logits, -1)
    try:
        return call()
    finally:
        probability.F.softmax = softmax


def log_probability_scores(model: Any, tokenizer: Any) -> tuple[float, float]:
    """The largest difference of FairLangProc's LPBS from the formula in a plain loop, and from what it computes."""
    from FairLangProc.metrics.probability import LPBS

    words = ("he", "she")

    def ratio(text: str) -> float:
        """ln p(he) − ln p(she) at the first mask."""
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        place = ids[0].tolist().index(tokenizer.mask_token_id)
        with torch.no_grad():
            found = model(ids).logits[0, place].log_softmax(0)[tokenizer.convert_tokens_to_ids(list(words))]
        return float(found[0] - found[1])

    formula, misplaced = [], []
    for occupation in ("nurse", "pilot", "judge"):
        theirs = float(LPBS(model, tokenizer, ["[MASK] is a [MASK]."], [words], [occupation], [0])[0])
        prior = ratio("[MASK] is a [MASK].")
        formula.append(abs(theirs - (ratio(f"[MASK] is a {occupation}.") - prior)))
        misplaced.append(abs(theirs - (ratio(f"{occupation} is a [MASK].") - prior)))
    return max(formula), max(misplaced)


def random_model() -> tuple[Any, Any]:
    """A small BERT with random weights and the tokenizer of the embedded teacher."""
    torch.manual_seed(0)
    tokenizer = load_checkpoint("embedded").tokenizer
    size = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
    return BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), initializer_range=0.1, **size)).eval(), tokenizer


def main(
    model: Annotated[str | None, typer.Option(help="Folder or hub id with an MLM head; random without it.")] = None,
    pairs: Annotated[int, typer.Option(min=1, help="How many of our pairs.")] = 40,
) -> None:
    """Prints the largest difference from ours, and in how many pairs the preferred sentence is another."""
    network, tokenizer = load_masked_lm(model) if model else random_model()
    network.set_attn_implementation("eager")  # mlm-bias reads attentions
    network.config.output_attentions = True
    every = sentence_pairs()
    chosen = every[:: max(1, len(every) // pairs)][:pairs]
    table = Table(title=f"{len(chosen)} pairs, beside ours", title_justify="left")
    for name in ("package", "score", "largest difference", "other preference"):
        table.add_column(name)
    with unpacked():
        own = ours(network, tokenizer, chosen)
        found = {
            "mlm-bias": mlm_bias(network, tokenizer, chosen),
            "FairLangProc": fair_lang_proc(network, tokenizer, chosen),
            "FairLangProc, softmax over the vocabulary": over_the_vocabulary(
                lambda: fair_lang_proc(network, tokenizer, chosen)
            ),
        }
        for package, scores in found.items():
            for name, values in scores.items():
                other = np.sign(np.subtract(*values.T)) != np.sign(np.subtract(*own[name].T))
                table.add_row(package, name, f"{np.abs(values - own[name]).max():.2g}", str(other.sum()))
        formula, misplaced = log_probability_scores(network, tokenizer)
        table.add_row("FairLangProc", "log-probability score: the formula", f"{formula:.2g}", "")
        table.add_row("FairLangProc", "log-probability score: the attribute misplaced", f"{misplaced:.2g}", "")
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
