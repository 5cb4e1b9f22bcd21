"""Inversion in two stages, of which the second does not see strong sources."""

from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import MaskError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.physics.box import Box
from qsmkit.physics.dipole import Kernel, dipole_kernel
from qsmkit.physics.fft import convolve
from qsmkit.recon.background.sdf import sdf
from qsmkit.recon.inversion.ilsqr import ilsqr
from qsmkit.recon.inversion.tv import tv

SDF_SIGMA = 8.0
"""Standard deviation in mm of the Gaussian of `sdf` in the second stage of the paper."""


@method("inversion", produces="chi", cite="Yaghmaie2021", rev=1)
def qsmart(
    local_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    field_sd: FloatArray | None = None,
    vessel_mask: BoolArray | None = None,
    *,
    inversion: Literal["ilsqr", "tv"] = "ilsqr",
    background: Literal["subtract", "sdf"] = "subtract",
    strong: Annotated[float, Gt(0)] = 0.3,
    margin: Annotated[float, Ge(0)] = 12.0,
    kernel: Kernel = "continuous",
) -> FloatArray:
    """Invert all of the brain, then the tissue without its strong sources, and join both (QSMART).

        χ₁ = inverse(B, M),    S = vessels ∪ {|χ₁| > t},    χ₂ = inverse(B − field of S, M \\ S)
        χ = χ₂ outside S, χ₁ + c in S,    c = argmin Σ_M (B − D χ)²

    In the second stage strong sources are outside the mask, their field is background and goes, and with it the streaks
    that they draw through the tissue (Yaghmaie 2021). The offset c makes up for what the two inversions make of the
    mean.

    Other than published, the field of the whole brain is that of whatever background removal the recipe has chosen; the
    field of S is D χ₁ of its sources, because a high-pass of the tissue (`sdf`, as published) takes tissue's own field
    along with it; and sources count as strong by χ₁, too, so that bleedings and calcifications, which are no tubes, are
    kept apart, with no mask of vessels at all if need be. Measured, it mends `ilsqr` around a calcification and adds
    nothing to `tv`, whose noise weights protect the tissue already.

    Parameters
    ----------
    local_field : (X, Y, Z) array
        Local field B in ppm.
    mask : (X, Y, Z) bool array
        M, voxels in which the local field is known.
    grid : Grid
        Geometry.
    field_sd : (X, Y, Z) array, optional
        Standard deviation of the field in ppm, as the inversion uses it.
    vessel_mask : (X, Y, Z) bool array, optional
        Vessels, for example of `vessels`.
    inversion : {"ilsqr", "tv"}
        What inverts in both stages, with its own defaults; "ilsqr" as published.
    background : {"subtract", "sdf"}
        How the field of the strong sources is removed: as that of χ₁, or by a high-pass as published.
    strong : float
        t, ppm.
    margin : float
        Room in mm between the mask and its periodic images.
    kernel : {"continuous", "discrete"}
        Dipole kernel, see `qsmkit.physics.dipole.dipole_kernel`.

    Returns
    -------
    (X, Y, Z) array
        Susceptibility in ppm, zero outside the mask.

    Raises
    ------
    MaskError
        All of the mask is strong sources.

    Warns
    -----
    ConvergenceWarning
        An inversion did not reach its tolerance.
    """

    def invert(field: FloatArray, inside: BoolArray) -> FloatArray:
        if inversion == "tv":
            return tv(field, inside, grid, field_sd, margin=margin, kernel=kernel)
        return ilsqr(field, inside, grid, field_sd, margin=margin, kernel=kernel)

    first = invert(local_field, mask)
    apart = np.abs(first) > strong
    if vessel_mask is not None:
        apart |= vessel_mask & mask
    if not apart.any():
        return first
    tissue = mask & ~apart
    if not tissue.any():
        raise MaskError(f"qsmart: all of the mask is vessels or beyond strong = {strong:g} ppm; raise strong")
    box, dtype = Box.around(mask, grid, margin), local_field.dtype
    dipole = dipole_kernel(grid, box.shape, kind=kernel, dtype=dtype)

    def field_of(sources: FloatArray) -> FloatArray:
        return box.restore(convolve(box.pad(sources), dipole, box.shape), mask)

    rest = sdf(local_field, tissue, grid, sigma=SDF_SIGMA).local_field if background == "sdf" \
        else local_field - field_of(first * apart)
    joined = np.where(apart, first, invert(rest, tissue))
    one = field_of(apart.astype(dtype))
    joined[apart] += np.vdot(local_field * mask - field_of(joined), one) / np.vdot(one, one)
    return joined
