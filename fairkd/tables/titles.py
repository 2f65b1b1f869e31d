"""What tests and students are called in tables and figures."""

from __future__ import annotations

from collections.abc import Iterable

TEST_TITLES = {
    "C6": "names, career / family",
    "C6b": "terms, career / family",
    "C7": "math / arts, terms",
    "C7b": "math / arts, names",
    "C8": "science / arts, terms",
    "C8b": "science / arts, names",
}
ARM_TITLES = {
    "full": "L_mlm + L_cos + L_ce",
    "no-cos": "L_mlm + L_ce",
    "no-ce": "L_mlm + L_cos",
    "mlm-only": "L_mlm (ours)",
    "debiased-teacher": "debiased teacher",
    "mixup-h": "mixup: output embeddings",
    "mixup-x": "mixup: input embeddings",
    "mixup-yh": "mixup: logits + output",
    "mixup-xyh": "mixup: all three",
    "mixup-xy": "mixup: logits + input (proposed)",
    "mixup-y": "mixup: logits (ours)",
    "mixup-xh": "mixup: input + output (ours)",
    "teacher": "teacher",
}

# Table 2 groups its rows by supervision; the last group is not in the paper.
TABLE2_GROUPS = {
    "Original supervision": {"full": "original teacher", "debiased-teacher": "debiased teacher"},
    "Mixup supervision": {
        "mixup-h": "output embeddings",
        "mixup-x": "input embeddings",
        "mixup-yh": "logits + output embeddings",
        "mixup-xyh": "logits + output + input embeddings",
        "mixup-xy": "logits + input embeddings (proposed)",
    },
    "Ours, not in the paper": {
        "mixup-y": "mixup of logits",
        "mixup-xh": "mixup of output + input embeddings",
    },
}
ORIGINAL = "original student"


def arm_titles(arms: Iterable[str]) -> dict[str, str]:
    """Titles of these arms, unknown ones by their name.

    "full" is told by its losses among students that differ in losses. Among those of Table 2 it is the original one.
    """
    names = list(arms)
    titles = {name: ARM_TITLES.get(name, name) for name in names}
    mitigated = {arm for group in TABLE2_GROUPS.values() for arm in group} - {"full"}
    if "full" in titles and mitigated & set(names):
        titles["full"] = ORIGINAL
    return titles
