"""The AC–PC frame: right, anterior and superior of the commissures.

    y = (AC − PC)/|AC − PC|,   x = y × (M − MCP), normalised,   z = x × y,   p' = [x y z]ᵀ (p − origin)

with M a point of the midsagittal plane above the commissures. All coordinates are mm; x grows to the patient's
right, y to the front, z upwards.
"""

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from qsmkit.errors import DataWarning, InputError
from qsmkit.transform import Transform

Origin = Literal["MCP", "AC", "PC"]

SHORTEST, LONGEST = 19.0, 32.0
"""Usual distance between the commissures, mm; recalled."""

INDIRECT: dict[str, tuple[float, float, float]] = {
    # lateral, anterior and superior of MCP, mm; the middle of the usual ranges, recalled
    "STN": (12.0, -2.5, -4.5), "GPi": (20.0, 2.5, -4.0), "Vim": (14.0, -5.5, 0.0),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Commissures:
    """Three points that define the frame.

    Attributes
    ----------
    ac, pc : (3,) array
        Anterior and posterior commissure, scanner RAS mm.
    midline : (3,) array
        A point of the midsagittal plane, well above the line between them, scanner RAS mm.

    Raises
    ------
    InputError
        A point is not finite, the commissures coincide, or the midline's point lies on their line.

    Warns
    -----
    DataWarning
        The distance of the commissures is unusual, the midline's point is too close to their line, or the head seems
        to lie on its front.
    """

    ac: npt.NDArray[np.float64]
    pc: npt.NDArray[np.float64]
    midline: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("ac", "pc", "midline"):
            point = np.array(getattr(self, name), np.float64)
            if point.shape != (3,) or not np.isfinite(point).all():
                raise InputError(f"{name} = {point.tolist()} is not a point; give three coordinates in mm")
            object.__setattr__(self, name, point)
        line = self.ac - self.pc
        length = float(np.linalg.norm(line))
        if length < 1e-3:
            raise InputError(f"AC and PC are both at {self.ac.tolist()} mm; mark two different points")
        up = self.midline - (self.ac + self.pc) / 2
        sine = float(np.linalg.norm(np.cross(line, up))) / (length * max(float(np.linalg.norm(up)), 1e-12))
        if sine < 1e-3:
            raise InputError("the midline's point lies on the line through AC and PC; mark one well above it")
        if not SHORTEST <= length <= LONGEST:
            told = f"AC and PC are {length:.1f} mm apart, usually {SHORTEST:g} … {LONGEST:g}; check both marks"
            warnings.warn(DataWarning(told), stacklevel=3)
        if sine < 0.2:
            angle = np.rad2deg(np.arcsin(sine))
            told = f"the midline's point is {angle:.0f}° off the line of AC and PC; mark one farther above it"
            warnings.warn(DataWarning(told), stacklevel=3)

    @property
    def mcp(self) -> npt.NDArray[np.float64]:
        """The midcommissural point, scanner RAS mm."""
        middle: npt.NDArray[np.float64] = (self.ac + self.pc) / 2
        return middle

    @property
    def length(self) -> float:
        """Distance of the commissures, mm."""
        return float(np.linalg.norm(self.ac - self.pc))

    def transform(self, origin: Origin = "MCP") -> Transform:
        """Return the transform from scanner RAS to the AC–PC frame.

        Parameters
        ----------
        origin : {"MCP", "AC", "PC"}
            Where its zero is.

        Raises
        ------
        InputError
            The midline's point is below the commissures, so that right and left would be swapped.
        """
        y = (self.ac - self.pc) / self.length
        x = np.cross(y, self.midline - self.mcp)
        x /= np.linalg.norm(x)
        if x[0] < 0:
            raise InputError(
                "the commissures and the midline's point put the patient's right on the scanner's left; "
                "mark the midline above the commissures, and check that AC is in front of PC"
            )
        rotation = np.stack([x, y, np.cross(x, y)])
        zero = {"MCP": self.mcp, "AC": self.ac, "PC": self.pc}[origin]
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = rotation, -rotation @ zero
        return Transform(matrix)


def indirect_target(structure: str, side: Literal["left", "right"]) -> npt.NDArray[np.float64]:
    """Return the customary target of a structure relative to MCP, AC–PC mm; it varies by millimetres between patients.

    Raises
    ------
    InputError
        The structure has no customary target, or the side is not left or right.
    """
    if structure not in INDIRECT:
        raise InputError(f"{structure!r} has no customary target; known are {', '.join(INDIRECT)}")
    if side not in ("left", "right"):
        raise InputError(f"side {side!r} is neither left nor right")
    lateral, front, up = INDIRECT[structure]
    return np.array([lateral if side == "right" else -lateral, front, up])
