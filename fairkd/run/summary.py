"""What ``fairkd status`` and ``fairkd plan`` say of a profile, as documents and as lines; there in a second.

Neither torch nor transformers is imported: students are counted by the store's records (:mod:`fairkd.lab.records`).
Only whether ``-p device`` makes a variant of "auto" is asked of torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fairkd.engine.processes import cores
from fairkd.errors import InputError, one_of
from fairkd.lab.estimate import (
    GPU_UTILISATION,
    UTILISATION,
    TextSize,
    cpu_matmul_rate,
    device_kind,
    disk_of,
    expected_cost,
    gpu_cost,
    reads,
    recorded_shape,
)
from fairkd.lab.known import GPUS, SHAPES, Gpu, known_text
from fairkd.lab.records import Recorded, recorded
from fairkd.lab.results import REPORT, Results
from fairkd.lab.variants import difference, output_dir, shown_path, variants
from fairkd.profile import Profile
from fairkd.run.ledger import NotebookState, status
from fairkd.text.sources import check_sources
from fairkd.wording import duration, how_many

MOST_NAMED = 6
"""Missing arms that a line names; it counts the others."""


def report_page(profile: Profile) -> Path:
    """Where a profile's report is, once it is there."""
    return output_dir(profile) / "report.html"


def status_document(profile: Profile, given: str) -> dict[str, Any]:
    """What is done and what is missing; ``given`` is how the user named the profile, as a shell reads it."""
    states, found, page = status(profile), recorded(profile), report_page(profile)
    folders = {folder: values for folder, values in variants(profile).items() if folder != output_dir(profile)}
    return {
        "profile": profile.name,
        "folder": str(output_dir(profile)),
        "place": Results(REPORT, profile).place(),
        "notebooks": [asdict(one) for one in states],
        "students": _students(found, profile),
        "report": str(page) if page.is_file() else None,
        "variants": [
            {"folder": str(folder), "differs": difference(values, profile.values())}
            for folder, values in folders.items()
        ],
        "next": _next_of(states, given),
    }


def status_lines(document: Mapping[str, Any], given: str) -> dict[str, str]:
    """A status document as headings and texts."""
    states = document["notebooks"]
    done = sum(one["state"] == "done" for one in states)
    other: dict[tuple[str, str], list[str]] = {}
    for one in states:
        if one["state"] != "done":
            other.setdefault((one["state"], one["detail"]), []).append(one["notebook"])
    lines = [f"{state}: {', '.join(names)}{f' ({why})' if why else ''}" for (state, why), names in other.items()]
    variants_of = document["variants"]
    return {
        "notebooks": "\n".join([f"{done} of {len(states)} done", *lines]),
        "students": _counted(document["students"]),
        "report": shown_path(Path(document["report"])) if document["report"] else "not there yet",
        "variants": f"{len(variants_of)}, which --all names" if variants_of else "",
        "next": document["next"],
        "details": f"fairkd status {given} --all",
    }


def plan_document(profile: Profile, given: str, *, device: str | None = None, gpus: int = 1) -> dict[str, Any]:
    """What a profile needs, what of it is recorded, and what the rest costs.

    Of well-known corpora and teachers it knows the size (:mod:`fairkd.lab.known`); nothing is downloaded.

    Args:
        profile: its parameters.
        given: how the user named it, with changed values, as a shell reads it.
        device: kind of GPU that the students are to be trained on, one of :data:`fairkd.lab.known.GPUS`; without it
            they are on this machine.
        gpus: how many of them.

    Raises:
        InputError: a source of the corpus cannot be used, the students cannot be trained, there is no such kind of
            GPU, or an update has fewer batches than there are GPUs.
    """
    gpu = _gpu(device, gpus, profile)
    corpus = profile.corpus
    known = known_text(corpus.sources, corpus.join, fraction=corpus.fraction, max_length=corpus.max_length)
    if known is None:
        check_sources([*profile.rows_a_line], column=corpus.column, join=profile.rows_a_line)
    found, kind = recorded(profile), "cuda" if gpu else device_kind(profile)
    shape = recorded_shape(profile) or SHAPES.get(profile.teacher.source)
    text = found.text or known
    cost = expected_cost(profile, shape, text, device=kind) if shape else None
    rate = cpu_matmul_rate() if cost and cost.flops and kind == "cpu" else None
    on_gpus = (
        gpu_cost(profile, shape, cost, memory=gpu.memory, rate=gpu.rate, gpus=gpus) if gpu and shape and cost else None
    )
    return {
        "profile": profile.name,
        "teacher": profile.teacher.source,
        "corpus": asdict(text) | {"counted": found.text is not None} if text else None,
        "students": _students(found, profile),
        "took_seconds": found.seconds or None,
        "estimate": asdict(cost) | {"reads": reads(profile, cost, text)} if cost else None,
        "device": device or kind,
        "gpus": gpus if gpu else None,
        "on_gpus": asdict(on_gpus) if on_gpus else None,
        "measured_seconds": None,
        "flops_per_second": rate,
        "seconds": cost.flops / (UTILISATION * rate) if cost and cost.flops and rate else None,
        "next": f"fairkd reproduce {given}" if found.missing else f"fairkd status {given}",
    }


def measured(profile: Profile, document: Mapping[str, Any]) -> float:
    """Seconds of all trainings of a plan document on this device, from some batches that are timed here.

    Raises:
        InputError: the text's size is not known, or as :func:`fairkd.lab.timing.measured_seconds`.
    """
    from fairkd.lab.timing import measured_seconds

    if not document["corpus"]:
        raise InputError("--measure: the text has not been tokenised, and its size is not known; see fairkd prepare")
    corpus = document["corpus"]
    return measured_seconds(profile, TextSize(corpus["sequences"], corpus["tokens"]))


def plan_lines(document: Mapping[str, Any], given: str) -> dict[str, str]:
    """A plan document as headings and texts."""
    corpus, students, cost = document["corpus"], document["students"], document["estimate"]
    details = f"fairkd plan {given} --all"
    took, most = document["took_seconds"], "" if corpus else "at most "
    return {
        "teacher": document["teacher"],
        "corpus": _corpus(corpus),
        "students": _counted(students),
        "missing": _missing(students["missing"]),
        "took": f"{duration(took)}, the trainings summed, on the machine that made them" if took else "",
        "a student reads": cost["reads"] if cost and cost["updates"] is not None else "",
        "training": _training(document, details),
        "memory": _memory(document, most),
        "disk": disk_of(cost["disk"], cost["checkpoints"]) if cost else "",
        "next": document["next"],
        "details": "" if document["gpus"] else details,  # --all measures this machine
    }


def _corpus(corpus: Mapping[str, Any] | None) -> str:
    if not corpus:
        return "not tokenised yet"
    said = f"{corpus['tokens']:,} tokens to train on in {corpus['sequences']:,} sequences"
    return said if corpus["counted"] else f"about {said}, by what is known of these data sets; not tokenised yet"


def _memory(document: Mapping[str, Any], most: str) -> str:
    cost, own = document["estimate"], document["on_gpus"]
    if own:
        said = f"about {own['memory'] / 1e9:.0f} GB a GPU, which reads {own['at_once']:,} tokens at once"
        few = own["at_once"] < cost["tokens"] / own["batches"]
        return said + (f": too little room for {cost['arms']} students at once; name fewer in arms" if few else "")
    return f"{most}{cost['memory'] / 1e9:.1f} GB a training" if cost else ""


def _on_gpus(document: Mapping[str, Any]) -> str:
    own, gpus, jobs = document["on_gpus"], document["gpus"], document["estimate"]["trainings"]
    hours = f"{gpus * own['seconds'] / 3600:,.1f} GPU-hours"
    return (
        f"about {duration(own['seconds'])} on {gpus} {document['device'].upper()} ({hours}) in "
        f"{f'{jobs} jobs, one a seed' if jobs > 1 else '1 job'}: arithmetic {duration(own['arithmetic_seconds'])}, at "
        f"an assumed {GPU_UTILISATION:.0%} of the data sheet's rate, launches {duration(own['launch_seconds'])}; "
        f"{document['estimate']['flops']:.2g} FLOPs; measuring, GLUE and notebooks come on top"
    )


def _gpu(device: str | None, gpus: int, profile: Profile) -> Gpu | None:
    if device is None and gpus == 1:
        return None
    if device is None:
        raise InputError(f"--gpus: {gpus} of which kind? Give --device, one of {', '.join(GPUS)}")
    one_of(device, GPUS, "--device")
    window = profile.recipe.gradient_accumulation_steps
    if not 1 <= gpus <= window:
        raise InputError(
            f"--gpus: {gpus} must be 1 to {window}, the batches of an update (gradient_accumulation_steps)"
        )
    return GPUS[device]


def _training(document: Mapping[str, Any], details: str) -> str:
    """What all trainings cost, as far as it is known without loading a model."""
    cost, seconds, top = document["estimate"], document["seconds"], "measuring, GLUE and notebooks come on top"
    flops = f"{cost['flops']:.2g} FLOPs for all; " if cost and cost["flops"] else ""
    if took := document["measured_seconds"]:
        return f"about {duration(took)} on this device, by batches timed now; {flops}{top}"
    if not cost:
        scratch = document["teacher"] == "scratch"
        why = "a teacher from scratch takes its vocabulary from the text" if scratch else "the teacher is not here yet"
        return f"--all computes it for this machine: {why}"
    if not cost["flops"]:
        return "not known before the corpus is tokenised (fairkd train begins with it)"
    if document["on_gpus"]:
        return _on_gpus(document)
    if not seconds:
        return f"{flops}{top}; for the time on this GPU: {details}"
    rate = f"{UTILISATION:.0%} of {document['flops_per_second'] / 1e9:,.0f} GFLOP/s of this CPU, {cores()} cores"
    most = "" if document["corpus"] else "at most "
    return f"{most}about {duration(seconds)} at {rate}; {flops}{top}"


def _students(found: Recorded, profile: Profile) -> dict[str, Any]:
    return {
        "wanted": found.wanted,
        "recorded": found.wanted - len(found.missing),
        "missing": [{"arm": arm, "seed": seed} for arm, seed in found.missing],
        "unfinished_in_store": found.unfinished,
        "store": str(profile.store().root),
    }


def _counted(students: Mapping[str, Any]) -> str:
    begun = students["unfinished_in_store"]
    more = f"; {begun} begun and not ended, of any profile" if begun else ""
    store = shown_path(Path(students["store"]))
    return f"{students['recorded']} of {students['wanted']} by the records of {store}{more}"


def _missing(students: list[dict[str, Any]]) -> str:
    arms = list(dict.fromkeys(one["arm"] for one in students))
    more = f" and {len(arms) - MOST_NAMED} more" if len(arms) > MOST_NAMED else ""
    names = ", ".join(arms[:MOST_NAMED])
    return (
        f"{how_many(len(students), 'student')} of {how_many(len(arms), 'arm')}: {names}{more}" if arms else "no student"
    )


def _next_of(states: list[NotebookState], given: str) -> str:
    words = {one.state for one in states}
    command = "status" if "running" in words else "open" if words == {"done"} else "reproduce"
    return f"fairkd {command} {given}"
