"""Whose images, and of which day: participants and sessions of a data set, which never learn a patient's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from qsmkit.errors import InputError
from qsmkit.io.dicom_in.images import images_of
from qsmkit.io.dicom_in.measurement import Measurement
from qsmkit.io.dicom_in.place import Dataset, digest

Visit: TypeAlias = tuple[str, str]
"""A patient (hashed) and a day, or a study where no day is known."""


def visit_of(measurement: Measurement) -> Visit:
    """Return whose visit a measurement is of, and which: studies of one day are one visit."""
    frame = measurement.first.first
    return frame.patient, frame.date[:8] or frame.study


def entities_of(
    measured: Sequence[Measurement], dataset: Dataset, participant: str | None, session: str | None
) -> dict[Visit, dict[str, str]]:
    """Return participant and session of every visit.

    A visit of which an image is in the data set already keeps its labels; others are numbered on.

    Parameters
    ----------
    measured : sequence of Measurement
        What the folder holds.
    dataset : Dataset
        What it is added to.
    participant, session : str, optional
        Labels to use, with or without "sub-" and "ses-".

    Raises
    ------
    InputError
        A label was given for several patients or visits, or is none.
    """
    useful = [m for m in measured if not m.refusal]
    ordered = sorted(useful or measured, key=lambda m: m.first.first.date)
    visits = list(dict.fromkeys(map(visit_of, ordered)))
    patients = list(dict.fromkeys(patient for patient, _ in visits))
    participant = _given(participant, "sub-", len(patients), "patients")
    session = _given(session, "ses-", len(visits), "visits")
    known = _known(useful, dataset)
    taken = {p.name.removeprefix("sub-") for p in dataset.root.glob("sub-*")}
    out: dict[Visit, dict[str, str]] = {}
    for patient in patients:
        own = [v for v in visits if v[0] == patient]
        there = [known[v]["sub"] for v in own if v in known]
        free = next(f"{n:02d}" for n in _numbers() if f"{n:02d}" not in taken)
        label = participant or (there[0] if there else free)
        taken.add(label)
        names = {p.name.removeprefix("ses-") for p in (dataset.root / f"sub-{label}").glob("ses-*")}
        for visit in own:
            if session or visit in known:
                name = session or known[visit].get("ses", "")
            else:
                several = len(own) > 1 or names
                name = next(str(n) for n in _numbers() if str(n) not in names) if several else ""
            names.add(name)
            out[visit] = {"sub": label, **({"ses": name} if name else {})}
    return out | {visit: {"sub": "none"} for visit in map(visit_of, measured) if visit not in out}


def _given(label: str | None, prefix: str, count: int, what: str) -> str | None:
    if label is None:
        return None
    bare = label.removeprefix(prefix)
    if not (bare.isascii() and bare.isalnum()):
        raise InputError(f"label {label!r} is not made of letters and digits alone, as BIDS wants; choose another")
    if count > 1:
        raise InputError(f"the folder holds {count} {what}, which cannot all be {label!r}; sort them, or give no label")
    return bare


def _known(measured: Iterable[Measurement], dataset: Dataset) -> dict[Visit, dict[str, str]]:
    """Return participant and session of visits of which an image is in the data set."""
    known: dict[Visit, dict[str, str]] = {}
    for measurement in measured:
        there = next((p for i in images_of(measurement) if (p := dataset.digests.get(digest(i)))), None)
        if there:
            parts = there.relative_to(dataset.root).parts
            known[visit_of(measurement)] = dict(p.split("-", 1) for p in parts if p.startswith(("sub-", "ses-")))
    return known


def _numbers() -> Iterator[int]:
    return iter(range(1, 1_000_000))
