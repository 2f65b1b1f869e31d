"""Prose of wiki pages: what stands for characters becomes these, and no word is lost or glued to another."""

from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from fairkd.text.sources import documents
from fairkd.text.wikitext import prose


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("She was a writer<br />He was a sailor of the old town.", "She was a writer He was a sailor of the old town."),
        ("She wrote<br>novels<BR clear=all>and</br>poems for all.", "She wrote novels and poems for all."),
        ("She wrote:<blockquote>One has to read much.</blockquote>", "She wrote: One has to read much."),
        ("She came home.<p>He was there for many years.</p>", "She came home. He was there for many years."),
        ("She lived there 1990{{ndash}}1995 with all of them.", "She lived there 1990–1995 with all of them."),
        ("She lived there 1990&ndash;1995 with all of them.", "She lived there 1990–1995 with all of them."),
        ("She{{spaced ndash}}and he{{snd}}lived in the old town.", "She – and he – lived in the old town."),
        ("She{{Spaced_ndash}}and he lived in the old town.", "She – and he lived in the old town."),
        ("She{{mdash}}and he{{nbsp}}too{{mdash}}lived in the town.", "She—and he too—lived in the town."),
        ("''Eagle''{{'s}} side and ''Falcon''{{'}}s side were there.", "Eagle's side and Falcon's side were there."),
        ("He said \"it is 'nothing.{{' \"}} She laughed.", "He said \"it is 'nothing.' \" She laughed."),
        ("Her sister was a {{linktext|ship|writer}} in the town.", "Her sister was a ship writer in the town."),
        ("She was born in {{circa|1500}} in the old town.", "She was born in c. 1500 in the old town."),
        ("She sailed on {{USS|Hornet|CV-12|6}} and {{HMS|Ajax}} too.", "She sailed on USS Hornet and HMS Ajax too."),
        ("She earned {{US$|2 billion|link=yes}} in all of it.", "She earned US$2 billion in all of it."),
        ("She read {{frac|2}} and {{frac|3|4}} and {{frac|2|1|3}} of it.", "She read 1/2 and 3/4 and 2 1/3 of it."),
        ("She studied at ({{ill|de|Alte Schule|Old School}}) in town.", "She studied at (Alte Schule) in town."),
        ("She studied at the {{ill|Old School|de|Alte Schule}} then.", "She studied at the Old School then."),
        ("The 3rd-century {{sc|bc}} house had an {{abbr|ed.|editor}} too.", "The 3rd-century bc house had an ed. too."),
        ("It was <nowiki>'</nowiki>about<nowiki/> an hour for each.", "It was 'about an hour for each."),
        ("She waits if 3 < 5 and he waits if 5 > 3 there.", "She waits if 3 < 5 and he waits if 5 > 3 there."),
        ("Less than (&lt;3) of them were there, 9 > 3.", "Less than (<3) of them were there, 9 > 3."),
        ("{{quote\n| She said that one has to read.\n}}", "She said that one has to read."),
        ("She {{nowrap|saw {{convert|5|km}}}} of it from the tower.", "She saw 5 km of it from the tower."),
    ],
)  # fmt: skip
def test_what_stands_for_characters_or_words_becomes_these(page: str, expected: str) -> None:
    assert prose(page) == expected


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("12|km|mi|abbr=on", "12 km"),
        ("400|to|670|mi|km", "400 to 670 mi"),
        ("60|and|80|kg|lb", "60 and 80 kg"),
        ("15|-|17|in", "15–17 in"),
        ("3|x|4|m", "3 × 4 m"),
        ("3|x|4|x|5|m|ft", "3 × 4 × 5 m"),
        ("6|ft|4|in|m", "6 ft 4 in"),
        ("16|oz|0", "16 oz"),
        ("5|mi|2|km", "5 mi"),
        ("100", "100"),
    ],
)
def test_measures_stand_as_they_are_given(measure: str, expected: str) -> None:
    for name in ("convert", "Cvt"):
        assert prose(f"She walked about {{{{{name}|{measure}}}}} of the way home.") == (
            f"She walked about {expected} of the way home."
        )


@pytest.mark.parametrize("template", ["br", "break", "pb", "-", "clear", "crlf"])
def test_templates_that_break_a_line_part_its_words(template: str) -> None:
    first, second = "She was at home for years.", "He was away all that time."
    assert prose(f"{first}{{{{{template}}}}}{second}") in (f"{first}\n{second}", f"{first} {second}")


def test_text_in_another_language_stays_under_either_name_of_its_template() -> None:
    for template in ("langx|de|Malerin", "lang|de|Malerin", "lang-de|Malerin"):
        assert prose(f"She was called {{{{{template}}}}} by all who knew her.") == (
            "She was called Malerin by all who knew her."
        )


@pytest.mark.parametrize(
    "template", ["citation needed|date=May", "cite web|url=x|title=y", "rp|12", "IPAc-en|a", "sic", "x"]
)
def test_other_templates_go(template: str) -> None:
    assert prose(f"She was at home{{{{{template}}}}} for years and years.") == "She was at home for years and years."


@pytest.mark.parametrize("mark", ["{{", "{{ cite web | x", "{|", "[[File:A.jpg|thumb|She", "<", "< 5 ppm"])
def test_a_mark_that_is_never_closed_does_not_take_the_rest_of_the_article(mark: str) -> None:
    rest = "The rest of this article is worth reading."
    for between in ("\n\n", "\n\nIt {{snd}} is <b>long</b> and has a sentence{{x}}.\n\n"):
        assert prose(f"She was here for years {mark}{between}{rest}{{{{x}}}}<i>.</i>").endswith(f"{rest}.")


GERMAN = {"-2": "Medium", "6": "Datei", "14": "Kategorie"}
SENTENCE = "Sie war eine Malerin, die in der Stadt am Meer lebte."


@pytest.mark.parametrize(
    "link",
    [
        "[[Datei:Bild.jpg|mini|Die Malerin in ihrem [[Atelier]] mit ihren Freunden.]]",
        "[[datei:Karte|mini|Die Malerin in ihrem Atelier mit ihren Freunden.]]",
        "[[Bild:Haus am Meer.PNG|Die Malerin in ihrem Atelier mit ihren Freunden.]]",  # an older name of the namespace
        "[[File:Bild.svg|mini|Die Malerin in ihrem Atelier mit ihren Freunden.]]",
        "[[Image:Bild|mini|Die Malerin in ihrem Atelier mit ihren Freunden.]]",
        "[[Kategorie:Frau in einer Stadt am Meer mit einem Haus usw.]]",
        "[[Category:Frau in einer Stadt am Meer mit einem Haus usw.]]",
    ],
)
def test_links_to_files_and_categories_go_in_the_language_of_the_dump(link: str) -> None:
    assert prose(f"{link}\n{SENTENCE}", GERMAN) == SENTENCE


@pytest.mark.parametrize("section", ["Weblinks", "Einzelnachweise", "Liens externes", "Véase también", "Externe links"])
def test_sections_that_only_list_sources_go_in_other_languages(section: str) -> None:
    assert (
        prose(f"{SENTENCE}\n\n== {section} ==\nEine Seite über die Malerin, die hier nicht steht.", GERMAN) == SENTENCE
    )


@pytest.mark.parametrize("target", ["Medium:Lied.ogg", "Media:Lied.ogg", ":Datei:A.jpg", "Stadt: die Malerin"])
def test_links_whose_text_is_part_of_a_sentence_stay(target: str) -> None:
    assert prose(SENTENCE.replace("Malerin", f"[[{target}|Malerin]]"), GERMAN) == SENTENCE


def dump(siteinfo: str, page: str) -> bytes:
    return (
        f'<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/">{siteinfo}<page><ns>0</ns><revision>'
        f"<text>{escape(page)}</text></revision></page></mediawiki>"
    ).encode()


def test_the_names_of_namespaces_are_those_of_the_dumps_siteinfo(tmp_path: Path) -> None:
    page = f"[[Tập tin:Nhà|nhỏ|Die Malerin in ihrem Atelier mit ihren Freunden.]]\n{SENTENCE}"
    names = '<namespace key="0" /><namespace key="6">Tập tin</namespace>'
    path = tmp_path / "d.xml"
    path.write_bytes(dump(f"<siteinfo><namespaces>{names}</namespaces></siteinfo>", page))
    assert list(documents(str(path))) == [SENTENCE]
    path.write_bytes(dump("<siteinfo><sitename>W</sitename></siteinfo>", page))
    assert list(documents(str(path))) != [SENTENCE]  # nothing says that it is a file


def test_captions_go_from_a_dump_that_does_not_name_its_namespaces(tmp_path: Path) -> None:
    path = tmp_path / "d.xml"
    path.write_bytes(dump("", f"[[Datei:Bild.jpg|mini|Die Malerin in ihrem Atelier.]]\n{SENTENCE}"))
    assert list(documents(str(path))) == [SENTENCE]
