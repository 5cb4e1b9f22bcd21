"""Proximal operators: the small problems that splitting methods solve in closed form.

    prox_{t g}(v) = argmin_x g(x) + ‖x − v‖² / 2t

Each function here takes the parameters of g and returns the callable (v, t) ↦ prox_{t g}(v), which leaves v
as it is.
"""

from collections.abc import Callable

import numpy as np

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import ParameterError

Prox = Callable[[FloatArray, float], FloatArray]


def l1(weight: float | FloatArray = 1.0) -> Prox:
    """g(x) = Σ w|x|: soft threshold."""
    return lambda v, t: np.copysign(np.maximum(np.abs(v) - t * weight, 0), v).astype(v.dtype, copy=False)


def group_l2(weight: float | FloatArray = 1.0, *, axis: int = 0) -> Prox:
    """g(x) = Σ w‖x‖ with the norm along `axis`: every vector is shortened (isotropic total variation)."""

    def prox(v: FloatArray, t: float) -> FloatArray:
        length = np.sqrt(np.sum(v * v, axis=axis, keepdims=True))
        threshold = t * np.expand_dims(weight, axis) if np.ndim(weight) else t * np.asarray(weight)
        shorter = np.maximum(length - threshold, 0) / np.where(length > 0, length, 1)
        shortened: FloatArray = (v * shorter).astype(v.dtype, copy=False)
        return shortened

    return prox


def squared_l2(weight: float | FloatArray = 1.0, centre: float | FloatArray = 0.0) -> Prox:
    """g(x) = ½ Σ w (x − c)²: weighted mean of v and c."""
    return lambda v, t: ((v + t * weight * centre) / (1 + t * weight)).astype(v.dtype, copy=False)


def box(low: float = -np.inf, high: float = np.inf) -> Prox:
    """g(x) = 0 where low ≤ x ≤ high, else ∞: clipping; `box(0)` keeps x non-negative."""
    if not low <= high:
        raise ParameterError(f"box from {low} to {high} is empty; give low ≤ high")
    return lambda v, t: np.clip(v, low, high)


def support(inside: BoolArray) -> Prox:
    """g(x) = 0 if x vanishes outside the mask, else ∞."""
    return lambda v, t: v * inside


def conjugate(prox: Prox) -> Prox:
    """Return the operator of the conjugate g*, by Moreau's v = prox_{t g*}(v) + t prox_{g/t}(v/t)."""
    return lambda v, t: v - t * prox(v / t, 1 / t)
