"""Tables: ours beside the printed values, the lowest in bold, nothing unescaped."""

import math

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from made_frames import ABLATION, MIXUP, averages, counts, differences, met, scores, shared_with_seat, verdicts

from fairkd import Profile
from fairkd.claims import claims, contrasts, paper
from fairkd.errors import InputError
from fairkd.names import ARM_NAMES, arm_title, arm_titles
from fairkd.show import tables
from fairkd.wording import number, p_text

HOSTILE = "<script>alert(1)</script>"

TEACHERS = averages([("original", 6), ("debiased", 6), ("without", 6)])
RECORD = {
    "words": {
        "female": {"listed": 40, "used": 30, "not_in_training_sequences": 8, "not_in_vocabulary": ["heiress", "dame"]},
        "male": {"listed": 40, "used": 34, "not_in_training_sequences": 6, "not_in_vocabulary": []},
    },
    "sequences_scanned": 4061,
    "sequences_found": {"female": 1400, "both genders": 300},
    "sequences_trained": {"female": 1260},
    "sequences_heldout": {"female": 140},
    "updates": 90,
    "sequences_read": 2520,
    "tokens_read": 123456,
    "epochs_run": 2,
    "epoch_kept": 1,
    "heldout_objective": [
        {"debias": 1.0, "reg": 0.0, "objective": 0.2},
        {"debias": 0.5, "reg": 0.01, "objective": 0.108},
        {"debias": 0.5, "reg": 0.02, "objective": 0.116},
    ],
    "heldout_mlm_loss_before": 5.25,
    "heldout_mlm_loss_after": 5.5,
    "heldout_kl": 0.125,
    "heldout_unigram_loss": 6.96,
    "something_new": 3,
}


def parse(html: tables.Html) -> BeautifulSoup:
    return BeautifulSoup(html.text, "html.parser")


def rows_of(soup: BeautifulSoup) -> dict[str, list]:
    return {row.th.get_text(" "): row.find_all("td") for row in soup.tbody.find_all("tr")}


@pytest.fixture
def table1() -> BeautifulSoup:
    return parse(tables.table1(scores(ABLATION), averages(ABLATION), pooling="mean"))


def test_table1_shows_ours_and_the_printed_value_of_every_cell(table1):
    rows = rows_of(table1)
    ours = scores(ABLATION).query("pooling == 'mean'").set_index(["arm", "test"])
    for test in paper.TABLE1["full"]:
        (cells,) = [cells for head, cells in rows.items() if head.split()[0] == test]
        for column, arm in enumerate(("full", "no-cos", "no-ce")):
            own = ours.loc[(arm, test)]
            text = cells[2 * column].get_text(" ")
            assert text == f"{own.effect_size:.3f} [{own.low:.2f}, {own.high:.2f}]".replace("-", "−")
            assert cells[2 * column + 1].get_text() == f"{paper.TABLE1[arm][test]:.3f}"
        assert cells[6].get_text().startswith(f"{ours.loc[('teacher', test)].effect_size:.3f}")


def test_table1_marks_the_lowest_of_each_row_once_among_ours_and_once_in_print(table1):
    cells = next(cells for head, cells in rows_of(table1).items() if head.startswith("C7b"))
    bold = [n for n, cell in enumerate(cells) if cell.strong]
    # Ours: full is lowest by construction (the teacher is not a competitor); printed: no-ce with 0.139.
    assert bold == [0, 5]


def test_table1_gives_both_averages_only_where_the_printed_one_is_not_the_mean_of_its_column(table1):
    cells = rows_of(table1)["Avg. mean |d|"]
    assert [cells[n].get_text(" ") for n in (1, 3, 5)] == ["0.992", "0.960", "0.670 (0.697 by its rows)"]
    assert cells[5].strong
    assert not cells[1].strong
    assert cells[0].get_text(" ") == "1.100 [0.90, 1.40]"
    assert rows_of(table1)["Avg. mean |d| of C6, C7b and C8b"][0].get_text(" ") == "0.850 [0.45, 1.15]"
    assert rows_of(table1)["Avg. mean signed d"][0].get_text(" ") == "0.600 [0.40, 0.80]"


def test_ours_is_bold_only_where_the_frame_says_that_it_is_the_lowest():
    data = scores(ABLATION).assign(lowest=False)
    data.loc[(data.arm == "no-ce") & (data.test == "C6"), "lowest"] = True
    table = tables.table1(data, averages(ABLATION).assign(lowest=False), pooling="mean")
    rows = rows_of(parse(table))
    ours = {head: [n for n, cell in enumerate(cells) if cell.strong and n % 2 == 0] for head, cells in rows.items()}
    assert [head[:3] for head, bold in ours.items() if bold] == ["C6 "]
    assert ours[next(head for head in ours if head.startswith("C6 "))] == [4]
    assert (
        "of our students the lowest |d| of a row, where the intervals of its distances to all the others" in table.text
    )


def test_a_badge_stands_once_in_the_caption_of_each_table_and_is_escaped():
    made = tables.table1(scores(ABLATION), averages(ABLATION), pooling="mean") + tables.averages(averages(ABLATION))
    made += tables.claims(JUDGED)
    plain, soup = parse(made), parse(made.badged(f"a demonstration {HOSTILE}"))
    assert not plain.select(".badge")
    captions = soup.find_all("caption")
    assert len(captions) == 3
    for before, caption in zip(plain.find_all("caption"), captions, strict=True):
        assert caption.find_all("small")[-1].get_text() == f"a demonstration {HOSTILE}"
        assert caption.get_text().startswith(before.get_text())
    assert len(soup.select(".badge")) == 3
    assert tables.paragraph("none").badged("x").text == tables.paragraph("none").text


def test_text_from_data_is_escaped_everywhere():
    hostile = verdicts((1, "mean", "supported", -0.1), (2, HOSTILE, HOSTILE, 0.1))
    for name in ("title", "statement", "source", "printed", "sentence", "what"):
        hostile[name] = HOSTILE
    data = averages(ABLATION).replace("full", HOSTILE)
    frame = tables.frame(data.rename(columns={"layers": HOSTILE}), caption=HOSTILE, titles={"arm": HOSTILE})
    made = [
        frame,
        tables.facts({HOSTILE: {HOSTILE: [HOSTILE]}}, caption=HOSTILE),
        tables.notice(HOSTILE),
        tables.missing(HOSTILE, HOSTILE),
        tables.paragraph(HOSTILE),
        tables.averages(data),
        tables.table1(scores(ABLATION).replace("no-ce", HOSTILE), averages(ABLATION).replace("no-ce", HOSTILE),
                      pooling="mean"),
        tables.table2(scores(MIXUP).replace("mine", HOSTILE), averages(MIXUP).replace("mine", HOSTILE), pooling="mean"),
        tables.differences(differences(MIXUP).replace("mine", HOSTILE)),
        tables.claims(hostile),
        tables.claims(hostile.assign(pooling=[HOSTILE, "mean"])),
        tables.claims(hostile.assign(claim=1)),
        tables.pairs(counts().replace("gal", HOSTILE), met().replace("gal", HOSTILE), documents=20, sequences=400),
        tables.debiasing({HOSTILE: RECORD | {HOSTILE: HOSTILE, "sequences_found": {HOSTILE: 1}}}, TEACHERS),
        tables.tested_words(shared_with_seat().replace("MaleNames", HOSTILE)),
        tables.tested_words(shared_with_seat().assign(pairs=[[HOSTILE], []])),
    ]  # fmt: skip
    for html in made:
        assert not parse(html).find_all("script")
        assert HOSTILE in parse(html).get_text()


def test_tables_read_well_without_the_style_sheet():
    # JupyterLab has none: what only the style sheet moved to the next line stood glued to the word before.
    own = verdicts((1, "mean", "supported", -0.1), (2, "cls", "inconclusive", 0.1))
    both = pd.concat([own.assign(pooling=name) for name in ("mean", "cls")])
    made = [
        tables.claims(both),
        tables.table2(scores(MIXUP), averages(MIXUP), pooling="mean"),
        tables.facts({"a": "b"}, caption="c"),
        tables.frame(pd.DataFrame({"arm": ["full"], "d": [0.5]}), caption="c"),
    ]
    for html in made:
        soup = parse(html)
        before = [small.previous_sibling for small in soup.find_all("small")]
        assert all(one.name == "br" or one.endswith(" ") for one in before)
        words = soup.find_all(class_="text")
        assert words
        assert all(cell["style"] == "text-align: left" for cell in words)


def test_dollars_of_a_text_are_no_formula_in_jupyterlab():
    shown = BeautifulSoup(tables.paragraph("from $7.25 to $8")._repr_html_(), "html.parser")
    assert shown.find(string="from $7.25 to $8").find_parent(class_="mathjax_ignore")


def test_names_with_commas_are_told_apart():
    soup = parse(tables.facts({"students": ["full, seed 0", "no-ce, seed 0"]}, caption="c"))
    assert soup.td.get_text() == "full, seed 0; no-ce, seed 0"


def test_intervals_stand_below_their_values_and_not_in_columns_of_their_own():
    data = pd.DataFrame({"arm": ["a"], "r": [-0.5], "low": [-0.9], "high": [0.2]})
    soup = parse(tables.frame(data, caption="c", intervals={"r": ("low", "high")}, digits=2))
    assert [th.get_text() for th in soup.thead.find_all("th")] == ["arm", "r"]
    assert soup.td.get_text(" ") == "−0.50 [−0.90, 0.20]"


def test_facts_flatten_what_is_nested():
    soup = parse(tables.facts({"a": {"b": [1, 2], "c": None}, "rate": 1e-6, "on": True}, caption="c"))
    assert {head: cells[0].get_text() for head, cells in rows_of(soup).items()} == {
        "a.b": "1, 2",
        "a.c": "None",
        "rate": "1e-06",
        "on": "True",
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [(-0.5, "−0.500"), (-0.0001, "0.000"), (np.nan, "–"), (None, "–"), (1.23456, "1.235"), (np.inf, "–")],
)
def test_numbers(value, shown):
    assert number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0123, "0.012"),
        (0.001, "0.001"),
        (0.0009, "< 0.001"),
        (0.0, "< 0.001"),
        (1.0, "1.000"),
        (np.nan, "–"),
        (None, "–"),
    ],
)
def test_p_values(value, shown):
    assert p_text(value) == shown


# --- Table 2 ---


def rows2(tests=None, means=None) -> dict[tuple[str, str], list]:
    """Cells by (title of the arm, "ours" or "printed")."""
    tests = scores(MIXUP) if tests is None else tests
    means = averages(MIXUP) if means is None else means
    soup = parse(tables.table2(tests, means, pooling="mean"))
    found, title = {}, ""
    for row in soup.select("tbody tr:not(.group)"):
        *names, source = [th.get_text(" ") for th in row.find_all("th")]
        title = names[0] if names else title
        found[title, source] = row.find_all("td")
    return found


def test_table2_has_the_papers_groups_and_shows_what_it_does_not_know_by_name():
    soup = parse(tables.table2(scores(MIXUP), averages(MIXUP), pooling="mean"))
    groups = {
        body.select_one(".group").get_text(): body.select("th[rowspan], th.text") for body in soup.find_all("tbody")
    }
    assert {group: [th.get_text() for th in heads] for group, heads in groups.items()} == {
        "Original supervision": ["original"],
        "Mixup supervision": ["mixup of input", "mixup of input + logits"],
        "Ours, not in the paper": ["mixup of logits", "mine"],
        "For reference": ["teacher"],
    }
    assert [th.contents[0] for th in soup.thead.find_all("th")] == [
        "Supervision",
        *paper.TABLE2["full"],
        *3 * ["Avg."],
    ]
    assert "stimulus words (one seed)" in soup.caption.get_text()


def test_table2_shows_ours_and_in_the_row_below_the_printed_value_of_every_cell():
    rows, ours = rows2(), scores(MIXUP).query("pooling == 'mean'").set_index(["arm", "test"])
    for title, arm in (("original", "full"), ("mixup of input + logits", "mixup-xy")):
        for column, test in enumerate(paper.TABLE2[arm]):
            own = ours.loc[(arm, test)]
            text = rows[title, "ours"][column].get_text(" ")
            assert text == f"{own.effect_size:.3f} [{own.low:.2f}, {own.high:.2f}]".replace("-", "−")
            assert rows[title, "printed"][column].get_text() == f"{paper.TABLE2[arm][test]:.3f}"
    assert rows["original", "ours"][6].get_text(" ") == "1.100 [0.90, 1.40]"
    assert rows["original", "ours"][7].get_text(" ") == "0.850 [0.45, 1.15]"
    assert rows["original", "ours"][8].get_text(" ") == "0.600 [0.40, 0.80]"
    assert rows["original", "printed"][7].get_text() == "–"
    assert not {("mixup of logits", "printed"), ("mine", "printed"), ("teacher", "printed")} & set(rows)


def test_table2_marks_the_clear_lowest_of_a_column_and_the_lowest_of_the_printed_rows():
    data = scores(MIXUP)
    data.loc[data.test == "C7", "lowest"] = data.arm == "mine"
    rows = rows2(data)

    def bold(column, source):
        return [title for (title, kind), cells in rows.items() if kind == source and cells[column].strong]

    assert bold(0, "ours") == ["original"]
    assert bold(2, "ours") == ["mine"]
    # Printed C6b: 0.499, 0.049, 0.062; C7b: 1.428, 1.334, 1.218; averages 0.992, 0.830, 0.738.
    assert bold(1, "printed") == ["mixup of input"]
    assert [bold(n, "printed") for n in (3, 6)] == 2 * [["mixup of input + logits"]]
    assert bold(7, "ours") == bold(7, "printed") == bold(8, "ours") == bold(8, "printed") == []


def test_table2_gives_both_averages_only_where_the_printed_one_does_not_follow_from_its_row():
    rows = rows2()
    assert rows["mixup of input", "printed"][6].get_text(" ") == "0.830 (0.826 by its row)"
    assert rows["original", "printed"][6].get_text(" ") == "0.992"


def test_table2_says_how_many_seeds_the_intervals_cover():
    several = scores(MIXUP).assign(seeds=10)
    several.loc[several.arm == "teacher", "seeds"] = 1
    table = tables.table2(several, averages(MIXUP), pooling="mean")
    assert "stimulus words and 10 seeds" in parse(table).caption.get_text()


# --- differences ---


def test_differences_name_both_students_and_give_p_beside_the_interval():
    soup = parse(tables.differences(differences(ABLATION, poolings=("mean",))))
    rows = rows_of(soup)
    assert [th.get_text() for th in soup.thead.find_all("th")] == [
        "student", "minus", "pooling", "difference", "p", "p (Holm)",
    ]  # fmt: skip
    cells = rows["no L ce"]
    assert [c.get_text(" ") for c in cells] == [
        "original", "mean", "0.000 [−0.020, 0.020]", "0.030", "0.300",
    ]  # fmt: skip
    assert "2 under a pooling" in soup.caption.get_text()


def test_interval_of_a_small_difference_shows_on_which_side_of_zero_it_lies():
    data = differences(ABLATION).assign(difference=-0.012, low=-0.021, high=-0.003, p=0.0002, p_holm=np.nan)
    cells = next(iter(rows_of(parse(tables.differences(data))).values()))
    assert [c.get_text(" ") for c in cells][2:] == ["−0.012 [−0.021, −0.003]", "< 0.001", "–"]


def test_students_have_one_name_everywhere_and_the_key_tells_them():
    assert arm_titles(["full", "no-ce", "mixup-xy", "capacity-2", "mine"]) == {
        "full": "original", "no-ce": "no L_ce", "mixup-xy": "mixup of input + logits", "capacity-2": "2 layers",
        "mine": "mine",
    }  # fmt: skip
    titles = [arm_title(arm) for arm in ARM_NAMES]
    assert len(set(titles)) == len(titles)
    rows = rows_of(parse(tables.key_to_names(Profile.load("paper").all_arms())))
    assert [cell.get_text() for cell in rows["mixup of input + logits"]][1] == "mixup-xy"
    assert {cells[1].get_text() for cells in rows.values()} == {arm.name for arm in Profile.load("paper").all_arms()}
    assert all(cells[0].get_text() for cells in rows.values())


# --- claims ---

JUDGED = verdicts(
    (2, "mean", "supported", -0.1), (1, "mean", "contradicted", 0.1), (3, "mean", "not run", np.nan),
    (1, "cls", "inconclusive", 0.0), (2, "cls", "supported", -0.2), (3, "cls", "not run", np.nan),
)  # fmt: skip


def test_claims_have_a_line_each_in_order_with_the_first_pooling_as_the_headline():
    soup = parse(tables.claims(JUDGED))
    heads = [row.th.summary.get_text() for row in soup.tbody.find_all("tr")]
    assert heads == ["1 Title 1", "2 Title 2", "3 Title 3"]
    lines = [[cell.get_text() for cell in row.find_all("td")] for row in soup.tbody.find_all("tr")]
    assert [line[1:] for line in lines] == [
        ["0.100 [0.060,\xa00.140]", "✗ contradicted", "–"],
        ["−0.100 [−0.140,\xa0−0.060]", "✓ supported", "0.057"],
        ["–", "– not run", "–"],
    ]
    assert [line[0] for line in lines] == ["r = −0.82", "−0.290", "−1.1"]  # of the paper's own claims 1, 2 and 3
    first, second, third = (row.details.get_text(" ") for row in soup.tbody.find_all("tr"))
    assert "Statement 1 on L ce . Table 1; printed: printed 1." in " ".join(first.split())
    assert "Sentence 2, mean." in second
    assert "difference 2; 99.7 % interval; 10 seeds; p < 0.001; p for all 15 = 0.012; cls pooling: supported." in second
    assert "interval" not in third


def test_printed_differences_are_those_of_the_printed_tables():
    rows = claims.judge({}, layers={})
    briefly = {(row.claim, row.part): claims.printed_briefly(row.claim, row.part) for row in rows.itertuples()}
    assert [part for part, text in briefly.items() if text == "–"] == [(0, "")]  # the teacher's SEAT is not printed
    assert briefly[4, claims.SIX_TESTS] == number(0.738 - 0.992)
    assert briefly[5, claims.SIX_TESTS] == number(0.738 - 0.796)
    assert briefly[8, ""] == "0.0"
    names = {arm: sum(cells[test] for test in ("C6", "C7b", "C8b")) / 3 for arm, cells in paper.TABLE2.items()}
    assert briefly[5, claims.NAMES] == number(names["mixup-xy"] - min(v for k, v in names.items() if k != "mixup-xy"))


def test_printed_differences_are_of_the_students_that_ours_is_of():
    for other, printed in (("no-cos", 0.670 - 0.960), ("full", 0.670 - 0.992), ("teacher", 0.670 - 0.960)):
        assert claims.printed_briefly(2, "", f"difference of average SEAT, no-ce − {other}") == number(printed)
    assert claims.printed_briefly(9, "", "difference of average on mini-GLUE in points, full − no-ce") == "1.5"
    shown = claims.printed_briefly(
        5, claims.NAMES, "difference of average SEAT over C6, C7b and C8b, mixup-xy − mixup-h"
    )
    assert shown == number((1.176 + 1.218 + 1.211 - 1.215 - 1.541 - 1.420) / 3)


def test_a_claim_about_several_names_the_other_of_its_difference():
    rows = verdicts((2, "mean", "inconclusive", -0.1), (4, "mean", "inconclusive", -0.1))
    rows["what"] = ["difference of average SEAT, no-ce − full", "difference of average SEAT, mixup-xy − full"]
    (one,), (other,) = (
        [cells[1].get_text() for cells in [cell]] for cell in rows_of(parse(tables.claims(rows))).values()
    )
    assert one.endswith("− original")
    assert "original" not in other


def test_share_of_tests_is_told_as_a_number_of_tests():
    row = verdicts((6, "mean", "inconclusive", 2 / 6), parts=[claims.BY_TEST])
    row = row.assign(what="share of the 6 tests in which it is so", low=0.0, high=1.0)
    (cells,) = rows_of(parse(tables.claims(row))).values()
    assert [cell.get_text() for cell in cells[:2]] == ["4 of 6", "2 of 6 [0,\xa06]"]


def test_what_several_rows_would_say_alike_stands_once_in_the_caption():
    rows = verdicts((3, "mean", "inconclusive", 0.1), (8, "mean", "inconclusive", 0.1), (4, "mean", "supported", 0.1))
    glue = " The paper's claim is about GLUE, not about mini."
    rows["sentence"] = [f"In this one run so. {contrasts.ONE_SEED}{glue}"] * 2 + ["So it is."]
    soup = parse(tables.claims(rows))
    for text in (contrasts.ONE_SEED, glue.strip()):
        assert soup.get_text().count(text[:-1]) == 1
        assert f"{text[:-1]} (claims 3 and 8)." in soup.caption.get_text()
    assert soup.get_text().count("In this one run so.") == 2
    assert claims.family_note() in soup.caption.get_text()
    assert "mean pooling" in soup.caption.get_text()


@pytest.mark.parametrize("word", contrasts.VERDICTS)
def test_verdict_is_a_word_with_a_mark_of_its_own_that_screen_readers_skip(word):
    row = verdicts((1, "mean", word, -0.1))
    shown = parse(tables.claims(row)).select_one(f".verdict.verdict-{word.replace(' ', '-')}")
    mark = shown.find("span", attrs={"aria-hidden": "true"}).extract()
    assert shown.get_text().strip() == word
    assert mark.get_text() == {"supported": "✓", "contradicted": "✗", "inconclusive": "?", "not run": "–"}[word]


def test_claims_stay_a_table_for_screen_readers_when_a_phone_shows_blocks():
    soup = parse(tables.claims(JUDGED))
    assert soup.table["role"] == "table"
    assert {tag.name: tag["role"] for tag in soup.table.find_all(["thead", "tbody", "tr", "th", "td"])} == {
        "thead": "rowgroup", "tbody": "rowgroup", "tr": "row", "th": "rowheader", "td": "cell",
    }  # fmt: skip
    assert {th["role"] for th in soup.thead.find_all("th")} == {"columnheader"}
    rows = [row.find_all("td") for row in soup.tbody.find_all("tr")]
    assert [td.get("data-label") for td in rows[1]] == ["printed", "ours", None, "finds ≥"]  # a verdict needs none
    # A phone does not write "finds ≥ –".
    assert [row[-1].get("class") == ["none"] for row in rows] == [row[-1].get_text() == "–" for row in rows]


def test_one_seed_is_said_so():
    soup = parse(tables.claims(verdicts((1, "mean", "inconclusive", 0.1)).assign(seeds=1)))
    assert "; one seed" in soup.details.get_text()


def test_claims_of_nothing_are_an_empty_table():
    assert rows_of(parse(tables.claims(JUDGED.iloc[:0]))) == {}


def test_claim_judged_twice_is_refused():
    with pytest.raises(InputError, match="claim 1 stands twice under mean pooling"):
        tables.claims(pd.concat([JUDGED, JUDGED.iloc[1:2]]))


@pytest.mark.parametrize(("smallest", "shown"), [(0.0567, "0.057"), (math.nan, "–")])
def test_a_row_says_what_it_would_have_found(smallest, shown):
    row = verdicts((1, "mean", "inconclusive", 0.1)).assign(detectable=smallest)
    assert parse(tables.claims(row)).tbody.find_all("td")[-1].get_text() == shown


def test_claims_by_every_ruler_have_a_column_each_and_seat_first():
    seat = verdicts((1, "mean", "contradicted", 0.1), (2, "mean", "supported", -0.1), (2, "cls", "supported", -0.3))
    other = verdicts((1, "", "inconclusive", 0.2), (2, "", "not run", np.nan)).drop(columns=["part", "pooling"])
    other["detectable"] = [0.07, math.nan]
    scores = {"log-probability": "size", "pair-preference": "preferred"}
    judged = pd.concat([other.assign(ruler=name, score=score) for name, score in scores.items()])
    soup = parse(tables.claims_by_ruler(judged, seat))
    assert [th.get_text(" ") for th in soup.thead.find_all("th")] == [
        "Claim",
        "SEAT",
        "log-probability bias nats",
        "pair preference %",
    ]
    rows = rows_of(soup)
    assert list(rows) == ["1   Title 1", "2   Title 2"]
    assert [" ".join(cell.get_text(" ").split()) for cell in rows["1   Title 1"]] == [
        "✗ 0.100 [0.060, 0.140]", *2 * ["? 0.200 [0.160, 0.240] ≥ 0.070"],
    ]  # fmt: skip
    assert [" ".join(cell.get_text(" ").split()) for cell in rows["2   Title 2"]] == [
        "✓ −0.100 [−0.140, −0.060] ≥ 0.057", *2 * ["–"],
    ]  # fmt: skip
    marks = soup.select("tbody td span[role=img]")
    assert [mark["aria-label"] for mark in marks] == ["contradicted", *2 * ["inconclusive"], "supported"]
    caption = soup.caption.get_text()
    assert "mean pooling of SEAT" in caption
    assert "? inconclusive" in caption  # the marks are told


# --- gender words and debiasing ---


def test_pairs_show_what_a_student_meets_what_stays_visible_and_what_the_text_has():
    soup = parse(tables.pairs(counts(), met(), documents=20, sequences=400))
    assert {head: [cell.get_text(" ") for cell in cells] for head, cells in rows_of(soup).items()} == {
        "woman / man": ["10", "30", "8", "25", "5", "1,200", "3,000", "300 75.0 %", "20 100.0 %"],
        "gal / guy": ["0", "7", "0", "6", "1", "0", "7", "5 1.2 %", "2 10.0 %"],
        "all pairs": ["10", "37", "8", "31", "6", "1,200", "3,007", "–", "–"],
    }
    upper, lower = soup.thead.find_all("tr")
    spans = [(cell.get_text(), cell.get("colspan"), cell.get("rowspan")) for cell in upper.find_all("th")]
    assert spans == [
        ("pair", None, "2"), ("met by a student", "2", None), ("of these visible", "2", None),
        ("of thesein Lce", None, "2"), ("in the training text", "4", None),
    ]  # fmt: skip
    assert len(lower.find_all("th")) == 8
    caption = soup.caption.get_text()
    assert "a student of seed 3 meets the gender words, before masking; how often" in caption


def test_pairs_of_several_seeds_are_means_and_a_count_of_a_part_says_so():
    seeds = pd.concat([met(), met().assign(seed=4, met_female=[20, 0], batches_counted=5)], ignore_index=True)
    soup = parse(tables.pairs(counts(), seeds.assign(batches_counted=5), documents=20, sequences=400))
    assert rows_of(soup)["woman / man"][0].get_text() == "15"
    caption = soup.caption.get_text()
    assert "a student (mean over the seeds 3 and 4) meets" in caption
    assert "before masking (counted in the first 5 of its 36 batches); how often" in caption


def test_corpus_without_any_pair_is_a_warning():
    names = ["n_female", "n_male", "positions", "sequences", "documents"]
    warning, size = "No word of any pair occurs", {"documents": 20, "sequences": 400}
    assert warning in tables.pairs(counts().assign(**dict.fromkeys(names, 0)), met(), **size).text
    assert warning not in tables.pairs(counts(), met(), **size).text


def test_debiasing_says_what_was_used_and_what_became_of_predictions_and_seat():
    both = {"debiased": RECORD, "without": RECORD | {"updates": 80, "epoch_kept": 2}}
    record, seat = parse(tables.debiasing(both, TEACHERS)).find_all("table")
    cells = {row.th.get_text(): [cell.get_text() for cell in row.find_all("td")] for row in record.tbody.find_all("tr")}
    assert [cell.get_text() for cell in record.thead.find_all("th")] == ["what", "debiased", "without"]
    assert (cells["updates"], cells["epoch kept, 0 is the original"]) == (["90", "80"], ["1", "2"])
    assert {name: first for name, (first, _) in cells.items()} == {
        "female words": "30 of 40 used, 8 not in the chosen sequences, not in the vocabulary: heiress, dame",
        "male words": "34 of 40 used, 6 not in the chosen sequences",
        "sequences, female": "1,400 found, 1,260 trained on, 140 held out",
        "sequences, both genders": "300 found",
        "sequences searched": "4,061",
        "updates": "90",
        "sequences read in training": "2,520",
        "tokens read in training": "123,456",
        "epochs run": "2",
        "epoch kept, 0 is the original": "1",
        "held-out objective, before and after each epoch": "0.2, 0.108, 0.116",
        "held-out MLM loss before": "5.250 nats a position",
        "held-out MLM loss after": "5.500 nats a position",
        "held-out MLM loss of guessing by frequency": "6.960 nats a position",
        "divergence of the predictions, KL(before || after)": "0.125 nats a position",
        "something_new": "3",
    }
    assert "counted in the sequences that it was trained on" in record.caption.get_text()
    rows = [[cell.get_text(" ") for cell in row.find_all(["th", "td"])] for row in seat.tbody.find_all("tr")]
    assert rows[:3] == [
        ["original", "mean", "1.000 [0.80, 1.30]", "0.500 [0.30, 0.70]"],
        ["debiased", "mean", "1.100 [0.90, 1.40]", "0.600 [0.40, 0.80]"],
        ["without", "mean", "1.200 [1.00, 1.50]", "0.700 [0.50, 0.90]"],
    ]
    assert [row[1] for row in rows] == ["mean"] * 3 + ["cls"] * 3


def test_what_one_debiased_teacher_alone_has_is_missing_for_the_other():
    both = {"debiased": RECORD, "without": {"updates": 80}}
    record = parse(tables.debiasing(both, TEACHERS)).find("table")
    cells = {row.th.get_text(): row.find_all("td")[1].get_text() for row in record.tbody.find_all("tr")}
    assert (cells["updates"], cells["epochs run"]) == ("80", "–")


def test_words_that_seat_tests_are_counted_and_named():
    rows = rows_of(parse(tables.tested_words(shared_with_seat())))
    assert {head: [cell.get_text(" ") for cell in cells] for head, cells in rows.items()} == {
        "MaleNames": ["C6, C7b", "1 of 2 John", "0 of 2"],
        "Math": ["C7", "0 of 3", "2 of 3 math, algebra"],
    }


def test_profile_without_a_debiased_teacher_says_so():
    assert "not part of this profile" in tables.debiasing({}, TEACHERS.iloc[:2]).text
