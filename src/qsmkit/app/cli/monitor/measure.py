"""`qsmkit monitor measure`: the lesions of a visit, measured on its own map and entered in the registry."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.monitor.options import Actor, actor_of
from qsmkit.app.console import UsageError
from qsmkit.clinical.monitor.events import parse_date
from qsmkit.clinical.monitor.observation import Kind, Observation
from qsmkit.clinical.monitor.region import RegionRule
from qsmkit.io.maps import load_map
from qsmkit.io.nifti import load_volume
from qsmkit.io.store.registry import Registry
from qsmkit.io.tables import read_table
from qsmkit.pipeline.monitor import masks
from qsmkit.pipeline.monitor.link import labels_of, session_of
from qsmkit.pipeline.monitor.measure import Reading, measure_visit
from qsmkit.pipeline.monitor.visit_files import find_visit
from qsmkit.pipeline.monitor.visit_transform import visit_transform
from qsmkit.volume import Volume

_Files = Annotated[list[Path] | None, Parameter(consume_multiple=True)]
_Points = Annotated[list[tuple[float, float, float]] | None, Parameter(consume_multiple=True)]


def measure(
    registry: str,
    data: Path,
    /,
    *,
    patient: str,
    visit: str,
    masks_: Annotated[_Files, Parameter(name="--masks")] = None,
    seed: _Points = None,
    carry_from: str | None = None,
    rule: str = "whole",
    kind: Kind = "cavernoma",
    index: int | None = None,
    reference: Path | None = None,
    image: Path | None = None,
    diamagnetic: Flag = False,
    permeability: Path | None = None,
    transform: Path | None = None,
    chi: Path | None = None,
    date: str | None = None,
    rater: str = "software",
    actor: Actor = None,
    json: Flag = False,
) -> None:
    """Measure the lesions of a visit: χ, χ_tot, volume, with intervals, on the scan's own voxels.

    Masks are given, grown from seeds, or carried over from an earlier visit and grown anew; the record says which, and
    a reader should look at what software drew. The label image is kept beside the map as …_desc-lesions_dseg.nii.gz:
    edit it there, and measure again with --masks.

    Parameters
    ----------
    registry
        File, or URL of a PostgreSQL database.
    data
        Folder that `qsmkit recon` wrote.
    patient
        Participant, without "sub-".
    visit
        Session, without "ses-".
    masks_
        One label image, or several masks, on the map's voxels.
    seed
        Points in lesions, RAS+ mm: x y z, once for each.
    carry_from
        Earlier visit whose lesions are carried over; they keep their identity.
    rule
        Which voxels are measured: whole, core-1mm, rim-1mm, above-0.1ppm, or fixed (with --carry-from: the earlier
        mask as it was).
    kind
        What new lesions are.
    index
        Label of the lesion that bled at enrolment.
    reference
        Mask of a region whose mean is subtracted; the map's own reference if omitted.
    image
        T2-weighted image or magnitude on the map's voxels, whose dark voxels help to grow.
    diamagnetic
        Grow downwards: calcifications.
    permeability
        Table with columns label and permeability, as another software measured it.
    transform
        From the earlier to this visit's space, in place of registering the magnitudes.
    chi
        The map, where the visit has several.
    date
        Of the scan (2024-05-17), where the raw data set has no sessions.tsv.
    rater
        Who drew the masks.
    actor
        Who enters, initials or a code; by default the name of the account.
    json
        Print JSON on stdout.
    """
    ways = sum(way is not None for way in (masks_, seed, carry_from))
    if ways != 1:
        raise UsageError(f"{ways} sources of masks were given; give one of --masks, --seed, --carry-from")
    chosen, sign = RegionRule.parse(rule), -1 if diamagnetic else 1
    if chosen.name == "fixed" and carry_from is None:
        raise UsageError("--rule fixed measures an earlier visit's masks; say which (--carry-from)")
    files = find_visit(data, patient, visit, chi)
    volume = load_map(files.chi)
    dark = _on(image, volume)
    lesions: dict[int, str] = {}
    with Registry.open(registry) as opened:
        if masks_ is not None:
            drawn = masks.given(masks_, volume.grid)
        elif seed is not None:
            drawn = masks.grown(volume, seed, sign, dark)
        else:
            earlier = session_of(opened, patient, str(carry_from))
            before, grid, lesions = labels_of(opened, earlier, data)
            if not json:
                console.say(f"registering {earlier.visit} to {visit} …")
            motion = visit_transform(data, patient, earlier.visit, visit, transform).inverse()
            anew = chosen.name != "fixed"
            drawn = masks.carried(volume, before, grid, motion, sign=sign, anew=anew, dark=dark)
        there = _on(reference, volume)
        reading = Reading(
            patient, visit, actor_of(actor), rater, kind, chosen, parse_date(date)[0] if date else None, index, lesions,
            _permeability(permeability),
        )  # fmt: skip
        found, notes = measure_visit(opened, files, volume, drawn, reading,
                                     reference=None if there is None else there.data > 0)  # fmt: skip
    for note in notes:
        console.say(note)
    if json:
        console.print_json([as_dict(o) for o in found])
        return
    _print(found)
    console.say(f"masks → {files.labels}; look at them, edit them, measure again with --masks")


def as_dict(seen: Observation) -> dict[str, object]:
    """Return a measurement as plain values for JSON."""
    return {
        "patient": seen.patient, "visit": seen.visit, "date": seen.day.isoformat(), "lesion": seen.lesion,
        "label": seen.label, "kind": seen.kind, "mean": seen.mean.as_dict(), "total_ppm_mm3": seen.total,
        "background_ppm": seen.background, "volume_mm3": seen.volume, "median_ppm": seen.median, "p95_ppm": seen.p95,
        "maximum_ppm": seen.maximum, "voxels": seen.voxels, "rule": seen.context.rule, "source": seen.source,
        "centre_mm": seen.centre,
    }  # fmt: skip


def _print(found: list[Observation]) -> None:
    rows = [(o.label, o.kind, str(o.mean), f"{o.total:.4g}", f"{o.volume:.4g}", f"{o.median:.3f}", f"{o.p95:.3f}",
             f"{o.maximum:.3f}", str(o.voxels), o.source) for o in found]  # fmt: skip
    heads = ("lesion", "kind", "mean χ", "χ_tot (ppm·mm³)", "mm³", "median", "P95", "max (ppm)", "voxels", "mask")
    one = found[0]
    console.print_table(heads, rows, f"{one.patient}, {one.visit}, {one.day}: region {one.context.rule}, reference "
                        f"{one.context.reference or 'not known'}; {one.mean.method}")  # fmt: skip
    console.disclaim()


def _on(path: Path | None, chi: Volume) -> Volume | None:
    if path is None:
        return None
    image = load_volume(path)
    chi.grid.require_same(image.grid, path, "the map")
    return image


def _permeability(path: Path | None) -> dict[int, float]:
    if path is None:
        return {}
    table = read_table(path)
    return {int(n): v for n, v in zip(table.numbers("label"), table.numbers("permeability"), strict=True)}
