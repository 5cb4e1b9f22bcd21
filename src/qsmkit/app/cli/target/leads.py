"""`qsmkit target leads`: contacts in a post-operative CT, in every space that is asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.target.flags import Many, Point
from qsmkit.clinical.leads.locate import locate
from qsmkit.clinical.leads.located import LocatedContact, LocatedLead, Side
from qsmkit.clinical.leads.nuclei import labelled, probable
from qsmkit.clinical.target.acpc import Commissures, Origin
from qsmkit.errors import InputError, OutputError
from qsmkit.io.atomic import write_text
from qsmkit.io.dicom_out.labels import read_names
from qsmkit.io.nifti import load_volume
from qsmkit.io.sidecar import as_json
from qsmkit.io.tables import write_table
from qsmkit.io.transforms import read_transform
from qsmkit.pipeline.provenance import file_hash, software
from qsmkit.transform import Transform
from qsmkit.volume import Volume

FRONT = np.array([0.0, 1.0, 0.0])
BOTH: tuple[Side, Side] = ("left", "right")


def leads(
    ct: Path,
    /,
    *,
    model: str | None = None,
    sides: Annotated[list[Side] | None, Many] = None,
    transform: Path | None = None,
    ct_fixed: Flag = False,
    transform_error: float = 0.0,
    ac: Point | None = None,
    pc: Point | None = None,
    midline: Point | None = None,
    origin: Origin = "MCP",
    mni: Path | None = None,
    labels: Path | None = None,
    names: Path | None = None,
    probability: Annotated[list[str] | None, Many] = None,
    out: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Find the leads in a CT after implantation: model, contacts with their uncertainty, and where segments look.

    The model is named by what the CT shows; models whose contacts lie alike are told together. Positions are of the
    middle of a contact (of a segment: on its surface). Uncertainties are of the CT; add that of a transform.

    Parameters
    ----------
    ct
        CT of the head in HU, NIfTI, as reconstructed (not resampled); slices of 0.7 mm or less are best.
    model
        What was implanted, such as "Medtronic 3389"; found among all if omitted.
    sides
        left, right, or both.
    transform
        From the image's space to the CT's, as qsmkit register IMAGE CT writes it; contacts are then also given in the
        image's space, and AC–PC points, --mni and structures count there.
    ct_fixed
        The transform was made with the CT as the fixed image.
    transform_error
        Standard deviation of the transform's error along each axis, mm; part of all uncertainties beyond the CT.
    ac
        Anterior commissure, RAS mm of the image (of the CT without --transform).
    pc
        Posterior commissure, likewise.
    midline
        A point of the midsagittal plane above them, likewise.
    origin
        Zero of the AC–PC frame: MCP, AC or PC.
    mni
        Affine transform from MNI space to the image's, as qsmkit register TEMPLATE IMAGE --kind affine writes it.
    labels
        Label image in the image's space: the structure of every contact is told, with its probability.
    names
        TSV with columns index and name; the one beside the label image if omitted.
    probability
        Maps of probability in the image's space, as NAME=FILE, such as STN=stn_prob.nii.gz.
    out
        TSV or CSV file to write, a row for every contact and space, with a JSON file beside it that holds everything.
    json
        Print JSON on stdout.
    overwrite
        Replace files that are there.
    """
    if ct_fixed and transform is None:
        raise InputError("--ct-fixed says how a transform was made; give --transform too")
    if names and labels is None:
        raise InputError("--names names the labels of a label image; give --labels too")
    if not 0 <= transform_error < np.inf:
        raise InputError(f"a transform's error of {transform_error:g} mm is no standard deviation; give 0 or more")
    beside = _beside(out, overwrite=overwrite)
    found = locate(load_volume(ct), model=model, sides=sides or BOTH)
    spaces: dict[str, Transform] = {"ct": Transform.identity()}
    home = "ct"
    if transform:
        read = read_transform(transform)
        home, spaces["image"] = "image", read if ct_fixed else read.inverse()
    marks = [p for p in (ac, pc, midline) if p is not None]
    if len(marks) == 3:
        frame = Commissures(*map(np.array, marks)).transform(origin)
        spaces["acpc"] = frame.after(spaces[home])
    elif marks:
        raise InputError(f"{len(marks)} of --ac, --pc and --midline are given; the AC–PC frame needs all three")
    if mni:
        spaces["mni"] = read_transform(mni).inverse().after(spaces[home])
    chances = _structures(labels, names, probability)
    told: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for lead in found:
        moved = {s: lead.moved(t, 0.0 if s == "ct" else transform_error) for s, t in spaces.items()}
        within = [chances(contact) for contact in moved[home].contacts]
        told.append(_told(lead, moved, within))
        for space, there in moved.items():
            rows += [
                {"lead": lead.name, "side": lead.side, "model": lead.model, "space": space} | _row(contact, inside)
                for contact, inside in zip(there.contacts, within, strict=True)
            ]
    inputs = [p for p in (ct, transform, mni, labels, *(Path(t.partition("=")[2]) for t in probability or ())) if p]
    record = {
        "leads": told,
        "spaces": {name: t.matrix.tolist() for name, t in spaces.items()},
        "settings": {"model": model, "sides": list(sides or BOTH), "transform_error_mm": transform_error},
        "inputs": [{"path": p.name, "sha256": file_hash(p)} for p in inputs],
        "software": software(),
        "disclaimer": console.DISCLAIMER,
    }
    if out and beside:
        write_table(out, rows, overwrite=overwrite)
        write_text(beside, as_json(record), overwrite=overwrite)
    if json:
        console.print_json(record)
        return
    _print(found, told, home)
    if len(spaces) > 1 and transform_error == 0:
        console.say("uncertainties are of the CT alone; tell the transform's with --transform-error")


def _beside(out: Path | None, *, overwrite: bool) -> Path | None:
    """Return where the JSON beside the table belongs, and refuse early what would be refused in the end."""
    if out is None:
        return None
    beside = out.with_suffix(".json")
    if out.suffix not in (".tsv", ".csv"):
        raise OutputError(f"{out} is no table; name it .tsv or .csv")
    there = next((p for p in (out, beside) if p.exists()), None)
    if there and not overwrite:
        raise OutputError(f"{there} is there already; pass --overwrite, or choose another name")
    return beside


def _structures(labels: Path | None, names: Path | None, probability: Sequence[str] | None) -> Any:
    """Return the function from a contact to the probabilities of the structures it may be in."""
    maps: dict[str, Volume] = {}
    for text in probability or ():
        name, mark, path = text.partition("=")
        if not (name and mark and path):
            raise InputError(f"probability {text!r} is not NAME=FILE, such as STN=stn_prob.nii.gz")
        maps[name] = load_volume(path)
    marked = load_volume(labels) if labels else None
    table = names or (labels.with_name(f"{labels.name.split('.')[0]}.tsv") if labels else None)
    known = read_names(table) if table and (names or table.is_file()) else {}

    def chances(contact: LocatedContact) -> dict[str, float]:
        found = labelled(contact, marked, known) if marked else {}
        return found | probable(contact, maps)

    return chances


def _told(lead: LocatedLead, moved: dict[str, LocatedLead], within: list[dict[str, float]]) -> dict[str, Any]:
    headings = {space: there.heading(FRONT) for space, there in moved.items()}
    return {
        "name": lead.name, "side": lead.side, "model": lead.model, "alike": list(lead.alike), "sure": lead.sure,
        "candidates": lead.candidates, "misfit": lead.misfit, "notes": list(lead.notes),
        "rotation": None if lead.rotation is None else lead.rotation.as_dict(), "ambiguous": lead.ambiguous,
        "marker_heading_deg": headings,
        "tip": {space: there.lead.tip for space, there in moved.items()},
        "contacts": [
            {
                "name": one.name, "level": one.level + 1, "structures": within[i],
                "places": {space: _place(there.contacts[i]) for space, there in moved.items()},
            }
            for i, one in enumerate(lead.contacts)
        ],
    }  # fmt: skip


def _place(contact: LocatedContact) -> dict[str, Any]:
    radii, axes = contact.ellipsoid()
    return {
        "position_mm": contact.position, "covariance_mm2": contact.covariance,
        "ellipsoid_95_mm": radii, "ellipsoid_axes": axes.T,
    }  # fmt: skip


def _row(contact: LocatedContact, inside: dict[str, float]) -> dict[str, Any]:
    c, likely = contact.covariance, next(iter(inside.items()), (None, None))
    return {
        "contact": contact.name, **dict(zip("xyz", map(float, contact.position), strict=True)),
        "cov_xx": float(c[0, 0]), "cov_yy": float(c[1, 1]), "cov_zz": float(c[2, 2]), "cov_xy": float(c[0, 1]),
        "cov_xz": float(c[0, 2]), "cov_yz": float(c[1, 2]), "radius_95": float(contact.ellipsoid()[0].max()),
        "structure": likely[0], "probability": likely[1],
    }  # fmt: skip


def _print(found: Sequence[LocatedLead], told: Sequence[dict[str, Any]], home: str) -> None:
    for lead, about in zip(found, told, strict=True):
        others = [n for n in lead.alike if n != lead.model]
        like = f" (a CT cannot tell it from {', '.join(others)})" if others else ""
        share = sum(lead.candidates.get(n, 0.0) for n in lead.alike)
        cells = []
        for one in about["contacts"]:
            place = one["places"][home]
            inside = ", ".join(f"{n} {p:.0%}" for n, p in list(one["structures"].items())[:3] if p >= 0.005)
            position = [f"{v:.2f}" for v in place["position_mm"]]
            cells.append([one["name"], *position, f"{place['ellipsoid_95_mm'].max():.2f}", inside])
        title = f"{lead.name}: {lead.model}{like}, probability {share:.1%}; {home} RAS mm, ± longest 95 % semi-axis"
        console.print_table(("contact", "x", "y", "z", "±", "structures"), cells, title)
        if lead.rotation is not None:
            unsure = "; the opposite direction is as likely" if lead.ambiguous else ""
            turn = lead.rotation
            console.out.print(
                f"marker at {turn.value:.0f}° [{turn.low:.0f}, {turn.high:.0f}] from the scanner's front, "
                f"right-handed about the way up{unsure}", markup=False,
            )
        for note in lead.notes:
            console.out.print(note, markup=False)
    console.disclaim()
