import numpy as np
import pytest

from qsmkit.errors import DataWarning
from qsmkit.io.loose import load_scan


@pytest.fixture
def bare(dataset):
    """The data set's images under plain names, without sidecars."""
    for part in ("phase", "mag"):
        for echo in (1, 2, 3):
            dataset.sidecar(echo, part).unlink()
            dataset.image(echo, part).rename(dataset.anat / f"{part}{echo}.nii.gz")
    return dataset


def names(dataset, part, echoes=(1, 2, 3)):
    return [dataset.anat / f"{part}{e}.nii.gz" for e in echoes]


def test_loose_files_with_everything_stated(bare):
    scan = load_scan(names(bare, "phase"), names(bare, "mag"), [4, 9, 14], 3)
    np.testing.assert_allclose(scan.phase, bare.radians, atol=1e-6)
    np.testing.assert_array_equal(scan.magnitude, bare.magnitude)
    np.testing.assert_allclose(scan.echo_times, [0.004, 0.009, 0.014])
    assert scan.field_strength == 3
    assert scan.name == "phase1"
    assert scan.sources == tuple(map(str, names(bare, "phase") + names(bare, "mag")))


def test_paths_may_be_text_and_times_seconds(bare):
    with pytest.warns(DataWarning, match="no magnitude"):
        scan = load_scan([str(p) for p in names(bare, "phase")], [], [0.004, 0.009, 0.014], 7)
    np.testing.assert_allclose(scan.echo_times, [0.004, 0.009, 0.014])
    assert scan.field_strength == 7


def test_files_in_another_order_are_sorted_with_their_times(bare):
    with pytest.warns(DataWarning, match="not ascending"):
        scan = load_scan(names(bare, "phase", (3, 1, 2)), names(bare, "mag", (3, 1, 2)), [14, 4, 9], 3)
    np.testing.assert_allclose(scan.phase, bare.radians, atol=1e-6)
    np.testing.assert_array_equal(scan.magnitude, bare.magnitude)


def test_4d_phase_may_go_with_3d_magnitudes(bare, write):
    stored = np.rint(bare.radians * (4096 / np.pi)).astype(np.int16)
    write(bare.anat / "all.nii.gz", stored, bare.grid.affine)
    scan = load_scan([bare.anat / "all.nii.gz"], names(bare, "mag"), [4, 9, 14], 3)
    np.testing.assert_allclose(scan.phase, bare.radians, atol=1e-6)
    np.testing.assert_array_equal(scan.magnitude, bare.magnitude)


def test_sidecars_beside_the_files_are_used(dataset):
    scan = load_scan(dataset.images("phase"), dataset.images("mag"))
    np.testing.assert_allclose(scan.echo_times, [0.004, 0.009, 0.014])
    assert scan.field_strength == pytest.approx(2.895, abs=1e-3)
    assert scan.name == "sub-01"


def test_stated_times_win_over_sidecars_with_a_word(dataset):
    with pytest.warns(DataWarning, match=r"5, 10, 15 ms were given.*4, 9, 14 ms"):
        scan = load_scan(dataset.images("phase"), dataset.images("mag"), [5, 10, 15])
    np.testing.assert_allclose(scan.echo_times, [0.005, 0.010, 0.015])


def test_single_echo(bare):
    scan = load_scan(names(bare, "phase", (2,)), names(bare, "mag", (2,)), [9], 3)
    assert scan.phase.shape == (*bare.grid.shape, 1)
