"""What it costs a field to differ from the measured one, minimised voxel by voxel inside a splitting method.

Each is a proximal step with penalty ρ, z = argmin c(z − B) + ρ/2 (z − w)², of

    squares    ½ W² r²                     z − B = (w − B) / (1 + W²/ρ)
    wrapped    W² (1 − cos s r) / s²       s (z − B) + W²/ρ sin s (z − B) = s (w − B), by Newton's method
    absolute   W |r|                       z − B = (w − B) shortened by W/ρ

`wrapped` is ½ W² |e^{isz} − e^{isB}|² / s² with s in rad/ppm, the misfit of the complex signal (Milovic 2018,
`Milovic2018`): whole turns of phase cost nothing, and as s → 0 it becomes `squares`, so that its regularisation has the
same unit and size. `absolute` is that of Milovic 2022 (`Milovic2022`).
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import FloatArray
from qsmkit.compiled import parallel, prange, serial
from qsmkit.errors import InputError
from qsmkit.units import radians_per_ppm

Cost = Literal["squares", "wrapped", "absolute"]

_SQUARES, _WRAPPED, _ABSOLUTE = 0, 1, 2
_KINDS: dict[Cost, int] = {"squares": _SQUARES, "wrapped": _WRAPPED, "absolute": _ABSOLUTE}
_STEPS = 4
"""Newton steps. Started below the first root of a function that is concave up to half a turn, they rise to it."""


def radians_per_unit_field(
    echo_times: npt.NDArray[np.float64] | None, field_strength: float | None, phase_scale: float | None
) -> float:
    """Return s, the phase in rad of a field of 1 ppm: as set, or at the mean echo time.

    Parameters
    ----------
    echo_times : (E,) array or None
        Echo times in s.
    field_strength : float or None
        Main field in T.
    phase_scale : float or None
        s in rad/ppm, if it is set.

    Returns
    -------
    float
        s in rad/ppm.

    Raises
    ------
    InputError
        It is not set, and echo times or field strength are missing.
    """
    if phase_scale is not None:
        return phase_scale
    if echo_times is None or field_strength is None:
        missing = "echo_times" if echo_times is None else "field_strength"
        raise InputError(f"{missing} is missing, which scales field to phase; give it, or set phase_scale in rad/ppm")
    return radians_per_ppm(field_strength, float(np.mean(echo_times)))


class Fidelity:
    """The state w of the split field, and the pass that steps it.

    Parameters
    ----------
    measured : (X, Y, Z) array
        B in ppm; ignored where the weight is zero.
    weight : (X, Y, Z) array
        W, dimensionless, in the type of `measured`.
    penalty : float
        ρ, in the unit of the cost per ppm².
    relaxation : float
        α of the over-relaxed iteration, between 0 and 2.
    cost : {"squares", "wrapped", "absolute"}
        See above.
    phase_scale : float
        s in rad/ppm; used by "wrapped" only.
    """

    def __init__(
        self, measured: FloatArray, weight: FloatArray, penalty: float, relaxation: float | np.floating[Any],
        *, cost: Cost = "squares", phase_scale: float = 1.0,
    ) -> None:  # fmt: skip
        dtype, (nx, _, nz) = measured.dtype, measured.shape
        self._kind = _KINDS[cost]
        self._strength = weight if cost == "absolute" else weight * weight
        self._strength = self._strength / dtype.type(penalty)
        self._measured = measured * (weight > 0)
        self._relaxation = dtype.type(relaxation)
        self._scale = dtype.type(phase_scale)
        self._w = self._measured.copy()
        self._rows = np.empty((nx, nz), dtype)

    def start(self) -> FloatArray:
        """Return what the split field asks of D x before the first step: to be as measured, in ppm."""
        return self._measured.copy()

    def step(self, field: FloatArray) -> None:
        """Step w with the field D x in ppm, and replace that by the next that is asked, 2z − w."""
        _step(self._kind, field, self._strength, self._measured, self._relaxation, self._scale, self._w, self._rows)


@parallel
def _step(kind, field, strength, measured, relaxation, scale, w, rows):  # type: ignore[no-untyped-def]
    for plane in prange(field.shape[0]):
        i = np.intp(plane)
        z = rows[i]
        for j in range(field.shape[1]):
            _nearest(kind, w[i, j], strength[i, j], measured[i, j], scale, z)
            for k in range(field.shape[2]):
                w[i, j, k] += relaxation * (field[i, j, k] - z[k])
            _nearest(kind, w[i, j], strength[i, j], measured[i, j], scale, z)
            for k in range(field.shape[2]):
                field[i, j, k] = z[k] + z[k] - w[i, j, k]


@serial
def _nearest(kind, w, strength, measured, scale, z):  # type: ignore[no-untyped-def]
    """Write the z of one row."""
    one = strength.dtype.type(1)
    zero = strength.dtype.type(0)
    if kind == _SQUARES:
        for k in range(len(z)):
            z[k] = measured[k] + (w[k] - measured[k]) / (one + strength[k])
    elif kind == _ABSOLUTE:
        for k in range(len(z)):
            apart = w[k] - measured[k]
            z[k] = w[k] - min(max(apart, -strength[k]), strength[k])
    else:
        turn = strength.dtype.type(2 * np.pi)
        for k in range(len(z)):
            angle = scale * (w[k] - measured[k])
            angle -= turn * np.rint(angle / turn)
            size = abs(angle)
            e = strength[k]
            x = size / (one + e)
            for _ in range(_STEPS):
                sine, cosine = _sine_cosine(x)
                x -= (x + e * sine - size) / (one + e * cosine)
            x = min(max(x, zero), size)
            z[k] = w[k] - np.copysign(size - x, angle) / scale


@serial
def _sine_cosine(x):  # type: ignore[no-untyped-def]
    """Return sine and cosine of an angle up to a turn by series of the half angle, exact to 1e-7, vectorised."""
    real = type(x)
    one, half = real(1), real(0.5)
    h = half * x
    q = h * h
    s = h * (one + q * (real(-1 / 6) + q * (real(1 / 120) + q * (real(-1 / 5040) + q * (
        real(1 / 362880) + q * real(-1 / 39916800))))))  # fmt: skip
    c = one + q * (real(-1 / 2) + q * (real(1 / 24) + q * (real(-1 / 720) + q * (
        real(1 / 40320) + q * (real(-1 / 3628800) + q * real(1 / 479001600))))))  # fmt: skip
    return s * c + s * c, c * c - s * s
