"""What a track must keep away from: veins, ventricles, sulci."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.clinical.target.structure import interpolate, signed_distance
from qsmkit.clinical.target.track import Track
from qsmkit.errors import GeometryError
from qsmkit.grid import Grid
from qsmkit.transform import Matrix
from qsmkit.volume import Volume

STEP = 0.5
"""Distance of samples along a track, mm."""


@dataclass(frozen=True, slots=True)
class Margin:
    """How far a track must keep from one kind of obstacle, and where along it that is asked.

    Attributes
    ----------
    least : float
        Smallest distance that is accepted, mm.
    below_surface : float
        Not asked above this many mm below the brain's surface: fluid is on every brain.
    above_target : float
        Not asked below this many mm above the target, where it is the target's own choice.
    """

    least: float
    below_surface: float = 0.0
    above_target: float = 0.0


MARGINS: Mapping[str, Margin] = {
    # 2 … 3 mm to vessels is customary (recalled); where they are asked are modelling choices
    "veins": Margin(2.0),
    "ventricles": Margin(3.0, above_target=10.0),
    "sulci": Margin(1.5, below_surface=6.0, above_target=10.0),
}


@dataclass(frozen=True, eq=False)
class Obstacle:
    """One kind of obstacle.

    Attributes
    ----------
    name : str
        Such as "veins".
    distance : Volume
        Distance from it, mm, negative inside.
    margin : Margin
        What is asked.
    """

    name: str
    distance: Volume
    margin: Margin

    def along(self, points: Matrix, above_target: Matrix, below_surface: Matrix) -> FloatArray:
        """Return the distance at points (…, 3), mm; infinite where none is asked.

        Parameters
        ----------
        points : (…, 3) array
            Scanner RAS mm.
        above_target, below_surface : (…) array
            Of the points, mm along their track.
        """
        asked = (above_target >= self.margin.above_target) & (below_surface >= self.margin.below_surface)
        return np.where(asked, interpolate(self.distance, points, outside=np.inf), np.inf)


@dataclass(frozen=True, slots=True)
class Clearance:
    """How close a track comes to one kind of obstacle.

    Attributes
    ----------
    name : str
        The obstacle.
    nearest : float
        Smallest distance where it is asked, mm, infinite if it is nowhere near; ± the size of a voxel.
    depth : float
        Where that is, mm above the target.
    margin : float
        What is asked, mm.
    """

    name: str
    nearest: float
    depth: float
    margin: float

    @property
    def kept(self) -> bool:
        """Whether the track keeps the margin."""
        return self.nearest >= self.margin

    def as_dict(self) -> dict[str, object]:
        """Return plain values; a distance that is infinite becomes None."""
        far = not np.isfinite(self.nearest)
        return {
            "obstacle": self.name, "nearest_mm": None if far else self.nearest, "depth_mm": None if far else self.depth,
            "margin_mm": self.margin, "kept": self.kept,
        }  # fmt: skip


def obstacles(
    masks: Mapping[str, BoolArray], grid: Grid, margins: Mapping[str, Margin] = MARGINS, *, box: tuple[slice, ...] = ()
) -> tuple[Obstacle, ...]:
    """Return obstacles from masks.

    Parameters
    ----------
    masks : mapping of str to (X, Y, Z) bool array
        By name.
    grid : Grid
        Geometry.
    margins : mapping of str to Margin
        By name; what has none keeps 2 mm all along.
    box : tuple of slice
        Part of the grid that tracks run in; all of it if empty.

    Raises
    ------
    GeometryError
        A mask does not lie on the grid.
    """
    made = []
    start = tuple(s.start for s in box) or (0, 0, 0)
    for name, mask in masks.items():
        if mask.shape != grid.shape:
            raise GeometryError(f"the mask of {name} has shape {mask.shape}, not {grid.shape}; resample it first")
        part = mask[box] if box else mask
        place = grid.cropped((start[0], start[1], start[2]), part.shape)
        made.append(Obstacle(name, Volume(signed_distance(part, place), place, "mm"), margins.get(name, Margin(2.0))))
    return tuple(made)


def clearances(track: Track, obstacles: tuple[Obstacle, ...]) -> tuple[Clearance, ...]:
    """Return how close a track comes to each obstacle between its entry, on the brain's surface, and its target."""
    depths = np.append(np.arange(0, track.length, STEP), track.length)
    points = track.at(depths)
    found = []
    for o in obstacles:
        along = o.along(points, depths, track.length - depths)
        i = int(np.argmin(along))
        found.append(Clearance(o.name, float(along[i]), float(depths[i]), o.margin.least))
    return tuple(found)
