"""What a solver returns: an answer that says whether it is one."""

import logging
import warnings
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from qsmkit.errors import ConvergenceWarning

logger = logging.getLogger(__name__)

X = TypeVar("X")
Status = Literal["converged", "max_iterations", "stagnated", "diverged"]

_ADVICE: dict[Status, str] = {
    "converged": "",
    "max_iterations": "raise max_iterations, or loosen the tolerance",
    "stagnated": "the tolerance is finer than the arithmetic; loosen it, or work in float64",
    "diverged": "the problem is badly scaled or inconsistent; check units and weights, or regularise more",
}


@dataclass(frozen=True, slots=True)
class Solution(Generic[X]):
    """The outcome of an iterative solver.

    Attributes
    ----------
    x : array
        The last (or best) iterate.
    status : {"converged", "max_iterations", "stagnated", "diverged"}
        Why the solver stopped.
    iterations : int
        Iterations done.
    history : list of float
        The stopping criterion after each iteration (relative residual or relative change), dimensionless.
    """

    x: X
    status: Status
    iterations: int
    history: list[float] = field(default_factory=list)

    @property
    def advice(self) -> str:
        """What to do about a solver that did not converge; empty if it did."""
        return _ADVICE[self.status]

    def accept(self, who: str) -> X:
        """Return x after logging how it was reached; warn, with advice, if the solver did not converge."""
        last = f"{self.history[-1]:.2g}" if self.history else "not evaluated"
        text = f"{who}: {self.status} after {self.iterations} iterations, criterion {last}"
        logger.info(text)
        if self.status != "converged":
            warnings.warn(f"{text}; {self.advice}", ConvergenceWarning, stacklevel=2)
        return self.x
