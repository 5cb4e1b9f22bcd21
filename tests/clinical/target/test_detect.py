import numpy as np
import pytest

from qsmkit.clinical.nuclei.atlas import AC, MIDLINE, PC
from qsmkit.clinical.target.acpc import Commissures
from qsmkit.clinical.target.detect import FLOOR, detect, settle
from qsmkit.clinical.target.midplane import midplane
from qsmkit.errors import GeometryError, InputError
from qsmkit.grid import Grid
from qsmkit.transform import Transform
from qsmkit.volume import Volume

TURN = Transform.rigid((6.0, -7.0, 5.0), (4.0, -9.0, 3.0))
"""From MNI152 to the scanner."""

THERE = TURN.inverse()


def tissue(grid, transform):
    """Return a function of (|x|, y, z) of MNI152 space on a grid."""
    x, y, z = np.moveaxis(transform.apply(grid.world(np.stack(np.indices(grid.shape), -1))), -1, 0)
    return np.sin(np.abs(x) / 9) + np.cos(y / 6 + np.abs(x) / 15) + np.sin(z / 5 - np.abs(x) / 20)


@pytest.fixture(scope="module")
def head():
    """A head in the scanner, of another contrast than the template."""
    grid = Grid.tilted((90, 96, 84), (2.0,) * 3)
    noise = 0.1 * np.random.default_rng(1).standard_normal(grid.shape)
    return Volume((100 - 20 * tissue(grid, THERE) + noise).astype(np.float32), grid)


@pytest.fixture(scope="module")
def template():
    grid = Grid.tilted((90, 96, 84), (2.0,) * 3)
    return Volume(tissue(grid, Transform.identity()).astype(np.float32), grid)


def test_the_plane_of_symmetry_is_found_from_a_bad_guess(head):
    wrong = ((AC, 2.0), (PC, 1.0), (MIDLINE, 6.0))
    rough = Commissures(*(TURN.apply(np.add(p, (right, 0, 0))) for p, right in wrong))
    found = midplane(head, rough)
    right = TURN.matrix[:3, 0]
    assert np.rad2deg(np.arccos(found.normal @ right)) < 0.3
    assert np.abs(found.right_of(TURN.apply(np.array([AC, PC])))).max() < 0.2
    assert found.right_of(TURN.apply(np.array([10.0, 0, 0]))) == pytest.approx(10, abs=0.3)
    assert found.likeness > 0.7


def test_an_image_of_one_side_has_no_symmetry(head):
    half = Volume(head.data[:45], head.grid.cropped((0, 0, 0), (45, 96, 84)))
    with pytest.raises(InputError, match="both sides"):
        midplane(half, Commissures(*(TURN.apply(p) for p in (AC, PC, MIDLINE))))


def test_marks_are_settled_where_the_image_looks_like_the_template(head, template):
    moved = Transform.rigid((0, 0, 0), (1.0, -3.0, 2.0)).after(THERE)
    found = settle(moved, head, template, {"midline": TURN.apply(MIDLINE)})
    for name, at in (("ac", AC), ("pc", PC)):
        assert np.linalg.norm(getattr(found.commissures, name) - TURN.apply(at)) < 0.4
    assert found.verdict == "PASS"
    assert [m.sd for m in found.marks[:2]] == pytest.approx([FLOOR["ac"], FLOOR["pc"]], abs=0.3)
    assert found.to_mni is moved


def test_what_lies_farther_away_than_was_tried_does_not_pass(head, template):
    moved = Transform.rigid((0, 0, 0), (0, -9.0, 0)).after(THERE)
    found = settle(moved, head, template, {})
    assert found.verdict == "FAIL"
    assert found.marks[0].sd >= 5


def test_marks_by_hand_always_win(head, template):
    hand = TURN.apply((0.5, 3.5, -4.0))
    found = settle(THERE, head, template, {"ac": hand})
    assert found.marks[0].point == pytest.approx(hand)
    assert (found.marks[0].sd, found.marks[0].how) == (0, "by hand")
    assert found.commissures.pc == pytest.approx(TURN.apply(PC), abs=0.4)


def test_a_frame_that_the_head_s_symmetry_contradicts_is_not_believed(head, template):
    found = settle(THERE, head, template, {"midline": TURN.apply((12.0, -11, 40))})
    assert {g.name: g.verdict for g in found.gates}["midline"] == "FAIL"


def test_what_cannot_be_found_in_is_refused(head):
    nothing = Volume(np.zeros(head.grid.shape, bool), head.grid)
    with pytest.raises(InputError, match="they are ac, pc and midline"):
        detect(head, nothing, head, {"mcp": TURN.apply(AC)})
    with pytest.raises(InputError, match="mask is empty"):
        detect(head, nothing, head)
    with pytest.raises(GeometryError, match="does not lie where"):
        detect(head, Volume(np.ones((3, 3, 3), bool), Grid.tilted((3, 3, 3))), head)
