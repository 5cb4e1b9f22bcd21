"""`qsmkit target localise`: where a stereotactic frame lies in an image that shows its localiser."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.main import COULD_NOT, DONE
from qsmkit.clinical.target.frame import from_leksell
from qsmkit.clinical.target.localiser import localise as find_frame
from qsmkit.errors import InputError
from qsmkit.io.nifti import load_volume
from qsmkit.io.sidecar import read_sidecar
from qsmkit.io.transforms import format_of, write_transform
from qsmkit.transform import Matrix


def localise(
    image: Path,
    /,
    *,
    rods: Path | None = None,
    threshold: float | None = None,
    out: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> int:
    """Find the rods of a frame's localiser in a CT or MR and say where the frame is, and whether to believe it.

    Rods that are bent or missing are found by leaving each out in turn, and named. Exit status 1 if the verdict is
    FAIL; the transform is then not written.

    Parameters
    ----------
    image
        CT in HU or MR with the localiser on.
    rods
        JSON file of another localiser: {"right oblique": [[X, Y, Z], [X, Y, Z]], …}, the ends of each rod in Leksell
        coordinates (mm); Leksell's two side plates if omitted.
    threshold
        From where on a voxel may be rod; 350 HU in CT, a quarter of the range in MR if omitted.
    out
        Transform to write, from scanner RAS to frame-aligned RAS about the frame's centre: .json, .tfm (ITK).
    json
        Print JSON on stdout.
    overwrite
        Replace a file that is there.
    """
    if out:
        format_of(out)
    found = find_frame(load_volume(image), _rods(rods) if rods else None, threshold=threshold)
    usable = found.verdict != "FAIL"
    about = {
        "image": str(image), "verdict": found.verdict, "gates": [asdict(g) for g in found.gates],
        "rods": [asdict(r) for r in found.rods], "slices": found.slices,
        "to": "frame-aligned RAS mm; Leksell X = 100 − x, Y = y + 100, Z = 100 − z",
    }  # fmt: skip
    if out and usable:
        write_transform(out, found.transform, about=about, overwrite=overwrite)
    if json:
        console.print_json({"matrix": found.transform.matrix.tolist(), **about})
    else:
        title = f"{found.verdict}: frame turned {found.transform.angle:.2f}°, seen in {found.slices} slices"
        cells = [
            (r.name, r.status, str(r.spots), *(f"{v:.2f}" for v in (r.mean, r.largest, r.bend))) for r in found.rods
        ]
        console.print_table(("rod", "", "spots", "mean (mm)", "largest (mm)", "bend (mm)"), cells, title)
        values = [f"{g.value:.3g}" if g.unit == "1" else f"{g.value:.3g} {g.unit}" for g in found.gates]
        rows = [(g.name, value, g.verdict, g.text) for g, value in zip(found.gates, values, strict=True)]
        console.print_table(("gate", "value", "verdict", "meaning"), rows)
        console.disclaim()
    if not usable:
        console.say(f"the localiser in {image} does not fit: no transform is written; see the gates that FAIL")
    return DONE if usable else COULD_NOT


def _rods(path: Path) -> dict[str, Matrix]:
    rods = {}
    for name, ends in read_sidecar(path).items():
        try:
            rods[name] = from_leksell(np.array(ends, np.float64).reshape(2, 3))
        except (TypeError, ValueError):
            raise InputError(f"{path}: rod {name!r} is not two ends [[X, Y, Z], [X, Y, Z]] in mm") from None
    return rods
