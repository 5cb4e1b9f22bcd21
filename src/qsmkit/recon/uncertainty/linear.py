"""How the field's noise gets into χ through a linear inversion: in closed form, without repeats.

    χ = A B,    A = M F⁻¹ f F M = Aᵀ

with M the mask and f the inversion's filter in k-space, which is real and even. Noise of the field that is independent
from voxel to voxel, with standard deviation σ, therefore gives

    var χ_i = Σ_j h(i − j)² σ_j²,    h what A makes of a point,
    cov(aᵀχ, bᵀχ) = Σ_j (A a)_j (A b)_j σ_j²

for weights a and b, as those of two regions' means: A applied to a region says how much each voxel's noise moves the
region's mean. Where the signal was averaged over voxels (`voxel_average`), its noise is shared between neighbours: then
A follows the average V, the noise before it was σ/`noise_gain`, and h and A a become V h and V A a.

This is the noise of the voxels alone. What noise does to phase offset, mask and background removal, all smooth, is left
out: of a region's mean after a whole chain (REV-SHARP, TKD) it tells 0.5 to 1 of the standard deviation in nuclei of a
simulated head, and 0.3 in white matter. For the whole chain, repeat it (`qsmkit.recon.uncertainty.repeats`).
"""

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt, Le

from qsmkit.arrays import BoolArray, FloatArray, IntArray
from qsmkit.errors import InputError, ParameterError, ShapeError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.physics.box import Box
from qsmkit.physics.dipole import Kernel
from qsmkit.physics.fft import fast_shape, irfftn, rfftn
from qsmkit.recon.field.voxel_average import average, noise_gain
from qsmkit.recon.inversion.tikhonov import tikhonov
from qsmkit.recon.inversion.tkd import tkd
from qsmkit.recon.inversion.tsvd import tsvd

Inversion = Callable[[FloatArray, BoolArray, Grid], FloatArray]
"""From local field in ppm, mask and grid to χ in ppm; linear in the field, with a real and even filter."""


class RegionCovariance(NamedTuple):
    """What noise does to means of regions.

    Attributes
    ----------
    labels : tuple of int
        The regions, in order.
    covariance : (R, R) array
        Covariance of their means, ppm².
    """

    labels: tuple[int, ...]
    covariance: npt.NDArray[np.float64]

    def sd(self) -> dict[int, float]:
        """Return the standard deviation of each region's mean, ppm."""
        return dict(zip(self.labels, map(float, np.sqrt(np.diag(self.covariance))), strict=True))


@method("uncertainty", produces="sigma_chi", cite="Wharton2010", rev=1)
def linear_sd(
    field_sd: FloatArray,
    mask: BoolArray,
    grid: Grid,
    *,
    inversion: Literal["tkd", "tsvd", "tikhonov"] = "tkd",
    threshold: Annotated[float | None, Gt(0)] = None,
    regularisation: Annotated[float | None, Gt(0)] = None,
    prior: Literal["identity", "gradient", "laplacian"] = "gradient",
    taper: Annotated[float | None, Ge(0), Le(1)] = None,
    margin: Annotated[float, Ge(0)] = 12.0,
    kernel: Kernel = "continuous",
) -> FloatArray:
    """Carry the field's standard deviation through a linear inversion, in closed form.

    var χ = |h|² ⋆ σ², see `qsmkit.recon.uncertainty.linear`; four transforms. Settings are to be those of the
    inversion.

    Parameters
    ----------
    field_sd : (X, Y, Z) array
        Standard deviation of the field in ppm, zero where nothing is known.
    mask : (X, Y, Z) bool array
        Voxels that were inverted.
    grid : Grid
        Geometry.
    inversion : {"tkd", "tsvd", "tikhonov"}
        Which inversion.
    threshold : float, optional
        Threshold of "tkd" and "tsvd"; their own if not given.
    regularisation : float, optional
        λ of "tikhonov", which must be known here.
    prior : {"identity", "gradient", "laplacian"}
        Γ of "tikhonov".
    taper : float, optional
        That of `voxel_average`, if the signal went through it.
    margin : float
        Room in mm between the mask and its periodic images.
    kernel : {"continuous", "discrete"}
        Dipole kernel, see `qsmkit.physics.dipole.dipole_kernel`.

    Returns
    -------
    (X, Y, Z) array
        Standard deviation of χ in ppm, zero outside the mask.

    Raises
    ------
    ParameterError
        The inversion is "tikhonov", and λ is not given.
    """
    given = {} if threshold is None else {"threshold": threshold}

    def invert(field: FloatArray, where: BoolArray, space: Grid) -> FloatArray:
        if inversion == "tikhonov":
            return tikhonov(field, where, space, regularisation=regularisation, prior=prior, margin=margin,
                            kernel=kernel)  # fmt: skip
        return (tkd if inversion == "tkd" else tsvd)(field, where, space, margin=margin, kernel=kernel, **given)

    if inversion == "tikhonov" and regularisation is None:
        raise ParameterError(
            "linear_sd: regularisation is missing, and tikhonov's own depends on the field; give the one it logged"
        )
    return voxel_sd(invert, field_sd, mask, grid, taper=taper)


def voxel_sd(
    invert: Inversion, field_sd: FloatArray, mask: BoolArray, grid: Grid, *, taper: float | None = None
) -> FloatArray:
    """Return the standard deviation of χ in every voxel.

    Parameters
    ----------
    invert : callable
        The inversion.
    field_sd : (X, Y, Z) array
        Standard deviation of the field in ppm, zero where nothing is known.
    mask : (X, Y, Z) bool array
        Voxels that were inverted.
    grid : Grid
        Geometry.
    taper : float, optional
        That of `voxel_average`, if the signal went through it.

    Returns
    -------
    (X, Y, Z) array
        Standard deviation in ppm, zero outside the mask.
    """
    box = Box.around(mask, grid, 0)
    whole, point = np.zeros_like(mask), np.zeros_like(field_sd)
    whole[box.inner] = True
    inside = box.crop(mask).shape
    middle = [n // 2 for n in inside]
    box.crop(point)[tuple(middle)] = 1
    response = box.crop(_before_average(invert(point, whole, grid), taper))
    shape = fast_shape(inside, inside)
    entering = box.crop(_independent(field_sd, mask, taper)) ** 2
    variance = irfftn(rfftn(response**2, shape) * rfftn(entering, shape), shape)
    sd = np.zeros_like(field_sd)
    found = variance[tuple(slice(m, m + n) for m, n in zip(middle, inside, strict=True))]
    box.crop(sd)[...] = np.sqrt(np.maximum(found, 0)) * box.crop(mask)
    return sd


def region_covariance(
    invert: Inversion,
    field_sd: FloatArray,
    mask: BoolArray,
    grid: Grid,
    labels: IntArray,
    *,
    reference: BoolArray | None = None,
    taper: float | None = None,
) -> RegionCovariance:
    """Return the covariance of the mean χ of all labelled regions, that of what it is referred to included.

    Parameters
    ----------
    invert : callable
        The inversion.
    field_sd : (X, Y, Z) array
        Standard deviation of the field in ppm, zero where nothing is known.
    mask : (X, Y, Z) bool array
        Voxels that were inverted.
    grid : Grid
        Geometry.
    labels : (X, Y, Z) int array
        Region of each voxel; 0 belongs to none. Voxels outside the mask do not count.
    reference : (X, Y, Z) bool array, optional
        Region whose mean is subtracted from χ.
    taper : float, optional
        That of `voxel_average`, if the signal went through it.

    Returns
    -------
    RegionCovariance
        Labels in ascending order, and the covariance of their means in ppm².

    Raises
    ------
    ShapeError
        The labels do not lie on the mask.
    InputError
        No region overlaps the mask, or the reference does not.
    """
    if labels.shape != mask.shape:
        raise ShapeError(f"labels have shape {labels.shape}, the mask {mask.shape}; give them on the same grid")
    found = tuple(int(i) for i in np.unique(labels[mask]) if i > 0)
    if not found or (reference is not None and not (reference & mask).any()):
        raise InputError("no region, or not the reference, overlaps the mask; give labels and reference that do")
    sd = _independent(field_sd, mask, taper)[mask]

    def influence(region: BoolArray) -> npt.NDArray[np.float64]:
        weights = (region & mask) / np.count_nonzero(region & mask)
        moved = _before_average(invert(weights.astype(field_sd.dtype), mask, grid), taper)
        return moved[mask].astype(np.float64) * sd

    rows = np.stack([influence(labels == label) for label in found])
    if reference is not None:
        rows -= influence(reference)
    return RegionCovariance(found, rows @ rows.T)


def _before_average(influence: FloatArray, taper: float | None) -> FloatArray:
    """Return what samples do, from what their average does (V is symmetric)."""
    return influence if taper is None else average(influence, taper=taper)


def _independent(field_sd: FloatArray, mask: BoolArray, taper: float | None) -> FloatArray:
    """Return the SD of noise that is independent from voxel to voxel."""
    gain = 1.0 if taper is None else noise_gain(mask.shape, taper=taper)
    return field_sd * mask / field_sd.dtype.type(gain)
