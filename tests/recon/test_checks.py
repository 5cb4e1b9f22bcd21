"""The automatic checks find what is wrong, and nothing where nothing is."""

import json

import numpy as np
import pytest

from qsmkit.grid import Grid
from qsmkit.recon import checks
from qsmkit.recon.checks import headline, overall, run_checks


@pytest.fixture
def head(rng):
    """A head of plausible size whose nuclei are rich in iron, and that passes every check."""
    grid = Grid.tilted((48, 48, 48), (3.0, 3.0, 3.0))
    distance = np.linalg.norm(grid.world(np.moveaxis(np.indices(grid.shape), 0, -1)), axis=-1)
    mask, nuclei = distance < 66, distance < 20
    smooth = (distance / 66).astype(np.float32)

    def noise(sd):
        return rng.normal(0, sd, grid.shape).astype(np.float32)

    return {
        "grid": grid,
        "mask": mask,
        "brain_mask": mask,
        "chi": (0.15 * nuclei + noise(0.03)) * mask,
        "r2star": 15 + 25 * nuclei + noise(3),
        "total_field": 0.1 * smooth,
        "field_sd": 0.002 + 0.0001 * smooth,
        "fit_residual": 0.1 * smooth,
        "unwrapped_phase": np.stack([10 * smooth, 20 * smooth], -1),
        "echo_times": [0.004, 0.012],
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
    assert len(found) == 10
    assert overall(found) == "ok"
    assert headline(found) == "all 10 checks passed"


def test_checks_run_with_masks_alone(head):
    found = run_checks(head["grid"], head["mask"], head["brain_mask"])
    assert [c.name for c in found] == ["brain mask volume", "coverage"]


def test_flipped_phase_fails_the_sign_test(head):
    right = measure(head, "sign of χ")
    assert right.value == pytest.approx(0.15, abs=0.02)
    head["chi"] = -head["chi"]
    assert measure(head, "sign of χ").value == pytest.approx(-right.value, abs=1e-5)
    assert verdict(head, "sign of χ") == "bad"
    assert overall(run_checks(**head)) == "bad"


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
        ("non-finite input", "valid", lambda x: x & (np.arange(48) > 0), "look"),
    ],
)
def test_what_is_out_of_bounds_is_named(head, name, key, change, expected):
    head[key] = change(head[key])
    assert verdict(head, name) == expected
    assert name in headline(run_checks(**head))


def test_numbers_do_not_depend_on_how_the_axes_lie(head):
    arrays = {k: v for k, v in head.items() if isinstance(v, np.ndarray)}
    turned = {k: np.moveaxis(v, (0, 1, 2), (2, 0, 1))[::-1] for k, v in arrays.items()}
    for one, other in zip(run_checks(**head), run_checks(**{**head, **turned}), strict=True):
        assert other.measure.value == pytest.approx(one.measure.value, rel=1e-4), one.name


def test_a_check_is_plain_json(head):
    written = json.loads(json.dumps([c.as_dict() for c in run_checks(**head)]))
    assert {"name", "verdict", "text", "value", "low", "high", "unit", "n", "method"} == set(written[0])
    assert all(row["verdict"] in checks.VERDICTS for row in written)


def test_a_mask_too_small_for_a_rim_is_still_checked():
    grid = Grid.tilted((6, 6, 1), (1.0, 1.0, 4.0))
    mask = np.ones(grid.shape, bool)
    chi = np.linspace(-0.1, 0.1, 36).reshape(grid.shape)
    found = {c.name: c for c in run_checks(grid, mask, mask, chi=chi, r2star=20 + 100 * chi)}
    assert found["sign of χ"].verdict == "ok"
