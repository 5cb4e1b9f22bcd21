"""Maps of R2 that come with a scan, as the separation of sources wants them: found in a BIDS data set, read as 1/s."""

from pathlib import Path

import numpy as np

from qsmkit.arrays import FloatArray
from qsmkit.errors import GeometryError, InputError, ScaleError, ShapeError
from qsmkit.grid import Grid
from qsmkit.io import bids_name
from qsmkit.io.bids import ScanFiles
from qsmkit.io.nifti import load_volume

SUFFIXES = ("R2map", "T2map")
"""BIDS: 1/s and s. The first that there is is taken."""

PLAUSIBLE = (1.0, 200.0)
"""What the median R2 of a head lies between in 1/s, by far: another value is of another unit (modelling choice)."""


def find_r2(files: ScanFiles) -> Path | None:
    """Return the R2 map, or else the T2 map, of a scan's participant and session; None if there is none.

    Raw data and all derivatives in the data set's own folder are looked through.

    Raises
    ------
    InputError
        There are several, of which none can be told to be the right one.
    """
    subject, session = files.name.entities.get("sub", ""), files.name.entities.get("ses")
    place = Path(f"sub-{subject}", *((f"ses-{session}",) if session else ()), "anat")
    folders = [files.root / place, *(d / place for d in sorted((files.root / "derivatives").glob("*")))]
    for suffix in SUFFIXES:
        found = [p for folder in folders for p in sorted(folder.glob(f"sub-*_{suffix}.nii*"))]
        if len(found) > 1:
            names = ", ".join(str(p.relative_to(files.root)) for p in found)
            raise InputError(f"{files.stem} has several R2 maps ({names}); choose one with --r2")
        if found:
            return found[0]
    return None


def load_r2(path: Path | str, grid: Grid) -> FloatArray:
    """Read a map of R2, or of T2 if the file's name ends in T2map.

    Parameters
    ----------
    path : Path or str
        NIfTI file of R2 in 1/s, or of T2 in s.
    grid : Grid
        Where it has to lie.

    Returns
    -------
    (X, Y, Z) array
        R2 in 1/s, zero where T2 is not known.

    Raises
    ------
    InputError
        The file cannot be read, or its values are not finite.
    ShapeError
        It is not 3-D.
    GeometryError
        It lies elsewhere.
    ScaleError
        Its values are of another unit.
    """
    volume, name = load_volume(path), bids_name.parse(Path(path).name)
    if volume.data.ndim != 3:
        raise ShapeError(f"{path} has shape {volume.data.shape}; give a map of three dimensions")
    if apart := grid.difference(volume.grid):
        raise GeometryError(f"{path} does not lie where the scan does: {apart}; resample it to the scan first")
    if not np.isfinite(volume.data).all():
        raise InputError(f"{path} has values that are not finite; set them to 0")
    is_t2 = name is not None and name.suffix == "T2map"
    known = volume.data > 0
    r2: FloatArray = np.zeros_like(volume.data)
    np.divide(1, volume.data, out=r2, where=known) if is_t2 else np.copyto(r2, volume.data, where=known)
    typical = float(np.median(r2[known])) if known.any() else 0.0
    if not PLAUSIBLE[0] <= typical <= PLAUSIBLE[1]:
        unit = "T2 in s" if is_t2 else "R2 in 1/s"
        raise ScaleError(f"{path} makes a typical R2 of {typical:.3g} 1/s; give {unit}")
    return r2
