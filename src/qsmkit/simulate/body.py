"""A patient's head drawn in labels: what every scan of the digital patient looks at."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import ShapeError
from qsmkit.grid import Grid


@dataclass(frozen=True, eq=False)
class Body:
    """A patient's head drawn in labels, on fine samples.

    Attributes
    ----------
    grid : Grid
        Geometry of the samples in scanner RAS mm. It carries the head's pose, hence the direction of B0.
    labels : (X, Y, Z) uint8 array
        `Label` of every sample: exactly one.
    brain : (X, Y, Z) bool array
        Samples inside the hull of the brain: brain and sulcal CSF.
    texture : (X, Y, Z) float32 array
        Smooth random values of mean 0 and standard deviation 1, which make tissue uneven.
    landmarks : mapping of str to (3,) float64 array
        Scanner RAS mm: "AC" and "PC" (the commissures), "midline" (a point of the mid-sagittal plane above
        their middle), and the centroid of every paired nucleus: "GPi_R", "GPi_L", "STN_R", "STN_L", …
    veins : (X, Y, Z) float32 array or None
        Share, 0 … 1, of each sample that veins fill which are too thin to have a label.

    Raises
    ------
    ShapeError
        An array does not lie on the grid.
    """

    grid: Grid
    labels: npt.NDArray[np.uint8]
    brain: BoolArray
    texture: FloatArray
    landmarks: Mapping[str, npt.NDArray[np.float64]]
    veins: FloatArray | None = None

    def __post_init__(self) -> None:
        for name in ("labels", "brain", "texture", "veins"):
            array = getattr(self, name)
            if array is not None and array.shape != self.grid.shape:
                raise ShapeError(f"{name} has shape {array.shape}, but the grid is {self.grid.shape}")
