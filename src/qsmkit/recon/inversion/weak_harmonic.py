"""Nonlinear inversion that finds what background removal has left behind."""

from typing import Annotated, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Gt, Lt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.grid import Grid
from qsmkit.method import method
from qsmkit.optim.total_variation import TotalVariation
from qsmkit.physics.box import Box
from qsmkit.physics.derivatives import gradient_symbol
from qsmkit.physics.dipole import Kernel, dipole_kernel
from qsmkit.physics.fft import irfftn, rfftn
from qsmkit.recon.inversion.fidelity import Fidelity, radians_per_unit_field
from qsmkit.recon.inversion.regularisation import variation_strength
from qsmkit.recon.inversion.splitting import Penalties, data_weight, gradient_threshold, invert

# Penalties of the splittings. They set how fast the iteration converges, not what it converges to.
THRESHOLD = 0.01
"""κ = λ/ρ in ppm/mm: gradients below it are zero in the split variable."""
FIELD_PENALTY = 2.0
SUPPORT_PENALTY = 0.02
HARMONIC_PENALTY = 3.0
"""Of the Laplacian of the harmonic field, mm⁴; "muh" in the paper."""


class Parts(NamedTuple):
    """What the inversion finds; names as in the artifact table."""

    chi: FloatArray
    local_field: FloatArray


@method("inversion", cite=("Milovic2019", "Milovic2018"), rev=2)
def weak_harmonic(
    local_field: FloatArray,
    mask: BoolArray,
    grid: Grid,
    field_sd: FloatArray | None = None,
    magnitude: FloatArray | None = None,
    echo_times: npt.NDArray[np.float64] | None = None,
    field_strength: float | None = None,
    *,
    regularisation: Annotated[float | None, Gt(0)] = None,
    harmonic: Annotated[float, Gt(0)] = 150.0,
    size: Annotated[float, Ge(0)] = 0.02,
    phase_scale: Annotated[float | None, Gt(0)] = None,
    edges: Annotated[float, Ge(0), Lt(1)] = 0.0,
    tolerance: Annotated[float, Gt(0)] = 0.005,
    max_iterations: Annotated[int, Ge(1)] = 300,
    margin: Annotated[float, Ge(0)] = 12.0,
    kernel: Kernel = "continuous",
) -> Parts:
    """Fit the complex signal with sources inside and a nearly harmonic field of sources outside (WH-QSM).

        χ, h = argmin ½ ‖W (e^{i s (D χ + h)} − e^{i s B})‖² / s² + λ Σ m |∇χ| + ½ β ‖M ∇²h‖² + ½ γ ‖h‖²

    with χ = 0 outside the mask M (Milovic 2019). The field of sources outside the mask is harmonic in it: background
    that is left in B goes into h instead of making streaks. The field of inner sources is harmonic almost everywhere,
    too, and without γ, which is not in the paper, h takes more of it than is good: a field free of background then
    gives a map with half as much error again. The data term and the phase that it sees, s B, are those of `fansi`,
    and so is the solution by ADMM, where h is found with χ in k-space.

    Parameters
    ----------
    local_field : (X, Y, Z) array
        Local field in ppm, with remains of the background.
    mask : (X, Y, Z) bool array
        Voxels in which the local field is known and that hold its sources.
    grid : Grid
        Geometry.
    field_sd : (X, Y, Z) array, optional
        Standard deviation of the field in ppm; where it is zero or less, nothing was measured.
    magnitude : (X, Y, Z, E) array, optional
        Magnitude, echo last, arbitrary units; used for edges only.
    echo_times : (E,) array, optional
        Echo times in s; needed unless the phase scale is set.
    field_strength : float, optional
        Main field in T; needed unless the phase scale is set.
    regularisation : float, optional
        λ, in ppm mm; by the rule of `qsmkit.recon.inversion.regularisation.variation_strength` if not given.
    harmonic : float
        β, what it costs h not to be harmonic, in mm⁴.
    size : float
        γ, what it costs h to be large, dimensionless; more if little background is left.
    phase_scale : float, optional
        s, the phase of a field of 1 ppm, in rad/ppm.
    edges : float
        Share of the mask's voxels, those with the steepest magnitude, whose gradient costs nothing (m = 0).
    tolerance : float
        Stop when the fixed-point residual is this small a part of the gradient.
    max_iterations : int
        Most iterations to do.
    margin : float
        Room in mm between the mask and its periodic images.
    kernel : {"continuous", "discrete"}
        Dipole kernel, see `qsmkit.physics.dipole.dipole_kernel`.

    Returns
    -------
    Parts
        Susceptibility, and local field without h, in ppm, zero outside the mask.

    Raises
    ------
    InputError
        There is nothing to scale the phase by, edges are asked for without a magnitude, or the field's standard
        deviation is nowhere positive.

    Warns
    -----
    ConvergenceWarning
        The tolerance was not reached.
    """
    scale = radians_per_unit_field(echo_times, field_strength, phase_scale)
    if regularisation is None:
        regularisation = variation_strength(field_sd, mask, grid.voxel_size)
    box, dtype = Box.around(mask, grid, margin), local_field.dtype
    inside = box.pad(mask)
    threshold = gradient_threshold(THRESHOLD, box, grid, mask, magnitude, edges, dtype)
    prior = TotalVariation(threshold, grid.voxel_size, shape=box.shape)
    penalties = Penalties(regularisation / THRESHOLD, FIELD_PENALTY, SUPPORT_PENALTY)
    weight = data_weight(field_sd, mask).astype(dtype)
    fidelity = Fidelity(
        box.pad(local_field), box.pad(weight), FIELD_PENALTY, prior.relaxation, cost="wrapped", phase_scale=scale
    )
    del weight
    kept = HARMONIC_PENALTY / (HARMONIC_PENALTY + harmonic)
    data = SplitHarmonic(fidelity, inside, kept, size, grid, penalties, prior.relaxation, kernel=kernel)
    found = invert(data, prior, inside, penalties, tolerance=tolerance, max_iterations=max_iterations)
    x = found.accept("weak_harmonic")
    del prior, fidelity, found
    background = data.background(x)
    del data
    return Parts(box.restore(x, mask), local_field * mask - box.restore(background, mask))


class SplitHarmonic:
    """The states of the split field D x + h and of the split Laplacian of h, and the quadratic part with both.

    Parameters
    ----------
    fidelity : Fidelity
        The state of the field.
    inside : (X, Y, Z) bool array
        Where h shall be harmonic.
    kept : float
        How much of the Laplacian's state stays in its split variable there.
    size : float
        What h costs by its square, in unit of the data term.
    grid : Grid
        Gives voxel size and B0 direction.
    penalties : Penalties
        Penalties of gradient, field and sources.
    relaxation : float
        α of the over-relaxed iteration, between 0 and 2, in the type of the arrays.
    kernel : {"continuous", "discrete"}
        Dipole kernel, see `qsmkit.physics.dipole.dipole_kernel`.
    """

    def __init__(
        self, fidelity: Fidelity, inside: BoolArray, kept: float, size: float, grid: Grid, penalties: Penalties,
        relaxation: np.floating[Any], *, kernel: Kernel,
    ) -> None:  # fmt: skip
        dtype, x, y, z = relaxation.dtype, *inside.shape
        self._fidelity, self._inside, self._kept, self._relaxation = fidelity, inside, dtype.type(kept), relaxation
        self._asked = fidelity.start()
        self._w, self._asked_laplacian = np.zeros(inside.shape, dtype), np.zeros(inside.shape, dtype)
        self._penalties = np.array((*penalties, HARMONIC_PENALTY, size), dtype)
        self._dipole = dipole_kernel(grid, (x, y, z), kind=kernel, dtype=dtype)
        self._square = gradient_symbol((x, y, z), grid.voxel_size, dtype=dtype)

    def solve(self, asked: FloatArray) -> FloatArray:
        """Return x in ppm from what gradient and sources ask, times their penalties, and step both states."""
        shape = asked.shape[0], asked.shape[1], asked.shape[2]
        chi, field, laplacian = rfftn(asked), rfftn(self._asked), rfftn(self._asked_laplacian)
        del self._asked, self._asked_laplacian
        _solve(chi, field, laplacian, self._dipole, self._square, self._penalties)
        self._asked = irfftn(field, shape)
        del field
        self._fidelity.step(self._asked)
        self._asked_laplacian = irfftn(laplacian, shape)
        del laplacian
        _step(self._asked_laplacian, self._inside, self._kept, self._relaxation, self._w)
        return irfftn(chi, shape)

    def background(self, chi: FloatArray) -> FloatArray:
        """Return h, in ppm, of this x."""
        shape = chi.shape[0], chi.shape[1], chi.shape[2]
        field, laplacian = rfftn(self._asked), rfftn(self._asked_laplacian)
        _background(rfftn(chi), field, laplacian, self._dipole, self._square, self._penalties)
        return irfftn(field, shape)


@parallel
def _solve(chi, field, laplacian, dipole, square, penalties):  # type: ignore[no-untyped-def]
    """Turn what is asked, in k-space, into χ, the field D χ + h and the Laplacian of h."""
    gradient, data, source, smooth, size = penalties
    for i in prange(chi.shape[0]):
        for j in range(chi.shape[1]):
            for k in range(chi.shape[2]):
                d, g = dipole[i, j, k], square[i, j, k]
                whole = data + smooth * g * g + size
                share = data / whole
                rest = (smooth * g * g + size) / whole
                response = gradient * g + data * rest * d * d + source
                f, a = field[i, j, k], laplacian[i, j, k]
                x = (chi[i, j, k] + d * (data * rest * f + share * smooth * g * a)) / response
                h = share * (f - d * x) - smooth / whole * g * a
                chi[i, j, k] = x
                field[i, j, k] = d * x + h
                laplacian[i, j, k] = -g * h


@parallel
def _background(chi, field, laplacian, dipole, square, penalties):  # type: ignore[no-untyped-def]
    """Turn what is asked of the field, in k-space, into the h of a given χ."""
    data, smooth, size = penalties[1], penalties[3], penalties[4]
    for i in prange(chi.shape[0]):
        for j in range(chi.shape[1]):
            for k in range(chi.shape[2]):
                g = square[i, j, k]
                rest = field[i, j, k] - dipole[i, j, k] * chi[i, j, k]
                field[i, j, k] = (data * rest - smooth * g * laplacian[i, j, k]) / (data + smooth * g * g + size)


@parallel
def _step(laplacian, inside, kept, relaxation, w):  # type: ignore[no-untyped-def]
    """Step w of the Laplacian, whose z is kept · w inside and w elsewhere; replace it by what is asked."""
    one = relaxation / relaxation
    for i in prange(w.shape[0]):
        for j in range(w.shape[1]):
            for k in range(w.shape[2]):
                keep = kept if inside[i, j, k] else one
                new = w[i, j, k] + relaxation * (laplacian[i, j, k] - keep * w[i, j, k])
                w[i, j, k] = new
                laplacian[i, j, k] = (keep + keep - one) * new
