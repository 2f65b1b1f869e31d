"""Words of mini-GLUE: two vocabularies without a common word, one for training and one for the development sets.

The words are common English, chosen for this package. A word stands in one vocabulary only, in whatever list, here or
in :mod:`fairkd.glue.mini.scales`: a model meets no noun, verb, adjective or name of the development sets while it is
fine-tuned. What it can use there is what it learned about them before. Function words and numerals are common to both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Vocabulary:
    """One vocabulary. Nouns are singular and verbs in their base form.

    Attributes:
        part: its place in :mod:`fairkd.glue.mini.scales`: 0 training, 1 development.
        names: (female, male), of equal length.
        people: kinds of people.
        things: what one can move, hold or own.
        places: where one can be, with "in the".
        intransitive: verbs that take no object.
        transitive: verbs that cannot do without one; people do it to things.
        acts: verbs; people do it to people, and it is neither good nor bad.
        kinds: hypernym to its hyponyms, all with "a" or "an".
        works: what one reviews, and parts of it.
        liked, disliked: adjectives of a work.
        feel: (verbs of liking, verbs of disliking).
    """

    part: int
    names: tuple[tuple[str, ...], tuple[str, ...]]
    people: tuple[str, ...]
    things: tuple[str, ...]
    places: tuple[str, ...]
    intransitive: tuple[str, ...]
    transitive: tuple[str, ...]
    acts: tuple[str, ...]
    kinds: Mapping[str, tuple[str, ...]]
    works: tuple[str, ...]
    liked: tuple[str, ...]
    disliked: tuple[str, ...]
    feel: tuple[tuple[str, ...], tuple[str, ...]]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _kinds(**groups: str) -> dict[str, tuple[str, ...]]:
    return {name: _words(members) for name, members in groups.items()}


TRAIN = Vocabulary(
    part=0,
    names=(
        _words("""Mary Anna Linda Susan Karen Helen Laura Emma Alice Julia Sarah Rachel Diana Nancy Ruth Clara Rosa
               Sophie Martha Jane Kate Lucy"""),
        _words("""John Peter David Paul Mark George James Robert Thomas Henry Simon Daniel Frank Oscar Carl Eric Hugo
               Victor Martin Jack Tony Luke"""),
    ),
    people=_words("""doctor teacher lawyer farmer singer painter soldier sailor driver banker poet judge guard nurse
                  actor hunter baker dancer priest king pilot student tourist neighbour cousin critic writer reporter
                  engineer artist boxer captain clerk senator miner teenager stranger volunteer visitor player"""),
    things=_words("""letter book key bag ladder table chair lamp clock basket blanket mirror bicycle wallet carpet
                  candle magazine notebook camera suitcase umbrella computer telephone radio map poster bell statue
                  kettle pillow hat ring ticket envelope machine engine window door"""),
    places=_words("""park kitchen library garden station market museum theatre harbour village school office cellar
                  forest attic airport chapel tunnel stadium desert valley prison temple meadow café pub bakery
                  laboratory bedroom shed"""),
    intransitive=_words("""sleep laugh smile sneeze wait cry fall tremble yawn faint emerge hesitate travel snore kneel
                        stumble blush cough sit lie arrive run bark"""),
    transitive=_words("""admire repair borrow inspect carry mention destroy damage praise possess contain ignore
                      discuss remove lock avoid replace create grab deliver require take examine wash want need copy
                      paint select"""),
    acts=_words("""follow visit watch meet question hire invite marry join remember phone observe trail hear
                recognize ask tell photograph"""),
    kinds=_kinds(
        animal="dog cat horse cow goat wolf lion tiger rabbit fox bear",
        fruit="apple lemon peach cherry plum banana",
        vehicle="truck bus van taxi motorcycle car",
        weapon="sword gun rifle spear pistol dagger",
        tree="oak pine maple willow cedar",
        instrument="piano violin guitar flute trumpet drum",
        building="church hotel hospital castle factory tower",
        drink="coffee tea beer cocktail juice",
        insect="ant bee beetle butterfly moth",
        jewel="diamond ruby emerald pearl sapphire",
        garment="shirt skirt dress coat jacket",
    ),
    works=_words("""film song concert story plot script soundtrack play opera comedy scene chapter album performance
                 dialogue drama musical show"""),
    liked=_words("""wonderful charming delightful excellent amazing lovely clever touching inspiring hilarious enjoyable
                 impressive beautiful thrilling graceful fresh powerful exciting fun witty sweet marvelous funny
                 entertaining remarkable gripping rich smart satisfying magnificent tender lively great"""),
    disliked=_words("""terrible awful boring dull horrible stupid annoying ugly bland weak pathetic disappointing
                    ridiculous shallow clumsy poor messy painful miserable depressing silly bad confused predictable
                    irritating foolish unpleasant lazy pointless empty absurd useless wicked"""),
    feel=(_words("love enjoy admire like praise recommend appreciate"), _words("hate despise dislike regret mock")),
)

DEV = Vocabulary(
    part=1,
    names=(
        _words("Amy Betty Carol Ellen Grace Irene Monica Olivia Sandra Tina Nora Eva Hannah"),
        _words("Adam Brian Charles Edward Gary Kevin Louis Oliver Steve William Ralph Ivan Walter"),
    ),
    people=_words("""surgeon professor detective carpenter musician butcher composer gardener dentist journalist
                  architect scientist bishop prince athlete manager scholar coach mechanic librarian secretary
                  tenant"""),
    things=_words("""bottle cup spoon painting newspaper plate pencil knife helmet shovel bucket barrel
                  flag towel jar necklace wheel desk bench pen carton parcel"""),
    places=_words("""bank restaurant palace square garage basement cemetery gallery corridor monastery hall cabin
                  courtyard parlor cathedral mall lobby arena barn suburb"""),
    intransitive=_words("""swim shiver collapse giggle sigh bleed crawl wander sweat depart dance scream happen weep
                        pause sneak talk pray sing"""),
    transitive=_words("""throw find grasp demand bring use acquire pursue steal touch order draw lift pull push
                      describe send mail locate"""),
    acts=_words("chase greet notice contact warn lead interview kiss spot embrace hug address consult salute"),
    kinds=_kinds(
        bird="eagle owl crow hawk duck sparrow",
        vegetable="carrot potato onion tomato cabbage",
        flower="rose lily tulip daisy orchid",
        boat="canoe yacht ferry kayak raft",
        tool="hammer drill axe wrench chisel",
        container="box bottle crate bucket jar",
        reptile="snake lizard turtle crocodile",
        toy="doll puppet balloon ball",
    ),
    works=_words("movie poem documentary ballet sequel essay symphony cartoon thriller ending sitcom tale"),
    liked=_words("""superb splendid terrific gorgeous outstanding pleasant fascinating memorable compelling
                 extraordinary fabulous nice refreshing intelligent glorious magical vivid exquisite polished"""),
    disliked=_words("""lame grim crude flawed hollow offensive inferior unbearable rotten dumb gloomy disturbing
                    meaningless frustrating harsh disastrous vile insane foul"""),
    feel=(_words("treasure favor value respect"), _words("condemn reject fear curse")),
)
