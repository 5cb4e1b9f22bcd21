"""Iterative solvers. Each returns a `Solution`; none prints, none warns, none decides what to do when it fails."""

from collections.abc import Callable

import numpy as np

from qsmkit.arrays import FloatArray
from qsmkit.optim.solution import Solution, Status

Operator = Callable[[FloatArray], FloatArray]
Callback = Callable[[int, float], None]


def _dot(a: FloatArray, b: FloatArray) -> float:
    return float(np.vdot(a, b))


def cg(
    normal: Operator,
    b: FloatArray,
    *,
    x0: FloatArray | None = None,
    precondition: Operator | None = None,
    tolerance: float = 1e-6,
    max_iterations: int = 100,
    callback: Callback | None = None,
) -> Solution[FloatArray]:
    """Solve A x = b for a symmetric positive (semi-)definite A by preconditioned conjugate gradients.

    Parameters
    ----------
    normal : callable
        x ↦ A x; may return a buffer that it reuses.
    b : array
        Right-hand side, any shape.
    x0 : array, optional
        Start; zero if omitted.
    precondition : callable, optional
        r ↦ M r with M ≈ A⁻¹, symmetric positive definite.
    tolerance : float
        Stop when ‖b − A x‖ ≤ tolerance ‖b‖.
    max_iterations : int
        Most iterations to do.
    callback : callable, optional
        Called with iteration and relative residual.

    Returns
    -------
    Solution
        x; history holds relative residuals.

    References
    ----------
    Hestenes & Stiefel 1952.
    """
    x = np.zeros_like(b) if x0 is None else x0.copy()
    r = b.copy() if x0 is None else b - normal(x)
    scale = np.sqrt(_dot(b, b))
    history: list[float] = []
    if scale == 0:
        return Solution(np.zeros_like(b), "converged", 0, history)
    z = r if precondition is None else precondition(r)
    p = z.copy()
    rz = _dot(r, z)
    status: Status = "max_iterations"
    for iteration in range(1, max_iterations + 1):
        q = normal(p)
        curvature = _dot(p, q)
        if not np.isfinite(curvature) or curvature <= 0:
            status = "stagnated" if np.isfinite(curvature) else "diverged"
            break
        step = rz / curvature
        x += step * p
        r -= step * q
        history.append(float(np.sqrt(_dot(r, r)) / scale))
        if callback:
            callback(iteration, history[-1])
        if history[-1] <= tolerance:
            status = "converged"
            break
        z = r if precondition is None else precondition(r)
        rz, previous = _dot(r, z), rz
        p *= rz / previous
        p += z
    return Solution(x, status, len(history), history)
