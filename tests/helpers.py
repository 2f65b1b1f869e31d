"""What several tests need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from transformers import PreTrainedTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def small_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """An uncased BERT tokenizer whose vocabulary holds every word of ``texts``.

    Ids: the special tokens of SPECIAL, words by falling count (equal counts: by alphabet), single characters,
    then their continuations ("##a").
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    normalise, split = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    counts = Counter(word for text in texts for word, _ in split.pre_tokenize_str(normalise.normalize_str(text)))
    words = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    characters = sorted({character for word in words for character in word})
    pieces = dict.fromkeys([*SPECIAL, *words, *characters, *(f"##{character}" for character in characters)])
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalise
    tokenizer.pre_tokenizer = split
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
