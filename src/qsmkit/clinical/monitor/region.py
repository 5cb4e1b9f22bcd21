"""Which voxels of a lesion are measured: one rule, the same at every visit, and written down."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy import ndimage

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import InputError, MaskError, ParameterError
from qsmkit.grid import Grid

Name = Literal["whole", "core", "rim", "above", "fixed"]

UNITS: dict[Name, str] = {"core": "mm", "rim": "mm", "above": "ppm"}
"""Unit of a rule's number, where it has one."""


@dataclass(frozen=True, slots=True)
class RegionRule:
    """A rule.

    Attributes
    ----------
    name : str
        whole: the mask as drawn, haemosiderin ring and all. core: what lies deeper than `amount` mm. rim: what does
        not. above: voxels of the mask of more than `amount` ppm. fixed: the first visit's mask, carried over.
    amount : float
        Depth in mm, or susceptibility in ppm.
    """

    name: Name = "whole"
    amount: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in get_args(Name):
            raise ParameterError(f"region rule {self.name!r} is unknown; it is one of {', '.join(get_args(Name))}")
        if self.name in UNITS and not 0 < self.amount < np.inf:
            example = f"{self.name}-1{UNITS[self.name]}"
            raise ParameterError(f"region rule {self.name} needs a number above 0; write {example}")

    @classmethod
    def parse(cls, text: str) -> "RegionRule":
        """Return the rule that a text like core-1.2mm or above-0.1ppm names."""
        parts = re.fullmatch(r"(\w+?)(?:-([\d.]+)(mm|ppm))?", text)
        units: dict[str, str] = {str(name): unit for name, unit in UNITS.items()}
        if parts is None or (parts[3] or "") != units.get(parts[1], ""):
            raise ParameterError(f"{text!r} is no region rule; write whole, fixed, core-1mm, rim-1mm or above-0.1ppm")
        return cls(parts[1], float(parts[2] or 0))  # type: ignore[arg-type]  # checked above

    def __str__(self) -> str:
        unit = UNITS.get(self.name)
        return self.name if unit is None else f"{self.name}-{self.amount:g}{unit}"

    def apply(self, mask: BoolArray, chi: FloatArray, grid: Grid) -> BoolArray:
        """Return the voxels of one lesion that are measured.

        Parameters
        ----------
        mask : (X, Y, Z) bool array
            The lesion.
        chi : (X, Y, Z) array
            Susceptibility in ppm.
        grid : Grid
            Geometry of both.

        Raises
        ------
        MaskError
            Nothing is left.
        """
        if self.name in ("whole", "fixed"):
            return mask
        if self.name == "above":
            found: BoolArray = mask & (np.nan_to_num(chi, nan=-np.inf) > self.amount)
        else:
            depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=grid.voxel_size)[1:-1, 1:-1, 1:-1]
            found = mask & (depth > self.amount) if self.name == "core" else mask & (depth <= self.amount)
        if not found.any():
            raise MaskError(f"region rule {self} leaves no voxel of a lesion of {int(mask.sum())}; use a smaller "
                            "number, or whole")  # fmt: skip
        return found


def labelled(masks: dict[int, BoolArray]) -> np.ndarray:
    """Return masks as one label image.

    Raises
    ------
    InputError
        Two of them overlap: a voxel cannot belong to two lesions.
    """
    numbers = list(masks)
    image = np.zeros(next(iter(masks.values())).shape, np.int32)
    for number in numbers:
        shared = image[masks[number]]
        if shared.any():
            other = int(np.bincount(shared[shared > 0]).argmax())
            raise InputError(
                f"lesions {other} and {number} share {int((shared == other).sum())} voxels; decide to which of them "
                "these belong"
            )
        image[masks[number]] = number
    return image
