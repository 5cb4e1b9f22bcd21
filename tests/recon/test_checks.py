"""The automatic checks find what is wrong, and nothing where nothing is."""

import json

import numpy as np
import pytest

from qsmkit.grid import Grid
from qsmkit.physics.dipole import dipole_kernel, forward_field
from qsmkit.physics.fft import irfftn, rfftn
from qsmkit.recon.checks.continuity import islands
from qsmkit.recon.checks.panel import run_checks
from qsmkit.recon.checks.verdict import VERDICTS, headline, overall
from qsmkit.units import radians_per_ppm


@pytest.fixture
def head(rng):
    """A head of plausible size whose nuclei are rich in iron, and that passes every check."""
    grid = Grid.tilted((48, 48, 48), (3.0, 3.0, 3.0))
    distance = np.linalg.norm(grid.world(np.moveaxis(np.indices(grid.shape), 0, -1)), axis=-1)
    mask, nuclei = distance < 66, distance < 20
    smooth = (distance / 66).astype(np.float32)

    def noise(sd):
        return rng.normal(0, sd, grid.shape).astype(np.float32)

    times = np.array([0.004, 0.012])
    total = 0.1 * smooth
    evolution = radians_per_ppm(3.0, 1.0) * times * total[..., None]
    chi = (0.15 * nuclei + noise(0.03)) * mask
    return {
        "grid": grid,
        "mask": mask,
        "brain_mask": mask,
        "chi": chi,
        "local_field": forward_field(chi, grid) * mask,
        "sigma_chi": 0.003 + 0.001 * smooth,
        "magnitude": (100 * np.exp(-times * 20) * np.ones((*grid.shape, 1))).astype(np.float32),
        "phase": np.angle(np.exp(1j * (evolution + 0.02 * rng.standard_normal((*grid.shape, 2))))).astype(np.float32),
        "r2star": 15 + 25 * nuclei + noise(3),
        "total_field": total,
        "field_sd": 0.002 + 0.0001 * smooth,
        "fit_residual": 0.1 * smooth,
        "unwrapped_phase": np.stack([10 * smooth, 20 * smooth], -1),
        "echo_times": times,
        "field_strength": 3.0,
        "valid": np.ones(grid.shape, bool),
    }


def verdict(head, name):
    return {c.name: c.verdict for c in run_checks(**head)}[name]


def measure(head, name):
    return {c.name: c.measure for c in run_checks(**head)}[name]


def test_a_good_head_passes_every_check(head):
    found = run_checks(**head)
    assert [c.name for c in found if c.verdict != "ok"] == []
    assert len(found) == 18
    assert overall(found) == "PASS"
    assert headline(found) == "all 18 checks passed"
    assert headline(found, 2) == "all 18 checks passed; 2 warnings to read"


def test_checks_run_with_masks_alone(head):
    found = run_checks(head["grid"], head["mask"], head["brain_mask"])
    assert [c.name for c in found] == ["brain mask volume", "coverage"]


def test_flipped_phase_fails_the_sign_test(head):
    right = measure(head, "sign of χ")
    assert right.value == pytest.approx(0.15, abs=0.02)
    head["chi"] = -head["chi"]
    assert measure(head, "sign of χ").value == pytest.approx(-right.value, abs=1e-5)
    assert verdict(head, "sign of χ") == "bad"
    assert overall(run_checks(**head)) == "FAIL"


def test_a_calcification_does_not_upset_the_sign_test(head):
    place = np.zeros(head["grid"].shape, bool)
    place[30:33, 30:33, 24:27] = True
    head["chi"] = np.where(place, -1.0, head["chi"])
    head["r2star"] = np.where(place, 150.0, head["r2star"])
    assert verdict(head, "sign of χ") == "ok"


def test_noise_alone_leaves_the_sign_open(head, rng):
    head["chi"] = rng.normal(0, 0.03, head["grid"].shape) * head["mask"]
    assert verdict(head, "sign of χ") == "look"


def test_coverage_and_volume_are_those_of_the_masks(head):
    half = head["brain_mask"].copy()
    half[24:] = False
    head["mask"] = half
    assert measure(head, "coverage").value == pytest.approx(50)
    assert verdict(head, "coverage") == "bad"
    expected = head["brain_mask"].sum() * 27 / 1000
    assert measure(head, "brain mask volume").value == pytest.approx(expected)
    assert expected == pytest.approx(4 / 3 * np.pi * 6.6**3, rel=0.01)


def test_volume_counts_anisotropic_voxels():
    grid = Grid.tilted((10, 10, 10), (10.0, 20.0, 5.0), tilt=25)
    mask = np.ones(grid.shape, bool)
    assert run_checks(grid, mask, mask)[0].measure.value == pytest.approx(1000)


def test_wraps_are_counted_pair_by_pair_and_echo_by_echo(head):
    flat = np.zeros((*head["grid"].shape, 2))
    flat[24:, :, :, 1] = 2 * np.pi
    head["unwrapped_phase"] = flat
    pairs = int((head["mask"][23] & head["mask"][24]).sum())
    found = next(c for c in run_checks(**head) if c.name == "unwrapped phase")
    assert f"echo by echo: 0, {pairs} of {found.measure.n};" in found.text
    assert found.measure.value == pytest.approx(100 * pairs / found.measure.n)
    assert found.verdict == "look"


def test_a_wrap_in_the_field_is_one_turn_over_the_echo_spacing(head):
    turn = 1 / (127.732435554 * 0.008)  # ppm
    step = np.zeros(head["grid"].shape)
    step[24:] = 1
    head["total_field"] = 0.45 * turn * step
    assert measure(head, "wraps in the field").value == 0
    head["total_field"] = turn * step
    assert verdict(head, "wraps in the field") == "bad"


def test_jumps_across_the_edge_of_the_mask_do_not_count(head):
    head["unwrapped_phase"] = np.where(head["mask"][..., None], 0.0, 100.0) * np.ones(2)
    assert measure(head, "unwrapped phase").value == 0


@pytest.mark.parametrize(
    ("name", "key", "change", "expected"),
    [
        ("field noise", "field_sd", lambda x: 10 * x, "look"),
        ("field noise", "field_sd", lambda x: 100 * x, "bad"),
        ("poor field fit", "fit_residual", lambda x: x + 0.25, "bad"),
        ("range of χ", "chi", lambda x: 0.05 * x, "look"),
        ("range of χ", "chi", lambda x: 5 * x, "look"),
        ("extreme χ", "chi", lambda x: 10 * x, "bad"),
        ("noise of χ", "sigma_chi", lambda x: 8 * x, "look"),
        ("dark voxels in the mask", "magnitude", lambda x: np.where(np.indices(x.shape)[0] < 15, 0.1 * x, x), "bad"),
        ("deep grey matter", "chi", lambda x: 0.1 * x, "look"),
        ("deep grey matter", "chi", lambda x: 4 * x, "look"),
        ("non-finite input", "valid", lambda x: x & (np.arange(48) > 0), "look"),
    ],
)
def test_what_is_out_of_bounds_is_named(head, name, key, change, expected):
    head[key] = change(head[key])
    assert verdict(head, name) == expected
    assert name in headline(run_checks(**head))


def test_numbers_do_not_depend_on_how_the_axes_lie(head):
    arrays = {k: v for k, v in head.items() if isinstance(v, np.ndarray)}
    turned = {k: np.moveaxis(v, (0, 1, 2), (2, 0, 1))[::-1] if v.ndim > 1 else v for k, v in arrays.items()}
    affine = head["grid"].affine[:, [1, 2, 0, 3]] * [-1, 1, 1, 1]
    affine[:3, 3] = head["grid"].world([0, 47, 0])
    turned["grid"] = Grid(head["grid"].shape, affine)
    for one, other in zip(run_checks(**head), run_checks(**{**head, **turned}), strict=True):
        assert other.measure.value == pytest.approx(one.measure.value, rel=1e-2, abs=1e-5), one.name


def test_a_check_is_plain_json(head):
    written = json.loads(json.dumps([c.as_dict() for c in run_checks(**head)]))
    assert {"name", "verdict", "text", "value", "low", "high", "unit", "n", "method"} == set(written[0])
    assert all(row["verdict"] in VERDICTS for row in written)


def test_a_mask_too_small_for_a_rim_is_still_checked():
    grid = Grid.tilted((6, 6, 1), (1.0, 1.0, 4.0))
    mask = np.ones(grid.shape, bool)
    chi = np.linspace(-0.1, 0.1, 36).reshape(grid.shape)
    found = {c.name: c for c in run_checks(grid, mask, mask, chi=chi, r2star=20 + 100 * chi)}
    assert found["sign of χ"].verdict == "ok"


def test_a_closed_wrap_is_an_island_however_small_its_share(head):
    turn = np.zeros(head["grid"].shape)
    turn[20:26, 20:26, 20:26] = 2 * np.pi
    assert measure(head, "wrapped islands").value == 0
    head["unwrapped_phase"] = head["unwrapped_phase"] + turn[..., None]
    assert measure(head, "wrapped islands").value == pytest.approx(6**3 * 27 / 1000)
    assert verdict(head, "unwrapped phase") == "ok"
    assert verdict(head, "wrapped islands") == "look"


def test_islands_are_not_parts_that_the_mask_itself_parts():
    mask = np.zeros((9, 5, 5), bool)
    mask[:5] = mask[6:] = True
    x = np.zeros(mask.shape)
    x[6:] = 10
    assert islands(x, mask, 3.0, smallest=1) == 0
    x[:2] = 10
    assert islands(x, mask, 3.0, smallest=1) == 50
    assert islands(x, mask, 3.0, smallest=51) == 0


def test_a_wrong_direction_of_b0_leaves_field_on_the_cone(head):
    right = measure(head, "field on the dipole cone").value
    head["grid"] = Grid.tilted(head["grid"].shape, (3.0, 3.0, 3.0), tilt=40)
    wrong = measure(head, "field on the dipole cone").value
    assert wrong > 3 * right
    assert verdict(head, "field on the dipole cone") != "ok"


def test_streaks_lie_on_the_cone_and_are_seen_at_any_tilt(head):
    for tilt in (0, 25):
        grid = Grid.tilted(head["grid"].shape, (3.0, 3.0, 3.0), tilt=tilt)
        spectrum = rfftn(head["chi"].astype(np.float32))
        spectrum[np.abs(dipole_kernel(grid)) < 0.06] *= 6
        streaked = irfftn(spectrum, grid.shape) * head["mask"]
        assert verdict({**head, "grid": grid}, "streaks") == "ok"
        assert verdict({**head, "grid": grid, "chi": streaked}, "streaks") != "ok"


def test_echoes_that_contradict_each_other_are_found(head):
    """The second echo of half of the head is that of a place 9 mm away."""
    assert verdict(head, "echoes against each other") == "ok"
    head["phase"] = head["phase"].copy()
    head["phase"][24:, ..., 1] = np.roll(head["phase"][..., 1], 3, axis=0)[24:] + 0.5
    found = measure(head, "echoes against each other")
    assert verdict(head, "echoes against each other") != "ok"
    assert found.unit == "rad"


def test_a_wild_rim_is_found(head, rng):
    distance = np.linalg.norm(head["grid"].world(np.moveaxis(np.indices(head["grid"].shape), 0, -1)), axis=-1)
    head["chi"] = np.where((distance > 62) & head["mask"], rng.normal(0, 0.6, distance.shape), head["chi"])
    assert verdict(head, "rim") == "bad"


def test_the_sign_is_told_deep_inside_where_air_raises_no_r2star(head):
    """R2* is highest near the skull's base, as at 7 T, where χ is that of plain tissue."""
    distance = np.linalg.norm(head["grid"].world(np.moveaxis(np.indices(head["grid"].shape), 0, -1)), axis=-1)
    head["r2star"] = head["r2star"] + 100 * ((distance > 50) & (distance < 60))
    assert measure(head, "sign of χ").value == pytest.approx(0.15, abs=0.03)
