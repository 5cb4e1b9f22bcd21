"""`qsmkit export`: back to PACS and planning station."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from qsmkit.app import console
from qsmkit.app.console import UsageError
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.io import bids_name
from qsmkit.io.dicom_out.encoding import encoding_for, quantity_of
from qsmkit.io.dicom_out.images import write_images
from qsmkit.io.dicom_out.labels import Drawn, load_labels, read_names
from qsmkit.io.dicom_out.object import STATION_NOTE
from qsmkit.io.dicom_out.planes import Orientation, Planes
from qsmkit.io.dicom_out.series import Series, read_series
from qsmkit.io.dicom_out.stl import write_surfaces
from qsmkit.io.dicom_out.study import Study, study_of, study_without_source
from qsmkit.io.dicom_out.uid import Uids, uid_maker
from qsmkit.io.nifti import load_volume

app = App(name="export", help="Write results as DICOM and STL, for PACS and planning stations.")

_Flag = Parameter(negative="")
_USUAL = ("chi", "r2star", "swi", "hybrid")


@app.command
def dicom(
    image: Path,
    out: Path,
    /,
    *,
    source: Path | None = None,
    quantity: str | None = None,
    format: Literal["images", "parametric-map"] = "images",  # noqa: A002
    orientation: Orientation | None = None,
    anisotropic: Annotated[bool, _Flag] = False,
    title: str | None = None,
    scale: float | None = None,
    offset: float | None = None,
    window: tuple[float, float] | None = None,
    rescale: bool = True,
    patient_id: str | None = None,
    series_number: int | None = None,
    uid_seed: str | None = None,
    overwrite: bool = False,
    json: Annotated[bool, _Flag] = False,
) -> None:
    """Write a map (χ, R2*, SWI, hybrid, …) as DICOM.

    Parameters
    ----------
    image
        NIfTI map, e.g. sub-01_Chimap.nii.gz.
    out
        Folder to make.
    source
        DICOM file or folder of the scan: patient and study are taken from it, and its frame of reference if the map's
        voxels are the scan's.
    quantity
        What the map holds, as an artifact's name (chi, r2star, swi, …) or any other word for arbitrary units; by
        default what its BIDS name says.
    format
        "images" are classic MR slices for planning stations, "parametric-map" is one object of floats for research.
    orientation
        How slices are cut; by default the first of axial, sagittal, coronal whose pixels are square.
    anisotropic
        Allow oblong pixels, which planning stations may refuse.
    title
        Name of the series, in place of the quantity's.
    scale
        Stored steps per unit of the file (χ: 1000 per ppm, one per ppb).
    offset
        Stored value of zero (χ: 2048).
    window
        Lowest and highest value of the display window, in the unit that readers see (χ: ppb).
    rescale
        Write Rescale Slope and Intercept. --no-rescale is for stations that ignore them.
    patient_id
        Patient ID if there is no source; by default the participant's label in the file name.
    series_number
        Series number, in place of 9000 and more.
    uid_seed
        Words that make all new UIDs the same on every run.
    overwrite
        Replace a folder of DICOM files that is there.
    json
        Print a summary as JSON on stdout.
    """
    volume = load_volume(image)
    if volume.data.ndim != 3:
        raise InputError(f"{image} holds {volume.data.shape[3]} volumes; export one at a time")
    quantity = quantity or quantity_of(image.name)
    if quantity is None:
        raise UsageError(f"the name {image.name} does not say what it holds; add --quantity {'|'.join(_USUAL)}")
    uids = uid_maker(uid_seed)
    study = _study(source, patient_id, image, volume.grid, uids)
    encoding = encoding_for(quantity, volume.data, title=title, scale=scale, offset=offset, window=window)
    planes = Planes.cut(volume.grid, orientation, anisotropic=anisotropic)
    now = datetime.now()
    if format == "images":
        made = write_images(
            out, volume.data, planes, encoding, study, uids, when=now, rescale=rescale,
            series_number=series_number, overwrite=overwrite,
        )  # fmt: skip
    else:
        from qsmkit.io.dicom_out.parametric_map import write_parametric_map  # highdicom is slow to load

        made = write_parametric_map(
            out, volume.data, planes, encoding, study, uids, when=now, series_number=series_number, overwrite=overwrite
        )
    if json:
        console.print_json(made.as_dict())
        return
    slices, rows, columns = made.shape
    console.say(f"{made.description}: {slices} slices of {rows} × {columns} → {out}")
    console.say(f"corners within {made.corner_error:.2g} mm; {made.clipped:.3g} % of the voxels clipped")
    console.say(f"frame of reference: {'as in the source, ' if made.shares_space else 'new, '}{made.space}")
    console.say(STATION_NOTE)


@app.command
def seg(
    labels: Path,
    out: Path,
    /,
    *,
    reference: Path,
    names: Path | None = None,
    drawn: Drawn = "automatic",
    title: str = "Structures",
    uid_seed: str | None = None,
    overwrite: bool = False,
    json: Annotated[bool, _Flag] = False,
) -> None:
    """Write a label image as DICOM SEG on the slices of an exported series.

    Parameters
    ----------
    labels
        NIfTI label image on the exported map's voxels.
    out
        File to make, .dcm.
    reference
        Folder of the series that the segments refer to, as `export dicom` wrote it.
    names
        Table with the columns index and name; by default the .tsv beside the image.
    drawn
        How the labels came about.
    title
        Name of the series.
    uid_seed
        Words that make all new UIDs the same on every run.
    overwrite
        Replace a file that is there.
    json
        Print a summary as JSON on stdout.
    """
    from qsmkit.io.dicom_out.segmentation import write_segmentation

    series = _only_series(reference)
    made = write_segmentation(
        out, load_labels(labels, names), series, uid_maker(uid_seed), when=datetime.now(), title=title, drawn=drawn,
        overwrite=overwrite,
    )  # fmt: skip
    if json:
        console.print_json(asdict(made))
        return
    rows = [(str(s["number"]), str(s["label"]), s["name"], str(s["voxels"])) for s in made.segments]
    console.print_table(("segment", "label", "name", "voxels"), rows)
    console.say(f"{len(rows)} segments on {series.description} → {out}")
    console.say(STATION_NOTE)


@app.command
def sr(
    measurements: Path,
    out: Path,
    /,
    *,
    reference: Path,
    segmentation: Path | None = None,
    labels: Path | None = None,
    uid_seed: str | None = None,
    overwrite: bool = False,
    json: Annotated[bool, _Flag] = False,
) -> None:
    """Write measurements of regions as a DICOM structured report (TID 1500).

    Parameters
    ----------
    measurements
        JSON or table of `roi`, JSON of `uncertainty regions`, or a table with value, unit, and name or label; low,
        high, n, method and quantity where known.
    out
        File to make, .dcm.
    reference
        Folder of the series that was measured, as `export dicom` wrote it.
    segmentation
        DICOM SEG of that series; a region of a segment's name refers to it.
    labels
        Table with the columns index and name, for measurements that bear labels only.
    uid_seed
        Words that make all new UIDs the same on every run.
    overwrite
        Replace a file that is there.
    json
        Print a summary as JSON on stdout.
    """
    from qsmkit.io.dicom_out.measurements import read_findings, write_report

    series = _only_series(reference)
    segments = _only_series(segmentation, pixels=True).headers[0] if segmentation else None
    findings = read_findings(measurements, read_names(labels) if labels else None)
    write_report(
        out, findings, series, segments, uid_maker(uid_seed), when=datetime.now(), overwrite=overwrite
    )
    regions = len({f.region for f in findings})
    if json:
        console.print_json({"file": out, "regions": regions, "measurements": len(findings)})
        return
    console.say(f"{len(findings)} measurements of {regions} regions on {series.description} → {out}")


@app.command
def stl(
    labels: Path,
    out: Path,
    /,
    *,
    names: Path | None = None,
    source: Path | None = None,
    smooth: float = 0.7,
    overwrite: bool = False,
    json: Annotated[bool, _Flag] = False,
) -> None:
    """Write the surface of each label as STL in LPS millimetres, with a sidecar that says so.

    Parameters
    ----------
    labels
        NIfTI label image.
    out
        Folder to make.
    names
        Table with the columns index and name; by default the .tsv beside the image.
    source
        DICOM of the scan or of the exported series: sidecars name its frame of reference if the voxels are the same.
    smooth
        Standard deviation of the blur before the surface is cut, in units of the smallest voxel edge; the volume is
        kept. 0 leaves the voxels' steps.
    overwrite
        Replace a folder of surfaces that is there.
    json
        Print a summary as JSON on stdout.
    """
    image = load_labels(labels, names)
    study = study_of(read_series(source), image.grid, uid_maker()) if source else None
    made = write_surfaces(out, image, study, smooth=smooth, overwrite=overwrite)
    if json:
        console.print_json(made)
        return
    rows = [
        (m["File"], m["Name"], f"{m['VoxelVolume_mm3']:.1f}", f"{m['MeshVolume_mm3']:.1f}", str(m["Triangles"]))
        for m in made
    ]
    console.print_table(("file", "name", "voxels mm³", "mesh mm³", "triangles"), rows)
    console.say(f"coordinates are LPS mm{f'; {study.space}' if study else ''} → {out}")


def _only_series(path: Path, *, pixels: bool = False) -> Series:
    series = read_series(path, pixels=pixels)
    if len(series) > 1:
        raise InputError(f"{path} holds {len(series)} series; name the folder of one")
    return series[0]


def _study(source: Path | None, patient_id: str | None, image: Path, grid: Grid, uids: Uids) -> Study:
    if source is not None:
        if patient_id is not None:
            raise UsageError("--patient-id and --source contradict each other; give one")
        return study_of(read_series(source), grid, uids)
    name = bids_name.parse(image.name)
    patient_id = patient_id or (name.entities.get("sub") if name else None)
    if patient_id is None:
        raise UsageError(f"{image.name} names no participant; give --source DICOM or --patient-id ID")
    return study_without_source(patient_id, uids)
