import gzip

import nibabel as nib
import numpy as np
import pytest

from qsmkit.errors import DataWarning, GeometryError, InputError, OutputError, ShapeError
from qsmkit.grid import Grid
from qsmkit.io.nifti import load_volume, save_volume

GRID = Grid.tilted((5, 6, 7), (0.7, 0.9, 2.2), tilt=31, axis=1)


def header_edited(path, **changes):
    """Write a float32 image whose header fields were changed past every check; return the path."""
    image = nib.Nifti1Image(np.arange(210, dtype=np.float32).reshape(GRID.shape), GRID.affine)
    content = bytearray(image.to_bytes())
    header = np.frombuffer(content[:348], nib.nifti1.header_dtype).copy()
    for key, value in changes.items():
        header[key] = value
    content[:348] = header.tobytes()
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("shape", [GRID.shape, (*GRID.shape, 3)])
def test_round_trip_is_exact(tmp_path, rng, dtype, name, shape):
    data = rng.standard_normal(shape).astype(dtype)
    save_volume(tmp_path / name, data, GRID)
    back = load_volume(tmp_path / name)
    assert back.data.dtype == dtype
    assert back.data.flags.c_contiguous
    np.testing.assert_array_equal(back.data, data)
    assert GRID.difference(back.grid, 1e-4) is None
    np.testing.assert_allclose(back.grid.b0_direction, GRID.b0_direction, atol=1e-6)


def test_written_header_says_scanner_and_millimetres(tmp_path, rng):
    save_volume(tmp_path / "a.nii.gz", rng.random(GRID.shape) > 0.5, GRID)
    header = nib.load(tmp_path / "a.nii.gz").header
    assert header.get_data_dtype() == np.uint8
    assert header["sform_code"] == header["qform_code"] == 1
    assert header.get_xyzt_units() == ("mm", "sec")
    np.testing.assert_allclose(header.get_qform(), GRID.affine, atol=1e-5)


def test_labels_fit_or_are_refused(tmp_path):
    labels = np.arange(210).reshape(GRID.shape)
    save_volume(tmp_path / "a.nii", labels, GRID)
    np.testing.assert_array_equal(load_volume(tmp_path / "a.nii").data, labels)
    with pytest.raises(InputError, match="32-bit"):
        save_volume(tmp_path / "b.nii", labels + 2**40, GRID)


def test_same_content_gives_the_same_file(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        save_volume(tmp_path / name, np.ones(GRID.shape, np.float32), GRID)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


@pytest.mark.parametrize(
    ("stored", "expected"),
    [(np.int8, np.float32), (np.uint16, np.float32), (np.int16, np.float32), (np.int32, np.float64),
     (np.float64, np.float64)],
)  # fmt: skip
def test_slope_and_intercept_are_applied_once(tmp_path, stored, expected):
    image = nib.Nifti1Image(np.arange(100, dtype=stored).reshape(4, 5, 5), np.eye(4))
    image.header.set_slope_inter(2, -96)
    nib.save(image, tmp_path / "a.nii")
    header = bytearray((tmp_path / "a.nii").read_bytes())
    header[112:120] = np.array([2, -96], np.float32).tobytes()
    (tmp_path / "a.nii").write_bytes(header)
    raw = np.asarray(nib.load(tmp_path / "a.nii").dataobj.get_unscaled())
    data = load_volume(tmp_path / "a.nii").data
    assert data.dtype == expected
    np.testing.assert_allclose(data, raw * 2.0 - 96)


def test_slope_of_zero_means_unscaled(tmp_path):
    path = header_edited(tmp_path / "a.nii", scl_slope=0, scl_inter=5)
    np.testing.assert_array_equal(load_volume(path).data, np.arange(210).reshape(GRID.shape))


def test_trailing_axes_of_one_are_dropped(tmp_path):
    nib.save(nib.Nifti1Image(np.ones((4, 5, 6, 1, 1), np.float32), np.eye(4)), tmp_path / "a.nii")
    assert load_volume(tmp_path / "a.nii").data.shape == (4, 5, 6)


def test_big_endian_and_nifti2_are_read(tmp_path, rng):
    data = rng.random(GRID.shape).astype(np.float32)
    big = nib.Nifti1Image(data, GRID.affine, nib.Nifti1Header(endianness=">"))
    two = nib.Nifti2Image(data, GRID.affine)
    for name, image in (("big.nii", big), ("two.nii.gz", two)):
        nib.save(image, tmp_path / name)
        back = load_volume(tmp_path / name).data
        assert back.dtype == np.float32
        np.testing.assert_array_equal(back, data)


@pytest.mark.parametrize(("unit", "factor"), [("micron", 1e-3), ("meter", 1e3), ("unknown", 1), ("mm", 1)])
def test_lengths_are_millimetres_whatever_the_header_counts_in(tmp_path, unit, factor):
    image = nib.Nifti1Image(np.ones((4, 5, 6), np.float32), np.diag([2.0, 3, 4, 1]))
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "a.nii")
    np.testing.assert_allclose(load_volume(tmp_path / "a.nii").grid.voxel_size, np.array([2, 3, 4]) * factor)


def two_forms(path, sform_code, qform_code):
    image = nib.Nifti1Image(np.ones(GRID.shape, np.float32), np.eye(4))
    image.set_sform(np.diag([1.0, 1, 2, 1]), sform_code)
    image.set_qform(GRID.affine, qform_code)
    nib.save(image, path)
    return path


@pytest.mark.parametrize(("sform_code", "chosen"), [(1, "sform"), (2, "qform"), (4, "qform")])
def test_forms_that_disagree_are_reported_and_the_scanner_one_is_used(tmp_path, sform_code, chosen):
    path = two_forms(tmp_path / "a.nii", sform_code, 1)
    with pytest.warns(DataWarning, match=rf"disagree.*the {chosen}"):
        grid = load_volume(path).grid
    expected = GRID.b0_direction if chosen == "qform" else [0, 0, 1]
    np.testing.assert_allclose(grid.b0_direction, expected, atol=1e-5)


def test_a_form_without_code_does_not_count(tmp_path):
    np.testing.assert_allclose(
        load_volume(two_forms(tmp_path / "a.nii", 0, 1)).grid.b0_direction, GRID.b0_direction, atol=1e-5
    )


def test_missing_orientation_is_reported(tmp_path):
    with pytest.warns(DataWarning, match="no orientation"):
        volume = load_volume(two_forms(tmp_path / "a.nii", 0, 0))
    np.testing.assert_allclose(volume.grid.b0_direction, [0, 0, 1], atol=1e-6)


def test_damage_anywhere_in_a_compressed_file_is_found(tmp_path, rng):
    content = bytearray(gzip.compress(nib.Nifti1Image(rng.random((9, 9, 9)), np.eye(4)).to_bytes()))
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "a.nii.gz").write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        load_volume(tmp_path / "a.nii.gz")


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        (
            {"sform_code": 1, "qform_code": 0, "srow_x": 0, "srow_y": 0, "srow_z": 0},
            GeometryError,
            "voxel size",
        ),
        ({"srow_x": np.nan}, GeometryError, "finite"),
        ({"srow_x": [1, 1, 0, 0], "srow_y": [0, 1, 0, 0], "srow_z": [0, 0, 1, 0]}, GeometryError, "sheared"),
        ({"qform_code": 1, "quatern_b": 3}, GeometryError, "unusable orientation"),
        ({"datatype": 9999}, InputError, "no usable NIfTI"),
        ({"datatype": 32, "bitpix": 64}, InputError, "cut short|not real numbers"),
        ({"scl_slope": 2, "scl_inter": np.nan}, InputError, "no usable NIfTI"),
        ({"dim": [3, 32000, 32000, 32000, 1, 1, 1, 1]}, InputError, "cut short"),
        ({"dim": [3, 5, -6, 7, 1, 1, 1, 1]}, InputError, "a.nii"),
        ({"dim": [5, 5, 1, 7, 2, 3, 1, 1]}, ShapeError, "neither 3-D nor 4-D"),
        ({"dim": [2, 30, 7, 1, 1, 1, 1, 1]}, ShapeError, "neither 3-D nor 4-D"),
    ],
)
def test_unusable_header_is_named(tmp_path, changes, error, match):
    path = header_edited(tmp_path / "a.nii", **{"sform_code": 1, **changes})
    with pytest.raises(error, match=match) as caught:
        load_volume(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_complex_values_are_refused(tmp_path):
    nib.save(nib.Nifti1Image(np.ones((3, 3, 3), np.complex64), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(InputError, match="not real numbers"):
        load_volume(tmp_path / "a.nii")


def test_name_must_be_of_nifti(tmp_path):
    with pytest.raises(OutputError, match="does not end in"):
        save_volume(tmp_path / "a.mgz", np.ones(GRID.shape), GRID)
    (tmp_path / "a.mgz").touch()
    with pytest.raises(InputError, match="does not end in"):
        load_volume(tmp_path / "a.mgz")


def test_data_must_lie_on_the_grid(tmp_path):
    with pytest.raises(ShapeError, match="do not lie"):
        save_volume(tmp_path / "a.nii", np.ones((2, 2, 2)), GRID)
    assert not list(tmp_path.iterdir())
