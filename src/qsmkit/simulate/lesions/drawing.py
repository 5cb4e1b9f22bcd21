"""A lesion's form, and how it is drawn onto the head with partial volume.

A form is a union of balls, one of them for a microbleed, a heap of them for a cavernous malformation; its outermost
layer may be a rim, and where two balls of a heap meet there may be a septum. All lengths are relative, so that a lesion
keeps its form while it grows.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange
from qsmkit.grid import Grid
from qsmkit.simulate.lesions.material import Material
from qsmkit.simulate.properties import Properties
from qsmkit.simulate.tissue import Label

FINEST, COARSEST = 16, 4
"""Most and fewest points along each edge of a sample on which its share inside a lesion is counted."""

ACROSS = 24
"""Points wanted across a lesion's diameter."""

COLUMNS = 6
"""chi_positive, chi_negative, r2, r2prime, t1, density."""


@dataclass(frozen=True, eq=False)
class Form:
    """A union of balls of unit volume.

    Attributes
    ----------
    balls : (N, 4) array
        Centre relative to the lesion's, and radius, in units of the cube root of its volume.
    """

    balls: npt.NDArray[np.float64]

    def reach(self, volume: float) -> float:
        """Return the radius, mm, of the sphere about the centre that holds the lesion of a volume in mm³."""
        extent = np.linalg.norm(self.balls[:, :3], axis=1) + self.balls[:, 3]
        return float(extent.max() * np.cbrt(volume))


@dataclass(frozen=True, slots=True)
class Matter:
    """What a form is filled with.

    Attributes
    ----------
    volume : float
        Of the whole lesion, mm³.
    cores : tuple of Material
        By ball, in turn.
    rim, septum : Material or None
        Of the outermost layer and of the walls between balls; none where the thickness is zero.
    rim_width, septum_width : float
        Thickness, mm.
    label, rim_label : Label
        Of the core, and of rim and septa.
    """

    volume: float
    cores: tuple[Material, ...]
    label: Label
    rim: Material | None = None
    rim_width: float = 0.0
    rim_label: Label = Label.HAEMOSIDERIN
    septum_width: float = 0.0


@dataclass(frozen=True, eq=False, slots=True)
class Drawn:
    """What was drawn, as it is on the samples.

    Attributes
    ----------
    box : tuple of slice
        Where.
    inside : (x, y, z) bool array
        Samples of the box that have the lesion's label.
    volume : float
        mm³.
    chi : float
        Mean susceptibility, ppm.
    chi_total : float
        Susceptibility in excess of the tissue that the lesion replaced, summed over its volume, ppm·mm³.
    """

    box: tuple[slice, ...]
    inside: BoolArray
    volume: float
    chi: float
    chi_total: float


def ball() -> Form:
    """Return a ball."""
    return Form(np.array([[0.0, 0.0, 0.0, (3 / (4 * np.pi)) ** (1 / 3)]]))


def heap(lobes: int, rng: np.random.Generator) -> Form:
    """Return a popcorn: `lobes` balls of uneven size, each touching the heap of those before it."""
    balls = np.zeros((lobes, 4))
    balls[0, 3] = 1.0
    for i in range(1, lobes):
        radius = rng.uniform(0.45, 0.9)
        way = rng.normal(size=3)
        parent = balls[rng.integers(min(i, 4))]
        balls[i] = *(parent[:3] + 0.75 * parent[3] * way / np.linalg.norm(way)), radius
    reach = np.linalg.norm(balls[:, :3], axis=1) + balls[:, 3]
    axis = np.linspace(-reach.max(), reach.max(), 48)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)[..., None, :]
    inside = ((points - balls[:, :3]) ** 2).sum(-1) < balls[:, 3] ** 2
    filled = inside.any(-1)
    balls[:, :3] -= points[filled].mean((0, 1))
    volume = filled.sum() * (axis[1] - axis[0]) ** 3
    return Form(balls / volume ** (1 / 3))


def draw(
    form: Form, matter: Matter, position: npt.NDArray[np.float64], grid: Grid,
    labels: npt.NDArray[np.uint8], properties: Properties,
) -> Drawn:
    """Draw a lesion onto labels and properties, in place.

    Parameters
    ----------
    form, matter : Form, Matter
        The lesion.
    position : (3,) array
        Of its centre, scanner RAS mm.
    grid : Grid
        Geometry of the samples.
    labels : (X, Y, Z) uint8 array
        `Label` of every sample; written where more than half of a sample, or the fullest one, is lesion.
    properties : Properties
        Written where there is lesion, in proportion to its share.

    Returns
    -------
    Drawn
        Volume and susceptibility, partial volumes counted.
    """
    scale = matter.volume ** (1 / 3)
    middle, reach = grid.voxel(position), form.reach(matter.volume) / np.array(grid.voxel_size) + 1
    low = np.clip(np.floor(middle - reach).astype(int), 0, grid.shape)
    high = np.clip(np.ceil(middle + reach).astype(int) + 1, 0, grid.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    size = (*(high - low),)
    balls = form.balls * scale
    balls[:, :3] += position
    table = np.array([m.row() for m in (*matter.cores, matter.rim or matter.cores[0])])
    fine = int(np.clip(np.ceil(ACROSS * max(grid.voxel_size) / scale), COARSEST, FINEST))
    share, rim, sums = np.zeros(size), np.zeros(size), np.zeros((*size, COLUMNS))
    _fill(
        np.ascontiguousarray(grid.affine[:3, :3]), grid.world(low), balls, table,
        matter.rim_width, matter.septum_width, fine, share, rim, sums,
    )
    before = properties.chi_positive[box] + properties.chi_negative[box]
    maps = (properties.chi_positive, properties.chi_negative, properties.r2, properties.r2prime, properties.t1,
            properties.density)  # fmt: skip
    for column, volume in enumerate(maps):
        volume[box] = volume[box] * (1 - share) + sums[..., column]
    inside = share > min(0.5, 0.999 * share.max())
    labels[box][inside] = matter.label
    labels[box][inside & (rim > 0.5 * share)] = matter.rim_label
    chi = float((sums[..., 0] + sums[..., 1]).sum() * grid.voxel_volume)
    filled = float(share.sum()) * grid.voxel_volume
    return Drawn(box, inside, filled, chi / filled, chi - float((before * share).sum()) * grid.voxel_volume)


@parallel
def _fill(
    axes: npt.NDArray[np.float64], origin: npt.NDArray[np.float64], balls: npt.NDArray[np.float64],
    table: npt.NDArray[np.float64], rim_width: float, septum_width: float, fine: int, share: FloatArray,
    rim: FloatArray, sums: FloatArray,
) -> None:
    """Count, on fine³ points of each sample, those inside, those in rim or septa, and sum up their materials."""
    cores, part = len(table) - 1, 1.0 / fine**3
    for i in prange(share.shape[0]):
        for j in range(share.shape[1]):
            for k in range(share.shape[2]):
                for point in range(fine**3):
                    a = i + (point // (fine * fine) + 0.5) / fine - 0.5
                    b = j + (point // fine % fine + 0.5) / fine - 0.5
                    c = k + (point % fine + 0.5) / fine - 0.5
                    x = origin[0] + axes[0, 0] * a + axes[0, 1] * b + axes[0, 2] * c
                    y = origin[1] + axes[1, 0] * a + axes[1, 1] * b + axes[1, 2] * c
                    z = origin[2] + axes[2, 0] * a + axes[2, 1] * b + axes[2, 2] * c
                    nearest, second, which = 1e9, 1e9, 0
                    for n in range(len(balls)):
                        away = np.sqrt((x - balls[n, 0]) ** 2 + (y - balls[n, 1]) ** 2 + (z - balls[n, 2]) ** 2)
                        away -= balls[n, 3]
                        if away < nearest:
                            nearest, second, which = away, nearest, n
                        elif away < second:
                            second = away
                    if nearest < 0:
                        material = which % cores
                        if nearest > -rim_width or second - nearest < septum_width:
                            material = cores
                            rim[i, j, k] += part
                        share[i, j, k] += part
                        for column in range(COLUMNS):
                            sums[i, j, k, column] += table[material, column] * part
