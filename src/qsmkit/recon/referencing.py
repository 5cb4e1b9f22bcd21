"""Zero of the susceptibility scale: the mean of a stated region is subtracted.

The field of a dipole does not change when a constant is added to χ, so every map needs a reference to be
compared with another. The consensus recommends to state it, and to give the whole brain's as well (Bilgic
2024).
"""

from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import MaskError, MetadataError
from qsmkit.grid import Grid
from qsmkit.measure import Measure
from qsmkit.method import method
from qsmkit.recon.mask.morphology import ball, centroid, largest, shrunk


class Referenced(NamedTuple):
    """A susceptibility map whose mean over the reference is zero.

    Attributes
    ----------
    chi : (X, Y, Z) array
        Susceptibility in ppm, zero outside the mask.
    reference_mask : (X, Y, Z) bool array
        The reference region.
    """

    chi: FloatArray
    reference_mask: BoolArray


@method("reference", cite=("Straub2017", "Bilgic2024"), rev=1)
def reference_brain(chi: FloatArray, mask: BoolArray) -> Referenced:
    """Refer the susceptibility to the mean of the whole mask.

    χ ← χ − mean(χ over the mask).

    Parameters
    ----------
    chi : (X, Y, Z) array
        Susceptibility in ppm.
    mask : (X, Y, Z) bool array
        Voxels that were reconstructed.

    Returns
    -------
    chi : (X, Y, Z) array
        Susceptibility in ppm, zero outside the mask.
    reference_mask : (X, Y, Z) bool array
        The mask.
    """
    return _referred(chi, mask, mask)


@method("reference", cite=("Straub2017", "Bilgic2024"), rev=1)
def reference_region(chi: FloatArray, mask: BoolArray, reference_mask: BoolArray) -> Referenced:
    """Refer the susceptibility to the mean of a given region.

    χ ← χ − mean(χ over the region), for the part of the region that lies in the mask.

    Parameters
    ----------
    chi : (X, Y, Z) array
        Susceptibility in ppm.
    mask : (X, Y, Z) bool array
        Voxels that were reconstructed.
    reference_mask : (X, Y, Z) bool array
        The region.

    Returns
    -------
    chi : (X, Y, Z) array
        Susceptibility in ppm, zero outside the mask.
    reference_mask : (X, Y, Z) bool array
        The part of the region that lies in the mask.

    Raises
    ------
    MaskError
        The region lies outside the mask.
    """
    region = reference_mask & mask
    if not region.any():
        raise MaskError(
            f"reference_region: none of {reference_mask.sum()} reference voxels lies in the mask; "
            "check that both are in the same space"
        )
    return _referred(chi, mask, region)


@method("reference", cite=("Liu2018", "Straub2017", "Bilgic2024"), rev=1)
def reference_csf(
    chi: FloatArray,
    mask: BoolArray,
    grid: Grid,
    r2star: FloatArray | None = None,
    magnitude: FloatArray | None = None,
    echo_times: npt.NDArray[np.float64] | None = None,
    *,
    max_r2star: Annotated[float, Gt(0)] = 5.0,
    radius: Annotated[float, Gt(0)] = 30.0,
    components: Annotated[int, Ge(1)] = 3,
    erosion: Annotated[float, Ge(0)] = 1.0,
    min_volume: Annotated[float, Gt(0)] = 200.0,
) -> Referenced:
    """Refer the susceptibility to the cerebrospinal fluid of the ventricles, found by its low R2*.

    χ ← χ − mean(χ over the ventricles). Fluid has R2* below 5 1/s; the largest connected parts of it within
    30 mm of the mask's centroid are the ventricles (Liu 2018). Different from the paper, they are not
    followed beyond that distance, and their outermost layer is left out, as it shares voxels with the tissue
    around. Without r2star, R2* is taken from the first and the last magnitude, ln(m₁/m_E)/(TE_E − TE₁).

    Parameters
    ----------
    chi : (X, Y, Z) array
        Susceptibility in ppm.
    mask : (X, Y, Z) bool array
        Voxels that were reconstructed.
    grid : Grid
        Geometry.
    r2star : (X, Y, Z) array, optional
        Effective transverse relaxation rate in 1/s.
    magnitude : (X, Y, Z, E) array, optional
        Magnitude in arbitrary units, echo last; used without r2star, at least two echoes.
    echo_times : (E,) array, optional
        Echo times in s; used without r2star.
    max_r2star : float
        R2* of fluid is below this, in 1/s.
    radius : float
        Distance from the mask's centroid within which the ventricles lie, in mm.
    components : int
        Number of connected parts to keep, the largest first.
    erosion : float
        Depth of the layer left out, in mm; at least the shortest voxel edge is taken, 0 keeps it.
    min_volume : float
        Smallest volume of the region before erosion that is accepted, in mm³.

    Returns
    -------
    chi : (X, Y, Z) array
        Susceptibility in ppm, zero outside the mask.
    reference_mask : (X, Y, Z) bool array
        The fluid that was found.

    Raises
    ------
    MetadataError
        Neither r2star nor two magnitudes with echo times are at hand.
    MaskError
        No region of low R2* is found near the centre.
    """
    relaxation = r2star if r2star is not None else _relaxation(magnitude, echo_times)
    found = (relaxation < max_r2star) & mask & ball(grid, centroid(mask, grid), radius)
    if found.any():
        found = largest(found, components)
    volume = found.sum() * grid.voxel_volume
    csf = shrunk(found, erosion, grid.voxel_size) if erosion and found.any() else found
    if volume < min_volume or not csf.any():
        raise MaskError(
            f"reference_csf: {volume:.0f} mm³ with R2* < {max_r2star:g} 1/s within {radius:g} mm of the "
            f"centroid, {csf.sum()} voxels after erosion, are too little; change max_r2star, or use "
            "reference_brain"
        )
    return _referred(chi, mask, csf)


def reference_statistics(chi_before: FloatArray, reference_mask: BoolArray) -> Measure:
    """Return the mean ± standard deviation that the reference region had before it was made zero.

    Parameters
    ----------
    chi_before : (X, Y, Z) array
        Susceptibility in ppm, before referencing.
    reference_mask : (X, Y, Z) bool array
        The reference region.

    Returns
    -------
    Measure
        The mean that was subtracted, in ppm, between mean − SD and mean + SD; n counts voxels, which are not
        independent of each other.
    """
    values = chi_before[reference_mask].astype(np.float64)
    mean, sd = float(values.mean()), float(values.std())
    return Measure(mean, mean - sd, mean + sd, "ppm", values.size, "mean ± SD")


def _referred(chi: FloatArray, mask: BoolArray, region: BoolArray) -> Referenced:
    mean = chi.dtype.type(chi[region].mean(dtype=np.float64))
    return Referenced(np.where(mask, chi - mean, chi.dtype.type(0)), region)


def _relaxation(magnitude: FloatArray | None, echo_times: npt.NDArray[np.float64] | None) -> FloatArray:
    """R2* from the first and the last echo; infinite where the magnitude is zero."""
    if magnitude is None or echo_times is None or len(echo_times) < 2:
        raise MetadataError(
            "reference_csf: fluid is recognised by R2*, for which there is neither a map nor a magnitude of "
            "two echoes; give r2star, or use reference_brain"
        )
    first, last = magnitude[..., 0], magnitude[..., -1]
    relaxation = np.full(first.shape, np.inf, first.dtype)
    signal = (first > 0) & (last > 0)
    relaxation[signal] = np.log(first[signal] / last[signal]) / (echo_times[-1] - echo_times[0])
    return relaxation
