"""`qsmkit target fuse`: the post-operative CT on the MR, and whether to believe it."""

from pathlib import Path

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.gates import gate_rows
from qsmkit.app.cli.main import COULD_NOT, DONE
from qsmkit.app.cli.target.flags import Point
from qsmkit.clinical.register import resample
from qsmkit.clinical.target.fuse import Fusion
from qsmkit.clinical.target.fuse import fuse as fuse_images
from qsmkit.io.atomic import replacing
from qsmkit.io.nifti import load_volume, save_volume
from qsmkit.pipeline.fusion import fusion_record, write_fusion
from qsmkit.reports.registration import overlay


def fuse(
    ct: Path,
    mr: Path,
    /,
    *,
    out: Path | None = None,
    before: Path | None = None,
    centre: Point | None = None,
    skull_only: Flag = False,
    resampled: Path | None = None,
    picture: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> int:
    """Bring a post-operative CT to the MR, with the shift of the deep brain and the air that came in.

    Exit status 1 if the verdict is FAIL; only the picture is then written.

    Parameters
    ----------
    ct
        Post-operative CT, HU.
    mr
        T1-weighted image before the operation (or a magnitude that shows the whole head; not a map of χ).
    out
        JSON file to write: transforms, verdict, numbers, and hashes of the images, so that a stale one is noticed.
    before
        Pre-operative CT: the MR is then registered to it, and it to the post-operative CT.
    centre
        Middle of the basal ganglia on the MR, RAS mm, such as the mid-commissural point; taken from the skull's shape
        if omitted.
    skull_only
        Do not refine the transform in the deep brain.
    resampled
        NIfTI file to write: the CT on the MR's voxels, by the deep brain's transform.
    picture
        PNG file to write: both images as a chequerboard, and the CT's edges on the MR.
    json
        Print JSON on stdout.
    overwrite
        Replace files that are there.
    """
    volumes = {"ct": load_volume(ct), "mr": load_volume(mr)}
    inputs = {"ct": ct, "mr": mr} | ({"before": before} if before else {})
    earlier = load_volume(before) if before else None
    found = fuse_images(volumes["ct"], volumes["mr"], before=earlier, centre=centre, refine=not skull_only)
    usable = found.verdict != "FAIL"
    if picture:
        with replacing(picture, overwrite=overwrite) as scratch:
            scratch.write_bytes(overlay(volumes["mr"], volumes["ct"], found.transform, found.verdict))
    if usable and out:
        write_fusion(out, found, inputs, overwrite=overwrite)
    if usable and resampled:
        image = resample(volumes["ct"], volumes["mr"].grid, found.transform)
        save_volume(resampled, image.data, image.grid, overwrite=overwrite)
    if json:
        console.print_json(fusion_record(found, inputs))
        return DONE if usable else COULD_NOT
    console.print_table(("gate", "value", "verdict", "meaning"), gate_rows(found.gates), found.verdict)
    for line in _told(found):
        console.out.print(line, markup=False)
    for gate in found.gates:
        if gate.verdict != "PASS":
            console.say(f"{'warning: ' if usable else ''}{gate.name}: {gate.text}")
    if not usable:
        console.say(f"{ct} does not fit {mr}: nothing but a picture is written")
    console.disclaim()
    return DONE if usable else COULD_NOT


def _told(found: Fusion) -> list[str]:
    lines = []
    for side, measure in found.pneumocephalus.items():
        lines.append(f"air inside the skull, {side}: {measure} ({measure.method})")
    if found.shift:
        parts = ", ".join(f"{n} {getattr(found.shift, n)}" for n in ("right", "anterior", "superior"))
        length = found.shift.length
        lines.append(f"shift of the deep brain against the skull: {length} ({parts}; {length.method})")
    if found.verdict != "FAIL":
        lines.append(
            "The deep brain's rigid transform carries contacts to the MR, the skull's carries entries and frame; leads "
            "are never bent as tissue."
        )
    return lines
