"""`qsmkit target plan`: target, entry, spans along the track and the frame's setting of one lead."""

from pathlib import Path
from typing import Annotated

import numpy as np

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.main import COULD_NOT, DONE
from qsmkit.app.cli.target.flags import Many, Point
from qsmkit.clinical.nuclei.structures import structures
from qsmkit.clinical.target.acpc import Commissures
from qsmkit.clinical.target.frame import Mounting
from qsmkit.clinical.target.obstacles import MARGINS, Margin
from qsmkit.clinical.target.plan import NUMBERS
from qsmkit.clinical.target.plan import plan as plan_lead
from qsmkit.clinical.target.rules import RULES, Side, parse_rules
from qsmkit.clinical.target.track import PLACEMENT
from qsmkit.errors import InputError
from qsmkit.io.nifti import load_volume
from qsmkit.io.sidecar import read_sidecar
from qsmkit.io.transforms import read_transform
from qsmkit.pipeline.nuclei import LABELS, RECORD
from qsmkit.reports.plan import sheet, write_plan
from qsmkit.volume import Volume


def plan(
    labels: Path,
    /,
    *,
    structure: str,
    side: Side,
    ac: Point | None = None,
    pc: Point | None = None,
    midline: Point | None = None,
    brain: str | None = None,
    veins: str | None = None,
    ventricles: str | None = None,
    sulci: str | None = None,
    avoid: Annotated[list[str] | None, Many] = None,
    margin: Annotated[list[str] | None, Many] = None,
    probability: Annotated[list[str] | None, Many] = None,
    image: Path | None = None,
    target: Point | None = None,
    indirect: Flag = False,
    entry: Point | None = None,
    rules: Path | None = None,
    least_span: float = 0.0,
    placement: float = PLACEMENT,
    frame: Path | None = None,
    mounting: Mounting | None = None,
    seed: int = 1,
    out: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> int:
    """Plan one lead: where to aim, by which entry, what the track passes, and what to set on the frame.

    A mask is a NIfTI file on the label image's grid; FILE:10,11 takes the labels 10 and 11 of a label image.
    Exit status 1 if no entry is safe; the answer then says what speaks against all of them.
    For a planning station, send images with qsmkit export dicom and the nuclei with qsmkit export seg; the track itself
    goes there by hand, from the sheet.

    Parameters
    ----------
    labels
        Folder that qsmkit nuclei wrote: labels, probabilities, and AC and PC if they are not given. Or a label image
        with the same numbers: GPe 17, GPi 18, STN 19, SNc 20, SNr 21, …
    structure
        What to aim at: STN, GPi, or another with a rule.
    side
        The patient's side: left or right.
    ac
        Anterior commissure, scanner RAS mm.
    pc
        Posterior commissure, scanner RAS mm.
    midline
        A point of the midsagittal plane above them, scanner RAS mm.
    brain
        Brain mask, by whose surface an entry is searched.
    veins
        Mask of veins.
    ventricles
        Mask of ventricles.
    sulci
        Mask of cerebrospinal fluid; what is ventricle too counts as ventricle.
    avoid
        More to keep away from, as NAME=FILE, such as caudate=labels.nii.gz:1.
    margin
        Distances asked, mm, as NAME=MM, such as veins=3.
    probability
        Chance of a structure, 0 … 1, as NAME=FILE, such as STN=stn_prob.nii.gz.
    image
        What the pictures show, T1w or χ, in the same space.
    target
        Target set by hand, scanner RAS mm.
    indirect
        Aim at the structure's customary place relative to MCP.
    entry
        Entry set by hand, scanner RAS mm; searched if omitted.
    rules
        JSON file of rules, such as {"STN": {"lateral": [0.4, 1], "anterior": [0, 0.7], "superior": [0.4, 1], "source":
        "…"}}: fractions of the extents along the AC–PC axes whose centroid is the target.
    least_span
        Length, mm, that a searched track must have in the structure.
    placement
        Standard deviation of where an instrument comes to lie along each axis, mm.
    frame
        Transform from scanner RAS to the frame's, as qsmkit target localise writes it.
    mounting
        How the arc sits on the ring, with --frame.
    seed
        Of the draws behind the intervals.
    out
        Folder for report.html, plan.txt, plan.json and tables.
    json
        Print JSON on stdout.
    overwrite
        Replace files that are there.
    """
    folder = labels if labels.is_dir() else None
    labels = labels / LABELS if folder else labels
    marked = load_volume(labels)
    known = _named(probability, "--probability")
    masks = {n: _mask(text) for n, text in {"veins": veins, "ventricles": ventricles, "sulci": sulci}.items() if text}
    masks |= {n: _mask(text) for n, text in _named(avoid, "--avoid").items()}
    if {"ventricles", "sulci"} <= set(masks):
        rest = masks["sulci"].data & ~masks["ventricles"].data
        masks["sulci"] = Volume(rest, masks["sulci"].grid)
    found = plan_lead(
        Volume(np.rint(marked.data).astype(np.int32), marked.grid),
        _commissures({"ac": ac, "pc": pc, "midline": midline}, folder), structure, side,
        probabilities={n: load_volume(text) for n, text in (_probabilities(folder) | known).items()},
        brain=_mask(brain) if brain else None, avoid=masks, margins=_margins(masks, _named(margin, "--margin")),
        target=None if target is None else np.array(target), indirect=indirect,
        entry=None if entry is None else np.array(entry),
        rules={**RULES, **parse_rules(read_sidecar(rules))} if rules else RULES,
        least_span=least_span, placement=placement, frame=read_transform(frame) if frame else None, mounting=mounting,
        rng=seed,
    )  # fmt: skip
    if out:
        shown = load_volume(image) if image else None
        write_plan(found, out, source=labels, image=shown, overwrite=overwrite)
    if json:
        console.print_json(found.as_dict())
    else:
        for line in sheet(found):
            console.out.print(line, markup=False)
        console.disclaim()
    return COULD_NOT if found.track is None else DONE


def _commissures(given: dict[str, Point | None], folder: Path | None) -> Commissures:
    """Return the marks that were given, and those of qsmkit nuclei for the others."""
    found = read_sidecar(folder / RECORD)["Commissures"] if folder else {}
    missing = [f"--{name}" for name, point in given.items() if point is None and name not in found]
    if missing:
        raise InputError(f"{', '.join(missing)} is not given; mark it, find it by target acpc, or give nuclei's folder")
    taken = [name for name, point in given.items() if point is None]
    if taken:
        console.say(f"warning: {', '.join(taken)}: from qsmkit nuclei; check them on the images")
    return Commissures(*(np.array(found[name] if point is None else point) for name, point in given.items()))


def _probabilities(folder: Path | None) -> dict[str, str]:
    """Return the probability maps that qsmkit nuclei wrote, by the name of the structure."""
    if folder is None:
        return {}
    files = {s.label: folder / f"label-{s.name}_probseg.nii.gz" for s in structures().values()}
    return {name: str(files[number]) for name, number in NUMBERS.items() if number in files and files[number].is_file()}


def _mask(text: str) -> Volume:
    """Read FILE, or FILE:10,11 for some labels of it."""
    name, mark, numbers = text.rpartition(":")
    some = bool(mark) and numbers.replace(",", "").isdigit()
    volume = load_volume(name if some else text)
    mask = np.isin(np.rint(volume.data), [int(n) for n in numbers.split(",") if n]) if some else volume.data > 0
    if not mask.any():
        raise InputError(f"{text} marks no voxel: it would look as if nothing were near; check it, or leave it out")
    return Volume(mask, volume.grid)


def _named(texts: list[str] | None, flag: str) -> dict[str, str]:
    named = {}
    for text in texts or []:
        name, mark, value = text.partition("=")
        if not (name and mark and value):
            raise InputError(f"{flag} {text!r} is not NAME=VALUE; write for example {flag} veins=3")
        named[name] = value
    return named


def _margins(masks: dict[str, Volume], asked: dict[str, str]) -> dict[str, Margin]:
    margins = dict(MARGINS)
    for name, text in asked.items():
        if name not in {*masks, *margins}:
            raise InputError(f"--margin {name}: nothing is called that; there are {', '.join({*masks, *margins})}")
        try:
            least = float(text)
        except ValueError:
            raise InputError(f"--margin {name}={text}: {text!r} is no distance in mm") from None
        was = margins.get(name, Margin(least))
        margins[name] = Margin(least, was.below_surface, was.above_target)
    return margins
