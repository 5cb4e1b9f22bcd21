"""Inversion from several orientations of the head."""

import nibabel as nib
import numpy as np
import pytest

from qsmkit.app.cli.main import run
from qsmkit.errors import DataWarning, InputError, MetadataError, ShapeError
from qsmkit.grid import Grid
from qsmkit.physics.dipole import dipole_kernel, forward_field
from qsmkit.recon.inversion.cosmos import cosmos
from qsmkit.recon.inversion.tkd import tkd

SHAPE, VOXEL = (28, 32, 26), (1.0, 0.9, 1.2)
TURNS = (0, 0), (35, 0), (35, 1)
GRIDS = [Grid.tilted(SHAPE, VOXEL, tilt=t, axis=a) for t, a in TURNS]
DIRECTIONS = np.array([g.b0_direction for g in GRIDS])


@pytest.fixture(scope="module")
def head():
    """Susceptibility, mask, and its local fields with B0 in three directions."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij"), axis=-1)
    place = (index - (np.array(SHAPE) - 1) / 2) * VOXEL
    mask = np.sum((place / (0.42 * np.array(SHAPE) * VOXEL)) ** 2, axis=-1) < 1
    iron, lime = (np.linalg.norm(place - centre, axis=-1) for centre in ((3, 2, 0), (-4, -1, -3)))
    chi = 0.1 * (iron < 4) - 0.06 * (lime < 3)
    chi = (chi * mask).astype(np.float32)
    return chi, np.stack([forward_field(chi, g) * mask for g in GRIDS], axis=-1), mask


def error(x, chi, mask):
    x, chi = (v[mask] - v[mask].mean() for v in (x, chi))
    return float(np.linalg.norm(x - chi) / np.linalg.norm(chi))


def test_kernel_takes_another_direction():
    np.testing.assert_array_equal(dipole_kernel(GRIDS[0], direction=DIRECTIONS[1]), dipole_kernel(GRIDS[1]))


@pytest.mark.parametrize(("weighted", "bound"), [(False, 0.12), (True, 0.04)])
def test_recovers_susceptibility_that_one_orientation_hides(head, weighted, bound):
    chi, fields, mask = head
    x = cosmos(fields, DIRECTIONS, mask, GRIDS[0], weighted=weighted)
    assert x.dtype == np.float32
    assert not x[~mask].any()
    assert error(x, chi, mask) < bound < 0.5 * error(tkd(fields[..., 0], mask, GRIDS[0]), chi, mask)


def test_the_grids_own_direction_does_not_matter(head):
    _, fields, mask = head
    x, same = (cosmos(fields, DIRECTIONS, mask, grid, margin=11.5) for grid in GRIDS[1:])
    np.testing.assert_allclose(x, same, atol=1e-6)


def test_a_wrong_direction_is_felt(head):
    chi, fields, mask = head
    x = cosmos(fields, DIRECTIONS[[1, 0, 2]], mask, GRIDS[0])
    assert error(x, chi, mask) > 3 * error(cosmos(fields, DIRECTIONS, mask, GRIDS[0]), chi, mask)


def test_closed_form_is_the_least_squares_solution(rng):
    """On a periodic volume without room: Σ D (D χ − B) + λ χ = 0 in k-space."""
    shape, strength = (12, 15, 16), 0.01
    grid, fields = Grid.tilted(shape), rng.standard_normal((*shape, 3))
    mask = np.ones(shape, bool)
    x = cosmos(fields, DIRECTIONS, mask, grid, weighted=False, regularisation=strength, margin=0)
    k = np.fft.rfftn(x)
    gradient = strength * k
    for i, b in enumerate(DIRECTIONS):
        d = dipole_kernel(grid, direction=b, dtype=np.float64)
        gradient += d * (d * k - np.fft.rfftn(fields[..., i]))
    np.testing.assert_allclose(gradient, 0, atol=1e-10)
    same = cosmos(fields, DIRECTIONS, mask, grid, regularisation=strength, margin=0, tolerance=1e-10)
    np.testing.assert_allclose(same, x, atol=1e-8)


def test_a_bad_orientation_counts_little_if_its_noise_is_known(head, rng):
    chi, fields, mask = head
    sd = np.full_like(fields, 0.001)
    sd[:14, ..., 1] = 0.05
    noisy = fields + (sd * rng.standard_normal(fields.shape)).astype(np.float32)
    informed, plain = (cosmos(noisy, DIRECTIONS, mask, GRIDS[0], s) for s in (sd, None))
    assert error(informed, chi, mask) < 0.6 * error(plain, chi, mask)


def test_orientations_that_are_alike_are_warned_of(head):
    _, fields, mask = head
    with pytest.warns(DataWarning, match="hidden in every orientation"):
        cosmos(fields, np.repeat(DIRECTIONS[:1], 3, axis=0), mask, GRIDS[0])


def test_refuses_what_does_not_fit(head):
    _, fields, mask = head
    with pytest.raises(InputError, match="two orientations"):
        cosmos(fields[..., :1], DIRECTIONS[:1], mask, GRIDS[0])
    with pytest.raises(ShapeError, match="numbers of orientations differ"):
        cosmos(fields, DIRECTIONS[:2], mask, GRIDS[0])
    with pytest.raises(MetadataError, match="unit vectors"):
        cosmos(fields, 2 * DIRECTIONS, mask, GRIDS[0])
    with pytest.raises(ShapeError, match="axis of orientations last"):
        cosmos(fields[..., 0], DIRECTIONS[:1], mask, GRIDS[0])


def test_command_takes_a_file_and_a_direction_for_each_orientation(head, tmp_path):
    chi, fields, mask = head
    for i in range(3):
        nib.Nifti1Image(fields[..., i], GRIDS[0].affine).to_filename(tmp_path / f"field{i}.nii.gz")
    nib.Nifti1Image(mask.astype(np.uint8), GRIDS[0].affine).to_filename(tmp_path / "mask.nii.gz")
    files = [str(tmp_path / f"field{i}.nii.gz") for i in range(3)]
    directions = [f"{v:.5f}" for v in DIRECTIONS.ravel()]
    status = run([
        "invert", "cosmos", "--local-fields", *files, "--b0-directions", *directions,
        "--mask", str(tmp_path / "mask.nii.gz"), "--out", str(tmp_path / "chi.nii.gz"),
    ])  # fmt: skip
    assert status == 0
    assert error(nib.load(tmp_path / "chi.nii.gz").get_fdata(), chi, mask) < 0.04
