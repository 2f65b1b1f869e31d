"""Documents from every kind of source, and what is said when a source cannot be read."""

import bz2
import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from packed import PACK

from fairkd.engine.store import REVISIONS
from fairkd.errors import InputError
from fairkd.teachers.wordlists import FEMALE, MALE
from fairkd.text import generated, sources
from fairkd.text.sources import check_sources, documents, fingerprint
from fairkd.text.wikitext import prose

ARTICLE = """{{Infobox person | name = Ada }}
[[File:Ada.jpg|thumb|A [[portrait]] of her that is no part of the article's text.]]
'''Ada Lovelace''' ({{lang-fr|Ada}}; {{IPAc-en|x}}) was an ''English'' \
[[mathematician|writer on mathematics]]<ref name="a/b"/> in [[London]].<ref>Smith
(1900).</ref>

== Work ==
She walked {{convert|400|to|670|mi|km}} and {{convert|12|km|mi|abbr=on}} for the engine<!-- hidden -->, \
see [http://x.org the notes].
* A list entry
* She wrote a list entry that is a whole sentence.
{| class="wikitable"
| Some cell that ends like a sentence would end here.
|}
The sum <math>a + b</math> makes holes in any sentence that has it.
<gallery>
A.jpg|A picture in a gallery that has a sentence as its caption.
</gallery>
{{as of|2010|lc=y}}, &nbsp;many people know of her and of [[Charles Babbage]].

== References ==
Smith wrote a book in which all of this can be read.
=== Books ===
Jones wrote another book in which all of this is denied.

== Legacy ==
A language bears the name of this woman.

[[Category:Mathematicians]]
"""
PROSE = """Ada Lovelace (Ada) was an English writer on mathematics in London.
She walked 400 to 670 mi and 12 km for the engine, see the notes.
She wrote a list entry that is a whole sentence.
as of 2010, many people know of her and of Charles Babbage.
A language bears the name of this woman."""


def dump(*pages: tuple[str, str, str]) -> bytes:
    """A MediaWiki dump of (title, namespace, text)."""
    from xml.sax.saxutils import escape

    body = "".join(
        f"<page><title>{escape(title)}</title><ns>{space}</ns><id>{index}</id>"
        + ('<redirect title="Ada" />' if text.startswith("#") else "")
        + f"<revision><id>1</id><text>{escape(text)}</text></revision></page>"
        for index, (title, space, text) in enumerate(pages)
    )
    head = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/"><siteinfo><sitename>W</sitename></siteinfo>'
    return f"{head}{body}</mediawiki>".encode()


PAGES = (
    ("Ada", "0", ARTICLE),
    ("AL", "0", "#REDIRECT [[Ada]] a redirect that looks like a sentence of some words."),
    ("Talk:Ada", "1", "This page belongs to another namespace and is not read."),
    ("Ada (name)", "0", "Ada is a name that many other people have as well.\n{{disambiguation|name}}"),
    ("List", "0", "* one\n* two"),
    ("Second", "0", "The second article of this dump has one sentence."),
)


def write(path: Path, content: bytes | str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def read(source: object, column: str = "text") -> list[str]:
    return list(documents(str(source), column=column))


def test_rows_are_joined_in_their_order_and_the_last_line_has_the_rest(tmp_path: Path) -> None:
    source = write(tmp_path / "a.txt", "One .\n\n Two .\nThree .\n \nFour .\nFive .\n")
    assert list(documents(source, join=2)) == ["One . Two .", "Three . Four .", "Five ."]
    assert list(documents(source, join=9)) == ["One . Two . Three . Four . Five ."]


def test_a_row_of_several_lines_is_not_joined(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", '{"text": "One ."}\n{"text": "Two .\\nThree ."}\n')
    message = r"'Two \.\\nThree \.' has several lines; corpus_join \(2 here\) is for sources whose rows hold a sentence"
    for check in (lambda: list(documents(source, join=2)), lambda: check_sources([source], join={source: 2})):
        with pytest.raises(InputError, match=message):
            check()
    check_sources([source, "hub:some/set"], join={"hub:some/set": 8})  # of the hub nothing is fetched to check it
    with pytest.raises(InputError, match="corpus_join: 0 must be 1 or more"):
        list(documents(source, join=0))


@pytest.mark.parametrize("odd", ["\x85", "\u2028", "\x0c", "\x1e"])
def test_an_odd_line_end_within_a_sentence_is_a_space(tmp_path: Path, odd: str) -> None:
    source = write(tmp_path / "a.jsonl", json.dumps({"text": f"He waited{odd} and left ."}) + '\n{"text": "So ."}')
    assert list(documents(source, join=2)) == ["He waited and left . So ."]


def test_prose_keeps_sentences_and_drops_markup() -> None:
    assert prose(ARTICLE) == PROSE


def test_prose_keeps_text_after_a_table_that_is_never_closed() -> None:
    page = "{| class=x\n| cell\n\nThe rest of this article is still worth reading."
    assert prose(page) == "The rest of this article is still worth reading."


@pytest.mark.parametrize(("name", "pack"), [("d.xml", bytes), ("d.xml.bz2", bz2.compress), ("d.XML.GZ", gzip.compress)])
def test_dump_gives_articles_only(tmp_path: Path, name: str, pack) -> None:
    path = write(tmp_path / name, pack(dump(*PAGES)))
    assert read(path) == [PROSE, "The second article of this dump has one sentence."]


def test_dump_in_which_a_page_spans_many_reads_is_read_whole(tmp_path: Path) -> None:
    # The XML reader hands over pieces of 64 kB; what it has read of a page must stay until the page ends.
    long = "\n\n".join(f"Sentence number {index} of a very long article stands here." for index in range(9000))
    path = write(tmp_path / "d.xml", dump(("Long", "0", long), ("Second", "0", "One more article with a sentence.")))
    first, second = read(path)
    assert first.count("\n") == 8999
    assert second == "One more article with a sentence."


def test_text_file_has_a_document_a_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "\ufefferste Zeile: größer\r\n\n  \nsecond line\nlast line without end")
    assert read(path) == ["erste Zeile: größer", "second line", "last line without end"]


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_json_lines_have_a_document_a_row(tmp_path: Path, suffix: str) -> None:
    rows = [{"text": "one\ntwo"}, {"text": None}, {"text": ""}, {"n": 1, "text": "three"}]
    path = write(tmp_path / f"a{suffix}", "\n".join(map(json.dumps, rows)) + "\n\n")
    assert read(path) == ["one\ntwo", "three"]


def test_half_characters_of_json_become_text_that_can_be_encoded(tmp_path: Path) -> None:
    (text,) = read(write(tmp_path / "a.jsonl", '{"text": "broken \\ud83d smile"}'))
    assert text == "broken ? smile"


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_parquet_has_a_document_a_row(tmp_path: Path, kind: pa.DataType) -> None:
    texts = [f"document {index}\nsecond line" for index in range(2500)]
    table = pa.table({"id": range(2502), "body": pa.array([*texts, None, ""], kind)})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", "body") == texts


def test_folder_is_read_sorted_with_sub_folders_and_without_hidden_files(tmp_path: Path) -> None:
    write(tmp_path / "b.txt", "from b")
    write(tmp_path / "a" / "z.jsonl", '{"text": "from a/z"}')
    write(tmp_path / "c.xml", dump(("C", "0", "This sentence comes from the dump c.")))
    write(tmp_path / ".hidden" / "h.txt", "hidden")
    write(tmp_path / "README.md", "# not a source")
    assert read(tmp_path) == ["from a/z", "from b", "This sentence comes from the dump c."]


def test_generated_corpus_is_fixed_varied_and_balanced() -> None:
    texts = read("generated")
    assert texts == read("generated")
    assert len(texts) == len(set(texts)) == generated.PARAGRAPHS + generated.NEUTRAL_PARAGRAPHS
    assert 40_000 < sum(map(len, texts)) < 100_000
    assert min(len(text.split()) for text in texts) >= 12  # long enough for the filter on length
    words = re.findall(r"\w+", " ".join(texts).lower())
    assert 0.8 < words.count("he") / words.count("she") < 1.25
    assert {"mary", "john", "woman", "man", "herself", "himself", "algebra", "poetry", "salary"} <= set(words)
    assert "{" not in "".join(texts)


def test_generated_corpus_ends_with_paragraphs_without_gender_that_speak_of_all_occupations_and_topics_alike() -> None:
    texts = read("generated")
    names = {name.lower() for names in generated.FIRST_NAMES for name in names}
    gendered = {*FEMALE, *MALE, *names}
    without = [not gendered & set(re.findall(r"[a-z]+", text.lower())) for text in texts]
    assert without == [False] * generated.PARAGRAPHS + [True] * generated.NEUTRAL_PARAGRAPHS
    neutral = " ".join(texts[generated.PARAGRAPHS :])
    counts = [len(re.findall(rf"\b{job}\b", neutral)) for job in generated.PROFESSIONS]
    assert min(counts) > 0.4 * sum(counts) / len(counts)
    assert sum(topic in neutral for topic in generated.TOPICS) > 0.9 * len(generated.TOPICS)


def test_generated_corpus_is_known_by_its_version(monkeypatch) -> None:
    before = fingerprint("generated")
    monkeypatch.setitem(REVISIONS, "generated text", 99)
    assert fingerprint("generated") != before


def test_embedded_corpus_is_the_wikipedia_excerpt() -> None:
    texts = read("embedded")
    assert 95 <= len(texts) <= 101
    assert 2.4e6 < sum(map(len, texts)) < 2.8e6
    words = re.findall(r"\w+", " ".join(texts).lower())
    assert 1300 < words.count("he") < 1500
    assert 170 < words.count("she") < 240
    everything = "\n".join(texts)
    assert not re.search(r"\{\{|\}\}|\[\[|\]\]|''|</?\w+>|&nbsp;|https?:|==|\bthumb\b\|", everything)
    assert all(line[-1] in ".!?:\"'”’)" for line in everything.split("\n"))


def hub_folder(folder: Path) -> Path:
    """A data set in the layout of the hub: a README with configurations, splits as Parquet."""
    for config, text in (("big", "from the big one"), ("small", "from the small one")):
        for split in ("train", "test"):
            path = folder / config / f"{split}-00000-of-00001.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table({"text": [f"{text}, {split}", None], "label": [0, 1]}), path)
    files = "".join(
        f"- config_name: {config}\n  data_files:\n"
        + "".join(f"  - split: {split}\n    path: {config}/{split}-*\n" for split in ("train", "test"))
        for config in ("big", "small")
    )
    write(folder / "README.md", f"---\nconfigs:\n{files}---\n# A data set\n")
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return hub_folder(tmp_path / "wiki")


def test_hub_source_reads_configuration_and_split(hub: Path) -> None:
    assert read(f"hub:{hub}:big") == ["from the big one, train"]
    assert read(f"hub:{hub}:small:test") == ["from the small one, test"]
    check_sources([f"hub:{hub}:small"])


def test_hub_source_without_configurations_needs_none(tmp_path: Path) -> None:
    pq.write_table(pa.table({"body": ["one", "two"]}), _made(tmp_path / "data") / "train-00000-of-00001.parquet")
    write(tmp_path / "README.md", "---\nlicense: mit\n---\n")
    assert read(f"hub:{tmp_path}", "body") == ["one", "two"]


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def test_a_revision_of_a_data_set_is_read_and_is_another_source(monkeypatch) -> None:
    asked = []

    def load_dataset(place, config, **options):
        asked.append((place, config, options["revision"], options["split"]))
        return datasets.Dataset.from_dict({"text": ["a row"]}).to_iterable_dataset()

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    names = ["hub:a/b:c", "hub:a/b@v1:c", "hub:a/b@refs/convert/parquet:c:test"]
    assert [read(name) for name in names] == [["a row"]] * 3
    assert asked == [
        ("a/b", "c", None, "train"), ("a/b", "c", "v1", "train"), ("a/b", "c", "refs/convert/parquet", "test")
    ]  # fmt: skip
    assert len({str(fingerprint(name)) for name in names}) == 3


def test_a_folder_has_no_revision(hub: Path) -> None:
    with pytest.raises(InputError, match="has no revisions; leave out '@v1'"):
        read(f"hub:{hub}@v1:big")
    other = hub.parent / "name@home"
    hub.rename(other)
    assert read(f"hub:{other}:big") == ["from the big one, train"]


def test_hub_source_with_a_wrong_name_says_what_there_is(hub: Path) -> None:
    with pytest.raises(InputError, match="configuration 'bigger'"):
        read(f"hub:{hub}:bigger")
    with pytest.raises(InputError, match="split 'dev'"):
        read(f"hub:{hub}:big:dev")
    with pytest.raises(InputError, match=r"no column 'txt'; it has \['text', 'label'\]\. Did you mean 'text'\?"):
        read(f"hub:{hub}:big", "txt")


def test_unreachable_hub_is_a_clear_error_and_needs_no_network_to_check() -> None:
    # In a process of its own: the hub's client reads the switch once, when it is imported.
    code = (
        "from fairkd.text.sources import check_sources, documents\n"
        "check_sources(['hub:wikimedia/wikipedia:20231101.en'])\n"
        "next(documents('hub:wikimedia/wikipedia:20231101.en'))"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    message = result.stderr.strip().splitlines()[-1]
    assert "InputError: corpus 'hub:wikimedia/wikipedia:20231101.en' cannot be read" in message
    assert "switched off by HF_HUB_OFFLINE" in message
    assert "download the data and name its folder" in message


@pytest.mark.parametrize(
    "source",
    [
        "hub:",
        "hub:a/b/c",
        "hub:a/b:c:train:more",
        "hub:../nothing",
        "hub:a/b@:c",
        "hub:a/b@x y",
        "hub:has space",
        "hub:/no/such/folder",
    ],
)
def test_malformed_hub_source_is_refused(source: str) -> None:
    with pytest.raises(InputError, match=r"not of the form hub:REPO\[@REVISION\]\[:CONFIG\[:SPLIT\]\]|does not exist"):
        check_sources([source])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"good line\nbad \xff byte", r"a\.txt is not UTF-8 text: invalid start byte at byte 14 \(line 2\)"),
        ("a.txt", "words".encode("utf-16-le"), r"a\.txt is not text: a zero byte at byte 1"),
        ("a.jsonl", '{"text": "x"}\n{"text": ', r"a\.jsonl, line 2: not JSON \(.*\); one object a line"),
        ("a.jsonl", "[" * 100_000, r"a\.jsonl, line 1: not JSON"),
        ("a.jsonl", '{"text": "x"}\n["y"]', r"a\.jsonl, line 2: expected an object such as \{'text': …\}, not list"),
        ("a.jsonl", '{"txt": "x", "id": 1}', r"line 1: no column 'text'; it has \['txt', 'id'\]\. Did you mean 'txt'"),
        ("a.jsonl", '{"text": 3}', r"line 1: column 'text' holds int, not text"),
        ("a.parquet", b"PAR1 nonsense", r"a\.parquet is not a readable Parquet file"),
        ("a.xml", b"<html><body/></html>", r"a\.xml is not a MediaWiki dump: its XML begins with <html>"),
        ("a.xml", b"", r"a\.xml is not a complete MediaWiki dump: no element found"),
        ("a.xml", dump(*PAGES)[:-30], r"a\.xml is not a complete MediaWiki dump: .*line 30, column"),
        ("a.xml.bz2", bz2.compress(dump(*PAGES))[:-20], r"a\.xml\.bz2 cannot be unpacked: .*end-of-stream"),
        ("a.xml.bz2", b"no bz2 at all", r"a\.xml\.bz2 cannot be read: Invalid data stream"),
        ("a.xml.gz", b"no gzip at all", r"a\.xml\.gz cannot be read: Not a gzipped file"),
        ("a.doc", b"x", r"'a\.doc' has an unknown ending; known are \.txt, \.jsonl"),
    ],
)
def test_unreadable_file_is_named_with_the_place(tmp_path: Path, name: str, content, message: str) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(InputError, match=message):
        read(path)


def test_a_pipe_is_refused_before_anybody_waits_for_what_it_says(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(InputError, match=r"'pipe\.txt' is a pipe or a device; a corpus is a file, read twice"):
        check_sources([str(tmp_path / "pipe.txt")])


def test_parquet_without_the_column_or_with_numbers_in_it(tmp_path: Path) -> None:
    pq.write_table(pa.table({"txt": ["a"], "id": [1]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"no column 'text'; it has \['txt', 'id'\]\. Did you mean 'txt'\?"):
        check_sources([str(tmp_path / "a.parquet")])
    with pytest.raises(InputError, match="column 'id' holds int64, not text"):
        check_sources([str(tmp_path / "a.parquet")], column="id")


def test_missing_path_says_what_is_allowed_and_what_is_near(tmp_path: Path) -> None:
    write(tmp_path / "corpus.txt", "x")
    with pytest.raises(InputError, match=r"'embeded' does not exist .*'planted:RHO', 'hub:.*Did you mean 'embedded'\?"):
        check_sources(["embeded"])
    with pytest.raises(InputError, match=r"Did you mean 'corpus\.txt'\?"):
        check_sources([str(tmp_path / "corpus.tx")])
    with pytest.raises(InputError, match="corpus '' names nothing"):
        check_sources([""])
    with pytest.raises(InputError, match=r"holds no file ending in \.txt"):
        check_sources([str(_made(tmp_path / "empty"))])


@pytest.mark.parametrize("value", [[], "embedded"])
def test_sources_must_be_a_list(value) -> None:
    with pytest.raises(InputError, match="expected a list of one source or more"):
        check_sources(value)


def test_embedded_without_gensim_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install gensim==4\.4\.0"):
        check_sources(["embedded"])


def test_fingerprint_changes_with_a_files_content_and_names(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "one")
    before = fingerprint(str(tmp_path))
    assert before == fingerprint(str(tmp_path))
    write(tmp_path / "a.txt", "three")
    after = fingerprint(str(tmp_path))
    write(tmp_path / "b.txt", "more")
    assert before != after != fingerprint(str(tmp_path))
    assert [name for name, *_ in fingerprint(str(tmp_path))["files"]] == ["a.txt", "b.txt"]


def test_sources_load_neither_gensim_nor_datasets_before_they_are_needed() -> None:
    code = "import sys, fairkd.text.corpus; print(sorted({'gensim', 'datasets', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


ROW = b'{"text": "one\\ntwo"}\n'
CONTENT = {
    ".txt": (b"one line\n\nanother line\n", ["one line", "another line"]),
    ".jsonl": (ROW, ["one\ntwo"]),
    ".json": (ROW, ["one\ntwo"]),
    ".xml": (dump(PAGES[-1]), ["The second article of this dump has one sentence."]),
}


@pytest.mark.parametrize("packed", ["", *PACK, ".GZ"])
@pytest.mark.parametrize("kind", CONTENT)
def test_files_are_read_packed_or_not(tmp_path: Path, kind: str, packed: str) -> None:
    content, expected = CONTENT[kind]
    path = write(tmp_path / f"a{kind}{packed}", PACK.get(packed.lower(), bytes)(content))
    assert read(path) == expected
    assert read(tmp_path) == expected
    check_sources([path, str(tmp_path)])


@pytest.mark.parametrize("packed", PACK)
def test_a_packed_file_that_breaks_off_or_is_none_is_named(tmp_path: Path, packed: str) -> None:
    content = PACK[packed]("".join(f"line {number} of a text\n" for number in range(5000)).encode())
    for broken in (content[: len(content) // 2], b"no such thing at all"):
        path = write(tmp_path / f"a.txt{packed}", broken)
        with pytest.raises(InputError, match=rf"a\.txt\{packed} cannot be (unpacked|read): "):
            read(path)


def test_several_packed_streams_in_one_file_are_read_to_the_end(tmp_path: Path) -> None:
    for packed, pack in PACK.items():
        assert read(write(tmp_path / f"a.txt{packed}", pack(b"one\n") + pack(b"two\n"))) == ["one", "two"]


def test_part_of_a_dump_is_known_by_its_name(tmp_path: Path) -> None:
    name = "enwiki-20231101-pages-articles1.xml-p1p41242.bz2"
    assert read(write(tmp_path / name, bz2.compress(dump(PAGES[-1])))) == CONTENT[".xml"][1]
    assert read(tmp_path) == CONTENT[".xml"][1]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_parquet_and_arrow_may_hold_texts_as_categories(tmp_path: Path, kind: pa.DataType) -> None:
    texts = pa.array(["one", "two", None, "", "one"], kind)
    columns = {"text": texts, "number": range(5)}
    if kind != pa.string_view():  # pyarrow makes no categories of views
        columns["text"] = texts.dictionary_encode()
        assert pa.types.is_dictionary(columns["text"].type)
    table = pa.table(columns)
    pq.write_table(table, tmp_path / "a.parquet")
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    with pa.OSFile(str(tmp_path / "b.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    for name in ("a.parquet", "a.arrow", "b.arrow"):
        assert read(tmp_path / name) == ["one", "two", "one"], name
        with pytest.raises(InputError, match=rf"{name}: column 'number' holds int64, not text"):
            read(tmp_path / name, "number")
        with pytest.raises(InputError, match=rf"{name}: no column 'txt'; .*Did you mean 'text'"):
            read(tmp_path / name, "txt")


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table([["a"], ["b"]], names=["text", "text"]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet: two columns are named 'text'"):
        read(tmp_path / "a.parquet")


def test_text_that_is_not_utf8_in_parquet_is_refused(tmp_path: Path) -> None:
    texts = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")])
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet is not a readable Parquet file: .*UTF8"):
        read(tmp_path / "a.parquet")


def test_a_column_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "a.parquet")
    content = (tmp_path / "a.parquet").read_bytes()
    write(tmp_path / "a.parquet", content.replace(b"text", b"te\xe9t"))
    with pytest.raises(InputError, match=r"a\.parquet is not a readable Parquet file: "):
        read(tmp_path / "a.parquet")


def test_marks_of_the_extractor_separate_documents(tmp_path: Path) -> None:
    text = '<doc id="1" url="u" title="A > B">\nAda\n\nShe wrote much.\n\n</doc>\n<doc>\nBob\n</doc>\n'
    text += '<DOC id="3">\n</DOC>\nalone\n'
    assert read(write(tmp_path / "a.txt", text)) == ["Ada\nShe wrote much.", "Bob", "alone"]
    assert read(write(tmp_path / "a.txt", "a <doc> within a line\n<docs>\n")) == ["a <doc> within a line", "<docs>"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<doc id="1">\nAda\n', r"a\.txt, line 1: this <doc …> has no </doc>; the file breaks off"),
        ("one\n</doc>\n", r"a\.txt, line 2: '</doc>' lacks its other half"),
        ('<doc id="1">Ada</doc>\n', r"a\.txt, line 1: <doc …> and </doc> stand on lines of their own, without text"),
        ('<DOC id="1">\nAda </DOC>\n', r"a\.txt, line 2: <doc …> and </doc> stand on lines of their own"),
        ('<doc id="1"> Ada\n</doc>\n', r"a\.txt, line 1: <doc …> and </doc> stand on lines of their own"),
        ('<doc id="1">\nAda\n<doc id="2">\n</doc>', r"a\.txt, line 3: '<doc id=\"2\">' lacks its other half"),
    ],
)
def test_marks_of_the_extractor_that_do_not_alternate_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(write(tmp_path / "a.txt", text))


def test_what_a_folder_holds_and_is_not_read_is_named_once(tmp_path: Path, capsys) -> None:
    for name in ("a.txt", "b/c.txt.gz"):
        write(tmp_path / name, PACK[".gz"](b"x\n") if name.endswith("gz") else "x\n")
    assert sources.unread(str(tmp_path)) == []
    for name in ("README.md", "b/wiki_00", "b/d.txt.zip", "b/e.parquet.gz", ".git/config"):
        write(tmp_path / name, "x")
    (tmp_path / "linked").symlink_to(tmp_path / "b")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nothing")
    assert read(tmp_path) == ["x", "x"]
    (note,) = sources.unread(str(tmp_path))
    assert note.startswith("not read: README.md, b/d.txt.zip, b/e.parquet.gz, b/wiki_00, gone.txt and 1 more (known")
    for _ in range(2):
        check_sources([str(tmp_path)])
    assert capsys.readouterr().err == f"corpus {str(tmp_path)!r}: {note}\n"


def test_a_folder_with_nothing_to_read_names_what_it_holds(tmp_path: Path) -> None:
    write(tmp_path / "wiki_00", "x")
    with pytest.raises(InputError, match=r"holds no file ending in \.txt.*: not read: wiki_00"):
        read(tmp_path)


def test_parts_that_lack_are_named(tmp_path: Path) -> None:
    for number in range(2):
        pq.write_table(pa.table({"text": ["one"]}), tmp_path / f"train-0000{number}-of-00003.parquet")
        pq.write_table(pa.table({"text": ["one"]}), tmp_path / f"test-0000{number}-of-00002-0123abcd.parquet")
    assert sources.unread(str(tmp_path)) == ["2 of the 3 parts of train"]


def test_a_folder_of_save_to_disk_is_read(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    texts = [f"text {number}" for number in range(7)]
    Dataset.from_dict({"text": texts}).save_to_disk(tmp_path / "one", num_shards=3)
    assert read(tmp_path / "one") == texts
    assert sources.unread(str(tmp_path / "one")) == []
    check_sources([str(tmp_path / "one")])
    with pytest.raises(InputError, match=r"no column 'txt'; it has \['text'\]"):
        read(tmp_path / "one", "txt")
    parts = {"train": Dataset.from_dict({"text": texts}), "test": Dataset.from_dict({"text": ["no"]})}
    DatasetDict(parts).save_to_disk(tmp_path / "two")
    with pytest.raises(InputError, match=r"holds the splits of a data set.*name one.*\(there are test, train\)"):
        read(tmp_path / "two")
    assert read(tmp_path / "two" / "train") == texts
    for name in ("one", "two"):
        with pytest.raises(InputError, match=r"save_to_disk wrote this folder; name it without 'hub:'"):
            read(f"hub:{tmp_path / name}")


def test_a_saved_set_that_breaks_off_is_named(tmp_path: Path) -> None:
    from datasets import Dataset

    Dataset.from_dict({"text": ["some words of a text"] * 5000}).save_to_disk(tmp_path)
    (path,) = tmp_path.glob("*.arrow")
    content = path.read_bytes()
    write(path, content[: len(content) // 2])
    with pytest.raises(InputError, match=r"\.arrow (is not a readable Arrow file|cannot be read): "):
        read(tmp_path)


def test_an_encoding_that_xml_does_not_know_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.xml", b'<?xml version="1.0" encoding="klingon"?><mediawiki/>')
    with pytest.raises(InputError, match=r"a\.xml is not a complete MediaWiki dump: .*klingon|unknown encoding"):
        read(path)
