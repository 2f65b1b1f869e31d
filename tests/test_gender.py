"""Gender pairs: whole words only, visible words only, an exchange that is its own inverse, and honest counts."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import BertTokenizer

from fairkd.engine.loading import embedded_folder, load_tokenizer
from fairkd.errors import InputError
from fairkd.gender import PAIRS, Pair, PairTable, appendix_c, check_pairs, count, load_pairs, read_pairs, swap
from fairkd.text import corpus as corpora
from fairkd.text.words import WholeWords, pieces_of

MALE = {male for _, male in PAIRS}
COUNTERPART = dict(PAIRS) | {male: female for female, male in PAIRS}


@pytest.fixture(scope="module")
def bert():
    """The vocabulary of bert-base-uncased."""
    return load_tokenizer(str(embedded_folder()))


@pytest.fixture(scope="module")
def cased():
    words = "she he She He woman man Woman Man Mary John her his Her His the saw ##y mary m j ##ohn ##ary"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words.split()]
    return BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, do_lower_case=False)


@pytest.fixture(scope="module")
def split():
    """A vocabulary in which some words have two pieces."""
    words = "step ##mother ##father ##mo ##fa mother ##son son a b ##s saw the"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words.split()]
    return BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, do_lower_case=True)


def encode(tokenizer, *texts):
    ids = [tokenizer(text)["input_ids"] for text in texts]
    longest = max(map(len, ids))
    return torch.tensor([row + [tokenizer.pad_token_id] * (longest - len(row)) for row in ids])


def found(table, tokenizer, text):
    ids = encode(tokenizer, text)
    return tokenizer.convert_ids_to_tokens(ids.flatten()[table.find(ids).at].tolist())


def pairs_of(*pairs):
    return [Pair(female, male, f"line {n}") for n, (female, male) in enumerate(pairs, 1)]


def test_the_twenty_words_are_single_pieces_of_bert_with_the_known_ids(bert):
    known = (
        "woman 2450 man 2158 girl 2611 boy 2879 she 2016 he 2002 mother 2388 father 2269 daughter 2684 son 2365 gal "
        "14891 guy 3124 female 2931 male 3287 her 2014 his 2010 herself 2841 himself 2370 mary 2984 john 2198"
    )
    expected = {word: int(number) for word, number in zip(known.split()[::2], known.split()[1::2])}
    words = {word for pair in PAIRS for word in pair}
    assert len(words) == 20
    assert {word.lower(): pieces_of(word, bert) for word in words} == {word: (i,) for word, i in expected.items()}


def test_whole_words_are_found_and_beginnings_of_words_are_not(bert):
    table = PairTable(appendix_c(), bert)
    for word in ("sonnet", "manhood", "malevolent", "boyish", "galore", "maryville"):
        assert len(bert.tokenize(word)) > 1
        assert found(table, bert, f"the {word} was there") == [], word
    assert found(table, bert, "He's with his son, John; the sonnet is hers.") == ["he", "his", "son", "john"]
    assert found(table, bert, "son") == ["son"]


def test_exchange_follows_the_list_and_knows_the_gender(world):
    table = PairTable(appendix_c(), world.tokenizer)
    text = "she told her son and him that mary is a woman"
    ids = encode(world.tokenizer, text)
    words = table.find(ids)
    swapped = world.tokenizer.decode(swap(ids, words)[0], skip_special_tokens=True)
    assert swapped == "he told his daughter and him that john is a man"
    names = world.tokenizer.convert_ids_to_tokens(ids.flatten()[words.at].tolist())
    assert words.male.tolist() == [name in MALE for name in names]
    assert [PAIRS[number] for number in words.pair] == [
        next(pair for pair in PAIRS if name in [word.lower() for word in pair]) for name in names
    ]


def literal_find(tokenizer, rows):
    """Position by position, from the words that the pieces spell."""
    lower = {word.lower(): other.lower() for word, other in COUNTERPART.items()}
    hits = []
    for r, row in enumerate(rows.tolist()):
        tokens = tokenizer.convert_ids_to_tokens(row)
        for c, token in enumerate(tokens):
            following = tokens[c + 1] if c + 1 < len(tokens) else "[SEP]"
            if token in lower and not following.startswith("##"):
                hits.append((r * rows.shape[1] + c, tokenizer.convert_tokens_to_ids(lower[token])))
    return hits


def test_found_equals_a_search_position_by_position(world):
    table = PairTable(appendix_c(), world.tokenizer)
    for start in (0, 40, 80):
        ids, _ = corpora.collate(world.corpus.train[list(range(start, start + 12))], world.tokenizer.pad_token_id)
        words = table.find(ids)
        assert list(zip(words.at.tolist(), words.counterpart.tolist())) == literal_find(world.tokenizer, ids)
        assert len(words.at) > 5


def test_swapping_twice_is_the_identity(world):
    table = PairTable(appendix_c(), world.tokenizer)
    ids, _ = corpora.collate(world.corpus.train[list(range(64))], world.tokenizer.pad_token_id)
    once = swap(ids, table.find(ids))
    assert not torch.equal(once, ids)
    assert once.shape == ids.shape
    assert torch.equal(swap(once, table.find(once)), ids)
    assert torch.equal(table.find(once).at, table.find(ids).at)


def test_only_words_that_are_still_visible_are_found(world):
    table = PairTable(appendix_c(), world.tokenizer)
    ids = encode(world.tokenizer, "she told her son with mary", "he told his mother")
    corrupted = ids.clone()
    mask = world.tokenizer.mask_token_id
    corrupted[0, 1] = mask  # she
    corrupted[0, 2] = world.tokenizer.convert_tokens_to_ids("woman")  # a random word that happens to be one of D
    corrupted[1, 3] = world.tokenizer.convert_tokens_to_ids("her")  # his, replaced
    visible = table.find(ids, corrupted)
    names = world.tokenizer.convert_ids_to_tokens(ids.flatten()[visible.at].tolist())
    assert names == ["her", "son", "mary", "he", "mother"]
    assert visible.occurrence.tolist() == [0, 1, 2, 3, 4]


def test_words_of_several_pieces_are_exchanged_piece_by_piece_or_not_at_all(split):
    table = PairTable(pairs_of(("stepmother", "stepfather"), ("mother", "a")), split)
    ids = encode(split, "the stepmother saw mother", "b stepfather")
    words = table.find(ids)
    assert split.decode(swap(ids, words)[0], skip_special_tokens=True) == "the stepfather saw a"
    assert words.occurrence.tolist() == [0, 0, 1, 2, 2]
    assert words.male.tolist() == [False, False, False, True, True]
    corrupted = ids.clone()
    corrupted[0, 3] = split.mask_token_id  # "##mother" is hidden, so "step" is no gender word
    assert table.find(ids, corrupted).at.tolist() == [5, 9, 10]
    longer = encode(split, "stepmothers")  # step ##mother ##s is another word
    assert len(table.find(longer).at) == 0


def test_a_cased_vocabulary_is_searched_in_both_forms_and_keeps_the_case(cased):
    table = PairTable(appendix_c()[2:3] + pairs_of(("Mary", "John"), ("her", "his")), cased)
    ids = encode(cased, "She saw his Mary the he Her")
    swapped = swap(ids, table.find(ids))
    assert cased.decode(swapped[0], skip_special_tokens=True) == "He saw her John the she His"


def test_nothing_is_found_where_there_is_nothing(world):
    table = PairTable(appendix_c(), world.tokenizer)
    ids = encode(world.tokenizer, "the weather")
    words = table.find(ids, ids)
    assert all(len(values) == 0 for values in vars(words).values())
    assert torch.equal(swap(ids, words), ids)


def test_the_last_token_of_a_row_ends_its_word():
    """A row cut after "son" does not look into the next row."""
    tokenizer = BertTokenizer(
        vocab={p: i for i, p in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "son", "##net"])}
    )
    son, net = tokenizer.convert_tokens_to_ids(["son", "##net"])
    words = WholeWords({(son,): 0}, tokenizer)
    assert words.find(torch.tensor([[son, son], [net, son]])).start.tolist() == [0, 1, 3]
    assert words.find(torch.tensor([[son, net]])).start.tolist() == []


def test_counts_equal_those_of_the_sequences_one_by_one(world):
    table = PairTable(appendix_c(), world.tokenizer)
    counts = count(world.corpus.train, table)
    assert counts[["female", "male"]].to_numpy().tolist() == [list(pair) for pair in PAIRS]
    expected = pd.DataFrame(0, index=range(len(PAIRS)), columns=["n_female", "n_male", "sequences"])
    for ids in world.corpus.train[np.arange(len(world.corpus.train))]:
        tokens = world.tokenizer.convert_ids_to_tokens(ids)
        for number, (female, male) in enumerate(PAIRS):
            own = [tokens.count(word.lower()) for word in (female, male)]
            expected.loc[number] += [*own, int(sum(own) > 0)]
    assert counts[expected.columns].to_numpy().tolist() == expected.to_numpy().tolist()
    assert (counts.positions == counts.n_female + counts.n_male).all()  # single pieces
    assert counts.sequences.sum() > 100
    assert (counts.documents <= counts.sequences).all()


def test_a_document_counts_once_however_many_sequences_it_has(world, tmp_path, store, monkeypatch):
    monkeypatch.setattr("fairkd.text.sequences._CHARACTERS_AT_ONCE", 100)  # several chunks
    filler = "the long table and the weather of the town were what they spoke about"
    lines = [f"she read and {filler}.", f"John wrote and {filler}.", f"he met mary and {filler}."]
    rows = [{"text": "\n".join(lines)}, {"text": lines[0]}, {"text": filler}]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(pd.DataFrame(rows).to_json(orient="records", lines=True).splitlines()))
    options = {"store": store, "heldout_fraction": 0.0, "progress": False}
    corpus = corpora.build([str(path)], world.tokenizer, **options)
    assert len(corpus.train) == 5
    documents = [set(document.tolist()) for _, _, document in corpus.train.chunks()]
    assert documents == [{0}, {1, 2}]
    table = PairTable(appendix_c(), world.tokenizer)
    counts = count(corpus.train, table).set_index("female")
    assert counts.loc["she"].tolist() == ["he", 2, 1, 3, 3, 2]
    assert counts.loc["Mary"].tolist() == ["John", 1, 1, 2, 2, 1]
    assert counts.loc["gal"].tolist() == ["guy", 0, 0, 0, 0, 0]


# --- lists -----------------------------------------------------------------------------------------------------------


def test_files_of_pairs_are_read(tmp_path):
    csv, yaml = tmp_path / "p.csv", tmp_path / "p.yaml"
    csv.write_text("female,male\nqueen, king\n\naunt,uncle\n")
    yaml.write_text("# ours\n- [queen, king]\n- [aunt, uncle]\n")
    for path, lines in ((csv, (2, 4)), (yaml, (2, 3))):
        pairs = read_pairs(path)
        assert [(pair.female, pair.male) for pair in pairs] == [("queen", "king"), ("aunt", "uncle")]
        assert [pair.where for pair in pairs] == [f"line {line} of {path.name}" for line in lines]
        assert load_pairs(str(path), path) == pairs
    assert load_pairs("appendix-c", tmp_path) == appendix_c()


HEADINGS = [
    "female,male",
    "Female,Male",
    "FEMALE , MALE",
    "f,m",
    "F,M",
    "female word,male word",
    "Female_words,Male_words",
    "female:,male:",
    "fem.,masc.",
    "#female,male",
    "Female (f),Male (m)",
    "female name,male name",
    "gender_f,gender_m",
    "w,m",
    "weiblich,männlich",
    "Feminine,Masculine",
]


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_heading_is_understood_in_any_case_and_order(tmp_path, heading):
    path = tmp_path / "p.csv"
    path.write_text(f"\n{heading}\nqueen,king\n", encoding="utf-8-sig")
    assert read_pairs(path) == [Pair("queen", "king", "line 3 of p.csv")]
    turned = ",".join(heading.split(",")[::-1])
    path.write_text(f"{turned}\nking,queen\nprince,princess\n")
    assert read_pairs(path) == [
        Pair("queen", "king", "line 2 of p.csv"),
        Pair("princess", "prince", "line 3 of p.csv"),
    ]


def test_only_the_first_line_is_a_heading(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("woman,man\nfemale,male\nwomen,men\n")
    assert [(pair.female, pair.male) for pair in read_pairs(path)] == [
        ("woman", "man"),
        ("female", "male"),
        ("women", "men"),
    ]
    path.write_text("male,female\nmale,female\n")
    assert read_pairs(path) == [Pair("female", "male", "line 2 of p.csv")]


AMBIGUOUS = ["women,men", "Women,Men", "Woman,Man", "girls,boys", "Ladies,Gentlemen", "females,males", "a,b"]


@pytest.mark.parametrize("first", AMBIGUOUS)
def test_a_first_line_that_may_be_a_heading_or_a_pair_is_refused_with_both_ways_out(tmp_path, first):
    path = tmp_path / "p.csv"
    for line, order in ((first, "female,male"), (",".join(first.split(",")[::-1]), "male,female")):
        path.write_text(f"{line}\nactress,actor\n")
        with pytest.raises(InputError, match=rf"line 1 of p.csv: .* may be a heading or a pair; .* {order} above it"):
            read_pairs(path)
    path.write_text(f"female,male\n{first}\n")
    assert [f"{pair.female},{pair.male}" for pair in read_pairs(path)] == [first]


@pytest.mark.parametrize(
    ("name", "text"), [("p.csv", "actress,actor\nhe,she\n"), ("p.yaml", "- [a, b]\n- [John, Mary]")]
)
def test_pairs_of_appendix_c_with_their_words_exchanged_are_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=rf"line 2 of {name}: the female word comes first, and here it is '(he|John)'"):
        read_pairs(tmp_path / name)


@pytest.mark.parametrize(
    "rows", [("queen,king", "Queen,King"), ("Queen,King", "queen,king"), ("queen,king", "QUEEN,KING")]
)
def test_a_pair_that_stands_twice_but_for_its_capitals_is_refused_with_both_lines(tmp_path, bert, rows):
    path = tmp_path / "p.csv"
    path.write_text("female,male\n" + "\n".join(rows))
    pairs = read_pairs(path)
    message = rf"line 3 of p.csv \({rows[1].replace(',', ', ')}\) and line 2 of p.csv \({rows[0].replace(',', ', ')}\)"
    with pytest.raises(InputError, match=message):
        PairTable(pairs, bert)


def test_a_cased_vocabulary_tells_capitals_apart_only_where_no_pair_stands_for_both(cased):
    with pytest.raises(InputError, match=r"line 2 \(She, He\) and line 1 \(she, he\)"):
        PairTable(pairs_of(("she", "he"), ("She", "He")), cased)  # the first is looked for with a capital, too
    assert len(PairTable(pairs_of(("she", "he"), ("Mary", "John")), cased).content) == 6


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.csv", "queen;king\n", r"line 1 of p.csv: \['queen;king'\] is not .*; a comma goes between them"),
        ("p.csv", "queen\tking\n", r"line 1 of p.csv: .*; a comma goes between them"),
        ("p.csv", b"queen,k\xffng\n", r"p.csv cannot be read: not UTF-8 text \(invalid start byte at byte 7\)"),
        ("p.csv", '"' + "x" * 200_000, r"p.csv cannot be read: field larger"),
        ("p.csv", "", r"the list is empty"),
        ("p.yaml", "", r"must hold a list of pairs"),
        ("p.yaml", "[" * 5000, r"p.yaml cannot be read: it is nested too deep"),
        ("p.yaml", "- {female: queen, male: king}\n", r"line 1 of p.yaml: a list or mapping stands where a word"),
        ("p.yaml", "- [queen, no]\n", r"line 1 of p.yaml: 'no' is no text in YAML; put it in quotes"),
        ("p.yaml", "- [queen, 3]\n", r"line 1 of p.yaml: '3' is no text in YAML"),
        ("p.csv", "queen,king\nqueen,prince\n", r"line 2 of p.csv: 'queen' stands in line 1 of p.csv already"),
        ("p.csv", "queen,king\naunt,queen\n", r"line 2 of p.csv: 'queen' stands in line 1"),
        ("p.csv", "queen,queen\n", r"line 1 of p.csv: 'queen' stands in line 1"),
        ("p.csv", "queen,king\naunt,\n", r"line 2 of p.csv: the male word is empty"),
        ("p.csv", ",king\n", r"line 1 of p.csv: the female word is empty"),
        ("p.csv", "queen,king,prince\n", r"line 1 of p.csv: .* is not a female and a male word"),
        ("p.csv", "female,male\n", r"the list is empty"),
        ("p.yaml", "- [queen, king]\n- aunt\n", r"line 2 of p.yaml: \['aunt'\] is not a female and a male word"),
        ("p.yaml", "queen: king\n", r"must hold a list of pairs"),
        ("p.yaml", "- [queen, king\n", r"cannot be read"),
        ("p.yaml", "- [[a], king]\n", r"line 1 of p.yaml"),
        ("p.txt", "queen king", r"allowed are 'appendix-c' and files in .csv, .yaml, .yml"),
    ],
)
def test_bad_files_are_refused_with_the_line(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        read_pairs(path)


def test_a_missing_file_is_named_with_its_nearest_neighbour(tmp_path):
    (tmp_path / "pairs.csv").write_text("a,b")
    with pytest.raises(InputError, match=r"no file .*pair.csv.*pairs.csv"):
        read_pairs(tmp_path / "pair.csv")


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("queen", "stepfather"), r"line 1 \(queen, stepfather\): 'queen' is not in the vocabulary"),
        (("mother", "stepfather"), r"'mother' has 1 pieces and 'stepfather' has 2.*only words of equally many pieces"),
        (("mother dear", "son"), r"'mother dear' is not one word but 2"),
    ],
)
def test_words_that_the_vocabulary_cannot_exchange_are_refused(split, pair, message):
    with pytest.raises(InputError, match=message):
        PairTable(pairs_of(pair), split)


def test_two_words_that_the_tokenizer_writes_alike_are_refused(bert):
    with pytest.raises(InputError, match=r"line 2 \(mary, king\) and line 1 \(Mary, John\).*not one to one"):
        PairTable(pairs_of(("Mary", "John"), ("mary", "king")), bert)
    with pytest.raises(InputError, match="not one to one"):
        PairTable(pairs_of(("Mary", "mary")), bert)


def test_an_empty_list_is_refused():
    with pytest.raises(InputError, match="the list is empty"):
        check_pairs([])


def test_the_content_of_a_table_is_what_it_exchanges(world):
    table = PairTable(appendix_c(), world.tokenizer)
    assert len(table.content) == 20
    assert PairTable(appendix_c()[::-1], world.tokenizer).content == table.content
    assert PairTable(appendix_c()[1:], world.tokenizer).content != table.content
    flipped = [Pair(pair.male, pair.female, pair.where) for pair in appendix_c()]
    assert PairTable(flipped, world.tokenizer).content != table.content
    assert re.fullmatch(r"pair \d+ of Appendix C", table.pairs[0].where)
