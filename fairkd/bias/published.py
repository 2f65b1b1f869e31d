"""Rulers over published sets of sentences, made for a folder that holds their files.

The sets are not part of this package: CrowS-Pairs and StereoSet are share-alike (CC BY-SA 4.0), WinoBias is under the
MIT licence. ``fairkd data rulers`` brings the first two; :mod:`fairkd.bias.crows_pairs`, :mod:`fairkd.bias.stereoset`
and :mod:`fairkd.bias.winobias` say which layouts are read, and name the known defects of each set.
"""

from __future__ import annotations

from pathlib import Path

from fairkd.bias.crows_pairs import crows_pairs_rulers
from fairkd.bias.published_files import check_fetched
from fairkd.bias.ruler import Ruler
from fairkd.bias.stereoset import stereoset_ruler
from fairkd.bias.winobias import WINOBIAS_SPLITS, winobias_ruler
from fairkd.engine.messages import similar_path
from fairkd.errors import InputError

CROWS_PAIRS_FILES = ("crows_pairs.csv", "crows_pairs_anonymized.csv")
STEREOSET_FILES = ("stereoset.jsonl", "stereoset.json", "dev.json")


def published_rulers(folder: Path) -> list[Ruler]:
    """Rulers for whatever published sets a folder holds, their parts about gender.

    Args:
        folder: with one of ``CROWS_PAIRS_FILES``, one of ``STEREOSET_FILES``, the files of a split of WinoBias under
            their own names, or any of these.

    Raises:
        InputError: there is no such folder, none of these files, two files of one set, or a file that cannot be read,
            or was changed since ``fairkd data rulers`` brought it.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}.{similar_path(folder)}")
    check_fetched(folder)
    rulers: list[Ruler] = []
    if path := _only(folder, CROWS_PAIRS_FILES):
        rulers += crows_pairs_rulers(path)
    if path := _only(folder, STEREOSET_FILES):
        rulers.append(stereoset_ruler(path))
    if path := _only(folder, [f"pro_stereotyped_type1.txt.{split}" for split in WINOBIAS_SPLITS]):
        rulers.append(winobias_ruler(folder, path.name.rpartition(".")[2]))
    if not rulers:
        known = ", ".join((*CROWS_PAIRS_FILES, *STEREOSET_FILES, "pro_stereotyped_type1.txt.dev"))
        raise InputError(f"{folder} holds no published set; files that are looked for: {known}")
    return rulers


def _only(folder: Path, names: tuple[str, ...] | list[str]) -> Path | None:
    """The one file of these names that a folder holds."""
    found = [folder / name for name in names if (folder / name).is_file()]
    if len(found) > 1:
        both = " and ".join(path.name for path in found)
        raise InputError(f"{folder} holds {both}: of one set, one file is read; put the other elsewhere")
    return found[0] if found else None
