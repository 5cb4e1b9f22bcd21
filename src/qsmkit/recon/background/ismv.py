"""Background removal by iterated spherical means."""

from typing import Annotated

from annotated_types import Ge, Gt, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.optim.solvers import cg
from qsmkit.recon.background.high_pass import HighPass
from qsmkit.recon.background.result import LocalField


@method("background", cite="Wen2014", rev=1)
def ismv(
    total_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    *,
    radius: Annotated[float, Gt(0)] = 5.0,
    tolerance: Annotated[float, Gt(0), Lt(1)] = 0.03,
    max_iterations: Annotated[int, Ge(1)] = 200,
) -> LocalField:
    """Replace the field by its spherical mean, again and again, until only the background is left.

    b ← M_r ρ ⋆ b + (1 − M_r) b⁰, where M_r holds the voxels around which the ball ρ lies in the mask, and the field
    is held in the rim (Wen 2014); b_L = b⁰ − b. The limit is found here by conjugate gradients, in a tenth of the
    steps: it is the b_L that vanishes in the rim with M_r (δ − ρ) ⋆ b_L = M_r (δ − ρ) ⋆ b⁰, and the system is
    symmetric and positive. In the limit the harmonic continuation of the local field in the rim goes missing inside,
    as with `lbv`; the loose default tolerance stops, as the published iteration does, before that is complete, which
    measures better.

    Parameters
    ----------
    total_field : (X, Y, Z) array
        Total field in ppm.
    mask : (X, Y, Z) bool array
        Voxels in which the total field is known.
    grid : Grid
        Geometry.
    radius : float
        Radius of the ball in mm, by which the mask is eroded.
    tolerance : float
        Relative residual at which iterations stop.
    max_iterations : int
        Most iterations to do.

    Returns
    -------
    LocalField
        Local field in ppm, and the mask eroded by the ball.

    Raises
    ------
    ParameterError
        The radius is too small for the voxels.
    MaskError
        The ball does not fit into the mask.

    Warns
    -----
    ConvergenceWarning
        The tolerance was not reached.
    """
    high_pass = HighPass.of(mask, grid, [radius], total_field.dtype)
    solution = cg(
        high_pass,
        high_pass(high_pass.box.pad(total_field * mask)),
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
    return LocalField(high_pass.box.restore(solution.accept("ismv"), high_pass.valid), high_pass.valid)
