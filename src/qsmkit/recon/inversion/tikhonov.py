"""Inversion in closed form, with a quadratic prior."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.physics.box import Box
from qsmkit.physics.derivatives import gradient_symbol
from qsmkit.physics.dipole import Kernel, dipole_kernel
from qsmkit.physics.fft import irfftn, rfftn


@method("inversion", produces="chi", cite="Bilgic2014", rev=1)
def tikhonov(
    local_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    *,
    regularisation: Annotated[float, Gt(0)] = 3e-3,
    prior: Literal["identity", "gradient", "laplacian"] = "gradient",
    margin: Annotated[float, Ge(0)] = 12.0,
    kernel: Kernel = "continuous",
) -> FloatArray:
    """Least squares in closed form, with a quadratic penalty on χ, its gradient or its Laplacian.

        χ = argmin ‖D χ − B‖² + λ ‖Γ χ‖²,    χ(k) = D B / (D² + λ |Γ|²)

    One pair of transforms (Bilgic 2014).

    Parameters
    ----------
    local_field : (X, Y, Z) array
        Local field in ppm.
    mask : (X, Y, Z) bool array
        Voxels in which the local field is known.
    grid : Grid
        Geometry.
    regularisation : float
        λ, in mm², mm⁴ or 1 for the gradient, the Laplacian or the identity.
    prior : {"identity", "gradient", "laplacian"}
        Γ: what is kept small.
    margin : float
        Room in mm between the mask and its periodic images.
    kernel : {"continuous", "discrete"}
        Dipole kernel, see `qsmkit.physics.dipole.dipole_kernel`.

    Returns
    -------
    (X, Y, Z) array
        Susceptibility in ppm, zero outside the mask.
    """
    box = Box.around(mask, grid, margin)
    dipole = dipole_kernel(grid, box.shape, kind=kernel, dtype=local_field.dtype)
    order = {"identity": 0, "gradient": 1, "laplacian": 2}[prior]
    penalty = gradient_symbol(box.shape, grid.voxel_size, dtype=local_field.dtype) ** order
    penalty *= regularisation
    penalty += dipole * dipole
    penalty[0, 0, 0] = 1  # D(0) = 0: the mean stays zero whatever the prior
    dipole /= penalty
    spectrum = rfftn(box.crop(local_field * mask), box.shape)
    spectrum *= dipole
    return box.restore(irfftn(spectrum, box.shape), mask)
