import numpy as np
import pytest
from scipy.stats import norm

from qsmkit.clinical.leads.located import LocatedContact
from qsmkit.clinical.leads.nuclei import labelled, probable
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.volume import Volume

GRID = Grid.tilted((40, 40, 40), (0.5, 0.5, 0.5), tilt=20)


def contact(place, sd):
    return LocatedContact(0, 0, "1", np.array(place, float), np.diag(np.square(sd)))


def half_space(edge):
    """A structure where x < edge."""
    points = GRID.world(np.moveaxis(np.indices(GRID.shape), 0, -1))
    return Volume((points[..., 0] < edge).astype(np.int16) * 19, GRID)


@pytest.mark.parametrize("offset", [-1.0, 0.0, 0.4])
def test_the_chance_of_a_half_space_is_that_of_the_normal_distribution(offset):
    found = labelled(contact((offset, 1.0, 2.0), (0.6, 0.3, 0.4)), half_space(0.25), {19: "STN"})
    assert found["STN"] == pytest.approx(norm.cdf((0.0 - offset) / 0.6), abs=0.03)
    assert sum(found.values()) == pytest.approx(1)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_a_map_of_probabilities_is_averaged():
    ramp = np.broadcast_to((np.arange(40) / 39)[:, None, None], GRID.shape).astype(np.float32)
    at = GRID.world(np.array([19.5, 20, 20]))
    assert probable(contact(at, (1, 1, 1)), {"GPi": Volume(ramp, GRID)})["GPi"] == pytest.approx(0.5, abs=0.01)


def test_a_contact_outside_the_image_and_wrong_maps_are_refused():
    with pytest.raises(InputError, match="outside the image"):
        labelled(contact((90, 0, 0), (1, 1, 1)), half_space(0), {})
    with pytest.raises(InputError, match="probabilities from 0 to 1"):
        probable(contact((0, 0, 0), (1, 1, 1)), {"x": Volume(np.full(GRID.shape, 7.0), GRID)})
