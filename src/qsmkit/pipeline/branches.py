"""Steps of a long analysis that need one another: one that fails stops what needs it, and nothing else."""

import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from qsmkit.clinical.registration.gates import Gate
from qsmkit.errors import QsmkitError

Verdict = Literal["PASS", "REVIEW", "FAIL", "NOT DONE"]

GRADES: tuple[Verdict, ...] = ("PASS", "REVIEW", "FAIL")
"""From best to worst."""


@dataclass(frozen=True, slots=True)
class Branch:
    """What became of one step.

    Attributes
    ----------
    name : str
        Which.
    verdict : {"PASS", "REVIEW", "FAIL", "NOT DONE"}
        The worst of its gates; FAIL also if it raised an error; NOT DONE if what it needs is not there.
    text : str
        What was done, or why not.
    gates : tuple of Gate
        Its tests.
    warnings : tuple of str
        What it warned of.
    seconds : float
        How long it took.
    """

    name: str
    verdict: Verdict
    text: str
    gates: tuple[Gate, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Done:
    """What a step hands back: its result, a sentence, and its gates."""

    value: Any
    text: str
    gates: tuple[Gate, ...] = ()


class Branches:
    """The steps of one analysis, in their order.

    Parameters
    ----------
    tell : callable, optional
        Told the name of each step as it begins.
    """

    def __init__(self, tell: Callable[[str], None] | None = None) -> None:
        self.done: list[Branch] = []
        self._values: dict[str, Any] = {}
        self._tell = tell or (lambda _name: None)

    def run(self, name: str, work: Callable[[], Done], *needs: str) -> Any:
        """Do a step if what it needs is there, and return its result, or None.

        Parameters
        ----------
        name : str
            What to call it.
        work : callable
            The step.
        needs : str
            Steps whose results it uses.
        """
        lacking = [n for n in needs if n not in self._values]
        if lacking:
            return self.skip(name, f"it needs {', '.join(lacking)}")
        self._tell(name)
        start = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                found = work()
            except QsmkitError as error:
                found = Done(None, str(error), (Gate(name, float("nan"), "1", "FAIL", "could not be done"),))
        told = tuple(dict.fromkeys(str(w.message) for w in caught if not issubclass(w.category, DeprecationWarning)))
        verdict = worst(g.verdict for g in found.gates)
        if told and verdict == "PASS":
            verdict = "REVIEW"
        self.done.append(Branch(name, verdict, found.text, found.gates, told, time.perf_counter() - start))
        if verdict == "FAIL":
            return None
        self._values[name] = found.value
        return found.value

    def skip(self, name: str, why: str) -> None:
        """Note that a step was not done."""
        self.done.append(Branch(name, "NOT DONE", f"not done: {why}"))

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all steps; NOT DONE counts as REVIEW."""
        return worst("REVIEW" if b.verdict == "NOT DONE" else b.verdict for b in self.done)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of verdicts; PASS if there are none."""
    return max(verdicts, key=GRADES.index, default="PASS")


def gates_of(found: Iterable[Gate], where: str) -> tuple[Gate, ...]:
    """Return the gates of a registration with what it is of in their names."""
    return tuple(replace(g, name=f"{g.name}, {where}") for g in found)
