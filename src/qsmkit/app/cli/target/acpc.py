"""`qsmkit target acpc`: coordinates between the scanner and the AC–PC frame."""

import warnings
from pathlib import Path

import numpy as np

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.target.flags import AXES, Point
from qsmkit.clinical.target.acpc import Commissures, Origin
from qsmkit.io.tables import read_table, write_table
from qsmkit.io.transforms import write_transform


def acpc(
    *,
    ac: Point,
    pc: Point,
    midline: Point,
    origin: Origin = "MCP",
    points: Path | None = None,
    back: Flag = False,
    transform: Path | None = None,
    out: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Change coordinates between the scanner and the AC–PC frame.

    Parameters
    ----------
    ac
        Anterior commissure, scanner RAS mm.
    pc
        Posterior commissure, scanner RAS mm.
    midline
        A point of the midsagittal plane above them, scanner RAS mm.
    origin
        Zero of the frame: MCP, AC or PC.
    points
        Table with columns x, y, z (mm) and any others.
    back
        The points are in the AC–PC frame and go back to the scanner's.
    transform
        File to write the transform from scanner to AC–PC to (.json, .tfm).
    out
        Table to write; printed if omitted.
    json
        Print JSON on stdout.
    overwrite
        Replace files that are there.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        marks = Commissures(np.array(ac), np.array(pc), np.array(midline))
        frame = marks.transform(origin)
    for warning in caught:
        console.say(f"warning: {warning.message}")
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
        console.print_json(about | {"points": rows})
        return
    told = f"AC–PC {marks.length:.2f} mm, origin {origin}; right, anterior, superior are positive (mm)"
    console.out.print(told, markup=False)
    if rows and not out:
        cells = [[f"{v:.3f}" if isinstance(v, float) else str(v) for v in r.values()] for r in rows]
        console.print_table(list(rows[0]), cells)
    console.disclaim()
