import numpy as np
import pytest

from qsmkit.errors import InputError, MaskError
from qsmkit.grid import Grid
from qsmkit.recon import vessels
from qsmkit.recon.mask.vesselness import _eigenvalues, vesselness

GRID = Grid.tilted((36, 40, 44), (1.0, 0.9, 1.1), tilt=20)
AT = GRID.world(np.moveaxis(np.indices(GRID.shape), 0, -1))
BRAIN = np.linalg.norm(AT, axis=-1) < 15
ALONG = np.array([1, 2, 2]) / 3
OFF_AXIS = np.linalg.norm(AT - (AT @ ALONG)[..., None] * ALONG, axis=-1)
TUBE = np.exp(-((OFF_AXIS / 1.4) ** 2) / 2).astype(np.float32)


def test_eigenvalues_are_those_of_the_matrix(rng):
    for _ in range(50):
        a = rng.standard_normal((3, 3))
        a += a.T
        found = _eigenvalues(a[0, 0], a[1, 1], a[2, 2], a[0, 1], a[0, 2], a[1, 2])
        np.testing.assert_allclose(found, np.linalg.eigvalsh(a)[::-1], atol=1e-12)
    assert _eigenvalues(2.0, 2.0, 2.0, 0.0, 0.0, 0.0) == (2, 2, 2)


def test_tubes_are_told_from_balls_plates_and_dark_tubes():
    ball = np.exp(-(np.linalg.norm(AT, axis=-1) ** 2) / 4).astype(np.float32)
    plate = np.exp(-((AT @ ALONG) ** 2) / 4).astype(np.float32)
    at_centre = {
        name: float(vesselness(image, BRAIN, GRID, (1.0, 1.4, 2.0), 0.1)[np.linalg.norm(AT, axis=-1) < 1].max())
        for name, image in {"tube": TUBE, "ball": ball, "plate": plate, "dark": -TUBE}.items()
    }
    assert at_centre["tube"] > 0.8
    assert at_centre["ball"] < 0.5 * at_centre["tube"]
    assert at_centre["plate"] < 0.2 * at_centre["tube"]
    assert at_centre["dark"] < 0.05


def test_vesselness_is_zero_outside_and_does_not_see_what_lies_there(rng):
    spoiled = np.where(BRAIN, TUBE, rng.standard_normal(TUBE.shape)).astype(np.float32)
    found = vesselness(spoiled, BRAIN, GRID, (1.4,), 0.1)
    assert found.dtype == np.float32
    assert not found[~BRAIN].any()
    np.testing.assert_array_equal(found, vesselness(TUBE, BRAIN, GRID, (1.4,), 0.1))


@pytest.mark.parametrize("source", ["r2star", "magnitude"])
def test_a_vein_is_found(rng, source):
    r2star = (20 + 25 * TUBE + rng.standard_normal(TUBE.shape)).astype(np.float32)
    magnitude = np.exp(-r2star[..., None] * np.array([0.005, 0.02], np.float32))
    image = {"r2star": r2star} if source == "r2star" else {"magnitude": magnitude}
    found = vessels(BRAIN, GRID, **image)
    assert found[BRAIN & (OFF_AXIS < 0.7) & (np.linalg.norm(AT, axis=-1) < 11)].mean() > 0.9
    assert not found[OFF_AXIS > 4].any()


def test_nothing_to_find_is_an_error(rng):
    noise = rng.standard_normal(BRAIN.shape).astype(np.float32)
    with pytest.raises(MaskError, match="no tube"):
        vessels(BRAIN, GRID, noise)
    with pytest.raises(MaskError, match="one value"):
        vessels(BRAIN, GRID, np.ones_like(noise))
    with pytest.raises(InputError, match="neither"):
        vessels(BRAIN, GRID)
