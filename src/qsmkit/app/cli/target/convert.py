"""`qsmkit target convert`: points from one space to another: scanner, AC–PC, frame, MNI."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from cyclopts import Parameter

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.target.flags import AXES
from qsmkit.clinical.target.frame import from_crw, from_leksell, to_crw, to_leksell
from qsmkit.errors import InputError
from qsmkit.io.tables import read_table, write_table
from qsmkit.io.transforms import read_transform
from qsmkit.transform import Matrix, Transform

Space = Literal["scanner", "acpc", "leksell", "crw", "mni"]

NEEDED = {"acpc": "--acpc", "leksell": "--frame", "crw": "--frame", "mni": "--mni"}
"""The option that brings the transform of a space."""


def convert(
    points: Path,
    /,
    *,
    source: Annotated[Space, Parameter(name="--from")],
    to: Space,
    acpc: Path | None = None,
    frame: Path | None = None,
    mni: Path | None = None,
    out: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Change points from one space to another, each transform being from scanner RAS mm.

    Parameters
    ----------
    points
        Table with columns x, y, z (mm) and any others. For crw these are AP, LAT, VERT; for leksell X, Y, Z.
    source
        Space of the points: scanner, acpc, leksell, crw or mni.
    to
        Space that they are wanted in.
    acpc
        Transform that qsmkit target acpc --transform writes.
    frame
        Transform that qsmkit target localise --out writes.
    mni
        Transform from scanner RAS to MNI152, affine; good to some millimetres, for groups and not for targets.
    out
        Table to write; printed if omitted.
    json
        Print JSON on stdout.
    overwrite
        Replace a file that is there.
    """
    files = {"acpc": acpc, "leksell": frame, "crw": frame, "mni": mni}
    there, back = (_transform(space, files.get(space)) for space in (source, to))
    table = read_table(points)
    given = np.stack([table.numbers(a) for a in AXES], 1)
    scanner = there.inverse().apply(_read(given, source))
    wanted = _written(back.apply(scanner), to)
    rest = {n: c for n, c in table.columns.items() if n not in AXES}
    rows: list[dict[str, object]] = [
        {n: c[i] for n, c in rest.items()} | dict(zip(AXES, map(float, p), strict=True)) for i, p in enumerate(wanted)
    ]
    if out:
        write_table(out, rows, overwrite=overwrite)
    if json:
        console.print_json({"from": source, "to": to, "points": rows})
    elif not out:
        cells = [[f"{v:.3f}" if isinstance(v, float) else str(v) for v in r.values()] for r in rows]
        console.print_table(list(rows[0]), cells, f"{source} to {to}, mm")
        console.disclaim()


def _transform(space: Space, path: Path | None) -> Transform:
    if space == "scanner":
        return Transform.identity()
    if path is None:
        raise InputError(f"{space} coordinates need the transform from the scanner; give {NEEDED[space]}")
    return read_transform(path)


def _read(points: Matrix, space: Space) -> Matrix:
    return from_leksell(points) if space == "leksell" else from_crw(points) if space == "crw" else points


def _written(points: Matrix, space: Space) -> Matrix:
    return to_leksell(points) if space == "leksell" else to_crw(points) if space == "crw" else points
