"""ROMEO: exact unwrapping in space and time, its edge weights and its spanning tree."""

import math

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import binary_dilation
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from qsmkit.errors import ParameterError
from qsmkit.grid import Grid
from qsmkit.recon.unwrap.growing import grow
from qsmkit.recon.unwrap.romeo import romeo, unwrap_volume
from qsmkit.recon.unwrap.romeo_weights import PUBLISHED, TERMS, edge_weights

GRID = Grid.tilted((31, 26, 19), (0.8, 1.0, 1.7), tilt=20)
TIMES = np.array([0.004, 0.011, 0.02])
MODES = pytest.mark.parametrize("mode", ["template", "individual"])
TURN = 2 * math.pi


def wrapped(angle):
    return np.angle(np.exp(1j * angle)).astype(angle.dtype)


def smooth_frequency(grid=GRID):
    """A field, in rad/s, that runs through several turns by the last echo, with median 0."""
    x, y, z = np.moveaxis(grid.world(np.moveaxis(np.indices(grid.shape), 0, -1)), -1, 0)
    frequency = 40 * x - 30 * y + 1.5 * x * y + 2.0 * (z**2)
    return frequency - np.median(frequency)


def series(frequency, times=TIMES, dtype=np.float64):
    return (frequency[..., None] * times).astype(dtype)


def ball(grid, radius, centre=(0.0, 0.0, 0.0)):
    at = grid.world(np.moveaxis(np.indices(grid.shape), 0, -1)) - centre
    return np.linalg.norm(at, axis=-1) < radius


def jumps(phase, mask):
    """Pairs of neighbours in the mask that are more than π apart, and all pairs."""
    found = pairs = 0
    for axis in range(3):
        step = np.abs(np.diff(phase, axis=axis))
        both = np.logical_and(*(np.take(mask, range(k, mask.shape[axis] - 1 + k), axis) for k in (0, 1)))
        found, pairs = found + np.count_nonzero(step[both] > math.pi), pairs + np.count_nonzero(both)
    return found, pairs


@MODES
@pytest.mark.parametrize("template", [1, 2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_smooth_field_is_recovered_at_every_echo(mode, template, dtype):
    truth, mask = series(smooth_frequency(), dtype=dtype), ball(GRID, 11)
    assert np.ptp(truth[mask][:, -1]) > 3 * TURN
    result = romeo(wrapped(truth), TIMES, mask, GRID, mode=mode, template=template)
    assert result.dtype == dtype
    np.testing.assert_allclose(result[mask], truth[mask], atol=2e-5)
    assert not result[~mask].any()


@MODES
def test_the_result_is_congruent_whatever_the_noise_and_the_range_of_the_input(mode, rng):
    phase = rng.uniform(-30, 30, (*GRID.shape, 3)).astype(np.float32)
    mask = rng.random(GRID.shape) > 0.3
    magnitude = rng.uniform(0, 1, phase.shape).astype(np.float32)
    turns = (romeo(phase, TIMES, mask, GRID, magnitude, mode=mode) - phase)[mask] / TURN
    assert np.abs(turns).max() > 1
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-4)


def test_individual_mode_bears_a_phase_offset():
    x = np.linspace(-1, 1, GRID.shape[0])[:, None, None, None]
    truth, mask = series(smooth_frequency()) + 2.5 * x - 1.5 * x**2, ball(GRID, 11)
    result = romeo(wrapped(truth), TIMES, mask, GRID, mode="individual")
    np.testing.assert_allclose(result[mask], truth[mask], atol=1e-9)


@MODES
def test_a_late_echo_far_from_the_others_is_unwrapped(mode, rng):
    times, mask = np.array([0.004, 0.008, 0.012, 0.04]), ball(GRID, 11)
    truth = series(smooth_frequency(), times) + rng.normal(0, 0.3, (*GRID.shape, 4))
    result = romeo(wrapped(truth), times, mask, GRID, mode=mode)
    np.testing.assert_allclose(result[mask], truth[mask], atol=1e-9)


@MODES
def test_the_second_echo_as_template_bears_a_first_echo_that_alone_is_flow_compensated(mode, rng):
    times, mask = np.array([0.004, 0.008, 0.012]), ball(GRID, 11)
    truth = series(smooth_frequency(), times) + rng.normal(0, 0.1, (*GRID.shape, 3))
    truth[..., 1:] += 2.5 * ball(GRID, 3, (3, -2, 0))[..., None]  # the phase of blood that moved
    result = romeo(wrapped(truth), times, mask, GRID, mode=mode, template=2)
    np.testing.assert_allclose(result[mask], truth[mask], atol=1e-9)


def test_uncertain_voxels_are_unwrapped_again_in_space():
    truth, mask = series(smooth_frequency()), ball(GRID, 11)
    bump = 2.2 * np.exp(-((GRID.world(np.moveaxis(np.indices(GRID.shape), 0, -1)) ** 2).sum(axis=-1)) / 18)
    truth += bump[..., None]  # an offset, which misleads the prediction from echo to echo
    phase = wrapped(truth)
    trusting = romeo(phase, TIMES, mask, GRID, temporal_uncertainty=1.0)
    assert np.abs(trusting - truth)[mask].max() > 6
    np.testing.assert_allclose(romeo(phase, TIMES, mask, GRID)[mask], truth[mask], atol=1e-9)


@MODES
def test_echo_times_reveal_a_step_that_space_alone_cannot(mode):
    frequency = smooth_frequency()
    frequency[16:] += 0.7 * TURN / TIMES[2]  # less than half a turn until the second echo
    truth, mask = series(frequency), np.ones(GRID.shape, bool)
    result = romeo(wrapped(truth), TIMES, mask, GRID, mode=mode)
    wrong = np.abs(result - truth)[..., 2] > 1
    assert wrong.any() == (mode == "individual")
    np.testing.assert_allclose(result[..., :2], truth[..., :2], atol=1e-9)


@MODES
@pytest.mark.parametrize("turns", [-1, 0, 1])
def test_separate_regions_agree_through_the_echoes(mode, turns):
    grid = Grid.tilted((40, 16, 16))
    large, small = ball(grid, 7.5, (-10, 0, 0)), ball(grid, 5, (12, 0, 0))
    frequency = 30 * grid.world(np.moveaxis(np.indices(grid.shape), 0, -1))[..., 1]
    frequency += small * turns * TURN / TIMES[0]  # the first echo alone cannot see this
    truth = series(frequency) + 0.4
    mask = large | small
    result = romeo(wrapped(truth), TIMES, mask, grid, mode=mode)
    np.testing.assert_allclose(result[mask], truth[mask], atol=1e-9)


def test_many_islands_are_each_brought_nearest_to_zero_without_other_echoes(rng):
    grid = Grid.tilted((24, 24, 24))
    mask = np.zeros(grid.shape, bool)
    mask[::3, ::3, ::3] = mask[1::3, ::3, ::3] = True
    phase = rng.uniform(-20, 20, grid.shape)
    result = unwrap_volume(phase, mask)
    pairs = np.stack([result[::3, ::3, ::3], result[1::3, ::3, ::3]])
    assert np.abs(pairs.mean(axis=0)).max() <= math.pi + 1e-9
    assert np.abs(np.diff(pairs, axis=0)).max() <= math.pi + 1e-9


def test_noise_is_gone_around(rng):
    truth = smooth_frequency() * TIMES[1]
    noisy = ball(GRID, 5, (3, 2, 0))
    phase = wrapped(truth + noisy * rng.uniform(-3, 3, GRID.shape))
    magnitude = np.where(noisy, 0.05, 1.0) * rng.uniform(0.9, 1, GRID.shape)
    mask = np.ones(GRID.shape, bool)
    result = unwrap_volume(phase, mask, magnitude)
    away = ~binary_dilation(noisy)
    np.testing.assert_allclose(result[away], truth[away], atol=1e-9)


@MODES
def test_axes_may_be_permuted_and_flipped(mode, rng):
    truth = series(smooth_frequency())
    phase, mask = wrapped(truth + rng.normal(0, 0.2, truth.shape)), ball(GRID, 11)
    result = romeo(phase, TIMES, mask, GRID, mode=mode)
    affine = GRID.affine[:, [2, 0, 1, 3]]
    turned = romeo(
        phase.transpose(2, 0, 1, 3)[:, ::-1], TIMES, mask.transpose(2, 0, 1)[:, ::-1],
        Grid((19, 31, 26), affine), mode=mode,
    )  # fmt: skip
    np.testing.assert_allclose(turned[:, ::-1].transpose(1, 2, 0, 3), result, atol=1e-9)


def test_the_unit_of_the_magnitude_and_what_lies_outside_the_mask_do_not_matter(rng):
    phase = wrapped(series(smooth_frequency()) + rng.normal(0, 0.7, (*GRID.shape, 3)))
    magnitude, mask = rng.uniform(0.5, 1, phase.shape), ball(GRID, 9)
    result = romeo(phase, TIMES, mask, GRID, magnitude, weights=TERMS)
    spoiled = np.where(mask[..., None], phase, 1.0)
    scaled = np.where(mask[..., None], 1024 * magnitude, 1e6)
    np.testing.assert_array_equal(romeo(spoiled, TIMES, mask, GRID, scaled, weights=TERMS), result)


@MODES
def test_a_single_echo_equals_the_volume(mode, rng):
    phase = wrapped(series(smooth_frequency()) + rng.normal(0, 0.5, (*GRID.shape, 3)))[..., 1:2]
    magnitude, mask = rng.uniform(0.5, 1, phase.shape), ball(GRID, 11)
    result = romeo(phase, TIMES[1:2], mask, GRID, magnitude, mode=mode)
    np.testing.assert_array_equal(result[..., 0], unwrap_volume(phase[..., 0], mask, magnitude[..., 0]))


def test_settings_that_cannot_be_met_are_refused():
    phase, mask = np.zeros((*GRID.shape, 2)), ball(GRID, 9)
    with pytest.raises(ParameterError, match="template = 3 of 2 echoes"):
        romeo(phase, TIMES[:2], mask, GRID, template=3)
    with pytest.raises(ParameterError, match="need a second echo or the magnitude"):
        romeo(phase, TIMES[:2], mask, GRID, weights=("magnitude_coherence",))
    with pytest.raises(ParameterError, match="need a second echo or the magnitude"):
        romeo(phase[..., :1], TIMES[:1], mask, GRID, weights=("gradient_coherence",))
    with pytest.raises(ParameterError, match="beauty"):
        romeo(phase, TIMES[:2], mask, GRID, weights=("beauty",))


def test_growing_follows_the_maximum_spanning_tree(rng):
    shape = (4, 5, 3)
    index = np.arange(60).reshape(shape)
    weights = np.zeros((*shape, 3), np.uint8)
    ends = []
    for axis in range(3):
        start, end = (np.take(index, range(k, shape[axis] - 1 + k), axis).ravel() for k in (0, 1))
        ends += [(s, e, axis) for s, e in zip(start, end, strict=True)]
    ranks = rng.permutation(254)[: len(ends)] + 1  # no two edges alike: one tree only
    for (s, _, axis), rank in zip(ends, ranks, strict=True):
        weights.reshape(-1, 3)[s, axis] = rank
    phase = rng.uniform(-math.pi, math.pi, shape)
    turns = np.zeros(shape, np.int16)
    regions = grow(phase, weights, turns, np.ones(shape, bool))

    start, end, _ = np.array(ends).T
    tree = minimum_spanning_tree(coo_matrix((256.0 - ranks, (start, end)), shape=(60, 60)))
    order, parent = breadth_first_order(tree, 0, directed=False)
    expected, flat = np.zeros(60, int), phase.ravel()
    for i in order[1:]:
        expected[i] = expected[parent[i]] + round((flat[parent[i]] - flat[i]) / TURN)
    np.testing.assert_array_equal(turns.ravel(), expected)
    assert np.ptp(expected) > 0
    assert sorted(regions.order) == list(range(60))
    np.testing.assert_array_equal(regions.starts, [0, 60])


def test_growing_tells_regions_apart_and_leaves_settled_voxels_alone():
    weights = np.full((1, 1, 9, 3), 0, np.uint8)
    weights[0, 0, [0, 1, 4, 5, 7], 2] = 9  # voxels 0-2, 4-6 and 7-8, of which 3 is none; 6 and 7 do not touch
    phase = np.zeros((1, 1, 9))
    pending = np.array([[[True, True, True, False, False, True, True, True, True]]])
    turns = np.zeros((1, 1, 9), np.int16)
    turns[0, 0, 4] = 5
    regions = grow(phase, weights, turns, pending)
    np.testing.assert_array_equal(turns[0, 0], [0, 0, 0, 0, 5, 5, 5, 0, 0])
    found = [set(regions.order[a:b]) for a, b in zip(regions.starts[:-1], regions.starts[1:], strict=True)]
    assert found == [{5, 6}, {0, 1, 2}, {7, 8}]
    assert pending.sum() == 7


def expected_weight(terms, phase, partner, ratio, magnitude, half):
    """Weight of the middle edge of four voxels in line, as the formulas say."""
    _, b, c, _ = phase
    low, high = sorted(magnitude[1:3])
    value = {
        "phase_coherence": 1 - abs(wrapped(c - b)) / math.pi,
        "gradient_coherence": max(0, 1 - abs(wrapped(c - b) - wrapped(partner[2] - partner[1]) * ratio)),
        "phase_linearity": math.prod(
            max(0, 1 - abs(wrapped(phase[k] - 2 * phase[k + 1] + phase[k + 2])) / 2) for k in (0, 1)
        ),
        "magnitude_coherence": (low / high) ** 2,
        "low_magnitude": 0.5 + 0.5 * min(1, low / half),
        "high_magnitude": 0.5 + 0.5 * min(1, half / high),
    }
    return 1 + round(254 * math.prod(0.1 + 0.9 * value[t] for t in terms))


@pytest.mark.parametrize("terms", [*[(t,) for t in TERMS], PUBLISHED, TERMS], ids="+".join)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_weights_are_those_of_the_paper(terms, axis, rng):
    shape = (6, 7, 5)
    phase, partner = np.cumsum(rng.normal(0, 0.8, (2, *shape)), axis=axis + 1)
    magnitude, mask = rng.uniform(0.2, 1, shape), np.ones(shape, bool)
    weights = edge_weights(phase, mask, magnitude, partner, ratio=0.4, terms=terms)
    half = 0.5 * np.percentile(magnitude, 95)
    lines = [np.moveaxis(a, axis, -1)[2, 3] for a in (phase, partner, magnitude)]
    for k in range(shape[axis] - 3):
        p, q, m = (line[k : k + 4] for line in lines)
        got = np.moveaxis(weights[..., axis], axis, -1)[2, 3, k + 1]
        assert got == pytest.approx(expected_weight(terms, p, q, 0.4, m, half), abs=1)


def test_edges_join_voxels_of_the_mask_only(rng):
    mask = rng.random((6, 7, 5)) > 0.4
    weights = edge_weights(rng.uniform(-3, 3, mask.shape), mask)
    for axis in range(3):
        after = np.zeros_like(mask)
        inner = [slice(None)] * 3
        inner[axis] = slice(None, -1)
        after[tuple(inner)] = np.take(mask, range(1, mask.shape[axis]), axis)
        np.testing.assert_array_equal(weights[..., axis] > 0, mask & after)


def test_triplets_that_leave_the_mask_count_nine_tenths():
    weights = edge_weights(np.zeros((1, 1, 4)), np.ones((1, 1, 4), bool), terms=("phase_linearity",))
    once, twice = (1 + round(254 * (0.1 + 0.9 * c)) for c in (0.9, 0.81))
    np.testing.assert_array_equal(weights[0, 0, :, 2], [once, 255, once, 0])
    pair = edge_weights(np.zeros((1, 1, 2)), np.ones((1, 1, 2), bool), terms=("phase_linearity",))
    assert pair[0, 0, 0, 2] == twice


@MODES
def test_no_wraps_remain_in_a_real_brain(shared_data, mode):
    image = nib.load(shared_data / "gre-3echo-crop" / "Phase.nii.gz")
    phase = (image.get_fdata() * (math.pi / 0.003674)).astype(np.float32)
    magnitude = nib.load(shared_data / "gre-3echo-crop" / "Mag.nii.gz").get_fdata(dtype=np.float32)
    grid = Grid(image.shape[:3], image.affine)
    mask = magnitude[..., -1] > 0.3 * np.median(magnitude[..., -1])
    result = romeo(phase, [0.004, 0.008, 0.012], mask, grid, magnitude, mode=mode)
    for e in range(3):
        before, after = (jumps(p[..., e], mask) for p in (phase, result))
        assert after[0] < 1e-3 * after[1]  # veins remain
        assert before[0] > 50 * after[0]
        assert np.abs((result - phase)[mask][:, e] / TURN % 1 - 0.5).min() > 0.499


@MODES
def test_no_wraps_remain_in_a_real_head(shared_data, mode):
    stem = shared_data / "philips-ingenia-3t" / "nifti"
    images = [nib.load(stem / f"2001_fcMRI_Field_Mapping_e{e}_ph.nii.gz") for e in (1, 2)]
    strong = [nib.load(stem / f"2001_fcMRI_Field_Mapping_e{e}.nii.gz") for e in (1, 2)]
    phase, magnitude = (np.stack([i.get_fdata(dtype=np.float32) for i in s], -1) for s in (images, strong))
    mask = magnitude[..., 1] > 0.3 * np.percentile(magnitude[..., 1], 99)
    grid = Grid(phase.shape[:3], images[0].affine)
    result = romeo(phase, [0.0023, 0.0046], mask, grid, magnitude, mode=mode)
    for e in range(2):
        after, pairs = jumps(result[..., e], mask)
        assert after < 1e-3 * pairs
        assert jumps(phase[..., e], mask)[0] > 0.02 * pairs
