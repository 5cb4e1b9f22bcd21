from dataclasses import replace

import numpy as np
import pytest

from qsmkit.errors import ParameterError
from qsmkit.simulate.structural import STRUCTURAL, StructuralProtocol, structural
from qsmkit.simulate.tissue import TISSUES, Label
from qsmkit.simulate.transfer import rigid_motion
from simulate.phantoms import ball_body


@pytest.fixture(scope="module")
def look(patient):
    """Return a function from a protocol's name to the median signal of each label, unshaded."""

    def medians(name):
        scan = structural(*patient, replace(STRUCTURAL[name], voxel_size=(2.5, 2.5, 2.5), oversampling=1.0))
        even = scan.image / scan.bias
        return {label: float(np.median(even[scan.labels == label])) for label in np.unique(scan.labels)}

    return medians


def test_t1w_shows_white_above_grey_above_fluid(look):
    seen = look("T1w")
    assert seen[Label.WHITE_MATTER] > 1.3 * seen[Label.GREY_MATTER] > 1.3 * 2 * seen[Label.CSF]
    assert seen[Label.PUTAMEN] < seen[Label.PALLIDUM] < seen[Label.WHITE_MATTER]
    assert seen[Label.FAT] > seen[Label.WHITE_MATTER] > seen[Label.BONE]


def test_t2w_shows_fluid_bright_and_iron_dark(look):
    seen = look("T2w")
    assert seen[Label.CSF] > 1.5 * seen[Label.GREY_MATTER] > 1.5 * seen[Label.WHITE_MATTER]
    for nucleus in (Label.PALLIDUM, Label.RED_NUCLEUS, Label.NIGRA_STN):
        assert seen[nucleus] < seen[Label.PUTAMEN]
        assert seen[nucleus] < seen[Label.WHITE_MATTER] * 1.02


def test_what_is_nulled_is_dark(look):
    fgatir, flair = look("FGATIR"), look("FLAIR")
    assert fgatir[Label.WHITE_MATTER] < 0.25 * fgatir[Label.GREY_MATTER]
    assert fgatir[Label.PALLIDUM] > 1.5 * fgatir[Label.WHITE_MATTER]
    assert flair[Label.CSF] < 0.25 * flair[Label.GREY_MATTER]


@pytest.mark.parametrize(("name", "field_strength"), [("FGATIR", 3.0), ("FGATIR", 1.5), ("FLAIR", 3.0)])
def test_the_inversion_time_nulls_the_tissue(name, field_strength):
    protocol = replace(STRUCTURAL[name], field_strength=field_strength)
    _, properties = ball_body()
    properties.t1[:] = TISSUES[protocol.nulled].t1
    assert np.abs(protocol.amplitude(properties)).max() < 1e-4
    assert 0.3 < protocol.inversion() < 2.6


def test_noise_is_as_asked_for_and_that_of_a_magnitude():
    geometry = {"voxel_size": (1.5, 1.5, 1.5), "matrix": (64, 64, 64)}
    scan = structural(*ball_body(), StructuralProtocol(**geometry, snr=25.0))
    clean = structural(*ball_body(), StructuralProtocol(**geometry, snr=np.inf))
    assert clean.image[scan.mask].mean() / scan.noise_sd == pytest.approx(25, rel=0.01)
    assert (scan.image - clean.image)[scan.mask].std() == pytest.approx(scan.noise_sd, rel=0.02)
    air = np.concatenate([scan.image[:8].ravel(), scan.image[-8:].ravel()])
    assert air.mean() == pytest.approx(scan.noise_sd * np.sqrt(np.pi / 2), rel=0.02)


def test_the_transform_leads_back_to_the_head(patient):
    body, properties = patient
    motion = tuple(map(tuple, rigid_motion((4, -3, 6), (3, 5, -2))))
    scan = structural(body, properties, replace(STRUCTURAL["T1w"], voxel_size=(3.0, 3.0, 3.0), motion=motion))
    for label in (Label.PALLIDUM, Label.THALAMUS, Label.PUTAMEN):
        here = scan.grid.world(np.argwhere(scan.labels == label)) @ scan.to_head[:3, :3].T + scan.to_head[:3, 3]
        there = body.grid.world(np.argwhere(body.labels == label))
        for side in (1, -1):
            centres = [points[side * points[:, 0] > 0].mean(0) for points in (here, there)]
            np.testing.assert_allclose(*centres, atol=0.5)


def test_a_restless_head_ghosts_along_the_phase_encoding_but_stays_in_place():
    geometry = {"voxel_size": (1.5, 1.5, 1.5), "matrix": (48, 72, 48), "snr": np.inf}
    still, restless = (
        structural(*ball_body(), StructuralProtocol(**geometry, restlessness=mm), rng=3).image for mm in (0.0, 1.5)
    )
    ghost = (slice(16, 32), slice(0, 10), slice(16, 32))
    assert restless[ghost].mean() > 5 * still[ghost].mean()
    assert (restless**2).sum() == pytest.approx((still**2).sum(), rel=0.05)
    places = np.indices(still.shape).reshape(3, -1)
    centres = [places @ image.ravel() / image.sum() for image in (still, restless)]
    np.testing.assert_allclose(centres[0], centres[1], atol=0.5)


def test_shading_can_be_left_out():
    geometry = {"voxel_size": (3.0, 3.0, 3.0), "matrix": (20, 20, 20)}
    shaded, even = (structural(*ball_body(), StructuralProtocol(**geometry, shading=s)) for s in (1.0, 0.0))
    np.testing.assert_array_equal(even.bias, 1)
    assert np.ptp(shaded.bias) > 0.05


@pytest.mark.parametrize(("settings", "message"), [
    ({"repetition_time": 0.0}, "repetition_time"),
    ({"readout": "spiral"}, "spiral"),
    ({"echo_time": 3.0}, "echo_time"),
    ({"shading": 2.0}, "shading"),
    ({"restlessness": -1.0}, "restlessness"),
    ({"centre": 160}, "centre"),
    ({"inversion_time": 0.2}, "does not fit"),
    ({"inversion_time": None}, "needs an inversion"),
    ({"repetition_time": 1.0}, "does not fit"),
])
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ParameterError, match=message):
        StructuralProtocol(**settings)


def test_a_tissue_that_cannot_be_nulled_is_named():
    with pytest.raises(ParameterError, match="no inversion time nulls fat"):
        replace(STRUCTURAL["T1w"], nulled=Label.FAT).inversion()
