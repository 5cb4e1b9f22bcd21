"""Nonlinear inversion without a prior, stopped early."""

from typing import Annotated

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.optim.solution import Solution
from qsmkit.optim.solvers import iterate
from qsmkit.physics.box import Box
from qsmkit.physics.dipole import Kernel, dipole_kernel
from qsmkit.physics.fft import irfftn, rfftn
from qsmkit.recon.inversion.fidelity import radians_per_unit_field
from qsmkit.recon.inversion.splitting import data_weight
from qsmkit.recon.inversion.tikhonov import tikhonov

HALF_TURN = 1.5 * np.pi
"""s χ in rad from which the field of a ball, up to ⅔ χ at its poles, turns the phase by half a turn and more."""


@method("inversion", produces="chi", cite=("Polak2020", "Beck2009"), rev=2)
def ndi(
    local_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    field_sd: FloatArray | None = None,
    echo_times: npt.NDArray[np.float64] | None = None,
    field_strength: float | None = None,
    *,
    step: Annotated[float, Gt(0), Lt(4.5)] = 2.0,
    regularisation: Annotated[float, Ge(0)] = 1e-5,
    phase_scale: Annotated[float | None, Gt(0)] = None,
    tolerance: Annotated[float, Gt(0)] = 0.12,
    max_iterations: Annotated[int, Ge(1)] = 100,
    margin: Annotated[float, Ge(0)] = 12.0,
    kernel: Kernel = "continuous",
) -> FloatArray:
    """Descend on the misfit of the complex signal, and stop before the noise is fitted (NDI).

        f(χ) = ½ ‖W (e^{i s D χ} − e^{i s B})‖² / s²
        χ ← M [(1 − τ α) χ − τ D W² sin(s (D χ − B)) / s]

    Few iterations are all the regularisation that there is, but for a little of Tikhonov's (Polak 2020). W is as in
    `tv`, the phase that the misfit sees, s B, as in `fansi`. Other than published, sources are confined to the mask
    M, which nearly always brings χ nearer to the truth; the start is not zero but the strong sources of the closed form
    of `tikhonov`, without which a calcification or bleeding settles whole turns away; each step starts from where
    momentum carries χ (Beck 2009), which takes a tenth of the iterations; and what stops them is not their number but
    that the misfit hardly falls.

    Parameters
    ----------
    local_field : (X, Y, Z) array
        Local field in ppm.
    mask : (X, Y, Z) bool array
        Voxels in which the local field is known and that hold its sources.
    grid : Grid
        Geometry.
    field_sd : (X, Y, Z) array, optional
        Standard deviation of the field in ppm; where it is zero or less, nothing was measured.
    echo_times : (E,) array, optional
        Echo times in s; needed unless the phase scale is set.
    field_strength : float, optional
        Main field in T; needed unless the phase scale is set.
    step : float
        τ; 4.5, twice the inverse of the steepest curvature, would be too long.
    regularisation : float
        α of Tikhonov's term, dimensionless.
    phase_scale : float, optional
        s, the phase of a field of 1 ppm, in rad/ppm.
    tolerance : float
        Stop when an iteration lowers the misfit by no more than this part of it. Less gives more detail and more
        noise.
    max_iterations : int
        Most iterations to do.
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
    InputError
        There is nothing to scale the phase by, or the field's standard deviation is nowhere positive.

    Warns
    -----
    ConvergenceWarning
        The misfit still fell by more than the tolerance.
    """
    box, dtype = Box.around(mask, grid, margin), local_field.dtype
    scale = dtype.type(radians_per_unit_field(echo_times, field_strength, phase_scale))
    weight = data_weight(field_sd, mask).astype(dtype)
    known = local_field * (weight > 0)
    x = box.pad(tikhonov(known, mask, grid, margin=margin, kernel=kernel))
    x[np.abs(x) < HALF_TURN / scale] = 0
    ahead = x.copy()
    measured, inside, weight = box.pad(known), box.pad(mask), box.pad(weight * weight)
    dipole = dipole_kernel(grid, box.shape, kind=kernel, dtype=dtype)
    keep, length = dtype.type(1 - step * regularisation), dtype.type(step)
    rows = np.empty((box.shape[0], box.shape[2]), dtype)
    momentum, previous = 1.0, 0.0

    def descend() -> float:
        nonlocal momentum, previous
        spectrum = rfftn(ahead)
        spectrum *= dipole
        field = irfftn(spectrum, box.shape)
        _pull(field, measured, weight, scale, rows)
        misfit = float(rows.sum(dtype=np.float64))
        spectrum = rfftn(field)
        del field
        spectrum *= dipole
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        carried = dtype.type((momentum - 1) / following)
        _step(irfftn(spectrum, box.shape), inside, keep, length, carried, x, ahead)
        momentum = following
        fall = 1 - misfit / previous if previous > 0 else float(misfit > 0)
        previous = misfit
        return fall

    status, history = iterate(descend, tolerance=tolerance, max_iterations=max_iterations)
    return box.restore(Solution(x, status, len(history), history).accept("ndi"), mask)


@parallel
def _pull(field, measured, weight, scale, rows):  # type: ignore[no-untyped-def]
    """Replace the field by W² sin(s (field − B)) / s, and sum the misfit 2 W² (1 − cos) / s² into rows."""
    half = weight.dtype.type(0.5)
    rows[:] = 0
    for plane in prange(field.shape[0]):
        i = np.intp(plane)
        for j in range(field.shape[1]):
            for k in range(field.shape[2]):
                w = weight[i, j, k]
                pull = w - w
                if w > 0:
                    angle = half * scale * (field[i, j, k] - measured[i, j, k])
                    sine = np.sin(angle) / scale
                    pull = w * (sine + sine) * np.cos(angle)
                    rows[i, k] += w * (sine + sine) * (sine + sine)
                field[i, j, k] = pull


@parallel
def _step(slope, inside, keep, length, carried, x, ahead):  # type: ignore[no-untyped-def]
    """Step from `ahead` down the slope, and carry the change of x on."""
    for i in prange(x.shape[0]):
        for j in range(x.shape[1]):
            for k in range(x.shape[2]):
                new = keep * ahead[i, j, k] - length * slope[i, j, k] if inside[i, j, k] else keep - keep
                ahead[i, j, k] = new + carried * (new - x[i, j, k])
                x[i, j, k] = new
