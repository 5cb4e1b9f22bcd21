import numpy as np
import pytest

from qsmkit.clinical.nuclei.atlas import AC, MIDLINE, PC
from qsmkit.clinical.target.acpc import Commissures
from qsmkit.clinical.target.detect import FLOOR, combined, detect
from qsmkit.clinical.target.midplane import midplane
from qsmkit.errors import GeometryError, InputError
from qsmkit.grid import Grid
from qsmkit.transform import Transform
from qsmkit.volume import Volume

TURN = Transform.rigid((6.0, -7.0, 5.0), (4.0, -9.0, 3.0))
"""From MNI152 to the scanner."""

THERE = TURN.inverse()


@pytest.fixture(scope="module")
def head():
    """A head whose tissue is a function of (|x|, y, z) in MNI152 space."""
    grid = Grid.tilted((60, 64, 56), (3.0,) * 3)
    x, y, z = np.moveaxis(TURN.inverse().apply(grid.world(np.stack(np.indices(grid.shape), -1))), -1, 0)
    data = np.sin(np.abs(x) / 9) + np.cos(y / 11 + np.abs(x) / 15) + np.sin(z / 10 - np.abs(x) / 20)
    noise = 0.3 * np.random.default_rng(1).standard_normal(grid.shape)
    return Volume((data + noise).astype(np.float32), grid)


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
    half = Volume(head.data[:30], head.grid.cropped((0, 0, 0), (30, 64, 56)))
    with pytest.raises(InputError, match="both sides"):
        midplane(half, Commissures(*(TURN.apply(p) for p in (AC, PC, MIDLINE))))


def test_marks_lie_where_the_template_puts_them_and_are_as_sure_as_both_opinions_agree(head):
    found = combined([THERE, THERE], head, {})
    assert found.verdict == "PASS"
    assert found.commissures.ac == pytest.approx(TURN.apply(AC), abs=1e-9)
    assert found.to_mni.apply(found.commissures.pc) == pytest.approx(PC, abs=1e-9)
    assert [m.sd for m in found.marks] == pytest.approx(list(FLOOR.values()))
    moved = Transform.rigid((0, 0, 0), (0, 5.0, 0)).after(THERE)
    apart = combined([THERE, moved], head, {})
    assert apart.marks[0].sd == pytest.approx(np.hypot(2.5, FLOOR["ac"]))
    assert apart.verdict == "REVIEW"


def test_marks_by_hand_always_win(head):
    hand = TURN.apply((0.5, 3.5, -4.0))
    found = combined([THERE], head, {"ac": hand})
    assert found.marks[0].point == pytest.approx(hand)
    assert (found.marks[0].sd, found.marks[0].how) == (0, "by hand")
    assert found.commissures.pc == pytest.approx(TURN.apply(PC))


def test_a_frame_that_the_head_s_symmetry_contradicts_is_not_believed(head):
    found = combined([THERE], head, {"midline": TURN.apply((12.0, -11, 40))})
    assert {g.name: g.verdict for g in found.gates}["midline"] == "FAIL"


def test_what_cannot_be_found_in_is_refused(head):
    nothing = Volume(np.zeros(head.grid.shape, bool), head.grid)
    with pytest.raises(InputError, match="they are ac, pc and midline"):
        detect(head, nothing, head, {"mcp": TURN.apply(AC)})
    with pytest.raises(InputError, match="mask is empty"):
        detect(head, nothing, head)
    with pytest.raises(GeometryError, match="does not lie where"):
        detect(head, Volume(np.ones((3, 3, 3), bool), Grid.tilted((3, 3, 3))), head)
