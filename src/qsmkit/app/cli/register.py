"""`qsmkit register`: where a point of one image lies in another, and whether to believe it."""

from dataclasses import asdict
from pathlib import Path

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.gates import gate_rows
from qsmkit.app.cli.main import COULD_NOT, DONE
from qsmkit.clinical.register import register as register_images
from qsmkit.clinical.register import resample
from qsmkit.clinical.registration.blocks import Kind
from qsmkit.io.atomic import replacing
from qsmkit.io.nifti import load_volume, save_volume
from qsmkit.io.transforms import format_of, write_transform
from qsmkit.reports.registration import overlay


def register(
    fixed: Path,
    moving: Path,
    /,
    *,
    out: Path,
    kind: Kind = "rigid",
    resampled: Path | None = None,
    picture: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> int:
    """Register two images of one head (any contrasts, also CT) and say whether the result may be used.

    Exit status 1 if the verdict is FAIL; the transform is then not written.

    Parameters
    ----------
    fixed
        Image whose space is kept; for a map of χ, the magnitude of its first echo, which shows the whole head.
    moving
        Image that is brought there.
    out
        Transform to write: .json, .tfm (ITK), .mat (FSL). It maps RAS+ mm of the fixed to the moving image.
    kind
        rigid (six degrees of freedom) or affine (twelve).
    resampled
        NIfTI file to write: the moving image on the fixed one's voxels.
    picture
        PNG file to write, whatever the verdict: both images as a chequerboard, and the moving one's edges on the fixed.
    json
        Print JSON on stdout.
    overwrite
        Replace files that are there.
    """
    format_of(out)
    volumes = load_volume(fixed), load_volume(moving)
    found = register_images(*volumes, kind=kind)
    about = {
        "fixed": str(fixed), "moving": str(moving), "kind": kind, "verdict": found.verdict,
        "gates": [asdict(g) for g in found.gates], "mutual_information_nats": found.information,
    }  # fmt: skip
    usable = found.verdict != "FAIL"
    if picture:
        with replacing(picture, overwrite=overwrite) as scratch:
            scratch.write_bytes(overlay(*volumes, found.transform, found.verdict))
    if usable:
        grids = {"fixed": volumes[0].grid, "moving": volumes[1].grid}
        write_transform(out, found.transform, **grids, about=about, overwrite=overwrite)
        if resampled:
            image = resample(volumes[1], volumes[0].grid, found.transform)
            save_volume(resampled, image.data, image.grid, overwrite=overwrite)
    if json:
        console.print_json({"matrix": found.transform.matrix.tolist(), **about})
    else:
        title = f"{found.verdict}: turned {found.transform.angle:.2f}°"
        console.print_table(("gate", "value", "verdict", "meaning"), gate_rows(found.gates), title)
    if not usable:
        reasons = "; ".join(gate.text for gate in found.gates if gate.verdict == "FAIL")
        console.say(f"{moving} does not register to {fixed} ({reasons}): {out} is not written")
    return DONE if usable else COULD_NOT
