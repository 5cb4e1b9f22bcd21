"""Iterative solvers. Each returns a `Solution`; none prints, warns, or decides what to do when it fails."""

from collections.abc import Callable

import numpy as np

from qsmkit.arrays import FloatArray
from qsmkit.optim.linop import LinearOperator
from qsmkit.optim.prox import Prox
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
    work = np.empty_like(p)
    status: Status = "max_iterations"
    for iteration in range(1, max_iterations + 1):
        q = normal(p)
        curvature = _dot(p, q)
        if not np.isfinite(curvature) or curvature <= 0:
            status = "stagnated" if np.isfinite(curvature) else "diverged"
            break
        step = rz / curvature
        x += np.multiply(p, step, out=work)
        r -= np.multiply(q, step, out=work)
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


def iterate(
    step: Callable[[], float],
    *,
    tolerance: float,
    max_iterations: int,
    callback: Callback | None = None,
) -> tuple[Status, list[float]]:
    """Repeat `step` until the criterion that it returns is met; every splitting method below is such a step.

    Parameters
    ----------
    step : callable
        Does one iteration and returns the stopping criterion (relative, dimensionless).
    tolerance : float
        Stop when the criterion is at most this.
    max_iterations : int
        Most iterations to do.
    callback : callable, optional
        Called with iteration and criterion.

    Returns
    -------
    tuple
        Status and the criterion after each iteration. "diverged" once it is not finite.
    """
    history: list[float] = []
    while len(history) < max_iterations:
        history.append(float(step()))
        if callback:
            callback(len(history), history[-1])
        if not np.isfinite(history[-1]):
            return "diverged", history
        if history[-1] <= tolerance:
            return "converged", history
    return "max_iterations", history


def lsmr(
    operator: LinearOperator,
    b: FloatArray,
    *,
    damping: float = 0.0,
    tolerance: float = 1e-6,
    max_iterations: int = 100,
    callback: Callback | None = None,
) -> Solution[FloatArray]:
    """Minimise ‖A x − b‖² + damping² ‖x‖² by Golub–Kahan bidiagonalisation.

    Equivalent to MINRES on the normal equations: ‖Aᵀr‖ falls monotonically, so it is safe to stop early.

    Parameters
    ----------
    operator : LinearOperator
        A.
    b : array
        Right-hand side.
    damping : float
        Weight of ‖x‖, in the unit of A.
    tolerance : float
        Stop when ‖Aᵀr‖ ≤ tolerance ‖A‖ ‖r‖ or ‖r‖ ≤ tolerance ‖b‖, r the residual including the damping.
    max_iterations : int
        Most iterations to do.
    callback : callable, optional
        Called with iteration and criterion.

    Returns
    -------
    Solution
        x; history holds the smaller of the two ratios above.

    References
    ----------
    Fong & Saunders 2011.
    """
    beta = norm_b = _norm(b)
    u = b / beta if beta else b
    v = operator.T(u)
    alpha = _norm(v)
    x = np.zeros(operator.domain, b.dtype)
    if alpha * beta == 0:  # b is zero, or orthogonal to the range of A: zero is the answer
        return Solution(x, "converged", 0, [])
    v = v / alpha
    h, h_bar = v.copy(), np.zeros_like(x)
    # Rotations make the bidiagonal matrix upper triangular, and that one lower triangular (names as published).
    alpha_bar, zeta_bar = alpha, alpha * beta
    rho = rho_bar = c_bar = 1.0
    s_bar = 0.0
    # The same for ‖r‖ (section 5 of the paper).
    beta_dd, beta_d, rho_d_old, tau_old, theta_tilde, zeta, rest = beta, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0
    norm_a2 = alpha**2

    def step() -> float:
        nonlocal u, v, h, h_bar, x, alpha, beta, alpha_bar, zeta_bar, rho, rho_bar, c_bar, s_bar
        nonlocal beta_dd, beta_d, rho_d_old, tau_old, theta_tilde, zeta, rest, norm_a2
        u = operator(v) - alpha * u
        beta = _norm(u)
        norm_a2 += beta**2 + damping**2
        if beta > 0:
            u = u / beta
            v = operator.T(u) - beta * v
            alpha = _norm(v)
            v = v / alpha if alpha > 0 else v
            norm_a2 += alpha**2
        else:
            alpha = 0.0

        c_hat, s_hat, alpha_hat = _rotation(alpha_bar, damping)
        rho_old, (c, s, rho) = rho, _rotation(alpha_hat, beta)
        theta_new, alpha_bar = s * alpha, c * alpha
        rho_bar_old, zeta_old, theta_bar = rho_bar, zeta, s_bar * rho
        c_bar, s_bar, rho_bar = _rotation(c_bar * rho, theta_new)
        zeta, zeta_bar = c_bar * zeta_bar, -s_bar * zeta_bar

        h_bar = h - (theta_bar * rho / (rho_old * rho_bar_old)) * h_bar
        x += (zeta / (rho * rho_bar)) * h_bar
        h = v - (theta_new / rho) * h

        beta_acute, beta_check = c_hat * beta_dd, -s_hat * beta_dd
        beta_hat, beta_dd = c * beta_acute, -s * beta_acute
        theta_tilde_old = theta_tilde
        c_tilde, s_tilde, rho_tilde = _rotation(rho_d_old, theta_bar)
        theta_tilde, rho_d_old = s_tilde * rho_bar, c_tilde * rho_bar
        beta_d = -s_tilde * beta_d + c_tilde * beta_hat
        tau_old = (zeta_old - theta_tilde_old * tau_old) / rho_tilde
        tau = (zeta - theta_tilde * tau_old) / rho_d_old
        rest += beta_check**2
        norm_r = np.sqrt(rest + (beta_d - tau) ** 2 + beta_dd**2)
        if norm_r == 0:
            return 0.0
        return float(min(abs(zeta_bar) / (np.sqrt(norm_a2) * norm_r), norm_r / norm_b))

    status, history = iterate(step, tolerance=tolerance, max_iterations=max_iterations, callback=callback)
    return Solution(x, status, len(history), history)


def fista(
    gradient: Operator,
    prox: Prox,
    x0: FloatArray,
    *,
    lipschitz: float,
    tolerance: float = 1e-5,
    max_iterations: int = 500,
    callback: Callback | None = None,
) -> Solution[FloatArray]:
    """Minimise f(x) + g(x), f smooth, by accelerated proximal gradients that restart when they overshoot.

    Parameters
    ----------
    gradient : callable
        x ↦ ∇f(x).
    prox : Prox
        Proximal operator of g, see `qsmkit.optim.prox`.
    x0 : array
        Start.
    lipschitz : float
        Lipschitz constant of ∇f (‖A‖² for f = ½‖A x − b‖²); the step is its inverse.
    tolerance : float
        Stop when an iteration moves x by at most tolerance ‖x‖.
    max_iterations : int
        Most iterations to do.
    callback : callable, optional
        Called with iteration and relative change.

    Returns
    -------
    Solution
        x; history holds relative changes.

    References
    ----------
    Beck & Teboulle 2009; O'Donoghue & Candès 2015 (restart).
    """
    x, y, momentum = x0.copy(), x0, 1.0

    def step() -> float:
        nonlocal x, y, momentum
        new = prox(y - gradient(y) / lipschitz, 1 / lipschitz)
        change = new - x
        if _dot(y - new, change) > 0:
            momentum = 1.0
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        y = new + ((momentum - 1) / following) * change
        x, momentum = new, following
        return _ratio(_norm(change), _norm(x))

    status, history = iterate(step, tolerance=tolerance, max_iterations=max_iterations, callback=callback)
    return Solution(x, status, len(history), history)


def admm(
    minimise: Operator,
    prox: Prox,
    operator: LinearOperator,
    x0: FloatArray,
    *,
    penalty: float,
    relaxation: float = 1.7,
    tolerance: float = 1e-4,
    max_iterations: int = 500,
    callback: Callback | None = None,
) -> Solution[FloatArray]:
    """Minimise f(x) + g(K x) by the alternating direction method of multipliers, over-relaxed.

    Kept as the Douglas–Rachford iteration that it is: the one state w holds both the split variable z = prox(w)
    and the scaled dual w − z.

    Parameters
    ----------
    minimise : callable
        v ↦ argmin_x f(x) + ρ/2 ‖K x − v‖², with ρ the penalty below.
    prox : Prox
        Proximal operator of g.
    operator : LinearOperator
        K.
    x0 : array
        Start.
    penalty : float
        ρ: any positive value converges; a good one makes prox's threshold 1/ρ about a typical |K x|.
    relaxation : float
        Between 0 and 2; 1.5 to 1.8 is usually fastest.
    tolerance : float
        Stop when the fixed-point residual ‖K x − z‖ is at most tolerance ‖K x‖; it is zero only at a minimum.
    max_iterations : int
        Most iterations to do.
    callback : callable, optional
        Called with iteration and criterion.

    Returns
    -------
    Solution
        x; history holds the criterion.

    References
    ----------
    Eckstein & Bertsekas 1992; Boyd et al. 2011.
    """
    x, w = x0, operator(x0)
    z = prox(w, 1 / penalty)

    def step() -> float:
        nonlocal x, z, w
        x = minimise(2 * z - w)
        kx = operator(x)
        residual = kx - z
        w = w + relaxation * residual
        z = prox(w, 1 / penalty)
        return _ratio(_norm(residual), _norm(kx))

    status, history = iterate(step, tolerance=tolerance, max_iterations=max_iterations, callback=callback)
    return Solution(x, status, len(history), history)


def pdhg(
    prox_f: Prox,
    prox_g_conjugate: Prox,
    operator: LinearOperator,
    x0: FloatArray,
    *,
    norm: float,
    balance: float = 1.0,
    tolerance: float = 1e-4,
    max_iterations: int = 1000,
    callback: Callback | None = None,
) -> Solution[FloatArray]:
    """Minimise f(x) + g(K x) by primal–dual hybrid gradients: needs K and Kᵀ, and solves no system.

    Parameters
    ----------
    prox_f : Prox
        Proximal operator of f.
    prox_g_conjugate : Prox
        Proximal operator of the conjugate g*; `prox.conjugate` makes it from that of g.
    operator : LinearOperator
        K.
    x0 : array
        Start.
    norm : float
        Upper bound of ‖K‖.
    balance : float
        Primal over dual step; about ‖x‖ / ‖dual‖.
    tolerance : float
        Stop when an iteration moves primal and dual by at most tolerance times their norms.
    max_iterations : int
        Most iterations to do.
    callback : callable, optional
        Called with iteration and criterion.

    Returns
    -------
    Solution
        x; history holds the larger of the two relative changes.

    References
    ----------
    Chambolle & Pock 2011.
    """
    tau, sigma = np.sqrt(balance) / norm, 1 / (np.sqrt(balance) * norm)
    x, ahead, dual = x0.copy(), x0, np.zeros(operator.range, x0.dtype)

    def step() -> float:
        nonlocal x, ahead, dual
        new_dual = prox_g_conjugate(dual + sigma * operator(ahead), sigma)
        new = prox_f(x - tau * operator.T(new_dual), tau)
        criterion = max(_ratio(_norm(new - x), _norm(new)), _ratio(_norm(new_dual - dual), _norm(new_dual)))
        x, ahead, dual = new, 2 * new - x, new_dual
        return criterion

    status, history = iterate(step, tolerance=tolerance, max_iterations=max_iterations, callback=callback)
    return Solution(x, status, len(history), history)


def _norm(a: FloatArray) -> float:
    return float(np.sqrt(_dot(a, a)))


def _ratio(part: float, whole: float) -> float:
    """Return part / whole; 0 where nothing moves, 1 where something leaves or reaches zero."""
    return part / whole if whole > 0 else float(part > 0)


def _rotation(a: float, b: float) -> tuple[float, float, float]:
    """Return (c, s, r) of the plane rotation that takes (a, b) to (r, 0)."""
    r = float(np.hypot(a, b))
    return (a / r, b / r, r) if r > 0 else (1.0, 0.0, 0.0)
