"""The mask's edge, drawn by how well the field is known there."""

from typing import Annotated

import numpy as np
from annotated_types import Gt
from scipy.ndimage import binary_opening, binary_propagation, generate_binary_structure

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import MaskError
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.physics.smv import clearance
from qsmkit.recon.mask.morphology import largest


@method("mask", produces="mask", cite="Bilgic2024", rev=2)
def trim(
    mask: BoolArray,
    field_sd: FloatArray,
    grid: Grid,
    fit_residual: FloatArray | None = None,
    *,
    sd: Annotated[float, Gt(0)] = 0.008,
    residual: Annotated[float, Gt(0)] = 0.3,
    depth: Annotated[float, Gt(0)] = 6.0,
) -> BoolArray:
    """Peel unreliable voxels off the mask, from the edge inwards, instead of eroding it everywhere.

    A voxel goes if its field is unreliable and if it is joined to the outside by voxels that go. What hangs on by less
    than three voxels goes with them; the largest piece is kept. Unreliable voxels deep inside (veins, bleedings) stay:
    weights look after them.

    Parameters
    ----------
    mask : (X, Y, Z) bool array
        Mask to trim.
    field_sd : (X, Y, Z) array
        Standard deviation of the field in ppm.
    grid : Grid
        Geometry.
    fit_residual : (X, Y, Z) array, optional
        Relative residual of the field fit.
    sd : float
        Standard deviation in ppm beyond which the field is unreliable.
    residual : float
        Residual beyond which the field is unreliable. At 0.3, where the consensus excludes voxels, simulated heads
        keep 0.95 to 0.98 of the brain, at 0.1 0.92 to 0.97; errors of χ by depth are the same, for weights look after
        what is left. Orbits and skull base are peeled off by `sd`.
    depth : float
        How deep below the edge to peel, mm.

    Returns
    -------
    (X, Y, Z) bool array
        The trimmed mask.

    Raises
    ------
    MaskError
        Nothing is left.
    """
    unreliable = (field_sd > sd) | (field_sd <= 0)
    if fit_residual is not None:
        unreliable |= fit_residual > residual
    limit = depth + max(grid.voxel_size)
    peelable = mask & unreliable & (clearance(mask, grid.voxel_size, limit) <= depth)
    kept = mask & ~binary_propagation(~mask, mask=~mask | peelable)
    # The mask goes on beyond the faces of the volume that it touches.
    kept = binary_opening(np.pad(kept, 1, mode="edge"), generate_binary_structure(3, 1))[1:-1, 1:-1, 1:-1]
    if not kept.any():
        raise MaskError(
            f"trim: nowhere in the mask is the field reliable to {sd:g} ppm and {residual:g}; raise sd and residual"
        )
    return largest(kept)
