"""Background removal by filtering what is too large next to the edge."""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import MaskError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.optim.solution import Solution
from qsmkit.optim.solvers import iterate
from qsmkit.physics.box import Box
from qsmkit.physics.fft import convolve
from qsmkit.physics.smv import clearance, smv_kernel
from qsmkit.recon.background.pdf import pdf
from qsmkit.recon.background.result import LocalField


@method("background", cite=("Roberts2024", "Liu2011"), rev=1)
def msmv(
    total_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    field_sd: FloatArray | None = None,
    *,
    radius: Annotated[float, Gt(0)] = 5.0,
    quantile: Annotated[float, Gt(0), Lt(1)] = 0.99,
    tolerance: Annotated[float, Gt(0), Lt(1)] = 0.02,
    max_iterations: Annotated[int, Ge(1)] = 30,
) -> LocalField:
    """Filter the projected field where it is too large next to the edge, without eroding the mask.

    b_L ← b_L − (ρ ⋆ M b_L) / (ρ ⋆ M) at the voxels of the rim where |b_L| > t, until hardly anything changes, from
    the field that projection onto dipole fields leaves (`pdf`).

    What is left of the background is harmonic, so that it is largest on the edge (maximum spherical mean value
    filtering, Roberts 2024). The paper's description is followed, not its implementation: t is a quantile of |b_L|
    deep in the mask, the rim is as deep as the ball's radius, and the mean is over the part of the ball in the mask.

    Parameters
    ----------
    total_field : (X, Y, Z) array
        Total field in ppm.
    mask : (X, Y, Z) bool array
        Voxels in which the total field is known.
    grid : Grid
        Geometry.
    field_sd : (X, Y, Z) array, optional
        Standard deviation of the total field in ppm, see `pdf`.
    radius : float
        Radius of the ball and depth of the rim in mm.
    quantile : float
        Share of the voxels below the rim whose |b_L| does not exceed t.
    tolerance : float
        Stop when an iteration changes the field by this part of its norm.
    max_iterations : int
        Most iterations to do.

    Returns
    -------
    LocalField
        Local field in ppm, and the mask as given.

    Raises
    ------
    ParameterError
        The radius is too small for the voxels.
    MaskError
        Nothing lies below the rim.

    Warns
    -----
    ConvergenceWarning
        The tolerance was not reached.
    """
    box = Box.around(mask, grid, radius)
    rim = mask & (clearance(mask, grid.voxel_size, radius + max(grid.voxel_size)) <= radius)
    if (rim == mask).all():
        raise MaskError(f"msmv: nothing lies {radius:g} mm below the edge; use a smaller radius or a larger mask")
    projected = pdf(total_field, mask, grid, field_sd).local_field
    limit = np.quantile(np.abs(projected[mask & ~rim]), quantile)
    field, edge = box.pad(projected), box.pad(rim)
    ball = smv_kernel(radius, grid.voxel_size, box.shape, dtype=field.dtype)
    share = convolve(box.pad(mask).astype(field.dtype), ball, box.shape)
    share[~edge] = 1

    def step() -> float:
        change = convolve(field, ball, box.shape) / share
        change *= edge & (np.abs(field) > limit)
        size = float(np.linalg.norm(field))
        np.subtract(field, change, out=field)
        return float(np.linalg.norm(change)) / size if size > 0 else 0.0

    status, history = iterate(step, tolerance=tolerance, max_iterations=max_iterations)
    found = Solution(field, status, len(history), history).accept("msmv")
    return LocalField(box.restore(found, mask), mask.copy())
