import numpy as np
import pytest

from clinical.monitor.lesions import ball, map_of
from qsmkit.clinical.monitor.propose import carry, follow, grow
from qsmkit.clinical.monitor.region import RegionRule, labelled
from qsmkit.errors import InputError, MaskError, ParameterError, ShapeError
from qsmkit.grid import Grid
from qsmkit.transform import Transform

GRID = Grid.tilted((48, 48, 40), (1.0, 1.0, 1.2), tilt=12)


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


@pytest.mark.parametrize(("radius", "least"), [(2.0, 0.8), (5.0, 0.9), (8.0, 0.93)])
def test_a_lesion_is_grown_from_a_point_in_it(radius, least):
    mask = ball(GRID, (3, -2, 4), radius)
    found = grow(map_of(GRID, mask), GRID, (3.5, -1.5, 4))
    assert dice(found.mask, mask) > least
    assert "grown at" in found.source


def test_the_edge_scales_with_susceptibility():
    """A lesion that doubles keeps its mask, so that its mean doubles too."""
    mask = ball(GRID)
    masks = [grow(map_of(GRID, mask, value), GRID, (0, 0, 0)).mask for value in (0.4, 0.8)]
    assert dice(*masks) > 0.99


def test_a_lesion_with_a_pale_core_is_filled():
    mask, core = ball(GRID, radius=7), ball(GRID, radius=4)
    chi = map_of(GRID, mask, 0.6) - 0.55 * core.astype(np.float32)
    assert dice(grow(chi, GRID, (6, 0, 0)).mask, mask) > 0.9


def test_calcium_is_grown_downwards():
    mask = ball(GRID)
    found = grow(-map_of(GRID, mask), GRID, (0, 0, 0), sign=-1)
    assert dice(found.mask, mask) > 0.9
    assert found.level < 0


def test_a_vein_that_is_attached_is_cut():
    mask = ball(GRID, radius=6)
    chi = map_of(GRID, mask)
    chi[24:, 24, 20] += 0.3
    found = grow(chi, GRID, (0, 0, 0))
    assert dice(found.mask, mask) > 0.9
    assert not found.mask[40:].any()


def test_a_dark_voxel_of_another_image_joins_at_half_the_level():
    mask, shell = ball(GRID, radius=5), ball(GRID, radius=7)
    chi = map_of(GRID, mask, 0.5) + 0.1 * (shell & ~mask).astype(np.float32)
    image = np.where(shell, 10.0, 100.0) + np.random.default_rng(1).standard_normal(GRID.shape)
    alone, both = grow(chi, GRID, (0, 0, 0)), grow(chi, GRID, (0, 0, 0), dark=image)
    assert dice(both.mask, shell) > dice(alone.mask, shell) + 0.1
    assert "100 % of it is dark" in both.notes[0]


def test_growth_that_leaks_is_stopped_or_refused():
    mask = ball(GRID, radius=5)
    chi = map_of(GRID, mask, 1.0) + 0.35 * (np.abs(np.arange(48) - 24) < 5)[:, None, None]
    found = grow(chi, GRID, (0, 0, 0), largest=10)
    assert dice(found.mask, mask) > 0.75
    with pytest.raises(MaskError, match="reaches further"):
        grow(map_of(GRID, mask), GRID, (0, 0, 0), level=-1.0, largest=10)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"seed": (15, 0, 0)}, "no voxel within 3 mm"), ({"seed": (100, 0, 0)}, "outside the map"),
     ({"sign": 2}, "give ±1"), ({"fraction": 1.5}, "give ±1"), ({"dark": np.zeros((2, 2, 2))}, "resample it")],
)  # fmt: skip
def test_seeds_and_settings_that_do_not_fit(change, words):
    settings = {"seed": (0, 0, 0)} | change
    with pytest.raises((MaskError, ParameterError, ShapeError), match=words):
        grow(map_of(GRID, ball(GRID)), GRID, settings.pop("seed"), **settings)


def test_a_mask_is_carried_to_another_visit_and_grown_anew():
    motion = Transform.rigid((4, -3, 6), (3.0, -2.0, 1.0))  # from the later to the earlier visit's space
    later = Grid.tilted((50, 44, 44), (1.0, 1.0, 1.0))
    before = ball(GRID, (4, 2, -3), 5)
    centre = motion.inverse().apply((4, 2, -3))
    carried = carry(before, GRID, later, motion)
    assert dice(carried.mask, ball(later, centre, 5)) > 0.9
    grown = ball(later, centre, 7)
    found = follow(map_of(later, grown), later, carried.mask)
    assert dice(found.mask, grown) > 0.9
    assert "carried over" in found.source


def test_a_single_voxel_is_carried_over():
    one = np.zeros(GRID.shape, bool)
    one[20, 20, 20] = True
    moved = carry(one, GRID, GRID, Transform.rigid((0, 0, 0), (0.5, 0.4, 0.3)))
    assert 1 <= moved.mask.sum() <= 2
    with pytest.raises(MaskError, match="outside this visit's map"):
        carry(one, GRID, GRID, Transform.rigid((0, 0, 0), (500, 0, 0)))
    with pytest.raises(MaskError, match="without voxels"):
        carry(np.zeros(GRID.shape, bool), GRID, GRID, Transform.identity())


def test_rules_say_which_voxels_are_measured():
    mask = ball(GRID, radius=6)
    chi = map_of(GRID, mask, noise=0)
    core, rim = (RegionRule.parse(t).apply(mask, chi, GRID) for t in ("core-2mm", "rim-2mm"))
    assert not (core & rim).any()
    assert (core | rim).sum() == mask.sum()
    assert 0.2 < core.sum() / mask.sum() < 0.45
    assert (RegionRule.parse("above-0.2ppm").apply(mask, chi, GRID) == (mask & (chi > 0.2))).all()
    assert RegionRule.parse("whole").apply(mask, chi, GRID) is mask
    assert str(RegionRule.parse("core-1.2mm")) == "core-1.2mm"


@pytest.mark.parametrize("text", ["", "core", "core-2", "core-2ppm", "above-1mm", "half", "whole-1mm", "core--1mm"])
def test_what_is_no_rule_is_refused(text):
    with pytest.raises(ParameterError, match="rule"):
        RegionRule.parse(text)


def test_a_rule_that_leaves_nothing_is_told():
    with pytest.raises(MaskError, match="core-9mm leaves no voxel"):
        RegionRule("core", 9.0).apply(ball(GRID), np.zeros(GRID.shape), GRID)


def test_masks_that_overlap_are_refused():
    one, other = ball(GRID), ball(GRID, (8, 0, 0))
    with pytest.raises(InputError, match=r"lesions 1 and 2 share \d+ voxels"):
        labelled({1: one, 2: other})
    assert (labelled({3: one, 4: ball(GRID, (15, 0, 0))}) == 3).sum() == one.sum()
