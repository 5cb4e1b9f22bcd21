"""Maps of measured values: voxels that have none are told from voxels whose value is zero."""

from pathlib import Path

import numpy as np

from qsmkit.errors import InputError
from qsmkit.io.nifti import load_volume
from qsmkit.volume import Volume

CHI = "_Chimap"
MASK = "_desc-qsm_mask"
LARGEST = 1.0
"""Median of |χ|, ppm, beyond which a map is in another unit: brains have about 0.02; a modelling choice."""


def load_map(path: Path, mask: Path | None = None) -> Volume:
    """Read a map, NaN where it has no value.

    Parameters
    ----------
    path : Path
        NIfTI file.
    mask : Path, optional
        Voxels that have a value; for `…_Chimap` the `…_desc-qsm_mask` beside it if omitted, where there is one.

    Raises
    ------
    GeometryError
        The mask does not lie where the map does.
    """
    volume = load_volume(path)
    beside = mask or mask_beside(path)
    if beside is None:
        return volume
    inside = load_volume(beside)
    volume.grid.require_same(inside.grid, beside, path, "resample it, or say --mask")
    if not np.issubdtype(volume.data.dtype, np.floating):
        return volume
    outside = ~(inside.data > 0)
    values = volume.data.copy()
    values[outside] = np.nan
    return Volume(values, volume.grid, volume.unit)


def load_chi(path: Path, mask: Path | None = None) -> Volume:
    """Read a map of susceptibility as `load_map` does, and refuse one that is not in ppm.

    Raises
    ------
    GeometryError
        The mask does not lie where the map does.
    InputError
        The values are too large for ppm.
    """
    volume = load_map(path, mask)
    values = np.abs(volume.data[np.isfinite(volume.data) & (volume.data != 0)])
    middle = float(np.median(values)) if values.size else 0.0
    if middle > LARGEST:
        raise InputError(
            f"{path} holds values of about {middle:.3g}, too large for χ in ppm; give a map in ppm, not ppb"
        )
    return volume


def mask_beside(path: Path) -> Path | None:
    """Return the mask of the voxels that have a susceptibility, as `qsmkit recon` writes it beside a map of χ."""
    stem = path.name.split(".")[0]
    if not stem.endswith(CHI):
        return None
    bare = "_".join(part for part in stem.removesuffix(CHI).split("_") if not part.startswith("desc-"))
    found = [path.with_name(f"{bare}{MASK}{end}") for end in (".nii.gz", ".nii")]
    return next((f for f in found if f.is_file()), None)
