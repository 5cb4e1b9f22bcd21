"""Linear operators: a forward map, its adjoint, and the two shapes between them.

Operators are composed with `@`, added with `+`, scaled with `*`, transposed with `.T`. Write the adjoint of
the map that is really computed, then let `dot_test` say whether it is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qsmkit.arrays import AnyArray, FloatArray
from qsmkit.errors import ShapeError


@dataclass(frozen=True, slots=True)
class LinearOperator:
    """A linear map A between arrays of fixed shape.

    Attributes
    ----------
    domain, range : tuple of int
        Shapes of x and of A x.
    forward : callable
        x ↦ A x.
    adjoint : callable
        y ↦ Aᵀ y.
    """

    domain: tuple[int, ...]
    range: tuple[int, ...]
    forward: Callable[[FloatArray], FloatArray]
    adjoint: Callable[[FloatArray], FloatArray]

    def __call__(self, x: FloatArray) -> FloatArray:
        """Return A x."""
        if x.shape != self.domain:
            raise ShapeError(f"operator takes arrays of shape {self.domain}, not {x.shape}")
        return self.forward(x)

    @property
    def T(self) -> LinearOperator:
        """The adjoint operator."""
        return LinearOperator(self.range, self.domain, self.adjoint, self.forward)

    def __matmul__(self, other: LinearOperator) -> LinearOperator:
        if self.domain != other.range:
            raise ShapeError(f"cannot chain operators: {other.range} comes in where {self.domain} is taken")
        return LinearOperator(
            other.domain,
            self.range,
            lambda x: self.forward(other.forward(x)),
            lambda y: other.adjoint(self.adjoint(y)),
        )

    def __add__(self, other: LinearOperator) -> LinearOperator:
        if (self.domain, self.range) != (other.domain, other.range):
            raise ShapeError(f"cannot add {self.domain} → {self.range} and {other.domain} → {other.range}")
        return LinearOperator(
            self.domain,
            self.range,
            lambda x: self.forward(x) + other.forward(x),
            lambda y: self.adjoint(y) + other.adjoint(y),
        )

    def __mul__(self, factor: float) -> LinearOperator:
        return LinearOperator(
            self.domain, self.range, lambda x: factor * self.forward(x), lambda y: factor * self.adjoint(y)
        )

    __rmul__ = __mul__

    def norm(self, rng: np.random.Generator, *, iterations: int = 30) -> float:
        """Return a lower bound of the spectral norm, within a few per cent, by power iteration on AᵀA."""
        x: FloatArray = rng.standard_normal(self.domain)
        square = 0.0
        for _ in range(iterations):
            x /= max(float(np.linalg.norm(x)), np.finfo(float).tiny)
            x = self.adjoint(self.forward(x))
            square = float(np.linalg.norm(x))
        return math.sqrt(square)


def identity(shape: tuple[int, ...]) -> LinearOperator:
    """Return the operator that changes nothing."""
    return LinearOperator(shape, shape, lambda x: x, lambda y: y)


def diagonal(weights: AnyArray) -> LinearOperator:
    """Return the operator that multiplies point by point with real weights."""
    return LinearOperator(weights.shape, weights.shape, lambda x: weights * x, lambda y: weights * y)


def dot_test(operator: LinearOperator, rng: np.random.Generator) -> float:
    """Return |⟨A x, y⟩ − ⟨x, Aᵀ y⟩| / ‖A x‖ ‖y‖ for random x and y: no more than rounding if Aᵀ is right."""
    x, y = rng.standard_normal(operator.domain), rng.standard_normal(operator.range)
    forward = operator(x)
    left, right = float(np.vdot(forward, y)), float(np.vdot(x, operator.T(y)))
    scale = float(np.linalg.norm(forward) * np.linalg.norm(y))
    return abs(left - right) / scale if scale else abs(right)
