"""`qsmkit microbleeds`: candidates, a table and a page to review them, and what they amount to."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.clinical.microbleeds.burden import Burden
from qsmkit.clinical.microbleeds.detect import Detection, Rules, detect
from qsmkit.clinical.microbleeds.findings import findings
from qsmkit.clinical.microbleeds.findings import reviewed as read_reviewed
from qsmkit.clinical.microbleeds.region import Atlas
from qsmkit.clinical.rois import Noise
from qsmkit.errors import InputError
from qsmkit.io.maps import load_chi
from qsmkit.io.nifti import load_volume
from qsmkit.io.sidecar import number, read_sidecar, sidecar_path
from qsmkit.io.tables import read_table
from qsmkit.reports.microbleeds import write_microbleeds
from qsmkit.volume import Volume

BESIDE = {"field": "_desc-local_fieldmap", "field_sd": "_desc-sd_fieldmap", "r2star": "_R2starmap",
          "brain": "_desc-brain_mask"}  # fmt: skip
"""What `qsmkit recon` writes beside the map, by what it is here."""


def microbleeds(
    chi: Path | None = None,
    /,
    *,
    out: Path | None = None,
    mask: Path | None = None,
    field: Path | None = None,
    field_sd: Path | None = None,
    r2star: Path | None = None,
    magnitude: Path | None = None,
    brain: Path | None = None,
    labels: Path | None = None,
    names: Path | None = None,
    mid_commissural: tuple[float, float, float] | None = None,
    repeats: Path | None = None,
    b0: float | None = None,
    te: float | None = None,
    contrast: float = Rules().contrast,
    largest: float = Rules().largest,
    reviewed: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Find candidates for microbleeds, measure their susceptibility, and count those that a reader accepts.

    qsmkit microbleeds sub-01_Chimap.nii.gz --out bleeds

    qsmkit microbleeds sub-01_Chimap.nii.gz --reviewed bleeds/candidates.tsv --out final

    The first writes report.html, candidates.tsv and rejected.tsv. A reader writes yes or no in the column accept of
    candidates.tsv; the second counts what was accepted. A machine never calls a candidate a microbleed.

    Parameters
    ----------
    chi
        Susceptibility (ppm), …_Chimap.nii.gz; with --reviewed only for the pictures.
    out
        Folder to make.
    mask
        Voxels that have a susceptibility; …_desc-qsm_mask beside the map if omitted.
    field
        Local field (ppm), which gives the map's total susceptibility a second opinion; …_desc-local_fieldmap beside
        the map if omitted.
    field_sd
        Its standard deviation (ppm); …_desc-sd_fieldmap beside the map if omitted.
    r2star
        R2* (1/s): a candidate whose R2* is not raised is called possible; …_R2starmap beside the map if omitted.
    magnitude
        Image to show beside the map, on its grid.
    brain
        Mask of the brain, for regions; …_desc-brain_mask beside the map if omitted.
    labels
        Label image of nuclei or a parcellation, on the map's grid: regions come from its names.
    names
        TSV with columns index and name; the one beside the label image if omitted.
    mid_commissural
        Middle of the commissures (RAS mm), for regions without labels.
    repeats
        Deviations of the map in repeats with new noise (recon --uncertainty).
    b0
        Field strength (T), for moments; the map's sidecar is used if omitted.
    te
        Last echo time (ms): where phase is too steep for it, the field is not used.
    contrast
        Least height above the tissue around (ppm).
    largest
        Largest diameter (mm).
    reviewed
        Table that a reader has filled in.
    json
        Print JSON on stdout.
    overwrite
        Replace files that are there.
    """
    if chi is None and reviewed is None:
        raise console.UsageError("give a map of susceptibility, or --reviewed")
    volume = None if chi is None else load_chi(chi, mask)
    notes: list[str] = []
    detection: Detection | None = None
    if reviewed is not None:
        burden = _after_review(reviewed)
    else:
        assert chi is not None
        assert volume is not None
        given = {"field": field, "field_sd": field_sd, "r2star": r2star, "brain": brain}
        there = {k: p for k, p in given.items() if p is not None} | _beside(chi, given)
        extra = {"labels": labels, "repeats": repeats}
        maps = _on_grid(there | {k: p for k, p in extra.items() if p is not None}, volume, chi)
        strength = b0 if b0 is not None else _strength(chi)
        atlas = _atlas(maps["labels"], labels, names) if labels is not None else None
        inside = np.isfinite(volume.data) & (volume.data != 0)
        detection = detect(
            volume.data, inside, volume.grid, nuclei=atlas.iron() if atlas else None,
            rules=Rules(contrast=contrast, largest=largest),
        )  # fmt: skip
        found = findings(
            detection, volume.data, inside, volume.grid, atlas=atlas, mid_commissural=mid_commissural,
            brain=maps["brain"] > 0 if "brain" in maps else None,
            noise=Noise(deviations=maps["repeats"]) if "repeats" in maps else None,
            field=maps.get("field"), field_sd=maps.get("field_sd"), r2star=maps.get("r2star"),
            field_strength=strength, echo_time=None if te is None else te / 1000,
        )  # fmt: skip
        burden = Burden(found, detection.sentence())
        notes = [f"{name.replace('_', ' ')}: {path.name}" for name, path in there.items()]
        notes += ["no local field was given: χ_tot has no second opinion"] if "field" not in maps else []
        notes += ["no field strength is known: no moments"] if strength is None else []
    if out:
        shown = None
        if magnitude is not None and volume is not None and chi is not None:
            shown = _on_grid({"magnitude": magnitude}, volume, chi)["magnitude"]
        page = write_microbleeds(
            burden, out, source=chi or reviewed or Path(), chi=None if volume is None else volume.data,
            grid=None if volume is None else volume.grid, magnitude=shown, rejected=_rejected(detection), notes=notes,
            overwrite=overwrite,
        )  # fmt: skip
        console.say(f"report → {page}")
    if json:
        console.print_json(burden.as_dict())
    else:
        _print(burden)


def _after_review(path: Path) -> Burden:
    table = read_table(path)
    rows = [dict(zip(table.columns, cells, strict=True)) for cells in zip(*table.columns.values(), strict=True)]
    found = read_reviewed(rows, path.name)
    return Burden(found, is_reviewed=True)


def _beside(chi: Path, given: Mapping[str, Path | None]) -> dict[str, Path]:
    stem = chi.name.split(".")[0].removesuffix("_Chimap")
    places = {k: chi.with_name(f"{stem}{BESIDE[k]}.nii.gz") for k, path in given.items() if path is None}
    return {k: path for k, path in places.items() if path.is_file() and path != chi}


def _on_grid(paths: Mapping[str, Path], volume: Volume, chi: Path) -> dict[str, np.ndarray]:
    found = {}
    for name, path in paths.items():
        other = load_volume(path)
        volume.grid.require_same(other.grid, path, chi)
        found[name] = other.data
    return found


def _strength(chi: Path) -> float | None:
    path = sidecar_path(chi)
    return number(read_sidecar(path), "MagneticFieldStrength", path.name) if path.is_file() else None


def _atlas(data: np.ndarray, labels: Path, given: Path | None) -> Atlas:
    path = given or labels.with_name(labels.name.split(".")[0] + ".tsv")
    if not path.is_file():
        raise InputError(f"{labels} has no names beside it; give a TSV with columns index and name as --names")
    table = read_table(path)
    known = {int(i): n for i, n in zip(table.numbers("index"), table.text("name"), strict=True)}
    return Atlas(np.rint(data).astype(np.int32), known)


def _rejected(detection: Detection | None) -> list[dict[str, object]]:
    if detection is None:
        return []
    rows: list[dict[str, object]] = []
    for spot, reason in detection.rejected:
        x, y, z = (round(float(v), 2) for v in spot.centre)
        rows.append({
            "reason": reason, "x": x, "y": y, "z": z, "contrast_ppm": spot.contrast,
            "diameter_mm": round(spot.diameter, 2), "continuity": spot.continuity,
            "elongation": round(spot.elongation, 2), "depth_mm": round(spot.depth, 2),
        })  # fmt: skip
    return rows


def _print(burden: Burden) -> None:
    rows = [
        (f.name, f.kind, f.confidence, f.region, ", ".join(f"{v:.1f}" for v in f.position), str(f.total),
         str(f.moment) if f.moment else "", f"{f.diameter:.1f}", f.accept)
        for f in burden.findings
    ]  # fmt: skip
    if rows:
        heads = ("", "kind", "certainty", "region", "RAS mm", "χ_tot", "moment", "⌀ mm", "accept")
        console.print_table(heads, rows)
    if burden.sentence:
        console.out.print(burden.sentence, markup=False)
    coarse, fine = burden.categories
    counts = ", ".join(f"{row['count']} {row['region']}" for row in burden.table())
    console.out.print(f"microbleeds: {counts}; pattern {burden.pattern}; category {coarse} ({fine})", markup=False)
    console.out.print(f"χ_tot of these: {burden.total}", markup=False)
    console.out.print(burden.status, markup=False)
    console.disclaim()
