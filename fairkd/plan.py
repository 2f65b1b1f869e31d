"""What a profile needs, and what of it is there already."""

from __future__ import annotations

import pandas as pd

from fairkd.materials import Materials
from fairkd.profile import Profile
from fairkd.store import Store


def plan(profile: Profile) -> pd.DataFrame:
    """What a profile needs and what the store has of it; trains, downloads and writes nothing.

    Columns: arm, layers, losses, mix, teacher, seed, state, key. The state is "in store",
    "unfinished, N steps" or "to train", with the reason where keys are not known because teacher or corpus are not here
    yet.

    Raises:
        InputError: an arm is deeper than the teacher.
    """
    materials = Materials(profile)
    missing = materials.look_up()
    if "checkpoint" in materials.__dict__:
        materials.check(profile.all_arms())
    rows = []
    for arm in profile.all_arms():
        absent = missing
        if not missing and arm.teacher == "debiased" and not materials.is_debiased():
            absent = "teacher not debiased yet"
        for seed in profile.seeds:
            key = "" if absent else materials.student_key(arm, seed)
            state = f"to train; {absent}" if absent else _state(materials.store, key)
            row = {"arm": arm.name, "layers": arm.layers, "losses": "+".join(arm.losses)}
            row |= {"mix": "".join(arm.levels), "teacher": arm.teacher if arm.needs_teacher else ""}
            rows.append(row | {"seed": seed, "state": state, "key": key})
    return pd.DataFrame(rows)


def _state(store: Store, key: str) -> str:
    if store.find(key):
        return "in store"
    steps = sorted(store.unfinished(key).glob("step-*"))
    return f"unfinished, {int(steps[-1].name.removeprefix('step-'))} steps" if steps else "to train"
