"""The planted corpus: what it plants, how strongly, and that it plants nothing else."""

from __future__ import annotations

import math
import re
from collections import Counter

import pytest

from fairkd import gender
from fairkd.bias.stimuli import TESTS, sentences, stimuli
from fairkd.engine.store import REVISIONS, Store
from fairkd.errors import InputError
from fairkd.teachers.checkpoints import small_tokenizer
from fairkd.text import planted
from fairkd.text.corpus import build
from fairkd.text.sequences import SHORTEST
from fairkd.text.sources import check_sources, documents, fingerprint, is_path

STRENGTHS = (-0.9, -0.3, 0.0, 0.3, 0.9)
TEXTS = {rho: list(planted.planted_documents(rho)) for rho in STRENGTHS}
# Words of SEAT's bleached sentences.
FRAMES = {"this", "is", "that", "there", "here", "it", "these", "those", "they", "are", "the", "a", "an"}
FRAMES |= {"thing", "things", "person", "people", "s", "name"}


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def forms(word: str) -> set[str]:
    """A word and its other forms in SEAT's sentences: "salary", "salaries"."""
    return {word.lower(), *words_of(" ".join(sentences(word)))} - FRAMES


THINGS = {
    form: (domain, place, side)
    for domain, lists in enumerate(planted.DOMAINS)
    for side, words in enumerate(lists)
    for place, word in enumerate(words)
    for form in forms(word)
}
PEOPLE = {
    form: (place, sex)
    for sex, words in enumerate(planted.PEOPLE)
    for place, word in enumerate(words)
    for form in forms(word)
}
PRONOUNS = {word: sex for sex in (0, 1) for word in (*planted.ALONE[sex], *planted._PRONOUNS[sex].values())}


def read(text: str) -> tuple[int | None, list[tuple[int, int]], list[tuple[int, int, int]]]:
    """Gender of a document (None if it has none), its people (place, gender) and its things (domain, place, side)."""
    words = words_of(text)
    people = [PEOPLE[word] for word in words if word in PEOPLE]
    sexes = {sex for _, sex in people} | {PRONOUNS[word] for word in words if word in PRONOUNS}
    assert len(sexes) <= 1, text
    return (sexes.pop() if sexes else None), people, [THINGS[word] for word in words if word in THINGS]


READ = {rho: [read(text) for text in texts] for rho, texts in TEXTS.items()}


def stereotypical_share(rho: float) -> float:
    """Share of things with a gender in the document that are on its stereotypical side."""
    hits = [side == sex for sex, _, things in READ[rho] if sex is not None for *_, side in things]
    return sum(hits) / len(hits)


def test_same_strength_gives_the_same_documents() -> None:
    assert list(planted.planted_documents(0.3)) == TEXTS[0.3] == list(documents("planted:0.30"))
    assert all("\n" not in text and "{" not in text for text in TEXTS[0.3])


def test_words_of_different_lists_are_told_apart() -> None:
    # What the other tests count: no form stands for two words.
    assert len(THINGS) == sum(len(forms(w)) for lists in planted.DOMAINS for words in lists for w in words)
    assert not set(THINGS) & (set(PEOPLE) | set(PRONOUNS))
    assert not set(PEOPLE) & set(PRONOUNS)


@pytest.mark.parametrize("rho", STRENGTHS)
def test_share_and_log_odds_ratio_are_those_of_the_closed_form(rho: float) -> None:
    table = Counter((sex, side) for sex, _, things in READ[rho] if sex is not None for *_, side in things)
    things = table.total()
    # Two pairs of twins share a draw's planted things, so there are a quarter as many independent ones.
    error = math.sqrt(max(abs(rho) * (1 - abs(rho)), 0) / (things / 4)) / 2
    share = (table[0, 0] + table[1, 1]) / things
    assert abs(share - (1 + rho) / 2) <= 4 * error
    log_odds = math.log(table[0, 0] * table[1, 1] / (table[0, 1] * table[1, 0]))
    slope = 2 / (share * (1 - share))
    assert abs(log_odds - 2 * math.log((1 + rho) / (1 - rho))) <= 5 * slope * error


def test_reversed_strength_is_the_exact_mirror_of_the_share() -> None:
    for rho in (0.3, 0.9):
        assert stereotypical_share(-rho) == pytest.approx(1 - stereotypical_share(rho), abs=1e-12)


def test_at_full_strength_every_thing_is_planted() -> None:
    for rho, expected in ((1.0, True), (-1.0, False)):
        found = [read(text) for text in planted.planted_documents(rho)]
        assert {side == sex for sex, _, things in found if sex is not None for *_, side in things} == {expected}


def test_without_strength_each_thing_stands_with_each_person_as_often_as_with_the_twin() -> None:
    pairs = Counter(
        (person, thing, sex) for sex, people, things in READ[0.0] for person, _ in people for thing in things
    )
    n_people, n_things = len(planted.PEOPLE[0]), sum(len(lists[0]) for lists in planted.DOMAINS)
    assert len(pairs) == n_people * 2 * n_things * 2  # each person with each thing
    assert all(pairs[person, thing, 1 - sex] == n for (person, thing, sex), n in pairs.items())
    alone = Counter((PRONOUNS[w], side) for text in TEXTS[0.0] for w in words_of(text) if w in PRONOUNS
                    for *_, side in read(text)[2])  # fmt: skip
    assert alone[0, 0] == alone[1, 0]
    assert alone[0, 1] == alone[1, 1]


def test_token_counts_do_not_depend_on_the_strength() -> None:
    counts = [Counter(word for text in TEXTS[rho] for word in words_of(text)) for rho in STRENGTHS]
    assert all(other == counts[0] for other in counts)


@pytest.mark.parametrize("rho", STRENGTHS)
def test_twins_occur_equally_often(rho: float) -> None:
    things = Counter(thing for *_, found in READ[rho] for thing in found)
    people = Counter(person for _, found, _ in READ[rho] for person in found)
    assert all(things[domain, place, 1 - side] == n for (domain, place, side), n in things.items())
    assert all(people[place, 1 - sex] == n for (place, sex), n in people.items())
    assert Counter(sex for sex, *_ in READ[rho]) == {0: 1440, 1: 1440, None: 1440}


def test_pronouns_and_pairs_of_appendix_c_occur_as_often_as_the_docstring_says() -> None:
    """No pronoun form has a twin of its own: what is equal is the two object and possessive forms together."""
    words = Counter(word for text in TEXTS[0.3] for word in words_of(text))
    assert {word: words[word] for word in ("her", "hers", "him", "his", "mary", "john")} == {
        "her": 418, "hers": 160, "him": 176, "his": 402, "mary": 350, "john": 336,
    }  # fmt: skip
    assert words["her"] + words["hers"] == words["him"] + words["his"]
    uneven = {(female, male) for female, male in gender.PAIRS if words[female.lower()] != words[male.lower()]}
    assert uneven == {("her", "his"), ("Mary", "John")}
    said = planted.__doc__ or ""
    assert all(f"({words[word]}" in said for word in ("her", "hers", "him", "his", "mary", "john"))
    twins = dict(zip(*planted.PEOPLE, strict=True))
    assert (twins["Mary"], twins["Amy"]) == ("Tom", "John")


def test_surface_forms_of_twins_may_differ_where_all_forms_together_do_not() -> None:
    words = Counter(word for text in TEXTS[0.3] for word in words_of(text))
    pairs = [twins for lists in (planted.PEOPLE, *planted.DOMAINS) for twins in zip(*lists, strict=True)]
    assert any(words[a.lower()] != words[b.lower()] for a, b in pairs)
    assert all(sum(words[f] for f in forms(a)) == sum(words[f] for f in forms(b)) for a, b in pairs)


def test_two_strengths_differ_only_in_things_planted_at_one_of_them() -> None:
    for weak, strong in ((0.3, 0.9), (-0.3, -0.9)):
        changed = 0
        for none, some, more in zip(READ[0.0], READ[weak], READ[strong], strict=True):
            assert none[:2] == some[:2] == more[:2]  # gender and people
            for a, b, c in zip(none[2], some[2], more[2], strict=True):
                assert a[:2] == b[:2] == c[:2]  # the places of things in their lists
                assert a == b or b == c  # what the weaker strength has changed, the stronger has too
                changed += a != c
        assert changed > 1000


def test_documents_without_gender_are_the_same_at_any_strength_and_have_things_of_both_sides_alike() -> None:
    neutral = [[i for i, (sex, *_) in enumerate(READ[rho]) if sex is None] for rho in STRENGTHS]
    assert all(rows == neutral[0] for rows in neutral)
    assert {TEXTS[-0.9][i] == TEXTS[0.9][i] for i in neutral[0]} == {True}
    sides = Counter(side for i in neutral[0] for *_, side in READ[0.0][i][2])
    assert sides[0] == sides[1] > 5000


def test_things_of_a_document_without_strength_are_independent_of_each_other() -> None:
    same = Counter(
        a[2] == b[2] for _, _, things in READ[0.0][::6] for a, b in zip(things[:-1], things[1:], strict=True)
    )
    n = same.total()
    assert abs(same[True] / n - 0.5) < 4 * 0.5 / math.sqrt(n)


@pytest.mark.parametrize("rho", [-0.9, 0.0, 0.9])
def test_all_words_of_all_stimuli_are_whole_words_of_a_vocabulary_made_of_the_corpus(rho: float) -> None:
    tokenizer = small_tokenizer(TEXTS[rho])
    corpus_words = set(tokenizer.tokenize(" ".join(TEXTS[rho])))
    for test in TESTS:
        for sentence in (s for part in stimuli(test).values() for s in part):
            tokens = tokenizer.tokenize(sentence)
            assert tokenizer.unk_token not in tokens
            assert not [token for token in tokens if token.startswith("##")], sentence
            assert set(tokens) <= corpus_words, sentence


def test_sequences_are_long_enough_to_be_kept_and_short(tmp_path) -> None:
    tokenizer = small_tokenizer(TEXTS[0.3])
    lengths = [len(tokenizer(text)["input_ids"]) for text in TEXTS[0.3]]
    assert min(lengths) >= SHORTEST
    assert max(lengths) <= 32
    corpus = build(
        ["planted:0.3"], tokenizer, store=Store(tmp_path), heldout_fraction=0.1, max_length=48, progress=False
    )
    assert corpus.manifest["tokens"] == sum(lengths)
    assert not corpus.manifest["dropped_short"]
    counts = gender.count(corpus.train, gender.PairTable(gender.appendix_c(), tokenizer))
    assert (counts[["n_female", "n_male"]] > 20).all(axis=None)


def test_most_documents_with_a_gender_have_a_word_of_appendix_c_and_the_others_none() -> None:
    pair_words = {word.lower() for pair in gender.PAIRS for word in pair}
    having = [bool(pair_words & set(words_of(text))) for text in TEXTS[0.3]]
    gendered = [sex is not None for sex, *_ in READ[0.3]]
    assert sum(h and g for h, g in zip(having, gendered, strict=True)) > 0.7 * sum(gendered)
    assert not any(h and not g for h, g in zip(having, gendered, strict=True))


def test_source_is_known_by_strength_and_version_of_the_grammar(monkeypatch) -> None:
    before = fingerprint("planted:0.3")
    assert before == fingerprint("planted:.30") != fingerprint("planted:-0.3")
    assert fingerprint("planted:0") == fingerprint("planted:-0.0")
    monkeypatch.setitem(REVISIONS, "planted text", 99)
    assert fingerprint("planted:0.3") != before
    assert not is_path("planted:0.3")
    check_sources(["planted:-1", "planted:1"])


@pytest.mark.parametrize("text", ["2", "-1.01", "nan", "inf", "", "much", "0,5"])
def test_strength_outside_its_range_is_refused(text: str) -> None:
    message = rf"corpus 'planted:{re.escape(text)}': '{re.escape(text)}' is no strength in \[-1, 1\]; .*'planted:0\.5'"
    with pytest.raises(InputError, match=message):
        check_sources([f"planted:{text}"])


def test_source_without_a_strength_says_how_it_is_written() -> None:
    with pytest.raises(InputError, match=r"'planted:RHO'.*Did you mean 'planted:0\.5'\?"):
        check_sources(["planted"])


def test_another_draw_is_another_text_that_keeps_every_rule() -> None:
    found = {rho: list(documents(f"planted:{rho}:3")) for rho in (0.0, 0.3)}
    assert found[0.3] == list(planted.planted_documents(0.3, 3))
    assert sorted(map(words_of, found[0.3])) != sorted(map(words_of, TEXTS[0.3]))
    sides = {
        rho: [
            side == sex for text in texts for sex, _, things in [read(text)] if sex is not None for *_, side in things
        ]
        for rho, texts in found.items()
    }
    assert sum(sides[0.0]) * 2 == len(sides[0.0])
    assert sum(sides[0.3]) / len(sides[0.3]) == pytest.approx(0.65, abs=0.02)
    counts = [Counter(word for text in texts for word in words_of(text)) for texts in found.values()]
    assert counts[0] == counts[1]
    assert fingerprint("planted:0.3:3")["draw"] == 3
    assert fingerprint("planted:0.3:0") == fingerprint("planted:0.3")
    for wrong in ("planted:0.3:-1", "planted:0.3:a", "planted:0.3:1:2"):
        with pytest.raises(InputError, match="is no number of a draw"):
            planted.strength(wrong)
