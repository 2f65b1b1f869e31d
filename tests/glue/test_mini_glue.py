"""mini-GLUE: GLUE's schema, labels that say what the rows say, and nothing that gives a label away."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from fairkd.errors import InputError
from fairkd.glue.mini import examples as mini_glue
from fairkd.glue.mini import scales
from fairkd.glue.mini.grammar import past
from fairkd.glue.mini.lexicon import DEV, TRAIN

SCALES = [scale for group in (scales.MOODS, scales.TRAITS, scales.HELP) for scale in group.values()]
# Of nyu-mll/glue: text columns, label ids, development splits.
SCHEMA: dict[str, tuple[tuple[str, ...], tuple[int, ...], tuple[str, ...]]] = {
    "cola": (("sentence",), (0, 1), ("validation",)),
    "sst2": (("sentence",), (0, 1), ("validation",)),
    "mrpc": (("sentence1", "sentence2"), (0, 1), ("validation",)),
    "stsb": (("sentence1", "sentence2"), (), ("validation",)),
    "qqp": (("question1", "question2"), (0, 1), ("validation",)),
    "mnli": (("premise", "hypothesis"), (0, 1, 2), ("validation_matched", "validation_mismatched")),
    "qnli": (("question", "sentence"), (0, 1), ("validation",)),
    "rte": (("sentence1", "sentence2"), (0, 1), ("validation",)),
}
SPLITS = [(config, split) for config, (_, _, dev) in SCHEMA.items() for split in ("train", *dev)]
DESCRIBED = {cell: list(mini_glue.described(*cell)) for cell in SPLITS}
FEMALE, MALE = {"she", "her", "hers", "herself"}, {"he", "him", "his", "himself"}
FUNCTION_WORDS = (
    FEMALE
    | MALE
    | set(
        """themselves everyone i you one this that these those there a an the no each every many several only
        is are was were has had have did does do will would can could should gave
        who what when where which why how come it makes way best better place year long ago say call called thought
        in by to of for at near behind than before although but and or neither nor both
        not never hardly all anything very really so more less too again here today saw met seen us we too
        well yes oh see you
        two three four five six seven eight nine ten twelve""".split()  # noqa: SIM905
    )
)


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-zé]+", text.lower())


def text_of(config: str, row: dict[str, Any]) -> str:
    return " ".join(row[column] for column in SCHEMA[config][0])


@pytest.mark.parametrize(("config", "split"), SPLITS)
def test_rows_have_the_hubs_columns_and_label_ids(config: str, split: str) -> None:
    columns, labels, _ = SCHEMA[config]
    rows = mini_glue.examples(config, split)
    assert [row["idx"] for row in rows] == list(range(len(rows)))
    for row in rows:
        assert tuple(row) == (*columns, "label", "idx")
        assert all(isinstance(row[column], str) and row[column] for column in columns)
        if labels:
            assert type(row["label"]) is int
            assert row["label"] in labels
        else:
            assert type(row["label"]) is float
            assert 0 <= row["label"] <= 5


def test_two_calls_give_the_same_rows_and_an_unknown_task_or_split_is_refused() -> None:
    for config, split in SPLITS:
        assert mini_glue.examples(config, split) == mini_glue.examples(config, split)
    with pytest.raises(InputError, match="Did you mean 'mnli'"):
        mini_glue.examples("mnil", "train")
    with pytest.raises(InputError, match="validation_matched"):
        mini_glue.examples("mnli", "validation")


@pytest.mark.parametrize("config", SCHEMA)
def test_train_and_dev_have_no_content_word_in_common(config: str) -> None:
    used = {
        part: {
            word
            for (task, split), rows in DESCRIBED.items()
            if task == config and (split == "train") == (part == "train")
            for _, row in rows
            for word in words_of(text_of(config, row))
        }
        for part in ("train", "dev")
    }
    assert used["train"] & used["dev"] <= FUNCTION_WORDS


def test_the_two_vocabularies_have_no_word_in_common_in_whatever_list() -> None:
    def flat(item: Any) -> set[str]:
        if isinstance(item, str):
            return {item.lower()}
        if isinstance(item, int):
            return set()
        if isinstance(item, dict):
            return flat(tuple(item.items()))
        return {word for part in item for word in flat(part)}

    train, dev = flat(tuple(vars(TRAIN).values())), flat(tuple(vars(DEV).values()))
    for scale in SCALES:
        train, dev = train | flat(scale[0]), dev | flat(scale[1])
    assert not train & dev
    assert not (train | dev) & FUNCTION_WORDS


@pytest.mark.parametrize(("config", "split"), SPLITS)
def test_every_template_emits_every_label_equally_often(config: str, split: str) -> None:
    templates = {name for name, _ in DESCRIBED[config, split]}
    cells = Counter((name, row["label"]) for name, row in DESCRIBED[config, split])
    labels = {label for _, label in cells}
    assert len(templates) >= 4
    assert set(cells) == {(name, label) for name in templates for label in labels}
    for label in labels:
        assert len({cells[name, label] for name in templates}) == 1
    if SCHEMA[config][1]:
        assert labels == set(SCHEMA[config][1])
        assert len(set(cells.values())) == 1


@pytest.mark.parametrize(("config", "split"), SPLITS)
def test_women_and_men_are_as_frequent_with_every_label(config: str, split: str) -> None:
    names = [{name.lower() for words in (TRAIN, DEV) for name in words.names[sex]} for sex in (0, 1)]
    for female, male in ((FEMALE, MALE), names):
        counts: Counter[tuple[Any, str]] = Counter()
        for _, row in DESCRIBED[config, split]:
            for word in words_of(text_of(config, row)):
                counts[row["label"], "female" if word in female else "male" if word in male else ""] += 1
        for label in {row["label"] for _, row in DESCRIBED[config, split]}:
            assert counts[label, "female"] == counts[label, "male"]
        assert sum(count for (_, sex), count in counts.items() if sex) > 0


@pytest.mark.parametrize("config", SCHEMA)
def test_no_row_stands_twice(config: str) -> None:
    texts = [text_of(config, row) for (task, _), rows in DESCRIBED.items() if task == config for _, row in rows]
    assert len(set(texts)) == len(texts)


def bag_of_words_accuracy(config: str, train: list[dict[str, Any]], dev: list[dict[str, Any]]) -> float:
    def bags(rows: list[dict[str, Any]]) -> list[str]:
        return [
            " ".join(f"{column}_{word}" for column in SCHEMA[config][0] for word in words_of(row[column]))
            for row in rows
        ]

    model = make_pipeline(CountVectorizer(), LogisticRegression(max_iter=1000))
    model.fit(bags(train), [row["label"] for row in train])
    return float(np.mean(model.predict(bags(dev)) == [row["label"] for row in dev]))


@pytest.mark.parametrize("config", [config for config in SCHEMA if SCHEMA[config][1]])
def test_a_bag_of_words_is_near_chance(config: str) -> None:
    _, labels, splits = SCHEMA[config]
    train, dev = mini_glue.examples(config, "train"), mini_glue.examples(config, splits[0])
    assert bag_of_words_accuracy(config, train, dev) < 1 / len(labels) + 0.12


def test_a_bag_of_words_is_not_near_chance_where_a_word_gives_the_label_away() -> None:
    rows = [
        {**row, "sentence": f"{row['sentence']} {'Good' if row['label'] else 'Bad'}"}
        for row in mini_glue.examples("sst2", "train")
    ]
    assert bag_of_words_accuracy("sst2", rows[:700], rows[700:]) > 0.9


def form_of(config: str, row: dict[str, Any]) -> str:
    """A row without its words: function words, and a mark for each other one."""
    texts = [words_of(row[column]) for column in SCHEMA[config][0]]
    return " / ".join(" ".join(_mark(word) for word in text) for text in texts)


def _mark(word: str) -> str:
    sex = "person" if word in FEMALE | MALE else ""
    return sex or (word if word in FUNCTION_WORDS else "X")


def accuracy_of_forms(config: str, train: list[dict[str, Any]], dev: list[dict[str, Any]]) -> float:
    """Of the label that a form has most often in training: what a model can find that knows no word."""
    by_form: dict[str, Counter[int]] = {}
    for row in train:
        by_form.setdefault(form_of(config, row), Counter())[row["label"]] += 1
    commonest = {form: counts.most_common(1)[0][0] for form, counts in by_form.items()}
    return float(np.mean([commonest.get(form_of(config, row), 0) == row["label"] for row in dev]))


@pytest.mark.parametrize("config", [config for config in SCHEMA if SCHEMA[config][1] and config != "cola"])
def test_forms_without_their_words_are_near_chance(config: str) -> None:
    """Lengths, denials and the order of parts give no label away; but CoLA asks about forms."""
    _, labels, splits = SCHEMA[config]
    train, dev = mini_glue.examples(config, "train"), mini_glue.examples(config, splits[0])
    assert {form_of(config, row) for row in train} & {form_of(config, row) for row in dev}
    assert accuracy_of_forms(config, train, dev) < 1 / len(labels) + 0.12


def test_forms_are_not_near_chance_where_a_dropped_word_gives_the_label_away() -> None:
    rows = [
        {**row, "hypothesis": row["hypothesis"].replace("the ", "" if row["label"] == 1 else "the ")}
        for row in mini_glue.examples("mnli", "train")
    ]
    assert accuracy_of_forms("mnli", rows[:700], rows[700:]) > 1 / 3 + 0.12


@pytest.mark.parametrize(("config", "split"), [cell for cell in SPLITS if cell[0] in ("mnli", "rte")])
def test_the_label_of_inference_is_what_is_said_of_whom(config: str, split: str) -> None:
    """Of another: neutral. Of the same: it follows if the same is said, and contradicts if something else is."""
    words = TRAIN if split == "train" else DEV
    names, things = {name.lower() for names in words.names for name in names}, {*words.things}
    topics = {"places": names | things, "traits": things, "moods": names, "kinds": names}
    for name, row in DESCRIBED[config, split]:
        first, second = (set(words_of(row[column])) for column in SCHEMA[config][0])
        if name == "places":
            agrees = first & {*words.places} == second & {*words.places} != set()
        elif name == "kinds":
            agrees = any(kind in second and first & {*members} for kind, members in words.kinds.items())
        else:
            table = scales.TRAITS if name == "traits" else scales.MOODS
            pairs = [scale[words.part] for scale in table.values()]
            agrees = any(first & {*side} and second & {*side} for pair in pairs for side in pair)
            opposed = any(first & {*one} and second & {*other} for pair in pairs for one, other in (pair, pair[::-1]))
            assert agrees != opposed, row
        same = first & topics[name] == second & topics[name] != set()
        relation = (0 if agrees else 2) if same else 1
        assert same or agrees, row
        assert row["label"] == (relation if config == "mnli" else min(relation, 1)), row


def signs() -> dict[str, int]:
    """+1 or -1 of every word of liking in the form in which SST-2 has it."""
    found = {}
    for words in (TRAIN, DEV):
        for sign, adjectives, verbs in ((1, words.liked, words.feel[0]), (-1, words.disliked, words.feel[1])):
            found |= dict.fromkeys((*adjectives, *verbs, *map(past, verbs)), sign)
    return found


@pytest.mark.parametrize("split", ["train", "validation"])
def test_the_label_of_sst2_is_the_sign_of_its_words_under_negation_and_contrast(split: str) -> None:
    sign_of = signs()
    for _, row in DESCRIBED["sst2", split]:
        text = row["sentence"].lower().rstrip(".")
        if text.startswith("although"):
            text = text.split(", ")[1]
        text = text.split(", although")[0]
        text = re.sub("was anything but", "was not", text).split(" but ")[-1]
        if " than " in text:  # less of one is more of the other
            text = text.split(" than ")[0]
        negations = sum(word in {"not", "never", "hardly", "neither", "less"} for word in words_of(text))
        value = {sign_of[word] for word in words_of(text) if word in sign_of}
        assert len(value) == 1, row
        assert row["label"] == (value.pop() * (-1) ** negations > 0), row


@pytest.mark.parametrize("split", ["train", "validation"])
def test_the_score_of_stsb_counts_changed_slots(split: str) -> None:
    """Slots are told apart by their lists; a trait counts as kept if both words are of one side of one scale."""
    words = TRAIN if split == "train" else DEV
    nouns = (words.people, words.things, words.places)
    for _, row in DESCRIBED["stsb", split]:
        first, second = (words_of(row[column]) for column in SCHEMA["stsb"][0])
        changed = sum(set(first) & set(list_) != set(second) & set(list_) for list_ in nouns)
        for table in (scales.MOODS, scales.TRAITS):
            sides = [side for scale in table.values() for side in scale[words.part]]
            # A word may be of two lists: the traits of the two sentences agree if any side holds a word of both.
            kept = any(set(first) & set(side) and set(second) & set(side) for side in sides)
            changed += not kept
        assert row["label"] == 5 - changed, row


def test_sentences_are_short() -> None:
    for (config, _), rows in DESCRIBED.items():
        for _, row in rows:
            assert all(len(words_of(row[column])) <= 16 for column in SCHEMA[config][0]), row
