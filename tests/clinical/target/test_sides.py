"""Left is left, also in a turned head and on any grid."""

import numpy as np
import pytest

from qsmkit.clinical.target.sides import mid_plane
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.transform import Transform


@pytest.mark.parametrize("turn", [(0, 0, 0), (0, 0, 25), (10, 15, -20)])
def test_sides_turn_with_the_head(turn):
    flip = np.diag([-1.5, 1.2, 1.0, 1.0])
    flip[:3, 3] = (60, -45, -40)
    grid = Grid((80, 80, 80), flip)
    head = Transform.rigid(turn, (4, 2, 1)).inverse()
    places = head.apply(grid.world(np.moveaxis(np.indices(grid.shape), 0, -1)))
    parts = {s: np.linalg.norm(places - (x, 5, 0), axis=-1) < 4 for s, x in (("left", -17), ("right", 15))}
    both = parts["left"] | parts["right"]
    plane = mid_plane(both, grid)
    for side, part in parts.items():
        assert np.array_equal(plane.side(both, grid, side), part)


def test_one_side_alone_is_refused():
    grid = Grid.tilted((40, 40, 40))
    one = np.zeros(grid.shape, bool)
    one[5:10, 5:20, 5:10] = True
    with pytest.raises(InputError, match="own label"):
        mid_plane(one, grid)
    with pytest.raises(InputError, match="both sides"):
        mid_plane(~one & False, grid)
