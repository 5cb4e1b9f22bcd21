"""Field of the sources in the mask from wrapped phase: the smallest with its Laplacian."""

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
from qsmkit.recon.background.field_laplacian import field_laplacian, integrate, inverse_laplacian
from qsmkit.recon.background.result import LocalField


@method("background", cite="Li2014", rev=1)
def iharperella(
    phase: FloatArray,
    echo_times: npt.NDArray[np.float64],
    field_strength: float,
    mask: BoolArray,
    grid: Grid,
    magnitude: FloatArray | None = None,
    *,
    margin: Annotated[float, Gt(0)] = 20.0,
    regularisation: Annotated[float, Gt(0)] = 1e-8,
    tolerance: Annotated[float, Gt(0), Lt(1)] = 0.01,
    max_iterations: Annotated[int, Ge(1)] = 100,
) -> LocalField:
    """Invert the Laplacian of the phase, completed outside the mask so that the field inside is smallest.

    b_L = ∇⁻² (L + q) with q = argmin ‖M ∇⁻² (L + q)‖² / s² + λ ‖q‖², with L as in `harperella`, q outside the mask,
    and s the largest value of ∇⁻² in the Fourier domain. The name is that of a variant of HARPERELLA (Li 2014) without
    a description of its own; this is our own reading of it.

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
    margin : float
        Room in mm around the mask.
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

    Warns
    -----
    ConvergenceWarning
        The tolerance was not reached.
    """
    box = Box.around(mask, grid, margin)
    inside = box.pad(mask)
    outside = ~inside
    source = box.pad(field_laplacian(phase, echo_times, field_strength, mask, grid, magnitude))
    inverse = inverse_laplacian(box.shape, grid, source.dtype)
    inverse /= np.abs(inverse).max()

    def through(x: FloatArray, region: BoolArray) -> FloatArray:
        y = convolve(x, inverse, box.shape)
        y *= region
        return y

    def normal(q: FloatArray) -> FloatArray:
        y = through(through(q, inside), outside)
        y += regularisation * q
        return y

    target = -through(through(source, inside), outside)
    solution = cg(normal, target, tolerance=tolerance, max_iterations=max_iterations)
    return integrate(source + solution.accept("iharperella"), box, mask, grid)
