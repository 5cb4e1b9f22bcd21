"""Field of the sources in the mask from wrapped phase, through its Laplacian."""

from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.optim.solvers import cg
from qsmkit.physics.box import Box
from qsmkit.physics.fft import convolve
from qsmkit.physics.smv import smv_kernel
from qsmkit.recon.background.field_laplacian import field_laplacian, integrate
from qsmkit.recon.background.result import LocalField


@method("background", cite="Li2014", rev=1)
def harperella(
    phase: FloatArray,
    echo_times: npt.NDArray[np.float64],
    field_strength: float,
    mask: BoolArray,
    grid: Grid,
    magnitude: FloatArray | None = None,
    *,
    radius: Annotated[float, Gt(0)] = 10.0,
    regularisation: Annotated[float, Gt(0)] = 1e-3,
    tolerance: Annotated[float, Gt(0), Lt(1)] = 0.01,
    max_iterations: Annotated[int, Ge(1)] = 100,
) -> LocalField:
    """Invert the Laplacian of the phase, completed outside the mask so that its spherical means vanish.

    1. L = Σ_e w_e ∇²φ_e / c_e, the Laplacian of the field in the mask, from phase differences wrapped into ±π.
    2. q = argmin ‖M̄ ρ ⋆ (L + q)‖² + λ ‖q‖², with q in the voxels M̄ outside the mask, no farther than r from it: the
       Laplacian of a field of inner sources is zero outside, and so is its mean over a ball ρ of radius r.
    3. b_L = ∇⁻² (L + q), less its mean.

    Follows the published description of HARPERELLA (Li 2014), not its implementation. Phase has to be free of its
    offset at echo time zero (or its offset harmonic, which the Laplacian does not see).

    Parameters
    ----------
    phase : (X, Y, Z, E) array
        Wrapped or unwrapped phase in rad.
    echo_times : (E,) array
        Echo times in s.
    field_strength : float
        Main field in T.
    mask : (X, Y, Z) bool array
        Voxels in which the phase is known.
    grid : Grid
        Geometry.
    magnitude : (X, Y, Z, E) array, optional
        Magnitude, arbitrary units, which weights the echoes; they count by their echo times alone without it.
    radius : float
        Radius r of the ball in mm.
    regularisation : float
        λ, dimensionless.
    tolerance : float
        Relative residual of the normal equations at which iterations stop.
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

    Warns
    -----
    ConvergenceWarning
        The tolerance was not reached.
    """
    box = Box.around(mask, grid, 2 * radius)
    inside = box.pad(mask)
    source = box.pad(field_laplacian(phase, echo_times, field_strength, mask, grid, magnitude))
    ball = smv_kernel(radius, grid.voxel_size, box.shape, dtype=source.dtype)
    near = convolve(inside.astype(source.dtype), ball, box.shape) > 1e-4
    near &= ~inside

    def normal(q: FloatArray) -> FloatArray:
        return convolve(near * convolve(q, ball, box.shape), ball, box.shape) * near + regularisation * q

    target = -convolve(near * convolve(source, ball, box.shape), ball, box.shape) * near
    solution = cg(normal, target, tolerance=tolerance, max_iterations=max_iterations)
    return integrate(source + solution.accept("harperella"), box, mask, grid)
