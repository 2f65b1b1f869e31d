"""Word lists for debiasing a teacher (Section 5.2's baseline): female words, male words, words of stereotypes.

The built-in lists are our own. FEMALE and MALE run side by side: pronouns, common nouns, kinship, titles, offices whose
name says the gender. Left out are first names (SEAT measures names apart from gendered terms; whether debiasing reaches
them is part of what it shows), animals, and words that more often mean something else ("count", "host", "miss").
STEREOTYPE holds occupations without gender and words of career, family life, mathematics, science and the arts. SEAT's
own words are among them, its names excepted: a debiased teacher's SEAT is measured on words that it was debiased on.
What is left of the lists without them (:func:`without_seat_words`) shows how much of its effect that is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from fairkd.bias.stimuli import listed_forms
from fairkd.engine.messages import similar_path
from fairkd.engine.yaml_text import compose_yaml, utf8_text
from fairkd.errors import InputError, nearest, shown
from fairkd.wording import listed

BUILT_IN = "built-in"


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FEMALE: tuple[str, ...] = _split(
    """
    she her hers herself woman women girl girls lady ladies female females gal gals lass lasses
    mother mothers mom moms mum mums mommy mama daughter daughters sister sisters aunt aunts auntie niece nieces
    grandmother grandmothers grandma granny granddaughter granddaughters stepmother stepdaughter stepsister
    godmother goddaughter wife wives bride brides widow widows girlfriend girlfriends fiancee spinster matriarch
    mrs ms madam queen queens princess princesses empress empresses duchess duchesses countess baroness viscountess
    marchioness tsarina heiress heiresses noblewoman noblewomen
    nun nuns abbess priestess priestesses witch witches sorceress enchantress heroine heroines
    businesswoman businesswomen chairwoman spokeswoman congresswoman councilwoman saleswoman policewoman policewomen
    sportswoman horsewoman craftswoman clergywoman servicewoman servicewomen stateswoman
    schoolgirl schoolgirls cowgirl housewife housewives landlady landladies headmistress stewardess
    waitress waitresses actress actresses hostess seamstress
    maternal maternity motherhood motherly sisterhood womanhood womanly girlhood girlish feminine femininity
    """
)
MALE: tuple[str, ...] = _split(
    """
    he him his himself man men boy boys gentleman gentlemen male males guy guys lad lads
    father fathers dad dads daddy papa son sons brother brothers uncle uncles nephew nephews
    grandfather grandfathers grandpa grandson grandsons stepfather stepson stepbrother
    godfather godson husband husbands groom bridegroom widower widowers boyfriend boyfriends fiance bachelor patriarch
    mr sir lord lords king kings prince princes emperor emperors duke dukes earl baron viscount marquess tsar
    heir heirs nobleman noblemen
    monk monks abbot priest priests wizard wizards sorcerer enchanter hero heroes
    businessman businessmen chairman spokesman congressman councilman salesman policeman policemen
    sportsman horseman craftsman clergyman serviceman servicemen statesman
    schoolboy schoolboys cowboy landlord landlords headmaster steward
    waiter waiters
    paternal paternity fatherhood fatherly brotherhood manhood manly boyhood boyish masculine masculinity
    """
)
STEREOTYPE: tuple[str, ...] = _split(
    """
    accountant accountants administrator analyst architect architects artist artists assistant astronaut astronomer
    astronomers attorney author authors babysitter baker banker barber biologist bookkeeper broker builder butcher
    captain carpenter cashier chef chemist chemists clerk clerks coach composer composers cook counselor dancer
    dancers dentist designer detective diplomat director directors doctor doctors driver economist economists editor
    editors electrician engineer engineers entrepreneur farmer farmers gardener geologist guitarist hairdresser
    historian historians inspector interpreter inventor inventors janitor journalist journalists judge judges
    laborer lawyer lawyers lecturer librarian librarians magician manager managers mathematician mathematicians
    mechanic mechanics merchant merchants midwife minister ministers musician musicians nanny novelist nurse nurses
    officer officers painter painters paralegal philosopher philosophers photographer physician physicians physicist
    physicists pianist pilot pilots plumber poet poets politician politicians president presidents professor
    professors programmer programmers prosecutor psychologist receptionist researcher researchers sailor scholar
    scholars scientist scientists sculptor secretary secretaries senator sheriff singer singers sociologist soldier
    soldiers student students surgeon surgeons surveyor tailor teacher teachers technician therapist trader
    translator tutor violinist warrior writer writers
    executive executives management professional profession corporation corporations salary salaries office offices
    business businesses career careers company companies industry employment employer employee employees colleague
    colleagues promotion wage wages leader leaders leadership boss
    home homes parent parents child children family families cousin cousins marriage marriages wedding relative
    relatives baby babies infant household housework childcare kitchen laundry sewing cooking nursery spouse siblings
    math mathematics algebra geometry calculus equation equations computation computations number numbers addition
    arithmetic statistics theorem logic
    science sciences technology physics chemistry experiment experiments astronomy biology engineering laboratory
    computer computers research
    poetry poem art arts dance literature novel novels symphony drama sculpture music painting theatre theater opera
    ballet fiction
    """
)


@dataclass(frozen=True)
class WordLists:
    """The words of debiasing; no word stands in two lists.

    Attributes:
        female, male: attribute words, whose directions are to mean nothing to the others.
        stereotype: the words to be made independent of them.
    """

    female: tuple[str, ...]
    male: tuple[str, ...]
    stereotype: tuple[str, ...]


LIST_NAMES = tuple(field.name for field in fields(WordLists))


def built_in() -> WordLists:
    """The lists of this module."""
    return WordLists(FEMALE, MALE, STEREOTYPE)


def load_words(source: str, path: Path) -> WordLists:
    """The lists that a profile names: "built-in", or a file, read by :func:`read_words`."""
    return built_in() if source == BUILT_IN else read_words(path)


def without_seat_words(lists: WordLists) -> WordLists:
    """The lists without the words of SEAT's own lists, their singulars and plurals; words derived from them stay.

    So debiasing takes a sequence for neutral whose only gender words are SEAT's.

    Raises:
        InputError: nothing is left of a list.

    >>> left = without_seat_words(built_in())
    >>> "she" in left.female, "women" in left.female, "queen" in left.female, "poetry" in left.stereotype
    (False, False, True, False)
    """
    tested = listed_forms()
    kept = {name: tuple(w for w in getattr(lists, name) if w.lower() not in tested) for name in LIST_NAMES}
    if empty := [name for name, words in kept.items() if not words]:
        raise InputError(
            f"debias_words: all words of the list {listed(empty)} are words that SEAT tests, so nothing is left for a "
            "teacher debiased without them; add others, or set debias_without_seat_words: false"
        )
    return WordLists(**kept)


def read_words(path: Path) -> WordLists:
    """Word lists from a YAML file with the keys female, male and stereotype, each a list of single words.

    Raises:
        InputError: no such file, not YAML, another key or none of these, an empty list, something that is not one
            word, or a word that stands twice (upper and lower case count as one); names file and line.
    """
    if not path.is_file():
        hint = similar_path(path, [BUILT_IN])
        raise InputError(f"debias_words: there is no file {path}; allowed are '{BUILT_IN}' and YAML files.{hint}")
    try:
        root = compose_yaml(utf8_text(path))
    except InputError as error:
        raise InputError(f"debias_words: {path} is not a YAML file: {error}") from error
    if not isinstance(root, yaml.MappingNode):
        raise InputError(
            f"debias_words: {path} must hold the lists {', '.join(LIST_NAMES)}, such as 'female: [she, her]'"
        )
    lists: dict[str, tuple[str, ...]] = {}
    seen: dict[str, tuple[str, int]] = {}
    for key, value in root.value:
        name, where = key.value if isinstance(key, yaml.ScalarNode) else "", _where(path, key)
        if name not in LIST_NAMES:
            raise InputError(
                f"debias_words, {where}: unknown key {shown(name)}; allowed are {', '.join(LIST_NAMES)}."
                f"{nearest(name, LIST_NAMES)}"
            )
        lists[name] = tuple(_words(path, name, value, seen))
    if missing := [name for name in LIST_NAMES if name not in lists]:
        raise InputError(f"debias_words: {path} lacks {', '.join(missing)}; it needs the lists {', '.join(LIST_NAMES)}")
    return WordLists(**lists)


def _words(path: Path, name: str, value: Any, seen: dict[str, tuple[str, int]]) -> Iterator[str]:
    """The words of one list, checked; ``seen``: word -> the list and line where it stood first."""
    if not isinstance(value, yaml.SequenceNode) or not value.value:
        raise InputError(f"debias_words, {_where(path, value)}: {name} must be a list of at least one word")
    for item in value.value:
        where = _where(path, item)
        if not isinstance(item, yaml.ScalarNode):
            raise InputError(f"debias_words, {where}: {name} holds a list or mapping where a word is expected")
        if item.tag != "tag:yaml.org,2002:str":
            raise InputError(
                f"debias_words, {where}: {shown(item.value)} in {name} is no text in YAML; put the word in quotes"
            )
        word = item.value.strip()
        if not word.isalpha():
            raise InputError(f"debias_words, {where}: {shown(word)} in {name} is not one word (letters only)")
        if word.lower() in seen:
            other, line = seen[word.lower()]
            raise InputError(
                f"debias_words, {where}: {word!r} in {name} stands in {other} already (line {line}); "
                "a word may stand once"
            )
        seen[word.lower()] = name, item.start_mark.line + 1
        yield word


def _where(path: Path, node: Any) -> str:
    return f"line {node.start_mark.line + 1} of {path.name}"
