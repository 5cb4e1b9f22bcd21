import numpy as np
import pytest

from qsmkit.simulate.shapes import Tube
from qsmkit.simulate.space import Space
from qsmkit.simulate.tissue import Label
from qsmkit.simulate.vessels import DEEP, SINUS_BED, draw_veins, pour
from qsmkit.simulate.warp import BODY_LATTICE, draw_warp

STEP = 0.7
AXIS = STEP * np.arange(-30, 31, dtype=np.float64)


@pytest.mark.parametrize("radius", [0.15, 0.25, 0.35, 0.6, 1.0, 3.0])
@pytest.mark.parametrize("lean", [0.0, 0.37])
def test_a_vein_keeps_its_volume_however_thin(radius, lean):
    space = Space((AXIS, AXIS, AXIS))
    labels = np.full(space.shape, Label.WHITE_MATTER, np.uint8)
    share = np.zeros(space.shape, np.float32)
    ends = np.array([[-0.2, -lean * 30, -30.0], [0.11, lean * 30, 30.0]])
    tube = Tube(tuple((x, y, z, radius) for x, y, z in ends.tolist()))
    pour(share, space, labels, tube, (Label.WHITE_MATTER,))
    section = share[:, :, 20:41].sum() / 21 * STEP**2 * np.cos(np.arctan(lean))
    assert section == pytest.approx(np.pi * radius**2, rel=0.12)
    assert share.max() <= 1


def test_veins_are_drawn_over_brain_and_bone_only_and_thin_ones_are_shares():
    warp = draw_warp(np.random.default_rng(0))
    x, y, z = np.meshgrid(*BODY_LATTICE.axes, indexing="ij", sparse=True)
    hull = ((np.sqrt((x / 66) ** 2 + (y / 82) ** 2 + ((z - 8) / 66) ** 2) - 1) * 66).astype(np.float32)
    space = Space(tuple(np.arange(low, high, 1.0) for low, high in ((-80, 80), (-95, 95), (-90, 85))))
    labels = np.where(space.interpolate(hull, BODY_LATTICE) < 0, Label.WHITE_MATTER, Label.BONE).astype(np.uint8)
    thalamus = space.box((4, -20, 0), (14, 10, 14))
    labels[thalamus] = Label.THALAMUS
    share = draw_veins(space, warp, labels, hull, np.random.default_rng(1))
    assert (labels[thalamus] == Label.THALAMUS).all()
    assert not share[thalamus].any()
    vein = labels == Label.VEIN
    assert 8e3 < vein.sum() < 6e4
    assert not share[vein].any()
    assert 0 < share.max() <= 0.5
    assert np.sum(share > 0.02) > 3000
    top = np.argwhere(vein[75:86, :, -40:])
    assert len(top) > 100, "the sagittal sinus runs below the vertex"
    assert Label.BONE in SINUS_BED
    for course in DEEP:
        middle = warp.head([p[:3] for p in course]).mean(0)
        near = space.box(middle - 6, middle + 6)
        assert (vein[near] | (share[near] > 0.1)).any()
