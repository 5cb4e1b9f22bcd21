"""A patient's head drawn in labels: what every scan of the digital patient looks at."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import GeometryError, ParameterError, ShapeError
from qsmkit.grid import Grid
from qsmkit.simulate.calcified import draw_calcifications
from qsmkit.simulate.calvaria import draw_vault
from qsmkit.simulate.cortex import draw_template_brain
from qsmkit.simulate.face import draw_face
from qsmkit.simulate.nuclei import AC, PC, nuclei, paint, paint_capsule
from qsmkit.simulate.parametric import draw_parametric_brain
from qsmkit.simulate.space import Space, lattice_noise
from qsmkit.simulate.template import Template
from qsmkit.simulate.tissue import Label
from qsmkit.simulate.vessels import draw_veins
from qsmkit.simulate.warp import BODY_LATTICE, draw_pose, draw_warp

EXTENT = ((-91.0, 91.0), (-106.0, 112.0), (-112.0, 92.0))
"""What is drawn of a head along its right, anterior and superior, mm from the middle of the brain."""

MIDLINE = (0.0, -11.5, 45.0)
"""A point of the mid-sagittal plane above the middle of the commissures, template mm."""


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


def draw_body(
    *,
    template: Template | None = None,
    step: float = 0.7,
    pose: npt.ArrayLike | None = None,
    rng: int | np.random.Generator = 1,
) -> Body:
    """Draw the head that `rng` determines.

    Parameters
    ----------
    template : Template or None
        Whose cortex, white matter and ventricles the head gets; None draws them from numbers alone.
    step : float
        Distance between samples, mm.
    pose : (4, 4) array or None
        Rigid transform from the head's own right, anterior and superior (mm from about the middle of the brain) to
        scanner RAS mm; None draws one a few degrees and mm off the axes.
    rng : int or Generator
        Seed or source of randomness. An integer gives the same head at any step and pose.

    Returns
    -------
    Body
        Labels, hull of the brain, texture, landmarks and thin veins. At 0.7 mm it takes about 10 s of one processor
        and 1.4 GB.

    Raises
    ------
    ParameterError
        The step is out of range.
    GeometryError
        The pose is not a rigid transform.
    """
    if not 0.3 <= step <= 4:
        raise ParameterError(f"step = {step} mm is out of range; it must be between 0.3 and 4")
    whole, folds, vault, face, stones, veins, spots, place = np.random.default_rng(rng).spawn(8)
    matrix = draw_pose(place) if pose is None else _rigid(pose)
    x, y, z = (low + step * np.arange(round((high - low) / step), dtype=np.float64) for low, high in EXTENT)
    space, warp = Space((x, y, z)), draw_warp(whole)
    affine = matrix @ np.diag((step, step, step, 1.0))
    affine[:3, 3] = matrix[:3, :3] @ (x[0], y[0], z[0]) + matrix[:3, 3]
    grid = Grid(space.shape, affine)

    drawn = list(nuclei(space, warp))
    if template is None:
        labels, hull = draw_parametric_brain(space, warp, folds)
    else:
        labels, hull = draw_template_brain(space, warp, template, drawn, folds)
    draw_vault(space, warp, labels, hull, vault)
    outside = space.interpolate(hull, BODY_LATTICE)
    draw_face(space, warp, labels, outside, face)
    for nucleus in drawn:
        paint(labels, nucleus)
    paint_capsule(labels, space, warp, drawn)
    draw_calcifications(space, warp, labels, stones)
    thin = draw_veins(space, warp, labels, hull, veins)

    brain = (outside < 0) & ~np.isin(labels, (Label.BONE, Label.DIPLOE, Label.AIR))
    texture = space.interpolate(lattice_noise(spots, 9.0, 0.6, BODY_LATTICE), BODY_LATTICE)
    points = warp.head((AC, PC, MIDLINE)) @ matrix[:3, :3].T + matrix[:3, 3]
    landmarks = dict(zip(("AC", "PC", "midline"), points, strict=True))
    landmarks |= {nucleus.name: grid.world(nucleus.centroid()) for nucleus in drawn}
    return Body(grid, labels, brain, texture, landmarks, thin)


def _rigid(pose: npt.ArrayLike) -> npt.NDArray[np.float64]:
    matrix = np.array(pose, np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise GeometryError(f"pose of shape {matrix.shape} is not a finite 4×4 matrix; give head → scanner in mm")
    turn = matrix[:3, :3]
    if np.abs(turn @ turn.T - np.eye(3)).max() > 1e-6 or np.linalg.det(turn) < 0:
        raise GeometryError(
            f"pose {turn.round(4).tolist()} is not a rotation; give a rigid transform without mirror or scale"
        )
    return matrix
