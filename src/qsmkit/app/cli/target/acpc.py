"""`qsmkit target acpc`: coordinates between the scanner and the AC–PC frame."""

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.main import COULD_NOT, DONE
from qsmkit.app.cli.target.flags import AXES, Point
from qsmkit.clinical.target.acpc import Commissures, Origin
from qsmkit.clinical.target.detect import TEMPLATE, Detection, detect
from qsmkit.errors import InputError
from qsmkit.io.nifti import load_volume
from qsmkit.io.tables import read_table, write_table
from qsmkit.io.template import load_template
from qsmkit.io.transforms import write_transform


def acpc(
    *,
    ac: Point | None = None,
    pc: Point | None = None,
    midline: Point | None = None,
    image: Path | None = None,
    brain: Path | None = None,
    origin: Origin = "MCP",
    points: Path | None = None,
    back: Flag = False,
    transform: Path | None = None,
    mni: Path | None = None,
    out: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> int:
    """Find AC and PC or take them as marked, and change coordinates between the scanner and the AC–PC frame.

    Marks set by hand are taken as they are. Those that are not given are found on --image by the MNI152 template, with
    a standard error and a verdict: look at them before they are used. Exit status 1 if the verdict is FAIL.

    Parameters
    ----------
    ac
        Anterior commissure, scanner RAS mm.
    pc
        Posterior commissure, scanner RAS mm.
    midline
        A point of the midsagittal plane above them, scanner RAS mm.
    image
        T1w, or the magnitude of an early echo, on which marks that are not given are found.
    brain
        Brain mask on its grid.
    origin
        Zero of the frame: MCP, AC or PC.
    points
        Table with columns x, y, z (mm) and any others.
    back
        The points are in the AC–PC frame and go back to the scanner's.
    transform
        File to write the transform from scanner to AC–PC to (.json, .tfm).
    mni
        File to write the affine transform from scanner to MNI152 to, if marks were found; for target convert.
    out
        Table to write; printed if omitted.
    json
        Print JSON on stdout.
    overwrite
        Replace files that are there.
    """
    hand = {n: np.array(p) for n, p in zip(TEMPLATE, (ac, pc, midline), strict=True) if p is not None}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = None if len(hand) == len(TEMPLATE) else _detected(hand, image, brain)
        marks = Commissures(*hand.values()) if found is None else found.commissures
        frame = marks.transform(origin)
    for warning in caught:
        console.say(f"warning: {warning.message}")
    if mni and found is None:
        raise InputError(f"{mni} cannot be written: all marks are given, so that no template was laid on the brain")
    if mni and found:
        write_transform(mni, found.to_mni, about={"to": "MNI152, affine"}, overwrite=overwrite)
    if transform:
        write_transform(transform, frame, about={"to": f"AC–PC, origin {origin}"}, overwrite=overwrite)
    rows: list[dict[str, object]] = []
    if points:
        table = read_table(points)
        there = (frame.inverse() if back else frame).apply(np.stack([table.numbers(a) for a in AXES], 1))
        rest = {n: c for n, c in table.columns.items() if n not in AXES}
        rows = [
            {n: c[i] for n, c in rest.items()} | dict(zip(AXES, map(float, p), strict=True))
            for i, p in enumerate(there)
        ]
        if out:
            write_table(out, rows, overwrite=overwrite)
    if json:
        about = {"matrix": frame.matrix.tolist(), "length_mm": marks.length, "origin": origin}
        console.print_json(about | _told(found) | {"points": rows})
        return _status(found)
    told = f"AC–PC {marks.length:.2f} mm, origin {origin}; right, anterior, superior are positive (mm)"
    console.out.print(told, markup=False)
    if rows and not out:
        cells = [[f"{v:.3f}" if isinstance(v, float) else str(v) for v in r.values()] for r in rows]
        console.print_table(list(rows[0]), cells)
    if found:
        lines = [(m.name, " ".join(f"{v:.2f}" for v in m.point), f"{m.sd:.1f}", m.how) for m in found.marks]
        console.print_table(("mark", "scanner RAS (mm)", "error (mm)", "how"), lines, found.verdict)
        gates = [(g.name, f"{g.value:.3g} {g.unit}", g.verdict, g.text) for g in found.gates]
        console.print_table(("gate", "value", "verdict", "meaning"), gates)
    console.disclaim()
    return _status(found)


def _detected(hand: dict[str, Any], image: Path | None, brain: Path | None) -> Detection:
    if image is None or brain is None:
        missing = ", ".join(f"--{n}" for n in TEMPLATE if n not in hand)
        raise InputError(f"{missing} is not given; mark it, or give --image and --brain by which it is found")
    return detect(load_volume(image), load_volume(brain), load_template()["t1"], hand)


def _told(found: Detection | None) -> dict[str, object]:
    if found is None:
        return {}
    marks = {m.name: {"point": m.point.tolist(), "sd_mm": m.sd, "how": m.how} for m in found.marks}
    return {"verdict": found.verdict, "marks": marks, "gates": [asdict(g) for g in found.gates]}


def _status(found: Detection | None) -> int:
    return COULD_NOT if found and found.verdict == "FAIL" else DONE
