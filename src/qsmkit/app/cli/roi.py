"""`qsmkit roi`: statistics of regions on one or several maps."""

from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.artifacts import ARTIFACTS
from qsmkit.clinical.rois import Noise, Outliers, Region, regions
from qsmkit.errors import InputError
from qsmkit.io.atomic import write_text
from qsmkit.io.maps import CHI, load_map
from qsmkit.io.nifti import load_volume
from qsmkit.io.sidecar import as_json
from qsmkit.io.tables import read_table, write_table
from qsmkit.volume import Volume

UNITS = {a.bids.rsplit("_", 1)[-1]: a.unit for a in ARTIFACTS.values() if a.bids}


def roi(
    maps: Annotated[list[Path], Parameter(consume_multiple=True)],
    /,
    *,
    labels: Path,
    names: Path | None = None,
    mask: Path | None = None,
    sigma: Path | None = None,
    repeats: Path | None = None,
    reference: int | None = None,
    weights: Path | None = None,
    erode: float = 0.0,
    outliers: Outliers = "none",
    confidence: float = 0.95,
    unit: str | None = None,
    out: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Print mean, spread, volume and total of every labelled region, with intervals.

    Parameters
    ----------
    maps
        Maps on one grid, such as …_Chimap.nii.gz and …_R2starmap.nii.gz.
    labels
        Label image on the same grid; 0 is no region.
    names
        TSV with columns index and name; the one beside the label image if omitted.
    mask
        Voxels that have a value; for …_Chimap the …_desc-qsm_mask beside it if omitted.
    sigma
        Standard deviation of the first map's voxels, in its unit.
    repeats
        Deviations of the first map in repeats with new noise (recon --uncertainty): better than --sigma.
    reference
        Label whose mean is subtracted.
    weights
        Share of each voxel that belongs to its region, 0 … 1, on the same grid.
    erode
        Depth (mm) by which regions are eroded first.
    outliers
        mad leaves out voxels more than 3 robust standard deviations from the median.
    confidence
        Of the intervals.
    unit
        Unit of the maps; by the file's suffix if omitted.
    out
        TSV or CSV file to write, with a JSON sidecar.
    json
        Print JSON on stdout.
    overwrite
        Replace files that are there.
    """
    volumes = [load_map(path, mask) for path in maps]
    others = {p: load_volume(p) for p in (labels, sigma, repeats, weights) if p is not None}
    for path, volume in (dict(zip(maps[1:], volumes[1:], strict=True)) | others).items():
        volumes[0].grid.require_same(volume.grid, path, maps[0])
    marked = np.rint(others[labels].data).astype(np.int32)
    for path, volume in zip(maps, volumes, strict=True):
        _tell_absent(path, volume.data[marked > 0])
    known = _names(labels, names)
    found: dict[str, list[Region]] = {}
    for i, (path, volume) in enumerate(zip(maps, volumes, strict=True)):
        noise = Noise(_data(others, sigma), _data(others, repeats)) if i == 0 else None
        found[path.name] = regions(
            volume.data, marked, volume.grid, unit=unit or _unit(path),
            names=known, noise=noise, reference=reference, weights=_data(others, weights), erode=erode,
            outliers=outliers, confidence=confidence,
        )  # fmt: skip
    rows = [{"map": name} | region.as_row() for name, of_map in found.items() for region in of_map]
    if out:
        write_table(out, rows, overwrite=overwrite)
        told = _sidecar(maps, labels, reference, erode, outliers, confidence)
        write_text(out.with_suffix(".json"), as_json(told), overwrite=overwrite)
    if json:
        console.print_json(rows)
    else:
        _print(found)


def _names(labels: Path, given: Path | None) -> dict[int, str]:
    beside = labels.with_name(labels.name.removesuffix(".gz").removesuffix(".nii") + ".tsv")
    path = given or (beside if beside.is_file() else None)
    if path is None:
        return {}
    table = read_table(path)
    return {int(i): n for i, n in zip(table.numbers("index"), table.text("name"), strict=True)}


def _data(others: dict[Path, Volume], path: Path | None) -> "np.ndarray | None":
    return None if path is None else others[path].data


def _tell_absent(path: Path, values: np.ndarray) -> None:
    """Say how many labelled voxels have no value, or a value that is nowhere but outside a map."""
    absent, zero = int(np.isnan(values).sum()), int((values == 0).sum())
    if absent:
        console.say(f"{path.name}: {absent} of {values.size} labelled voxels have no value and are left out")
    if zero and path.name.split(".")[0].endswith(CHI):
        console.say(f"warning: {path.name}: {zero} of {values.size} labelled voxels are exactly 0 and pull means to 0; "
                    "give the voxels that have a susceptibility with --mask")


def _unit(path: Path) -> str:
    suffix = path.name.split(".")[0].rsplit("_", 1)[-1]
    if suffix not in UNITS:
        raise InputError(f"the unit of {path.name} cannot be told from its suffix {suffix!r}; say --unit")
    return UNITS[suffix]


def _sidecar(
    maps: list[Path], labels: Path, reference: int | None, erode: float, outliers: str, confidence: float
) -> dict[str, object]:
    return {
        "Description": "Statistics of regions",
        "Sources": [str(p) for p in (*maps, labels)],
        "ReferenceLabel": reference,
        "ErosionInMillimetres": erode,
        "Outliers": outliers,
        "Confidence": confidence,
        "Columns": {
            "mean, low, high, median, sd, iqr, min, p5 … max": "in the column `unit`",
            "volume_mm3": "mm³",
            "total, total_low, total_high": "mean times volume, in the column `unit` times mm³",
            "method": "how mean and interval were made",
        },
        "Disclaimer": console.DISCLAIMER,
    }


def _print(found: dict[str, list[Region]]) -> None:
    for name, of_map in found.items():
        rows = [
            (str(r.label), r.name, str(r.voxels), f"{r.volume:.4g}", str(r.mean), f"{r.median:.4g}", f"{r.sd:.3g}",
             str(r.total))
            for r in of_map
        ]  # fmt: skip
        heads = ("label", "name", "voxels", "mm³", "mean", "median", "SD", "total")
        console.print_table(heads, rows, f"{name}: {of_map[0].mean.method}")
    console.disclaim()
